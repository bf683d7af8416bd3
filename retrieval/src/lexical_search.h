/// Scratch of searches in a lexical index.
#pragma once

#include <cstdint>
#include <vector>

#include "lexical_index_state.h"

namespace equipoise {

/// A term while windows of documents are searched one after the other.
struct LexicalCursor {
  lexical::PostingCursor place;
  float weight = 0;
  std::uint32_t index = 0;  // in the query
  std::uint32_t df = 0;
  double bound = 0;     // of its part in a score in the window
  double postings = 0;  // about so many in the window
};

struct LexicalScratch {
  std::vector<float> sums;  // kNoSum between searches
  std::vector<float> kept;  // sums that are asked for when they have been set back
  std::vector<std::uint32_t> positions;
  std::vector<float> above;
  std::vector<std::uint32_t> candidates;
  std::vector<std::uint64_t> is_candidate;  // a bit a document of the window; 0 between searches
  std::vector<LexicalCursor> cursors;
  std::vector<LexicalCursor*> live;
};

}  // namespace equipoise
