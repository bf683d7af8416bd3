// How the filter reads columns: blocks that lie side by side, and rows sorted by a key.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
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

/// An array whose elements are not written before they are used.
template <typename T>
class RawArray {
 public:
  RawArray() = default;
  explicit RawArray(std::size_t n) : data_(new T[n]), size_(n) {}  // NOLINT: not initialized

  std::size_t size() const { return size_; }
  T* data() { return data_.get(); }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  T* begin() { return data_.get(); }
  T* end() { return data_.get() + size_; }

 private:
  std::unique_ptr<T[]> data_;
  std::size_t size_ = 0;
};

/// Rows grouped by a key: ascending keys, and within a key in the order that `rows` had.
struct RowGroups {
  RawArray<KeyedRow> rows;
  std::vector<std::uint64_t> starts;  // of each group, and the end of the last
  RawArray<std::uint64_t> of_row;     // the number of each row's group

  std::uint64_t size() const { return starts.size() - 1; }
  std::uint64_t key(std::uint64_t group) const { return rows[starts[group]].key; }
};

/// Stable sort by key.
void SortByKey(RawArray<KeyedRow>* rows, int threads);

/// The groups of a column; `order` names the rows in the order that they are to keep, null: 0, 1, ...
RowGroups GroupBy(const FeedbackColumn<std::uint64_t>& keys, const RowGroups* order, int threads);

/// Runs body(first, last, part) over the groups, cut into parts of about as many rows each, at most
/// `threads`. What is written by group does not depend on how many there were. body may throw
/// bad_alloc, which is then thrown here.
void ForGroups(const std::vector<std::uint64_t>& starts, int threads,
               const std::function<void(std::uint64_t, std::uint64_t, int)>& body);

}  // namespace equipoise
