#include "feedback_rows.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <new>
#include <utility>

#include <equipoise/core/parallel.h>

namespace equipoise {
namespace {

constexpr int kMostDigitBits = 11;  // as many counters as fit the first cache
using Counts = std::array<std::uint64_t, 1 << kMostDigitBits>;

// One pass of a stable radix sort: each part counts its digits, then writes behind the parts before
// it, so that the result is the same for any number of parts.
void SortByDigit(RawArray<KeyedRow>* rows, RawArray<KeyedRow>* to, int shift, std::uint64_t mask,
                 std::vector<Counts>* counts) {
  const int parts = static_cast<int>(counts->size());
  const auto digit = [=](const KeyedRow& row) { return (row.key >> shift) & mask; };
  ParallelFor(rows->size(), parts, [&](std::size_t begin, std::size_t end, int part) {
    Counts& count = (*counts)[static_cast<std::size_t>(part)];
    count.fill(0);
    for (std::size_t i = begin; i < end; ++i) ++count[digit((*rows)[i])];
  });
  std::uint64_t start = 0;
  for (std::uint64_t value = 0; value <= mask; ++value)
    for (Counts& count : *counts) start += std::exchange(count[value], start);
  ParallelFor(rows->size(), parts, [&](std::size_t begin, std::size_t end, int part) {
    Counts& at = (*counts)[static_cast<std::size_t>(part)];
    for (std::size_t i = begin; i < end; ++i) (*to)[at[digit((*rows)[i])]++] = (*rows)[i];
  });
  std::swap(*rows, *to);
}

}  // namespace

void SortByKey(RawArray<KeyedRow>* rows, int threads) {
  if (rows->size() < 512) {
    std::stable_sort(rows->begin(), rows->end(),
                     [](const KeyedRow& a, const KeyedRow& b) { return a.key < b.key; });
    return;
  }
  // Digits are taken of the bits in which keys differ.
  std::uint64_t set = 0, unset = 0;
  for (const KeyedRow& row : *rows) {
    set |= row.key;
    unset |= ~row.key;
  }
  const std::uint64_t differ = set & unset;
  if (differ == 0) return;
  const int lowest = std::countr_zero(differ);
  const int width = 64 - std::countl_zero(differ) - lowest;
  const int passes = (width + kMostDigitBits - 1) / kMostDigitBits;
  const int bits = (width + passes - 1) / passes;
  RawArray<KeyedRow> other(rows->size());
  std::vector<Counts> counts(
      std::min(static_cast<std::size_t>(std::max(threads, 1)), rows->size() / 512));
  for (int shift = lowest; shift < lowest + width; shift += bits)
    SortByDigit(rows, &other, shift, (std::uint64_t{1} << bits) - 1, &counts);
}

RowGroups GroupBy(const FeedbackColumn<std::uint64_t>& keys, const RowGroups* order, int threads) {
  RowGroups out;
  out.rows = RawArray<KeyedRow>(keys.size);
  ParallelFor(keys.size, threads, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::uint64_t row = order != nullptr ? order->rows[i].row : i;
      out.rows[i] = {keys[row], row};
    }
  });
  SortByKey(&out.rows, threads);
  for (std::uint64_t i = 0; i < keys.size; ++i)
    if (i == 0 || out.rows[i].key != out.rows[i - 1].key) out.starts.push_back(i);
  out.starts.push_back(keys.size);
  out.of_row = RawArray<std::uint64_t>(keys.size);
  ForGroups(out.starts, threads, [&](std::uint64_t first, std::uint64_t last, int) {
    for (std::uint64_t group = first; group < last; ++group)
      for (std::uint64_t i = out.starts[group]; i < out.starts[group + 1]; ++i)
        out.of_row[out.rows[i].row] = group;
  });
  return out;
}

void ForGroups(const std::vector<std::uint64_t>& starts, int threads,
               const std::function<void(std::uint64_t, std::uint64_t, int)>& body) {
  std::atomic<bool> failed = false;
  ParallelFor(starts.back(), threads, [&](std::size_t begin, std::size_t end, int part) {
    const auto group_at = [&](std::uint64_t row) {
      return static_cast<std::uint64_t>(std::lower_bound(starts.begin(), starts.end(), row) -
                                        starts.begin());
    };
    try {  // an exception must not leave a thread
      body(group_at(begin), group_at(end), part);
    } catch (const std::bad_alloc&) {
      failed = true;
    }
  });
  if (failed) throw std::bad_alloc();
}

}  // namespace equipoise
