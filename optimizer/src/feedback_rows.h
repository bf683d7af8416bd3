// How the filter reads columns: blocks that lie side by side, and rows sorted by a key.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <equipoise/optimizer/feedback_batch.h>

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

struct KeyedRow {
  std::uint64_t key;
  std::uint64_t row;
};

/// Rows grouped by a key: ascending keys, and within a key in the order that `rows` had.
struct RowGroups {
  std::vector<KeyedRow> rows;
  std::vector<std::uint64_t> starts;  // of each group, and the end of the last

  std::uint64_t size() const { return starts.size() - 1; }
  std::uint64_t key(std::uint64_t group) const { return rows[starts[group]].key; }
};

/// Stable sort by key.
void SortByKey(std::vector<KeyedRow>* rows);

/// The groups of a column; `order` names the rows in the order that they are to keep, null: 0, 1, ...
RowGroups GroupBy(const FeedbackColumn<std::uint64_t>& keys, const std::vector<KeyedRow>* order);

}  // namespace equipoise
