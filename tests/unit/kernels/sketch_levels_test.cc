// Sketches and 4-bit codes on every instruction set that this machine has: bit for bit what plain code
// gives, at any address and for any number of dimensions.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/hardware.h>
#include <equipoise/kernels/nibbles.h>
#include <equipoise/kernels/sketch.h>

#include "cpu/dispatch.h"
#include "cpu/sketch_table.h"

namespace equipoise {
namespace {

constexpr std::size_t kDims[] = {1, 7, 63, 64, 65, 128, 383, 384, 385, 768, 1536, 4096};

class SketchLevels : public testing::TestWithParam<SimdLevel> {
 protected:
  const SketchTable& kernels() const { return SketchKernels(GetParam()); }
  const SketchTable& scalar() const { return *SketchScalar(); }

  std::vector<float> Floats(std::size_t n) {
    std::normal_distribution<float> normal;
    std::vector<float> out(n);
    for (float& value : out) value = normal(random_);
    return out;
  }
  std::vector<std::uint8_t> Bytes(std::size_t n) {
    std::vector<std::uint8_t> out(n);
    for (std::uint8_t& value : out) value = static_cast<std::uint8_t>(random_());
    return out;
  }

  std::mt19937 random_{7};
};

INSTANTIATE_TEST_SUITE_P(Kernels, SketchLevels, testing::ValuesIn(AvailableSimdLevels()),
                         [](const testing::TestParamInfo<SimdLevel>& p) {
                           return std::string(SimdLevelName(p.param));
                         });

TEST_P(SketchLevels, IsNotThePlainOne) {
  EXPECT_EQ(&kernels() == &scalar(), GetParam() == SimdLevel::kScalar);
}

TEST_P(SketchLevels, HadamardTransformsAreThoseOfTheDefinition) {
  for (std::size_t p = 1; p <= 4096; p *= 2) {
    const std::vector<float> from = Floats(p + 1);
    for (const std::size_t offset : {0, 1}) {
      std::vector<float> here = from, there = from;
      kernels().hadamard(here.data() + offset, p);
      scalar().hadamard(there.data() + offset, p);
      ASSERT_EQ(here, there) << p;
      if (p > 256) continue;
      for (std::size_t i = 0; i < p; ++i) {
        double expected = 0;
        for (std::size_t j = 0; j < p; ++j)
          expected += (__builtin_popcountll(i & j) % 2 != 0 ? -1 : 1) * double{from[offset + j]};
        ASSERT_NEAR(here[offset + i], expected, 1e-4) << p << ' ' << i;
      }
    }
  }
}

TEST_P(SketchLevels, PartsOfRecordsAndQueriesAgreeBitByBit) {
  for (const std::size_t d : kDims) {
    const std::vector<float> a = Floats(d), b = Floats(d);
    std::vector<float> here(d), there(d);
    kernels().subtract(a.data(), b.data(), d, here.data());
    scalar().subtract(a.data(), b.data(), d, there.data());
    EXPECT_EQ(here, there);
    kernels().multiply(here.data(), b.data(), d, here.data());
    scalar().multiply(there.data(), b.data(), d, there.data());
    EXPECT_EQ(here, there);
    kernels().butterfly(here.data(), here.data() + d / 2, d / 2);
    scalar().butterfly(there.data(), there.data() + d / 2, d / 2);
    EXPECT_EQ(here, there);
    const SketchSums sums = kernels().sums(a.data(), d), expected = scalar().sums(a.data(), d);
    EXPECT_EQ(sums.squares, expected.squares) << d;
    EXPECT_EQ(sums.sizes, expected.sizes) << d;
    EXPECT_EQ(sums.largest, expected.largest) << d;
    EXPECT_EQ(kernels().dot(a.data(), b.data(), d), scalar().dot(a.data(), b.data(), d)) << d;
  }
}

TEST_P(SketchLevels, BitsAreThoseOfEachValue) {
  for (const std::size_t d : kDims) {
    std::vector<float> x = Floats(d);
    x[d / 2] = 0.0f;
    x[d / 3] = -0.0f;
    const std::size_t bytes = (d + 63) / 64 * 8;
    std::vector<std::byte> signs(bytes), planes(4 * bytes);
    kernels().signs(x.data(), d, signs.data());
    const float scale = 2.0f;
    const std::int32_t sum = kernels().planes(x.data(), d, scale, bytes, planes.data());
    const auto bit = [](const std::vector<std::byte>& bits, std::size_t plane, std::size_t i) {
      return static_cast<int>(bits[plane + i / 8] >> (i % 8) & std::byte{1});
    };
    std::int32_t expected_sum = 0;
    for (std::size_t i = 0; i < bytes * 8; ++i) {
      ASSERT_EQ(bit(signs, 0, i), i < d && x[i] > 0 ? 1 : 0) << d << ' ' << i;
      const int value = bit(planes, 0, i) + 2 * bit(planes, bytes, i) +
                        4 * bit(planes, 2 * bytes, i) - 8 * bit(planes, 3 * bytes, i);
      const float floor = i < d ? std::floor(x[i] * scale + 8) - 8 : 0;
      ASSERT_EQ(value, std::min(7, std::max(-8, static_cast<int>(floor)))) << d << ' ' << i;
      expected_sum += value;
    }
    EXPECT_EQ(sum, expected_sum) << d;
  }
}

TEST_P(SketchLevels, VerdictsAreThoseOfTheEstimates) {
  for (const std::size_t d : kDims) {
    for (const Metric metric : {Metric::kCosine, Metric::kL2}) {
      const auto sketcher = Sketcher::Make(d, metric, Floats(d), d);
      ASSERT_TRUE(sketcher.ok());
      const std::size_t n = 67, bytes = SketchBytes(d);
      const std::vector<float> query = Floats(d);
      SketchQuery prepared;
      ASSERT_TRUE(sketcher->Prepare(query.data(), &prepared).ok());
      std::vector<float> estimates(n), errors(n);
      for (const std::size_t offset : {0, 1, 4, 32}) {
        std::vector<std::byte> records(n * bytes + offset);
        std::byte* first = records.data() + offset;
        for (std::size_t i = 0; i < n; ++i) {
          const std::vector<float> row = Floats(d);
          ASSERT_TRUE(sketcher->Encode(row.data(), first + i * bytes).ok());
          estimates[i] = SketchEstimate(prepared, first + i * bytes);
          errors[i] = SketchError(prepared, first + i * bytes);
        }
        std::vector<float> thresholds = estimates;  // exactly at a row's estimate: not below
        thresholds.resize(5);
        thresholds.push_back(std::numeric_limits<float>::infinity());
        thresholds.push_back(-std::numeric_limits<float>::infinity());
        thresholds.push_back(std::numeric_limits<float>::quiet_NaN());
        for (const float threshold : thresholds) {
          for (const float slack : {0.0f, 1.0f, 2.5f}) {
            const std::size_t count = random_() % (n + 1);
            std::vector<std::uint32_t> ids(count), expected;
            for (std::uint32_t& id : ids) id = static_cast<std::uint32_t>(random_() % n);
            const float scale = slack * prepared.constants().error_scale;
            const auto keeps = [&](std::uint32_t id) {
              SketchHeader header;
              std::memcpy(&header, first + id * bytes, sizeof(header));
              const float allowed = scale * header.error;
              return !(estimates[id] - allowed >= threshold);
            };
            for (const std::uint32_t id : ids)
              if (keeps(id)) expected.push_back(id);
            std::vector<std::uint32_t> kept(count);
            PrefetchTarget next = {first, bytes, random_() % 3};
            kept.resize(kernels().below(prepared.constants(), first, ids.data(), count, threshold,
                                        scale, kept.data(), next));
            ASSERT_EQ(kept, expected) << d << ' ' << threshold;
            ids.resize(kernels().below(prepared.constants(), first, ids.data(), count, threshold,
                                       scale, ids.data(), next));
            ASSERT_EQ(ids, expected) << "in place";
          }
        }
      }
    }
  }
}

TEST_P(SketchLevels, CountsOfTheFullestRecordsDoNotOverflow) {
  const std::size_t d = kMaxSketchDim, bytes = SketchBytes(d), stride = (bytes + 63) / 64 * 64;
  std::vector<std::byte> record(bytes, std::byte{0xff});
  for (const std::size_t full : {0, 1, 2, 3}) {
    std::vector<std::byte> planes(4 * stride);
    std::memset(planes.data() + full * stride + kSketchHeader, 0xff, d / 8);
    const SketchHeader header = {.factor = 1};
    std::memcpy(record.data(), &header, sizeof(header));
    const SketchConstants query = {
        .planes = planes.data(), .plane_stride = stride, .record_bytes = bytes, .two_step = 1};
    const float sum = static_cast<float>(full == 3 ? -8 : 1 << full) * static_cast<float>(d);
    const std::uint32_t id = 0;
    std::uint32_t kept = 0;
    EXPECT_EQ(kernels().below(query, record.data(), &id, 1, sum + 1, 0, &kept, {}), 1u) << full;
    EXPECT_EQ(kernels().below(query, record.data(), &id, 1, sum, 0, &kept, {}), 0u) << full;
  }
}

TEST_P(SketchLevels, ProductsOf4BitCodesAreExactAtAnyAddress) {
  for (const std::size_t d : {1,   2,   3,   31,  63,  64,  65,  127, 128, 129,  191,
                              192, 193, 255, 256, 257, 383, 384, 385, 768, 1536, 4096}) {
    const std::vector<std::uint8_t> codes = Bytes(d), other = Bytes(d);
    std::int32_t dot = 0, l2 = 0;
    for (std::size_t i = 0; i < d; ++i) {
      dot += (codes[i] >> 4) * static_cast<std::int8_t>(other[i]);
      const int difference = (codes[i] & 0xf0) + 8 - other[i];
      l2 += difference * difference;
    }
    for (const std::size_t offset : {0, 1, 3}) {
      std::vector<std::uint8_t> nibbles(offset + NibbleBytes(d)), query(offset, 0);
      PackHighNibbles(codes.data(), d, nibbles.data() + offset);
      query.insert(query.end(), other.begin(), other.end());
      const auto* signs = reinterpret_cast<const std::int8_t*>(query.data() + offset);
      EXPECT_EQ(kernels().dot_i4(nibbles.data() + offset, signs, d), dot) << d;
      EXPECT_EQ(kernels().l2_i4(nibbles.data() + offset, query.data() + offset, d), l2) << d;
    }
  }
  EXPECT_EQ(kernels().dot_i4(nullptr, nullptr, 0), 0);
  EXPECT_EQ(kernels().l2_i4(nullptr, nullptr, 0), 0);
}

TEST_P(SketchLevels, Extreme4BitCodesOfTheLongestRowDoNotOverflow) {
  const std::size_t d = kMaxCodeDim;
  const std::vector<std::uint8_t> full(d / 2, 0xff), low(d, 0);
  const std::vector<std::int8_t> least(d, -128), most(d, 127);
  EXPECT_EQ(kernels().dot_i4(full.data(), least.data(), d), 15 * -128 * 32768);
  EXPECT_EQ(kernels().dot_i4(full.data(), most.data(), d), 15 * 127 * 32768);
  EXPECT_EQ(kernels().l2_i4(full.data(), low.data(), d), 248 * 248 * 32768);
}

TEST(Nibbles, LieAsTheHeaderSays) {
  std::vector<std::uint8_t> codes(131);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(3 * i + 1);
  std::vector<std::uint8_t> high(NibbleBytes(131)), low(NibbleBytes(131));
  ASSERT_EQ(high.size(), 66u);
  PackHighNibbles(codes.data(), codes.size(), high.data());
  PackLowNibbles(codes.data(), codes.size(), low.data());
  EXPECT_EQ(high[5], (codes[5] >> 4) | (codes[69] & 0xf0));
  EXPECT_EQ(low[63], (codes[63] & 15) | (codes[127] & 15) << 4);
  EXPECT_EQ(high[64], (codes[128] >> 4) | (codes[130] & 0xf0));
  EXPECT_EQ(high[65], codes[129] >> 4);
}

TEST(Nibbles, HalvesTogetherAreTheCodes) {
  std::mt19937 random(7);
  for (std::size_t d = 0; d < 300; ++d) {
    std::vector<std::uint8_t> codes(d), high(NibbleBytes(d)), low(NibbleBytes(d)), back(d);
    for (std::uint8_t& code : codes) code = static_cast<std::uint8_t>(random());
    PackHighNibbles(codes.data(), d, high.data());
    PackLowNibbles(codes.data(), d, low.data());
    UnpackNibbles(high.data(), low.data(), d, back.data());
    ASSERT_EQ(back, codes) << d;
  }
}

}  // namespace
}  // namespace equipoise
