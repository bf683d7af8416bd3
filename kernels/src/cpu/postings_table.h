// What each instruction set implements of postings.h. As with KernelTable, the files that fill a table
// include nothing with inline functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include <equipoise/kernels/simd_level.h>

namespace equipoise {

struct PostingsTable {
  void (*unpack)(const std::uint8_t* from, unsigned bits, std::size_t n, std::uint32_t* to);
  void (*ascending)(const std::uint8_t* from, unsigned bits, std::size_t n, std::uint32_t before,
                    std::uint32_t* to);
  void (*bm25)(const std::uint32_t* tfs, const float* norms, std::size_t n, float weight,
               float* parts);
  std::size_t (*take_above)(float* sums, std::size_t n, float bar, std::uint32_t* positions,
                            float* above);
  void (*largest)(const float* sums, std::size_t n, std::size_t each, float* largest);
};

/// Null where this build lacks the level.
const PostingsTable* PostingsScalar();
const PostingsTable* PostingsAvx2();
const PostingsTable* PostingsAvx512();
const PostingsTable* PostingsNeon();

/// The table of a level that this machine has; the plain one where there is none for it.
const PostingsTable& PostingsKernels(SimdLevel level);

}  // namespace equipoise
