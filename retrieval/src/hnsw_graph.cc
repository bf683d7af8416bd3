#include "hnsw_graph.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <equipoise/core/check.h>
#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/quantize.h>

namespace equipoise {
namespace {

Status BadGraph(std::string_view what) {
  return Status(
      Code::kCorruption,
      fmt::format("its graph is not one that FAISS wrote: {}; build the index again", what));
}

// Reads values from the front of a stream; after a read past its end, good() is false for good.
class StreamReader {
 public:
  explicit StreamReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <typename T>
  T Value() {
    T out{};
    const auto raw = Take(1, sizeof(T));
    if (good_) std::memcpy(&out, raw.data(), sizeof(T));
    return out;
  }

  // A count and that many values. The stream is not aligned, hence a copy.
  template <typename T>
  std::vector<T> Array() {
    const auto count = Value<std::uint64_t>();
    const auto raw = Take(count, sizeof(T));
    std::vector<T> out(raw.size() / sizeof(T));
    if (!raw.empty()) std::memcpy(out.data(), raw.data(), raw.size());
    return out;
  }

  // The same for bytes, in place.
  std::span<const std::byte> Bytes() { return Take(Value<std::uint64_t>(), 1); }

  bool good() const { return good_; }
  bool at_end() const { return good_ && rest_.empty(); }

 private:
  std::span<const std::byte> Take(std::uint64_t count, std::size_t element) {
    if (!good_ || count > rest_.size() / element) {
      good_ = false;
      return {};
    }
    const auto out = rest_.first(static_cast<std::size_t>(count) * element);
    rest_ = rest_.subspan(out.size());
    return out;
  }

  std::span<const std::byte> rest_;
  bool good_ = true;
};

constexpr std::uint32_t FourCc(const char (&name)[5]) {
  std::uint32_t out = 0;
  for (unsigned i = 0; i < 4; ++i)
    out |= static_cast<std::uint32_t>(static_cast<unsigned char>(name[i])) << (8 * i);
  return out;
}

constexpr std::int32_t kFaissInnerProduct = 0;
constexpr std::int32_t kFaissL2 = 1;
constexpr std::int32_t kFaiss8BitUniform = 2;

// What FAISS writes in front of every index; false where it is not of these sizes.
bool ReadIndexHeader(StreamReader& in, std::size_t rows, std::size_t dim, Metric metric) {
  const auto d = in.Value<std::int32_t>();
  const auto n = in.Value<std::int64_t>();
  in.Value<std::int64_t>();  // unused by FAISS
  in.Value<std::int64_t>();  // unused by FAISS
  const auto trained = in.Value<std::uint8_t>();
  const auto type = in.Value<std::int32_t>();
  return in.good() && std::cmp_equal(d, dim) && std::cmp_equal(n, rows) && trained == 1 &&
         type == (metric == Metric::kCosine ? kFaissInnerProduct : kFaissL2);
}

}  // namespace

Result<HnswGraph> HnswGraph::Parse(std::span<const std::byte> stream, std::size_t rows,
                                   std::size_t dim, Metric metric) {
  HnswGraph out;
  out.rows_ = rows;
  out.dim_ = dim;
  out.metric_ = metric;
  StreamReader in(stream);
  if (in.Value<std::uint32_t>() != FourCc("IHNs")) return BadGraph("another kind of index");
  if (!ReadIndexHeader(in, rows, dim, metric)) return BadGraph("other sizes");
  in.Array<double>();  // probabilities of the levels, for adding only
  out.level_ends_ = in.Array<std::int32_t>();
  const auto levels = in.Array<std::int32_t>();
  out.offsets_ = in.Array<std::uint64_t>();
  out.neighbors_ = in.Array<std::int32_t>();
  const auto entry = in.Value<std::int32_t>();
  const auto top_level = in.Value<std::int32_t>();
  in.Value<std::int32_t>();  // efConstruction
  in.Value<std::int32_t>();  // efSearch
  in.Value<std::int32_t>();  // upper_beam

  if (in.Value<std::uint32_t>() != FourCc("IxSQ")) return BadGraph("other codes");
  if (!ReadIndexHeader(in, rows, dim, metric)) return BadGraph("other sizes of codes");
  const auto type = in.Value<std::int32_t>();
  in.Value<std::int32_t>();  // how the range was trained
  in.Value<float>();         // its parameter
  const auto code_dim = in.Value<std::uint64_t>();
  const auto code_size = in.Value<std::uint64_t>();
  const auto trained = in.Array<float>();
  const auto codes = in.Bytes();
  if (!in.at_end() || type != kFaiss8BitUniform || code_dim != dim || code_size != dim ||
      trained.size() != 2 || codes.size() != rows * dim)
    return BadGraph("codes of another size");
  out.codes_ = reinterpret_cast<const std::uint8_t*>(codes.data());
  // trained = {center - 128.5 / scale, 255 / scale}
  out.code_scale_ = 255.0f / trained[1];
  out.code_center_ = metric == Metric::kCosine ? 0.0f : trained[0] + trained[1] * (128.5f / 255.0f);
  if (!(out.code_scale_ > 0) || !std::isfinite(out.code_scale_) || !std::isfinite(out.code_center_))
    return BadGraph("an impossible scale of codes");

  if (levels.size() != rows || entry < 0 || std::cmp_greater_equal(entry, rows) || top_level < 0 ||
      levels[static_cast<std::size_t>(entry)] != std::int64_t{top_level} + 1)
    return BadGraph("no such entry point");
  out.entry_ = static_cast<std::uint32_t>(entry);
  out.top_level_ = static_cast<std::size_t>(top_level);
  EQUIPOISE_RETURN_IF_ERROR(out.CheckLinks(levels, out.level_ends_));
  return out;
}

Status HnswGraph::CheckLinks(std::span<const std::int32_t> levels,
                             std::span<const std::int32_t> level_ends) const {
  if (level_ends.size() < top_level_ + 2 || level_ends[0] != 0 ||
      !std::is_sorted(level_ends.begin(), level_ends.end()))
    return BadGraph("levels out of order");
  if (offsets_.size() != rows_ + 1 || offsets_[0] != 0 || offsets_[rows_] != neighbors_.size())
    return BadGraph("lists out of place");
  for (std::size_t i = 0; i < rows_; ++i) {
    if (levels[i] < 1 || std::cmp_greater(levels[i], top_level_ + 1))
      return BadGraph("a node of an unknown level");
    const auto count = static_cast<std::uint64_t>(level_ends[static_cast<std::size_t>(levels[i])]);
    if (offsets_[i] > neighbors_.size() || offsets_[i + 1] - offsets_[i] != count)
      return BadGraph("lists out of place");
  }
  for (std::size_t i = 0; i < rows_; ++i) {
    for (std::size_t level = 0; std::cmp_less(level, levels[i]); ++level) {
      for (const std::int32_t id : Links(static_cast<std::uint32_t>(i), level)) {
        if (id == -1) continue;
        // A link leads to a node that has a list on this level.
        if (id < 0 || std::cmp_greater_equal(id, rows_) ||
            std::cmp_less_equal(levels[static_cast<std::size_t>(id)], level))
          return BadGraph("a link that leads nowhere");
      }
    }
  }
  return {};
}

void HnswGraph::Walk(const float* query, std::size_t ef, WalkScratch* scratch) const {
  scratch->query_codes.resize(dim_);
  std::uint8_t* codes = scratch->query_codes.data();
  const auto code = [this](std::uint32_t id) { return codes_ + std::size_t{id} * dim_; };
  if (metric_ == Metric::kL2) {
    QuantizeI8(query, dim_, {code_scale_, code_center_}, codes);
    WalkWith([&](std::uint32_t id) { return SquaredL2I8(code(id), codes, dim_); }, ef, scratch);
    return;
  }
  // A ranking by inner product does not change with the length of the query: its own largest value
  // becomes 127, which no value of it is clamped by.
  float largest = 0;
  for (std::size_t i = 0; i < dim_; ++i) largest = std::max(largest, std::fabs(query[i]));
  QuantizeI8(query, dim_, {largest > 0 ? 127.0f / largest : 1.0f, 0.0f}, codes);
  scratch->query.resize(dim_);
  std::int8_t* values = scratch->query.data();
  for (std::size_t i = 0; i < dim_; ++i) values[i] = static_cast<std::int8_t>(codes[i] ^ 0x80);
  WalkWith([&](std::uint32_t id) { return -DotI8(code(id), values, dim_); }, ef, scratch);
}

template <typename Distance>
void HnswGraph::WalkWith(const Distance& distance, std::size_t ef, WalkScratch* scratch) const {
  auto& beam = scratch->beam;
  auto& fresh = scratch->fresh;
  auto& visited = scratch->visited;
  if (visited.size() < rows_) visited.resize(rows_, 0);
  if (scratch->epoch == std::numeric_limits<std::uint16_t>::max()) {
    std::fill(visited.begin(), visited.end(), std::uint16_t{0});
    scratch->epoch = 0;
  }
  const std::uint16_t epoch = ++scratch->epoch;

  std::uint32_t nearest = entry_;
  std::int32_t nearest_distance = distance(nearest);
  for (std::size_t level = top_level_; level > 0; --level) {
    // Each round ends strictly nearer, so it ends.
    for (bool moved = true; moved;) {
      moved = false;
      for (const std::int32_t id : Links(nearest, level)) {
        if (id < 0) break;
        const std::int32_t to = distance(static_cast<std::uint32_t>(id));
        if (to < nearest_distance) {
          nearest = static_cast<std::uint32_t>(id);
          nearest_distance = to;
          moved = true;
        }
      }
    }
  }

  beam.clear();
  beam.reserve(ef + 1);
  beam.push_back({nearest_distance, nearest, false});
  visited[nearest] = epoch;
  for (std::size_t at = 0; at < beam.size();) {
    if (beam[at].expanded) {
      ++at;
      continue;
    }
    beam[at].expanded = true;
    fresh.clear();
    for (const std::int32_t link : Links(beam[at].id, 0)) {
      if (link < 0) break;
      const auto id = static_cast<std::uint32_t>(link);
      if (visited[id] == epoch) continue;
      visited[id] = epoch;
      fresh.push_back(id);
      __builtin_prefetch(codes_ + std::size_t{id} * dim_);
    }
    std::size_t first_changed = at + 1;
    for (const std::uint32_t id : fresh) {
      const std::int32_t to = distance(id);
      if (beam.size() >= ef && to >= beam.back().distance) continue;
      const auto place = std::upper_bound(beam.begin(), beam.end(), to,
                                          [](std::int32_t value, const WalkScratch::Candidate& c) {
                                            return value < c.distance;
                                          }) -
                         beam.begin();
      first_changed = std::min(first_changed, static_cast<std::size_t>(place));
      if (beam.size() >= ef) beam.pop_back();  // at `place` or behind it: it is farther
      beam.insert(beam.begin() + place, {to, id, false});
    }
    at = first_changed;
  }
}

}  // namespace equipoise
