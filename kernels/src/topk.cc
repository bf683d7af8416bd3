#include <algorithm>

#include <equipoise/kernels/topk.h>

namespace equipoise {
namespace {

// As an object, which sorting inlines.
constexpr auto kBetter = [](const Scored& a, const Scored& b) { return Better(a, b); };

}  // namespace

void TopKCollector::Insert(Scored item) {
  heap_.push_back(item);
  if (heap_.size() == k_) std::make_heap(heap_.begin(), heap_.end(), kBetter);
}

// From the top down, to where nothing below is worse.
void TopKCollector::Replace(Scored item) {
  Scored* const heap = heap_.data();
  const std::size_t n = heap_.size();
  std::size_t at = 0;
  for (std::size_t below = 1; below < n; below = 2 * at + 1) {
    if (below + 1 < n && Better(heap[below], heap[below + 1])) ++below;
    if (!Better(item, heap[below])) break;
    heap[at] = heap[below];
    at = below;
  }
  heap[at] = item;
}

std::vector<Scored> TopKCollector::Take() {
  std::sort(heap_.begin(), heap_.end(), kBetter);
  return std::move(heap_);
}

std::vector<Scored> TopK(std::span<const float> scores, std::size_t k, float above) {
  if (k == 0) return {};  // there is no worst one
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
