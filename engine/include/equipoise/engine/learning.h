/// How an engine learns α from feedback: what is kept, how a rating counts, what a reward is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <equipoise/optimizer/feedback_filter.h>
#include <equipoise/optimizer/reward.h>
#include <equipoise/optimizer/reward_curve.h>
#include <equipoise/retrieval/fusion.h>

namespace equipoise {

/// The filter of feedback as it comes, rating by rating. Evidence and reliability compare many ratings
/// of an item; a query's hits rarely have more than one.
inline FeedbackOptions LearningFilter() {
  FeedbackOptions out;
  out.confidence.reliability = false;
  out.confidence.evidence = false;
  return out;
}

struct LearningOptions {
  // What is learned.
  /// The normalization that the policy's α belongs to; absent: the snapshot's, or the index's. It is that of every search
  /// which the policy decides; a request that names another one is not decided by it and teaches nothing.
  std::optional<FusionMethod> fusion{};
  /// α of a configuration: the policy is not asked, and still learns from reward curves. In [0, 1].
  std::optional<double> fixed_alpha{};
  /// The switch that freezes learning: decisions stay as they are, feedback is checked and kept, and the
  /// policy hears nothing of it. Once it is off, a query is learned with the next feedback on it, and with
  /// all that was kept; what came into a log (Engine::KeepLearning) stays there until it is learned, at the
  /// first start without.
  bool frozen = false;
  /// Reward of a ranking. The grid must be the policy's; `ideal` is not looked at.
  RewardCurveOptions curve{};
  /// How that, groundedness and cost become one number, as ComputeReward. Cost is the time of the paths
  /// that an α needs, as this search took it, in seconds; or the prices below. Default: no cost.
  RewardOptions reward{.cost_weight = 0};
  std::optional<double> lexical_price{};  ///< of one search of the path, >= 0, instead of its time
  std::optional<double> vector_price{};
  /// How a rating counts. half_life: a rating that old counts half; domain_half_lives is not looked at.
  /// Ratings are in [rating_low, rating_high]. Sources are numbered by SourceNumber.
  FeedbackOptions filter = LearningFilter();
  std::uint64_t seed = 1;  ///< of the decisions; with it and the order of searches they repeat

  // How much is kept.
  /// Queries that feedback can name by id, the latest; and twice as many that feedback has named, came
  /// as a context, or from a snapshot. Each takes 0.5 KB and 12 bytes for each candidate, of which there
  /// are up to 2 depth: about 3 KB at a depth of 100. In [1, 2^24].
  std::size_t remembered = 4096;
  /// Latest ratings of a domain among which the filter looks for outliers and abuse, up to 80 bytes each, of
  /// as many domains as queries are remembered, the latest that came up. In [1, 65,536].
  std::size_t window = 256;
};

/// Who may add to a log of feedback.
enum class LogAccess : std::uint8_t {
  kWrite,  ///< this engine, and no other one meanwhile
  kRead,   ///< it searches with what was learned when it was opened; Feedback is kUnavailable
};

/// What a log of feedback survives.
enum class LogSync : std::uint8_t {
  kProcess,  ///< the end of the process at any moment, by a kill too; a power failure takes the last seconds
  kFull,  ///< a power failure too: the disk has the feedback before Feedback returns
};

/// The log beside an index that makes feedback durable: one SQLite file, IDX/FEEDBACK, and three that
/// SQLite and the writer's lock need.
struct FeedbackLogOptions {
  LogAccess access = LogAccess::kWrite;
  LogSync sync = LogSync::kProcess;
  /// Seconds for which a query can be given feedback, and for which the log keeps it. Older feedback
  /// leaves the log once the snapshot has learned it. > 0; infinity: for ever. The default is six times
  /// the half-life of ratings: by then one counts 1.6 %. Where the clock has gone back, what came before
  /// leaves the log once that time has come again and is over.
  double retention = 6 * FeedbackOptions{}.half_life;
  /// The index was built again since: what was learned goes on, and the old queries are not found any
  /// more. Without it such a log is refused, as that of another index is.
  bool rebuilt = false;
};

/// What Engine::KeepLearning found.
struct LearningResumed {
  bool snapshot = false;       ///< there was one, and it was used
  std::uint64_t replayed = 0;  ///< feedback of the log that the snapshot did not know
  std::uint64_t refused = 0;   ///< of these the policy refused, as when they came: too many domains
  std::uint64_t forgotten = 0;  ///< feedback that left the log and that the snapshot does not know
};

/// Feedback on one query: a rating of a document, how well grounded the answer was, or both.
/// The views need to live during the call only.
struct QueryFeedback {
  // Which query: one of these.
  std::uint64_t query_id = 0;  ///< SearchResult::query_id of this engine
  std::string_view context{};  ///< SearchContext::Serialize of any engine on this index

  // What is rated: one of these, for a rating.
  std::optional<std::size_t> hit{};  ///< place in SearchResult::hits, 0 the first
  std::string_view document{};       ///< id of a document that the search found, shown or not

  // How good it was.
  std::optional<double> rating{};        ///< in [rating_low, rating_high]
  std::optional<double> groundedness{};  ///< of the answer, in [0, 1]: MeasureGroundedness
  std::optional<double> confidence{};    ///< the rating's own, in [0, 1]
  std::optional<double> dwell{};         ///< seconds that the user stayed, >= 0

  // When, and who says so.
  /// Seconds since 1970 at which it was given. Absent: now, or the time of the rating that it corrects
  /// where the clock has gone back since.
  std::optional<double> time{};
  std::optional<double> now{};  ///< absent: the clock
  /// Who says so: of one source the latest rating of a document counts. All that come without a name
  /// are one source.
  std::string_view source{};
};

/// What became of it.
struct FeedbackOutcome {
  /// kKept; kDuplicate where the source has rated the document later; or why the filter took it out.
  FeedbackVerdict verdict = FeedbackVerdict::kKept;
  double weight = 0;     ///< with which the query counts now, in [0, 1]: confidence · decay
  bool learned = false;  ///< it went to the policy
};

/// The number by which the filter knows a source.
EQUIPOISE_API std::uint64_t SourceNumber(std::string_view source);

}  // namespace equipoise
