#include "feedback_rows.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <new>
#include <utility>

#include <equipoise/core/parallel.h>

#include "key_sort.h"

namespace equipoise {
namespace {

constexpr int kMostDigitBits = 11;  // as many counters as fit the first cache
using Counts = std::array<std::uint64_t, 1 << kMostDigitBits>;

using NumberedRow = Keyed<std::uint64_t>;

// Bytes of counters that all parts may have together, for each row.
constexpr std::uint64_t kCounterBytes = 16;

// One pass of a stable radix sort: each part counts its digits, then writes behind the parts before
// it, so that the result is the same for any number of parts.
void SortByDigit(RawArray<NumberedRow>* rows, RawArray<NumberedRow>* to, int shift,
                 std::uint64_t mask, std::vector<Counts>* counts) {
  const int parts = static_cast<int>(counts->size());
  const auto digit = [=](const NumberedRow& row) { return (row.key >> shift) & mask; };
  ParallelFor(rows->size(), parts, [&](std::size_t begin, std::size_t end, int part) {
    Counts& count = (*counts)[static_cast<std::size_t>(part)];
    count.fill(0);
    const NumberedRow* in = rows->begin();
    for (std::size_t i = begin; i < end; ++i) ++count[digit(in[i])];
  });
  std::uint64_t start = 0;
  for (std::uint64_t value = 0; value <= mask; ++value)
    for (Counts& count : *counts) start += std::exchange(count[value], start);
  ParallelFor(rows->size(), parts, [&](std::size_t begin, std::size_t end, int part) {
    Counts& at = (*counts)[static_cast<std::size_t>(part)];
    const NumberedRow* in = rows->begin();
    NumberedRow* out = to->begin();
    for (std::size_t i = begin; i < end; ++i) out[at[digit(in[i])]++] = in[i];
  });
  std::swap(*rows, *to);
}

// Digits are taken of the bits in which keys differ.
void SortByKey(RawArray<NumberedRow>* rows, std::uint64_t differ, int threads, ArrayPool* pool) {
  if (rows->size() < 512) {
    RawArray<NumberedRow> other(rows->size(), pool);
    if (KeySortOf<std::uint64_t>::SortAll(rows->begin(), rows->size(), other.begin()))
      std::swap(*rows, other);
    return;
  }
  if (differ == 0) return;
  const int lowest = std::countr_zero(differ);
  const int width = 64 - std::countl_zero(differ) - lowest;
  const int passes = (width + kMostDigitBits - 1) / kMostDigitBits;
  const int bits = (width + passes - 1) / passes;
  RawArray<NumberedRow> other(rows->size(), pool);
  std::vector<Counts> counts(
      std::min(static_cast<std::size_t>(std::max(threads, 1)), rows->size() / 512));
  for (int shift = lowest; shift < lowest + width; shift += bits)
    SortByDigit(rows, &other, shift, (std::uint64_t{1} << bits) - 1, &counts);
}

// Numbers keys that lie anywhere, by sorting them, which puts the rows where they belong.
void NumberWide(const FeedbackColumn<std::uint64_t>& keys, std::uint64_t differ, int threads,
                ArrayPool* pool, RowGroups* out) {
  RawArray<NumberedRow> sorted(keys.size, pool);
  ParallelFor(keys.size, threads, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t i = begin; i < end; ++i) sorted[i] = {keys[i], static_cast<std::uint32_t>(i)};
  });
  SortByKey(&sorted, differ, threads, pool);
  for (std::uint64_t i = 0; i < keys.size; ++i) {
    if (i > 0 && sorted[i].key == sorted[i - 1].key) continue;
    out->starts.push_back(i);
    out->keys.push_back(sorted[i].key);
  }
  out->starts.push_back(keys.size);
  ForGroups(out->starts, threads, [&](std::uint64_t first, std::uint64_t last, int) {
    for (std::uint64_t group = first; group < last; ++group)
      for (std::uint64_t i = out->starts[group]; i < out->starts[group + 1]; ++i) {
        out->rows[i] = sorted[i].row;
        out->of_row[sorted[i].row] = static_cast<std::uint32_t>(group);
      }
  });
}

// Numbers keys that lie within `range` of the least, by looking them up.
void NumberDense(const FeedbackColumn<std::uint64_t>& keys, std::uint64_t least,
                 std::uint64_t range, int threads, RowGroups* out) {
  std::vector<std::atomic<std::uint32_t>> number(range + 1);
  ParallelFor(keys.size, threads, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t i = begin; i < end; ++i)
      number[keys[i] - least].store(1, std::memory_order_relaxed);
  });
  for (std::uint64_t i = 0; i <= range; ++i) {
    if (number[i].load(std::memory_order_relaxed) == 0) continue;
    number[i].store(static_cast<std::uint32_t>(out->keys.size()), std::memory_order_relaxed);
    out->keys.push_back(least + i);
  }
  ParallelFor(keys.size, threads, [&](std::size_t begin, std::size_t end, int) {
    for (std::size_t i = begin; i < end; ++i)
      out->of_row[i] = number[keys[i] - least].load(std::memory_order_relaxed);
  });
}

// Writes the rows of each group side by side: each part of the rows counts its groups, then writes
// behind the parts before it.
void Scatter(const RowGroups* order, int threads, ArrayPool* pool, RowGroups* out) {
  const std::uint64_t n = out->of_row.size(), groups = out->size();
  const auto parts = static_cast<int>(std::clamp<std::uint64_t>(
      kCounterBytes * n / (4 * groups), 1, static_cast<std::uint64_t>(std::max(threads, 1))));
  RawArray<std::uint32_t> counts(static_cast<std::size_t>(parts) * groups, pool);
  const auto row_at = [&](std::size_t i) {
    return order != nullptr ? order->rows[i] : static_cast<std::uint32_t>(i);
  };
  ParallelFor(n, parts, [&](std::size_t begin, std::size_t end, int part) {
    std::uint32_t* count = counts.begin() + static_cast<std::uint64_t>(part) * groups;
    std::fill_n(count, groups, 0);
    for (std::size_t i = begin; i < end; ++i) ++count[out->of_row[row_at(i)]];
  });
  std::uint32_t start = 0;
  out->starts.clear();
  for (std::uint64_t group = 0; group < groups; ++group) {
    out->starts.push_back(start);
    for (int part = 0; part < parts; ++part)
      start += std::exchange(counts[static_cast<std::uint64_t>(part) * groups + group], start);
  }
  out->starts.push_back(n);
  ParallelFor(n, parts, [&](std::size_t begin, std::size_t end, int part) {
    std::uint32_t* at = counts.begin() + static_cast<std::uint64_t>(part) * groups;
    for (std::size_t i = begin; i < end; ++i) {
      const std::uint32_t row = row_at(i);
      out->rows[at[out->of_row[row]]++] = row;
    }
  });
}

}  // namespace

RowGroups GroupBy(const FeedbackColumn<std::uint64_t>& keys, const RowGroups* order, int threads,
                  ArrayPool* pool) {
  RowGroups out;
  out.starts.push_back(0);
  if (keys.size == 0) return out;
  out.starts.clear();
  out.rows = RawArray<std::uint32_t>(keys.size, pool);
  out.of_row = RawArray<std::uint32_t>(keys.size, pool);
  std::uint64_t least = ~std::uint64_t{0}, most = 0, differ = 0;
  const std::uint64_t first = keys[0];
  for (std::uint64_t i = 0; i < keys.size; ++i) {
    const std::uint64_t key = keys[i];
    least = std::min(least, key);
    most = std::max(most, key);
    differ |= key ^ first;
  }
  if (most - least <= 2 * keys.size + 1024) {
    NumberDense(keys, least, most - least, threads, &out);
  } else {
    NumberWide(keys, differ, threads, pool, &out);
    if (order == nullptr) return out;
  }
  Scatter(order, threads, pool, &out);
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
