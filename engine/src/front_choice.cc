// What a front is used for: picking by preference, and what policies start from.
#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

#include <equipoise/core/check.h>
#include <equipoise/engine/tuning.h>

namespace equipoise {

bool MadeOn(const TunedFront& front, std::uint64_t fingerprint) {
  return std::any_of(front.collections.begin(), front.collections.end(),
                     [&](const TunedCollection& c) { return c.fingerprint == fingerprint; });
}

Result<DomainPrior> PriorOf(const TunedFront& front) {
  constexpr double kMostStrength = 30;
  constexpr std::size_t kRewardK = 10;
  if (front.measure != QualityMeasure::kNdcg || front.k != kRewardK || front.groundedness > 0)
    return Status(
        Code::kInvalidArgument,
        fmt::format("the front's curve over α is of {}@{}{}, and policies learn from nDCG@{}: tune "
                    "with that measure and k, and groundedness 0",
                    front.measure == QualityMeasure::kNdcg ? "nDCG" : "recall", front.k,
                    front.groundedness > 0 ? " and groundedness" : "", kRewardK),
        {.field = front.measure != QualityMeasure::kNdcg ? "measure"
                  : front.k != kRewardK                  ? "k"
                                                         : "groundedness"});
  const std::vector<double>& curve = front.sweep.quality;
  const auto best = std::max_element(curve.begin(), curve.end()) - curve.begin();
  return DomainPrior{
      .alpha = curve.size() < 2 ? 0.5
                                : static_cast<double>(best) / static_cast<double>(curve.size() - 1),
      .strength = std::min(kMostStrength, static_cast<double>(front.sweep.queries)),
      .normalization = std::string(FusionName(front.sweep.fusion)),
      .curve = curve};
}

Result<Preference> PreferenceFor(const TunedFront& front, const FrontPreference& wanted) {
  Preference out{.weights = std::vector<double>(front.objectives.size(), 0.0),
                 .method = wanted.method};
  const auto place = [&](const std::string& name) {
    return static_cast<std::size_t>(
        std::find(front.objectives.begin(), front.objectives.end(), name) -
        front.objectives.begin());
  };
  if (wanted.weights.empty()) std::fill(out.weights.begin(), out.weights.end(), 1.0);
  for (const auto& [name, weight] : wanted.weights) {
    const std::size_t at = place(name);
    if (at == front.objectives.size())
      return Status(Code::kInvalidArgument,
                    fmt::format("the front has no objective \"{}\"; it has {}", name,
                                fmt::join(front.objectives, ", ")),
                    {.field = name});
    if (!(weight >= 0 && std::isfinite(weight)))
      return Status(Code::kInvalidArgument,
                    fmt::format("the weight of {} is {}; weights are 0 or more", name, weight),
                    {.field = name});
    out.weights[at] = weight;
  }
  if (std::all_of(out.weights.begin(), out.weights.end(), [](double w) { return w == 0; }))
    return Status(Code::kInvalidArgument, "all weights are 0; at least one must be more",
                  {.field = "weights"});
  if (!wanted.max_cost) return out;
  const std::size_t at = place("cost");
  if (at == front.objectives.size())
    return Status(Code::kInvalidArgument, "the front was made without cost, which is to be limited",
                  {.field = "max_cost"});
  if (!(*wanted.max_cost >= 0))
    return Status(Code::kInvalidArgument,
                  fmt::format("max_cost is {}; it is 0 or more", *wanted.max_cost),
                  {.field = "max_cost"});
  out.limits.assign(front.objectives.size(), std::numeric_limits<double>::infinity());
  out.limits[at] = *wanted.max_cost;
  return out;
}

Result<PreferenceTable> TableOf(const TunedFront& front) {
  std::vector<double> rows;
  for (const TunedPoint& point : front.points) {
    const auto values = front.Minimized(point.training);
    rows.insert(rows.end(), values.begin(), values.end());
  }
  return PreferenceTable::Create({rows.data(), front.points.size(), front.objectives.size()});
}

Result<PickedPoint> PickFromFront(const TunedFront& front, const FrontPreference& wanted) try {
  EQUIPOISE_ASSIGN_OR_RETURN(const Preference preference, PreferenceFor(front, wanted));
  EQUIPOISE_ASSIGN_OR_RETURN(const PreferenceTable table, TableOf(front));
  return table.Explain(preference);
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "PickFromFront: not enough memory");
}

}  // namespace equipoise
