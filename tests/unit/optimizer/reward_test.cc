#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <equipoise/optimizer/reward.h>

namespace equipoise {
namespace {

using Terms = std::vector<std::uint64_t>;

TEST(Reward, IsTheWeightedMeanWithItsBreakdown) {
  const Reward reward{.groundedness = 0.8, .recall = 0.5, .cost = 3};
  const auto out = ComputeReward(
      reward, {.groundedness_weight = 2, .recall_weight = 1, .cost_weight = 1, .cost_half = 1});
  ASSERT_TRUE(out.ok());
  EXPECT_DOUBLE_EQ(out->cost_score, 0.25);
  EXPECT_DOUBLE_EQ(out->groundedness_share, 0.5);
  EXPECT_DOUBLE_EQ(out->reward, 0.5 * 0.8 + 0.25 * 0.5 + 0.25 * 0.25);
}

TEST(Reward, UnknownPartsAreLeftOutOfTheMean) {
  const auto out =
      ComputeReward({.groundedness = kRewardUnknown, .recall = 0.4, .cost = kRewardUnknown});
  ASSERT_TRUE(out.ok());
  EXPECT_DOUBLE_EQ(out->reward, 0.4);
  EXPECT_EQ(out->groundedness_share, 0);
  EXPECT_FALSE(ComputeReward({}).ok());
}

TEST(Reward, StaysInRangeAndGrowsWithWhatIsGood) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> unit;
  for (int i = 0; i < 2000; ++i) {
    const Reward reward{unit(random), unit(random), std::exp(20 * unit(random) - 10)};
    const RewardOptions options{unit(random), unit(random), unit(random),
                                std::exp(10 * unit(random) - 5)};
    const double value = ComputeReward(reward, options)->reward;
    EXPECT_GE(value, 0);
    EXPECT_LE(value, 1);
    Reward better = reward;
    better.cost /= 2;
    EXPECT_GE(ComputeReward(better, options)->reward, value);
    better = reward;
    better.recall = (1 + reward.recall) / 2;
    EXPECT_GE(ComputeReward(better, options)->reward, value);
  }
  EXPECT_TRUE(ComputeReward({1, 1, 1e308}, {1e308, 1e308, 1e308, 1e-300}).ok());
}

TEST(Reward, PartsOutsideTheirRangeAreNamed) {
  EXPECT_EQ(ComputeReward({1.5, 0, 0}).error().where().field, "reward.groundedness");
  EXPECT_EQ(ComputeReward({1, 0, -1}).error().where().field, "reward.cost");
  EXPECT_EQ(ComputeReward(
                {1, 0, 0},
                {.groundedness_weight = -1, .recall_weight = 1, .cost_weight = 1, .cost_half = 1})
                .error()
                .where()
                .field,
            "options.groundedness_weight");
}

TEST(Reward, RecallIsTheShareOfTheRelevantThatWasFound) {
  EXPECT_DOUBLE_EQ(RewardRecall(Terms{5, 1, 9, 9}, Terms{9, 1, 7, 7}), 2.0 / 3);
  EXPECT_EQ(RewardRecall({}, Terms{1}), 0);
  EXPECT_TRUE(std::isnan(RewardRecall(Terms{1}, {})));
}

TEST(Groundedness, CountsSentencesThatAnyMeasureSupports) {
  const Terms first = {1, 2, 3, 3}, second = {7, 8}, none;
  const Terms passage = {3, 2, 9}, other = {8, 4};
  const std::vector<float> up = {3, 0}, across = {0, 2}, zero = {0, 0};
  std::vector<SupportText> sentences(3), passages(2);
  sentences[0].terms = first;
  sentences[1].terms = second;
  sentences[2].terms = none;
  passages[0].terms = passage;
  passages[1].terms = other;
  GroundednessOptions options;
  options.term_threshold = 0.6;
  auto out = MeasureGroundedness(sentences, passages, options);
  ASSERT_TRUE(out.ok());
  EXPECT_DOUBLE_EQ(out->share, 1.0 / 3);
  EXPECT_DOUBLE_EQ(out->sentences[0].overlap, 2.0 / 3);
  EXPECT_EQ(out->sentences[0].passage, 0u);
  EXPECT_DOUBLE_EQ(out->sentences[1].overlap, 0.5);
  EXPECT_FALSE(out->sentences[2].supported);
  sentences[1].embeddings = {up.data(), 1, 2};
  sentences[2].embeddings = {zero.data(), 1, 2};
  passages[0].embeddings = {across.data(), 1, 2};
  passages[1].embeddings = {up.data(), 1, 2};
  options.similarity_threshold = 0.9;
  out = MeasureGroundedness(sentences, passages, options);
  ASSERT_TRUE(out.ok());
  EXPECT_TRUE(out->sentences[1].supported);
  EXPECT_EQ(out->sentences[1].passage, 1u);
  EXPECT_NEAR(out->sentences[1].similarity, 1, 1e-6);
  EXPECT_EQ(out->sentences[2].similarity, 0);
  options.scorer = [](std::size_t sentence, std::size_t p) {
    return sentence == 2 && p == 1 ? 0.7 : 0.1;
  };
  out = MeasureGroundedness(sentences, passages, options);
  EXPECT_EQ(out->share, 1);
  EXPECT_EQ(out->sentences[2].passage, 1u);
  EXPECT_TRUE(std::isnan(MeasureGroundedness({}, passages)->share));
  EXPECT_EQ(MeasureGroundedness(sentences, {})->share, 0);
}

TEST(Groundedness, WrongTextsAreNamed) {
  const Terms terms = {1, 2};
  const std::vector<float> weights = {1}, bad = {1, std::nanf("")};
  std::vector<SupportText> texts(1);
  texts[0] = {terms, weights, {}};
  EXPECT_FALSE(MeasureGroundedness(texts, {}).ok());
  texts[0] = {terms, bad, {}};
  EXPECT_FALSE(MeasureGroundedness({}, texts).ok());
  texts[0] = {terms, {}, {bad.data(), 1, 2}};
  EXPECT_FALSE(MeasureGroundedness(texts, {}).ok());
  GroundednessOptions options;
  options.term_threshold = std::nan("");
  EXPECT_EQ(MeasureGroundedness({}, {}, options).error().where().field, "options.term_threshold");
}

TEST(Groundedness, AreaAndThresholdAreThoseOfTheDefinition) {
  const std::vector<double> positives = {0.9, 0.8, 0.4}, negatives = {0.4, 0.3, 0.2, 0.85};
  // Pairs won: 4 + 3 + 2.5 of 12.
  EXPECT_DOUBLE_EQ(AreaUnderCurve(positives, negatives), 9.5 / 12);
  EXPECT_DOUBLE_EQ(*CalibrateThreshold(positives, negatives, 0.25), 0.8);
  EXPECT_DOUBLE_EQ(*CalibrateThreshold(positives, negatives, 0), 0.9);
  EXPECT_TRUE(std::isnan(AreaUnderCurve({}, negatives)));
  EXPECT_FALSE(CalibrateThreshold(positives, {}, 0.1).ok());
}

// Sentences of real passages: each against its own passage, from which it is taken out, and against
// another one.
struct Pairs {
  std::vector<double> own, other;
};

Pairs PairsOf(const std::filesystem::path& corpus) {
  std::ifstream file(corpus);
  std::vector<std::vector<Terms>> passages;
  std::map<std::string, std::uint64_t> ids;
  std::map<std::uint64_t, double> frequency;
  for (std::string line; passages.size() < 800 && std::getline(file, line);) {
    const auto object = nlohmann::json::parse(line);
    std::string text = object.value("text", "");
    std::vector<Terms> sentences(1);
    std::string word;
    for (const char c : text + ".") {
      if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
        word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        continue;
      }
      if (!word.empty()) sentences.back().push_back(ids.emplace(word, ids.size()).first->second);
      word.clear();
      if (c == '.' && !sentences.back().empty()) sentences.emplace_back();
    }
    std::erase_if(sentences, [](const Terms& s) { return s.size() < 6; });
    if (sentences.size() >= 3) passages.push_back(sentences);
  }
  for (const auto& passage : passages) {
    std::set<std::uint64_t> seen;
    for (const Terms& sentence : passage) seen.insert(sentence.begin(), sentence.end());
    for (const std::uint64_t term : seen) ++frequency[term];
  }
  Pairs out;
  for (std::size_t p = 0; p < passages.size(); ++p) {
    const Terms& sentence = passages[p][1];
    std::vector<float> weights;
    for (const std::uint64_t term : sentence)
      weights.push_back(
          static_cast<float>(std::log(static_cast<double>(passages.size()) / frequency[term])));
    Terms own, other;
    for (std::size_t s = 0; s < passages[p].size(); ++s)
      if (s != 1) own.insert(own.end(), passages[p][s].begin(), passages[p][s].end());
    for (const Terms& s : passages[(p + 311) % passages.size()])
      other.insert(other.end(), s.begin(), s.end());
    std::vector<SupportText> sentences(1), texts(2);
    sentences[0] = {sentence, weights, {}};
    texts[0].terms = own;
    texts[1].terms = other;
    out.own.push_back(
        MeasureGroundedness(sentences, std::span(texts).first(1))->sentences[0].overlap);
    out.other.push_back(
        MeasureGroundedness(sentences, std::span(texts).last(1))->sentences[0].overlap);
  }
  return out;
}

TEST(Groundedness, TellsSentencesOfAPassageFromThoseOfOthersOnRealText) {
  const char* data = std::getenv("EQUIPOISE_DATA");
  const std::filesystem::path folder = data != nullptr ? data : "";
  if (folder.empty() || !std::filesystem::exists(folder / "cranfield/corpus.jsonl"))
    GTEST_SKIP() << "EQUIPOISE_DATA names no folder with cranfield/corpus.jsonl";
  for (const char* set : {"cranfield", "med", "cisi"}) {
    if (!std::filesystem::exists(folder / set / "corpus.jsonl")) continue;
    const Pairs pairs = PairsOf(folder / set / "corpus.jsonl");
    const double area = AreaUnderCurve(pairs.own, pairs.other);
    const auto reach = [](const std::vector<double>& scores, double bar) {
      return static_cast<double>(
                 std::count_if(scores.begin(), scores.end(), [=](double x) { return x >= bar; })) /
             static_cast<double>(scores.size());
    };
    const double threshold = *CalibrateThreshold(pairs.own, pairs.other, 0.01);
    const double bar = GroundednessOptions().term_threshold;
    GTEST_LOG_(INFO) << set << ": " << pairs.own.size() << " pairs, area under the curve " << area
                     << ", threshold at 1 % false " << threshold << "; at " << bar << ": "
                     << reach(pairs.own, bar) << " of own, " << reach(pairs.other, bar)
                     << " of others";
    EXPECT_GT(area, 0.85) << set;
    EXPECT_LT(reach(pairs.other, bar), 0.03) << set;
  }
}

}  // namespace
}  // namespace equipoise
