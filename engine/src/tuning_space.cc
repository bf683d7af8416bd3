#include "tuning_space.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <equipoise/core/check.h>

namespace equipoise {
namespace {

// Steps of about a third to a half: what lies between makes no difference that queries could show.
constexpr std::array<std::size_t, 22> kLadder = {1,   2,    3,    5,    7,    10,    15,  20,
                                                 30,  40,   60,   80,   100,  150,   200, 300,
                                                 500, 1000, 2000, 3000, 5000, 10'000};
// Rows scored exactly, as multiples of the depth; 0: what the index chooses.
constexpr std::array<std::size_t, 4> kRescore = {0, 1, 2, 4};
// Results that mmr chooses from, as multiples of k.
constexpr std::array<std::size_t, 3> kPools = {2, 5, 10};
// Of the variable for λ; from 1 on there is no mmr.
constexpr double kLambdaLow = 0.3, kLambdaHigh = 1.2;
// Beyond each end of α's range, a part of it that stands for the end itself: a path alone is one point,
// which a real variable would never hit.
constexpr double kBeyond = 0.05;

enum Name : std::size_t {
  kAlpha,
  kFusion,
  kLexical,
  kVector,
  kMode,
  kBeams,
  kRows,
  kLambda,
  kPool
};

/// The steps within the bounds, and the bounds.
std::vector<std::size_t> Steps(std::size_t low, std::size_t high) {
  std::vector<std::size_t> out = {low};
  for (const std::size_t step : kLadder)
    if (step > low && step < high) out.push_back(step);
  if (high > low) out.push_back(high);
  return out;
}

Variable Choice(std::size_t n, VariableKind kind) {
  return {.low = 0, .high = static_cast<double>(n - 1), .kind = kind};
}

template <typename T>
Status Reversed(const char* name, T low, T high) {
  return Status(Code::kInvalidArgument,
                fmt::format("Tune: the bounds of {} are reversed: {} is above {}", name, low, high),
                {.field = name});
}

}  // namespace

Configuration Canonical(Configuration configuration, std::size_t k) {
  Configuration& c = configuration;
  const Configuration plain;
  if (c.alpha == 1.0) {
    c.vector_depth = plain.vector_depth;
    c.ef_search = 0;
    c.rescore = 0;
    c.exact = false;
  }
  if (c.alpha == 0.0) c.lexical_depth = plain.lexical_depth;
  // One path is ranked by its own scores, whatever they are normalized to.
  if (c.alpha == 0.0 || c.alpha == 1.0) c.fusion = FusionMethod::kMinMax;
  if (c.exact) c.ef_search = c.rescore = 0;
  if (c.mmr) c.mmr = std::round(*c.mmr * 50) / 50;
  if (c.mmr && *c.mmr >= 1) c.mmr.reset();
  if (!c.mmr) c.mmr_candidates = plain.mmr_candidates;
  if (c.ef_search > 0) c.ef_search = std::max({c.ef_search, c.vector_depth, k});
  return configuration;
}

Result<ConfigurationSpace> ConfigurationSpace::Create(const TuningSpace& space,
                                                      const Needs& needs) {
  constexpr const char* kWhere = "Tune";
  constexpr std::size_t kMost = 10'000;
  EQUIPOISE_CHECK_RANGE(kWhere, space.alpha_low, 0, 1);
  EQUIPOISE_CHECK_RANGE(kWhere, space.alpha_high, 0, 1);
  EQUIPOISE_CHECK_RANGE(kWhere, space.depth_low, std::size_t{1}, kMost);
  EQUIPOISE_CHECK_RANGE(kWhere, space.depth_high, std::size_t{1}, kMost);
  EQUIPOISE_CHECK_RANGE(kWhere, space.ef_low, std::size_t{1}, kMost);
  EQUIPOISE_CHECK_RANGE(kWhere, space.ef_high, std::size_t{1}, kMost);
  if (space.alpha_low > space.alpha_high)
    return Reversed("alpha", space.alpha_low, space.alpha_high);
  if (space.depth_low > space.depth_high)
    return Reversed("depth", space.depth_low, space.depth_high);
  if (space.ef_low > space.ef_high) return Reversed("ef", space.ef_low, space.ef_high);
  if (space.fusions.empty())
    return Status(Code::kInvalidArgument, "Tune: no fusion to choose from", {.field = "fusions"});
  for (std::size_t i = 0; i < space.fusions.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (space.fusions[i] == space.fusions[j])
        return Status(
            Code::kInvalidArgument,
            fmt::format("Tune: fusion \"{}\" is there twice", FusionName(space.fusions[i])),
            {.field = "fusions"});
  ConfigurationSpace out;
  out.space_ = space;
  out.k_ = needs.k;
  out.depths_ = Steps(space.depth_low, space.depth_high);
  out.beams_ = Steps(space.ef_low, space.ef_high);
  out.longest_ = std::max({space.depth_high, needs.k, Configuration{}.lexical_depth});
  out.modes_ = {Mode::kTarget};
  if (needs.graph) out.modes_.push_back(Mode::kBeam);
  if (space.exact) out.modes_.push_back(Mode::kExact);
  const double beyond = space.alpha_high > space.alpha_low ? kBeyond : 0;
  const bool mmr = space.mmr && needs.diversity;
  out.variables_ = {
      {.low = space.alpha_low - beyond,
       .high = space.alpha_high + beyond,
       .kind = VariableKind::kReal},
      Choice(space.fusions.size(), VariableKind::kCategorical),
      Choice(out.depths_.size(), VariableKind::kInteger),
      Choice(out.depths_.size(), VariableKind::kInteger),
      Choice(out.modes_.size(), VariableKind::kCategorical),
      Choice(needs.graph ? out.beams_.size() : 1, VariableKind::kInteger),
      Choice(space.rescore ? kRescore.size() : 1, VariableKind::kInteger),
      {.low = mmr ? kLambdaLow : 1, .high = mmr ? kLambdaHigh : 1},
      Choice(mmr ? kPools.size() : 1, VariableKind::kInteger),
  };
  if (std::all_of(out.variables_.begin(), out.variables_.end(),
                  [](const Variable& v) { return v.low == v.high; }))
    return Status(Code::kInvalidArgument,
                  "Tune: every bound is equal to its other one: there is nothing to choose",
                  {.field = "space"});
  return out;
}

Configuration ConfigurationSpace::Decode(std::span<const double> x) const {
  const auto at = [&](Name name) { return static_cast<std::size_t>(x[name]); };
  Configuration out;
  // To two digits within the bounds, which themselves may have more.
  const double low = space_.alpha_low, high = space_.alpha_high;
  out.alpha = std::clamp(x[kAlpha], low, high);
  if (out.alpha > low && out.alpha < high)
    out.alpha = std::clamp(std::round(*out.alpha * 100) / 100, low, high);
  out.fusion = space_.fusions[at(kFusion)];
  out.lexical_depth = depths_[at(kLexical)];
  out.vector_depth = depths_[at(kVector)];
  const Mode mode = modes_[at(kMode)];
  out.exact = mode == Mode::kExact;
  if (mode == Mode::kBeam) out.ef_search = beams_[at(kBeams)];
  out.rescore = kRescore[at(kRows)] * std::max(out.vector_depth, k_);
  out.mmr = std::min(x[kLambda], 1.0);
  out.mmr_candidates = kPools[at(kPool)] * k_;
  return Canonical(out, k_);
}

std::vector<double> ConfigurationSpace::Initial() const {
  std::vector<double> out;
  const auto at = [&](double alpha, std::size_t depth) {
    std::vector<double> x;
    for (const Variable& v : variables_) x.push_back(v.low);
    x[kAlpha] = std::clamp(alpha, variables_[kAlpha].low, variables_[kAlpha].high);
    const auto step = static_cast<double>(
        std::min(std::lower_bound(depths_.begin(), depths_.end(), depth) - depths_.begin(),
                 std::ssize(depths_) - 1));
    x[kLexical] = x[kVector] = step;
    x[kLambda] = variables_[kLambda].high;  // none
    out.insert(out.end(), x.begin(), x.end());
  };
  at(0 - kBeyond, 1);
  at(1 + kBeyond, 1);
  at(0.5, 1);
  at(0.5, Configuration{}.lexical_depth);
  return out;
}

double ConfigurationSpace::MutationShare() const {
  const auto free = std::count_if(variables_.begin(), variables_.end(),
                                  [](const Variable& v) { return v.high > v.low; });
  return 1 / static_cast<double>(free);
}

}  // namespace equipoise
