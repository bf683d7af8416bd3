#include <filesystem>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <equipoise/core/checked_file.h>
#include <equipoise/core/index_folder.h>

#include "temp_folder.h"

namespace equipoise {
namespace {

namespace fs = std::filesystem;
using testing::ReadFile;
using testing::TempFolder;
using testing::WriteFile;

Status WriteIndex(const std::string& folder, const std::string& content) {
  auto writer = IndexFolderWriter::Begin(folder);
  if (!writer) return writer.error();
  auto file = CheckedFileWriter::Create(writer->PathOf("data"), "data", 1);
  if (!file) return file.error();
  if (Status s = file->Section<char>("content", content); !s.ok()) return s;
  if (Status s = file->Finish(); !s.ok()) return s;
  return writer->Commit({"data"}, R"({"a": 1})");
}

std::string ReadContent(const std::string& folder) {
  auto manifest = ReadManifest(folder);
  if (!manifest) return manifest.error().ToString();
  if (Status s = CheckFiles(folder, *manifest); !s.ok()) return s.ToString();
  auto file = CheckedFile::Open(manifest->PathOf(folder, "data"), "data", 1);
  if (!file) return file.error().ToString();
  auto content = file->SectionOf<char>("content");
  return std::string(content->begin(), content->end());
}

TEST(IndexFolder, SecondGenerationReplacesTheFirst) {
  TempFolder temp;
  const std::string folder = temp.path("index");
  ASSERT_TRUE(WriteIndex(folder, "one").ok());
  EXPECT_EQ(ReadContent(folder), "one");
  EXPECT_EQ(ReadManifest(folder)->settings, R"({"a":1})");
  ASSERT_TRUE(WriteIndex(folder, "two").ok());
  EXPECT_EQ(ReadContent(folder), "two");
  EXPECT_FALSE(fs::exists(folder + "/generation-1"));
}

TEST(IndexFolder, AbandonedWriterLeavesNothing) {
  TempFolder temp;
  const std::string folder = temp.path("index");
  { ASSERT_TRUE(IndexFolderWriter::Begin(folder).ok()); }
  EXPECT_FALSE(fs::exists(folder));
}

TEST(IndexFolder, AbandonedWriterLeavesTheOldIndex) {
  TempFolder temp;
  const std::string folder = temp.path("index");
  ASSERT_TRUE(WriteIndex(folder, "one").ok());
  { ASSERT_TRUE(IndexFolderWriter::Begin(folder).ok()); }
  EXPECT_EQ(ReadContent(folder), "one");
}

TEST(IndexFolder, KilledWriterLeavesTheOldIndexAndTheNextOneCleansUp) {
  TempFolder temp;
  const std::string folder = temp.path("index");
  ASSERT_TRUE(WriteIndex(folder, "one").ok());
  const pid_t child = ::fork();
  if (child == 0) {
    auto writer = IndexFolderWriter::Begin(folder);
    ::_exit(writer.ok() ? 0 : 1);  // no destructor runs, as when killed
  }
  int code = 0;
  ::waitpid(child, &code, 0);
  ASSERT_EQ(code, 0);
  EXPECT_TRUE(fs::exists(folder + "/generation-2.partial"));
  EXPECT_EQ(ReadContent(folder), "one");
  ASSERT_TRUE(WriteIndex(folder, "three").ok());
  EXPECT_EQ(ReadContent(folder), "three");
  EXPECT_FALSE(fs::exists(folder + "/generation-2.partial"));
}

TEST(IndexFolder, SecondWriterIsRefused) {
  TempFolder temp;
  const std::string folder = temp.path("index");
  auto first = IndexFolderWriter::Begin(folder);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(IndexFolderWriter::Begin(folder).error().code(), Code::kUnavailable);
  EXPECT_TRUE(fs::exists(folder));
}

TEST(IndexFolder, FilesOfSomebodyElseAreLeftAlone) {
  TempFolder temp;
  temp.Write("thesis.tex", "years of work");
  EXPECT_EQ(IndexFolderWriter::Begin(temp.root()).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(ReadFile(temp.path("thesis.tex")), "years of work");
  EXPECT_EQ(IndexFolderWriter::Begin(temp.path("thesis.tex")).error().code(),
            Code::kInvalidArgument);
}

TEST(IndexFolder, FoldersThatMerelyLookLikeGenerationsAreLeftAlone) {
  for (const char* name : {"generation-1", "generation-x", "generation-", "generation-1.partial"}) {
    TempFolder temp;
    fs::create_directories(temp.path(name));
    WriteFile(temp.path(std::string(name) + "/thesis.tex"), "years of work");
    EXPECT_EQ(IndexFolderWriter::Begin(temp.root()).error().code(), Code::kInvalidArgument);
    EXPECT_EQ(ReadFile(temp.path(std::string(name) + "/thesis.tex")), "years of work");
    EXPECT_FALSE(fs::exists(temp.path("LOCK")));
  }
  TempFolder temp;
  const std::string folder = temp.path("index");
  ASSERT_TRUE(WriteIndex(folder, "one").ok());
  fs::create_directory(folder + "/generation-notes");
  EXPECT_EQ(IndexFolderWriter::Begin(folder).error().code(), Code::kInvalidArgument);
}

TEST(IndexFolder, ManifestOfAnotherProgramIsLeftAlone) {
  TempFolder temp;
  temp.Write("MANIFEST", "Manifest-Version: 1.0\n");
  EXPECT_EQ(IndexFolderWriter::Begin(temp.root()).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(ReadFile(temp.path("MANIFEST")), "Manifest-Version: 1.0\n");
}

TEST(IndexFolder, AbandonedWriterRemovesTheFoldersThatItMadeAndNoOthers) {
  TempFolder temp;
  for (const char* name : {"a/b/c", "a/b/c/", "./a//b/../d"}) {
    { ASSERT_TRUE(IndexFolderWriter::Begin(temp.path(name)).ok()) << name; }
    EXPECT_TRUE(fs::is_empty(temp.root())) << name;
  }
  fs::create_directory(temp.path("empty"));
  { ASSERT_TRUE(IndexFolderWriter::Begin(temp.path("empty/")).ok()); }
  EXPECT_TRUE(fs::is_empty(temp.path("empty")));
}

TEST(IndexFolder, MissingFolderAndOtherFolderAreToldApart) {
  TempFolder temp;
  EXPECT_EQ(ReadManifest(temp.path("none")).error().code(), Code::kNotFound);
  EXPECT_EQ(ReadManifest(temp.root()).error().code(), Code::kInvalidArgument);
}

TEST(IndexFolder, EveryChangedByteOfTheManifestIsFound) {
  TempFolder temp;
  const std::string folder = temp.path("index");
  ASSERT_TRUE(WriteIndex(folder, "one").ok());
  const std::string path = folder + "/MANIFEST";
  const std::string whole = ReadFile(path);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x01);
    WriteFile(path, changed);
    EXPECT_EQ(ReadManifest(folder).error().code(), Code::kCorruption) << i;
    WriteFile(path, whole.substr(0, i));
    EXPECT_EQ(ReadManifest(folder).error().code(), Code::kCorruption) << i;
  }
}

TEST(IndexFolder, NewerFormatIsRefusedAndOlderNamesTheCommand) {
  TempFolder temp;
  const std::string folder = temp.path("index");
  ASSERT_TRUE(WriteIndex(folder, "one").ok());
  const std::string path = folder + "/MANIFEST";
  const std::string whole = ReadFile(path);
  const std::string rest = whole.substr(whole.find('\n'), whole.rfind("xxh3") - whole.find('\n'));
  for (int version : {0, kIndexFormatVersion + 1}) {
    std::string text = fmt::format("equipoise-index {}{}", version, rest);
    text += fmt::format("xxh3 {:016x}\n", Checksum(std::as_bytes(std::span(text))));
    WriteFile(path, text);
    const Status status = ReadManifest(folder).error();
    EXPECT_EQ(status.code(), Code::kUnsupported);
    EXPECT_NE(status.message().find(version == 0 ? "equipoise index --corpus" : "newer"),
              std::string::npos)
        << status.ToString();
  }
}

TEST(IndexFolder, FileOfAnotherGenerationIsFound) {
  TempFolder temp;
  const std::string a = temp.path("a");
  const std::string b = temp.path("b");
  ASSERT_TRUE(WriteIndex(a, "one").ok());
  ASSERT_TRUE(WriteIndex(b, "two").ok());
  fs::copy_file(b + "/generation-1/data", a + "/generation-1/data",
                fs::copy_options::overwrite_existing);
  EXPECT_EQ(CheckFiles(a, *ReadManifest(a)).code(), Code::kCorruption);
  fs::remove(a + "/generation-1/data");
  EXPECT_EQ(CheckFiles(a, *ReadManifest(a)).code(), Code::kNotFound);
}

}  // namespace
}  // namespace equipoise
