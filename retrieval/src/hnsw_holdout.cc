#include "hnsw_holdout.h"

#include <algorithm>

namespace equipoise {
namespace {

// The links of a row on level 0, without empty slots.
std::span<const std::int32_t> Base(const SlottedGraph& graph, std::size_t row) {
  const auto* begin = graph.neighbors.data() + graph.offsets[row];
  return {begin, std::find(begin, begin + graph.slot_ends[1], -1)};
}

}  // namespace

std::vector<std::uint32_t> ChooseHeldOut(const SlottedGraph& graph, std::size_t count) {
  std::vector<std::uint32_t> lowest;
  for (std::size_t i = 0; i < graph.levels.size(); ++i) {
    if (graph.levels[i] == 1 && i != graph.entry) lowest.push_back(static_cast<std::uint32_t>(i));
  }
  count = std::min(count, lowest.size());
  std::vector<std::uint32_t> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(lowest[i * lowest.size() / count]);
  return out;
}

SlottedGraph WithoutRows(const SlottedGraph& graph, std::span<const std::uint32_t> rows) {
  std::vector<bool> held(graph.levels.size());
  for (const std::uint32_t row : rows) held[row] = true;
  SlottedGraph out = graph;
  std::vector<std::int32_t> list;
  for (std::size_t i = 0; i < graph.levels.size(); ++i) {
    list.clear();
    const auto links = held[i] ? std::span<const std::int32_t>() : Base(graph, i);
    for (const std::int32_t link : links) {
      const auto to = static_cast<std::size_t>(link);
      if (!held[to]) {
        list.push_back(link);
        continue;
      }
      for (const std::int32_t next : Base(graph, to)) {
        if (held[static_cast<std::size_t>(next)] || static_cast<std::size_t>(next) == i ||
            std::find(links.begin(), links.end(), next) != links.end() ||
            std::find(list.begin(), list.end(), next) != list.end())
          continue;
        list.push_back(next);
        break;
      }
    }
    list.resize(static_cast<std::size_t>(graph.slot_ends[1]), -1);
    std::copy(list.begin(), list.end(),
              out.neighbors.begin() + static_cast<std::ptrdiff_t>(graph.offsets[i]));
  }
  return out;
}

}  // namespace equipoise
