#include <bit>
#include <utility>

#include <equipoise/retrieval/row_set.h>

namespace equipoise {

RowSet::RowSet(std::size_t rows, const std::function<bool(std::uint32_t row)>& allowed)
    : RowSet(rows) {
  for (std::uint32_t i = 0; i < rows; ++i) {
    if (allowed(i)) Add(i);
  }
}

RowSet::RowSet(std::size_t rows, std::vector<std::uint64_t> words)
    : rows_(rows), words_(std::move(words)) {
  words_.resize((rows + 63) / 64, 0);
  if (rows % 64 > 0) words_.back() &= (std::uint64_t{1} << rows % 64) - 1;
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
