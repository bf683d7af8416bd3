#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <numeric>

#include <nlohmann/json.hpp>

#include <equipoise/optimizer/curve_policy.h>

#include "curve_draws.h"
#include "curve_model.h"
#include "curve_tuning.h"
#include "decision_table.h"
#include "policy_file.h"
#include "policy_json.h"

namespace equipoise {
namespace {

constexpr const char* kKind = "curve-policy";
constexpr double kBoundShare = 0.9;

// A domain beside its table: written to the state file as it is.
struct Domain {
  DomainSums sums;
  CurvePart part;  // what of the shared sums is its own
  std::uint64_t feedbacks = 0;
  std::uint64_t version = 0;
};
static_assert(std::is_trivially_copyable_v<Domain>);

struct Shared {
  CurvePart part;
  std::uint64_t updates = 0;
  std::uint64_t turn = 0;  // whose table is renewed next
};
static_assert(std::is_trivially_copyable_v<Shared>);

// Numbers that no policy has written, although the checksums are right.
template <typename T>
bool IsFinite(const T& record, std::size_t doubles) {
  static_assert(std::is_trivially_copyable_v<T>);
  const char* at = reinterpret_cast<const char*>(&record);
  for (std::size_t i = 0; i < doubles; ++i, at += sizeof(double)) {
    double value = 0;
    std::memcpy(&value, at, sizeof value);
    if (!std::isfinite(value)) return false;
  }
  return true;
}

bool IsSound(const Domain& domain) {
  return IsFinite(domain.sums, sizeof(DomainSums) / sizeof(double)) &&
         IsFinite(domain.part, sizeof(CurvePart) / sizeof(double)) && domain.sums.weight >= 0 &&
         domain.sums.prior_queries >= 0;
}

bool IsSound(const CurveConstants& constants) {
  const auto usable = [](double value) { return value > 1e-12 && value < 1e12; };
  return IsFinite(constants, sizeof(CurveConstants) / sizeof(double)) &&
         std::all_of(constants.scales.begin(), constants.scales.end(), usable) &&
         std::all_of(constants.noise.begin(), constants.noise.end(), usable) &&
         usable(constants.global_scale) && usable(constants.noise_queries) &&
         usable(constants.domain_noise_queries) && usable(constants.scale_domains) &&
         constants.mode_power >= 0 && constants.mode_power < 10 && constants.curvature >= 0 &&
         constants.curvature < 1e3 && constants.roughness >= 0 && constants.roughness < 1e3;
}

// The curve at the grid's values of α, linear between its own.
std::vector<double> OnGrid(std::span<const double> curve, std::size_t grid) {
  std::vector<double> out;
  for (std::size_t i = 0; i < grid; ++i) {
    const double at = static_cast<double>(i) * static_cast<double>(curve.size() - 1) /
                      static_cast<double>(grid - 1);
    const auto low = std::min(static_cast<std::size_t>(at), curve.size() - 2);
    const double part = at - static_cast<double>(low);
    out.push_back((1 - part) * curve[low] + part * curve[low + 1]);
  }
  return out;
}

Status CheckOptions(const CurvePolicyOptions& options) {
  constexpr const char* kName = "CurvePolicy::Create";
  EQUIPOISE_CHECK_RANGE(kName, options.prior_alpha, 0, 1);
  EQUIPOISE_CHECK_RANGE(kName, options.both_paths_share, 0, 1);
  EQUIPOISE_CHECK_RANGE(kName, options.exploration, 0, 1);
  EQUIPOISE_CHECK_RANGE(kName, options.lexical_price, 0, 1);
  EQUIPOISE_CHECK_RANGE(kName, options.vector_price, 0, 1);
  EQUIPOISE_CHECK_RANGE(kName, options.grid, 3, 101);
  EQUIPOISE_CHECK_RANGE(kName, options.draws, 16, 65'536);
  EQUIPOISE_CHECK_RANGE(kName, options.max_domains, 1, std::uint64_t{1} << 31);
  if (options.priors.size() > options.max_domains)
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: there are {} priors, but max_domains = {}", kName,
                              options.priors.size(), options.max_domains),
                  {.field = "max_domains"});
  for (const auto& [domain, prior] : options.priors) {
    EQUIPOISE_CHECK_RANGE(kName, prior.alpha, 0, 1);
    EQUIPOISE_CHECK_RANGE(kName, prior.strength, 0, 1e6);
    if (!prior.curve.empty()) {
      EQUIPOISE_CHECK_RANGE(kName, prior.curve.size(), std::size_t{3}, std::size_t{1001});
      for (const double reward : prior.curve) EQUIPOISE_CHECK_RANGE(kName, reward, 0, 1);
    }
    if (domain.empty())
      return Status(Code::kInvalidArgument, "CurvePolicy::Create: a prior has no domain",
                    {.field = "priors"});
  }
  return {};
}

}  // namespace

struct CurvePolicy::State {
  State(CurvePolicyOptions given, const CurveConstants& constants)
      : options(std::move(given)),
        model(options.grid, options.prior_alpha, constants),
        draws(options.draws, options.seed, model),
        tables(options.grid),
        counts(options.grid) {}

  CurvePosterior PosteriorOf(const DomainSums& sums) const {
    return model.Posterior(sums, shared.part);
  }

  void Publish(const DomainSums& sums, std::uint64_t version, DecisionTable* table) {
    const double skipped = 1 - options.both_paths_share;
    draws.Count(PosteriorOf(sums), options.exploration, skipped * options.lexical_price,
                skipped * options.vector_price, counts);
    table->Publish(counts, options.both_paths_share, version, &ends);
  }

  // What the domain adds to the shared sums, looked at again.
  void Renew(Domain* domain) {
    shared.part.Add(domain->part, -1);
    domain->part = model.PartOf(domain->sums, shared.part);
    shared.part.Add(domain->part, 1);
  }

  // The domain's entry, made where there is none; `domains` is as long as `tables` afterwards.
  DomainTables::Entry* Make(std::string_view name) {
    DomainTables::Entry* entry = tables.Make(name);
    try {
      domains.emplace_back();
    } catch (...) {
      tables.Drop();
      throw;
    }
    return entry;
  }

  CurvePolicyOptions options;
  CurveModel model;
  mutable CurveDraws draws;  // scratch of whoever holds the mutex
  DomainTables tables;
  std::vector<Domain> domains;  // by the entries' index
  Shared shared;
  std::vector<std::uint32_t> counts;
  std::vector<std::uint32_t> ends;
  mutable std::mutex mutex;
};

CurvePolicy::CurvePolicy(std::unique_ptr<State> state) : state_(std::move(state)) {}
CurvePolicy::~CurvePolicy() = default;

Result<std::unique_ptr<CurvePolicy>> CurvePolicy::Create(CurvePolicyOptions options) {
  return CurveTuning::Create(std::move(options), {});
}

Result<std::unique_ptr<CurvePolicy>> CurveTuning::Create(CurvePolicyOptions options,
                                                         const CurveConstants& constants) {
  EQUIPOISE_RETURN_IF_ERROR(CheckOptions(options));
  try {
    auto state = std::make_unique<CurvePolicy::State>(std::move(options), constants);
    for (const auto& [name, prior] : state->options.priors) {
      DomainTables::Entry* entry = state->Make(name);
      DomainSums& sums = state->domains.back().sums;
      sums.prior_queries = prior.strength;
      sums.prior = prior.curve.empty()
                       ? state->model.PeakAt(prior.alpha)
                       : state->model.Observe(OnGrid(prior.curve, state->options.grid)).modes;
      state->Publish(sums, 0, &entry->table);
      state->tables.Show(entry);
    }
    state->Publish({}, 0, &state->tables.fresh());
    return std::unique_ptr<CurvePolicy>(new CurvePolicy(std::move(state)));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "CurvePolicy::Create: no memory for its tables");
  }
}

WeightDecision CurvePolicy::Decide(const WeightQuery& query, std::uint64_t random) const noexcept {
  return state_->tables.TableOf(query.domain).Decide(random);
}

Status CurvePolicy::Update(const WeightFeedback& feedback) {
  State& s = *state_;
  EQUIPOISE_RETURN_IF_ERROR(CheckFeedback(feedback, s.options.grid));
  const std::string_view name =
      feedback.query.domain.empty() ? kGeneralDomain : feedback.query.domain;
  try {
    const CurveObservation observation = s.model.Observe(feedback.curve);
    const bool again = !feedback.replaced_curve.empty();
    const CurveObservation before =
        again ? s.model.Observe(feedback.replaced_curve) : CurveObservation{};

    const std::lock_guard lock(s.mutex);
    const DomainTables::Entry* found = s.tables.Find(name);
    if (found == nullptr && s.domains.size() >= s.options.max_domains)
      return Status(
          Code::kBudgetExceeded,
          fmt::format("Update: there are already {} domains (max_domains)", s.options.max_domains),
          {.field = "domain"});
    DomainTables::Entry* entry = found == nullptr ? s.Make(name) : &s.tables[found->index];
    // From here on nothing allocates.
    Domain& domain = s.domains[entry->index];
    if (again) {
      s.model.Add(before, feedback.replaced_weight, -1, &domain.sums);
    } else {
      ++domain.feedbacks;
    }
    s.model.Add(observation, feedback.weight, 1, &domain.sums);
    domain.version = ++s.shared.updates;
    s.Renew(&domain);
    s.Publish(domain.sums, domain.version, &entry->table);
    if (found == nullptr) s.tables.Show(entry);

    // What is common to all has moved a little: the others follow one by one, those that are not known
    // yet every second time.
    for (int i = 0; i < 4; ++i) {
      if (s.shared.updates % 2 == 0 && i == 0) {
        s.Publish({}, s.shared.updates, &s.tables.fresh());
        continue;
      }
      s.shared.turn = (s.shared.turn + 1) % s.domains.size();
      Domain& other = s.domains[s.shared.turn];
      s.Renew(&other);
      if (i > 0 || &other == &domain) continue;
      s.Publish(other.sums, s.shared.updates, &s.tables[s.shared.turn].table);
    }
    return {};
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "Update: no memory for another domain");
  }
}

Result<DomainPosterior> CurvePolicy::Inspect(std::string_view domain) const {
  const State& s = *state_;
  if (domain.empty()) domain = kGeneralDomain;
  try {
    const std::size_t grid = s.options.grid;
    DomainPosterior out;
    out.mean.resize(grid);
    out.deviation.resize(grid);
    out.probability.resize(grid);
    const std::lock_guard lock(s.mutex);
    const DomainTables::Entry* entry = s.tables.Find(domain);
    const DecisionTable& table = entry == nullptr ? s.tables.fresh() : entry->table;
    const Domain* known = entry == nullptr ? nullptr : &s.domains[entry->index];
    std::vector<std::uint32_t> ends(table.words());
    out.version = table.Read(ends);
    table.Probabilities(ends, out.probability);
    if (known != nullptr) {
      out.feedbacks = known->feedbacks;
      out.queries = known->sums.weight;
    }
    const CurvePosterior posterior = s.PosteriorOf(known == nullptr ? DomainSums{} : known->sums);
    const CurveModes mean = posterior.Mean();
    const auto at = [&](const CurveModes& modes, std::size_t i) {
      double sum = 0;
      for (std::size_t j = 0; j < s.model.modes(); ++j) sum += modes[j] * s.model.Basis(j)[i];
      return sum;
    };
    for (std::size_t i = 0; i < grid; ++i) {
      const double middle = at(mean, i);
      double variance = 0;
      for (std::size_t h = 0; h < kCurveScales; ++h) {
        const double off = at(posterior.mean[h], i) - middle;
        double own = off * off;
        for (std::size_t j = 0; j < s.model.modes(); ++j) {
          const double b = s.model.Basis(j)[i];
          own += posterior.variance[h][j] * b * b;
        }
        variance += posterior.weight[h] * own;
      }
      out.mean[i] = middle + at(s.model.prior(), i);
      out.deviation[i] = std::sqrt(variance);
    }
    const double level =
        std::accumulate(out.mean.begin(), out.mean.end(), 0.0) / static_cast<double>(grid);
    for (double& value : out.mean) value -= level;
    const auto best = static_cast<std::size_t>(std::max_element(out.mean.begin(), out.mean.end()) -
                                               out.mean.begin());
    out.best_alpha = static_cast<double>(best) / static_cast<double>(grid - 1);
    out.regret_bound = s.draws.RegretQuantile(posterior, out.probability, kBoundShare);
    out.sharing = 1 - std::clamp(posterior.own, 0.0, 1.0);
    // Standard deviation of one query's difference between two values of α.
    const auto step = std::max<std::size_t>(1, (grid - 1) / 5);
    const std::size_t other = best + step < grid ? best + step : best - step;
    double variance = 0;
    for (std::size_t j = 0; j < s.model.modes(); ++j) {
      const double off = s.model.Basis(j)[best] - s.model.Basis(j)[other];
      variance += posterior.noise[j] * off * off;
    }
    constexpr double kPower = 1.959964 + 0.841621;  // normal quantiles of 0.975 and 0.8
    out.smallest_effect = kPower * std::sqrt(variance / std::max(1.0, out.queries));
    return out;
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "Inspect: no memory for the curves");
  }
}

std::vector<std::string> CurvePolicy::Domains() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<std::string> out;
  for (std::size_t i = 0; i < state_->tables.size(); ++i) out.push_back(state_->tables[i].name);
  return out;
}

const CurvePolicyOptions& CurvePolicy::options() const { return state_->options; }

Status CurvePolicy::Save(const std::string& path) const {
  const State& s = *state_;
  try {
    std::string options, names;
    std::vector<Domain> domains;
    std::vector<std::uint32_t> ends;
    std::vector<std::uint64_t> versions;
    Shared shared;
    {
      // Copied under the mutex, written without it: updates do not wait for the disk.
      const std::lock_guard lock(s.mutex);
      options = OptionsToJson(s.options, s.model.constants());
      domains = s.domains;
      shared = s.shared;
      const std::size_t words = s.tables.fresh().words();
      ends.resize(words * (domains.size() + 1));
      versions.resize(domains.size() + 1);
      for (std::size_t i = 0; i <= domains.size(); ++i) {
        const DecisionTable& table = i == domains.size() ? s.tables.fresh() : s.tables[i].table;
        versions[i] = table.Read({ends.data() + i * words, words});
        if (i < domains.size()) AppendName(s.tables[i].name, &names);
      }
    }
    return WritePolicyFile(path, kKind, [&](CheckedFileWriter& file) -> Status {
      EQUIPOISE_RETURN_IF_ERROR(file.Section<char>("options", options));
      EQUIPOISE_RETURN_IF_ERROR(file.Section<char>("names", names));
      EQUIPOISE_RETURN_IF_ERROR(
          file.Section<Shared>("shared", std::span<const Shared>(&shared, 1)));
      EQUIPOISE_RETURN_IF_ERROR(file.Section<Domain>("domains", std::span<const Domain>(domains)));
      EQUIPOISE_RETURN_IF_ERROR(
          file.Section<std::uint32_t>("tables", std::span<const std::uint32_t>(ends)));
      return file.Section<std::uint64_t>("versions", std::span<const std::uint64_t>(versions));
    });
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "Save: no memory for a copy of the state");
  }
}

Result<std::unique_ptr<CurvePolicy>> CurvePolicy::Load(const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(const CheckedFile file, OpenPolicyFile(path, kKind));
  EQUIPOISE_ASSIGN_OR_RETURN(const std::string_view text, TextSection(file, "options"));
  EQUIPOISE_ASSIGN_OR_RETURN(const std::string_view packed, TextSection(file, "names"));
  try {
    CurvePolicyOptions options;
    CurveConstants constants;
    EQUIPOISE_RETURN_IF_ERROR(OptionsFromJson(text, path, &options, &constants));
    const Status checked = CheckOptions(options);
    if (!checked.ok()) return Status(Code::kCorruption, checked.message(), {.file = path});
    if (!IsSound(constants))
      return Status(Code::kCorruption, "holds constants that no policy has", {.file = path});
    auto state = std::make_unique<State>(std::move(options), constants);
    EQUIPOISE_ASSIGN_OR_RETURN(const auto names, SplitNames(packed, path));
    const std::size_t words = state->tables.fresh().words();
    EQUIPOISE_ASSIGN_OR_RETURN(const auto shared, file.SectionOf<Shared>("shared", 1));
    EQUIPOISE_ASSIGN_OR_RETURN(const auto domains, file.SectionOf<Domain>("domains", names.size()));
    EQUIPOISE_ASSIGN_OR_RETURN(const auto ends,
                               file.SectionOf<std::uint32_t>("tables", words * (names.size() + 1)));
    EQUIPOISE_ASSIGN_OR_RETURN(const auto versions,
                               file.SectionOf<std::uint64_t>("versions", names.size() + 1));
    for (std::size_t i = 0; i <= names.size(); ++i) {
      const auto own = ends.subspan(i * words, words);
      if (!std::is_sorted(own.begin(), own.end()) || own.back() > AtomicCategorical::kOne)
        return Status(Code::kCorruption, "holds probabilities that are none",
                      {.file = path, .row = static_cast<std::int64_t>(i)});
      if (i == names.size()) {
        state->tables.fresh().Restore(own, versions[i]);
        continue;
      }
      if (state->tables.Find(names[i]) != nullptr || !IsSound(domains[i]))
        return Status(Code::kCorruption, "holds a domain twice, or with sums that are none",
                      {.file = path, .row = static_cast<std::int64_t>(i)});
      DomainTables::Entry* entry = state->Make(names[i]);
      state->domains.back() = domains[i];
      entry->table.Restore(own, versions[i]);
      state->tables.Show(entry);
    }
    if (!IsFinite(shared[0].part, sizeof(CurvePart) / sizeof(double)))
      return Status(Code::kCorruption, "holds sums that are none", {.file = path});
    state->shared = shared[0];
    return std::unique_ptr<CurvePolicy>(new CurvePolicy(std::move(state)));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "no memory for its domains", {.file = path});
  }
}

}  // namespace equipoise
