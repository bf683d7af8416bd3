// equipoise pick: one configuration of a front, by preference.
#include <filesystem>

#include <fmt/format.h>

#include <equipoise/core/check.h>
#include <equipoise/engine/engine.h>
#include <equipoise/engine/tuning.h>

#include "arguments.h"
#include "commands.h"
#include "options.h"
#include "output.h"

namespace equipoise::cli {
namespace {

struct PickArguments {
  std::string front, prefer, max_cost, method = "ideal", index, out;
  bool json = false;
};

Result<FrontPreference> PreferenceOf(const PickArguments& a, const TunedFront& front) {
  FrontPreference out;
  EQUIPOISE_ASSIGN_OR_RETURN(out.method, ParsePickMethod(a.method));
  if (!a.prefer.empty()) {
    auto weights = ParseWeights(a.prefer);
    if (!weights) return weights.error().At({.field = "--prefer"});
    out.weights = *std::move(weights);
  }
  if (a.max_cost.empty()) return out;
  if (front.units.prices) {
    // Money has no unit: a weight's syntax reads the number.
    auto price = ParseWeights("cost=" + a.max_cost);
    if (!price)
      return Status(
          Code::kInvalidArgument,
          fmt::format("\"{}\" is no price; the front's costs are money, not time", a.max_cost),
          {.field = "--max-cost"});
    out.max_cost = price->at("cost");
    return out;
  }
  auto seconds = ParseDuration(a.max_cost);
  if (!seconds) return seconds.error().At({.field = "--max-cost"});
  out.max_cost = *seconds * 1000;
  return out;
}

Json ValuesObject(const TunedValues& values) {
  return {{"cost", values.cost}, {"quality", values.quality}, {"diversity", values.diversity}};
}

/// What is to be known of an index and the front; empty where the front was made on it as it is.
std::string Difference(const std::string& index, const Engine& engine, const PickArguments& a,
                       const TunedFront& front) {
  if (MadeOn(front, engine.collection().fingerprint())) return {};
  return fmt::format(
      "{} is not the collection that {} was made on, or has changed since: tune again", index,
      a.front);
}

/// Of the index that is named; else of those that the front names, where they still are.
std::string Warning(const PickArguments& a, const TunedFront& front, Status* failed) {
  if (!a.index.empty()) {
    const auto engine = Engine::Open(a.index);
    if (engine) return Difference(a.index, *engine, a, front);
    *failed = engine.error();
    return {};
  }
  for (const TunedCollection& collection : front.collections) {
    std::error_code ignored;
    if (!std::filesystem::exists(collection.index, ignored)) continue;
    const auto engine = Engine::Open(collection.index);
    const std::string warning =
        engine ? Difference(collection.index, *engine, a, front)
               : fmt::format("the collection that {} was made on cannot be opened: {}", a.front,
                             engine.error().ToString());
    if (!warning.empty()) return warning;
  }
  return {};
}

int RunPick(const PickArguments& a) {
  const auto front = ReadFront(a.front);
  if (!front) return Fail(front.error(), a.json);
  const auto preference = PreferenceOf(a, *front);
  if (!preference) return FailUsage(preference.error(), a.json);
  const auto picked = PickFromFront(*front, *preference);
  if (!picked)
    return picked.error().code() == Code::kNotFound ? Fail(picked.error(), a.json)
                                                    : FailUsage(picked.error(), a.json);
  Status failed;
  const std::string warning = Warning(a, *front, &failed);
  if (!failed.ok()) return Fail(failed, a.json);
  const TunedPoint& point = front->points[picked->point];
  if (!a.out.empty())
    if (const Status written = WriteConfiguration(point.configuration, a.out); !written.ok())
      return Fail(written, a.json);
  if (a.json) {
    const Json configuration = Json::parse(ConfigurationJson(point.configuration));
    return PrintJson({{"point", picked->point},
                      {"points", front->points.size()},
                      {"configuration", configuration},
                      {"distance", picked->distance},
                      {"runner_up", picked->runner_up ? Json(*picked->runner_up) : Json(nullptr)},
                      {"margin", picked->margin ? Json(*picked->margin) : Json(nullptr)},
                      {"training", ValuesObject(point.training)},
                      {"validation", ValuesObject(point.validation)},
                      {"advantage", AdvantageName(point.advantage)},
                      {"measured_ms", point.measured_ms ? Json(*point.measured_ms) : Json(nullptr)},
                      {"warning", warning.empty() ? Json(nullptr) : Json(warning)}});
  }
  // The configuration alone on stdout, to be piped into a file; what is to be known of it beside it.
  Say(fmt::format("point {} of {}, {:.4f} from the ideal one{}", picked->point,
                  front->points.size(), picked->distance,
                  picked->runner_up
                      ? fmt::format("; next is {}{}", *picked->runner_up,
                                    picked->margin ? fmt::format(", {:.4f} behind", *picked->margin)
                                                   : std::string())
                      : std::string()));
  Say(
      fmt::format("validation: quality {:.4f} [{:.4f}, {:.4f}], cost {:.4g}{}, diversity {:.4f}; "
                  "advantage over the default: {}",
                  point.validation.quality, point.quality_low, point.quality_high,
                  point.validation.cost, front->units.prices ? "" : " ms",
                  point.validation.diversity, AdvantageName(point.advantage)));
  if (!warning.empty()) Say("equipoise: warning: " + warning);
  return a.out.empty() ? PrintText(ConfigurationJson(point.configuration)) : kDone;
}

}  // namespace

Action AddPickCommand(CLI::App* app) {
  auto a = std::make_shared<PickArguments>();
  app->footer(
      "Prints the configuration, which search, eval and learn take as --config.\n"
      "Example: equipoise pick front.json --prefer quality=0.6,cost=0.3,diversity=0.1 --max-cost "
      "2ms "
      "> mine.json");
  app->add_option("front", a->front, "What tune has written")->check(Named())->required();
  app->add_option("--prefer", a->prefer,
                  "How much each objective matters, as in quality=0.6,cost=0.4 (all the same)")
      ->check(Named());
  app->add_option(
         "--max-cost", a->max_cost,
         "Most that a query may cost, as in 2ms or 500us; of a front of prices a number, as in 0.5")
      ->check(Named());
  app->add_option(
         "--method", a->method,
         "ideal: nearest to the best of everything; asf: also where the front bulges away; "
         "knee: where it bends, whatever the preference")
      ->check(OneOf({"ideal", "asf", "knee"}))
      ->capture_default_str();
  app->add_option(
         "--index", a->index,
         "Warn where this index is another one than the front's (those that the front names, where "
         "they still are)")
      ->check(Named());
  app->add_option("--out", a->out, "Write the configuration there")->check(Named());
  app->add_flag("--json", a->json, "One JSON object on stdout");
  return [a] { return RunPick(*a); };
}

}  // namespace equipoise::cli
