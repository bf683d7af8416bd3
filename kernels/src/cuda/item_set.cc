#include "cuda/item_set.h"

#include <atomic>
#include <cstring>

#include "cpu/half.h"
#include "cuda/kernels.h"

namespace equipoise::cuda {
namespace {

// Nodes of a graph for which it is still worth recording.
constexpr std::uint32_t kMostGraphTiles = 4096;

std::uint64_t NextSerial() {
  static std::atomic<std::uint64_t> serial{0};
  return ++serial;
}

cudaDataType_t BlasType(Type type) {
  switch (type) {
    case Type::kFloat32:
      return CUDA_R_32F;
    case Type::kFloat16:
      return CUDA_R_16F;
    case Type::kBFloat16:
      return CUDA_R_16BF;
    case Type::kInt8:
      break;
  }
  return CUDA_R_8I;
}

float Widen(std::uint16_t bits, Type type) {
  return type == Type::kFloat16 ? HalfToFloatBits(bits)
                                : std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

}  // namespace

struct ItemSet::Pass {
  Workspace* workspace;
  PassPlan plan;
  Type type;    // of the queries as given
  Type staged;  // and as they lie in the workspace
  float factor;

  char* at(std::size_t offset) const { return workspace->arena.data() + offset; }
  /// Where the pass's results come out on the host.
  char* found() const { return workspace->out.data(); }
};

ItemSet::ItemSet(const EquipoiseCudaVectors& items, Distance distance, bool tf32)
    : shape_(MakeItemShape(items.rows, items.cols, static_cast<Type>(items.type))),
      distance_(distance),
      kind_(KindOf(shape_.type, distance)),
      tf32_(tf32),
      scale_(items.scale),
      serial_(NextSerial()) {
  items_.Grow(shape_.bytes());
  const Lease lease;
  const cudaStream_t stream = lease->main;
  const std::size_t element = TypeBytes(shape_.type);
  const std::size_t copied = items.rows * shape_.row_bytes();
  const bool padded_columns = shape_.stride != shape_.cols;
  if (padded_columns) {
    Check(cudaMemsetAsync(items_.data(), 0, shape_.bytes(), stream), "cudaMemset");
  } else if (shape_.bytes() > copied) {
    Check(cudaMemsetAsync(items_.data() + copied, 0, shape_.bytes() - copied, stream),
          "cudaMemset");
  }
  if (!padded_columns && items.stride == items.cols) {
    Check(cudaMemcpyAsync(items_.data(), items.data, copied, cudaMemcpyHostToDevice, stream),
          "cudaMemcpy of items");
  } else {
    Check(cudaMemcpy2DAsync(items_.data(), shape_.row_bytes(), items.data, items.stride * element,
                            items.cols * element, items.rows, cudaMemcpyHostToDevice, stream),
          "cudaMemcpy2D of items");
  }
  if (shape_.type == Type::kInt8) {
    const SignArgs sign{reinterpret_cast<std::uint8_t*>(items_.data()), shape_.rows, shape_.cols,
                        shape_.stride};
    Check(LaunchSign(sign, stream), "sign kernel");
  }
  if (kind_ == ScoreKind::kCosine && shape_.type == Type::kFloat32) {
    // Unit vectors: the cosine is their inner product, and no score can overflow.
    const NormalizeArgs unit{reinterpret_cast<float*>(items_.data()), shape_.cols, shape_.stride,
                             0};
    Check(LaunchNormalize(unit, shape_.rows, stream), "normalization kernel");
    kind_ = ScoreKind::kInnerProduct;
  }
  if (NeedsAux(kind_)) {
    aux_.Grow(4 * shape_.rows);
    const NormArgs norms{items_.data(), shape_.rows,
                         shape_.cols,   shape_.stride,
                         AuxOf(kind_),  reinterpret_cast<std::uint32_t*>(aux_.data())};
    Check(LaunchNorms(shape_.type, norms, stream), "norm kernel");
  }
  Check(cudaStreamSynchronize(stream), "upload of items");
}

// Copies queries into pinned memory, rows as wide as the items', zeros around them.
void ItemSet::Stage(const EquipoiseCudaVectors& queries, std::uint64_t first,
                    const Pass& pass) const {
  char* const to = pass.workspace->in.data();
  const std::size_t element = TypeBytes(pass.type);
  const std::size_t row_bytes = shape_.stride * TypeBytes(pass.staged);
  const std::size_t used = shape_.cols * TypeBytes(pass.staged);
  for (std::uint32_t i = 0; i < pass.plan.padded_rows; ++i) {
    char* const row = to + i * row_bytes;
    if (i >= pass.plan.rows) {
      std::memset(row, 0, row_bytes);
      continue;
    }
    const char* from =
        static_cast<const char*>(queries.data) + (first + i) * queries.stride * element;
    if (pass.type == Type::kInt8) {
      for (std::uint32_t j = 0; j < shape_.cols; ++j)
        row[j] = static_cast<char>(static_cast<unsigned char>(from[j]) ^ 0x80u);
    } else if (pass.type == pass.staged) {
      std::memcpy(row, from, used);
    } else {
      for (std::uint32_t j = 0; j < shape_.cols; ++j) {
        std::uint16_t bits;
        std::memcpy(&bits, from + j * 2, 2);
        const float wide = Widen(bits, pass.type);
        std::memcpy(row + j * 4, &wide, 4);
      }
    }
    std::memset(row + used, 0, row_bytes - used);
  }
}

// Queries on the device, with what their scores need.
void ItemSet::Prepare(const Pass& pass) const {
  const PassPlan& plan = pass.plan;
  const cudaStream_t stream = pass.workspace->main;
  Check(cudaMemcpyAsync(pass.at(plan.queries), pass.workspace->in.data(), plan.query_bytes,
                        cudaMemcpyHostToDevice, stream),
        "cudaMemcpy of queries");
  if (distance_ == Distance::kCosine && pass.staged == Type::kFloat32) {
    const NormalizeArgs unit{reinterpret_cast<float*>(pass.at(plan.queries)), shape_.cols,
                             shape_.stride, 0};
    Check(LaunchNormalize(unit, plan.rows, stream), "normalization kernel");
  } else if (NeedsAux(kind_)) {
    const NormArgs norms{
        pass.at(plan.queries), plan.rows,    shape_.cols,
        shape_.stride,         AuxOf(kind_), reinterpret_cast<std::uint32_t*>(pass.at(plan.aux))};
    Check(LaunchNorms(pass.staged, norms, stream), "norm kernel");
  }
  if (plan.parts > 1) {
    const SplitArgs split{reinterpret_cast<const float*>(pass.at(plan.queries)),
                          shape_.cols,
                          shape_.stride,
                          plan.parts,
                          PartScale(shape_.type),
                          plan.part_bytes(shape_),
                          pass.at(plan.split),
                          reinterpret_cast<float*>(pass.at(plan.unscale))};
    // The rows of zeros too: their products are never read, but must not be of leftover bits.
    Check(cudaMemsetAsync(pass.at(plan.split), 0, plan.parts * plan.part_bytes(shape_), stream),
          "cudaMemset");
    Check(LaunchSplit(shape_.type, split, plan.rows, stream), "split kernel");
  }
}

void ItemSet::Product(const Pass& pass, std::uint32_t tile) const {
  const PassPlan& plan = pass.plan;
  const std::uint64_t first = std::uint64_t{tile} * plan.tile_columns;
  const char* const items = items_.data() + first * shape_.row_bytes();
  char* const out = pass.at(plan.tile[tile % 2]);
  if (plan.dot_queries > 0) {
    const auto count =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(plan.tile_columns, shape_.rows - first));
    const DotArgs dot{
        items, pass.at(plan.queries), static_cast<std::uint32_t>(shape_.row_bytes()), count,
        out,   plan.tile_columns};
    Check(LaunchDot(shape_.type, plan.dot_queries, dot, ThisDevice().processors,
                    pass.workspace->main),
          "dot kernel");
    return;
  }
  const auto columns = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(plan.tile_columns, shape_.padded_rows() - first));
  const GemmShape shape =
      MakeGemm(plan.parts * plan.padded_rows, columns, shape_.stride, plan.tile_columns);
  const void* const queries = pass.at(plan.parts > 1 ? plan.split : plan.queries);
  const cudaDataType_t type = BlasType(shape_.type);
  const bool codes = shape_.type == Type::kInt8;
  const std::int32_t int_one = 1;
  const std::int32_t int_zero = 0;
  const float one = 1;
  const float zero = 0;
  const cublasComputeType_t compute = codes ? CUBLAS_COMPUTE_32I
                                      : shape_.type == Type::kFloat32 && tf32_
                                          ? CUBLAS_COMPUTE_32F_FAST_TF32
                                          : CUBLAS_COMPUTE_32F;
  Check(cublasGemmEx(pass.workspace->blas, CUBLAS_OP_T, CUBLAS_OP_N, shape.m, shape.n, shape.k,
                     codes ? static_cast<const void*>(&int_one) : &one, items, type, shape.lda,
                     queries, type, shape.ldb, codes ? static_cast<const void*>(&int_zero) : &zero,
                     out, codes ? CUDA_R_32I : CUDA_R_32F, shape.ldc, compute, CUBLAS_GEMM_DEFAULT),
        "cublasGemmEx");
}

ScoreTile ItemSet::TileOf(const Pass& pass, std::uint32_t tile) const {
  const PassPlan& plan = pass.plan;
  const std::uint64_t first = std::uint64_t{tile} * plan.tile_columns;
  ScoreTile out{};
  out.products = pass.at(plan.tile[tile % 2]);
  out.ld = plan.tile_columns;
  out.rows = plan.rows;
  out.columns =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(plan.tile_columns, shape_.rows - first));
  out.first = static_cast<std::uint32_t>(first);
  out.parts = plan.parts;
  out.part_rows = plan.padded_rows;
  out.part_scale = PartScale(shape_.type);
  out.unscale = reinterpret_cast<const float*>(pass.at(plan.unscale));
  if (NeedsAux(kind_)) {
    out.item_aux = reinterpret_cast<const std::uint32_t*>(aux_.data());
    // Queries that Prepare made unit vectors need no norm.
    if (distance_ != Distance::kCosine || pass.staged != Type::kFloat32)
      out.query_aux = reinterpret_cast<const std::uint32_t*>(pass.at(plan.aux));
  }
  out.factor = pass.factor;
  return out;
}

void ItemSet::Merge(const Pass& pass, cudaStream_t stream) const {
  const PassPlan& plan = pass.plan;
  MergeArgs args{};
  args.in = reinterpret_cast<const std::uint64_t*>(pass.at(plan.lists));
  args.counts = reinterpret_cast<const std::uint32_t*>(pass.at(plan.counts));
  args.lists = plan.slices;
  args.stride = plan.capacity;
  args.fan = 1;
  args.k = plan.k;
  args.kind = kind_;
  args.factor = pass.factor;
  args.query_aux = TileOf(pass, 0).query_aux;
  std::uint32_t most = plan.capacity;
  for (int round = 0;; ++round) {
    const std::uint32_t left = CeilDivide(args.lists, args.fan);
    if (left == 1) {
      args.found = reinterpret_cast<MergeArgs::Found*>(pass.at(plan.found));
    } else {
      args.out = reinterpret_cast<std::uint64_t*>(pass.at(plan.merge[round % 2]));
    }
    Check(LaunchMerge(args, plan.rows, most, stream), "merge kernel");
    if (left == 1) return;
    args.in = args.out;
    args.counts = nullptr;
    args.lists = left;
    args.stride = plan.k;
    args.fan = plan.fan;
    most = std::min(plan.fan, left) * plan.k;
  }
}

// Products on one stream, candidates on the other: while a tile is looked through, the next one is
// computed. All of it may be recorded into a graph.
void ItemSet::EnqueueTopK(const Pass& pass) const {
  const PassPlan& plan = pass.plan;
  Workspace& workspace = *pass.workspace;
  const bool two = plan.tiles > 1;
  const cudaStream_t main = workspace.main;
  const cudaStream_t scans = two ? workspace.side : main;
  Prepare(pass);
  Check(cudaMemsetAsync(pass.at(plan.counts), 0, plan.zeroed_bytes, main), "cudaMemset");
  if (two) {
    Check(cudaEventRecord(workspace.started, main), "cudaEventRecord");
    Check(cudaStreamWaitEvent(scans, workspace.started, 0), "cudaStreamWaitEvent");
  }
  for (std::uint32_t tile = 0; tile < plan.tiles; ++tile) {
    const std::uint32_t buffer = tile % 2;
    if (tile >= 2)
      Check(cudaStreamWaitEvent(main, workspace.scan_done[buffer], 0), "cudaStreamWaitEvent");
    Product(pass, tile);
    if (two) {
      Check(cudaEventRecord(workspace.product_done[buffer], main), "cudaEventRecord");
      Check(cudaStreamWaitEvent(scans, workspace.product_done[buffer], 0), "cudaStreamWaitEvent");
    }
    const ScanArgs scan{TileOf(pass, tile),
                        plan.slices,
                        plan.k,
                        plan.capacity,
                        reinterpret_cast<std::uint64_t*>(pass.at(plan.lists)),
                        reinterpret_cast<std::uint32_t*>(pass.at(plan.counts)),
                        reinterpret_cast<std::uint32_t*>(pass.at(plan.floors))};
    Check(LaunchScan(kind_, scan, scans), "scan kernel");
    if (two) Check(cudaEventRecord(workspace.scan_done[buffer], scans), "cudaEventRecord");
  }
  Merge(pass, scans);
  Check(cudaMemcpyAsync(pass.found(), pass.at(plan.found), plan.found_bytes, cudaMemcpyDeviceToHost,
                        scans),
        "cudaMemcpy of results");
  if (two) {
    Check(cudaEventRecord(workspace.ended, scans), "cudaEventRecord");
    Check(cudaStreamWaitEvent(main, workspace.ended, 0), "cudaStreamWaitEvent");
  }
}

// A shape that comes a second time is recorded as a graph: one launch for all its kernels.
void ItemSet::RunTopK(const Pass& pass) const {
  Workspace& workspace = *pass.workspace;
  const GraphKey key{serial_, pass.plan.rows, pass.plan.k, pass.type, pass.factor};
  Graph* graph = workspace.FindGraph(key);
  if (graph == nullptr) {
    EnqueueTopK(pass);
    workspace.AddGraph(key);
    return;
  }
  if (graph->exec == nullptr && !graph->refused && pass.plan.tiles <= kMostGraphTiles) {
    graph->refused = true;
    cudaGraph_t recorded = nullptr;
    if (cudaStreamBeginCapture(workspace.main, cudaStreamCaptureModeThreadLocal) == cudaSuccess) {
      bool complete = true;
      try {
        EnqueueTopK(pass);
      } catch (const Failure&) {
        complete = false;
      }
      const bool ended = cudaStreamEndCapture(workspace.main, &recorded) == cudaSuccess;
      if (complete && ended && recorded != nullptr &&
          cudaGraphInstantiateWithFlags(&graph->exec, recorded, 0) == cudaSuccess) {
        graph->refused = false;
      } else {
        graph->exec = nullptr;
      }
      if (recorded != nullptr) cudaGraphDestroy(recorded);
    }
    cudaGetLastError();  // a graph that cannot be had is no error: the calls run one by one
  }
  if (graph->exec != nullptr) {
    Check(cudaGraphLaunch(graph->exec, workspace.main), "cudaGraphLaunch");
  } else {
    EnqueueTopK(pass);
  }
}

namespace {

float FactorOf(const EquipoiseCudaVectors& queries, Type items, Distance distance, float scale) {
  if (items != Type::kInt8) return 1.0f;
  return distance == Distance::kL2 ? 1.0f / (scale * scale) : 1.0f / (queries.scale * scale);
}

Type StagedType(const PassPlan& plan, Type queries) {
  return plan.dot_queries > 0 && queries != Type::kInt8 ? Type::kFloat32 : queries;
}

}  // namespace

void ItemSet::TopK(const EquipoiseCudaVectors& queries, std::uint32_t k,
                   EquipoiseCudaScored* out) const {
  const auto type = static_cast<Type>(queries.type);
  const std::uint32_t most = PassRows(PartsOf(shape_.type, type));
  const Lease lease;
  for (std::uint64_t first = 0; first < queries.rows; first += most) {
    const auto rows =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(most, queries.rows - first));
    Pass pass{&*lease, PlanPass(ThisDevice(), shape_, type, rows, k), type, type,
              FactorOf(queries, shape_.type, distance_, scale_)};
    pass.staged = StagedType(pass.plan, type);
    lease->Reserve(pass.plan.bytes, pass.plan.query_bytes, pass.plan.found_bytes);
    Stage(queries, first, pass);
    RunTopK(pass);
    Check(cudaStreamSynchronize(lease->main), "top-k on the device");
    std::memcpy(out + first * k, pass.found(), pass.plan.found_bytes);
  }
}

void ItemSet::Similarity(const EquipoiseCudaVectors& queries, float* out) const {
  const auto type = static_cast<Type>(queries.type);
  const std::uint32_t most = PassRows(PartsOf(shape_.type, type));
  const Lease lease;
  for (std::uint64_t first = 0; first < queries.rows; first += most) {
    const auto rows =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(most, queries.rows - first));
    Pass pass{&*lease, PlanPass(ThisDevice(), shape_, type, rows, 0), type, type,
              FactorOf(queries, shape_.type, distance_, scale_)};
    pass.staged = StagedType(pass.plan, type);
    lease->Reserve(pass.plan.bytes, pass.plan.query_bytes, 0);
    Stage(queries, first, pass);
    Prepare(pass);
    for (std::uint32_t tile = 0; tile < pass.plan.tiles; ++tile) {
      Product(pass, tile);
      // Scores take the place of the products, one of each.
      const ScoreTile scores = TileOf(pass, tile);
      const ScoreArgs args{scores, reinterpret_cast<float*>(pass.at(pass.plan.tile[tile % 2]))};
      Check(LaunchScore(kind_, args, lease->main), "score kernel");
      Check(cudaMemcpy2DAsync(out + first * shape_.rows + scores.first, 4 * shape_.rows, args.out,
                              4 * scores.ld, std::size_t{4} * scores.columns, rows,
                              cudaMemcpyDeviceToHost, lease->main),
            "cudaMemcpy2D of scores");
    }
    Check(cudaStreamSynchronize(lease->main), "similarity on the device");
  }
}

}  // namespace equipoise::cuda
