#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <equipoise/core/check.h>
#include <equipoise/core/weight_policy.h>
#include <equipoise/optimizer/reward_curve.h>

namespace equipoise {
namespace {

constexpr double kNothing = 1e-12;

// What of the candidates counts: in which order they come, and what each is worth.
struct Ranked {
  std::vector<float> lexical, vector;
  std::vector<double> gain;
  std::vector<double> discount;  // [k]
  double ideal = 0;
  double rest = 0;  // what a document of which nothing is known is worth
  std::size_t known = 0;
  bool no_lexical = false, no_vector = false;
};

Status CheckOptions(const char* function, const RewardCurveOptions& options) {
  EQUIPOISE_CHECK_RANGE(function, options.k, 1, std::numeric_limits<std::size_t>::max());
  EQUIPOISE_CHECK_RANGE(function, options.grid, 2, 1001);
  EQUIPOISE_CHECK_RANGE(function, options.unknown_share, 0, 1);
  EQUIPOISE_CHECK_RANGE(function, options.ideal, 0, std::numeric_limits<double>::max());
  return {};
}

Status CheckCandidates(const char* function, std::span<const RewardCandidate> candidates) {
  const auto refuse = [&](std::size_t i, const char* field, float value, const char* why) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: candidates[{}].{} = {} {}", function, i, field, value, why),
                  {.row = static_cast<std::int64_t>(i), .field = field});
  };
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const RewardCandidate& c = candidates[i];
    if (!std::isnan(c.lexical) && !(c.lexical >= 0 && c.lexical <= 1))
      return refuse(i, "lexical", c.lexical, "is outside [0, 1]");
    if (!std::isnan(c.vector) && !(c.vector >= 0 && c.vector <= 1))
      return refuse(i, "vector", c.vector, "is outside [0, 1]");
    if (std::isnan(c.lexical) != std::isnan(candidates[0].lexical))
      return refuse(i, "lexical", c.lexical, "is there for some candidates only");
    if (std::isnan(c.vector) != std::isnan(candidates[0].vector))
      return refuse(i, "vector", c.vector, "is there for some candidates only");
    if (std::isnan(c.lexical) && std::isnan(c.vector))
      return refuse(i, "lexical", c.lexical, "and so is vector: no path was asked");
    if (!std::isnan(c.gain) && !(c.gain >= 0 && std::isfinite(c.gain)))
      return refuse(i, "gain", c.gain, "is negative or infinite");
    if (!(c.confidence >= 0 && c.confidence <= 1))
      return refuse(i, "confidence", c.confidence, "is outside [0, 1]");
  }
  return {};
}

double BestOrder(std::vector<double> gains, const std::vector<double>& discount) {
  const std::size_t k = std::min(discount.size(), gains.size());
  std::partial_sort(gains.begin(), gains.begin() + static_cast<std::ptrdiff_t>(k), gains.end(),
                    std::greater<>());
  return std::inner_product(gains.begin(), gains.begin() + static_cast<std::ptrdiff_t>(k),
                            discount.begin(), 0.0);
}

Ranked Read(std::span<const RewardCandidate> candidates, const RewardCurveOptions& options) {
  Ranked out;
  double sum = 0, weight = 0;
  for (const RewardCandidate& c : candidates) {
    if (std::isnan(c.gain)) continue;
    ++out.known;
    sum += double{c.gain} * double{c.confidence};
    weight += double{c.confidence};
  }
  const double fill = options.unknown == UnknownGain::kExpected && weight > 0
                          ? options.unknown_share * sum / weight
                          : 0;
  out.rest = fill;
  out.lexical.reserve(candidates.size());
  out.vector.reserve(candidates.size());
  out.gain.reserve(candidates.size());
  for (const RewardCandidate& c : candidates) {
    const bool unknown = std::isnan(c.gain);
    if (unknown && options.unknown == UnknownGain::kCondensed) continue;
    const double confidence = unknown ? 0 : double{c.confidence};
    out.lexical.push_back(c.lexical);
    out.vector.push_back(c.vector);
    out.gain.push_back((unknown ? 0 : confidence * double{c.gain}) + (1 - confidence) * fill);
  }
  if (!candidates.empty()) {
    out.no_lexical = std::isnan(candidates[0].lexical);
    out.no_vector = std::isnan(candidates[0].vector);
  }
  const std::size_t k = std::min(options.k, std::max<std::size_t>(candidates.size(), 1));
  for (std::size_t rank = 1; rank <= k; ++rank)
    out.discount.push_back(
        options.measure == RewardMeasure::kNdcg ? 1 / std::log2(static_cast<double>(rank) + 1) : 1);
  out.ideal = options.ideal > 0 ? options.ideal
              : options.measure == RewardMeasure::kNdcg
                  ? BestOrder(out.gain, out.discount)
                  : std::accumulate(out.gain.begin(), out.gain.end(), 0.0);
  return out;
}

// The rewards of rankings, of which only the documents that are worth something else than the rest have a
// place that matters: how many come before each of them is counted, which sorts nothing.
class Rewards {
 public:
  explicit Rewards(const Ranked& ranked)
      : ranked_(ranked), scores_(ranked.gain.size()), at_rank_(ranked.discount.size()) {
    for (std::size_t i = 0; i < ranked.gain.size(); ++i)
      if (ranked.gain[i] != ranked.rest) odd_.push_back(i);
  }

  /// As Fuse scores and orders: in float, the earlier one of equals first, and at α = 1 only what the
  /// lexical path found.
  double At(double alpha) {
    const std::size_t n = scores_.size();
    std::size_t there = n;
    if (alpha >= 1) {
      scores_ = ranked_.lexical;
      there -= static_cast<std::size_t>(
          std::count_if(scores_.begin(), scores_.end(), [](float score) { return !(score > 0); }));
    } else if (alpha <= 0) {
      scores_ = ranked_.vector;
    } else {
      const auto a = static_cast<float>(alpha), b = static_cast<float>(1 - alpha);
      const float* const lexical = ranked_.lexical.data();
      const float* const vector = ranked_.vector.data();
      float* const scores = scores_.data();
      for (std::size_t i = 0; i < n; ++i) scores[i] = a * lexical[i] + b * vector[i];
    }
    const std::size_t k = std::min(ranked_.discount.size(), there);
    std::fill_n(at_rank_.begin(), k, ranked_.rest);
    for (const std::size_t i : odd_)
      if (const std::size_t rank = RankOf(i, k); rank < k) at_rank_[rank] = ranked_.gain[i];
    const double sum =
        std::inner_product(at_rank_.begin(), at_rank_.begin() + static_cast<std::ptrdiff_t>(k),
                           ranked_.discount.begin(), 0.0);
    return ranked_.ideal > 0 ? std::min(1.0, sum / ranked_.ideal) : 0;
  }

 private:
  /// How many come before document i, or at least k.
  std::size_t RankOf(std::size_t i, std::size_t k) const {
    constexpr std::size_t kTogether = 256;
    const float* const scores = scores_.data();
    const float own = scores[i];
    std::size_t rank = 0;
    for (std::size_t from = 0; from < scores_.size() && rank < k; from += kTogether) {
      const std::size_t until = std::min(scores_.size(), from + kTogether);
      const std::size_t middle = std::clamp(i, from, until);
      std::uint32_t before = 0;
      for (std::size_t j = from; j < middle; ++j) before += scores[j] >= own ? 1u : 0u;
      for (std::size_t j = middle; j < until; ++j) before += scores[j] > own ? 1u : 0u;
      rank += before;
    }
    return rank;
  }

  const Ranked& ranked_;
  std::vector<float> scores_;
  std::vector<std::size_t> odd_;
  std::vector<double> at_rank_;
};

// Where two of the lines cross, and their documents change places.
struct Crossing {
  double alpha = 0;
  std::uint32_t first = 0, second = 0;
};

std::vector<Crossing> CrossingsOf(const Ranked& ranked) {
  std::vector<Crossing> out;
  const std::size_t n = ranked.gain.size();
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = i + 1; j < n; ++j) {
      const double lexical = double{ranked.lexical[i]} - double{ranked.lexical[j]};
      const double vector = double{ranked.vector[j]} - double{ranked.vector[i]};
      // Equal where α · lexical = (1 − α) · vector.
      if (!((lexical > 0 && vector > 0) || (lexical < 0 && vector < 0))) continue;
      const double alpha = vector / (lexical + vector);
      if (alpha > 0 && alpha < 1)
        out.push_back({alpha, static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(j)});
    }
  std::sort(out.begin(), out.end(),
            [](const Crossing& a, const Crossing& b) { return a.alpha < b.alpha; });
  return out;
}

// The order of all candidates as α grows.
class Sweep {
 public:
  explicit Sweep(const Ranked& ranked)
      : ranked_(ranked), order_(ranked.gain.size()), place_(ranked.gain.size()) {
    std::iota(order_.begin(), order_.end(), 0u);
  }
  void Sort(double alpha) {
    std::sort(order_.begin(), order_.end(), [&](std::uint32_t a, std::uint32_t b) {
      const double left = Score(a, alpha), right = Score(b, alpha);
      return left > right || (left == right && a < b);
    });
    for (std::uint32_t i = 0; i < order_.size(); ++i) place_[order_[i]] = i;
  }
  /// False where the two are not neighbours: more than two lines meet there.
  bool Swap(std::uint32_t a, std::uint32_t b) {
    const std::uint32_t p = place_[a], q = place_[b];
    if (p + 1 != q && q + 1 != p) return false;
    std::swap(order_[p], order_[q]);
    std::swap(place_[a], place_[b]);
    return true;
  }
  std::size_t Place(std::uint32_t i) const { return place_[i]; }
  double Value() const {
    double sum = 0;
    const std::size_t k = std::min(ranked_.discount.size(), order_.size());
    for (std::size_t rank = 0; rank < k; ++rank)
      sum += ranked_.discount[rank] * ranked_.gain[order_[rank]];
    return ranked_.ideal > 0 ? std::min(1.0, sum / ranked_.ideal) : 0;
  }

 private:
  double Score(std::uint32_t i, double alpha) const {
    return alpha * double{ranked_.lexical[i]} + (1 - alpha) * double{ranked_.vector[i]};
  }
  const Ranked& ranked_;
  std::vector<std::uint32_t> order_;
  std::vector<std::uint32_t> place_;
};

}  // namespace

Result<RewardCurve> ComputeRewardCurve(std::span<const RewardCandidate> candidates,
                                       const RewardCurveOptions& options) {
  constexpr const char* kName = "ComputeRewardCurve";
  EQUIPOISE_RETURN_IF_ERROR(CheckOptions(kName, options));
  EQUIPOISE_RETURN_IF_ERROR(CheckCandidates(kName, candidates));
  try {
    const Ranked ranked = Read(candidates, options);
    RewardCurve out;
    out.known = ranked.known;
    out.empty = std::none_of(candidates.begin(), candidates.end(),
                             [](const RewardCandidate& c) { return c.gain * c.confidence > 0; });
    out.values.assign(options.grid, kUndetermined);
    Rewards rewards(ranked);
    for (std::size_t i = 0; i < options.grid; ++i) {
      const double alpha = static_cast<double>(i) / static_cast<double>(options.grid - 1);
      if ((ranked.no_lexical && i > 0) || (ranked.no_vector && i + 1 < options.grid)) continue;
      out.values[i] = rewards.At(alpha);
    }
    return out;
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "ComputeRewardCurve: no memory for the candidates");
  }
}

Result<std::vector<RewardPiece>> RewardBreakpoints(std::span<const RewardCandidate> candidates,
                                                   const RewardCurveOptions& options) {
  constexpr const char* kName = "RewardBreakpoints";
  EQUIPOISE_RETURN_IF_ERROR(CheckOptions(kName, options));
  EQUIPOISE_RETURN_IF_ERROR(CheckCandidates(kName, candidates));
  try {
    const Ranked ranked = Read(candidates, options);
    if (ranked.no_lexical || ranked.no_vector)
      return Status(Code::kInvalidArgument,
                    "RewardBreakpoints: a path was not asked, so that one α is all that is known",
                    {.field = "candidates"});
    const std::vector<Crossing> crossings = CrossingsOf(ranked);
    const auto middle = [&](std::size_t next, double from) {
      return 0.5 * (from + (next < crossings.size() ? crossings[next].alpha : 1.0));
    };
    Sweep sweep(ranked);
    sweep.Sort(middle(0, 0));
    const std::size_t k = ranked.discount.size();
    std::vector<RewardPiece> out = {{0, sweep.Value()}};
    for (std::size_t i = 0; i < crossings.size();) {
      // All that cross here, as far as doubles tell.
      const double alpha = crossings[i].alpha;
      std::size_t next = i + 1;
      while (next < crossings.size() && crossings[next].alpha <= alpha + kNothing) ++next;
      bool seen = true;
      if (next == i + 1) {
        seen = std::min(sweep.Place(crossings[i].first), sweep.Place(crossings[i].second)) < k;
        if (!sweep.Swap(crossings[i].first, crossings[i].second)) {
          seen = true;
          sweep.Sort(middle(next, alpha));
        }
      } else {
        sweep.Sort(middle(next, crossings[next - 1].alpha));
      }
      i = next;
      if (!seen) continue;
      const double value = sweep.Value();
      if (std::abs(value - out.back().value) > kNothing) out.push_back({alpha, value});
    }
    return out;
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "RewardBreakpoints: no memory for the crossings");
  }
}

}  // namespace equipoise
