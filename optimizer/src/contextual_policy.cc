#include <algorithm>
#include <cmath>

#include "contextual_state.h"
#include "policy_file.h"

namespace equipoise {
namespace {

// Of a feature, in standard deviations: one that is farther off is an exception, not more of the same.
constexpr float kFarthest = 3;
// That the mean features of all queries count for in those of a domain.
constexpr double kSharedQueries = 10;

bool IsWhole(std::span<const double> curve) {
  return std::none_of(curve.begin(), curve.end(), [](double v) { return std::isnan(v); });
}

}  // namespace

Status CheckContextualOptions(const ContextualPolicyOptions& options) {
  constexpr const char* kName = "ContextualPolicy::Create";
  EQUIPOISE_CHECK_RANGE(kName, options.features, std::size_t{1}, kMostFeatures);
  EQUIPOISE_CHECK_RANGE(kName, options.noise_ratio, 1e-6, 1e6);
  EQUIPOISE_CHECK_RANGE(kName, options.enough, std::size_t{1}, std::size_t{1} << 31);
  EQUIPOISE_CHECK_RANGE(kName, options.doubt, 1e-12, 1 - 1e-12);
  return {};
}

ContextualPolicy::ContextualPolicy(std::unique_ptr<State> state) : state_(std::move(state)) {}
ContextualPolicy::~ContextualPolicy() = default;

Result<std::unique_ptr<ContextualPolicy>> ContextualPolicy::Create(
    ContextualPolicyOptions options) {
  EQUIPOISE_RETURN_IF_ERROR(CheckContextualOptions(options));
  try {
    options.curve.both_paths_share = 1;
    EQUIPOISE_ASSIGN_OR_RETURN(auto base, CurvePolicy::Create(options.curve));
    auto state = std::make_unique<State>(std::move(options), std::move(base));
    state->PublishPosterior();
    state->PublishDomain({}, {}, &state->tables.fresh());
    return std::unique_ptr<ContextualPolicy>(new ContextualPolicy(std::move(state)));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "ContextualPolicy::Create: no memory for its tables");
  }
}

// Deciding

ContextualPolicy::State::Choice ContextualPolicy::State::Choose(
    const WeightQuery& query) const noexcept {
  std::array<float, kMostFeatures + kMostGrid + 2> of_domain;
  std::array<float, kMostFeatures*(1 + kContextDraws * kContextModes)> drawn;
  tables.TableOf(query.domain).Read({of_domain.data(), tables.fresh().size()});
  posterior.Read({drawn.data(), posterior.size()});
  const std::size_t n = options.features, points = grid();
  std::array<float, kMostFeatures> x;
  for (std::size_t i = 0; i < n; ++i)
    x[i] = std::clamp((query.features[i] - of_domain[i]) * drawn[i], -kFarthest, kFarthest);
  const float* const mean = of_domain.data() + n;
  const auto first = static_cast<std::size_t>(mean[points]);
  const auto last = static_cast<std::size_t>(mean[points + 1]);
  Choice out;
  const float* weights = drawn.data() + n;
  for (std::uint8_t& arm : out.arm) {
    std::array<float, kMostGrid> curve;
    std::copy(mean, mean + points, curve.begin());
    for (std::size_t j = 0; j < model.modes(); ++j) {
      float mode = 0;
      for (std::size_t i = 0; i < n; ++i) mode += *weights++ * x[i];
      for (std::size_t i = 0; i < points; ++i) curve[i] += mode * basis[j * points + i];
    }
    const auto best = std::max_element(curve.begin() + static_cast<std::ptrdiff_t>(first),
                                       curve.begin() + static_cast<std::ptrdiff_t>(last) + 1);
    arm = static_cast<std::uint8_t>(best - curve.begin());
  }
  return out;
}

WeightDecision ContextualPolicy::Decide(const WeightQuery& query,
                                        std::uint64_t random) const noexcept {
  const State& s = *state_;
  WeightDecision out = s.base->Decide(query, random);
  const bool guarded = (s.base->state_->state_of_guard.load(std::memory_order_acquire) &
                        CurvePolicy::State::kGuarded) != 0;
  if (guarded || !s.open.load(std::memory_order_acquire) || !s.IsUsable(query.features)) return out;
  const State::Choice choice = s.Choose(query);
  const std::size_t arm = choice.arm[(random >> 33) * kContextDraws >> 31];
  out.alpha = s.base->state_->AlphaOf(arm);
  out.propensity = static_cast<double>(choice.CountOf(arm)) / static_cast<double>(kContextDraws);
  out.alpha_propensity = out.propensity;
  out.version = std::max(out.version, s.version.load(std::memory_order_acquire));
  return out;
}

// Learning

/// What a judged query, not learned from yet, says about features and the curve alone.
void ContextualPolicy::State::Count(const WeightFeedback& feedback, std::string_view name) {
  const CurvePolicy::State& curves = *base->state_;
  const DecisionTable& table = curves.tables.TableOf(name);
  std::vector<std::uint32_t> ends(table.words());
  std::vector<double> shares(grid());
  table.Read(ends);
  table.Probabilities(ends, shares);
  double gain = 0;
  for (const std::uint8_t arm : Choose(feedback.query).arm)
    gain += feedback.curve[arm] / static_cast<double>(kContextDraws);
  for (std::size_t i = 0; i < shares.size(); ++i) gain -= shares[i] * feedback.curve[i];
  gain *= feedback.weight;
  sums.counted += 1;
  sums.gain += gain;
  sums.squares += gain * gain;
  // What is won beyond this is put aside, so that a gain that ends is noticed while it is still known what
  // it was.
  const double most = 2 * std::log(1 / options.doubt) + std::log(kStakes.size());
  for (std::size_t i = 0; i < kStakes.size(); ++i)
    sums.log_capital[i] = std::min(sums.log_capital[i] + std::log1p(kStakes[i] * gain), most);
}

/// `own`: the domain's sums; empty: of one that is not known.
void ContextualPolicy::State::PublishDomain(std::string_view name, std::span<const double> own,
                                            AtomicNumbers* table) {
  CurvePolicy::State& curves = *base->state_;
  const std::lock_guard lock(curves.mutex);
  const std::size_t n = options.features, points = grid();
  const double queries = own.empty() ? 0 : own[0];
  for (std::size_t i = 0; i < n; ++i)
    numbers[i] = static_cast<float>(
        ((own.empty() ? 0 : queries * own[1 + i]) + kSharedQueries * model.MeanOf(shared, i)) /
        (queries + kSharedQueries));
  const DomainTables::Entry* entry = name.empty() ? nullptr : curves.tables.Find(name);
  const CurveModes modes =
      curves.PosteriorOf(entry == nullptr ? DomainSums{} : curves.domains[entry->index].sums)
          .Mean();
  for (std::size_t i = 0; i < points; ++i) {
    double value = 0;
    for (std::size_t j = 0; j < curves.model.modes(); ++j)
      value += (modes[j] + curves.model.prior()[j]) * curves.model.Basis(j)[i];
    numbers[n + i] = static_cast<float>(value);
  }
  const double center = options.curve.largest_step < 1
                            ? curves.MeanOf(entry == nullptr ? curves.tables.fresh() : entry->table)
                            : 0;
  const auto [first, last] = curves.Allowed(center, options.curve.largest_step);
  numbers[n + points] = static_cast<float>(first);
  numbers[n + points + 1] = static_cast<float>(last);
  table->Publish({numbers.data(), table->size()});
}

void ContextualPolicy::State::PublishPosterior() {
  try {
    model.Draw(shared, options.curve.exploration, {numbers.data(), posterior.size()});
    posterior.Publish({numbers.data(), posterior.size()});
  } catch (const std::bad_alloc&) {
    // The draws stay those of the query before; the next one brings new ones.
  }
}

Status ContextualPolicy::Update(const WeightFeedback& feedback) {
  State& s = *state_;
  EQUIPOISE_RETURN_IF_ERROR(CheckFeedback(feedback, s.grid()));
  const std::span<const float> features = feedback.query.features;
  if (!features.empty() && !s.IsUsable(features))
    return Status(Code::kInvalidArgument,
                  fmt::format("Update: {} features, of which all must be finite and the policy "
                              "has {}",
                              features.size(), s.options.features),
                  {.field = "features"});
  const std::string_view name =
      feedback.query.domain.empty() ? kGeneralDomain : feedback.query.domain;
  try {
    const bool again = !feedback.replaced_curve.empty();
    const bool adds = !features.empty() && feedback.weight > 0 && IsWhole(feedback.curve);
    const bool takes = !features.empty() && again && feedback.replaced_weight > 0 &&
                       IsWhole(feedback.replaced_curve);
    const CurveModel& curves = s.base->state_->model;

    const std::lock_guard lock(s.mutex);
    auto* const found = s.tables.Find(name);
    auto* entry = found == nullptr ? nullptr : &s.tables[found->index];
    if (entry == nullptr && adds) {
      s.domains.resize((s.tables.size() + 1) * s.model.domain_size());
      entry = s.tables.Make(name);
    }
    const ContextualSums before = s.sums;
    if (adds && !again) {
      if (s.Enough()) s.Count(feedback, name);
      s.sums.queries += 1;
    }
    if (Status status = s.base->Update(feedback); !status.ok()) {
      s.sums = before;
      if (entry != nullptr && found == nullptr) s.tables.Drop();
      return status;
    }
    // From here on nothing that matters allocates.
    if (entry == nullptr) return {};
    if (takes)
      s.model.Add(features, curves.Observe(feedback.replaced_curve).modes, feedback.replaced_weight,
                  -1, s.OwnOf(entry->index), s.shared);
    if (adds)
      s.model.Add(features, curves.Observe(feedback.curve).modes, feedback.weight, 1,
                  s.OwnOf(entry->index), s.shared);
    if (adds || takes) s.PublishPosterior();
    s.PublishDomain(name, s.OwnOf(entry->index), &entry->table);
    if (found == nullptr) s.tables.Show(entry);
    s.sums.updated = static_cast<double>(s.base->state_->shared.updates);
    s.version.store(s.base->state_->shared.updates, std::memory_order_release);
    s.open.store(s.Enough() && s.Capital() * s.options.doubt >= 1, std::memory_order_release);

    // What is common to all has moved a little: the others follow one by one.
    s.PublishDomain({}, {}, &s.tables.fresh());
    for (int i = 0; i < 2; ++i) {
      const std::size_t at = (static_cast<std::size_t>(s.sums.turn) + 1) % s.tables.size();
      s.sums.turn = static_cast<double>(at);
      s.PublishDomain(s.tables[at].name, s.OwnOf(at), &s.tables[at].table);
    }
    return {};
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "Update: no memory for another domain");
  }
}

ContextualAccount ContextualPolicy::Account() const {
  const State& s = *state_;
  const std::lock_guard lock(s.mutex);
  ContextualAccount out{.decides = s.open.load(std::memory_order_relaxed),
                        .queries = static_cast<std::uint64_t>(s.sums.queries),
                        .counted = static_cast<std::uint64_t>(s.sums.counted),
                        .capital = s.Capital()};
  if (s.sums.counted > 0) {
    out.gain = s.sums.gain / s.sums.counted;
    out.deviation = std::sqrt(std::max(0.0, s.sums.squares / s.sums.counted - out.gain * out.gain));
  }
  return out;
}

const CurvePolicy& ContextualPolicy::curve() const { return *state_->base; }
const ContextualPolicyOptions& ContextualPolicy::options() const { return state_->options; }

}  // namespace equipoise
