#include <algorithm>
#include <cmath>
#include <limits>

#include <equipoise/core/check.h>
#include <equipoise/core/random.h>
#include <equipoise/optimizer/off_policy.h>

namespace equipoise {
namespace {

// An estimate whose interval is that of its terms; where no decision is shared, nothing is known.
OffPolicyEstimate From(std::span<const double> terms, double effective) {
  const MeanInterval interval = MeanOf(terms);
  const bool known = effective > 0;
  return {.mean = interval.mean,
          .low = known ? std::clamp(interval.low, 0.0, 1.0) : 0,
          .high = known ? std::clamp(interval.high, 0.0, 1.0) : 1,
          .effective = effective,
          .reliable = effective >= kReliableSamples};
}

// Σ weight · reward / Σ weight.
OffPolicyEstimate Ratio(std::span<const OffPolicySample> samples, std::span<const double> weights) {
  double sum = 0, squares = 0, earned = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    sum += weights[i];
    squares += weights[i] * weights[i];
    earned += weights[i] * samples[i].reward;
  }
  if (!(sum > 0)) return {.mean = 0, .low = 0, .high = 1, .effective = 0, .reliable = false};
  const double mean = earned / sum, scale = static_cast<double>(samples.size()) / sum;
  std::vector<double> terms;
  for (std::size_t i = 0; i < samples.size(); ++i)
    terms.push_back(mean + scale * weights[i] * (samples[i].reward - mean));
  return From(terms, sum * sum / squares);
}

Status Check(const OffPolicySample& sample, std::size_t i) {
  const auto check = [i](const char* field, double value) -> Status {
    if (value >= 0 && value <= 1) return {};
    return Status(Code::kInvalidArgument,
                  fmt::format("EvaluateOffPolicy: {} = {} is outside [0, 1]", field, value),
                  {.row = static_cast<std::int64_t>(i), .field = field});
  };
  EQUIPOISE_RETURN_IF_ERROR(check("reward", sample.reward));
  EQUIPOISE_RETURN_IF_ERROR(check("propensity", sample.propensity));
  EQUIPOISE_RETURN_IF_ERROR(check("target", sample.target));
  EQUIPOISE_RETURN_IF_ERROR(check("predicted", sample.predicted));
  EQUIPOISE_RETURN_IF_ERROR(check("predicted_target", sample.predicted_target));
  if (sample.propensity >= kLeastPropensity) return {};
  return Status(Code::kInvalidArgument,
                fmt::format("EvaluateOffPolicy: propensity = {} is below {}, but so it was decided",
                            sample.propensity, kLeastPropensity),
                {.row = static_cast<std::int64_t>(i), .field = "propensity"});
}

}  // namespace

Result<OffPolicyEstimates> EvaluateOffPolicy(std::span<const OffPolicySample> samples,
                                             std::uint64_t seed) {
  if (samples.size() < 2)
    return Status(
        Code::kInvalidArgument,
        fmt::format("EvaluateOffPolicy: {} samples; at least 2 are needed", samples.size()),
        {.field = "samples"});
  for (std::size_t i = 0; i < samples.size(); ++i) EQUIPOISE_RETURN_IF_ERROR(Check(samples[i], i));
  try {
    OffPolicyEstimates out{.samples = samples.size()};
    Random random(seed);
    std::vector<double> weights, shared, ips, robust;
    double sum = 0, squares = 0;
    for (const OffPolicySample& s : samples) {
      const double w = s.target / s.propensity;
      weights.push_back(w);
      shared.push_back(random.Chance(s.target) ? 1 / s.propensity : 0);
      ips.push_back(w * s.reward);
      robust.push_back(s.predicted_target + w * (s.reward - s.predicted));
      out.largest_weight = std::max(out.largest_weight, w);
      sum += w;
      squares += w * w;
    }
    const double effective = sum > 0 ? sum * sum / squares : 0;
    out.replay = Ratio(samples, shared);
    out.ips = From(ips, effective);
    out.snips = Ratio(samples, weights);
    out.doubly_robust = From(robust, effective);
    return out;
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "EvaluateOffPolicy: no memory for the weights");
  }
}

std::vector<AlphaShare> AlphaShares(const WeightPolicy& policy, const WeightQuery& query,
                                    std::size_t probes) {
  std::vector<AlphaShare> out;
  probes = std::max<std::size_t>(1, probes);
  const std::uint64_t step = std::numeric_limits<std::uint64_t>::max() / probes;
  for (std::size_t i = 0; i < probes; ++i) {
    const WeightDecision decision = policy.Decide(query, step / 2 + i * step);
    const bool known = std::any_of(out.begin(), out.end(), [&](const AlphaShare& share) {
      return share.alpha == decision.alpha;
    });
    if (!known) out.push_back({decision.alpha, decision.alpha_propensity});
  }
  std::sort(out.begin(), out.end(),
            [](const AlphaShare& a, const AlphaShare& b) { return a.alpha < b.alpha; });
  double sum = 0;
  for (const AlphaShare& share : out) sum += share.probability;
  for (AlphaShare& share : out) share.probability /= sum;
  return out;
}

}  // namespace equipoise
