/// Keeping the best k of many scores: one order for the whole library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <equipoise/core/export.h>

namespace equipoise {

/// An item and its score; higher is better everywhere in the library.
struct Scored {
  std::uint32_t id = 0;
  float score = 0;

  friend bool operator==(const Scored&, const Scored&) = default;
};

/// The library's order: score descending, ties by ascending id. A strict weak order as long as no
/// score is NaN; TopK and TopKCollector never let a NaN in.
inline bool Better(const Scored& a, const Scored& b) {
  return a.score > b.score || (a.score == b.score && a.id < b.id);
}

/// Collects the best k of a stream of (id, score).
/// Order    of Take(): Better; independent of the order of Push
/// Threads  one thread at a time
/// Note     O(log k) a kept item, O(1) a refused one; NaN is refused
class EQUIPOISE_API TopKCollector {
 public:
  explicit TopKCollector(std::size_t k) : k_(k) {}

  void Push(std::uint32_t id, float score) {
    // A NaN fails both comparisons only on the full path, hence the explicit test.
    if (score != score || k_ == 0) return;
    if (heap_.size() < k_) {
      Insert({id, score});
    } else if (Better({id, score}, heap_.front())) {
      Replace({id, score});
    }
  }

  std::size_t k() const { return k_; }
  bool full() const { return heap_.size() >= k_; }
  /// The worst item kept; only where full() and k > 0.
  const Scored& worst() const { return heap_.front(); }

  /// The items kept, best first; the collector is empty afterwards.
  std::vector<Scored> Take();

 private:
  void Insert(Scored item);
  void Replace(Scored item);

  std::size_t k_;
  std::vector<Scored> heap_;  // worst on top, once it is full
};

/// The best k of a dense array of scores, ids being positions; scores <= `above` are left out.
/// Shapes   scores [n]; result at most k
/// Range    k any (k > n gives what there is); NaN is never returned
/// Order    Better
EQUIPOISE_API std::vector<Scored> TopK(std::span<const float> scores, std::size_t k, float above);

}  // namespace equipoise
