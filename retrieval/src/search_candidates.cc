#include "search_candidates.h"

#include <algorithm>
#include <limits>

namespace equipoise {

std::vector<Candidate> Union(const PathLists& lists) {
  std::vector<Candidate> out;
  out.reserve(lists.lexical.size() + lists.vector.size());
  for (std::uint32_t r = 0; r < lists.lexical.size(); ++r)
    out.push_back(
        {.doc = lists.lexical[r].id, .lexical = lists.lexical[r].score, .lexical_rank = r + 1});
  std::sort(out.begin(), out.end(),
            [](const Candidate& a, const Candidate& b) { return a.doc < b.doc; });
  const std::size_t from_lexical = out.size();
  for (std::uint32_t r = 0; r < lists.vector.size(); ++r) {
    const Scored& item = lists.vector[r];
    const auto end = out.begin() + static_cast<std::ptrdiff_t>(from_lexical);
    const auto found =
        std::lower_bound(out.begin(), end, item.id,
                         [](const Candidate& c, std::uint32_t doc) { return c.doc < doc; });
    if (found != end && found->doc == item.id) {
      found->vector = item.score;
      found->vector_rank = r + 1;
    } else {
      out.push_back({.doc = item.id,
                     .lexical = lists.lexical_of_vector.empty() ? 0 : lists.lexical_of_vector[r],
                     .vector = item.score,
                     .vector_rank = r + 1});
    }
  }
  return out;
}

void KeepScores(const FusionScale& scale, std::vector<Candidate>* candidates,
                SearchResult* result) {
  constexpr float kAbsent = std::numeric_limits<float>::quiet_NaN();
  NormalizeScores(scale, *candidates);
  result->candidates.reserve(candidates->size());
  for (const Candidate& c : *candidates)
    result->candidates.push_back(
        {.doc = c.doc,
         .lexical = result->lexical_searched ? c.lexical_normalized : kAbsent,
         .vector = result->vector_searched ? c.vector_normalized : kAbsent});
}

}  // namespace equipoise
