#include "contextual_model.h"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include <equipoise/core/random.h>

namespace equipoise {
namespace {

// Of a feature that hardly varies, its variance: it then says next to nothing.
constexpr double kLeastVariance = 1e-6;

double Normal(Random* random) {
  // Box and Muller 1958; 1 − u is above 0.
  const double radius = std::sqrt(-2 * std::log(1 - random->Uniform()));
  return radius * std::cos(2 * std::numbers::pi * random->Uniform());
}

Eigen::Index Index(std::size_t i) { return static_cast<Eigen::Index>(i); }

}  // namespace

ContextualModel::ContextualModel(std::size_t features, std::size_t modes, double noise_ratio,
                                 const CurveConstants& constants, std::uint64_t seed)
    : features_(features), modes_(modes), noise_ratio_(noise_ratio), constants_(constants) {
  const std::size_t one = modes * features;
  normal_.resize(kContextDraws * one);
  Random random = Random::Stream(seed, 1);
  for (std::size_t i = 0; i < normal_.size() / 2; ++i) {
    normal_[i] = Normal(&random);
    normal_[normal_.size() / 2 + i] = -normal_[i];
  }
}

void ContextualModel::Add(std::span<const float> features, const CurveModes& modes, double weight,
                          double sign, std::span<double> domain, std::span<double> shared) const {
  double& queries = domain[0];
  const double after = queries + sign * weight;
  if (!(weight > 0) || after < -1e-9) return;  // what was never learned is not taken back
  std::array<double, kMostFeatures + kContextModes> off{};
  const std::size_t all = features_ + modes_;
  const bool gone = after <= 1e-9;
  const double before = queries;
  shared[0] += sign * weight;
  for (std::size_t i = 0; i < features_; ++i)
    shared[shared_size() - features_ + i] += sign * weight * double{features[i]};
  if (sign > 0 && !(before > 0)) shared[1] += 1;
  if (sign < 0 && gone) {
    shared[1] -= 1;
    std::fill(domain.begin(), domain.end(), 0.0);
    return;
  }
  // The means move; of the squares around them each query adds weight · others / all of its distance².
  for (std::size_t i = 0; i < all; ++i) {
    const double value = i < features_ ? double{features[i]} : modes[i - features_];
    double& mean = domain[1 + i];
    const double moved = mean + sign * weight / after * (value - mean);
    off[i] = value - (sign > 0 ? mean : moved);
    mean = moved;
  }
  queries = after;
  const double factor = sign > 0 ? weight * before / after : -weight * after / before;
  double* products = shared.data() + 2;
  for (std::size_t i = 0; i < features_; ++i)
    for (std::size_t j = 0; j < features_; ++j) *products++ += factor * off[i] * off[j];
  for (std::size_t i = 0; i < features_; ++i)
    for (std::size_t j = 0; j < modes_; ++j) *products++ += factor * off[i] * off[features_ + j];
  for (std::size_t j = 0; j < modes_; ++j)
    *products++ += factor * off[features_ + j] * off[features_ + j];
}

void ContextualModel::Draw(std::span<const double> shared, double exploration,
                           std::span<float> numbers) const {
  using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::Index n = Index(features_), m = Index(modes_);
  const double freedom = std::max(1.0, shared[0] - shared[1]);
  Eigen::MatrixXd inner = Eigen::Map<const Rows>(shared.data() + 2, n, n);
  Eigen::MatrixXd cross = Eigen::Map<const Rows>(shared.data() + 2 + features_ * features_, n, m);
  const Eigen::Map<const Eigen::VectorXd> squares(
      shared.data() + 2 + features_ * (features_ + modes_), m);

  const Eigen::VectorXd scale =
      (inner.diagonal().array().max(0) / freedom + kLeastVariance).rsqrt().matrix();
  inner = scale.asDiagonal() * inner * scale.asDiagonal();
  cross = scale.asDiagonal() * cross;
  // Every weight's prior variance is the same part of the noise's: together they explain 1 / noise_ratio.
  inner.diagonal().array() += noise_ratio_ * static_cast<double>(features_);
  const Eigen::LLT<Eigen::MatrixXd> cholesky(inner);
  const Eigen::MatrixXd mean = cholesky.solve(cross);

  for (std::size_t i = 0; i < features_; ++i) numbers[i] = static_cast<float>(scale(Index(i)));
  for (std::size_t j = 0; j < modes_; ++j) {
    const double prior = constants_.noise_queries * std::pow(constants_.noise[j], 2);
    const double left =
        std::max(0.0, squares(Index(j)) - mean.col(Index(j)).dot(cross.col(Index(j))));
    const double noise = std::sqrt((prior + left) / (constants_.noise_queries + freedom));
    for (std::size_t s = 0; s < kContextDraws; ++s) {
      const std::size_t at = (s * modes_ + j) * features_;
      const Eigen::VectorXd off =
          cholesky.matrixU().solve(Eigen::Map<const Eigen::VectorXd>(normal_.data() + at, n));
      for (std::size_t i = 0; i < features_; ++i)
        numbers[features_ + at + i] =
            static_cast<float>(mean(Index(i), Index(j)) + exploration * noise * off(Index(i)));
    }
  }
}

}  // namespace equipoise
