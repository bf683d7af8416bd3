#include <chrono>
#include <new>

#include <equipoise/core/check.h>
#include <equipoise/core/matrix_file.h>
#include <equipoise/engine/engine.h>
#include <equipoise/kernels/hardware.h>
#include <equipoise/retrieval/corpus_reader.h>

namespace equipoise {
namespace {

constexpr std::uint64_t kReports = 200;  // progress callbacks over a whole corpus

Status NoMemory() { return Status(Code::kOutOfMemory, "not enough memory to build the index"); }

/// Adds every document of the corpus.
Status AddCorpus(CorpusReader* reader, const ProgressCallback& progress,
                 CollectionBuilder* builder) {
  const std::uint64_t step = std::max<std::uint64_t>(1, reader->bytes_total() / kReports);
  std::uint64_t next = 0;
  Document document;
  for (;;) {
    EQUIPOISE_ASSIGN_OR_RETURN(const bool more, reader->Next(&document));
    if (Status status = more ? builder->Add(document) : Status(); !status.ok())
      return status.At(reader->Place());
    const std::uint64_t done = reader->bytes_read();
    if (progress && (done >= next || !more)) {
      next = done + step;
      if (!progress({.stage = "documents", .done = done, .total = reader->bytes_total()}))
        return Status(Code::kCancelled, "stopped while reading documents");
    }
    if (!more) return {};
  }
}

}  // namespace

Status Engine::Build(const std::string& folder, std::span<const Document> documents,
                     EmbeddingsView embeddings, const CollectionOptions& options) try {
  EQUIPOISE_RETURN_IF_ERROR(DefaultSimdLevel().error());
  EQUIPOISE_ASSIGN_OR_RETURN(CollectionBuilder builder, CollectionBuilder::Begin(folder, options));
  for (const Document& document : documents) EQUIPOISE_RETURN_IF_ERROR(builder.Add(document));
  return builder.Finish(embeddings);
} catch (const std::bad_alloc&) {
  return NoMemory();
}

Result<IndexReport> Engine::BuildFromFiles(const std::string& folder, const IndexSources& sources,
                                           const CollectionOptions& options) try {
  EQUIPOISE_RETURN_IF_ERROR(DefaultSimdLevel().error());
  const auto start = std::chrono::steady_clock::now();
  // The embeddings first: a wrong file should not cost the time of reading the corpus.
  MatrixFile embeddings;
  if (!sources.embeddings.empty()) {
    EQUIPOISE_ASSIGN_OR_RETURN(embeddings, MatrixFile::Open(sources.embeddings));
    EQUIPOISE_RETURN_IF_ERROR(CheckFinite(embeddings.view(), sources.embeddings));
  }
  EQUIPOISE_ASSIGN_OR_RETURN(CorpusReader reader, CorpusReader::Open(sources.corpus));
  EQUIPOISE_ASSIGN_OR_RETURN(CollectionBuilder builder, CollectionBuilder::Begin(folder, options));
  EQUIPOISE_RETURN_IF_ERROR(AddCorpus(&reader, options.progress, &builder));
  if (Status status = builder.Finish(embeddings.view()); !status.ok())
    return status.code() == Code::kInvalidArgument ? status.At({.file = sources.embeddings})
                                                   : status;
  return IndexReport{
      .documents = builder.documents(),
      .dimensions = embeddings.cols(),
      .seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()};
} catch (const std::bad_alloc&) {
  return NoMemory();
}

Result<Engine> Engine::Open(const std::string& folder) {
  EQUIPOISE_RETURN_IF_ERROR(DefaultSimdLevel().error());
  EQUIPOISE_ASSIGN_OR_RETURN(Collection collection, Collection::Open(folder));
  return Engine(std::move(collection));
}

Status Engine::UseDetector(std::shared_ptr<const DomainDetector> detector) {
  const std::size_t dimensions = collection_.dimensions();
  if (detector != nullptr && dimensions > 0 && detector->dimensions() != dimensions)
    return Status(
        Code::kInvalidArgument,
        fmt::format("the domains were fitted on embeddings of {} dimensions, the index has {}; fit "
                    "them on embeddings of the same model",
                    detector->dimensions(), dimensions),
        {.field = "detector"});
  detector_ = std::move(detector);
  return {};
}

Result<SearchResult> Engine::Search(const SearchRequest& request) const try {
  auto found = collection_.Search(request);
  if (!found) return found;
  QueryDomain& domain = found->domain;
  if (!request.domain.empty()) {
    domain = {.name = std::string(request.domain),
              .probability = 1,
              .margin = 1,
              .decider = DomainDecider::kCaller};
  } else if (detector_ != nullptr && !request.embedding.empty()) {
    const auto start = std::chrono::steady_clock::now();
    DomainGuess guess;
    EQUIPOISE_RETURN_IF_ERROR(
        detector_->Detect(MatrixView<float>(request.embedding.data(), 1, request.embedding.size()),
                          std::span(&guess, 1)));
    domain = {.name = detector_->domains()[guess.domain],
              .second = detector_->domains()[guess.second],
              .probability = guess.probability,
              .margin = guess.margin,
              .general = guess.general,
              .decider = DomainDecider::kDetected};
    found->times.domain_ns =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                       std::chrono::steady_clock::now() - start)
                                       .count());
    found->times.total_ns += found->times.domain_ns;
  }
  return found;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory to search");
}

}  // namespace equipoise
