#include <algorithm>
#include <limits>

#include <equipoise/kernels/dot.h>
#include <equipoise/retrieval/diversity.h>

namespace equipoise {
namespace {

/// Whether work on the rows is to end before row `at`: asked of the clock every 256 rows, some 10 µs.
bool EndsAt(std::size_t at, StopCheck* stop) {
  constexpr std::size_t kRows = 256;
  return stop != nullptr && (stop->stopped() || (at % kRows == 0 && stop->Due()));
}

}  // namespace

std::vector<DiversePick> PickDiverse(std::span<const float> relevance,
                                     const MatrixView<float>& rows, double lambda, std::size_t k,
                                     StopCheck* stop) {
  return PickDiverseBy(
      relevance.first(std::min(relevance.size(), rows.rows)),
      [&](std::size_t a, std::size_t b) { return Dot(rows.row(a), rows.row(b), rows.cols); },
      lambda, k, stop);
}

std::vector<DiversePick> PickDiverseBy(
    std::span<const float> relevance,
    const std::function<float(std::size_t picked, std::size_t left)>& cosine, double lambda,
    std::size_t k, StopCheck* stop) {
  const std::size_t m = relevance.size();
  const std::size_t kept = std::min(k, m);
  std::vector<DiversePick> picks;
  picks.reserve(kept);
  // The largest cosine with a pick so far, kept up pick by pick.
  std::vector<float> similarity(m, 0.0f);
  std::vector<std::size_t> left(m);
  for (std::size_t i = 0; i < m; ++i) left[i] = i;
  while (picks.size() < kept) {
    std::size_t best = 0;
    double best_value = -std::numeric_limits<double>::infinity();
    for (std::size_t j = 0; j < left.size(); ++j) {
      const std::size_t i = left[j];
      const double value = lambda * double{relevance[i]} - (1 - lambda) * double{similarity[i]};
      if (value > best_value) {
        best_value = value;
        best = j;
      }
    }
    const std::size_t chosen = left[best];
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(best));
    const bool first = picks.empty();
    picks.push_back({chosen, similarity[chosen]});
    if (picks.size() == kept) break;
    for (std::size_t j = 0; j < left.size() && !EndsAt(j, stop); ++j) {
      const std::size_t i = left[j];
      const float with = cosine(chosen, i);
      similarity[i] = first ? with : std::max(similarity[i], with);
    }
    if (stop == nullptr || !stop->stopped()) continue;
    for (const std::size_t i : left) {
      if (picks.size() == kept) break;
      picks.push_back({i, similarity[i]});
    }
  }
  return picks;
}

std::vector<std::size_t> WithoutNearDuplicates(const MatrixView<float>& rows, double threshold,
                                               std::size_t k, StopCheck* stop) {
  constexpr double kRounding = 1e-6;
  const double least = std::min(threshold, 1 - kRounding);
  std::size_t compared = 0;
  const auto is_copy = [&](std::size_t above, std::size_t i) {
    return !EndsAt(compared++, stop) &&
           double{Dot(rows.row(above), rows.row(i), rows.cols)} >= least;
  };
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < rows.rows && kept.size() < k; ++i)
    if (std::none_of(kept.begin(), kept.end(),
                     [&](std::size_t above) { return is_copy(above, i); }))
      kept.push_back(i);
  return kept;
}

}  // namespace equipoise
