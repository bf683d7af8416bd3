#include "curve_model.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace equipoise {
namespace {

// A curve is fitted with more modes than are kept, so that its jumps do not leak into those.
constexpr std::size_t kFitModes = 8;

// Of a curve's point beyond the modes: only used where points are missing.
constexpr double kRoughness = 0.02;

double AlphaAt(std::size_t i, std::size_t grid) {
  return static_cast<double>(i) / static_cast<double>(grid - 1);
}

double Mode(std::size_t j, double alpha) {
  return std::numbers::sqrt2 * std::cos(std::numbers::pi * static_cast<double>(j + 1) * alpha);
}

double Within(const DomainSums& sums, std::size_t j) {
  if (!(sums.weight > 0)) return 0;
  return std::max(0.0, sums.squares[j] - sums.sum[j] * sums.sum[j] / sums.weight);
}

// Degrees of freedom of weighted squares around their mean; n − 1 for equal weights of 1.
double Freedom(const DomainSums& sums) {
  if (!(sums.weight > 0)) return 0;
  return std::max(0.0, sums.weight - sums.weight_squares / sums.weight);
}

}  // namespace

void CurvePart::Add(const CurvePart& part, double sign) {
  for (std::size_t j = 0; j < kCurveModes; ++j) {
    within[j] += sign * part.within[j];
    precision[j] += sign * part.precision[j];
    pull[j] += sign * part.pull[j];
  }
  for (std::size_t h = 0; h < kCurveScales; ++h) scales[h] += sign * part.scales[h];
  freedom += sign * part.freedom;
  domains += sign * part.domains;
}

CurveModes CurvePosterior::Mean() const {
  CurveModes out{};
  for (std::size_t h = 0; h < kCurveScales; ++h)
    for (std::size_t j = 0; j < kCurveModes; ++j) out[j] += weight[h] * mean[h][j];
  return out;
}

CurveModel::CurveModel(std::size_t grid, double prior_alpha, const CurveConstants& constants)
    : grid_(grid), modes_(std::min(kCurveModes, grid - 1)), constants_(constants) {
  const std::size_t fit = std::min(kFitModes, grid - 1);
  Eigen::MatrixXd design(static_cast<Eigen::Index>(grid), static_cast<Eigen::Index>(fit + 1));
  design.col(0).setOnes();
  for (std::size_t i = 0; i < grid; ++i)
    for (std::size_t j = 0; j < fit; ++j)
      design(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j + 1)) =
          Mode(j, AlphaAt(i, grid));
  const Eigen::MatrixXd inverse = design.completeOrthogonalDecomposition().pseudoInverse();
  for (std::size_t j = 0; j < modes_; ++j)
    for (std::size_t i = 0; i < grid; ++i) {
      basis_.push_back(Mode(j, AlphaAt(i, grid)));
      projection_.push_back(
          inverse(static_cast<Eigen::Index>(j + 1), static_cast<Eigen::Index>(i)));
    }
  for (std::size_t j = 0; j < modes_; ++j) {
    const double fall = std::pow(static_cast<double>(j + 1), -constants.mode_power);
    global_spread_[j] = std::pow(constants.global_scale * fall, 2);
    for (std::size_t h = 0; h < kCurveScales; ++h)
      spread_[h][j] = std::pow(constants.scales[h] * fall, 2);
  }
  prior_ = PeakAt(prior_alpha);
}

CurveModes CurveModel::PeakAt(double alpha) const {
  CurveModes out{};
  for (std::size_t j = 0; j < modes_; ++j) {
    for (std::size_t i = 0; i < grid_; ++i) {
      const double off = AlphaAt(i, grid_) - alpha;
      out[j] -= projection_[j * grid_ + i] * constants_.curvature * off * off;
    }
    out[j] -= prior_[j];  // still zero while the constructor asks
  }
  return out;
}

CurveObservation CurveModel::Observe(std::span<const double> curve) const {
  const auto known = static_cast<std::size_t>(
      std::count_if(curve.begin(), curve.end(), [](double v) { return !std::isnan(v); }));
  if (known < 2) return {};
  if (known < grid_) return FillIn(curve, known);
  CurveObservation out{.share = 1};
  for (std::size_t j = 0; j < modes_; ++j) {
    double sum = 0;
    for (std::size_t i = 0; i < grid_; ++i) sum += projection_[j * grid_ + i] * curve[i];
    out.modes[j] = sum - prior_[j];
  }
  return out;
}

// The modes expected from the points that are there, if curves were N(prior, noise) of any level. It
// does not look at what was learned, so that it can be taken back later.
CurveObservation CurveModel::FillIn(std::span<const double> curve, std::size_t known) const {
  const auto n = static_cast<Eigen::Index>(known), m = static_cast<Eigen::Index>(modes_);
  Eigen::MatrixXd modes(n, m);
  Eigen::VectorXd values(n), noise(m), prior(m);
  for (Eigen::Index j = 0; j < m; ++j) {
    noise(j) = std::pow(constants_.noise[static_cast<std::size_t>(j)], 2);
    prior(j) = prior_[static_cast<std::size_t>(j)];
  }
  Eigen::Index row = 0;
  for (std::size_t i = 0; i < grid_; ++i) {
    if (std::isnan(curve[i])) continue;
    values(row) = curve[i];
    for (std::size_t j = 0; j < modes_; ++j)
      modes(row, static_cast<Eigen::Index>(j)) = basis_[j * grid_ + i];
    ++row;
  }
  values -= modes * prior;
  Eigen::MatrixXd covariance = modes * noise.asDiagonal() * modes.transpose();
  covariance.diagonal().array() += kRoughness * kRoughness;
  covariance.array() += 1;  // the level may be anything in [0, 1]
  const Eigen::VectorXd found =
      noise.asDiagonal() * modes.transpose() * covariance.ldlt().solve(values);
  CurveObservation out;
  out.share = static_cast<double>(known) / static_cast<double>(grid_);
  for (std::size_t j = 0; j < modes_; ++j) out.modes[j] = found(static_cast<Eigen::Index>(j));
  return out;
}

void CurveModel::Add(const CurveObservation& observation, double weight, double sign,
                     DomainSums* sums) const {
  const double w = weight * observation.share;
  if (!(w > 0)) return;
  sums->weight += sign * w;
  sums->weight_squares += sign * w * w;
  for (std::size_t j = 0; j < modes_; ++j) {
    const double c = observation.modes[j];
    sums->sum[j] += sign * w * c;
    sums->squares[j] += sign * w * c * c;
  }
  if (sign > 0 || sums->weight > 1e-9) return;
  // The last one was taken back: nothing, not a rounding error.
  *sums = {.prior_queries = sums->prior_queries, .prior = sums->prior};
}

CurveModes CurveModel::Pooled(const CurvePart& shared) const {
  CurveModes out{};
  for (std::size_t j = 0; j < modes_; ++j) {
    const double prior = constants_.noise_queries * std::pow(constants_.noise[j], 2);
    out[j] = (prior + std::max(0.0, shared.within[j])) /
             (constants_.noise_queries + std::max(0.0, shared.freedom));
  }
  return out;
}

CurveModes CurveModel::NoiseOf(const DomainSums& sums, const CurvePart& shared) const {
  CurveModes out = Pooled(shared);
  double ratio = 0;
  for (std::size_t j = 0; j < modes_; ++j) ratio += Within(sums, j) / out[j];
  ratio /= static_cast<double>(modes_);
  const double scale =
      (constants_.domain_noise_queries + ratio) / (constants_.domain_noise_queries + Freedom(sums));
  for (std::size_t j = 0; j < modes_; ++j) out[j] *= scale;
  return out;
}

CurveModel::Estimate CurveModel::EstimateOf(const DomainSums& sums, const CurveModes& noise,
                                            double prior_queries) const {
  Estimate out{.n = sums.weight + prior_queries};
  if (!(out.n > 0)) return out;
  for (std::size_t j = 0; j < modes_; ++j) {
    out.mean[j] = (sums.sum[j] + prior_queries * sums.prior[j]) / out.n;
    out.variance[j] = noise[j] / out.n;
  }
  return out;
}

// What the domains have in common.
CurveModes CurveModel::GlobalMean(const CurvePart& shared) const {
  CurveModes out{};
  for (std::size_t j = 0; j < modes_; ++j)
    out[j] = shared.pull[j] / (1 / global_spread_[j] + shared.precision[j]);
  return out;
}

// Probability of each scale, given what the domain's curve lies around.
std::array<double, kCurveScales> CurveModel::ScaleWeights(const Estimate& own,
                                                          const CurveModes& center,
                                                          const CurvePart& shared) const {
  std::array<double, kCurveScales> out{};
  const double equal = constants_.scale_domains / static_cast<double>(kCurveScales);
  double most = -std::numeric_limits<double>::infinity();
  for (std::size_t h = 0; h < kCurveScales; ++h) {
    out[h] = std::log(equal + std::max(0.0, shared.scales[h]));
    if (own.n > 0) {
      for (std::size_t j = 0; j < modes_; ++j) {
        const double variance = spread_[h][j] + own.variance[j], off = own.mean[j] - center[j];
        out[h] -= 0.5 * (std::log(variance) + off * off / variance);
      }
    }
    most = std::max(most, out[h]);
  }
  double sum = 0;
  for (double& weight : out) sum += weight = std::exp(weight - most);
  for (double& weight : out) weight /= sum;
  return out;
}

CurvePart CurveModel::PartOf(const DomainSums& sums, const CurvePart& shared) const {
  CurvePart out;
  if (!(sums.weight > 0)) return out;
  const Estimate own = EstimateOf(sums, NoiseOf(sums, shared), 0);
  out.scales = ScaleWeights(own, GlobalMean(shared), shared);
  out.domains = 1;
  out.freedom = Freedom(sums);
  for (std::size_t j = 0; j < modes_; ++j) {
    out.within[j] = Within(sums, j);
    for (std::size_t h = 0; h < kCurveScales; ++h)
      out.precision[j] += out.scales[h] / (spread_[h][j] + own.variance[j]);
    out.pull[j] = out.precision[j] * own.mean[j];
  }
  return out;
}

CurvePosterior CurveModel::Posterior(const DomainSums& sums, const CurvePart& shared) const {
  CurvePosterior out;
  out.noise = NoiseOf(sums, shared);
  const bool has_prior = sums.prior_queries > 0;
  const CurveModes center = has_prior ? sums.prior : GlobalMean(shared);
  out.weight = ScaleWeights(EstimateOf(sums, out.noise, 0), center, shared);
  const Estimate own = EstimateOf(sums, out.noise, sums.prior_queries);
  for (std::size_t h = 0; h < kCurveScales; ++h) {
    for (std::size_t j = 0; j < modes_; ++j) {
      const double trust = own.n > 0 ? spread_[h][j] / (spread_[h][j] + own.variance[j]) : 0;
      const double doubt = has_prior ? 0 : 1 / (1 / global_spread_[j] + shared.precision[j]);
      out.mean[h][j] = center[j] + trust * (own.mean[j] - center[j]);
      out.variance[h][j] = (1 - trust) * spread_[h][j] + (1 - trust) * (1 - trust) * doubt;
      if (j == 0 && own.n > 0) out.own += out.weight[h] * trust * sums.weight / own.n;
    }
  }
  return out;
}

}  // namespace equipoise
