// The state of policies, its checksums right, and priors: deciding and learning on whatever was read.
#include <cmath>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/weight_policies.h>

#include "fuzz_target.h"

namespace equipoise::fuzz {
namespace {

void Use(WeightPolicy* policy) {
  Random random(1);
  const std::vector<float> numbers(3, 0.5f);
  for (const char* domain : {"a", "b", "", "never seen"}) {
    const auto features =
        policy->UsesFeatures() ? std::span<const float>(numbers) : std::span<const float>();
    const WeightQuery query = {.domain = domain, .features = features};
    const WeightDecision decision = policy->Decide(query, random.Next());
    EQUIPOISE_FUZZ_REQUIRE(decision.alpha >= 0 && decision.alpha <= 1 && decision.propensity >= 0 &&
                               decision.propensity <= decision.alpha_propensity &&
                               decision.alpha_propensity <= 1,
                           "");
    for (const std::size_t grid : {21, 11}) {
      const std::vector<double> curve(grid, 0.5);
      RequireCode(policy->Update({.query = query, .decision = decision, .curve = curve}),
                  {Code::kInvalidArgument, Code::kBudgetExceeded});
    }
  }
  if (const auto* curves = dynamic_cast<const CurvePolicy*>(policy)) {
    const auto state = curves->Inspect("a");
    EQUIPOISE_FUZZ_REQUIRE(state.ok() && !std::isnan(state->regret_bound), "");
  }
}

void RunPolicy(std::string_view input) {
  static const Folder folder("policy");
  RequireCode(LoadWeightPolicy(folder.Write("as_given", input)).error(),
              {Code::kCorruption, Code::kUnsupported});
  std::string fixed(input);
  FixChecksums(&fixed);
  auto policy = LoadWeightPolicy(folder.Write("fixed", fixed));
  RequireCode(policy.error(), {Code::kCorruption, Code::kUnsupported});
  if (!policy.ok()) return;
  Use(policy->get());
  EQUIPOISE_FUZZ_REQUIRE((*policy)->Save(folder.path("saved")).ok(), "");
}

std::vector<std::string> PolicySeeds() {
  static const Folder folder("policy_seeds");
  std::vector<std::string> out;
  const WeightPolicyOptions options = {.curve = {.priors = {{"a", {.alpha = 0.7}}}, .draws = 16},
                                       .beta = {.arms = 3, .draws = 16},
                                       .fixed = {.domains = {{"a", 1.0}}},
                                       .contextual = {.features = 3}};
  for (const char* name : {"static", "beta", "curve", "contextual"}) {
    auto policy = MakeWeightPolicy(name, options);
    EQUIPOISE_FUZZ_REQUIRE(policy.ok(), "");
    Use(policy->get());
    EQUIPOISE_FUZZ_REQUIRE((*policy)->Save(folder.path("seed")).ok(), "");
    out.push_back(ReadBytes(folder.path("seed")));
  }
  // One that features decide for: whatever else is read from it.
  auto contextual = ContextualPolicy::Create({.curve = {.draws = 16}, .features = 3, .enough = 1});
  EQUIPOISE_FUZZ_REQUIRE(contextual.ok(), "");
  Random random(2);
  for (int i = 0; i < 200 && !(*contextual)->Account().decides; ++i) {
    const std::vector<float> features = {static_cast<float>(random.Uniform()), 0, 1};
    std::vector<double> curve(21);
    for (std::size_t j = 0; j < curve.size(); ++j)
      curve[j] = 1 - std::abs(static_cast<double>(features[0]) - static_cast<double>(j) / 20);
    EQUIPOISE_FUZZ_REQUIRE(
        (*contextual)->Update({.query = {.features = features}, .curve = curve}).ok(), "");
  }
  EQUIPOISE_FUZZ_REQUIRE((*contextual)->Account().decides, "");
  EQUIPOISE_FUZZ_REQUIRE((*contextual)->Save(folder.path("seed")).ok(), "");
  out.push_back(ReadBytes(folder.path("seed")));
  auto careful = CurvePolicy::Create(
      {.largest_step = 0.3, .largest_loss = 0.1, .false_share = 0.1, .watch = 16, .draws = 16});
  EQUIPOISE_FUZZ_REQUIRE(careful.ok(), "");
  Use(careful->get());
  EQUIPOISE_FUZZ_REQUIRE((*careful)->Save(folder.path("seed")).ok(), "");
  out.push_back(ReadBytes(folder.path("seed")));
  return out;
}

void RunPriors(std::string_view input) {
  const auto priors = ParsePriors(input, "priors.json");
  RequireCode(priors.error(), {Code::kInvalidArgument, Code::kUnsupported});
  if (!priors.ok()) return;
  EQUIPOISE_FUZZ_REQUIRE(CurvePolicy::Create({.priors = *priors, .draws = 16}).ok(), "");
}

std::vector<std::string> PriorsSeeds() {
  return {R"({"format": 1, "domains": {}})", R"({"format": 1, "domains": {"a": {"alpha": 0.5}}})",
          R"({"format": 1, "domains": {"a": {"alpha": 0.7, "beta": 0.3, "strength": 2,
              "normalization": "minmax"}, "b": {"alpha": 1, "strength": 0}}})"};
}

}  // namespace

std::vector<Target> PolicyTargets() {
  return {{"policy", RunPolicy, PolicySeeds, 1500}, {"priors", RunPriors, PriorsSeeds}};
}

}  // namespace equipoise::fuzz
