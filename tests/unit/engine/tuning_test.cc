// The front of configurations: against an exhaustive sweep, and itself at other numbers of threads.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <map>
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
#include "tuning_space.h"

namespace equipoise {
namespace {

TEST(Tune, TheWordsAloneAreTunedWithoutASearchOfTheVectors) {
  const Judged judged(100, 12);
  TuningOptions options = Small();
  options.space.alpha_low = options.space.alpha_high = 1;
  const auto front = Tune(judged.sources(), options);
  ASSERT_TRUE(front.ok()) << front.error().ToString();
  double most = 0;
  for (const TunedPoint& point : front->points) {
    if (point.configuration == front->standard.configuration) continue;
    EXPECT_EQ(point.configuration.alpha, 1.0);
    most = std::max(most, point.training.diversity);
  }
  // Between documents that words found: 0 would be the same document again and again.
  EXPECT_GT(most, 0.1);
}

TEST(Tune, OneVariableAloneGivesEveryPointOfTheFrontThatAnExhaustiveSweepGives) {
  for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    const Judged judged(400, 40, seed);
    TuningOptions options = Small();
    options.objectives = {"cost", "quality"};
    options.population = 32;
    options.generations = 40;
    options.space.depth_low = options.space.depth_high = 50;
    options.space.ef_low = options.space.ef_high = 50;
    options.space.fusions = {FusionMethod::kMinMax};
    options.space.exact = options.space.rescore = options.space.mmr = false;
    const auto front = Tune(judged.sources(), options);
    ASSERT_TRUE(front.ok()) << front.error().ToString();
    // Every α by itself: the same split, judged one by one, compared by the definition.
    std::vector<JudgedSource> sources;
    sources.push_back(*OpenJudgedSource(judged.source()));
    const auto made = TuningEvaluator::Create(sources, {});
    TuningEvaluator& evaluator = **made;
    std::vector<std::uint32_t> training(evaluator.queries());
    for (std::uint32_t q = 0; q < training.size(); ++q) training[q] = q;
    Random random = Random::Stream(options.seed, 0);
    random.Shuffle(std::span<std::uint32_t>(training));
    training.erase(training.begin(), training.begin() + static_cast<std::ptrdiff_t>(
                                                            front->collections[0].validation));
    std::sort(training.begin(), training.end());
    std::set<std::vector<double>> values;
    for (int i = 0; i <= 100; ++i) {
      const Configuration c = Canonical({.alpha = i / 100.0,
                                         .fusion = FusionMethod::kMinMax,
                                         .lexical_depth = 50,
                                         .vector_depth = 50},
                                        10);
      ASSERT_TRUE(evaluator.Prepare(std::span(&c, 1)).ok());
      const TunedValues v = evaluator.Judge(c, training, Units());
      values.insert({v.cost, 1 - v.quality});
    }
    std::set<std::vector<double>> best;
    for (const auto& a : values)
      if (std::none_of(values.begin(), values.end(),
                       [&](const auto& b) { return Dominates(b, a); }))
        best.insert(a);
    std::set<std::vector<double>> found;
    for (const TunedPoint& point : front->points) found.insert(front->Minimized(point.training));
    // The default, of another depth, may be there too.
    found.erase(front->Minimized(front->standard.training));
    best.erase(front->Minimized(front->standard.training));
    EXPECT_EQ(found, best) << seed;
    EXPECT_GE(best.size(), 1u);
  }
}

TEST(Tune, TheFrontIsTheSameByteForByteAtAnyNumberOfThreads) {
  const Judged judged(300, 24);
  TuningOptions options = Small();
  const auto one = Tune(judged.sources(), options);
  ASSERT_TRUE(one.ok()) << one.error().ToString();
  for (const int threads : {2, 5}) {
    options.threads = threads;
    EXPECT_EQ(FrontJson(*Tune(judged.sources(), options)), FrontJson(*one)) << threads;
  }
  options.seed = 2;
  EXPECT_NE(FrontJson(*Tune(judged.sources(), options)), FrontJson(*one));
}

TEST(Tune, ARunThatWasStoppedAndResumedEndsWhereOneInOnePieceDoes) {
  const Judged judged(300, 24);
  TuningOptions options = Small();
  const auto whole = Tune(judged.sources(), options);
  ASSERT_TRUE(whole.ok());
  std::size_t reports = 0;
  options.progress = [&](const Progress& p) {
    return p.stage.substr(0, 5) != "front" || ++reports < 4;
  };
  const auto part = Tune(judged.sources(), options);
  ASSERT_TRUE(part.ok()) << part.error().ToString();
  EXPECT_FALSE(part->complete);
  EXPECT_EQ(part->generations, 3u);
  EXPECT_FALSE(part->points.empty());
  // By way of its file.
  ASSERT_TRUE(WriteFront(*part, judged.path("front.json")).ok());
  const auto read = ReadFront(judged.path("front.json"));
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  options.progress = {};
  options.units.reset();  // the run's own
  options.resume = &*read;
  const auto resumed = Tune(judged.sources(), options);
  ASSERT_TRUE(resumed.ok()) << resumed.error().ToString();
  EXPECT_TRUE(resumed->complete);
  EXPECT_EQ(resumed->points, whole->points);
  EXPECT_EQ(resumed->hypervolume, whole->hypervolume);
  EXPECT_EQ(resumed->sweep, whole->sweep);
  EXPECT_EQ(resumed->effort.asked, whole->effort.asked);
  // What is dominated in one piece is there too, but for what the first part could not yet place: it had no
  // room for it, and nothing that is better.
  const std::vector<TunedValues>& found = resumed->dominated;
  for (const TunedValues& values : found)
    EXPECT_EQ(std::count(whole->dominated.begin(), whole->dominated.end(), values), 1);
  for (const TunedValues& values : whole->dominated) {
    if (std::find(found.begin(), found.end(), values) != found.end()) continue;
    for (const TunedPoint& point : part->points)
      EXPECT_FALSE(Dominates(part->Minimized(point.training), part->Minimized(values)));
  }
  EXPECT_GT(found.size(), whole->dominated.size() / 2);
  // Of other options or another collection there is nothing to resume.
  options.seed = 2;
  EXPECT_EQ(Tune(judged.sources(), options).error().where().field, "seed");
  options.seed = 1;
  const Judged other(300, 24, 5);
  EXPECT_EQ(Tune(other.sources(), options).error().where().field, "collection");
}

TEST(Tune, StoppedBeforeTheFirstGenerationIsCancelled) {
  const Judged judged(100, 12);
  for (const char* last : {"searching", "calibrating", "front"}) {
    TuningOptions options = Small();
    options.units.reset();
    std::string stage;
    options.progress = [&](const Progress& p) {
      EXPECT_NE(stage, last);
      stage = p.stage;
      return stage != last;
    };
    EXPECT_EQ(Tune(judged.sources(), options).error().code(), Code::kCancelled);
    EXPECT_EQ(stage, last);
  }
}

TEST(Tune, AStopAfterTheLastGenerationLeavesOutTheTimingAlone) {
  const Judged judged(200, 20);
  TuningOptions options = Small();
  const auto whole = Tune(judged.sources(), options);
  ASSERT_TRUE(whole.ok());
  options.timed = true;
  std::set<std::string> all;
  for (const char* last : {"validating", "sweep"}) {
    bool stopped = false;
    options.progress = [&](const Progress& p) {
      const std::string stage(p.stage.substr(0, p.stage.find(' ')));
      EXPECT_FALSE(stopped && stage == "timing");
      all.insert(stage);
      stopped |= stage == last;
      return !stopped;
    };
    const auto front = Tune(judged.sources(), options);
    ASSERT_TRUE(front.ok()) << front.error().ToString();
    EXPECT_TRUE(stopped);
    EXPECT_EQ(*front, *whole);
  }
  EXPECT_EQ(all, (std::set<std::string>{"searching", "front", "validating", "sweep"}));
}

TEST(Tune, PointsAreTimedWhenTheBudgetIsSpentAndNotWhenTheUserStopsIt) {
  const Judged judged(200, 20);
  TuningOptions options = Small();
  options.timed = true;
  options.budget_seconds = 1e-9;  // over before the second generation
  const auto spent = Tune(judged.sources(), options);
  ASSERT_TRUE(spent.ok()) << spent.error().ToString();
  EXPECT_FALSE(spent->complete);
  EXPECT_EQ(spent->generations, 1u);
  for (const TunedPoint& point : spent->points) EXPECT_GT(point.measured_ms.value_or(0), 0);
  EXPECT_GT(spent->standard.measured_ms.value_or(0), 0);
  options.budget_seconds = 0;
  std::size_t reports = 0;
  options.progress = [&](const Progress& p) {
    return p.stage.substr(0, 5) != "front" || ++reports < 3;
  };
  const auto stopped = Tune(judged.sources(), options);
  ASSERT_TRUE(stopped.ok()) << stopped.error().ToString();
  EXPECT_FALSE(stopped->complete);
  for (const TunedPoint& point : stopped->points) EXPECT_FALSE(point.measured_ms);
}

TEST(Tune, AStateThatIsNoneOfItsVariablesIsNotResumed) {
  const Judged judged(200, 20);
  TuningOptions options = Small();
  const auto front = Tune(judged.sources(), options);
  ASSERT_TRUE(front.ok());
  const std::size_t variables = front->state.x.size() / front->population;
  options.generations = 7;
  for (std::size_t v = 0; v < variables; ++v)
    for (const double x : {1000.0, -1.0, 1e300, -1e300, double{NAN}, double{INFINITY}}) {
      TunedFront edited = *front;
      edited.state.x[3 * variables + v] = x;
      options.resume = &edited;
      const Status error = Tune(judged.sources(), options).error();
      EXPECT_EQ(error.code(), Code::kInvalidArgument) << v << " " << x;
      EXPECT_EQ(error.where().field, "state") << error.ToString();
    }
  TunedFront edited = *front;
  edited.state.x[1] += 0.5;  // a fusion and a half
  options.resume = &edited;
  EXPECT_EQ(Tune(judged.sources(), options).error().where().field, "state");
  edited = *front;
  edited.units.seen = NAN;
  EXPECT_EQ(Tune(judged.sources(), options).error().where().field, "units.seen");
  edited = *front;
  EXPECT_TRUE(Tune(judged.sources(), options).ok());
}

TEST(Tune, WhatIsDominatedIsSoByAPointAndThereOnce) {
  const Judged judged(300, 24);
  TuningOptions options = Small();
  const auto first = Tune(judged.sources(), options);
  ASSERT_TRUE(first.ok());
  options.generations = 10;
  options.resume = &*first;
  const auto second = Tune(judged.sources(), options);
  ASSERT_TRUE(second.ok()) << second.error().ToString();
  for (const TunedFront& front : {*first, *second}) {
    EXPECT_GT(front.dominated.size(), 10u);
    for (std::size_t i = 0; i < front.dominated.size(); ++i) {
      const auto values = front.Minimized(front.dominated[i]);
      EXPECT_TRUE(
          std::any_of(front.points.begin(), front.points.end(), [&](const TunedPoint& point) {
            return Dominates(front.Minimized(point.training), values);
          }));
      if (i > 0) {
        EXPECT_LE(front.dominated[i - 1].cost, front.dominated[i].cost);
      }
      for (std::size_t j = 0; j < i; ++j) EXPECT_FALSE(front.dominated[i] == front.dominated[j]);
    }
  }
}

TEST(Tune, TheFrontIsMutuallyNonDominatedAndItsFileComesBack) {
  const Judged judged(300, 24);
  TuningOptions options = Small();
  options.timed = true;
  const auto front = Tune(judged.sources(), options);
  ASSERT_TRUE(front.ok());
  ASSERT_GT(front->points.size(), 3u);
  for (const TunedPoint& a : front->points) {
    EXPECT_GT(a.measured_ms.value_or(0), 0);
    for (const TunedPoint& b : front->points)
      EXPECT_FALSE(Dominates(front->Minimized(a.training), front->Minimized(b.training)));
    EXPECT_LE(a.quality_low, a.validation.quality);
    EXPECT_GE(a.quality_high, a.validation.quality);
    EXPECT_LE(a.gain_low, a.gain + 1e-12);
  }
  for (std::size_t i = 1; i < front->hypervolume.size(); ++i)
    EXPECT_GE(front->hypervolume[i], front->hypervolume[0]);
  EXPECT_LT(front->effort.judged, front->effort.asked + 1);
  EXPECT_GT(front->effort.searches_saved, front->effort.searches);
  const auto read = ParseFront(FrontJson(*front), "front");
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_EQ(*read, *front);
  EXPECT_EQ(FrontJson(*read), FrontJson(*front));
  EXPECT_TRUE(MadeOn(*front, front->collections[0].fingerprint));
  EXPECT_FALSE(MadeOn(*front, 1));
}

// What is better by luck on few queries loses that on the others, and is marked so.
TEST(Tune, AdvantagesAreMarkedByWhatBecomesOfThemOnTheOtherQueries) {
  std::map<Advantage, std::size_t> seen;
  for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    const Judged judged(150, seed < 4 ? 8 : 60, seed);
    const auto front = Tune(judged.sources(), Small());
    ASSERT_TRUE(front.ok()) << front.error().ToString();
    const TunedPoint& standard = front->standard;
    for (const TunedPoint& point : front->points) {
      EXPECT_NEAR(point.gain, point.validation.quality - standard.validation.quality, 1e-12);
      EXPECT_LE(point.gain_low, point.gain + 1e-12);
      EXPECT_GE(point.gain_high, point.gain - 1e-12);
      const bool better = point.training.quality > standard.training.quality;
      EXPECT_EQ(point.advantage, !better              ? Advantage::kNone
                                 : point.gain_low > 0 ? Advantage::kHolds
                                 : point.validation.quality <= standard.validation.quality
                                     ? Advantage::kVanishes
                                     : Advantage::kUnclear);
      ++seen[point.advantage];
    }
  }
  for (const Advantage mark :
       {Advantage::kNone, Advantage::kHolds, Advantage::kUnclear, Advantage::kVanishes})
    EXPECT_GT(seen[mark], 0u) << AdvantageName(mark);
}

TEST(Tune, SeveralCollectionsAreTunedAsOne) {
  const Judged one(300, 20, 1), two(200, 12, 2);
  const auto front = Tune({one.source(), two.source()}, Small());
  ASSERT_TRUE(front.ok()) << front.error().ToString();
  ASSERT_EQ(front->collections.size(), 2u);
  EXPECT_EQ(front->collections[0].training + front->collections[0].validation +
                front->collections[0].left_out,
            20u);
  EXPECT_EQ(front->collections[1].training, front->collections[1].validation);
}

TEST(Tune, PricesCountCallsOfThePaths) {
  const Judged judged(200, 20);
  TuningOptions options = Small();
  options.units = CostUnits{.lexical_search = 2, .vector_search = 5, .prices = true};
  const auto front = Tune(judged.sources(), options);
  ASSERT_TRUE(front.ok());
  EXPECT_EQ(front->standard.training.cost, 7);
  for (const TunedPoint& point : front->points) {
    const double alpha = *point.configuration.alpha;
    EXPECT_EQ(point.training.cost, alpha == 0 ? 5 : alpha == 1 ? 2 : 7);
  }
}

TEST(Tune, RefusesWhatMakesNoSense) {
  const Judged judged(100, 12);
  const auto refused = [&](const auto& change, const char* field) {
    TuningOptions options = Small();
    change(options);
    const Status error = Tune(judged.sources(), options).error();
    EXPECT_EQ(error.code(), Code::kInvalidArgument) << field;
    const bool names = error.where().field.find(field) != std::string::npos ||
                       error.message().find(field) != std::string::npos;
    EXPECT_TRUE(names) << field << ": " << error.ToString();
  };
  using Options = TuningOptions;
  refused([](Options& o) { o.objectives = {"speed"}; }, "speed");
  refused([](Options& o) { o.objectives = {}; }, "objectives");
  refused([](Options& o) { o.objectives = {"cost", "cost"}; }, "twice");
  refused([](Options& o) { o.population = 0; }, "population");
  refused([](Options& o) { o.population = 7; }, "odd");
  refused([](Options& o) { o.generations = 0; }, "generations");
  refused([](Options& o) { o.validation = 0.95; }, "validation");
  refused([](Options& o) { o.k = 0; }, "k");
  refused([](Options& o) { o.space.alpha_low = 0.6, o.space.alpha_high = 0.4; }, "reversed");
  refused([](Options& o) { o.space.depth_low = 20, o.space.depth_high = 10; }, "reversed");
  refused([](Options& o) { o.space.ef_low = 20, o.space.ef_high = 10; }, "reversed");
  refused([](Options& o) { o.space.alpha_low = NAN; }, "alpha_low");
  refused([](Options& o) { o.space.depth_low = 0; }, "depth_low");
  refused([](Options& o) { o.space.fusions = {}; }, "fusion");
  refused(
      [](Options& o) {
        o.space = {.alpha_low = 0.5, .alpha_high = 0.5, .depth_low = 10, .depth_high = 10};
        o.space.ef_low = o.space.ef_high = 10;
        o.space.fusions = {FusionMethod::kRrf};
        o.space.exact = o.space.rescore = o.space.mmr = false;
      },
      "nothing to choose");
  refused([](Options& o) { o.units = CostUnits{.lexical_search = -1}; }, "units.lexical_search");
  refused([](Options& o) { o.units = CostUnits{.posting = NAN}; }, "units.posting");
  refused([](Options& o) { o.units = CostUnits{.rescored = -0.1}; }, "units.rescored");
  refused([](Options& o) { o.units = CostUnits{.compared = INFINITY}; }, "units.compared");
  refused([](Options& o) { o.units = CostUnits{.missing = 1e16}; }, "units.missing");
  EXPECT_EQ(Tune({}, Small()).error().code(), Code::kInvalidArgument);
}

TEST(Tune, BoundsThatAreEqualFixAVariable) {
  const Judged judged(200, 20);
  TuningOptions options = Small();
  options.space.alpha_low = options.space.alpha_high = 0.3;
  options.space.depth_low = options.space.depth_high = 20;
  const auto front = Tune(judged.sources(), options);
  ASSERT_TRUE(front.ok());
  for (const TunedPoint& point : front->points) {
    if (point.configuration == front->standard.configuration) continue;
    EXPECT_EQ(point.configuration.alpha, 0.3);
    EXPECT_EQ(point.configuration.lexical_depth, 20u);
  }
}

TEST(Tune, FewerQueriesThanASplitNeedsNamesTheIndex) {
  const Judged judged(100, 3);
  const Status error = Tune(judged.sources(), Small()).error();
  EXPECT_EQ(error.code(), Code::kInvalidArgument);
  EXPECT_NE(error.message().find("4 are needed"), std::string::npos) << error.ToString();
  EXPECT_EQ(error.where().file, judged.source().index);
}

TEST(Tune, JudgmentsOfOtherQueriesAreTooFew) {
  const Judged judged(100, 12);
  StudySource source = judged.source();
  source.qrels = judged.path("others");
  testing::WriteFile(source.qrels, "someone 0 d1 1\n");
  EXPECT_EQ(Tune({source}, Small()).error().code(), Code::kInvalidArgument);
  testing::WriteFile(source.qrels, "");
  EXPECT_EQ(Tune({source}, Small()).error().where().file, source.qrels);
}

}  // namespace
}  // namespace equipoise
