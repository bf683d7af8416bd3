/// Which configurations are worth having at all? NSGA-II over whole configurations, judged on a user's own
/// queries: the front of cost, quality and diversity.
///
///   auto front = equipoise::Tune({{.index = "my-index", .queries = "queries.jsonl",
///                                  .query_embeddings = "queries.npy", .qrels = "qrels/test.tsv"}});
///   equipoise::WriteFront(*front, "front.json");
///   auto pick = equipoise::PickFromFront(*front, {.weights = {{"quality", 0.7}, {"cost", 0.3}}});
///   engine->Search(request, front->points[pick->point].configuration);
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <equipoise/core/callbacks.h>
#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/engine/configuration.h>
#include <equipoise/engine/learning_study.h>
#include <equipoise/optimizer/pareto_router.h>
#include <equipoise/optimizer/policy_priors.h>

namespace equipoise {

/// What the parts of a search cost on a machine, so that a configuration's cost is counted, not clocked:
/// the same counts and units give the same cost. In nanoseconds; or prices, where they were given.
struct CostUnits {
  // Of the lexical path: a search, a posting of the query's terms, a result.
  double lexical_search = 0, posting = 0, lexical_result = 0;
  // Of the vector path: a search, a row that comes up, a distance of codes, a row scored exactly.
  double vector_search = 0, seen = 0, distance = 0, rescored = 0;
  // Of fusion: a search, a candidate, a score that one of the paths lacked.
  double fusion = 0, candidate = 0, missing = 0;
  double compared = 0;  ///< two documents, by mmr
  bool prices = false;  ///< money, not time: lexical_search and vector_search alone, a call each

  friend bool operator==(const CostUnits&, const CostUnits&) = default;
};

enum class QualityMeasure : std::uint8_t { kNdcg, kRecall };

/// Bounds of what is searched over; equal ones fix a variable.
struct TuningSpace {
  double alpha_low = 0, alpha_high = 1;          ///< in [0, 1]; 0 and 1 ask one path alone
  std::size_t depth_low = 10, depth_high = 200;  ///< of each path, in [1, 10,000]
  std::size_t ef_low = 10, ef_high = 512;        ///< in [1, 10,000]
  std::vector<FusionMethod> fusions = {FusionMethod::kMinMax, FusionMethod::kMinMaxUnion,
                                       FusionMethod::kTheoretical, FusionMethod::kRrf};
  bool exact = true;    ///< an exhaustive vector search is one of the choices
  bool rescore = true;  ///< how many rows are scored exactly is one
  bool mmr = true;      ///< diversity by mmr is one, where diversity is an objective

  friend bool operator==(const TuningSpace&, const TuningSpace&) = default;
};

struct TunedFront;

struct TuningOptions {
  // What is found.
  /// Of "cost", "quality", "diversity": at least one, each once.
  std::vector<std::string> objectives = {"cost", "quality", "diversity"};
  QualityMeasure measure = QualityMeasure::kNdcg;
  std::size_t k = 10;  ///< results that are judged, in [1, 1000]
  /// Of a query with an answer, the share of its quality that is how much of the answer the first k support
  /// (MeasureGroundedness by terms and their idf); the rest is the measure. In [0, 1].
  double groundedness = 0.5;
  TuningSpace space{};
  double validation = 0.5;  ///< share of the queries that only judges what was found, in [0.1, 0.9]
  std::uint64_t seed = 1;   ///< of the split and of the search
  /// Instead of calibrating: those of an earlier run, or prices of a call of each path.
  std::optional<CostUnits> units{};  ///< each in [0, 1e15]
  // How long.
  std::size_t population = 64;   ///< in [4, 10,000], even
  std::size_t generations = 40;  ///< in [1, 100,000]
  /// No generation but the first begins so long after the first search; 0: no limit. What comes after the
  /// generations, the timing of the points too, is done in full.
  double budget_seconds = 0;
  int threads = 1;  ///< the front does not depend on them
  bool timed =
      true;  ///< search the front's points for real, at the end, unless the callback has ended the run
  /// A run that ended early, to be continued as if it had not, with its units; the other options must be
  /// those of that run, `generations` apart.
  const TunedFront* resume = nullptr;
  /// Stages "searching" (by words, once for all configurations), "calibrating", "front", whose name ends with
  /// the hypervolume, "validating", "sweep" and "timing". Returning false ends the run with the front so far,
  /// not with an error, where there is one: what its points need is still done, but not the timing.
  ProgressCallback progress{};
};

/// What a configuration is worth on one part of the queries.
struct TunedValues {
  double cost = 0;  ///< a query, milliseconds as modelled; or money
  double quality =
      0;  ///< mean of the measure, with groundedness where there are answers, in [0, 1]
  /// Mean distance 1 − cosine between two of the first k, in [0, 2]; with subtopics α-nDCG@k, over the queries
  /// that have some, in [0, 1].
  double diversity = 0;

  friend bool operator==(const TunedValues&, const TunedValues&) = default;
};

/// What becomes of a configuration's lead over the default on queries that were not used to choose it.
enum class Advantage : std::uint8_t {
  kNone,      ///< it was no better in quality on the training queries either
  kHolds,     ///< the interval of the difference on the validation queries lies above 0
  kUnclear,   ///< the interval contains 0
  kVanishes,  ///< the difference is 0 or less
};
/// "none", "holds", "unclear", "vanishes".
EQUIPOISE_API std::string_view AdvantageName(Advantage advantage);

struct TunedPoint {
  Configuration configuration{};
  TunedValues training{}, validation{};
  double quality_low = 0, quality_high = 0;  ///< 95 % interval of validation.quality
  /// Validation quality less that of the default, paired, with its 95 % interval.
  double gain = 0, gain_low = 0, gain_high = 0;
  Advantage advantage = Advantage::kNone;
  std::optional<double> measured_ms{};  ///< a query, mean over real searches one by one

  friend bool operator==(const TunedPoint&, const TunedPoint&) = default;
};

/// What was tuned on.
struct TunedCollection {
  std::string index{};
  std::uint64_t fingerprint = 0;             ///< Collection::fingerprint
  std::size_t training = 0, validation = 0;  ///< queries
  std::size_t left_out = 0;                  ///< without a text or a relevant document

  friend bool operator==(const TunedCollection&, const TunedCollection&) = default;
};

/// How much sharing saved.
struct TuningEffort {
  std::size_t asked = 0;             ///< configurations that the search wanted judged
  std::size_t judged = 0;            ///< different ones: the others were looked up
  std::uint64_t searches = 0;        ///< of a path for a query, that were run
  std::uint64_t searches_saved = 0;  ///< that judging every configuration by itself would have run

  friend bool operator==(const TuningEffort&, const TuningEffort&) = default;
};

/// The mean reward of each α where all else, but for mmr, is as in the front's point of the best quality, over
/// all judged queries: what a policy can start from.
struct AlphaSweep {
  std::size_t point = 0;  ///< of the front; without quality as an objective that of equal weights
  FusionMethod fusion = FusionMethod::kMinMaxUnion;
  std::size_t queries = 0;
  std::vector<double> quality{};  ///< [21] at α = i / 20

  friend bool operator==(const AlphaSweep&, const AlphaSweep&) = default;
};

struct TunedFront {
  std::vector<std::string> objectives{};
  QualityMeasure measure = QualityMeasure::kNdcg;
  std::size_t k = 10;
  double groundedness = 0;  ///< its share of quality; 0: there were no answers
  bool subtopics = false;   ///< diversity is α-nDCG
  TuningSpace space{};
  double validation = 0.5;
  std::uint64_t seed = 1;
  std::size_t population = 0, generations = 0;  ///< generations: that were run
  CostUnits units{};
  std::vector<TunedCollection> collections{};
  /// Mutually non-dominated on the training queries, in ascending order of their values; each different.
  std::vector<TunedPoint> points{};
  TunedPoint standard{};  ///< α = 0.5, minmax, depth 100, whether or not it is on the front
  /// Different values of judged configurations that a point dominates, ascending by cost; of more than 2,000
  /// so many, evenly. What a run that is resumed had judged and could not yet place is not among them.
  std::vector<TunedValues> dominated{};
  std::vector<double>
      hypervolume{};  ///< after each generation, as a share of the box up to `reference`
  std::vector<double> reference{};  ///< [objectives] as they are minimized; see Minimized
  TuningEffort effort{};
  AlphaSweep sweep{};
  /// The last generation, for `resume`.
  struct State {
    std::vector<double> x{};  ///< [population, variables]
    std::vector<std::uint32_t> rank{};
    std::vector<double> crowding{};
    friend bool operator==(const State&, const State&) = default;
  };
  State state{};
  bool complete = true;  ///< false: it was stopped, or the budget was spent

  /// The values of the objectives, each to be minimized: cost, 1 − quality, 1 − diversity.
  std::vector<double> Minimized(const TunedValues& values) const;
  friend bool operator==(const TunedFront&, const TunedFront&) = default;
};

/// Searches for the front over one collection or several, of whose queries each counts the same.
/// Errors   as Engine::Open and the readers of queries, judgments and embeddings; kInvalidArgument: an
///          objective that is unknown, twice, or none; bounds that are reversed; a population that is odd or
///          below 4; an option out of range; fewer than 2 queries for either part; nothing that can be
///          chosen; answers of no query, subtopics of some indexes but not of all, or of no query of a part; a run to resume that had
///          other options or collections; kCancelled by the callback
///          before there was a front; kOutOfMemory
/// Threads  one call at a time for a source; options.threads inside
/// Exact    points, but for measured_ms, are a function of the files, the options and the units
EQUIPOISE_API Result<TunedFront> Tune(const std::vector<StudySource>& sources,
                                      const TuningOptions& options = {});

/// The front as one JSON file.
/// Errors   kInvalidArgument: `path` is no regular file; kIo, kOutOfMemory
EQUIPOISE_API Status WriteFront(const TunedFront& front, const std::string& path);
EQUIPOISE_API std::string FrontJson(const TunedFront& front);

/// Reads what WriteFront wrote, and checks that it is a front.
/// Errors   kNotFound, kIo; kUnsupported: another version; kInvalidArgument with file and field: no such
///          file, a value out of range, points of which one dominates another; kOutOfMemory
EQUIPOISE_API Result<TunedFront> ReadFront(const std::string& path);
EQUIPOISE_API Result<TunedFront> ParseFront(std::string_view json, const std::string& name);

/// What is wanted of a configuration.
struct FrontPreference {
  /// How much each objective matters; those that are not named do not. Empty: all the same.
  std::map<std::string, double> weights{};
  std::optional<double> max_cost{};  ///< in the front's unit: milliseconds, or money
  PickMethod method = PickMethod::kIdeal;
};

/// The preference in the front's own order of objectives.
/// Errors   kInvalidArgument: an objective that the front has not, a weight that is negative or no number,
///          all weights 0, max_cost with a front without cost
EQUIPOISE_API Result<Preference> PreferenceFor(const TunedFront& front,
                                               const FrontPreference& wanted);

/// The points of a front, to be picked from.
/// Errors   as PreferenceTable::Create
EQUIPOISE_API Result<PreferenceTable> TableOf(const TunedFront& front);

/// The point that a preference picks, and how clearly.
/// Errors   as PreferenceFor and PreferenceTable::Explain
EQUIPOISE_API Result<PickedPoint> PickFromFront(const TunedFront& front,
                                                const FrontPreference& wanted = {});

/// The front's sweep over α as what a policy believes before there is feedback: the whole curve, worth as many
/// pseudo-queries as were judged, at most 30, since users may ask otherwise; it fades as feedback comes.
/// Errors   kInvalidArgument: a front whose quality is not nDCG@10 alone, which is what policies learn from
EQUIPOISE_API Result<DomainPrior> PriorOf(const TunedFront& front);

/// False where the collection is none of those that the front was made on, or has changed since.
EQUIPOISE_API bool MadeOn(const TunedFront& front, std::uint64_t fingerprint);

}  // namespace equipoise
