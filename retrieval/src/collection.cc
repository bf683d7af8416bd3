#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <new>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include <equipoise/core/check.h>
#include <equipoise/core/index_folder.h>
#include <equipoise/core/parallel.h>
#include <equipoise/retrieval/collection.h>
#include <equipoise/retrieval/diversity.h>
#include <equipoise/retrieval/document_store.h>

#include "collection_files.h"
#include "query_operators.h"
#include "search_candidates.h"
#include "search_paths.h"

namespace equipoise {
namespace {

/// The documents that may be found, null for all; `made` holds what had to be put together.
const RowSet* Allowed(const SearchRequest& request, std::optional<RowSet>* made) {
  if (request.filter == nullptr) return request.allowed;
  if (request.allowed == nullptr && request.filter->rows() != nullptr)
    return request.filter->rows();
  *made = request.filter->Rows();
  if (request.allowed != nullptr) (*made)->Intersect(*request.allowed);
  return &**made;
}

using Clock = std::chrono::steady_clock;

std::uint64_t NanosecondsSince(Clock::time_point start) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
}

Status Cancelled() { return Status(Code::kCancelled, "Search: cancelled by its caller"); }

/// Where a path has found nothing in time the other one decides.
void DecideAgain(SearchResult* result) {
  const bool lexical = result->lexical_searched, vector = result->vector_searched;
  double& alpha = result->weights.alpha;
  if ((lexical || alpha == 0) && (vector || alpha == 1)) return;
  result->alpha_source = AlphaSource::kSinglePath;
  if (!lexical && !vector) {
    result->note = "deadline: nothing was found in time";
    return;
  }
  alpha = lexical ? 1 : 0;
  result->note = lexical ? "deadline: BM25 alone" : "deadline: vectors alone";
}

}  // namespace

struct Collection::State {
  std::string folder;
  Manifest manifest;
  std::uint64_t fingerprint = 0;  // of the files
  FusionWeights weights;
  Analyzer analyzer;
  DocumentStore documents;
  Columns columns;
  LexicalIndex lexical;
  std::optional<VectorIndex> vectors;
  mutable Pool<PathWorker> workers;
  Telemetry telemetry;
  LatencyHistogram* analysis_time = &telemetry.Histogram("analysis");
  LatencyHistogram* lexical_time = &telemetry.Histogram("lexical");
  LatencyHistogram* vector_time = &telemetry.Histogram("vector");
  LatencyHistogram* fusion_time = &telemetry.Histogram("fusion");
  LatencyHistogram* total_time = &telemetry.Histogram("total");

  Status ReadSettings();
  Status Load();
  Status Check(const SearchRequest& request) const;
  void Decide(const SearchRequest& request, SearchResult* result) const;
  Status FillMissing(const SearchRequest& request, std::vector<Candidate>* candidates) const;
  float LowestVectorScore(std::span<const float> query) const;
  Status Diversify(const SearchRequest& request, std::size_t most, StopCheck* stop,
                   std::vector<Candidate>* candidates, std::vector<float>* similarities) const;
  std::vector<std::string> Tokens(std::string_view text, QuerySyntax syntax) const;
  Status Run(const SearchRequest& request, Clock::time_point start, SearchResult* result) const;
  Status RunOperators(const SearchRequest& request, SearchResult* result) const;
};

Collection::Collection(std::unique_ptr<State> state) : state_(std::move(state)) {}
Collection::Collection(Collection&&) noexcept = default;
Collection& Collection::operator=(Collection&&) noexcept = default;
Collection::~Collection() = default;

// Opening

Status Collection::State::ReadSettings() {
  Status damaged(Code::kCorruption, "the settings cannot be read; build the index again",
                 {.file = folder});
  try {
    const auto settings = nlohmann::json::parse(manifest.settings);
    auto made = Analyzer::FromJson(settings.at("analyzer").dump());
    if (!made) return made.error().At({.file = folder});
    analyzer = *std::move(made);
    const auto& stored = settings.at("weights");
    weights.alpha = stored.at("alpha").get<double>();
    if (!(weights.alpha >= 0 && weights.alpha <= 1)) return damaged;
    const auto method = ParseFusion(stored.at("fusion").get<std::string>());
    if (!method) return damaged;
    weights.method = *method;
  } catch (const nlohmann::json::exception&) {
    return damaged;
  }
  return {};
}

Status Collection::State::Load() {
  EQUIPOISE_ASSIGN_OR_RETURN(manifest, ReadManifest(folder));
  fingerprint = 0;
  for (const Manifest::File& file : manifest.files) {
    if (file.name != files::kGraph) fingerprint = fingerprint * 0x9e3779b97f4a7c15u + file.checksum;
  }
  EQUIPOISE_RETURN_IF_ERROR(CheckFiles(folder, manifest));
  EQUIPOISE_RETURN_IF_ERROR(ReadSettings());
  auto path = [&](const char* name) { return manifest.PathOf(folder, name); };
  EQUIPOISE_ASSIGN_OR_RETURN(documents, DocumentStore::Open(path(files::kDocuments)));
  EQUIPOISE_ASSIGN_OR_RETURN(columns, Columns::Open(path(files::kColumns), documents.size()));
  EQUIPOISE_ASSIGN_OR_RETURN(lexical, LexicalIndex::Open(path(files::kLexical)));
  if (lexical.documents() != documents.size())
    return Status(Code::kCorruption, "the lexical index is of another number of documents",
                  {.file = path(files::kLexical)});
  vectors.reset();
  const bool has_vectors =
      std::any_of(manifest.files.begin(), manifest.files.end(),
                  [](const Manifest::File& f) { return f.name == files::kVectors; });
  if (!has_vectors) return {};
  EQUIPOISE_ASSIGN_OR_RETURN(vectors,
                             VectorIndex::Open(path(files::kVectors), path(files::kGraph)));
  fingerprint = fingerprint * 0x9e3779b97f4a7c15u + vectors->fingerprint();
  if (vectors->rows() != documents.size())
    return Status(Code::kCorruption, "the vector index is of another number of documents",
                  {.file = path(files::kVectors)});
  return {};
}

Result<Collection> Collection::Open(const std::string& folder) {
  try {
    auto state = std::make_unique<State>();
    state->folder = folder;
    // A writer may replace the generation between reading the manifest and opening its files; the
    // next reading then names the new one.
    Status status;
    for (int attempt = 0; attempt < 5; ++attempt) {
      status = state->Load();
      if (status.code() != Code::kNotFound || state->manifest.generation.empty()) break;
      auto now = ReadManifest(folder);
      if (!now || now->generation == state->manifest.generation) break;
    }
    if (status.code() == Code::kNotFound && !state->manifest.generation.empty())
      return Status(Code::kCorruption, "a file of the index is missing; build the index again",
                    status.where());
    EQUIPOISE_RETURN_IF_ERROR(status);
    return Collection(std::move(state));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "no memory to open the index", {.file = folder});
  }
}

// Searching

Status Collection::State::Check(const SearchRequest& request) const {
  constexpr const char* kWhere = "Search";
  const std::size_t k = request.k;
  const std::size_t depth = request.depth;
  constexpr std::size_t kMost = std::numeric_limits<std::uint32_t>::max();
  EQUIPOISE_CHECK_RANGE(kWhere, k, std::size_t{1}, kMost);
  EQUIPOISE_CHECK_RANGE(kWhere, depth, std::size_t{1}, kMost);
  // 0 is the other one.
  const std::size_t lexical_depth = std::max(request.lexical_depth, depth);
  const std::size_t vector_depth = std::max(request.vector_depth, depth);
  EQUIPOISE_CHECK_RANGE(kWhere, lexical_depth, std::size_t{1}, kMost);
  EQUIPOISE_CHECK_RANGE(kWhere, vector_depth, std::size_t{1}, kMost);
  if (request.alpha) {
    const double alpha = *request.alpha;
    EQUIPOISE_CHECK_RANGE(kWhere, alpha, 0.0, 1.0);
    if (alpha == 0 && request.embedding.empty())
      return Status(Code::kInvalidArgument,
                    "alpha = 0 asks the vectors alone, but the query has no embedding",
                    {.field = "embedding"});
  }
  if (request.allowed != nullptr && request.allowed->rows() != documents.size())
    return Status(Code::kInvalidArgument,
                  fmt::format("Search: a set of {} documents, but the collection has {}",
                              request.allowed->rows(), documents.size()),
                  {.field = "allowed"});
  if (request.filter != nullptr && request.filter->fingerprint() != fingerprint)
    return Status(Code::kInvalidArgument,
                  "Search: the filter was compiled for another collection, or before it was built "
                  "again; compile it for this one",
                  {.field = "filter"});
  if (!std::isfinite(request.min_score))
    return Status(Code::kInvalidArgument, "Search: min_score is not a finite number",
                  {.field = "min_score"});
  if (request.near_duplicate) {
    const double near_duplicate = *request.near_duplicate;
    EQUIPOISE_CHECK_RANGE(kWhere, near_duplicate, std::numeric_limits<double>::min(), 1.0);
  }
  if (request.mmr) {
    const double mmr = *request.mmr;
    EQUIPOISE_CHECK_RANGE(kWhere, mmr, 0.0, 1.0);
  }
  if ((request.mmr || request.near_duplicate) && !vectors) {
    const std::string field = request.mmr ? "mmr" : "near_duplicate";
    return Status(Code::kInvalidArgument,
                  field +
                      " compares the embeddings of documents, but the collection has none; leave "
                      "it out, or index with embeddings",
                  {.field = field});
  }
  if (request.embedding.empty()) return {};
  if (!vectors)
    return Status(Code::kInvalidArgument,
                  "the query has an embedding, but the collection has none; leave it out, or index "
                  "with embeddings",
                  {.field = "embedding"});
  if (request.embedding.size() != vectors->dim())
    return Status(Code::kInvalidArgument,
                  fmt::format("the embedding has {} dimensions, those of the collection have {}",
                              request.embedding.size(), vectors->dim()),
                  {.field = "embedding"});
  for (std::size_t i = 0; i < request.embedding.size(); ++i)
    if (!std::isfinite(request.embedding[i]))
      return Status(Code::kInvalidArgument,
                    fmt::format("value {} of the embedding is not a finite number", i),
                    {.field = "embedding"});
  return {};
}

/// Chooses α and the paths.
void Collection::State::Decide(const SearchRequest& request, SearchResult* result) const {
  FusionWeights& used = result->weights;
  used = weights;
  result->alpha_source = AlphaSource::kIndex;
  if (request.fusion && *request.fusion != weights.method) {
    // The stored α was found with another normalization: it says nothing here.
    used = {.alpha = FusionWeights{}.alpha, .method = *request.fusion};
    result->alpha_source = AlphaSource::kDefault;
  }
  if (request.alpha) {
    used.alpha = *request.alpha;
    result->alpha_source = AlphaSource::kRequest;
  }
  const bool no_lexical = request.text.empty() || lexical.terms() == 0;
  if (request.embedding.empty()) {
    if (used.alpha < 1) {
      result->note = vectors ? "no embedding: BM25 alone" : "no embeddings indexed: BM25 alone";
      result->alpha_source = AlphaSource::kSinglePath;
    }
    used.alpha = 1;
  } else if (no_lexical && used.alpha > 0 && !(used.alpha >= 1 && lexical.terms() > 0)) {
    result->note =
        request.text.empty() ? "no text: vectors alone" : "no text indexed: vectors alone";
    result->alpha_source = AlphaSource::kSinglePath;
    used.alpha = 0;
  }
  const bool asked_for = request.both_paths || request.decide != nullptr;
  const bool both = asked_for && !no_lexical && !request.embedding.empty();
  result->lexical_searched = used.alpha > 0 || both;
  result->vector_searched = used.alpha < 1 || both;
}

/// Gives every candidate that the terms alone have found its true score by the vectors.
Status Collection::State::FillMissing(const SearchRequest& request,
                                      std::vector<Candidate>* candidates) const {
  std::vector<std::uint32_t> docs;
  for (const Candidate& c : *candidates)
    if (c.vector_rank == 0) docs.push_back(c.doc);
  std::vector<float> scores(docs.size());
  EQUIPOISE_RETURN_IF_ERROR(vectors->Score(request.embedding, docs, scores));
  std::size_t next = 0;
  for (Candidate& c : *candidates)
    if (c.vector_rank == 0) c.vector = scores[next++];
  return {};
}

/// The lowest score that any row can have: −1 for a cosine.
float Collection::State::LowestVectorScore(std::span<const float> query) const {
  if (vectors->metric() == Metric::kCosine) return -1.0f;
  double norm = 0;
  for (float x : query) norm += double{x} * x;
  const double farthest = std::sqrt(norm) + double{vectors->max_norm()};
  const double lowest = vectors->metric() == Metric::kL2
                            ? -farthest * farthest
                            : -std::sqrt(norm) * double{vectors->max_norm()};
  // Finite, so that scores still differ when they are seen from there.
  constexpr double kLowest = std::numeric_limits<float>::lowest();
  return static_cast<float>(std::max(lowest, kLowest));
}

/// Of the fused candidates, best first, without near-duplicates `most`, and of these those that MMR chooses
/// in its order, each where it is asked for. similarities [k] with mmr. Once it is to stop, those that nobody
/// has compared follow as they were.
Status Collection::State::Diversify(const SearchRequest& request, std::size_t most, StopCheck* stop,
                                    std::vector<Candidate>* candidates,
                                    std::vector<float>* similarities) const {
  const std::size_t d = vectors->dim();
  std::vector<std::uint32_t> docs;
  for (const Candidate& c : *candidates) docs.push_back(c.doc);
  std::vector<float> rows;
  EQUIPOISE_RETURN_IF_ERROR(ReadUnitRows(*vectors, docs, stop, &rows));
  if (stop->Due()) {
    candidates->resize(std::min(candidates->size(), request.k));
    return {};
  }
  if (request.near_duplicate) {
    std::size_t kept = 0;
    for (const std::size_t i : WithoutNearDuplicates(MatrixView<float>(rows.data(), docs.size(), d),
                                                     *request.near_duplicate, most, stop)) {
      (*candidates)[kept] = (*candidates)[i];
      std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(i * d), d,
                  rows.begin() + static_cast<std::ptrdiff_t>(kept++ * d));
    }
    candidates->resize(kept);
  }
  if (!request.mmr) return {};
  const std::size_t m = candidates->size();
  std::vector<float> relevance(m);
  const float best = m > 0 ? candidates->front().score : 0;
  for (std::size_t i = 0; i < m; ++i)
    relevance[i] = best > 0 ? (*candidates)[i].score / best : 0.0f;
  std::vector<Candidate> chosen;
  for (const DiversePick& pick : PickDiverse(relevance, MatrixView<float>(rows.data(), m, d),
                                             *request.mmr, request.k, stop)) {
    chosen.push_back((*candidates)[pick.position]);
    similarities->push_back(pick.similarity);
  }
  *candidates = std::move(chosen);
  return {};
}

/// Without the operators of the text: its words, and the documents that it allows.
Status Collection::State::RunOperators(const SearchRequest& request, SearchResult* result) const {
  const auto start = Clock::now();
  EQUIPOISE_RETURN_IF_ERROR(Check(request));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto clauses, ParseQuery(request.text));
  std::optional<RowSet> made;
  EQUIPOISE_ASSIGN_OR_RETURN(std::optional<RowSet> allowed,
                             AllowedDocuments(request.text, clauses, Allowed(request, &made),
                                              analyzer, lexical, documents));
  const std::string words = ScoredText(request.text, clauses);
  SearchRequest asked = request;
  asked.syntax = QuerySyntax::kPlain;
  asked.text = words;
  if (allowed) {
    asked.allowed = &*allowed;
    asked.filter = nullptr;  // what it matches is in there
  }
  result->times.analysis_ns = NanosecondsSince(start);
  return Run(asked, start, result);
}

Status Collection::State::Run(const SearchRequest& request, Clock::time_point start,
                              SearchResult* result) const {
  EQUIPOISE_RETURN_IF_ERROR(Check(request));
  Decide(request, result);
  const std::size_t lexical_depth =
      request.lexical_depth > 0 ? request.lexical_depth : request.depth;
  const std::size_t vector_depth = request.vector_depth > 0 ? request.vector_depth : request.depth;
  LayerTimes& times = result->times;
  std::optional<RowSet> made;
  const RowSet* const allowed = Allowed(request, &made);

  PathLists lists;
  EQUIPOISE_RETURN_IF_ERROR(AskPaths(
      {.analyzer = analyzer,
       .lexical = lexical,
       .vectors = vectors ? &*vectors : nullptr,
       .workers = workers},
      request, allowed, {std::max(lexical_depth, request.k), std::max(vector_depth, request.k)},
      result, &lists));
  result->vector = lists.vector_report;
  if (request.cancellation != nullptr && request.cancellation->cancelled()) return Cancelled();
  if (result->partial) DecideAgain(result);
  if (result->lexical_searched) {
    analysis_time->Record(times.analysis_ns);
    lexical_time->Record(times.lexical_ns);
  }
  if (result->vector_searched) vector_time->Record(times.vector_ns);
  const std::uint64_t until_fusion = NanosecondsSince(start);

  std::vector<Candidate> candidates = Union(lists);
  if (result->lexical_searched && result->vector_searched)
    EQUIPOISE_RETURN_IF_ERROR(FillMissing(request, &candidates));
  if (request.decide != nullptr && result->lexical_searched && result->vector_searched &&
      !result->partial)
    EQUIPOISE_RETURN_IF_ERROR(DecideByFeatures(request, analyzer, lexical, lists, candidates,
                                               {lexical_depth, vector_depth}, result));
  const FusionMethod method = result->weights.method;
  FusionScale scale{.method = method,
                    .alpha = result->weights.alpha,
                    .lexical_depth = lexical_depth,
                    .vector_depth = vector_depth};
  if (result->lexical_searched)
    scale.lexical = LexicalFrame(method, lists.lexical, lexical_depth,
                                 allowed == nullptr ? documents.size() : allowed->Count());
  if (result->vector_searched)
    scale.vector =
        VectorFrame(method, lists.vector, vector_depth, LowestVectorScore(request.embedding));
  if (request.keep_candidates) KeepScores(scale, &candidates, result);
  const std::size_t most = request.mmr ? std::max(request.k, request.mmr_candidates) : request.k;
  Fuse(scale, request.near_duplicate ? candidates.size() : most, &candidates);
  std::erase_if(candidates, [&](const Candidate& c) { return c.score < request.min_score; });
  std::vector<float> similarities;
  if (request.mmr || request.near_duplicate) {
    const auto before = Clock::now();
    StopCheck stop(request.deadline, request.cancellation);
    if (result->partial)
      candidates.resize(std::min(candidates.size(), request.k));
    else
      EQUIPOISE_RETURN_IF_ERROR(Diversify(request, most, &stop, &candidates, &similarities));
    if (stop.stopped()) {
      result->cut = SearchLayer::kDiversity;
      result->partial = true;
    }
    times.diversity_ns = NanosecondsSince(before);
  }
  if (request.cancellation != nullptr && request.cancellation->cancelled()) return Cancelled();

  result->hits.reserve(candidates.size());
  for (const Candidate& c : candidates)
    result->hits.push_back({.id = std::string(documents.Id(c.doc)),
                            .doc = c.doc,
                            .score = c.score,
                            .lexical = c.lexical,
                            .vector = c.vector,
                            .lexical_normalized = c.lexical_normalized,
                            .vector_normalized = c.vector_normalized,
                            .lexical_rank = c.lexical_rank,
                            .vector_rank = c.vector_rank});
  for (std::size_t i = 0; i < similarities.size(); ++i)
    result->hits[i].similarity = similarities[i];
  times.total_ns = NanosecondsSince(start);
  // One after the other, the layers add up to the whole.
  const bool at_once =
      request.parallel_paths && result->lexical_searched && result->vector_searched;
  times.fusion_ns =
      times.total_ns - times.diversity_ns -
      (at_once ? until_fusion : times.analysis_ns + times.lexical_ns + times.vector_ns);
  fusion_time->Record(times.fusion_ns);
  total_time->Record(times.total_ns);
  return {};
}

Result<SearchResult> Collection::Search(const SearchRequest& request) const {
  try {
    SearchResult result;
    EQUIPOISE_RETURN_IF_ERROR(request.syntax == QuerySyntax::kOperators
                                  ? state_->RunOperators(request, &result)
                                  : state_->Run(request, Clock::now(), &result));
    return result;
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "no memory for this search; ask for a smaller k or depth");
  } catch (const std::length_error&) {
    return Status(Code::kOutOfMemory, "no memory for this search; ask for a smaller k or depth");
  }
}

std::vector<Result<SearchResult>> Collection::SearchBatch(std::span<const SearchRequest> requests,
                                                          int threads) const {
  std::vector<Result<SearchResult>> results(requests.size(), Status(Code::kInternal, "not run"));
  ParallelFor(requests.size(), threads, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t i = begin; i < end; ++i) results[i] = Search(requests[i]);
  });
  return results;
}

// Looking at documents and at the index

StoredDocument Collection::Get(std::uint32_t doc) const { return state_->documents.Get(doc); }

std::optional<std::uint32_t> Collection::Find(std::string_view id) const {
  return state_->documents.Find(id);
}

std::optional<FieldValue> Collection::Value(std::uint32_t doc, std::string_view field) const {
  const Columns::Column* column = state_->columns.Find(field);
  if (column == nullptr) return {};
  return state_->columns.Value(*column, doc);
}

const Columns& Collection::columns() const { return state_->columns; }
const VectorIndex* Collection::vectors() const {
  return state_->vectors ? &*state_->vectors : nullptr;
}

void Collection::ScoreLexical(std::string_view text, std::span<const std::uint32_t> docs,
                              std::span<float> scores) const {
  state_->lexical.Score(state_->analyzer.Analyze(text), docs, scores);
}

float Collection::LowestVectorScore(std::span<const float> query) const {
  return state_->LowestVectorScore(query);
}

std::vector<std::string> Collection::State::Tokens(std::string_view text,
                                                   QuerySyntax syntax) const {
  if (syntax == QuerySyntax::kOperators)
    if (const auto clauses = ParseQuery(text); clauses.ok())
      return analyzer.Analyze(ScoredText(text, *clauses));
  return analyzer.Analyze(text);
}

std::vector<TermScore> Collection::ExplainLexical(std::string_view text, std::uint32_t doc,
                                                  QuerySyntax syntax) const {
  return state_->lexical.Explain(state_->Tokens(text, syntax), doc);
}

std::vector<std::vector<TermScore>> Collection::ExplainLexical(std::string_view text,
                                                               std::span<const std::uint32_t> docs,
                                                               QuerySyntax syntax) const {
  return state_->lexical.Explain(state_->Tokens(text, syntax), docs);
}

DocumentSnippet Collection::SnippetOf(std::uint32_t doc, std::string_view query, QuerySyntax syntax,
                                      const SnippetOptions& options) const {
  const auto terms = ExplainLexical(query, doc, syntax);
  const StoredDocument document = Get(doc);
  return {.title_matches = FindMatches(document.title, terms, state_->analyzer, options),
          .text = MakeSnippet(document.text, terms, state_->analyzer, options)};
}

std::uint32_t Collection::documents() const { return state_->documents.size(); }
std::size_t Collection::dimensions() const { return state_->vectors ? state_->vectors->dim() : 0; }
bool Collection::has_text() const { return state_->lexical.terms() > 0; }
bool Collection::stores_text() const { return state_->documents.has_text(); }
FusionWeights Collection::weights() const { return state_->weights; }
std::optional<Bm25Fields> Collection::fields() const { return state_->lexical.fields(); }

std::uint64_t Collection::fingerprint() const { return state_->fingerprint; }

const Telemetry& Collection::telemetry() const { return state_->telemetry; }

CollectionInfo Collection::Info() const {
  const State& s = *state_;
  CollectionInfo info;
  info.folder = s.folder;
  info.library_version = s.manifest.library_version;
  info.format_version = s.manifest.format_version;
  info.documents = documents();
  info.dimensions = dimensions();
  info.terms = s.lexical.terms();
  info.postings = s.lexical.postings();
  info.average_length = s.lexical.average_length();
  info.settings = s.manifest.settings;
  for (const Manifest::File& file : s.manifest.files) info.bytes += file.bytes;
  auto add = [&](const char* name, const std::vector<CheckedFile::SectionInfo>& sections) {
    for (const auto& section : sections) info.parts.push_back({name, section.name, section.bytes});
  };
  add(files::kDocuments, s.documents.file().Sections());
  for (auto section : s.columns.file().Sections()) {
    // "2.values" is a part of the third column: its name says more.
    std::size_t number = 0;
    const char* end = section.name.data() + section.name.size();
    const auto [dot, error] = std::from_chars(section.name.data(), end, number);
    std::string name = section.name;
    if (error == std::errc() && number < s.columns.all().size())
      name = s.columns.all()[number].name + std::string(dot, end);
    info.parts.push_back({files::kColumns, std::move(name), section.bytes});
  }
  add(files::kLexical, s.lexical.parts());
  if (s.vectors) {
    const VectorIndexBytes bytes = s.vectors->bytes();
    info.parts.push_back({files::kVectors, "rows", bytes.rows});
    info.parts.push_back({files::kGraph, "codes", bytes.codes});
    info.parts.push_back({files::kGraph, "links", bytes.links});
    info.parts.push_back({files::kGraph, "sketches", bytes.sketches});
    info.target_recall = s.vectors->target_recall();
    const auto points = s.vectors->recall_points();
    info.recall.assign(points.begin(), points.end());
  }
  return info;
}

Status Collection::Verify() const {
  const State& s = *state_;
  EQUIPOISE_RETURN_IF_ERROR(s.documents.file().Verify());
  EQUIPOISE_RETURN_IF_ERROR(s.columns.file().Verify());
  EQUIPOISE_RETURN_IF_ERROR(s.lexical.Verify());
  return s.vectors ? s.vectors->Verify() : Status();
}

}  // namespace equipoise
