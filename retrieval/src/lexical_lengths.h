/// Lengths of documents as BM25 uses them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include <equipoise/retrieval/lexical_index.h>

namespace equipoise::lexical {

/// k1 (1 - b + b dl / avgdl) = constant + slope * dl, both finite.
struct Norms {
  float constant = 0;
  float slope = 0;

  Norms() = default;
  Norms(Bm25Params params, std::uint64_t documents, std::uint64_t tokens) {
    const double average =
        documents > 0 ? static_cast<double>(tokens) / static_cast<double>(documents) : 0;
    const double k1 = params.k1;
    const double b = params.b;
    constant = static_cast<float>(k1 * (1 - b));
    // Where all documents are empty there are no postings, and the slope is never used.
    const double steep = average > 0 ? k1 * b / average : 0;
    slope = static_cast<float>(std::min<double>(steep, std::numeric_limits<float>::max()));
  }

  float Of(std::uint32_t length) const { return constant + slope * static_cast<float>(length); }
};

/// In [0, 1] and never NaN for tf >= 1: the norm is >= 0, at worst infinite, which gives 0.
inline float Share(std::uint32_t tf, float norm) {
  const auto f = static_cast<float>(tf);
  return f / (f + norm);
}

/// An upper bound of shares in a byte.
inline float ShareOfBound(std::uint8_t bound) { return static_cast<float>(bound) / 255.0f; }

inline std::uint8_t BoundOf(float share) {
  auto bound = static_cast<std::uint8_t>(std::min(255.0f, share * 255.0f));
  while (bound < 255 && ShareOfBound(bound) < share) ++bound;
  return bound;
}

}  // namespace equipoise::lexical
