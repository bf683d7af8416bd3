#include "sketch_scan.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include <equipoise/core/check.h>
#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/sketch_groups.h>

namespace equipoise {
namespace {

// Groups that share the error of their worst row.
constexpr std::size_t kPart = 16;
// Standard errors that a row may be too far. With 1.5, lists of 100 keep 0.999 of the nearest on npl, cacm
// and a part of wordnet, with 1 they keep 0.997.
constexpr float kSlack = 1.5f;
constexpr std::size_t kLine = 64;

}  // namespace

Status SketchScan::Open(const Sketcher& sketcher, std::uint64_t seed,
                        std::span<const std::byte> records) {
  EQUIPOISE_ASSIGN_OR_RETURN(turner_, LinkSketcher::Make(sketcher.dim(), sketcher.metric(), seed));
  sketcher_ = &sketcher;
  records_ = records;
  rows_ = records.size() / SketchBytes(sketcher.dim());
  return {};
}

void SketchScan::Group() const {
  const std::size_t dim = sketcher_->dim(), record = SketchBytes(dim), bytes = LinkGroupBytes(dim);
  const std::size_t groups = (rows_ + kLinkGroup - 1) / kLinkGroup;
  memory_.resize(groups * bytes + kLine);
  errors_.assign((groups + kPart - 1) / kPart, 0.0f);
  const auto at = reinterpret_cast<std::uintptr_t>(memory_.data());
  std::byte* const first = memory_.data() + (kLine - at % kLine) % kLine;
  for (std::size_t g = 0; g < groups; ++g) {
    const std::size_t begin = g * kLinkGroup, count = std::min(kLinkGroup, rows_ - begin);
    GroupSketches(records_.data() + begin * record, count, dim, first + g * bytes);
    float& worst = errors_[g / kPart];
    for (std::size_t i = begin; i < begin + count; ++i) {
      SketchHeader header;
      std::memcpy(&header, records_.data() + i * record, sizeof(header));
      // One that is not a number, in a file that has changed, keeps its part.
      if (!std::isnan(worst) && !(header.error <= worst)) worst = header.error;
    }
  }
  groups_ = first;
}

Status SketchScan::Below(const float* query, float threshold, LinkSketchQuery* prepared,
                         std::vector<std::uint32_t>* rows) const {
  if (std::isinf(threshold)) {
    rows->resize(rows_);
    std::iota(rows->begin(), rows->end(), 0u);
    return {};
  }
  std::call_once(once_, [this] { Group(); });
  const std::size_t dim = sketcher_->dim(), bytes = LinkGroupBytes(dim);
  const float* const center = sketcher_->center().data();
  float distance = 0, length = 0;
  if (sketcher_->metric() == Metric::kL2) {
    std::vector<float> from(dim);
    for (std::size_t i = 0; i < dim; ++i) from[i] = query[i] - center[i];
    EQUIPOISE_RETURN_IF_ERROR(turner_->Prepare(from.data(), prepared));
    distance = Dot(from.data(), from.data(), dim);
    length = 2 * std::sqrt(distance);
  } else {
    EQUIPOISE_RETURN_IF_ERROR(turner_->Prepare(query, prepared));
    distance = -Dot(query, center, dim);
    length = std::sqrt(Dot(query, query, dim));
  }
  const std::size_t groups = (rows_ + kLinkGroup - 1) / kLinkGroup;
  rows->resize(groups * kLinkGroup);
  std::size_t count = 0;
  for (std::size_t g = 0; g < groups; g += kPart) {
    std::uint32_t* const kept = rows->data() + count;
    const std::size_t near =
        LinkSketchBelow(*prepared, groups_ + g * bytes, std::min(kPart, groups - g), distance,
                        threshold + kSlack * length * errors_[g / kPart], kept);
    for (std::size_t i = 0; i < near; ++i) kept[i] += static_cast<std::uint32_t>(g * kLinkGroup);
    count += near;
  }
  rows->resize(count);
  // What the last group lacks is kept where nothing is told from anything.
  while (!rows->empty() && rows->back() >= rows_) rows->pop_back();
  return {};
}

}  // namespace equipoise
