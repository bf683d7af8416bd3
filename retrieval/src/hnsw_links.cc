#include "hnsw_links.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <equipoise/core/check.h>

namespace equipoise {
namespace {

Status BadGraph(std::string_view what) {
  return Status(Code::kCorruption, fmt::format("its graph has {}; build the index again", what));
}

Status NotAGraph(std::string_view what) {
  return Status(Code::kInvalidArgument, fmt::format("not an HNSW graph: {}", what));
}

// Offsets that begin with 0, never fall, and end with `last`.
bool IsPartition(std::span<const std::uint32_t> starts, std::size_t last) {
  return !starts.empty() && starts.front() == 0 && starts.back() == last &&
         std::is_sorted(starts.begin(), starts.end());
}

}  // namespace

Result<HnswLinks> HnswLinks::Open(const CheckedFile& file, const GraphInfo& info) {
  HnswLinks out;
  const auto rows = static_cast<std::size_t>(info.rows);
  EQUIPOISE_ASSIGN_OR_RETURN(out.starts_, file.SectionOf<std::uint32_t>("starts", rows + 1));
  EQUIPOISE_ASSIGN_OR_RETURN(out.links_, file.SectionOf<std::uint32_t>("links"));
  // What is read here is small; it is trusted after this.
  for (const char* section : {"upper_rows", "upper_lists", "upper_starts", "upper_links"})
    EQUIPOISE_RETURN_IF_ERROR(file.VerifySection(section));
  EQUIPOISE_ASSIGN_OR_RETURN(out.upper_rows_, file.SectionOf<std::uint32_t>("upper_rows"));
  EQUIPOISE_ASSIGN_OR_RETURN(out.upper_lists_, file.SectionOf<std::uint32_t>("upper_lists"));
  EQUIPOISE_ASSIGN_OR_RETURN(out.upper_starts_, file.SectionOf<std::uint32_t>("upper_starts"));
  EQUIPOISE_ASSIGN_OR_RETURN(out.upper_links_, file.SectionOf<std::uint32_t>("upper_links"));
  out.entry_row_ = info.entry_row;
  out.top_level_ = info.top_level;
  EQUIPOISE_RETURN_IF_ERROR(out.Check());
  if (out.top_level_ > 0) {
    const auto place =
        std::lower_bound(out.upper_rows_.begin(), out.upper_rows_.end(), out.entry_row_);
    if (place == out.upper_rows_.end() || *place != out.entry_row_)
      return BadGraph("an entry point without levels");
    out.entry_upper_ = static_cast<std::uint32_t>(place - out.upper_rows_.begin());
    if (out.LevelsAbove(out.entry_upper_) != out.top_level_)
      return BadGraph("an entry point of other levels");
  }
  return out;
}

Status HnswLinks::Check() const {
  if (entry_row_ >= rows()) return BadGraph("no such entry point");
  if (starts_.front() != 0 || std::uint64_t{starts_.back()} * kLinkUnit != links_.size())
    return BadGraph("lists out of place");
  const std::size_t count = upper_rows_.size();
  if (upper_lists_.size() != count + 1 || upper_starts_.empty() ||
      !IsPartition(upper_lists_, upper_starts_.size() - 1) ||
      !IsPartition(upper_starts_, upper_links_.size()))
    return BadGraph("upper lists out of place");
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t levels = upper_lists_[i + 1] - upper_lists_[i];
    if (upper_rows_[i] >= rows() || (i > 0 && upper_rows_[i] <= upper_rows_[i - 1]) ||
        levels == 0 || levels > top_level_)
      return BadGraph("upper levels out of place");
    for (std::size_t level = 1; level <= levels; ++level) {
      for (const std::uint32_t link : Upper(static_cast<std::uint32_t>(i), level)) {
        // A link leads to a row that has a list on this level.
        if (link >= count || LevelsAbove(link) < level)
          return BadGraph("a link that leads nowhere");
      }
    }
  }
  return {};
}

Status HnswLinks::CheckBase() const {
  for (std::size_t i = 0; i < rows(); ++i) {
    bool bad = false;
    for (const std::uint32_t link : Base(static_cast<std::uint32_t>(i), &bad))
      bad |= link >= rows();
    if (bad) return BadGraph("a list of links that leads nowhere");
  }
  return {};
}

Result<SlottedGraph> HnswLinks::Slotted(int m) const {
  SlottedGraph out;
  const auto slots = static_cast<std::size_t>(m);
  out.levels.assign(rows(), 1);
  for (std::uint32_t i = 0; i < upper_rows_.size(); ++i)
    out.levels[upper_rows_[i]] = static_cast<std::int32_t>(1 + LevelsAbove(i));
  out.slot_ends.push_back(0);
  for (std::size_t level = 0; level <= top_level_; ++level)
    out.slot_ends.push_back(static_cast<std::int32_t>((2 + level) * slots));
  out.offsets.assign(rows() + 1, 0);
  for (std::size_t i = 0; i < rows(); ++i)
    out.offsets[i + 1] =
        out.offsets[i] +
        static_cast<std::uint64_t>(out.slot_ends[static_cast<std::size_t>(out.levels[i])]);
  out.neighbors.assign(out.offsets.back(), -1);
  out.entry = entry_row_;
  out.top_level = static_cast<std::uint32_t>(top_level_);
  for (std::size_t i = 0; i < rows(); ++i) {
    bool bad = false;
    std::size_t used = 0;
    for (const std::uint32_t link : Base(static_cast<std::uint32_t>(i), &bad)) {
      if (link == i) continue;  // padding
      if (used == 2 * slots)
        return Status(Code::kUnsupported,
                      fmt::format("row {} has more than {} links", i, 2 * slots));
      out.neighbors[out.offsets[i] + used++] = static_cast<std::int32_t>(link);
    }
  }
  for (std::uint32_t i = 0; i < upper_rows_.size(); ++i) {
    for (std::size_t level = 1; level <= LevelsAbove(i); ++level) {
      const auto list = Upper(i, level);
      if (list.size() > slots)
        return Status(Code::kUnsupported, fmt::format("row {} has more than {} links on level {}",
                                                      upper_rows_[i], slots, level));
      const std::size_t to =
          out.offsets[upper_rows_[i]] + static_cast<std::size_t>(out.slot_ends[level]);
      for (std::size_t j = 0; j < list.size(); ++j)
        out.neighbors[to + j] = static_cast<std::int32_t>(upper_rows_[list[j]]);
    }
  }
  return out;
}

Result<OwnedLinks> OwnedLinks::Make(const SlottedGraph& graph, std::size_t rows, std::size_t unit) {
  if (graph.levels.size() != rows || graph.offsets.size() != rows + 1 ||
      graph.slot_ends.size() < std::size_t{graph.top_level} + 2 || graph.slot_ends[0] != 0 ||
      !std::is_sorted(graph.slot_ends.begin(), graph.slot_ends.end()) || graph.offsets[0] != 0 ||
      graph.offsets[rows] != graph.neighbors.size())
    return NotAGraph("its lists are out of place");
  if (graph.entry >= rows ||
      graph.levels[graph.entry] != static_cast<std::int64_t>(graph.top_level) + 1)
    return NotAGraph("it has no entry point");
  OwnedLinks out;
  out.entry_row_ = graph.entry;
  out.top_level_ = graph.top_level;
  std::vector<std::uint32_t> position(rows, 0);
  for (std::size_t i = 0; i < rows; ++i) {
    const std::int32_t levels = graph.levels[i];
    if (levels < 1 || std::cmp_greater(levels, graph.top_level + 1) ||
        graph.offsets[i] > graph.neighbors.size() ||
        graph.offsets[i + 1] - graph.offsets[i] !=
            static_cast<std::uint64_t>(graph.slot_ends[static_cast<std::size_t>(levels)]))
      return NotAGraph(fmt::format("row {} has lists of another size", i));
    if (levels > 1) {
      position[i] = static_cast<std::uint32_t>(out.upper_rows_.size());
      out.upper_rows_.push_back(static_cast<std::uint32_t>(i));
    }
  }
  const auto list = [&](std::size_t row, std::size_t level) {
    const auto* begin = graph.neighbors.data() + graph.offsets[row] + graph.slot_ends[level];
    const auto* end = graph.neighbors.data() + graph.offsets[row] + graph.slot_ends[level + 1];
    return std::span(begin, std::find(begin, end, -1));
  };
  const auto leads = [&](std::int32_t link, std::size_t level) {
    return link >= 0 && std::cmp_less(link, rows) &&
           std::cmp_greater(graph.levels[static_cast<std::size_t>(link)], level);
  };
  out.starts_.reserve(rows + 1);
  out.starts_.push_back(0);
  for (std::size_t i = 0; i < rows; ++i) {
    for (const std::int32_t link : list(i, 0)) {
      if (!leads(link, 0)) return NotAGraph(fmt::format("row {} links to no row", i));
      out.links_.push_back(static_cast<std::uint32_t>(link));
    }
    while (out.links_.size() % unit != 0) out.links_.push_back(static_cast<std::uint32_t>(i));
    if (out.links_.size() / kLinkUnit > std::numeric_limits<std::uint32_t>::max())
      return Status(Code::kUnsupported, "more than 2^34 links; take a smaller m");
    out.starts_.push_back(static_cast<std::uint32_t>(out.links_.size() / kLinkUnit));
  }
  out.upper_starts_.push_back(0);
  for (const std::uint32_t row : out.upper_rows_) {
    out.upper_lists_.push_back(static_cast<std::uint32_t>(out.upper_starts_.size() - 1));
    for (std::size_t level = 1; std::cmp_less(level, graph.levels[row]); ++level) {
      for (const std::int32_t link : list(row, level)) {
        if (!leads(link, level))
          return NotAGraph(fmt::format("row {} links to no row on level {}", row, level));
        out.upper_links_.push_back(position[static_cast<std::size_t>(link)]);
      }
      out.upper_starts_.push_back(static_cast<std::uint32_t>(out.upper_links_.size()));
    }
  }
  out.upper_lists_.push_back(static_cast<std::uint32_t>(out.upper_starts_.size() - 1));
  return out;
}

HnswLinks OwnedLinks::View() const {
  HnswLinks out;
  out.starts_ = starts_;
  out.links_ = links_;
  out.upper_rows_ = upper_rows_;
  out.upper_lists_ = upper_lists_;
  out.upper_starts_ = upper_starts_;
  out.upper_links_ = upper_links_;
  out.entry_row_ = entry_row_;
  out.top_level_ = top_level_;
  const auto place = std::lower_bound(upper_rows_.begin(), upper_rows_.end(), entry_row_);
  out.entry_upper_ = static_cast<std::uint32_t>(place - upper_rows_.begin());
  return out;
}

Status OwnedLinks::Write(CheckedFileWriter* out) const {
  EQUIPOISE_RETURN_IF_ERROR(out->Section<std::uint32_t>("starts", starts_));
  EQUIPOISE_RETURN_IF_ERROR(out->Section<std::uint32_t>("links", links_));
  EQUIPOISE_RETURN_IF_ERROR(out->Section<std::uint32_t>("upper_rows", upper_rows_));
  EQUIPOISE_RETURN_IF_ERROR(out->Section<std::uint32_t>("upper_lists", upper_lists_));
  EQUIPOISE_RETURN_IF_ERROR(out->Section<std::uint32_t>("upper_starts", upper_starts_));
  return out->Section<std::uint32_t>("upper_links", upper_links_);
}

}  // namespace equipoise
