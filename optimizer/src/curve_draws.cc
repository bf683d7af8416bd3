#include "curve_draws.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include <equipoise/core/random.h>

namespace equipoise {

namespace {

// Box & Muller 1958; each number with its negative, so that the mean is exact.
void FillNormal(std::span<float> row, Random* random) {
  for (std::size_t i = 0; i < row.size(); i += 2) {
    const double radius = std::sqrt(-2 * std::log(1 - random->Uniform()));
    row[i] = static_cast<float>(radius * std::cos(2 * std::numbers::pi * random->Uniform()));
    if (i + 1 < row.size()) row[i + 1] = -row[i];
  }
}

}  // namespace

CurveDraws::CurveDraws(std::size_t draws, std::uint64_t seed, const CurveModel& model)
    : model_(model),
      draws_(draws),
      normal_(model.modes() * draws),
      rough_(model.grid() * draws),
      uniform_(draws),
      modes_(kCurveModes * draws),
      best_(draws),
      arg_(draws),
      value_(draws),
      basis_(model.grid() * kCurveModes) {
  for (std::size_t k = 0; k < model.grid(); ++k)
    for (std::size_t j = 0; j < model.modes(); ++j)
      basis_[k * kCurveModes + j] = static_cast<float>(model.Basis(j)[k]);
  Random random(seed);
  for (std::size_t j = 0; j < model.modes(); ++j)
    FillNormal({normal_.data() + j * draws, draws}, &random);
  std::vector<std::size_t> order(draws);
  std::iota(order.begin(), order.end(), std::size_t{0});
  random.Shuffle(std::span<std::size_t>(order));
  for (std::size_t k = 0; k < model.grid(); ++k)
    FillNormal({rough_.data() + k * draws, draws}, &random);
  // By the number that chooses the scale, so that the draws of a scale lie side by side.
  for (std::size_t i = 0; i < draws; ++i)
    uniform_[i] = (static_cast<double>(i) + 0.5) / static_cast<double>(draws);
  std::vector<float> row(draws);
  for (std::vector<float>* rows : {&normal_, &rough_})
    for (std::size_t first = 0; first < rows->size(); first += draws) {
      std::copy_n(rows->data() + first, draws, row.data());
      for (std::size_t i = 0; i < draws; ++i) (*rows)[first + order[i]] = row[i];
    }
}

void CurveDraws::Draw(const CurvePosterior& posterior, double width) {
  const std::size_t modes = model_.modes();
  std::array<double, kCurveScales> until{};
  std::partial_sum(posterior.weight.begin(), posterior.weight.end(), until.begin());
  const CurveModes mean = posterior.Mean();
  std::array<std::array<float, kCurveModes>, kCurveScales> center{}, spread{};
  for (std::size_t h = 0; h < kCurveScales; ++h)
    for (std::size_t j = 0; j < modes; ++j) {
      center[h][j] = static_cast<float>(model_.prior()[j] + mean[j] +
                                        width * (posterior.mean[h][j] - mean[j]));
      spread[h][j] = static_cast<float>(width * std::sqrt(posterior.variance[h][j]));
    }
  std::size_t first = 0;
  for (std::size_t h = 0; h < kCurveScales; ++h) {
    const std::size_t last =
        h + 1 == kCurveScales
            ? draws_
            : static_cast<std::size_t>(
                  std::lower_bound(uniform_.begin() + static_cast<std::ptrdiff_t>(first),
                                   uniform_.end(), until[h]) -
                  uniform_.begin());
    for (std::size_t j = 0; j < modes; ++j) {
      const float at = center[h][j], wide = spread[h][j];
      const float* const normal = normal_.data() + j * draws_;
      float* const out = modes_.data() + j * draws_;
      for (std::size_t i = first; i < last; ++i) out[i] = at + wide * normal[i];
    }
    first = last;
  }
}

void CurveDraws::Count(const CurvePosterior& posterior, double exploration, double at_zero,
                       double at_one, std::span<std::uint32_t> counts) {
  Draw(posterior, exploration);
  std::fill(counts.begin(), counts.end(), 0u);
  const std::size_t n = draws_, grid = model_.grid();
  // One pass for each α, that a compiler makes vectors of: nothing is stored but what is best so far.
  static_assert(kCurveModes == 6);
  const float* __restrict const c = modes_.data();
  float* __restrict const best = best_.data();
  std::int32_t* __restrict const arg = arg_.data();
  std::fill_n(best, n, -std::numeric_limits<float>::infinity());
  for (std::size_t k = 0; k < grid; ++k) {
    const float* const b = basis_.data() + k * kCurveModes;
    const float b0 = b[0], b1 = b[1], b2 = b[2], b3 = b[3], b4 = b[4], b5 = b[5];
    const auto more = static_cast<float>(k == 0 ? at_zero : k + 1 == grid ? at_one : 0);
    const auto here = static_cast<std::int32_t>(k);
    for (std::size_t i = 0; i < n; ++i) {
      const float value = b0 * c[i] + b1 * c[n + i] + b2 * c[2 * n + i] + b3 * c[3 * n + i] +
                          b4 * c[4 * n + i] + b5 * c[5 * n + i] + more;
      // By a mask: a compiler makes a branch of a choice.
      const std::int32_t better = -static_cast<std::int32_t>(value > best[i]);
      arg[i] ^= (arg[i] ^ here) & better;
      best[i] = std::max(best[i], value);
    }
  }
  for (std::size_t i = 0; i < n; ++i) ++counts[static_cast<std::size_t>(arg[i])];
}

double CurveDraws::RegretQuantile(const CurvePosterior& posterior,
                                  std::span<const double> probabilities, double share) {
  Draw(posterior, 1);
  const std::size_t n = draws_, modes = model_.modes();
  const auto rough = static_cast<float>(model_.constants().roughness);
  float* const value = value_.data();
  float* const best = best_.data();
  std::fill_n(best, n, -std::numeric_limits<float>::infinity());
  for (std::size_t k = 0; k <= model_.grid(); ++k) {
    // The last round is what the decisions get: the mean of the curve over the probabilities.
    for (std::size_t j = 0; j < modes; ++j) {
      const auto row = model_.Basis(j);
      const float b =
          static_cast<float>(k < model_.grid() ? row[k]
                                               : std::inner_product(row.begin(), row.end(),
                                                                    probabilities.begin(), 0.0));
      const float* const c = modes_.data() + j * n;
      if (j == 0) {
        for (std::size_t i = 0; i < n; ++i) value[i] = b * c[i];
      } else {
        for (std::size_t i = 0; i < n; ++i) value[i] += b * c[i];
      }
    }
    if (k == model_.grid()) break;
    const float* const off = rough_.data() + k * n;
    for (std::size_t i = 0; i < n; ++i) {
      const float here = value[i] + rough * off[i];
      best[i] = here > best[i] ? here : best[i];
    }
  }
  for (std::size_t k = 0; k < model_.grid(); ++k) {
    const float p = rough * static_cast<float>(probabilities[k]);
    if (p == 0) continue;
    for (std::size_t i = 0; i < n; ++i) value[i] += p * rough_[k * n + i];
  }
  for (std::size_t i = 0; i < n; ++i) best[i] = std::max(0.0f, best[i] - value[i]);
  const auto at =
      std::min(n - 1, static_cast<std::size_t>(std::ceil(share * static_cast<double>(n))) - 1);
  std::nth_element(best_.begin(), best_.begin() + static_cast<std::ptrdiff_t>(at), best_.end());
  return double{best_[at]};
}

}  // namespace equipoise
