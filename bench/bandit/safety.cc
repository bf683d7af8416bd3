// The guard of the cumulative reward: on every stream of the other experiments, with feedback that is true,
// made up, late, or on what was shown alone, and with other static decisions than the middle.
#include <algorithm>
#include <cmath>
#include <deque>
#include <string>

#include <equipoise/optimizer/curve_policy.h>

#include "changing_stream.h"
#include "experiments.h"

namespace equipoise::bench {
namespace {

using nlohmann::json;

constexpr double kLoss = 0.05;
constexpr double kFalse = 0.1;
constexpr std::size_t kLate = 5;
constexpr std::size_t kVeryLate = 20;  // as in the experiment of what was shown
constexpr std::array<std::string_view, 5> kFirstFive = {"cranfield", "med", "cisi", "cacm", "npl"};

enum class Lies {
  kNone,
  kInverted,  // of a random share of the queries the opposite of all that is true
  kAimed,     // of the same share of the static decisions and of the others, whatever hurts most
  kGathered,  // the share of all queries spent on the others alone: more than the guard is told to expect
};

/// Who lies on purpose, knowing what was decided and what is true.
class Liar {
 public:
  explicit Liar(Lies kind) : kind_(kind) {}

  /// The curve that is told.
  Curve Tell(const Curve& truth, std::size_t arm, std::size_t home, Random* random) {
    Curve told = truth;
    if (kind_ == Lies::kNone) return told;
    const bool inverts = random->Chance(kFalse);
    if (kind_ == Lies::kInverted) {
      if (inverts)
        for (double& value : told) value = 1 - value;
      return told;
    }
    Told& of = arm == home ? statics_ : others_;
    of.queries += 1;
    const double share =
        kFalse * (kind_ == Lies::kGathered ? statics_.queries + others_.queries : of.queries);
    if (kind_ == Lies::kGathered && arm == home) return told;
    // Of the others those that have lost; they are said to have won all there is. The static ones are said
    // to have earned all, which pays for others, among which the worst is praised as much.
    if (of.lies + 1 > std::ceil(share) || (arm != home && truth[arm] >= truth[home])) return told;
    of.lies += 1;
    told.fill(0);
    told[arm] = 1;
    told[static_cast<std::size_t>(std::min_element(truth.begin(), truth.end()) - truth.begin())] =
        1;
    return told;
  }

 private:
  struct Told {
    double queries = 0, lies = 0;
  };
  Lies kind_;
  Told statics_, others_;
};

struct Stream {
  std::string name;
  Sets sets;
  bool changes = false;
  bool shown_only = false;
  std::size_t delay = 0;
  bool priors = false;  // 0.3 and 0.7 by turns, which are then the static decisions
};

struct Kind {
  const char* name;
  Lies lies = Lies::kNone;
  bool guarded = true;
  double flips = 0;  // of judgments, where only shown documents are judged
};

PolicyPriors PriorsOf(const Stream& stream) {
  PolicyPriors out;
  for (std::size_t d = 0; stream.priors && d < stream.sets.size(); ++d)
    out[stream.sets[d]->name] = {.alpha = d % 2 == 0 ? 0.3 : 0.7};
  return out;
}

std::size_t ArmOf(double alpha) {
  return static_cast<std::size_t>(std::lround(alpha * (kGrid - 1)));
}

/// What a decision earned, and what the static one would have.
struct Earning {
  double own = 0, other = 0;
  bool deviates = false;
};

std::vector<Earning> LiveJudged(const Stream& stream, Lies lies,
                                const std::vector<std::size_t>& homes, std::uint64_t order,
                                CurvePolicy* policy) {
  Random random = Random::Stream(100, order);
  Liar liar(lies);
  struct Waiting {
    std::size_t domain;
    WeightDecision decision;
    Curve told;
  };
  std::deque<Waiting> waiting;
  std::vector<Earning> out;
  for (const Asked& asked : stream.changes ? ChangingStream(stream.sets, order, true)
                                           : SteadyStream(stream.sets, order)) {
    const WeightDecision decision =
        policy->Decide({.domain = stream.sets[asked.domain]->name}, random.Next());
    const std::size_t arm = ArmOf(decision.alpha), home = homes[asked.domain];
    out.push_back({asked.curve[arm], asked.curve[home], arm != home});
    waiting.push_back({asked.domain, decision, liar.Tell(asked.curve, arm, home, &random)});
    if (waiting.size() <= stream.delay) continue;
    const Waiting& first = waiting.front();
    Check(policy->Update({.query = {.domain = stream.sets[first.domain]->name},
                          .decision = first.decision,
                          .curve = first.told}));
    waiting.pop_front();
  }
  return out;
}

std::vector<Earning> LiveShown(const Stream& stream, double flips,
                               const std::vector<std::size_t>& homes, std::uint64_t order,
                               CurvePolicy* policy) {
  std::vector<Earning> out;
  const Feedback feedback = {.shown_only = true, .flips = flips, .delay = stream.delay};
  for (const Outcome& o : bench::RunStream(stream.sets, MakeStream(stream.sets, order, kHorizon),
                                           order, feedback, policy)) {
    const Curve& curve = stream.sets[o.turn.domain]->queries[o.turn.query].ndcg;
    const std::size_t home = homes[o.turn.domain];
    out.push_back({curve[o.arm], curve[home], o.arm != home});
  }
  return out;
}

json Measure(const Stream& stream, const Kind& kind, std::size_t orders) {
  CurvePolicyOptions options = {.priors = PriorsOf(stream)};
  if (kind.guarded) {
    options.largest_loss = kLoss;
    options.unjudged = stream.delay + 1;
    if (kind.lies != Lies::kNone) options.false_share = kFalse;
    // Of its ten judgments one or more are wrong.
    if (kind.flips > 0) options.false_share = 1 - std::pow(1 - kind.flips, simulation::kShown);
  }
  options.watch = stream.changes ? kWatched : 0;
  std::vector<std::size_t> homes(stream.sets.size(), kGrid / 2);
  for (std::size_t d = 0; d < homes.size(); ++d)
    if (const auto at = options.priors.find(stream.sets[d]->name); at != options.priors.end())
      homes[d] = ArmOf(at->second.alpha);
  double below = 0, reward = 0, other = 0, total = 0, statics = 0, least = 1e9;
  for (std::size_t order = 0; order < orders; ++order) {
    const auto policy = Policy(options, order);
    const auto earnings = stream.shown_only
                              ? LiveShown(stream, kind.flips, homes, order, policy.get())
                              : LiveJudged(stream, kind.lies, homes, order, policy.get());
    double margin = 0, lowest = 1e9;
    for (const Earning& e : earnings) {
      margin += e.own - (1 - kLoss) * e.other;
      lowest = std::min(lowest, margin);
      reward += e.own;
      other += e.other;
      statics += e.deviates ? 0 : 1;
    }
    // Sums of floating-point numbers.
    below += lowest < -1e-9 ? 1 : 0;
    least = std::min(least, lowest);
    total += static_cast<double>(earnings.size());
  }
  return {{"stream", stream.name},   {"policy", kind.name},
          {"guarded", kind.guarded}, {"promised", kind.guarded && kind.lies != Lies::kGathered},
          {"orders", orders},        {"below", below},
          {"least", least},          {"reward", reward / total},
          {"static", other / total}, {"static_share", statics / total}};
}

}  // namespace

json Safety(const Sets& all, std::size_t orders) {
  std::vector<Stream> streams = {{.name = "all sets", .sets = all}};
  if (const Sets five = Named(all, kFirstFive); five.size() == 5)
    streams.push_back({.name = "first five sets", .sets = five});
  if (const Sets changing = Named(all, kChanging); changing.size() == kChanging.size())
    streams.push_back({.name = "changing domains", .sets = changing, .changes = true});
  streams.push_back({.name = "all sets, priors 0.3 and 0.7", .sets = all, .priors = true});
  streams.push_back({.name = "all sets, " + std::to_string(kLate) + " queries late",
                     .sets = all,
                     .delay = kLate});
  const std::vector<Kind> kinds = {{.name = "no guard", .guarded = false},
                                   {.name = "guard"},
                                   {.name = "guard, 10 % inverted", .lies = Lies::kInverted},
                                   {.name = "guard, 10 % aimed lies", .lies = Lies::kAimed},
                                   {.name = "guard, 10 % gathered lies", .lies = Lies::kGathered}};
  json out = json::array();
  for (const Stream& stream : streams)
    for (const Kind& kind : kinds) out.push_back(Measure(stream, kind, orders));
  for (const std::size_t late : {kLate, kVeryLate}) {
    const Stream shown = {
        .name = "all sets, what was shown, " + std::to_string(late) + " queries late",
        .sets = all,
        .shown_only = true,
        .delay = late};
    for (const Kind& kind : {Kind{.name = "no guard", .guarded = false}, Kind{.name = "guard"},
                             Kind{.name = "guard, 5 % of judgments flipped", .flips = 0.05}})
      out.push_back(Measure(shown, kind, orders));
  }
  return out;
}

}  // namespace equipoise::bench
