#include <algorithm>
#include <cmath>
#include <vector>

#include <equipoise/core/diversity_measures.h>

namespace equipoise {
namespace {

// What a further document that has a subtopic gains by it; 1 for the first one.
class Gains {
 public:
  explicit Gains(double redundancy) : rest_(1 - redundancy) {}

  double Of(const SubtopicsOfDocument& document) const {
    double sum = 0;
    for (const std::uint32_t s : document) sum += s < left_.size() ? left_[s] : 1.0;
    return sum;
  }
  void Show(const SubtopicsOfDocument& document) {
    for (const std::uint32_t s : document) {
      if (s >= left_.size()) left_.resize(s + std::size_t{1}, 1.0);
      left_[s] *= rest_;
    }
  }

 private:
  double rest_;
  std::vector<double> left_;
};

double Discount(std::size_t rank) { return std::log2(static_cast<double>(rank) + 2); }

}  // namespace

double AlphaDcgAt(std::span<const SubtopicsOfDocument> ranked, std::size_t k, double redundancy) {
  Gains gains(redundancy);
  double sum = 0;
  for (std::size_t r = 0; r < std::min(k, ranked.size()); ++r) {
    sum += gains.Of(ranked[r]) / Discount(r);
    gains.Show(ranked[r]);
  }
  return sum;
}

double IdealAlphaDcgAt(std::span<const SubtopicsOfDocument> judged, std::size_t k,
                       double redundancy) {
  Gains gains(redundancy);
  std::vector<const SubtopicsOfDocument*> left;
  for (const SubtopicsOfDocument& document : judged)
    if (!document.empty()) left.push_back(&document);
  double sum = 0;
  for (std::size_t r = 0; r < k && !left.empty(); ++r) {
    auto best = left.begin();
    double most = gains.Of(**best);
    for (auto at = left.begin() + 1; at != left.end(); ++at)
      if (const double gain = gains.Of(**at); gain > most) {
        most = gain;
        best = at;
      }
    sum += most / Discount(r);
    gains.Show(**best);
    left.erase(best);
  }
  return sum;
}

}  // namespace equipoise
