#include <bit>

#include <equipoise/retrieval/row_set.h>

namespace equipoise {

RowSet::RowSet(std::size_t rows, const std::function<bool(std::uint32_t row)>& allowed)
    : RowSet(rows) {
  for (std::uint32_t i = 0; i < rows; ++i) {
    if (allowed(i)) Add(i);
  }
}

void RowSet::Intersect(const RowSet& other) {
  for (std::size_t i = 0; i < words_.size(); ++i)
    words_[i] &= i < other.words_.size() ? other.words_[i] : 0;
}

std::size_t RowSet::Count() const {
  std::size_t out = 0;
  for (const std::uint64_t word : words_) out += static_cast<std::size_t>(std::popcount(word));
  return out;
}

}  // namespace equipoise
