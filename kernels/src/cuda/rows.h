// Work on single rows and elements: norms, unit length, softmax, number formats, and float32 queries
// as sums of 16-bit ones.
#pragma once

#include "cuda/score.h"

namespace equipoise::cuda {

struct Plus {
  template <typename T>
  EQUIPOISE_DEVICE T operator()(T a, T b) const {
    return a + b;
  }
};
struct Larger {
  template <typename T>
  EQUIPOISE_DEVICE T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};

// The threads' values combined; the same in every thread. `scratch`: threads values in shared memory.
// Every thread calls it.
template <class Block, typename T, typename Combine>
EQUIPOISE_DEVICE T Reduce(Block& block, T* scratch, T value, Combine combine) {
  scratch[block.thread()] = value;
  block.Sync();
  for (unsigned half = block.threads() / 2; half > 0; half /= 2) {
    if (block.thread() < half)
      scratch[block.thread()] = combine(scratch[block.thread()], scratch[block.thread() + half]);
    block.Sync();
  }
  const T result = scratch[0];
  block.Sync();  // before the next use of scratch
  return result;
}

enum class Aux : int {
  kSquares = 0,  // Σ x²: int32 of codes, else float32
  kInverse,      // 1 / √(Σ x²), 0 of a zero row
};

struct NormArgs {
  const void* rows;  // [count, stride]
  std::uint64_t count;
  std::uint32_t cols;
  std::uint32_t stride;
  Aux aux;
  std::uint32_t* out;  // [count], bits
};

EQUIPOISE_DEVICE double Square(std::int8_t value) { return static_cast<double>(value * value); }
template <typename Element>
EQUIPOISE_DEVICE double Square(Element value) {
  const double x = ToFloat(value);
  return x * x;
}

// 1 / √sum as a float32 that is finite also for rows of subnormal numbers.
EQUIPOISE_DEVICE float InverseNorm(double sum) {
  if (!(sum > 0)) return 0.0f;
  const double inverse = 1.0 / sqrt(sum);
  return static_cast<float>(inverse < 3.4e38 ? inverse : 3.4e38);
}

// A warp a row. Grid: (count / warps of a block, 1).
template <typename Element, class Block>
EQUIPOISE_DEVICE void NormBody(Block& block, const NormArgs& args) {
  const unsigned warps = block.threads() / kWarp;
  const unsigned lane = block.thread() % kWarp;
  const std::uint64_t row = static_cast<std::uint64_t>(block.x()) * warps + block.thread() / kWarp;
  double sum = 0;
  if (row < args.count) {
    const Element* at = static_cast<const Element*>(args.rows) + row * args.stride;
    for (unsigned i = lane; i < args.cols; i += kWarp) sum += Square(at[i]);
  }
  for (unsigned mask = kWarp / 2; mask > 0; mask /= 2) sum += block.ShuffleXor(sum, mask);
  if (lane != 0 || row >= args.count) return;
  if (args.aux == Aux::kInverse) {
    args.out[row] = BitsOf(InverseNorm(sum));
  } else if (sizeof(Element) == 1) {
    // Codes: an integer below 2³¹, exact in a double.
    args.out[row] = static_cast<std::uint32_t>(sum);
  } else {
    args.out[row] = BitsOf(static_cast<float>(sum));
  }
}

struct NormalizeArgs {
  float* rows;  // [grid, stride], in place
  std::uint32_t cols;
  std::uint64_t stride;
  std::uint64_t first;  // row of block 0
};

// Unit length; a zero row stays zero. Grid: (rows, 1). Shared memory: threads doubles.
template <class Block>
EQUIPOISE_DEVICE void NormalizeBody(Block& block, const NormalizeArgs& args) {
  float* row = args.rows + (args.first + block.x()) * args.stride;
  double sum = 0;
  for (unsigned i = block.thread(); i < args.cols; i += block.threads())
    sum += static_cast<double>(row[i]) * row[i];
  sum = Reduce(block, reinterpret_cast<double*>(block.shared()), sum, Plus());
  if (!(sum > 0)) return;
  const double inverse = 1.0 / sqrt(sum);
  for (unsigned i = block.thread(); i < args.cols; i += block.threads())
    row[i] = static_cast<float>(row[i] * inverse);
}

struct SoftmaxArgs {
  float* rows;  // [grid, cols], in place
  std::uint64_t cols;
  float inverse_temperature;
};

// exp((s − largest) · inverse temperature), whatever s is: −infinity has none of the mass, and where
// there are infinities they share all of it.
EQUIPOISE_DEVICE double SoftmaxTerm(float score, float largest, float inverse_temperature) {
  if (score == largest) return 1.0;
  const double below = static_cast<double>(score) - largest;  // no overflow in double
  if (!(below > -1e300)) return 0.0;                          // an infinity on either side
  return exp(below * inverse_temperature);
}

// Grid: (rows, 1). Shared memory: threads doubles.
template <class Block>
EQUIPOISE_DEVICE void SoftmaxBody(Block& block, const SoftmaxArgs& args) {
  float* row = args.rows + block.x() * args.cols;
  float largest = FloatOf(0xff800000u);
  for (std::uint64_t i = block.thread(); i < args.cols; i += block.threads())
    largest = largest < row[i] ? row[i] : largest;
  largest = Reduce(block, reinterpret_cast<float*>(block.shared()), largest, Larger());
  double sum = 0;
  for (std::uint64_t i = block.thread(); i < args.cols; i += block.threads())
    sum += SoftmaxTerm(row[i], largest, args.inverse_temperature);
  sum = Reduce(block, reinterpret_cast<double*>(block.shared()), sum, Plus());
  for (std::uint64_t i = block.thread(); i < args.cols; i += block.threads())
    row[i] = static_cast<float>(SoftmaxTerm(row[i], largest, args.inverse_temperature) / sum);
}

struct SplitArgs {
  const float* queries;  // [rows, stride]
  std::uint32_t cols;
  std::uint32_t stride;
  std::uint32_t parts;
  float part_scale;          // a power of two
  std::uint64_t part_bytes;  // from one part to the next
  void* out;                 // [parts][rows, stride] of Half or BFloat
  float* unscale;            // [rows]
};

EQUIPOISE_DEVICE Half Narrow(float value, Half) { return ToHalf(value); }
EQUIPOISE_DEVICE BFloat Narrow(float value, BFloat) { return ToBFloat(value); }

// query = unscale · Σ_p part_scale^p · part_p, up to 2⁻²² of its largest element. Every step is
// exact in float32: a power of two brings the row's largest element to [1, 2), each part takes the
// leading bits of what is left. Grid: (rows, 1). Shared memory: threads floats.
// Idea: splitting of Ootomo and Yokota (arXiv 2203.03341), there for both factors.
template <typename Element, class Block>
EQUIPOISE_DEVICE void SplitBody(Block& block, const SplitArgs& args) {
  const std::uint64_t offset = static_cast<std::uint64_t>(block.x()) * args.stride;
  const float* query = args.queries + offset;
  float largest = 0;
  for (unsigned i = block.thread(); i < args.cols; i += block.threads()) {
    const float magnitude = query[i] < 0 ? -query[i] : query[i];
    largest = largest < magnitude ? magnitude : largest;
  }
  largest = Reduce(block, reinterpret_cast<float*>(block.shared()), largest, Larger());
  // Its exponent, kept where both 2^e and 2^-e are normal numbers.
  unsigned exponent = BitsOf(largest) >> 23;
  if (largest == 0) exponent = 127;
  exponent = exponent < 2 ? 2 : exponent > 252 ? 252 : exponent;
  const float scale = FloatOf((254 - exponent) << 23);
  if (block.thread() == 0) args.unscale[block.x()] = FloatOf(exponent << 23);
  for (unsigned i = block.thread(); i < args.stride; i += block.threads()) {
    float rest = i < args.cols ? query[i] * scale : 0.0f;
    auto* out = static_cast<unsigned char*>(args.out);
    for (unsigned part = 0; part < args.parts; ++part) {
      const Element narrow = Narrow(rest, Element());
      reinterpret_cast<Element*>(out)[offset + i] = narrow;
      rest = (rest - ToFloat(narrow)) / args.part_scale;
      out += args.part_bytes;
    }
  }
}

struct ConvertArgs {
  const float* from;
  std::uint64_t n;
  float scale;
  float center;
  void* to;
};

// The formula of QuantizeI8, rounding for rounding.
EQUIPOISE_DEVICE std::uint8_t CodeOf(float value, float scale, float center) {
  const float step = Add(Multiply(scale, Add(value, -center)), 128.5f);
  const float low = step > 0.0f ? step : 0.0f;
  const float clamped = low < 255.0f ? low : 255.0f;
  return static_cast<std::uint8_t>(static_cast<std::int32_t>(clamped));
}

EQUIPOISE_DEVICE void Convert(float value, const ConvertArgs&, Half* to) { *to = ToHalf(value); }
EQUIPOISE_DEVICE void Convert(float value, const ConvertArgs&, BFloat* to) {
  *to = ToBFloat(value);
}
EQUIPOISE_DEVICE void Convert(float value, const ConvertArgs& args, std::uint8_t* to) {
  *to = CodeOf(value, args.scale, args.center);
}

// Grid: (any, 1).
template <typename To, class Block>
EQUIPOISE_DEVICE void ConvertBody(Block& block, const ConvertArgs& args) {
  const std::uint64_t step = static_cast<std::uint64_t>(block.grid_x()) * block.threads();
  for (std::uint64_t i = static_cast<std::uint64_t>(block.x()) * block.threads() + block.thread();
       i < args.n; i += step)
    Convert(args.from[i], args, static_cast<To*>(args.to) + i);
}

struct SignArgs {
  std::uint8_t* rows;  // [count, stride], in place
  std::uint64_t count;
  std::uint32_t cols;
  std::uint32_t stride;
};

// Unsigned codes (value + 128) to signed ones; the padding stays 0. Grid: (any, 1).
template <class Block>
EQUIPOISE_DEVICE void SignBody(Block& block, const SignArgs& args) {
  const std::uint64_t step = static_cast<std::uint64_t>(block.grid_x()) * block.threads();
  const std::uint64_t total = args.count * args.stride;
  for (std::uint64_t i = static_cast<std::uint64_t>(block.x()) * block.threads() + block.thread();
       i < total; i += step)
    if (i % args.stride < args.cols) args.rows[i] ^= 0x80u;
}

}  // namespace equipoise::cuda
