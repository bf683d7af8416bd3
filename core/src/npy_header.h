// The header of an .npy file: a Python dict literal with three keys, read strictly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <equipoise/core/status.h>

namespace equipoise {

struct NpyHeader {
  std::string descr;  // "<f4"; "[...]" where the type is a record
  bool fortran_order = false;
  std::vector<std::uint64_t> shape;
  std::size_t data_offset = 0;
};

// Errors   kCorruption: not as numpy writes it (the message has no file name yet)
// Source   numpy, "A simple file format for NumPy arrays" (NEP 1), versions 1 to 3
Result<NpyHeader> ParseNpyHeader(std::span<const std::byte> file);

}  // namespace equipoise
