// Plain code: the reference.
#include "cpu/postings_table.h"

namespace equipoise {
namespace {

constexpr unsigned kWidestPattern = 32;
constexpr std::size_t kStep = 8;

struct Group {
  std::uint32_t values[8];
};

struct Pattern {
  explicit Pattern(unsigned width) : bits(width) {}
  unsigned bits;
};

inline std::uint32_t ValueAt(const std::uint8_t* from, unsigned bits, std::size_t i) {
  const std::size_t at = i * bits;
  std::uint64_t word;
  __builtin_memcpy(&word, from + at / 8, sizeof(word));
  return static_cast<std::uint32_t>(word >> (at % 8) & ((std::uint64_t{1} << bits) - 1));
}

inline Group Unpack(const std::uint8_t* from, const Pattern& pattern) {
  Group out;
  for (std::size_t i = 0; i < 8; ++i) out.values[i] = ValueAt(from, pattern.bits, i);
  return out;
}

inline Group LoadGroup(const std::uint32_t* p) {
  Group out;
  __builtin_memcpy(&out, p, sizeof(out));
  return out;
}

inline void StoreGroup(std::uint32_t* p, const Group& group) {
  __builtin_memcpy(p, &group, sizeof(group));
}

class Running {
 public:
  explicit Running(std::uint32_t before) : sum_(before) {}
  Group Add(Group group) {
    for (std::uint32_t& value : group.values) value = sum_ += value + 1;
    return group;
  }

 private:
  std::uint32_t sum_;
};

class Bar {
 public:
  explicit Bar(std::int32_t bits) : bits_(bits) {}
  std::uint64_t Above(float* sums, float* values) const {
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < kStep; ++i) {
      std::int32_t sum;
      __builtin_memcpy(&sum, sums + i, sizeof(sum));
      out |= std::uint64_t{sum > bits_} << i;
      values[i] = sums[i];
      sums[i] = -0.0f;
    }
    return out;
  }

 private:
  std::int32_t bits_;
};

#include "cpu/postings_loops.inc"

}  // namespace

const PostingsTable* PostingsScalar() { return &kTable; }

}  // namespace equipoise
