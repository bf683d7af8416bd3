// The best k of a stream of keys whose ids ascend: a buffer that is cut to its best k when it is full,
// which costs a constant number of steps an item for any k (as FAISS's ReservoirTopN).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace equipoise {

template <typename Key>
class BestKeys {
 public:
  struct Item {
    Key key;
    std::uint32_t id;
  };
  static bool Before(const Item& a, const Item& b) {
    return a.key > b.key || (a.key == b.key && a.id < b.id);
  }

  explicit BestKeys(std::size_t k) : k_(k) { items_.reserve(k + std::max(k, kRoom)); }

  /// Whether only keys above bar() can still be among the best.
  bool selective() const { return selective_; }
  Key bar() const { return bar_; }

  /// Ids ascend from call to call, so that one that ties with the bar comes too late.
  void Push(Key key, std::uint32_t id) {
    items_.push_back({key, id});
    if (items_.size() == items_.capacity()) Cut();
  }

  /// The best k among others, in no order.
  const std::vector<Item>& items() const { return items_; }

 private:
  static constexpr std::size_t kRoom = 16;

  void Cut() {
    const auto kth = items_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(items_.begin(), kth, items_.end(), Before);
    bar_ = kth->key;
    selective_ = true;
    items_.resize(k_);
  }

  std::size_t k_;
  Key bar_{};
  bool selective_ = false;
  std::vector<Item> items_;
};

}  // namespace equipoise
