/// A small collection with both paths, and policies that show what they were told.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/random.h>
#include <equipoise/core/weight_policy.h>
#include <equipoise/engine/engine.h>

#include "temp_folder.h"

namespace equipoise::testing {

inline constexpr std::size_t kDimensions = 8;

/// 80 documents of random words from a few, and random vectors.
class LearningTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kDocuments = 80;
  void SetUp() override { Build("index", 1); }

  void Build(const std::string& name, std::uint64_t seed) {
    Random random(seed);
    std::vector<Document> documents;
    std::vector<float> rows;
    for (std::size_t i = 0; i < kDocuments; ++i) {
      std::string text;
      for (int w = 0; w < 12; ++w) text += Word(random.Below(20)) + " ";
      documents.push_back({.id = "d" + std::to_string(i), .title = "", .text = text});
      for (std::size_t j = 0; j < kDimensions; ++j)
        rows.push_back(static_cast<float>(random.Uniform() - 0.5));
    }
    ASSERT_TRUE(Engine::Build(folder_.path(name), documents,
                              MatrixView<float>(rows.data(), kDocuments, kDimensions))
                    .ok());
  }
  Engine Open(const std::string& name = "index") const {
    auto engine = Engine::Open(folder_.path(name));
    EXPECT_TRUE(engine.ok());
    return *std::move(engine);
  }
  static std::string Word(std::uint64_t i) { return "word" + std::to_string(i); }

  struct Query {
    std::string text;
    std::vector<float> embedding;
    SearchRequest request(std::string_view domain = {}) const {
      return {.text = text, .embedding = embedding, .domain = domain};
    }
  };
  static Query MakeQuery(std::uint64_t seed) {
    Random random(1000 + seed);
    Query out{.text = Word(random.Below(20)) + " " + Word(random.Below(20)), .embedding = {}};
    for (std::size_t j = 0; j < kDimensions; ++j)
      out.embedding.push_back(static_cast<float>(random.Uniform() - 0.5));
    return out;
  }

  const TempFolder folder_;
};

/// Always the same decision; keeps what it is told.
class ScriptedPolicy : public WeightPolicy {
 public:
  struct Told {
    std::string domain;
    WeightDecision decision;
    std::vector<double> curve, replaced;
    double weight = 0, replaced_weight = 0;
  };
  explicit ScriptedPolicy(WeightDecision decision) : decision_(decision) {}

  WeightDecision Decide(const WeightQuery&, std::uint64_t) const noexcept override {
    return decision_;
  }
  Status Update(const WeightFeedback& f) override {
    const std::lock_guard lock(mutex_);
    told.push_back({.domain = std::string(f.query.domain),
                    .decision = f.decision,
                    .curve = {f.curve.begin(), f.curve.end()},
                    .replaced = {f.replaced_curve.begin(), f.replaced_curve.end()},
                    .weight = f.weight,
                    .replaced_weight = f.replaced_weight});
    return {};
  }
  Status Save(const std::string&) const override { return {}; }

  std::vector<Told> told;

 private:
  std::mutex mutex_;
  WeightDecision decision_;
};

inline std::shared_ptr<WeightPolicy> Made(std::string_view name,
                                          const WeightPolicyOptions& options = {}) {
  auto made = MakeWeightPolicy(name, options);
  EXPECT_TRUE(made.ok());
  return *std::move(made);
}

}  // namespace equipoise::testing
