// What becomes of a front: its file, the curve that policies start from, picking, engines that serve it.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <new>
#include <set>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <equipoise/core/random.h>
#include <equipoise/engine/ranking_evaluation.h>
#include <equipoise/engine/tuning.h>
#include <equipoise/retrieval/vector_path.h>

#include "tuning_data.h"
#include "tuning_evaluator.h"

namespace equipoise {
namespace {

TEST(Front, TheSweepOverAlphaIsWhatRealSearchesGiveAndAPoliciesPrior) {
  const Judged judged(300, 24);
  const auto front = Tune(judged.sources(), Small());
  ASSERT_TRUE(front.ok());
  std::vector<JudgedSource> sources;
  sources.push_back(*OpenJudgedSource(judged.source()));
  Configuration c = front->points[front->sweep.point].configuration;
  EXPECT_EQ(c.fusion, front->sweep.fusion);
  c.mmr.reset();
  ASSERT_EQ(front->sweep.quality.size(), 21u);
  ASSERT_EQ(front->sweep.queries, 24u);
  for (const std::size_t i : {0, 7, 10, 20}) {
    c.alpha = static_cast<double>(i) / 20;
    double sum = 0;
    for (std::size_t q = 0; q < sources[0].queries.size(); ++q) {
      const Queries::Item& item = sources[0].queries.items()[q];
      const auto embedding = sources[0].EmbeddingOf(q);
      const auto found = sources[0].engine.Search({.text = item.text, .embedding = embedding}, c);
      ASSERT_TRUE(found.ok());
      std::vector<std::string_view> ids;
      for (const Hit& hit : found->hits) ids.push_back(hit.id);
      sum += EvaluateRanking(ids, *sources[0].judgments.Find(item.id)).ndcg_10;
    }
    EXPECT_NEAR(front->sweep.quality[i], sum / 24, 1e-12) << i;
  }
  const DomainPrior prior = *PriorOf(*front);
  EXPECT_EQ(prior.curve, front->sweep.quality);
  EXPECT_EQ(prior.strength, 24);
  EXPECT_EQ(prior.normalization, FusionName(front->sweep.fusion));
  const auto best = static_cast<std::size_t>(std::round(prior.alpha * 20));
  for (const double value : prior.curve) EXPECT_LE(value, prior.curve[best]);
}

TEST(Front, IsAPriorOnlyWhereItsQualityIsWhatPoliciesLearnFrom) {
  const Judged judged(100, 12);
  TunedFront front = *Tune(judged.sources(), Small());
  ASSERT_TRUE(PriorOf(front).ok());
  const auto refused = [](const TunedFront& other, const char* field, const char* of) {
    const Status error = PriorOf(other).error();
    EXPECT_EQ(error.code(), Code::kInvalidArgument);
    EXPECT_EQ(error.where().field, field);
    EXPECT_NE(error.message().find(of), std::string::npos) << error.ToString();
  };
  TunedFront other = front;
  other.measure = QualityMeasure::kRecall;
  refused(other, "measure", "recall@10");
  other = front;
  other.k = 5;
  refused(other, "k", "nDCG@5");
  other = front;
  other.groundedness = 0.25;
  refused(other, "groundedness", "nDCG@10 and groundedness");
}

TEST(Front, TheSweepOfAPathAloneIsOfTheFusionThatItsConfigurationNames) {
  const Judged judged(100, 12);
  TuningOptions options = Small();
  options.objectives = {"cost"};
  const auto front = Tune(judged.sources(), options);
  ASSERT_TRUE(front.ok()) << front.error().ToString();
  const Configuration& c = front->points[front->sweep.point].configuration;
  ASSERT_TRUE(c.alpha == 0.0 || c.alpha == 1.0) << *c.alpha;
  EXPECT_EQ(c.fusion, front->sweep.fusion);
}

TEST(Front, FilesThatWereEditedIntoNonsenseAreRefused) {
  const Judged judged(200, 20);
  const auto front = Tune(judged.sources(), Small());
  ASSERT_TRUE(front.ok());
  using nlohmann::json;
  const json good = json::parse(FrontJson(*front));
  ASSERT_TRUE(ParseFront(good.dump(), "front").ok());
  const auto refused = [&](const std::string& pointer, const json& value, Code code) {
    json edited = good;
    edited[json::json_pointer(pointer)] = value;
    const Status error = ParseFront(edited.dump(), "front.json").error();
    EXPECT_EQ(error.code(), code) << pointer << ": " << error.ToString();
    EXPECT_EQ(error.where().file, "front.json");
    EXPECT_FALSE(error.where().field.empty()) << pointer;
  };
  refused("/format", 3, Code::kUnsupported);
  refused("/format", 1, Code::kUnsupported);
  refused("/kind", "front", Code::kInvalidArgument);
  refused("/objectives", {"cost", "speed", "quality"}, Code::kInvalidArgument);
  refused("/objectives", json::array(), Code::kInvalidArgument);
  refused("/points", json::array(), Code::kInvalidArgument);
  refused("/points/0/training/cost", -1, Code::kInvalidArgument);
  refused("/points/0/training/quality", 1.5, Code::kInvalidArgument);
  refused("/points/0/training/quality", "high", Code::kInvalidArgument);
  refused("/points/0/configuration/alpha", 3, Code::kInvalidArgument);
  refused("/points/0/configuration/beta", 3, Code::kInvalidArgument);
  refused("/points/0/advantage", "great", Code::kInvalidArgument);
  refused("/points/1", good["points"][0], Code::kInvalidArgument);
  refused("/sweep/point", 1000, Code::kInvalidArgument);
  refused("/sweep/quality", {0.5}, Code::kInvalidArgument);
  refused("/units/posting", -3, Code::kInvalidArgument);
  refused("/population", 10, Code::kInvalidArgument);
  refused("/collections", json::array(), Code::kInvalidArgument);
  // Each as strictly as any other.
  refused("/seed", 1.5, Code::kInvalidArgument);
  refused("/seed", -1, Code::kInvalidArgument);
  refused("/collections/0/fingerprint", 7.25, Code::kInvalidArgument);
  refused("/collections/0/fingerprint", -7, Code::kInvalidArgument);
  refused("/collections", good["collections"][0], Code::kInvalidArgument);
  refused("/points", good["points"][0], Code::kInvalidArgument);
  refused("/points", 3, Code::kInvalidArgument);
  refused("/dominated", 3, Code::kInvalidArgument);
  refused("/dominated", good["points"][0]["training"], Code::kInvalidArgument);
  refused("/dominated/0", 3, Code::kInvalidArgument);
  refused("/hypervolume", 0.5, Code::kInvalidArgument);
  refused("/hypervolume", json::array(), Code::kInvalidArgument);
  refused("/hypervolume/0", 1.5, Code::kInvalidArgument);
  refused("/hypervolume/0", "0.5", Code::kInvalidArgument);
  refused("/reference/0", -1, Code::kInvalidArgument);
  refused("/reference/0", nullptr, Code::kInvalidArgument);
  refused("/sweep/quality/3", true, Code::kInvalidArgument);
  refused("/sweep/quality/3", 1.5, Code::kInvalidArgument);
  refused("/sweep/fusion", "sum", Code::kInvalidArgument);
  refused("/space/fusions/0", "sum", Code::kInvalidArgument);
  refused("/state/x/0", nullptr, Code::kInvalidArgument);
  refused("/state/x", json::object(), Code::kInvalidArgument);
  refused("/state/rank/0", 0.5, Code::kInvalidArgument);
  refused("/state/rank/0", -1, Code::kInvalidArgument);
  refused("/state/crowding/0", "inf", Code::kInvalidArgument);
  refused("/state/crowding/0", -0.5, Code::kInvalidArgument);
  refused("/complete", 1, Code::kInvalidArgument);
  // A point that is better in everything: then the others are no front.
  json edited = good;
  edited["points"][0]["training"] = {{"cost", 0}, {"quality", 1}, {"diversity", 2}};
  EXPECT_EQ(ParseFront(edited.dump(), "front").error().code(), Code::kInvalidArgument);
  for (const auto& [key, value] : good.items()) {
    if (key == "library") continue;
    json less = good;
    less.erase(key);
    EXPECT_FALSE(ParseFront(less.dump(), "front").ok()) << key;
  }
  for (const char* text : {"", "{}", "[]", "{", "null", "\"equipoise front\""})
    EXPECT_EQ(ParseFront(text, "front").error().code(), Code::kInvalidArgument) << text;
  // Random damage is refused or read; what is read is a front.
  Random random(3);
  const std::string text = good.dump();
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = text;
    for (std::uint64_t n = 1 + random.Below(3); n > 0; --n)
      damaged[random.Below(damaged.size())] = static_cast<char>(random.Below(128));
    const auto read = ParseFront(damaged, "front");
    if (!read) continue;
    EXPECT_TRUE(PickFromFront(*read).ok());
  }
}

TEST(Front, PicksByPreferenceAndNeverADominatedPoint) {
  const Judged judged(300, 24);
  const auto front = Tune(judged.sources(), Small());
  ASSERT_TRUE(front.ok());
  const auto& points = front->points;
  const auto by = [&](auto value, const PickedPoint& picked) {
    for (const TunedPoint& point : points)
      EXPECT_LE(value(points[picked.point].training), value(point.training));
  };
  by([](const TunedValues& v) { return v.cost; },
     *PickFromFront(*front, {.weights = {{"cost", 1}}}));
  by([](const TunedValues& v) { return -v.quality; },
     *PickFromFront(*front, {.weights = {{"quality", 2}, {"cost", 0}}}));
  by([](const TunedValues& v) { return -v.diversity; },
     *PickFromFront(*front, {.weights = {{"diversity", 0.1}}}));
  const double limit = points[points.size() / 2].training.cost;
  for (const PickMethod method : {PickMethod::kIdeal, PickMethod::kAsf, PickMethod::kKnee})
    EXPECT_LE(
        points[PickFromFront(*front, {.max_cost = limit, .method = method})->point].training.cost,
        limit);
  EXPECT_EQ(PickFromFront(*front, {.max_cost = 0.0}).error().code(), Code::kNotFound);
  const auto wrong = [&](const FrontPreference& preference) {
    return PickFromFront(*front, preference).error().code();
  };
  EXPECT_EQ(wrong({.weights = {{"speed", 1}}}), Code::kInvalidArgument);
  EXPECT_EQ(wrong({.weights = {{"cost", -1}}}), Code::kInvalidArgument);
  EXPECT_EQ(wrong({.weights = {{"cost", 0}, {"quality", 0}}}), Code::kInvalidArgument);
  EXPECT_EQ(wrong({.weights = {{"cost", NAN}}}), Code::kInvalidArgument);
  EXPECT_EQ(wrong({.max_cost = -1.0}), Code::kInvalidArgument);
}

TEST(Front, AnEngineRunsTheConfigurationThatThePreferencePicks) {
  const Judged judged(300, 24);
  const auto front = Tune(judged.sources(), Small());
  ASSERT_TRUE(front.ok());
  const auto engine = Engine::Open(judged.source().index);
  const std::vector<float> embedding(kDimensions, 0.3f);
  const SearchRequest request{.text = "w1 w1003 w2", .embedding = embedding};
  EXPECT_EQ(engine->Search(request, FrontPreference{}).error().code(), Code::kUnavailable);
  const auto fits = engine->UseFront(*front);
  ASSERT_TRUE(fits.ok());
  EXPECT_TRUE(*fits);
  std::set<std::size_t> picked;
  for (const FrontPreference& preference :
       {FrontPreference{}, FrontPreference{.weights = {{"cost", 1}}},
        FrontPreference{.weights = {{"quality", 1}}},
        FrontPreference{.weights = {{"diversity", 1}, {"quality", 0.2}}}}) {
    const auto point = PickFromFront(*front, preference)->point;
    picked.insert(point);
    const Configuration& expected = front->points[point].configuration;
    EXPECT_EQ(*engine->Pick(preference), expected);
    const auto found = engine->Search(request, preference);
    const auto by_hand = engine->Search(request, expected);
    ASSERT_TRUE(found.ok() && by_hand.ok());
    ASSERT_EQ(found->hits.size(), by_hand->hits.size());
    for (std::size_t i = 0; i < found->hits.size(); ++i)
      EXPECT_EQ(found->hits[i].doc, by_hand->hits[i].doc);
    EXPECT_EQ(found->weights.alpha, *expected.alpha);
    EXPECT_EQ(found->alpha_source, AlphaSource::kConfigured);
  }
  EXPECT_GT(picked.size(), 2u);
  EXPECT_EQ(engine->Search(request, FrontPreference{.weights = {{"speed", 1}}}).error().code(),
            Code::kInvalidArgument);
  // A front of another collection is used, and said to be one.
  const Judged other(300, 24, 9);
  const auto elsewhere = Engine::Open(other.source().index);
  EXPECT_FALSE(*elsewhere->UseFront(*front));
  EXPECT_FALSE(engine->UseFront(TunedFront{}).ok());
  EXPECT_TRUE(engine->Search(request, FrontPreference{}).ok());
}

TEST(Front, FrontsAreExchangedWhileOthersSearch) {
  const Judged judged(200, 20);
  const auto front = Tune(judged.sources(), Small());
  ASSERT_TRUE(front.ok());
  // Two fronts of one point each, which can be told apart by their α.
  TunedFront one = *front, two = *front;
  one.points.resize(1);
  two.points.resize(1);
  one.points[0].configuration = {.alpha = 0.25};
  two.points[0].configuration = {.alpha = 0.75};
  const auto engine = Engine::Open(judged.source().index);
  ASSERT_TRUE(engine->UseFront(one).ok());
  const std::vector<float> embedding(kDimensions, 0.3f);
  std::atomic<bool> stop = false;
  std::atomic<std::size_t> wrong = 0, searches = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t)
    threads.emplace_back([&] {
      while (!stop) {
        const auto found =
            engine->Search({.text = "w1", .embedding = embedding}, FrontPreference{});
        wrong +=
            found.ok() && (found->weights.alpha == 0.25 || found->weights.alpha == 0.75) ? 0 : 1;
        ++searches;
      }
    });
  for (int i = 0; i < 500 || searches < 200; ++i)
    EXPECT_TRUE(engine->UseFront(i % 2 == 0 ? two : one).ok());
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0u);
}

}  // namespace
}  // namespace equipoise
