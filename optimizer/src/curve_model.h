// The posterior over reward curves, in closed form: no threads, no files, no domains' names.
//
// A curve over α is written in cosine modes without the constant one: its level says nothing about
// which α is better. In these modes a smooth process and smooth noise have nearly diagonal covariances
// (cosines are the Karhunen-Loève modes of stationary processes on an interval), so that each mode is a
// normal model of its own:
//
//   query's coefficient = prior + g + h_d + noise,   g ~ N(0, global_scale² q_j),
//   h_d ~ N(0, scale² q_j), q_j = j^(−2 mode_power),  noise ~ N(0, S_j t_d)
//
// (a domain with a prior of its own lies around that, and not around g; the prior's pseudo-queries are
// counted with its queries) with S_j learned over all domains, t_d for each, and a domain's scale one of kScales, common to its
// modes, with weights learned over the domains. What is learned about the scales and S enters as an
// estimate (empirical Bayes); given them all is exact.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace equipoise {

inline constexpr std::size_t kCurveModes = 6;
inline constexpr std::size_t kCurveScales = 5;
using CurveModes = std::array<double, kCurveModes>;

/// Source   noise, curvature and roughness are what the seven judged sets have in common, rounded; about
///          400 settings of the others were tried on them, none far off. `./dev bench bandit` chooses
///          again with one set left out
struct CurveConstants {
  double mode_power = 2;
  double global_scale = 0.02;
  std::array<double, kCurveScales> scales = {0.003, 0.01, 0.03, 0.1, 0.3};
  double curvature =
      0.25;  // the prior curve is −curvature (α − prior_alpha)²: both paths are better than one
  CurveModes noise = {0.085, 0.034, 0.02, 0.013, 0.011, 0.0085};  // standard deviations
  double noise_queries = 20;         // that `noise` counts for, against all domains
  double domain_noise_queries = 60;  // that the noise of all domains counts for, against one's own
  double scale_domains = 2;          // that equal weights of the scales count for
  double roughness = 0.002;          // standard deviation of a mean curve's points beyond the modes
};

/// One query in modes.
struct CurveObservation {
  CurveModes modes{};
  double share = 0;  // of the grid's points that were determined; 0: nothing to be learned
};

/// What a domain's queries add up to. Plain numbers: written to the state file as they are.
struct DomainSums {
  double weight = 0;          // Σ w
  double weight_squares = 0;  // Σ w²
  CurveModes sum{};           // Σ w c
  CurveModes squares{};       // Σ w c²
  double prior_queries = 0;   // pseudo-queries of the prior
  CurveModes prior{};         // what they say
};

/// What is summed over domains. A domain's part is kept beside it, to be taken out again.
struct CurvePart {
  CurveModes within{};  // Σ w (c − mean)²
  double freedom = 0;   // that those squares have
  CurveModes precision{};
  CurveModes pull{};  // precision · mean
  std::array<double, kCurveScales> scales{};
  double domains = 0;  // with feedback

  void Add(const CurvePart& part, double sign);
};

/// A domain's curve, for each scale that it may have.
struct CurvePosterior {
  std::array<double, kCurveScales> weight{};
  std::array<CurveModes, kCurveScales> mean{};
  std::array<CurveModes, kCurveScales> variance{};
  CurveModes noise{};  // variance of a query
  double own = 0;      // in [0, 1]: part of the mean's first mode that is the domain's own feedback

  CurveModes Mean() const;
};

class CurveModel {
 public:
  /// grid >= 3
  CurveModel(std::size_t grid, double prior_alpha, const CurveConstants& constants);

  std::size_t grid() const { return grid_; }
  std::size_t modes() const { return modes_; }
  const CurveConstants& constants() const { return constants_; }
  /// [grid] of mode j.
  std::span<const double> Basis(std::size_t mode) const {
    return {basis_.data() + mode * grid_, grid_};
  }
  /// The prior's curve in modes; observations and posteriors are relative to it.
  const CurveModes& prior() const { return prior_; }
  /// What a prior that peaks at `alpha` is, relative to that.
  CurveModes PeakAt(double alpha) const;

  /// curve [grid] of finite values and NaN.
  CurveObservation Observe(std::span<const double> curve) const;
  void Add(const CurveObservation& observation, double weight, double sign, DomainSums* sums) const;

  /// The domain's part in what is shared, given the rest.
  CurvePart PartOf(const DomainSums& sums, const CurvePart& shared) const;
  CurvePosterior Posterior(const DomainSums& sums, const CurvePart& shared) const;

 private:
  struct Estimate {  // of a domain's mean
    double n = 0;
    CurveModes mean{};
    CurveModes variance{};
  };
  CurveModes Pooled(const CurvePart& shared) const;
  CurveModes NoiseOf(const DomainSums& sums, const CurvePart& shared) const;
  Estimate EstimateOf(const DomainSums& sums, const CurveModes& noise, double prior_queries) const;
  CurveModes GlobalMean(const CurvePart& shared) const;
  std::array<double, kCurveScales> ScaleWeights(const Estimate& own, const CurveModes& center,
                                                const CurvePart& shared) const;
  CurveObservation FillIn(std::span<const double> curve, std::size_t known) const;

  std::size_t grid_;
  std::size_t modes_;
  CurveConstants constants_;
  std::vector<double> basis_;       // [modes, grid]
  std::vector<double> projection_;  // [modes, grid]: least squares of a curve, level included
  CurveModes prior_{};
  std::array<CurveModes, kCurveScales> spread_{};  // variances of h_d
  CurveModes global_spread_{};
};

}  // namespace equipoise
