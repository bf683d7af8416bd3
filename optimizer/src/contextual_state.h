// What a contextual policy holds.
#pragma once

#include <array>
#include <atomic>
#include <cmath>
#include <mutex>
#include <utility>
#include <vector>

#include <equipoise/optimizer/contextual_policy.h>

#include "contextual_model.h"
#include "curve_state.h"

namespace equipoise {

// Parts of the capital, each of which stakes its share of itself on every query: one that grows fast where
// much is gained, others that last where gains are small beside their spread.
inline constexpr std::array<double, 5> kStakes = {0.9, 0.45, 0.225, 0.1125, 0.05625};

/// Written to the state file as it is.
struct ContextualSums {
  double queries = 0;  // learned with features
  double counted = 0;
  double gain = 0;
  double squares = 0;
  double updated = 0;  // version of the curves with the last of them
  double turn = 0;     // whose table is renewed next
  std::array<double, kStakes.size()> log_capital{};
};
static_assert(std::is_trivially_copyable_v<ContextualSums>);

Status CheckContextualOptions(const ContextualPolicyOptions& options);

struct ContextualPolicy::State {
  static constexpr std::size_t kMostGrid = 101;

  /// What the draws come to for a query.
  struct Choice {
    std::array<std::uint8_t, kContextDraws> arm{};
    std::size_t CountOf(std::size_t wanted) const {
      return static_cast<std::size_t>(std::count(arm.begin(), arm.end(), wanted));
    }
  };

  State(ContextualPolicyOptions given, std::unique_ptr<CurvePolicy> curve)
      : options(std::move(given)),
        base(std::move(curve)),
        model(options.features, std::min(kContextModes, base->state_->model.modes()),
              options.noise_ratio, base->state_->model.constants(), options.curve.seed),
        tables(options.features + grid() + 2),
        posterior(model.numbers_size()),
        shared(model.shared_size()),
        numbers(std::max(posterior.size(), tables.fresh().size())) {
    for (std::size_t j = 0; j < model.modes(); ++j)
      for (const double value : base->state_->model.Basis(j))
        basis.push_back(static_cast<float>(value));
  }

  std::size_t grid() const { return base->state_->options.grid; }
  bool Enough() const { return sums.queries >= static_cast<double>(options.enough); }
  double Capital() const {
    double sum = 0;
    for (const double log : sums.log_capital) sum += std::exp(log);
    return sum / static_cast<double>(kStakes.size());
  }
  bool IsUsable(std::span<const float> features) const {
    return features.size() == options.features &&
           std::all_of(features.begin(), features.end(), [](float x) { return std::isfinite(x); });
  }

  Choice Choose(const WeightQuery& query) const noexcept;
  void Count(const WeightFeedback& feedback, std::string_view name);
  void PublishDomain(std::string_view name, std::span<const double> own, AtomicNumbers* table);
  void PublishPosterior();

  std::span<double> OwnOf(std::size_t domain) {
    return {domains.data() + domain * model.domain_size(), model.domain_size()};
  }

  ContextualPolicyOptions options;
  std::unique_ptr<CurvePolicy> base;
  ContextualModel model;
  std::vector<float> basis;  // [modes, grid]
  // Of each domain: its mean features, its mean curve, the first and the last α allowed.
  TablesOfDomains<AtomicNumbers> tables;
  AtomicNumbers posterior;      // ContextualModel::Draw
  std::vector<double> domains;  // [tables, model.domain_size()]
  std::vector<double> shared;   // [model.shared_size()]
  std::vector<float> numbers;   // scratch
  ContextualSums sums;
  std::atomic<bool> open{false};  // features decide
  std::atomic<std::uint64_t> version{0};
  mutable std::mutex mutex;
};

}  // namespace equipoise
