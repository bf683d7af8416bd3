#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <equipoise/core/random.h>
#include <equipoise/retrieval/domain_evaluation.h>

namespace equipoise {
namespace {

const std::vector<std::string> kNames = {"a", "b", "c"};

DomainEvaluation Evaluate(const std::vector<DomainGuess>& guesses,
                          const std::vector<std::string_view>& labels) {
  auto out = EvaluateGuesses(guesses, kNames, labels);
  EXPECT_TRUE(out.ok()) << out.error().ToString();
  return *std::move(out);
}

TEST(DomainEvaluation, TheMeasuresAreThoseComputedByHand) {
  const std::vector<DomainGuess> guesses = {{.domain = 0, .probability = 0.95f},
                                            {.domain = 0, .probability = 0.85f},
                                            {.domain = 1, .probability = 0.55f},
                                            {.domain = 1, .probability = 0.35f, .general = true},
                                            {.domain = 2, .probability = 1.0f}};
  const DomainEvaluation e = Evaluate(guesses, {"a", "b", "b", "d", "c"});
  EXPECT_DOUBLE_EQ(e.accuracy, 0.6);
  EXPECT_DOUBLE_EQ(e.macro_accuracy, (1 + 0.5 + 1 + 0) / 4);
  EXPECT_DOUBLE_EQ(e.general, 0.2);
  EXPECT_DOUBLE_EQ(e.sure_accuracy, 0.75);
  EXPECT_EQ(e.unknown, 1u);
  ASSERT_EQ(e.domains.size(), 4u);
  EXPECT_EQ(e.domains[3].domain, "d");
  EXPECT_DOUBLE_EQ(e.domains[0].precision, 0.5);
  EXPECT_DOUBLE_EQ(e.domains[0].recall, 1);
  EXPECT_DOUBLE_EQ(e.domains[0].f1, 2.0 / 3);
  EXPECT_DOUBLE_EQ(e.domains[1].recall, 0.5);
  EXPECT_EQ(e.confusion,
            (std::vector<std::size_t>{1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0}));
  // Bins: 0.95 and 1 together, the others alone.
  const double error = (std::abs(2 - 1.95) + 0.85 + 0.45 + 0.35) / 5;
  EXPECT_NEAR(e.calibration_error, error, 1e-6);
  EXPECT_EQ(e.bins[9].queries, 2u);
  EXPECT_EQ(e.bins[3].queries, 1u);
}

TEST(DomainEvaluation, TheTestRejectsWrongProbabilitiesAndSeldomRightOnes) {
  int rejected_right = 0;
  int rejected_wrong = 0;
  for (std::uint64_t round = 0; round < 40; ++round) {
    Random random(round);
    std::vector<DomainGuess> guesses;
    std::vector<std::string_view> right;
    std::vector<std::string_view> wrong;
    for (int i = 0; i < 400; ++i) {
      const double p = 0.4 + 0.6 * random.Uniform();
      guesses.push_back({.domain = 0, .probability = static_cast<float>(p)});
      right.push_back(random.Chance(p) ? "a" : "b");
      wrong.push_back(random.Chance(p - 0.12) ? "a" : "b");
    }
    rejected_right += Evaluate(guesses, right).calibration_p < 0.05 ? 1 : 0;
    rejected_wrong += Evaluate(guesses, wrong).calibration_p < 0.05 ? 1 : 0;
  }
  EXPECT_LE(rejected_right, 6);  // 2 expected; more than 6 has probability 0.003
  EXPECT_GE(rejected_wrong, 36);
}

TEST(DomainEvaluation, LabelsThatAreMissingAreRefused) {
  const std::vector<DomainGuess> guesses(2);
  EXPECT_EQ(
      EvaluateGuesses(guesses, kNames, std::vector<std::string_view>{"a", ""}).error().where().row,
      1);
  EXPECT_FALSE(EvaluateGuesses(guesses, kNames, std::vector<std::string_view>{"a"}).ok());
  EXPECT_FALSE(EvaluateGuesses({}, kNames, {}).ok());
}

TEST(DomainEvaluation, RefusesGuessesThatAreNoProbabilities) {
  const std::vector<std::string> names = {"a", "b"};
  const std::vector<std::string_view> labels = {"a", "b", "a"};
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -0.1f, 1.5f,
                          std::numeric_limits<float>::infinity()}) {
    std::vector<DomainGuess> guesses(3, DomainGuess{.domain = 0, .second = 1, .probability = 0.7f});
    EXPECT_TRUE(EvaluateGuesses(guesses, names, labels).ok());
    guesses[2].probability = bad;
    const Status status = EvaluateGuesses(guesses, names, labels).error();
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_EQ(status.where().row, 2);
    guesses[2].probability = 0.5f;
    guesses[1].domain = 2;
    EXPECT_EQ(EvaluateGuesses(guesses, names, labels).error().where().row, 1);
  }
}

}  // namespace
}  // namespace equipoise
