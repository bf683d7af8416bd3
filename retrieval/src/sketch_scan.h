// All rows of a small collection by their sketches, 16 at a time: for long lists, of which a walk would
// look at a good part of what there is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/kernels/link_sketch.h>
#include <equipoise/kernels/sketch.h>

namespace equipoise {

// Threads  Below from many threads; the first makes the groups, for which others wait
class SketchScan {
 public:
  // Shapes   records [rows, SketchBytes(dim)], which stay the caller's, as the sketcher does
  // Range    seed: of the sketcher
  Status Open(const Sketcher& sketcher, std::uint64_t seed, std::span<const std::byte> records);

  // The rows whose estimate less a few standard errors, those of the worst row near by, is below the
  // threshold, ascending.
  // Shapes   query [dim], as Sketcher::Prepare takes it
  // Units    threshold: a distance, as SketchEstimate
  // Range    infinity keeps every row
  // Errors   kOutOfMemory, also as std::bad_alloc
  Status Below(const float* query, float threshold, LinkSketchQuery* prepared,
               std::vector<std::uint32_t>* rows) const;

 private:
  void Group() const;

  const Sketcher* sketcher_ = nullptr;
  std::optional<LinkSketcher> turner_;
  std::span<const std::byte> records_;
  std::size_t rows_ = 0;
  mutable std::once_flag once_;
  mutable std::vector<std::byte> memory_;
  mutable const std::byte* groups_ = nullptr;
  mutable std::vector<float>
      errors_;  // the largest standard error of each part, of a query of length 1
};

}  // namespace equipoise
