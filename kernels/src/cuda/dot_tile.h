// Products of a few queries with many items, for batches too small to fill a matrix product: the
// items are read once, 16 bytes a load, with every query kept in shared memory.
#pragma once

#include "cuda/device.h"

namespace equipoise::cuda {

constexpr unsigned kDotGroup = 8;    // lanes that share an item: 128 bytes of a row at a time
constexpr unsigned kDotItems = 4;    // items of a group at once: loads in flight, queries read once
constexpr unsigned kDotQueries = 8;  // most queries
// Items of a block at once.
constexpr unsigned kDotStep = kThreads / kDotGroup * kDotItems;

struct DotArgs {
  const void* items;    // the first item of the tile; rows of row_bytes
  const void* queries;  // [queries of the kernel, row_bytes / element size] int8 or float32, padded
                        // with zeros
  std::uint32_t row_bytes;  // a multiple of 16
  std::uint32_t count;      // items
  void* out;                // [queries, ld] int32 or float32
  std::uint64_t ld;
};

// The 16 bytes' elements times a query's. A query in shared memory is `words` of 4 bytes: 4 int8, or
// one float32.
template <typename Element>
struct DotTraits;

template <>
struct DotTraits<std::int8_t> {
  using Sum = std::int32_t;
  static constexpr unsigned kQueryWords = 4;  // for 16 bytes of an item
  static EQUIPOISE_DEVICE Sum AddTo(Sum sum, const Bytes16& item, const std::uint32_t* query) {
    EQUIPOISE_UNROLL
    for (int i = 0; i < 4; ++i) sum = DotBytes(item.word[i], query[i], sum);
    return sum;
  }
};

template <>
struct DotTraits<float> {
  using Sum = float;
  static constexpr unsigned kQueryWords = 4;
  static EQUIPOISE_DEVICE Sum AddTo(Sum sum, const Bytes16& item, const std::uint32_t* query) {
    EQUIPOISE_UNROLL
    for (int i = 0; i < 4; ++i) sum = Fma(FloatOf(item.word[i]), FloatOf(query[i]), sum);
    return sum;
  }
};

template <typename Element>
struct DotTraits16 {
  using Sum = float;
  static constexpr unsigned kQueryWords = 8;
  static EQUIPOISE_DEVICE Sum AddTo(Sum sum, const Bytes16& item, const std::uint32_t* query) {
    EQUIPOISE_UNROLL
    for (int i = 0; i < 4; ++i) {
      const Element low{static_cast<std::uint16_t>(item.word[i])};
      const Element high{static_cast<std::uint16_t>(item.word[i] >> 16)};
      sum = Fma(ToFloat(low), FloatOf(query[2 * i]), sum);
      sum = Fma(ToFloat(high), FloatOf(query[2 * i + 1]), sum);
    }
    return sum;
  }
};
template <>
struct DotTraits<Half> : DotTraits16<Half> {};
template <>
struct DotTraits<BFloat> : DotTraits16<BFloat> {};

// Shared memory of a block.
template <typename Element>
constexpr std::uint64_t DotSharedBytes(std::uint64_t row_bytes, unsigned queries) {
  return queries * (row_bytes / 16) * DotTraits<Element>::kQueryWords * 4;
}

// Grid: (any number of blocks, 1); they share the items out in steps of kDotStep.
template <typename Element, unsigned kQueries, class Block>
EQUIPOISE_DEVICE void DotBody(Block& block, const DotArgs& args) {
  using Traits = DotTraits<Element>;
  using Sum = typename Traits::Sum;
  const unsigned chunks = args.row_bytes / 16;
  const unsigned query_words = chunks * Traits::kQueryWords;

  auto* queries = reinterpret_cast<std::uint32_t*>(block.shared());
  const auto* from = static_cast<const std::uint32_t*>(args.queries);
  // Four words of every chunk lie side by side, so that the lanes of a group, each at its own chunk,
  // read without bank conflicts.
  for (unsigned i = block.thread(); i < kQueries * query_words; i += block.threads()) {
    const unsigned q = i / query_words;
    const unsigned chunk = i % query_words / Traits::kQueryWords;
    const unsigned part = i % Traits::kQueryWords / 4;
    queries[q * query_words + (part * chunks + chunk) * 4 + i % 4] = from[i];
  }
  block.Sync();

  const unsigned lane = block.thread() % kDotGroup;
  const unsigned group = block.thread() / kDotGroup;
  const unsigned groups = block.threads() / kDotGroup;
  const auto* items = static_cast<const unsigned char*>(args.items);
  // The same number of steps in every lane: ShuffleXor needs all of them.
  for (std::uint64_t base = static_cast<std::uint64_t>(block.x()) * groups * kDotItems;
       base < args.count; base += static_cast<std::uint64_t>(block.grid_x()) * groups * kDotItems) {
    const unsigned char* rows[kDotItems];
    EQUIPOISE_UNROLL
    for (unsigned r = 0; r < kDotItems; ++r) {
      const std::uint64_t item = base + group + r * groups;
      // Past the end the last item is read again and not written.
      rows[r] = items + (item < args.count ? item : args.count - 1) * args.row_bytes;
    }
    Sum sums[kDotItems][kQueries];
    EQUIPOISE_UNROLL
    for (unsigned r = 0; r < kDotItems; ++r) {
      EQUIPOISE_UNROLL
      for (unsigned q = 0; q < kQueries; ++q) sums[r][q] = 0;
    }
    for (unsigned chunk = lane; chunk < chunks; chunk += kDotGroup) {
      Bytes16 bytes[kDotItems];
      EQUIPOISE_UNROLL
      for (unsigned r = 0; r < kDotItems; ++r) bytes[r] = Load16(rows[r] + chunk * 16);
      EQUIPOISE_UNROLL
      for (unsigned q = 0; q < kQueries; ++q) {
        std::uint32_t query[Traits::kQueryWords];
        const std::uint32_t* at = queries + q * query_words + chunk * 4;
        EQUIPOISE_UNROLL
        for (unsigned i = 0; i < Traits::kQueryWords; i += 4) {
          // One 16-byte load from shared memory.
          const Bytes16 part = *reinterpret_cast<const Bytes16*>(at + i * chunks);
          EQUIPOISE_UNROLL
          for (unsigned j = 0; j < 4; ++j) query[i + j] = part.word[j];
        }
        EQUIPOISE_UNROLL
        for (unsigned r = 0; r < kDotItems; ++r)
          sums[r][q] = Traits::AddTo(sums[r][q], bytes[r], query);
      }
    }
    auto* out = static_cast<Sum*>(args.out);
    EQUIPOISE_UNROLL
    for (unsigned r = 0; r < kDotItems; ++r) {
      const std::uint64_t item = base + group + r * groups;
      EQUIPOISE_UNROLL
      for (unsigned q = 0; q < kQueries; ++q) {
        Sum sum = sums[r][q];
        EQUIPOISE_UNROLL
        for (unsigned mask = kDotGroup / 2; mask > 0; mask /= 2) sum += block.ShuffleXor(sum, mask);
        // Each lane of the group writes another of the sums.
        if ((r * kQueries + q) % kDotGroup == lane && item < args.count)
          out[q * args.ld + item] = sum;
      }
    }
  }
}

}  // namespace equipoise::cuda
