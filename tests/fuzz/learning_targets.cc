// What learning leaves behind, its checksums right: contexts of searches, and an engine's snapshot.
#include <cstring>

#include <equipoise/core/checked_file.h>
#include <equipoise/engine/engine.h>

#include "fuzz_target.h"

namespace equipoise::fuzz {
namespace {

const Folder& Index() {
  static const Folder folder("learning");
  static const bool built = [] {
    const std::vector<Document> documents = {{.id = "a", .title = "", .text = "wing flow"},
                                             {.id = "b", .title = "", .text = "heat flow"},
                                             {.id = "c", .title = "", .text = "bread"}};
    const std::vector<float> rows = {1, 0, 0, 1, 0.5f, 0.5f};
    EQUIPOISE_FUZZ_REQUIRE(
        Engine::Build(folder.path("index"), documents, MatrixView<float>(rows.data(), 3, 2)).ok(),
        "");
    return true;
  }();
  (void)built;
  return folder;
}

Engine Learning() {
  auto engine = Engine::Open(Index().path("index"));
  EQUIPOISE_FUZZ_REQUIRE(engine.ok(), "");
  auto policy = MakeWeightPolicy("curve", {.curve = {.draws = 16}});
  EQUIPOISE_FUZZ_REQUIRE(engine->UsePolicy(*std::move(policy), {.remembered = 4}).ok(), "");
  return *std::move(engine);
}

SearchResult Ask(const Engine& engine) {
  const std::vector<float> query = {1, 0.2f};
  auto found = engine.Search({.text = "flow", .embedding = query, .domain = "a"});
  EQUIPOISE_FUZZ_REQUIRE(found.ok(), "");
  return *std::move(found);
}

void Tell(const Engine& engine, std::string_view context) {
  RequireCode(engine.Feedback({.context = context, .hit = 0, .rating = 1.0}).error(),
              {Code::kCorruption, Code::kUnsupported, Code::kInvalidArgument, Code::kNotFound});
}

void RunContext(std::string_view input) {
  static const Engine engine = Learning();
  std::string fixed(input);
  if (fixed.size() >= 8) {
    const std::string_view body = std::string_view(fixed).substr(0, fixed.size() - 8);
    const std::uint64_t sum = Checksum(std::as_bytes(std::span(body.data(), body.size())));
    std::memcpy(fixed.data() + body.size(), &sum, sizeof sum);
  }
  for (const std::string& bytes : {std::string(input), fixed}) {
    const auto context = SearchContext::Parse(bytes);
    RequireCode(context.error(), {Code::kCorruption, Code::kUnsupported});
    if (context.ok()) EQUIPOISE_FUZZ_REQUIRE(SearchContext::Parse(context->Serialize()).ok(), "");
    if (!bytes.empty()) Tell(engine, bytes);
  }
}

std::vector<std::string> ContextSeeds() {
  const Engine engine = Learning();
  return {Ask(engine).context->Serialize()};
}

void RunSnapshot(std::string_view input) {
  static const Folder folder("snapshot");
  static Engine engine = Learning();
  RequireCode(engine.LoadPolicy(folder.Write("as_given", input)),
              {Code::kCorruption, Code::kUnsupported, Code::kInvalidArgument});
  std::string fixed(input);
  FixChecksums(&fixed);
  const Status loaded = engine.LoadPolicy(folder.Write("fixed", fixed), {.remembered = 4});
  RequireCode(loaded, {Code::kCorruption, Code::kUnsupported, Code::kInvalidArgument});
  if (!loaded.ok()) return;
  const SearchResult found = Ask(engine);
  RequireCode(engine.Feedback({.query_id = found.query_id, .hit = 0, .rating = 1.0}).error(),
              {Code::kInvalidArgument, Code::kBudgetExceeded});
  EQUIPOISE_FUZZ_REQUIRE(engine.SavePolicy(folder.path("saved")).ok(), "");
}

std::vector<std::string> SnapshotSeeds() {
  static const Folder folder("snapshot_seeds");
  const Engine engine = Learning();
  for (int i = 0; i < 3; ++i)
    EQUIPOISE_FUZZ_REQUIRE(
        engine.Feedback({.query_id = Ask(engine).query_id, .hit = 0, .rating = 1.0}).ok(), "");
  Tell(engine, Ask(Learning()).context->Serialize());
  EQUIPOISE_FUZZ_REQUIRE(engine.SavePolicy(folder.path("seed")).ok(), "");
  return {ReadBytes(folder.path("seed"))};
}

}  // namespace

std::vector<Target> LearningTargets() {
  return {{"search_context", RunContext, ContextSeeds, 3000},
          {"engine_policy", RunSnapshot, SnapshotSeeds, 1000}};
}

}  // namespace equipoise::fuzz
