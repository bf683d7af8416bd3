#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/kernels/batch.h>

namespace equipoise {
namespace {

std::vector<float> Normal(std::size_t count) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> out(count);
  for (float& value : out) value = normal(random);
  return out;
}

SimilarityOptions Threads(int threads) {
  SimilarityOptions options;
  options.threads = threads;
  return options;
}

TEST(Batch, EachRowIsTreatedAsByItself) {
  const std::size_t m = 37, n = 45;
  for (const int threads : {1, 4}) {
    std::vector<float> all = Normal(m * n), one = all;
    ASSERT_TRUE(SoftmaxRows(all, m, n, 0.7f, Threads(threads)).ok());
    for (std::size_t i = 0; i < m; ++i) Softmax(one.data() + i * n, n, 0.7f);
    EXPECT_EQ(all, one);
    all = one = Normal(m * n);
    ASSERT_TRUE(NormalizeRows(all, m, n, Threads(threads)).ok());
    for (std::size_t i = 0; i < m; ++i) Normalize(one.data() + i * n, n);
    EXPECT_EQ(all, one);
  }
}

TEST(Batch, FormatsAreThoseOfQuantizeAndBack) {
  const std::vector<float> values = Normal(1000);
  for (const int threads : {1, 3}) {
    std::vector<std::uint8_t> codes(1000), by_row(1000);
    const CodeScale scale{.scale = 12, .center = 0.5f};
    ASSERT_TRUE(Quantize(values, ElementType::kInt8, scale,
                         std::as_writable_bytes(std::span(codes)), Threads(threads))
                    .ok());
    QuantizeI8(values.data(), 1000, scale, by_row.data());
    EXPECT_EQ(codes, by_row);
    std::vector<float> back(1000);
    ASSERT_TRUE(
        Dequantize(VectorsView(MatrixView<std::uint8_t>(codes.data(), 20, 50), scale), back).ok());
    for (std::size_t i = 0; i < 1000; ++i) EXPECT_NEAR(back[i], values[i], 0.5001f / 12);

    std::vector<Float16> halves(1000);
    ASSERT_TRUE(Quantize(values, ElementType::kFloat16, {},
                         std::as_writable_bytes(std::span(halves)), Threads(threads))
                    .ok());
    ASSERT_TRUE(Dequantize(MatrixView<Float16>(halves.data(), 20, 50), back).ok());
    for (std::size_t i = 0; i < 1000; ++i)
      EXPECT_NEAR(back[i], values[i], std::fabs(values[i]) / 2048 + 1e-7f);

    std::vector<BFloat16> brains(1000);
    ASSERT_TRUE(Quantize(values, ElementType::kBFloat16, {},
                         std::as_writable_bytes(std::span(brains)), Threads(threads))
                    .ok());
    ASSERT_TRUE(Dequantize(MatrixView<BFloat16>(brains.data(), 20, 50), back).ok());
    for (std::size_t i = 0; i < 1000; ++i)
      EXPECT_NEAR(back[i], values[i], std::fabs(values[i]) / 256);
  }
}

TEST(Batch, RefusesWhatCannotBeMeant) {
  std::vector<float> rows = Normal(12);
  const auto refused = [](const Status& status, const char* field, std::int64_t row = -1) {
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_EQ(status.where().field, field) << status.ToString();
    EXPECT_EQ(status.where().row, row) << status.ToString();
  };
  refused(SoftmaxRows(rows, 0, 12, 1), "rows");
  refused(SoftmaxRows(rows, 3, 5, 1), "rows");
  refused(SoftmaxRows(rows, 3, 4, -1), "inverse_temperature");
  refused(SoftmaxRows(rows, 3, 4, 1, Threads(0)), "options.threads");
  rows[9] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(SoftmaxRows(rows, 3, 4, 1).ok());
  rows[9] = std::numeric_limits<float>::infinity();
  refused(NormalizeRows(rows, 3, 4), "rows", 2);
  rows[9] = std::numeric_limits<float>::quiet_NaN();
  refused(SoftmaxRows(rows, 3, 4, 1), "rows", 2);
  std::vector<std::byte> bytes(12);
  refused(Quantize(rows, ElementType::kFloat32, {}, bytes), "type");
  refused(Quantize(rows, ElementType::kFloat16, {}, bytes), "to");
  refused(Quantize(rows, ElementType::kInt8, {.scale = 0}, bytes), "scale");
  std::vector<float> few(3);
  refused(Dequantize(MatrixView<float>(rows.data(), 3, 4), few), "to");
}

TEST(Batch, AsksForAGpuOnlyWhereOneIs) {
  SimilarityOptions options;
  options.backend = Backend::kCuda;
  std::vector<float> rows = Normal(12);
  const Status status = NormalizeRows(rows, 3, 4, options);
  if (InspectHardware().gpu_usable) {
    EXPECT_TRUE(status.ok());
    EXPECT_NEAR(Norm(rows.data(), 4), 1, 1e-6);
  } else {
    EXPECT_EQ(status.code(), Code::kDevice);
  }
}

}  // namespace
}  // namespace equipoise
