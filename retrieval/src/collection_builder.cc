#include <charconv>
#include <iterator>
#include <new>

#include <nlohmann/json.hpp>

#include <equipoise/core/check.h>
#include <equipoise/core/index_folder.h>
#include <equipoise/retrieval/collection.h>
#include <equipoise/retrieval/document_store.h>
#include <equipoise/retrieval/text.h>

#include "collection_files.h"

namespace equipoise {
namespace {

// Texts that are analysed together.
constexpr std::size_t kBatchDocuments = 8192;
constexpr std::size_t kBatchBytes = std::size_t{8} << 20;

Status CheckOptions(const CollectionOptions& options) {
  constexpr const char* kWhere = "CollectionBuilder::Begin";
  EQUIPOISE_CHECK_RANGE(kWhere, options.m, 2, 128);
  EQUIPOISE_CHECK_RANGE(kWhere, options.ef_construction, 8, 4096);
  EQUIPOISE_CHECK_RANGE(kWhere, options.threads, 1, 1024);
  EQUIPOISE_CHECK_RANGE(kWhere, options.weights.alpha, 0.0, 1.0);
  return {};
}

Status CheckUtf8(std::string_view text, std::uint32_t row, const char* field) {
  if (IsValidUtf8(text)) return {};
  return Status(Code::kInvalidArgument, "is not valid UTF-8", {.row = row, .field = field});
}

/// The shortest decimal that names the float: 1.2, not 1.2000000476837158.
double ShortestDecimal(float value) {
  const std::string text = fmt::format("{}", value);
  double out = value;
  // Not std::stod, which reads the comma of a German locale.
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

Status Finished() {
  return Status(Code::kInvalidArgument,
                "CollectionBuilder: the index is finished; begin another one");
}

}  // namespace

struct CollectionBuilder::State {
  CollectionOptions options;
  IndexFolderWriter folder;
  Analyzer analyzer;
  DocumentStoreWriter documents;
  LexicalIndexBuilder lexical;
  ColumnsWriter columns;
  struct Pending {
    std::string text;       // title and text, joined by a blank
    std::size_t title = 0;  // bytes of the title
  };
  std::vector<Pending> pending;  // what is not analysed yet
  std::size_t pending_bytes = 0;
  // What ended the building: parts that took a document and parts that did not would make an index
  // that cannot be opened.
  Status ended;

  Status Add(const Document& document);
  Status Analyze();
  DocumentTokens Tokens(const Pending& document, std::vector<std::string>* room) const;
  // Publishes the vectors that `write` makes, where there is one.
  Status Finish(const VectorFilesWriter& write);
  Status FinishSafely(const VectorFilesWriter& write);
  Status FinishEmbeddings(const EmbeddingsView& embeddings);
};

CollectionBuilder::CollectionBuilder(std::unique_ptr<State> state) : state_(std::move(state)) {}
CollectionBuilder::CollectionBuilder(CollectionBuilder&&) noexcept = default;
CollectionBuilder& CollectionBuilder::operator=(CollectionBuilder&&) noexcept = default;
CollectionBuilder::~CollectionBuilder() = default;

Result<CollectionBuilder> CollectionBuilder::Begin(const std::string& folder,
                                                   const CollectionOptions& options) {
  EQUIPOISE_RETURN_IF_ERROR(CheckOptions(options));
  EQUIPOISE_ASSIGN_OR_RETURN(Analyzer analyzer, Analyzer::Create(options.analyzer));
  // Refused before the folder is touched.
  EQUIPOISE_RETURN_IF_ERROR(LexicalIndexBuilder::Create(options.bm25, {}, options.fields).error());
  EQUIPOISE_ASSIGN_OR_RETURN(IndexFolderWriter writer, IndexFolderWriter::Begin(folder));
  EQUIPOISE_ASSIGN_OR_RETURN(
      LexicalIndexBuilder lexical,
      LexicalIndexBuilder::Create(options.bm25,
                                  {.memory = options.memory, .spill_folder = writer.PathOf(".")},
                                  options.fields));
  EQUIPOISE_ASSIGN_OR_RETURN(
      DocumentStoreWriter documents,
      DocumentStoreWriter::Create(writer.PathOf(files::kDocuments), options.store_text));
  return CollectionBuilder(std::make_unique<State>(State{options,
                                                         std::move(writer),
                                                         std::move(analyzer),
                                                         std::move(documents),
                                                         std::move(lexical),
                                                         {},
                                                         {},
                                                         0,
                                                         {}}));
}

std::uint32_t CollectionBuilder::documents() const { return state_->documents.size(); }

Status CollectionBuilder::State::Add(const Document& document) {
  const std::uint32_t row = documents.size();
  EQUIPOISE_RETURN_IF_ERROR(CheckUtf8(document.id, row, "_id"));
  EQUIPOISE_RETURN_IF_ERROR(CheckUtf8(document.title, row, "title"));
  EQUIPOISE_RETURN_IF_ERROR(CheckUtf8(document.text, row, "text"));
  for (const auto& [name, value] : document.fields) {
    EQUIPOISE_RETURN_IF_ERROR(CheckUtf8(name, row, "a field's name"));
    if (const auto* text = std::get_if<std::string>(&value))
      EQUIPOISE_RETURN_IF_ERROR(CheckUtf8(*text, row, name.c_str()));
    if (const auto* json = std::get_if<JsonText>(&value))
      EQUIPOISE_RETURN_IF_ERROR(CheckUtf8(json->text, row, name.c_str()));
  }
  EQUIPOISE_RETURN_IF_ERROR(columns.Add(document.fields));
  EQUIPOISE_RETURN_IF_ERROR(documents.Add(document));
  std::string& joined = pending.emplace_back().text;
  pending.back().title = document.title.size();
  joined.reserve(document.title.size() + 1 + document.text.size());
  joined.append(document.title).append(1, ' ').append(document.text);
  pending_bytes += joined.size();
  return pending.size() < kBatchDocuments && pending_bytes < kBatchBytes ? Status() : Analyze();
}

DocumentTokens CollectionBuilder::State::Tokens(const Pending& document,
                                                std::vector<std::string>* room) const {
  if (!options.fields) {
    analyzer.Analyze(document.text, room);
    return std::span<const std::string>(*room);
  }
  const std::string_view text = document.text;
  analyzer.Analyze(text.substr(0, document.title), room);
  const std::size_t title = room->size();
  std::vector<std::string> of_text = analyzer.Analyze(text.substr(document.title + 1));
  room->insert(room->end(), std::make_move_iterator(of_text.begin()),
               std::make_move_iterator(of_text.end()));
  return {*room, title};
}

// Many documents at a time, so that threads have something to share.
Status CollectionBuilder::State::Analyze() {
  const Status added = lexical.AddMany(
      pending.size(), options.threads,
      [&](std::size_t i, std::vector<std::string>* room) { return Tokens(pending[i], room); });
  pending.clear();
  pending_bytes = 0;
  return added;
}

Status CollectionBuilder::Add(const Document& document) {
  State& s = *state_;
  if (!s.ended.ok()) return s.ended;
  try {
    s.ended = s.Add(document);
  } catch (const std::bad_alloc&) {
    s.ended =
        Status(Code::kOutOfMemory, "no memory for another document", {.row = s.documents.size()});
  }
  return s.ended;
}

Status CollectionBuilder::Finish(EmbeddingsView embeddings) {
  State& s = *state_;
  if (!s.ended.ok()) return s.ended;
  Status status = s.FinishEmbeddings(embeddings);
  s.ended = status.ok() ? Finished() : status;
  return status;
}

Status CollectionBuilder::FinishWith(const VectorFilesWriter& write) {
  State& s = *state_;
  if (!s.ended.ok()) return s.ended;
  Status status = s.FinishSafely(write);
  s.ended = status.ok() ? Finished() : status;
  return status;
}

Status CollectionBuilder::State::FinishEmbeddings(const EmbeddingsView& embeddings) {
  const std::size_t count = documents.size();
  // An array of shape 0 × d is as good as none for a collection without documents.
  if (embeddings.cols() == 0 || (count == 0 && embeddings.rows() == 0)) return FinishSafely({});
  if (embeddings.rows() != count)
    return Status(Code::kInvalidArgument,
                  fmt::format("there are {} rows of embeddings for {} documents; row i belongs to "
                              "document i",
                              embeddings.rows(), count),
                  {.field = "embeddings"});
  return FinishSafely([&](const std::string& vectors, const std::string& graph) {
    return BuildVectorIndex(embeddings,
                            {.metric = options.metric,
                             .target_recall = options.target_recall,
                             .storage = options.storage,
                             .m = options.m,
                             .ef_construction = options.ef_construction,
                             .threads = options.threads,
                             .tune = options.tune,
                             .seed = options.seed,
                             .progress = options.progress},
                            vectors, graph);
  });
}

Status CollectionBuilder::State::FinishSafely(const VectorFilesWriter& write) {
  try {
    return Finish(write);
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "no memory to finish the index");
  } catch (const nlohmann::json::exception& error) {
    return Status(Code::kInternal, error.what());
  }
}

Status CollectionBuilder::State::Finish(const VectorFilesWriter& write) {
  std::vector<std::string> names = {files::kDocuments, files::kColumns, files::kLexical};
  nlohmann::json settings;
  if (write) {
    const std::string vectors = folder.PathOf(files::kVectors);
    const std::string graph = folder.PathOf(files::kGraph);
    EQUIPOISE_RETURN_IF_ERROR(write(vectors, graph));
    EQUIPOISE_ASSIGN_OR_RETURN(const auto made, VectorIndex::Open(vectors, graph));
    if (made.rows() != documents.size())
      return Status(Code::kInvalidArgument,
                    fmt::format("there are {} vectors for {} documents; vector i belongs to "
                                "document i",
                                made.rows(), documents.size()),
                    {.field = "vectors"});
    names.insert(names.end(), {files::kVectors, files::kGraph});
    const VectorIndexSettings& built = made.settings();
    settings["vector"] = {
        {"metric", MetricName(built.metric)},
        {"storage", VectorStorageName(built.storage)},
        {"m", built.has_graph ? built.m : options.m},
        {"ef_construction", built.has_graph ? built.ef_construction : options.ef_construction},
        {"seed", built.has_graph ? built.seed : options.seed}};
    if (built.tuning)
      settings["vector"]["tuning"] = {{"code_lines", built.tuning->code_lines},
                                      {"list_lines", built.tuning->list_lines},
                                      {"likely_sketches", built.tuning->likely_sketches},
                                      {"next_lines", built.tuning->next_lines},
                                      {"likely_lines", built.tuning->likely_lines},
                                      {"gain", ShortestDecimal(built.tuning->gain)}};
  }
  EQUIPOISE_RETURN_IF_ERROR(documents.Finish());
  EQUIPOISE_RETURN_IF_ERROR(columns.Write(folder.PathOf(files::kColumns)));
  EQUIPOISE_RETURN_IF_ERROR(Analyze());
  EQUIPOISE_RETURN_IF_ERROR(lexical.Write(folder.PathOf(files::kLexical), options.progress));

  settings["analyzer"] = nlohmann::json::parse(analyzer.ToJson());
  settings["bm25"] = {{"k1", ShortestDecimal(options.bm25.k1)},
                      {"b", ShortestDecimal(options.bm25.b)}};
  if (options.fields) {
    const auto field = [](float weight, float b) {
      return nlohmann::json{{"weight", ShortestDecimal(weight)}, {"b", ShortestDecimal(b)}};
    };
    settings["bm25"]["fields"] = {
        {"title", field(options.fields->title_weight, options.fields->title_b)},
        {"text", field(options.fields->text_weight, options.fields->text_b)}};
  }
  settings["store"] = options.store_text ? "text" : "none";
  settings["weights"] = {{"alpha", options.weights.alpha},
                         {"fusion", FusionName(options.weights.method)}};
  return folder.Commit(names, settings.dump());
}

}  // namespace equipoise
