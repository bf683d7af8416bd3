// Every way of searching a lexical index against the plainest one: the same documents, the same scores.
#include "lexical_search.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <equipoise/retrieval/analyzer.h>
#include <equipoise/retrieval/lexical_index.h>
#include <equipoise/retrieval/row_set.h>

#include "lexical_index_state.h"
#include "temp_folder.h"

namespace equipoise {
namespace {

using testing::TempFolder;
using Words = std::vector<std::string>;
using Documents = std::vector<Words>;

void Write(const std::string& path, const Documents& documents, Bm25Params params = {}) {
  auto builder = LexicalIndexBuilder::Create(params);
  ASSERT_TRUE(builder.ok());
  for (const auto& document : documents) ASSERT_TRUE(builder->Add(document).ok());
  ASSERT_TRUE(builder->Write(path).ok());
}

// Score of every document, sorted: neither sums nor bounds have a part in it.
std::vector<Scored> ByScores(const LexicalIndex& index, const Words& query, std::size_t k) {
  std::vector<std::uint32_t> docs(index.documents());
  for (std::uint32_t i = 0; i < docs.size(); ++i) docs[i] = i;
  std::vector<float> scores(docs.size());
  index.Score(query, docs, scores);
  return TopK(scores, k, 0);
}

void ExpectAllWaysAgree(const std::string& path, const std::vector<Words>& queries,
                        const std::vector<std::uint32_t>& windows) {
  auto index = LexicalIndex::Open(path);
  ASSERT_TRUE(index.ok());
  LexicalState state;
  ASSERT_TRUE(state.Load(path).ok());
  for (std::size_t q = 0; q < queries.size(); ++q) {
    const auto query = state.Resolve(queries[q]);
    if (query.empty()) continue;
    for (const std::size_t k : {std::size_t{1}, std::size_t{10}, std::size_t{100}}) {
      const auto all = state.Search(query, k, 0);
      ASSERT_EQ(index->Search(queries[q], k), all);
      for (const std::uint32_t window : windows)
        ASSERT_EQ(state.Search(query, k, window), all)
            << "query " << q << ", k = " << k << ", window " << window;
      if (q % 16 == 0) {
        ASSERT_EQ(ByScores(*index, queries[q], k), all) << "query " << q;
      }
    }
  }
}

// Some words are frequent, most are rare; documents of lengths that differ, or not.
Documents RandomDocuments(std::mt19937* random, std::size_t count, std::size_t vocabulary,
                          std::size_t longest) {
  Documents out(count);
  for (auto& document : out) {
    const std::size_t length = longest == 1 ? 3 : 1 + (*random)() % longest;
    for (std::size_t i = 0; i < length; ++i) {
      const double u = static_cast<double>((*random)() % 100000) / 100000;
      document.push_back(
          "w" + std::to_string(static_cast<int>(u * u * u * static_cast<double>(vocabulary))));
    }
  }
  return out;
}

TEST(LexicalSearch, PrunedAndExhaustiveAgreeInIdsAndScoresOnRandomCollections) {
  std::mt19937 random(21);
  const std::vector<Bm25Params> kParams = {{}, {0.9f, 0.4f}, {0, 0.75f}, {2, 1}, {1.5f, 0}};
  for (std::size_t round = 0; round < 15; ++round) {
    TempFolder folder;
    const std::size_t longest = std::vector<std::size_t>{1, 20, 600}[round % 3];
    const auto documents = RandomDocuments(&random, 200 + random() % (longest > 100 ? 800 : 6000),
                                           10 + random() % 2000, longest);
    Write(folder.path("index"), documents, kParams[round % kParams.size()]);
    std::vector<Words> queries(40);
    for (auto& query : queries) {
      if (random() % 2 == 0) query = documents[random() % documents.size()];
      query.resize(1 + random() % 14);
      for (auto& word : query)
        if (word.empty() || random() % 4 == 0) word = "w" + std::to_string(random() % 300);
    }
    ExpectAllWaysAgree(folder.path("index"), queries, {64, 100, 1000, 4096});
  }
}

TEST(LexicalSearch, AgreesWhereAllDocumentsAreTies) {
  TempFolder folder;
  Write(folder.path("index"), Documents(5000, {"same", "words", "same", "here"}));
  ExpectAllWaysAgree(folder.path("index"), {{"same"}, {"same", "words"}, {"here", "same", "words"}},
                     {64, 1000});
}

// Weights that differ by much: the frequent term alone never reaches the best, and is skipped.
TEST(LexicalSearch, AgreesWhereOneTermIsInEveryDocument) {
  std::mt19937 random(22);
  TempFolder folder;
  Documents documents(8000, {"every"});
  for (auto& document : documents) {
    for (std::size_t i = random() % 4; i > 0; --i) document.push_back("every");
    if (random() % 50 == 0) document.push_back("rare");
    if (random() % 300 == 0) document.push_back("rarer");
  }
  Write(folder.path("index"), documents);
  ExpectAllWaysAgree(folder.path("index"),
                     {{"every", "rare"}, {"rare", "every", "rarer"}, {"rarer", "every"}},
                     {64, 512, 4096});
}

TEST(LexicalSearch, AgreesOnQueriesOfMoreTermsThanArePruned) {
  std::mt19937 random(23);
  TempFolder folder;
  Write(folder.path("index"), RandomDocuments(&random, 3000, 500, 30));
  std::vector<Words> queries(5);
  for (auto& query : queries)
    for (int i = 0; i < 200; ++i) query.push_back("w" + std::to_string(random() % 500));
  ExpectAllWaysAgree(folder.path("index"), queries, {256});
}

// Brute force: the scores of all documents, those that are not allowed left out, sorted.
std::vector<Scored> AllowedByScores(const LexicalIndex& index, const Words& query, std::size_t k,
                                    const RowSet& allowed) {
  auto out = ByScores(index, query, index.documents());
  std::erase_if(out, [&](const Scored& item) { return !allowed.Has(item.id); });
  out.resize(std::min(k, out.size()));
  return out;
}

TEST(LexicalSearch, FilteredSearchesGiveTheAllowedDocumentsOfBruteForceInEveryWay) {
  std::mt19937 random(24);
  for (std::size_t round = 0; round < 6; ++round) {
    TempFolder folder;
    const auto documents =
        RandomDocuments(&random, 3000 + random() % 3000, 10 + random() % 1000, 40);
    Write(folder.path("index"), documents);
    auto index = LexicalIndex::Open(folder.path("index"));
    ASSERT_TRUE(index.ok());
    LexicalState state;
    ASSERT_TRUE(state.Load(folder.path("index")).ok());
    const std::size_t n = documents.size();
    for (const double share : {0.0, 0.0005, 0.01, 0.1, 0.5, 0.97, 1.0}) {
      // A part of all documents, and the same number one behind the other.
      const RowSet spread(
          n, [&](std::uint32_t) { return static_cast<double>(random() % 10000) < share * 10000; });
      const RowSet together(n, [&](std::uint32_t doc) {
        return doc >= n / 3 && static_cast<double>(doc - n / 3) < share * static_cast<double>(n);
      });
      for (const RowSet* allowed : {&spread, &together}) {
        for (int q = 0; q < 12; ++q) {
          Words words = documents[random() % n];
          words.resize(1 + random() % 8, "w1");
          const auto query = state.Resolve(words);
          std::vector<std::uint32_t> docs;
          for (std::uint32_t doc = 0; doc < n; ++doc)
            if (allowed->Has(doc)) docs.push_back(doc);
          for (const std::size_t k : {std::size_t{1}, std::size_t{10}, std::size_t{200}}) {
            const auto truth = AllowedByScores(*index, words, k, *allowed);
            ASSERT_EQ(index->Search(words, k, allowed->words()), truth);
            for (const std::uint32_t window : {0u, 64u, 100u, 1024u})
              ASSERT_EQ(state.Search(query, k, window, allowed->words().data()), truth)
                  << "share " << share << ", k = " << k << ", window " << window;
            ASSERT_EQ(state.SearchAllowed(query, k, docs), truth);
          }
        }
      }
    }
  }
}

TEST(LexicalSearch, SearchAndScoreGivesWhatSearchAndScoreGive) {
  std::mt19937 random(25);
  TempFolder folder;
  const auto documents = RandomDocuments(&random, 4000, 300, 30);
  Write(folder.path("index"), documents);
  auto index = LexicalIndex::Open(folder.path("index"));
  ASSERT_TRUE(index.ok());
  const RowSet few(4000, [](std::uint32_t doc) { return doc % 500 == 7; });
  const RowSet most(4000, [](std::uint32_t doc) { return doc % 5 != 0; });
  const RowSet* const kAllowed[] = {nullptr, &few, &most};
  for (int q = 0; q < 60; ++q) {
    Words words = q == 0 ? Words{} : q == 1 ? Words{"nowhere"} : documents[random() % 4000];
    if (q % 10 == 9)  // more terms than are pruned
      for (int i = 0; i < 100; ++i) words.push_back("w" + std::to_string(i));
    std::vector<std::uint32_t> docs = {4000, 0xFFFFFFFFu, 3, 3};
    for (int i = 0; i < 50; ++i) docs.push_back(static_cast<std::uint32_t>(random() % 4000));
    std::vector<float> truth(docs.size());
    index->Score(words, docs, truth);
    for (const RowSet* allowed : kAllowed) {
      std::optional<std::span<const std::uint64_t>> set;
      if (allowed != nullptr) set = allowed->words();
      for (const bool waits : {false, true}) {
        int asked = 0;
        std::vector<float> scores(7, -1.0f);
        const auto found = index->SearchAndScore(
            words, 10, set,
            [&] {
              ++asked;
              return std::span<const std::uint32_t>(docs);
            },
            &scores, waits);
        EXPECT_EQ(found,
                  allowed ? index->Search(words, 10, allowed->words()) : index->Search(words, 10));
        EXPECT_EQ(scores, truth);
        EXPECT_EQ(asked, 1);
        for (const float score : scores) EXPECT_FALSE(std::signbit(score));
      }
    }
  }
}

// Each term has fewer blocks than lie between two looks, all of them together have more.
TEST(LexicalSearch, ASearchForManyRareTermsCanBeStopped) {
  Documents documents;
  for (int i = 0; i < 400; ++i) documents.push_back({"t" + std::to_string(i)});
  TempFolder folder;
  Write(folder.path("index"), documents);
  const auto index = LexicalIndex::Open(folder.path("index"));
  ASSERT_TRUE(index.ok());
  Words words;
  for (const Words& document : documents) words.push_back(document[0]);
  for (const bool waits : {false, true}) {
    for (const bool cancelled : {false, true}) {
      CancellationToken token;
      if (cancelled) token.Cancel();
      StopCheck stop(std::nullopt, &token);
      std::vector<float> scores;
      const auto none = [] { return std::span<const std::uint32_t>(); };
      const auto found = index->SearchAndScore(words, 10, {}, none, &scores, waits, &stop);
      EXPECT_EQ(found.size(), cancelled ? 0u : 10u);
      EXPECT_EQ(stop.stopped(), cancelled);
      // What a stopped search leaves behind is cleared.
      EXPECT_EQ(index->Search(words, 10).size(), 10u);
    }
  }
}

TEST(LexicalSearch, DocumentsBehindTheEndOfASetAreNotAllowed) {
  TempFolder folder;
  Write(folder.path("index"), Documents(200, {"same"}));
  auto index = LexicalIndex::Open(folder.path("index"));
  ASSERT_TRUE(index.ok());
  const std::vector<std::uint64_t> first(1, ~std::uint64_t{0}), longer(9, ~std::uint64_t{0});
  EXPECT_EQ(index->Search(Words{"same"}, 200, first).size(), 64u);
  EXPECT_EQ(index->Search(Words{"same"}, 200, longer).size(), 200u);
  EXPECT_TRUE(index->Search(Words{"same"}, 200, std::span<const std::uint64_t>()).empty());
}

std::vector<std::string> TextsOf(const std::filesystem::path& file) {
  std::vector<std::string> out;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const auto row = nlohmann::json::parse(line);
    out.push_back(row.value("title", "") + " " + row.value("text", ""));
  }
  return out;
}

TEST(LexicalSearch, PrunedAndExhaustiveAgreeOnEveryRealSet) {
  const char* root = std::getenv("EQUIPOISE_DATA");
  if (root == nullptr) GTEST_SKIP() << "set EQUIPOISE_DATA to the folder of judged sets";
  const auto analyzer = Analyzer::Create({});
  ASSERT_TRUE(analyzer.ok());
  std::size_t sets = 0;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (!std::filesystem::exists(entry.path() / "corpus.jsonl")) continue;
    SCOPED_TRACE(entry.path().filename().string());
    TempFolder folder;
    const auto texts = TextsOf(entry.path() / "corpus.jsonl");
    auto builder = LexicalIndexBuilder::Create();
    ASSERT_TRUE(builder
                    ->AddMany(texts.size(), 1,
                              [&](std::size_t i, Words* room) {
                                analyzer->Analyze(texts[i], room);
                                return std::span<const std::string>(*room);
                              })
                    .ok());
    ASSERT_TRUE(builder->Write(folder.path("index")).ok());
    std::vector<Words> queries;
    for (const auto& text : TextsOf(entry.path() / "queries.jsonl"))
      queries.push_back(analyzer->Analyze(text));
    if (queries.size() > 300) queries.resize(300);
    ExpectAllWaysAgree(folder.path("index"), queries, {512, 1u << 15});
    ++sets;
  }
  if (sets == 0) GTEST_SKIP() << "EQUIPOISE_DATA has no set";
}

}  // namespace
}  // namespace equipoise
