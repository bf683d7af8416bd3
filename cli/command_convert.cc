// equipoise convert: an index's vectors to other programs and back.
#include <algorithm>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include <equipoise/engine/engine.h>
#include <equipoise/retrieval/collection_convert.h>

#include "arguments.h"
#include "commands.h"
#include "options.h"
#include "output.h"
#include "terminal.h"

namespace equipoise::cli {
namespace {

namespace fs = std::filesystem;

struct ConvertArguments {
  std::string index;
  std::vector<std::string> to;    // kind, path
  std::vector<std::string> from;  // kind, path
  std::string out;
  std::string ids;
  std::string metric = "auto";
  std::string storage = "int8+float16";
  FaissImportOptions options;
  bool force = false;
  bool json = false;
};

Status Usage(std::string message) { return Status(Code::kInvalidArgument, std::move(message)); }

// What is asked, or why it makes no sense.
Status CheckUsage(const ConvertArguments& a) {
  if (a.to.empty() == a.from.empty())
    return Usage("give either an index with --to KIND PATH, or --from faiss FILE with --out");
  if (!a.to.empty()) {
    if (a.to[0] != "faiss" && a.to[0] != "npy")
      return Usage(fmt::format("--to takes faiss or npy, not \"{}\"", a.to[0]));
    if (a.index.empty()) return Usage("--to needs the index that is converted");
    if (!a.out.empty()) return Usage("--out belongs to --from; --to names its own target");
    if (a.to[0] == "npy" && !a.ids.empty())
      return Usage("--to npy writes the ids into its folder; leave --ids out");
  } else {
    if (a.from[0] != "faiss")
      return Usage(
          fmt::format("--from takes faiss, not \"{}\"; vectors in .npy files go to "
                      "`equipoise index --embeddings`",
                      a.from[0]));
    if (!a.index.empty())
      return Usage(
          fmt::format("--from makes a new index: name it with --out, not as \"{}\"", a.index));
    if (a.out.empty()) return Usage("--from needs --out, the folder of the new index");
  }
  for (const auto* words : {&a.to, &a.from})
    if (words->size() == 2 && (*words)[1].empty()) return Usage("a path is empty");
  return {};
}

// Whether a path lies in a folder or is it, links and dots resolved.
bool Within(const std::string& path, const std::string& folder) {
  std::error_code error;
  const fs::path inner = fs::weakly_canonical(path, error);
  const fs::path outer = fs::weakly_canonical(folder, error);
  if (error) return false;
  const auto [end, rest] = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return end == outer.end();
}

Status CheckTarget(const std::string& path, const ConvertArguments& a) {
  std::error_code error;
  const std::string& source = a.to.empty() ? a.from[1] : a.index;
  if (Within(path, source) || Within(source, path))
    return Status(Code::kInvalidArgument,
                  fmt::format("is where \"{}\" is read from; name another path", source),
                  {.file = path});
  if (!a.force && fs::exists(path, error))
    return Status(Code::kInvalidArgument, "is there already; --force replaces it", {.file = path});
  return {};
}

std::string Named(const VectorExportReport& report) {
  return fmt::format("{}, {}", Counted(report.rows, "vector"), Counted(report.dim, "dimension"));
}

int ToFaiss(const Collection& collection, const ConvertArguments& a) {
  const std::string& path = a.to[1];
  for (const std::string& target : {path, a.ids})
    if (!target.empty())
      if (Status status = CheckTarget(target, a); !status.ok()) return Fail(status, a.json);
  if (!a.ids.empty() && Within(a.ids, path))
    return FailUsage(Usage("--ids and --to name the same file"), a.json);
  auto report = ExportFaiss(collection, path, a.ids, MakeProgress());
  EndProgress();
  if (!report) return Fail(report.error(), a.json);
  const VectorExportReport& v = report->vectors;
  const Metric metric = collection.vectors()->metric();
  if (a.json) {
    Json object = {{"faiss", path},
                   {"vectors", v.rows},
                   {"dimensions", v.dim},
                   {"metric", MetricName(metric)},
                   {"m", v.m},
                   {"copies", v.copies},
                   {"deleted", v.deleted.size()},
                   {"graph_built", v.built}};
    if (!a.ids.empty()) object["ids"] = report->ids_file;
    return PrintJson(object);
  }
  std::string text =
      fmt::format("{}: IndexHNSWSQ (QT_8bit_uniform), {}, M = {}, {}\n", path, Named(v), v.m,
                  metric == Metric::kL2 ? "METRIC_L2" : "METRIC_INNER_PRODUCT");
  if (metric == Metric::kCosine) text += "  Vectors have unit length; normalize queries too.\n";
  if (v.built) text += "  The index had no graph (small ones need none); one was built.\n";
  if (v.copies > 0)
    text += fmt::format("  {} with the codes of another: linked from that one.\n",
                        Counted(v.copies, "vector"));
  if (!v.deleted.empty())
    text += fmt::format("  {} will be found too: labels are document numbers.\n",
                        Counted(v.deleted.size(), "deleted document"));
  if (!a.ids.empty()) text += fmt::format("  Ids of the labels 0, 1, ...: {}\n", a.ids);
  return PrintText(text);
}

int ToNpy(const Collection& collection, const ConvertArguments& a) {
  const std::string& folder = a.to[1];
  if (Within(folder, a.index))
    if (Status status = CheckTarget(folder, a); !status.ok()) return Fail(status, a.json);
  for (const char* name : {"vectors.npy", "ids.txt", "ids.json"})
    if (Status status = CheckTarget((fs::path(folder) / name).string(), a); !status.ok())
      return Fail(status, a.json);
  const auto report = ExportNpy(collection, folder);
  if (!report) return Fail(report.error(), a.json);
  const VectorExportReport& v = report->vectors;
  const char* type = v.float16 ? "float16" : "float32";
  const std::string path = (fs::path(folder) / "vectors.npy").string();
  if (a.json)
    return PrintJson(Json{{"npy", path},
                          {"ids", report->ids_file},
                          {"vectors", v.rows},
                          {"dimensions", v.dim},
                          {"type", type},
                          {"deleted", v.deleted.size()}});
  std::string text =
      fmt::format("{}: {}, {}\n{}: their ids\n", path, Named(v), type, report->ids_file);
  if (!v.deleted.empty())
    text += fmt::format("  {} left out.\n", Counted(v.deleted.size(), "deleted document"));
  return PrintText(text);
}

int FromFaiss(ConvertArguments* a) {
  if (Status status = CheckTarget(a->out, *a); !status.ok()) return Fail(status, a->json);
  std::vector<std::string> ids;
  if (!a->ids.empty()) {
    auto read = ReadIds(a->ids);
    if (!read) return Fail(read.error(), a->json);
    ids = *std::move(read);
    if (ids.empty())
      return Fail(Status(Code::kInvalidArgument, "holds no ids", {.file = a->ids}), a->json);
  }
  if (a->metric != "auto") a->options.metric = *ParseMetric(a->metric);
  a->options.storage = *ParseVectorStorage(a->storage);
  a->options.progress = MakeProgress();
  const auto report = ImportFaiss(a->from[1], ids, a->options, a->out);
  EndProgress();
  if (!report) return Fail(report.error(), a->json);
  const auto engine = Engine::Open(a->out);
  if (!engine) return Fail(engine.error(), a->json);
  const VectorIndex& index = *engine->collection().vectors();
  const int m = index.settings().m;
  if (a->json)
    return PrintJson(Json{{"index", a->out},
                          {"documents", report->rows},
                          {"dimensions", report->dim},
                          {"metric", MetricName(report->metric)},
                          {"storage", VectorStorageName(index.settings().storage)},
                          {"m", m},
                          {"bytes", engine->collection().Info().bytes}});
  return PrintText(fmt::format("{}: {}, {}, {}, M = {}, {}\n", a->out,
                               Counted(report->rows, "document"), Counted(report->dim, "dimension"),
                               MetricName(report->metric), m,
                               Bytes(engine->collection().Info().bytes)));
}

int RunConvert(ConvertArguments* a) {
  if (const Status status = CheckUsage(*a); !status.ok()) return FailUsage(status, a->json);
  if (!a->from.empty()) return FromFaiss(a);
  const auto engine = Engine::Open(a->index);
  if (!engine) return Fail(engine.error(), a->json);
  return a->to[0] == "faiss" ? ToFaiss(engine->collection(), *a) : ToNpy(engine->collection(), *a);
}

}  // namespace

Action AddConvertCommand(CLI::App* app) {
  auto a = std::make_shared<ConvertArguments>();
  app->footer(
      "To FAISS: a standard IndexHNSWSQ with the same graph and 8-bit codes, for "
      "faiss.read_index.\n"
      "Its labels are document numbers; --ids writes the id of each. Scores are those of the "
      "codes:\n"
      "the float16 or float32 rows that Equipoise rescores by stay behind (--to npy has them).\n"
      "From FAISS: an IndexHNSWFlat or IndexHNSWSQ (any of QT_8bit to QT_8bit_direct_signed), "
      "also\n"
      "within an IndexIDMap, whose ids are kept. Its graph is taken over, not built again; recall "
      "is\n"
      "measured on it (see inspect). Texts are no part of it: the index is one of vectors alone.\n"
      "To NumPy: vectors.npy and ids.txt (ids.json where an id has line breaks) in a folder.\n"
      "Examples:\n"
      "  equipoise convert my-index --to faiss my.faiss --ids my-ids.txt\n"
      "  equipoise convert --from faiss theirs.faiss --ids their-ids.txt --out my-index\n"
      "  equipoise convert my-index --to npy my-vectors");
  app->add_option("index", a->index, "Folder of the index, for --to")->check(Named());
  app->add_option("--to", a->to, "faiss FILE, or npy FOLDER: what the index becomes")
      ->expected(2)
      ->type_name("KIND PATH");
  app->add_option("--from", a->from, "faiss FILE: what becomes an index")
      ->expected(2)
      ->type_name("KIND PATH");
  app->add_option("--out", a->out, "Folder of the new index, for --from")->check(Named());
  app->add_option("--ids", a->ids,
                  "Text file with one id a line, in the order of the vectors: written by --to "
                  "faiss, read by --from (without it: the ids of an IndexIDMap, or 0, 1, ...)")
      ->check(Named());
  app->add_flag("--force", a->force, "Replace what is at the target");
  app->add_option("--metric", a->metric,
                  "auto: the file's, and cosine where all vectors under inner product have unit "
                  "length; or cosine, l2, ip")
      ->check(OneOf({"auto", "cosine", "l2", "ip"}))
      ->capture_default_str()
      ->group("With --from");
  app->add_option("--storage", a->storage,
                  "What is kept of the vectors, as with index: int8+float16, inline, int8, "
                  "int4+int8, float32")
      ->check(OneOf({"int8+float16", "inline", "int8", "int4+int8", "float32"}))
      ->capture_default_str()
      ->group("With --from");
  app->add_option("--target-recall", a->options.target_recall,
                  "Share of the true 10 best that a search aims at, 0.5 to 0.999")
      ->check(InRange(0.5, 0.999))
      ->capture_default_str()
      ->group("With --from");
  app->add_option("--threads", a->options.threads,
                  "Threads, 1 to 1024; the files do not depend on it")
      ->check(WholeNumber(1, 1024))
      ->capture_default_str()
      ->group("With --from");
  app->add_flag("--json", a->json, "One JSON object on stdout");
  return [a] { return RunConvert(a.get()); };
}

}  // namespace equipoise::cli
