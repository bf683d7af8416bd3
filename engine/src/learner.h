// What stands between an engine and its policy: decisions, the ring of contexts, feedback.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <equipoise/core/weight_policy.h>
#include <equipoise/engine/engine.h>
#include <equipoise/engine/learning.h>
#include <equipoise/engine/search_context.h>

#include "feedback_log.h"

namespace equipoise {

/// Threads  Decide and Remember from any; they wait for nobody but one that uses the same slot of the
///          ring right now. Learn and Save take the mutex of feedback
class Learner {
 public:
  using DecideByFeatures = std::function<double(const QueryFeatures&)>;

  static Result<std::unique_ptr<Learner>> Make(std::shared_ptr<WeightPolicy> policy,
                                               const LearningOptions& options,
                                               const Collection& collection);

  /// Sets α, fusion and paths of `asked` where they are the policy's to decide; numbers the query.
  /// True where the policy or the configuration has decided.
  /// Errors   kInvalidArgument: the policy decided what is no decision
  /// Without `decides` the policy is not asked. One that uses features is asked during the search, by
  /// `late`, which `asked` then names: it and the context must live as long.
  Result<bool> Decide(const SearchRequest& request, const Collection& collection, bool decides,
                      const QueryDomain& domain, SearchContext* context, SearchRequest* asked,
                      DecideByFeatures* late);
  /// What was decided during the search.
  /// Errors   as Decide
  static Status CheckDecision(const WeightDecision& decision);
  /// Completes the context from what was found, keeps it, and says in `found` who decided.
  void Remember(const SearchRequest& request, bool decided, SearchContext context,
                SearchResult* found);
  /// With or without the filter.
  Result<FeedbackOutcome> Learn(const QueryFeedback& feedback, const Collection& collection,
                                bool filter);

  /// Learns what the log holds beyond the snapshot that this was loaded from, and logs from now on. After an
  /// error this is to be dropped.
  /// Errors   as FeedbackLog::Each; kOutOfMemory
  Result<LearningResumed> Resume(std::unique_ptr<FeedbackLog> log);

  /// Where `cache` is set it is the snapshot of the log that the next engine starts from: what it knows
  /// and is older than the retention leaves the log.
  Status Save(const std::string& path, bool cache);
  static Result<std::unique_ptr<Learner>> Load(const std::string& path,
                                               const LearningOptions& options,
                                               const PolicyLoader& loader,
                                               const Collection& collection);

  std::shared_ptr<const WeightPolicy> policy() const { return policy_; }

 private:
  /// One rating of a document, as the filter let it through.
  struct Rating {
    double time = 0;
    double weight = 0;  ///< the filter's confidence, and decay by the age at which it came
    std::uint64_t source = 0;
    float gain = 0;
    std::uint32_t doc = 0;
  };
  /// A query and what it has taught. All but the context belongs to the mutex of feedback.
  struct Record {
    SearchContext context;
    std::vector<Rating> ratings;
    double groundedness = kRewardUnknown;
    double groundedness_time = 0;
    std::vector<double> curve;  ///< of the last update; empty: none
    double weight = 0;
  };
  /// A rating among the latest of its domain, as the filter wants it.
  struct WindowRow {
    double time = 0;
    std::uint64_t source = 0, item = 0;
    float rating = 0, confidence = 1, dwell = 0;
    std::uint32_t position = 0;
  };
  /// Where the weight of a rating comes from.
  enum class Weighing { kFilter, kPlain, kLogged };
  struct Slot {
    std::uint64_t id = 0;
    std::shared_ptr<Record> record;
  };

  Learner(std::shared_ptr<WeightPolicy> policy, const LearningOptions& options,
          const Collection& collection);

  std::mutex& MutexOf(std::size_t slot) const { return slot_mutexes_[slot % kStripes]; }
  void Keep(std::shared_ptr<Record> record);
  std::shared_ptr<Record> Remembered(std::uint64_t id) const;
  std::shared_ptr<Record> Known(std::uint64_t id) const;
  Result<std::shared_ptr<Record>> Find(const QueryFeedback& feedback, double now);
  Result<std::shared_ptr<Record>> FromLog(std::uint64_t id, std::uint64_t before);
  Status CheckLog() const;
  Status Trim(const std::string& snapshot);
  /// The row of the log up to which the policy has learned.
  std::uint64_t LearnedUntil() const {
    return log_ == nullptr || options_.frozen ? snapshot_number_ : log_->last();
  }
  Status CheckAge(const SearchContext& context, double now) const;
  void Adopt(std::shared_ptr<Record> record);
  Status Check(const QueryFeedback& feedback, double now, double time) const;
  static Result<std::optional<std::uint32_t>> DocumentOf(const QueryFeedback& feedback,
                                                         const SearchContext& context,
                                                         const Collection& collection);
  static WindowRow RowOf(const FeedbackEntry& feedback, const SearchContext& context);
  static std::optional<double> LastTime(const Record& record, const FeedbackEntry& feedback);
  static std::span<const WindowRow> Latest(const std::vector<WindowRow>& rows, std::size_t most) {
    return std::span(rows).last(std::min(rows.size(), most));
  }
  Result<FeedbackVerdict> Filter(const std::string& domain, const WindowRow& row,
                                 FeedbackEntry* feedback);
  bool Enter(const FeedbackEntry& feedback, std::vector<Rating>* ratings) const;
  Result<FeedbackOutcome> Take(const std::shared_ptr<Record>& record, FeedbackEntry* feedback,
                               Weighing weighing);
  void Admit(const std::string& domain, const WindowRow& row);
  Result<std::vector<double>> CurveOf(const Record& record, const std::vector<Rating>& ratings,
                                      double groundedness, double* weight) const;
  double Decay(double age) const;

  bool IsSound(const Record& record) const;
  std::string QueriesAsBytes() const;
  bool ReadQueries(std::string_view bytes);

  static constexpr std::size_t kStripes = 64;

  std::shared_ptr<WeightPolicy> policy_;
  LearningOptions options_;
  FeedbackFilter filter_;  // without decay
  FusionMethod method_;
  std::uint64_t fingerprint_;
  std::uint64_t base_;  // of the query ids: those of another engine are other ones
  std::atomic<std::uint64_t> next_{0};

  std::vector<Slot> slots_;
  mutable std::array<std::mutex, kStripes> slot_mutexes_;

  mutable std::mutex feedback_mutex_;
  // Queries that feedback has named, and those of a snapshot.
  std::unordered_map<std::uint64_t, std::shared_ptr<Record>> adopted_;
  std::deque<std::uint64_t> adopted_order_;
  std::unordered_map<std::string, std::vector<WindowRow>>
      windows_;  // by domain, the latest at the end
  std::deque<std::string> window_order_;
  FeedbackResult filtered_;           // of the last rating
  std::unique_ptr<FeedbackLog> log_;  // null: feedback is not durable
  // Of the snapshot that this was loaded from, and how much of that log it knows; with a log of that one.
  std::uint64_t snapshot_log_ = 0, snapshot_number_ = 0;
};

}  // namespace equipoise
