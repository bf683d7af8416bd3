#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <new>
#include <utility>

#include <equipoise/core/check.h>
#include <equipoise/core/parallel.h>
#include <equipoise/kernels/sketch.h>
#include <equipoise/retrieval/vector_index.h>

#include "exact_search.h"
#include "hnsw_walk.h"
#include "recall_calibration.h"
#include "stored_rows.h"
#include "vector_state.h"

namespace equipoise {
namespace {

// A walk costs about as much as scanning this many times its beam (measured: see bench
// peers-vector); wider beams scan.
constexpr std::size_t kRowsPerBeam = 8;
// Of a walk that its margin ends. Rarely reached: a bound on the work of hard queries.
constexpr std::size_t kWidestBeam = 512;
// Filters: a walk takes about as long as a scan of this many allowed rows for each root of all rows;
// where fewer are allowed they are scanned. Beyond that, on large collections, two hops are taken up
// to the second share of all rows.
// Source   ./dev bench peers-vector, table of filters: a walk's time grows as 1 / share
constexpr double kScanAllowedPerRoot = 50;
constexpr double kTwoHopShare = 0.1;
// Scanning codes: rows taken together, codes fetched ahead, and how many standard errors too far a
// sketch must be for its row to be passed over.
constexpr std::size_t kScanBatch = 256;
constexpr std::size_t kScanAhead = 6;
constexpr float kScanSlack = 4.0f;
// From so many queries on the batched kernels pay for an exact search.
constexpr std::size_t kExactBatch = 2;

}  // namespace

std::string_view VectorStorageName(VectorStorage storage) {
  switch (storage) {
    case VectorStorage::kInt8Float16:
      return "int8+float16";
    case VectorStorage::kInline:
      return "inline";
    case VectorStorage::kInt8:
      return "int8";
    case VectorStorage::kInt4Int8:
      return "int4+int8";
    case VectorStorage::kFloat32:
      return "float32";
  }
  return "unknown";
}

Result<VectorStorage> ParseVectorStorage(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(VectorStorage::kFloat32); ++i) {
    const auto storage = static_cast<VectorStorage>(i);
    if (VectorStorageName(storage) == name) return storage;
  }
  return Status(
      Code::kInvalidArgument,
      fmt::format("no storage \"{}\"; int8+float16, inline, int8, int4+int8 or float32", name),
      {.field = "storage"});
}

std::string_view VectorPlanName(VectorPlan plan) {
  switch (plan) {
    case VectorPlan::kNothing:
      return "nothing";
    case VectorPlan::kScan:
      return "scan";
    case VectorPlan::kScanCodes:
      return "scan codes";
    case VectorPlan::kScanAllowed:
      return "scan allowed";
    case VectorPlan::kTwoHop:
      return "two hops";
    case VectorPlan::kWalk:
      return "walk";
  }
  return "unknown";
}

float VectorIndex::State::MarginFor(float wanted) const {
  for (const RecallPoint& point : recall) {
    if (point.target >= wanted) return point.margin;
  }
  return recall.empty() ? kNoMargin : recall.back().margin;
}

VectorIndex::State::Limits VectorIndex::State::LimitsFor(const SearchParams& params,
                                                         std::size_t k) const {
  if (params.ef_search > 0)
    return {std::max(params.ef_search, k), params.margin >= 0 ? params.margin : kNoMargin};
  const std::size_t widest = std::max(kWidestBeam, 2 * k);
  if (params.margin >= 0) return {widest, params.margin};
  return {widest, MarginFor(params.target_recall > 0 ? params.target_recall : target)};
}

Status VectorIndex::State::Rescore(const PreparedQuery& query, std::span<const std::uint32_t> ids,
                                   std::vector<Scored>* out) const {
  constexpr std::size_t kAhead = 4;
  for (std::size_t i = 0; i < std::min(kAhead, ids.size()); ++i) rows.Prefetch(ids[i]);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i + kAhead < ids.size()) rows.Prefetch(ids[i + kAhead]);
    const float score = rows.Score(query, ids[i]);
    // Sorting must never see one.
    if (std::isnan(score)) return NotANumber(ids[i]);
    out->push_back({ids[i], score});
  }
  return {};
}

Status VectorIndex::State::Scan(const PreparedQuery& query, const std::uint64_t* allowed,
                                std::size_t k, StopCheck* stop, std::vector<Scored>* out) const {
  constexpr std::uint32_t kRowsBetweenLooks = 1024;
  TopKCollector best(k);
  for (std::uint32_t i = 0; i < rows.info.rows; ++i) {
    if (stop != nullptr && i % kRowsBetweenLooks == kRowsBetweenLooks - 1 && stop->Due()) break;
    if (allowed != nullptr && ((allowed[i / 64] >> (i % 64)) & 1) == 0) continue;
    const float score = rows.Score(query, i);
    if (std::isnan(score)) return NotANumber(i);
    best.Push(i, score);
  }
  *out = best.Take();
  return {};
}

Result<std::vector<std::vector<Scored>>> VectorIndex::State::ScanMany(
    const MatrixView<float>& queries, std::size_t k, int threads) const {
  const auto n = static_cast<std::size_t>(rows.info.rows);
  const std::size_t d = rows.info.dim;
  std::vector<PreparedQuery> prepared(queries.rows);
  std::vector<float> values(queries.rows * d);
  for (std::size_t i = 0; i < queries.rows; ++i) {
    auto query = rows.Prepare("SearchMany", queries.row_span(i));
    if (!query) return query.error().At({.row = static_cast<std::int64_t>(i)});
    prepared[i] = *std::move(query);
    std::copy(prepared[i].values.begin(), prepared[i].values.end(), values.data() + i * d);
  }
  const VectorsView all = rows.half.empty()
                              ? VectorsView(MatrixView<float>(rows.single.data(), n, d))
                              : VectorsView(MatrixView<Float16>(rows.half.data(), n, d));
  // A few more than asked for: the batched sums differ from those of single rows in the last bits.
  const std::size_t more = std::min(n, k + 10);
  std::vector<std::vector<Scored>> out(queries.rows);
  if (n == 0) return out;
  EQUIPOISE_ASSIGN_OR_RETURN(const auto found,
                             ExactTopK(MatrixView<float>(values.data(), queries.rows, d), all,
                                       rows.metric, more, threads, nullptr));
  std::vector<std::uint32_t> ids;
  for (std::size_t i = 0; i < queries.rows; ++i) {
    ids.clear();
    for (const Scored& item : found[i]) ids.push_back(item.id);
    EQUIPOISE_RETURN_IF_ERROR(Rescore(prepared[i], ids, &out[i]));
    KeepBest(std::min(k, n), &out[i]);
  }
  return out;
}

Status VectorIndex::State::ScanCodes(const PreparedQuery& query, const std::uint64_t* allowed,
                                     std::size_t rescored, bool asked, std::size_t k,
                                     StopCheck* stop, WalkScratch* scratch,
                                     VectorSearchReport* report, std::vector<Scored>* out) const {
  const auto n = static_cast<std::uint32_t>(rows.info.rows);
  scratch->query.Set(rows.codes, query.walked.data());
  const CodeQuery& codes = scratch->query;
  const bool gated = graph.sketches != nullptr && !codes.clamped;
  if (gated) EQUIPOISE_RETURN_IF_ERROR(sketcher->Prepare(query.walked.data(), &scratch->sketch));
  std::vector<std::uint8_t> unpacked(rows.codes.codes == nullptr ? rows.codes.dim : 0);
  // The best by codes so far, a heap with the worst on top.
  using Candidate = WalkScratch::Candidate;
  const auto nearer = [](const Candidate& a, const Candidate& b) {
    return a.distance < b.distance || (a.distance == b.distance && a.id < b.id);
  };
  auto& best = scratch->found;
  best.clear();
  auto& ids = scratch->ids;
  const auto flush = [&] {
    report->seen += ids.size();
    std::size_t count = ids.size();
    if (gated && best.size() == rescored) {
      const auto bar = static_cast<float>((best.front().distance + codes.offset) / codes.unit);
      count = SketchBelow(scratch->sketch, graph.sketches, ids.data(), count, bar, kScanSlack,
                          ids.data(), {});
    }
    report->distances += count;
    for (std::size_t i = 0; i < count; ++i) {
      if (i + kScanAhead < count) PrefetchCodes(rows.codes, ids[i + kScanAhead]);
      const Candidate next{CodeDistance(rows.codes, codes, ids[i], unpacked.data()), ids[i]};
      if (best.size() < rescored) {
        best.push_back(next);
        std::push_heap(best.begin(), best.end(), nearer);
      } else if (nearer(next, best.front())) {
        std::pop_heap(best.begin(), best.end(), nearer);
        best.back() = next;
        std::push_heap(best.begin(), best.end(), nearer);
      }
    }
    ids.clear();
  };
  ids.clear();
  for (std::uint32_t begin = 0; begin < n; begin += 64) {
    const std::uint32_t count = std::min(64u, n - begin);
    if (allowed == nullptr) {
      for (std::uint32_t i = 0; i < count; ++i) ids.push_back(begin + i);
    } else {
      for (std::uint64_t rest = allowed[begin / 64]; rest != 0; rest &= rest - 1)
        ids.push_back(begin + static_cast<std::uint32_t>(std::countr_zero(rest)));
    }
    if (ids.size() < kScanBatch) continue;
    flush();
    if (stop != nullptr && stop->Due()) break;
  }
  flush();
  std::sort_heap(best.begin(), best.end(), nearer);
  RescoredRows scored(rows.codes, rows.info.max_norm, codes, k, rescored, asked, false);
  for (const Candidate& candidate : best) {
    if (!scored.Takes(candidate.distance, ids.size())) break;
    ids.push_back(candidate.id);
  }
  report->rescored = ids.size();
  EQUIPOISE_RETURN_IF_ERROR(Rescore(query, ids, out));
  KeepBest(k, out);
  return {};
}

Result<bool> VectorIndex::State::Walk(const PreparedQuery& query, const WalkRequest& request,
                                      const std::uint64_t* allowed, std::size_t rescored,
                                      bool asked, std::size_t k, WalkScratch* scratch,
                                      VectorSearchReport* report, std::vector<Scored>* out) const {
  if (Status status = WalkGraph(graph, query.walked.data(), request, scratch); !status.ok())
    return status.At({.file = graph_file.path()});
  auto& ids = scratch->ids;
  ids.clear();
  const auto may = [&](std::uint32_t row) {
    return allowed == nullptr || ((allowed[row / 64] >> (row % 64)) & 1) != 0;
  };
  RescoredRows scored(rows.codes, rows.info.max_norm, scratch->query, k, rescored, asked, true);
  for (const auto& candidate : scratch->found) {
    if (!scored.Takes(candidate.distance, ids.size())) break;
    if (may(candidate.id)) ids.push_back(candidate.id);
    // Rows with the same codes are not linked: they come with the one that is.
    auto copy = std::lower_bound(copies.begin(), copies.end(), Copy{candidate.id, 0});
    for (; copy != copies.end() && copy->original == candidate.id; ++copy) {
      if (may(copy->copy)) ids.push_back(copy->copy);
    }
  }
  report->expanded = scratch->stats.expanded;
  report->seen = scratch->stats.seen;
  report->distances = scratch->stats.distances;
  report->rescored = ids.size();
  EQUIPOISE_RETURN_IF_ERROR(Rescore(query, ids, out));
  KeepBest(k, out);
  return out->size() == k;
}

Status VectorIndex::State::Find(const PreparedQuery& query, const SearchParams& params,
                                VectorSearchReport* report, std::vector<Scored>* out) const {
  // One a thread, so that a search does not allocate in proportion to the rows.
  thread_local WalkScratch scratch;
  const std::size_t n = static_cast<std::size_t>(rows.info.rows);
  const std::uint64_t* allowed = alive.empty() ? nullptr : alive.data();
  std::size_t may_be_found = live;
  if (params.allowed != nullptr) {
    const auto words = params.allowed->words();
    if (alive.empty()) {
      allowed = words.data();
    } else {
      scratch.words.assign(words.begin(), words.end());
      for (std::size_t i = 0; i < words.size(); ++i) scratch.words[i] &= alive[i];
      allowed = scratch.words.data();
    }
    may_be_found = CountBits({allowed, words.size()});
    if (may_be_found == n) allowed = nullptr;
  }
  const std::size_t k = std::min(params.k, may_be_found);
  report->allowed = may_be_found;
  if (k == 0) return {};
  const Limits limits = LimitsFor(params, k);
  const std::size_t automatic = AutomaticRescore(settings.storage, k);
  const std::size_t rescored =
      std::min(may_be_found, std::max(k, params.rescore == 0 ? automatic : params.rescore));
  const double share = static_cast<double>(may_be_found) / static_cast<double>(n);
  // A margin is that of the rank it was measured at, or beyond: the nearest row alone says little
  // about how far to look.
  const std::size_t rank = std::min(std::max(k, kRecallDepth), limits.ef);
  const std::size_t beam = std::isfinite(limits.margin) ? 2 * rank : limits.ef;

  // Whether to walk does not depend on k where ef alone ends the walk, so that answers do not.
  const bool chosen = params.plan == VectorPlan::kNothing;
  const bool may_walk =
      chosen ? beam <= n / kRowsPerBeam
             : params.plan == VectorPlan::kTwoHop || params.plan == VectorPlan::kWalk;
  const bool walks = settings.has_graph && may_walk;
  const bool few =
      allowed != nullptr && (chosen ? static_cast<double>(may_be_found) <=
                                          kScanAllowedPerRoot * std::sqrt(static_cast<double>(n))
                                    : params.plan == VectorPlan::kScanAllowed);
  // Of a list longer than what walks are measured by, a walk looks at a good part of a small collection.
  const bool long_list = params.ef_search == 0 && std::isfinite(limits.margin) && k > kRecallDepth;
  const bool all_sketches = chosen && allowed == nullptr && small() && graph.sketches != nullptr &&
                            rows.codes.codes != nullptr && (!walks || long_list);
  if (query.zero || params.exact || rows.codes.dim == 0 || params.plan == VectorPlan::kScan) {
    // Every row is scored.
  } else if (all_sketches) {
    report->plan = VectorPlan::kScanCodes;
    EQUIPOISE_RETURN_IF_ERROR(
        ScanSmall(query, rescored, params.rescore > 0, k, &scratch, report, out));
  } else if (!walks || few) {
    report->plan = allowed == nullptr ? VectorPlan::kScanCodes : VectorPlan::kScanAllowed;
    EQUIPOISE_RETURN_IF_ERROR(ScanCodes(query, allowed, rescored, params.rescore > 0, k,
                                        params.stop, &scratch, report, out));
  } else {
    WalkRequest request{.k = rank, .ef = limits.ef, .margin = limits.margin};
    request.allowed = allowed;
    request.stop = params.stop;
    if (allowed != nullptr && allowed == alive.data()) {
      request.allowed = alive_linked.data();
    } else if (allowed != nullptr && !copies.empty()) {
      scratch.linked.assign(allowed, allowed + (n + 63) / 64);
      AddOriginals(&scratch.linked);
      request.allowed = scratch.linked.data();
    }
    request.two_hop =
        allowed != nullptr && (chosen ? share <= kTwoHopShare : params.plan == VectorPlan::kTwoHop);
    report->plan = request.two_hop ? VectorPlan::kTwoHop : VectorPlan::kWalk;
    EQUIPOISE_ASSIGN_OR_RETURN(
        const bool whole,
        Walk(query, request, allowed, rescored, params.rescore > 0, k, &scratch, report, out));
    // Else the links do not lead to enough of the rows.
    const bool stopped = params.stop != nullptr && params.stop->stopped();
    if (!whole && !stopped) out->clear();
  }
  if (out->empty() && (params.stop == nullptr || !params.stop->stopped())) {
    report->plan = VectorPlan::kScan;
    report->rescored += may_be_found;
    EQUIPOISE_RETURN_IF_ERROR(Scan(query, allowed, k, params.stop, out));
  }
  report->bytes = BytesOf(*report);
  return {};
}

std::uint64_t VectorIndex::State::BytesOf(const VectorSearchReport& report) const {
  const std::uint64_t sketch = sketches.empty() ? 0 : SketchBytes(rows.info.dim);
  const std::uint64_t code =
      rows.codes.codes != nullptr ? rows.info.dim : std::uint64_t{rows.codes.nibble_bytes};
  // Of the average row.
  const std::uint64_t list = settings.has_graph
                                 ? (4 * graph.links.link_count() + groups.size_bytes()) /
                                       std::max<std::uint64_t>(1, rows.info.rows)
                                 : 0;
  return report.expanded * list + report.seen * sketch + report.distances * code +
         report.rescored * rows.row_bytes();
}

VectorIndex::VectorIndex(std::unique_ptr<const State> state) : state_(std::move(state)) {}
VectorIndex::VectorIndex(VectorIndex&&) noexcept = default;
VectorIndex& VectorIndex::operator=(VectorIndex&&) noexcept = default;
VectorIndex::~VectorIndex() = default;

Result<VectorIndex> VectorIndex::Open(const std::string& vectors_path,
                                      const std::string& graph_path) {
  try {
    auto state = std::make_unique<State>();
    EQUIPOISE_RETURN_IF_ERROR(state->Load(vectors_path, graph_path));
    return VectorIndex(std::move(state));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "not enough memory to open the vector index",
                  {.file = graph_path});
  }
}

Status VectorIndex::State::Check(const SearchParams& params) const {
  const auto n = static_cast<std::size_t>(rows.info.rows);
  if (params.k == 0)
    return Status(Code::kInvalidArgument, "Search: k = 0 is out of range; ask for at least 1",
                  {.field = "k"});
  if (!(params.target_recall >= 0 && params.target_recall < 1))
    return Status(Code::kInvalidArgument,
                  fmt::format("Search: target_recall = {} is out of [0, 1)", params.target_recall),
                  {.field = "target_recall"});
  if (std::isnan(params.margin))
    return Status(Code::kInvalidArgument, "Search: margin is not a number", {.field = "margin"});
  if (params.allowed != nullptr && params.allowed->rows() != n)
    return Status(
        Code::kInvalidArgument,
        fmt::format("Search: a filter of {} rows, but the index has {}", params.allowed->rows(), n),
        {.field = "allowed"});
  return {};
}

Result<std::vector<Scored>> VectorIndex::Search(std::span<const float> query,
                                                const SearchParams& params,
                                                VectorSearchReport* report) const try {
  const State& s = *state_;
  EQUIPOISE_RETURN_IF_ERROR(s.Check(params));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto prepared, s.rows.Prepare("Search", query));
  VectorSearchReport done;
  std::vector<Scored> out;
  EQUIPOISE_RETURN_IF_ERROR(s.Find(prepared, params, &done, &out));
  if (report != nullptr) *report = done;
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory for a vector search");
}

Result<std::vector<std::vector<Scored>>> VectorIndex::SearchMany(const MatrixView<float>& queries,
                                                                 const SearchParams& params,
                                                                 int threads) const try {
  EQUIPOISE_CHECK_RANGE("SearchMany", threads, 1, 1024);
  EQUIPOISE_RETURN_IF_ERROR(state_->Check(params));
  if (params.exact && params.allowed == nullptr && state_->alive.empty() &&
      !state_->rows.scored_by_codes() && queries.rows >= kExactBatch)
    return state_->ScanMany(queries, params.k, threads);
  SearchParams own = params;
  own.stop = nullptr;  // one thread's
  std::vector<std::vector<Scored>> out(queries.rows);
  std::vector<Status> failed(static_cast<std::size_t>(threads));
  ParallelFor(queries.rows, threads, [&](std::size_t begin, std::size_t end, int worker) {
    for (std::size_t i = begin; i < end; ++i) {
      auto found = Search(queries.row_span(i), own);
      if (!found) {
        failed[static_cast<std::size_t>(worker)] =
            found.error().At({.row = static_cast<std::int64_t>(i)});
        return;
      }
      out[i] = *std::move(found);
    }
  });
  for (Status& status : failed) {
    if (!status.ok()) return std::move(status);
  }
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory for vector searches");
}

Status VectorIndex::Score(std::span<const float> query, std::span<const std::uint32_t> docs,
                          std::span<float> scores) const try {
  const State& s = *state_;
  EQUIPOISE_CHECK_EQUAL("Score", docs.size(), scores.size());
  EQUIPOISE_ASSIGN_OR_RETURN(const auto prepared, s.rows.Prepare("Score", query));
  constexpr std::size_t kAhead = 4;
  for (std::size_t i = 0; i < docs.size(); ++i) {
    if (docs[i] >= rows())
      return Status(Code::kInvalidArgument,
                    fmt::format("Score: docs[{}] = {} is not below the number of rows, {}", i,
                                docs[i], rows()),
                    {.field = "docs"});
    if (i + kAhead < docs.size() && docs[i + kAhead] < rows()) s.rows.Prefetch(docs[i + kAhead]);
    scores[i] = s.rows.Score(prepared, docs[i]);
    if (std::isnan(scores[i])) return s.NotANumber(docs[i]);
  }
  return {};
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory for vector scores");
}

Status VectorIndex::Read(std::span<const std::uint32_t> docs, std::span<float> values) const try {
  EQUIPOISE_CHECK_EQUAL("Read", values.size(), docs.size() * dim());
  for (std::size_t i = 0; i < docs.size(); ++i) {
    if (docs[i] >= rows())
      return Status(Code::kInvalidArgument,
                    fmt::format("Read: docs[{}] = {} is not below the number of rows, {}", i,
                                docs[i], rows()),
                    {.field = "docs"});
    state_->rows.Read(docs[i], values.data() + i * dim());
  }
  return {};
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory to read vectors");
}

std::size_t VectorIndex::rows() const { return static_cast<std::size_t>(state_->rows.info.rows); }
std::size_t VectorIndex::dim() const { return state_->rows.info.dim; }
Metric VectorIndex::metric() const { return state_->settings.metric; }
float VectorIndex::max_norm() const { return state_->rows.info.max_norm; }
const VectorIndexSettings& VectorIndex::settings() const { return state_->settings; }
std::span<const RecallPoint> VectorIndex::recall_points() const { return state_->recall; }
float VectorIndex::target_recall() const { return state_->target; }

std::uint64_t VectorIndex::fingerprint() const {
  return state_->graph_file.ChecksumWithoutLast(kTuningSection);
}

VectorIndexBytes VectorIndex::bytes() const {
  const State& s = *state_;
  VectorIndexBytes out;
  out.rows =
      s.rows.half.size_bytes() + s.rows.single.size_bytes() + s.rows.inverse_norms.size_bytes();
  if (s.rows.codes.dim > 0)
    out.codes = rows() * (s.rows.codes.codes != nullptr ? dim() : 2 * s.rows.codes.nibble_bytes);
  if (s.settings.has_graph) out.links = s.graph.links.bytes();
  out.sketches = s.sketches.size_bytes() + s.groups.size_bytes();
  return out;
}

Status VectorIndex::Verify() const {
  EQUIPOISE_RETURN_IF_ERROR(state_->vectors.Verify());
  EQUIPOISE_RETURN_IF_ERROR(state_->graph_file.Verify());
  if (!state_->settings.has_graph) return {};
  if (Status status = state_->graph.links.CheckBase(); !status.ok())
    return status.At({.file = state_->graph_file.path()});
  return {};
}

}  // namespace equipoise
