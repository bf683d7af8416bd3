#include "hnsw_select.h"

#include <algorithm>

#include <equipoise/kernels/dot.h>

namespace equipoise {
namespace {

// So many tenths of the places for links are filled whatever lies between the rows: where all rows lie
// in a few directions, or inner products prefer the same few long rows, hardly anything else would be
// kept. More of it is more memory for little.
constexpr std::size_t kFilledTenths = 3;

}  // namespace

LinkSelector::LinkSelector(const CodeRows& rows) : rows_(rows), ones_(rows.dim, 1) {}

void LinkSelector::Put(std::size_t place, std::uint32_t row) {
  const std::size_t d = rows_.dim;
  if (placed_.size() < (place + 1) * d) {
    placed_.resize((place + 1) * d);
    offsets_.resize(place + 1);
  }
  const std::uint8_t* from = CodesOf(row);
  std::uint8_t* to = placed_.data() + place * d;
  if (rows_.metric == Metric::kL2) {
    std::copy_n(from, d, to);
    return;
  }
  for (std::size_t i = 0; i < d; ++i) to[i] = from[i] ^ 0x80;
  offsets_[place] = 128 * (DotI8(from, ones_.data(), d) - 128 * static_cast<std::int32_t>(d));
}

std::int32_t LinkSelector::Distance(std::size_t place, std::uint32_t row) const {
  const std::size_t d = rows_.dim;
  const std::uint8_t* placed = placed_.data() + place * d;
  if (rows_.metric == Metric::kL2) return SquaredL2I8(CodesOf(row), placed, d);
  return offsets_[place] - DotI8(CodesOf(row), reinterpret_cast<const std::int8_t*>(placed), d);
}

void LinkSelector::Measure(std::uint32_t row, std::vector<WalkScratch::Candidate>* near) {
  for (const WalkScratch::Candidate& candidate : *near) PrefetchCodes(rows_, candidate.id);
  Put(0, row);
  for (WalkScratch::Candidate& candidate : *near) candidate.distance = Distance(0, candidate.id);
}

void LinkSelector::Keep(std::size_t most, std::vector<WalkScratch::Candidate>* near) {
  if (near->size() <= most) return;
  const std::size_t filled = most * kFilledTenths / 10;
  std::size_t kept = 0;
  pruned_.clear();
  for (const WalkScratch::Candidate candidate : *near) {
    std::size_t place = 0;
    while (place < kept && Distance(place, candidate.id) >= candidate.distance) ++place;
    if (place < kept) {
      if (kept + pruned_.size() < filled) pruned_.push_back(candidate);
      continue;
    }
    Put(kept, candidate.id);
    (*near)[kept++] = candidate;
    if (kept == most) break;
  }
  near->resize(kept);
  for (std::size_t i = 0; i < pruned_.size() && near->size() < filled; ++i)
    near->push_back(pruned_[i]);
}

}  // namespace equipoise
