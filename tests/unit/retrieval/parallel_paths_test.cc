// Both paths of a search at once: the same results from any number of threads.
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <equipoise/retrieval/collection.h>

#include "collection_sample.h"
#include "temp_folder.h"

namespace equipoise {
namespace {

using namespace equipoise::testing;  // NOLINT: helpers of this folder only

void ExpectSame(const Result<SearchResult>& a, const Result<SearchResult>& b) {
  ASSERT_TRUE(a.ok() && b.ok());
  ASSERT_EQ(a->hits.size(), b->hits.size());
  for (std::size_t i = 0; i < a->hits.size(); ++i) {
    const Hit &x = a->hits[i], &y = b->hits[i];
    ASSERT_EQ(x.doc, y.doc);
    ASSERT_EQ(x.score, y.score);
    ASSERT_EQ(x.lexical, y.lexical);
    ASSERT_EQ(x.vector, y.vector);
    ASSERT_EQ(x.lexical_rank, y.lexical_rank);
    ASSERT_EQ(x.vector_rank, y.vector_rank);
  }
}

SearchRequest RequestFor(const Sample& sample, std::size_t i, bool parallel) {
  static const char* const kTexts[] = {"wing shock", "jet", "nowhere", "", "heat heat layer cone"};
  SearchRequest request{.text = kTexts[i % 5],
                        .embedding = sample.view().row_span(i % sample.documents.size()),
                        .alpha = static_cast<double>(i % 4) / 4 + 0.1,
                        .depth = 30};
  request.parallel_paths = parallel;
  return request;
}

TEST(ParallelPaths, ResultsAreThoseOfOneThread) {
  TempFolder temp;
  const Sample sample = MakeSample(2500, 13);  // enough for a graph
  ASSERT_TRUE(BuildSample(temp.path("index"), sample).ok());
  const Collection collection = OpenSample(temp.path("index"));
  for (std::size_t i = 0; i < 200; ++i) {
    const auto found = collection.Search(RequestFor(sample, i, true));
    ExpectSame(found, collection.Search(RequestFor(sample, i, false)));
    EXPECT_GT(found->times.total_ns, 0u);
  }
  // One path alone has nothing to divide.
  SearchRequest request = RequestFor(sample, 0, true);
  request.alpha = 1.0;
  EXPECT_FALSE(collection.Search(request)->vector_searched);
}

TEST(ParallelPaths, ManyThreadsSearchAtOnce) {
  TempFolder temp;
  const Sample sample = MakeSample(600, 14);
  ASSERT_TRUE(BuildSample(temp.path("index"), sample).ok());
  const Collection collection = OpenSample(temp.path("index"));
  std::vector<Result<SearchResult>> truth;
  for (std::size_t i = 0; i < 60; ++i)
    truth.push_back(collection.Search(RequestFor(sample, i, false)));
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 60; ++i) {
        const std::size_t at = (i + 17 * t) % 60;
        ExpectSame(collection.Search(RequestFor(sample, at, true)), truth[at]);
      }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST(ParallelPaths, WhatTheVectorsRefuseIsRefusedHereToo) {
  TempFolder temp;
  const Sample sample = MakeSample(50, 15);
  ASSERT_TRUE(BuildSample(temp.path("index"), sample).ok());
  const Collection collection = OpenSample(temp.path("index"));
  for (const bool parallel : {false, true}) {
    SearchRequest request = RequestFor(sample, 0, parallel);
    request.target_recall = 1.5f;  // said by the vector path alone
    EXPECT_EQ(collection.Search(request).error().code(), Code::kInvalidArgument);
    EXPECT_TRUE(collection.Search(RequestFor(sample, 1, parallel)).ok());
  }
}

TEST(ParallelPaths, AForkedProcessSearchesWithoutTheThreadThatItLacks) {
  TempFolder temp;
  const Sample sample = MakeSample(50, 16);
  ASSERT_TRUE(BuildSample(temp.path("index"), sample).ok());
  auto* collection = new Collection(OpenSample(temp.path("index")));
  const auto before = collection->Search(RequestFor(sample, 0, true));
  ASSERT_TRUE(before.ok());
  const pid_t child = ::fork();
  if (child == 0) {
    const auto found = collection->Search(RequestFor(sample, 0, true));
    const bool same = found.ok() && found->hits.size() == before->hits.size();
    delete collection;
    ::_exit(same ? 0 : 1);
  }
  int code = 0;
  ::waitpid(child, &code, 0);
  EXPECT_EQ(code, 0);
  ExpectSame(collection->Search(RequestFor(sample, 0, true)), before);
  delete collection;
}

}  // namespace
}  // namespace equipoise
