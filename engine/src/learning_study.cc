#include <algorithm>
#include <cmath>

#include <equipoise/core/check.h>
#include <equipoise/engine/learning_study.h>
#include <equipoise/optimizer/weight_policies.h>

#include "judged_stream.h"

namespace equipoise {
namespace {

using simulation::kGrid;
using simulation::Outcome;
using simulation::Sets;
using simulation::Trial;
using simulation::Turn;

constexpr double kHigh = 0.95;

/// The value below which a share of the orders got there; orders that did not count as later than all.
std::optional<double> Quantile(const std::vector<double>& reached, std::size_t orders,
                               double share) {
  const auto at = static_cast<std::size_t>(std::ceil(share * static_cast<double>(orders))) - 1;
  if (at >= reached.size()) return {};
  return reached[at];
}

/// Share of queries of whose judgments, each wrong or not by itself, some are wrong.
double FalseShare(const simulation::Feedback& feedback) {
  if (!feedback.shown_only) return 0;
  const double whole = std::pow(1 - feedback.flips, simulation::kShown);
  return std::min(1 - whole, std::nextafter(1.0, 0.0));
}

class Study {
 public:
  Study(const JudgedStream& stream, const StudyOptions& options)
      : stream_(stream), options_(options) {
    for (const simulation::JudgedSet& set : stream.sets) sets_.push_back(&set);
  }

  Status Run(LearningStudy* out);

 private:
  Result<std::unique_ptr<WeightPolicy>> Make(const std::string& name, std::uint64_t order) const;
  Status Add(const std::string& title, const std::string& name, LearningStudy* out);
  Trial Fixed(const std::string& title, std::size_t arm) const;
  template <typename Of>
  std::vector<double> ByQuery(const Trial& trial, const Of& of) const;
  std::vector<double> RecallByQuery(const Trial& trial) const;
  void Finish(Trial trial, PolicyStudy study, LearningStudy* out);
  Status Posteriors(LearningStudy* out) const;
  bool Has(const char* name) const {
    return std::find(options_.policies.begin(), options_.policies.end(), name) !=
           options_.policies.end();
  }

  const JudgedStream& stream_;
  const StudyOptions& options_;
  Sets sets_;
  Trial static_trial_, path_trial_;
  std::size_t done_ = 0, total_ = 0;
};

Result<std::unique_ptr<WeightPolicy>> Study::Make(const std::string& name,
                                                  std::uint64_t order) const {
  WeightPolicyOptions options;
  options.curve.priors = options_.priors;
  options.curve.both_paths_share = options_.both_paths_share;
  options.curve.watch = options_.watch;
  options.curve.largest_loss = options_.largest_loss;
  options.curve.unjudged = options_.feedback.delay + 1;
  options.curve.false_share = FalseShare(options_.feedback);
  options.curve.seed = options_.seed + order;
  options.beta.seed = options_.seed + order;
  options.beta.draws = 64;
  for (const auto& [domain, prior] : options_.priors) options.fixed.domains[domain] = prior.alpha;
  return MakeWeightPolicy(name, options);
}

/// [horizon] the mean of `of` at the n-th query of a domain, over domains and orders; shorter where no domain
/// has so many.
template <typename Of>
std::vector<double> Study::ByQuery(const Trial& trial, const Of& of) const {
  std::vector<double> sum(options_.horizon), count(options_.horizon);
  for (const auto& order : trial.orders) {
    std::vector<std::size_t> seen(sets_.size());
    for (const Outcome& o : order) {
      const simulation::JudgedSet& set = *sets_[o.turn.domain];
      const std::size_t n = seen[o.turn.domain]++;
      sum[n] += of(set, set.queries[o.turn.query], o.arm);
      count[n] += 1;
    }
  }
  while (!sum.empty() && count[sum.size() - 1] == 0) sum.pop_back();
  for (std::size_t n = 0; n < sum.size(); ++n) sum[n] /= std::max(1.0, count[n]);
  return sum;
}

std::vector<double> Study::RecallByQuery(const Trial& trial) const {
  return ByQuery(trial, [](const simulation::JudgedSet&, const auto& query, std::size_t arm) {
    return query.recall[arm];
  });
}

void Study::Finish(Trial trial, PolicyStudy study, LearningStudy* out) {
  study.name = trial.name;
  study.earned = simulation::Earn(sets_, trial);
  if (!static_trial_.orders.empty())
    study.less_static = simulation::Compare(sets_, trial, static_trial_);
  study.less_path = simulation::Compare(sets_, trial, path_trial_);
  study.recall = simulation::Earn(sets_, trial, true).reward_interval;
  study.regret =
      ByQuery(trial, [](const simulation::JudgedSet& set, const auto& query, std::size_t arm) {
        return query.ndcg[simulation::BestOf(set.mean)] - query.ndcg[arm];
      });
  study.recall_by_query = RecallByQuery(trial);
  if (static_trial_.orders.empty()) static_trial_ = std::move(trial);
  out->policies.push_back(std::move(study));
}

Trial Study::Fixed(const std::string& title, std::size_t arm) const {
  Trial trial{.name = title, .orders = {}};
  for (std::size_t o = 0; o < options_.orders; ++o) {
    auto& outcomes = trial.orders.emplace_back();
    for (const Turn& turn :
         simulation::MakeStream(sets_, (options_.seed << 32) + o, options_.horizon))
      outcomes.push_back({turn, arm, true});
  }
  return trial;
}

Status Study::Add(const std::string& title, const std::string& name, LearningStudy* out) {
  Trial trial{.name = title, .orders = {}};
  PolicyStudy study;
  std::vector<std::vector<double>> reached(sets_.size());  // [domain] of the orders that got there
  bool bounds = false;
  for (std::size_t o = 0; o < options_.orders; ++o) {
    if (options_.progress &&
        !options_.progress({.stage = "orders", .done = done_, .total = total_}))
      return Status(Code::kCancelled, "stopped while simulating");
    ++done_;
    const std::uint64_t order = (options_.seed << 32) + o;
    EQUIPOISE_ASSIGN_OR_RETURN(const std::unique_ptr<WeightPolicy> policy, Make(name, order));
    const auto* curve = dynamic_cast<const CurvePolicy*>(policy.get());
    bounds = curve != nullptr;
    std::vector<std::size_t> seen(sets_.size());
    std::vector<bool> there(sets_.size());
    const auto watch = [&](std::size_t, const Outcome& outcome, const WeightPolicy&) {
      const std::size_t d = outcome.turn.domain, n = ++seen[d];
      if (curve == nullptr || there[d]) return;
      const auto posterior = curve->Inspect(sets_[d]->name);
      if (!posterior || posterior->regret_bound >= options_.converged_below) return;
      there[d] = true;
      reached[d].push_back(static_cast<double>(n));
    };
    EQUIPOISE_ASSIGN_OR_RETURN(
        std::vector<Outcome> outcomes,
        simulation::RunStream(sets_, simulation::MakeStream(sets_, order, options_.horizon), order,
                              options_.feedback, policy.get(), watch));
    trial.orders.push_back(std::move(outcomes));
  }
  for (auto& values : reached) {
    if (!bounds) break;
    std::sort(values.begin(), values.end());
    study.converged.push_back(
        {.median = Quantile(values, options_.orders, 0.5),
         .low = Quantile(values, options_.orders, 1 - kHigh),
         .high = Quantile(values, options_.orders, kHigh),
         .share = static_cast<double>(values.size()) / static_cast<double>(options_.orders)});
  }
  Finish(std::move(trial), std::move(study), out);
  return {};
}

Status Study::Posteriors(LearningStudy* out) const {
  EQUIPOISE_ASSIGN_OR_RETURN(const std::unique_ptr<WeightPolicy> policy,
                             Make("curve", options_.seed));
  EQUIPOISE_ASSIGN_OR_RETURN(const std::vector<Outcome> ignored,
                             simulation::RunStream(sets_, stream_.in_time, options_.seed,
                                                   options_.feedback, policy.get()));
  for (DomainStudy& domain : out->domains) {
    EQUIPOISE_ASSIGN_OR_RETURN(domain.posterior,
                               dynamic_cast<const CurvePolicy&>(*policy).Inspect(domain.name));
  }
  return {};
}

Status Study::Run(LearningStudy* out) {
  for (const simulation::JudgedSet* set : sets_) {
    out->domains.push_back({.name = set->name,
                            .queries = set->queries.size(),
                            .best = simulation::BestOf(set->mean),
                            .reward = set->mean,
                            .posterior = {}});
    out->queries += set->queries.size();
  }
  out->best_single =
      simulation::BestSingle(sets_, simulation::MakeStream(sets_, 0, options_.horizon));
  out->floor = simulation::Floor(sets_, options_.horizon);
  const bool by_domain = Has("static") && !options_.priors.empty();
  total_ = options_.orders * ((by_domain ? 1u : 0u) + (Has("beta") ? 1u : 0u) +
                              (Has("contextual") ? 1u : 0u) + (Has("curve") ? 1u : 0u));
  path_trial_ = Fixed("vectors alone", 0);
  Trial lexical = Fixed("BM25 alone", kGrid - 1);
  out->lexical_better = simulation::Compare(sets_, lexical, path_trial_).mean >= 0;
  if (out->lexical_better) path_trial_ = std::move(lexical);
  out->path_recall_by_query = RecallByQuery(path_trial_);
  Finish(Fixed("static 0.5", kGrid / 2), {}, out);
  Finish(Fixed("best single α", out->best_single), {}, out);
  if (by_domain) EQUIPOISE_RETURN_IF_ERROR(Add("static, priors", "static", out));
  if (Has("beta")) EQUIPOISE_RETURN_IF_ERROR(Add("beta", "beta", out));
  if (Has("contextual")) EQUIPOISE_RETURN_IF_ERROR(Add("contextual", "contextual", out));
  if (!Has("curve")) return {};
  EQUIPOISE_RETURN_IF_ERROR(Add("curve", "curve", out));
  return Posteriors(out);
}

}  // namespace

Result<LearningStudy> StudyLearning(const std::vector<StudySource>& sources,
                                    const StudyOptions& options) try {
  constexpr const char* kWhere = "StudyLearning";
  constexpr std::size_t kMost = 1'000'000;
  EQUIPOISE_CHECK_RANGE(kWhere, options.orders, std::size_t{1}, kMost);
  EQUIPOISE_CHECK_RANGE(kWhere, options.horizon, std::size_t{1}, kMost);
  EQUIPOISE_CHECK_RANGE(kWhere, options.feedback.flips, 0.0, 1.0);
  EQUIPOISE_RETURN_IF_ERROR(CheckConfiguration(options.configuration));
  const std::size_t depth =
      std::min(options.configuration.lexical_depth, options.configuration.vector_depth);
  EQUIPOISE_CHECK_RANGE(kWhere, depth, simulation::kShown + 1, kMost);
  for (const std::string& name : options.policies)
    EQUIPOISE_RETURN_IF_ERROR(MakeWeightPolicy(name).error());
  EQUIPOISE_ASSIGN_OR_RETURN(const JudgedStream stream, ReadJudgedStream(sources, options));
  StudyOptions asked = options;
  if (asked.prior)
    for (const simulation::JudgedSet& set : stream.sets)
      asked.priors.try_emplace(set.name, *asked.prior);
  EQUIPOISE_RETURN_IF_ERROR(CheckNormalization(asked.priors, FusionName(stream.fusion)));
  LearningStudy out;
  out.fusion = stream.fusion;
  out.left_out = stream.left_out;
  EQUIPOISE_RETURN_IF_ERROR(Study(stream, asked).Run(&out));
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "StudyLearning: not enough memory; simulate fewer orders");
}

}  // namespace equipoise
