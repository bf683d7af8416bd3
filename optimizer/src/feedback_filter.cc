#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <new>
#include <stdexcept>
#include <utility>

#include <equipoise/core/check.h>
#include <equipoise/core/parallel.h>
#include <equipoise/kernels/feedback_pass.h>
#include <equipoise/optimizer/feedback_filter.h>

#include "feedback_rows.h"
#include "filter_work.h"
#include "outlier_checks.h"

namespace equipoise {

static_assert(static_cast<int>(FeedbackVerdict::kOutlier) ==
                  static_cast<int>(WeighVerdict::kOutlier) &&
              static_cast<int>(FeedbackVerdict::kBadConfidence) ==
                  static_cast<int>(WeighVerdict::kBadConfidence));

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Blocks that a thread takes at once; with fewer than two such chunks, starting one costs more than
// it does.
constexpr std::uint64_t kChunk = 8;

std::uint8_t* Bytes(FeedbackVerdict* verdicts) { return reinterpret_cast<std::uint8_t*>(verdicts); }

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

// Copies of what does not lie side by side.
struct BlockScratch {
  float ratings[kFeedbackBlock];
  double times[kFeedbackBlock];
  float confidence[kFeedbackBlock];
  double rates[kFeedbackBlock];
  float weights[kFeedbackBlock];
  std::uint8_t verdicts[kFeedbackBlock];
};

// Passes over the columns, block by block.
class Passes {
 public:
  Passes(const FeedbackBatch& batch, const FeedbackOptions& options, double now)
      : batch_(batch), options_(options), n_(batch.size()), blocks_(BlocksOf(n_)) {
    settings_ = {.now = now,
                 .max_skew = options.max_skew,
                 .rate = 1 / options.half_life,
                 .center = 0,
                 .limit = kInfinity,
                 .low = options.rating_low,
                 .high = options.rating_high};
    if (!batch.domain.empty()) {
      rates_ = options.domain_half_lives;
      std::stable_sort(rates_.begin(), rates_.end(),
                       [](const auto& a, const auto& b) { return a.domain < b.domain; });
    }
    if (options.threads > 1 && blocks_ >= 2 * kChunk)
      threads_ = static_cast<int>(std::min<std::uint64_t>(
          blocks_ / kChunk,
          static_cast<std::uint64_t>(std::min(options.threads, AvailableThreads()))));
  }

  int threads() const { return threads_; }

  /// A rating near the others, so that sums about it lose no digits.
  double Shift() const {
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(n_, 16); ++i)
      if (InScale(batch_.rating[i])) return batch_.rating[i];
    return std::clamp(0.0f, options_.rating_low, options_.rating_high);
  }

  bool InScale(float x) const { return x >= options_.rating_low && x <= options_.rating_high; }

  RatingSums Sum(double shift) const {
    const auto of_block = [&](std::uint64_t block, BlockScratch* scratch) {
      const auto [begin, n] = Range(block);
      return SumRatings(BlockOf(batch_.rating, begin, n, scratch->ratings), n, settings_.low,
                        settings_.high, shift);
    };
    return Reduce<RatingSums>(of_block, [](RatingSums* to, const RatingSums& part) {
      to->count += part.count;
      to->sum += part.sum;
      to->sum_squares += part.sum_squares;
    });
  }

  /// weights, verdicts [n], or null: not kept.
  WeighSums Weigh(double center, double limit, float* weights, FeedbackVerdict* verdicts) const {
    WeighSettings settings = settings_;
    settings.center = center;
    settings.limit = limit;
    const auto of_block = [&](std::uint64_t block, BlockScratch* scratch) {
      const auto [begin, n] = Range(block);
      const float* confidence = batch_.confidence.empty()
                                    ? nullptr
                                    : BlockOf(batch_.confidence, begin, n, scratch->confidence);
      const double* rates = nullptr;
      if (!rates_.empty()) {
        for (std::size_t i = 0; i < n; ++i) scratch->rates[i] = RateOf(batch_.domain[begin + i]);
        rates = scratch->rates;
      }
      return WeighRatings(BlockOf(batch_.rating, begin, n, scratch->ratings),
                          BlockOf(batch_.time, begin, n, scratch->times), confidence, rates, n,
                          settings, weights != nullptr ? weights + begin : scratch->weights,
                          verdicts != nullptr ? Bytes(verdicts + begin) : scratch->verdicts);
    };
    return Reduce<WeighSums>(of_block, [](WeighSums* to, const WeighSums& part) {
      to->weight += part.weight;
      to->weight_squares += part.weight_squares;
      to->deviation += part.deviation;
      to->deviation_squares += part.deviation_squares;
      to->clamped += part.clamped;
      for (std::size_t v = 0; v < std::size(part.verdicts); ++v)
        to->verdicts[v] += part.verdicts[v];
    });
  }

 private:
  std::pair<std::uint64_t, std::size_t> Range(std::uint64_t block) const {
    const std::uint64_t begin = block * kFeedbackBlock;
    return {begin, static_cast<std::size_t>(std::min<std::uint64_t>(kFeedbackBlock, n_ - begin))};
  }

  double RateOf(std::uint32_t domain) const {
    const auto found =
        std::lower_bound(rates_.begin(), rates_.end(), domain,
                         [](const DomainHalfLife& a, std::uint32_t key) { return a.domain < key; });
    return found != rates_.end() && found->domain == domain ? 1 / found->seconds : settings_.rate;
  }

  // The parts of all blocks, added in one order whoever made them: within each chunk of blocks, then
  // over the chunks.
  template <typename Part, typename OfBlock, typename Add>
  Part Reduce(const OfBlock& of_block, const Add& add) const {
    const auto of_chunk = [&](std::uint64_t chunk, BlockScratch* scratch) {
      Part sum;
      const std::uint64_t begin = chunk * kChunk;
      for (std::uint64_t block = begin; block < std::min(blocks_, begin + kChunk); ++block)
        add(&sum, of_block(block, scratch));
      return sum;
    };
    const std::uint64_t chunks = (blocks_ + kChunk - 1) / kChunk;
    Part total;
    if (threads_ <= 1) {
      BlockScratch scratch;  // NOLINT: not initialized, 120 KiB that are mostly not touched
      for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) add(&total, of_chunk(chunk, &scratch));
      return total;
    }
    std::vector<Part> parts(chunks);
    // Taken one by one: a thread whose core is busy with other work takes fewer.
    std::atomic<std::uint64_t> next = 0;
    ParallelFor(static_cast<std::size_t>(threads_), threads_, [&](std::size_t, std::size_t, int) {
      BlockScratch scratch;  // NOLINT: as above
      for (std::uint64_t chunk; (chunk = next.fetch_add(1)) < chunks;)
        parts[chunk] = of_chunk(chunk, &scratch);
    });
    for (const Part& part : parts) add(&total, part);
    return total;
  }

  const FeedbackBatch& batch_;
  const FeedbackOptions& options_;
  std::uint64_t n_;
  std::uint64_t blocks_;
  WeighSettings settings_;
  std::vector<DomainHalfLife> rates_;
  int threads_ = 1;
};

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

// The usual case in two passes: no ids, one global sigma. False where it turns out to be another
// case: rows that are refused for more than their rating, or more outliers than may go.
bool ApplyFused(const FeedbackBatch& batch, const FeedbackOptions& o, const Passes& passes,
                FeedbackResult* result) {
  const std::uint64_t n = batch.size();
  double center = passes.Shift(), limit = kInfinity;
  std::uint64_t count = 0;
  OutlierState state = OutlierState::kOff;
  if (o.outliers.method == OutlierMethod::kSigma) {
    DistinctValues distinct(o.outliers.few_values);
    bool many = o.outliers.few_values == 0;
    for (std::uint64_t i = 0; !many && i < n; ++i) {
      const float x = batch.rating[i];
      many = passes.InScale(x) && distinct.Exceeds(x);
    }
    state = many ? OutlierState::kApplied : OutlierState::kFewValues;
    const RatingSums sums = passes.Sum(center);
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
  const std::uint64_t outliers = of(WeighVerdict::kOutlier);
  if (o.outliers.method == OutlierMethod::kSigma) {
    if (of(WeighVerdict::kBadTime) + of(WeighVerdict::kFuture) + of(WeighVerdict::kBadConfidence) >
        0)
      return false;
    if (outliers > static_cast<std::uint64_t>(o.outliers.max_removed * static_cast<double>(count)))
      return false;
    Count(state, &result->groups);
  }
  std::copy(std::begin(sums.verdicts), std::end(sums.verdicts), result->counts.begin());
  result->clamped = sums.clamped;
  result->total = AggregateOf(sums, center, n);
  return true;
}

void CutOutliers(FilterWork* work, FeedbackResult* result) {
  const FeedbackOptions& o = work->options;
  if (o.outliers.method == OutlierMethod::kNone) return;
  std::vector<float> values;
  std::vector<std::uint64_t> rows;
  std::vector<std::uint8_t> outlier;
  const auto cut = [&](std::uint64_t group) {
    if (rows.empty()) return;
    outlier.resize(values.size());
    const auto report = FindOutliers(values, o.outliers, outlier);  // the options were checked
    if (!report) throw std::bad_alloc();
    Count(report->state, &result->groups);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (outlier[i] == 0) continue;
      work->verdict[rows[i]] = FeedbackVerdict::kOutlier;
      work->weight[rows[i]] = 0;
    }
    if (report->over_cap > 0)
      result->alarms.push_back({FeedbackAlarmKind::kOutlierCap, group, report->over_cap});
    rows.clear();
    values.clear();
  };
  const auto take = [&](std::uint64_t row) {
    if (!work->Kept(row)) return;
    rows.push_back(row);
    values.push_back(work->batch.rating[row]);
  };
  const auto each = [&](const RowGroups& groups) {
    for (std::uint64_t group = 0; group < groups.size(); ++group) {
      for (std::uint64_t i = groups.starts[group]; i < groups.starts[group + 1]; ++i)
        take(groups.rows[i].row);
      cut(groups.key(group));
    }
  };
  // Without its column, a grouping is the whole batch.
  if (o.grouping == FeedbackGrouping::kItem && work->items) {
    each(*work->items);
  } else if (o.grouping == FeedbackGrouping::kSource && work->sources) {
    each(*work->sources);
  } else if (o.grouping == FeedbackGrouping::kDomain && !work->batch.domain.empty()) {
    std::vector<std::uint64_t> domains(work->verdict.size());
    for (std::uint64_t row = 0; row < domains.size(); ++row) domains[row] = work->batch.domain[row];
    each(GroupBy(FeedbackColumn<std::uint64_t>(domains), nullptr));
  } else {
    for (std::uint64_t row = 0; row < work->verdict.size(); ++row) take(row);
    cut(0);
  }
}

// Sums about the first rating; `rows(i)` is the i-th row.
template <typename Rows>
FeedbackAggregate Aggregate(const FilterWork& work, std::uint64_t begin, std::uint64_t end,
                            const Rows& rows) {
  WeighSums sums;
  double center = 0;
  for (std::uint64_t i = begin; i < end; ++i) {
    const std::uint64_t row = rows(i);
    if (!work.Kept(row)) continue;
    if (sums.verdicts[0]++ == 0) center = work.batch.rating[row];
    const double w = work.weight[row], d = work.batch.rating[row] - center;
    sums.weight += w;
    sums.weight_squares += w * w;
    sums.deviation += w * d;
    sums.deviation_squares += w * d * d;
  }
  return AggregateOf(sums, center, end - begin);
}

void AggregateGroups(const FilterWork& work, const RowGroups& groups,
                     std::vector<FeedbackAggregate>* out) {
  out->resize(groups.size());
  ParallelFor(groups.size(), work.threads, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t group = begin; group < end; ++group) {
      (*out)[group] = Aggregate(work, groups.starts[group], groups.starts[group + 1],
                                [&](std::uint64_t i) { return groups.rows[i].row; });
      (*out)[group].key = groups.key(group);
    }
  });
}

void AggregateAll(const FilterWork& work, FeedbackResult* result) {
  const std::uint64_t n = work.verdict.size();
  std::vector<FeedbackAggregate> blocks(BlocksOf(n));
  ParallelFor(blocks.size(), work.threads, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t block = begin; block < end; ++block)
      blocks[block] = Aggregate(work, block * kFeedbackBlock,
                                std::min<std::uint64_t>(n, (block + 1) * kFeedbackBlock),
                                [](std::uint64_t i) { return i; });
  });
  for (const FeedbackAggregate& block : blocks) result->total.Merge(block);
  for (const FeedbackVerdict verdict : work.verdict)
    ++result->counts[static_cast<std::size_t>(verdict)];
}

void ApplyWhole(const FeedbackBatch& batch, const FeedbackOptions& o, const Passes& passes,
                double now, std::span<float> weight, std::span<FeedbackVerdict> verdict,
                FeedbackResult* result) {
  passes.Weigh(0, kInfinity, weight.data(), verdict.data());
  FilterWork work{batch, o, weight, verdict, {}, {}, passes.threads()};
  if (NeedsIds(batch, o) || o.grouping != FeedbackGrouping::kGlobal) {
    if (!batch.item.empty()) work.items = GroupBy(batch.item, nullptr);
    if (!batch.source.empty())
      work.sources = GroupBy(batch.source, work.items ? &work.items->rows : nullptr);
  }
  FindAbuse(&work);
  WeighContext(&work);
  CutOutliers(&work, result);
  for (std::uint64_t row = 0; row < verdict.size(); ++row) {
    if (!work.Kept(row)) {
      weight[row] = 0;
    } else if (batch.time[row] > now) {
      ++result->clamped;
    }
  }
  if (o.confidence.reliability && work.items && work.sources)
    result->reliability = WeighReliability(&work);
  if (o.confidence.evidence && work.items) WeighEvidence(&work);
  // Factors may have brought a weight below what is a normal number.
  for (float& w : weight)
    if (w < std::numeric_limits<float>::min()) w = 0;
  AggregateAll(work, result);
  if (o.by_item && work.items) AggregateGroups(work, *work.items, &result->items);
  if (o.by_source && work.sources) AggregateGroups(work, *work.sources, &result->sources);
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
