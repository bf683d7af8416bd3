#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <map>
#include <new>
#include <numeric>
#include <stdexcept>
#include <tuple>

#include <equipoise/core/check.h>
#include <equipoise/core/random.h>
#include <equipoise/engine/comparison.h>
#include <equipoise/engine/simulation.h>
#include <equipoise/engine/tuning.h>
#include <equipoise/optimizer/front_quality.h>
#include <equipoise/optimizer/nsga2.h>

#include "judged_source.h"
#include "parallel_status.h"
#include "tuning_cost.h"
#include "tuning_evaluator.h"
#include "tuning_space.h"
#include "tuning_units.h"

namespace equipoise {
namespace {

constexpr std::size_t kResamples = 2000;
constexpr std::size_t kDominated = 2000;  // that a front keeps
constexpr std::size_t kTimedQueries = 200;
constexpr double kReferenceRoom = 1.1;

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A configuration as numbers that have an order.
std::array<double, 10> OrderOf(const Configuration& c) {
  return {c.alpha.value_or(-1),
          c.fusion ? static_cast<double>(*c.fusion) : -1,
          static_cast<double>(c.lexical_depth),
          static_cast<double>(c.vector_depth),
          static_cast<double>(c.ef_search),
          c.target_recall,
          static_cast<double>(c.rescore),
          c.exact ? 1.0 : 0.0,
          c.mmr.value_or(2),
          static_cast<double>(c.mmr_candidates)};
}
struct ByOrder {
  bool operator()(const Configuration& a, const Configuration& b) const {
    return OrderOf(a) < OrderOf(b);
  }
};

Configuration Standard(std::size_t k) {
  return Canonical({.alpha = 0.5, .fusion = FusionMethod::kMinMax}, k);
}

/// The part of [0, n) that trains, and the one that validates, each ascending.
struct Split {
  std::vector<std::uint32_t> training, validation;
};

class Tuner {
 public:
  Tuner(const std::vector<JudgedSource>& sources, const TuningOptions& options,
        ConfigurationSpace space)
      : sources_(sources), options_(options), space_(std::move(space)) {}

  Result<TunedFront> Run();

 private:
  Status MakeSplit();
  Status CheckResumed() const;
  Status Begin(Nsga2* solver);
  Status Judge(std::span<const Configuration> configurations);
  Status Generation(Nsga2* solver);
  Status AddVolume(const Population& population);
  Status AddPoints(const Nsga2& solver);
  void AddDominated();
  Status Validate(TunedPoint* point, std::span<const double> standard) const;
  Status Time();
  Status Sweep();
  bool Report(std::string_view stage, std::size_t done, std::size_t total) const {
    return !options_.progress || options_.progress({.stage = stage, .done = done, .total = total});
  }
  /// Where a front needs the rest of the stage: a stop is remembered.
  bool Remember(std::string_view stage, std::size_t done, std::size_t total) {
    if (!Report(stage, done, total)) stopped_ = true;
    return true;
  }

  const std::vector<JudgedSource>& sources_;
  const TuningOptions& options_;
  ConfigurationSpace space_;
  std::unique_ptr<TuningEvaluator> evaluator_;
  Split split_;
  std::map<Configuration, TunedValues, ByOrder> judged_;
  TunedFront front_;
  std::uint64_t alone_ = 0;  // searches that judging each by itself would have run
  bool stopped_ = false;
};

Status Tuner::MakeSplit() {
  std::vector<std::vector<std::uint32_t>> of(sources_.size());
  for (std::uint32_t q = 0; q < evaluator_->queries(); ++q)
    of[evaluator_->SourceOf(q)].push_back(q);
  for (std::size_t s = 0; s < sources_.size(); ++s) {
    constexpr std::size_t kLeast = 2;  // on either side
    const std::size_t n = of[s].size();
    if (n < 2 * kLeast)
      return Status(
          Code::kInvalidArgument,
          fmt::format("has {} queries with a text and a relevant document; {} are needed, "
                      "to choose by some and to check by the others",
                      n, 2 * kLeast),
          {.file = sources_[s].folder});
    Random random = Random::Stream(options_.seed, s);
    random.Shuffle(std::span<std::uint32_t>(of[s]));
    const auto wanted =
        static_cast<std::size_t>(std::round(options_.validation * static_cast<double>(n)));
    const std::size_t validation = std::clamp(wanted, kLeast, n - kLeast);
    const auto middle = of[s].begin() + static_cast<std::ptrdiff_t>(validation);
    split_.validation.insert(split_.validation.end(), of[s].begin(), middle);
    split_.training.insert(split_.training.end(), middle, of[s].end());
    front_.collections.push_back({.index = sources_[s].folder,
                                  .fingerprint = sources_[s].engine.collection().fingerprint(),
                                  .training = n - validation,
                                  .validation = validation,
                                  .left_out = sources_[s].queries.size() - n});
  }
  for (const auto* part : {&split_.training, &split_.validation})
    if (front_.subtopics && std::none_of(part->begin(), part->end(), [&](std::uint32_t q) {
          return evaluator_->HasSubtopics(q);
        }))
      return Status(Code::kInvalidArgument,
                    fmt::format("Tune: no query of the {} part has subtopics",
                                part == &split_.training ? "training" : "validation"),
                    {.field = "subtopics"});
  std::sort(split_.training.begin(), split_.training.end());
  std::sort(split_.validation.begin(), split_.validation.end());
  return {};
}

Status Tuner::CheckResumed() const {
  const TunedFront& before = *options_.resume;
  const auto differs = [](const char* what) {
    return Status(Code::kInvalidArgument,
                  fmt::format("Tune: the run to resume had another {}", what), {.field = what});
  };
  if (before.objectives != options_.objectives) return differs("objectives");
  if (before.measure != options_.measure) return differs("measure");
  if (before.k != options_.k) return differs("k");
  if (before.groundedness != front_.groundedness) return differs("groundedness");
  if (before.subtopics != front_.subtopics) return differs("subtopics");
  if (!(before.space == options_.space)) return differs("space");
  if (before.validation != options_.validation) return differs("validation");
  if (before.seed != options_.seed) return differs("seed");
  if (before.population != options_.population) return differs("population");
  if (before.collections.size() != front_.collections.size())
    return differs("number of collections");
  for (std::size_t i = 0; i < before.collections.size(); ++i) {
    TunedCollection then = before.collections[i];
    then.index = front_.collections[i].index;  // a folder may have been moved
    if (!(then == front_.collections[i])) return differs("collection");
  }
  return {};
}

Status Tuner::Begin(Nsga2* solver) {
  if (options_.resume == nullptr) return {};
  EQUIPOISE_RETURN_IF_ERROR(CheckResumed());
  const TunedFront& before = *options_.resume;
  front_.reference = before.reference;
  front_.hypervolume = before.hypervolume;
  front_.effort = before.effort;
  alone_ = before.effort.searches + before.effort.searches_saved;
  Population population{.variables = space_.variables().size(),
                        .objectives = options_.objectives.size(),
                        .x = before.state.x,
                        .rank = before.state.rank,
                        .crowding = before.state.crowding};
  const std::size_t n = population.size();
  if (population.x.size() != n * population.variables)
    return Status(Code::kInvalidArgument, "Tune: the run to resume has no whole state",
                  {.field = "state"});
  for (std::size_t i = 0; i < population.x.size(); ++i) {
    const std::vector<Variable>& variables = space_.variables();
    const Variable& v = variables[i % variables.size()];
    const double x = population.x[i];
    if (!(x >= v.low && x <= v.high) || (v.kind != VariableKind::kReal && x != std::floor(x)))
      return Status(
          Code::kInvalidArgument,
          fmt::format("Tune: variable {} of point {} of the run to resume is {}, which is "
                      "no value of it in [{}, {}]",
                      i % variables.size(), i / variables.size(), x, v.low, v.high),
          {.field = "state"});
  }
  std::vector<Configuration> configurations;
  for (std::size_t i = 0; i < n; ++i)
    configurations.push_back(space_.Decode(population.x_view().row_span(i)));
  EQUIPOISE_RETURN_IF_ERROR(Judge(configurations));
  for (const Configuration& c : configurations) {
    const auto values = front_.Minimized(judged_.at(c));
    population.f.insert(population.f.end(), values.begin(), values.end());
  }
  population.violations.assign(n, 0.0);
  front_.generations = before.generations;
  return solver->Resume(std::move(population), before.generations);
}

/// Judges those that are new on the training queries.
Status Tuner::Judge(std::span<const Configuration> configurations) {
  std::vector<Configuration> fresh;
  for (const Configuration& c : configurations)
    if (judged_.try_emplace(c).second) fresh.push_back(c);
  EQUIPOISE_RETURN_IF_ERROR(evaluator_->Prepare(fresh));
  std::vector<TunedValues> values(fresh.size());
  EQUIPOISE_RETURN_IF_ERROR(ForEach(fresh.size(), options_.threads, [&](std::size_t i) {
    values[i] = evaluator_->Judge(fresh[i], split_.training, front_.units);
    return Status();
  }));
  for (std::size_t i = 0; i < fresh.size(); ++i) judged_[fresh[i]] = values[i];
  return {};
}

Status Tuner::Generation(Nsga2* solver) {
  EQUIPOISE_ASSIGN_OR_RETURN(const MatrixView<double> x, solver->Ask());
  std::vector<Configuration> configurations;
  for (std::size_t i = 0; i < x.rows; ++i) configurations.push_back(space_.Decode(x.row_span(i)));
  const std::size_t known = judged_.size();
  EQUIPOISE_RETURN_IF_ERROR(Judge(configurations));
  front_.effort.asked += x.rows;
  front_.effort.judged += judged_.size() - known;
  std::vector<double> f;
  for (const Configuration& c : configurations) {
    const auto values = front_.Minimized(judged_.at(c));
    f.insert(f.end(), values.begin(), values.end());
    // By itself it would have searched each path that it asks, for each query.
    alone_ += split_.training.size() * (c.alpha == 0.0 || c.alpha == 1.0 ? 1 : 2);
  }
  if (front_.reference.empty()) {
    front_.reference = front_.Minimized({});  // no quality, no diversity
    for (std::size_t j = 0; j < front_.reference.size(); ++j) {
      if (front_.objectives[j] != "cost") continue;
      for (std::size_t i = 0; i < x.rows; ++i)
        front_.reference[j] =
            std::max(front_.reference[j], kReferenceRoom * f[i * front_.reference.size() + j]);
    }
  }
  EQUIPOISE_RETURN_IF_ERROR(
      solver->Tell(MatrixView<double>(f.data(), x.rows, front_.objectives.size())));
  front_.generations = solver->generation();
  return AddVolume(solver->population());
}

Status Tuner::AddVolume(const Population& population) {
  EQUIPOISE_ASSIGN_OR_RETURN(const double volume,
                             Hypervolume(population.f_view(), front_.reference));
  // The best that there is: no cost, quality 1, diversity 2.
  const std::vector<double> best = front_.Minimized({.cost = 0, .quality = 1, .diversity = 2});
  double box = 1;
  for (std::size_t j = 0; j < best.size(); ++j) box *= front_.reference[j] - best[j];
  front_.hypervolume.push_back(box > 0 ? volume / box : 0);
  return {};
}

Status Tuner::Validate(TunedPoint* point, std::span<const double> standard) const {
  std::vector<double> values;
  point->validation =
      evaluator_->Judge(point->configuration, split_.validation, front_.units, &values);
  const ComparisonOptions options = {
      .resamples = kResamples, .permutations = 1, .seed = options_.seed};
  const std::vector<double> zero(values.size(), 0.0);
  EQUIPOISE_ASSIGN_OR_RETURN(const PairedComparison own, ComparePaired(zero, values, options));
  point->quality_low = own.low;
  point->quality_high = own.high;
  if (standard.empty()) return {};
  EQUIPOISE_ASSIGN_OR_RETURN(const PairedComparison gain, ComparePaired(standard, values, options));
  point->gain = gain.difference;
  point->gain_low = gain.low;
  point->gain_high = gain.high;
  const bool better = point->training.quality > front_.standard.training.quality;
  point->advantage = !better                ? Advantage::kNone
                     : gain.low > 0         ? Advantage::kHolds
                     : gain.difference <= 0 ? Advantage::kVanishes
                                            : Advantage::kUnclear;
  return {};
}

/// The front: of the last generation and the default, what nothing dominates, each value once.
Status Tuner::AddPoints(const Nsga2& solver) {
  const Population& population = solver.population();
  front_.state = {.x = population.x, .rank = population.rank, .crowding = population.crowding};
  const Configuration standard = Standard(options_.k);
  EQUIPOISE_RETURN_IF_ERROR(Judge(std::span(&standard, 1)));
  std::vector<Configuration> found = {standard};
  for (std::size_t i = 0; i < population.size(); ++i)
    if (population.rank[i] == 0) found.push_back(space_.Decode(population.x_view().row_span(i)));
  std::map<std::vector<double>, Configuration> different;
  for (const Configuration& c : found) {
    const auto [at, added] = different.try_emplace(front_.Minimized(judged_.at(c)), c);
    if (!added && ByOrder()(c, at->second)) at->second = c;
  }
  for (const auto& one : different) {
    const bool worse = std::any_of(different.begin(), different.end(), [&](const auto& other) {
      return Dominates(other.first, one.first);
    });
    if (!worse)
      front_.points.push_back({.configuration = one.second, .training = judged_.at(one.second)});
  }
  front_.standard = {.configuration = standard, .training = judged_.at(standard)};
  EQUIPOISE_RETURN_IF_ERROR(evaluator_->Prepare(found));
  std::vector<double> baseline;
  evaluator_->Judge(standard, split_.validation, front_.units, &baseline);
  EQUIPOISE_RETURN_IF_ERROR(Validate(&front_.standard, {}));
  const std::size_t n = front_.points.size();
  EQUIPOISE_RETURN_IF_ERROR(ForEach(
      n, options_.threads, [&](std::size_t i) { return Validate(&front_.points[i], baseline); },
      [&](std::size_t done) { return Remember("validating", done, n); }));
  AddDominated();
  return {};
}

/// Of all that was judged, each value once, what a point is better than; evenly where that is too much.
void Tuner::AddDominated() {
  std::vector<TunedValues> all;
  for (const auto& [configuration, values] : judged_) all.push_back(values);
  if (const TunedFront* before = options_.resume)
    all.insert(all.end(), before->dominated.begin(), before->dominated.end());
  std::sort(all.begin(), all.end(), [](const TunedValues& a, const TunedValues& b) {
    return std::tie(a.cost, a.quality, a.diversity) < std::tie(b.cost, b.quality, b.diversity);
  });
  all.erase(std::unique(all.begin(), all.end()), all.end());
  std::vector<std::vector<double>> points;
  for (const TunedPoint& point : front_.points) points.push_back(front_.Minimized(point.training));
  std::erase_if(all, [&](const TunedValues& values) {
    const std::vector<double> of = front_.Minimized(values);
    return std::none_of(points.begin(), points.end(),
                        [&](const auto& point) { return Dominates(point, of); });
  });
  const std::size_t kept = std::min(all.size(), kDominated);
  for (std::size_t i = 0; i < kept; ++i) front_.dominated.push_back(all[i * all.size() / kept]);
}

Status Tuner::Time() {
  const std::size_t n = evaluator_->queries();
  const std::size_t step = EveryNth(n, kTimedQueries);
  for (std::size_t i = 0; i <= front_.points.size(); ++i) {
    TunedPoint& point = i < front_.points.size() ? front_.points[i] : front_.standard;
    double ns = 0, searches = 0;
    for (const bool warm : {false, true})
      for (std::size_t q = 0; q < n; q += step) {
        EQUIPOISE_ASSIGN_OR_RETURN(const SearchResult found,
                                   sources_[evaluator_->SourceOf(q)].engine.Search(
                                       evaluator_->RequestOf(q), point.configuration));
        if (!warm) continue;
        ns += static_cast<double>(found.times.total_ns);
        searches += 1;
      }
    point.measured_ms = ns / searches / 1e6;
    if (!Report("timing", i + 1, front_.points.size() + 1)) return {};
  }
  return {};
}

Status Tuner::Sweep() {
  const auto& names = front_.objectives;
  FrontPreference wanted;
  if (std::find(names.begin(), names.end(), "quality") != names.end())
    wanted.weights = {{"quality", 1.0}};
  EQUIPOISE_ASSIGN_OR_RETURN(const PickedPoint picked, PickFromFront(front_, wanted));
  AlphaSweep& sweep = front_.sweep;
  sweep.point = picked.point;
  Configuration c = front_.points[picked.point].configuration;
  // Policies fuse; they do not know of mmr.
  c.mmr.reset();
  sweep.fusion = *c.fusion;
  sweep.queries = evaluator_->queries();
  std::vector<std::uint32_t> all(evaluator_->queries());
  std::iota(all.begin(), all.end(), std::uint32_t{0});
  std::vector<Configuration> along;
  for (std::size_t i = 0; i < simulation::kGrid; ++i) {
    c.alpha = simulation::AlphaOf(i);
    along.push_back(c);
  }
  EQUIPOISE_RETURN_IF_ERROR(evaluator_->Prepare(along));
  for (const Configuration& each : along) {
    Remember("sweep", sweep.quality.size(), along.size());
    sweep.quality.push_back(evaluator_->Judge(each, all, front_.units).quality);
  }
  return {};
}

Result<TunedFront> Tuner::Run() {
  const auto start = Clock::now();
  front_.objectives = options_.objectives;
  front_.measure = options_.measure;
  front_.k = options_.k;
  front_.space = options_.space;
  front_.validation = options_.validation;
  front_.seed = options_.seed;
  front_.population = options_.population;
  for (const JudgedSource& source : sources_) {
    if (source.answers.size() > 0) front_.groundedness = options_.groundedness;
    front_.subtopics |= source.subtopics.queries() > 0;
  }
  EQUIPOISE_ASSIGN_OR_RETURN(
      evaluator_,
      TuningEvaluator::Create(
          sources_, {.measure = options_.measure,
                     .k = options_.k,
                     .longest = space_.longest(),
                     .groundedness = front_.groundedness,
                     .subtopics = front_.subtopics,
                     .mmr = options_.space.mmr &&
                            std::find(options_.objectives.begin(), options_.objectives.end(),
                                      "diversity") != options_.objectives.end(),
                     .threads = options_.threads,
                     .progress = options_.progress}));
  bool answered = false;
  for (std::size_t q = 0; q < evaluator_->queries(); ++q)
    answered = answered || evaluator_->HasAnswer(q);
  if (front_.groundedness > 0 && !answered)
    return Status(Code::kInvalidArgument, "Tune: the answers are of none of the queries",
                  {.field = "answers"});
  EQUIPOISE_RETURN_IF_ERROR(MakeSplit());
  EQUIPOISE_ASSIGN_OR_RETURN(Nsga2 solver,
                             Nsga2::Create(space_.variables(), options_.objectives.size(),
                                           {.population = options_.population,
                                            .generations = options_.generations,
                                            .seed = options_.seed,
                                            .mutation = space_.MutationShare(),
                                            .initial = space_.Initial()}));
  if (options_.resume != nullptr) {
    front_.units = options_.resume->units;
  } else if (options_.units) {
    front_.units = *options_.units;
  } else {
    const auto more = [&](std::size_t done, std::size_t total) {
      return Report("calibrating", done, total);
    };
    EQUIPOISE_ASSIGN_OR_RETURN(front_.units,
                               Calibrate(sources_, space_.longest(), more, evaluator_.get()));
  }
  EQUIPOISE_RETURN_IF_ERROR(Begin(&solver));
  while (solver.generation() < options_.generations) {
    const std::string stage = front_.hypervolume.empty()
                                  ? "front"
                                  : fmt::format("front {:.4f}", front_.hypervolume.back());
    const bool more = Report(stage, solver.generation(), options_.generations);
    const bool spent = options_.budget_seconds > 0 && SecondsSince(start) > options_.budget_seconds;
    if (!more || (spent && solver.generation() > 0)) {
      front_.complete = false;
      stopped_ = !more;
      break;
    }
    EQUIPOISE_RETURN_IF_ERROR(Generation(&solver));
  }
  if (solver.generation() == 0) return Status(Code::kCancelled, "stopped before there was a front");
  EQUIPOISE_RETURN_IF_ERROR(AddPoints(solver));
  EQUIPOISE_RETURN_IF_ERROR(Sweep());
  TuningEffort& effort = front_.effort;
  effort.searches += evaluator_->searches();
  effort.searches_saved = alone_ > effort.searches ? alone_ - effort.searches : 0;
  if (options_.timed && !stopped_) EQUIPOISE_RETURN_IF_ERROR(Time());
  return std::move(front_);
}

/// Finds the first unit that is out of its range.
struct UnitCheck {
  Status* found;

  void Number(const char* name, double value, double low, double high) const {
    if (!found->ok() || (value >= low && value <= high)) return;
    *found =
        Status(Code::kInvalidArgument,
               fmt::format("Tune: units.{} = {} is out of range [{}, {}]", name, value, low, high),
               {.field = fmt::format("units.{}", name)});
  }
  void operator()(const char*, bool) const {}
};

Status CheckUnits(const CostUnits& units) {
  Status found;
  VisitUnits(UnitCheck{&found}, units);
  return found;
}

Status CheckOptions(const TuningOptions& options) {
  constexpr const char* kWhere = "Tune";
  if (options.objectives.empty())
    return Status(Code::kInvalidArgument, "Tune: no objective; there are cost, quality, diversity",
                  {.field = "objectives"});
  for (std::size_t i = 0; i < options.objectives.size(); ++i) {
    const std::string& name = options.objectives[i];
    if (name != "cost" && name != "quality" && name != "diversity")
      return Status(
          Code::kInvalidArgument,
          fmt::format("Tune: unknown objective \"{}\"; there are cost, quality, diversity", name),
          {.field = "objectives"});
    for (std::size_t j = 0; j < i; ++j)
      if (options.objectives[j] == name)
        return Status(Code::kInvalidArgument,
                      fmt::format("Tune: objective \"{}\" is there twice", name),
                      {.field = "objectives"});
  }
  EQUIPOISE_CHECK_RANGE(kWhere, options.k, std::size_t{1}, std::size_t{1000});
  EQUIPOISE_CHECK_RANGE(kWhere, options.groundedness, 0.0, 1.0);
  EQUIPOISE_CHECK_RANGE(kWhere, options.validation, 0.1, 0.9);
  EQUIPOISE_CHECK_RANGE(kWhere, options.population, std::size_t{4}, std::size_t{10'000});
  EQUIPOISE_CHECK_RANGE(kWhere, options.generations, std::size_t{1}, std::size_t{100'000});
  EQUIPOISE_CHECK_RANGE(kWhere, options.budget_seconds, 0.0, 1e9);
  EQUIPOISE_CHECK_RANGE(kWhere, options.threads, 1, 1024);
  if (options.resume != nullptr) return CheckUnits(options.resume->units);
  return options.units ? CheckUnits(*options.units) : Status();
}

}  // namespace

std::string_view AdvantageName(Advantage advantage) {
  switch (advantage) {
    case Advantage::kNone:
      return "none";
    case Advantage::kHolds:
      return "holds";
    case Advantage::kUnclear:
      return "unclear";
    case Advantage::kVanishes:
      return "vanishes";
  }
  return "none";
}

std::vector<double> TunedFront::Minimized(const TunedValues& values) const {
  std::vector<double> out;
  for (const std::string& name : objectives)
    out.push_back(name == "cost"      ? values.cost
                  : name == "quality" ? 1 - values.quality
                                      : 1 - values.diversity);
  return out;
}

Result<TunedFront> Tune(const std::vector<StudySource>& sources, const TuningOptions& options) try {
  EQUIPOISE_RETURN_IF_ERROR(CheckOptions(options));
  if (sources.empty()) return Status(Code::kInvalidArgument, "Tune: no index is given");
  std::vector<JudgedSource> opened;
  for (const StudySource& source : sources) {
    if (source.subtopics.empty() != sources[0].subtopics.empty())
      return Status(Code::kInvalidArgument,
                    "Tune: subtopics are given for some indexes, and not for this one",
                    {.file = source.subtopics.empty() ? source.index : sources[0].index,
                     .field = "subtopics"});
    EQUIPOISE_ASSIGN_OR_RETURN(JudgedSource one, OpenJudgedSource(source));
    opened.push_back(std::move(one));
  }
  const bool diversity = std::find(options.objectives.begin(), options.objectives.end(),
                                   "diversity") != options.objectives.end();
  const bool graph = std::any_of(opened.begin(), opened.end(), [](const JudgedSource& source) {
    const VectorIndex* vectors = source.engine.collection().vectors();
    return vectors != nullptr && vectors->settings().has_graph;
  });
  EQUIPOISE_ASSIGN_OR_RETURN(
      ConfigurationSpace space,
      ConfigurationSpace::Create(options.space,
                                 {.k = options.k, .diversity = diversity, .graph = graph}));
  return Tuner(opened, options, std::move(space)).Run();
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "Tune: not enough memory; tune with fewer queries or depths");
} catch (const std::length_error&) {
  return Status(Code::kOutOfMemory, "Tune: not enough memory; tune with fewer queries or depths");
}

}  // namespace equipoise
