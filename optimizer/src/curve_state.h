// What a curve policy holds, for the files that decide and learn, and that write it and read it back.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <utility>
#include <vector>

#include <equipoise/core/checked_file.h>
#include <equipoise/optimizer/curve_policy.h>

#include "curve_draws.h"
#include "curve_guard.h"
#include "curve_model.h"
#include "curve_watch.h"
#include "decision_table.h"

namespace equipoise {

// A domain beside its table: written to the state file as it is.
struct CurveDomain {
  DomainSums sums;
  CurvePart part;  // what of the shared sums is its own
  std::uint64_t feedbacks = 0;
  std::uint64_t version = 0;
};
static_assert(std::is_trivially_copyable_v<CurveDomain>);

struct CurveShared {
  CurvePart part;
  std::uint64_t updates = 0;
  std::uint64_t turn = 0;  // whose table is renewed next
};
static_assert(std::is_trivially_copyable_v<CurveShared>);
static_assert(std::is_trivially_copyable_v<WatchedDomain>);
static_assert(std::is_trivially_copyable_v<WatchedQuery>);
static_assert(std::is_trivially_copyable_v<GuardSums>);

Status CheckCurveOptions(const CurvePolicyOptions& options);

/// All that the state file holds, copied while nobody updates and written while they may.
struct CurveSnapshot {
  std::string options, names;
  std::vector<CurveDomain> domains;
  std::vector<std::uint32_t> ends;
  std::vector<std::uint64_t> versions;
  bool watched = false;  // there are the two next ones
  std::vector<WatchedDomain> watches;
  std::vector<WatchedQuery> rings;
  std::vector<GuardSums> guard;  // none without a guard
  CurveShared shared;

  Status Write(CheckedFileWriter* file) const;
};

struct CurvePolicy::State {
  CurveSnapshot Snapshot() const;
  static Result<std::unique_ptr<CurvePolicy>> Read(const CheckedFile& file,
                                                   const std::string& path);

  State(CurvePolicyOptions given, const CurveConstants& constants)
      : options(std::move(given)),
        model(options.grid, options.prior_alpha, constants),
        draws(options.draws, options.seed, model),
        watch(model, options.change_evidence),
        tables(options.grid),
        counts(options.grid),
        shares(options.grid) {
    // Whoever has not earned anything yet cannot lose anything.
    guard.free = Guards() ? 0 : 1;
    state_of_guard.store(Guards() ? kGuarded : 0, std::memory_order_relaxed);
  }

  bool Guards() const { return options.largest_loss < 1; }
  std::size_t ArmOf(double alpha) const {
    return static_cast<std::size_t>(std::lround(alpha * static_cast<double>(options.grid - 1)));
  }
  double AlphaOf(std::size_t arm) const {
    return static_cast<double>(arm) / static_cast<double>(options.grid - 1);
  }
  /// Values of α that are allowed within `reach` of `center`: the first and the last.
  std::pair<std::size_t, std::size_t> Allowed(double center, double reach) const {
    const auto steps = static_cast<double>(options.grid - 1);
    const auto first = static_cast<std::size_t>(std::ceil(options.lowest_alpha * steps - 1e-9));
    const auto last = static_cast<std::size_t>(std::floor(options.highest_alpha * steps + 1e-9));
    if (reach >= 1) return {first, last};
    const double at =
        std::clamp(center * steps, static_cast<double>(first), static_cast<double>(last));
    const double low = std::max(std::ceil(at - reach * steps - 1e-9), static_cast<double>(first));
    const double high = std::min(std::floor(at + reach * steps + 1e-9), static_cast<double>(last));
    // A step that is finer than the grid goes to the nearest value.
    if (low > high)
      return {static_cast<std::size_t>(std::lround(at)), static_cast<std::size_t>(std::lround(at))};
    return {static_cast<std::size_t>(low), static_cast<std::size_t>(high)};
  }
  /// The static decision of a domain.
  std::size_t HomeOf(std::string_view domain) const {
    const auto prior = options.priors.find(domain);
    const double alpha = prior == options.priors.end() ? options.prior_alpha : prior->second.alpha;
    const auto [first, last] = Allowed(alpha, 1);
    return std::clamp(ArmOf(alpha), first, last);
  }
  double MeanOf(const DecisionTable& table) {
    ends.resize(table.words());
    table.Read(ends);
    table.Probabilities(ends, shares);
    double sum = 0;
    for (std::size_t i = 0; i < shares.size(); ++i) sum += shares[i] * AlphaOf(i);
    return sum;
  }

  std::span<WatchedQuery> RingOf(std::size_t domain) {
    return {rings.data() + domain * options.watch, options.watch};
  }
  /// What is to happen once the domain's sums have changed: a change is looked for.
  void Watch(std::size_t index, double time) {
    CurveDomain& domain = domains[index];
    WatchedDomain& watched = watches[index];
    auto change = watch.Test(model.Posterior(domain.sums, shared.part).noise, watched,
                             RingOf(index), &domain.sums);
    if (!change) return;
    change->noticed = domain.feedbacks;
    change->time = time;
    watched.latest[watched.changes++ % WatchedDomain::kKept] = *change;
    watched.since = shared.updates + 1;
  }

  /// What the judged query has cost, or earned; then whether decisions are free.
  void Account(const WeightFeedback& feedback, std::string_view name) {
    const std::size_t home = HomeOf(name), arm = ArmOf(feedback.decision.alpha);
    const bool again = !feedback.replaced_curve.empty();
    if (again)
      AddToGuard(feedback.replaced_curve, arm, home, feedback.replaced_weight > 0,
                 options.largest_loss, -1, &guard);
    AddToGuard(feedback.curve, arm, home, feedback.weight > 0, options.largest_loss, 1, &guard);
    const bool free = Left() >= static_cast<double>(options.unjudged) * (1 - options.largest_loss);
    if (free == (guard.free > 0)) return;
    guard.free = free ? 1 : 0;
    guard.flipped = static_cast<double>(shared.updates);
    ShowGuard();
  }
  double Left() const { return GuardBudget(guard, options.largest_loss, options.false_share); }
  void ShowGuard() {
    state_of_guard.store(
        (static_cast<std::uint64_t>(guard.flipped) << 1) | (guard.free > 0 ? 0 : kGuarded),
        std::memory_order_release);
  }

  CurvePosterior PosteriorOf(const DomainSums& sums) const {
    return model.Posterior(sums, shared.part);
  }

  /// `from`: the mean decision before.
  void Publish(const DomainSums& sums, std::uint64_t version, double from, DecisionTable* table) {
    const double skipped = 1 - options.both_paths_share;
    draws.Count(PosteriorOf(sums), options.exploration, skipped * options.lexical_price,
                skipped * options.vector_price, counts);
    // A draw whose best α is out of reach goes as far as it may.
    const auto [first, last] = Allowed(from, options.largest_step);
    for (std::size_t i = 0; i < first; ++i) counts[first] += std::exchange(counts[i], 0);
    for (std::size_t i = counts.size() - 1; i > last; --i)
      counts[last] += std::exchange(counts[i], 0);
    table->Publish(counts, options.both_paths_share, version, &ends);
  }

  // What the domain adds to the shared sums, looked at again.
  void Renew(CurveDomain* domain) {
    shared.part.Add(domain->part, -1);
    domain->part = model.PartOf(domain->sums, shared.part);
    shared.part.Add(domain->part, 1);
  }

  // The domain's entry, made where there is none; `domains` is as long as `tables` afterwards.
  DomainTables::Entry* Make(std::string_view name) {
    DomainTables::Entry* entry = tables.Make(name);
    try {
      if (options.watch > 0) {
        rings.resize(tables.size() * options.watch);
        watches.resize(tables.size());
      }
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
  CurveWatch watch;
  DomainTables tables;
  std::vector<CurveDomain> domains;  // by the entries' index
  CurveShared shared;
  std::vector<WatchedDomain> watches;  // by the entries' index; none where nothing is watched
  std::vector<WatchedQuery> rings;     // [domains, watch]
  GuardSums guard;
  // For decisions: the version since which it is so, times two, and whether they are guarded.
  static constexpr std::uint64_t kGuarded = 1;
  std::atomic<std::uint64_t> state_of_guard{0};
  std::vector<std::uint32_t> counts;
  std::vector<std::uint32_t> ends;
  std::vector<double> shares;
  mutable std::mutex mutex;
};

}  // namespace equipoise
