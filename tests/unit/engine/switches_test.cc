// Every accelerator and learner switched off by its key, one at a time, and what a machine lacks.
#include <algorithm>
#include <map>

#include <gmock/gmock.h>

#include <equipoise/engine/tuning.h>
#include <equipoise/kernels/hardware.h>

#include "learning_data.h"

namespace equipoise {
namespace {

using ::testing::HasSubstr;
using testing::LearningTest;
using testing::ScriptedPolicy;

class Switches : public LearningTest {
 protected:
  void TearDown() override { EXPECT_TRUE(UseSimdLevel(SimdLevel::kAuto).ok()); }

  static Configuration Read(const std::string& json) {
    auto read = ParseConfiguration(json, "test");
    EXPECT_TRUE(read.ok()) << read.error().ToString();
    return read.ok() ? *read : Configuration{};
  }
  /// With everything that can be switched off in use.
  Engine Full() {
    Engine engine = Open();
    Random random(1);
    constexpr std::size_t kRows = 80;
    std::vector<float> rows;
    std::vector<std::string_view> labels;
    for (std::size_t i = 0; i < kRows; ++i) {
      labels.emplace_back(i % 2 == 0 ? "north" : "south");
      for (std::size_t j = 0; j < testing::kDimensions; ++j)
        rows.push_back(static_cast<float>(random.Uniform() - 0.5 + (i % 2 == 0 ? 0.4 : -0.4)));
    }
    auto detector =
        DomainDetector::Fit(MatrixView<float>(rows.data(), kRows, testing::kDimensions), labels);
    EXPECT_TRUE(detector.ok()) << detector.error().ToString();
    EXPECT_TRUE(
        engine.UseDetector(std::make_shared<const DomainDetector>(*std::move(detector))).ok());
    LearningOptions options;
    options.filter.confidence.dwell_half = 10;
    EXPECT_TRUE(
        engine
            .UsePolicy(std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.8, .version = 3}),
                       options)
            .ok());
    TunedFront front;
    front.objectives = {"quality"};
    front.points.resize(1);
    front.points[0].configuration = {.alpha = 0.2};
    EXPECT_TRUE(engine.UseFront(front).ok());
    return engine;
  }

  /// What each part did for one query and the feedback on it.
  struct Seen {
    bool detected = false, decided = false, picked = false, filtered = false;
    std::size_t hits = 0;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  static Seen Look(const Engine& engine) {
    const Query query = MakeQuery(3);
    const auto found = engine.Search(query.request());
    EXPECT_TRUE(found.ok()) << found.error().ToString();
    const auto picked = engine.Search(query.request(), FrontPreference{});
    EXPECT_TRUE(picked.ok()) << picked.error().ToString();
    const auto told =
        engine.Feedback({.query_id = found->query_id, .hit = 0, .rating = 1.0, .dwell = 10.0});
    EXPECT_TRUE(told.ok()) << told.error().ToString();
    return {.detected = found->domain.decider == DomainDecider::kDetected,
            .decided = found->alpha_source == AlphaSource::kPolicy,
            .picked = picked->weights.alpha == 0.2,
            .filtered = told->weight < 0.75,
            .hits = found->hits.size()};
  }
};

TEST_F(Switches, EachPartCanBeSwitchedOffByItselfAndOnAgain) {
  const Engine engine = Full();
  const Seen all{.detected = true, .decided = true, .picked = true, .filtered = true, .hits = 10};
  EXPECT_EQ(Look(engine), all);
  struct Case {
    const char* json;
    bool Seen::*off;
  };
  for (const Case& one :
       {Case{R"({"detector": false})", &Seen::detected},
        Case{R"({"bandit": false})", &Seen::decided}, Case{R"({"filter": false})", &Seen::filtered},
        Case{R"({"router": false})", &Seen::picked}}) {
    ASSERT_TRUE(engine.UseConfiguration(Read(one.json)).ok());
    Seen expected = all;
    expected.*one.off = false;
    EXPECT_EQ(Look(engine), expected) << one.json;
    ASSERT_TRUE(engine.UseConfiguration({}).ok());
    EXPECT_EQ(Look(engine), all) << "after " << one.json;
  }
}

TEST_F(Switches, AcceleratorsChangeNoRanking) {
  const Engine engine = Full();
  const auto ids = [&] {
    std::vector<std::string> out;
    for (std::uint64_t i = 0; i < 20; ++i) {
      const Query query = MakeQuery(i);
      const auto found = engine.Search(query.request());
      for (const Hit& hit : found->hits) out.push_back(hit.id);
    }
    return out;
  };
  const auto expected = ids();
  for (const SimdLevel level : AvailableSimdLevels()) {
    const std::string name(SimdLevelName(level));
    ASSERT_TRUE(engine.UseConfiguration(Read(R"({"simd": ")" + name + R"("})")).ok());
    EXPECT_EQ(*DefaultSimdLevel(), level);
    EXPECT_EQ(InspectHardware().level, level);
    EXPECT_EQ(ids(), expected) << name;
  }
  ASSERT_TRUE(engine.UseConfiguration(Read(R"({"gpu": "off"})")).ok());
  EXPECT_EQ(ids(), expected);
  EXPECT_EQ(SimilarityOf(Read(R"({"gpu": "off"})")).backend, Backend::kCpu);
  EXPECT_EQ(SimilarityOf({}).backend, Backend::kAuto);
}

TEST_F(Switches, DeDuplicationIsOffUnlessItIsAskedFor) {
  const Engine engine = Full();
  const Query query = MakeQuery(3);
  SearchRequest by_hand = query.request();
  by_hand.near_duplicate = 0.3;
  const auto expected = engine.Search(by_hand);
  const auto plain = engine.Search(query.request());
  const auto ids = [](const SearchResult& found) {
    std::vector<std::string> out;
    for (const Hit& hit : found.hits) out.push_back(hit.id);
    return out;
  };
  ASSERT_NE(ids(*expected), ids(*plain));
  ASSERT_TRUE(engine.UseConfiguration(Read(R"({"near_duplicate": 0.3})")).ok());
  EXPECT_EQ(ids(*engine.Search(query.request())), ids(*expected));
  ASSERT_TRUE(engine.UseConfiguration({}).ok());
  EXPECT_EQ(ids(*engine.Search(query.request())), ids(*plain));
}

TEST_F(Switches, WhatTheMachineLacksIsRefusedAndNothingChanges) {
  const Engine engine = Full();
  const auto levels = AvailableSimdLevels();
  const SimdLevel before = *DefaultSimdLevel();
  int missing = 0;
  for (const SimdLevel level : {SimdLevel::kAvx2, SimdLevel::kAvx512Vnni, SimdLevel::kNeon}) {
    if (std::find(levels.begin(), levels.end(), level) != levels.end()) continue;
    ++missing;
    const Status refused = engine.UseConfiguration({.alpha = 0.4, .simd = level});
    EXPECT_EQ(refused.code(), Code::kUnsupported);
    EXPECT_EQ(refused.where().field, "simd");
    EXPECT_THAT(refused.message(), HasSubstr(std::string(SimdLevelName(level))));
    EXPECT_THAT(refused.message(), HasSubstr("scalar"));
  }
  EXPECT_GT(missing, 0);  // no machine has both NEON and AVX
  EXPECT_EQ(*DefaultSimdLevel(), before);
  const Query query = MakeQuery(3);
  EXPECT_EQ(engine.Search(query.request())->weights.alpha, 0.8);
  const Status gpu = CheckMachine(Read(R"({"gpu": "required"})"));
  EXPECT_EQ(gpu.ok(), InspectHardware().gpu_usable);
  if (!gpu.ok()) {
    EXPECT_EQ(gpu.code(), Code::kUnsupported);
    EXPECT_EQ(gpu.where().field, "gpu");
  }
}

TEST_F(Switches, WrongValuesNameTheirKey) {
  for (const auto& [json, key] :
       std::map<std::string, std::string>{{R"({"simd": "sse9"})", "simd"},
                                          {R"({"gpu": true})", "gpu"},
                                          {R"({"bandit": "off"})", "bandit"},
                                          {R"({"near_duplicate": 0})", "near_duplicate"},
                                          {R"({"near_duplicate": "yes"})", "near_duplicate"}}) {
    const auto read = ParseConfiguration(json, "c.json");
    ASSERT_FALSE(read.ok()) << json;
    EXPECT_EQ(read.error().where().field, key);
  }
}

}  // namespace
}  // namespace equipoise
