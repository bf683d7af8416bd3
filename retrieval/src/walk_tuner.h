// How far ahead walks fetch: found by timing them.
#pragma once

#include <cstdint>
#include <span>

#include <equipoise/core/callbacks.h>
#include <equipoise/core/status.h>
#include <equipoise/retrieval/vector_index.h>

#include "hnsw_walk.h"
#include "stored_rows.h"

namespace equipoise {

// Smaller graphs stay in the caches next to a core, so that there is nothing to choose.
inline constexpr std::uint64_t kTunedBytes = std::uint64_t{8} << 20;

// The values of which walks are fastest, of those that hold for `graph`: each is chosen by itself, the others
// being what they are by then, by walks for half of the given rows in turns; all together are then compared
// with the defaults on the other half, and must be clearly faster there to be taken. On the caller's
// thread; half a second for 115,659 x 384. On a Sapphire Rapids the defaults stay: fewer lines of codes
// cost up to 10 %, sketches fetched ahead gain less than what runs differ by.
//
// Not chosen here: rows that are looked at together, which answers depend on; the order of rows, as
// breadth-first from the entry gained nothing at that size; huge pages, which are asked for anyway (10 to
// 15 % less time there): files are written for them (checked_file.cc).
// Shapes   asked [m]: rows, which `graph` should not link
// Range    margin: where walks end
// Errors   kCancelled by the progress callback, stage "tuning"; kCorruption, kOutOfMemory as WalkGraph
Result<WalkTuning> TuneWalk(HnswGraph graph, const StoredRows& rows,
                            std::span<const std::uint32_t> asked, float margin,
                            const ProgressCallback& progress);

}  // namespace equipoise
