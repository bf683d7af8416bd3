// Where an ItemSet computes, and what it does about a GPU that fails: with GPUs made for the purpose.
#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "item_set_maker.h"

namespace equipoise {
namespace {

constexpr std::size_t kRows = 3000, kDim = 4;

// Answers with a score that no item has, or fails.
class FakeGpu : public GpuItems {
 public:
  FakeGpu(Status status, int* calls) : status_(std::move(status)), calls_(calls) {}
  Status Similarity(VectorsView, std::span<float> out) const override {
    ++*calls_;
    std::fill(out.begin(), out.end(), 77.0f);
    return status_;
  }
  Status TopK(VectorsView, std::size_t, std::span<Scored> out) const override {
    ++*calls_;
    std::fill(out.begin(), out.end(), Scored{.id = 7, .score = 77});
    return status_;
  }

 private:
  Status status_;
  int* calls_;
};

class ItemSetOnAGpu : public testing::Test {
 protected:
  ItemSetOnAGpu() {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    values_.resize(kRows * kDim);
    for (float& value : values_) value = normal(random);
    options_.log = [this](LogLevel level, std::string_view line) {
      EXPECT_EQ(level, LogLevel::kWarning);
      log_.emplace_back(line);
    };
  }
  MatrixView<float> items() const { return {values_.data(), kRows, kDim}; }
  MatrixView<float> queries(std::size_t m) const { return {values_.data(), m, kDim}; }

  ItemSetMaker Gpu(Status of_calls = {}, Status of_upload = {}) {
    return {.usable = true,
            .reason = "there",
            .upload = [this, of_calls, of_upload](const VectorsView&, Metric,
                                                  bool) -> Result<std::unique_ptr<GpuItems>> {
              if (!of_upload.ok()) return of_upload;
              return std::unique_ptr<GpuItems>(std::make_unique<FakeGpu>(of_calls, &calls_));
            }};
  }
  // The answers of the CPU.
  std::vector<Scored> Expected(std::size_t m, std::size_t k) const {
    SimilarityOptions cpu;
    cpu.backend = Backend::kCpu;
    auto set = ItemSet::Create(items(), Metric::kCosine, cpu);
    std::vector<Scored> out(m * k);
    EXPECT_TRUE(set.ok() && set->TopK(queries(m), k, out).ok());
    return out;
  }

  std::vector<float> values_;
  SimilarityOptions options_;
  std::vector<std::string> log_;
  int calls_ = 0;
};

TEST_F(ItemSetOnAGpu, TakesItFromTheGivenNumberOfMultiplyAddsOn) {
  options_.gpu_min_multiply_adds = 10 * kRows * kDim;
  auto set = Gpu().Make(items(), Metric::kCosine, options_);
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set->BackendFor(9), Backend::kCpu);
  EXPECT_EQ(set->BackendFor(10), Backend::kCuda);
  EXPECT_NE(set->Why(9).find("108000 multiply-adds are below 120000"), std::string::npos)
      << set->Why(9);
  EXPECT_NE(set->Why(10).find("120000 multiply-adds are at least"), std::string::npos);
  std::vector<Scored> best(10);
  ASSERT_TRUE(set->TopK(queries(9), 1, std::span(best).first(9)).ok());
  EXPECT_EQ(calls_, 0);
  ASSERT_TRUE(set->TopK(queries(10), 1, best).ok());
  EXPECT_EQ(calls_, 1);
  EXPECT_EQ(best[0].score, 77);
  std::vector<float> scores(10 * kRows);
  ASSERT_TRUE(set->Similarity(queries(10), scores).ok());
  EXPECT_EQ(calls_, 2);
}

TEST_F(ItemSetOnAGpu, TakesItForEveryCallWhereItIsAskedFor) {
  options_.backend = Backend::kCuda;
  auto set = Gpu().Make(items(), Metric::kCosine, options_);
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set->BackendFor(1), Backend::kCuda);
  EXPECT_EQ(set->Why(1), "the GPU was asked for");
}

TEST_F(ItemSetOnAGpu, DoesNotUploadWhatIsTooSmallOrForTheCpu) {
  options_.gpu_min_multiply_adds = 2000 * kRows * kDim;
  ASSERT_TRUE(
      Gpu({}, Status(Code::kInternal, "uploaded")).Make(items(), Metric::kCosine, options_).ok());
  options_ = {.backend = Backend::kCpu};
  ASSERT_TRUE(
      Gpu({}, Status(Code::kInternal, "uploaded")).Make(items(), Metric::kCosine, options_).ok());
}

TEST_F(ItemSetOnAGpu, AnswersRightAndWarnsOnceWhenTheGpuFails) {
  options_.backend = Backend::kCuda;
  for (const Code code : {Code::kDevice, Code::kOutOfMemory, Code::kUnsupported}) {
    log_.clear();
    auto set = Gpu(Status(code, "it broke")).Make(items(), Metric::kCosine, options_);
    ASSERT_TRUE(set.ok());
    std::vector<Scored> best(20 * 5);
    for (int call = 0; call < 3; ++call) {
      ASSERT_TRUE(set->TopK(queries(20), 5, best).ok());
      EXPECT_EQ(best, Expected(20, 5));
    }
    std::vector<float> scores(kRows);
    ASSERT_TRUE(set->Similarity(queries(1), scores).ok());
    EXPECT_NEAR(scores[0], 1, 1e-5);
    ASSERT_EQ(log_.size(), 1u);
    EXPECT_NE(log_[0].find("it broke"), std::string::npos);
  }
}

TEST_F(ItemSetOnAGpu, AnswersRightWhereTheItemsDoNotFit) {
  options_.backend = Backend::kCuda;
  auto set = Gpu({}, Status(Code::kOutOfMemory, "40 GB do not fit"))
                 .Make(items(), Metric::kCosine, options_);
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set->BackendFor(1000), Backend::kCpu);
  EXPECT_EQ(set->Why(1000), "40 GB do not fit");
  std::vector<Scored> best(20 * 5);
  ASSERT_TRUE(set->TopK(queries(20), 5, best).ok());
  EXPECT_EQ(best, Expected(20, 5));
  EXPECT_EQ(log_.size(), 1u);
}

TEST_F(ItemSetOnAGpu, LeavesALargerKToTheCpuWithoutAWarning) {
  options_.backend = Backend::kCuda;
  auto set = Gpu().Make(items(), Metric::kCosine, options_);
  ASSERT_TRUE(set.ok());
  std::vector<Scored> best(kMaxGpuK + 1);
  ASSERT_TRUE(set->TopK(queries(1), kMaxGpuK + 1, best).ok());
  EXPECT_EQ(calls_, 0);
  EXPECT_EQ(best, Expected(1, kMaxGpuK + 1));
  EXPECT_TRUE(log_.empty());
}

TEST_F(ItemSetOnAGpu, RefusesToPretendThatThereIsOne) {
  options_.backend = Backend::kCuda;
  const auto set =
      ItemSetMaker{.usable = false, .reason = "no driver"}.Make(items(), Metric::kCosine, options_);
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().code(), Code::kDevice);
  EXPECT_NE(set.error().message().find("no driver"), std::string::npos);
}

}  // namespace
}  // namespace equipoise
