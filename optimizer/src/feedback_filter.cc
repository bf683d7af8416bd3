#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <new>
#include <stdexcept>
#include <utility>

#include <equipoise/core/check.h>
#include <equipoise/core/parallel.h>
#include <equipoise/optimizer/feedback_filter.h>

#include "feedback_passes.h"
#include "few_values.h"
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
  const auto check = [&](const char* name, const auto& column) -> Status {
    if (column.size != 0 && column.size != n)
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: batch.{}.size = {} must be 0 or batch.rating.size = {}",
                                kApply, name, column.size, n),
                    {.field = name});
    if (column.size != 0 && column.data == nullptr)
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: batch.{}.data is null; a column without values has size 0",
                                kApply, name),
                    {.field = name});
    return {};
  };
  EQUIPOISE_RETURN_IF_ERROR(check("rating", batch.rating));
  EQUIPOISE_RETURN_IF_ERROR(check("time", batch.time));
  EQUIPOISE_RETURN_IF_ERROR(check("source", batch.source));
  EQUIPOISE_RETURN_IF_ERROR(check("item", batch.item));
  EQUIPOISE_RETURN_IF_ERROR(check("domain", batch.domain));
  EQUIPOISE_RETURN_IF_ERROR(check("event", batch.event));
  EQUIPOISE_RETURN_IF_ERROR(check("confidence", batch.confidence));
  EQUIPOISE_RETURN_IF_ERROR(check("position", batch.position));
  return check("dwell", batch.dwell);
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

// What is an outlier of a sample: farther than `limit` from `center`.
struct SigmaBound {
  double center = 0;
  double limit = kInfinity;
  std::uint64_t allowed = 0;
  OutlierState state = OutlierState::kTooSmall;
};

SigmaBound BoundOf(const RatingSums& sums, double shift, const OutlierOptions& o, bool many) {
  SigmaBound out{.center = shift};
  const auto size = static_cast<double>(sums.count);
  out.allowed = static_cast<std::uint64_t>(o.max_removed * size);
  if (CannotFlag(o, size)) return out;
  out.state = OutlierState::kFewValues;
  if (!many) return out;
  const double apart = sums.sum / size;
  const double squares = std::max(0.0, sums.sum_squares - sums.sum * apart);
  const double deviation = std::sqrt(squares / (size - 1));
  out.center += apart;
  out.state = deviation > 0 ? OutlierState::kApplied : OutlierState::kNoSpread;
  if (deviation > 0) out.limit = o.sigma * deviation;
  return out;
}

// Whether the rows that `takes` says have more than `few_values` different ratings.
template <typename Takes = TakeAll>
bool HasManyValues(const FeedbackBatch& batch, const FeedbackOptions& o, const Takes& takes = {}) {
  return o.outliers.few_values == 0 ||
         HasMoreValues(batch.rating, o.rating_low, o.rating_high, o.outliers.few_values, takes);
}

// The usual case in two passes: no ids, one global sigma. Where rows turn out to be refused for more
// than their rating, in two more. False where it is another case: more outliers than may go.
bool ApplyFused(const FeedbackBatch& batch, const FeedbackOptions& o, const Passes& passes,
                FeedbackResult* result) {
  const bool sigma = o.outliers.method == OutlierMethod::kSigma;
  SigmaBound bound{.center = passes.Shift(), .state = OutlierState::kOff};
  const auto weigh = [&] {
    return passes.Weigh(bound.center, bound.limit, o.keep_items ? result->weight.data() : nullptr,
                        o.keep_items ? result->verdict.data() : nullptr);
  };
  if (sigma)
    bound = BoundOf(passes.Sum(bound.center), bound.center, o.outliers, HasManyValues(batch, o));
  WeighSums sums = weigh();
  const auto of = [&](WeighVerdict v) { return sums.verdicts[static_cast<std::size_t>(v)]; };
  if (sigma &&
      of(WeighVerdict::kBadTime) + of(WeighVerdict::kFuture) + of(WeighVerdict::kBadConfidence) >
          0) {
    const auto readable = [&](std::uint64_t i) { return passes.IsReadable(i); };
    const double shift = passes.Shift();
    bound =
        BoundOf(passes.Sum(shift, readable), shift, o.outliers, HasManyValues(batch, o, readable));
    sums = weigh();
  }
  if (sigma && of(WeighVerdict::kOutlier) > bound.allowed) return false;
  if (sums.verdicts[0] + of(WeighVerdict::kOutlier) > 0) Count(bound.state, &result->groups);
  std::copy(std::begin(sums.verdicts), std::end(sums.verdicts), result->counts.begin());
  result->clamped = sums.clamped;
  result->total = AggregateOf(sums, bound.center, batch.size());
  return true;
}

// One sigma for the whole batch, without a copy of it; false where more would go than may.
bool CutBySigma(FilterWork* work, const Passes& passes, FeedbackResult* result) {
  const OutlierOptions& o = work->options.outliers;
  const auto kept = [&](std::uint64_t i) { return work->Kept(i); };
  const double shift = passes.Shift();
  const RatingSums sums = passes.Sum(shift, kept);
  if (sums.count == 0) return true;
  const SigmaBound bound = BoundOf(sums, shift, o, HasManyValues(work->batch, work->options, kept));
  if (bound.state == OutlierState::kApplied) {
    const auto far = [&](std::uint64_t i) {
      return work->Kept(i) && std::abs(work->batch.rating[i] - bound.center) > bound.limit;
    };
    std::vector<std::uint64_t> rows;
    for (std::uint64_t i = 0; i < work->verdict.size(); ++i)
      if (far(i)) rows.push_back(i);
    if (rows.size() > bound.allowed) return false;
    for (const std::uint64_t row : rows) {
      work->verdict[row] = FeedbackVerdict::kOutlier;
      work->weight[row] = 0;
    }
  }
  Count(bound.state, &result->groups);
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

void CutOutliers(FilterWork* work, const Passes& passes, FeedbackResult* result) {
  const FeedbackOptions& o = work->options;
  if (o.outliers.method == OutlierMethod::kNone) return;
  const bool global = o.grouping == FeedbackGrouping::kGlobal;
  if (global && o.outliers.method == OutlierMethod::kSigma && CutBySigma(work, passes, result))
    return;
  std::vector<OutlierCutter> parts(static_cast<std::size_t>(work->threads), OutlierCutter(work));
  const auto each = [&](const RowGroups& groups) {
    ForGroups(groups.starts, work->threads,
              [&](std::uint64_t first, std::uint64_t last, int worker) {
                OutlierCutter& part = parts[static_cast<std::size_t>(worker)];
                for (std::uint64_t group = first; group < last; ++group) {
                  for (std::uint64_t i = groups.starts[group]; i < groups.starts[group + 1]; ++i)
                    part.Take(groups.rows[i]);
                  part.Cut(groups.keys[group]);
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
    each(GroupBy(FeedbackColumn<std::uint64_t>(domains), nullptr, work->threads, work->pool));
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

// Sums about the first rating; `vote(i)` is the i-th of [begin, end) with its last weight.
template <typename VoteAt>
FeedbackAggregate Aggregate(std::uint64_t begin, std::uint64_t end, const VoteAt& vote_at) {
  WeighSums sums;
  double center = 0;
  for (std::uint64_t i = begin; i < end; ++i) {
    const Vote vote = vote_at(i);
    if (std::isnan(vote.rating)) continue;
    if (sums.verdicts[0]++ == 0) center = vote.rating;
    const double w = vote.weight, d = vote.rating - center;
    sums.weight += w;
    sums.weight_squares += w * w;
    sums.deviation += w * d;
    sums.deviation_squares += w * d * d;
  }
  return AggregateOf(sums, center, end - begin);
}

void AggregateGroups(const FilterWork& work, const RowGroups& groups, const RawArray<Vote>& votes,
                     std::vector<FeedbackAggregate>* out) {
  out->resize(groups.size());
  ForGroups(groups.starts, work.threads, [&](std::uint64_t first, std::uint64_t last, int) {
    for (std::uint64_t group = first; group < last; ++group) {
      (*out)[group] =
          Aggregate(groups.starts[group], groups.starts[group + 1], [&](std::uint64_t i) {
            Vote vote = votes[i];
            vote.weight = work.WeightOf(vote);
            return vote;
          });
      (*out)[group].key = groups.keys[group];
    }
  });
}

// The last weight of each row, and the whole.
void AggregateAll(const FilterWork& work, double now, FeedbackResult* result) {
  const std::uint64_t n = work.verdict.size();
  struct Block {
    FeedbackAggregate sums;
    std::array<std::uint64_t, kFeedbackVerdicts> counts{};
    std::uint64_t clamped = 0;
  };
  std::vector<Block> blocks(BlocksOf(n));
  ParallelFor(blocks.size(), work.threads, [&](std::size_t first, std::size_t last, int) {
    for (std::size_t b = first; b < last; ++b) {
      Block& block = blocks[b];
      const std::uint64_t begin = b * kFeedbackBlock;
      const std::uint64_t end = std::min<std::uint64_t>(n, begin + kFeedbackBlock);
      block.sums = Aggregate(begin, end, [&](std::uint64_t row) {
        Vote vote = work.votes[row];
        const bool kept = !std::isnan(vote.rating);
        vote.weight = work.weight[row] = kept ? work.WeightOf(vote) : 0;
        block.clamped += kept && work.batch.time[row] > now ? 1 : 0;
        ++block.counts[static_cast<std::size_t>(work.verdict[row])];
        return vote;
      });
    }
  });
  for (const Block& block : blocks) {
    result->total.Merge(block.sums);
    result->clamped += block.clamped;
    for (std::size_t v = 0; v < kFeedbackVerdicts; ++v) result->counts[v] += block.counts[v];
  }
}

void ApplyWhole(const FeedbackBatch& batch, const FeedbackOptions& o, const Passes& passes,
                double now, std::span<float> weight, std::span<FeedbackVerdict> verdict,
                ArrayPool* pool, FeedbackResult* result) {
  passes.Weigh(0, kInfinity, weight.data(), verdict.data());
  // Some twenty steps wait for each other here: on a busy machine threads with little to do would be
  // slower than one.
  constexpr std::uint64_t kRowsOfThread = 65536;
  const auto threads = static_cast<int>(std::clamp<std::uint64_t>(
      batch.size() / kRowsOfThread, 1, static_cast<std::uint64_t>(passes.threads())));
  FilterWork work{batch, o, weight, verdict, {}, {}, threads, pool, {}, {}, {}, {}, {}};
  const AbuseOptions& abuse = o.abuse;
  const bool item = !batch.item.empty(), source = !batch.source.empty();
  const bool reliability = o.confidence.reliability && item && source;
  const bool evidence = o.confidence.evidence && item;
  const bool by_item = o.by_item && item, by_source = o.by_source && source;
  if (by_item || evidence || reliability || (abuse.constant_votes > 0 && item) ||
      (abuse.duplicates && item && source) || (o.grouping == FeedbackGrouping::kItem && item))
    work.items = GroupBy(batch.item, nullptr, work.threads, pool);
  if (by_source || reliability || (abuse.duplicates && item && source) ||
      ((abuse.burst_votes > 0 || abuse.rate_votes > 0 || abuse.constant_votes > 0 ||
        !o.known_sources.empty()) &&
       source) ||
      (o.grouping == FeedbackGrouping::kSource && source))
    work.sources = GroupBy(batch.source, work.items ? &*work.items : nullptr, work.threads, pool);
  WeighContext(&work);
  FindAbuse(&work);
  CutOutliers(&work, passes, result);
  TakeVotes(&work);
  if (by_item || evidence || reliability) work.item_votes = OrderVotes(work, *work.items);
  if (by_source || reliability) work.source_votes = OrderVotes(work, *work.sources);
  if (reliability) LearnReliability(&work);
  if (evidence) FindEvidence(&work);
  AggregateAll(work, now, result);
  if (by_item) AggregateGroups(work, *work.items, work.item_votes, &result->items);
  if (by_source) AggregateGroups(work, *work.sources, work.source_votes, &result->sources);
  result->reliability = std::move(work.reliability);
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

// Null where there is no memory, which Apply will say.
std::shared_ptr<ArrayPool> NewPool() {
  try {
    return std::make_shared<ArrayPool>();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
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

FeedbackFilter::FeedbackFilter(FeedbackOptions options)
    : options_(std::move(options)), pool_(NewPool()) {}
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
      const std::uint64_t most = kMostGrouped;
      if (n > most && (!batch.item.empty() || !batch.source.empty() || !batch.event.empty() ||
                       options_.grouping == FeedbackGrouping::kDomain))
        return Status(
            Code::kUnsupported,
            fmt::format("FeedbackFilter::Apply: {} rows with ids are more than {}; filter "
                        "less at once",
                        n, most),
            {.field = "batch"});
      const auto pool = pool_ != nullptr ? pool_ : std::make_shared<ArrayPool>();  // moved from
      std::vector<float> weight;
      std::vector<FeedbackVerdict> verdict;
      if (!options_.keep_items) {
        weight.resize(n);
        verdict.resize(n);
      }
      ApplyWhole(batch, options_, passes, now, options_.keep_items ? result->weight : weight,
                 options_.keep_items ? result->verdict : verdict, pool.get(), result);
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
