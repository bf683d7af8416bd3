// State files and priors files: what was saved goes on bit for bit, what was damaged is refused.

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/weight_policies.h>

#include "policy_file.h"
#include "temp_folder.h"

namespace equipoise {
namespace {

using testing::TempFolder;

std::vector<double> Curve(Random* random) {
  std::vector<double> out(21);
  const double peak = random->Uniform();
  for (std::size_t i = 0; i < 21; ++i)
    out[i] = 0.6 - 0.5 * std::pow(static_cast<double>(i) / 20 - peak, 2);
  if (random->Chance(0.1)) std::fill(out.begin() + 8, out.end(), kUndetermined);
  return out;
}

// Decides and learns; the decisions are what it returns.
std::vector<double> Live(WeightPolicy* policy, Random* random, int turns) {
  std::vector<double> out;
  for (int i = 0; i < turns; ++i) {
    const std::string domain = "domain " + std::to_string(random->Below(7));
    const WeightDecision decision = policy->Decide({.domain = domain}, random->Next());
    out.insert(out.end(), {decision.alpha, decision.propensity, decision.alpha_propensity,
                           static_cast<double>(decision.version)});
    const auto curve = Curve(random);
    EXPECT_TRUE(policy
                    ->Update({.query = {.domain = domain},
                              .decision = decision,
                              .curve = curve,
                              .weight = random->Uniform()})
                    .ok());
  }
  return out;
}

std::vector<std::unique_ptr<WeightPolicy>> AllPolicies() {
  std::vector<std::unique_ptr<WeightPolicy>> out;
  const WeightPolicyOptions options = {
      .curve = {.priors = ShippedPriors(), .exploration = 1, .draws = 64},
      .beta = {.draws = 64},
      .fixed = {.alpha = 0.3, .domains = {{"domain 1", 1.0}}}};
  for (const char* name : {"curve", "beta", "static", "contextual"})
    out.push_back(*MakeWeightPolicy(name, options));
  return out;
}

TEST(PolicyState, ARestoredPolicyGoesOnBitForBit) {
  const TempFolder folder;
  for (const auto& policy : AllPolicies()) {
    Random random(1);
    Live(policy.get(), &random, 60);
    ASSERT_TRUE(policy->Save(folder.path("state")).ok());
    auto restored = LoadWeightPolicy(folder.path("state"));
    ASSERT_TRUE(restored.ok()) << restored.error().ToString();
    Random same = random;
    EXPECT_EQ(Live(policy.get(), &random, 60), Live(restored->get(), &same, 60));
    // And so does the file of what went on.
    ASSERT_TRUE(policy->Save(folder.path("a")).ok());
    ASSERT_TRUE((*restored)->Save(folder.path("b")).ok());
    std::ifstream a(folder.path("a"), std::ios::binary), b(folder.path("b"), std::ios::binary);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(a), {}),
              std::string(std::istreambuf_iterator<char>(b), {}));
  }
}

TEST(PolicyState, OptionsComeBack) {
  const TempFolder folder;
  const CurvePolicyOptions options = {
      .priors = {{"caf\xe9", {.alpha = 0.123456789, .strength = 7}}},
      .prior_alpha = 0.3,
      .both_paths_share = 0.11,
      .exploration = 0.21,
      .lexical_price = 0.001,
      .vector_price = 0.002,
      .grid = 11,
      .draws = 32,
      .seed = 99,
      .max_domains = 5};
  ASSERT_TRUE((*CurvePolicy::Create(options))->Save(folder.path("state")).ok());
  const auto restored = CurvePolicy::Load(folder.path("state"));
  ASSERT_TRUE(restored.ok()) << restored.error().ToString();
  const CurvePolicyOptions& back = (*restored)->options();
  EXPECT_EQ(back.priors.at("caf\xe9").alpha, 0.123456789);
  EXPECT_EQ(back.priors.at("caf\xe9").strength, 7);
  EXPECT_EQ(back.prior_alpha, 0.3);
  EXPECT_EQ(back.both_paths_share, 0.11);
  EXPECT_EQ(back.exploration, 0.21);
  EXPECT_EQ(back.lexical_price, 0.001);
  EXPECT_EQ(back.vector_price, 0.002);
  EXPECT_EQ(back.grid, 11u);
  EXPECT_EQ(back.draws, 32u);
  EXPECT_EQ(back.seed, 99u);
  EXPECT_EQ(back.max_domains, 5u);
}

TEST(PolicyState, EveryChangedByteAndEveryCutIsRefused) {
  const TempFolder folder;
  for (const auto& policy : AllPolicies()) {
    Random random(2);
    Live(policy.get(), &random, 5);
    ASSERT_TRUE(policy->Save(folder.path("state")).ok());
    std::ifstream file(folder.path("state"), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(file), {});
    const std::size_t step = std::max<std::size_t>(1, bytes.size() / 400);
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ 0x10);
      folder.Write("changed", changed);
      EXPECT_FALSE(LoadWeightPolicy(folder.path("changed")).ok()) << "byte " << at;
      folder.Write("cut", bytes.substr(0, at));
      EXPECT_FALSE(LoadWeightPolicy(folder.path("cut")).ok()) << "cut at " << at;
    }
  }
}

TEST(PolicyState, AnOldOrNewerVersionIsRefused) {
  const TempFolder folder;
  for (const std::uint32_t version : {1u, kPolicyFileVersion + 1}) {
    for (const std::string kind :
         {"curve-policy", "beta-policy", "static-policy", "context-policy"}) {
      const std::string path = folder.path(kind);
      auto file = CheckedFileWriter::Create(path, kind, version);
      ASSERT_TRUE(file.ok());
      ASSERT_TRUE(file->Section<double>("alphas", std::vector<double>{0.5}).ok());
      ASSERT_TRUE(file->Finish().ok());
      const Status status = kind == "curve-policy"     ? CurvePolicy::Load(path).error()
                            : kind == "beta-policy"    ? BetaPolicy::Load(path).error()
                            : kind == "context-policy" ? ContextualPolicy::Load(path).error()
                                                       : StaticPolicy::Load(path).error();
      EXPECT_EQ(status.code(), Code::kUnsupported) << kind;
      EXPECT_EQ(LoadWeightPolicy(path).error().code(), Code::kUnsupported) << kind;
    }
  }
  EXPECT_EQ(CurvePolicy::Load(folder.path("absent")).error().code(), Code::kNotFound);
  EXPECT_EQ(LoadWeightPolicy(folder.Write("text", "no policy")).error().code(), Code::kCorruption);
}

TEST(PolicyState, AnotherPolicysFileIsRefused) {
  const TempFolder folder;
  ASSERT_TRUE((*StaticPolicy::Create({}))->Save(folder.path("static")).ok());
  EXPECT_EQ(CurvePolicy::Load(folder.path("static")).error().code(), Code::kCorruption);
  EXPECT_EQ(BetaPolicy::Load(folder.path("static")).error().code(), Code::kCorruption);
}

TEST(PolicyState, AFailedSaveLeavesTheOldFile) {
  const TempFolder folder;
  const auto policy = *CurvePolicy::Create({});
  EXPECT_FALSE(policy->Save(folder.path("no such folder/state")).ok());
  ASSERT_TRUE(policy->Save(folder.path("state")).ok());
  ASSERT_TRUE(policy->Save(folder.path("state")).ok());  // over itself
  EXPECT_TRUE(CurvePolicy::Load(folder.path("state")).ok());
}

TEST(PolicyState, ThreadsThatSaveToOnePathLeaveAWholeFile) {
  const TempFolder folder;
  const auto curve = *CurvePolicy::Create({});
  const auto beta = *BetaPolicy::Create({});
  for (const WeightPolicy* policy : {static_cast<const WeightPolicy*>(curve.get()),
                                     static_cast<const WeightPolicy*>(beta.get())}) {
    const std::string path = folder.path("state");
    const auto save = [&] {
      for (int i = 0; i < 30; ++i) {
        EXPECT_TRUE(policy->Save(path).ok());
        EXPECT_TRUE(LoadWeightPolicy(path).ok());
      }
    };
    std::thread other(save);
    save();
    other.join();
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path("")), {}), 1);
}

TEST(StaticPolicy, DecidesWhatItWasGiven) {
  const auto policy = *StaticPolicy::Create({.alpha = 0.3, .domains = {{"law", 1.0}}});
  EXPECT_EQ(policy->Decide({.domain = "any"}, 1).alpha, 0.3);
  EXPECT_TRUE(policy->Decide({.domain = "any"}, 1).both_paths);
  EXPECT_EQ(policy->Decide({.domain = "law"}, 1).alpha, 1.0);
  EXPECT_FALSE(policy->Decide({.domain = "law"}, 1).both_paths);
  EXPECT_EQ(policy->Decide({}, 1).propensity, 1);
  EXPECT_FALSE(StaticPolicy::Create({.alpha = std::nan("")}).ok());
  EXPECT_FALSE(StaticPolicy::Create({.domains = {{"law", 2.0}}}).ok());
}

TEST(BetaPolicy, FavoursTheArmThatEarnsMost) {
  const auto policy = *BetaPolicy::Create({.arms = 5});
  Random random(3);
  std::vector<double> curve(21);
  for (std::size_t i = 0; i < 21; ++i) curve[i] = i < 12 ? 0.1 : 0.8;
  for (int i = 0; i < 300; ++i) {
    const auto decision = policy->Decide({.domain = "d"}, random.Next());
    ASSERT_TRUE(
        policy->Update({.query = {.domain = "d"}, .decision = decision, .curve = curve}).ok());
  }
  double high = 0;
  for (int i = 0; i < 1000; ++i)
    high += policy->Decide({.domain = "d"}, random.Next()).alpha > 0.6 ? 1 : 0;
  EXPECT_GT(high, 950);
  EXPECT_FALSE(BetaPolicy::Create({.arms = 6, .grid = 22}).ok());
  EXPECT_FALSE(BetaPolicy::Create({.arms = 1}).ok());
}

TEST(BetaPolicy, AnArmThatSomebodyElseChoseTeachesNothing) {
  const auto policy = *BetaPolicy::Create({.arms = 2, .grid = 3, .draws = 65'536});
  const std::vector<double> curve(3, 1.0);
  for (const bool by_policy : {false, true}) {
    for (int i = 0; i < 5; ++i)
      ASSERT_TRUE(
          policy->Update({.decision = {.alpha = 1, .by_policy = by_policy}, .curve = curve}).ok());
    double high = 0;
    Random random(3);
    for (int i = 0; i < 1000; ++i) high += policy->Decide({}, random.Next()).alpha;
    // Uniform against uniform; then Beta(6, 1) against it: 6 / 7.
    EXPECT_NEAR(high / 1000, by_policy ? 6.0 / 7 : 0.5, 0.06);
  }
}

TEST(BetaPolicy, AnArmsProbabilityIsThatOfItsPosteriorBeingBest) {
  // Two arms, 3 of 4 and 1 of 4: P(Beta(4, 2) > Beta(2, 4)) by summing over a fine grid.
  const auto policy = *BetaPolicy::Create({.arms = 2, .grid = 3, .draws = 65'536});
  const auto teach = [&](double alpha, double reward) {
    const std::vector<double> curve(3, reward);
    ASSERT_TRUE(policy->Update({.decision = {.alpha = alpha}, .curve = curve}).ok());
  };
  for (const double reward : {1, 1, 1, 0}) teach(0, reward);
  for (const double reward : {0, 0, 0, 1}) teach(1, reward);
  double better = 0, all = 0;
  for (int i = 1; i < 1000; ++i)
    for (int j = 1; j < 1000; ++j) {
      const double x = i / 1000.0, y = j / 1000.0;
      const double p = std::pow(x, 3) * (1 - x) * y * std::pow(1 - y, 3);
      all += p;
      better += x > y ? p : x == y ? p / 2 : 0;
    }
  EXPECT_NEAR(policy->Decide({}, 0).alpha_propensity, better / all, 0.01);
}

TEST(PolicyPriors, TheShippedFileIsWhatIsCompiledIn) {
  const auto read = ReadPriors(std::string(EQUIPOISE_SOURCE_DIR) + "/data/priors.json");
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  const PolicyPriors shipped = ShippedPriors();
  ASSERT_EQ(read->size(), shipped.size());
  for (const auto& [domain, prior] : shipped) {
    EXPECT_EQ(read->at(domain).alpha, prior.alpha);
    EXPECT_EQ(read->at(domain).strength, prior.strength);
    EXPECT_EQ(read->at(domain).normalization, prior.normalization);
  }
  EXPECT_EQ(shipped.at("healthcare").alpha, 0.7);
  EXPECT_EQ(shipped.at("finance").alpha, 0.5);
  EXPECT_EQ(shipped.at("general").alpha, 0.4);
}

TEST(PolicyPriors, RefusesWhatItCannotMean) {
  const auto refused = [](const std::string& domains) {
    return ParsePriors(R"({"format": 1, "domains": )" + domains + "}", "priors.json").error();
  };
  for (const char* domains :
       {"[]", R"({"a": 1})", R"({"a": {}})", R"({"a": {"alpha": "x"}})", R"({"a": {"alpha": 1.5}})",
        R"({"a": {"alpha": 0.7, "beta": 0.7}})", R"({"a": {"alpha": 0.7, "strength": -1}})",
        R"({"a": {"alpha": 0.7, "normalization": 1}})", R"({"a": {"alpha": 0.7, "alhpa": 1}})",
        R"({"": {"alpha": 0.7}})", R"({"a": {"alpha": 1e999}})"}) {
    EXPECT_EQ(refused(domains).code(), Code::kInvalidArgument) << domains;
    EXPECT_EQ(refused(domains).where().file, "priors.json");
  }
  EXPECT_EQ(ParsePriors("{", "p").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(ParsePriors(std::string(100'000, '['), "p").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(ParsePriors(R"({"format": 2, "domains": {}})", "p").error().code(), Code::kUnsupported);
  EXPECT_EQ(ParsePriors(R"({"domains": {}})", "p").error().code(), Code::kInvalidArgument);
  EXPECT_EQ(ReadPriors("/no/such/file").error().code(), Code::kNotFound);
}

TEST(PolicyPriors, AnAlphaIsRefusedWithAnotherNormalization) {
  EXPECT_TRUE(CheckNormalization(ShippedPriors(), "minmax_union").ok());
  EXPECT_EQ(CheckNormalization(ShippedPriors(), "rrf").code(), Code::kInvalidArgument);
}

TEST(WeightPolicies, AreMadeByName) {
  for (const char* name : {"static", "beta", "curve"}) EXPECT_TRUE(MakeWeightPolicy(name).ok());
  EXPECT_EQ(MakeWeightPolicy("oracle").error().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace equipoise
