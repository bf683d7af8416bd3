#include "replay_output.h"

#include <fmt/format.h>

#include "terminal.h"

namespace equipoise::cli {
namespace {

Json Interval(const MeanInterval& value) {
  return {{"mean", value.mean}, {"low", value.low}, {"high", value.high}};
}

Json Estimate(const OffPolicyEstimate& value) {
  return {{"mean", value.mean},
          {"low", value.low},
          {"high", value.high},
          {"effective_sample_size", value.effective},
          {"reliable", value.reliable}};
}

std::string Text(double mean, double low, double high) {
  return fmt::format("{:.4f} [{:.4f}, {:.4f}]", mean, low, high);
}

std::string Text(const MeanInterval& value) { return Text(value.mean, value.low, value.high); }

std::string Text(const OffPolicyEstimate& value) {
  return Text(value.mean, value.low, value.high) + (value.reliable ? "" : " !");
}

}  // namespace

Json ReplayObject(const ReplayStudy& study) {
  Json object = {{"queries", study.queries},  {"one_path", study.one_path},
                 {"rated", study.rated},      {"fusion", FusionName(study.fusion)},
                 {"domains", study.domains},  {"logged", Interval(study.logged)},
                 {"policies", Json::array()}, {"alphas", Json::array()}};
  for (const ReplayedPolicy& p : study.policies) {
    const OffPolicyEstimates& e = p.estimates;
    object["policies"].push_back({{"policy", p.name},
                                  {"replay", Estimate(e.replay)},
                                  {"ips", Estimate(e.ips)},
                                  {"snips", Estimate(e.snips)},
                                  {"doubly_robust", Estimate(e.doubly_robust)},
                                  {"largest_weight", e.largest_weight},
                                  {"exact", Interval(p.exact)},
                                  {"exact_unseen_worthless", Interval(p.least)},
                                  {"exact_unseen_best", Interval(p.most)},
                                  {"known_share", p.known}});
  }
  for (std::size_t i = 0; i < study.alphas.size(); ++i)
    object["alphas"].push_back(
        {{"alpha", simulation::AlphaOf(i)}, {"exact", Interval(study.alphas[i])}});
  return object;
}

std::string ReplayTables(const ReplayStudy& study) {
  Table table({"policy", "exact replay, 95 %", "unseen 0 – 1", "seen", "IPS, 95 %",
               "self-normalized", "doubly robust", "replay", "sample size"});
  table.Words(1);
  bool doubtful = false;
  for (const ReplayedPolicy& p : study.policies) {
    const OffPolicyEstimates& e = p.estimates;
    table.Add({p.name, Text(p.exact), fmt::format("{:.4f} – {:.4f}", p.least.mean, p.most.mean),
               fmt::format("{:.0f} %", 100 * p.known), Text(e.ips), Text(e.snips),
               Text(e.doubly_robust), Text(e.replay),
               fmt::format("{:.0f} / {:.0f}", e.ips.effective, e.replay.effective)});
    for (const OffPolicyEstimate* one : {&e.replay, &e.ips, &e.snips, &e.doubly_robust})
      doubtful = doubtful || !one->reliable;
  }
  std::string text =
      fmt::format("{} of {}, {} with feedback; what the log decided has earned {}.\n\n",
                  Counted(study.queries, "query", "queries"),
                  Counted(study.domains.size(), "domain"), study.rated, Text(study.logged));
  text += table.Render();
  if (doubtful)
    text += fmt::format(
        "\n! warning: the effective sample size is below {:.0f}: the interval may be far too "
        "narrow. Log more, or decisions that are spread more widely.\n",
        kReliableSamples);
  text +=
      "\nReward: ratings of the first ten, discounted, over that of ten rated 1. Exact replay "
      "fuses "
      "the stored scores at\nwhat the policy decides; what nobody saw is worth less than what was "
      "seen, and its range is beside it. The\nothers weigh what was shown by how likely the policy "
      "is to show it. Sample sizes: of the weights, and of the\ndecisions shared by chance.\n";
  if (study.one_path > 0)
    text += fmt::format("{} with the scores of one path: not in the exact replay.\n",
                        Counted(study.one_path, "query", "queries"));
  return text;
}

}  // namespace equipoise::cli
