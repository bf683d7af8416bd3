// Title and text as two fields, against BM25F as it is written.
#include <cmath>
#include <map>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <equipoise/core/checked_file.h>
#include <equipoise/retrieval/lexical_index.h>

#include "lexical_index_state.h"
#include "temp_folder.h"

namespace equipoise {
namespace {

using ::testing::HasSubstr;
using testing::ReadFile;
using testing::TempFolder;
using testing::WriteFile;
using Words = std::vector<std::string>;

struct TwoFields {
  Words title, text;

  Words All() const {
    Words out = title;
    out.insert(out.end(), text.begin(), text.end());
    return out;
  }
};
using Documents = std::vector<TwoFields>;

Status Write(const std::string& path, const Documents& documents, Bm25Params params,
             std::optional<Bm25Fields> fields, int threads = 1, LexicalBuildOptions options = {}) {
  auto builder = LexicalIndexBuilder::Create(params, std::move(options), fields);
  if (!builder.ok()) return builder.error();
  const auto tokens_of = [&](std::size_t i, Words* room) {
    *room = documents[i].All();
    return DocumentTokens(*room, documents[i].title.size());
  };
  for (std::size_t begin = 0; begin < documents.size(); begin += 500) {
    const std::size_t count = std::min<std::size_t>(500, documents.size() - begin);
    const Status added = builder->AddMany(
        count, threads, [&](std::size_t i, Words* room) { return tokens_of(begin + i, room); });
    if (!added.ok()) return added;
  }
  return builder->Write(path);
}

LexicalIndex Opened(const std::string& path) {
  auto index = LexicalIndex::Open(path);
  EXPECT_TRUE(index.ok()) << index.error().ToString();
  return *std::move(index);
}

// Robertson & Zaragoza 2009, section 3.6, with the idf of lexical_index.h.
std::vector<double> Plainly(const Documents& documents, const Words& query, double k1,
                            const Bm25Fields& fields) {
  const auto n = static_cast<double>(documents.size());
  double title_mean = 0, text_mean = 0;
  for (const TwoFields& d : documents) {
    title_mean += static_cast<double>(d.title.size()) / n;
    text_mean += static_cast<double>(d.text.size()) / n;
  }
  std::vector<double> scores(documents.size(), 0);
  for (const std::string& term : query) {
    double df = 0;
    for (const TwoFields& d : documents) {
      const Words all = d.All();
      df += std::count(all.begin(), all.end(), term) > 0 ? 1 : 0;
    }
    const double idf = std::log(1 + (n - df + 0.5) / (df + 0.5));
    for (std::size_t i = 0; i < documents.size(); ++i) {
      const auto weighted = [&](const Words& words, double weight, double b, double mean) {
        const auto tf = static_cast<double>(std::count(words.begin(), words.end(), term));
        if (tf == 0) return 0.0;
        return weight * tf / (1 - b + b * static_cast<double>(words.size()) / mean);
      };
      const double w =
          weighted(documents[i].title, fields.title_weight, fields.title_b, title_mean) +
          weighted(documents[i].text, fields.text_weight, fields.text_b, text_mean);
      if (w > 0) scores[i] += idf * w / (w + k1);
    }
  }
  return scores;
}

Documents RandomDocuments(std::mt19937* random, std::size_t count, std::size_t longest) {
  Documents out(count);
  const auto word = [&] {
    const double u = static_cast<double>((*random)() % 10000) / 10000;
    return "w" + std::to_string(static_cast<int>(u * u * u * 400));
  };
  for (TwoFields& document : out) {
    for (std::size_t i = (*random)() % 6; i > 0; --i) document.title.push_back(word());
    for (std::size_t i = (*random)() % longest; i > 0; --i) document.text.push_back(word());
  }
  return out;
}

TEST(LexicalFields, ScoresAreThoseOfBm25f) {
  std::mt19937 random(31);
  const std::vector<Bm25Fields> kFields = {
      {},
      {.title_weight = 3, .text_weight = 1, .title_b = 0.3f, .text_b = 0.8f},
      {.title_weight = 0.2f, .text_weight = 5, .title_b = 0, .text_b = 1},
      {.title_weight = 40, .text_weight = 0.5f, .title_b = 1, .text_b = 0}};
  for (std::size_t round = 0; round < 8; ++round) {
    TempFolder folder;
    const std::string path = folder.path("index");
    const Bm25Fields& fields = kFields[round % kFields.size()];
    const Bm25Params params{.k1 = round % 3 == 2 ? 0.0f : 1.2f, .b = 0.75f};
    const auto documents = RandomDocuments(&random, 150 + random() % 100, round < 4 ? 30 : 400);
    ASSERT_TRUE(Write(path, documents, params, fields).ok());
    const LexicalIndex index = Opened(path);
    ASSERT_EQ(index.fields(), fields);
    EXPECT_TRUE(index.Verify().ok()) << index.Verify().ToString();
    for (int q = 0; q < 10; ++q) {
      Words query;
      for (std::size_t i = 1 + random() % 5; i > 0; --i)
        query.push_back("w" + std::to_string(random() % 60));
      const auto expected = Plainly(documents, query, params.k1, fields);
      const auto found = index.Search(query, documents.size());
      std::set<std::uint32_t> seen;
      for (std::size_t i = 0; i < found.size(); ++i) {
        ASSERT_NEAR(found[i].score, expected[found[i].id], 1e-5 * (1 + expected[found[i].id]));
        if (i > 0) {
          ASSERT_LE(found[i].score, found[i - 1].score);
        }
        seen.insert(found[i].id);
      }
      for (std::uint32_t doc = 0; doc < expected.size(); ++doc)
        ASSERT_EQ(seen.contains(doc), expected[doc] > 0);
    }
  }
}

TEST(LexicalFields, EveryWayOfSearchingAndScoringAgreesBitForBit) {
  std::mt19937 random(32);
  TempFolder folder;
  const std::string path = folder.path("index");
  const auto documents = RandomDocuments(&random, 5000, 40);
  ASSERT_TRUE(Write(path, documents, {}, Bm25Fields{.title_weight = 4, .title_b = 0.5f}).ok());
  const LexicalIndex index = Opened(path);
  LexicalState state;
  ASSERT_TRUE(state.Load(path).ok());
  for (int q = 0; q < 60; ++q) {
    Words tokens;
    for (std::size_t i = 1 + random() % 8; i > 0; --i)
      tokens.push_back("w" + std::to_string(random() % 300));
    const auto query = state.Resolve(tokens);
    const auto all = index.Search(tokens, 20);
    for (const std::uint32_t window : {64u, 512u, 4096u})
      ASSERT_EQ(state.Search(query, 20, window), all) << window;
    for (const Scored& hit : all) {
      float score = 0, sum = 0;
      index.Score(tokens, std::span(&hit.id, 1), std::span(&score, 1));
      ASSERT_EQ(score, hit.score);
      for (const TermScore& term : index.Explain(tokens, hit.id)) {
        sum += term.contribution;
        const Words text = documents[hit.id].All();
        const Words& title = documents[hit.id].title;
        ASSERT_EQ(term.tf, std::count(text.begin(), text.end(), term.term));
        ASSERT_EQ(term.title_tf, std::count(title.begin(), title.end(), term.term));
      }
      ASSERT_EQ(sum, hit.score);
    }
  }
}

TEST(LexicalFields, WithoutTitlesAndWithWeight1ItIsTheJoinedField) {
  std::mt19937 random(33);
  auto documents = RandomDocuments(&random, 500, 60);
  for (TwoFields& document : documents) document.title.clear();
  TempFolder folder;
  ASSERT_TRUE(Write(folder.path("joined"), documents, {}, {}).ok());
  ASSERT_TRUE(Write(folder.path("fields"), documents, {}, Bm25Fields{}).ok());
  const LexicalIndex joined = Opened(folder.path("joined"));
  const LexicalIndex fields = Opened(folder.path("fields"));
  EXPECT_FALSE(joined.fields().has_value());
  for (int q = 0; q < 30; ++q) {
    const Words query = {"w" + std::to_string(random() % 100), "w" + std::to_string(random() % 20)};
    const auto expected = joined.Search(query, 500);
    const auto found = fields.Search(query, 500);
    ASSERT_EQ(found.size(), expected.size());
    for (const Scored& hit : found) {
      float score = 0;
      joined.Score(query, std::span(&hit.id, 1), std::span(&score, 1));
      ASSERT_NEAR(hit.score, score, 1e-5f);
    }
  }
}

TEST(LexicalFields, AWordInTheTitleCountsMoreWhereTheTitleDoes) {
  TempFolder folder;
  const Documents documents = {{{"heat"}, {"wing", "flow"}}, {{"wing"}, {"heat", "flow"}}};
  for (const float weight : {0.25f, 4.0f}) {
    ASSERT_TRUE(Write(folder.path("i"), documents, {}, Bm25Fields{.title_weight = weight}).ok());
    EXPECT_EQ(Opened(folder.path("i")).Search(Words{"wing"}, 1)[0].id, weight > 1 ? 1u : 0u);
  }
}

TEST(LexicalFields, FileDoesNotDependOnThreadsOrMemory) {
  std::mt19937 random(34);
  const auto documents = RandomDocuments(&random, 3000, 30);
  TempFolder folder;
  const Bm25Fields fields{.title_weight = 2};
  ASSERT_TRUE(Write(folder.path("one"), documents, {}, fields).ok());
  ASSERT_TRUE(Write(folder.path("three"), documents, {}, fields, 3).ok());
  ASSERT_TRUE(Write(folder.path("spilled"), documents, {}, fields, 2,
                    {.memory = 100000, .spill_folder = folder.path("")})
                  .ok());
  EXPECT_EQ(ReadFile(folder.path("one")), ReadFile(folder.path("three")));
  EXPECT_EQ(ReadFile(folder.path("one")), ReadFile(folder.path("spilled")));
}

TEST(LexicalFields, LongTitlesAndTextsOfOneWordKeepTheirCounts) {
  TempFolder folder;
  const Documents documents = {{Words(1000, "a"), Words(300000, "a")}, {{"b"}, {"a"}}, {{}, {}}};
  ASSERT_TRUE(Write(folder.path("index"), documents, {}, Bm25Fields{}).ok());
  const LexicalIndex index = Opened(folder.path("index"));
  EXPECT_TRUE(index.Verify().ok());
  const auto terms = index.Explain(Words{"a"}, 0);
  EXPECT_EQ(terms[0].tf, 301000u);
  EXPECT_EQ(terms[0].title_tf, 1000u);
}

TEST(LexicalFields, RefusesCountsThatDoNotFitAndWeightsOutOfRange) {
  TempFolder folder;
  const Status status =
      Write(folder.path("index"), {{Words(70000, "a"), Words(40000, "a")}}, {}, Bm25Fields{});
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("without fields"));
  const float nan = std::nanf("");
  for (const Bm25Fields& bad : std::vector<Bm25Fields>{{.title_weight = 0},
                                                       {.text_weight = -1},
                                                       {.title_weight = nan},
                                                       {.text_weight = INFINITY},
                                                       {.title_b = 1.1f},
                                                       {.text_b = nan}})
    EXPECT_EQ(LexicalIndexBuilder::Create({}, {}, bad).error().code(), Code::kInvalidArgument);
  auto builder = LexicalIndexBuilder::Create({}, {}, Bm25Fields{});
  const Words words = {"a"};
  EXPECT_EQ(builder->Add(words, 2).code(), Code::kInvalidArgument);
}

TEST(LexicalFields, EveryChangedByteIsFoundAndNoneCrashesASearch) {
  std::mt19937 random(35);
  TempFolder folder;
  const std::string path = folder.path("index");
  ASSERT_TRUE(Write(path, RandomDocuments(&random, 12, 10), {.k1 = 0}, Bm25Fields{}).ok());
  const std::string whole = ReadFile(path);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x5A);
    WriteFile(path, changed);
    auto index = LexicalIndex::Open(path);
    if (!index.ok()) continue;
    for (const Scored& hit : index->Search(Words{"w0", "w1", "w2"}, 12))
      ASSERT_TRUE(std::isfinite(hit.score));
    EXPECT_EQ(index->Verify().code(), Code::kCorruption) << "byte " << i;
  }
}

}  // namespace
}  // namespace equipoise
