// What learning leaves behind, its checksums right: contexts of searches, an engine's snapshot, its log.
#include <cstring>
#include <filesystem>

#include <equipoise/core/checked_file.h>
#include <equipoise/engine/engine.h>
#include <equipoise/engine/replay_log.h>

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

void RemoveLog() {
  for (const char* name : {"FEEDBACK", "FEEDBACK-wal", "FEEDBACK-shm", "FEEDBACK-lock", "POLICY"})
    std::filesystem::remove(std::filesystem::path(Index().path("index")) / name);
}

Result<LearningResumed> Keep(Engine* engine, const FeedbackLogOptions& options = {}) {
  auto policy = MakeWeightPolicy("curve", {.curve = {.draws = 16}});
  EQUIPOISE_FUZZ_REQUIRE(policy.ok(), "");
  return engine->KeepLearning(*std::move(policy), {.remembered = 4}, options);
}

// A log that opens goes on: a rating is taken or refused, and what it says can be exported.
void RunFeedbackLog(std::string_view input) {
  RemoveLog();
  static_cast<void>(Index().Write("index/FEEDBACK", input));
  auto engine = Engine::Open(Index().path("index"));
  EQUIPOISE_FUZZ_REQUIRE(engine.ok(), engine.error().ToString());
  const auto kept = Keep(&*engine);
  RequireCode(kept.error(), {Code::kCorruption, Code::kUnsupported, Code::kInvalidArgument,
                             Code::kIo, Code::kUnavailable});
  if (kept.ok()) {
    RequireCode(
        engine->Feedback({.query_id = Ask(*engine).query_id, .hit = 0, .rating = 1.0}).error(),
        {Code::kCorruption, Code::kInvalidArgument, Code::kBudgetExceeded, Code::kIo});
    RequireCode(engine->SavePolicy(), {Code::kCorruption, Code::kIo});
  }
  RemoveLog();
}

std::vector<std::string> FeedbackLogSeeds() {
  RemoveLog();
  {
    auto engine = Engine::Open(Index().path("index"));
    EQUIPOISE_FUZZ_REQUIRE(engine.ok() && Keep(&*engine).ok(), "");
    for (int i = 0; i < 3; ++i)
      EQUIPOISE_FUZZ_REQUIRE(
          engine->Feedback({.query_id = Ask(*engine).query_id, .hit = 0, .rating = 1.0}).ok(), "");
  }  // the write-ahead log goes into the file
  std::string bytes = ReadBytes(Index().path("index/FEEDBACK"));
  EQUIPOISE_FUZZ_REQUIRE(bytes.size() > 4096, "");
  RemoveLog();
  return {std::move(bytes)};
}

// What the reader lets through is a query that the writer writes and that comes back the same.
void RunReplayLog(std::string_view input) {
  static const Folder folder("replay_log");
  auto log = ReplayLogReader::Open(folder.Write("log.jsonl", input));
  EQUIPOISE_FUZZ_REQUIRE(log.ok(), log.error().ToString());
  LoggedQuery query, again;
  for (;;) {
    const auto more = log->Next(&query);
    RequireCode(more.error(), {Code::kInvalidArgument});
    if (!more.ok()) EQUIPOISE_FUZZ_REQUIRE(more.error().where().line > 0, more.error().ToString());
    if (!more.ok() || !*more) return;
    auto copy = ReplayLogWriter::Create(folder.path("copy.jsonl"));
    EQUIPOISE_FUZZ_REQUIRE(copy.ok() && copy->Append(query).ok() && copy->Publish().ok(), "");
    auto reader = ReplayLogReader::Open(folder.path("copy.jsonl"));
    EQUIPOISE_FUZZ_REQUIRE(reader.ok() && reader->Next(&again).ok(), "");
    EQUIPOISE_FUZZ_REQUIRE(again.query_id == query.query_id && again.domain == query.domain &&
                               again.decision.alpha == query.decision.alpha &&
                               again.decision.propensity == query.decision.propensity &&
                               again.shown == query.shown && again.features == query.features &&
                               again.candidates.size() == query.candidates.size() &&
                               again.feedback.size() == query.feedback.size(),
                           query.query_id);
  }
}

std::vector<std::string> ReplayLogSeeds() {
  return {
      R"({"query_id": 7, "alpha": 1, "propensity": 0.5, "both_paths": false, "fusion": "minmax", )"
      R"("candidates": [{"doc": "a", "lexical": 1, "vector": null}], "shown": ["a"]})",
      R"({"query_id": "q", "domain": "d", "alpha": 0.5, "propensity": 0.2, "alpha_propensity": 0.3, )"
      R"("both_paths": true, "fusion": "rrf", "candidates": [{"doc": "a", "lexical": 0.25, "vector": 0}, )"
      R"({"doc": "b", "lexical": 0, "vector": 1}], "shown": ["b", "a"], "feedback": [{"doc": "b", )"
      R"("rating": 1, "source": "u", "time": 1.5}], "features": [1, -2.5]})"
      "\n\n{}\n"};
}

}  // namespace

std::vector<Target> LearningTargets() {
  return {{"search_context", RunContext, ContextSeeds, 3000},
          {"engine_policy", RunSnapshot, SnapshotSeeds, 1000},
          {"feedback_log", RunFeedbackLog, FeedbackLogSeeds, 1500},
          {"replay_log", RunReplayLog, ReplayLogSeeds}};
}

}  // namespace equipoise::fuzz
