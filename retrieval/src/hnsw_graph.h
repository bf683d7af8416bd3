// The graph that FAISS built, read from its stream, and the walk through it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/retrieval/vector_index.h>

namespace equipoise {

// Scratch of one thread's walks, kept between them.
struct WalkScratch {
  struct Candidate {
    std::int32_t distance;
    std::uint32_t id;
    bool expanded;
  };
  std::vector<std::uint16_t> visited;  // the epoch in which a node was seen last
  std::uint16_t epoch = 0;
  std::vector<Candidate> beam;  // nearest first
  std::vector<std::uint32_t> fresh;
  std::vector<std::uint8_t> query_codes;
  std::vector<std::int8_t> query;
};

// Links on the heap, codes in the stream.
// Threads  const after parsing; a scratch belongs to one thread
class HnswGraph {
 public:
  // Reads an IndexHNSWSQ stream and checks everything that a walk follows, so that no bytes can
  // lead it outside the arrays. `stream` must outlive the graph.
  // Errors   kCorruption (without the file's name)
  static Result<HnswGraph> Parse(std::span<const std::byte> stream, std::size_t rows,
                                 std::size_t dim, Metric metric);

  // Fills scratch.beam with up to ef nodes near the query, nearest first by code distance.
  // Shapes   query [dim], scaled as the rows are that were encoded
  // Range    ef >= 1; rows >= 1
  // Source   Malkov and Yashunin 2016, arXiv:1603.09320, algorithms 2 and 5; the beam as one sorted
  //          array as in Fu et al. 2017, arXiv:1707.00143
  void Walk(const float* query, std::size_t ef, WalkScratch* scratch) const;

  std::uint64_t code_bytes() const { return std::uint64_t{rows_} * dim_; }
  std::uint64_t link_bytes() const {
    return neighbors_.size() * sizeof(std::int32_t) + offsets_.size() * sizeof(std::uint64_t);
  }
  float code_scale() const { return code_scale_; }
  float code_center() const { return code_center_; }

 private:
  Status CheckLinks(std::span<const std::int32_t> levels,
                    std::span<const std::int32_t> level_ends) const;
  std::span<const std::int32_t> Links(std::uint32_t node, std::size_t level) const {
    const std::int32_t* list = neighbors_.data() + offsets_[node];
    return {list + level_ends_[level], list + level_ends_[level + 1]};
  }
  template <typename Distance>
  void WalkWith(const Distance& distance, std::size_t ef, WalkScratch* scratch) const;

  std::size_t rows_ = 0;
  std::size_t dim_ = 0;
  Metric metric_ = Metric::kCosine;
  float code_scale_ = 0;
  float code_center_ = 0;
  std::uint32_t entry_ = 0;
  std::size_t top_level_ = 0;
  std::vector<std::int32_t> level_ends_;  // where the list of each level begins within a node's
  std::vector<std::uint64_t> offsets_;
  std::vector<std::int32_t> neighbors_;  // -1 ends a list that is not full
  const std::uint8_t* codes_ = nullptr;
};

}  // namespace equipoise
