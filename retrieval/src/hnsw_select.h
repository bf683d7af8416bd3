// Which of the rows near to one become its links.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "hnsw_walk.h"

namespace equipoise {

// Integer distances between rows by their 8-bit codes: the same from either side.
class RowDistances {
 public:
  // Range    rows.codes is there, and outlives this
  explicit RowDistances(const CodeRows& rows) : rows_(rows) {}

  // The row that distances are from.
  void From(std::uint32_t row);
  std::int32_t To(std::uint32_t row) const;

 private:
  const CodeRows& rows_;
  const std::uint8_t* from_ = nullptr;
  std::vector<std::int8_t> values_;  // of inner products: the codes with their signs
  std::int32_t offset_ = 0;
};

// Keeps those to which no other that was kept is nearer, up to `most`; where no more than that are
// there, all.
// Shapes   *near: by ascending distance from the row that asks
// Range    a distance is that of RowDistances
// Source   Malkov and Yashunin 2016, arXiv:1603.09320, algorithm 4 (without the rows that are pruned)
void SelectLinks(std::size_t most, RowDistances* distances,
                 std::vector<WalkScratch::Candidate>* near);

}  // namespace equipoise
