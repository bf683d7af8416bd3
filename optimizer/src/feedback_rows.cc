#include "feedback_rows.h"

#include <algorithm>
#include <array>
#include <utility>

namespace equipoise {

void SortByKey(std::vector<KeyedRow>* rows) {
  if (rows->size() < 512) {
    std::stable_sort(rows->begin(), rows->end(),
                     [](const KeyedRow& a, const KeyedRow& b) { return a.key < b.key; });
    return;
  }
  // Byte after byte from the lowest on; bytes that all keys share are passed over.
  std::vector<std::array<std::uint64_t, 256>> counts(8);
  for (const KeyedRow& row : *rows)
    for (std::size_t byte = 0; byte < 8; ++byte) ++counts[byte][(row.key >> (8 * byte)) & 0xff];
  std::vector<KeyedRow> other(rows->size());
  for (std::size_t byte = 0; byte < 8; ++byte) {
    auto& count = counts[byte];
    if (std::find(count.begin(), count.end(), rows->size()) != count.end()) continue;
    std::uint64_t start = 0;
    for (std::uint64_t& bucket : count) start += std::exchange(bucket, start);
    for (const KeyedRow& row : *rows) other[count[(row.key >> (8 * byte)) & 0xff]++] = row;
    rows->swap(other);
  }
}

RowGroups GroupBy(const FeedbackColumn<std::uint64_t>& keys, const std::vector<KeyedRow>* order) {
  RowGroups out;
  out.rows.resize(keys.size);
  for (std::uint64_t i = 0; i < keys.size; ++i) {
    const std::uint64_t row = order != nullptr ? (*order)[i].row : i;
    out.rows[i] = {keys[row], row};
  }
  SortByKey(&out.rows);
  for (std::uint64_t i = 0; i < keys.size; ++i)
    if (i == 0 || out.rows[i].key != out.rows[i - 1].key) out.starts.push_back(i);
  out.starts.push_back(keys.size);
  return out;
}

}  // namespace equipoise
