#include "search_paths.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <system_error>

#include <equipoise/core/check.h>
#include <equipoise/retrieval/vector_path.h>

namespace equipoise {
namespace {

using Clock = std::chrono::steady_clock;

std::uint64_t NanosecondsSince(Clock::time_point start) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count());
}

// Where a walk for this many may end: less far beyond the last one than for ten, since most of what is
// wanted lies well before it. The margin that finds 0.995 of the ten nearest (npl 0.12, wordnet 0.16)
// finds all of 100; times the root of 10 / 100 it finds 0.998 and 0.994 of them and 0.9997 and more of the
// ten, in less than half of the time. Beyond 100 nothing was measured.
float MarginFor(const VectorIndex& vectors, float target, std::size_t k) {
  constexpr std::size_t kMeasured = 10, kMost = 100;
  const auto points = vectors.recall_points();
  if (points.empty() || k <= kMeasured) return VectorIndex::SearchParams{}.margin;
  float margin = points.back().margin;
  for (const RecallPoint& point : points)
    if (point.target >= (target > 0 ? target : vectors.target_recall())) {
      margin = point.margin;
      break;
    }
  const double ranks = static_cast<double>(std::min(k, kMost)) / kMeasured;
  return static_cast<float>(margin / std::sqrt(ranks));
}

class Search {
 public:
  Search(const SearchPaths& paths, const SearchRequest& request, const RowSet* allowed,
         PathDepths depths, LayerTimes* times, PathLists* lists)
      : paths_(paths),
        request_(request),
        allowed_(allowed),
        depths_(depths),
        times_(*times),
        lists_(*lists),
        stops_(request.deadline.has_value() || request.cancellation != nullptr),
        vector_stop_(request.deadline, request.cancellation),
        lexical_stop_(request.deadline, request.cancellation) {}

  Status AskVectors() {
    if (stops_ && vector_stop_.Due()) return {};
    const auto start = Clock::now();
    const VectorIndex& vectors = *paths_.vectors;
    auto params = VectorPathParams(vectors, request_, depths_.vector, allowed_);
    if (stops_) params.stop = &vector_stop_;
    EQUIPOISE_ASSIGN_OR_RETURN(lists_.vector,
                               vectors.Search(request_.embedding, params, &lists_.vector_report));
    found_.reserve(lists_.vector.size());
    for (const Scored& item : lists_.vector) found_.push_back(item.id);
    times_.vector_ns = NanosecondsSince(start);
    return {};
  }

  // What the vectors have found is there, or when `vectors` returns, which is called before the end.
  void AskTerms(const std::function<void()>& vectors = {}) {
    if (stops_ && lexical_stop_.Due()) {
      if (vectors) vectors();  // whoever finds them is waited for
      return;
    }
    auto start = Clock::now();
    std::vector<std::string> tokens;
    paths_.analyzer.Analyze(request_.text, &tokens);
    times_.analysis_ns += NanosecondsSince(start);
    start = Clock::now();
    std::uint64_t waited = 0;
    const auto also = [&] {
      const auto before = Clock::now();
      if (vectors) vectors();
      waited = NanosecondsSince(before);
      return std::span<const std::uint32_t>(found_);
    };
    std::optional<std::span<const std::uint64_t>> words;
    if (allowed_ != nullptr) words = allowed_->words();
    lists_.lexical = paths_.lexical.SearchAndScore(tokens, depths_.lexical, words, also,
                                                   &lists_.lexical_of_vector, vectors != nullptr,
                                                   stops_ ? &lexical_stop_ : nullptr);
    times_.lexical_ns = NanosecondsSince(start) - waited;
  }

  // What the request's end has cut short.
  void Report(SearchResult* result) const {
    const bool vector = vector_stop_.stopped(), lexical = lexical_stop_.stopped();
    if (!vector && !lexical) return;
    result->partial = true;
    result->cut = vector ? SearchLayer::kVector : SearchLayer::kLexical;
    if (vector && lists_.vector.empty()) result->vector_searched = false;
    if (lexical && lists_.lexical.empty()) result->lexical_searched = false;
  }

  Status AskBothAtOnce(PathWorker* worker) {
    Soon vectors_done;
    std::exception_ptr thrown;
    const std::function<void()> terms = [&] {
      try {
        AskTerms([&] { vectors_done.Wait(); });
      } catch (...) {
        thrown = std::current_exception();
      }
    };
    worker->Start(terms);
    Status status;
    try {
      status = AskVectors();
    } catch (...) {
      found_.clear();
      vectors_done.Set();
      worker->Wait();
      throw;
    }
    vectors_done.Set();
    worker->Wait();
    if (thrown) std::rethrow_exception(thrown);
    return status;
  }

 private:
  const SearchPaths& paths_;
  const SearchRequest& request_;
  const RowSet* allowed_;
  PathDepths depths_;
  LayerTimes& times_;
  PathLists& lists_;
  const bool stops_;
  StopCheck vector_stop_, lexical_stop_;
  std::vector<std::uint32_t> found_;
};

}  // namespace

VectorIndex::SearchParams VectorPathParams(const VectorIndex& vectors, const SearchRequest& request,
                                           std::size_t depth, const RowSet* allowed) {
  VectorIndex::SearchParams params{.k = depth,
                                   .ef_search = request.ef_search,
                                   .target_recall = request.target_recall,
                                   .rescore = request.rescore,
                                   .exact = request.exact,
                                   .allowed = allowed};
  if (request.ef_search == 0 && allowed == nullptr)
    params.margin = MarginFor(vectors, request.target_recall, depth);
  return params;
}

Status AskPaths(const SearchPaths& paths, const SearchRequest& request, const RowSet* allowed,
                PathDepths depths, SearchResult* result, PathLists* lists) {
  Search search(paths, request, allowed, depths, &result->times, lists);
  if (result->lexical_searched && result->vector_searched && request.parallel_paths) {
    try {
      const auto worker = paths.workers.Take([] { return std::make_unique<PathWorker>(); });
      if (worker->here()) {
        const Status asked = search.AskBothAtOnce(&*worker);
        search.Report(result);
        return asked;
      }
    } catch (const std::system_error&) {
      // No thread is to be had: one after the other, then.
    }
  }
  if (result->vector_searched) EQUIPOISE_RETURN_IF_ERROR(search.AskVectors());
  if (result->lexical_searched) search.AskTerms();
  search.Report(result);
  return {};
}

}  // namespace equipoise
