/// Seeded random numbers that are the same on every machine and compiler.
///
/// The distributions of the standard library may differ between implementations; these do not: only
/// integer operations and one exact conversion to double. Not for secrets.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

namespace equipoise {

/// The next number of a SplitMix64 sequence; advances `state`. Turns any seed, also 0 or small
/// neighbouring numbers, into well-mixed 64 bits.
/// Source   Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195
constexpr std::uint64_t SplitMix64(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/// xoshiro256**: 256 bits of state, period 2^256 - 1. Also a standard UniformRandomBitGenerator.
/// Threads  a value type, one thread at a time; give each thread its own Stream
/// Source   Blackman & Vigna 2021, doi:10.1145/3460772; random_test.cc has the reference values
class Random {
 public:
  using result_type = std::uint64_t;  // NOLINT(readability-identifier-naming): the standard's name

  /// The state is four numbers of SplitMix64 from `seed`, as the authors advise. Any seed is good.
  explicit constexpr Random(std::uint64_t seed) {
    for (std::uint64_t& word : state_) word = SplitMix64(seed);
  }

  /// The i-th of many generators of one seed: for parts of a computation that must not depend on
  /// how the others are scheduled.
  static constexpr Random Stream(std::uint64_t seed, std::uint64_t i) {
    // Not symmetric in seed and i, and one-to-one in each.
    std::uint64_t mixed = SplitMix64(seed) + i;
    return Random(SplitMix64(mixed));
  }

  /// The state, to be stored and continued from. All four words 0 is no state: it is replaced by
  /// that of seed 0.
  constexpr const std::array<std::uint64_t, 4>& state() const { return state_; }
  static constexpr Random FromState(const std::array<std::uint64_t, 4>& state) {
    Random out(0);
    if (state != std::array<std::uint64_t, 4>{}) out.state_ = state;
    return out;
  }

  /// 64 uniform random bits.
  constexpr std::uint64_t Next() {
    const std::uint64_t out = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return out;
  }

  /// A uniform integer of [0, n), without bias.
  /// Range    n >= 1; 0 gives 0
  /// Source   Lemire 2019, doi:10.1145/3230636
  constexpr std::uint64_t Below(std::uint64_t n) {
    if (n == 0) return 0;
    Wide product = static_cast<Wide>(Next()) * n;
    if (static_cast<std::uint64_t>(product) < n) {
      const std::uint64_t threshold = (0 - n) % n;
      while (static_cast<std::uint64_t>(product) < threshold)
        product = static_cast<Wide>(Next()) * n;
    }
    return static_cast<std::uint64_t>(product >> 64);
  }

  /// A uniform double of [0, 1): a multiple of 2^-53.
  constexpr double Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

  /// True with this probability: never for 0 or less, always for 1 or more.
  constexpr bool Chance(double probability) { return Uniform() < probability; }

  /// Puts the items in a uniformly random order (Fisher & Yates; Durstenfeld 1964).
  template <typename T>
  constexpr void Shuffle(std::span<T> items) {
    for (std::size_t i = items.size(); i > 1; --i) {
      using std::swap;
      swap(items[i - 1], items[static_cast<std::size_t>(Below(i))]);
    }
  }

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  constexpr result_type operator()() { return Next(); }

 private:
  // A typedef, because __extension__ cannot stand before a using.
  __extension__ typedef unsigned __int128 Wide;  // NOLINT(modernize-use-using)

  std::array<std::uint64_t, 4> state_{};
};

}  // namespace equipoise
