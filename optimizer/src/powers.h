// Powers and roots of many numbers at once, the same bits on every machine: only operations that IEEE 754
// rounds exactly, in an order that is written down, and files that use it are compiled without fusing a
// multiplication with an addition. Loops without branches or calls, which compilers vectorize.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace equipoise {

// log2 of a normal number > 0; what is below 2^-1022 counts as that.
// Error    <= 2^-52 (1 + |log2 x|)
inline double Log2(double x) {
  constexpr double kLeast = 0x1.0p-1022;
  x = x > kLeast ? x : kLeast;
  const auto bits = std::bit_cast<std::uint64_t>(x);
  // The exponent so that the rest lies in [sqrt(1/2), sqrt(2)).
  constexpr std::uint64_t kRootHalf = 0x3fe6a09e667f3bcd;
  const std::uint64_t shifted = bits - kRootHalf;  // its sign and exponent: how many times to halve
  const std::uint64_t exponent = shifted & 0xfff0000000000000;
  const double rest = std::bit_cast<double>(bits - exponent);
  // As a double without a conversion, which two lanes do not have: 12 bits in the mantissa of 2^52.
  constexpr double kMagic = 0x1.0p52;
  constexpr std::uint64_t kSign = 0x800;
  const double whole =
      std::bit_cast<double>(((exponent >> 52) ^ kSign) | std::bit_cast<std::uint64_t>(kMagic)) -
      (kMagic + static_cast<double>(kSign));
  // 2 / ln 2 · atanh(t) with |t| <= 0.1716: the first term left out is below 2^-55 of the sum.
  const double t = (rest - 1) / (rest + 1), s = t * t;
  double sum = 1.0 / 21;
  for (const double odd : {19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0})
    sum = sum * s + 1 / odd;
  constexpr double kTwoByLn2 = 2.8853900817779268;
  return whole + kTwoByLn2 * t * sum;
}

// 2^x, within [2^-1022, 2^1023].
// Error    <= 2^-51 of it
inline double Exp2(double x) {
  x = x < -1022 ? -1022 : x > 1023 ? 1023 : x;
  constexpr double kMagic =
      0x1.8p52;  // adding it rounds to a whole number, which is then its last bits
  const double shifted = x + kMagic;
  const double rest = (x - (shifted - kMagic)) * 0.69314718055994531;
  // e^rest with |rest| <= 0.3466: the first term left out is below 2^-57.
  double sum = 1.0 / 6227020800;
  for (const double factorial : {479001600.0, 39916800.0, 3628800.0, 362880.0, 40320.0, 5040.0,
                                 720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0})
    sum = sum * rest + 1 / factorial;
  return sum * std::bit_cast<double>((std::bit_cast<std::uint64_t>(shifted) << 52) +
                                     std::bit_cast<std::uint64_t>(1.0));
}

// x^n and x^(1/n), n = eta + 1, of x in [0, infinity).
// Error    <= 1e-13 of the power where it is in [1e-300, 1e300]; beyond, as small or large as that
class Power {
 public:
  explicit Power(double eta)
      : n_(eta + 1), whole_(n_ == std::floor(n_) && n_ <= 64 ? static_cast<unsigned>(n_) : 0) {}

  // In place; `count` numbers.
  void Raise(double* x, std::size_t count) const {
    if (whole_ == 0) {
      for (std::size_t i = 0; i < count; ++i) x[i] = Exp2(n_ * Log2(x[i]));
      return;
    }
    // Squares; those of them that n has are multiplied. Block by block, which stay in the cache.
    constexpr std::size_t kBlock = 128;
    for (; count > 0; count -= count < kBlock ? count : kBlock, x += kBlock) {
      const std::size_t block = count < kBlock ? count : kBlock;
      double out[kBlock];
      bool first = true;
      for (unsigned n = whole_;; n >>= 1) {
        if ((n & 1) != 0) {
          for (std::size_t i = 0; i < block; ++i) out[i] = first ? x[i] : out[i] * x[i];
          first = false;
        }
        if (n == 1) break;
        for (std::size_t i = 0; i < block; ++i) x[i] *= x[i];
      }
      for (std::size_t i = 0; i < block; ++i) x[i] = out[i];
    }
  }

  void Root(double* x, std::size_t count) const {
    if (whole_ == 16 || whole_ == 32) {
      // Of powers of two square roots do, in half the time.
      for (std::size_t i = 0; i < count; ++i)
        x[i] = std::sqrt(std::sqrt(std::sqrt(std::sqrt(x[i]))));
      if (whole_ == 32)
        for (std::size_t i = 0; i < count; ++i) x[i] = std::sqrt(x[i]);
      return;
    }
    const double share = 1 / n_;
    for (std::size_t i = 0; i < count; ++i) x[i] = Exp2(share * Log2(x[i]));
  }

 private:
  double n_;
  unsigned whole_;
};

}  // namespace equipoise
