// What people write and edit of tuning: configurations, and fronts.
#include <equipoise/engine/configuration.h>
#include <equipoise/engine/tuning.h>

#include "fuzz_target.h"

namespace equipoise::fuzz {
namespace {

void RunConfiguration(std::string_view input) {
  const auto read = ParseConfiguration(input, "input");
  RequireCode(read.error(), {Code::kInvalidArgument, Code::kUnsupported});
  if (!read) return;
  EQUIPOISE_FUZZ_REQUIRE(CheckConfiguration(*read).ok(), "");
  const auto again = ParseConfiguration(ConfigurationJson(*read), "written");
  EQUIPOISE_FUZZ_REQUIRE(again.ok() && *again == *read, "");
}

std::vector<std::string> ConfigurationSeeds() {
  return {"{}", ConfigurationJson({}),
          ConfigurationJson({.alpha = 0.25,
                             .fusion = FusionMethod::kRrf,
                             .ef_search = 64,
                             .target_recall = 0.9,
                             .exact = true,
                             .mmr = 0.7})};
}

TunedFront Front() {
  TunedFront front;
  front.objectives = {"cost", "quality"};
  front.population = 4;
  front.generations = 2;
  front.collections = {{.index = "index", .fingerprint = 7, .training = 3, .validation = 3}};
  front.standard.configuration = {.alpha = 0.5, .fusion = FusionMethod::kMinMax};
  for (int i = 0; i < 3; ++i) {
    TunedPoint point = front.standard;
    point.configuration.alpha = 0.25 * i;
    point.training = {.cost = 1.0 + i, .quality = 0.5 + 0.1 * i, .diversity = 0.5};
    point.validation = point.training;
    point.measured_ms = 1.5;
    front.points.push_back(point);
  }
  front.dominated = {{.cost = 9, .quality = 0.1, .diversity = 1}};
  front.hypervolume = {0.25, 0.5};
  front.reference = {10, 1};
  front.sweep = {.point = 1, .queries = 6, .quality = std::vector<double>(21, 0.5)};
  front.state = {.x = std::vector<double>(36, 0.5), .rank = {0, 0, 0, 1}, .crowding = {1, 2, 3, 0}};
  return front;
}

void RunFront(std::string_view input) {
  const auto read = ParseFront(input, "input");
  RequireCode(read.error(), {Code::kInvalidArgument, Code::kUnsupported});
  if (!read) return;
  const std::string written = FrontJson(*read);
  const auto again = ParseFront(written, "written");
  EQUIPOISE_FUZZ_REQUIRE(again.ok(), again.error().ToString());
  EQUIPOISE_FUZZ_REQUIRE(FrontJson(*again) == written, "");
  for (const PickMethod method : {PickMethod::kIdeal, PickMethod::kAsf, PickMethod::kKnee}) {
    const auto picked = PickFromFront(*read, {.method = method});
    EQUIPOISE_FUZZ_REQUIRE(picked.ok(), picked.error().ToString());
    EQUIPOISE_FUZZ_REQUIRE(picked->point < read->points.size(), "");
  }
  (void)PriorOf(*read);
}

std::vector<std::string> FrontSeeds() { return {FrontJson(Front())}; }

}  // namespace

std::vector<Target> TuningTargets() {
  return {{"configuration", RunConfiguration, ConfigurationSeeds, 4000},
          {"front", RunFront, FrontSeeds, 3000}};
}

}  // namespace equipoise::fuzz
