// What learning leaves behind: contexts of searches and snapshots, whole, damaged, and of others.
#include <bit>
#include <cmath>
#include <filesystem>

#include <gmock/gmock.h>

#include <equipoise/core/checked_file.h>

#include "learning_data.h"

namespace equipoise {
namespace {

using testing::LearningTest;
using testing::Made;
using testing::ReadFile;
using testing::ScriptedPolicy;
using testing::WriteFile;

class LearningState : public LearningTest {
 protected:
  // What a run sees: α, propensity and version of each search, with feedback in between.
  struct Step {
    double alpha, propensity, weight;
    std::uint64_t version;
    bool operator==(const Step&) const = default;
  };
  std::vector<Step> Run(const Engine& engine, std::uint64_t from, std::uint64_t to,
                        std::vector<std::uint64_t>* ids) const {
    std::vector<Step> steps;
    for (std::uint64_t i = from; i < to; ++i) {
      const Query query = MakeQuery(i % 17);
      const auto found = engine.Search(query.request(i % 2 == 0 ? "even" : "odd"));
      ids->push_back(found->query_id);
      double weight = -1;
      // Feedback comes five queries late, on this and that hit, and now and then again.
      if (i >= 5) {
        const auto out = engine.Feedback({.query_id = (*ids)[i - 5],
                                          .hit = i % 3,
                                          .rating = static_cast<double>(i % 2),
                                          .time = 1e9 + static_cast<double>(i),
                                          .now = 1e9 + 1e6});
        EXPECT_TRUE(out.ok());
        weight = out->weight;
        if (i % 4 == 0) {
          EXPECT_TRUE(engine
                          .Feedback({.query_id = (*ids)[i - 5],
                                     .hit = i % 3,
                                     .rating = 0.5,
                                     .time = 1e9 + 1e5,
                                     .now = 1e9 + 1e6})
                          .ok());
        }
      }
      steps.push_back({found->weights.alpha, found->propensity, weight, found->policy_version});
    }
    return steps;
  }
};

TEST_F(LearningState, AContextSurvivesItsBytes) {
  Engine engine = Open();
  for (const double alpha : {0.0, 0.4, 1.0}) {
    ASSERT_TRUE(
        engine
            .UsePolicy(std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = alpha,
                                                                       .both_paths = alpha == 0.4,
                                                                       .propensity = 0.2,
                                                                       .alpha_propensity = 0.3,
                                                                       .version = 9}))
            .ok());
    const Query query = MakeQuery(1);
    const auto found = engine.Search(query.request("wings"));
    const std::string bytes = found->context->Serialize();
    const auto read = SearchContext::Parse(bytes);
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->query_id, found->query_id);
    EXPECT_EQ(read->domain, "wings");
    EXPECT_EQ(read->decision.alpha, alpha);
    EXPECT_EQ(read->decision.both_paths, alpha == 0.4);
    EXPECT_EQ(read->decision.propensity, 0.2);
    EXPECT_EQ(read->decision.alpha_propensity, 0.3);
    EXPECT_EQ(read->decision.version, 9u);
    EXPECT_TRUE(read->decision.by_policy);
    EXPECT_EQ(read->method, found->weights.method);
    EXPECT_EQ(read->shown, found->context->shown);
    EXPECT_EQ(read->shown.size(), found->hits.size());
    EXPECT_EQ(read->candidates.size(), found->context->candidates.size());
    EXPECT_EQ(read->Serialize(), bytes);
  }
}

// As another version has written it: without the last `cut` bytes.
std::string OfVersion(char version, std::string bytes, std::size_t cut) {
  EXPECT_EQ(bytes[4], 3);
  bytes[4] = version;
  bytes.resize(bytes.size() - sizeof(std::uint64_t) - cut);
  const std::uint64_t sum = Checksum(std::as_bytes(std::span(bytes.data(), bytes.size())));
  bytes.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  return bytes;
}

TEST_F(LearningState, AContextOfVersionOneIsRefused) {
  Engine engine = Open();
  ASSERT_TRUE(engine.UsePolicy(Made("curve")).ok());
  const Query query = MakeQuery(1);
  const std::string bytes = engine.Search(query.request("wings"))->context->Serialize();
  for (const char version : {char{0}, char{1}, char{4}})
    EXPECT_EQ(SearchContext::Parse(OfVersion(version, bytes, 0)).error().code(),
              Code::kUnsupported);
}

TEST_F(LearningState, AContextOfVersionTwoIsReadWithOrWithoutFeatures) {
  Engine engine = Open();
  ASSERT_TRUE(engine.UsePolicy(Made("contextual")).ok());
  const Query query = MakeQuery(1);
  SearchContext context = *engine.Search(query.request("wings"))->context;
  ASSERT_FALSE(context.features.empty());
  const auto with = SearchContext::Parse(OfVersion(2, context.Serialize(), 0));
  ASSERT_TRUE(with.ok()) << with.error().ToString();
  EXPECT_EQ(with->Serialize(), context.Serialize());
  context.features.clear();
  // At its end only the number of the features is left.
  const std::string plain = context.Serialize();
  const auto without = SearchContext::Parse(OfVersion(2, plain, sizeof(std::uint64_t)));
  ASSERT_TRUE(without.ok()) << without.error().ToString();
  EXPECT_EQ(without->Serialize(), plain);
  EXPECT_EQ(SearchContext::Parse(OfVersion(3, plain, sizeof(std::uint64_t))).error().code(),
            Code::kCorruption);
}

TEST_F(LearningState, ADamagedContextIsRefused) {
  Engine engine = Open();
  const auto policy = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
  ASSERT_TRUE(engine.UsePolicy(policy).ok());
  const Query query = MakeQuery(2);
  const std::string whole = engine.Search(query.request())->context->Serialize();
  const auto refused = [&](const std::string& bytes) {
    const auto out = engine.Feedback({.context = bytes, .hit = 0, .rating = 1.0});
    if (out.ok()) return false;
    return out.error().code() == Code::kCorruption || out.error().code() == Code::kUnsupported;
  };
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x21);
    EXPECT_TRUE(refused(changed)) << "byte " << i;
    if (i > 0) {
      EXPECT_TRUE(refused(whole.substr(0, i))) << "cut at " << i;
    }
  }
  EXPECT_TRUE(refused(whole + "x"));
  std::string newer = whole;
  newer[4] = 4;
  EXPECT_EQ(engine.Feedback({.context = newer, .hit = 0, .rating = 1.0}).error().code(),
            Code::kUnsupported);
  EXPECT_TRUE(policy->told.empty());
  EXPECT_TRUE(engine.Feedback({.context = whole, .hit = 0, .rating = 1.0}).ok());
}

TEST_F(LearningState, AContextWithValuesThatNoSearchGivesIsRefused) {
  Engine engine = Open();
  ASSERT_TRUE(engine.UsePolicy(Made("curve")).ok());
  const Query query = MakeQuery(2);
  const SearchContext good = *engine.Search(query.request())->context;
  const auto refused = [](const SearchContext& context) {
    const auto read = SearchContext::Parse(context.Serialize());
    return !read.ok() && read.error().code() == Code::kCorruption;
  };
  EXPECT_FALSE(refused(good));
  SearchContext bad = good;
  bad.decision.alpha = std::nan("");
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.decision.propensity = 0;
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.domain.clear();
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.candidates[3].lexical = 2;
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.candidates[3].vector = std::nanf("");
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.candidates[3].doc = bad.candidates[4].doc;
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.shown[0] = 1'000'000;
  EXPECT_TRUE(refused(bad));
}

TEST_F(LearningState, AContextTeachesAnotherEngineWhatItTeachesThisOne) {
  Engine searched = Open(), told = Open();
  const auto here = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
  const auto there = std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.5});
  ASSERT_TRUE(searched.UsePolicy(here).ok());
  ASSERT_TRUE(told.UsePolicy(there).ok());
  const Query query = MakeQuery(3);
  const auto found = searched.Search(query.request("wings"));
  const std::string context = found->context->Serialize();
  ASSERT_TRUE(searched.Feedback({.query_id = found->query_id, .hit = 2, .rating = 1.0}).ok());
  ASSERT_TRUE(told.Feedback({.context = context, .hit = 2, .rating = 1.0}).ok());
  EXPECT_EQ(here->told[0].curve, there->told[0].curve);
  EXPECT_EQ(here->told[0].domain, there->told[0].domain);
  // The id alone is nothing to the other one, before it has the context.
  const auto next = searched.Search(query.request());
  EXPECT_EQ(told.Feedback({.query_id = next->query_id, .hit = 0, .rating = 1.0}).error().code(),
            Code::kNotFound);

  Build("other", 2);
  Engine other = Open("other");
  ASSERT_TRUE(other.UsePolicy(there).ok());
  const auto refused = other.Feedback({.context = context, .hit = 2, .rating = 1.0});
  EXPECT_EQ(refused.error().code(), Code::kInvalidArgument);
}

TEST_F(LearningState, ARestartInMidRunContinuesBitForBit) {
  Engine whole = Open();
  WeightPolicyOptions options;
  options.curve.exploration = 1;
  ASSERT_TRUE(whole.UsePolicy(Made("curve", options), {.seed = 5}).ok());
  std::vector<std::uint64_t> ids;
  const std::vector<Step> expected = Run(whole, 0, 120, &ids);

  Engine first = Open();
  ASSERT_TRUE(first.UsePolicy(Made("curve", options), {.seed = 5}).ok());
  ids.clear();
  std::vector<Step> steps = Run(first, 0, 60, &ids);
  ASSERT_TRUE(first.SavePolicy().ok());
  EXPECT_TRUE(std::filesystem::exists(folder_.path("index/POLICY")));

  Engine second = Open();
  ASSERT_TRUE(second.LoadPolicy().ok());
  const std::vector<Step> rest = Run(second, 60, 120, &ids);
  steps.insert(steps.end(), rest.begin(), rest.end());
  EXPECT_EQ(steps, expected);

  ASSERT_TRUE(whole.SavePolicy(folder_.path("whole")).ok());
  ASSERT_TRUE(second.SavePolicy(folder_.path("second")).ok());
  // The policies ended the same too, and nothing else lies beside the files.
  const auto of = [](const Engine& engine) {
    return *dynamic_cast<const CurvePolicy&>(*engine.policy()).Inspect("even");
  };
  EXPECT_EQ(of(whole).mean, of(second).mean);
  EXPECT_EQ(of(whole).probability, of(second).probability);
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_.root()))
    ++files;
  EXPECT_EQ(files, 3u);
}

TEST_F(LearningState, ADamagedSnapshotIsRefusedAndChangesNothing) {
  Engine engine = Open();
  ASSERT_TRUE(engine.UsePolicy(Made("curve"), {.remembered = 4}).ok());
  std::vector<std::uint64_t> ids;
  for (std::uint64_t i = 0; i < 3; ++i) {
    const Query query = MakeQuery(i);
    const auto found = engine.Search(query.request());
    ASSERT_TRUE(engine.Feedback({.query_id = found->query_id, .hit = 0, .rating = 1.0}).ok());
  }
  const std::string path = folder_.path("snapshot");
  ASSERT_TRUE(engine.SavePolicy(path).ok());
  const std::string whole = ReadFile(path);
  Engine other = Open();
  ASSERT_TRUE(other.UsePolicy(std::make_shared<ScriptedPolicy>(WeightDecision{.alpha = 0.7})).ok());
  const auto refused = [&](const std::string& bytes) {
    WriteFile(path, bytes);
    const Status status = other.LoadPolicy(path);
    return !status.ok() && status.where().file == path;
  };
  for (std::size_t i = 0; i < whole.size(); i += 37) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    EXPECT_TRUE(refused(changed)) << "byte " << i;
    EXPECT_TRUE(refused(whole.substr(0, i))) << "cut at " << i;
  }
  EXPECT_EQ(other.LoadPolicy(folder_.path("absent")).code(), Code::kNotFound);
  const Query query = MakeQuery(1);
  EXPECT_EQ(other.Search(query.request())->weights.alpha, 0.7);
  WriteFile(path, whole);
  EXPECT_TRUE(other.LoadPolicy(path).ok());
}

TEST_F(LearningState, ARestartGivesNoIdAgainAndAContextTeachesItsOwnQuery) {
  const std::string path = folder_.path("saved");
  std::string finance;
  std::uint64_t id = 0;
  {
    Engine engine = Open();
    ASSERT_TRUE(engine.UsePolicy(Made("curve")).ok());
    ASSERT_TRUE(engine.SavePolicy(path).ok());
    const Query query = MakeQuery(1);
    const auto found = engine.Search(query.request("finance"));
    finance = found->context->Serialize();
    id = found->query_id;
  }
  Engine engine = Open(), other = Open();
  ASSERT_TRUE(engine.LoadPolicy(path).ok());
  ASSERT_TRUE(other.LoadPolicy(path).ok());
  const Query query = MakeQuery(2);
  const auto found = engine.Search(query.request("law"));
  const auto elsewhere = other.Search(query.request("law"));
  EXPECT_NE(found->query_id, id);
  EXPECT_NE(found->query_id, elsewhere->query_id);
  EXPECT_EQ(other.Feedback({.query_id = found->query_id, .hit = 0, .rating = 1.0}).error().code(),
            Code::kNotFound);
  ASSERT_TRUE(engine.Feedback({.context = finance, .hit = 0, .rating = 1.0}).ok());
  const auto& policy = dynamic_cast<const CurvePolicy&>(*engine.policy());
  EXPECT_EQ(policy.Inspect("finance")->feedbacks, 1u);
  EXPECT_EQ(policy.Inspect("law")->feedbacks, 0u);
}

TEST_F(LearningState, AContextOfAKnownIdIsThatQuerysOrRefused) {
  Engine engine = Open();
  ASSERT_TRUE(engine.UsePolicy(Made("curve")).ok());
  const Query query = MakeQuery(1);
  SearchContext forged = *engine.Search(query.request("finance"))->context;
  forged.domain = "law";
  EXPECT_EQ(
      engine.Feedback({.context = forged.Serialize(), .hit = 0, .rating = 1.0}).error().code(),
      Code::kInvalidArgument);
}

TEST_F(LearningState, ASnapshotSaysWhichNormalizationItsAlphaBelongsTo) {
  const std::string path = folder_.path("saved");
  Engine engine = Open();
  ASSERT_TRUE(engine.UsePolicy(Made("curve"), {.fusion = FusionMethod::kRrf}).ok());
  ASSERT_TRUE(engine.SavePolicy(path).ok());
  Engine again = Open();
  ASSERT_TRUE(again.LoadPolicy(path).ok());
  const Query query = MakeQuery(1);
  EXPECT_EQ(again.Search(query.request())->weights.method, FusionMethod::kRrf);
  const Status refused = again.LoadPolicy(path, {.fusion = FusionMethod::kMinMax});
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_THAT(refused.message(), ::testing::HasSubstr("rrf"));
}

TEST_F(LearningState, ASnapshotOfAnotherVersionIsRefused) {
  for (const std::uint32_t version : {1u, 99u}) {
    auto file = CheckedFileWriter::Create(folder_.path("other"), "engine-policy", version);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->Section<double>("state", std::vector<double>{1, 2, 3}).ok());
    ASSERT_TRUE(file->Finish().ok());
    EXPECT_EQ(Open().LoadPolicy(folder_.path("other")).code(), Code::kUnsupported);
  }
}

TEST_F(LearningState, APolicysOwnFileIsLoadedToo) {
  const auto policy = Made("static", {.fixed = {.alpha = 0.2}});
  ASSERT_TRUE(policy->Save(folder_.path("own")).ok());
  Engine engine = Open();
  ASSERT_TRUE(engine.LoadPolicy(folder_.path("own")).ok());
  const Query query = MakeQuery(1);
  EXPECT_EQ(engine.Search(query.request())->weights.alpha, 0.2);
}

TEST_F(LearningState, WhatWasLearnedOutlivesANewBuildAndItsContextsDoNot) {
  Engine engine = Open();
  ASSERT_TRUE(engine.UsePolicy(Made("curve")).ok());
  const Query query = MakeQuery(1);
  const auto found = engine.Search(query.request("wings"));
  ASSERT_TRUE(engine.Feedback({.query_id = found->query_id, .hit = 0, .rating = 1.0}).ok());
  ASSERT_TRUE(engine.SavePolicy().ok());
  Build("index", 3);
  Engine again = Open();
  ASSERT_TRUE(again.LoadPolicy().ok());
  EXPECT_EQ(dynamic_cast<const CurvePolicy&>(*again.policy()).Inspect("wings")->feedbacks, 1u);
  EXPECT_EQ(again.Feedback({.query_id = found->query_id, .hit = 0, .rating = 0.0}).error().code(),
            Code::kNotFound);
}

}  // namespace
}  // namespace equipoise
