// The best k of each query: a pass over each tile of scores keeps candidates, a merge ends it.
//
// A query has `slices` lists, one for each part of a tile that one block looks at, so that few
// queries still fill the device. A list keeps what passes its floor (the k-th best so far); where it
// is full it is sorted and cut to k. Nothing is sorted as long as nothing passes, and after the first
// tiles nearly nothing does.
//
// Ideas: filtered queues per warp of FAISS's GPU index (Johnson, Douze, Jégou, arXiv 1702.08734) and
// of cuVS's select_k; here a block's list lies in global memory, which stays in the L2 cache.
#pragma once

#include "cuda/score.h"

namespace equipoise::cuda {

constexpr unsigned kLoads = 16;  // scores of a thread between two barriers
constexpr unsigned kGroup = 4;   // of which it appends so many between two checks for room
constexpr unsigned kRoom = kThreads * kGroup;
constexpr unsigned kMostSorted = 4096;  // keys: 32 KiB of shared memory
constexpr unsigned kMostK = 2048;

struct ScanArgs {
  ScoreTile tile;
  std::uint32_t slices;
  std::uint32_t k;
  std::uint32_t capacity;  // of a list: at least k + kRoom, a power of two, <= kMostSorted
  std::uint64_t* lists;    // [rows, slices, capacity]
  std::uint32_t* counts;   // [rows, slices]; 0 before the first tile
  std::uint32_t* floors;  // [rows, slices]: least OrderedScore that passes; 0 before the first tile
};

// Sorts keys[0, n), n a power of two, in descending order. Ends with a barrier.
// Source   Batcher 1968: bitonic sort, the same steps for every input
template <class Block>
EQUIPOISE_DEVICE void SortDescending(Block& block, std::uint64_t* keys, unsigned n) {
  for (unsigned size = 2; size <= n; size *= 2) {
    for (unsigned stride = size / 2; stride > 0; stride /= 2) {
      for (unsigned t = block.thread(); t < n / 2; t += block.threads()) {
        const unsigned i = 2 * t - (t & (stride - 1));
        const std::uint64_t a = keys[i];
        const std::uint64_t b = keys[i + stride];
        if ((a < b) == ((i & size) == 0)) {
          keys[i] = b;
          keys[i + stride] = a;
        }
      }
      block.Sync();
    }
  }
}

// Sorts a list of `count` > k keys and keeps its best k; returns the floor that follows.
template <class Block>
EQUIPOISE_DEVICE std::uint32_t CutList(Block& block, std::uint64_t* list, unsigned count,
                                       unsigned k) {
  std::uint64_t* keys = block.shared();
  const unsigned n = NextPowerOfTwo(count);
  for (unsigned i = block.thread(); i < n; i += block.threads()) keys[i] = i < count ? list[i] : 0;
  block.Sync();
  SortDescending(block, keys, n);
  for (unsigned i = block.thread(); i < k; i += block.threads()) list[i] = keys[i];
  // A slice meets its ids in ascending order, so a later equal score is no better.
  const std::uint32_t floor = OrderedOfKey(keys[k - 1]) + 1;
  block.Sync();
  return floor;
}

// Looks at one slice of one row of a tile. Grid: (slices, rows). Shared memory: capacity keys, and
// one more for the counter.
template <ScoreKind kKind, class Block>
EQUIPOISE_DEVICE void ScanBody(Block& block, const ScanArgs& args) {
  const unsigned row = block.y();
  const unsigned columns = args.tile.columns;
  const unsigned per_slice = (columns + args.slices - 1) / args.slices;
  const unsigned begin = Least(columns, block.x() * per_slice);
  const unsigned end = Least(columns, begin + per_slice);
  const std::uint64_t number = static_cast<std::uint64_t>(row) * args.slices + block.x();
  std::uint64_t* list = args.lists + number * args.capacity;
  auto* counter = reinterpret_cast<unsigned*>(block.shared() + args.capacity);

  unsigned count = args.counts[number];
  std::uint32_t floor = args.floors[number];
  if (block.thread() == 0) *counter = count;  // the first Any lies before its use

  const unsigned step = block.threads() * kLoads;
  for (unsigned base = begin; base < end; base += step) {
    std::uint32_t ordered[kLoads];
    bool passes = false;
    EQUIPOISE_UNROLL
    for (unsigned i = 0; i < kLoads; ++i) {
      const unsigned column = base + i * block.threads() + block.thread();
      // Below every floor but 0, and that one is asked again for the column.
      ordered[i] = column < end ? OrderedScore<kKind>(args.tile, row, column) : 0;
      passes = passes || (column < end && ordered[i] >= floor);
    }
    if (!block.Any(passes)) continue;

    EQUIPOISE_UNROLL
    for (unsigned group = 0; group < kLoads; group += kGroup) {
      if (count + block.threads() * kGroup > args.capacity) {
        floor = CutList(block, list, count, args.k);
        count = args.k;
        if (block.thread() == 0) *counter = count;
        block.Sync();
      }
      EQUIPOISE_UNROLL
      for (unsigned i = group; i < group + kGroup; ++i) {
        const unsigned column = base + i * block.threads() + block.thread();
        if (column < end && ordered[i] >= floor) {
          const unsigned at = block.AtomicAdd(counter, 1);
          list[at] = KeyOf(ordered[i], args.tile.first + column);
        }
      }
      block.Sync();
      count = *counter;
      block.Sync();
    }
  }
  // Where a slice is empty no barrier lies between the others' reads and this.
  if (block.thread() == 0 && begin < end) {
    args.counts[number] = count;
    args.floors[number] = floor;
  }
}

struct MergeArgs {
  const std::uint64_t* in;  // [rows, lists, stride]
  const std::uint32_t*
      counts;  // [rows, lists], of unsorted lists; null: each list has `stride` keys
  std::uint32_t lists;
  std::uint32_t stride;
  std::uint32_t fan;  // lists that become one: 1 where counts are given, else fan · stride <=
                      // kMostSorted
  std::uint32_t k;
  std::uint64_t* out;  // [rows, lists / fan rounded up, k], descending, 0 after the last
  // In the last merge, which leaves one list a row, instead of `out`:
  struct Found {
    std::uint32_t id;
    float score;
  } * found;  // [rows, k]
  ScoreKind kind;
  float factor;
  const std::uint32_t* query_aux;
};

// Merges `fan` lists into one. Grid: (lists / fan rounded up, rows). Shared memory: the power of two
// that holds k keys and the keys of the lists.
template <class Block>
EQUIPOISE_DEVICE void MergeBody(Block& block, const MergeArgs& args) {
  const unsigned row = block.y();
  const unsigned first = block.x() * args.fan;
  const std::uint64_t number = static_cast<std::uint64_t>(row) * args.lists + first;
  const std::uint64_t* in = args.in + number * args.stride;
  const unsigned total = args.counts != nullptr ? args.counts[number]
                                                : Least(args.fan, args.lists - first) * args.stride;
  std::uint64_t* keys = block.shared();
  const unsigned n = NextPowerOfTwo(total > args.k ? total : args.k);
  for (unsigned i = block.thread(); i < n; i += block.threads()) keys[i] = i < total ? in[i] : 0;
  block.Sync();
  SortDescending(block, keys, n);
  if (args.found != nullptr) {
    auto* found = args.found + static_cast<std::uint64_t>(row) * args.k;
    for (unsigned i = block.thread(); i < args.k; i += block.threads()) {
      found[i].id = IdOfKey(keys[i]);
      found[i].score =
          FinalScore(args.kind, OrderedOfKey(keys[i]), args.factor, args.query_aux, row);
    }
  } else {
    const std::uint64_t out_lists = block.grid_x();
    std::uint64_t* out = args.out + (row * out_lists + block.x()) * args.k;
    for (unsigned i = block.thread(); i < args.k; i += block.threads()) out[i] = keys[i];
  }
}

}  // namespace equipoise::cuda
