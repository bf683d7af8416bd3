// Items on the device, and the calls that score queries against them.
#pragma once

#include "cuda/workspace.h"

namespace equipoise::cuda {

class ItemSet {
 public:
  ItemSet(const EquipoiseCudaVectors& items, Distance distance, bool tf32);

  void Similarity(const EquipoiseCudaVectors& queries, float* out) const;
  void TopK(const EquipoiseCudaVectors& queries, std::uint32_t k, EquipoiseCudaScored* out) const;

 private:
  /// One batch of at most PassRows queries.
  struct Pass;

  void Stage(const EquipoiseCudaVectors& queries, std::uint64_t first, const Pass& pass) const;
  void Prepare(const Pass& pass) const;
  void Product(const Pass& pass, std::uint32_t tile) const;
  ScoreTile TileOf(const Pass& pass, std::uint32_t tile) const;
  void Merge(const Pass& pass, cudaStream_t stream) const;
  void EnqueueTopK(const Pass& pass) const;
  void RunTopK(const Pass& pass) const;

  ItemShape shape_;
  Distance distance_;
  ScoreKind kind_;
  bool tf32_;
  float scale_;
  std::uint64_t serial_;
  Memory items_{Memory::Kind::kDevice};
  Memory aux_{Memory::Kind::kDevice};
};

}  // namespace equipoise::cuda
