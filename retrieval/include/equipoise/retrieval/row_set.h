/// A set of documents, or rows of a vector index: what a search may find.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include <equipoise/core/export.h>

namespace equipoise {

/// One bit for each of rows() documents.
/// Threads  const after it was made; a value type
class EQUIPOISE_API RowSet {
 public:
  /// No row of `rows`.
  explicit RowSet(std::size_t rows) : rows_(rows), words_((rows + 63) / 64, 0) {}
  /// Those for which `allowed` is true; it is asked once for each row, in order.
  RowSet(std::size_t rows, const std::function<bool(std::uint32_t row)>& allowed);

  /// Range    row < rows()
  void Add(std::uint32_t row) { words_[row / 64] |= std::uint64_t{1} << (row % 64); }
  bool Has(std::uint32_t row) const { return ((words_[row / 64] >> (row % 64)) & 1) != 0; }
  /// Keeps what the other set has as well.
  /// Range    other.rows() == rows(); of a smaller set, rows behind its last one leave too
  void Intersect(const RowSet& other);

  std::size_t rows() const { return rows_; }
  std::size_t Count() const;
  /// Bit r % 64 of word r / 64 is row r; bits from rows() on are 0.
  std::span<const std::uint64_t> words() const { return words_; }

 private:
  std::size_t rows_;
  std::vector<std::uint64_t> words_;
};

}  // namespace equipoise
