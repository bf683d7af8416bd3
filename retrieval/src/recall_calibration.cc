#include "recall_calibration.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <new>
#include <utility>

#include <equipoise/core/check.h>
#include <equipoise/core/parallel.h>

#include "exact_search.h"
#include "rescored_rows.h"

namespace equipoise {
namespace {

constexpr std::size_t kSample = 1000;
constexpr std::size_t kDepth = kRecallDepth;
constexpr std::size_t kBeam = 512;
constexpr float kTargets[] = {0.8f, 0.9f, 0.95f, 0.98f, 0.99f, 0.995f, 0.999f};
constexpr float kMargins[] = {0.0f,  0.01f, 0.02f, 0.03f, 0.04f, 0.05f, 0.06f, 0.07f, 0.08f,
                              0.09f, 0.10f, 0.11f, 0.12f, 0.13f, 0.14f, 0.16f, 0.18f, 0.20f,
                              0.22f, 0.25f, 0.28f, 0.32f, 0.36f, 0.40f, 0.45f, 0.50f, 0.60f,
                              0.70f, 0.85f, 1.00f, 1.25f, 1.50f, 2.00f};
constexpr double kOneSided95 = 1.6449;

// The score of the kDepth-th best row that is not held out, for each that is.
Result<std::vector<float>> Bars(const StoredRows& rows, std::span<const std::uint32_t> held_out,
                                int threads) {
  const auto n = static_cast<std::size_t>(rows.info.rows);
  const std::size_t d = rows.info.dim;
  const VectorsView all = rows.half.empty()
                              ? VectorsView(MatrixView<float>(rows.single.data(), n, d))
                              : VectorsView(MatrixView<Float16>(rows.half.data(), n, d));
  const std::size_t bytes = d * ElementBytes(all.type);
  std::vector<bool> left_out(n);
  std::vector<std::byte> queries(held_out.size() * bytes);
  for (std::size_t i = 0; i < held_out.size(); ++i) {
    left_out[held_out[i]] = true;
    std::copy_n(static_cast<const std::byte*>(all.row(held_out[i])), bytes,
                queries.data() + i * bytes);
  }
  VectorsView asked = all.Slice(0, held_out.size());
  asked.data = queries.data();
  EQUIPOISE_ASSIGN_OR_RETURN(const auto best,
                             ExactTopK(asked, all, rows.metric, kDepth, threads, &left_out));
  std::vector<float> bars(held_out.size());
  // Both sides were as stored; scores are of the input.
  const int scaled = rows.metric == Metric::kCosine ? 0 : 2 * rows.info.exponent;
  for (std::size_t i = 0; i < bars.size(); ++i) bars[i] = std::ldexp(best[i].back().score, -scaled);
  return bars;
}

}  // namespace

std::size_t RecallSample(std::size_t rows) { return std::min(kSample, rows / 5); }

Result<std::vector<RecallPoint>> MeasureRecall(const HnswGraph& graph, const StoredRows& rows,
                                               std::span<const std::uint8_t> codes,
                                               std::span<const std::uint32_t> held_out,
                                               const VectorIndexOptions& options) {
  std::vector<float> targets(std::begin(kTargets), std::end(kTargets));
  targets.push_back(options.target_recall);
  std::sort(targets.begin(), targets.end());
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  const std::size_t count = held_out.size();
  if (count == 0 || graph.links.rows() < count + kDepth) return std::vector<RecallPoint>();
  const auto stage = [&](std::size_t done) {
    return !options.progress || options.progress({"recall", done, std::size(kMargins) + 1});
  };
  Status cancelled(Code::kCancelled, "building the vector index was cancelled");
  if (!stage(0)) return cancelled;
  EQUIPOISE_ASSIGN_OR_RETURN(const auto bars, Bars(rows, held_out, options.threads));

  const bool by_codes =
      options.storage == VectorStorage::kInt8 || options.storage == VectorStorage::kInt4Int8;
  CodeRows whole = graph.codes;
  whole.codes = codes.data();
  std::vector<PreparedQuery> queries(count);
  std::vector<float> values(rows.info.dim);
  for (std::size_t i = 0; i < count; ++i) {
    rows.Read(held_out[i], values.data());
    EQUIPOISE_ASSIGN_OR_RETURN(queries[i], rows.Prepare("MeasureRecall", values));
  }

  std::vector<RecallPoint> out;
  std::vector<float> found(count);
  std::atomic<bool> failed{false};
  std::size_t next = 0;  // target
  for (std::size_t step = 0; step < std::size(kMargins) && next < targets.size(); ++step) {
    if (!stage(step + 1)) return cancelled;
    ParallelFor(count, options.threads, [&](std::size_t begin, std::size_t end, int) {
      try {
        WalkScratch scratch;
        for (std::size_t i = begin; i < end; ++i) {
          const WalkRequest request{.k = kDepth, .ef = kBeam, .margin = kMargins[step]};
          const PreparedQuery& query = queries[i];
          if (!WalkGraph(graph, query.walked.data(), request, &scratch).ok()) failed = true;
          std::vector<Scored> best;
          RescoredRows scored(graph.codes, rows.info.max_norm, scratch.query, kDepth,
                              AutomaticRescore(options.storage, kDepth), false, true);
          for (const auto& [distance, id] : scratch.found) {
            if (!scored.Takes(distance, best.size())) break;
            const float score =
                by_codes ? -static_cast<float>(CodeDistance(whole, scratch.query, id, nullptr))
                         : rows.Score(query, id);
            best.push_back({id, score});
          }
          std::sort(best.begin(), best.end(), Better);
          best.resize(std::min(best.size(), kDepth));
          std::size_t good = 0;
          // Equal rows are equally good; the exact search rounds otherwise.
          const float slack = 1e-5f * (rows.metric == Metric::kCosine ? 1.0f : std::fabs(bars[i]));
          for (const Scored& item : best) good += rows.Score(query, item.id) >= bars[i] - slack;
          found[i] = static_cast<float>(good) / static_cast<float>(kDepth);
        }
      } catch (const std::bad_alloc&) {
        failed = true;
      }
    });
    if (failed) return Status(Code::kOutOfMemory, "not enough memory to measure recall");
    double sum = 0, squares = 0;
    for (const float share : found) {
      sum += double{share};
      squares += double{share} * share;
    }
    const auto m = static_cast<double>(count);
    const double mean = sum / m;
    const double variance = std::max(0.0, squares / m - mean * mean) * m / std::max(1.0, m - 1);
    RecallPoint point;
    point.margin = kMargins[step];
    point.recall = static_cast<float>(mean);
    point.lower_bound = static_cast<float>(mean - kOneSided95 * std::sqrt(variance / m));
    point.sample = static_cast<std::uint32_t>(count);
    const bool last = step + 1 == std::size(kMargins);
    for (; next < targets.size() && (point.lower_bound >= targets[next] || last); ++next) {
      point.target = targets[next];
      point.reached = point.lower_bound >= targets[next] ? 1 : 0;
      out.push_back(point);
    }
  }
  return out;
}

}  // namespace equipoise
