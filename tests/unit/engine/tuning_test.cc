// The front of configurations: against real searches, an exhaustive sweep, and itself at other numbers of
// threads.
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

#include "parallel_status.h"
#include "temp_folder.h"
#include "tuning_cost.h"
#include "tuning_evaluator.h"
#include "tuning_space.h"

namespace equipoise {
namespace {

using testing::TempFolder;

constexpr std::size_t kDimensions = 12;

/// A collection whose queries share words with some of their relevant documents and direction with others.
class Judged {
 public:
  Judged(std::size_t documents, std::size_t queries, std::uint64_t seed = 1,
         std::size_t dimensions = kDimensions) {
    Random random(seed);
    const auto words = [&](std::size_t n, std::uint64_t topic) {
      std::string out;
      for (std::size_t i = 0; i < n; ++i)
        out += "w" + std::to_string(random.Chance(0.4) ? 1000 + topic : random.Below(60)) + " ";
      return out;
    };
    const auto direction = [&](std::uint64_t topic, std::vector<float>* to) {
      Random fixed(topic + 77);
      for (std::size_t j = 0; j < dimensions; ++j)
        to->push_back(static_cast<float>(fixed.Uniform() - 0.5 + 1.3 * (random.Uniform() - 0.5)));
    };
    constexpr std::uint64_t kTopics = 30;
    std::vector<Document> corpus;
    std::vector<float> rows;
    for (std::size_t i = 0; i < documents; ++i) {
      corpus.push_back({.id = "d" + std::to_string(i), .title = "", .text = words(9, i % kTopics)});
      direction(i % kTopics, &rows);
    }
    EXPECT_TRUE(Engine::Build(folder_.path("index"), corpus,
                              MatrixView<float>(rows.data(), documents, dimensions))
                    .ok());
    std::string lines, qrels, vectors;
    for (std::size_t q = 0; q < queries; ++q) {
      const std::uint64_t topic = random.Below(kTopics);
      lines += "{\"_id\": \"q" + std::to_string(q) + "\", \"text\": \"" + words(3, topic) + "\"}\n";
      std::vector<float> row;
      direction(topic, &row);
      const auto d = static_cast<std::int32_t>(dimensions);
      vectors.append(reinterpret_cast<const char*>(&d), 4);
      vectors.append(reinterpret_cast<const char*>(row.data()), 4 * dimensions);
      for (std::size_t i = topic; i < documents; i += kTopics)
        if (random.Chance(0.5))
          qrels += "q" + std::to_string(q) + " 0 d" + std::to_string(i) + " " +
                   std::to_string(1 + random.Below(3)) + "\n";
      if (q % 7 == 3) qrels += "q" + std::to_string(q) + " 0 absent 2\n";
    }
    source_ = {.index = folder_.path("index"),
               .queries = folder_.Write("queries.jsonl", lines),
               .query_embeddings = folder_.Write("queries.fvecs", vectors),
               .qrels = folder_.Write("qrels", qrels)};
  }
  std::vector<StudySource> sources() const { return {source_}; }
  const StudySource& source() const { return source_; }
  std::string path(const char* name) const { return folder_.path(name); }

 private:
  TempFolder folder_;
  StudySource source_;
};

CostUnits Units() {
  return {.lexical_search = 2000,
          .posting = 3,
          .lexical_result = 9,
          .vector_search = 4000,
          .seen = 1,
          .distance = 11,
          .rescored = 40,
          .fusion = 700,
          .candidate = 25,
          .missing = 60,
          .compared = 12};
}

TuningOptions Small() {
  TuningOptions out;
  out.population = 16;
  out.generations = 6;
  out.units = Units();
  out.timed = false;
  return out;
}

TEST(TuningEvaluator, ValuesAreThoseOfRealSearches) {
  // The second has a graph.
  for (const std::size_t documents : {std::size_t{300}, std::size_t{2300}}) {
    const Judged judged(documents, 12);
    std::vector<JudgedSource> sources;
    sources.push_back(*OpenJudgedSource(judged.source()));
    const Engine& engine = sources[0].engine;
    const auto space = ConfigurationSpace::Create(TuningSpace{}, {});
    ASSERT_TRUE(space.ok());
    const auto made = TuningEvaluator::Create(sources, {.longest = space->longest(), .threads = 2});
    ASSERT_TRUE(made.ok()) << made.error().ToString();
    TuningEvaluator& evaluator = **made;
    Random random(9);
    std::vector<Configuration> tried = {{.alpha = 0.0}, {.alpha = 1.0}};
    while (tried.size() < 60) {
      std::vector<double> x;
      for (const Variable& v : space->variables())
        x.push_back(v.kind == VariableKind::kReal
                        ? v.low + random.Uniform() * (v.high - v.low)
                        : v.low + static_cast<double>(random.Below(
                                      static_cast<std::uint64_t>(v.high - v.low) + 1)));
      tried.push_back(space->Decode(x));
    }
    // Prepared in two parts: what is found does not depend on the order.
    ASSERT_TRUE(evaluator.Prepare(std::span(tried).first(20)).ok());
    ASSERT_TRUE(evaluator.Prepare(tried).ok());
    for (const Configuration& c : tried)
      for (std::size_t q = 0; q < evaluator.queries(); ++q) {
        const SearchRequest request = evaluator.RequestOf(q);
        const auto found = engine.Search(request, c);
        ASSERT_TRUE(found.ok()) << found.error().ToString();
        std::vector<std::string_view> ids;
        for (const Hit& hit : found->hits) ids.push_back(hit.id);
        const Queries::Item* item = nullptr;
        for (const Queries::Item& each : sources[0].queries.items())
          if (each.text == request.text) item = &each;
        ASSERT_NE(item, nullptr);
        const auto value = evaluator.Judge(c, q);
        EXPECT_EQ(value.quality, EvaluateRanking(ids, *sources[0].judgments.Find(item->id)).ndcg_10)
            << ConfigurationJson(c);
        // By its definition: over all pairs, in double.
        std::vector<std::uint32_t> docs;
        for (const Hit& hit : found->hits) docs.push_back(hit.doc);
        std::vector<float> rows(docs.size() * kDimensions);
        ASSERT_TRUE(engine.collection().vectors()->Read(docs, rows).ok());
        double sum = 0;
        for (std::size_t a = 0; a < docs.size(); ++a)
          for (std::size_t b = 0; b < a; ++b) {
            double dot = 0, na = 0, nb = 0;
            for (std::size_t j = 0; j < kDimensions; ++j) {
              const double x = rows[a * kDimensions + j], y = rows[b * kDimensions + j];
              dot += x * y;
              na += x * x;
              nb += y * y;
            }
            sum += 1 - dot / std::sqrt(na * nb);
          }
        const auto n = static_cast<double>(docs.size());
        EXPECT_NEAR(value.diversity, n < 2 ? 0 : 2 * sum / (n * (n - 1)), 1e-5);
      }
  }
}

TEST(TuningEvaluator, WholeListsAreThoseOfRealSearchesWhereWalksEndEarly) {
  constexpr std::size_t kMany = 120, kWide = 48;
  const Judged judged(4000, 20, 3, kWide);
  std::vector<JudgedSource> sources;
  sources.push_back(*OpenJudgedSource(judged.source()));
  const Engine& engine = sources[0].engine;
  const VectorIndex& vectors = *engine.collection().vectors();
  ASSERT_TRUE(vectors.settings().has_graph);
  // As many results as there are candidates, or some of them.
  for (const std::size_t k : {std::size_t{10}, kMany, 2 * kMany}) {
    std::vector<Configuration> tried;
    for (const double alpha : {0.0, 0.3, 0.7})
      for (const double target : {0.0, 0.5, 0.9})
        for (const std::size_t depth : {std::size_t{20}, kMany}) {
          tried.push_back({.alpha = alpha,
                           .fusion = FusionMethod::kMinMaxUnion,
                           .lexical_depth = 50,
                           .vector_depth = depth,
                           .target_recall = target});
          tried.push_back(tried.back());
          tried.back().rescore = 2 * std::max(depth, k);
          tried.push_back(tried.back());
          tried.back().ef_search = std::max(depth, k);
        }
    const auto made = TuningEvaluator::Create(sources, {.k = k, .longest = 2 * kMany});
    ASSERT_TRUE(made.ok()) << made.error().ToString();
    TuningEvaluator& evaluator = **made;
    ASSERT_TRUE(evaluator.Prepare(tried).ok());
    for (const Configuration& c : tried)
      for (std::size_t q = 0; q < evaluator.queries(); ++q) {
        const auto found = engine.Search(evaluator.RequestOf(q), c);
        ASSERT_TRUE(found.ok()) << found.error().ToString();
        SearchCounts counts;
        std::vector<std::pair<std::uint32_t, float>> expected, ranked;
        for (const Hit& hit : found->hits) expected.emplace_back(hit.doc, hit.score);
        for (const Candidate& hit : evaluator.Rank(c, q, &counts))
          ranked.emplace_back(hit.doc, hit.score);
        EXPECT_EQ(ranked, expected) << ConfigurationJson(c) << " k " << k << " query " << q;
      }
  }
  // The lists of another margin are others: the comparison can fail.
  std::size_t differ = 0;
  for (std::size_t q = 0; q < sources[0].queries.size(); ++q) {
    const std::vector<float> embedding = sources[0].EmbeddingOf(q);
    const SearchRequest request{.embedding = embedding, .target_recall = 0.5f};
    const auto as_search = vectors.Search(embedding, VectorPathParams(vectors, request, kMany));
    const auto plain = vectors.Search(embedding, {.k = kMany, .target_recall = 0.5f});
    ASSERT_TRUE(as_search.ok() && plain.ok());
    for (std::size_t i = 0; i < kMany; ++i)
      if ((*as_search)[i].id != (*plain)[i].id) {
        ++differ;
        break;
      }
  }
  EXPECT_GT(differ, 0u);
}

TEST(ConfigurationSpace, EqualBoundsOfTheBeamFixItThere) {
  TuningSpace bounds;
  bounds.ef_low = bounds.ef_high = 64;
  bounds.depth_low = bounds.depth_high = 20;
  bounds.exact = false;
  const auto space = ConfigurationSpace::Create(bounds, {.k = 10, .graph = true});
  ASSERT_TRUE(space.ok());
  // Every value of every whole variable: the target recall, or that beam.
  std::set<std::size_t> beams;
  Random random(1);
  for (int i = 0; i < 200; ++i) {
    std::vector<double> x;
    for (const Variable& v : space->variables())
      x.push_back(v.kind == VariableKind::kReal
                      ? 0.5
                      : v.low + static_cast<double>(
                                    random.Below(static_cast<std::uint64_t>(v.high - v.low) + 1)));
    beams.insert(space->Decode(x).ef_search);
  }
  EXPECT_EQ(beams, (std::set<std::size_t>{0, 64}));
}

TEST(ConfigurationSpace, AlphaStaysWithinBoundsOfMoreThanTwoDigits) {
  for (const auto& [low, high] : std::vector<std::pair<double, double>>{
           {0.125, 0.125}, {0.004, 0.2}, {0.004, 0.004}, {0.123, 0.997}, {0, 1}, {0.3, 0.3}}) {
    TuningSpace bounds;
    bounds.alpha_low = low;
    bounds.alpha_high = high;
    const auto space = ConfigurationSpace::Create(bounds, {});
    ASSERT_TRUE(space.ok());
    const Variable& alpha = space->variables()[0];
    std::vector<double> x;
    for (const Variable& v : space->variables()) x.push_back(v.low);
    for (int i = 0; i <= 1000; ++i) {
      x[0] = alpha.low + (alpha.high - alpha.low) * i / 1000;
      const double found = space->Decode(x).alpha.value_or(-1);
      EXPECT_GE(found, low);
      EXPECT_LE(found, high);
      if (found != low && found != high) {
        EXPECT_EQ(found, std::round(found * 100) / 100);
      }
      if (i == 0) {
        EXPECT_EQ(found, low);
      }
      if (i == 1000) {
        EXPECT_EQ(found, high);
      }
    }
  }
}

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
    if (a.advantage == Advantage::kVanishes) {
      EXPECT_GT(a.training.quality, front->standard.training.quality);
      EXPECT_LE(a.gain, 0);
    }
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
  const DomainPrior prior = PriorOf(*front);
  EXPECT_EQ(prior.curve, front->sweep.quality);
  EXPECT_EQ(prior.strength, 24);
  EXPECT_EQ(prior.normalization, FusionName(front->sweep.fusion));
  const auto best = static_cast<std::size_t>(std::round(prior.alpha * 20));
  for (const double value : prior.curve) EXPECT_LE(value, prior.curve[best]);
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
  refused("/format", 2, Code::kUnsupported);
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

TEST(ForEach, ABodyWithoutMemoryIsAStatusAtAnyNumberOfThreads) {
  for (const int threads : {1, 4}) {
    std::atomic<int> calls = 0;
    const auto run = [&](const std::function<Status(std::size_t)>& body) {
      calls = 0;
      return ForEach(40, threads, [&](std::size_t i) {
        ++calls;
        return body(i);
      });
    };
    EXPECT_TRUE(run([](std::size_t) { return Status(); }).ok());
    EXPECT_EQ(calls, 40);
    EXPECT_EQ(run([](std::size_t i) -> Status {
                if (i == 17) throw std::bad_alloc();
                return {};
              }).code(),
              Code::kOutOfMemory);
    EXPECT_EQ(run([](std::size_t i) -> Status {
                if (i == 17) throw std::length_error("too long");
                return {};
              }).code(),
              Code::kOutOfMemory);
    // Of several the first.
    const Status failed = run([](std::size_t i) {
      return i % 10 == 7 ? Status(Code::kInvalidArgument, std::to_string(i)) : Status();
    });
    EXPECT_EQ(failed.message(), "7");
    // Stopped between batches.
    std::size_t asked = 0;
    calls = 0;
    const Status stopped = ForEach(
        1000, threads,
        [&](std::size_t) {
          ++calls;
          return Status();
        },
        [&](std::size_t done) {
          EXPECT_EQ(static_cast<std::size_t>(calls), done);
          return ++asked < 3;
        });
    EXPECT_EQ(stopped.code(), Code::kCancelled);
    EXPECT_GT(calls, 0);
    EXPECT_LT(calls, 200);
  }
}

TEST(EveryNth, TakesNoMoreThanItSaysAndAllWhereTheyAreFew) {
  for (const std::size_t n : {1, 39, 40, 41, 79, 80, 81, 225, 5000}) {
    std::size_t taken = 0;
    for (std::size_t i = 0; i < n; i += EveryNth(n, 40)) ++taken;
    EXPECT_LE(taken, 40u) << n;
    EXPECT_GE(taken, std::min<std::size_t>(n, 21)) << n;
  }
}

TEST(FitNonNegative, FindsTheUnitsThatCountsWereMadeFrom) {
  Random random(4);
  const std::vector<double> truth = {1500, 0, 7.5, 0.25};
  std::vector<double> rows, y;
  for (int i = 0; i < 60; ++i) {
    const std::vector<double> row = {1, random.Uniform() * 50, random.Uniform() * 900,
                                     random.Uniform() * 20'000};
    double sum = 0;
    for (std::size_t j = 0; j < row.size(); ++j) sum += row[j] * truth[j];
    rows.insert(rows.end(), row.begin(), row.end());
    y.push_back(sum);
  }
  const auto found = FitNonNegative(rows, truth.size(), y);
  for (std::size_t j = 0; j < truth.size(); ++j) EXPECT_NEAR(found[j], truth[j], 1e-3 * truth[0]);
  // What would be negative is 0, and a column of zeros too.
  const auto falling =
      FitNonNegative(std::vector<double>{1, 0, 2, 0, 3, 0}, 2, std::vector<double>{-1, -2, -3});
  EXPECT_EQ(falling, (std::vector<double>{0, 0}));
}

}  // namespace
}  // namespace equipoise
