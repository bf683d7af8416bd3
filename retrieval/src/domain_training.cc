// Prototypes: k-means within each domain, then gradient descent on the cross-entropy of all domains.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include <equipoise/core/check.h>
#include <equipoise/core/random.h>
#include <equipoise/kernels/rows.h>

#include "domain_model.h"

namespace equipoise::domain {
namespace {

constexpr std::size_t kRowsPerPrototype = 20;   // fewer would describe rows, not a domain
constexpr std::size_t kSampledPerCenter = 256;  // as FAISS does: more rows hardly move a center
constexpr int kClusterRounds = 8;
constexpr std::size_t kBatch = 256;
constexpr std::size_t kLeastSteps = 200;
constexpr float kMomentum = 0.9f;
constexpr float kFirstLength = 10;  // of a prototype before training: a temperature of 0.1
// A rare domain under uniform priors would otherwise make single steps of any length; what is cut
// off is added to its offset, which has the same effect on the best possible model.
constexpr double kMostWeight = 10;

constexpr std::size_t kUpdatePasses = 5;
constexpr std::size_t kUpdateBatch = 32;
constexpr float kUpdateStep = 2;

/// Gradient descent on one batch at a time.
class Descent {
 public:
  Descent(Prototypes* prototypes, const SimilarityOptions& similarity)
      : p_(*prototypes),
        similarity_(similarity),
        weight_speed_(p_.weights.size()),
        offset_speed_(p_.offsets.size()) {}

  /// One step on rows [n, dim] with their labels; row i counts weights[labels[i]] times.
  Status Step(const std::vector<float>& rows, std::span<const std::uint32_t> labels,
              std::span<const double> weights, float step, float momentum) {
    const std::size_t n = labels.size();
    const std::size_t size = p_.size();
    const std::size_t dim = p_.dim;
    shares_.resize(n * size);
    EQUIPOISE_RETURN_IF_ERROR(
        Products(rows.data(), n, p_.weights.data(), size, dim, similarity_, shares_.data()));
    by_prototype_.resize(n * size);
    offset_gradient_.assign(size, 0);
    for (std::size_t i = 0; i < n; ++i) Errors(i, n, labels[i], weights[labels[i]]);
    by_column_.resize(n * dim);
    Transpose(rows.data(), n, dim, by_column_.data());
    gradient_.resize(size * dim);
    EQUIPOISE_RETURN_IF_ERROR(Products(by_prototype_.data(), size, by_column_.data(), dim, n,
                                       similarity_, gradient_.data()));
    Move(gradient_, step, momentum, &weight_speed_, &p_.weights);
    Move(offset_gradient_, step, momentum, &offset_speed_, &p_.offsets);
    return {};
  }

 private:
  /// The derivative of row i's loss by each prototype's product: its share less its share among the
  /// prototypes of the right domain.
  void Errors(std::size_t i, std::size_t n, std::uint32_t label, double weight) {
    const std::size_t size = p_.size();
    float* row = shares_.data() + i * size;
    for (std::size_t j = 0; j < size; ++j) row[j] += p_.offsets[j];
    const std::size_t from = p_.first[label];
    const std::size_t to = p_.first[label + 1];
    own_.assign(row + from, row + to);
    Softmax(own_.data(), own_.size(), 1);
    Softmax(row, size, 1);
    for (std::size_t j = from; j < to; ++j) row[j] -= own_[j - from];
    const auto scale = static_cast<float>(weight / static_cast<double>(n));
    for (std::size_t j = 0; j < size; ++j) {
      const float g = row[j] * scale;
      by_prototype_[j * n + i] = g;
      offset_gradient_[j] += g;
    }
  }

  static void Transpose(const float* from, std::size_t n, std::size_t dim, float* to) {
    constexpr std::size_t kBlock = 16;
    for (std::size_t i0 = 0; i0 < n; i0 += kBlock)
      for (std::size_t j = 0; j < dim; ++j)
        for (std::size_t i = i0; i < std::min(n, i0 + kBlock); ++i)
          to[j * n + i] = from[i * dim + j];
  }

  static void Move(const std::vector<float>& gradient, float step, float momentum,
                   std::vector<float>* speed, std::vector<float>* values) {
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      (*speed)[i] = momentum * (*speed)[i] - step * gradient[i];
      (*values)[i] += (*speed)[i];
    }
  }

  Prototypes& p_;
  const SimilarityOptions& similarity_;
  std::vector<float> weight_speed_;
  std::vector<float> offset_speed_;
  std::vector<float> shares_;        // [n, size]
  std::vector<float> by_prototype_;  // [size, n]
  std::vector<float> by_column_;     // [dim, n]
  std::vector<float> gradient_;      // [size, dim]
  std::vector<float> offset_gradient_;
  std::vector<float> own_;
};

void CopyRows(const LabelledRows& data, std::span<const std::uint32_t> use,
              std::vector<float>* rows, std::vector<std::uint32_t>* labels) {
  rows->resize(use.size() * data.dim);
  labels->resize(use.size());
  for (std::size_t i = 0; i < use.size(); ++i) {
    std::copy_n(data.row(use[i]), data.dim, rows->data() + i * data.dim);
    (*labels)[i] = data.labels[use[i]];
  }
}

/// Up to options.prototypes centers of each domain, of length kFirstLength.
Status FirstPrototypes(const LabelledRows& data, std::span<const std::uint32_t> use,
                       const TrainOptions& options, Prototypes* out) {
  std::vector<std::vector<std::uint32_t>> of_domain(data.domains);
  for (const std::uint32_t i : use) of_domain[data.labels[i]].push_back(i);
  out->dim = data.dim;
  out->first.assign(1, 0);
  std::vector<float> rows;
  std::vector<std::uint32_t> ignored;
  std::vector<float> centers;
  std::vector<std::uint32_t> cluster;
  for (std::size_t c = 0; c < data.domains; ++c) {
    auto& members = of_domain[c];
    const std::size_t k =
        std::clamp<std::size_t>(members.size() / kRowsPerPrototype, 1, options.prototypes);
    if (k > 1 && members.size() > k * kSampledPerCenter) {
      Random::Stream(options.seed, c).Shuffle(std::span(members));
      members.resize(k * kSampledPerCenter);
    }
    CopyRows(data, members, &rows, &ignored);
    EQUIPOISE_RETURN_IF_ERROR(Cluster(rows.data(), members.size(), data.dim, k,
                                      options.seed + 0x9e37 * c, options.similarity, &centers,
                                      &cluster));
    for (float& x : centers) x *= kFirstLength;
    out->weights.insert(out->weights.end(), centers.begin(), centers.end());
    out->first.push_back(out->first.back() + static_cast<std::uint32_t>(k));
  }
  out->offsets.assign(out->first.back(), 0.0f);
  return {};
}

}  // namespace

Status Products(const float* a, std::size_t m, const float* b, std::size_t n, std::size_t k,
                const SimilarityOptions& similarity, float* out) {
  return Similarity(MatrixView<float>(a, m, k), MatrixView<float>(b, n, k), Metric::kInnerProduct,
                    std::span(out, m * n), similarity);
}

Status Cluster(const float* rows, std::size_t n, std::size_t dim, std::size_t k, std::uint64_t seed,
               const SimilarityOptions& similarity, std::vector<float>* centers,
               std::vector<std::uint32_t>* cluster) {
  cluster->assign(n, 0);
  centers->assign(k * dim, 0);
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  Random(seed).Shuffle(std::span(order));
  for (std::size_t j = 0; j < k; ++j)
    std::copy_n(rows + order[j % n] * dim, dim, centers->data() + j * dim);
  std::vector<float> scores(std::min(n, kBatch) * k);
  std::vector<double> sums(k * dim);
  std::vector<std::size_t> sizes(k);
  for (int round = 0; round < (k > 1 ? kClusterRounds : 1); ++round) {
    std::fill(sums.begin(), sums.end(), 0.0);
    std::fill(sizes.begin(), sizes.end(), 0u);
    for (std::size_t from = 0; from < n; from += kBatch) {
      const std::size_t count = std::min(kBatch, n - from);
      if (k > 1)
        EQUIPOISE_RETURN_IF_ERROR(
            Products(rows + from * dim, count, centers->data(), k, dim, similarity, scores.data()));
      for (std::size_t i = 0; i < count; ++i) {
        const float* row = scores.data() + i * k;
        const auto best =
            k > 1 ? static_cast<std::size_t>(std::max_element(row, row + k) - row) : 0;
        (*cluster)[from + i] = static_cast<std::uint32_t>(best);
        ++sizes[best];
        for (std::size_t x = 0; x < dim; ++x) sums[best * dim + x] += rows[(from + i) * dim + x];
      }
    }
    for (std::size_t j = 0; j < k; ++j) {
      if (sizes[j] == 0) continue;  // stays a row that is another center's too: harmless
      float* center = centers->data() + j * dim;
      std::vector<float> mean(dim);
      for (std::size_t x = 0; x < dim; ++x)
        mean[x] = static_cast<float>(sums[j * dim + x] / static_cast<double>(sizes[j]));
      // Rows that cancel each other have no direction: the center stays where it was.
      if (Normalize(mean.data(), dim) > 1e-6) std::copy(mean.begin(), mean.end(), center);
    }
  }
  return {};
}

Result<Prototypes> Train(const LabelledRows& data, std::span<const std::uint32_t> use,
                         std::span<const double> weights, const TrainOptions& options) {
  Prototypes out;
  EQUIPOISE_RETURN_IF_ERROR(FirstPrototypes(data, use, options, &out));
  const std::size_t n = use.size();
  if (options.step <= 0) {
    // Nothing is trained that would know the priors.
    std::vector<double> counts(data.domains);
    for (const std::uint32_t i : use) counts[data.labels[i]] += 1;
    for (std::size_t c = 0; c < data.domains; ++c)
      out.offsets[c] =
          static_cast<float>(std::log(weights[c] * counts[c] / static_cast<double>(n)));
    if (options.ticker && !options.ticker(n)) return Status(Code::kCancelled, "stopped");
    return out;
  }

  std::vector<double> used(weights.begin(), weights.end());
  for (std::size_t c = 0; c < data.domains; ++c) {
    used[c] = std::clamp(weights[c], 1 / kMostWeight, kMostWeight);
  }
  const std::size_t batch = std::clamp<std::size_t>(n / 8, 1, kBatch);
  const std::size_t per_pass = n / batch;
  const std::size_t steps = std::max(options.passes * per_pass, kLeastSteps);
  Random random = Random::Stream(options.seed, data.domains);
  std::vector<std::uint32_t> order(use.begin(), use.end());
  std::vector<float> rows;
  std::vector<std::uint32_t> labels;
  Descent descent(&out, options.similarity);
  for (std::size_t t = 0; t < steps; ++t) {
    const std::size_t at = t % per_pass;
    if (at == 0) random.Shuffle(std::span(order));
    CopyRows(data, std::span(order).subspan(at * batch, batch), &rows, &labels);
    const double angle = std::numbers::pi * static_cast<double>(t + 1) / static_cast<double>(steps);
    const auto step = static_cast<float>(options.step * 0.5 * (1 + std::cos(angle)));
    EQUIPOISE_RETURN_IF_ERROR(descent.Step(rows, labels, used, step, kMomentum));
    if (options.ticker && !options.ticker(batch)) return Status(Code::kCancelled, "stopped");
  }
  for (std::size_t c = 0; c < data.domains; ++c)
    for (std::size_t j = out.first[c]; j < out.first[c + 1]; ++j)
      out.offsets[j] += static_cast<float>(std::log(weights[c] / used[c]));
  return out;
}

Status Adapt(const LabelledRows& data, std::uint64_t seed, const SimilarityOptions& similarity,
             Prototypes* prototypes) {
  const std::size_t n = data.size();
  const std::size_t size = prototypes->size();
  // The prototypes as they were, as rows of their domains, stand for the rows of Fit.
  std::vector<float> before = prototypes->weights;
  std::vector<std::uint32_t> owner(size);
  for (std::size_t c = 0; c < prototypes->domains(); ++c)
    for (std::size_t j = prototypes->first[c]; j < prototypes->first[c + 1]; ++j)
      owner[j] = static_cast<std::uint32_t>(c);
  for (std::size_t j = 0; j < size; ++j) Normalize(before.data() + j * data.dim, data.dim);

  Random random(seed);
  const std::vector<double> weights(prototypes->domains(), 1.0);
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  std::vector<float> rows;
  std::vector<std::uint32_t> labels;
  Descent descent(prototypes, similarity);
  for (std::size_t pass = 0; pass < kUpdatePasses; ++pass) {
    random.Shuffle(std::span(order));
    for (std::size_t from = 0; from < n; from += kUpdateBatch) {
      CopyRows(data, std::span(order).subspan(from, std::min(kUpdateBatch, n - from)), &rows,
               &labels);
      for (std::size_t i = 0; i < kUpdateBatch; ++i) {
        const auto j = static_cast<std::size_t>(random.Below(size));
        rows.insert(rows.end(), before.data() + j * data.dim, before.data() + (j + 1) * data.dim);
        labels.push_back(owner[j]);
      }
      EQUIPOISE_RETURN_IF_ERROR(descent.Step(rows, labels, weights, kUpdateStep, 0));
    }
  }
  return {};
}

std::vector<float> InverseNorms(const Prototypes& prototypes) {
  std::vector<float> out(prototypes.size());
  for (std::size_t j = 0; j < out.size(); ++j) {
    const double norm = Norm(prototypes.row(j), prototypes.dim);
    out[j] = norm > 0 ? static_cast<float>(1 / norm) : 0;
  }
  return out;
}

float DomainLogits(const Prototypes& prototypes, std::span<const float> inverse_norms,
                   float* products, float* logits) {
  // Eight maxima side by side, so that the compiler can use vectors.
  constexpr std::size_t kLanes = 8;
  float lanes[kLanes];
  std::fill(lanes, lanes + kLanes, -1.0f);
  const std::size_t size = prototypes.size();
  const float* norms = inverse_norms.data();
  const float* offsets = prototypes.offsets.data();
  std::size_t j = 0;
  for (; j + kLanes <= size; j += kLanes)
    for (std::size_t l = 0; l < kLanes; ++l) {
      const float cosine = products[j + l] * norms[j + l];
      lanes[l] = cosine > lanes[l] ? cosine : lanes[l];
      products[j + l] += offsets[j + l];
    }
  for (; j < size; ++j) {
    lanes[0] = std::max(lanes[0], products[j] * norms[j]);
    products[j] += offsets[j];
  }
  const float nearness = *std::max_element(lanes, lanes + kLanes);
  Softmax(products, prototypes.size(), 1);
  constexpr float kTiny = 1e-37f;
  for (std::size_t c = 0; c < prototypes.domains(); ++c) {
    float share = 0;
    for (std::size_t k = prototypes.first[c]; k < prototypes.first[c + 1]; ++k)
      share += products[k];
    logits[c] = std::log(std::max(share, kTiny));
  }
  return nearness;
}

}  // namespace equipoise::domain
