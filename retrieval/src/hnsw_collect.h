// What of the links of a row a walk looks at: those that are new to it and may be near, by sketches.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
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

// Links    rows(), Base(row, &bad), BaseStart(row), PrefetchStart(row), PrefetchBase(row), as
//          HnswLinks has them
template <typename Links>
class LinkCollector {
 public:
  using Candidate = WalkScratch::Candidate;

  // Prepares the scratch, whose query and sketch are set. `links` and `request` stay the caller's.
  // Shapes   codes [rows, stride bytes]: what distances read
  // Units    offset: of scratch->query, for the distances that are walked by
  LinkCollector(const HnswGraph& graph, const Links& links, const WalkRequest& request,
                const std::uint8_t* codes, std::size_t stride, double offset, WalkScratch* scratch);

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

  // The sketches of a row's first links. That its list is damaged is for whoever follows it to say.
  void PrefetchSketches(std::uint32_t row, std::size_t links) const {
    if (links == 0) return;
    bool ignored = false;
    const auto list = links_.Base(row, &ignored);
    for (const std::uint32_t link : list.first(std::min(list.size(), links)))
      __builtin_prefetch(graph_.sketches + std::size_t{link} * sketch_bytes_);
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

  static constexpr std::int32_t kNoBound = std::numeric_limits<std::int32_t>::max();

  const HnswGraph& graph_;
  const Links& links_;
  const WalkRequest& request_;
  WalkScratch& s_;
  PrefetchTarget next_;
  std::size_t sketch_bytes_ = 0;
  std::size_t group_bytes_ = 0;
  bool gated_ = false;    // by sketches of rows
  bool grouped_ = false;  // by those of links
  bool bad_ = false;
  float unit_ = 1, offset_ = 0, reach_ = 0, slack_ = 1;
  std::int32_t bound_ = kNoBound;
  std::size_t kept_count_ = 0;
};

template <typename Links>
LinkCollector<Links>::LinkCollector(const HnswGraph& graph, const Links& links,
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
           std::min<std::size_t>((stride + kCacheLine - 1) / kCacheLine, graph_.tuning.code_lines)};
  gated_ = graph_.sketches != nullptr && !s_.query.clamped;
  sketch_bytes_ = gated_ ? SketchBytes(graph_.codes.dim) : 0;
  grouped_ = graph_.groups != nullptr && !s_.query.clamped;
  group_bytes_ = grouped_ ? LinkGroupBytes(graph_.codes.dim) : 0;
}

template <typename Links>
void LinkCollector<Links>::CollectFresh(std::uint32_t row) {
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
void LinkCollector<Links>::DropFar() {
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
void LinkCollector<Links>::CollectNear(Candidate row) {
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

}  // namespace equipoise
