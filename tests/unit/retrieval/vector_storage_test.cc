// Every storage under every metric, against brute force; values and sizes that strain the codes.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/checked_file.h>
#include <equipoise/kernels/hardware.h>
#include <equipoise/retrieval/vector_index.h>

#include "retrieval/vector_truth.h"

namespace equipoise {
namespace {

using namespace equipoise::testing;  // NOLINT: helpers of this folder only

VectorIndexOptions Small(Metric metric, VectorStorage storage = VectorStorage::kInt8Float16) {
  VectorIndexOptions options;
  options.metric = metric;
  options.storage = storage;
  options.graph_from = 0;
  options.m = 12;
  options.ef_construction = 80;
  return options;
}

std::string NameOf(VectorStorage storage) {
  std::string out;
  for (const char c : VectorStorageName(storage)) out += c == '+' ? '_' : c;
  return out;
}

class EachStorage : public ::testing::TestWithParam<std::tuple<VectorStorage, Metric>> {
 protected:
  VectorStorage storage() const { return std::get<0>(GetParam()); }
  Metric metric() const { return std::get<1>(GetParam()); }
  VectorIndexOptions Options() const { return Small(metric(), storage()); }
};

INSTANTIATE_TEST_SUITE_P(Storage, EachStorage,
                         ::testing::Combine(::testing::ValuesIn(kAllStorages),
                                            ::testing::ValuesIn(kAllMetrics)),
                         [](const auto& kind) {
                           return NameOf(std::get<0>(kind.param)) + "_" +
                                  std::string(MetricName(std::get<1>(kind.param)));
                         });

TEST_P(EachStorage, FindsNearlyAllNeighbours) {
  const Matrix rows = Clustered(1500, 40, 40, 1), queries = Clustered(60, 40, 40, 2);
  BuiltIndex built(rows.view(), Options());
  auto index = built.Open();
  ASSERT_TRUE(index.ok()) << index.error().ToString();
  EXPECT_EQ(index->settings().storage, storage());
  EXPECT_TRUE(index->Verify().ok());
  // Scores of codes confuse neighbours that lie closer together than the codes' steps.
  const double least = KeepsCodesOnly(storage()) ? 0.93 : 0.985;
  EXPECT_GE(MeanRecall(*index, rows, queries, {},
                       [](const VectorSearchReport& report) {
                         EXPECT_EQ(report.plan, VectorPlan::kWalk);
                         EXPECT_GT(report.expanded, 0u);
                         EXPECT_LE(report.distances, report.seen + 1);
                         EXPECT_GE(report.rescored, 10u);
                         EXPECT_GT(report.bytes, 0u);
                       }),
            least);
  EXPECT_GE(MeanRecall(*index, rows, queries, {.ef_search = 100}), least);
  EXPECT_GE(MeanRecall(*index, rows, queries, {.exact = true}),
            KeepsCodesOnly(storage()) ? 0.93 : 0.995);
}

TEST_P(EachStorage, ExactSearchAndScoresAgreeWithBruteForce) {
  const Matrix rows = Clustered(700, 33, 7, 3), queries = Clustered(12, 33, 7, 4);
  for (const std::size_t graph_from : {0, 10000}) {
    VectorIndexOptions options = Options();
    options.graph_from = graph_from;
    BuiltIndex built(rows.view(), options);
    auto index = built.Open();
    ASSERT_TRUE(index.ok()) << index.error().ToString();
    for (std::size_t i = 0; i < queries.n; ++i) {
      const auto truth = BruteScores(queries.row(i), rows, metric());
      for (const bool exact : {true, false}) {
        auto found = index->Search(queries.row(i), {.k = 20, .exact = exact});
        ASSERT_TRUE(found.ok());
        std::vector<std::uint32_t> ids;
        for (const Scored& s : *found) ids.push_back(s.id);
        std::vector<float> scores(ids.size());
        ASSERT_TRUE(index->Score(queries.row(i), ids, scores).ok());
        for (std::size_t j = 0; j < ids.size(); ++j) {
          EXPECT_EQ(scores[j], (*found)[j].score) << "bit for bit";
          const double size = metric() == Metric::kCosine ? 1 : 33 * 1.5;
          const double error = KeepsCodesOnly(storage())              ? 0.02
                               : storage() == VectorStorage::kFloat32 ? 1e-6
                                                                      : 1e-3;
          EXPECT_NEAR(scores[j], truth[ids[j]], error * size);
        }
        if (!exact || KeepsCodesOnly(storage())) continue;
        EXPECT_GE(RecallAmong(*found, truth, 20),
                  storage() == VectorStorage::kFloat32 ? 1.0 : 0.949);
      }
    }
  }
}

TEST_P(EachStorage, TheNeighboursOfARowIncludeItself) {
  // The nearest row is the row itself under cosine and l2.
  if (metric() == Metric::kInnerProduct) GTEST_SKIP() << "a longer row may be nearer";
  const Matrix rows = Clustered(1000, 24, 30, 5);
  BuiltIndex built(rows.view(), Options());
  auto index = built.Open();
  ASSERT_TRUE(index.ok());
  std::size_t missed = 0;
  for (std::size_t i = 0; i < rows.n; i += 5) {
    auto found = index->Search(rows.row(i), {.k = 5});
    ASSERT_TRUE(found.ok());
    missed +=
        std::none_of(found->begin(), found->end(), [&](const Scored& s) { return s.id == i; });
  }
  EXPECT_LE(missed, 1u);
}

TEST_P(EachStorage, SizesFromNothingUpAndEveryDimension) {
  for (const std::size_t d : {1, 7, 64, 383, 4096}) {
    for (const std::size_t n : {0, 1, 2, 300}) {
      if (d > 400 && n > 30) continue;
      const Matrix rows = Clustered(n, d, 4, 11), queries = Clustered(2, d, 4, 12);
      VectorIndexOptions options = Options();
      options.m = 4;
      options.ef_construction = 20;
      BuiltIndex built(rows.view(), options);
      auto index = built.Open();
      ASSERT_TRUE(index.ok()) << index.error().ToString();
      EXPECT_TRUE(index->Verify().ok());
      for (const std::size_t k : {std::size_t{1}, std::size_t{3}, n + 1}) {
        for (const std::size_t ef : {0, 1, 2, 30}) {
          for (std::size_t i = 0; i < queries.n; ++i) {
            auto found = index->Search(queries.row(i), {.k = k, .ef_search = ef});
            ASSERT_TRUE(found.ok()) << found.error().ToString();
            ASSERT_EQ(found->size(), std::min(k, n));
            EXPECT_TRUE(IsSorted(*found));
          }
        }
      }
    }
  }
}

TEST_P(EachStorage, FilesAreTheSameWithAnyNumberOfThreads) {
  const Matrix rows = Clustered(2600, 20, 10, 25);
  VectorIndexOptions options = Options();
  const BuiltIndex one(rows.view(), options);
  ASSERT_TRUE(one.status.ok());
  for (const int threads : {2, 5}) {
    options.threads = threads;
    const BuiltIndex more(rows.view(), options);
    EXPECT_EQ(ReadFile(more.vectors), ReadFile(one.vectors)) << threads;
    EXPECT_EQ(ReadFile(more.graph), ReadFile(one.graph)) << threads;
  }
}

TEST_P(EachStorage, TheNarrowestBeamWalksToANearRow) {
  const Matrix rows = Clustered(1000, 16, 10, 21), queries = Clustered(400, 16, 10, 22);
  BuiltIndex built(rows.view(), Options());
  auto index = built.Open();
  ASSERT_TRUE(index.ok());
  RowSet most(rows.n, [](std::uint32_t row) { return row % 10 != 0; });
  for (const RowSet* allowed :
       {static_cast<const RowSet*>(nullptr), static_cast<const RowSet*>(&most)}) {
    for (const std::size_t k : {1, 2, 3}) {
      const double recall =
          MeanRecall(*index, rows, queries, {.k = k, .ef_search = 1, .allowed = allowed});
      // Of 10 clusters: by chance it would be a hundredth. The upper halves of codes lead less far.
      EXPECT_GE(recall, storage() == VectorStorage::kInt4Int8 ? 0.2 : 0.4) << k;
    }
  }
}

TEST_P(EachStorage, ZeroRowsAndZeroQueriesAreScoredAsTheyAre) {
  Matrix rows = Clustered(600, 16, 3, 12);
  for (const std::size_t i : {0, 300, 599}) std::fill_n(rows.row(i).begin(), 16, 0.0f);
  BuiltIndex built(rows.view(), Options());
  auto index = built.Open();
  ASSERT_TRUE(index.ok());
  const std::uint32_t ids[] = {0, 300, 599};
  float scores[3] = {9, 9, 9};
  ASSERT_TRUE(index->Score(rows.row(1), ids, scores).ok());
  const double truth = BruteScore(rows.row(1), rows.row(0), metric());
  for (const float score : scores) {
    EXPECT_NEAR(score, truth, 0.05 * (metric() == Metric::kL2 ? -truth : 0));
  }
  const std::vector<float> zero(16);
  auto found = index->Search(zero, {.k = 3});
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->size(), 3u);
  for (std::uint32_t i = 0; i < 3; ++i) {
    if (metric() == Metric::kL2) {
      EXPECT_EQ((*found)[i].id, ids[i]);
    } else {
      EXPECT_EQ((*found)[i], (Scored{i, 0.0f}));
    }
  }
}

TEST_P(EachStorage, ThousandsOfDuplicatesHideNothing) {
  Matrix rows = Clustered(2500, 16, 30, 13);
  for (std::size_t i = 500; i < 2000; ++i)
    std::copy_n(rows.row(500).begin(), 16, rows.row(i).begin());
  const Matrix queries = Clustered(40, 16, 30, 14);
  BuiltIndex built(rows.view(), Options());
  auto index = built.Open();
  ASSERT_TRUE(index.ok());
  EXPECT_GE(MeanRecall(*index, rows, queries, {}), KeepsCodesOnly(storage()) ? 0.9 : 0.97);
  if (metric() == Metric::kInnerProduct) return;
  // All of them are as near, and the first ones come first.
  auto found = index->Search(rows.row(500), {.k = 1500});
  ASSERT_TRUE(found.ok());
  for (std::uint32_t i = 0; i < 1500; ++i) EXPECT_EQ((*found)[i].id, 500 + i);
}

TEST_P(EachStorage, OneEnormousValueOfOneRowDoesNotRuinTheOthers) {
  Matrix rows = Clustered(1500, 32, 20, 14);
  rows.row(7)[3] = 1000 * (1 + std::fabs(rows.row(7)[3]));
  const Matrix queries = Clustered(50, 32, 20, 15);
  BuiltIndex built(rows.view(), Options());
  auto index = built.Open();
  ASSERT_TRUE(index.ok()) << index.error().ToString();
  // Margins are measured in distances, of which inner products know less.
  const bool product = metric() == Metric::kInnerProduct;
  EXPECT_GE(MeanRecall(*index, rows, queries, {}), KeepsCodesOnly(storage()) ? 0.9
                                                   : product                 ? 0.93
                                                                             : 0.97);
  EXPECT_GE(MeanRecall(*index, rows, queries, {.exact = true}),
            KeepsCodesOnly(storage()) ? 0.9 : 0.995);
}

TEST_P(EachStorage, EqualRowsAreAllAsNear) {
  for (const float value : {0.25f, -3.0f}) {
    Matrix rows(1500, 8);
    std::fill(rows.values.begin(), rows.values.end(), value);
    BuiltIndex built(rows.view(), Options());
    auto index = built.Open();
    ASSERT_TRUE(index.ok()) << index.error().ToString();
    const std::vector<float> query(8, 1.0f);
    auto found = index->Search(query, {.k = 10});
    ASSERT_TRUE(found.ok());
    ASSERT_EQ(found->size(), 10u);
    const double truth = BruteScores(query, rows, metric())[0];
    for (const Scored& hit : *found) {
      EXPECT_EQ(hit.score, found->front().score);
      EXPECT_NEAR(hit.score, truth,
                  (KeepsCodesOnly(storage()) ? 0.03 : 0.01) * (1 + std::fabs(truth)));
    }
  }
}

TEST_P(EachStorage, EveryChangedByteIsNoticedAndNoneCrashes) {
  if (metric() != Metric::kCosine) GTEST_SKIP() << "the files of all metrics are alike";
  const Matrix rows = Clustered(270, 3, 10, 31);
  VectorIndexOptions options = Options();
  options.m = 2;
  options.ef_construction = 8;
  BuiltIndex built(rows.view(), options);
  ASSERT_TRUE(built.status.ok());
  std::size_t searched = 0;
  for (const std::string& path : {built.vectors, built.graph}) {
    const std::string bytes = ReadFile(path);
    // A step that meets every place of the words in it, and every bit.
    for (std::size_t at = 0; at < bytes.size(); at += at < 1000 ? 3 : 41) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ (1 << (at % 8)));
      WriteFile(path, changed);
      auto index = VectorIndex::Open(built.vectors, built.graph);
      if (!index.ok()) continue;
      ++searched;
      EXPECT_FALSE(index->Verify().ok()) << path << " byte " << at;
      for (const bool exact : {false, true}) {
        auto found =
            index->Search(rows.row(at % rows.n), {.k = 3, .ef_search = 10, .exact = exact});
        if (found.ok()) {
          EXPECT_TRUE(IsSorted(*found));
        }
      }
    }
    for (std::size_t size = 0; size < bytes.size(); size += bytes.size() / 40) {
      WriteFile(path, bytes.substr(0, size));
      EXPECT_FALSE(VectorIndex::Open(built.vectors, built.graph).ok()) << size;
    }
    WriteFile(path, bytes);
  }
  EXPECT_GT(searched, 20u) << "codes and links are not read when a file is opened";
}

TEST(VectorStorage, ALongTailOfLengthsKeepsItsBestInnerProducts) {
  // Log-normal lengths: the longest rows are the answers, and those that codes clamp first.
  std::mt19937 random(41);
  for (const float sigma : {1.0f}) {
    std::lognormal_distribution<float> length(0, sigma);
    Matrix rows = Clustered(1200, 24, 200, 42);
    for (std::size_t i = 0; i < rows.n; ++i) {
      const float size = length(random);
      for (float& value : rows.row(i)) value *= size;
    }
    const Matrix queries = Clustered(60, 24, 200, 43);
    BuiltIndex built(rows.view(), Small(Metric::kInnerProduct));
    auto index = built.Open();
    ASSERT_TRUE(index.ok());
    EXPECT_GE(MeanRecall(*index, rows, queries, {}), 0.95) << sigma;
    EXPECT_GE(MeanRecall(*index, rows, queries, {.exact = true}), 0.995) << sigma;
  }
}

TEST(VectorStorage, OneDominantDimensionDoesNotRuinTheRest) {
  // As some models of text make them: one dimension an order of magnitude beyond the others.
  for (const Metric metric : kAllMetrics) {
    Matrix rows = Clustered(1500, 48, 60, 51), queries = Clustered(60, 48, 60, 52);
    for (Matrix* all : {&rows, &queries}) {
      for (std::size_t i = 0; i < all->n; ++i) all->row(i)[5] = 20 + 2 * all->row(i)[5];
    }
    BuiltIndex built(rows.view(), Small(metric));
    auto index = built.Open();
    ASSERT_TRUE(index.ok());
    EXPECT_GE(MeanRecall(*index, rows, queries, {}), 0.95) << MetricName(metric);
  }
}

TEST(VectorStorage, L2QueriesOutsideOfTheRowsFindTheirNeighbours) {
  const Matrix rows = Clustered(2000, 24, 100, 61);
  for (const VectorStorage storage : kAllStorages) {
    BuiltIndex built(rows.view(), Small(Metric::kL2, storage));
    auto index = built.Open();
    ASSERT_TRUE(index.ok());
    for (const float shift : {1.0f, 5.0f, 30.0f, 1000.0f}) {
      Matrix queries = Clustered(300, 24, 100, 62);
      std::mt19937 random(63);
      for (float& value : queries.values) value += (random() % 2 == 0 ? shift : -shift);
      // The margin was measured for queries as near as rows are. Worst is a shift of 5: 0.86.
      EXPECT_GE(MeanRecall(*index, rows, queries, {}), 0.8)
          << VectorStorageName(storage) << " " << shift;
    }
  }
}

TEST(VectorStorage, SizesOfValuesDoNotMatter) {
  const Matrix base = Clustered(600, 16, 40, 71), asked = Clustered(20, 16, 40, 72);
  for (const VectorStorage storage : kAllStorages) {
    for (const Metric metric : kAllMetrics) {
      for (const float size : {1e-38f, 1e-17f, 1e17f, 5e37f}) {
        // Their scale would not be a float.
        if (KeepsCodesOnly(storage) && size < 1e-37f) continue;
        Matrix rows = base, queries = asked;
        for (float& value : rows.values) value *= size;
        // Scores are floats: of products beyond that nothing can be said.
        const float query_size = metric == Metric::kInnerProduct ? std::min(1 / size, 1e36f) : size;
        if (metric == Metric::kL2 && (size < 1e-18f || size > 1e17f)) continue;
        for (float& value : queries.values) value *= query_size;
        BuiltIndex built(rows.view(), Small(metric, storage));
        auto index = built.Open();
        ASSERT_TRUE(index.ok()) << index.error().ToString();
        for (const bool exact : {false, true}) {
          EXPECT_GE(MeanRecall(*index, rows, queries, {.exact = exact}),
                    KeepsCodesOnly(storage) ? 0.85 : 0.95)
              << VectorStorageName(storage) << " " << MetricName(metric) << " " << size << exact;
        }
      }
    }
  }
}

TEST(VectorStorage, HugeQueriesRankByInnerProductWithoutOverflow) {
  const Matrix rows = Clustered(1000, 16, 40, 73);
  for (const VectorStorage storage : kAllStorages) {
    BuiltIndex built(rows.view(), Small(Metric::kInnerProduct, storage));
    auto index = built.Open();
    ASSERT_TRUE(index.ok());
    Matrix queries = Clustered(20, 16, 40, 74);
    for (float& value : queries.values) value *= 1e36f;
    EXPECT_GE(MeanRecall(*index, rows, queries, {.exact = true}), 0.9)
        << VectorStorageName(storage);
  }
}

TEST(VectorStorage, WhatIsLargeInL2OffsetsStaysTellable) {
  // Each dimension around a place of its own, as positions and sensor readings are.
  Matrix rows = Clustered(3000, 12, 60, 81), queries = Clustered(40, 12, 60, 82);
  for (Matrix* all : {&rows, &queries}) {
    for (std::size_t i = 0; i < all->n; ++i) {
      for (std::size_t j = 0; j < 12; ++j) all->row(i)[j] += 30 * static_cast<float>(j % 3);
    }
  }
  for (const VectorStorage storage : {VectorStorage::kInt8Float16, VectorStorage::kFloat32}) {
    BuiltIndex built(rows.view(), Small(Metric::kL2, storage));
    auto index = built.Open();
    ASSERT_TRUE(index.ok());
    EXPECT_GE(MeanRecall(*index, rows, queries, {}), 0.9) << VectorStorageName(storage);
  }
}

TEST(VectorRecall, OfFreshQueriesIsWhatWasMeasured) {
  const Matrix rows = Clustered(3000, 24, 100, 91), queries = Clustered(300, 24, 100, 92);
  for (const Metric metric : {Metric::kCosine, Metric::kInnerProduct}) {
    const auto truth = BruteTruth(queries, rows, metric);
    for (const VectorStorage storage : {VectorStorage::kInt8Float16, VectorStorage::kInt4Int8}) {
      VectorIndexOptions options = Small(metric, storage);
      options.target_recall = 0.97f;
      BuiltIndex built(rows.view(), options);
      auto index = built.Open();
      ASSERT_TRUE(index.ok());
      ASSERT_FALSE(index->recall_points().empty());
      EXPECT_EQ(index->target_recall(), 0.97f);
      double before = 0;
      float last_target = 0, last_margin = 0;
      for (const RecallPoint& point : index->recall_points()) {
        EXPECT_GT(point.target, last_target);
        EXPECT_GE(point.margin, last_margin);
        EXPECT_LE(point.lower_bound, point.recall);
        EXPECT_EQ(point.reached != 0, point.lower_bound >= point.target);
        EXPECT_EQ(point.sample, 600u);
        last_target = point.target;
        last_margin = point.margin;
        const double recall = MeanRecall(*index, queries, truth, {.target_recall = point.target});
        // The sample was searched in a graph of four fifths of the rows, and 300 queries of ten add
        // their own noise.
        EXPECT_NEAR(recall, point.recall, 0.05)
            << MetricName(metric) << " " << VectorStorageName(storage) << " " << point.target;
        EXPECT_GE(recall, before - 0.004) << "a wider margin finds no less";
        before = recall;
      }
    }
  }
}

TEST(VectorSearch, ThreadsOverTwoIndexesFindWhatOneFinds) {
  const Matrix small = Clustered(900, 10, 20, 101), large = Clustered(3000, 60, 20, 102);
  const Matrix small_queries = Clustered(30, 10, 20, 103),
               large_queries = Clustered(30, 60, 20, 104);
  BuiltIndex built_small(small.view(), Small(Metric::kL2, VectorStorage::kInt4Int8));
  BuiltIndex built_large(large.view(), Small(Metric::kCosine, VectorStorage::kInline));
  auto a = built_small.Open(), b = built_large.Open();
  ASSERT_TRUE(a.ok() && b.ok());
  RowSet odd_small(small.n, [](std::uint32_t row) { return row % 2 == 1; });
  RowSet odd_large(large.n, [](std::uint32_t row) { return row % 2 == 1; });
  const auto search = [&](std::size_t i) {
    const std::size_t q = i / 4 % 30;
    const bool in_large = i % 2 == 1, filtered = i / 2 % 2 == 1;
    const VectorIndex::SearchParams params{.ef_search = 20,
                                           .allowed = !filtered  ? nullptr
                                                      : in_large ? &odd_large
                                                                 : &odd_small};
    return in_large ? b->Search(large_queries.row(q), params)
                    : a->Search(small_queries.row(q), params);
  };
  std::vector<std::vector<Scored>> alone;
  for (std::size_t i = 0; i < 120; ++i) {
    // A thread of its own has scratch that no search has touched.
    std::thread([&] { alone.push_back(*search(i)); }).join();
  }
  std::vector<int> wrong(8);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 240; ++i) {
        const std::size_t at = (i * 7 + t * 11) % 120;
        auto found = search(at);
        wrong[t] += !found.ok() || *found != alone[at];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int count : wrong) EXPECT_EQ(count, 0);
}

// The part of the next test that runs in a process of another instruction set.
constexpr char kChild[] = "EQUIPOISE_TEST_VECTOR_LEVEL";

TEST(VectorLevels, SearchedInAProcessOfItsOwn) {
  const char* folder = std::getenv(kChild);
  if (folder == nullptr) GTEST_SKIP() << "runs as part of FindTheSameRows";
  const std::string base = folder;
  const Matrix queries = Clustered(60, 40, 40, 112);
  RowSet allowed(1000, [](std::uint32_t row) { return row % 3 != 0; });
  std::ofstream out(base + "/" + std::string(SimdLevelName(*DefaultSimdLevel())));
  out.precision(9);
  for (const VectorStorage storage : kAllStorages) {
    for (const Metric metric : kAllMetrics) {
      const std::string name = base + "/" + NameOf(storage) + std::string(MetricName(metric));
      auto index = VectorIndex::Open(name + ".v", name + ".g");
      ASSERT_TRUE(index.ok());
      for (std::size_t i = 0; i < queries.n; ++i) {
        for (const RowSet* filter :
             {static_cast<const RowSet*>(nullptr), static_cast<const RowSet*>(&allowed)}) {
          auto found = index->Search(queries.row(i), {.k = 10, .allowed = filter});
          ASSERT_TRUE(found.ok());
          for (const Scored& s : *found) out << s.id << ' ' << s.score << '\n';
        }
      }
    }
  }
}

TEST(VectorLevels, FindTheSameRows) {
  if (std::getenv(kChild) != nullptr) GTEST_SKIP() << "this is the child";
  const TempFolder folder;
  const Matrix rows = Clustered(1000, 40, 40, 111);
  for (const VectorStorage storage : kAllStorages) {
    for (const Metric metric : kAllMetrics) {
      const std::string name = folder.path(NameOf(storage) + std::string(MetricName(metric)));
      VectorIndexOptions options = Small(metric, storage);
      options.m = 8;
      options.ef_construction = 40;
      ASSERT_TRUE(BuildVectorIndex(rows.view(), options, name + ".v", name + ".g").ok());
    }
  }
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::vector<std::pair<std::uint32_t, double>> first;
  for (const SimdLevel level : AvailableSimdLevels()) {
    const std::string name(SimdLevelName(level));
    const std::string command = std::string(kChild) + "='" + folder.path("") +
                                "' EQUIPOISE_SIMD=" + name + " '" + self +
                                "' --gtest_filter=VectorLevels.SearchedInAProcessOfItsOwn "
                                ">/dev/null";
    ASSERT_EQ(std::system(command.c_str()), 0) << name;  // NOLINT: a command of our own
    std::ifstream in(folder.path(name));
    std::vector<std::pair<std::uint32_t, double>> found;
    for (std::pair<std::uint32_t, double> item; in >> item.first >> item.second;)
      found.push_back(item);
    ASSERT_EQ(found.size(), 15u * 60 * 2 * 10) << name;
    if (first.empty()) first = found;
    std::size_t others = 0;  // rows of one score may change places
    for (std::size_t i = 0; i < found.size(); ++i)
      if (std::fabs(found[i].second - first[i].second) > 1e-5 * (1 + std::fabs(first[i].second)))
        ++others;
    EXPECT_EQ(others, 0u) << name;
  }
}

}  // namespace
}  // namespace equipoise
