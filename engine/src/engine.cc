#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <new>
#include <unordered_map>

#include <equipoise/core/check.h>
#include <equipoise/core/matrix_file.h>
#include <equipoise/engine/engine.h>
#include <equipoise/engine/tuning.h>
#include <equipoise/kernels/hardware.h>
#include <equipoise/optimizer/pareto_router.h>
#include <equipoise/retrieval/corpus_reader.h>

#include "learner.h"

namespace equipoise {
namespace {

std::uint64_t NanosecondsSince(std::chrono::steady_clock::time_point start) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start)
          .count());
}

const Configuration kNoConfiguration;                   // nothing is said, nothing is switched off
constexpr std::uint64_t kReplayedForSnapshot = 10'000;  // half a second of replaying

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

/// Read by every search: the pointer is copied under a lock that is held no longer, and only once there is
/// one.
struct Engine::InUse {
  std::mutex mutex;
  std::atomic<bool> any{false};
  std::shared_ptr<const Configuration> configuration;

  std::shared_ptr<const Configuration> Get() {
    if (!any.load(std::memory_order_acquire)) return nullptr;
    const std::lock_guard lock(mutex);
    return configuration;
  }
};

Engine::Engine(Collection collection, std::string folder)
    : collection_(std::move(collection)),
      folder_(std::move(folder)),
      router_(std::make_unique<ParetoRouter>()),
      in_use_(std::make_unique<InUse>()) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Result<Engine> Engine::Open(const std::string& folder) {
  EQUIPOISE_RETURN_IF_ERROR(DefaultSimdLevel().error());
  EQUIPOISE_ASSIGN_OR_RETURN(Collection collection, Collection::Open(folder));
  return Engine(std::move(collection), folder);
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

Status Engine::Detect(const SearchRequest& request, QueryDomain* domain) const {
  if (!request.domain.empty()) {
    *domain = {.name = std::string(request.domain),
               .probability = 1,
               .margin = 1,
               .decider = DomainDecider::kCaller};
    return {};
  }
  if (detector_ == nullptr || request.embedding.empty()) return {};
  DomainGuess guess;
  EQUIPOISE_RETURN_IF_ERROR(
      detector_->Detect(MatrixView<float>(request.embedding.data(), 1, request.embedding.size()),
                        std::span(&guess, 1)));
  *domain = {.name = detector_->domains()[guess.domain],
             .second = detector_->domains()[guess.second],
             .probability = guess.probability,
             .margin = guess.margin,
             .general = guess.general,
             .decider = DomainDecider::kDetected};
  return {};
}

Result<SearchResult> Engine::Search(const SearchRequest& request) const {
  const auto configuration = in_use_->Get();
  return configuration == nullptr ? Run(request, kNoConfiguration, {})
                                  : RunWith(request, *configuration);
}

Result<InterleavedResult> Engine::SearchInterleaved(const SearchRequest& request,
                                                    double first_alpha, double second_alpha,
                                                    std::uint64_t random) const try {
  InterleavedResult out;
  SearchRequest first = request;
  first.alpha = first_alpha;
  first.both_paths = true;
  const auto draft = [&](const SearchRequest& asked, SearchResult* found) -> Status {
    SearchRequest second = asked;
    second.alpha = second_alpha;
    EQUIPOISE_ASSIGN_OR_RETURN(SearchResult other, collection_.Search(second));
    std::unordered_map<std::uint32_t, Hit*> hits;
    std::array<std::vector<std::uint32_t>, 2> rankings;
    for (const std::size_t side : {0, 1})
      for (Hit& hit : (side == 0 ? *found : other).hits) {
        rankings[side].push_back(hit.doc);
        hits.emplace(hit.doc, &hit);
      }
    EQUIPOISE_ASSIGN_OR_RETURN(out.draft, TeamDraft(rankings[0], rankings[1], request.k, random));
    std::vector<Hit> drafted;
    for (const std::uint32_t doc : out.draft.items) drafted.push_back(std::move(*hits.at(doc)));
    found->hits = std::move(drafted);
    if (other.partial && !found->partial) found->cut = other.cut;
    found->partial |= other.partial;
    return {};
  };
  const auto configuration = in_use_->Get();
  const Configuration& switches = configuration == nullptr ? kNoConfiguration : *configuration;
  if (configuration != nullptr)
    first = Configured(first, *configuration, collection_.weights().method);
  EQUIPOISE_ASSIGN_OR_RETURN(out.result, Run(first, switches, draft));
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "SearchInterleaved: not enough memory");
}

Result<SearchResult> Engine::Run(
    const SearchRequest& request, const Configuration& switches,
    const std::function<Status(const SearchRequest&, SearchResult*)>& change) const try {
  // The domain first: the policy decides α for it. What is wrong with the query is said by the
  // collection, whose checks go further.
  QueryDomain domain;
  const auto start = std::chrono::steady_clock::now();
  const Status detected =
      switches.detector || !request.domain.empty() ? Detect(request, &domain) : Status();
  const std::uint64_t domain_ns = NanosecondsSince(start);
  std::uint64_t policy_ns = 0;
  SearchRequest asked = request;
  SearchContext context;
  Learner::DecideByFeatures decide;
  bool decided = false;
  const bool learns = learner_ != nullptr && detected.ok();
  if (learns) {
    const bool named = !domain.name.empty() && !domain.general;
    context.domain = named ? domain.name : std::string(kGeneralDomain);
    EQUIPOISE_ASSIGN_OR_RETURN(decided, learner_->Decide(request, collection_, switches.bandit,
                                                         domain, &context, &asked, &decide));
    policy_ns = NanosecondsSince(start) - domain_ns;
  }
  auto found = collection_.Search(asked);
  if (!found) return found;
  EQUIPOISE_RETURN_IF_ERROR(detected);
  if (decide) EQUIPOISE_RETURN_IF_ERROR(Learner::CheckDecision(context.decision));
  if (domain.decider == DomainDecider::kDetected) {
    found->times.domain_ns = domain_ns;
    found->times.total_ns += domain_ns;
  }
  found->times.policy_ns = policy_ns;
  found->times.total_ns += policy_ns;
  found->domain = std::move(domain);
  if (change) EQUIPOISE_RETURN_IF_ERROR(change(asked, &*found));
  if (learns) {
    const auto before = std::chrono::steady_clock::now();
    learner_->Remember(request, decided, std::move(context), &*found);
    const std::uint64_t keeping_ns = NanosecondsSince(before);
    found->times.policy_ns += keeping_ns;
    found->times.total_ns += keeping_ns;
  }
  return found;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory to search");
}

Result<SearchResult> Engine::Search(const SearchRequest& request,
                                    const Configuration& configuration) const {
  EQUIPOISE_RETURN_IF_ERROR(CheckConfiguration(configuration));
  const auto in_use = in_use_->Get();
  if (in_use == nullptr) return RunWith(request, configuration);
  // What is switched off stays off.
  Configuration own = configuration;
  own.detector = own.detector && in_use->detector;
  own.bandit = own.bandit && in_use->bandit;
  return RunWith(request, own);
}

Result<SearchResult> Engine::RunWith(const SearchRequest& request,
                                     const Configuration& configuration) const {
  auto found =
      Run(Configured(request, configuration, collection_.weights().method), configuration, {});
  if (found && !request.alpha && found->alpha_source == AlphaSource::kRequest)
    found->alpha_source = AlphaSource::kConfigured;
  return found;
}

Status Engine::UseConfiguration(const Configuration& configuration) const try {
  EQUIPOISE_RETURN_IF_ERROR(CheckConfiguration(configuration));
  auto made = std::make_shared<const Configuration>(configuration);
  EQUIPOISE_RETURN_IF_ERROR(UseMachine(configuration));
  {
    const std::lock_guard lock(in_use_->mutex);
    in_use_->configuration.swap(made);
  }
  in_use_->any.store(true, std::memory_order_release);
  return {};
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "UseConfiguration: not enough memory");
}

// Fronts

namespace {

/// A front's points to be picked from, and what they stand for.
struct Serving : PreferenceTable {
  Serving(PreferenceTable table, TunedFront served)
      : PreferenceTable(std::move(table)), front(std::move(served)) {}
  TunedFront front;
};

}  // namespace

Result<bool> Engine::UseFront(const TunedFront& front) const try {
  EQUIPOISE_ASSIGN_OR_RETURN(PreferenceTable table, TableOf(front));
  // What only tells how the front came about is not kept.
  TunedFront served;
  served.objectives = front.objectives;
  served.points = front.points;
  router_->Use(std::make_shared<const Serving>(std::move(table), std::move(served)));
  return MadeOn(front, collection_.fingerprint());
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "UseFront: not enough memory");
}

Result<Configuration> Engine::Pick(const FrontPreference& preference) const try {
  const std::shared_ptr<const PreferenceTable> table = router_->table();
  if (table == nullptr)
    return Status(Code::kUnavailable, "Pick: no front is in use; UseFront gives one");
  const TunedFront& front = static_cast<const Serving&>(*table).front;
  EQUIPOISE_ASSIGN_OR_RETURN(const Preference wanted, PreferenceFor(front, preference));
  EQUIPOISE_ASSIGN_OR_RETURN(const std::uint32_t point, table->Pick(wanted));
  return front.points[point].configuration;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "Pick: not enough memory");
}

Result<SearchResult> Engine::Search(const SearchRequest& request,
                                    const FrontPreference& preference) const {
  const auto in_use = in_use_->Get();
  if (in_use != nullptr && !in_use->router) return RunWith(request, *in_use);
  EQUIPOISE_ASSIGN_OR_RETURN(const Configuration configuration, Pick(preference));
  return Search(request, configuration);
}

// Learning

namespace {

Status NoPolicy(const char* function) {
  return Status(
      Code::kUnavailable,
      fmt::format("{}: no policy is in use; UsePolicy or LoadPolicy gives one", function));
}

}  // namespace

Status Engine::UsePolicy(std::shared_ptr<WeightPolicy> policy, const LearningOptions& options) try {
  if (policy == nullptr) {
    learner_ = nullptr;
    return {};
  }
  EQUIPOISE_ASSIGN_OR_RETURN(learner_, Learner::Make(std::move(policy), options, collection_));
  return {};
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "UsePolicy: not enough memory; remember fewer queries");
}

Result<FeedbackOutcome> Engine::Feedback(const QueryFeedback& feedback) const try {
  if (learner_ == nullptr) return NoPolicy("Feedback");
  const auto in_use = in_use_->Get();
  return learner_->Learn(feedback, collection_, in_use == nullptr || in_use->filter);
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "Feedback: not enough memory");
}

Status Engine::SavePolicy(const std::string& path) const try {
  if (learner_ == nullptr) return NoPolicy("SavePolicy");
  return learner_->Save(path.empty() ? folder_ + "/POLICY" : path, path.empty());
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "SavePolicy: not enough memory", {.file = path});
}

Status Engine::LoadPolicy(const std::string& path, const LearningOptions& options,
                          const PolicyLoader& loader) try {
  EQUIPOISE_ASSIGN_OR_RETURN(learner_, Learner::Load(path.empty() ? folder_ + "/POLICY" : path,
                                                     options, loader, collection_));
  return {};
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "LoadPolicy: not enough memory", {.file = path});
}

Result<LearningResumed> Engine::KeepLearning(std::shared_ptr<WeightPolicy> fresh,
                                             const LearningOptions& options,
                                             const FeedbackLogOptions& log,
                                             const PolicyLoader& loader) try {
  constexpr const char* kWhere = "KeepLearning";
  if (fresh == nullptr)
    return Status(Code::kInvalidArgument, "KeepLearning: there is no policy", {.field = "fresh"});
  if (const double retention = log.retention; !(retention > 0))
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: retention = {} is not above 0", kWhere, retention),
                  {.field = "retention"});
  // The log first: no other engine replaces the snapshot and shortens the log from here on, and one that
  // only reads finds a snapshot that is as new as the log, or newer.
  EQUIPOISE_ASSIGN_OR_RETURN(
      auto opened, FeedbackLog::Open(folder_ + "/FEEDBACK", collection_.fingerprint(), log));
  auto learner = Learner::Load(folder_ + "/POLICY", options, loader, collection_);
  const Status why = learner.error();
  const bool damaged = why.code() == Code::kCorruption || why.code() == Code::kUnsupported;
  if (!learner && !damaged && why.code() != Code::kNotFound) return why;
  if (!learner) learner = Learner::Make(std::move(fresh), options, collection_);
  if (!learner) return learner.error();
  EQUIPOISE_ASSIGN_OR_RETURN(LearningResumed resumed, (*learner)->Resume(std::move(opened)));
  resumed.snapshot = why.ok();
  if (damaged && resumed.forgotten > 0) return why;
  learner_ = *std::move(learner);
  // So that the next start does not replay it all again; one that cannot be written costs only that.
  if (resumed.replayed >= kReplayedForSnapshot && log.access == LogAccess::kWrite)
    static_cast<void>(learner_->Save(folder_ + "/POLICY", /*cache=*/true));
  return resumed;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "KeepLearning: not enough memory", {.file = folder_});
}

std::shared_ptr<const WeightPolicy> Engine::policy() const {
  return learner_ == nullptr ? nullptr : learner_->policy();
}

}  // namespace equipoise
