// Rows taken out of a graph that links them, so that recall can be measured with them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "hnsw_links.h"

namespace equipoise {

// Up to `count` rows that no upper level links, spread evenly, ascending.
std::vector<std::uint32_t> ChooseHeldOut(const SlottedGraph& graph, std::size_t count);

// The graph without links to or from the given rows. A link to one of them leads on to the first of
// its neighbours that the list does not have yet, as the graph would if the row had never been linked.
// Range    OwnedLinks::Make accepts the graph; `rows` have no links above level 0
SlottedGraph WithoutRows(const SlottedGraph& graph, std::span<const std::uint32_t> rows);

}  // namespace equipoise
