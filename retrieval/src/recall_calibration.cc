#include "recall_calibration.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <new>
#include <utility>

#include <equipoise/core/check.h>
#include <equipoise/core/parallel.h>
#include <equipoise/kernels/similarity.h>

namespace equipoise {
namespace {

constexpr std::size_t kSample = 1000;
constexpr std::size_t kDepth = 10;  // recall@10
constexpr std::size_t kBeam = 512;
constexpr float kTargets[] = {0.8f, 0.9f, 0.95f, 0.98f, 0.99f, 0.995f, 0.999f};
constexpr float kMargins[] = {0.0f,  0.01f, 0.02f, 0.03f, 0.04f, 0.05f, 0.06f, 0.07f, 0.08f,
                              0.09f, 0.10f, 0.11f, 0.12f, 0.13f, 0.14f, 0.16f, 0.18f, 0.20f,
                              0.22f, 0.25f, 0.28f, 0.32f, 0.36f, 0.40f, 0.45f, 0.50f, 0.60f,
                              0.70f, 0.85f, 1.00f, 1.25f, 1.50f, 2.00f};
constexpr double kOneSided95 = 1.6449;

// Rows that are on level 0 only and whose codes no other row has, spread evenly.
std::vector<std::uint32_t> SampleRows(const HnswGraph& graph, std::span<const Copy> copies) {
  const std::size_t n = graph.links.rows();
  std::vector<bool> barred(n);
  for (const std::uint32_t row : graph.links.upper_rows()) barred[row] = true;
  for (const Copy& pair : copies) barred[pair.original] = barred[pair.copy] = true;
  barred[graph.links.entry_row()] = true;
  std::vector<std::uint32_t> may;
  for (std::uint32_t i = 0; i < n; ++i) {
    if (!barred[i]) may.push_back(i);
  }
  const std::size_t count = std::min(kSample, may.size());
  std::vector<std::uint32_t> out(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = may[i * may.size() / count];
  return out;
}

// The score of the kDepth-th best other row, for each of the sample.
Result<std::vector<float>> Bars(const StoredRows& rows, std::span<const std::uint32_t> sample,
                                int threads) {
  const auto n = static_cast<std::size_t>(rows.info.rows);
  const std::size_t d = rows.info.dim;
  const VectorsView all = rows.half.empty()
                              ? VectorsView(MatrixView<float>(rows.single.data(), n, d))
                              : VectorsView(MatrixView<Float16>(rows.half.data(), n, d));
  constexpr std::size_t kBatch = 256;
  const std::size_t k = kDepth + 1;
  std::vector<float> bars(sample.size());
  std::vector<std::byte> queries(kBatch * d * ElementBytes(all.type));
  std::vector<Scored> best(kBatch * k);
  EQUIPOISE_ASSIGN_OR_RETURN(const auto set,
                             ItemSet::Create(all, rows.metric, {.threads = threads}));
  for (std::size_t begin = 0; begin < sample.size(); begin += kBatch) {
    const std::size_t count = std::min(kBatch, sample.size() - begin);
    const std::size_t bytes = d * ElementBytes(all.type);
    for (std::size_t i = 0; i < count; ++i)
      std::copy_n(static_cast<const std::byte*>(all.row(sample[begin + i])), bytes,
                  queries.data() + i * bytes);
    VectorsView view = all.Slice(0, count);
    view.data = queries.data();
    EQUIPOISE_RETURN_IF_ERROR(set.TopK(view, k, std::span(best).first(count * k)));
    for (std::size_t i = 0; i < count; ++i) {
      // Without the row itself, wherever it is.
      const auto list = std::span(best).subspan(i * k, k);
      std::size_t left = kDepth;
      for (const Scored& item : list) {
        if (item.id != sample[begin + i] && left > 0) {
          bars[begin + i] = item.score;
          --left;
        }
      }
    }
  }
  return bars;
}

}  // namespace

Result<std::vector<RecallPoint>> MeasureRecall(const HnswGraph& graph, const StoredRows& rows,
                                               std::span<const std::uint8_t> codes,
                                               std::span<const Copy> copies,
                                               const VectorIndexOptions& options) {
  const std::vector<std::uint32_t> sample = SampleRows(graph, copies);
  std::vector<float> targets(std::begin(kTargets), std::end(kTargets));
  targets.push_back(options.target_recall);
  std::sort(targets.begin(), targets.end());
  targets.erase(std::unique(targets.begin(), targets.end()), targets.end());
  const std::size_t count = sample.size();
  if (count == 0 || graph.links.rows() <= kDepth) return std::vector<RecallPoint>();
  const auto stage = [&](std::size_t done) {
    return !options.progress || options.progress({"recall", done, std::size(kMargins) + 1});
  };
  Status cancelled(Code::kCancelled, "building the vector index was cancelled");
  if (!stage(0)) return cancelled;
  EQUIPOISE_ASSIGN_OR_RETURN(const auto bars, Bars(rows, sample, options.threads));

  const bool by_codes =
      options.storage == VectorStorage::kInt8 || options.storage == VectorStorage::kInt4Int8;
  CodeRows whole = graph.codes;
  whole.codes = codes.data();
  std::vector<PreparedQuery> queries(count);
  std::vector<float> values(rows.info.dim);
  for (std::size_t i = 0; i < count; ++i) {
    rows.Read(sample[i], values.data());
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
          const WalkRequest request{
              .k = kDepth, .ef = kBeam, .margin = kMargins[step], .except = sample[i]};
          const PreparedQuery& query = queries[i];
          if (!WalkGraph(graph, query.walked.data(), request, &scratch).ok()) failed = true;
          std::vector<Scored> best;
          const std::size_t rescored = std::min(scratch.found.size(), 2 * kDepth);
          for (std::size_t j = 0; j < rescored; ++j) {
            const std::uint32_t id = scratch.found[j].id;
            const float score =
                by_codes ? -static_cast<float>(CodeDistance(whole, scratch.query, id, nullptr))
                         : rows.Score(query, id);
            best.push_back({id, score});
          }
          std::sort(best.begin(), best.end(), Better);
          best.resize(std::min(best.size(), kDepth));
          std::size_t good = 0;
          // Equal rows are equally good; the exact search rounds otherwise.
          const float slack = 1e-5f * std::max(1.0f, std::fabs(bars[i]));
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
