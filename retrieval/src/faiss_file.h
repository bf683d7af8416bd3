// What faiss.write_index writes of a flat or scalar-quantized HNSW index, as spans of the file.
//
// The layout is that of faiss/impl/index_write.cpp; it has been the same from 1.5 to 1.15.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <equipoise/core/status.h>

#include "hnsw_links.h"

namespace equipoise {

constexpr std::uint32_t FaissFourCc(const char (&name)[5]) {
  std::uint32_t out = 0;
  for (unsigned i = 0; i < 4; ++i)
    out |= static_cast<std::uint32_t>(static_cast<unsigned char>(name[i])) << (8 * i);
  return out;
}

// Numbers that FAISS writes.
inline constexpr std::int32_t kFaissInnerProduct = 0;
inline constexpr std::int32_t kFaissL2 = 1;

enum class FaissRows : std::int32_t {
  k8Bit = 0,
  k4Bit = 1,
  k8BitUniform = 2,
  k4BitUniform = 3,
  kFloat16 = 4,
  k8BitDirect = 5,
  k6Bit = 6,
  kBFloat16 = 7,
  k8BitDirectSigned = 8,
  kFloat32 = -1,  // IndexFlat
};

// The name that FAISS has for it; "float32" for flat.
const char* FaissRowsName(FaissRows kind);

// A file's index, laid out as its sizes say. Links are not followed: OwnedLinks::Make does it.
struct FaissGraph {
  std::uint64_t rows = 0;
  std::uint32_t dim = 0;
  std::int32_t metric = 0;
  std::span<const std::byte> slot_ends, levels, offsets, neighbors;  // unaligned
  std::int32_t entry = 0, top_level = 0, ef_construction = 0;
  int m = 0;
  FaissRows kind = FaissRows::kFloat32;
  std::size_t row_bytes = 0;
  std::vector<float> trained;
  std::span<const std::byte> codes;  // [rows, row_bytes], unaligned
  std::vector<std::int64_t> ids;

  // Errors   as FaissFile::Open, without the file's name
  static Result<FaissGraph> Parse(std::span<const std::byte> file);

  // A copy of the links.
  SlottedGraph Links() const;
  // Range    row < rows; to [dim]
  void Decode(std::size_t row, float* to) const;
};

}  // namespace equipoise
