/// Start here: a batch of feedback in, a weight for every item out, with an account of what was left
/// out and why.
///
///   FeedbackFilter filter(options);
///   auto out = filter.Apply(batch, now);
///   if (!out) return Fail(out.error());
///   learner.Update(out->weight, out->total.mean, ...);
///
/// In this order: rows that cannot be read are refused; abuse goes; decay 2^(−age / half_life) and
/// confidence make the weights; outliers, which are judged unweighted, get weight 0; what is left is
/// summed up. See feedback_options.h for each formula and its source.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/optimizer/feedback_aggregate.h>
#include <equipoise/optimizer/feedback_batch.h>
#include <equipoise/optimizer/feedback_options.h>

namespace equipoise {

/// Why an item counts or does not: the first reason found, what cannot be read before abuse, abuse
/// before outliers.
enum class FeedbackVerdict : std::uint8_t {
  kKept = 0,
  kOutlier,
  kBadRating,       ///< NaN or outside the scale
  kBadTime,         ///< NaN or infinite
  kFuture,          ///< too far ahead of now: milliseconds?
  kBadConfidence,   ///< NaN or outside [0, 1]; or a dwell time below 0
  kUnknownSource,   ///< not among known_sources
  kDuplicateEvent,  ///< an event id that an earlier row has
  kDuplicate,       ///< the source has rated the item again later
  kBurst,
  kRateLimit,
  kConstantSource,
};
inline constexpr std::size_t kFeedbackVerdicts = 12;

/// "kept", "outlier", "bad_rating", ...
EQUIPOISE_API std::string_view FeedbackVerdictName(FeedbackVerdict verdict);

enum class FeedbackAlarmKind : std::uint8_t {
  kOutlierCap,   ///< more was flagged than may be removed; count: what stayed
  kMostRefused,  ///< over half of the rows could not be read; count: how many
  kMostAbuse,    ///< over half of the readable rows went as abuse; count: how many
  kAllExpired,   ///< ratings were kept, but decay left none of them any weight
};
EQUIPOISE_API std::string_view FeedbackAlarmName(FeedbackAlarmKind kind);

struct FeedbackAlarm {
  FeedbackAlarmKind kind{};
  std::uint64_t group = 0;  ///< item, source or domain for kOutlierCap under a grouping
  std::uint64_t count = 0;
};

/// How many groups the outlier method could do what with; see OutlierState.
struct OutlierGroups {
  std::uint64_t applied = 0;
  std::uint64_t few_values = 0;
  std::uint64_t too_small = 0;
  std::uint64_t no_spread = 0;
};

struct FeedbackResult {
  std::vector<float> weight;             ///< [n] or empty: decay · confidence; 0 if not kept
  std::vector<FeedbackVerdict> verdict;  ///< [n] or empty
  std::array<std::uint64_t, kFeedbackVerdicts> counts{};  ///< items of each verdict
  std::uint64_t clamped = 0;               ///< kept with a time ahead of now, which counted as now
  FeedbackAggregate total;                 ///< over the whole batch
  std::vector<FeedbackAggregate> items;    ///< by ascending item id
  std::vector<FeedbackAggregate> sources;  ///< by ascending source id
  /// Learned reliability of each of `sources`, where that was asked for and possible.
  std::vector<double> reliability;
  OutlierGroups groups;
  std::vector<FeedbackAlarm> alarms;

  std::uint64_t count(FeedbackVerdict v) const { return counts[static_cast<std::size_t>(v)]; }
};

class ArrayPool;

/// Filters batches.
/// Threads  const, safe from many threads
/// Memory   up to 64 MiB of scratch are kept between calls; copies of a filter share them
class EQUIPOISE_API FeedbackFilter {
 public:
  /// Options are checked by Apply.
  explicit FeedbackFilter(FeedbackOptions options = {});
  FeedbackFilter(const FeedbackFilter&);
  FeedbackFilter& operator=(const FeedbackFilter&);
  FeedbackFilter(FeedbackFilter&&) noexcept;
  FeedbackFilter& operator=(FeedbackFilter&&) noexcept;
  ~FeedbackFilter();

  const FeedbackOptions& options() const { return options_; }

  /// Filters one batch.
  /// Shapes   batch of n >= 0 rows; an empty one gives zeros
  /// Units    now, like the batch's times, in seconds of any one clock; the library reads none
  /// Errors   kInvalidArgument: an option outside its range, `now` not finite, columns of different
  ///          lengths or without data; kUnsupported: more than 2^32 − 1 rows where a check needs ids; kOutOfMemory.
  ///          Rows that are wrong are no error: they get a verdict
  /// Threads  options().threads; memory O(n); O(block) beside the result for one global sigma
  ///          without ids, unless more is flagged than may be removed
  /// Exact    bit-identical for any number of threads; ratings of one batch in another order may
  ///          differ in the last bits
  Result<FeedbackResult> Apply(const FeedbackBatch& batch, double now) const;
  /// The same into a result whose memory is used again: no allocation where the batch is not larger
  /// than the one before and no check needs ids.
  Status Apply(const FeedbackBatch& batch, double now, FeedbackResult* result) const;

 private:
  FeedbackOptions options_;
  std::shared_ptr<ArrayPool> pool_;
};

}  // namespace equipoise
