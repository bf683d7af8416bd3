// Which of the rows near to one become its links.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "hnsw_walk.h"

namespace equipoise {

// Integer distances between rows by their 8-bit codes: the same from either side.
// Threads  one at a time
class LinkSelector {
 public:
  // Range    rows.codes is there, and outlives this
  explicit LinkSelector(const CodeRows& rows);

  // Sets the distances of `near` from a row.
  void Measure(std::uint32_t row, std::vector<WalkScratch::Candidate>* near);

  // Keeps those to which no other that was kept is nearer, up to `most`, and the nearest of the others
  // up to three tenths of that; where no more than `most` are there, all.
  // Shapes   *near: by ascending distance, of Measure, from the row that asks
  // Source   Malkov and Yashunin 2016, arXiv:1603.09320, algorithm 4
  void Keep(std::size_t most, std::vector<WalkScratch::Candidate>* near);

 private:
  const std::uint8_t* CodesOf(std::uint32_t row) const {
    return rows_.codes + std::size_t{row} * rows_.dim;
  }
  // Copies a row to where others are compared with it.
  void Put(std::size_t place, std::uint32_t row);
  std::int32_t Distance(std::size_t place, std::uint32_t row) const;

  const CodeRows& rows_;
  // [places, dim]: codes; of inner products the values behind them, signed.
  std::vector<std::uint8_t> placed_;
  std::vector<std::int32_t> offsets_;  // [places]: 128 times the sum of these values
  std::vector<std::int8_t> ones_;
  std::vector<WalkScratch::Candidate> pruned_;
};

}  // namespace equipoise
