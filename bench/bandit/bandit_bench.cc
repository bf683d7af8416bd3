// What the policies earn on judged collections, and what they cost: one JSON object on stdout.
//
//   equipoise_bandit_bench DATA SCRATCH SETS ORDERS CURVES.json [PART,...]
//
// DATA is the folder of the sets, SCRATCH an empty one for the indexes; the curves of all queries and
// the streams are written to CURVES.json, so that other libraries can be run on them. PART: keys of the
// object, to be measured alone.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <sstream>

#include <nlohmann/json.hpp>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/weight_policies.h>

#include "curve_tuning.h"
#include "experiments.h"

namespace {

using namespace equipoise;         // NOLINT(google-build-using-namespace): a program
using namespace equipoise::bench;  // NOLINT(google-build-using-namespace)
using nlohmann::json;

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> out;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) out.push_back(part);
  return out;
}

// For the peers: every query's curve, and the streams as pairs of domain and query.
void WriteCurves(const std::string& path, const Sets& sets,
                 const std::vector<std::vector<Features>>& features, std::size_t orders) {
  json out = {{"grid", kGrid}, {"sets", json::array()}, {"streams", json::array()}};
  for (std::size_t d = 0; d < sets.size(); ++d) {
    json curves = json::array();
    for (const JudgedQuery& query : sets[d]->queries) curves.push_back(query.ndcg);
    out["sets"].push_back(
        {{"name", sets[d]->name}, {"curves", std::move(curves)}, {"features", features[d]}});
  }
  for (std::size_t order = 0; order < orders; ++order) {
    json stream = json::array();
    for (const Turn& turn : MakeStream(sets, order, kHorizon))
      stream.push_back({turn.domain, turn.query});
    out["streams"].push_back(std::move(stream));
  }
  std::ofstream(path) << out;
}

int Run(int argc, char** argv) {
  std::vector<JudgedSet> loaded;
  std::vector<SearchTimes> times;
  std::vector<std::vector<Features>> features;
  for (const std::string& name : Split(argv[3])) {
    auto set =
        LoadJudgedSet(argv[1], name, argv[2], &times.emplace_back(), &features.emplace_back());
    if (!set) {
      std::fprintf(stderr, "%s\n", set.error().ToString().c_str());
      return 1;
    }
    loaded.push_back(*std::move(set));
  }
  Sets sets;
  for (const JudgedSet& set : loaded) sets.push_back(&set);
  const auto orders = static_cast<std::size_t>(std::stoul(argv[4]));
  WriteCurves(argv[5], sets, features, orders);

  json out;
  out["sets"] = json::array();
  for (std::size_t i = 0; i < loaded.size(); ++i) {
    const JudgedSet& set = loaded[i];
    out["sets"].push_back({{"name", set.name},
                           {"queries", set.queries.size()},
                           {"best_alpha", AlphaOf(BestOf(set.mean))},
                           {"bm25", set.mean[kGrid - 1]},
                           {"vector", set.mean[0]},
                           {"best", set.mean[BestOf(set.mean)]},
                           {"both_us", times[i].both_us},
                           {"vector_us", times[i].vector_us},
                           {"lexical_us", times[i].lexical_us},
                           {"learning_us", times[i].learning_us}});
  }
  const bool full =
      Split(argv[3]) ==
      std::vector<std::string>{"cranfield",         "med", "cisi", "cacm", "npl", "cacm-authors",
                               "reverse-dictionary"};
  const std::vector<std::string> parts = Split(argc > 6 ? argv[6] : "");
  const auto part = [&](const char* name, const std::function<json()>& run) {
    if (parts.empty() || std::find(parts.begin(), parts.end(), name) != parts.end())
      out[name] = run();
  };
  part("full_feedback", [&] { return FullFeedback(sets, orders); });
  if (full)
    part("full_feedback_first_five", [&] {
      return FullFeedback({sets.begin(), sets.begin() + 5}, orders);
    });
  part("shown_only", [&] { return ShownOnly(sets, orders); });
  part("priors", [&] { return PriorsAssigned(sets, orders); });
  part("recall", [&] { return RecallGain(sets, orders); });
  part("skipping", [&] { return Skipping(sets, times, orders); });
  part("calibration", [&] { return Calibration(sets, orders); });
  part("left_out", [&] { return LeaveOneSetOut(sets, orders); });
  part("off_policy", [&] { return OffPolicy(sets); });
  const auto has = [&](const char* name) {
    return std::any_of(sets.begin(), sets.end(),
                       [&](const JudgedSet* set) { return set->name == name; });
  };
  if (has("cranfield") && has("cacm-authors") && has("reverse-dictionary"))
    part("drift", [&] { return Drift(sets, orders); });
  part("safety", [&] { return Safety(sets, orders); });
  part("interleaving", [&] { return Interleaving(sets); });
  part("speed", [] { return Speed(); });
  std::printf("%s\n", out.dump(1).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6 && argc != 7) {
    std::fprintf(stderr, "usage: %s DATA SCRATCH SETS ORDERS CURVES.json [PART,...]\n", argv[0]);
    return 2;
  }
  try {
    return Run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
