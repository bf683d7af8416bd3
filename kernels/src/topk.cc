#include <algorithm>

#include <equipoise/kernels/topk.h>

namespace equipoise {
namespace {

// As an object, which sorting inlines.
constexpr auto kBetter = [](const Scored& a, const Scored& b) { return Better(a, b); };

}  // namespace

void TopKCollector::Insert(Scored item) {
  heap_.push_back(item);
  std::push_heap(heap_.begin(), heap_.end(), kBetter);
}

void TopKCollector::Replace(Scored item) {
  std::pop_heap(heap_.begin(), heap_.end(), kBetter);
  heap_.back() = item;
  std::push_heap(heap_.begin(), heap_.end(), kBetter);
}

std::vector<Scored> TopKCollector::Take() {
  std::sort(heap_.begin(), heap_.end(), kBetter);
  return std::move(heap_);
}

std::vector<Scored> TopK(std::span<const float> scores, std::size_t k, float above) {
  TopKCollector best(std::min(k, scores.size()));
  float bar = above;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    // Ids ascend, so a later item must beat the bar, not tie with it; NaN never does.
    if (!(scores[i] > bar)) continue;
    best.Push(static_cast<std::uint32_t>(i), scores[i]);
    if (best.full()) bar = std::max(above, best.worst().score);
  }
  return best.Take();
}

}  // namespace equipoise
