// Searches of a collection that may find some documents only, and diversity among the hits.
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/retrieval/collection.h>

#include "collection_sample.h"
#include "temp_folder.h"

namespace equipoise {
namespace {

using namespace equipoise::testing;  // NOLINT: helpers of this folder only

// Every document with its true scores, from a search that finds all.
std::vector<Hit> Everything(const Collection& collection, SearchRequest request) {
  request.k = request.depth = collection.documents();
  request.alpha = 0.5;
  auto found = collection.Search(request);
  EXPECT_EQ(found->hits.size(), collection.documents());
  return found->hits;
}

// What a search among the allowed documents must find, by the definitions of fusion.h alone.
std::vector<std::uint32_t> AmongAllowed(std::vector<Hit> all, const RowSet& allowed, double alpha) {
  std::erase_if(all, [&](const Hit& hit) { return !allowed.Has(hit.doc); });
  if (alpha == 1) std::erase_if(all, [](const Hit& hit) { return hit.lexical == 0; });
  const auto frame = [&](float Hit::*score, float Hit::*normalized) {
    float low = INFINITY, high = -INFINITY;
    for (const Hit& hit : all) {
      low = std::min(low, hit.*score);
      high = std::max(high, hit.*score);
    }
    for (Hit& hit : all)
      hit.*normalized = high > low ? (hit.*score - low) / (high - low) : high == 0 ? 0.0f : 1.0f;
  };
  frame(&Hit::lexical, &Hit::lexical_normalized);
  frame(&Hit::vector, &Hit::vector_normalized);
  const auto score = [&](const Hit& hit) {
    if (alpha == 1) return hit.lexical;
    if (alpha == 0) return hit.vector;
    return static_cast<float>(alpha) * hit.lexical_normalized +
           static_cast<float>(1 - alpha) * hit.vector_normalized;
  };
  std::sort(all.begin(), all.end(), [&](const Hit& a, const Hit& b) {
    return score(a) > score(b) || (score(a) == score(b) && a.doc < b.doc);
  });
  std::vector<std::uint32_t> docs;
  for (const Hit& hit : all) docs.push_back(hit.doc);
  return docs;
}

std::vector<std::uint32_t> Docs(const SearchResult& result) {
  std::vector<std::uint32_t> docs;
  for (const Hit& hit : result.hits) docs.push_back(hit.doc);
  return docs;
}

TEST(CollectionFilter, BothPathsFindAllowedDocumentsOnlyAndAllThatMatch) {
  TempFolder temp;
  constexpr std::size_t kDocuments = 700;
  const Sample sample = MakeSample(kDocuments, 5);
  ASSERT_TRUE(BuildSample(temp.path("index"), sample).ok());
  const Collection collection = OpenSample(temp.path("index"));
  std::mt19937 random(6);
  for (const double share : {0.0, 0.003, 0.05, 0.4, 1.0}) {
    const RowSet allowed(kDocuments, [&](std::uint32_t) {
      return static_cast<double>(random() % 1000) < share * 1000;
    });
    for (const double alpha : {0.0, 0.3, 1.0}) {
      for (const std::size_t k : {std::size_t{1}, std::size_t{20}, kDocuments}) {
        SearchRequest request{.text = "shock heat jet",
                              .embedding = sample.view().row_span(random() % kDocuments),
                              .k = k,
                              .alpha = alpha,
                              .depth = kDocuments,
                              .exact = true};
        auto truth = AmongAllowed(Everything(collection, request), allowed, alpha);
        truth.resize(std::min(k, truth.size()));
        request.allowed = &allowed;
        auto found = collection.Search(request);
        ASSERT_TRUE(found.ok()) << found.error().ToString();
        EXPECT_EQ(Docs(*found), truth) << "share " << share << ", alpha " << alpha << ", k " << k;
      }
    }
  }
}

TEST(CollectionFilter, DocumentsThatDoNotMatchATermCountAmongTheAllowedOnly) {
  // One allowed document has the word and a second one has not: the lexical frame of minmax reaches down
  // to 0 for the second, though the list is as long as what is allowed.
  TempFolder temp;
  Sample sample = MakeSample(50);
  for (Document& document : sample.documents) document.text = "wing";
  sample.documents[1].text = "flow";
  ASSERT_TRUE(BuildSample(temp.path("index"), sample).ok());
  const Collection collection = OpenSample(temp.path("index"));
  const RowSet both(50, [](std::uint32_t doc) { return doc < 2; });
  const RowSet one(50, [](std::uint32_t doc) { return doc == 0; });
  SearchRequest request{.text = "wing",
                        .embedding = sample.view().row_span(1),
                        .alpha = 0.5,
                        .fusion = FusionMethod::kMinMax};
  for (const RowSet* allowed : {&both, &one}) {
    request.allowed = allowed;
    auto found = collection.Search(request);
    ASSERT_EQ(found->hits.size(), allowed->Count());
    for (const Hit& hit : found->hits)
      EXPECT_EQ(hit.lexical_normalized, hit.doc == 0 ? 1.0f : 0.0f);
  }
}

TEST(CollectionFilter, SetOfAnotherNumberOfDocumentsIsRefused) {
  TempFolder temp;
  ASSERT_TRUE(BuildSample(temp.path("index"), MakeSample(20), false).ok());
  const Collection collection = OpenSample(temp.path("index"));
  const RowSet other(19);
  const Status status = collection.Search({.text = "wing", .allowed = &other}).error();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.message().find("19"), std::string::npos) << status.ToString();
  EXPECT_NE(status.message().find("20"), std::string::npos) << status.ToString();
}

// MMR of the hits of a plain search, by its formula over the rows as they were given.
std::vector<std::uint32_t> ByFormula(const std::vector<Hit>& hits, const Sample& sample,
                                     double lambda, std::size_t k) {
  std::vector<std::uint32_t> chosen;
  const auto cosine = [&](std::uint32_t a, std::uint32_t b) {
    double ab = 0, aa = 0, bb = 0;
    for (std::size_t j = 0; j < kDim; ++j) {
      const double x = sample.view().row(a)[j], y = sample.view().row(b)[j];
      ab += x * y;
      aa += x * x;
      bb += y * y;
    }
    return ab / std::sqrt(aa * bb);
  };
  while (chosen.size() < std::min(k, hits.size())) {
    double best = -INFINITY;
    std::uint32_t next = 0;
    for (const Hit& hit : hits) {
      if (std::find(chosen.begin(), chosen.end(), hit.doc) != chosen.end()) continue;
      double most = chosen.empty() ? 0 : -1;
      for (const std::uint32_t other : chosen) most = std::max(most, cosine(hit.doc, other));
      const double value = lambda * hit.score / hits[0].score - (1 - lambda) * most;
      if (value > best) {
        best = value;
        next = hit.doc;
      }
    }
    chosen.push_back(next);
  }
  return chosen;
}

TEST(CollectionDiversity, MmrReordersTheFusedCandidatesByItsFormula) {
  TempFolder temp;
  Sample sample = MakeSample(400, 8);
  std::mt19937 random(9);
  for (float& x : sample.vectors) x *= 1.0f + static_cast<float>(random() % 3);  // no unit rows
  for (const Metric metric : {Metric::kCosine, Metric::kInnerProduct, Metric::kL2}) {
    CollectionOptions options;
    options.metric = metric;
    options.storage = VectorStorage::kFloat32;
    const std::string folder = temp.path("index" + std::to_string(static_cast<int>(metric)));
    ASSERT_TRUE(BuildSample(folder, sample, true, options).ok());
    const Collection collection = OpenSample(folder);
    for (const FusionMethod fusion : {FusionMethod::kMinMaxUnion, FusionMethod::kRrf})
      for (const std::size_t candidates : {std::size_t{10}, std::size_t{60}})
        for (const double lambda : {0.0, 0.5, 0.7, 0.9}) {
          SearchRequest request{.text = "wing cone",
                                .embedding = sample.view().row_span(17),
                                .k = candidates,
                                .alpha = 0.4,
                                .fusion = fusion,
                                .exact = true};
          const auto plain = collection.Search(request);
          request.k = 10;
          request.mmr = lambda;
          request.mmr_candidates = candidates;
          const auto diverse = collection.Search(request);
          ASSERT_TRUE(diverse.ok()) << diverse.error().ToString();
          EXPECT_EQ(Docs(*diverse), ByFormula(plain->hits, sample, lambda, 10));
        }
  }
}

TEST(CollectionDiversity, LambdaOneLeavesTheRankingAsItIs) {
  TempFolder temp;
  const Sample sample = MakeSample(300, 10);
  ASSERT_TRUE(BuildSample(temp.path("index"), sample).ok());
  const Collection collection = OpenSample(temp.path("index"));
  for (const double alpha : {0.0, 0.5, 1.0}) {
    SearchRequest request{.text = "flow",
                          .embedding = sample.view().row_span(3),
                          .k = 250,
                          .alpha = alpha,
                          .depth = 40};
    const auto plain = collection.Search(request);
    request.mmr = 1.0;
    const auto same = collection.Search(request);
    ASSERT_EQ(same->hits.size(), plain->hits.size());
    for (std::size_t i = 0; i < plain->hits.size(); ++i) {
      EXPECT_EQ(same->hits[i].doc, plain->hits[i].doc) << alpha << " " << i;
      EXPECT_EQ(same->hits[i].score, plain->hits[i].score);
    }
  }
}

TEST(CollectionDiversity, EveryStorageHasRowsToCompare) {
  TempFolder temp;
  Sample sample = MakeSample(60, 11);
  std::copy_n(sample.vectors.begin() + 5 * kDim, kDim, sample.vectors.begin() + 6 * kDim);
  for (const VectorStorage storage :
       {VectorStorage::kInt8Float16, VectorStorage::kInline, VectorStorage::kInt8,
        VectorStorage::kInt4Int8, VectorStorage::kFloat32}) {
    CollectionOptions options;
    options.storage = storage;
    const std::string folder = temp.path(std::string(VectorStorageName(storage)));
    ASSERT_TRUE(BuildSample(folder, sample, true, options).ok());
    const Collection collection = OpenSample(folder);
    // Two copies: without diversity one behind the other, with it the second is the last.
    SearchRequest request{.embedding = sample.view().row_span(5), .k = 60, .alpha = 0.0};
    const auto plain = Docs(*collection.Search(request));
    EXPECT_EQ((std::vector<std::uint32_t>{plain[0], plain[1]}), (std::vector<std::uint32_t>{5, 6}));
    request.mmr = 0.0;
    const auto diverse = collection.Search(request);
    EXPECT_EQ(diverse->hits.front().doc, 5u);
    EXPECT_EQ(diverse->hits.back().doc, 6u) << VectorStorageName(storage);
    EXPECT_NEAR(diverse->hits.back().similarity, 1, 1e-3);
  }
}

TEST(CollectionDiversity, RefusesWhereThereAreNoEmbeddingsAndOtherLambdas) {
  TempFolder temp;
  const Sample sample = MakeSample(20);
  ASSERT_TRUE(BuildSample(temp.path("lexical"), sample, false).ok());
  ASSERT_TRUE(BuildSample(temp.path("both"), sample).ok());
  const Collection lexical = OpenSample(temp.path("lexical"));
  const Collection both = OpenSample(temp.path("both"));
  const Status refused = lexical.Search({.text = "wing", .mmr = 0.5}).error();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_NE(refused.message().find("embeddings"), std::string::npos) << refused.ToString();
  for (const double lambda : {-0.1, 1.1, static_cast<double>(NAN)})
    EXPECT_EQ(both.Search({.text = "wing", .mmr = lambda}).error().code(), Code::kInvalidArgument);
  EXPECT_TRUE(both.Search({.text = "zzzzz", .mmr = 0.5})->hits.empty());
  EXPECT_TRUE(both.Search({.text = "wing", .mmr = 0.5}).ok()) << "a query without an embedding";
}

}  // namespace
}  // namespace equipoise
