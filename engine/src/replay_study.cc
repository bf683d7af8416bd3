#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include <equipoise/core/check.h>
#include <equipoise/engine/replay_log.h>
#include <equipoise/engine/replay_study.h>
#include <equipoise/optimizer/reward_curve.h>
#include <equipoise/optimizer/weight_policies.h>

#include "text_lines.h"

namespace equipoise {
namespace {

using simulation::Curve;
using simulation::kGrid;

constexpr std::size_t kShown = simulation::kShown;
constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();
// The model of doubly robust: mean curve of the domain in the other folds, and of all domains for so
// many queries.
constexpr std::size_t kFolds = 5;
constexpr double kSharedQueries = 5;

/// A line of the log as all policies need it.
struct Replayed {
  std::size_t domain = 0;
  WeightDecision decision;
  std::vector<float> features;
  std::int64_t line = 0;  // of the file
  double reward = 0;
  std::array<float, kGrid> curve{};  // kUndetermined where a path was not asked
  std::vector<double> lesson{};      // [kGrid] what an engine would have taught
  std::array<float, kGrid> least{}, most{}, known{};
  bool empty = false;
};

double Ideal() {
  double sum = 0;
  for (std::size_t rank = 0; rank < kShown; ++rank)
    sum += 1 / std::log2(static_cast<double>(rank) + 2);
  return sum;
}

std::size_t ArmOf(double alpha) {
  return static_cast<std::size_t>(std::lround(alpha * static_cast<double>(kGrid - 1)));
}

/// Of each document that was shown or rated its rating.
std::unordered_map<std::string, double> RatingsOf(const LoggedQuery& query) {
  std::map<std::pair<std::string, std::string>, const LoggedFeedback*> latest;
  for (const LoggedFeedback& f : query.feedback) {
    const LoggedFeedback*& kept = latest[{f.doc, f.source}];
    if (kept == nullptr || kept->time <= f.time) kept = &f;
  }
  std::unordered_map<std::string, std::pair<double, double>> sums;
  for (const std::string& doc : query.shown) sums[doc];
  for (const auto& [key, feedback] : latest) {
    auto& [sum, count] = sums[key.first];
    sum += feedback->rating;
    count += 1;
  }
  std::unordered_map<std::string, double> out;
  for (const auto& [doc, sum] : sums) out[doc] = sum.first / std::max(1.0, sum.second);
  return out;
}

Result<Replayed> Replay(const LoggedQuery& query) {
  const auto ratings = RatingsOf(query);
  Replayed out{.domain = 0, .decision = query.decision, .features = query.features, .reward = 0};
  const double ideal = Ideal();
  for (std::size_t rank = 0; rank < std::min(kShown, query.shown.size()); ++rank)
    out.reward += ratings.at(query.shown[rank]) / std::log2(static_cast<double>(rank) + 2) / ideal;
  out.reward = std::min(1.0, out.reward);

  std::vector<RewardCandidate> candidates;
  for (const LoggedCandidate& c : query.candidates) {
    const auto rating = ratings.find(c.doc);
    candidates.push_back(
        {.lexical = c.lexical,
         .vector = c.vector,
         .gain = rating == ratings.end() ? kUnknown : static_cast<float>(rating->second),
         .confidence = 1});
  }
  EQUIPOISE_ASSIGN_OR_RETURN(RewardCurve lesson,
                             ComputeRewardCurve(candidates, {.k = kShown, .grid = kGrid}));
  out.lesson = std::move(lesson.values);
  out.empty = lesson.empty;
  RewardCurveOptions options{.k = kShown, .grid = kGrid, .ideal = ideal};
  const auto fill = [&](std::array<float, kGrid>* to) -> Status {
    EQUIPOISE_ASSIGN_OR_RETURN(const RewardCurve curve, ComputeRewardCurve(candidates, options));
    std::copy(curve.values.begin(), curve.values.end(), to->begin());
    return {};
  };
  EQUIPOISE_RETURN_IF_ERROR(fill(&out.curve));
  std::vector<float> gains;
  for (const RewardCandidate& c : candidates) gains.push_back(c.gain);
  const auto with = [&](float unknown, bool count, std::array<float, kGrid>* to) {
    for (std::size_t i = 0; i < gains.size(); ++i) {
      const bool seen = !std::isnan(gains[i]);
      candidates[i].gain = count ? (seen ? 1.0f : 0.0f) : seen ? gains[i] : unknown;
    }
    return fill(to);
  };
  EQUIPOISE_RETURN_IF_ERROR(with(0, false, &out.least));
  EQUIPOISE_RETURN_IF_ERROR(with(1, false, &out.most));
  options.measure = RewardMeasure::kRecall;
  options.ideal = static_cast<double>(std::min(kShown, std::max<std::size_t>(1, gains.size())));
  EQUIPOISE_RETURN_IF_ERROR(with(0, true, &out.known));
  return out;
}

class Study {
 public:
  explicit Study(const ReplayOptions& options) : options_(options) {}

  Status Read(const std::string& path, ReplayStudy* out) {
    EQUIPOISE_ASSIGN_OR_RETURN(ReplayLogReader log, ReplayLogReader::Open(path));
    std::unordered_map<std::string, std::size_t> domains;
    std::unordered_set<std::string> ids;
    LoggedQuery query;
    for (;;) {
      EQUIPOISE_ASSIGN_OR_RETURN(const bool more, log.Next(&query));
      if (!more) break;
      if (!queries_.empty() && query.fusion != out->fusion)
        return Status(Code::kInvalidArgument,
                      fmt::format("the fusion is {}, that of the lines before {}; an α means "
                                  "something else with each: replay them apart",
                                  FusionName(query.fusion), FusionName(out->fusion)),
                      {.file = path, .line = log.line(), .field = "fusion"});
      if (!ids.insert(query.query_id).second)
        return Status(Code::kInvalidArgument,
                      fmt::format("query {} is there twice; put its feedback on one line",
                                  Quoted(query.query_id)),
                      {.file = path, .line = log.line(), .field = "query_id"});
      out->fusion = query.fusion;
      auto replayed = Replay(query);
      if (!replayed)
        return Status(replayed.error().code(), replayed.error().message(),
                      {.file = path, .line = log.line()});
      const auto [at, fresh] = domains.emplace(query.domain, out->domains.size());
      if (fresh) out->domains.push_back(query.domain);
      replayed->domain = at->second;
      replayed->line = log.line();
      out->one_path += query.decision.both_paths ? 0 : 1;
      out->rated += query.feedback.empty() ? 0 : 1;
      queries_.push_back(*std::move(replayed));
      if (options_.progress && queries_.size() % 256 == 0 &&
          !options_.progress({.stage = "queries", .done = queries_.size(), .total = 0}))
        return Status(Code::kCancelled, "stopped while reading");
    }
    if (queries_.size() < 2)
      return Status(
          Code::kInvalidArgument,
          fmt::format("holds {} queries; a policy is judged by two or more", queries_.size()),
          {.file = path});
    out->queries = queries_.size();
    domains_ = out->domains;
    FitModel();
    std::vector<double> rewards;
    for (const Replayed& one : queries_) rewards.push_back(one.reward);
    out->logged = MeanOf(rewards);
    for (std::size_t arm = 0; arm < kGrid; ++arm) {
      std::vector<double> values;
      for (const Replayed& one : queries_)
        if (one.decision.both_paths) values.push_back(double{one.curve[arm]});
      out->alphas[arm] = MeanOf(values);
    }
    return {};
  }

  /// Who decides by features would without them decide as somebody else.
  Status CheckFeatures(const std::string& log, const std::string& name,
                       const WeightPolicy& policy) const {
    if (!policy.UsesFeatures()) return {};
    const auto* contextual = dynamic_cast<const ContextualPolicy*>(&policy);
    for (const Replayed& query : queries_) {
      const std::size_t count = query.features.size();
      if (contextual == nullptr ? count > 0 : count == contextual->options().features) continue;
      return Status(
          Code::kInvalidArgument,
          fmt::format("{} decides by {} features of each query, and here are {}; judge it on a log "
                      "of searches that a policy with features has decided",
                      Quoted(name), contextual == nullptr ? 1 : contextual->options().features,
                      count),
          {.file = log, .line = query.line, .field = "features"});
    }
    return {};
  }

  Status Judge(const std::string& name, WeightPolicy* policy, bool learns, ReplayStudy* out) {
    ReplayedPolicy judged{.name = name};
    std::vector<OffPolicySample> samples;
    std::vector<double> exact, least, most;
    double known = 0;
    for (std::size_t i = 0; i < queries_.size(); ++i) {
      const Replayed& query = queries_[i];
      if (options_.progress && i % 256 == 0 &&
          !options_.progress({.stage = name, .done = i, .total = queries_.size()}))
        return Status(Code::kCancelled, "stopped while replaying");
      const WeightQuery asked = {.domain = domains_[query.domain], .features = query.features};
      const Curve& model = Model(query.domain, i % kFolds);
      OffPolicySample sample{.reward = query.reward,
                             .propensity = query.decision.alpha_propensity,
                             .predicted = model[ArmOf(query.decision.alpha)]};
      double e = 0, l = 0, m = 0, k = 0;
      for (const AlphaShare& share : AlphaShares(*policy, asked)) {
        const std::size_t arm = ArmOf(share.alpha);
        if (std::abs(share.alpha - query.decision.alpha) < 1e-9) sample.target += share.probability;
        sample.predicted_target += share.probability * model[arm];
        e += share.probability * double{query.curve[arm]};
        l += share.probability * double{query.least[arm]};
        m += share.probability * double{query.most[arm]};
        k += share.probability * double{query.known[arm]};
      }
      // Sums of probabilities.
      sample.target = std::min(1.0, sample.target);
      sample.predicted_target = std::clamp(sample.predicted_target, 0.0, 1.0);
      if (query.decision.by_policy) samples.push_back(sample);
      if (query.decision.both_paths) {
        exact.push_back(e);
        least.push_back(l);
        most.push_back(m);
        known += k;
      }
      if (!learns) continue;
      EQUIPOISE_RETURN_IF_ERROR(policy->Update({.query = asked,
                                                .decision = query.decision,
                                                .curve = query.lesson,
                                                .weight = query.empty ? 0.0 : 1.0}));
    }
    // What others decided has no propensity: the exact replay alone can use it.
    if (samples.size() >= 2) {
      EQUIPOISE_ASSIGN_OR_RETURN(judged.estimates, EvaluateOffPolicy(samples, options_.seed));
    }
    judged.exact = MeanOf(exact);
    judged.least = MeanOf(least);
    judged.most = MeanOf(most);
    judged.known = exact.empty() ? 0 : known / static_cast<double>(exact.size());
    out->policies.push_back(std::move(judged));
    return {};
  }

 private:
  const Curve& Model(std::size_t domain, std::size_t fold) const {
    return model_[domain * kFolds + fold];
  }

  /// Of each domain and fold the mean curve over the other folds, as the log's own feedback tells it.
  void FitModel() {
    const std::size_t cells = domains_.size() * kFolds;
    std::vector<Curve> sums(cells);
    std::vector<double> counts(cells);
    Curve all{};
    double count = 0;
    for (std::size_t i = 0; i < queries_.size(); ++i) {
      if (!queries_[i].decision.both_paths) continue;
      const std::size_t cell = queries_[i].domain * kFolds + i % kFolds;
      for (std::size_t a = 0; a < kGrid; ++a) {
        sums[cell][a] += double{queries_[i].curve[a]};
        all[a] += double{queries_[i].curve[a]};
      }
      counts[cell] += 1;
      count += 1;
    }
    model_.assign(cells, {});
    for (std::size_t fold = 0; fold < kFolds; ++fold) {
      Curve other = all;
      double others = count;
      for (std::size_t d = 0; d < domains_.size(); ++d) {
        others -= counts[d * kFolds + fold];
        for (std::size_t a = 0; a < kGrid; ++a) other[a] -= sums[d * kFolds + fold][a];
      }
      for (std::size_t d = 0; d < domains_.size(); ++d)
        for (std::size_t a = 0; a < kGrid; ++a) {
          double sum = others > 0 ? kSharedQueries * other[a] / others : 0, n = kSharedQueries;
          for (std::size_t f = 0; f < kFolds; ++f) {
            if (f == fold) continue;
            sum += sums[d * kFolds + f][a];
            n += counts[d * kFolds + f];
          }
          model_[d * kFolds + fold][a] = std::clamp(sum / n, 0.0, 1.0);
        }
    }
  }

  const ReplayOptions& options_;
  std::vector<Replayed> queries_;
  std::vector<std::string> domains_;
  std::vector<Curve> model_;  // [domains, folds]
};

}  // namespace

Result<ReplayStudy> StudyReplay(const std::string& log, const ReplayOptions& options) try {
  std::vector<std::unique_ptr<WeightPolicy>> policies;
  for (const std::string& name : options.policies) {
    EQUIPOISE_ASSIGN_OR_RETURN(
        policies.emplace_back(),
        MakeWeightPolicy(
            name,
            {.curve = {.priors = options.priors, .watch = options.watch, .seed = options.seed},
             .beta = {.seed = options.seed}}));
  }
  for (const std::string& path : options.states) {
    EQUIPOISE_ASSIGN_OR_RETURN(policies.emplace_back(), LoadWeightPolicy(path));
  }
  ReplayStudy out;
  Study study(options);
  EQUIPOISE_RETURN_IF_ERROR(study.Read(log, &out));
  EQUIPOISE_RETURN_IF_ERROR(CheckNormalization(options.priors, FusionName(out.fusion)));
  const std::size_t learning = options.policies.size();
  const auto name = [&](std::size_t i) -> const std::string& {
    return i < learning ? options.policies[i] : options.states[i - learning];
  };
  for (std::size_t i = 0; i < policies.size(); ++i)
    EQUIPOISE_RETURN_IF_ERROR(study.CheckFeatures(log, name(i), *policies[i]));
  for (std::size_t i = 0; i < policies.size(); ++i)
    EQUIPOISE_RETURN_IF_ERROR(study.Judge(name(i), policies[i].get(), i < learning, &out));
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "StudyReplay: not enough memory for the log's queries",
                {.file = log});
}

}  // namespace equipoise
