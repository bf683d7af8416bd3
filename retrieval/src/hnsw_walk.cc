#include "hnsw_walk.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/nibbles.h>

namespace equipoise {
namespace {

constexpr std::uint32_t kExpanded = 0x80000000u;
constexpr std::int32_t kNoBound = std::numeric_limits<std::int32_t>::max();
// Sketches may be so many standard errors too far before their row is dropped. With 1, three of four
// rows go and recall falls by 0.001 to 0.003: right where the margin is narrow, too much where nearly
// all neighbours are wanted.
float SlackFor(float margin) {
  return std::isfinite(margin) ? std::min(1.0f + 3.0f * margin, 3.0f) : 2.0f;
}
constexpr std::size_t kLine = 64;
// Of the groups of the row that is expanded next, and of the one that would be: the processor fetches
// what follows them. Measured with equipoise_vector_bench.
constexpr std::size_t kNextLines = 24, kLikelyLines = 8;
// Rows of the second hop are many and mostly far: so many new ones of an expanded row will do.
constexpr std::size_t kEnoughOfTwoHops = 64;

// In lanes, which compilers make vectors of.
float LargestSize(const float* x, std::size_t d) {
  constexpr std::size_t kLanes = 16;
  float largest[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= d; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) {
      const float size = std::fabs(x[i + l]);
      largest[l] = size > largest[l] ? size : largest[l];
    }
  }
  for (; i < d; ++i) largest[0] = std::max(largest[0], std::fabs(x[i]));
  return *std::max_element(largest, largest + kLanes);
}

Status Damaged() {
  return Status(Code::kCorruption,
                "a link of the graph leads nowhere: the file has changed; verify the index");
}

}  // namespace

void CodeQuery::Set(const CodeRows& rows, const float* query) {
  const std::size_t d = rows.dim;
  codes.resize(d);
  offset = offset_high = 0;
  clamped = false;
  if (rows.metric == Metric::kL2) {
    QuantizeI8(query, d, rows.scale, codes.data());
    unit = double{rows.scale.scale} * rows.scale.scale;
    for (std::size_t i = 0; i < d; ++i) {
      const float at = rows.scale.scale * (query[i] - rows.scale.center);
      clamped |= !(at > -129.0f && at < 128.0f);
    }
    if (clamped) SetBeyond(rows, query);
    return;
  }
  // A ranking by inner product does not change with the length of the query: its own largest value
  // becomes 127, which no value of it is clamped by.
  const float largest = LargestSize(query, d);
  const float scale = largest > 0 ? 127.0f / largest : 1.0f;
  QuantizeI8(query, d, {scale, 0.0f}, codes.data());
  values.resize(d);
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < d; ++i) {
    values[i] = static_cast<std::int8_t>(codes[i] ^ 0x80);
    sum += values[i];
  }
  unit = double{rows.scale.scale} * scale;
  offset = 128.0 * sum;
  // The lower half of a code is 7.5 on average.
  offset_high = 120.5 * sum;
}

// A query that codes do not reach is c + e, with c what they reach of it: its squared distance to x
// is |c - x|² + 2 <e, c - x> + |e|², and <e, x> is an inner product as of any other query.
void CodeQuery::SetBeyond(const CodeRows& rows, const float* query) {
  const std::size_t d = rows.dim;
  const auto excess = [&](std::size_t i) {
    const double at = double{rows.scale.scale} * (double{query[i]} - rows.scale.center);
    return at - std::clamp(at, -128.0, 127.0);
  };
  double largest = 0, squares = 0;
  for (std::size_t i = 0; i < d; ++i) {
    const double e = excess(i);
    largest = std::max(largest, std::fabs(e));
    squares += e * e;
  }
  values.resize(d);
  std::int64_t sum = 0, sizes = 0, inside = 0;
  for (std::size_t i = 0; i < d; ++i) {
    const auto value = static_cast<int>(std::lround(excess(i) / largest * 127.0));
    values[i] = static_cast<std::int8_t>(value);
    sum += value;
    sizes += std::abs(value);
    inside += std::int64_t{value} * (int{codes[i]} - 128);
  }
  gain = 2.0 * largest / 127.0;
  constexpr double kReach = 1e9;  // of integer distances, well within 32 bits
  const double most = 255.0 * (255.0 * static_cast<double>(d) + gain * static_cast<double>(sizes));
  shrink = std::min(1.0, kReach / most);
  unit *= shrink;
  const double fixed = squares + gain * static_cast<double>(inside);
  offset = shrink * (fixed + gain * 128.0 * static_cast<double>(sum));
  offset_high = shrink * (fixed + gain * 120.5 * static_cast<double>(sum));
}

std::int32_t CodeDistance(const CodeRows& rows, const CodeQuery& query, std::uint32_t row,
                          std::uint8_t* unpacked) {
  const std::uint8_t* codes = unpacked;
  if (rows.codes != nullptr) {
    codes = rows.codes + std::size_t{row} * rows.dim;
  } else {
    const std::size_t at = std::size_t{row} * rows.nibble_bytes;
    UnpackNibbles(rows.high + at, rows.low + at, rows.dim, unpacked);
  }
  if (rows.metric == Metric::kL2) {
    const std::int32_t squared = SquaredL2I8(codes, query.codes.data(), rows.dim);
    return query.clamped ? query.Beyond(squared, DotI8(codes, query.values.data(), rows.dim))
                         : squared;
  }
  return -DotI8(codes, query.values.data(), rows.dim);
}

void PrefetchCodes(const CodeRows& rows, std::uint32_t row) {
  if (rows.codes == nullptr) return;  // in halves: no walk goes through this
  const std::uint8_t* codes = rows.codes + std::size_t{row} * rows.dim;
  for (std::size_t at = 0; at < rows.dim; at += kLine) __builtin_prefetch(codes + at);
}

// One walk.
class Walker {
 public:
  using Candidate = WalkScratch::Candidate;

  Walker(const HnswGraph& graph, const WalkRequest& request, WalkScratch* scratch)
      : graph_(graph), links_(graph.links), request_(request), s_(*scratch) {}

  template <typename Distance>
  Status Run(const Distance& distance, const std::uint8_t* codes, std::size_t stride,
             double offset);

 private:
  template <typename Distance>
  std::uint32_t Descend(const Distance& distance) const;
  template <typename Distance>
  void Beam(const Distance& distance, std::uint32_t start);
  template <typename Distance>
  void Filtered(const Distance& distance, std::uint32_t start);

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
  bool Allowed(std::uint32_t row) const {
    return request_.allowed == nullptr || ((request_.allowed[row / 64] >> (row % 64)) & 1) != 0;
  }
  void PrefetchCodes(std::uint32_t row) const {
    const std::byte* codes = next_.base + std::size_t{row} * next_.stride;
    for (std::size_t line = 0; line < next_.lines; ++line) __builtin_prefetch(codes + line * kLine);
  }

  // The first lines of the groups of a row's links.
  void PrefetchGroups(std::uint32_t row, std::size_t lines) const {
    const std::byte* first = graph_.groups + links_.BaseStart(row) / kLinkGroup * group_bytes_;
    for (std::size_t line = 0; line < lines; ++line) __builtin_prefetch(first + line * kLine);
  }

  // Of the links of a row, with its distance, those that were not seen before and may be nearer than
  // the bound, to kept_; their codes are on the way when it returns.
  void Collect(Candidate row) {
    if (grouped_) return CollectNear(row);
    CollectFresh(row.id);
    DropFar();
  }
  // By groups. Only what is kept counts as seen, so that few rows are looked up at random.
  void CollectNear(Candidate row);
  // The rows of `row`'s list that were not seen before, to fresh_; with sketches their lines are on
  // the way when it returns.
  void CollectFresh(std::uint32_t row);
  // Of fresh_ those that may be nearer than the bound, to kept_; their codes are on the way.
  void DropFar();
  // Two hops: fresh_ becomes what is allowed of the list and of the lists of those that are not.
  void CollectAllowed(std::uint32_t row);

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

  const HnswGraph& graph_;
  const HnswLinks& links_;
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

template <typename Distance>
std::uint32_t Walker::Descend(const Distance& distance) const {
  if (links_.top_level() == 0) return links_.entry_row();
  const auto rows = links_.upper_rows();
  std::uint32_t nearest = links_.entry_upper();
  std::int32_t nearest_distance = distance(rows[nearest]);
  for (std::size_t level = links_.top_level(); level > 0; --level) {
    // Each round ends strictly nearer, so it ends.
    for (bool moved = true; moved;) {
      moved = false;
      const auto list = links_.Upper(nearest, level);
      for (const std::uint32_t link : list) PrefetchCodes(rows[link]);
      for (const std::uint32_t link : list) {
        const std::int32_t to = distance(rows[link]);
        if (to < nearest_distance) {
          nearest = link;
          nearest_distance = to;
          moved = true;
        }
      }
    }
  }
  return rows[nearest];
}

void Walker::CollectFresh(std::uint32_t row) {
  const auto list = links_.Base(row, &bad_);
  const std::size_t rows = links_.rows();
  s_.fresh_.resize(std::max(s_.fresh_.size(), list.size()));
  s_.log_.resize(s_.log_.size() + list.size());
  std::uint32_t* log = s_.log_.data() + s_.log_.size() - list.size();
  std::uint32_t* fresh = s_.fresh_.data();
  std::uint64_t* visited = s_.visited_.data();
  std::size_t count = 0;
  for (const std::uint32_t link : list) {
    if (link >= rows) {
      bad_ = true;
      continue;
    }
    if (gated_) {
      const std::byte* sketch = graph_.sketches + std::size_t{link} * sketch_bytes_;
      for (std::size_t at = 0; at < sketch_bytes_; at += kLine) __builtin_prefetch(sketch + at);
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
  kept_count_ = count;
  s_.stats.seen += count;
}

void Walker::DropFar() {
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

void Walker::CollectNear(Candidate row) {
  const auto list = links_.Base(row.id, &bad_);
  const std::uint64_t start = links_.BaseStart(row.id);
  kept_count_ = 0;
  bad_ |= start % kLinkGroup != 0 || list.size() % kLinkGroup != 0;
  if (bad_) return;
  s_.kept_.resize(std::max(s_.kept_.size(), list.size()));
  std::uint32_t* kept = s_.kept_.data();
  const float threshold = bound_ == kNoBound ? std::numeric_limits<float>::infinity() : Threshold();
  const std::size_t near = LinkSketchBelow(
      s_.link_sketch, graph_.groups + start / kLinkGroup * group_bytes_, list.size() / kLinkGroup,
      (static_cast<float>(row.distance) + offset_) / unit_, threshold, kept);
  const std::size_t rows = links_.rows();
  for (std::size_t i = 0; i < near; ++i) {
    const std::uint32_t link = list[kept[i]];
    if (link >= rows) {
      bad_ = true;
    } else if (Visit(link)) {
      kept[kept_count_++] = link;  // over places that have been read
      PrefetchCodes(link);
      links_.PrefetchStart(link);
    }
  }
  s_.stats.seen += list.size();
}

// The whole walk where every row may be found: one sorted array is frontier and result.
template <typename Distance>
void Walker::Beam(const Distance& distance, std::uint32_t start) {
  const std::size_t k = request_.k;
  const std::size_t ef = request_.ef;
  s_.found.resize(ef + 1);
  Candidate* beam = s_.found.data();
  std::size_t size = 0;
  Visit(start);
  beam[size++] = {distance(start), start};
  if (k == 1) bound_ = BoundFrom(beam[0].distance);
  if (ef == 1) bound_ = std::min(bound_, beam[0].distance);
  for (std::size_t at = 0; at < size && !bad_;) {
    const Candidate row = beam[at];
    beam[at].id |= kExpanded;
    ++s_.stats.expanded;
    Collect(row);
    if (grouped_) {
      // What would come next if nothing nearer is found now.
      std::size_t next = at + 1;
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
      first_changed = std::min(first_changed, low);
      if (size >= k && low < k) bound_ = std::min(bound_, BoundFrom(beam[k - 1].distance));
      if (size == ef) bound_ = std::min(bound_, beam[ef - 1].distance);
    }
    while (size > k && beam[size - 1].distance >= bound_ && std::isfinite(request_.margin)) --size;
    for (at = first_changed; at < size && (beam[at].id & kExpanded) != 0;) ++at;
    if (at < size) {
      links_.PrefetchBase(beam[at].id);
      if (grouped_) PrefetchGroups(beam[at].id, kNextLines);
      // The next but one is likely to be next.
      if (!grouped_ && at + 1 < size && (beam[at + 1].id & kExpanded) == 0)
        links_.PrefetchStart(beam[at + 1].id);
    }
  }
  s_.found.resize(size);
  for (Candidate& candidate : s_.found) candidate.id &= ~kExpanded;
}

void Walker::CollectAllowed(std::uint32_t row) {
  const auto list = links_.Base(row, &bad_);
  const std::size_t rows = links_.rows();
  s_.fresh_.clear();
  const auto take = [&](std::uint32_t link) {
    if (!Visit(link)) return;
    s_.fresh_.push_back(link);
    if (gated_) __builtin_prefetch(graph_.sketches + std::size_t{link} * sketch_bytes_);
  };
  for (const std::uint32_t link : list) {
    if (link >= rows) {
      bad_ = true;
    } else if (Allowed(link)) {
      take(link);
    }
  }
  for (const std::uint32_t link : list) {
    if (link >= rows || Allowed(link) || s_.fresh_.size() >= kEnoughOfTwoHops) continue;
    if (!Visit(link)) continue;
    for (const std::uint32_t second : links_.Base(link, &bad_)) {
      if (second >= rows) {
        bad_ = true;
      } else if (Allowed(second)) {
        take(second);
      }
    }
  }
  kept_count_ = s_.fresh_.size();
  s_.stats.seen += kept_count_;
}

// The walk where some rows may not be found: the frontier is apart from the result.
template <typename Distance>
void Walker::Filtered(const Distance& distance, std::uint32_t start) {
  const auto farther = [](const Candidate& a, const Candidate& b) {
    return a.distance > b.distance || (a.distance == b.distance && a.id > b.id);
  };
  auto& frontier = s_.frontier_;
  auto& found = s_.found;
  frontier.clear();
  found.clear();
  const auto keep = [&](Candidate candidate) {
    const auto place =
        std::upper_bound(found.begin(), found.end(), candidate.distance,
                         [](std::int32_t value, const Candidate& c) { return value < c.distance; });
    const bool better = std::cmp_less(place - found.begin(), request_.k);
    found.insert(place, candidate);
    if (found.size() > request_.ef) found.pop_back();
    if (better && found.size() >= request_.k)
      bound_ = std::min(bound_, BoundFrom(found[request_.k - 1].distance));
    if (found.size() == request_.ef) bound_ = std::min(bound_, found.back().distance);
  };
  Visit(start);
  frontier.push_back({distance(start), start});
  if (Allowed(start)) keep(frontier.front());
  while (!frontier.empty() && !bad_) {
    std::pop_heap(frontier.begin(), frontier.end(), farther);
    const Candidate next = frontier.back();
    frontier.pop_back();
    if (next.distance > bound_) break;
    ++s_.stats.expanded;
    if (request_.two_hop) {
      CollectAllowed(next.id);
      DropFar();
    } else {
      Collect(next);
    }
    s_.stats.distances += kept_count_;
    for (std::size_t i = 0; i < kept_count_; ++i) {
      const Candidate candidate{distance(s_.kept_[i]), s_.kept_[i]};
      if (candidate.distance >= bound_) continue;
      frontier.push_back(candidate);
      std::push_heap(frontier.begin(), frontier.end(), farther);
      if (Allowed(candidate.id)) keep(candidate);
    }
  }
}

template <typename Distance>
Status Walker::Run(const Distance& distance, const std::uint8_t* codes, std::size_t stride,
                   double offset) {
  const std::size_t words = (links_.rows() + 63) / 64;
  if (s_.visited_.size() < words) s_.visited_.resize(words, 0);
  Forget();  // what a walk left that ran out of memory
  s_.stats = {};
  unit_ = static_cast<float>(s_.query.unit);
  offset_ = static_cast<float>(offset);
  reach_ = graph_.reach;
  slack_ = SlackFor(request_.margin);
  next_ = {reinterpret_cast<const std::byte*>(codes), stride, (stride + kLine - 1) / kLine};
  gated_ = graph_.sketches != nullptr && !s_.query.clamped;
  sketch_bytes_ = gated_ ? SketchBytes(graph_.codes.dim) : 0;
  grouped_ = graph_.groups != nullptr && !s_.query.clamped;
  group_bytes_ = grouped_ ? LinkGroupBytes(graph_.codes.dim) : 0;
  const std::uint32_t start = Descend(distance);
  if (request_.allowed == nullptr) {
    Beam(distance, start);
  } else {
    Filtered(distance, start);
  }
  Forget();
  return bad_ ? Damaged() : Status();
}

Status WalkGraph(const HnswGraph& graph, const float* query, const WalkRequest& request,
                 WalkScratch* scratch) {
  const CodeRows& rows = graph.codes;
  const std::size_t d = rows.dim;
  scratch->query.Set(rows, query);
  if (graph.sketcher != nullptr) {
    if (Status status = graph.sketcher->Prepare(query, &scratch->sketch); !status.ok())
      return status;
  }
  if (graph.link_sketcher != nullptr) {
    if (Status status = graph.link_sketcher->Prepare(query, &scratch->link_sketch); !status.ok())
      return status;
  }
  Walker walker(graph, request, scratch);
  const std::uint8_t* codes = scratch->query.codes.data();
  const std::int8_t* values = scratch->query.values.data();
  const CodeQuery& asked = scratch->query;
  if (rows.codes == nullptr) {
    const std::size_t stride = rows.nibble_bytes;
    if (asked.clamped)
      return walker.Run(
          [&](std::uint32_t id) {
            const std::uint8_t* high = rows.high + std::size_t{id} * stride;
            return asked.Beyond(SquaredL2I4(high, codes, d), 16 * DotI4(high, values, d));
          },
          rows.high, stride, asked.offset_high);
    if (rows.metric == Metric::kL2)
      return walker.Run(
          [&](std::uint32_t id) {
            return SquaredL2I4(rows.high + std::size_t{id} * stride, codes, d);
          },
          rows.high, stride, 0);
    return walker.Run(
        [&](std::uint32_t id) {
          return -16 * DotI4(rows.high + std::size_t{id} * stride, values, d);
        },
        rows.high, stride, asked.offset_high);
  }
  if (asked.clamped)
    return walker.Run([&](std::uint32_t id) { return CodeDistance(rows, asked, id, nullptr); },
                      rows.codes, d, asked.offset);
  if (rows.metric == Metric::kL2)
    return walker.Run(
        [&](std::uint32_t id) { return SquaredL2I8(rows.codes + std::size_t{id} * d, codes, d); },
        rows.codes, d, 0);
  return walker.Run(
      [&](std::uint32_t id) { return -DotI8(rows.codes + std::size_t{id} * d, values, d); },
      rows.codes, d, asked.offset);
}

}  // namespace equipoise
