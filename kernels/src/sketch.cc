#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <string>
#include <utility>

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
  auto rotation = Rotation::Make(dim, seed);
  if (!rotation) return rotation.error();
  Sketcher out;
  out.rotation_ = *std::move(rotation);
  out.metric_ = metric;
  out.center_.assign(center.begin(), center.end());
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "Sketcher::Make: no memory for the center");
}

Status Sketcher::Encode(const float* row, std::byte* record) const try {
  const SketchTable& kernels = DefaultSketchKernels();
  const std::size_t d = dim();
  alignas(kLine) float small[kStackDim];
  AlignedBuffer<float> large;
  float* values = small;
  if (d > kStackDim) {
    large = AlignedBuffer<float>(d);
    values = large.data();
  }
  kernels.subtract(row, center_.data(), d, values);
  rotation_.Apply(values);
  const SketchSums sums = kernels.sums(values, d);
  const std::size_t bytes = SketchBytes(d), words = (d + 63) / 64;
  std::memset(record, 0, bytes);
  kernels.signs(values, d, record + kSketchHeader);
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
    const auto dims = static_cast<double>(d);
    const double slope = sums.squares / sums.sizes;
    const double excess = dims * sums.squares / (sums.sizes * sums.sizes) - 1;
    const double error =
        d > 1 && !(excess <= 0) ? std::sqrt(sums.squares * excess / (dims - 1)) : 0;
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
  const std::size_t d = dim();
  const std::size_t bytes = SketchBytes(d), stride = RoundUp(bytes, kLine);
  if (out->memory_ == nullptr || out->memory_->values.size() < d) {
    auto memory = std::make_unique<SketchQuery::Memory>();
    memory->values = AlignedBuffer<float>(d);
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
    kernels.subtract(query, center_.data(), d, values);
  } else {
    std::copy_n(query, d, values);
  }
  rotation_.Apply(values);
  const SketchSums sums = kernels.sums(values, d);
  const double base = l2 ? sums.squares : -kernels.dot(query, center_.data(), d);
  const double length = std::sqrt(sums.squares);
  constants.base = static_cast<float>(base);
  constants.error_scale = static_cast<float>(l2 ? 2 * length : length);
  const float step = sums.largest / kSteps;
  const float scale = kSteps / sums.largest;
  if (!std::isfinite(constants.base) || !std::isfinite(constants.error_scale)) {
    constants.base = std::numeric_limits<float>::quiet_NaN();
  } else if (step > 0 && std::isfinite(scale)) {
    const std::int32_t sum = kernels.planes(values, d, scale, stride, planes + kSketchHeader);
    constants.two_step = 2 * step;
    constants.sum = step * (static_cast<float>(sum) + 0.5f * static_cast<float>(d));
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
