// The parts of a domain detector: prototypes and how they are trained, calibration.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>
#include <equipoise/kernels/similarity.h>

namespace equipoise::domain {

/// Vectors and offsets, those of one domain side by side.
struct Prototypes {
  std::size_t dim = 0;
  std::vector<float> weights;        // [size, dim]
  std::vector<float> offsets;        // [size]
  std::vector<std::uint32_t> first;  // [domains + 1]: domain c has [first[c], first[c + 1])

  std::size_t size() const { return offsets.size(); }
  std::size_t domains() const { return first.size() - 1; }
  const float* row(std::size_t j) const { return weights.data() + j * dim; }
  float* row(std::size_t j) { return weights.data() + j * dim; }
};

/// Labelled rows of unit length. Owns nothing.
struct LabelledRows {
  const float* rows = nullptr;  // [n, dim]
  std::size_t dim = 0;
  std::span<const std::uint32_t> labels;  // [n]
  std::size_t domains = 0;

  std::size_t size() const { return labels.size(); }
  const float* row(std::size_t i) const { return rows + i * dim; }
};

/// Told how many rows × passes are done since the last call; false stops the work.
using Ticker = std::function<bool(std::size_t rows)>;

struct TrainOptions {
  std::size_t prototypes = 1;  // a domain, at most
  float step = 0;              // 0: centroids as they are
  std::size_t passes = 6;
  std::uint64_t seed = 0;
  SimilarityOptions similarity{};
  Ticker ticker{};
};

/// Fits prototypes to the rows `use` (every domain has one at least), domain c counting
/// weights[c] times.
/// Errors   kCancelled; those of Products
Result<Prototypes> Train(const LabelledRows& data, std::span<const std::uint32_t> use,
                         std::span<const double> weights, const TrainOptions& options);

/// Moves prototypes towards labelled rows by a few small steps.
Status Adapt(const LabelledRows& data, std::uint64_t seed, const SimilarityOptions& similarity,
             Prototypes* prototypes);

/// Cuts rows into k clusters by direction; cluster[i] < k. Fewer than k may be used.
/// Shapes   rows [n, dim] of unit length; centers [k, dim], of unit length
Status Cluster(const float* rows, std::size_t n, std::size_t dim, std::size_t k, std::uint64_t seed,
               const SimilarityOptions& similarity, std::vector<float>* centers,
               std::vector<std::uint32_t>* cluster);

/// out[m, n] = a [m, k] · b [n, k]ᵀ, the same at any number of threads.
Status Products(const float* a, std::size_t m, const float* b, std::size_t n, std::size_t k,
                const SimilarityOptions& similarity, float* out);

/// 1 / |w| of each prototype, 0 for a zero one.
std::vector<float> InverseNorms(const Prototypes& prototypes);

/// From products to what domains need, in place.
/// Shapes   products [size] in; logits [domains] out: ln of each domain's share; at most 0
/// Returns  the largest cosine with a prototype
float DomainLogits(const Prototypes& prototypes, std::span<const float> inverse_norms,
                   float* products, float* logits);

/// A probability that is right as often as it says.
struct Calibration {
  double sharpness = 1;           // t: how much a share beyond the prior counts
  std::vector<float> log_priors;  // [domains]
  // The corrected probability is the logistic function of theta · Features.
  std::array<double, 4> theta{1, 1, 0, 0};
  std::array<double, 16> precision{};  // of theta, for Update
  double nearness = 0;                 // mean of the held-out rows
};

/// A row that calibrates.
struct CalibrationRow {
  double probability = 0;  // of the first domain, before the correction
  double nearness = 0;     // largest cosine with a prototype
  bool right = false;
  double weight = 1;
};

/// ln p, −ln(1 − p), 1, nearness − its mean.
std::array<double, 4> Features(const Calibration& calibration, double probability, double nearness);

/// The t in [1/32, 32] with the least Σ weight · −ln p of the right domain.
/// Shapes   logits [n, domains]; labels, weights [n]; log_priors [domains]
double FitSharpness(std::span<const float> logits, std::span<const std::uint32_t> labels,
                    std::span<const double> weights, std::span<const float> log_priors);

std::vector<float> LogPriors(std::span<const double> priors);

/// Fits theta to the rows, and keeps how sure of it they make us.
void FitCorrection(std::span<const CalibrationRow> rows, Calibration* calibration);
/// Moves theta by what further rows say, the rows before counting as at most 200.
void UpdateCorrection(std::span<const CalibrationRow> rows, Calibration* calibration);

/// The first two domains of a row and the corrected probability of the first.
struct Ranked {
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  double probability = 0;         // corrected
  double second_probability = 0;  // likewise
  double uncorrected = 0;         // of the first
};

/// Turns logits into uncorrected probabilities in place and ranks the domains.
Ranked Rank(const Calibration& calibration, float nearness, std::span<float> logits);

}  // namespace equipoise::domain
