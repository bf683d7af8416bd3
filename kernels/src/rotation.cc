#include <bit>
#include <cmath>
#include <new>
#include <string>

#include <equipoise/core/random.h>
#include <equipoise/kernels/rotation.h>

#include "cpu/sketch_table.h"

namespace equipoise {
namespace {

// Hadamard transforms of a rotation: over the first and the last p = 2^k dimensions in turn, or,
// where p is all of them, three of the whole, as usual for structured random rotations.
std::size_t Rounds(std::size_t dim) { return std::has_single_bit(dim) ? 3 : 4; }

}  // namespace

Result<Rotation> Rotation::Make(std::size_t dim, std::uint64_t seed) try {
  if (dim < 1 || dim > kMaxRotationDim)
    return Status(Code::kInvalidArgument,
                  "Rotation::Make: dim = " + std::to_string(dim) + " is out of range [1, " +
                      std::to_string(kMaxRotationDim) + "]",
                  {.field = "dim"});
  Rotation out;
  out.dim_ = dim;
  const std::size_t p = std::bit_floor(dim), rounds = Rounds(dim);
  const auto keeps_length = static_cast<float>(1 / std::sqrt(static_cast<double>(p)));
  const auto half = static_cast<float>(std::sqrt(0.5));
  out.flips_.resize(rounds * dim);
  Random random(seed);
  for (std::size_t round = 0; round < rounds; ++round) {
    const std::size_t first = round % 2 == 0 ? 0 : dim - p;
    float* flips = out.flips_.data() + round * dim;
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < dim; ++i) {
      if (i % 64 == 0) bits = random.Next();
      flips[i] = (bits >> (i % 64) & 1) != 0 ? -1.0f : 1.0f;
      if (first <= i && i < first + p) flips[i] *= keeps_length;
      // The sums and differences that came before this round.
      if (p < dim && round == 2 && i < dim / 2 * 2) flips[i] *= half;
    }
  }
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "Rotation::Make: no memory for the rotation");
}

void Rotation::Apply(float* values) const {
  const SketchTable& kernels = DefaultSketchKernels();
  const std::size_t p = std::bit_floor(dim_), rounds = Rounds(dim_), half = dim_ / 2;
  for (std::size_t round = 0; round < rounds; ++round) {
    // The two transforms may share few dimensions: halfway, every dimension of one half meets one of
    // the other.
    if (p < dim_ && round == 2) kernels.butterfly(values, values + half, half);
    kernels.multiply(values, flips_.data() + round * dim_, dim_, values);
    kernels.hadamard(values + (round % 2 == 0 ? 0 : dim_ - p), p);
  }
}

}  // namespace equipoise
