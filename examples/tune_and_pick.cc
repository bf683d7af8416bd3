// Which configurations are worth having on one's own judged queries, and which one is to be used?
//
//   tune_and_pick FOLDER    in the BEIR layout, with embeddings: `./dev demo` leaves one in build/demo
#include <cstdio>

#include <equipoise/engine/engine.h>
#include <equipoise/engine/tuning.h>

using equipoise::Engine;

int Fail(const equipoise::Status& status) {
  return std::fprintf(stderr, "%s\n", status.ToString().c_str()), 1;
}

void Print(const char* name, const equipoise::TunedValues& value) {
  std::printf("%-9s %.3f ms, nDCG@10 %.3f\n", name, value.cost, value.quality);
}

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("usage: tune_and_pick FOLDER\n", stderr), 2;
  const std::string data = argv[1];
  auto built = Engine::BuildFromFiles("tuned", {data + "/corpus.jsonl", data + "/corpus.f16.npy"});
  if (!built) return Fail(built.error());

  // Nanoseconds. Left out, they are measured on this machine; given, every machine finds one front.
  const equipoise::CostUnits units = {.lexical_search = 2000,
                                      .posting = 2,
                                      .vector_search = 2000,
                                      .distance = 20,
                                      .rescored = 40,
                                      .candidate = 40,
                                      .missing = 40};
  auto front = equipoise::Tune({{.index = "tuned",
                                 .queries = data + "/queries.jsonl",
                                 .query_embeddings = data + "/queries.f16.npy",
                                 .qrels = data + "/qrels/test.tsv"}},
                               {.objectives = {"cost", "quality"},
                                .units = units,
                                .population = 32,
                                .generations = 12,
                                .timed = false});
  if (!front) return Fail(front.error());
  Print("default", front->standard.validation);
  auto best = equipoise::PickFromFront(*front, {.weights = {{"quality", 1}}});
  auto pick = equipoise::PickFromFront(*front, {.weights = {{"quality", 0.5}, {"cost", 0.5}}});
  if (!best || !pick) return Fail(!best ? best.error() : pick.error());
  Print("best", front->points[best->point].validation);
  Print("balanced", front->points[pick->point].validation);

  auto kept = equipoise::WriteConfiguration(front->points[pick->point].configuration, "mine.json");
  auto mine = equipoise::ReadConfiguration("mine.json");  // another day, in another program
  if (!kept || !mine) return Fail(!kept ? kept : mine.error());
  auto engine = Engine::Open("tuned");
  if (!engine) return Fail(engine.error());
  auto found = engine->Search({.text = "a small boat with one sail", .k = 1}, *mine);
  if (!found) return Fail(found.error());
  for (const auto& hit : found->hits)
    std::printf("found %s\n", std::string(engine->collection().Get(hit.doc).title).c_str());
}
