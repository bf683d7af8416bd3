#include <algorithm>
#include <cmath>
#include <limits>

#include <equipoise/core/ranking_measures.h>

namespace equipoise {
namespace {

bool Relevant(int grade) { return grade >= kRelevantGrade; }

std::span<const int> First(std::span<const int> ranked, std::size_t k) {
  return ranked.first(std::min(k, ranked.size()));
}

// (2^grade - 1) / 2^top. Dividing by a power of two is exact and cancels in DCG / ideal DCG, so the
// result is the same number as without it, but a grade of 5,000 does not make infinity of both.
double ScaledGain(int grade, int top) {
  return grade <= 0 ? 0.0 : std::ldexp(1.0, grade - top) - std::ldexp(1.0, -top);
}

double Discount(std::size_t rank_from_0) {
  return 1.0 / std::log2(static_cast<double>(rank_from_0) + 2.0);
}

// The ideal ranking lists the grades in descending order. Instead of sorting a copy, each pass over
// `judged` counts the next lower grade; real judgments have two to five different ones.
double IdealDcg(std::span<const int> judged, std::size_t k, int top) {
  double dcg = 0;
  std::size_t rank = 0;
  for (int grade = top; grade >= kRelevantGrade && rank < k;) {
    std::size_t with_grade = 0;
    int next = 0;
    for (int g : judged) {
      with_grade += g == grade;
      if (g < grade) next = std::max(next, g);
    }
    const std::size_t end = with_grade < k - rank ? rank + with_grade : k;
    const double gain = ScaledGain(grade, top);
    for (; rank < end; ++rank) dcg += gain * Discount(rank);
    grade = next;
  }
  return dcg;
}

}  // namespace

std::size_t CountRelevant(std::span<const int> grades) {
  return static_cast<std::size_t>(std::count_if(grades.begin(), grades.end(), Relevant));
}

double NdcgAt(std::span<const int> ranked, std::span<const int> judged, std::size_t k) {
  if (judged.empty()) return 0;
  const int top = *std::max_element(judged.begin(), judged.end());
  if (!Relevant(top)) return 0;
  const double ideal = IdealDcg(judged, k, top);
  if (!(ideal > 0)) return 0;  // k = 0
  double dcg = 0;
  std::size_t rank = 0;
  for (int grade : First(ranked, k)) dcg += ScaledGain(grade, top) * Discount(rank++);
  return dcg / ideal;
}

double RecallAt(std::span<const int> ranked, std::span<const int> judged, std::size_t k) {
  const std::size_t relevant = CountRelevant(judged);
  if (relevant == 0) return 0;
  return static_cast<double>(CountRelevant(First(ranked, k))) / static_cast<double>(relevant);
}

double PrecisionAt(std::span<const int> ranked, std::size_t k) {
  if (k == 0) return 0;
  return static_cast<double>(CountRelevant(First(ranked, k))) / static_cast<double>(k);
}

double ReciprocalRankAt(std::span<const int> ranked, std::size_t k) {
  const auto top = First(ranked, k);
  const auto found = std::find_if(top.begin(), top.end(), Relevant);
  return found == top.end() ? 0 : 1.0 / static_cast<double>(found - top.begin() + 1);
}

double AveragePrecision(std::span<const int> ranked, std::span<const int> judged) {
  const std::size_t relevant = CountRelevant(judged);
  if (relevant == 0) return 0;
  double sum = 0;
  std::size_t found = 0;
  for (std::size_t i = 0; i < ranked.size(); ++i)
    if (Relevant(ranked[i])) sum += static_cast<double>(++found) / static_cast<double>(i + 1);
  return sum / static_cast<double>(relevant);
}

}  // namespace equipoise
