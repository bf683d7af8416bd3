// Probabilities that are right as often as they say: a temperature for all domains, then beta
// calibration of the first domain's probability (Kull et al. 2017), with how near the query is to a
// prototype as a further feature: far from all of them, a model is right less often than it says.
#include <algorithm>
#include <cmath>

#include "domain_model.h"

namespace equipoise::domain {
namespace {

constexpr double kLeast = 1e-6;      // probabilities are kept this far from 0 and 1
constexpr double kRidge = 1;         // pull of theta towards "as it is", in rows
constexpr double kRemembered = 200;  // rows that the held-out rows count as in an update
constexpr std::size_t kTheta = 4;

constexpr std::array<double, kTheta> kAsItIs = {1, 1, 0, 0};

double Logistic(double x) { return 1 / (1 + std::exp(-x)); }

double Dot4(const std::array<double, kTheta>& a, const std::array<double, kTheta>& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
}

/// Solves the symmetric positive definite system a x = b by Cholesky's decomposition.
std::array<double, kTheta> Solve(std::array<double, 16> a, std::array<double, kTheta> b) {
  for (std::size_t i = 0; i < kTheta; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = a[i * kTheta + j];
      for (std::size_t k = 0; k < j; ++k) sum -= a[i * kTheta + k] * a[j * kTheta + k];
      a[i * kTheta + j] = i == j ? std::sqrt(std::max(sum, 1e-12)) : sum / a[j * kTheta + j];
    }
  }
  for (std::size_t i = 0; i < kTheta; ++i) {
    for (std::size_t k = 0; k < i; ++k) b[i] -= a[i * kTheta + k] * b[k];
    b[i] /= a[i * kTheta + i];
  }
  for (std::size_t i = kTheta; i-- > 0;) {
    for (std::size_t k = i + 1; k < kTheta; ++k) b[i] -= a[k * kTheta + i] * b[k];
    b[i] /= a[i * kTheta + i];
  }
  return b;
}

/// −ln posterior of theta: rows' logistic loss and a Gaussian prior; with gradient and Hessian.
struct Posterior {
  std::span<const CalibrationRow> rows;
  const Calibration* features_of;
  std::array<double, kTheta> center;
  std::array<double, 16> precision;

  double At(const std::array<double, kTheta>& theta, std::array<double, kTheta>* gradient,
            std::array<double, 16>* hessian) const {
    double loss = 0;
    *hessian = precision;
    for (std::size_t i = 0; i < kTheta; ++i) {
      (*gradient)[i] = 0;
      for (std::size_t j = 0; j < kTheta; ++j)
        (*gradient)[i] += precision[i * kTheta + j] * (theta[j] - center[j]);
      loss += 0.5 * (*gradient)[i] * (theta[i] - center[i]);
    }
    for (const CalibrationRow& row : rows) {
      const auto f = Features(*features_of, row.probability, row.nearness);
      const double z = Dot4(theta, f);
      const double p = Logistic(z);
      // ln(1 + exp(±z)) without overflow.
      const double signed_z = row.right ? -z : z;
      loss += row.weight * (std::max(signed_z, 0.0) + std::log1p(std::exp(-std::abs(signed_z))));
      const double g = row.weight * (p - (row.right ? 1 : 0));
      const double h = row.weight * p * (1 - p);
      for (std::size_t i = 0; i < kTheta; ++i) {
        (*gradient)[i] += g * f[i];
        for (std::size_t j = 0; j < kTheta; ++j) (*hessian)[i * kTheta + j] += h * f[i] * f[j];
      }
    }
    return loss;
  }

  /// Newton's method with halved steps; the loss is convex.
  std::array<double, kTheta> Minimum(std::array<double, 16>* hessian) const {
    std::array<double, kTheta> theta = center;
    std::array<double, kTheta> gradient;
    double loss = At(theta, &gradient, hessian);
    for (int round = 0; round < 50; ++round) {
      const auto direction = Solve(*hessian, gradient);
      double step = 1;
      bool better = false;
      for (int halving = 0; halving < 30 && !better; ++halving, step /= 2) {
        auto next = theta;
        for (std::size_t i = 0; i < kTheta; ++i) next[i] -= step * direction[i];
        std::array<double, kTheta> next_gradient;
        std::array<double, 16> next_hessian;
        const double next_loss = At(next, &next_gradient, &next_hessian);
        better = next_loss < loss;
        if (!better) continue;
        const bool done = loss - next_loss < 1e-10 * (1 + std::abs(loss));
        theta = next;
        loss = next_loss;
        gradient = next_gradient;
        *hessian = next_hessian;
        if (done) return theta;
      }
      if (!better) break;
    }
    return theta;
  }
};

std::array<double, 16> Diagonal(double value) {
  std::array<double, 16> out{};
  for (std::size_t i = 0; i < kTheta; ++i) out[i * kTheta + i] = value;
  return out;
}

}  // namespace

std::array<double, 4> Features(const Calibration& calibration, double probability,
                               double nearness) {
  const double p = std::clamp(probability, kLeast, 1 - kLeast);
  return {std::log(p), -std::log1p(-p), 1, nearness - calibration.nearness};
}

std::vector<float> LogPriors(std::span<const double> priors) {
  std::vector<float> out;
  for (const double prior : priors) out.push_back(static_cast<float>(std::log(prior)));
  return out;
}

double FitSharpness(std::span<const float> logits, std::span<const std::uint32_t> labels,
                    std::span<const double> weights, std::span<const float> log_priors) {
  const std::size_t n = labels.size();
  const std::size_t domains = log_priors.size();
  std::vector<double> z(domains);
  auto loss = [&](double log_t) {
    const double t = std::exp(log_t);
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t c = 0; c < domains; ++c)
        z[c] = log_priors[c] + t * (logits[i * domains + c] - log_priors[c]);
      const double top = *std::max_element(z.begin(), z.end());
      double total = 0;
      for (const double x : z)
        if (x - top > -40) total += std::exp(x - top);
      sum += weights[i] * (std::log(total) + top - z[labels[i]]);
    }
    return sum;
  };
  // Golden section: the loss is convex in t, so it has one minimum in ln t.
  double low = std::log(1.0 / 32);
  double high = std::log(32.0);
  const double ratio = (std::sqrt(5.0) - 1) / 2;
  double a = high - ratio * (high - low);
  double b = low + ratio * (high - low);
  double at_a = loss(a);
  double at_b = loss(b);
  for (int round = 0; round < 24; ++round) {
    if (at_a < at_b) {
      high = b;
      b = a;
      at_b = at_a;
      a = high - ratio * (high - low);
      at_a = loss(a);
    } else {
      low = a;
      a = b;
      at_a = at_b;
      b = low + ratio * (high - low);
      at_b = loss(b);
    }
  }
  return std::exp((low + high) / 2);
}

void FitCorrection(std::span<const CalibrationRow> rows, Calibration* calibration) {
  double total = 0;
  double squares = 0;
  double nearness = 0;
  for (const CalibrationRow& row : rows) {
    total += row.weight;
    squares += row.weight * row.weight;
    nearness += row.weight * row.nearness;
  }
  calibration->theta = kAsItIs;
  calibration->precision = Diagonal(kRidge);
  if (!(total > 0)) return;
  calibration->nearness = nearness / total;
  // Weighted rows tell as much as this many rows of equal weight.
  const double effective = total * total / squares;
  std::vector<CalibrationRow> scaled(rows.begin(), rows.end());
  for (CalibrationRow& row : scaled) row.weight *= effective / total;
  const Posterior posterior{scaled, calibration, kAsItIs, Diagonal(kRidge)};
  std::array<double, 16> hessian;
  calibration->theta = posterior.Minimum(&hessian);
  const double kept = std::min(1.0, kRemembered / effective);
  for (double& h : hessian) h *= kept;
  for (std::size_t i = 0; i < kTheta; ++i) hessian[i * kTheta + i] += kRidge;
  calibration->precision = hessian;
}

void UpdateCorrection(std::span<const CalibrationRow> rows, Calibration* calibration) {
  if (rows.empty()) return;
  const Posterior posterior{rows, calibration, calibration->theta, calibration->precision};
  std::array<double, 16> hessian;
  calibration->theta = posterior.Minimum(&hessian);
  calibration->precision = hessian;
}

Ranked Rank(const Calibration& calibration, float nearness, std::span<float> logits) {
  // Around the priors, so that a model that knows nothing says what they say.
  const auto t = static_cast<float>(calibration.sharpness);
  for (std::size_t c = 0; c < logits.size(); ++c)
    logits[c] = calibration.log_priors[c] + t * (logits[c] - calibration.log_priors[c]);
  Softmax(logits.data(), logits.size(), 1);
  Ranked out;
  float first = -1;
  float second = -1;
  for (std::size_t c = 0; c < logits.size(); ++c) {
    const float p = logits[c];
    if (p > first) {
      second = first;
      out.second = out.first;
      first = p;
      out.first = static_cast<std::uint32_t>(c);
    } else if (p > second) {
      second = p;
      out.second = static_cast<std::uint32_t>(c);
    }
  }
  out.uncorrected = std::min(1.0, double{first});
  const double rest = 1 - out.uncorrected;
  const double corrected =
      Logistic(Dot4(calibration.theta, Features(calibration, out.uncorrected, nearness)));
  // The others share what is left as before, and the first stays the first.
  const double of_rest = rest > 0 ? std::min(1.0, second / rest) : 0;
  out.probability = std::max(corrected, of_rest / (1 + of_rest));
  out.second_probability = of_rest * (1 - out.probability);
  return out;
}

}  // namespace equipoise::domain
