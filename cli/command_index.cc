// equipoise index: from files to an index folder.
#include <limits>

#include <fmt/format.h>

#include <equipoise/engine/engine.h>

#include "arguments.h"
#include "commands.h"
#include "options.h"
#include "output.h"
#include "terminal.h"

namespace equipoise::cli {
namespace {

struct IndexArguments {
  IndexSources sources;
  std::string out;
  CollectionOptions options;
  std::string stopwords;  // empty: those of the language, where there are any
  std::string metric = "cosine";
  std::string storage = "int8+float16";
  std::string store = "text";
  std::string fusion;
  std::string fields;  // empty: title and text are one
  bool json = false;
};

std::vector<std::string> Languages() {
  std::vector<std::string> out = {"none"};
  for (const auto& language : Analyzer::Languages()) out.emplace_back(language);
  return out;
}

CLI::Validator Unsigned() {
  return {[](const std::string& text) {
            return text.empty() || text.front() == '-' ? "must not be negative: " + text
                                                       : std::string();
          },
          "SIZE"};
}

int RunIndex(IndexArguments* a) {
  if (a->stopwords.empty())
    a->stopwords = a->options.analyzer.language == "english" ? "english" : "none";
  if (a->stopwords == "english" || a->stopwords == "none") {
    a->options.analyzer.stopwords = a->stopwords;
  } else {
    auto words = ReadWords(a->stopwords);
    if (!words) return Fail(words.error().At({.field = "--stopwords"}), a->json);
    a->options.analyzer.stopwords = "custom";
    a->options.analyzer.stopword_list = *std::move(words);
  }
  a->options.metric = *ParseMetric(a->metric);
  a->options.storage = *ParseVectorStorage(a->storage);
  a->options.store_text = a->store == "text";
  if (!a->fusion.empty()) {
    auto fusion = ParseFusion(a->fusion);
    if (!fusion) return FailUsage(fusion.error(), a->json);
    a->options.weights.method = *fusion;
  }
  if (!a->fields.empty()) {
    auto fields = ParseFields(a->fields, a->options.bm25.b);
    if (!fields) return FailUsage(fields.error(), a->json);
    a->options.fields = *fields;
  }
  a->options.progress = MakeProgress();

  auto report = Engine::BuildFromFiles(a->out, a->sources, a->options);
  EndProgress();
  if (!report) return Fail(report.error(), a->json);
  auto engine = Engine::Open(a->out);
  if (!engine) return Fail(engine.error(), a->json);
  const CollectionInfo info = engine->collection().Info();
  if (a->json)
    return PrintJson(Json{{"index", a->out},
                          {"documents", report->documents},
                          {"dimensions", report->dimensions},
                          {"terms", info.terms},
                          {"bytes", info.bytes},
                          {"seconds", report->seconds}});
  const bool neither = info.terms == 0 && report->dimensions == 0;
  const std::string terms = info.terms > 0 ? Counted(info.terms, "term")
                            : neither      ? std::string("no text")
                                           : std::string("no text (vectors only)");
  const std::string vectors = report->dimensions > 0 ? Counted(report->dimensions, "dimension")

                              : neither ? std::string("no embeddings (searches find nothing)")
                                        : std::string("no embeddings (lexical only)");
  return PrintText(fmt::format("{}: {}, {}, {}, {}, in {:.2f} s\n", a->out,
                               Counted(report->documents, "document"), terms, vectors,
                               Bytes(info.bytes), report->seconds));
}

}  // namespace

Action AddIndexCommand(CLI::App* app) {
  auto a = std::make_shared<IndexArguments>();
  app->footer(
      "The corpus has one JSON object a line with \"_id\", \"title\" and \"text\" (BEIR layout). "
      "Every\n"
      "further field is metadata that comes back with a hit. Row i of the embeddings belongs to\n"
      "line i. Without embeddings the index is lexical; without text it is vectors alone.\n"
      "An index that is already at --out is replaced at the end, in one step.\n"
      "Example: equipoise index --corpus corpus.jsonl --embeddings corpus.npy --out my-index");
  app->add_option("--corpus", a->sources.corpus, "Documents, corpus.jsonl")
      ->check(Named())
      ->required()
      ->group("Files");
  app->add_option("--embeddings", a->sources.embeddings,
                  "Their vectors: .npy (float32, float16) or .fvecs")
      ->check(Named())
      ->group("Files");
  app->add_option("--out", a->out, "Folder of the index")
      ->check(Named())
      ->required()
      ->group("Files");
  app->add_option("--language", a->options.analyzer.language,
                  "Snowball stemmer, or none: english, german, french, ...")
      ->check(OneOf(Languages()))
      ->capture_default_str()
      ->group("Text");
  app->add_option("--stopwords", a->stopwords,
                  "english, none, or a FILE with one word a line; english only if the language is")
      ->check(Named())
      ->group("Text");
  app->add_option("--max-token-length", a->options.analyzer.max_token_length,
                  "Longer words are cut to this many characters, 2 to 1024")
      ->check(WholeNumber(2, 1024))
      ->capture_default_str()
      ->group("Text");
  app->add_option("--k1", a->options.bm25.k1, "BM25: how much repetition counts, >= 0")
      ->check(InRange(0.0, 1e9))
      ->capture_default_str()
      ->group("Text");
  app->add_option("--b", a->options.bm25.b, "BM25: how much length counts, in [0, 1]")
      ->check(InRange(0.0, 1.0))
      ->capture_default_str()
      ->group("Text");
  app->add_option(
         "--field-weights", a->fields,
         "Title and text as two fields of BM25F, as title=2,text=1, or title=2:0.5 with a b of "
         "its own; one text unless given")
      ->check(Named())
      ->group("Text");
  app->add_option("--memory", a->options.memory,
                  "For building: terms and postings beyond this go to a temporary file, as 512MiB; "
                  "0: no limit")
      ->transform(CLI::AsSizeValue(false))
      ->transform(Unsigned())  // comes first: the one above reads -1 as a very large number
      ->default_str("1GiB")
      ->group("Text");
  app->add_option("--store", a->store, "text: keep titles and texts for the hits; none: do not")
      ->check(OneOf({"text", "none"}))
      ->capture_default_str()
      ->group("Text");
  app->add_option("--metric", a->metric, "cosine, l2, or ip: the inner product as it is")
      ->check(OneOf({"cosine", "l2", "ip"}))
      ->capture_default_str()
      ->group("Vectors");
  app->add_option("--storage", a->storage,
                  "int8+float16: 3 bytes a dimension; inline: more, for speed (take --m 20); int8 "
                  "and int4+int8: 1 byte, scores are rounded; float32: 5 bytes, nothing is")
      ->check(OneOf({"int8+float16", "inline", "int8", "int4+int8", "float32"}))
      ->capture_default_str()
      ->group("Vectors");
  app->add_option("--target-recall", a->options.target_recall,
                  "Share of the true 10 best that a search aims at, 0.5 to 0.999; what each target "
                  "costs is measured while building (see inspect)")
      ->check(InRange(0.5, 0.999))
      ->capture_default_str()
      ->group("Vectors");
  app->add_option("--m", a->options.m, "HNSW links a node, 2 to 128")
      ->check(WholeNumber(2, 128))
      ->capture_default_str()
      ->group("Vectors");
  app->add_option("--ef-construction", a->options.ef_construction,
                  "HNSW beam while building, 8 to 4096")
      ->check(WholeNumber(8, 4096))
      ->capture_default_str()
      ->group("Vectors");
  app->add_option("--threads", a->options.threads,
                  "Threads for building, 1 to 1024; but for what --tune chooses the files do not "
                  "depend on it")
      ->check(WholeNumber(1, 1024))
      ->capture_default_str()
      ->group("Vectors");
  app->add_flag(
         "--tune,!--no-tune", a->options.tune,
         "Choose how far ahead searches fetch, by timing some on this machine (the default); "
         "--no-tune: the same files every time")
      ->group("Vectors");
  app->add_option("--seed", a->options.seed, "Seed of the graph")
      ->check(WholeNumber(0, std::numeric_limits<std::uint64_t>::max()))
      ->capture_default_str()
      ->group("Vectors");
  app->add_option("--alpha", a->options.weights.alpha,
                  "Weight of BM25, in [0, 1], for searches that name none")
      ->check(InRange(0.0, 1.0))
      ->capture_default_str()
      ->group("Fusion");
  app->add_option("--fusion", a->fusion,
                  "What that α belongs to: minmax, minmax_union (the default), theoretical, rrf")
      ->group("Fusion");
  app->add_flag("--json", a->json, "One JSON object on stdout");
  return [a] { return RunIndex(a.get()); };
}

}  // namespace equipoise::cli
