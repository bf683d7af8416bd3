// Building a lexical index: the same file whatever the threads and the memory.
#include <algorithm>
#include <filesystem>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <equipoise/retrieval/lexical_index.h>

#include "lexical_dictionary.h"
#include "lexical_postings.h"
#include "temp_folder.h"

namespace equipoise {
namespace {

using testing::ReadFile;
using testing::TempFolder;
using Words = std::vector<std::string>;
using Documents = std::vector<Words>;

Documents RandomDocuments(std::size_t count) {
  std::mt19937 random(31);
  Documents out(count);
  for (auto& document : out)
    for (std::size_t i = random() % 12; i > 0; --i)
      document.push_back("w" + std::to_string(random() % (1 + random() % 3000)));
  return out;
}

std::string Built(const TempFolder& folder, const Documents& documents, std::size_t batch,
                  int threads, LexicalBuildOptions options) {
  auto builder = LexicalIndexBuilder::Create({}, std::move(options));
  EXPECT_TRUE(builder.ok());
  for (std::size_t from = 0; from < documents.size(); from += batch) {
    const Status added = builder->AddMany(
        std::min(batch, documents.size() - from), threads,
        [&](std::size_t i, Words*) { return std::span<const std::string>(documents[from + i]); });
    EXPECT_TRUE(added.ok()) << added.ToString();
  }
  EXPECT_EQ(builder->documents(), documents.size());
  EXPECT_TRUE(builder->Write(folder.path("index")).ok());
  EXPECT_TRUE(LexicalIndex::Open(folder.path("index"))->Verify().ok());
  return ReadFile(folder.path("index"));
}

TEST(LexicalBuild, WritesTheSameBytesForAnyThreadsBatchesAndMemory) {
  TempFolder folder;
  const auto documents = RandomDocuments(20000);
  const std::string expected = Built(folder, documents, 1, 1, {});
  for (const int threads : {1, 2, 3, 8})
    for (const std::size_t batch : {std::size_t{100}, std::size_t{4096}, documents.size()})
      EXPECT_EQ(Built(folder, documents, batch, threads, {}), expected) << threads << ' ' << batch;
  std::filesystem::create_directory(folder.path("spill"));
  for (const std::size_t memory : {std::size_t{1}, std::size_t{200000}, std::size_t{2000000}})
    for (const int threads : {1, 3})
      EXPECT_EQ(Built(folder, documents, 1000, threads,
                      {.memory = memory, .spill_folder = folder.path("spill")}),
                expected)
          << memory << ' ' << threads;
  EXPECT_TRUE(std::filesystem::is_empty(folder.path("spill")));
}

TEST(LexicalBuild, CanGoOnAfterItWroteWhatItHadSpilled) {
  TempFolder folder;
  auto builder = LexicalIndexBuilder::Create({}, {.memory = 1, .spill_folder = folder.path("")});
  ASSERT_TRUE(builder->Add(Words{"a"}).ok());
  ASSERT_TRUE(builder->Write(folder.path("one")).ok());
  ASSERT_TRUE(builder->Add(Words{"a", "b"}).ok());
  ASSERT_TRUE(builder->Write(folder.path("two")).ok());
  EXPECT_EQ(LexicalIndex::Open(folder.path("one"))->documents(), 1u);
  EXPECT_EQ(LexicalIndex::Open(folder.path("two"))->Search(Words{"a"}, 5).size(), 2u);
}

TEST(LexicalBuild, TellsHowFarTheMergeIsAndStopsWhenItIsTold) {
  TempFolder folder;
  const auto documents = RandomDocuments(20000);
  auto builder =
      LexicalIndexBuilder::Create({}, {.memory = 1 << 20, .spill_folder = folder.path("")});
  ASSERT_TRUE(builder.ok());
  for (const Words& document : documents) ASSERT_TRUE(builder->Add(document).ok());
  std::vector<std::uint64_t> done;
  std::uint64_t total = 0;
  const auto keep = [&](const Progress& progress) {
    EXPECT_EQ(progress.stage, "postings");
    done.push_back(progress.done);
    total = progress.total;
    return true;
  };
  ASSERT_TRUE(builder->Write(folder.path("index"), keep).ok());
  const auto index = LexicalIndex::Open(folder.path("index"));
  ASSERT_TRUE(index.ok());
  EXPECT_EQ(total, index->postings());
  EXPECT_GE(done.size(), 50u);
  EXPECT_LE(done.size(), 101u);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_GE(done.back() * 10, 9 * total);
  EXPECT_LE(done.back(), total);

  const auto stop = [&](const Progress& progress) { return 2 * progress.done < progress.total; };
  EXPECT_EQ(builder->Write(folder.path("stopped"), stop).code(), Code::kCancelled);
  EXPECT_FALSE(std::filesystem::exists(folder.path("stopped")));
  // It is still good for another try.
  ASSERT_TRUE(builder->Write(folder.path("again")).ok());
  EXPECT_EQ(ReadFile(folder.path("again")), ReadFile(folder.path("index")));
}

TEST(LexicalBuild, SaysWhereItCannotSpill) {
  TempFolder folder;
  EXPECT_EQ(LexicalIndexBuilder::Create({}, {.memory = 1}).error().code(), Code::kInvalidArgument);
  auto builder =
      LexicalIndexBuilder::Create({}, {.memory = 1, .spill_folder = folder.path("no/such/folder")});
  ASSERT_TRUE(builder.ok());
  const Status status = builder->Add(Words{"a"});
  EXPECT_EQ(status.code(), Code::kIo);
  EXPECT_THAT(status.ToString(), ::testing::HasSubstr("no/such/folder"));
  EXPECT_EQ(builder->Add(Words{"a"}).code(), Code::kIo);
  EXPECT_EQ(builder->Write(folder.path("index")).code(), Code::kIo);
}

TEST(LexicalBuild, FindsEveryTermOfADictionaryAndNoneBetween) {
  std::mt19937 random(32);
  std::vector<std::string> terms = {"", std::string("\0", 1), std::string("a\0", 2), "\xFF",
                                    "\xFF\xFF"};
  for (int i = 0; i < 3000; ++i) {
    // Few letters: long common prefixes, terms that are prefixes of others, equal keys.
    std::string term = random() % 2 == 0 ? "prefixed" : "";
    for (std::size_t n = random() % 6; n > 0; --n)
      term += static_cast<char>(random() % 3 == 0 ? 0xC0 + random() % 3 : 'a' + random() % 3);
    terms.push_back(term);
  }
  std::sort(terms.begin(), terms.end());
  terms.erase(std::unique(terms.begin(), terms.end()), terms.end());
  lexical::DictionaryWriter writer;
  for (std::size_t i = 0; i < terms.size(); ++i)
    writer.Add(terms[i], static_cast<std::uint32_t>(i), 1);
  const lexical::Dictionary dictionary(writer.terms(), writer.bytes(), writer.blocks());
  lexical::TermEntry entry;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    ASSERT_TRUE(dictionary.Find(terms[i], &entry)) << i;
    EXPECT_EQ(entry.documents, i);
    EXPECT_EQ(entry.begin, i);
    for (const char* more : {"a", "z", "\xFF"}) {
      const std::string other = terms[i] + more;
      if (!std::binary_search(terms.begin(), terms.end(), other)) {
        EXPECT_FALSE(dictionary.Find(other, &entry));
      }
    }
  }
  std::size_t seen = 0;
  EXPECT_TRUE(dictionary.ForEach(
      [&](std::string_view term, const lexical::TermEntry&) { return term == terms[seen++]; }));
  EXPECT_EQ(seen, terms.size());
}

TEST(LexicalBuild, ListsOfAnySizeComeBackAsTheyWere) {
  std::mt19937 random(33);
  for (const std::uint32_t n : {1u, 2u, 127u, 128u, 129u, 255u, 256u, 257u, 5000u}) {
    for (const std::uint32_t spread : {1u, 7u, 100000u}) {
      lexical::PostingEncoder encoder;
      std::vector<std::uint32_t> docs, tfs;
      std::uint32_t doc = static_cast<std::uint32_t>(random() % spread);
      for (std::uint32_t i = 0; i < n;
           ++i, doc += static_cast<std::uint32_t>(1 + random() % spread)) {
        docs.push_back(doc);
        tfs.push_back(static_cast<std::uint32_t>(random() % 9 == 0 ? 1 + random() % 70000 : 1));
        encoder.Add(docs.back(), tfs.back(), static_cast<std::uint8_t>(i));
      }
      std::uint32_t count = 0;
      std::uint64_t bytes = 0;
      ASSERT_TRUE(encoder.EndList(&count, &bytes));
      ASSERT_EQ(count, n);
      ASSERT_EQ(bytes, encoder.out().size());
      encoder.out().resize(bytes + kPackedSlack);
      const lexical::PostingList list(std::span(encoder.out()).first(bytes), n, doc + 1);
      std::uint32_t found_docs[lexical::kBlockRoom], found_tfs[lexical::kBlockRoom];
      std::size_t at = 0;
      for (std::size_t b = 0; b < list.blocks(); ++b) {
        const auto block = list.Unpack(b, found_docs);
        ASSERT_GT(block.n, 0u);
        block.Tfs(found_tfs);
        for (std::uint32_t i = 0; i < block.n; ++i, ++at) {
          ASSERT_EQ(found_docs[i], docs[at]);
          ASSERT_EQ(found_tfs[i] + 1, tfs[at]);
          ASSERT_EQ(block.Tf(i), tfs[at]);
        }
      }
      ASSERT_EQ(at, n);
      lexical::PostingCursor cursor(list);
      for (std::size_t i = 0; i < n; i += 1 + random() % 5) {
        if (docs[i] > 0 && (i == 0 || docs[i - 1] + 1 < docs[i])) {
          ASSERT_EQ(cursor.Find(docs[i] - 1), 0u);
        }
        ASSERT_EQ(cursor.Find(docs[i]), tfs[i]);
        ASSERT_EQ(cursor.Look(docs[n - 1]), tfs[n - 1]);
      }
      ASSERT_EQ(cursor.Find(doc), 0u);
    }
  }
}

}  // namespace
}  // namespace equipoise
