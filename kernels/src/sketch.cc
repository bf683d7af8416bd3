#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <string>
#include <utility>

#include <equipoise/core/random.h>
#include <equipoise/kernels/sketch.h>

#include "cpu/aligned_buffer.h"
#include "cpu/dispatch.h"
#include "cpu/sketch_table.h"

namespace equipoise {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kStackDim = 4096;

// A query's values reach from -7.5 to 7.5 steps.
constexpr float kSteps = 7.5f;

std::size_t RoundUp(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

// Hadamard transforms of a rotation: over the first and the last p = 2^k dimensions in turn, or,
// where p is all of them, three of the whole, as usual for structured random rotations.
std::size_t Rounds(std::size_t dim) { return std::has_single_bit(dim) ? 3 : 4; }

SketchHeader HeaderOf(const std::byte* record) {
  SketchHeader header;
  std::memcpy(&header, record, sizeof(header));
  return header;
}

std::uint64_t WordAt(const std::byte* p) {
  std::uint64_t word = 0;
  std::memcpy(&word, p, sizeof(word));
  return word;
}

}  // namespace

struct SketchQuery::Memory {
  AlignedBuffer<float> values;
  AlignedBuffer<std::byte> planes;
};

SketchQuery::SketchQuery() = default;

SketchQuery::SketchQuery(SketchQuery&& other) noexcept
    : constants_(std::exchange(other.constants_, {})), memory_(std::move(other.memory_)) {}

SketchQuery& SketchQuery::operator=(SketchQuery&& other) noexcept {
  constants_ = std::exchange(other.constants_, {});
  memory_ = std::move(other.memory_);
  return *this;
}

SketchQuery::~SketchQuery() = default;

std::size_t SketchBytes(std::size_t dim) {
  return RoundUp(kSketchHeader + (dim + 63) / 64 * 8, 32);
}

Result<Sketcher> Sketcher::Make(std::size_t dim, Metric metric, std::span<const float> center,
                                std::uint64_t seed) try {
  if (dim < 1 || dim > kMaxSketchDim)
    return Status(Code::kInvalidArgument,
                  "Sketcher::Make: dim = " + std::to_string(dim) + " is out of range [1, " +
                      std::to_string(kMaxSketchDim) + "]",
                  {.field = "dim"});
  if (center.size() != dim)
    return Status(Code::kInvalidArgument,
                  "Sketcher::Make: center.size() = " + std::to_string(center.size()) +
                      " must equal dim = " + std::to_string(dim),
                  {.field = "center"});
  for (std::size_t i = 0; i < dim; ++i) {
    if (!std::isfinite(center[i]))
      return Status(Code::kInvalidArgument,
                    "Sketcher::Make: center[" + std::to_string(i) + "] is not finite",
                    {.field = "center"});
  }
  Sketcher out;
  out.dim_ = dim;
  out.metric_ = metric;
  out.center_.assign(center.begin(), center.end());
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
  return Status(Code::kOutOfMemory, "Sketcher::Make: no memory for the center and the rotation");
}

void Sketcher::Rotate(float* values) const {
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

Status Sketcher::Encode(const float* row, std::byte* record) const try {
  const SketchTable& kernels = DefaultSketchKernels();
  alignas(kLine) float small[kStackDim];
  AlignedBuffer<float> large;
  float* values = small;
  if (dim_ > kStackDim) {
    large = AlignedBuffer<float>(dim_);
    values = large.data();
  }
  kernels.subtract(row, center_.data(), dim_, values);
  Rotate(values);
  const SketchSums sums = kernels.sums(values, dim_);
  const std::size_t bytes = SketchBytes(dim_), words = (dim_ + 63) / 64;
  std::memset(record, 0, bytes);
  kernels.signs(values, dim_, record + kSketchHeader);
  int ones = 0;
  for (std::size_t w = 0; w < words; ++w)
    ones += std::popcount(WordAt(record + kSketchHeader + 8 * w));

  SketchHeader header;
  header.half_ones = 0.5f * static_cast<float>(ones);
  const bool l2 = metric_ == Metric::kL2;
  if (!(sums.sizes == 0)) {  // NaN goes on
    // With x the row less its center, o its rotation and s the signs of o: <q, x> is estimated as
    // <rotated q, s> |x|² / <o, s>; that is exact for q = x, and what is off otherwise is the part of
    // s that is orthogonal to o, in a random direction of dim - 1 dimensions.
    const auto dim = static_cast<double>(dim_);
    const double slope = sums.squares / sums.sizes;
    const double excess = dim * sums.squares / (sums.sizes * sums.sizes) - 1;
    const double error =
        dim_ > 1 && !(excess <= 0) ? std::sqrt(sums.squares * excess / (dim - 1)) : 0;
    header.factor = static_cast<float>(l2 ? -2 * slope : -slope);
    header.error = static_cast<float>(error);
    header.add = l2 ? static_cast<float>(sums.squares) : 0.0f;
    if (!std::isfinite(header.factor) || !std::isfinite(header.error) ||
        !std::isfinite(header.add) || !std::isfinite(sums.squares)) {
      header.factor = header.add = 0;
      header.error = std::numeric_limits<float>::infinity();
    }
  }
  std::memcpy(record, &header, sizeof(header));
  return {};
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "Sketcher::Encode: no memory for a rotated row");
}

Status Sketcher::Prepare(const float* query, SketchQuery* out) const try {
  const SketchTable& kernels = DefaultSketchKernels();
  const std::size_t bytes = SketchBytes(dim_), stride = RoundUp(bytes, kLine);
  if (out->memory_ == nullptr || out->memory_->values.size() < dim_) {
    auto memory = std::make_unique<SketchQuery::Memory>();
    memory->values = AlignedBuffer<float>(dim_);
    memory->planes = AlignedBuffer<std::byte>(kSketchPlanes * stride);
    out->memory_ = std::move(memory);
    out->constants_ = {};
  }
  float* values = out->memory_->values.data();
  std::byte* planes = out->memory_->planes.data();
  SketchConstants constants;
  constants.planes = planes;
  constants.plane_stride = stride;
  constants.record_bytes = bytes;
  // What lies around the bits is zero already where the last query had as many dimensions.
  if (out->constants_.record_bytes != bytes || out->constants_.plane_stride != stride)
    std::memset(planes, 0, kSketchPlanes * stride);

  const bool l2 = metric_ == Metric::kL2;
  if (l2) {
    kernels.subtract(query, center_.data(), dim_, values);
  } else {
    std::copy_n(query, dim_, values);
  }
  Rotate(values);
  const SketchSums sums = kernels.sums(values, dim_);
  const double base = l2 ? sums.squares : -kernels.dot(query, center_.data(), dim_);
  const double length = std::sqrt(sums.squares);
  constants.base = static_cast<float>(base);
  constants.error_scale = static_cast<float>(l2 ? 2 * length : length);
  const float step = sums.largest / kSteps;
  const float scale = kSteps / sums.largest;
  if (!std::isfinite(constants.base) || !std::isfinite(constants.error_scale)) {
    constants.base = std::numeric_limits<float>::quiet_NaN();
  } else if (step > 0 && std::isfinite(scale)) {
    const std::int32_t sum = kernels.planes(values, dim_, scale, stride, planes + kSketchHeader);
    constants.two_step = 2 * step;
    constants.sum = step * (static_cast<float>(sum) + 0.5f * static_cast<float>(dim_));
  }
  out->constants_ = constants;
  return {};
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "Sketcher::Prepare: no memory for the query's planes");
}

float SketchEstimate(const SketchQuery& query, const std::byte* record) {
  const SketchConstants& q = query.constants();
  int bits = 0;
  for (std::size_t at = kSketchHeader; at < q.record_bytes; at += 8) {
    const std::uint64_t word = WordAt(record + at);
    const auto count = [&](std::size_t plane) {
      return std::popcount(word & WordAt(q.planes + plane * q.plane_stride + at));
    };
    bits += count(0) + 2 * count(1) + 4 * count(2) - 8 * count(3);
  }
  const SketchHeader header = HeaderOf(record);
  const float product = q.two_step * (static_cast<float>(bits) + header.half_ones) - q.sum;
  return (q.base + header.add) + header.factor * product;
}

float SketchError(const SketchQuery& query, const std::byte* record) {
  return query.constants().error_scale * HeaderOf(record).error;
}

std::size_t SketchBelow(const SketchQuery& query, const std::byte* records,
                        const std::uint32_t* ids, std::size_t count, float threshold, float slack,
                        std::uint32_t* kept, PrefetchTarget next) {
  const SketchConstants& constants = query.constants();
  return DefaultSketchKernels().below(constants, records, ids, count, threshold,
                                      slack * constants.error_scale, kept, next);
}

const SketchTable& SketchKernels(SimdLevel level) {
  const SketchTable* table = nullptr;
  switch (level) {
    case SimdLevel::kAvx2:
      table = SketchAvx2();
      break;
    case SimdLevel::kAvx512:
      table = SketchAvx512();
      break;
    case SimdLevel::kAvx512Vnni:
      table = CountsBitsOfVectors() ? SketchAvx512Popcount() : SketchAvx512();
      break;
    case SimdLevel::kNeon:
      table = SketchNeon();
      break;
    case SimdLevel::kAuto:
    case SimdLevel::kScalar:
      break;
  }
  return table != nullptr ? *table : *SketchScalar();
}

const SketchTable& DefaultSketchKernels() {
  static const SketchTable& table = SketchKernels(DefaultKernels().level);
  return table;
}

}  // namespace equipoise
