#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include <equipoise/kernels/link_sketch.h>

#include "cpu/aligned_buffer.h"
#include "cpu/dispatch.h"
#include "cpu/sketch_table.h"

namespace equipoise {
namespace {

constexpr std::size_t kLine = 64;

std::size_t RoundUp(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

std::size_t UnitsOf(std::size_t dim) { return (dim + 7) / 8; }

float FloatAt(const std::byte* p) {
  float value = 0;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

}  // namespace

struct LinkSketchQuery::Memory {
  std::size_t dim = 0;
  AlignedBuffer<float> values;  // zeros from dim on
  AlignedBuffer<std::uint8_t> table;
};

LinkSketchQuery::LinkSketchQuery() = default;

LinkSketchQuery::LinkSketchQuery(LinkSketchQuery&& other) noexcept
    : constants_(std::exchange(other.constants_, {})), memory_(std::move(other.memory_)) {}

LinkSketchQuery& LinkSketchQuery::operator=(LinkSketchQuery&& other) noexcept {
  constants_ = std::exchange(other.constants_, {});
  memory_ = std::move(other.memory_);
  return *this;
}

LinkSketchQuery::~LinkSketchQuery() = default;

std::size_t LinkGroupBytes(std::size_t dim) {
  return RoundUp(UnitsOf(dim) * kLinkGroup + 2 * kLinkGroup * sizeof(float), kLine);
}

Result<LinkSketcher> LinkSketcher::Make(std::size_t dim, Metric metric, std::uint64_t seed) {
  auto rotation = Rotation::Make(dim, seed);
  if (!rotation) return rotation.error();
  LinkSketcher out;
  out.metric_ = metric;
  out.rotation_ = *std::move(rotation);
  return out;
}

Status LinkSketcher::Encode(const float* row, const float* neighbors, std::size_t count,
                            std::byte* group) const try {
  const SketchTable& kernels = DefaultSketchKernels();
  const std::size_t d = dim(), units = UnitsOf(d), words = (d + 63) / 64;
  const bool l2 = metric_ == Metric::kL2;
  AlignedBuffer<float> turned(d), step(d), sign(d);
  AlignedBuffer<std::uint8_t> bits(8 * words);
  std::copy_n(row, d, turned.data());
  rotation_.Apply(turned.data());
  std::memset(group, 0, LinkGroupBytes(d));
  float factors[kLinkGroup] = {}, addends[kLinkGroup];
  std::fill_n(addends, kLinkGroup, std::numeric_limits<float>::infinity());
  for (std::size_t lane = 0; lane < std::min(count, kLinkGroup); ++lane) {
    // With p the row, r the step, o the rotated r and s its signs: <x, r> is estimated as
    // <rotated x, s> |r|² / <o, s>, here for x = query - p, of which the part of p is known.
    kernels.subtract(neighbors + lane * d, row, d, step.data());
    const double along = kernels.dot(row, step.data(), d);
    rotation_.Apply(step.data());
    const SketchSums sums = kernels.sums(step.data(), d);
    kernels.signs(step.data(), d, reinterpret_cast<std::byte*>(bits.data()));
    for (std::size_t i = 0; i < d; ++i) sign[i] = step[i] > 0.0f ? 1.0f : -1.0f;
    const double slope = sums.sizes == 0 ? 0 : sums.squares / sums.sizes;
    const double known = slope * kernels.dot(sign.data(), turned.data(), d);
    factors[lane] = static_cast<float>(l2 ? -2 * slope : -slope);
    addends[lane] = static_cast<float>(l2 ? sums.squares + 2 * known : known - along);
    if (!std::isfinite(factors[lane]) || !std::isfinite(addends[lane])) {
      factors[lane] = 0;
      addends[lane] = -std::numeric_limits<float>::infinity();
    }
    const auto four = [&](std::size_t at) {
      const std::size_t byte = at / 2;
      return byte < 8 * words ? bits[byte] >> (4 * (at % 2)) & 15 : 0;
    };
    for (std::size_t i = 0; i < units; ++i)
      group[i * kLinkGroup + lane] = static_cast<std::byte>(four(i) | four(units + i) << 4);
  }
  std::memcpy(group + units * kLinkGroup, factors, sizeof(factors));
  std::memcpy(group + units * kLinkGroup + sizeof(factors), addends, sizeof(addends));
  return {};
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "LinkSketcher::Encode: no memory for rotated rows");
}

Status LinkSketcher::Prepare(const float* query, LinkSketchQuery* out) const try {
  const SketchTable& kernels = DefaultSketchKernels();
  const std::size_t d = dim();
  if (out->memory_ == nullptr || out->memory_->dim != d) {
    auto memory = std::make_unique<LinkSketchQuery::Memory>();
    memory->dim = d;
    memory->values = AlignedBuffer<float>(RoundUp(d, kLinkTableValues));
    std::fill_n(memory->values.data(), memory->values.size(), 0.0f);
    memory->table = AlignedBuffer<std::uint8_t>(4 * memory->values.size());
    out->memory_ = std::move(memory);
  }
  LinkSketchQuery::Memory& memory = *out->memory_;
  const std::size_t padded = memory.values.size();
  float* values = memory.values.data();
  std::copy_n(query, d, values);
  rotation_.Apply(values);
  LinkSketchConstants constants;
  constants.table = memory.table.data();
  constants.units = UnitsOf(d);
  constants.group_bytes = LinkGroupBytes(d);
  const float largest = kernels.link_largest(values, padded);
  const float step = largest / kLinkTableReach, scale = kLinkTableReach / largest;
  if (!std::isfinite(largest)) {
    constants.base = std::numeric_limits<float>::quiet_NaN();
    std::fill_n(memory.table.data(), memory.table.size(), std::uint8_t{0});
  } else if (step > 0 && std::isfinite(scale)) {
    const std::int32_t sizes = kernels.link_table(values, padded, scale, memory.table.data());
    constants.step = 2 * step;
    constants.base = -step * static_cast<float>(sizes);
  } else {
    std::fill_n(memory.table.data(), memory.table.size(), std::uint8_t{0});
  }
  out->constants_ = constants;
  return {};
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "LinkSketcher::Prepare: no memory for the query's table");
}

float LinkSketchEstimate(const LinkSketchQuery& query, const std::byte* group, std::size_t lane,
                         float distance) {
  const LinkSketchConstants& q = query.constants();
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < q.units; ++i) {
    const auto both = std::to_integer<std::size_t>(group[i * kLinkGroup + lane]);
    sum += q.table[16 * i + both % 16] + q.table[16 * (q.units + i) + both / 16];
  }
  const std::byte* factors = group + q.units * kLinkGroup;
  const float factor = FloatAt(factors + 4 * lane);
  const float addend = FloatAt(factors + 4 * (kLinkGroup + lane));
  return (distance + addend) + factor * (q.base + q.step * static_cast<float>(sum));
}

std::size_t LinkSketchBelow(const LinkSketchQuery& query, const std::byte* groups,
                            std::size_t count, float distance, float threshold,
                            std::uint32_t* kept) {
  return DefaultSketchKernels().link_below(query.constants(), groups, count, distance, threshold,
                                           kept);
}

}  // namespace equipoise
