#include "exact_search.h"

#include <algorithm>
#include <cstdint>

#include <equipoise/core/check.h>
#include <equipoise/kernels/similarity.h>

namespace equipoise {

Result<std::vector<std::vector<Scored>>> ExactTopK(const VectorsView& queries,
                                                   const VectorsView& rows, Metric metric,
                                                   std::size_t k, int threads,
                                                   const std::vector<bool>* left_out) {
  constexpr std::size_t kPart = 16384;
  const std::size_t bytes = rows.cols * ElementBytes(rows.type);
  std::vector<TopKCollector> best(queries.rows, TopKCollector(k));
  std::vector<std::uint32_t> numbers;
  std::vector<std::byte> gathered;
  std::vector<Scored> found;
  for (std::size_t begin = 0; begin < rows.rows && queries.rows > 0; begin += kPart) {
    VectorsView part = rows.Slice(begin, std::min(kPart, rows.rows - begin));
    numbers.clear();
    if (left_out != nullptr) {
      gathered.clear();
      for (std::size_t i = begin; i < begin + part.rows; ++i) {
        if ((*left_out)[i]) continue;
        numbers.push_back(static_cast<std::uint32_t>(i));
        const auto* row = static_cast<const std::byte*>(rows.row(i));
        gathered.insert(gathered.end(), row, row + bytes);
      }
      part.data = gathered.data();
      part.rows = numbers.size();
      part.stride = rows.cols;
      if (part.rows == 0) continue;
    }
    const std::size_t kept = std::min(k, part.rows);
    found.resize(queries.rows * kept);
    EQUIPOISE_RETURN_IF_ERROR(TopK(queries, part, metric, kept, found, {.threads = threads}));
    for (std::size_t i = 0; i < queries.rows; ++i) {
      for (std::size_t j = 0; j < kept; ++j) {
        const Scored& item = found[i * kept + j];
        best[i].Push(
            left_out != nullptr ? numbers[item.id] : static_cast<std::uint32_t>(begin + item.id),
            item.score);
      }
    }
  }
  std::vector<std::vector<Scored>> out(queries.rows);
  for (std::size_t i = 0; i < queries.rows; ++i) out[i] = best[i].Take();
  return out;
}

}  // namespace equipoise
