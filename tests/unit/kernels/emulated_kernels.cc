// kernels.h on the host: the bodies that kernels.cu compiles for the device, on emulated blocks. These
// are smaller than the device's, for speed; gpu_select_test.cc and gpu_rows_test.cc have the full size.
#include "cuda/kernels.h"
#include "emulated_block.h"
#include "fake_cuda.h"

namespace equipoise::cuda {
namespace {

constexpr unsigned kEmulated = 64;

// Under the fake runtime's lock, as all that is queued.
Emulator& TheEmulator() {
  static Emulator emulator(5, kEmulated);
  return emulator;
}

template <typename Args, typename Body>
cudaError_t Launch(cudaStream_t stream, unsigned x, unsigned y, std::size_t shared,
                   const Args& args, const Body& body) {
  if (x == 0 || y == 0 || y > 65535 || shared > (std::size_t{48} << 10))
    return cudaErrorInvalidConfiguration;
  return FakeEnqueue(stream, [=] {
    TheEmulator().Run(x, y, shared, [&](EmulatedBlock& block) { body(block, args); });
  });
}

constexpr std::size_t kReduceBytes = kThreads * sizeof(double);

// Calls body<kind>.
template <template <ScoreKind> class Body, typename Args>
cudaError_t ForKind(ScoreKind kind, cudaStream_t stream, unsigned x, unsigned y, std::size_t shared,
                    const Args& args) {
  switch (kind) {
    case ScoreKind::kCodesInnerProduct:
      return Launch(stream, x, y, shared, args, Body<ScoreKind::kCodesInnerProduct>());
    case ScoreKind::kCodesL2:
      return Launch(stream, x, y, shared, args, Body<ScoreKind::kCodesL2>());
    case ScoreKind::kCodesCosine:
      return Launch(stream, x, y, shared, args, Body<ScoreKind::kCodesCosine>());
    case ScoreKind::kInnerProduct:
      return Launch(stream, x, y, shared, args, Body<ScoreKind::kInnerProduct>());
    case ScoreKind::kL2:
      return Launch(stream, x, y, shared, args, Body<ScoreKind::kL2>());
    case ScoreKind::kCosine:
      break;
  }
  return Launch(stream, x, y, shared, args, Body<ScoreKind::kCosine>());
}

template <ScoreKind kKind>
struct Score {
  void operator()(EmulatedBlock& block, const ScoreArgs& args) const {
    ScoreBody<kKind>(block, args);
  }
};
template <ScoreKind kKind>
struct Scan {
  void operator()(EmulatedBlock& block, const ScanArgs& args) const {
    ScanBody<kKind>(block, args);
  }
};

template <typename Element>
cudaError_t Dot(unsigned queries, const DotArgs& args, unsigned processors, cudaStream_t stream) {
  const unsigned x = std::min(CeilDivide(args.count, kDotStep), 4 * processors);
  const std::size_t shared = DotSharedBytes<Element>(args.row_bytes, queries);
  return Launch(stream, x, 1, shared, args, [queries](EmulatedBlock& block, const DotArgs& a) {
    if (queries == 1) {
      DotBody<Element, 1>(block, a);
    } else if (queries == 4) {
      DotBody<Element, 4>(block, a);
    } else {
      DotBody<Element, 8>(block, a);
    }
  });
}

template <typename Element>
cudaError_t Norms(const NormArgs& args, cudaStream_t stream) {
  const auto x = static_cast<unsigned>(CeilDivide<std::uint64_t>(args.count, kEmulated / kWarp));
  return Launch(stream, x, 1, 0, args,
                [](EmulatedBlock& block, const NormArgs& a) { NormBody<Element>(block, a); });
}

template <typename To>
cudaError_t ConvertTo(const ConvertArgs& args, cudaStream_t stream) {
  return Launch(stream, 2, 1, 0, args,
                [](EmulatedBlock& block, const ConvertArgs& a) { ConvertBody<To>(block, a); });
}

}  // namespace

cudaError_t LaunchScore(ScoreKind kind, const ScoreArgs& args, cudaStream_t stream) {
  return ForKind<Score>(kind, stream, CeilDivide(args.tile.columns, kEmulated), args.tile.rows, 0,
                        args);
}
cudaError_t LaunchScan(ScoreKind kind, const ScanArgs& args, cudaStream_t stream) {
  return ForKind<Scan>(kind, stream, args.slices, args.tile.rows,
                       8 * (std::size_t{args.capacity} + 1), args);
}
cudaError_t LaunchMerge(const MergeArgs& args, std::uint32_t rows, std::uint32_t most,
                        cudaStream_t stream) {
  const std::size_t keys = NextPowerOfTwo(std::max(most, args.k));
  return Launch(stream, CeilDivide(args.lists, args.fan), rows, 8 * keys, args,
                [](EmulatedBlock& block, const MergeArgs& a) { MergeBody(block, a); });
}
cudaError_t LaunchDot(Type items, unsigned queries, const DotArgs& args, unsigned processors,
                      cudaStream_t stream) {
  switch (items) {
    case Type::kFloat32:
      return Dot<float>(queries, args, processors, stream);
    case Type::kFloat16:
      return Dot<Half>(queries, args, processors, stream);
    case Type::kBFloat16:
      return Dot<BFloat>(queries, args, processors, stream);
    case Type::kInt8:
      break;
  }
  return Dot<std::int8_t>(queries, args, processors, stream);
}
cudaError_t LaunchNorms(Type rows, const NormArgs& args, cudaStream_t stream) {
  switch (rows) {
    case Type::kFloat32:
      return Norms<float>(args, stream);
    case Type::kFloat16:
      return Norms<Half>(args, stream);
    case Type::kBFloat16:
      return Norms<BFloat>(args, stream);
    case Type::kInt8:
      break;
  }
  return Norms<std::int8_t>(args, stream);
}
cudaError_t LaunchNormalize(NormalizeArgs args, std::uint64_t rows, cudaStream_t stream) {
  return Launch(stream, static_cast<unsigned>(rows), 1, kReduceBytes, args,
                [](EmulatedBlock& block, const NormalizeArgs& a) { NormalizeBody(block, a); });
}
cudaError_t LaunchSoftmax(const SoftmaxArgs& args, std::uint32_t rows, cudaStream_t stream) {
  return Launch(stream, rows, 1, kReduceBytes, args,
                [](EmulatedBlock& block, const SoftmaxArgs& a) { SoftmaxBody(block, a); });
}
cudaError_t LaunchSplit(Type items, const SplitArgs& args, std::uint32_t rows,
                        cudaStream_t stream) {
  return Launch(stream, rows, 1, kReduceBytes, args,
                [items](EmulatedBlock& block, const SplitArgs& a) {
                  if (items == Type::kFloat16) {
                    SplitBody<Half>(block, a);
                  } else {
                    SplitBody<BFloat>(block, a);
                  }
                });
}
cudaError_t LaunchConvert(Type to, const ConvertArgs& args, cudaStream_t stream) {
  if (to == Type::kFloat16) return ConvertTo<Half>(args, stream);
  if (to == Type::kBFloat16) return ConvertTo<BFloat>(args, stream);
  return ConvertTo<std::uint8_t>(args, stream);
}
cudaError_t LaunchSign(const SignArgs& args, cudaStream_t stream) {
  return Launch(stream, 2, 1, 0, args,
                [](EmulatedBlock& block, const SignArgs& a) { SignBody(block, a); });
}
cudaError_t CheckKernels() { return cudaSuccess; }

}  // namespace equipoise::cuda
