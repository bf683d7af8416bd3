// The beam of a walk over the lists of one level, whoever keeps them: a file, or a graph that is being
// built.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "hnsw_collect.h"

namespace equipoise {

// Rows whose groups are looked at together: what one of them waits for comes while the other is at
// work. With 2, recall@10 of 0.95 and 0.99 takes 3 to 7 % less time than with 1, though some more rows
// are looked at; with 3 as much as with 1. Without groups nothing is won (115,659 x 384, Sapphire Rapids).
// Source   Peng et al. 2023, arXiv:2201.13007 (Speed-ANN), there with several threads
inline constexpr std::size_t kTogether = 2;
// A step takes a microsecond or less.
inline constexpr std::size_t kStepsBetweenLooks = 64;

template <typename Links>
class BeamWalker : public LinkCollector<Links> {
 public:
  using Candidate = WalkScratch::Candidate;
  using LinkCollector<Links>::LinkCollector;

  // The walk where every row may be found, from one row on; found is sorted, without marks.
  template <typename Distance>
  void Beam(const Distance& distance, std::uint32_t start);

 protected:
  using Base = LinkCollector<Links>;
  using Base::bad_;
  using Base::bound_;
  using Base::BoundFrom;
  using Base::Collect;
  using Base::gated_;
  using Base::graph_;
  using Base::grouped_;
  using Base::kept_count_;
  using Base::links_;
  using Base::PrefetchGroups;
  using Base::PrefetchSketches;
  using Base::request_;
  using Base::s_;
  using Base::Visit;

  static constexpr std::uint32_t kExpanded = 0x80000000u;
};

// The whole walk where every row may be found: one sorted array is frontier and result.
template <typename Links>
template <typename Distance>
void BeamWalker<Links>::Beam(const Distance& distance, std::uint32_t start) {
  const std::size_t k = request_.k;
  const std::size_t ef = request_.ef;
  const std::size_t width = grouped_ ? kTogether : 1;  // rows that are expanded at a time
  s_.found.resize(ef + 1);
  Candidate* beam = s_.found.data();
  std::size_t size = 0;
  Visit(start);
  beam[size++] = {distance(start), start};
  if (k == 1) bound_ = BoundFrom(beam[0].distance);
  if (ef == 1) bound_ = std::min(bound_, beam[0].distance);
  std::size_t steps = 0;
  for (std::size_t at = 0; at < size && !bad_;) {
    if (request_.stop != nullptr && ++steps % kStepsBetweenLooks == 0 && request_.stop->Due())
      break;
    std::array<Candidate, kTogether> together;
    std::size_t count = 0;
    std::size_t next = at;
    for (; next < size && count < width; ++next) {
      if ((beam[next].id & kExpanded) != 0) continue;
      together[count++] = beam[next];
      beam[next].id |= kExpanded;
    }
    s_.stats.expanded += count;
    Collect(std::span(together).first(count));
    // What would come next if nothing nearer is found now.
    while (next < size && (beam[next].id & kExpanded) != 0) ++next;
    if (next < size) {
      if (grouped_) {
        PrefetchGroups(beam[next].id, graph_.tuning.likely_lines);
      } else if (gated_) {
        PrefetchSketches(beam[next].id, graph_.tuning.likely_sketches);
      }
    }
    s_.stats.distances += kept_count_;
    std::size_t first_changed = at + 1;
    for (std::size_t i = 0; i < kept_count_; ++i) {
      const std::uint32_t id = s_.kept_[i];
      const std::int32_t to = distance(id);
      if (to >= bound_) continue;
      // Without a branch: where it belongs is anyone's guess.
      std::size_t low = 0;
      for (std::size_t left = size; left > 0;) {
        const std::size_t half = (left + 1) / 2;
        low += to >= beam[low + half - 1].distance ? half : 0;
        left -= half;
      }
      const std::size_t moved = (size < ef ? size : ef - 1) - low;
      std::memmove(beam + low + 1, beam + low, moved * sizeof(Candidate));
      beam[low] = {to, id};
      if (size < ef) ++size;
      if (low <= first_changed) {
        // It is next, unless another one comes that is nearer.
        first_changed = low;
        links_.PrefetchBase(id, graph_.tuning.list_lines);
      }
      if (size >= k && low < k) bound_ = std::min(bound_, BoundFrom(beam[k - 1].distance));
      if (size == ef) bound_ = std::min(bound_, beam[ef - 1].distance);
    }
    while (size > k && beam[size - 1].distance >= bound_ && std::isfinite(request_.margin)) --size;
    for (at = first_changed; at < size && (beam[at].id & kExpanded) != 0;) ++at;
    if (at < size) {
      // Those that come next, and the one behind them, which is likely to come with them.
      std::size_t row = at;
      for (std::size_t i = 0; i <= width && row < size; ++i, ++row) {
        while (row < size && (beam[row].id & kExpanded) != 0) ++row;
        if (row == size) break;
        if (i > 0) links_.PrefetchBase(beam[row].id, graph_.tuning.list_lines);
        if (grouped_ && i < width) PrefetchGroups(beam[row].id, graph_.tuning.next_lines);
      }
    }
  }
  s_.found.resize(size);
  for (Candidate& candidate : s_.found) candidate.id &= ~kExpanded;
}

}  // namespace equipoise
