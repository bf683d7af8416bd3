#include <cmath>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <equipoise/core/random.h>
#include <equipoise/engine/configuration.h>

#include "learning_data.h"
#include "temp_folder.h"

namespace equipoise {
namespace {

using testing::LearningTest;
using testing::ScriptedPolicy;
using testing::TempFolder;

Configuration Unusual() {
  return {.alpha = 0.37,
          .fusion = FusionMethod::kTheoretical,
          .lexical_depth = 31,
          .vector_depth = 47,
          .ef_search = 64,
          .target_recall = 0.97,
          .rescore = 90,
          .exact = true,
          .mmr = 0.7,
          .mmr_candidates = 40,
          .near_duplicate = 0.95,
          .detector = false,
          .bandit = false,
          .filter = false,
          .router = false,
          .gpu = GpuUse::kOff,
          .simd = SimdLevel::kScalar};
}

TEST(Configuration, ComesBackFromItsFile) {
  TempFolder temp;
  for (const Configuration& each : {Configuration{}, Unusual()}) {
    ASSERT_TRUE(WriteConfiguration(each, temp.path("c.json")).ok());
    const auto read = ReadConfiguration(temp.path("c.json"));
    ASSERT_TRUE(read.ok()) << read.error().ToString();
    EXPECT_EQ(*read, each);
  }
}

TEST(Configuration, AnEmptyObjectIsTheDefault) {
  EXPECT_EQ(*ParseConfiguration("{}", "c"), Configuration{});
  EXPECT_EQ(*ParseConfiguration("\xEF\xBB\xBF{\"alpha\": 0.25}", "c"),
            Configuration{.alpha = 0.25});
}

TEST(Configuration, RefusalsNameFileAndKeyAndRange) {
  const struct {
    const char *text, *key, *says;
  } kWrong[] = {
      {R"({"alpa": 0.5})", "alpa", "unknown"},
      {R"({"alpha": 1.5})", "alpha", "[0, 1]"},
      {R"({"alpha": -0.1})", "alpha", "[0, 1]"},
      {R"({"alpha": "0.5"})", "alpha", "number in [0, 1]"},
      {R"({"alpha": null})", "alpha", "number in [0, 1]"},
      {R"({"alpha": 0.1, "alpha": 0.2})", "alpha", "twice"},
      {R"({"fusion": "sum"})", "fusion", "minmax"},
      {R"({"fusion": 1})", "fusion", "minmax"},
      {R"({"lexical_depth": 0})", "lexical_depth", "[1, 1000000]"},
      {R"({"vector_depth": 1000001})", "vector_depth", "[1, 1000000]"},
      {R"({"vector_depth": -3})", "vector_depth", "[1, 1000000]"},
      {R"({"vector_depth": 1.5})", "vector_depth", "whole"},
      {R"({"vector_depth": 18446744073709551616})", "vector_depth", "whole"},
      {R"({"ef_search": true})", "ef_search", "whole"},
      {R"({"target_recall": 1})", "target_recall", "[0, 0.9999]"},
      {R"({"rescore": -1})", "rescore", "[0, 1000000]"},
      {R"({"exact": 1})", "exact", "true or false"},
      {R"({"mmr": 1.5})", "mmr", "[0, 1]"},
      {R"({"mmr_candidates": 0})", "mmr_candidates", "[1, 1000000]"},
      {R"({"format": "1"})", "format", "whole"},
  };
  for (const auto& wrong : kWrong) {
    const auto read = ParseConfiguration(wrong.text, "mine.json");
    ASSERT_FALSE(read.ok()) << wrong.text;
    EXPECT_EQ(read.error().code(), Code::kInvalidArgument);
    EXPECT_EQ(read.error().where().file, "mine.json");
    EXPECT_EQ(read.error().where().field, wrong.key) << wrong.text;
    EXPECT_NE(read.error().message().find(wrong.says), std::string::npos)
        << read.error().ToString();
  }
  EXPECT_EQ(ParseConfiguration(R"({"format": 2})", "c").error().code(), Code::kUnsupported);
  for (const char* text : {"", "[]", "3", "{", "{} {}", "\xFF"})
    EXPECT_EQ(ParseConfiguration(text, "c").error().code(), Code::kInvalidArgument) << text;
  EXPECT_EQ(ParseConfiguration(std::string(100'000, '['), "c").error().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(ReadConfiguration("/nowhere/c.json").error().code(), Code::kNotFound);
  EXPECT_EQ(CheckConfiguration({.alpha = NAN}).where().field, "alpha");
  EXPECT_EQ(CheckConfiguration({.lexical_depth = 0}).where().field, "lexical_depth");
  TempFolder temp;
  EXPECT_FALSE(WriteConfiguration({.vector_depth = 0}, temp.path("c.json")).ok());
  EXPECT_EQ(ReadConfiguration(temp.path("c.json")).error().code(), Code::kNotFound);
}

TEST(Configuration, TheSchemaKnowsEveryKeyThatIsWrittenAndNoOther) {
  const auto schema = nlohmann::json::parse(ConfigurationSchema());
  const auto written = nlohmann::json::parse(ConfigurationJson(Unusual()));
  EXPECT_EQ(schema["additionalProperties"], false);
  ASSERT_EQ(schema["properties"].size(), written.size());
  for (const auto& [key, value] : written.items())
    EXPECT_TRUE(schema["properties"].contains(key)) << key;
  // The ranges are those that the reader keeps: their ends are taken, what lies beyond is not.
  for (const auto& [key, property] : schema["properties"].items()) {
    if (!property.contains("minimum")) continue;
    for (const char* end : {"minimum", "maximum"}) {
      nlohmann::json at = property[end];
      if (property["type"] == "integer") at = at.get<std::int64_t>();
      EXPECT_TRUE(ParseConfiguration(nlohmann::json{{key, at}}.dump(), "c").ok()) << key;
      const int beyond = end[1] == 'i' ? -1 : 1;
      at = property["type"] == "integer" ? nlohmann::json(at.get<std::int64_t>() + beyond)
                                         : nlohmann::json(at.get<double>() + beyond);
      EXPECT_FALSE(ParseConfiguration(nlohmann::json{{key, at}}.dump(), "c").ok()) << key;
    }
  }
}

TEST(Configuration, RandomBytesNeverGiveOneThatIsOutOfRange) {
  const std::string good = ConfigurationJson(Unusual());
  Random random(5);
  for (int i = 0; i < 3000; ++i) {
    std::string text = good;
    for (std::uint64_t n = random.Below(4) + 1; n > 0; --n)
      text[random.Below(text.size())] = static_cast<char>(random.Below(128));
    const auto read = ParseConfiguration(text, "c");
    if (!read) continue;
    EXPECT_TRUE(CheckConfiguration(*read).ok()) << text;
  }
}

class ConfiguredEngine : public LearningTest {};

TEST_F(ConfiguredEngine, RunsWhatTheConfigurationSays) {
  const Engine engine = Open();
  const Query query = MakeQuery(1);
  const Configuration configuration = {
      .alpha = 0.2, .fusion = FusionMethod::kMinMax, .lexical_depth = 12, .vector_depth = 17};
  SearchRequest by_hand = query.request();
  by_hand.alpha = 0.2;
  by_hand.fusion = FusionMethod::kMinMax;
  by_hand.lexical_depth = 12;
  by_hand.vector_depth = 17;
  by_hand.keep_candidates = true;
  SearchRequest asked = query.request();
  asked.keep_candidates = true;
  const auto expected = engine.Search(by_hand);
  const auto found = engine.Search(asked, configuration);
  ASSERT_TRUE(expected.ok() && found.ok());
  EXPECT_EQ(found->candidates, expected->candidates);
  EXPECT_EQ(found->weights, (FusionWeights{0.2, FusionMethod::kMinMax}));
  ASSERT_EQ(found->hits.size(), expected->hits.size());
  for (std::size_t i = 0; i < found->hits.size(); ++i)
    EXPECT_EQ(found->hits[i].id, expected->hits[i].id);
  EXPECT_EQ(engine.Search(asked, {.alpha = 2}).error().where().field, "alpha");
}

TEST_F(ConfiguredEngine, DiversityIsTheCallersAndElseTheConfigurations) {
  const Engine engine = Open();
  const Query query = MakeQuery(4);
  SearchRequest by_hand = query.request();
  by_hand.mmr = 0.3;
  by_hand.mmr_candidates = 30;
  const auto ids = [](const SearchResult& found) {
    std::vector<std::string> out;
    for (const Hit& hit : found.hits) out.push_back(hit.id);
    return out;
  };
  const auto plain = ids(*engine.Search(query.request()));
  const auto expected = ids(*engine.Search(by_hand));
  ASSERT_NE(expected, plain);
  EXPECT_EQ(ids(*engine.Search(query.request(), {.mmr = 0.3, .mmr_candidates = 30})), expected);
  EXPECT_EQ(ids(*engine.Search(by_hand, {.mmr = 1.0})), expected);
}

TEST_F(ConfiguredEngine, TheCallerDecidesAlphaThenTheConfigurationThenThePolicyThenTheIndex) {
  Engine engine = Open();
  const Query query = MakeQuery(2);
  const auto decided = [&](std::optional<double> caller, std::optional<double> configured) {
    SearchRequest request = query.request();
    request.alpha = caller;
    const auto found = engine.Search(request, {.alpha = configured});
    EXPECT_TRUE(found.ok());
    return std::pair(found->weights.alpha, found->alpha_source);
  };
  EXPECT_EQ(decided({}, {}), std::pair(0.5, AlphaSource::kIndex));
  ASSERT_TRUE(engine
                  .UsePolicy(std::make_shared<ScriptedPolicy>(
                      WeightDecision{.alpha = 0.8, .propensity = 0.25, .alpha_propensity = 0.25}))
                  .ok());
  EXPECT_EQ(decided(0.1, 0.3), std::pair(0.1, AlphaSource::kRequest));
  EXPECT_EQ(decided({}, 0.3), std::pair(0.3, AlphaSource::kConfigured));
  EXPECT_EQ(decided({}, {}), std::pair(0.8, AlphaSource::kPrior));
  // The policy's propensity is there only where the policy has decided.
  EXPECT_EQ(engine.Search(query.request(), {.alpha = 0.3})->propensity, 1);
  EXPECT_EQ(engine.Search(query.request(), Configuration{})->propensity, 0.25);
}

TEST_F(ConfiguredEngine,
       FeedbackTeachesTheCurveWhoeverDecidedAndADecisionOnlyWhereItWasThePolicys) {
  Engine engine = Open();
  const auto policy = std::make_shared<ScriptedPolicy>(
      WeightDecision{.alpha = 0.8, .propensity = 0.25, .alpha_propensity = 0.5});
  ASSERT_TRUE(engine.UsePolicy(policy).ok());
  const Query query = MakeQuery(2);
  SearchRequest asked = query.request();
  asked.alpha = 0.1;
  for (const auto& [request, configured] : {std::pair(asked, std::optional<double>(0.3)),
                                            std::pair(query.request(), std::optional<double>(0.3)),
                                            std::pair(query.request(), std::optional<double>())}) {
    const auto found = engine.Search(request, {.alpha = configured});
    ASSERT_TRUE(engine.Feedback({.query_id = found->query_id, .hit = 0, .rating = 1.0})->learned);
  }
  ASSERT_EQ(policy->told.size(), 3u);
  const double alphas[] = {0.1, 0.3, 0.8};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto& told = policy->told[i];
    EXPECT_EQ(told.decision.alpha, alphas[i]);
    EXPECT_EQ(told.decision.by_policy, i == 2);
    EXPECT_EQ(told.decision.propensity, i == 2 ? 0.25 : 1);
    for (const double value : told.curve) EXPECT_FALSE(std::isnan(value));
  }
}

TEST_F(ConfiguredEngine, AnAlphaIsNotUsedWithAnotherFusionThanItsOwn) {
  const Engine engine = Open();
  const Query query = MakeQuery(3);
  SearchRequest request = query.request();
  request.fusion = FusionMethod::kRrf;
  const auto found = engine.Search(request, {.alpha = 0.9, .fusion = FusionMethod::kMinMax});
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->weights, (FusionWeights{0.5, FusionMethod::kRrf}));
}

TEST_F(ConfiguredEngine, AQueryWithoutAnEmbeddingIsAnsweredByWordsWhateverTheAlpha) {
  const Engine engine = Open();
  const auto found = engine.Search({.text = "word1"}, {.alpha = 0.0});
  ASSERT_TRUE(found.ok()) << found.error().ToString();
  EXPECT_EQ(found->alpha_source, AlphaSource::kSinglePath);
  EXPECT_FALSE(found->hits.empty());
}

}  // namespace
}  // namespace equipoise
