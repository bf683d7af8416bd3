/// A set of documents, or rows of a vector index: what a search may find.
#pragma once

#include <bit>
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
  /// Those of the words, as words() gives them; bits behind the last row are cleared, words that are
  /// missing are 0.
  RowSet(std::size_t rows, std::vector<std::uint64_t> words);

  /// Range    row < rows()
  void Add(std::uint32_t row) { words_[row / 64] |= std::uint64_t{1} << (row % 64); }
  bool Has(std::uint32_t row) const { return ((words_[row / 64] >> (row % 64)) & 1) != 0; }
  /// Keeps what the other set has as well.
  /// Range    other.rows() == rows(); of a smaller set, rows behind its last one leave too
  void Intersect(const RowSet& other);

  /// Calls visit(row) for each row of the set, ascending.
  template <typename Visit>
  void ForEach(const Visit& visit) const {
    for (std::size_t i = 0; i < words_.size(); ++i)
      for (std::uint64_t rest = words_[i]; rest != 0; rest &= rest - 1)
        visit(
            static_cast<std::uint32_t>(i * 64 + static_cast<std::size_t>(std::countr_zero(rest))));
  }

  std::size_t rows() const { return rows_; }
  std::size_t Count() const;
  /// Bit r % 64 of word r / 64 is row r; bits from rows() on are 0.
  std::span<const std::uint64_t> words() const { return words_; }
  /// The same to be written; bits from rows() on stay 0.
  std::span<std::uint64_t> mutable_words() { return words_; }

 private:
  std::size_t rows_;
  std::vector<std::uint64_t> words_;
};

}  // namespace equipoise
