#include "hnsw_builder.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <new>
#include <utility>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/core/parallel.h>
#include <equipoise/core/random.h>
#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/quantize.h>

#include "hnsw_beam.h"
#include "hnsw_select.h"
#include "huge_pages.h"

namespace equipoise {
namespace {

using Candidate = WalkScratch::Candidate;

// Rows of a batch. Each of them is compared with all others by sketches, which takes a few percent of
// its walk; and a batch is large enough to keep many threads busy.
constexpr std::size_t kBatch = 2048;
// Rows that a thread takes at a time.
constexpr std::size_t kTurn = 8;
// Sketches of rows of the same batch may be so many standard errors too far.
constexpr float kSlack = 2.0f;
constexpr std::int32_t kMostLevels = 32;
constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

constexpr std::size_t kReports = 100;

bool Nearer(const Candidate& a, const Candidate& b) {
  return a.distance < b.distance || (a.distance == b.distance && a.id < b.id);
}

Status NoMemory() {
  return Status(Code::kOutOfMemory, "not enough memory to link the rows of the vector index");
}

// Calls body(i, worker) for each i below n, in no order.
template <typename Body>
void ForEach(std::size_t n, int threads, const Body& body) {
  std::atomic<std::size_t> next{0};
  const std::size_t workers = std::min<std::size_t>(static_cast<std::size_t>(threads), n);
  ParallelFor(workers, threads, [&](std::size_t, std::size_t, int worker) {
    for (std::size_t begin; (begin = next.fetch_add(kTurn)) < n;) {
      for (std::size_t i = begin; i < std::min(n, begin + kTurn); ++i)
        body(i, static_cast<std::size_t>(worker));
    }
  });
}

// Levels of a row: one in m has another one. Of (seed, row) alone, so that rows that are added later
// need not know what was drawn before.
std::int32_t DrawLevels(std::uint64_t seed, std::uint32_t row, int m) {
  Random random = Random::Stream(seed, row);
  std::int32_t levels = 1;
  while (levels < kMostLevels && random.Below(static_cast<std::uint64_t>(m)) == 0) ++levels;
  return levels;
}

// The lists of one level of a slotted graph, of which `used` slots of each row of level 0 are full.
class LevelLinks {
 public:
  LevelLinks(SlottedGraph* graph, std::vector<std::uint16_t>* used, std::size_t level)
      : graph_(*graph),
        used_(used->data()),
        level_(level),
        first_(static_cast<std::uint64_t>(graph->slot_ends[level])),
        slots_(static_cast<std::size_t>(graph->slot_ends[level + 1]) - first_) {}

  std::size_t rows() const { return graph_.levels.size(); }
  std::size_t slots() const { return slots_; }
  std::span<const std::uint32_t> Base(std::uint32_t row, bool* /*bad*/) const { return List(row); }
  std::uint64_t BaseStart(std::uint32_t row) const { return graph_.offsets[row] + first_; }
  void PrefetchStart(std::uint32_t row) const {
    __builtin_prefetch(graph_.offsets.data() + row);
    __builtin_prefetch(used_ + row);
  }
  void PrefetchBase(std::uint32_t row, std::size_t) const {
    constexpr std::size_t kLine = 16;
    const std::uint32_t* list = Slots(row);
    for (std::size_t at = 0; at < std::min(slots_, 4 * kLine); at += kLine)
      __builtin_prefetch(list + at);
  }

  std::span<const std::uint32_t> List(std::uint32_t row) const {
    const std::uint32_t* list = Slots(row);
    if (level_ == 0) return {list, used_[row]};
    return {list, std::find(list, list + slots_, kNone)};
  }
  void Set(std::uint32_t row, std::span<const Candidate> links) {
    std::uint32_t* list = Slots(row);
    for (std::size_t i = 0; i < links.size(); ++i) list[i] = links[i].id;
    std::fill(list + links.size(), list + slots_, kNone);
    if (level_ == 0) used_[row] = static_cast<std::uint16_t>(links.size());
  }
  // Range    they fit
  void Append(std::uint32_t row, std::span<const Candidate> links) {
    std::size_t at = List(row).size();
    std::uint32_t* list = Slots(row);
    for (const Candidate& link : links) list[at++] = link.id;
    if (level_ == 0) used_[row] = static_cast<std::uint16_t>(at);
  }

 private:
  // An empty slot is -1, as an unsigned number kNone.
  std::uint32_t* Slots(std::uint32_t row) const {
    return reinterpret_cast<std::uint32_t*>(graph_.neighbors.data()) + BaseStart(row);
  }

  SlottedGraph& graph_;
  std::uint16_t* used_;
  std::size_t level_;
  std::uint64_t first_;
  std::size_t slots_;
};

class Builder {
 public:
  Builder(const HnswRows& rows, const VectorIndexOptions& options, const HnswOrder& order)
      : rows_(rows), options_(options), order_(order) {
    walked_.codes = rows.codes;
    walked_.sketcher = rows.sketcher;
    walked_.sketches = rows.sketches;
  }

  // Lists without links for all rows; the first ones get those that they have in `before`.
  Status Prepare(const SlottedGraph* before, std::size_t first);
  // Rows of order.rows.
  Status Link(std::size_t begin, std::size_t end);
  Status Report(std::size_t done) const {
    if (!options_.progress || options_.progress({"graph", done, order_.rows.size()})) return {};
    return Status(Code::kCancelled, "building the vector index was cancelled");
  }

  SlottedGraph& graph() { return graph_; }

 private:
  // A link of the batch, as its target sees it.
  struct Back {
    std::uint32_t source;
    std::uint32_t next;  // in backs_, of the same target
  };
  struct Worker {
    explicit Worker(const CodeRows& codes) : selector(codes), values(codes.dim) {}
    WalkScratch scratch;
    LinkSelector selector;
    std::vector<float> values;
    std::vector<std::uint32_t> mates;
    std::vector<Candidate> near;
  };

  LevelLinks Level(std::size_t level) { return LevelLinks(&graph_, &used_, level); }
  std::int32_t Distance(const Worker& worker, std::uint32_t row) const {
    const CodeQuery& query = worker.scratch.query;
    const std::size_t d = rows_.codes.dim;
    const std::uint8_t* codes = rows_.codes.codes + std::size_t{row} * d;
    if (rows_.codes.metric == Metric::kL2) return SquaredL2I8(codes, query.codes.data(), d);
    return static_cast<std::int32_t>(query.offset) - DotI8(codes, query.values.data(), d);
  }

  void LinkBatch(std::span<const std::uint32_t> batch);
  // Finds and writes the links of the i-th row of the batch, which chosen_[level][i] gets too.
  void FindLinks(std::size_t i, std::uint32_t row, Worker* worker);
  void Descend(std::size_t i, std::uint32_t row, Worker* worker);
  // Adds rows of the batch to worker->near.
  void AddMates(std::uint32_t row, std::size_t level, Worker* worker);
  // The links of the batch on a level, given back by the rows that they lead to.
  void LinkBack(std::span<const std::uint32_t> batch, std::size_t level);
  void GiveBack(std::uint32_t target, LevelLinks* links, Worker* worker);

  const HnswRows& rows_;
  const VectorIndexOptions& options_;
  const HnswOrder& order_;
  HnswGraph walked_;  // all but the links
  SlottedGraph graph_;
  std::vector<std::uint16_t> used_;  // slots of level 0
  bool empty_ = true;                // nothing is linked yet
  std::size_t next_report_ = 0;
  std::vector<Worker> workers_;
  std::atomic<bool> failed_{false};
  // Of the batch.
  std::vector<std::vector<std::uint32_t>> mates_;            // [level]: the rows that have it
  std::vector<std::vector<std::vector<Candidate>>> chosen_;  // [level][i]
  using Path = std::array<std::uint32_t, kMostLevels>;
  std::vector<Path> paths_;
  std::vector<Back> backs_;
  std::vector<std::uint32_t> heads_;  // [rows]: the first of backs_
  std::vector<std::uint32_t> targets_;
};

Status Builder::Prepare(const SlottedGraph* before, std::size_t first) {
  const std::size_t n = rows_.count;
  const std::span<const std::uint32_t> linked = order_.rows;
  graph_.levels.assign(n, 1);
  std::int32_t most = 1;
  for (std::size_t i = 0; i < linked.size(); ++i) {
    std::int32_t& levels = graph_.levels[linked[i]];
    levels =
        i < first ? before->levels[linked[i]] : DrawLevels(options_.seed, linked[i], options_.m);
    // The graph has to be whole without those that are held out.
    if (i == 0 || i < linked.size() - order_.held_out) most = std::max(most, levels);
    levels = std::min(levels, most);
  }
  graph_.slot_ends.push_back(0);
  for (std::int32_t level = 0; level < most; ++level)
    graph_.slot_ends.push_back((level + 2) * options_.m);
  graph_.offsets.assign(n + 1, 0);
  for (std::size_t i = 0; i < n; ++i)
    graph_.offsets[i + 1] =
        graph_.offsets[i] +
        static_cast<std::uint64_t>(graph_.slot_ends[static_cast<std::size_t>(graph_.levels[i])]);
  ReserveHuge(&graph_.neighbors, graph_.offsets[n]);
  graph_.neighbors.assign(graph_.offsets[n], -1);
  used_.assign(n, 0);
  heads_.assign(n, kNone);
  for (const std::uint32_t row : linked.first(first)) {
    const auto size = graph_.offsets[row + 1] - graph_.offsets[row];
    if (before->offsets[row + 1] - before->offsets[row] != size)
      return Status(Code::kInvalidArgument, "m differs from that of the graph",
                    {.field = "options.m"});
    auto* to = graph_.neighbors.data() + graph_.offsets[row];
    std::copy_n(before->neighbors.data() + before->offsets[row], size, to);
    used_[row] = static_cast<std::uint16_t>(std::find(to, to + graph_.slot_ends[1], -1) - to);
  }
  if (first > 0) {
    empty_ = false;
    graph_.entry = before->entry;
    graph_.top_level = before->top_level;
  }
  for (int i = 0; i < options_.threads; ++i) workers_.emplace_back(rows_.codes);
  mates_.resize(static_cast<std::size_t>(most));
  paths_.resize(kBatch);
  chosen_.assign(static_cast<std::size_t>(most), std::vector<std::vector<Candidate>>(kBatch));
  return {};
}

Status Builder::Link(std::size_t begin, std::size_t end) {
  while (begin < end) {
    if (begin >= next_report_) {
      EQUIPOISE_RETURN_IF_ERROR(Report(begin));
      next_report_ = begin + order_.rows.size() / kReports;
    }
    // As many as there are: the links of the first rows, which are few and far from each other, hold
    // the graph together.
    const std::size_t size = std::min({kBatch, std::max<std::size_t>(begin, 1), end - begin});
    LinkBatch(std::span(order_.rows).subspan(begin, size));
    if (failed_) return NoMemory();
    begin += size;
  }
  return {};
}

void Builder::LinkBatch(std::span<const std::uint32_t> batch) {
  for (auto& mates : mates_) mates.clear();
  for (const std::uint32_t row : batch) {
    for (std::size_t level = 0; std::cmp_less(level, graph_.levels[row]); ++level)
      mates_[level].push_back(row);
  }
  for (Path& path : paths_) path.fill(kNone);
  ForEach(empty_ ? 0 : batch.size(), options_.threads, [&](std::size_t i, std::size_t worker) {
    try {
      Descend(i, batch[i], &workers_[worker]);
    } catch (const std::bad_alloc&) {
      failed_ = true;
    }
  });
  std::vector<std::uint32_t> turns(batch.size());
  for (std::uint32_t i = 0; i < turns.size(); ++i) turns[i] = i;
  std::sort(turns.begin(), turns.end(), [&](std::uint32_t a, std::uint32_t b) {
    for (std::size_t level = graph_.top_level; level > 0; --level) {
      if (paths_[a][level] != paths_[b][level]) return paths_[a][level] < paths_[b][level];
    }
    return a < b;
  });
  ForEach(batch.size(), options_.threads, [&](std::size_t i, std::size_t worker) {
    try {
      FindLinks(turns[i], batch[turns[i]], &workers_[worker]);
    } catch (const std::bad_alloc&) {
      failed_ = true;
    }
  });
  for (std::size_t level = 0; level < mates_.size() && !mates_[level].empty(); ++level)
    LinkBack(batch, level);
  for (const std::uint32_t row : batch) {
    const auto top = static_cast<std::uint32_t>(graph_.levels[row] - 1);
    if (empty_ || top > graph_.top_level) {
      graph_.entry = row;
      graph_.top_level = top;
    }
    empty_ = false;
  }
}

void Builder::FindLinks(std::size_t i, std::uint32_t row, Worker* worker) {
  const CodeRows& codes = rows_.codes;
  WalkScratch& scratch = worker->scratch;
  scratch.query.SetRow(codes, row);
  DequantizeI8(codes.codes + std::size_t{row} * codes.dim, codes.dim, codes.scale,
               worker->values.data());
  if (!rows_.sketcher->Prepare(worker->values.data(), &scratch.sketch).ok()) failed_ = true;
  const auto levels = static_cast<std::size_t>(graph_.levels[row]);
  std::uint32_t start = levels <= graph_.top_level ? paths_[i][levels] : graph_.entry;
  const auto ef = static_cast<std::size_t>(options_.ef_construction);
  const WalkRequest request{.k = ef, .ef = ef, .margin = VectorIndex::kNoMargin};
  for (std::size_t level = levels; level-- > 0;) {
    LevelLinks links = Level(level);
    worker->near.clear();
    if (!empty_ && level <= graph_.top_level) {
      BeamWalker<LevelLinks> walker(walked_, links, request, codes.codes, codes.dim,
                                    scratch.query.offset, &scratch);
      walker.Beam([&](std::uint32_t to) { return Distance(*worker, to); }, start);
      walker.End();
      worker->near = scratch.found;
      start = worker->near.front().id;
    }
    AddMates(row, level, worker);
    worker->selector.Keep(links.slots(), &worker->near);
    links.Set(row, worker->near);
    chosen_[level][i] = worker->near;
  }
}

void Builder::Descend(std::size_t i, std::uint32_t row, Worker* worker) {
  worker->scratch.query.SetRow(rows_.codes, row);
  std::uint32_t at = graph_.entry;
  std::int32_t nearest = Distance(*worker, at);
  for (std::size_t level = graph_.top_level; level > 0; --level) {
    const LevelLinks links = Level(level);
    // Each round ends strictly nearer, so it ends.
    for (bool moved = true; moved;) {
      moved = false;
      const auto list = links.List(at);
      for (const std::uint32_t link : list) PrefetchCodes(rows_.codes, link);
      for (const std::uint32_t link : list) {
        const std::int32_t distance = Distance(*worker, link);
        if (distance < nearest) {
          nearest = distance;
          at = link;
          moved = true;
        }
      }
    }
    paths_[i][level] = at;
  }
}

void Builder::AddMates(std::uint32_t row, std::size_t level, Worker* worker) {
  auto& near = worker->near;
  auto& mates = worker->mates;
  const auto ef = static_cast<std::size_t>(options_.ef_construction);
  const bool full = near.size() == ef;
  const CodeQuery& query = worker->scratch.query;
  const float bar = full ? static_cast<float>((near.back().distance + query.offset) / query.unit)
                         : std::numeric_limits<float>::quiet_NaN();
  mates.resize(mates_[level].size());
  const std::size_t count =
      SketchBelow(worker->scratch.sketch, rows_.sketches, mates_[level].data(), mates.size(), bar,
                  kSlack, mates.data(), {});
  const std::int32_t bound = full ? near.back().distance : std::numeric_limits<std::int32_t>::max();
  const std::size_t before = near.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (mates[i] == row) continue;
    const std::int32_t distance = Distance(*worker, mates[i]);
    if (distance < bound) near.push_back({distance, mates[i]});
  }
  if (near.size() == before) return;
  std::sort(near.begin(), near.end(), Nearer);
  if (near.size() > ef) near.resize(ef);
}

void Builder::LinkBack(std::span<const std::uint32_t> batch, std::size_t level) {
  backs_.clear();
  targets_.clear();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (std::cmp_greater_equal(level, graph_.levels[batch[i]])) continue;
    for (const Candidate& link : chosen_[level][i]) {
      std::uint32_t& head = heads_[link.id];
      if (head == kNone) targets_.push_back(link.id);
      backs_.push_back({batch[i], head});
      head = static_cast<std::uint32_t>(backs_.size() - 1);
    }
  }
  LevelLinks links = Level(level);
  ForEach(targets_.size(), options_.threads, [&](std::size_t i, std::size_t worker) {
    try {
      GiveBack(targets_[i], &links, &workers_[worker]);
    } catch (const std::bad_alloc&) {
      failed_ = true;
    }
  });
  for (const std::uint32_t target : targets_) heads_[target] = kNone;
}

void Builder::GiveBack(std::uint32_t target, LevelLinks* links, Worker* worker) {
  const auto list = links->List(target);
  auto& near = worker->near;
  near.clear();
  for (std::uint32_t i = heads_[target]; i != kNone; i = backs_[i].next) {
    // Rows of one batch may have found each other.
    if (std::find(list.begin(), list.end(), backs_[i].source) == list.end())
      near.push_back({0, backs_[i].source});
  }
  if (list.size() + near.size() <= links->slots()) {
    links->Append(target, near);
    return;
  }
  // All of them anew: which of these distances were known before is not kept.
  for (const std::uint32_t link : list) near.push_back({0, link});
  worker->selector.Measure(target, &near);
  std::sort(near.begin(), near.end(), Nearer);
  worker->selector.Keep(links->slots(), &near);
  links->Set(target, near);
}

Result<SlottedGraph> Build(const HnswRows& rows, const VectorIndexOptions& options,
                           const HnswOrder& order, const SlottedGraph* before, std::size_t first) {
  try {
    const std::size_t count = order.rows.size();
    const std::size_t shown = std::max(first, count - order.held_out);
    Builder builder(rows, options, order);
    EQUIPOISE_RETURN_IF_ERROR(builder.Prepare(before, first));
    EQUIPOISE_RETURN_IF_ERROR(builder.Link(first, shown));
    if (order.measure && shown > 0) EQUIPOISE_RETURN_IF_ERROR(order.measure(builder.graph()));
    EQUIPOISE_RETURN_IF_ERROR(builder.Link(shown, count));
    EQUIPOISE_RETURN_IF_ERROR(builder.Report(count));
    return std::move(builder.graph());
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

}  // namespace

std::vector<Copy> FindCopies(std::span<const std::uint8_t> codes, std::size_t dim) {
  const std::size_t rows = codes.size() / dim;
  struct Hashed {
    std::uint64_t hash;
    std::uint32_t row;
  };
  const auto row = [&](std::size_t i) { return codes.subspan(i * dim, dim); };
  std::vector<Hashed> hashed(rows);
  for (std::size_t i = 0; i < rows; ++i)
    hashed[i] = {Checksum(std::as_bytes(row(i))), static_cast<std::uint32_t>(i)};
  std::sort(hashed.begin(), hashed.end(), [](const Hashed& a, const Hashed& b) {
    return a.hash < b.hash || (a.hash == b.hash && a.row < b.row);
  });
  std::vector<Copy> out;
  for (std::size_t begin = 0, end = 0; begin < rows; begin = end) {
    const auto original = row(hashed[begin].row);
    for (end = begin + 1; end < rows && hashed[end].hash == hashed[begin].hash; ++end) {
      // Other codes of the same hash, should that ever happen, are linked as any other row.
      if (std::equal(original.begin(), original.end(), row(hashed[end].row).begin()))
        out.push_back({hashed[begin].row, hashed[end].row});
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<SlottedGraph> BuildHnsw(const HnswRows& rows, const VectorIndexOptions& options,
                               const HnswOrder& order) {
  return Build(rows, options, order, nullptr, 0);
}

Result<SlottedGraph> ExtendHnsw(const SlottedGraph& graph, std::size_t first, const HnswRows& rows,
                                const VectorIndexOptions& options, const HnswOrder& order) {
  return Build(rows, options, order, &graph, first);
}

}  // namespace equipoise
