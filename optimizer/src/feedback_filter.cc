#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <stdexcept>
#include <utility>

#include <equipoise/core/check.h>
#include <equipoise/core/parallel.h>
#include <equipoise/optimizer/feedback_filter.h>

#include "feedback_passes.h"
#include "filter_work.h"
#include "outlier_checks.h"

namespace equipoise {

static_assert(static_cast<int>(FeedbackVerdict::kOutlier) ==
                  static_cast<int>(WeighVerdict::kOutlier) &&
              static_cast<int>(FeedbackVerdict::kBadConfidence) ==
                  static_cast<int>(WeighVerdict::kBadConfidence));

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
Status CheckOptions(const FeedbackOptions& options) {
  constexpr const char* kApply = "FeedbackFilter::Apply";
  constexpr double kLeast = std::numeric_limits<double>::min();
  constexpr double kMost = std::numeric_limits<double>::max();
  constexpr float kMostFloat = std::numeric_limits<float>::max();
  EQUIPOISE_CHECK_RANGE(kApply, options.half_life, kLeast, kInfinity);
  for (const DomainHalfLife& domain : options.domain_half_lives)
    EQUIPOISE_CHECK_RANGE(kApply, domain.seconds, kLeast, kInfinity);
  EQUIPOISE_CHECK_RANGE(kApply, options.rating_low, -kMostFloat, kMostFloat);
  EQUIPOISE_CHECK_RANGE(kApply, options.rating_high, options.rating_low, kMostFloat);
  if (options.rating_low == options.rating_high)
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: rating_low = rating_high = {}: a scale has two ends", kApply,
                              options.rating_low),
                  {.field = "rating_high"});
  EQUIPOISE_CHECK_RANGE(kApply, options.max_skew, 0, kMost);
  EQUIPOISE_CHECK_RANGE(kApply, options.threads, 1, 1024);
  EQUIPOISE_CHECK_RANGE(kApply, options.abuse.burst_seconds, 0, kMost);
  EQUIPOISE_CHECK_RANGE(kApply, options.abuse.rate_seconds, 0, kMost);
  EQUIPOISE_CHECK_RANGE(kApply, options.confidence.reliability_prior, kLeast, kMost);
  EQUIPOISE_CHECK_RANGE(kApply, options.confidence.least_reliability, kLeast, 1);
  EQUIPOISE_CHECK_RANGE(kApply, options.confidence.reliability_least, kLeast, kMost);
  EQUIPOISE_CHECK_RANGE(kApply, options.confidence.gold_weight, 0, kMost);
  EQUIPOISE_CHECK_RANGE(kApply, options.confidence.dwell_half, 0, kMost);
  EQUIPOISE_CHECK_RANGE(kApply, options.confidence.position_power, 0, 100);
  for (const GoldRating& gold : options.confidence.gold)
    EQUIPOISE_CHECK_RANGE(kApply, gold.rating, options.rating_low, options.rating_high);
  return CheckOutlierOptions(kApply, options.outliers);
}

Status CheckColumns(const FeedbackBatch& batch) {
  constexpr const char* kApply = "FeedbackFilter::Apply";
  const std::uint64_t n = batch.rating.size;
  EQUIPOISE_CHECK_RANGE(kApply, static_cast<std::int64_t>(batch.rating.size), 0,
                        std::numeric_limits<std::int64_t>::max());
  EQUIPOISE_CHECK_EQUAL(kApply, batch.time.size, batch.rating.size);
  const auto check = [&](const char* name, std::uint64_t size) -> Status {
    if (size == 0 || size == n) return {};
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: batch.{}.size = {} must be 0 or batch.rating.size = {}", kApply,
                              name, size, n),
                  {.field = name});
  };
  EQUIPOISE_RETURN_IF_ERROR(check("source", batch.source.size));
  EQUIPOISE_RETURN_IF_ERROR(check("item", batch.item.size));
  EQUIPOISE_RETURN_IF_ERROR(check("domain", batch.domain.size));
  EQUIPOISE_RETURN_IF_ERROR(check("event", batch.event.size));
  EQUIPOISE_RETURN_IF_ERROR(check("confidence", batch.confidence.size));
  EQUIPOISE_RETURN_IF_ERROR(check("position", batch.position.size));
  return check("dwell", batch.dwell.size);
}

FeedbackAggregate AggregateOf(const WeighSums& sums, double center, std::uint64_t n) {
  FeedbackAggregate out;
  out.kept = sums.verdicts[0];
  out.removed = n - out.kept;
  out.weight = sums.weight;
  out.weight_squares = sums.weight_squares;
  if (sums.weight > 0) {
    const double apart = sums.deviation / sums.weight;
    out.mean = center + apart;
    out.squares = std::max(0.0, sums.deviation_squares - sums.deviation * apart);
  }
  return out;
}

bool NeedsIds(const FeedbackBatch& b, const FeedbackOptions& o) {
  const bool source = !b.source.empty(), item = !b.item.empty();
  return (item && (o.by_item || o.confidence.evidence)) || (source && o.by_source) ||
         (source && item && (o.abuse.duplicates || o.confidence.reliability)) ||
         (source && (o.abuse.burst_votes > 0 || o.abuse.constant_votes > 0 ||
                     o.abuse.rate_votes > 0 || !o.known_sources.empty())) ||
         !b.event.empty() || (!b.dwell.empty() && o.confidence.dwell_half > 0) ||
         (!b.position.empty() && o.confidence.position_power > 0);
}

void Count(OutlierState state, OutlierGroups* groups) {
  groups->applied += state == OutlierState::kApplied ? 1 : 0;
  groups->few_values += state == OutlierState::kFewValues ? 1 : 0;
  groups->too_small += state == OutlierState::kTooSmall ? 1 : 0;
  groups->no_spread += state == OutlierState::kNoSpread ? 1 : 0;
}

// Whether ratings take more values than `few_values`.
bool HasManyValues(const FeedbackBatch& batch, const FeedbackOptions& o, const Passes& passes,
                   bool all_readable) {
  DistinctValues distinct(o.outliers.few_values);
  if (o.outliers.few_values == 0) return true;
  for (std::uint64_t i = 0; i < batch.size(); ++i) {
    const float x = batch.rating[i];
    if ((all_readable ? passes.InScale(x) : passes.IsReadable(i)) && distinct.Exceeds(x))
      return true;
  }
  return false;
}

// The usual case in two passes: no ids, one global sigma. Where rows turn out to be refused for more
// than their rating, in two more. False where it is another case: more outliers than may go.
bool ApplyFused(const FeedbackBatch& batch, const FeedbackOptions& o, const Passes& passes,
                FeedbackResult* result, bool all_readable = true) {
  const std::uint64_t n = batch.size();
  const bool sigma = o.outliers.method == OutlierMethod::kSigma;
  double center = passes.Shift(), limit = kInfinity;
  std::uint64_t count = 0;
  OutlierState state = OutlierState::kOff;
  if (sigma) {
    const bool many = HasManyValues(batch, o, passes, all_readable);
    state = many ? OutlierState::kApplied : OutlierState::kFewValues;
    const RatingSums sums = passes.Sum(center, all_readable);
    count = sums.count;
    const auto size = static_cast<double>(count);
    if (CannotFlag(o.outliers, size)) {
      state = OutlierState::kTooSmall;
    } else if (many) {
      const double apart = sums.sum / size;
      const double squares = std::max(0.0, sums.sum_squares - sums.sum * apart);
      const double deviation = std::sqrt(squares / (size - 1));
      center += apart;
      if (deviation > 0) {
        limit = o.outliers.sigma * deviation;
      } else {
        state = OutlierState::kNoSpread;
      }
    }
  }
  const WeighSums sums = passes.Weigh(center, limit, o.keep_items ? result->weight.data() : nullptr,
                                      o.keep_items ? result->verdict.data() : nullptr);
  const auto of = [&](WeighVerdict v) { return sums.verdicts[static_cast<std::size_t>(v)]; };
  if (sigma) {
    if (all_readable &&
        of(WeighVerdict::kBadTime) + of(WeighVerdict::kFuture) + of(WeighVerdict::kBadConfidence) >
            0)
      return ApplyFused(batch, o, passes, result, false);
    if (of(WeighVerdict::kOutlier) >
        static_cast<std::uint64_t>(o.outliers.max_removed * static_cast<double>(count)))
      return false;
    if (count > 0) Count(state, &result->groups);
  }
  std::copy(std::begin(sums.verdicts), std::end(sums.verdicts), result->counts.begin());
  result->clamped = sums.clamped;
  result->total = AggregateOf(sums, center, n);
  return true;
}

// The outliers of samples, one after the other.
class OutlierCutter {
 public:
  explicit OutlierCutter(FilterWork* work) : work_(*work) {}

  void Take(std::uint64_t row) {
    if (!work_.Kept(row)) return;
    rows_.push_back(row);
    values_.push_back(work_.batch.rating[row]);
  }

  // What was taken is one sample.
  void Cut(std::uint64_t group) {
    if (rows_.empty()) return;
    outlier_.resize(values_.size());
    const auto report = FindOutliers(values_, work_.options.outliers, outlier_);
    if (!report) throw std::bad_alloc();  // options and values were checked
    Count(report->state, &groups);
    for (std::size_t i = 0; i < rows_.size() && report->removed > 0; ++i) {
      if (outlier_[i] == 0) continue;
      work_.verdict[rows_[i]] = FeedbackVerdict::kOutlier;
      work_.weight[rows_[i]] = 0;
    }
    if (report->over_cap > 0)
      alarms.push_back({FeedbackAlarmKind::kOutlierCap, group, report->over_cap});
    rows_.clear();
    values_.clear();
  }

  OutlierGroups groups;
  std::vector<FeedbackAlarm> alarms;

 private:
  FilterWork& work_;
  std::vector<std::uint64_t> rows_;
  std::vector<float> values_;
  std::vector<std::uint8_t> outlier_;
};

void CutOutliers(FilterWork* work, FeedbackResult* result) {
  const FeedbackOptions& o = work->options;
  if (o.outliers.method == OutlierMethod::kNone) return;
  std::vector<OutlierCutter> parts(static_cast<std::size_t>(work->threads), OutlierCutter(work));
  const auto each = [&](const RowGroups& groups) {
    ForGroups(groups.starts, work->threads,
              [&](std::uint64_t first, std::uint64_t last, int worker) {
                OutlierCutter& part = parts[static_cast<std::size_t>(worker)];
                for (std::uint64_t group = first; group < last; ++group) {
                  for (std::uint64_t i = groups.starts[group]; i < groups.starts[group + 1]; ++i)
                    part.Take(groups.rows[i].row);
                  part.Cut(groups.key(group));
                }
              });
  };
  // Without its column, a grouping is the whole batch.
  if (o.grouping == FeedbackGrouping::kItem && work->items) {
    each(*work->items);
  } else if (o.grouping == FeedbackGrouping::kSource && work->sources) {
    each(*work->sources);
  } else if (o.grouping == FeedbackGrouping::kDomain && !work->batch.domain.empty()) {
    std::vector<std::uint64_t> domains(work->verdict.size());
    for (std::uint64_t row = 0; row < domains.size(); ++row) domains[row] = work->batch.domain[row];
    each(GroupBy(FeedbackColumn<std::uint64_t>(domains), nullptr, work->threads));
  } else {
    for (std::uint64_t row = 0; row < work->verdict.size(); ++row) parts[0].Take(row);
    parts[0].Cut(0);
  }
  for (const OutlierCutter& part : parts) {
    result->groups.applied += part.groups.applied;
    result->groups.few_values += part.groups.few_values;
    result->groups.too_small += part.groups.too_small;
    result->groups.no_spread += part.groups.no_spread;
    result->alarms.insert(result->alarms.end(), part.alarms.begin(), part.alarms.end());
  }
}

// Sums about the first rating of [begin, end); NaN is not kept.
template <typename Rating, typename Weight>
FeedbackAggregate Aggregate(std::uint64_t begin, std::uint64_t end, const Rating& rating,
                            const Weight& weight) {
  WeighSums sums;
  double center = 0;
  for (std::uint64_t i = begin; i < end; ++i) {
    const float x = rating(i);
    if (std::isnan(x)) continue;
    if (sums.verdicts[0]++ == 0) center = x;
    const double w = weight(i), d = x - center;
    sums.weight += w;
    sums.weight_squares += w * w;
    sums.deviation += w * d;
    sums.deviation_squares += w * d * d;
  }
  return AggregateOf(sums, center, end - begin);
}

void AggregateGroups(const FilterWork& work, const RowGroups& groups, const GroupVotes& votes,
                     std::vector<FeedbackAggregate>* out) {
  out->resize(groups.size());
  ForGroups(groups.starts, work.threads, [&](std::uint64_t first, std::uint64_t last, int) {
    for (std::uint64_t group = first; group < last; ++group) {
      (*out)[group] = Aggregate(
          groups.starts[group], groups.starts[group + 1],
          [&](std::uint64_t i) { return votes.rating[i]; },
          [&](std::uint64_t i) { return votes.weight[i]; });
      (*out)[group].key = groups.key(group);
    }
  });
}

void AggregateAll(const FilterWork& work, FeedbackResult* result) {
  const std::uint64_t n = work.verdict.size();
  std::vector<FeedbackAggregate> blocks(BlocksOf(n));
  ParallelFor(blocks.size(), work.threads, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t block = begin; block < end; ++block)
      blocks[block] = Aggregate(
          block * kFeedbackBlock, std::min<std::uint64_t>(n, (block + 1) * kFeedbackBlock),
          [&](std::uint64_t i) { return work.Kept(i) ? work.batch.rating[i] : std::nanf(""); },
          [&](std::uint64_t i) { return work.weight[i]; });
  });
  for (const FeedbackAggregate& block : blocks) result->total.Merge(block);
  for (const FeedbackVerdict verdict : work.verdict)
    ++result->counts[static_cast<std::size_t>(verdict)];
}

void ApplyWhole(const FeedbackBatch& batch, const FeedbackOptions& o, const Passes& passes,
                double now, std::span<float> weight, std::span<FeedbackVerdict> verdict,
                FeedbackResult* result) {
  passes.Weigh(0, kInfinity, weight.data(), verdict.data());
  FilterWork work{batch, o, weight, verdict, {}, {}, passes.threads(), {}, {}};
  const AbuseOptions& abuse = o.abuse;
  const bool item = !batch.item.empty(), source = !batch.source.empty();
  const bool reliability = o.confidence.reliability && item && source;
  const bool evidence = o.confidence.evidence && item;
  const bool by_item = o.by_item && item, by_source = o.by_source && source;
  if (by_item || evidence || reliability || (abuse.constant_votes > 0 && item) ||
      (abuse.duplicates && item && source) || (o.grouping == FeedbackGrouping::kItem && item))
    work.items = GroupBy(batch.item, nullptr, work.threads);
  if (by_source || reliability || (abuse.duplicates && item && source) ||
      ((abuse.burst_votes > 0 || abuse.rate_votes > 0 || abuse.constant_votes > 0) && source) ||
      (o.grouping == FeedbackGrouping::kSource && source))
    work.sources = GroupBy(batch.source, work.items ? &*work.items : nullptr, work.threads);
  WeighContext(&work);
  FindAbuse(&work);
  CutOutliers(&work, result);
  for (std::uint64_t row = 0; row < verdict.size(); ++row) {
    if (!work.Kept(row)) {
      weight[row] = 0;
    } else if (batch.time[row] > now) {
      ++result->clamped;
    }
  }
  if (by_item || evidence || reliability)
    work.item_votes = TakeVotes(work, *work.items, reliability ? &*work.sources : nullptr);
  if (by_source || reliability)
    work.source_votes =
        TakeVotes(work, *work.sources, reliability || evidence ? &*work.items : nullptr);
  if (reliability) result->reliability = WeighReliability(&work);
  if (evidence) WeighEvidence(&work);
  AggregateAll(work, result);
  if (by_item) AggregateGroups(work, *work.items, *work.item_votes, &result->items);
  if (by_source) AggregateGroups(work, *work.sources, *work.source_votes, &result->sources);
}

void RaiseAlarms(std::uint64_t n, FeedbackResult* result) {
  const auto between = [&](FeedbackVerdict first, FeedbackVerdict last) {
    std::uint64_t sum = 0;
    for (auto v = static_cast<std::size_t>(first); v <= static_cast<std::size_t>(last); ++v)
      sum += result->counts[v];
    return sum;
  };
  const std::uint64_t refused =
      between(FeedbackVerdict::kBadRating, FeedbackVerdict::kUnknownSource);
  const std::uint64_t abuse =
      between(FeedbackVerdict::kDuplicateEvent, FeedbackVerdict::kConstantSource);
  if (refused > n / 2) result->alarms.push_back({FeedbackAlarmKind::kMostRefused, 0, refused});
  if (abuse > (n - refused) / 2)
    result->alarms.push_back({FeedbackAlarmKind::kMostAbuse, 0, abuse});
  if (result->total.kept > 0 && !(result->total.weight > 0))
    result->alarms.push_back({FeedbackAlarmKind::kAllExpired, 0, result->total.kept});
}

void Clear(FeedbackResult* result) {
  result->counts.fill(0);
  result->clamped = 0;
  result->total = {};
  result->items.clear();
  result->sources.clear();
  result->reliability.clear();
  result->groups = {};
  result->alarms.clear();
}

}  // namespace

std::string_view FeedbackVerdictName(FeedbackVerdict verdict) {
  constexpr std::string_view kNames[kFeedbackVerdicts] = {
      "kept",      "outlier",        "bad_rating",     "bad_time",
      "future",    "bad_confidence", "unknown_source", "duplicate_event",
      "duplicate", "burst",          "rate_limit",     "constant_source"};
  const auto i = static_cast<std::size_t>(verdict);
  return i < kFeedbackVerdicts ? kNames[i] : "unknown";
}

std::string_view FeedbackAlarmName(FeedbackAlarmKind kind) {
  switch (kind) {
    case FeedbackAlarmKind::kOutlierCap:
      return "outlier_cap";
    case FeedbackAlarmKind::kMostRefused:
      return "most_refused";
    case FeedbackAlarmKind::kMostAbuse:
      return "most_abuse";
    case FeedbackAlarmKind::kAllExpired:
      return "all_expired";
  }
  return "unknown";
}

FeedbackFilter::FeedbackFilter(FeedbackOptions options) : options_(std::move(options)) {}
FeedbackFilter::FeedbackFilter(const FeedbackFilter&) = default;
FeedbackFilter& FeedbackFilter::operator=(const FeedbackFilter&) = default;
FeedbackFilter::FeedbackFilter(FeedbackFilter&&) noexcept = default;
FeedbackFilter& FeedbackFilter::operator=(FeedbackFilter&&) noexcept = default;
FeedbackFilter::~FeedbackFilter() = default;

Result<FeedbackResult> FeedbackFilter::Apply(const FeedbackBatch& batch, double now) const {
  FeedbackResult result;
  EQUIPOISE_RETURN_IF_ERROR(Apply(batch, now, &result));
  return result;
}

Status FeedbackFilter::Apply(const FeedbackBatch& batch, double now, FeedbackResult* result) const {
  EQUIPOISE_RETURN_IF_ERROR(CheckOptions(options_));
  EQUIPOISE_RETURN_IF_ERROR(CheckColumns(batch));
  constexpr double kMost = std::numeric_limits<double>::max();
  EQUIPOISE_CHECK_RANGE("FeedbackFilter::Apply", now, -kMost, kMost);
  try {
    const std::uint64_t n = batch.size();
    Clear(result);
    result->weight.resize(options_.keep_items ? n : 0);
    result->verdict.resize(options_.keep_items ? n : 0);
    const Passes passes(batch, options_, now);
    const bool simple = options_.outliers.method == OutlierMethod::kNone ||
                        (options_.outliers.method == OutlierMethod::kSigma &&
                         options_.grouping == FeedbackGrouping::kGlobal);
    if (!simple || NeedsIds(batch, options_) || !ApplyFused(batch, options_, passes, result)) {
      std::vector<float> weight;
      std::vector<FeedbackVerdict> verdict;
      if (!options_.keep_items) {
        weight.resize(n);
        verdict.resize(n);
      }
      ApplyWhole(batch, options_, passes, now, options_.keep_items ? result->weight : weight,
                 options_.keep_items ? result->verdict : verdict, result);
    }
    RaiseAlarms(n, result);
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory,
                  fmt::format("FeedbackFilter::Apply: no memory for {} rows; filter less at once",
                              batch.size()));
  } catch (const std::length_error&) {
    return Status(Code::kOutOfMemory,
                  fmt::format("FeedbackFilter::Apply: no memory for {} rows; filter less at once",
                              batch.size()));
  }
  return {};
}

}  // namespace equipoise
