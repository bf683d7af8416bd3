// Every operation of the plug-in against brute force: on the GPU where one is, and always with the
// plug-in's own code on a CUDA runtime of the tests' (fake_cuda.h).
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <equipoise/kernels/quantize.h>
#include <equipoise/kernels/similarity.h>

#include "gpu/gpu.h"
#include "gpu/plugin.h"

namespace equipoise {
namespace {

enum class Where { kEmulated, kDevice };

/// The plug-in to test, or null.
const EquipoiseCudaApi* Api(Where where) {
  if (where == Where::kDevice) return GpuPlugin().api;
#if defined(GPU_EMULATED)
  static const EquipoiseCudaApi* const emulated = [] {
    const auto api = LoadGpuPlugin(GPU_EMULATED);
    return api.ok() ? *api : nullptr;
  }();
  return emulated;
#else
  return nullptr;
#endif
}

std::string WhyNot(Where where) {
  return where == Where::kDevice ? FindGpu().reason : "the CUDA toolkit's headers are not there";
}

/// Rows of any type, and the values that they stand for.
struct Rows {
  ElementType type;
  std::size_t n, d, stride;
  CodeScale scale{};
  std::vector<unsigned char> bytes;
  std::vector<double> values;  // [n, d]; codes: the integers code − 128

  VectorsView view() const {
    VectorsView out;
    out.data = bytes.data();
    out.type = type;
    out.rows = n;
    out.cols = d;
    out.stride = stride;
    out.scale = scale;
    return out;
  }
};

enum class Content { kNormal, kSmallIntegers };

Rows MakeRows(ElementType type, std::size_t n, std::size_t d, Content content, unsigned seed,
              std::size_t padding = 0) {
  std::mt19937 random(seed);
  Rows rows{type, n, d, d + padding, {}, {}, {}};
  // Unwritten bytes between the rows would be NaN.
  rows.bytes.assign(n * rows.stride * ElementBytes(type), 0xff);
  rows.scale.scale = type == ElementType::kInt8 ? 31.7f + static_cast<float>(seed % 3) : 1.0f;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < d; ++j) {
      const int small = static_cast<int>(random() % 5) - 2;
      float x = content == Content::kNormal ? std::normal_distribution<float>()(random)
                                            : static_cast<float>(small);
      if (n > 3 && i == 2) x = 0;  // a zero vector
      unsigned char* const at = &rows.bytes[(i * rows.stride + j) * ElementBytes(type)];
      switch (type) {
        case ElementType::kFloat32:
          std::memcpy(at, &x, 4);
          break;
        case ElementType::kFloat16: {
          Float16 narrow;
          FloatToHalf(&x, &narrow, 1);
          std::memcpy(at, &narrow, 2);
          HalfToFloat(&narrow, &x, 1);
          break;
        }
        case ElementType::kBFloat16: {
          BFloat16 narrow;
          FloatToBFloat(&x, &narrow, 1);
          std::memcpy(at, &narrow, 2);
          BFloatToFloat(&narrow, &x, 1);
          break;
        }
        case ElementType::kInt8: {
          const int code = content == Content::kNormal
                               ? std::clamp(static_cast<int>(x * 40), -128, 127)
                               : static_cast<int>(x);
          *at = static_cast<unsigned char>(code + 128);
          x = static_cast<float>(code);
          break;
        }
      }
      rows.values.push_back(x);
    }
  return rows;
}

/// The score by its definition, and for codes the number that ranks.
struct Truth {
  double score;
  double rank;
  double size;  // what errors are measured by
};
Truth TrueScore(const Rows& queries, std::size_t q, const Rows& items, std::size_t i,
                Metric metric) {
  double dot = 0, qq = 0, xx = 0;
  for (std::size_t j = 0; j < items.d; ++j) {
    const double a = queries.values[q * items.d + j];
    const double b = items.values[i * items.d + j];
    dot += a * b;
    qq += a * a;
    xx += b * b;
  }
  if (items.type == ElementType::kInt8) {
    const float integer = static_cast<float>(static_cast<std::int32_t>(dot));
    const float sq = queries.scale.scale;
    const float sx = items.scale.scale;
    if (metric == Metric::kInnerProduct) {
      const float factor = 1.0f / (sq * sx);
      return {integer * factor, dot, 0};
    }
    if (metric == Metric::kL2) {
      const float factor = 1.0f / (sx * sx);
      return {static_cast<float>(static_cast<std::int32_t>(2 * dot - xx - qq)) * factor,
              2 * dot - xx, 0};
    }
    const float inverse_x = xx > 0 ? static_cast<float>(1 / std::sqrt(xx)) : 0;
    const float inverse_q = qq > 0 ? static_cast<float>(1 / std::sqrt(qq)) : 0;
    const float key = integer * inverse_x;
    return {key * inverse_q, key, 0};
  }
  if (metric == Metric::kInnerProduct) return {dot, dot, std::sqrt(qq * xx)};
  if (metric == Metric::kL2) {
    const double sum = std::sqrt(qq) + std::sqrt(xx);
    return {-(qq + xx - 2 * dot), -(qq + xx - 2 * dot), sum * sum};
  }
  const double cosine = qq > 0 && xx > 0 ? dot / std::sqrt(qq * xx) : 0;
  return {cosine, cosine, 1};
}

using Setting = std::tuple<Where, ElementType, ElementType, Metric>;  // items, queries

std::string SettingName(const ::testing::TestParamInfo<Setting>& info) {
  const auto [where, items, queries, metric] = info.param;
  return std::string(where == Where::kDevice ? "device_" : "emulated_") +
         std::string(ElementTypeName(items)) + "_" + std::string(ElementTypeName(queries)) + "_" +
         std::string(MetricName(metric));
}

std::vector<Setting> Settings() {
  std::vector<Setting> out;
  for (Where where : {Where::kEmulated, Where::kDevice})
    for (Metric metric : {Metric::kCosine, Metric::kL2, Metric::kInnerProduct}) {
      for (ElementType type : {ElementType::kFloat32, ElementType::kFloat16, ElementType::kBFloat16,
                               ElementType::kInt8})
        out.emplace_back(where, type, type, metric);
      for (ElementType type : {ElementType::kFloat16, ElementType::kBFloat16})
        out.emplace_back(where, type, ElementType::kFloat32, metric);
    }
  return out;
}

class GpuItemsTest : public ::testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    api_ = Api(std::get<0>(GetParam()));
    if (api_ == nullptr) GTEST_SKIP() << WhyNot(std::get<0>(GetParam()));
  }
  std::unique_ptr<GpuItems> Upload(const Rows& items) {
    auto made = UploadItemsTo(api_, items.view(), metric(), false);
    EXPECT_TRUE(made.ok()) << made.error().ToString();
    return made.ok() ? std::move(*made) : nullptr;
  }
  ElementType item_type() const { return std::get<1>(GetParam()); }
  ElementType query_type() const { return std::get<2>(GetParam()); }
  Metric metric() const { return std::get<3>(GetParam()); }
  Rows Queries(std::size_t m, std::size_t d, Content content, const Rows& items) {
    Rows queries = MakeRows(query_type(), m, d, content, 77, 2);
    if (metric() == Metric::kL2) queries.scale = items.scale;
    return queries;
  }
  const EquipoiseCudaApi* api_ = nullptr;
};

TEST_P(GpuItemsTest, SimilarityAgreesWithTheDefinition) {
  struct {
    std::size_t m, n, d, padding;
  } const sizes[] = {{1, 1, 1, 0}, {3, 50, 17, 3}, {9, 700, 33, 0}, {40, 33, 384, 0}};
  for (const auto& [m, n, d, padding] : sizes) {
    const Rows items = MakeRows(item_type(), n, d, Content::kNormal, 5, padding);
    const Rows queries = Queries(m, d, Content::kNormal, items);
    const auto set = Upload(items);
    std::vector<float> out(m * n, -77);
    const Status status = set->Similarity(queries.view(), out);
    ASSERT_TRUE(status.ok()) << status.ToString();
    for (std::size_t q = 0; q < m; ++q)
      for (std::size_t i = 0; i < n; ++i) {
        const Truth truth = TrueScore(queries, q, items, i, metric());
        if (item_type() == ElementType::kInt8) {
          ASSERT_EQ(out[q * n + i], static_cast<float>(truth.score)) << q << " " << i;
        } else {
          ASSERT_NEAR(out[q * n + i], truth.score, 1e-5 * truth.size + 1e-30) << q << " " << i;
        }
      }
  }
}

TEST_P(GpuItemsTest, TopKAgreesWithSortedScoresTiesIncluded) {
  struct {
    std::size_t m, n, d, k;
  } const sizes[] = {{1, 1, 3, 1},    {8, 300, 5, 300}, {2, 1700, 3, 10},
                     {33, 720, 6, 1}, {10, 700, 3, 40}, {1, 1200, 4, 1100}};
  for (const auto& [m, n, d, k] : sizes) {
    // Products are exact, and cosines are few: nearly all are ties.
    const bool exact = metric() != Metric::kCosine || item_type() == ElementType::kInt8;
    const Rows items = MakeRows(item_type(), n, d, Content::kSmallIntegers, 5, 1);
    const Rows queries = Queries(m, d, Content::kSmallIntegers, items);
    const auto set = Upload(items);
    std::vector<Scored> out(m * k);
    std::vector<float> scores(m * n);
    ASSERT_TRUE(set->Similarity(queries.view(), scores).ok());
    // Twice and a third time: as a graph where the batch repeats.
    for (int turn = 0; turn < 3; ++turn) {
      std::fill(out.begin(), out.end(), Scored{99, -77});
      const Status status = set->TopK(queries.view(), k, out);
      ASSERT_TRUE(status.ok()) << status.ToString();
      for (std::size_t q = 0; q < m; ++q) {
        std::vector<std::pair<double, std::uint32_t>> sorted;
        for (std::uint32_t i = 0; i < n; ++i) {
          const Truth truth = TrueScore(queries, q, items, i, metric());
          sorted.emplace_back(exact ? -truth.rank : -scores[q * n + i], i);
        }
        std::sort(sorted.begin(), sorted.end());
        for (std::size_t rank = 0; rank < k; ++rank) {
          const Scored& got = out[q * k + rank];
          ASSERT_EQ(got.id, sorted[rank].second)
              << "turn " << turn << " m " << m << " n " << n << " query " << q << " rank " << rank;
          ASSERT_EQ(got.score, scores[q * n + got.id]);
        }
      }
    }
  }
}

TEST_P(GpuItemsTest, TopKOfNormalDataFindsTheBest) {
  const std::size_t m = 12, n = 900, d = 48, k = 20;
  const Rows items = MakeRows(item_type(), n, d, Content::kNormal, 8);
  const Rows queries = Queries(m, d, Content::kNormal, items);
  const auto set = Upload(items);
  std::vector<Scored> out(m * k);
  ASSERT_TRUE(set->TopK(queries.view(), k, out).ok());
  for (std::size_t q = 0; q < m; ++q) {
    std::vector<double> best;
    double size = 0;
    for (std::uint32_t i = 0; i < n; ++i) {
      const Truth truth = TrueScore(queries, q, items, i, metric());
      best.push_back(truth.score);
      size = std::max(size, truth.size);
    }
    std::sort(best.rbegin(), best.rend());
    for (std::size_t rank = 0; rank < k; ++rank) {
      const Scored& got = out[q * k + rank];
      EXPECT_NEAR(got.score, best[rank], 2e-5 * size);
      EXPECT_NEAR(got.score, TrueScore(queries, q, items, got.id, metric()).score, 1e-5 * size);
      if (rank > 0) {
        EXPECT_TRUE(Better(out[q * k + rank - 1], got) || item_type() == ElementType::kInt8);
      }
    }
  }
}

TEST_P(GpuItemsTest, AgreesWithTheCpu) {
  const std::size_t m = 11, n = 500, d = 37, k = 30;
  const Rows items = MakeRows(item_type(), n, d, Content::kNormal, 9);
  const Rows queries = Queries(m, d, Content::kNormal, items);
  const auto set = Upload(items);
  SimilarityOptions options;
  options.backend = Backend::kCpu;
  const auto cpu = ItemSet::Create(items.view(), metric(), options);
  ASSERT_TRUE(cpu.ok());
  std::vector<float> scores(m * n), cpu_scores(m * n);
  std::vector<Scored> best(m * k), cpu_best(m * k);
  ASSERT_TRUE(set->Similarity(queries.view(), scores).ok());
  ASSERT_TRUE(set->TopK(queries.view(), k, best).ok());
  ASSERT_TRUE(cpu->Similarity(queries.view(), cpu_scores).ok());
  ASSERT_TRUE(cpu->TopK(queries.view(), k, cpu_best).ok());
  if (item_type() == ElementType::kInt8) {
    EXPECT_EQ(scores, cpu_scores);  // the same bits
    EXPECT_EQ(best, cpu_best);
    return;
  }
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const double size = TrueScore(queries, i / n, items, i % n, metric()).size;
    ASSERT_NEAR(scores[i], cpu_scores[i], 2e-5 * size);
  }
  for (std::size_t i = 0; i < best.size(); ++i) {
    const double size = TrueScore(queries, i / k, items, best[i].id, metric()).size;
    ASSERT_NEAR(best[i].score, cpu_best[i].score, 2e-5 * size);
  }
}

TEST_P(GpuItemsTest, ManyThreadsShareASet) {
  const std::size_t n = 200, d = 16, k = 5;
  const Rows items = MakeRows(item_type(), n, d, Content::kNormal, 8);
  const auto set = Upload(items);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      const std::size_t m = 1 + 9 * (t % 2);
      const Rows queries = Queries(m, d, Content::kNormal, items);
      std::vector<Scored> first(m * k);
      if (!set->TopK(queries.view(), k, first).ok()) ++wrong[t];
      for (int turn = 0; turn < 4; ++turn) {
        std::vector<Scored> out(m * k);
        if (!set->TopK(queries.view(), k, out).ok() || out != first) ++wrong[t];
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

INSTANTIATE_TEST_SUITE_P(Everywhere, GpuItemsTest, ::testing::ValuesIn(Settings()), SettingName);

class GpuTest : public ::testing::TestWithParam<Where> {
 protected:
  void SetUp() override {
    api_ = Api(GetParam());
    if (api_ == nullptr) GTEST_SKIP() << WhyNot(GetParam());
  }
  const EquipoiseCudaApi* api_ = nullptr;
};

TEST_P(GpuTest, ALargerKIsLeftToTheCpu) {
  const Rows items = MakeRows(ElementType::kInt8, 2100, 4, Content::kNormal, 1);
  auto set = UploadItemsTo(api_, items.view(), Metric::kInnerProduct, false);
  ASSERT_TRUE(set.ok());
  std::vector<Scored> out(2100);
  const std::span<Scored> all(out);
  const VectorsView one = items.view().Slice(0, 1);
  EXPECT_EQ((*set)->TopK(one, kMaxGpuK + 1, all.first(kMaxGpuK + 1)).code(), Code::kUnsupported);
  EXPECT_TRUE((*set)->TopK(one, kMaxGpuK, all.first(kMaxGpuK)).ok());
}

TEST_P(GpuTest, ABatchOfMoreThanOnePassKeepsItsOrder) {
  const Rows items = MakeRows(ElementType::kBFloat16, 40, 8, Content::kSmallIntegers, 1);
  const Rows queries = MakeRows(ElementType::kFloat32, 700, 8, Content::kSmallIntegers, 2);
  auto set = UploadItemsTo(api_, items.view(), Metric::kInnerProduct, false);
  ASSERT_TRUE(set.ok());
  std::vector<Scored> out(700);
  ASSERT_TRUE((*set)->TopK(queries.view(), 1, out).ok());
  std::vector<float> scores(700 * 40);
  ASSERT_TRUE((*set)->Similarity(queries.view(), scores).ok());
  for (std::size_t q = 0; q < 700; ++q) {
    Scored best{0, -1e30f};
    for (std::uint32_t i = 0; i < 40; ++i) {
      const auto score =
          static_cast<float>(TrueScore(queries, q, items, i, Metric::kInnerProduct).score);
      ASSERT_EQ(scores[q * 40 + i], score);
      if (Better({i, score}, best)) best = {i, score};
    }
    ASSERT_EQ(out[q], best) << q;
  }
}

TEST_P(GpuTest, RowOperationsAgreeWithTheirDefinitions) {
  EquipoiseCudaFailure failure{};
  const Rows rows = MakeRows(ElementType::kFloat32, 5, 37, Content::kNormal, 3);
  std::vector<float> unit(5 * 37);
  std::memcpy(unit.data(), rows.bytes.data(), rows.bytes.size());
  std::vector<float> probabilities = unit;
  std::vector<std::uint8_t> codes(unit.size());
  std::vector<Float16> half(unit.size());
  ASSERT_EQ(api_->quantize(unit.data(), unit.size(), 3, 40, 0.5f, codes.data(), &failure), 0);
  ASSERT_EQ(api_->quantize(unit.data(), unit.size(), 1, 1, 0, half.data(), &failure), 0);
  std::vector<std::uint8_t> expected_codes(unit.size());
  QuantizeI8(unit.data(), unit.size(), {40, 0.5f}, expected_codes.data());
  EXPECT_EQ(codes, expected_codes);
  for (std::size_t i = 0; i < unit.size(); ++i) {
    Float16 expected;
    FloatToHalf(&unit[i], &expected, 1);
    EXPECT_EQ(half[i].bits, expected.bits);
  }
  ASSERT_EQ(api_->normalize(unit.data(), 5, 37, &failure), 0);
  ASSERT_EQ(api_->softmax(probabilities.data(), 5, 37, 2.0f, &failure), 0);
  for (std::size_t i = 0; i < 5; ++i) {
    double squares = 0, sum = 0;
    for (std::size_t j = 0; j < 37; ++j) {
      squares += static_cast<double>(unit[i * 37 + j]) * unit[i * 37 + j];
      sum += probabilities[i * 37 + j];
    }
    EXPECT_NEAR(squares, i == 2 ? 0 : 1, 1e-6);
    EXPECT_NEAR(sum, 1, 1e-5);
  }
}

INSTANTIATE_TEST_SUITE_P(Everywhere, GpuTest, ::testing::Values(Where::kEmulated, Where::kDevice),
                         [](const auto& param) {
                           return param.param == Where::kDevice ? "device" : "emulated";
                         });

#if defined(GPU_EMULATED)

/// The controls of fake_cuda.h.
template <typename Function>
Function Control(const char* name) {
  void* const library = dlopen(GPU_EMULATED, RTLD_NOW | RTLD_LOCAL);
  return reinterpret_cast<Function>(dlsym(library, name));
}

TEST(GpuFailures, EveryFailingCallIsReportedAndTheNextOneIsRight) {
  const EquipoiseCudaApi* const api = Api(Where::kEmulated);
  ASSERT_NE(api, nullptr);
  const auto fail_after = Control<void (*)(int, int)>("fake_cuda_fail_after");
  const auto has_failed = Control<bool (*)()>("fake_cuda_has_failed");
  const auto live_bytes = Control<unsigned long long (*)()>("fake_cuda_live_bytes");
  const Rows items = MakeRows(ElementType::kFloat16, 300, 8, Content::kNormal, 4);
  const Rows queries = MakeRows(ElementType::kFloat32, 9, 8, Content::kNormal, 5);
  std::vector<Scored> expected(9 * 7);
  // The first workspace too may fail to come about.
  for (int calls = 0; calls < 15; ++calls) {
    fail_after(calls, 2);
    const auto set = UploadItemsTo(api, items.view(), Metric::kCosine, false);
    EXPECT_EQ(set.ok(), !has_failed()) << calls;
  }
  fail_after(-1, 0);
  {
    const auto set = UploadItemsTo(api, items.view(), Metric::kCosine, false);
    ASSERT_TRUE(set.ok());
    ASSERT_TRUE((*set)->TopK(queries.view(), 7, expected).ok());
  }
  const unsigned long long before = live_bytes();
  for (const int error : {2 /* cudaErrorMemoryAllocation */, 700 /* an illegal address */}) {
    bool reported = false;
    for (int calls = 0; calls < 1000; calls += error == 2 ? 1 : 3) {
      fail_after(calls, error);
      auto set = UploadItemsTo(api, items.view(), Metric::kCosine, false);
      std::vector<Scored> out(9 * 7);
      Status status = set.error();
      // The second time a graph is recorded, the third time it is launched.
      for (int turn = 0; turn < 3 && status.ok(); ++turn) {
        status = (*set)->TopK(queries.view(), 7, out);
        if (status.ok()) {
          ASSERT_EQ(out, expected) << calls;
        }
      }
      const bool failed = has_failed();
      fail_after(-1, 0);
      if (!status.ok()) {
        reported = true;
        ASSERT_TRUE(failed);
        // cuBLAS has codes of its own.
        if (status.message().find("cublas") == std::string::npos) {
          ASSERT_EQ(status.code(), error == 2 ? Code::kOutOfMemory : Code::kDevice)
              << status.ToString();
        }
        ASSERT_NE(status.message().find("cu"), std::string::npos) << status.ToString();
      }
      if (set.ok()) {
        ASSERT_TRUE((*set)->TopK(queries.view(), 7, out).ok()) << calls;
        ASSERT_EQ(out, expected) << calls;
      }
      if (!failed) break;
      ASSERT_LT(calls, 900);
    }
    EXPECT_TRUE(reported);
  }
  EXPECT_EQ(live_bytes(), before);
}

TEST(GpuGraphs, ARepeatedBatchIsOneLaunchAndAllocatesNothing) {
  const EquipoiseCudaApi* const api = Api(Where::kEmulated);
  ASSERT_NE(api, nullptr);
  const auto allocations = Control<unsigned long long (*)()>("fake_cuda_allocations");
  const auto launches = Control<unsigned long long (*)()>("fake_cuda_graph_launches");
  const Rows items = MakeRows(ElementType::kInt8, 720, 24, Content::kNormal, 4);
  auto set = UploadItemsTo(api, items.view(), Metric::kInnerProduct, false);
  ASSERT_TRUE(set.ok());
  std::vector<Scored> out(32 * 2);
  const auto search = [&](unsigned seed) {
    const Rows queries = MakeRows(ElementType::kInt8, 32, 24, Content::kNormal, 3 * seed);
    ASSERT_TRUE((*set)->TopK(queries.view(), 2, out).ok());
    for (std::size_t q = 0; q < 32; ++q) {
      Scored best{0, -1e30f};
      for (std::uint32_t i = 0; i < 720; ++i) {
        const Truth truth = TrueScore(queries, q, items, i, Metric::kInnerProduct);
        if (Better({i, static_cast<float>(truth.score)}, best))
          best = {i, static_cast<float>(truth.score)};
      }
      ASSERT_EQ(out[2 * q], best);
    }
  };
  search(1);
  const unsigned long long allocated = allocations();
  const unsigned long long launched = launches();
  for (unsigned turn = 0; turn < 3; ++turn) search(turn);
  EXPECT_EQ(allocations(), allocated);
  EXPECT_EQ(launches(), launched + 3);
}

TEST(GpuMemory, ASetGivesItsMemoryBack) {
  const EquipoiseCudaApi* const api = Api(Where::kEmulated);
  ASSERT_NE(api, nullptr);
  const auto live_bytes = Control<unsigned long long (*)()>("fake_cuda_live_bytes");
  const Rows items = MakeRows(ElementType::kFloat32, 100, 8, Content::kNormal, 4);
  // The workspace, which stays.
  ASSERT_TRUE(UploadItemsTo(api, items.view(), Metric::kL2, false).ok());
  const unsigned long long before = live_bytes();
  {
    const auto set = UploadItemsTo(api, items.view(), Metric::kL2, false);
    ASSERT_TRUE(set.ok());
    EXPECT_GE(live_bytes(), before + 100 * 8 * 4);
  }
  EXPECT_EQ(live_bytes(), before);
}

#endif

}  // namespace
}  // namespace equipoise
