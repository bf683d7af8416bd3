#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <new>

#include <equipoise/core/check.h>
#include <equipoise/optimizer/pareto_router.h>

namespace equipoise {
namespace {

constexpr std::size_t kBlock = 16;   // points side by side
constexpr std::size_t kChunk = 256;  // blocks that are bounded together
constexpr float kFar = 1e30f;        // of what fills the last block
constexpr float kAugmented = 1e-4f;
constexpr std::size_t kNobody = static_cast<std::size_t>(-1);

// Orders points so that each block's lie near each other: halves at the median of the widest objective.
void Gather(const double* z, std::size_t n, std::size_t m, std::span<std::uint32_t> points) {
  if (points.size() <= kBlock) return;
  std::size_t widest = 0;
  double most = -1;
  for (std::size_t j = 0; j < m; ++j) {
    const auto [low, high] = std::minmax_element(
        points.begin(), points.end(),
        [&](std::uint32_t a, std::uint32_t b) { return z[j * n + a] < z[j * n + b]; });
    const double width = z[j * n + *high] - z[j * n + *low];
    if (width > most) {
      most = width;
      widest = j;
    }
  }
  // The left half fills whole blocks.
  const std::size_t half = (points.size() / 2 + kBlock - 1) / kBlock * kBlock;
  std::nth_element(points.begin(), points.begin() + static_cast<std::ptrdiff_t>(half), points.end(),
                   [&](std::uint32_t a, std::uint32_t b) {
                     const double x = z[widest * n + a], y = z[widest * n + b];
                     return x < y || (x == y && a < b);
                   });
  Gather(z, n, m, points.first(half));
  Gather(z, n, m, points.subspan(half));
}

}  // namespace

std::string_view PickMethodName(PickMethod method) {
  switch (method) {
    case PickMethod::kIdeal:
      return "ideal";
    case PickMethod::kAsf:
      return "asf";
    case PickMethod::kKnee:
      return "knee";
  }
  return "ideal";
}

Result<PickMethod> ParsePickMethod(std::string_view name) {
  for (const PickMethod method : {PickMethod::kIdeal, PickMethod::kAsf, PickMethod::kKnee})
    if (name == PickMethodName(method)) return method;
  return Status(Code::kInvalidArgument,
                fmt::format("unknown method \"{}\"; there are ideal, asf, knee", name),
                {.field = "method"});
}

Result<PreferenceTable> PreferenceTable::Create(const MatrixView<double>& points) try {
  EQUIPOISE_ASSIGN_OR_RETURN(const NonDominatedSorting sorting, NonDominatedSort(points));
  PreferenceTable out;
  out.objectives_ = points.cols;
  if (sorting.ranks() > 0)
    for (const std::uint32_t row : sorting.front(0)) {
      const auto values = points.row_span(row);
      if (std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); }))
        out.members_.push_back(row);
    }
  std::sort(out.members_.begin(), out.members_.end());
  if (out.members_.empty())
    return Status(Code::kInvalidArgument, "PreferenceTable: no point has finite objectives");
  EQUIPOISE_ASSIGN_OR_RETURN(const std::vector<double> ideal, IdealPoint(points, out.members_));
  EQUIPOISE_ASSIGN_OR_RETURN(const std::vector<double> nadir, NadirPoint(points, out.members_));
  const std::size_t n = out.members_.size(), m = points.cols;
  out.values_.resize(m * n);
  out.scaled_.resize(m * n);
  for (std::size_t j = 0; j < m; ++j) {
    // Halved first: the distance of two doubles may be none.
    const double range = nadir[j] / 2 - ideal[j] / 2;
    for (std::size_t i = 0; i < n; ++i) {
      const double value = points.row(out.members_[i])[j];
      out.values_[j * n + i] = value;
      out.scaled_[j * n + i] = range > 0 ? (value / 2 - ideal[j] / 2) / range : 0;
    }
  }
  out.LayOut();
  EQUIPOISE_ASSIGN_OR_RETURN(const std::uint32_t knee, Knee(points, out.members_));
  out.knee_ = static_cast<std::size_t>(
      std::lower_bound(out.members_.begin(), out.members_.end(), knee) - out.members_.begin());
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "PreferenceTable: not enough memory");
}

void PreferenceTable::LayOut() {
  const std::size_t n = members_.size(), m = objectives_;
  slots_.resize(n);
  for (std::uint32_t i = 0; i < n; ++i) slots_[i] = i;
  Gather(scaled_.data(), n, m, slots_);
  blocks_ = (n + kBlock - 1) / kBlock;
  for (const bool squared : {false, true}) {
    std::vector<float>& columns = squared ? squares_ : columns_;
    std::vector<float>& bounds = squared ? square_bounds_ : bounds_;
    columns.assign(m * blocks_ * kBlock, kFar);
    bounds.assign(m * blocks_, kFar);
    for (std::size_t j = 0; j < m; ++j)
      for (std::size_t i = 0; i < n; ++i) {
        const double z = scaled_[j * n + slots_[i]];
        const auto value = static_cast<float>(squared ? z * z : z);
        columns[j * blocks_ * kBlock + i] = value;
        float& bound = bounds[j * blocks_ + i / kBlock];
        bound = std::min(bound, value);
      }
  }
}

Status PreferenceTable::Check(const Preference& preference) const {
  constexpr const char* kWhere = "Pick";
  if (preference.method != PickMethod::kKnee || !preference.weights.empty()) {
    EQUIPOISE_CHECK_EQUAL(kWhere, preference.weights.size(), objectives_);
    double sum = 0;
    for (const double w : preference.weights) {
      if (!(w >= 0 && std::isfinite(w)))
        return Status(Code::kInvalidArgument,
                      fmt::format("Pick: weights must be 0 or more, one is {}", w),
                      {.field = "weights"});
      sum += w;
    }
    if (!(sum > 0 && std::isfinite(sum)))
      return Status(Code::kInvalidArgument, "Pick: all weights are 0; at least one must be more",
                    {.field = "weights"});
  }
  if (preference.limits.empty()) return {};
  EQUIPOISE_CHECK_EQUAL(kWhere, preference.limits.size(), objectives_);
  for (const double limit : preference.limits)
    if (std::isnan(limit))
      return Status(Code::kInvalidArgument, "Pick: a limit is not a number", {.field = "limits"});
  return {};
}

bool PreferenceTable::Allowed(const Preference& preference, std::size_t at) const {
  for (std::size_t j = 0; j < preference.limits.size(); ++j)
    if (values_[j * members_.size() + at] > preference.limits[j]) return false;
  return true;
}

namespace {

// Scores of n points side by side; columns [m, stride]. Weights and columns are >= 0, so that columns of
// least values give a lower bound, rounding included.
inline void ScoreColumns(const float* columns, std::size_t stride, std::span<const float> weights,
                         bool asf, std::size_t n, float* score) {
  float most[kChunk];
  for (std::size_t i = 0; i < n; ++i) score[i] = most[i] = 0;
  for (std::size_t j = 0; j < weights.size(); ++j) {
    const float* column = columns + j * stride;
    const float w = weights[j];
    if (!asf) {
      for (std::size_t i = 0; i < n; ++i) score[i] += w * column[i];
      continue;
    }
    for (std::size_t i = 0; i < n; ++i) {
      const float value = w * column[i];
      most[i] = value > most[i] ? value : most[i];
      score[i] += value;
    }
  }
  if (asf)
    for (std::size_t i = 0; i < n; ++i) score[i] = most[i] + kAugmented * score[i];
}

}  // namespace

// The member with the least score, of equals the first. A block whose bound is above the least score so
// far is passed over: of a thousand points some fifty are looked at.
std::size_t PreferenceTable::Best(const Preference& preference, std::size_t without) const {
  const bool asf = preference.method == PickMethod::kAsf;
  std::array<float, kMaxObjectives> weight;
  double sum = 0;
  for (const double w : preference.weights) sum += w;
  for (std::size_t j = 0; j < objectives_; ++j) {
    const auto w = static_cast<float>(preference.weights[j] / sum);
    weight[j] = asf ? w : w * w;
  }
  const std::span<const float> weights(weight.data(), objectives_);
  const std::vector<float>& columns = asf ? columns_ : squares_;
  const std::vector<float>& bounds = asf ? bounds_ : square_bounds_;
  std::size_t best = kNobody;
  float least = std::numeric_limits<float>::infinity();
  const auto look = [&](std::size_t block) {
    float score[kBlock];
    ScoreColumns(columns.data() + block * kBlock, blocks_ * kBlock, weights, asf, kBlock, score);
    const std::size_t end = std::min(kBlock, members_.size() - block * kBlock);
    for (std::size_t i = 0; i < end; ++i) {
      const std::size_t at = slots_[block * kBlock + i];
      if (score[i] > least || (score[i] == least && at > best) || at == without ||
          !Allowed(preference, at))
        continue;
      least = score[i];
      best = at;
    }
  };
  for (std::size_t begin = 0; begin < blocks_; begin += kChunk) {
    const std::size_t n = std::min(kChunk, blocks_ - begin);
    float bound[kChunk];
    ScoreColumns(bounds.data() + begin, blocks_, weights, asf, n, bound);
    // The most promising first: most of the others then need no look.
    const auto first = static_cast<std::size_t>(std::min_element(bound, bound + n) - bound);
    look(begin + first);
    for (std::size_t b = 0; b < n; ++b)
      if (bound[b] <= least && b != first) look(begin + b);
  }
  return best;
}

Result<std::size_t> PreferenceTable::KneeOf(const Preference& preference,
                                            std::size_t without) const {
  if (preference.limits.empty() && without == kNobody) return knee_;
  std::vector<std::uint32_t> allowed;
  std::vector<double> rows;
  for (std::uint32_t i = 0; i < members_.size(); ++i) {
    if (i == without || !Allowed(preference, i)) continue;
    allowed.push_back(i);
    for (std::size_t j = 0; j < objectives_; ++j) rows.push_back(values_[j * members_.size() + i]);
  }
  if (allowed.empty()) return kNobody;
  std::vector<std::uint32_t> all(allowed.size());
  for (std::uint32_t i = 0; i < all.size(); ++i) all[i] = i;
  EQUIPOISE_ASSIGN_OR_RETURN(const std::uint32_t knee,
                             Knee({rows.data(), allowed.size(), objectives_}, all));
  return std::size_t{allowed[knee]};
}

double PreferenceTable::Score(const Preference& preference, PickMethod method,
                              std::size_t at) const {
  double sum = 0, squares = 0, total = 0, most = 0;
  const bool all = preference.weights.empty();
  for (const double w : preference.weights) sum += w;
  for (std::size_t j = 0; j < objectives_; ++j) {
    const double w = all ? 1.0 / static_cast<double>(objectives_) : preference.weights[j] / sum;
    const double value = w * scaled_[j * members_.size() + at];
    squares += value * value;
    total += value;
    most = std::max(most, value);
  }
  return method == PickMethod::kAsf ? most + double{kAugmented} * total : std::sqrt(squares);
}

Result<std::uint32_t> PreferenceTable::Pick(const Preference& preference) const try {
  EQUIPOISE_RETURN_IF_ERROR(Check(preference));
  std::size_t at = kNobody;
  if (preference.method == PickMethod::kKnee) {
    EQUIPOISE_ASSIGN_OR_RETURN(at, KneeOf(preference, kNobody));
  } else {
    at = Best(preference, kNobody);
  }
  if (at == kNobody)
    return Status(Code::kNotFound, "Pick: no point of the front is within the limits",
                  {.field = "limits"});
  return members_[at];
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "Pick: not enough memory");
}

Result<PickedPoint> PreferenceTable::Explain(const Preference& preference) const try {
  EQUIPOISE_ASSIGN_OR_RETURN(const std::uint32_t row, Pick(preference));
  const auto at = static_cast<std::size_t>(std::lower_bound(members_.begin(), members_.end(), row) -
                                           members_.begin());
  PickedPoint out{.point = row, .distance = Score(preference, PickMethod::kIdeal, at)};
  std::size_t second = kNobody;
  if (preference.method == PickMethod::kKnee) {
    EQUIPOISE_ASSIGN_OR_RETURN(second, KneeOf(preference, at));
  } else {
    second = Best(preference, at);
  }
  if (second == kNobody) return out;
  out.runner_up = members_[second];
  if (preference.method != PickMethod::kKnee)
    out.margin = std::max(0.0, Score(preference, preference.method, second) -
                                   Score(preference, preference.method, at));
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "Explain: not enough memory");
}

// Not std::atomic<std::shared_ptr>: that of libstdc++ 12 lets a reader race with a writer, as the thread
// sanitizer sees.
void ParetoRouter::Use(std::shared_ptr<const PreferenceTable> table) {
  const std::lock_guard lock(mutex_);
  table_.swap(table);  // the one before is let go of after the lock
}

std::shared_ptr<const PreferenceTable> ParetoRouter::table() const {
  const std::lock_guard lock(mutex_);
  return table_;
}

Result<ParetoRouter::Route> ParetoRouter::Pick(const Preference& preference) const {
  Route out{.point = 0, .table = table()};
  if (out.table == nullptr)
    return Status(Code::kUnavailable, "ParetoRouter: no front is in use; Use gives one");
  EQUIPOISE_ASSIGN_OR_RETURN(out.point, out.table->Pick(preference));
  return out;
}

}  // namespace equipoise
