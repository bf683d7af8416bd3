#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <random>
#include <set>

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <equipoise/retrieval/collection.h>

#include "collection_sample.h"
#include "temp_folder.h"

namespace equipoise {
namespace {

namespace fs = std::filesystem;
using namespace equipoise::testing;  // NOLINT: helpers of this folder only

TEST(Collection, EveryHitHasBothTrueScores) {
  TempFolder temp;
  const Sample sample = MakeSample(300);
  ASSERT_TRUE(BuildSample(temp.path("index"), sample).ok());
  const Collection collection = OpenSample(temp.path("index"));
  const std::span<const float> query = sample.view().row_span(7);
  auto found =
      collection.Search({.text = "wing shock", .embedding = query, .k = 300, .alpha = 0.5});
  ASSERT_TRUE(found.ok()) << found.error().ToString();
  EXPECT_EQ(found->hits.size(), 300u);
  for (const Hit& hit : found->hits) {
    double dot = 0;
    for (std::size_t j = 0; j < kDim; ++j) dot += double{query[j]} * sample.view().row(hit.doc)[j];
    EXPECT_NEAR(hit.vector, dot, 2e-3) << hit.id;  // float16 rows
    float lexical = 0;
    for (const TermScore& term : collection.ExplainLexical("wing shock", hit.doc))
      lexical += term.contribution;
    EXPECT_EQ(hit.lexical, lexical) << hit.id;
    EXPECT_NEAR(hit.score, 0.5 * hit.lexical_normalized + 0.5 * hit.vector_normalized, 1e-6);
  }
}

TEST(Collection, LargerKKeepsThePrefixAndAlphaOneIsTheLexicalList) {
  TempFolder temp;
  const Sample sample = MakeSample(400, 3);
  ASSERT_TRUE(BuildSample(temp.path("index"), sample).ok());
  const Collection collection = OpenSample(temp.path("index"));
  for (double alpha : {0.0, 0.3, 0.7, 1.0}) {
    SearchRequest request{.text = "heat", .embedding = sample.view().row_span(0), .k = 100};
    request.alpha = alpha;
    const auto longest = Ids(*collection.Search(request));
    for (std::size_t k : {1, 7, 50}) {
      request.k = k;
      auto prefix = longest;
      prefix.resize(std::min(k, prefix.size()));
      EXPECT_EQ(Ids(*collection.Search(request)), prefix) << alpha << " " << k;
    }
  }
  auto lexical = collection.Search({.text = "heat", .k = 400});
  auto fused = collection.Search(
      {.text = "heat", .embedding = sample.view().row_span(0), .k = 400, .alpha = 1.0});
  EXPECT_EQ(Ids(*lexical), Ids(*fused));
  EXPECT_LT(lexical->hits.size(), 400u) << "documents without the term are no hits";
  EXPECT_FALSE(fused->vector_searched);
}

// A path's list of 100 is asked for with less room beyond the last one than the ten nearest alone are.
TEST(Collection, ListsOfAPathHoldTheNearestRows) {
  TempFolder temp;
  const Sample sample = MakeSample(6000, 18);
  ASSERT_TRUE(BuildSample(temp.path("index"), sample).ok());
  const Collection collection = OpenSample(temp.path("index"));
  std::size_t of_ten = 0, of_all = 0;
  for (std::size_t q = 0; q < 50; ++q) {
    SearchRequest request{.embedding = sample.view().row_span(100 * q), .k = 100, .alpha = 0.0};
    const auto found = collection.Search(request);
    request.exact = true;
    const auto truth = collection.Search(request);
    ASSERT_EQ(found->hits.size(), 100u);
    std::set<std::uint32_t> docs;
    for (const Hit& hit : found->hits) docs.insert(hit.doc);
    for (std::size_t i = 0; i < 100; ++i) {
      of_all += docs.count(truth->hits[i].doc);
      if (i < 10) of_ten += docs.count(truth->hits[i].doc);
    }
  }
  EXPECT_GE(of_ten, 498u) << "of 500: the index aims at 0.995";
  EXPECT_GE(of_all, 4900u) << "of 5000";
}

TEST(Collection, SaysWhenOnlyOnePathCouldBeAsked) {
  TempFolder temp;
  Sample sample = MakeSample(20);
  ASSERT_TRUE(BuildSample(temp.path("both"), sample).ok());
  ASSERT_TRUE(BuildSample(temp.path("lexical"), sample, false).ok());
  for (Document& document : sample.documents) document.text.clear();
  ASSERT_TRUE(BuildSample(temp.path("vectors"), sample).ok());
  const auto row = sample.view().row_span(3);

  auto no_embedding = OpenSample(temp.path("both")).Search({.text = "wing"});
  EXPECT_EQ(no_embedding->note, "no embedding: BM25 alone");
  EXPECT_EQ(no_embedding->weights.alpha, 1.0);
  EXPECT_EQ(no_embedding->alpha_source, AlphaSource::kSinglePath);
  auto no_text = OpenSample(temp.path("both")).Search({.embedding = row});
  EXPECT_EQ(no_text->note, "no text: vectors alone");
  EXPECT_EQ(no_text->hits[0].id, "d3");

  const Collection lexical = OpenSample(temp.path("lexical"));
  EXPECT_EQ(lexical.dimensions(), 0u);
  EXPECT_EQ(lexical.Search({.text = "wing"})->note, "no embeddings indexed: BM25 alone");
  EXPECT_EQ(lexical.Search({.text = "wing", .embedding = row}).error().code(),
            Code::kInvalidArgument);
  const Collection vectors = OpenSample(temp.path("vectors"));
  EXPECT_FALSE(vectors.has_text());
  auto found = vectors.Search({.text = "wing", .embedding = row});
  EXPECT_EQ(found->note, "no text indexed: vectors alone");
  EXPECT_EQ(found->hits[0].id, "d3");
}

TEST(Collection, StoredAlphaBelongsToItsFusion) {
  TempFolder temp;
  const Sample sample = MakeSample(20);
  CollectionOptions options;
  options.weights = {.alpha = 0.8, .method = FusionMethod::kTheoretical};
  ASSERT_TRUE(BuildSample(temp.path("index"), sample, true, options).ok());
  const Collection collection = OpenSample(temp.path("index"));
  SearchRequest request{.text = "wing", .embedding = sample.view().row_span(0)};
  EXPECT_EQ(collection.Search(request)->weights, options.weights);
  EXPECT_EQ(collection.Search(request)->alpha_source, AlphaSource::kIndex);
  request.fusion = FusionMethod::kMinMax;
  EXPECT_EQ(collection.Search(request)->weights, (FusionWeights{0.5, FusionMethod::kMinMax}));
  EXPECT_EQ(collection.Search(request)->alpha_source, AlphaSource::kDefault);
  request.alpha = 0.1;
  EXPECT_EQ(collection.Search(request)->alpha_source, AlphaSource::kRequest);
}

TEST(Collection, EachPathHasADepthOfItsOwn) {
  TempFolder temp;
  const Sample sample = MakeSample(60);
  ASSERT_TRUE(BuildSample(temp.path("index"), sample).ok());
  const Collection collection = OpenSample(temp.path("index"));
  const auto row = sample.view().row_span(7);
  constexpr std::size_t kLexical = 4, kVector = 9;
  const auto words = collection.Search({.text = "wing flow", .k = kLexical});
  const auto vectors = collection.Search({.embedding = row, .k = kVector});
  SearchRequest request{.text = "wing flow", .embedding = row, .k = 1, .alpha = 0.3};
  request.fusion = FusionMethod::kMinMax;
  request.lexical_depth = kLexical;
  request.vector_depth = kVector;
  request.keep_candidates = true;
  const auto found = collection.Search(request);
  ASSERT_TRUE(words.ok() && vectors.ok() && found.ok());
  ASSERT_EQ(words->hits.size(), kLexical);
  std::set<std::uint32_t> expected;
  for (const Hit& hit : words->hits) expected.insert(hit.doc);
  for (const Hit& hit : vectors->hits) expected.insert(hit.doc);
  std::set<std::uint32_t> docs;
  for (const CandidateScores& c : found->candidates) {
    docs.insert(c.doc);
    // The scales end where each path's own list ends.
    float score = 0;
    collection.ScoreLexical("wing flow", {&c.doc, 1}, {&score, 1});
    const float low = words->hits.back().lexical, high = words->hits[0].lexical;
    EXPECT_NEAR(c.lexical, std::clamp((score - low) / (high - low), 0.0f, 1.0f), 1e-6f);
  }
  EXPECT_EQ(docs, expected);
  // Without them both are `depth`.
  SearchRequest one = request, two = request;
  one.lexical_depth = one.vector_depth = 0;
  one.depth = 6;
  two.lexical_depth = two.vector_depth = 6;
  EXPECT_EQ(collection.Search(one)->candidates, collection.Search(two)->candidates);
}

TEST(Collection, ScoresOfGivenDocumentsAreThoseOfTheirHits) {
  TempFolder temp;
  const Sample sample = MakeSample(60);
  ASSERT_TRUE(BuildSample(temp.path("index"), sample).ok());
  const Collection collection = OpenSample(temp.path("index"));
  const auto found = collection.Search({.text = "heat jet cone", .k = 60});
  ASSERT_TRUE(found.ok());
  for (const Hit& hit : found->hits) {
    float score = 0;
    collection.ScoreLexical("heat jet cone", {&hit.doc, 1}, {&score, 1});
    EXPECT_EQ(score, hit.lexical) << hit.id;
  }
}

TEST(Collection, RefusesWhatMakesNoSense) {
  TempFolder temp;
  const Sample sample = MakeSample(20);
  ASSERT_TRUE(BuildSample(temp.path("index"), sample).ok());
  const Collection collection = OpenSample(temp.path("index"));
  const auto row = sample.view().row_span(0);
  auto code = [&](const SearchRequest& request) {
    return collection.Search(request).error().code();
  };
  EXPECT_EQ(code({.text = "wing", .k = 0}), Code::kInvalidArgument);
  EXPECT_EQ(code({.text = "wing", .embedding = row, .alpha = 1.5}), Code::kInvalidArgument);
  EXPECT_EQ(code({.text = "wing", .embedding = row, .alpha = -0.1}), Code::kInvalidArgument);
  EXPECT_EQ(code({.text = "wing", .embedding = row, .alpha = NAN}), Code::kInvalidArgument);
  EXPECT_EQ(code({.text = "wing", .alpha = 0.0}), Code::kInvalidArgument);
  EXPECT_EQ(code({.text = "wing", .embedding = row.subspan(1)}), Code::kInvalidArgument);
  std::vector<float> nan(row.begin(), row.end());
  nan[3] = NAN;
  EXPECT_EQ(code({.text = "wing", .embedding = nan}), Code::kInvalidArgument);
  SearchRequest no_depth{.text = "wing"};
  no_depth.depth = 0;
  EXPECT_EQ(code(no_depth), Code::kInvalidArgument);
  const Status status = collection.Search({.text = "wing", .k = 0}).error();
  EXPECT_NE(status.message().find("k = 0"), std::string::npos) << status.ToString();
}

TEST(Collection, EverydayInputIsFine) {
  TempFolder temp;
  Sample sample = MakeSample(5);
  sample.documents[0].text.clear();                        // an empty document
  std::fill_n(sample.vectors.begin() + kDim, kDim, 0.0f);  // a zero vector
  ASSERT_TRUE(BuildSample(temp.path("index"), sample).ok());
  const Collection collection = OpenSample(temp.path("index"));
  EXPECT_TRUE(collection.Search({.text = ""})->hits.empty());
  EXPECT_TRUE(collection.Search({.text = "zzzzz"})->hits.empty());
  EXPECT_TRUE(collection.Search({})->hits.empty());
  auto all = collection.Search({.embedding = sample.view().row_span(2), .k = 1000});
  ASSERT_EQ(all->hits.size(), 5u) << "k > n: all that match come back";
  for (const Hit& hit : all->hits) {
    EXPECT_EQ(hit.vector == 0.0f, hit.doc == 1) << hit.id;
  }
  const std::vector<float> zero(kDim);
  auto zeros = collection.Search({.embedding = zero, .k = 5});
  ASSERT_TRUE(zeros.ok());
  EXPECT_EQ(Ids(*zeros), (std::vector<std::string>{"d0", "d1", "d2", "d3", "d4"}));
  for (const Hit& hit : zeros->hits) EXPECT_EQ(hit.vector, 0.0f);
}

TEST(Collection, TenMegabytesOfTextAreFine) {
  TempFolder temp;
  Document large{.id = "large", .title = "", .text = ""};
  while (large.text.size() < 10'000'000) large.text += "wing in a slipstream ";
  ASSERT_TRUE(BuildSample(temp.path("index"), {{large}, {}}, false).ok());
  const Collection collection = OpenSample(temp.path("index"));
  EXPECT_EQ(collection.Search({.text = "slipstream"})->hits.size(), 1u);
  EXPECT_EQ(collection.Get(0).text.size(), large.text.size());
  EXPECT_EQ(collection.Search({.text = large.text})->hits.size(), 1u);
}

TEST(Collection, NoDocumentsIsAnIndexToo) {
  TempFolder temp;
  ASSERT_TRUE(BuildSample(temp.path("index"), {}, false).ok());
  const Collection collection = OpenSample(temp.path("index"));
  EXPECT_EQ(collection.documents(), 0u);
  EXPECT_TRUE(collection.Search({.text = "wing"})->hits.empty());
}

TEST(Collection, WithoutStoredTextIdsAndFieldsComeBack) {
  TempFolder temp;
  CollectionOptions options;
  options.store_text = false;
  ASSERT_TRUE(BuildSample(temp.path("index"), MakeSample(5), false, options).ok());
  const Collection collection = OpenSample(temp.path("index"));
  EXPECT_FALSE(collection.stores_text());
  EXPECT_EQ(collection.Get(2).id, "d2");
  EXPECT_EQ(collection.Get(2).text, "");
  EXPECT_EQ(collection.Value(2, "year"), FieldValue(std::int64_t{1902}));
  EXPECT_EQ(collection.Value(2, "none"), std::nullopt);
  EXPECT_EQ(collection.Find("d4"), 4u);
}

TEST(CollectionBuilder, RefusedInputLeavesNothingAndTheOldIndex) {
  TempFolder temp;
  const std::string folder = temp.path("index");
  Sample sample = MakeSample(10);
  auto attempt = [&](const Sample& bad, CollectionOptions options = {}) {
    return BuildSample(folder, bad, true, options);
  };
  auto with = [&](auto change) {
    Sample bad = sample;
    change(bad);
    return bad;
  };
  const std::vector<Sample> bad = {
      with([](Sample& s) { s.documents[3].id.clear(); }),
      with([](Sample& s) { s.documents[3].id = "d1"; }),
      with([](Sample& s) { s.documents[3].text = "\xff"; }),
      with([](Sample& s) { s.documents[3].title = "\xc3"; }),
      with([](Sample& s) {
        s.documents[3].fields = {{"year", std::string("x")}};
      }),
      with([](Sample& s) { s.vectors[5 * kDim + 2] = NAN; }),
      with([](Sample& s) { s.vectors[5 * kDim + 2] = INFINITY; }),
      with([](Sample& s) {
        s.documents.pop_back();
        s.documents.push_back({.id = "x", .title = "", .text = "\xff"});
      }),
  };
  for (std::size_t i = 0; i < bad.size(); ++i) {
    const Status status = attempt(bad[i]);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << i;
    EXPECT_GE(status.where().row, 3) << status.ToString();
    EXPECT_FALSE(fs::exists(folder)) << i;
  }
  ASSERT_TRUE(attempt(sample).ok());
  for (const Sample& s : bad) EXPECT_FALSE(attempt(s).ok());
  EXPECT_EQ(OpenSample(folder).documents(), 10u);

  auto builder = CollectionBuilder::Begin(folder, {});
  for (const Document& document : sample.documents) ASSERT_TRUE(builder->Add(document).ok());
  const Status rows = builder->Finish(MatrixView<float>(sample.vectors.data(), 9, kDim));
  EXPECT_EQ(rows.code(), Code::kInvalidArgument);
  EXPECT_NE(rows.message().find("9 rows of embeddings for 10 documents"), std::string::npos);
  for (auto change :
       {+[](CollectionOptions& o) { o.weights.alpha = 2; },
        +[](CollectionOptions& o) { o.bm25.k1 = -1; }, +[](CollectionOptions& o) { o.bm25.b = 2; },
        +[](CollectionOptions& o) { o.m = 0; }, +[](CollectionOptions& o) { o.threads = 0; },
        +[](CollectionOptions& o) { o.analyzer.language = "klingon"; }}) {
    CollectionOptions options;
    change(options);
    EXPECT_EQ(CollectionBuilder::Begin(temp.path("other"), options).error().code(),
              Code::kInvalidArgument);
    EXPECT_FALSE(fs::exists(temp.path("other")));
  }
}

TEST(CollectionBuilder, AfterAnErrorNothingCanBePublished) {
  TempFolder temp;
  const std::string folder = temp.path("index");
  auto builder = CollectionBuilder::Begin(folder, {});
  ASSERT_TRUE(builder->Add({.id = "a", .title = "", .text = "wing"}).ok());
  const Document twice{.id = "a", .title = "", .text = "", .fields = {{"year", std::int64_t{1}}}};
  const Status refused = builder->Add(twice);
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_EQ(builder->Add({.id = "b", .title = "", .text = ""}).message(), refused.message());
  EXPECT_EQ(builder->Finish().message(), refused.message());
  EXPECT_EQ(Collection::Open(folder).error().code(), Code::kInvalidArgument);
}

TEST(CollectionBuilder, IsFinishedOnce) {
  TempFolder temp;
  auto builder = CollectionBuilder::Begin(temp.path("index"), {});
  ASSERT_TRUE(builder->Add({.id = "a", .title = "", .text = "wing"}).ok());
  ASSERT_TRUE(builder->Finish().ok());
  EXPECT_EQ(builder->documents(), 1u);
  EXPECT_EQ(builder->Finish().code(), Code::kInvalidArgument);
  EXPECT_EQ(builder->Add({.id = "b", .title = "", .text = ""}).code(), Code::kInvalidArgument);
  EXPECT_EQ(OpenSample(temp.path("index")).documents(), 1u);
}

TEST(CollectionBuilder, CancelledByItsProgressCallbackLeavesNothing) {
  TempFolder temp;
  CollectionOptions options;
  options.progress = [](const Progress&) { return false; };
  EXPECT_EQ(BuildSample(temp.path("index"), MakeSample(3000), true, options).code(),
            Code::kCancelled);
  EXPECT_FALSE(fs::exists(temp.path("index")));
}

TEST(CollectionBuilder, OneThreadMakesTheSameFilesEveryTime) {
  TempFolder temp;
  const Sample sample = MakeSample(1500);
  ASSERT_TRUE(BuildSample(temp.path("a"), sample).ok());
  ASSERT_TRUE(BuildSample(temp.path("b"), sample).ok());
  for (const char* name : {"documents", "columns", "lexical", "vectors", "graph"})
    EXPECT_EQ(ReadFile(temp.path("a/generation-1/") + name),
              ReadFile(temp.path("b/generation-1/") + name))
        << name;
}

TEST(CollectionBuilder, FullDiskLeavesTheOldIndexWhole) {
  TempFolder temp;
  const std::string folder = temp.path("index");
  ASSERT_TRUE(BuildSample(folder, MakeSample(50)).ok());
  const pid_t child = ::fork();
  if (child == 0) {
    // A limit on the size of a file fails a write as a full disk does, without needing root.
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ::_exit(BuildSample(folder, MakeSample(3000)).code() == Code::kIo ? 0 : 1);
  }
  int code = 0;
  ::waitpid(child, &code, 0);
  EXPECT_EQ(code, 0) << "the build must fail with io";
  const Collection collection = OpenSample(folder);
  EXPECT_EQ(collection.documents(), 50u);
  EXPECT_TRUE(collection.Verify().ok());
  EXPECT_FALSE(fs::exists(folder + "/generation-2.partial"));
}

TEST(CollectionBuilder, KilledAtAnyMomentLeavesTheOldIndexWhole) {
  TempFolder temp;
  const std::string folder = temp.path("index");
  ASSERT_TRUE(BuildSample(folder, MakeSample(50)).ok());
  const Sample next = MakeSample(2000);
  std::mt19937 random(5);
  for (int round = 0; round < 20; ++round) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(BuildSample(folder, next).ok() ? 0 : 1);
    ::usleep(static_cast<useconds_t>(random() % 60'000));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const Collection collection = OpenSample(folder);
    EXPECT_TRUE(collection.documents() == 50 || collection.documents() == 2000);
    EXPECT_TRUE(collection.Verify().ok());
  }
}

/// Flips or cuts files of an index; whatever opens must survive searches and be found by Verify.
class Damage : public ::testing::TestWithParam<const char*> {};

TEST_P(Damage, IsFoundAndNeverCrashesASearch) {
  TempFolder temp;
  const std::string folder = temp.path("index");
  CollectionOptions options;
  const Sample sample = MakeSample(1100);  // large enough for a graph
  ASSERT_TRUE(BuildSample(folder, sample, true, options).ok());
  const std::string path = std::string(GetParam()) == "MANIFEST"
                               ? folder + "/MANIFEST"
                               : folder + "/generation-1/" + GetParam();
  const std::string whole = ReadFile(path);
  std::mt19937 random(11);
  std::vector<std::size_t> places = {0, 8, 20, 40, 56, 63, 64, whole.size() / 2, whole.size() - 1};
  for (int i = 0; i < 120; ++i) places.push_back(random() % whole.size());
  auto check = [&](const std::string& content, const std::string& what) {
    WriteFile(path, content);
    auto collection = Collection::Open(folder);
    if (!collection) {
      EXPECT_NE(collection.error().code(), Code::kInternal) << what;
      return;
    }
    for (std::size_t q = 0; q < 3; ++q) {
      auto found = collection->Search({.text = "wing shock jet",
                                       .embedding = sample.view().row_span(q),
                                       .k = 20,
                                       .alpha = 0.5});
      if (!found) continue;
      for (const Hit& hit : found->hits) {
        collection->Get(hit.doc);
        collection->Value(hit.doc, "year");
      }
    }
    EXPECT_EQ(collection->Verify().code(), Code::kCorruption) << what;
  };
  for (std::size_t place : places) {
    std::string changed = whole;
    changed[place] = static_cast<char>(changed[place] ^ (1 << (random() % 8)));
    check(changed, "byte " + std::to_string(place));
  }
  for (std::size_t place : places) check(whole.substr(0, place), "cut " + std::to_string(place));
  fs::remove(path);
  EXPECT_FALSE(Collection::Open(folder).ok());
}

INSTANTIATE_TEST_SUITE_P(Files, Damage,
                         ::testing::Values("MANIFEST", "documents", "columns", "lexical", "vectors",
                                           "graph"),
                         [](const auto& p) { return std::string(p.param); });

TEST(Collection, BatchOverThreadsEqualsOneByOne) {
  TempFolder temp;
  const Sample sample = MakeSample(1500);
  ASSERT_TRUE(BuildSample(temp.path("index"), sample).ok());
  const Collection collection = OpenSample(temp.path("index"));
  std::vector<SearchRequest> requests;
  for (std::size_t i = 0; i < 200; ++i) {
    requests.push_back({.text = "wing heat", .embedding = sample.view().row_span(i)});
    if (i % 3 == 0) requests.back().alpha = 0.25;
    if (i % 50 == 7) requests.back().k = 0;  // refused, and the others go on
  }
  const auto together = collection.SearchBatch(requests, 8);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    auto alone = collection.Search(requests[i]);
    ASSERT_EQ(together[i].ok(), alone.ok()) << i;
    if (!alone) continue;
    ASSERT_EQ(Ids(*together[i]), Ids(*alone)) << i;
    for (std::size_t h = 0; h < alone->hits.size(); ++h)
      EXPECT_EQ(together[i]->hits[h].score, alone->hits[h].score);
  }
}

TEST(Collection, ReaderKeepsItsGenerationWhileANewOneIsWritten) {
  TempFolder temp;
  ASSERT_TRUE(BuildSample(temp.path("index"), MakeSample(50)).ok());
  const Collection old = OpenSample(temp.path("index"));
  ASSERT_TRUE(BuildSample(temp.path("index"), MakeSample(70)).ok());
  EXPECT_EQ(old.documents(), 50u);
  EXPECT_EQ(old.Search({.text = "wing", .k = 1})->hits.size(), 1u);
  EXPECT_TRUE(old.Verify().ok());
  EXPECT_EQ(OpenSample(temp.path("index")).documents(), 70u);
}

TEST(Collection, EuclideanMetricRanksByDistance) {
  TempFolder temp;
  Sample sample = MakeSample(200);
  for (float& x : sample.vectors) x *= 3;
  CollectionOptions options;
  options.metric = Metric::kL2;
  ASSERT_TRUE(BuildSample(temp.path("index"), sample, true, options).ok());
  const Collection collection = OpenSample(temp.path("index"));
  const auto query = sample.view().row_span(9);
  for (FusionMethod method : {FusionMethod::kMinMax, FusionMethod::kTheoretical}) {
    SearchRequest request{.text = "wing", .embedding = query, .k = 200, .alpha = 0.5};
    request.fusion = method;
    auto found = collection.Search(request);
    ASSERT_TRUE(found.ok()) << found.error().ToString();
    for (const Hit& hit : found->hits) {
      double distance = 0;
      for (std::size_t j = 0; j < kDim; ++j) {
        const double d = double{query[j]} - sample.view().row(hit.doc)[j];
        distance += d * d;
      }
      EXPECT_NEAR(hit.vector, -distance, 0.05 + 0.01 * distance);
      EXPECT_GE(hit.vector_normalized, 0.0f);
      EXPECT_LE(hit.vector_normalized, 1.0f);
    }
  }
}

TEST(Collection, DistancesBeyondFloatGiveNoScoreThatIsNotANumber) {
  TempFolder temp;
  Sample sample = MakeSample(200);
  for (std::size_t i = 0; i < sample.vectors.size(); ++i)
    sample.vectors[i] *= i / kDim % 2 == 0 ? 1e18f : 1e20f;
  CollectionOptions options;
  options.metric = Metric::kL2;
  ASSERT_TRUE(BuildSample(temp.path("index"), sample, true, options).ok());
  const Collection collection = OpenSample(temp.path("index"));
  for (const float length : {0.0f, 4e18f, 1e30f}) {
    std::vector<float> query(kDim, length);
    for (FusionMethod method :
         {FusionMethod::kMinMax, FusionMethod::kMinMaxUnion, FusionMethod::kTheoretical}) {
      const auto found = collection.Search(
          {.text = "wing", .embedding = query, .k = 200, .alpha = 0.5, .fusion = method});
      ASSERT_TRUE(found.ok()) << found.error().ToString();
      for (const Hit& hit : found->hits)
        EXPECT_TRUE(hit.score >= 0 && hit.score <= 1) << length << ' ' << hit.score;
    }
  }
}

TEST(Collection, TelemetryCountsEveryLayer) {
  TempFolder temp;
  const Sample sample = MakeSample(50);
  ASSERT_TRUE(BuildSample(temp.path("index"), sample).ok());
  const Collection collection = OpenSample(temp.path("index"));
  for (int i = 0; i < 10; ++i) {
    auto found = collection.Search({.text = "wing", .embedding = sample.view().row_span(0)});
    const LayerTimes& t = found->times;
    EXPECT_EQ(t.total_ns, t.analysis_ns + t.lexical_ns + t.vector_ns + t.fusion_ns);
  }
  const TelemetrySnapshot snapshot = collection.telemetry().Snapshot();
  ASSERT_EQ(snapshot.histograms.size(), 5u);
  for (const auto& histogram : snapshot.histograms)
    EXPECT_EQ(histogram.latency.count, 10u) << histogram.name;
}

}  // namespace
}  // namespace equipoise
