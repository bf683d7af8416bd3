#include "hnsw_walk.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/nibbles.h>

#include "hnsw_beam.h"

namespace equipoise {
namespace {

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

std::int32_t CodeQuery::Rounding(const CodeRows& rows, float reach, std::int32_t distance,
                                 bool walked) const {
  constexpr double kDeviations = 3;
  constexpr double kMost = 1e9;  // well within 32 bits, added to any distance
  // A value is off by up to half a step either way: its variance is a twelfth of the step squared.
  const double step = walked && rows.codes == nullptr ? 16.0 : 1.0;
  double variance = 0;
  if (rows.metric == Metric::kL2) {
    // |q - x|² changes by 2 <q - x, e>; the two rows may lie on opposite sides of the query.
    const double squared = std::max(distance, 1);
    variance = (2 * step * step + 4) * 4 * squared / 12;
  } else {
    const double row = double{rows.scale.scale} * reach;
    const double query = unit / rows.scale.scale;
    variance = (2 * step * step * query * query + row * row) / 12;
  }
  return static_cast<std::int32_t>(std::min(kMost, std::ceil(kDeviations * std::sqrt(variance))));
}

void CodeQuery::SetRow(const CodeRows& rows, std::uint32_t row) {
  const std::size_t d = rows.dim;
  const std::uint8_t* from = rows.codes + std::size_t{row} * d;
  codes.assign(from, from + d);
  unit = double{rows.scale.scale} * rows.scale.scale;
  offset = 0;
  clamped = false;
  if (rows.metric == Metric::kL2) return;
  values.resize(d);
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < d; ++i) {
    values[i] = static_cast<std::int8_t>(from[i] ^ 0x80);
    sum += values[i];
  }
  offset = 128.0 * sum;
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

const std::uint8_t* WholeCodes(const CodeRows& rows, std::uint32_t row, std::uint8_t* unpacked) {
  if (rows.codes != nullptr) return rows.codes + std::size_t{row} * rows.dim;
  const std::size_t at = std::size_t{row} * rows.nibble_bytes;
  UnpackNibbles(rows.high + at, rows.low + at, rows.dim, unpacked);
  return unpacked;
}

std::int32_t CodeDistance(const CodeRows& rows, const CodeQuery& query, std::uint32_t row,
                          std::uint8_t* unpacked) {
  const std::uint8_t* codes = WholeCodes(rows, row, unpacked);
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
  for (std::size_t at = 0; at < rows.dim; at += kCacheLine) __builtin_prefetch(codes + at);
}

// One search of an index.
class Walker : public BeamWalker<HnswLinks> {
 public:
  using BeamWalker::BeamWalker;

  template <typename Distance>
  Status Run(const Distance& distance);

 private:
  template <typename Distance>
  std::uint32_t Descend(const Distance& distance) const;
  // The walk where some rows may not be found: the frontier is apart from the result.
  template <typename Distance>
  void Filtered(const Distance& distance, std::uint32_t start);

  bool Allowed(std::uint32_t row) const {
    return ((request_.allowed[row / 64] >> (row % 64)) & 1) != 0;
  }
  // Two hops: fresh_ becomes what is allowed of the list and of the lists of those that are not.
  void CollectAllowed(std::uint32_t row);
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
  std::size_t steps = 0;
  while (!frontier.empty() && !bad_) {
    if (request_.stop != nullptr && ++steps % kStepsBetweenLooks == 0 && request_.stop->Due())
      break;
    std::pop_heap(frontier.begin(), frontier.end(), farther);
    const Candidate next = frontier.back();
    frontier.pop_back();
    if (next.distance > bound_) break;
    ++s_.stats.expanded;
    if (request_.two_hop) {
      kept_count_ = 0;
      CollectAllowed(next.id);
      DropFar();
    } else {
      Collect({&next, 1});
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
Status Walker::Run(const Distance& distance) {
  const std::uint32_t start = Descend(distance);
  if (request_.allowed == nullptr) {
    Beam(distance, start);
  } else {
    Filtered(distance, start);
  }
  return End() ? Status() : Damaged();
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
  const auto run = [&](const auto& distance, const std::uint8_t* read, std::size_t stride,
                       double offset) {
    return Walker(graph, graph.links, request, read, stride, offset, scratch).Run(distance);
  };
  const std::uint8_t* codes = scratch->query.codes.data();
  const std::int8_t* values = scratch->query.values.data();
  const CodeQuery& asked = scratch->query;
  if (rows.codes == nullptr) {
    const std::size_t stride = rows.nibble_bytes;
    if (asked.clamped)
      return run(
          [&](std::uint32_t id) {
            const std::uint8_t* high = rows.high + std::size_t{id} * stride;
            return asked.Beyond(SquaredL2I4(high, codes, d), 16 * DotI4(high, values, d));
          },
          rows.high, stride, asked.offset_high);
    if (rows.metric == Metric::kL2)
      return run(
          [&](std::uint32_t id) {
            return SquaredL2I4(rows.high + std::size_t{id} * stride, codes, d);
          },
          rows.high, stride, 0);
    return run(
        [&](std::uint32_t id) {
          return -16 * DotI4(rows.high + std::size_t{id} * stride, values, d);
        },
        rows.high, stride, asked.offset_high);
  }
  if (asked.clamped)
    return run([&](std::uint32_t id) { return CodeDistance(rows, asked, id, nullptr); }, rows.codes,
               d, asked.offset);
  if (rows.metric == Metric::kL2)
    return run(
        [&](std::uint32_t id) { return SquaredL2I8(rows.codes + std::size_t{id} * d, codes, d); },
        rows.codes, d, 0);
  return run([&](std::uint32_t id) { return -DotI8(rows.codes + std::size_t{id} * d, values, d); },
             rows.codes, d, asked.offset);
}

}  // namespace equipoise
