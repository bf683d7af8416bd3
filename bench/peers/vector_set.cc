// The sets that vector indexes are measured on: read, made, and searched exactly.
#include <algorithm>
#include <cmath>
#include <cstring>

#include <equipoise/core/matrix_file.h>
#include <equipoise/core/parallel.h>
#include <equipoise/core/random.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/kernels/similarity.h>

#include "vector_bench.h"

namespace equipoise::bench {
namespace {

std::vector<float> ReadFloats(const std::string& path, std::size_t count, std::size_t* dim) {
  const MatrixFile file = Take(MatrixFile::Open(path));
  const EmbeddingsView view = file.view();
  const std::size_t n = count == 0 ? view.rows() : std::min(count, view.rows());
  std::vector<float> out(n * view.cols());
  for (std::size_t i = 0; i < n; ++i) {
    float* to = out.data() + i * view.cols();
    if (view.is_f16()) {
      HalfToFloat(view.f16.row(i), to, view.cols());
    } else {
      std::copy_n(view.f32.row(i), view.cols(), to);
    }
  }
  *dim = view.cols();
  return out;
}

// Two standard normal numbers at a time (Box and Muller 1958).
class Normals {
 public:
  explicit Normals(Random random) : random_(random) {}

  float Next() {
    if (have_) {
      have_ = false;
      return spare_;
    }
    const double radius = std::sqrt(-2 * std::log(1 - Uniform()));
    const double angle = 6.283185307179586 * Uniform();
    spare_ = static_cast<float>(radius * std::sin(angle));
    have_ = true;
    return static_cast<float>(radius * std::cos(angle));
  }

  double Uniform() { return static_cast<double>(random_.Next() >> 11) * 0x1.0p-53; }

 private:
  Random random_;
  float spare_ = 0;
  bool have_ = false;
};

// Sums of a Gaussian for each level of a tree of clusters and one of its own, so that the cosines
// with the nearest, the 10th, the 100th and the 1000th neighbour fall as they do for
// all-MiniLM-L6-v2 on WordNet's glosses (0.69, 0.53, 0.40, 0.28). The variance of the i-th principal
// component falls as i^-0.77, measured there too for i = 4 .. 256. At the end everything is
// rotated, because the axes of embeddings are not their principal components, and scaled to length 1.
class Synthesizer {
 public:
  explicit Synthesizer(const SyntheticShape& shape) : shape_(shape), deviation_(shape.dim) {
    constexpr double kDecay = 0.77;
    double sum = 0;
    for (std::size_t i = 0; i < shape.dim; ++i)
      sum += std::pow(static_cast<double>(i + 1), -kDecay);
    for (std::size_t i = 0; i < shape.dim; ++i)
      deviation_[i] =
          static_cast<float>(std::sqrt(std::pow(static_cast<double>(i + 1), -kDecay) / sum));
    std::vector<float> above(shape.dim);
    for (std::size_t level = 0; level < std::size(kLevels); ++level) {
      Normals normals(Random::Stream(shape.seed, level));
      const std::size_t count = std::max<std::size_t>(1, shape.rows / kLevels[level].members);
      std::vector<float> centers(count * shape.dim);
      for (std::size_t i = 0; i < count; ++i)
        Add(Pick(above.size() / shape.dim, &normals), above, kLevels[level].share, &normals,
            centers.data() + i * shape.dim);
      above = std::move(centers);
    }
    centers_ = std::move(above);
    // Walsh-Hadamard transforms of blocks, with random signs before and a shuffle after: an
    // orthogonal map at d log d.
    while (shape.dim % (2 * block_) == 0) block_ *= 2;
    Random random = Random::Stream(shape.seed, 101);
    for (auto& round : rounds_) {
      round.signs.resize(shape.dim);
      round.order.resize(shape.dim);
      for (std::size_t i = 0; i < shape.dim; ++i) {
        round.signs[i] = (random.Next() & 1) != 0 ? 1.0f : -1.0f;
        round.order[i] = static_cast<std::uint32_t>(i);
      }
      for (std::size_t i = shape.dim; i > 1; --i)
        std::swap(round.order[i - 1], round.order[random.Below(i)]);
    }
  }

  std::vector<float> Make(std::size_t count, std::uint64_t stream) const {
    std::vector<float> out(count * shape_.dim);
    constexpr std::size_t kChunk = 256;
    ParallelFor(
        (count + kChunk - 1) / kChunk, AvailableThreads(),
        [&](std::size_t begin, std::size_t end, int) {
          std::vector<float> scratch(shape_.dim);
          for (std::size_t chunk = begin; chunk < end; ++chunk) {
            Normals normals(Random::Stream(shape_.seed + stream, 1000 + chunk));
            for (std::size_t i = chunk * kChunk; i < std::min(count, (chunk + 1) * kChunk); ++i) {
              float* row = out.data() + i * shape_.dim;
              Add(Pick(centers_.size() / shape_.dim, &normals), centers_, kOwn, &normals, row);
              Rotate(row, &scratch);
            }
          }
        });
    return out;
  }

 private:
  struct Level {
    std::size_t members;  // rows of a cluster, on average
    double share;         // of the variance
  };
  static constexpr Level kLevels[] = {{1000, 0.28}, {100, 0.12}, {10, 0.13}};
  static constexpr double kOwn = 0.47;

  // Clusters differ in size: the first of them has several times the rows of the last.
  static std::size_t Pick(std::size_t count, Normals* normals) {
    const double u = normals->Uniform();
    return std::min(count - 1, static_cast<std::size_t>(static_cast<double>(count) * u * u));
  }

  void Add(std::size_t center, const std::vector<float>& centers, double share, Normals* normals,
           float* out) const {
    const auto scale = static_cast<float>(std::sqrt(share));
    for (std::size_t j = 0; j < shape_.dim; ++j)
      out[j] = centers[center * shape_.dim + j] + scale * deviation_[j] * normals->Next();
  }

  void Rotate(float* row, std::vector<float>* scratch) const {
    for (const Round& round : rounds_) {
      for (std::size_t j = 0; j < shape_.dim; ++j) row[j] *= round.signs[j];
      for (std::size_t at = 0; at < shape_.dim; at += block_) {
        for (std::size_t half = 1; half < block_; half *= 2) {
          for (std::size_t j = at; j < at + block_; j += 2 * half) {
            for (std::size_t l = j; l < j + half; ++l) {
              const float a = row[l], b = row[l + half];
              row[l] = a + b;
              row[l + half] = a - b;
            }
          }
        }
      }
      for (std::size_t j = 0; j < shape_.dim; ++j) (*scratch)[j] = row[round.order[j]];
      std::copy(scratch->begin(), scratch->end(), row);
    }
    double norm = 0;
    for (std::size_t j = 0; j < shape_.dim; ++j) norm += static_cast<double>(row[j]) * row[j];
    const auto inverse = static_cast<float>(1 / std::sqrt(norm));
    for (std::size_t j = 0; j < shape_.dim; ++j) row[j] *= inverse;
  }

  SyntheticShape shape_;
  std::vector<float> deviation_;
  std::vector<float> centers_;  // of the lowest level
  std::size_t block_ = 1;
  struct Round {
    std::vector<float> signs;
    std::vector<std::uint32_t> order;
  };
  Round rounds_[3];
};

}  // namespace

Set ReadSet(const std::string& corpus, const std::string& queries, std::size_t row_count,
            std::size_t query_count) {
  Set out;
  std::size_t query_dim = 0;
  out.rows = ReadFloats(corpus, row_count, &out.dim);
  out.queries = ReadFloats(queries, query_count, &query_dim);
  if (out.dim != query_dim || out.rows.empty() || out.queries.empty())
    Fail(corpus + " and " + queries + " must have rows of the same dimension");
  return out;
}

Set Synthesize(const SyntheticShape& shape) {
  if (shape.dim == 0 || shape.rows == 0 || shape.queries == 0) Fail("nothing to make");
  const Synthesizer synthesizer(shape);
  Set out;
  out.dim = shape.dim;
  out.rows = synthesizer.Make(shape.rows, 0);
  out.queries = synthesizer.Make(shape.queries, 1);
  return out;
}

std::vector<std::vector<std::uint32_t>> Truth(const Set& set, Metric metric) {
  constexpr std::size_t kBest = 10;
  constexpr float kTie = 1e-6f;
  const auto queries = set.query_view(), rows = set.row_view();
  const std::size_t k = std::min<std::size_t>(64, rows.rows);  // room for ties
  const ItemSet items = Take(ItemSet::Create(rows, metric, {.threads = AvailableThreads()}));
  std::vector<Scored> best(queries.rows * k);
  FailUnless(items.TopK(queries, k, best));
  std::vector<std::vector<std::uint32_t>> out(queries.rows);
  for (std::size_t i = 0; i < queries.rows; ++i) {
    const Scored* of_query = best.data() + i * k;
    const float least = of_query[std::min(k, kBest) - 1].score;
    for (std::size_t j = 0; j < k; ++j) {
      if (j < kBest || of_query[j].score >= least - kTie * std::abs(least))
        out[i].push_back(of_query[j].id);
    }
  }
  return out;
}

double RecallOf(const std::vector<std::vector<Scored>>& found,
                const std::vector<std::vector<std::uint32_t>>& truth) {
  double sum = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::size_t hits = 0;
    for (const Scored& hit : found[i])
      hits += std::count(truth[i].begin(), truth[i].end(), hit.id) > 0 ? 1u : 0u;
    const std::size_t wanted = std::min<std::size_t>(10, truth[i].size());
    sum += wanted == 0 ? 1.0
                       : static_cast<double>(std::min(hits, wanted)) / static_cast<double>(wanted);
  }
  return sum / static_cast<double>(found.size());
}

}  // namespace equipoise::bench
