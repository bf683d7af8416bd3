// How the filter reads columns: blocks that lie side by side, and rows sorted by a key.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include <equipoise/optimizer/feedback_batch.h>

#include "array_pool.h"

namespace equipoise {

/// Items of a block: partial sums are kept for each and added in order, so that results do not
/// depend on which thread took which block.
inline constexpr std::size_t kFeedbackBlock = 4096;

inline std::uint64_t BlocksOf(std::uint64_t n) {
  return n / kFeedbackBlock + (n % kFeedbackBlock != 0 ? 1 : 0);
}

/// Elements [begin, begin + n) of a column side by side: where they lie, or copied to `scratch`.
template <typename T>
const T* BlockOf(const FeedbackColumn<T>& column, std::uint64_t begin, std::size_t n, T* scratch) {
  const T* first = column.data + static_cast<std::int64_t>(begin) * column.stride;
  if (column.stride == 1) return first;
  using Values = Eigen::Array<T, Eigen::Dynamic, 1>;
  const auto rows = static_cast<Eigen::Index>(n);
  Eigen::Map<Values> to(scratch, rows);
  if (column.stride == 0) {
    to.setConstant(*first);
  } else {
    to = Eigen::Map<const Values, Eigen::Unaligned, Eigen::InnerStride<>>(
        first, rows, Eigen::InnerStride<>(static_cast<Eigen::Index>(column.stride)));
  }
  return scratch;
}

/// Rows that can be grouped: numbers of rows and groups take 32 bits, since every pass over them is bound by
/// memory.
inline constexpr std::uint64_t kMostGrouped = 0xffffffff;

/// Rows grouped by a key: ascending keys, and within a key in the order that the rows had.
struct RowGroups {
  RawArray<std::uint32_t> rows;
  std::vector<std::uint64_t> keys;    // of each group
  std::vector<std::uint64_t> starts;  // of each group in `rows`, and the end of the last
  RawArray<std::uint32_t> of_row;     // the number of each row's group

  std::uint64_t size() const { return keys.size(); }
};

/// The groups of a column of at most kMostGrouped rows; `order` gives the rows in the order that they are to
/// keep, null: 0, 1, ...
RowGroups GroupBy(const FeedbackColumn<std::uint64_t>& keys, const RowGroups* order, int threads,
                  ArrayPool* pool);

/// Runs body(first, last, part) over the groups, cut into parts of about as many rows each, at most
/// `threads`. What is written by group does not depend on how many there were. body may throw
/// bad_alloc, which is then thrown here.
void ForGroups(const std::vector<std::uint64_t>& starts, int threads,
               const std::function<void(std::uint64_t, std::uint64_t, int)>& body);

}  // namespace equipoise
