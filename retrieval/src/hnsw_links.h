// The links of an HNSW graph: compact lists, level 0 apart from the few rows that have more levels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <equipoise/core/checked_file.h>
#include <equipoise/core/status.h>

#include "vector_files.h"

namespace equipoise {

// A graph as it is built, and as it comes out of a FAISS file: for each row its number of levels and all its
// lists, level 0 first, in slots of fixed size where -1 ends a list that is not full.
struct SlottedGraph {
  std::vector<std::int32_t> levels;     // [rows], >= 1
  std::vector<std::int32_t> slot_ends;  // [levels + 1], 0 first: where a level's slots begin
  std::vector<std::uint64_t> offsets;   // [rows + 1], of a row's slots in `neighbors`
  std::vector<std::int32_t> neighbors;
  std::uint32_t entry = 0;
  std::uint32_t top_level = 0;
};

// Views of the sections of a file, or of OwnedLinks.
// Threads  const
class HnswLinks {
 public:
  HnswLinks() = default;

  // Errors   kCorruption: sections that do not fit together (without the file's name). Level 0 is
  //          not read here: whoever follows it checks each list and link against rows().
  static Result<HnswLinks> Open(const CheckedFile& file, const GraphInfo& info);

  std::size_t rows() const { return starts_.size() - 1; }
  std::uint32_t entry_row() const { return entry_row_; }
  std::size_t top_level() const { return top_level_; }

  // The links of a row on level 0, padded with the row itself; empty also where the file is damaged
  // there, which sets *bad.
  std::span<const std::uint32_t> Base(std::uint32_t row, bool* bad) const {
    const std::uint64_t begin = std::uint64_t{starts_[row]} * kLinkUnit;
    const std::uint64_t end = std::uint64_t{starts_[row + 1]} * kLinkUnit;
    if (begin > end || end > links_.size()) {
      *bad = true;
      return {};
    }
    return links_.subspan(begin, end - begin);
  }
  // Where Base(row) begins in the section of links.
  std::uint64_t BaseStart(std::uint32_t row) const {
    return std::uint64_t{starts_[row]} * kLinkUnit;
  }
  void PrefetchStart(std::uint32_t row) const { __builtin_prefetch(starts_.data() + row); }
  // The first cache lines of Base(row).
  void PrefetchBase(std::uint32_t row, std::size_t lines) const {
    constexpr std::size_t kLinksPerLine = 16;
    const std::uint32_t* list = links_.data() + BaseStart(row);
    for (std::size_t line = 0; line < lines; ++line)
      __builtin_prefetch(list + line * kLinksPerLine);
  }

  // Rows with links above level 0 are known by their position in upper_rows().
  std::span<const std::uint32_t> upper_rows() const { return upper_rows_; }
  std::uint32_t entry_upper() const { return entry_upper_; }
  // Range    1 <= level <= levels of that row, which every link on that level promises
  std::span<const std::uint32_t> Upper(std::uint32_t position, std::size_t level) const {
    const std::size_t list = upper_lists_[position] + level - 1;
    return upper_links_.subspan(upper_starts_[list], upper_starts_[list + 1] - upper_starts_[list]);
  }
  std::size_t LevelsAbove(std::uint32_t position) const {
    return upper_lists_[position + 1] - upper_lists_[position];
  }

  std::uint64_t link_count() const { return links_.size(); }
  std::uint64_t bytes() const {
    return starts_.size_bytes() + links_.size_bytes() + upper_rows_.size_bytes() +
           upper_lists_.size_bytes() + upper_starts_.size_bytes() + upper_links_.size_bytes();
  }

  // Reads all of level 0 as a walk would, for Verify.
  Status CheckBase() const;
  // The same graph in slots of m (2 m on level 0), as FAISS keeps it.
  // Errors   kUnsupported: a list that does not fit
  Result<SlottedGraph> Slotted(int m) const;

 private:
  friend class OwnedLinks;
  Status Check() const;

  std::span<const std::uint32_t> starts_, links_;
  std::span<const std::uint32_t> upper_rows_, upper_lists_, upper_starts_, upper_links_;
  std::uint32_t entry_row_ = 0, entry_upper_ = 0;
  std::size_t top_level_ = 0;
};

// A compact copy of a slotted graph, and its way into a file.
class OwnedLinks {
 public:
  // `unit`: what the number of links of each list on level 0 is a multiple of, itself one of kLinkUnit
  // Errors   kInvalidArgument: links that lead nowhere, lists out of place (what is wrong, for a
  //          graph that somebody else made); kUnsupported: more than 2^34 links
  static Result<OwnedLinks> Make(const SlottedGraph& graph, std::size_t rows,
                                 std::size_t unit = kLinkUnit);

  HnswLinks View() const;
  Status Write(CheckedFileWriter* out) const;

 private:
  std::vector<std::uint32_t> starts_, links_;
  std::vector<std::uint32_t> upper_rows_, upper_lists_, upper_starts_, upper_links_;
  std::uint32_t entry_row_ = 0, top_level_ = 0;
};

}  // namespace equipoise
