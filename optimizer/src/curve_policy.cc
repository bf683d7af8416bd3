#include <algorithm>
#include <cmath>
#include <numeric>

#include "curve_state.h"
#include "curve_tuning.h"
#include "policy_file.h"

namespace equipoise {
namespace {

constexpr double kBoundShare = 0.9;

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

}  // namespace

Status CheckCurveOptions(const CurvePolicyOptions& options) {
  constexpr const char* kName = "CurvePolicy::Create";
  EQUIPOISE_CHECK_RANGE(kName, options.prior_alpha, 0, 1);
  EQUIPOISE_CHECK_RANGE(kName, options.both_paths_share, 0, 1);
  EQUIPOISE_CHECK_RANGE(kName, options.exploration, 0, 1);
  EQUIPOISE_CHECK_RANGE(kName, options.lexical_price, 0, 1);
  EQUIPOISE_CHECK_RANGE(kName, options.vector_price, 0, 1);
  EQUIPOISE_CHECK_RANGE(kName, options.highest_alpha, 0, 1);
  EQUIPOISE_CHECK_RANGE(kName, options.lowest_alpha, 0, options.highest_alpha);
  EQUIPOISE_CHECK_RANGE(kName, options.largest_step, 1e-3, 1);
  EQUIPOISE_CHECK_RANGE(kName, options.largest_loss, 1e-6, 1);
  EQUIPOISE_CHECK_RANGE(kName, options.unjudged, std::size_t{1}, std::size_t{1} << 31);
  EQUIPOISE_CHECK_RANGE(kName, options.false_share, 0, 0.999);
  if (options.watch != 0)
    EQUIPOISE_CHECK_RANGE(kName, options.watch, std::size_t{16}, std::size_t{1024});
  EQUIPOISE_CHECK_RANGE(kName, options.change_evidence, 1, 1e6);
  EQUIPOISE_CHECK_RANGE(kName, options.grid, 3, 101);
  const auto steps = static_cast<double>(options.grid - 1);
  if (std::ceil(options.lowest_alpha * steps - 1e-9) >
      std::floor(options.highest_alpha * steps + 1e-9))
    return Status(
        Code::kInvalidArgument,
        fmt::format("{}: no value of alpha of the grid lies between lowest_alpha = {} and "
                    "highest_alpha = {}",
                    kName, options.lowest_alpha, options.highest_alpha),
        {.field = "lowest_alpha"});
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

CurvePolicy::CurvePolicy(std::unique_ptr<State> state) : state_(std::move(state)) {}
CurvePolicy::~CurvePolicy() = default;

Result<std::unique_ptr<CurvePolicy>> CurvePolicy::Create(CurvePolicyOptions options) {
  return CurveTuning::Create(std::move(options), {});
}

Result<std::unique_ptr<CurvePolicy>> CurveTuning::Create(CurvePolicyOptions options,
                                                         const CurveConstants& constants) {
  EQUIPOISE_RETURN_IF_ERROR(CheckCurveOptions(options));
  try {
    auto state = std::make_unique<CurvePolicy::State>(std::move(options), constants);
    for (const auto& [name, prior] : state->options.priors) {
      DomainTables::Entry* entry = state->Make(name);
      DomainSums& sums = state->domains.back().sums;
      sums.prior_queries = prior.strength;
      sums.prior = prior.curve.empty()
                       ? state->model.PeakAt(prior.alpha)
                       : state->model.Observe(OnGrid(prior.curve, state->options.grid)).modes;
      state->Publish(sums, 0, prior.alpha, &entry->table);
      state->tables.Show(entry);
    }
    state->Publish({}, 0, state->options.prior_alpha, &state->tables.fresh());
    return std::unique_ptr<CurvePolicy>(new CurvePolicy(std::move(state)));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "CurvePolicy::Create: no memory for its tables");
  }
}

WeightDecision CurvePolicy::Decide(const WeightQuery& query, std::uint64_t random) const noexcept {
  const State& s = *state_;
  const std::uint64_t guard = s.state_of_guard.load(std::memory_order_acquire);
  WeightDecision out = s.tables.TableOf(query.domain).Decide(random);
  if ((guard & State::kGuarded) != 0)
    out = {.alpha = s.AlphaOf(s.HomeOf(query.domain.empty() ? kGeneralDomain : query.domain)),
           .both_paths = true,
           .propensity = 1,
           .alpha_propensity = 1,
           .version = out.version};
  out.version = std::max(out.version, guard >> 1);
  return out;
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
    CurveDomain& domain = s.domains[entry->index];
    // Where it moves from; nowhere else is the mean needed.
    const auto mean = [&](const DecisionTable& table) {
      return s.options.largest_step < 1 ? s.MeanOf(table) : 0;
    };
    const double from = mean(found == nullptr ? s.tables.fresh() : entry->table);
    const bool watches = s.options.watch > 0;
    if (again) {
      // What was said before the last change is no longer there to be taken back.
      if (!watches || s.watch.TakeBack(before, feedback.replaced_weight, s.RingOf(entry->index)) ||
          feedback.decision.version >= s.watches[entry->index].since)
        s.model.Add(before, feedback.replaced_weight, -1, &domain.sums);
    } else {
      ++domain.feedbacks;
    }
    s.model.Add(observation, feedback.weight, 1, &domain.sums);
    if (watches) {
      s.watch.Add(observation, feedback.weight, domain.feedbacks, &s.watches[entry->index],
                  s.RingOf(entry->index));
      s.Watch(entry->index, feedback.time);
    }
    domain.version = ++s.shared.updates;
    if (s.Guards() && feedback.decision.by_policy) s.Account(feedback, name);
    s.Renew(&domain);
    s.Publish(domain.sums, domain.version, from, &entry->table);
    if (found == nullptr) s.tables.Show(entry);

    // What is common to all has moved a little: the others follow one by one, those that are not known
    // yet every second time.
    for (int i = 0; i < 4; ++i) {
      if (s.shared.updates % 2 == 0 && i == 0) {
        s.Publish({}, s.shared.updates, mean(s.tables.fresh()), &s.tables.fresh());
        continue;
      }
      s.shared.turn = (s.shared.turn + 1) % s.domains.size();
      CurveDomain& other = s.domains[s.shared.turn];
      s.Renew(&other);
      if (i > 0 || &other == &domain) continue;
      DecisionTable& table = s.tables[s.shared.turn].table;
      s.Publish(other.sums, s.shared.updates, mean(table), &table);
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
    const CurveDomain* known = entry == nullptr ? nullptr : &s.domains[entry->index];
    std::vector<std::uint32_t> ends(table.words());
    out.version = table.Read(ends);
    table.Probabilities(ends, out.probability);
    if (known != nullptr) {
      out.feedbacks = known->feedbacks;
      out.queries = known->sums.weight;
    }
    if (known != nullptr && s.options.watch > 0) {
      const WatchedDomain& watched = s.watches[entry->index];
      out.changes = watched.changes;
      for (std::uint64_t i =
               watched.changes - std::min<std::uint64_t>(watched.changes, WatchedDomain::kKept);
           i < watched.changes; ++i) {
        const WatchedChange& change = watched.latest[i % WatchedDomain::kKept];
        out.latest_changes.push_back({change.began, change.noticed, change.evidence, change.time});
      }
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

double CurvePolicy::GuardLeft() const {
  const std::lock_guard lock(state_->mutex);
  return state_->Guards() ? state_->Left() : 0;
}

}  // namespace equipoise
