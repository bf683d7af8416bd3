// What an open vector index holds, and the parts of a search.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <equipoise/core/checked_file.h>
#include <equipoise/core/status.h>
#include <equipoise/kernels/link_sketch.h>
#include <equipoise/kernels/sketch.h>
#include <equipoise/kernels/topk.h>
#include <equipoise/retrieval/vector_index.h>

#include "hnsw_walk.h"
#include "rescored_rows.h"
#include "sketch_scan.h"
#include "stored_rows.h"
#include "vector_files.h"

namespace equipoise {

inline std::size_t CountBits(std::span<const std::uint64_t> words) {
  std::size_t out = 0;
  for (const std::uint64_t word : words) out += static_cast<std::size_t>(std::popcount(word));
  return out;
}

// Collections of fewer rows are small. For 100 of 3,204 rows (cacm) a scan takes a quarter of the time of a
// walk, of 11,426 (npl) a sixth more (Sapphire Rapids).
inline constexpr std::size_t kScannedRows = 8000;

struct VectorIndex::State {
  CheckedFile vectors;
  CheckedFile graph_file;
  StoredRows rows;
  VectorIndexSettings settings;
  // Where settings.has_graph.
  HnswGraph graph;
  std::optional<Sketcher> sketcher;
  std::span<const std::byte> sketches;
  SketchScan scan;  // where small() and there are sketches
  std::optional<LinkSketcher> link_sketcher;
  std::span<const std::byte> groups;
  std::span<const Copy> copies;  // rows that the graph does not link, by original
  std::span<const RecallPoint> recall;
  float target = 0;
  // One bit a row that was not deleted; empty where none was.
  std::vector<std::uint64_t> alive;
  std::vector<std::uint64_t> alive_linked;  // and those that have a copy that was not deleted
  std::size_t live = 0;

  // The graph points into this.
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  Status Load(const std::string& vectors_path, const std::string& graph_path);
  Status LoadCodes(const GraphInfo& built);
  Status LoadGraph(const GraphInfo& built);
  Status LoadSketches(const GraphInfo& built);
  Status LoadGroups(const GraphInfo& built);

  struct Limits {
    std::size_t ef;
    float margin;
  };
  float MarginFor(float wanted) const;
  Limits LimitsFor(const SearchParams& params, std::size_t k) const;

  Status NotANumber(std::uint32_t row) const {
    return Status(Code::kCorruption,
                  "a stored vector gives no number as its score: the file has changed; verify the "
                  "index",
                  {.file = vectors.path(), .row = row});
  }
  static void KeepBest(std::size_t k, std::vector<Scored>* out) {
    const std::size_t kept = std::min(k, out->size());
    const auto better = [](const Scored& a, const Scored& b) { return Better(a, b); };
    // Where most stay, sorting all is faster than a heap of those that do.
    if (2 * kept > out->size())
      std::sort(out->begin(), out->end(), better);
    else
      std::partial_sort(out->begin(), out->begin() + static_cast<std::ptrdiff_t>(kept), out->end(),
                        better);
    out->resize(kept);
  }

  // Appends rows with their exact scores.
  Status Rescore(const PreparedQuery& query, std::span<const std::uint32_t> ids,
                 std::vector<Scored>* out) const;
  // The ways to answer: the k best to *out.
  Status Scan(const PreparedQuery& query, const std::uint64_t* allowed, std::size_t k,
              StopCheck* stop, std::vector<Scored>* out) const;
  // The same for many queries, through the batched kernels.
  Result<std::vector<std::vector<Scored>>> ScanMany(const MatrixView<float>& queries, std::size_t k,
                                                    int threads) const;
  // By sketches and codes first, the best of them by their rows.
  Status ScanCodes(const PreparedQuery& query, const std::uint64_t* allowed, std::size_t rescored,
                   bool asked, std::size_t k, StopCheck* stop, WalkScratch* scratch,
                   VectorSearchReport* report, std::vector<Scored>* out) const;
  // The same of every row of a small collection, all sketches first.
  Status ScanSmall(const PreparedQuery& query, std::size_t rescored, bool asked, std::size_t k,
                   WalkScratch* scratch, VectorSearchReport* report,
                   std::vector<Scored>* out) const;
  bool small() const { return rows.info.rows < kScannedRows; }
  // False where it found fewer than k, because the links do not lead to them.
  // `allowed`: request.allowed without those that are walked to for their copies
  Result<bool> Walk(const PreparedQuery& query, const WalkRequest& request,
                    const std::uint64_t* allowed, std::size_t rescored, bool asked, std::size_t k,
                    WalkScratch* scratch, VectorSearchReport* report,
                    std::vector<Scored>* out) const;
  // Adds the originals of allowed copies: only they are linked.
  void AddOriginals(std::vector<std::uint64_t>* allowed) const {
    for (const Copy& pair : copies) {
      if ((((*allowed)[pair.copy / 64] >> (pair.copy % 64)) & 1) != 0)
        (*allowed)[pair.original / 64] |= std::uint64_t{1} << (pair.original % 64);
    }
  }
  // Errors   kInvalidArgument
  Status Check(const SearchParams& params) const;
  // Chooses among them.
  Status Find(const PreparedQuery& query, const SearchParams& params, VectorSearchReport* report,
              std::vector<Scored>* out) const;
  std::uint64_t BytesOf(const VectorSearchReport& report) const;
};

// For what converts and changes indexes.
class VectorIndexAccess {
 public:
  static const auto& StateOf(const VectorIndex& index) { return *index.state_; }
};

}  // namespace equipoise
