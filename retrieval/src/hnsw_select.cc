#include "hnsw_select.h"

#include <algorithm>

#include <equipoise/kernels/dot.h>

namespace equipoise {

void RowDistances::From(std::uint32_t row) {
  const std::size_t d = rows_.dim;
  from_ = rows_.codes + std::size_t{row} * d;
  if (rows_.metric == Metric::kL2) return;
  values_.resize(d);
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < d; ++i) {
    values_[i] = static_cast<std::int8_t>(from_[i] ^ 0x80);
    sum += values_[i];
  }
  offset_ = 128 * sum;
}

std::int32_t RowDistances::To(std::uint32_t row) const {
  const std::uint8_t* codes = rows_.codes + std::size_t{row} * rows_.dim;
  if (rows_.metric == Metric::kL2) return SquaredL2I8(codes, from_, rows_.dim);
  return offset_ - DotI8(codes, values_.data(), rows_.dim);
}

void SelectLinks(std::size_t most, RowDistances* distances,
                 std::vector<WalkScratch::Candidate>* near) {
  if (near->size() <= most) return;
  std::size_t kept = 0;
  for (const WalkScratch::Candidate candidate : *near) {
    distances->From(candidate.id);
    const auto nearer = [&](const WalkScratch::Candidate& other) {
      return distances->To(other.id) < candidate.distance;
    };
    const auto end = near->begin() + static_cast<std::ptrdiff_t>(kept);
    if (std::any_of(near->begin(), end, nearer)) continue;
    (*near)[kept++] = candidate;
    if (kept == most) break;
  }
  near->resize(kept);
}

}  // namespace equipoise
