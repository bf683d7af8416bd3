// The beam of a walk over the lists of one level, whoever keeps them: a file, or a graph that is being
// built.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>

#include "hnsw_walk.h"

namespace equipoise {

// Sketches may be so many standard errors too far before their row is dropped. With 1, three of four
// rows go and recall falls by 0.001 to 0.003: right where the margin is narrow, too much where nearly
// all neighbours are wanted.
inline float SlackFor(float margin) {
  return std::isfinite(margin) ? std::min(1.0f + 3.0f * margin, 3.0f) : 2.0f;
}

inline constexpr std::size_t kCacheLine = 64;
// Of the groups of the row that is expanded next, and of the one that would be: the processor fetches
// what follows them. With 12 to 32 lines of the one and none to 16 of the other, times of searches differ
// by 5 % at most (12 being the slowest), about as much as they do from run to run, and huge pages change
// nothing: there is nothing to tune for each machine (equipoise_vector_bench, Sapphire Rapids).
inline constexpr std::size_t kNextLines = 24, kLikelyLines = 8;
// Rows whose groups are looked at together: what one of them waits for comes while the other is at
// work. With 2, recall@10 of 0.95 and 0.99 takes 3 to 7 % less time than with 1, though some more rows
// are looked at; with 3 as much as with 1. Without groups nothing is won (115,659 x 384, Sapphire Rapids).
// Source   Peng et al. 2023, arXiv:2201.13007 (Speed-ANN), there with several threads
inline constexpr std::size_t kTogether = 2;
// A step takes a microsecond or less.
inline constexpr std::size_t kStepsBetweenLooks = 64;

// Links    rows(), Base(row, &bad), BaseStart(row), PrefetchStart(row), PrefetchBase(row), as
//          HnswLinks has them
template <typename Links>
class BeamWalker {
 public:
  using Candidate = WalkScratch::Candidate;

  // Prepares the scratch, whose query and sketch are set. `links` and `request` stay the caller's.
  // Shapes   codes [rows, stride bytes]: what distances read
  // Units    offset: of scratch->query, for the distances that are walked by
  BeamWalker(const HnswGraph& graph, const Links& links, const WalkRequest& request,
             const std::uint8_t* codes, std::size_t stride, double offset, WalkScratch* scratch);

  // The walk where every row may be found, from one row on; found is sorted, without marks.
  template <typename Distance>
  void Beam(const Distance& distance, std::uint32_t start);
  // Clears the marks of visited rows: the last call.
  // Returns  false where a link led nowhere
  bool End() {
    Forget();
    return !bad_;
  }

 protected:
  bool Visit(std::uint32_t row) {
    std::uint64_t& word = s_.visited_[row / 64];
    const std::uint64_t bit = std::uint64_t{1} << (row % 64);
    if ((word & bit) != 0) return false;
    s_.log_.push_back(row);  // first: a bit that is not in the log would stay
    word |= bit;
    return true;
  }
  void Forget() {
    for (const std::uint32_t row : s_.log_) s_.visited_[row / 64] = 0;
    s_.log_.clear();
  }
  void PrefetchCodes(std::uint32_t row) const {
    const std::byte* codes = next_.base + std::size_t{row} * next_.stride;
    for (std::size_t line = 0; line < next_.lines; ++line)
      __builtin_prefetch(codes + line * kCacheLine);
  }

  // The first lines of the groups of a row's links.
  void PrefetchGroups(std::uint32_t row, std::size_t lines) const {
    const std::byte* first = graph_.groups + links_.BaseStart(row) / kLinkGroup * group_bytes_;
    for (std::size_t line = 0; line < lines; ++line) __builtin_prefetch(first + line * kCacheLine);
  }

  // Of the links of some rows, with their distances, those that were not seen before and may be nearer
  // than the bound, to kept_; their codes are on the way when it returns.
  void Collect(std::span<const Candidate> rows) {
    kept_count_ = 0;
    for (const Candidate& row : rows) {
      if (grouped_) {
        CollectNear(row);
      } else {
        CollectFresh(row.id);
      }
    }
    if (!grouped_) DropFar();
  }
  // The same of one row, by groups, behind what is in kept_. Only what is kept counts as seen, so that
  // few rows are looked up at random.
  void CollectNear(Candidate row);
  // The rows of `row`'s list that were not seen before, behind what is in fresh_; with sketches their
  // lines are on the way when it returns. By itself its loop runs in registers; within a larger
  // function it would not.
  __attribute__((noinline)) void CollectFresh(std::uint32_t row);
  // Of fresh_ those that may be nearer than the bound, to kept_; their codes are on the way.
  void DropFar();
  // The integer distance at or beyond which nothing can matter, given the k-th best.
  std::int32_t BoundFrom(std::int32_t kth) const {
    if (!std::isfinite(request_.margin)) return kNoBound;
    const float real = (static_cast<float>(kth) + offset_) / unit_;
    const float bound = ((1 + request_.margin) * (reach_ + real) - reach_) * unit_ - offset_;
    // A row as good as the k-th is never beyond it.
    return bound < 2147483000.0f ? std::max(static_cast<std::int32_t>(std::ceil(bound)), kth + 1)
                                 : kNoBound;
  }
  float Threshold() const {
    return bound_ == kNoBound ? std::numeric_limits<float>::quiet_NaN()
                              : (static_cast<float>(bound_) + offset_) / unit_;
  }

  static constexpr std::uint32_t kExpanded = 0x80000000u;
  static constexpr std::int32_t kNoBound = std::numeric_limits<std::int32_t>::max();

  const HnswGraph& graph_;
  const Links& links_;
  const WalkRequest& request_;
  WalkScratch& s_;
  PrefetchTarget next_;
  std::size_t sketch_bytes_ = 0;
  std::size_t group_bytes_ = 0;
  std::size_t width_ = 1;  // rows that are expanded at a time
  bool gated_ = false;     // by sketches of rows
  bool grouped_ = false;   // by those of links
  bool bad_ = false;
  float unit_ = 1, offset_ = 0, reach_ = 0, slack_ = 1;
  std::int32_t bound_ = kNoBound;
  std::size_t kept_count_ = 0;
};

template <typename Links>
BeamWalker<Links>::BeamWalker(const HnswGraph& graph, const Links& links,
                              const WalkRequest& request, const std::uint8_t* codes,
                              std::size_t stride, double offset, WalkScratch* scratch)
    : graph_(graph), links_(links), request_(request), s_(*scratch) {
  const std::size_t words = (links_.rows() + 63) / 64;
  if (s_.visited_.size() < words) s_.visited_.resize(words, 0);
  Forget();  // what a walk left that ran out of memory
  s_.stats = {};
  unit_ = static_cast<float>(s_.query.unit);
  offset_ = static_cast<float>(offset);
  reach_ = graph_.reach;
  slack_ = SlackFor(request_.margin);
  next_ = {reinterpret_cast<const std::byte*>(codes), stride,
           (stride + kCacheLine - 1) / kCacheLine};
  gated_ = graph_.sketches != nullptr && !s_.query.clamped;
  sketch_bytes_ = gated_ ? SketchBytes(graph_.codes.dim) : 0;
  grouped_ = graph_.groups != nullptr && !s_.query.clamped;
  group_bytes_ = grouped_ ? LinkGroupBytes(graph_.codes.dim) : 0;
  width_ = grouped_ ? kTogether : 1;
}

template <typename Links>
void BeamWalker<Links>::CollectFresh(std::uint32_t row) {
  const auto list = links_.Base(row, &bad_);
  const std::size_t rows = links_.rows();
  s_.fresh_.resize(std::max(s_.fresh_.size(), kept_count_ + list.size()));
  s_.log_.resize(s_.log_.size() + list.size());
  std::uint32_t* log = s_.log_.data() + s_.log_.size() - list.size();
  std::uint32_t* fresh = s_.fresh_.data() + kept_count_;
  std::uint64_t* visited = s_.visited_.data();
  std::size_t count = 0;
  for (const std::uint32_t link : list) {
    if (link >= rows) {
      bad_ = true;
      continue;
    }
    if (gated_) {
      const std::byte* sketch = graph_.sketches + std::size_t{link} * sketch_bytes_;
      for (std::size_t at = 0; at < sketch_bytes_; at += kCacheLine)
        __builtin_prefetch(sketch + at);
    }
    std::uint64_t& word = visited[link / 64];
    const std::uint64_t bit = std::uint64_t{1} << (link % 64);
    // Branch-free: whether a link is new is a coin toss.
    log[count] = link;
    fresh[count] = link;
    count += (word & bit) == 0;
    word |= bit;
  }
  s_.log_.resize(s_.log_.size() - list.size() + count);
  kept_count_ += count;
  s_.stats.seen += count;
}

template <typename Links>
void BeamWalker<Links>::DropFar() {
  s_.kept_.resize(std::max(s_.kept_.size(), kept_count_));
  const std::uint32_t* fresh = s_.fresh_.data();
  std::uint32_t* kept = s_.kept_.data();
  if (gated_) {
    kept_count_ = SketchBelow(s_.sketch, graph_.sketches, fresh, kept_count_, Threshold(), slack_,
                              kept, next_);
    return;
  }
  std::copy_n(fresh, kept_count_, kept);
  for (std::size_t i = 0; i < kept_count_; ++i) PrefetchCodes(kept[i]);
}

template <typename Links>
void BeamWalker<Links>::CollectNear(Candidate row) {
  const auto list = links_.Base(row.id, &bad_);
  const std::uint64_t start = links_.BaseStart(row.id);
  bad_ |= start % kLinkGroup != 0 || list.size() % kLinkGroup != 0;
  if (bad_) return;
  s_.kept_.resize(std::max(s_.kept_.size(), kept_count_ + list.size()));
  std::uint32_t* kept = s_.kept_.data() + kept_count_;
  const float threshold = bound_ == kNoBound ? std::numeric_limits<float>::infinity() : Threshold();
  const std::size_t near = LinkSketchBelow(
      s_.link_sketch, graph_.groups + start / kLinkGroup * group_bytes_, list.size() / kLinkGroup,
      (static_cast<float>(row.distance) + offset_) / unit_, threshold, kept);
  const std::size_t rows = links_.rows();
  std::size_t count = 0;
  for (std::size_t i = 0; i < near; ++i) {
    const std::uint32_t link = list[kept[i]];
    if (link >= rows) {
      bad_ = true;
    } else if (Visit(link)) {
      kept[count++] = link;  // over places that have been read
      PrefetchCodes(link);
      links_.PrefetchStart(link);
    }
  }
  kept_count_ += count;
  s_.stats.seen += list.size();
}

// The whole walk where every row may be found: one sorted array is frontier and result.
template <typename Links>
template <typename Distance>
void BeamWalker<Links>::Beam(const Distance& distance, std::uint32_t start) {
  const std::size_t k = request_.k;
  const std::size_t ef = request_.ef;
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
    for (; next < size && count < width_; ++next) {
      if ((beam[next].id & kExpanded) != 0) continue;
      together[count++] = beam[next];
      beam[next].id |= kExpanded;
    }
    s_.stats.expanded += count;
    Collect(std::span(together).first(count));
    if (grouped_) {
      // What would come next if nothing nearer is found now.
      while (next < size && (beam[next].id & kExpanded) != 0) ++next;
      if (next < size) PrefetchGroups(beam[next].id, kLikelyLines);
    }
    s_.stats.distances += kept_count_;
    std::size_t first_changed = at + 1;
    for (std::size_t i = 0; i < kept_count_; ++i) {
      const std::uint32_t id = s_.kept_[i];
      const std::int32_t to = distance(id);
      if (to >= bound_) continue;
      std::size_t low = 0, high = size;
      while (low < high) {
        const std::size_t middle = (low + high) / 2;
        if (to < beam[middle].distance) {
          high = middle;
        } else {
          low = middle + 1;
        }
      }
      const std::size_t moved = (size < ef ? size : ef - 1) - low;
      std::memmove(beam + low + 1, beam + low, moved * sizeof(Candidate));
      beam[low] = {to, id};
      if (size < ef) ++size;
      if (low <= first_changed) {
        // It is next, unless another one comes that is nearer.
        first_changed = low;
        links_.PrefetchBase(id);
      }
      if (size >= k && low < k) bound_ = std::min(bound_, BoundFrom(beam[k - 1].distance));
      if (size == ef) bound_ = std::min(bound_, beam[ef - 1].distance);
    }
    while (size > k && beam[size - 1].distance >= bound_ && std::isfinite(request_.margin)) --size;
    for (at = first_changed; at < size && (beam[at].id & kExpanded) != 0;) ++at;
    if (at < size) {
      // Those that come next, and the one behind them, which is likely to come with them.
      std::size_t row = at;
      for (std::size_t i = 0; i <= width_ && row < size; ++i, ++row) {
        while (row < size && (beam[row].id & kExpanded) != 0) ++row;
        if (row == size) break;
        if (i > 0) links_.PrefetchBase(beam[row].id);
        if (grouped_ && i < width_) PrefetchGroups(beam[row].id, kNextLines);
      }
    }
  }
  s_.found.resize(size);
  for (Candidate& candidate : s_.found) candidate.id &= ~kExpanded;
}

}  // namespace equipoise
