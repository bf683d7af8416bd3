// The text files that people hand in: corpus, queries, judgments, runs.
#include <cmath>
#include <set>

#include <equipoise/engine/judgments.h>
#include <equipoise/engine/ranking_evaluation.h>
#include <equipoise/engine/run_file.h>
#include <equipoise/retrieval/columns.h>
#include <equipoise/retrieval/corpus_reader.h>
#include <equipoise/retrieval/text.h>

#include "fuzz_target.h"

namespace equipoise::fuzz {
namespace {

void RunCorpus(std::string_view input) {
  static const Folder folder("corpus");
  auto reader = CorpusReader::Open(folder.Write("corpus.jsonl", input));
  EQUIPOISE_FUZZ_REQUIRE(reader.ok(), reader.error().ToString());
  ColumnsWriter columns;
  Document document;
  for (;;) {
    const auto more = reader->Next(&document);
    RequireCode(more.error(), {Code::kInvalidArgument});
    if (!more.ok()) EQUIPOISE_FUZZ_REQUIRE(more.error().where().line > 0, more.error().ToString());
    if (!more.ok() || !*more) break;
    EQUIPOISE_FUZZ_REQUIRE(!document.id.empty(), "");
    for (const std::string* text : {&document.id, &document.title, &document.text})
      EQUIPOISE_FUZZ_REQUIRE(IsValidUtf8(*text), *text);
    // Fields that do not fit together are refused, never lost.
    RequireCode(columns.Add(document.fields), {Code::kInvalidArgument});
  }
  EQUIPOISE_FUZZ_REQUIRE(reader->bytes_read() <= reader->bytes_total(), "");
  const std::string path = folder.path("columns");
  EQUIPOISE_FUZZ_REQUIRE(columns.Write(path).ok(), "");
}

std::vector<std::string> CorpusSeeds() {
  return {
      "{\"_id\": \"1\", \"text\": \"wing\"}\n",
      "{\"_id\": 2, \"title\": null, \"text\": \"\\ud834\\udd1e \\u00e9\", \"year\": 1963}\r\n\n"
      "{\"_id\": \"3\", \"year\": 2.5e3, \"tags\": [\"a\", {\"b\": [null, true]}], \"new\": "
      "false}\n",
      "\xEF\xBB\xBF{\"_id\": \"4\", \"text\": \"\xC3\xA9t\xC3\xA9\", \"big\": "
      "18446744073709551615}",
      "{\"_id\": \"5\", \"deep\": [[[[[[[[[[[[1]]]]]]]]]]]], \"x\": {\"y\": {\"z\": -0.0}}}\n"};
}

void RunQueries(std::string_view input) {
  static const Folder folder("queries");
  const auto queries = Queries::Read(folder.Write("queries.jsonl", input));
  RequireCode(queries.error(), {Code::kInvalidArgument});
  if (!queries.ok()) return;
  for (std::size_t i = 0; i < queries->size(); ++i)
    EQUIPOISE_FUZZ_REQUIRE(queries->RowOf(queries->items()[i].id) == static_cast<std::int64_t>(i),
                           "");
}

std::vector<std::string> QuerySeeds() {
  return {"{\"_id\": \"1\", \"text\": \"wing in a slipstream\"}\n{\"_id\": 2, \"text\": null}\n",
          "{\"_id\": \"q\\u0000\", \"text\": \"\", \"metadata\": {}}\n"};
}

void RunQrels(std::string_view input) {
  static const Folder folder("qrels");
  const auto judgments = Judgments::Read(folder.Write("qrels", input));
  RequireCode(judgments.error(), {Code::kInvalidArgument});
  if (!judgments.ok()) return;
  std::size_t pairs = 0;
  for (const Judgments::OfQuery& query : judgments->queries()) {
    EQUIPOISE_FUZZ_REQUIRE(judgments->Find(query.query) == &query, query.query);
    pairs += query.documents.size();
    std::vector<std::string_view> ranked(query.documents.begin(), query.documents.end());
    for (std::size_t i = 0; i < ranked.size(); ++i)
      EQUIPOISE_FUZZ_REQUIRE(query.GradeOf(ranked[i]) == query.grades[i], query.query);
    for (const double value : EvaluateRanking(ranked, query).values())
      EQUIPOISE_FUZZ_REQUIRE(value >= 0 && value <= 1 + 1e-12, query.query);
  }
  EQUIPOISE_FUZZ_REQUIRE(pairs == judgments->size(), "");
}

std::vector<std::string> QrelsSeeds() {
  return {"query-id\tcorpus-id\tscore\n1\td 1\t2\n1\td2\t0\n2\td1\t1\n",
          "1 0 d1 1\n1 0 d2 -1\r\n\n2\t0  d1 2147483647\n1 0 d1 1\n",
          "\xEF\xBB\xBF"
          "7\td1\t1\n7\td2\t3\n8\td3\t-2147483648\n"};
}

void RunRunFile(std::string_view input) {
  static const Folder folder("run_file");
  const auto run = RunFile::Read(folder.Write("run", input));
  RequireCode(run.error(), {Code::kInvalidArgument});
  if (!run.ok()) return;
  // What was read and is written again is the same ranking.
  const std::string copy = folder.path("copy");
  const Status written = run->Write(copy);
  RequireCode(written, {Code::kInvalidArgument});
  if (!written.ok()) return;
  const auto again = RunFile::Read(copy);
  EQUIPOISE_FUZZ_REQUIRE(again.ok(), again.error().ToString());
  EQUIPOISE_FUZZ_REQUIRE(again->rankings().size() == run->rankings().size(), "");
  for (const RunFile::Ranking& ranking : run->rankings()) {
    const RunFile::Ranking* other = again->Find(ranking.query);
    EQUIPOISE_FUZZ_REQUIRE(other != nullptr, ranking.query);
    EQUIPOISE_FUZZ_REQUIRE(other->entries.size() == ranking.entries.size(), ranking.query);
    for (std::size_t i = 0; i < ranking.entries.size(); ++i)
      EQUIPOISE_FUZZ_REQUIRE(other->entries[i].document == ranking.entries[i].document,
                             ranking.query);
  }
}

std::vector<std::string> RunFileSeeds() {
  return {"1 Q0 d1 1 2.5 tag\n1 Q0 d2 2 2.5 tag\n1 Q0 d3 3 -1e-39 tag\n",
          "a\tQ0\td1\t1\t1e30\tx\r\na Q0 d2 2 1 x\nb Q0 d1 1 0 x\n\nb Q0 d\xC3\xA9 9 -0 x\n"};
}

}  // namespace

std::vector<Target> TextTargets() {
  return {{"corpus", RunCorpus, CorpusSeeds},
          {"queries", RunQueries, QuerySeeds},
          {"qrels", RunQrels, QrelsSeeds},
          {"run_file", RunRunFile, RunFileSeeds, 2000}};
}

}  // namespace equipoise::fuzz
