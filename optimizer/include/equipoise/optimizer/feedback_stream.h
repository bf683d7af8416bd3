/// Feedback that keeps coming: running aggregates without looking at old ratings again, and the
/// verdicts of a batch over the window that is kept.
///
///   auto stream = FeedbackStream::Create(options);
///   stream->Add(batch, now);                    // as often as feedback comes
///   stream->Item(id, now)->mean;                // at any time, in O(1)
///   stream->Filter(now);                        // outliers, abuse, confidence: over the window
///   stream->Remove(now - 90 * 86400);           // what is older goes
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/optimizer/feedback_filter.h>

namespace equipoise {

/// A window of feedback and its decayed sums.
///
/// Sums use forward decay: a rating's weight is 2^((t − L) / half_life) for a landmark L, fixed when it
/// is added, and all are divided by 2^((now − L) / half_life) when they are asked for (Cormode,
/// Shkapenyuk, Srivastava & Xu 2009, doi:10.1109/ICDE.2009.65). They count decay, own confidence,
/// dwell time and position of every readable rating; what depends on other ratings (outliers,
/// duplicates, reliability, evidence) is Filter's.
/// Threads  one thread at a time for what changes it; const functions are safe from many
class EQUIPOISE_API FeedbackStream {
 public:
  /// Errors   kInvalidArgument: as FeedbackFilter::Apply
  static Result<FeedbackStream> Create(FeedbackOptions options);
  FeedbackStream(FeedbackStream&&) noexcept;
  FeedbackStream& operator=(FeedbackStream&&) noexcept;
  ~FeedbackStream();

  /// Adds a batch; rows in any order of time. Rows that cannot be read are counted in refused() and
  /// not kept. A time ahead of `now`, up to max_skew, is kept as `now`.
  /// Errors   kInvalidArgument: as FeedbackFilter::Apply, `now` before that of an earlier call, or other
  ///          columns than the first batch had; kOutOfMemory. Then nothing was added
  Status Add(const FeedbackBatch& batch, double now);

  /// As if all that `other` holds had been added after what is here.
  /// Errors   kInvalidArgument: other half-lives, scale or columns; kOutOfMemory
  Status Merge(const FeedbackStream& other);

  /// Removes the ratings with times before `time`; returns how many those were.
  std::uint64_t Remove(double time);

  /// Ratings in the window.
  std::uint64_t size() const;
  /// Rows of Add that could not be read, by verdict: kBadRating to kUnknownSource.
  std::array<std::uint64_t, kFeedbackVerdicts> refused() const;

  /// The decayed sums at a time.
  /// Errors   kInvalidArgument: `now` before that of Add
  /// Exact    within 1e-6 (means and variances: of the scale's range and its square) of the total, items
  ///          and sources of a batch over the window without outliers, abuse checks, reliability and
  ///          evidence, where Σ w is above 1e-30: a batch counts no weight below 2^−126
  Result<FeedbackAggregate> Total(double now) const;
  /// Of one item or source; nothing kept where it is not in the window.
  Result<FeedbackAggregate> Item(std::uint64_t item, double now) const;
  Result<FeedbackAggregate> Source(std::uint64_t source, double now) const;

  /// FeedbackFilter::Apply over the window; weights and verdicts in the order in which rows were added.
  Result<FeedbackResult> Filter(double now) const;

  /// Writes the window to a checked file, whole or not at all.
  /// Errors   kIo, kOutOfMemory
  Status Save(const std::string& path) const;
  /// What Save has written.
  /// Errors   kNotFound, kIo, kCorruption; kInvalidArgument: other half-life, scale or skew than those it
  ///          was written with; kUnsupported: a newer version
  static Result<FeedbackStream> Load(const std::string& path, FeedbackOptions options);

 private:
  struct State;
  explicit FeedbackStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace equipoise
