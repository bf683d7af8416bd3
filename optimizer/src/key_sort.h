// Sorting rows by one number each.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace equipoise {

template <typename Key>
struct Keyed {
  Key key;  // not NaN
  std::uint32_t row;
};
using KeyedRow = Keyed<double>;

// Sorts by key, ascending; equal ones stay as they were. Runs of eight by counting what is less, then runs
// are merged, from both ends at once where they are of one length: nothing depends on a branch that could go
// either way, which is what sorting random numbers spends its time on.
template <typename Key>
class KeySortOf {
  using Row = Keyed<Key>;

 public:
  void Sort(std::vector<Row>* rows) {
    const std::size_t n = rows->size();
    if (n < 2) return;
    // What is in order at the beginning, as the parents of a generation are, stays.
    std::size_t sorted = 1;
    while (sorted < n && !((*rows)[sorted].key < (*rows)[sorted - 1].key)) ++sorted;
    if (sorted == n) return;
    // The second objective of a front of two falls where the first one rises.
    if (sorted == 1 &&
        std::adjacent_find(rows->begin(), rows->end(), [](const Row& a, const Row& b) {
          return !(b.key < a.key);
        }) == rows->end()) {
      std::reverse(rows->begin(), rows->end());
      return;
    }
    if (sorted < 2 * kRun) sorted = 0;
    other_.resize(n);
    Row *from = rows->data(), *to = other_.data();
    const bool moved = SortAll(from + sorted, n - sorted, to + sorted);
    if (sorted == 0) {
      if (moved) rows->swap(other_);
      return;
    }
    if (moved) std::copy(to + sorted, to + n, from + sorted);
    if (sorted == n - sorted)
      MergeAlike(from, sorted, to);
    else
      Merge(from, sorted, n - sorted, to);
    rows->swap(other_);
  }

  // True where the result is in `to`; else it is where it was.
  static bool SortAll(Row* from, std::size_t n, Row* to) {
    std::size_t at = 0;
    for (; at + kRun <= n; at += kRun) Count(from + at, kRun, to + at);
    Count(from + at, n - at, to + at);
    bool moved = true;
    for (std::size_t width = kRun; width < n; width *= 2, moved = !moved) {
      std::swap(from, to);
      for (at = 0; at < n; at += 2 * width) {
        const std::size_t left = std::min(width, n - at), right = std::min(width, n - at - left);
        if (left == right)
          MergeAlike(from + at, left, to + at);
        else
          Merge(from + at, left, right, to + at);
      }
    }
    return moved;
  }

 private:
  static constexpr std::size_t kRun = 8;

  static void Count(const Row* from, std::size_t n, Row* to) {
    std::uint32_t place[kRun] = {};
    for (std::size_t i = 1; i < n; ++i)
      for (std::size_t j = 0; j < i; ++j) {
        const std::uint32_t less = from[i].key < from[j].key ? 1 : 0;
        place[j] += less;
        place[i] += 1 - less;
      }
    for (std::size_t i = 0; i < n; ++i) to[place[i]] = from[i];
  }

  // Two runs of n: the n least from the front, the n largest from the back, so that neither run can end
  // before. Of the places only one is kept, as both together are known, and chosen by multiplying.
  static void MergeAlike(const Row* from, std::size_t n, Row* to) {
    const Row* last = from + n - 1;
    Row* back = to + 2 * n - 1;
    std::size_t left = 0,
                right_end = 0;  // taken from the left at the front, from the right at the back
    for (std::size_t i = 0; i < n; ++i) {
      const Row *a = from + left, *b = from + n + (i - left);
      const std::size_t second = b->key < a->key ? 1 : 0;
      to[i] = a[static_cast<std::size_t>(b - a) * second];
      left += 1 - second;
      const Row *c = last - (i - right_end), *d = last + n - right_end;
      const std::size_t first = d->key < c->key ? 1 : 0;
      *(back - i) = c[static_cast<std::size_t>(d - c) * (1 - first)];
      right_end += 1 - first;
    }
  }

  static void Merge(const Row* left, std::size_t left_n, std::size_t right_n, Row* to) {
    const Row *right = left + left_n, *left_end = right, *right_end = right + right_n;
    while (left != left_end && right != right_end) {
      const std::size_t second = right->key < left->key ? 1 : 0;
      *to++ = left[static_cast<std::size_t>(right - left) * second];
      right += second;
      left += 1 - second;
    }
    to = std::copy(left, left_end, to);
    std::copy(right, right_end, to);
  }

  std::vector<Row> other_;
};
using KeySort = KeySortOf<double>;

// Rows that are sorted by their first objective: equal ones by the others, too.
template <typename Compare>
void OrderTies(std::vector<KeyedRow>* rows, const Compare& compare) {
  for (auto at = rows->begin(); at != rows->end();) {
    auto end = at + 1;
    while (end != rows->end() && end->key == at->key) ++end;
    if (end - at > 1) std::stable_sort(at, end, compare);
    at = end;
  }
}

}  // namespace equipoise
