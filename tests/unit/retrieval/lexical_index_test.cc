#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <equipoise/retrieval/lexical_index.h>

#include "temp_folder.h"

namespace equipoise {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TempFolder;
using Words = std::vector<std::string>;
using Documents = std::vector<Words>;

LexicalIndex Build(const TempFolder& folder, const Documents& documents, Bm25Params params = {}) {
  const std::string path = folder.path("index.lex");
  auto builder = LexicalIndexBuilder::Create(params);
  EXPECT_TRUE(builder.ok());
  for (const auto& document : documents) EXPECT_TRUE(builder->Add(document).ok());
  EXPECT_EQ(builder->documents(), documents.size());
  const Status written = builder->Write(path);
  EXPECT_TRUE(written.ok()) << written.ToString();
  auto index = LexicalIndex::Open(path);
  EXPECT_TRUE(index.ok()) << index.error().ToString();
  EXPECT_TRUE(index.ok() && index->Verify().ok());
  return index.ok() ? *std::move(index) : LexicalIndex();
}

// BM25 by the formula, in double, document by document: the truth. Negative where no term occurs.
std::vector<double> BruteForce(const Documents& documents, const Words& query, Bm25Params params) {
  const auto n = static_cast<double>(documents.size());
  double tokens = 0;
  for (const auto& document : documents) tokens += static_cast<double>(document.size());
  std::vector<double> out;
  std::map<std::string, double> df;
  for (const auto& term : std::set<std::string>(query.begin(), query.end()))
    for (const auto& document : documents)
      if (std::count(document.begin(), document.end(), term) > 0) ++df[term];
  for (const auto& document : documents) {
    double score = -1;
    for (const auto& term : query) {
      const auto tf = static_cast<double>(std::count(document.begin(), document.end(), term));
      if (tf == 0) continue;
      const double idf = std::log(1 + (n - df[term] + 0.5) / (df[term] + 0.5));
      const double k1 = params.k1, b = params.b;
      const double norm = k1 * (1 - b + b * static_cast<double>(document.size()) / (tokens / n));
      score = std::max(score, 0.0) + idf * tf / (tf + norm);
    }
    out.push_back(score);
  }
  return out;
}

Documents RandomDocuments(std::mt19937* random, std::size_t count, std::size_t vocabulary) {
  Documents out(count);
  for (auto& document : out) {
    const std::size_t length = (*random)() % 5 == 0 ? 0 : (*random)() % 40;
    for (std::size_t i = 0; i < length; ++i) {
      // Squared: some words are frequent, most are rare.
      const double u = static_cast<double>((*random)() % 10000) / 10000;
      document.push_back("w" +
                         std::to_string(static_cast<int>(u * u * static_cast<double>(vocabulary))));
    }
  }
  return out;
}

std::vector<std::uint32_t> AllDocuments(const LexicalIndex& index) {
  std::vector<std::uint32_t> out(index.documents());
  for (std::uint32_t i = 0; i < out.size(); ++i) out[i] = i;
  return out;
}

std::vector<float> ScoreAll(const LexicalIndex& index, const Words& query) {
  const auto docs = AllDocuments(index);
  std::vector<float> scores(docs.size(), -7.0f);
  index.Score(query, docs, scores);
  return scores;
}

TEST(LexicalIndex, AgreesWithBm25ByTheFormulaOnRandomCollections) {
  std::mt19937 random(3);
  const std::vector<Bm25Params> kParams = {{},     {0.9f, 0.4f}, {0, 0.75f},
                                           {2, 1}, {1.5f, 0},    {1e6f, 0.5f}};
  for (std::size_t round = 0; round < 60; ++round) {
    TempFolder folder;
    const auto params = kParams[round % kParams.size()];
    const auto documents = RandomDocuments(&random, random() % 80, 30);
    const LexicalIndex index = Build(folder, documents, params);
    ASSERT_EQ(index.documents(), documents.size());
    for (int q = 0; q < 20; ++q) {
      Words query(random() % 6);
      for (auto& word : query) word = "w" + std::to_string(random() % 35);
      const auto truth = BruteForce(documents, query, params);
      const auto found = index.Search(query, documents.size() + 5);
      std::size_t matching = 0;
      for (const double score : truth) matching += score >= 0;
      ASSERT_EQ(found.size(), matching);
      ASSERT_TRUE(std::is_sorted(found.begin(), found.end(), Better));
      for (const auto& hit : found) {
        ASSERT_GE(truth[hit.id], 0) << "document " << hit.id << " has no term of the query";
        ASSERT_NEAR(hit.score, truth[hit.id], 1e-5 * (1 + truth[hit.id]));
      }
      const auto scores = ScoreAll(index, query);
      for (std::size_t i = 0; i < scores.size(); ++i)
        ASSERT_NEAR(scores[i], std::max(truth[i], 0.0), 1e-5 * (1 + std::abs(truth[i])));
    }
  }
}

TEST(LexicalIndex, GivesTheScoresOfBm25s) {
  const auto golden = nlohmann::json::parse(testing::ReadFile(
      std::string(EQUIPOISE_SOURCE_DIR) + "/tests/unit/retrieval/golden/bm25s_lucene.json"));
  const auto documents = golden["documents"].get<Documents>();
  for (const auto& expected : golden["cases"]) {
    TempFolder folder;
    const LexicalIndex index =
        Build(folder, documents, {expected["k1"].get<float>(), expected["b"].get<float>()});
    for (std::size_t q = 0; q < golden["queries"].size(); ++q) {
      const auto query = golden["queries"][q].get<Words>();
      const auto scores = ScoreAll(index, query);
      for (std::size_t d = 0; d < documents.size(); ++d)
        EXPECT_NEAR(scores[d], expected["scores"][q][d].get<float>(), 1e-4)
            << "query " << q << ", document " << d << ", k1 = " << expected["k1"];
    }
  }
}

TEST(LexicalIndex, AgreesBitForBitBetweenSearchScoreAndExplain) {
  std::mt19937 random(4);
  TempFolder folder;
  const auto documents = RandomDocuments(&random, 500, 60);
  const LexicalIndex index = Build(folder, documents);
  for (int q = 0; q < 100; ++q) {
    Words query(random() % 12 + 1);
    for (auto& word : query) word = "w" + std::to_string(random() % 70);
    // In any order, with repetitions and documents that do not exist.
    std::vector<std::uint32_t> docs(300);
    for (auto& doc : docs)
      doc =
          static_cast<std::uint32_t>(random() % 20 == 0 ? random() | 0x80000000u : random() % 500);
    std::vector<float> scores(docs.size());
    index.Score(query, docs, scores);
    std::map<std::uint32_t, float> searched;
    for (const auto& hit : index.Search(query, 1000)) searched[hit.id] = hit.score;
    for (std::size_t i = 0; i < docs.size(); ++i) {
      const auto found = searched.find(docs[i]);
      ASSERT_EQ(scores[i], found == searched.end() ? 0.0f : found->second);
    }
    // All at once, as one by one.
    const auto explained = index.Explain(query, docs);
    ASSERT_EQ(explained.size(), docs.size());
    for (std::size_t i = 0; i < docs.size(); ++i) {
      float sum = 0;
      for (const auto& term : explained[i]) sum += term.contribution;
      ASSERT_EQ(scores[i], sum);
      const auto alone = index.Explain(query, docs[i]);
      ASSERT_EQ(alone.size(), explained[i].size());
      for (std::size_t t = 0; t < alone.size(); ++t) {
        ASSERT_EQ(alone[t].term, explained[i][t].term);
        ASSERT_EQ(alone[t].tf, explained[i][t].tf);
      }
    }
  }
}

TEST(LexicalIndex, GivesThePrefixOfTheWholeRankingForEveryK) {
  std::mt19937 random(5);
  TempFolder folder;
  const LexicalIndex index = Build(folder, RandomDocuments(&random, 200, 20));
  const Words query = {"w1", "w0", "w7", "w1"};
  const auto all = index.Search(query, std::numeric_limits<std::size_t>::max());
  ASSERT_GT(all.size(), 50u);
  for (std::size_t k = 0; k <= all.size() + 1; ++k) {
    const auto best = index.Search(query, k);
    ASSERT_EQ(best.size(), std::min(k, all.size()));
    ASSERT_TRUE(std::equal(best.begin(), best.end(), all.begin()));
  }
}

TEST(LexicalIndex, AnyKIsFineWhateverItsBits) {
  std::mt19937 random(6);
  TempFolder folder;
  const LexicalIndex index = Build(folder, RandomDocuments(&random, 3000, 20));
  const Words query = {"w1", "w0"};
  const auto all = index.Search(query, 3000);
  for (int bit = 12; bit < 64; ++bit) {
    const auto found = index.Search(query, std::size_t{1} << bit);
    ASSERT_EQ(found.size(), all.size()) << bit;
    ASSERT_TRUE(std::equal(found.begin(), found.end(), all.begin()));
  }
}

TEST(LexicalIndex, ScoreIsZeroWhenTermIsAbsent) {
  TempFolder folder;
  const LexicalIndex index = Build(folder, {{"a"}, {"b"}, {}});
  EXPECT_EQ(ScoreAll(index, {"b", "unknown"})[0], 0.0f);
  EXPECT_EQ(ScoreAll(index, {"unknown"}), std::vector<float>(3, 0.0f));
  EXPECT_EQ(ScoreAll(index, {}), std::vector<float>(3, 0.0f));
  EXPECT_THAT(index.Search(Words{"unknown"}, 10), IsEmpty());
  EXPECT_THAT(index.Search(Words{}, 10), IsEmpty());
  EXPECT_THAT(index.Search(Words{"a"}, 0), IsEmpty());
}

TEST(LexicalIndex, ExplainsEveryTermOfTheQueryOnce) {
  TempFolder folder;
  const LexicalIndex index = Build(folder, {{"a", "a", "b"}, {"b"}});
  const auto parts = index.Explain(Words{"b", "x", "a", "b", "c"}, 0);
  ASSERT_EQ(parts.size(), 4u);
  EXPECT_EQ(parts[0].term, "b");
  EXPECT_EQ(parts[0].query_count, 2u);
  EXPECT_EQ(parts[0].df, 2u);
  EXPECT_EQ(parts[0].tf, 1u);
  EXPECT_FLOAT_EQ(parts[0].idf, std::log(1 + 0.5f / 2.5f));
  EXPECT_FLOAT_EQ(parts[0].contribution, 2 * parts[0].idf / (1 + 1.2f * (0.25f + 0.75f * 3 / 2)));
  EXPECT_EQ(parts[1].term, "x");
  EXPECT_EQ(parts[1].df, 0u);
  EXPECT_EQ(parts[1].idf, 0.0f);
  EXPECT_EQ(parts[1].contribution, 0.0f);
  EXPECT_EQ(parts[2].tf, 2u);
  EXPECT_EQ(index.Explain(Words{"a"}, 1)[0].contribution, 0.0f);
  EXPECT_EQ(index.Explain(Words{"a"}, 1)[0].df, 1u);
  EXPECT_EQ(index.Explain(Words{"a"}, 99)[0].tf, 0u);
}

TEST(LexicalIndex, CountsARepeatedQueryTermAsOftenAsItOccurs) {
  TempFolder folder;
  const LexicalIndex index = Build(folder, {{"a", "b"}, {"b"}, {"c"}});
  const float once = index.Search(Words{"a"}, 1)[0].score;
  EXPECT_FLOAT_EQ(index.Search(Words(3, "a"), 1)[0].score, 3 * once);
  const auto many = index.Search(Words(10000, "a"), 5);
  ASSERT_EQ(many.size(), 1u);
  EXPECT_FLOAT_EQ(many[0].score, 10000 * once);
}

TEST(LexicalIndex, AnswersAQueryOfTenThousandTerms) {
  std::mt19937 random(6);
  TempFolder folder;
  const auto documents = RandomDocuments(&random, 300, 400);
  const LexicalIndex index = Build(folder, documents);
  Words query(10000);
  for (auto& word : query) word = "w" + std::to_string(random() % 500);
  const auto truth = BruteForce(documents, query, {});
  const auto found = index.Search(query, 1000);
  ASSERT_FALSE(found.empty());
  for (const auto& hit : found) EXPECT_NEAR(hit.score, truth[hit.id], 1e-4 * truth[hit.id]);
  EXPECT_EQ(index.Explain(query, 0).size(),
            std::set<std::string>(query.begin(), query.end()).size());
}

TEST(LexicalIndex, BreaksTiesOfAHundredThousandEqualDocumentsById) {
  TempFolder folder;
  const LexicalIndex index = Build(folder, Documents(100000, {"same", "words", "same"}));
  const auto found = index.Search(Words{"same"}, 1000);
  ASSERT_EQ(found.size(), 1000u);
  for (std::uint32_t i = 0; i < 1000; ++i) ASSERT_EQ(found[i].id, i);
  EXPECT_GT(found[0].score, 0.0f);
  EXPECT_EQ(found[0].score, found[999].score);
  EXPECT_EQ(index.Search(Words{"same"}, 200000).size(), 100000u);
}

TEST(LexicalIndex, FindsATermThatEveryDocumentHas) {
  TempFolder folder;
  const LexicalIndex index = Build(folder, {{"a"}, {"a", "a"}, {"a", "b"}});
  const auto found = index.Search(Words{"a"}, 10);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].id, 1u);
  EXPECT_GT(found[2].score, 0.0f);  // Lucene's idf is positive even here
}

TEST(LexicalIndex, KeepsTheLengthOfADocumentOfAMillionTokensExactly) {
  TempFolder folder;
  Documents documents(3);
  documents[0] = Words(1000001, "long");
  documents[0].back() = "rare";
  documents[1] = {"long", "rare"};
  const LexicalIndex index = Build(folder, documents);
  EXPECT_DOUBLE_EQ(index.average_length(), 1000003.0 / 3);
  for (const Words& query : {Words{"long"}, Words{"rare"}}) {
    const auto truth = BruteForce(documents, query, {});
    for (const auto& hit : index.Search(query, 3))
      EXPECT_NEAR(hit.score, truth[hit.id], 1e-6 * truth[hit.id]);
  }
  EXPECT_EQ(index.Explain(Words{"long"}, 0)[0].tf, 1000000u);
}

TEST(LexicalIndex, IsFineWithoutDocumentsAndWithEmptyOnes) {
  TempFolder folder;
  for (const std::size_t count : {0u, 1u, 5u}) {
    const LexicalIndex index = Build(folder, Documents(count));
    EXPECT_EQ(index.documents(), count);
    EXPECT_EQ(index.terms(), 0u);
    EXPECT_EQ(index.average_length(), 0.0);
    EXPECT_THAT(index.Search(Words{"a", ""}, 10), IsEmpty());
    EXPECT_EQ(ScoreAll(index, {"a"}), std::vector<float>(count, 0.0f));
  }
}

TEST(LexicalIndex, TakesTermsOfAnyBytes) {
  TempFolder folder;
  const std::string nul("a\0b", 3);
  const LexicalIndex index =
      Build(folder, {{"", nul}, {"a", "\xFF\xFE"}, {std::string(100000, 'x')}});
  EXPECT_EQ(index.terms(), 5u);
  EXPECT_EQ(index.Search(Words{""}, 5).at(0).id, 0u);
  EXPECT_EQ(index.Search(Words{nul}, 5).at(0).id, 0u);
  EXPECT_EQ(index.Search(Words{"a"}, 5).at(0).id, 1u);
  EXPECT_EQ(index.Search(Words{"\xFF\xFE"}, 5).at(0).id, 1u);
  EXPECT_EQ(index.Search(Words{std::string(100000, 'x')}, 5).at(0).id, 2u);
  EXPECT_EQ(index.DocumentFrequency("a"), 1u);
  EXPECT_EQ(index.DocumentFrequency("b"), 0u);
}

TEST(LexicalIndex, GivesTheSameResultOnEveryThread) {
  std::mt19937 random(7);
  TempFolder folder;
  const LexicalIndex index = Build(folder, RandomDocuments(&random, 2000, 100));
  std::vector<Words> queries(40);
  for (auto& query : queries)
    for (std::size_t i = random() % 8 + 1; i > 0; --i)
      query.push_back("w" + std::to_string(random() % 110));
  std::vector<std::vector<Scored>> expected;
  for (const auto& query : queries) expected.push_back(index.Search(query, 50));
  std::vector<int> wrong(8, 0);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 5 * queries.size(); ++i) {
        const std::size_t q = (i * 11 + t) % queries.size();
        if (index.Search(queries[q], 50) != expected[q]) ++wrong[t];
        if (ScoreAll(index, queries[q])[expected[q][0].id] != expected[q][0].score) ++wrong[t];
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(wrong, ::testing::Each(0));
}

TEST(LexicalIndex, TellsWhatItHolds) {
  TempFolder folder;
  const LexicalIndex index = Build(folder, {{"a", "a", "b"}, {"b"}, {}}, {0.9f, 0.4f});
  EXPECT_EQ(index.documents(), 3u);
  EXPECT_EQ(index.terms(), 2u);
  EXPECT_EQ(index.postings(), 3u);
  EXPECT_DOUBLE_EQ(index.average_length(), 4.0 / 3);
  EXPECT_EQ(index.params(), (Bm25Params{0.9f, 0.4f}));
  EXPECT_EQ(index.bytes(), std::filesystem::file_size(folder.path("index.lex")));
  std::uint64_t code_bytes = 0;
  for (const auto& part : index.parts())
    if (part.name == "length_codes") code_bytes = part.bytes;
  EXPECT_EQ(code_bytes, 3u);
}

TEST(LexicalIndex, IsEmptyWhenDefaultConstructedOrMovedFrom) {
  TempFolder folder;
  LexicalIndex index = Build(folder, {{"a"}});
  const LexicalIndex moved = std::move(index);
  EXPECT_EQ(moved.Search(Words{"a"}, 1).size(), 1u);
  for (const LexicalIndex* none : {&index}) {  // NOLINT: use after move is what is tested
    EXPECT_EQ(none->documents(), 0u);
    EXPECT_THAT(none->Search(Words{"a"}, 1), IsEmpty());
    EXPECT_EQ(none->Explain(Words{"a"}, 0).size(), 1u);
    EXPECT_TRUE(none->Verify().ok());
    EXPECT_THAT(none->parts(), IsEmpty());
  }
  EXPECT_EQ(LexicalIndex().terms(), 0u);
}

TEST(LexicalIndexBuilder, RefusesParametersOutOfRange) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  for (const Bm25Params bad : {Bm25Params{-0.1f, 0.5f},
                               {nan, 0.5f},
                               {infinity, 0.5f},
                               {1.0f, -0.1f},
                               {1.0f, 1.1f},
                               {1.0f, nan}}) {
    const Status status = LexicalIndexBuilder::Create(bad).error();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("out of range"));
  }
}

TEST(LexicalIndexBuilder, StaysFiniteWithTheLargestK1) {
  TempFolder folder;
  const LexicalIndex index =
      Build(folder, {{"a"}, Words(50, "a"), {}, {}}, {std::numeric_limits<float>::max(), 1});
  const auto found = index.Search(Words{"a"}, 10);
  ASSERT_EQ(found.size(), 2u);  // found even though the score underflows to 0
  for (const auto& hit : found) EXPECT_GE(hit.score, 0.0f);
}

TEST(LexicalIndexBuilder, WritesTheSameBytesForTheSameDocuments) {
  TempFolder folder;
  std::mt19937 random(8);
  const auto documents = RandomDocuments(&random, 100, 50);
  Build(folder, documents);
  const std::string first = testing::ReadFile(folder.path("index.lex"));
  Build(folder, documents);
  EXPECT_EQ(first, testing::ReadFile(folder.path("index.lex")));
}

TEST(LexicalIndexBuilder, CanGoOnAfterItWrote) {
  TempFolder folder;
  auto builder = LexicalIndexBuilder::Create();
  ASSERT_TRUE(builder.ok());
  ASSERT_TRUE(builder->Add(Words{"a"}).ok());
  ASSERT_TRUE(builder->Write(folder.path("one")).ok());
  ASSERT_TRUE(builder->Add(Words{"a", "b"}).ok());
  ASSERT_TRUE(builder->Write(folder.path("two")).ok());
  EXPECT_EQ(LexicalIndex::Open(folder.path("one"))->documents(), 1u);
  EXPECT_EQ(LexicalIndex::Open(folder.path("two"))->Search(Words{"a"}, 5).size(), 2u);
}

TEST(LexicalIndexBuilder, ReportsWhereItCannotWrite) {
  TempFolder folder;
  auto builder = LexicalIndexBuilder::Create();
  ASSERT_TRUE(builder->Add(Words{"a"}).ok());
  const Status status = builder->Write(folder.path("no/such/folder"));
  EXPECT_EQ(status.code(), Code::kIo);
  EXPECT_THAT(status.ToString(), HasSubstr("no/such/folder"));
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full on this system";
  EXPECT_EQ(builder->Write("/dev/full").code(), Code::kIo);
}

}  // namespace
}  // namespace equipoise
