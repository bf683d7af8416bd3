/// Random rotations of vectors in O(dim log dim), what one-bit sketches are made behind: afterwards no
/// dimension stands out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>

namespace equipoise {

/// Most dimensions of a rotation, as of 8-bit codes.
inline constexpr std::size_t kMaxRotationDim = 32768;

/// Hadamard transforms with random signs between them. Rebuilt from the same dim and seed it rotates
/// to the same floats on every instruction set.
/// Threads  const, safe from many threads; a value type
/// Source   Ailon & Chazelle 2009, doi:10.1137/060673096; sketch_test checks what is made of it
class EQUIPOISE_API Rotation {
 public:
  /// Range    1 <= dim <= kMaxRotationDim; any seed
  /// Errors   kInvalidArgument: dim out of range; kOutOfMemory
  static Result<Rotation> Make(std::size_t dim, std::uint64_t seed);

  /// In place; lengths and inner products stay, up to rounding.
  /// Shapes   values [dim], no alignment needed
  /// Exact    the same floats on every instruction set
  void Apply(float* values) const;

  std::size_t dim() const { return dim_; }

 private:
  friend class Sketcher;
  friend class LinkSketcher;
  Rotation() = default;

  std::size_t dim_ = 0;
  // [rounds, dim]: what each value is multiplied with before a Hadamard transform: a random sign, and
  // what keeps lengths.
  std::vector<float> flips_;
};

}  // namespace equipoise
