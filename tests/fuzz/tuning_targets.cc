// What people write and edit of tuning: configurations, and fronts.
#include <cstdint>

#include <equipoise/engine/configuration.h>
#include <equipoise/engine/engine.h>
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
  // α = 0.5 and the first choice of all else; λ = 1, which is no mmr.
  for (int i = 0; i < 4; ++i)
    for (const double x : {0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0}) front.state.x.push_back(x);
  front.state.rank = {0, 0, 0, 1};
  front.state.crowding = {1, 2, 3, 0};
  return front;
}

/// A collection with judged queries, and what a front made on it says of it.
struct Tuned {
  Folder folder{"tuning"};
  StudySource source{};
  std::vector<TunedCollection> collections{};

  Tuned() {
    constexpr std::int32_t kDimensions = 2, kQueries = 6;
    const std::vector<Document> documents = {{.id = "a", .title = "", .text = "wing flow"},
                                             {.id = "b", .title = "", .text = "heat flow"},
                                             {.id = "c", .title = "", .text = "bread"}};
    const std::vector<float> rows = {1, 0, 0, 1, 0.5f, 0.5f};
    EQUIPOISE_FUZZ_REQUIRE(Engine::Build(folder.path("index"), documents,
                                         MatrixView<float>(rows.data(), 3, kDimensions))
                               .ok(),
                           "");
    std::string queries, embeddings, qrels;
    for (int i = 0; i < kQueries; ++i) {
      const std::string id = "q" + std::to_string(i);
      queries += R"({"_id": ")" + id + R"(", "text": "flow"})" + "\n";
      embeddings.append(reinterpret_cast<const char*>(&kDimensions), sizeof kDimensions);
      embeddings.append(reinterpret_cast<const char*>(rows.data()), kDimensions * sizeof(float));
      qrels += id + " 0 a 1\n";
    }
    source = {.index = folder.path("index"),
              .queries = folder.Write("queries.jsonl", queries),
              .query_embeddings = folder.Write("queries.fvecs", embeddings),
              .qrels = folder.Write("qrels", qrels)};
    const auto made = Tune({source}, {.objectives = {"cost", "quality"},
                                      .units = CostUnits{},
                                      .population = 4,
                                      .generations = 1,
                                      .timed = false});
    EQUIPOISE_FUZZ_REQUIRE(made.ok(), made.error().ToString());
    collections = made->collections;
  }
};

/// Goes on for one generation, whatever the file says of the run; whether there was anything to go on from.
bool Resume(TunedFront front) {
  static const Tuned tuned;
  front.collections = tuned.collections;
  front.effort = {};  // which it adds to
  const auto resumed = Tune({tuned.source}, {.objectives = front.objectives,
                                             .measure = front.measure,
                                             .k = front.k,
                                             .space = front.space,
                                             .validation = front.validation,
                                             .seed = front.seed,
                                             .population = front.population,
                                             .generations = front.generations + 1,
                                             .timed = false,
                                             .resume = &front});
  RequireCode(resumed.error(), {Code::kInvalidArgument});
  if (resumed.ok())
    EQUIPOISE_FUZZ_REQUIRE(ParseFront(FrontJson(*resumed), "resumed").ok(),
                           ParseFront(FrontJson(*resumed), "resumed").error().ToString());
  return resumed.ok();
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
  const auto prior = PriorOf(*read);
  const bool rewards =
      read->measure == QualityMeasure::kNdcg && read->k == 10 && read->groundedness == 0;
  EQUIPOISE_FUZZ_REQUIRE(prior.ok() == rewards, prior.error().ToString());
  (void)Resume(*read);
}

std::vector<std::string> FrontSeeds() {
  EQUIPOISE_FUZZ_REQUIRE(Resume(Front()), "");
  return {FrontJson(Front())};
}

}  // namespace

std::vector<Target> TuningTargets() {
  return {{"configuration", RunConfiguration, ConfigurationSeeds, 4000},
          {"front", RunFront, FrontSeeds, 3000}};
}

}  // namespace equipoise::fuzz
