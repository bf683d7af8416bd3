// One-bit sketches of the links of a graph, as they lie beside its lists.
#pragma once

#include <cstddef>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/kernels/link_sketch.h>

#include "hnsw_links.h"
#include "stored_rows.h"

namespace equipoise {

// A group for each kLinkGroup of the links on level 0.
// Shapes   result [link_count / kLinkGroup, LinkGroupBytes(dim)]
// Range    lists that are multiples of kLinkGroup
// Errors   kOutOfMemory
Result<std::vector<std::byte>> MakeLinkGroups(const StoredRows& rows, const HnswLinks& links,
                                              const LinkSketcher& sketcher, int threads);

}  // namespace equipoise
