// From a product q · x to the score of the metric, and to a number that sorts as the library's order
// does. The definitions are those of the CPU (similarity.h): codes give the same bits.
#pragma once

#include "cuda/device.h"

namespace equipoise::cuda {

// Larger is better. Zero of either sign is one value; NaN (an overflow of float32 products, since no
// NaN is let in) counts as −infinity.
EQUIPOISE_DEVICE std::uint32_t OrderedFloat(float value) {
  if (value != value) return 0x007fffffu;
  const std::uint32_t bits = value == 0.0f ? 0u : BitsOf(value);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
EQUIPOISE_DEVICE float FloatOfOrdered(std::uint32_t ordered) {
  return FloatOf(ordered & 0x80000000u ? ordered & 0x7fffffffu : ~ordered);
}
EQUIPOISE_DEVICE std::uint32_t OrderedInt(std::int32_t value) {
  return static_cast<std::uint32_t>(value) ^ 0x80000000u;
}
EQUIPOISE_DEVICE std::int32_t IntOfOrdered(std::uint32_t ordered) {
  return static_cast<std::int32_t>(ordered ^ 0x80000000u);
}

// A candidate: score descending, then id ascending, is key descending. 0 is no candidate (ids are
// below 2³² − 1).
EQUIPOISE_DEVICE std::uint64_t KeyOf(std::uint32_t ordered, std::uint32_t id) {
  return (static_cast<std::uint64_t>(ordered) << 32) | (0xffffffffu - id);
}
EQUIPOISE_DEVICE std::uint32_t OrderedOfKey(std::uint64_t key) {
  return static_cast<std::uint32_t>(key >> 32);
}
EQUIPOISE_DEVICE std::uint32_t IdOfKey(std::uint64_t key) {
  return 0xffffffffu - static_cast<std::uint32_t>(key);
}

enum class ScoreKind : int {
  kCodesInnerProduct = 0,  // ranked by the integer
  kCodesL2,      // ranked by 2 q·x − |x|²; item_aux: |x|², query_aux: |q|², integers
  kCodesCosine,  // ranked by q·x / |x| in float32; aux: 1 / norm
  kInnerProduct,
  kL2,      // aux: squared norms
  kCosine,  // aux: 1 / norm
};

// Products of some queries with some items, and what makes scores of them.
struct ScoreTile {
  const void* products;  // [parts · part_rows, ld] of int32 or float32
  std::uint64_t ld;
  std::uint32_t rows;     // queries
  std::uint32_t columns;  // items
  std::uint32_t first;    // the items' first id
  // float32 queries against 16-bit items are products of `parts` 16-bit matrices (SplitRow):
  // query = unscale · (part 0 + part_scale · part 1 + part_scale² · part 2).
  std::uint32_t parts;
  std::uint32_t part_rows;
  float part_scale;
  const float* unscale;            // [rows]; only where parts > 1
  const std::uint32_t* item_aux;   // [n], bits; null counts as 1
  const std::uint32_t* query_aux;  // [rows], bits; null counts as 1
  float factor;                    // of codes: 1 / (query scale · item scale)
};

EQUIPOISE_DEVICE std::int32_t IntProduct(const ScoreTile& tile, unsigned row, unsigned column) {
  return static_cast<const std::int32_t*>(tile.products)[row * tile.ld + column];
}

EQUIPOISE_DEVICE float FloatProduct(const ScoreTile& tile, unsigned row, unsigned column) {
  const float* at = static_cast<const float*>(tile.products) + row * tile.ld + column;
  float value = *at;
  if (tile.parts > 1) {
    float scale = tile.part_scale;
    for (std::uint32_t part = 1; part < tile.parts; ++part) {
      at += tile.part_rows * tile.ld;
      value += scale * *at;
      scale *= tile.part_scale;
    }
    value *= tile.unscale[row];
  }
  return value;
}

EQUIPOISE_DEVICE float AuxFloat(const std::uint32_t* aux, std::uint32_t i) {
  return aux == nullptr ? 1.0f : FloatOf(aux[i]);
}

// What item `first + column` is ranked by.
template <ScoreKind kKind>
EQUIPOISE_DEVICE std::uint32_t OrderedScore(const ScoreTile& tile, unsigned row, unsigned column) {
  const std::uint32_t item = tile.first + column;
  if constexpr (kKind == ScoreKind::kCodesInnerProduct) {
    return OrderedInt(IntProduct(tile, row, column));
  } else if constexpr (kKind == ScoreKind::kCodesL2) {
    return OrderedInt(2 * IntProduct(tile, row, column) -
                      static_cast<std::int32_t>(tile.item_aux[item]));
  } else if constexpr (kKind == ScoreKind::kCodesCosine) {
    return OrderedFloat(
        Multiply(static_cast<float>(IntProduct(tile, row, column)), FloatOf(tile.item_aux[item])));
  } else if constexpr (kKind == ScoreKind::kInnerProduct) {
    return OrderedFloat(FloatProduct(tile, row, column));
  } else if constexpr (kKind == ScoreKind::kL2) {
    const float squares = FloatOf(tile.query_aux[row]) + FloatOf(tile.item_aux[item]);
    const float distance = squares - 2.0f * FloatProduct(tile, row, column);
    return OrderedFloat(distance > 0.0f || distance != distance ? -distance : 0.0f);
  } else {
    const float product = FloatProduct(tile, row, column);
    return OrderedFloat(
        Multiply(Multiply(product, AuxFloat(tile.item_aux, item)), AuxFloat(tile.query_aux, row)));
  }
}

// The score behind OrderedScore.
EQUIPOISE_DEVICE float FinalScore(ScoreKind kind, std::uint32_t ordered, float factor,
                                  const std::uint32_t* query_aux, unsigned row) {
  switch (kind) {
    case ScoreKind::kCodesInnerProduct:
      return Multiply(static_cast<float>(IntOfOrdered(ordered)), factor);
    case ScoreKind::kCodesL2: {
      const std::int32_t negative =
          IntOfOrdered(ordered) - static_cast<std::int32_t>(query_aux[row]);
      return Multiply(static_cast<float>(negative), factor);
    }
    case ScoreKind::kCodesCosine:
      return Multiply(FloatOfOrdered(ordered), FloatOf(query_aux[row]));
    default:
      return FloatOfOrdered(ordered);
  }
}

struct ScoreArgs {
  ScoreTile tile;
  float* out;  // [rows, ld]: may be the products themselves
};

// Every score of a tile. Grid: (columns / threads, rows).
template <ScoreKind kKind, class Block>
EQUIPOISE_DEVICE void ScoreBody(Block& block, const ScoreArgs& args) {
  const ScoreTile& tile = args.tile;
  const unsigned row = block.y();
  const unsigned column = block.x() * block.threads() + block.thread();
  if (column >= tile.columns) return;
  const std::uint32_t ordered = OrderedScore<kKind>(tile, row, column);
  args.out[row * tile.ld + column] = FinalScore(kKind, ordered, tile.factor, tile.query_aux, row);
}

}  // namespace equipoise::cuda
