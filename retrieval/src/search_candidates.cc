#include "search_candidates.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <equipoise/core/check.h>
#include <equipoise/kernels/rows.h>

namespace equipoise {

namespace {

/// Positions by document: a hash table, since a list is looked up in far less time than it is sorted in.
class PlaceOf {
 public:
  /// Range    no document twice
  explicit PlaceOf(std::span<const Scored> list)
      : slots_(std::bit_ceil(4 * list.size() + 1), kNone), mask_(slots_.size() - 1), list_(list) {
    for (std::uint32_t i = 0; i < list.size(); ++i) {
      std::size_t slot = First(list[i].id);
      while (slots_[slot] != kNone) slot = (slot + 1) & mask_;
      slots_[slot] = i;
    }
  }

  /// kNone where the list has not got it.
  std::uint32_t Find(std::uint32_t doc) const {
    std::size_t slot = First(doc);
    while (slots_[slot] != kNone && list_[slots_[slot]].id != doc) slot = (slot + 1) & mask_;
    return slots_[slot];
  }

  static constexpr std::uint32_t kNone = 0xFFFFFFFFu;

 private:
  std::size_t First(std::uint32_t doc) const {
    return static_cast<std::size_t>((doc * std::uint64_t{0x9E3779B97F4A7C15}) >> 32) & mask_;
  }

  std::vector<std::uint32_t> slots_;
  std::size_t mask_;
  std::span<const Scored> list_;
};

}  // namespace

std::vector<Candidate> Union(const PathLists& lists) {
  std::vector<Candidate> out;
  out.reserve(lists.lexical.size() + lists.vector.size());
  for (std::uint32_t r = 0; r < lists.lexical.size(); ++r)
    out.push_back(
        {.doc = lists.lexical[r].id, .lexical = lists.lexical[r].score, .lexical_rank = r + 1});
  const PlaceOf lexical(lists.lexical);
  for (std::uint32_t r = 0; r < lists.vector.size(); ++r) {
    const Scored& item = lists.vector[r];
    if (const std::uint32_t place = lexical.Find(item.id); place != PlaceOf::kNone) {
      out[place].vector = item.score;
      out[place].vector_rank = r + 1;
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

Status DecideByFeatures(const SearchRequest& request, const Analyzer& analyzer,
                        const LexicalIndex& lexical, const PathLists& lists,
                        std::span<const Candidate> candidates, PathDepths depths,
                        SearchResult* result) {
  std::vector<std::string> terms = analyzer.Analyze(request.text);
  std::sort(terms.begin(), terms.end());
  terms.erase(std::unique(terms.begin(), terms.end()), terms.end());
  std::vector<std::size_t> frequencies;
  for (const std::string& term : terms) frequencies.push_back(lexical.DocumentFrequency(term));
  RecalledQuery recalled{.document_frequencies = frequencies,
                         .documents = lexical.documents(),
                         .lexical = lists.lexical,
                         .vector = lists.vector,
                         .lexical_depth = depths.lexical,
                         .vector_depth = depths.vector};
  for (const Candidate& c : candidates) {
    if (c.lexical_rank == 1) recalled.vector_of_first = c.vector;
    if (c.vector_rank == 1) recalled.lexical_of_first = c.lexical;
  }
  const double alpha = (*request.decide)(FeaturesOf(recalled));
  if (!(alpha >= 0 && alpha <= 1))
    return Status(Code::kInvalidArgument,
                  fmt::format("Search: decide gave alpha = {}, outside [0, 1]", alpha),
                  {.field = "decide"});
  result->weights.alpha = alpha;
  result->alpha_source = AlphaSource::kRequest;
  return {};
}

Status ReadUnitRows(const VectorIndex& vectors, std::span<const std::uint32_t> docs,
                    StopCheck* stop, std::vector<float>* rows) {
  constexpr std::size_t kBlock = 128;  // of 384 dimensions: 20 µs
  const std::size_t d = vectors.dim();
  rows->reserve(docs.size() * d);
  for (std::size_t at = 0; at < docs.size() && !stop->Due(); at += kBlock) {
    const std::size_t n = std::min(kBlock, docs.size() - at);
    rows->resize((at + n) * d);
    EQUIPOISE_RETURN_IF_ERROR(
        vectors.Read(docs.subspan(at, n), std::span(*rows).subspan(at * d, n * d)));
    for (std::size_t i = at; i < at + n; ++i) Normalize(rows->data() + i * d, d);
  }
  return {};
}

}  // namespace equipoise
