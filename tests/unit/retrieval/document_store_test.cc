#include <cmath>

#include <gtest/gtest.h>

#include <equipoise/retrieval/columns.h>
#include <equipoise/retrieval/corpus_reader.h>
#include <equipoise/retrieval/document_store.h>

#include "temp_folder.h"

namespace equipoise {
namespace {

using testing::ReadFile;
using testing::TempFolder;
using testing::WriteFile;

TEST(DocumentStore, GivesBackIdsTitlesAndTexts) {
  TempFolder folder;
  auto writer = DocumentStoreWriter::Create(folder.path("documents"), true);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(writer->Add({.id = "b", .title = "B", .text = "bee"}).ok());
  ASSERT_TRUE(writer->Add({.id = "a", .title = "", .text = ""}).ok());
  ASSERT_TRUE(writer->Add({.id = "c", .title = "C", .text = std::string("x\0y", 3)}).ok());
  ASSERT_TRUE(writer->Finish().ok());
  auto store = DocumentStore::Open(folder.path("documents"));
  ASSERT_TRUE(store.ok()) << store.error().ToString();
  EXPECT_EQ(store->size(), 3u);
  EXPECT_EQ(store->Get(0).title, "B");
  EXPECT_EQ(store->Get(0).text, "bee");
  EXPECT_EQ(store->Get(1).text, "");
  EXPECT_EQ(store->Get(2).text.size(), 3u);
  EXPECT_EQ(store->Find("a"), 1u);
  EXPECT_EQ(store->Find("c"), 2u);
  EXPECT_FALSE(store->Find("d").has_value());
  EXPECT_EQ(store->Get(3).id, "");
}

TEST(DocumentStore, RefusesAnEmptyAndADuplicateId) {
  TempFolder folder;
  auto writer = DocumentStoreWriter::Create(folder.path("documents"), false);
  ASSERT_TRUE(writer->Add({.id = "a", .title = "", .text = ""}).ok());
  EXPECT_EQ(writer->Add({.id = "", .title = "", .text = ""}).code(), Code::kInvalidArgument);
  const Status twice = writer->Add({.id = "a", .title = "", .text = ""});
  EXPECT_EQ(twice.code(), Code::kInvalidArgument);
  EXPECT_NE(twice.message().find("document 1"), std::string::npos) << twice.ToString();
}

TEST(DocumentStore, NoDamagedByteCausesAReadOutside) {
  TempFolder folder;
  const std::string path = folder.path("documents");
  auto writer = DocumentStoreWriter::Create(path, true);
  for (const char* id : {"a", "bb", "ccc"})
    ASSERT_TRUE(writer->Add({.id = id, .title = id, .text = id}).ok());
  ASSERT_TRUE(writer->Finish().ok());
  const std::string whole = ReadFile(path);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0xff);
    WriteFile(path, changed);
    auto store = DocumentStore::Open(path);
    if (!store) continue;
    EXPECT_EQ(store->file().Verify().code(), Code::kCorruption) << i;
    for (std::uint32_t doc = 0; doc < 4; ++doc) {
      const StoredDocument got = store->Get(doc);
      EXPECT_LT(got.id.size() + got.title.size() + got.text.size(), 100u);
    }
    store->Find("bb");
  }
}

std::string WriteColumns(const TempFolder& folder) {
  ColumnsWriter writer;
  EXPECT_TRUE(writer.Add({{"year", std::int64_t{1963}}, {"domain", std::string("npl")}}).ok());
  EXPECT_TRUE(writer.Add({{"good", true}, {"score", std::int64_t{2}}}).ok());
  EXPECT_TRUE(
      writer.Add({{"year", std::int64_t{1970}}, {"score", 2.5}, {"tags", JsonText{R"(["a"])"}}})
          .ok());
  EXPECT_TRUE(writer.Write(folder.path("columns")).ok());
  return folder.path("columns");
}

TEST(Columns, KeepOneTypeAFieldAndAbsence) {
  TempFolder folder;
  auto columns = Columns::Open(WriteColumns(folder), 3);
  ASSERT_TRUE(columns.ok()) << columns.error().ToString();
  auto value = [&](const char* name, std::uint32_t doc) {
    return columns->Value(*columns->Find(name), doc);
  };
  EXPECT_EQ(value("year", 0), FieldValue(std::int64_t{1963}));
  EXPECT_EQ(value("year", 1), std::nullopt);
  EXPECT_EQ(value("domain", 0), FieldValue(std::string("npl")));
  EXPECT_EQ(value("good", 1), FieldValue(true));
  EXPECT_EQ(value("score", 1), FieldValue(2.0)) << "an integer column becomes one of doubles";
  EXPECT_EQ(value("score", 2), FieldValue(2.5));
  EXPECT_EQ(value("tags", 2), FieldValue(JsonText{R"(["a"])"}));
  EXPECT_EQ(value("year", 3), std::nullopt);
  EXPECT_EQ(columns->Find("other"), nullptr);
}

TEST(Columns, RefuseAFieldOfTwoTypesAndStayAsTheyWere) {
  ColumnsWriter writer;
  ASSERT_TRUE(writer.Add({{"year", std::int64_t{1963}}}).ok());
  const Status status = writer.Add({{"new", true}, {"year", std::string("1963")}});
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.where().field, "year");
  EXPECT_NE(status.message().find("string here and a int64"), std::string::npos);
  EXPECT_TRUE(writer.Add({{"new", std::string("was not taken")}}).ok());
  EXPECT_EQ(writer.Add({{"x", std::nan("")}}).code(), Code::kInvalidArgument);
  EXPECT_EQ(writer.Add({{"x", true}, {"x", true}}).code(), Code::kInvalidArgument);
}

TEST(Columns, NoDamagedByteCausesAReadOutside) {
  TempFolder folder;
  const std::string path = WriteColumns(folder);
  const std::string whole = ReadFile(path);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0xff);
    WriteFile(path, changed);
    auto columns = Columns::Open(path, 3);
    if (!columns) continue;
    EXPECT_EQ(columns->file().Verify().code(), Code::kCorruption) << i;
    for (const auto& column : columns->all())
      for (std::uint32_t doc = 0; doc < 4; ++doc) columns->Value(column, doc);
  }
}

std::vector<std::string> ReadAll(const std::string& path, Status* status) {
  std::vector<std::string> ids;
  auto reader = CorpusReader::Open(path);
  if (!reader) {
    *status = reader.error();
    return ids;
  }
  Document document;
  for (;;) {
    auto more = reader->Next(&document);
    if (!more) {
      *status = more.error();
      return ids;
    }
    if (!*more) return ids;
    ids.push_back(document.id);
  }
}

TEST(CorpusReader, ReadsTheBeirLayoutWithMetadata) {
  TempFolder folder;
  auto reader = CorpusReader::Open(folder.Write(
      "c.jsonl",
      "\xEF\xBB\xBF{\"_id\": \"1\", \"title\": \"T\", \"text\": \"x\", \"metadata\": {}, "
      "\"year\": 1963, \"big\": 18446744073709551615, \"no\": null}\r\n\n{\"_id\": 7}"));
  ASSERT_TRUE(reader.ok());
  Document document;
  ASSERT_TRUE(*reader->Next(&document));
  EXPECT_EQ(document.title, "T");
  EXPECT_EQ(document.fields, (std::vector<Field>{{"big", 18446744073709551615.0},
                                                 {"metadata", JsonText{"{}"}},
                                                 {"year", std::int64_t{1963}}}));
  ASSERT_TRUE(*reader->Next(&document));
  EXPECT_EQ(document.id, "7");
  EXPECT_EQ(document.text, "");
  EXPECT_EQ(reader->Place().line, 3);
  EXPECT_FALSE(*reader->Next(&document));
}

struct BadLine {
  const char* name;
  std::string line;
  const char* says;
};

class CorpusReaderRefuses : public ::testing::TestWithParam<BadLine> {};

TEST_P(CorpusReaderRefuses, NamingFileAndLine) {
  TempFolder folder;
  const std::string path =
      folder.Write("corpus.jsonl", "{\"_id\": \"1\"}\n" + GetParam().line + "\n{\"_id\": \"3\"}\n");
  Status status;
  EXPECT_EQ(ReadAll(path, &status).size(), 1u);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.where().line, 2);
  EXPECT_EQ(status.where().file, path);
  EXPECT_NE(status.message().find(GetParam().says), std::string::npos) << status.ToString();
}

INSTANTIATE_TEST_SUITE_P(
    Lines, CorpusReaderRefuses,
    ::testing::Values(BadLine{"MalformedJson", "{\"_id\": \"2\"", "not valid JSON"},
                      BadLine{"InvalidUtf8", "{\"_id\": \"\xff\"}", "not valid UTF-8"},
                      BadLine{"LoneSurrogate", "{\"_id\": \"\\ud800\"}", "not valid JSON"},
                      BadLine{"NotAnObject", "[1]", "not an object"},
                      BadLine{"MissingId", "{\"text\": \"x\"}", "_id"},
                      BadLine{"EmptyId", "{\"_id\": \"\"}", "_id"},
                      BadLine{"BooleanId", "{\"_id\": true}", "_id"},
                      BadLine{"NumberAsText", "{\"_id\": \"2\", \"text\": 5}", "not a string"}),
    [](const auto& p) { return p.param.name; });

TEST(CorpusReader, AMillionNestedBracketsAreRefusedAndDoNotExhaustTheStack) {
  TempFolder folder;
  const auto nested = [](std::size_t depth) {
    return "{\"_id\": \"1\", \"x\": " + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  Status status;
  const std::string path = folder.Write("deep.jsonl", nested(1'000'000));
  EXPECT_TRUE(ReadAll(path, &status).empty());
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.where().line, 1);
  EXPECT_EQ(ReadAll(folder.Write("fine.jsonl", nested(99)), &status).size(), 1u);
  // Brackets in strings nest nothing.
  const std::string text = "{\"_id\": \"\\\"" + std::string(1000, '[') + "\"}";
  EXPECT_EQ(ReadAll(folder.Write("text.jsonl", text), &status).size(), 1u);
}

TEST(CorpusReader, MissingFileIsNotFound) {
  EXPECT_EQ(CorpusReader::Open("/nonexistent/corpus.jsonl").error().code(), Code::kNotFound);
}

}  // namespace
}  // namespace equipoise
