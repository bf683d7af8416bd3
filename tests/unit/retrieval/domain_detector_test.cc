#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <equipoise/core/checked_file.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/retrieval/domain_detector.h>
#include <equipoise/retrieval/domain_evaluation.h>

#include "domain_data.h"
#include "temp_folder.h"

namespace equipoise {
namespace {

using testing::Clouds;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Labelled;
using testing::TempFolder;

Result<DomainDetector> Fit(const Labelled& data, const DomainDetectorOptions& options = {}) {
  return DomainDetector::Fit(data.rows(), data.labels(), options);
}

DomainDetector MustFit(const Labelled& data, const DomainDetectorOptions& options = {}) {
  auto fitted = Fit(data, options);
  EXPECT_TRUE(fitted.ok()) << fitted.error().ToString();
  return *std::move(fitted);
}

std::vector<DomainGuess> Detect(const DomainDetector& detector, const Labelled& data) {
  std::vector<DomainGuess> out(data.size());
  EXPECT_TRUE(detector.Detect(data.rows(), out).ok());
  return out;
}

DomainEvaluation Evaluate(const DomainDetector& detector, const Labelled& data) {
  auto out = EvaluateDomains(detector, data.rows(), data.labels());
  EXPECT_TRUE(out.ok()) << out.error().ToString();
  return *std::move(out);
}

// What it finds

TEST(DomainDetector, FindsTheDomainOfClearQueries) {
  const DomainDetector detector = MustFit(Clouds(4, 50, 1, 0.3));
  EXPECT_THAT(detector.domains(), ElementsAre("domain a", "domain b", "domain c", "domain d"));
  const Labelled queries = Clouds(4, 25, 2, 0.3);
  const auto guesses = Detect(detector, queries);
  for (std::size_t i = 0; i < queries.size(); ++i) {
    EXPECT_EQ(detector.domains()[guesses[i].domain], queries.names[i]);
    EXPECT_NE(guesses[i].domain, guesses[i].second);
    EXPECT_FALSE(guesses[i].general);
    EXPECT_GT(guesses[i].probability, 0.5f);
  }
}

TEST(DomainDetector, PrototypesFindDomainsOfScatteredTopicsWhereCentroidsDoNot) {
  // Eight topics a domain in twelve dimensions: their means say little.
  auto data = [](std::size_t n, std::uint64_t seed) { return Clouds(4, n, seed, 0.35, 8, 0, 12); };
  const Labelled rows = data(800, 1);
  const Labelled queries = data(250, 2);
  const double centroid =
      Evaluate(MustFit(rows, {.method = DomainMethod::kCentroid}), queries).accuracy;
  const DomainDetector chosen = MustFit(rows);
  EXPECT_EQ(chosen.info().method, DomainMethod::kPrototypes);
  EXPECT_GT(chosen.info().prototypes, 8u);
  EXPECT_GT(Evaluate(chosen, queries).accuracy, centroid + 0.1);
}

TEST(DomainDetector, TheChosenModelIsWithinOneStandardErrorOfTheBestTried) {
  const DomainDetector detector = MustFit(Clouds(3, 200, 1, 1.0, 2));
  const auto& trials = detector.info().trials;
  ASSERT_GE(trials.size(), 4u);
  float best = 0;
  for (const DomainTrial& trial : trials) best = std::max(best, trial.accuracy);
  int chosen = 0;
  for (const DomainTrial& trial : trials) {
    EXPECT_NEAR(trial.below_best, best - trial.accuracy, 1e-5);
    if (trial.chosen == 0) {
      // All that come before the chosen one are worse by more than their error.
      EXPECT_TRUE(chosen > 0 || trial.below_best > trial.standard_error);
      continue;
    }
    ++chosen;
    EXPECT_LE(trial.below_best, trial.standard_error);
    EXPECT_EQ(trial.method, detector.info().method);
  }
  EXPECT_EQ(chosen, 1);
}

TEST(DomainDetector, ProbabilitiesAreRightAsOftenAsTheySay) {
  const DomainDetector detector = MustFit(Clouds(5, 400, 1, 1.6));
  const DomainEvaluation e = Evaluate(detector, Clouds(5, 400, 2, 1.6));
  EXPECT_GT(e.accuracy, 0.5);
  EXPECT_LT(e.accuracy, 0.95) << "too easy to say anything about calibration";
  EXPECT_LT(e.calibration_error, 0.03);
  EXPECT_GT(e.calibration_p, 0.01);
}

TEST(DomainDetector, ProbabilitiesOfAllDomainsAgreeWithTheGuess) {
  const DomainDetector detector = MustFit(Clouds(5, 60, 1, 1.2));
  const Labelled queries = Clouds(5, 60, 2, 1.2);
  const auto guesses = Detect(detector, queries);
  std::vector<float> all(queries.size() * 5);
  ASSERT_TRUE(detector.Probabilities(queries.rows(), all).ok());
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const std::vector<float> row(all.begin() + static_cast<std::ptrdiff_t>(i * 5),
                                 all.begin() + static_cast<std::ptrdiff_t>(i * 5 + 5));
    float sum = 0;
    for (const float p : row) sum += p;
    EXPECT_NEAR(sum, 1, 1e-5);
    EXPECT_EQ(*std::max_element(row.begin(), row.end()), row[guesses[i].domain]);
    EXPECT_FLOAT_EQ(row[guesses[i].domain], guesses[i].probability);
    EXPECT_NEAR(row[guesses[i].domain] - row[guesses[i].second], guesses[i].margin, 1e-5);
    EXPECT_GE(guesses[i].margin, 0);
  }
}

TEST(DomainDetector, ABatchIsAnsweredAsItsQueriesOneByOne) {
  const DomainDetector detector = MustFit(Clouds(4, 60, 1, 1.0));
  const Labelled queries = Clouds(4, 150, 2, 1.0);  // more than one chunk
  const auto together = Detect(detector, queries);
  for (std::size_t i = 0; i < queries.size(); ++i) {
    DomainGuess alone;
    ASSERT_TRUE(
        detector
            .Detect(MatrixView<float>(queries.values.data() + i * queries.dim, 1, queries.dim),
                    std::span(&alone, 1))
            .ok());
    EXPECT_EQ(alone.domain, together[i].domain);
    EXPECT_NEAR(alone.probability, together[i].probability, 1e-4);
  }
}

TEST(DomainDetector, OnlyTheDirectionOfRowsAndQueriesCounts) {
  Labelled rows = Clouds(3, 60, 1, 1.5);
  Labelled queries = Clouds(3, 60, 2, 1.5);
  const auto before = Detect(MustFit(rows), queries);
  for (std::size_t i = 0; i < rows.values.size(); ++i)
    rows.values[i] *= static_cast<float>(1 + i / rows.dim);
  for (float& x : queries.values) x *= 1e-20f;
  const auto after = Detect(MustFit(rows), queries);
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i].domain, after[i].domain);
    EXPECT_NEAR(before[i].probability, after[i].probability, 1e-3);
  }
}

TEST(DomainDetector, HalfPrecisionEmbeddingsAreReadToo) {
  const Labelled rows = Clouds(3, 60, 1);
  std::vector<Float16> half(rows.values.size());
  FloatToHalf(rows.values.data(), half.data(), half.size());
  const MatrixView<Float16> view(half.data(), rows.size(), rows.dim);
  auto detector = DomainDetector::Fit(view, rows.labels());
  ASSERT_TRUE(detector.ok());
  std::vector<DomainGuess> guesses(rows.size());
  ASSERT_TRUE(detector->Detect(view, guesses).ok());
  EXPECT_EQ(detector->domains()[guesses[0].domain], rows.names[0]);
}

TEST(DomainDetector, EightBitPrototypesFindTheSameDomains) {
  const Labelled rows = Clouds(5, 300, 1, 1.2, 3);
  const Labelled queries = Clouds(5, 200, 2, 1.2, 3);
  const DomainEvaluation floats = Evaluate(MustFit(rows), queries);
  const DomainEvaluation codes = Evaluate(MustFit(rows, {.int8 = true}), queries);
  EXPECT_NEAR(codes.accuracy, floats.accuracy, 0.01);
  EXPECT_NEAR(codes.probability, floats.probability, 0.01);
}

// General, priors

TEST(DomainDetector, AQueryBelowTheThresholdIsGeneral) {
  DomainDetector detector = MustFit(Clouds(3, 100, 1, 1.4));
  const Labelled queries = Clouds(3, 100, 2, 1.4);
  for (const double threshold : {0.0, 0.6, 1.0}) {
    ASSERT_TRUE(detector.SetThreshold(threshold).ok());
    for (const DomainGuess& guess : Detect(detector, queries))
      EXPECT_EQ(guess.general, guess.probability < threshold);
  }
  EXPECT_EQ(detector.SetThreshold(1.5).code(), Code::kInvalidArgument);
  EXPECT_EQ(detector.SetThreshold(std::nan("")).code(), Code::kInvalidArgument);
}

TEST(DomainDetector, AZeroQueryIsGeneralAndGetsThePriors) {
  Labelled rows = Clouds(3, 40, 1);
  const Labelled more = Clouds(3, 40, 2);
  for (std::size_t i = 0; i < more.size(); ++i)
    if (more.names[i] == "domain b")
      rows.Add({more.values.begin() + static_cast<std::ptrdiff_t>(i * more.dim),
                more.values.begin() + static_cast<std::ptrdiff_t>((i + 1) * more.dim)},
               more.names[i]);
  const DomainDetector detector = MustFit(rows, {.threshold = 0});
  Labelled zero;
  zero.Add(std::vector<float>(rows.dim), "domain a");
  const DomainGuess guess = Detect(detector, zero)[0];
  EXPECT_TRUE(guess.general);
  EXPECT_EQ(detector.domains()[guess.domain], "domain b");
  EXPECT_FLOAT_EQ(guess.probability, 0.5f);
}

TEST(DomainDetector, PriorsDecideWhatIsOtherwiseEqual) {
  // Two domains of the same distribution: only the priors tell them apart.
  const Labelled one = Clouds(1, 400, 1, 0.8);
  Labelled rows;
  for (std::size_t i = 0; i < one.size(); ++i)
    rows.Add({one.values.begin() + static_cast<std::ptrdiff_t>(i * one.dim),
              one.values.begin() + static_cast<std::ptrdiff_t>((i + 1) * one.dim)},
             i % 4 == 0 ? "rare" : "usual");
  auto mean_of = [&](const DomainDetectorOptions& options) {
    const DomainDetector detector = MustFit(rows, options);
    const Labelled queries = Clouds(1, 400, 2, 0.8);
    std::vector<float> all(queries.size() * 2);
    EXPECT_TRUE(detector.Probabilities(queries.rows(), all).ok());
    double rare = 0;
    for (std::size_t i = 0; i < queries.size(); ++i) rare += double{all[2 * i]};
    return rare / static_cast<double>(queries.size());
  };
  DomainDetectorOptions options{.method = DomainMethod::kLinear};
  EXPECT_NEAR(mean_of(options), 0.25, 0.06);
  options.priors = DomainPriors::kUniform;
  EXPECT_NEAR(mean_of(options), 0.5, 0.06);
  options.given_priors = {{"rare", 9}, {"usual", 1}};
  EXPECT_NEAR(mean_of(options), 0.9, 0.06);
}

// The same again

TEST(DomainDetector, TheSameSeedMakesTheSameFileAtAnyNumberOfThreads) {
  const Labelled rows = Clouds(4, 120, 1, 1.0, 3);
  const TempFolder folder;
  std::map<std::string, std::string> files;
  for (const auto& [name, threads, seed] :
       {std::tuple{"one", 1, 5u}, {"again", 1, 5u}, {"three", 3, 5u}, {"other", 1, 6u}}) {
    DomainDetectorOptions options{.source = DomainSource::kCollections, .seed = seed};
    options.similarity.threads = threads;
    ASSERT_TRUE(MustFit(rows, options).Save(folder.path(name)).ok());
    files[name] = testing::ReadFile(folder.path(name));
  }
  EXPECT_EQ(files["one"], files["again"]);
  EXPECT_EQ(files["one"], files["three"]);
  EXPECT_NE(files["one"], files["other"]);
}

TEST(DomainDetector, ALoadedModelAnswersAsTheOneThatWasSaved) {
  const TempFolder folder;
  const Labelled queries = Clouds(3, 30, 2);
  for (const bool int8 : {false, true}) {
    const DomainDetector saved = MustFit(Clouds(3, 60, 1), {.threshold = 0.7, .int8 = int8});
    ASSERT_TRUE(saved.Save(folder.path("m")).ok());
    const auto loaded = DomainDetector::Load(folder.path("m"));
    ASSERT_TRUE(loaded.ok()) << loaded.error().ToString();
    EXPECT_EQ(Detect(*loaded, queries), Detect(saved, queries));
    EXPECT_EQ(loaded->info().rows, 180u);
    EXPECT_EQ(loaded->info().int8, int8);
    EXPECT_EQ(loaded->threshold(), 0.7);
    EXPECT_EQ(loaded->info().trials.size(), saved.info().trials.size());
    EXPECT_EQ(loaded->info().held_out_accuracy, saved.info().held_out_accuracy);
  }
}

// Learning

TEST(DomainDetector, UpdatesMakeShiftedQueriesRightMoreOften) {
  // All queries lie in one more direction than the rows did.
  const DomainDetectorOptions options{.source = DomainSource::kCollections};
  DomainDetector detector = MustFit(Clouds(5, 200, 1, 0.9), options);
  const Labelled seen = Clouds(5, 60, 2, 0.9, 1, 1.5);
  const Labelled unseen = Clouds(5, 200, 3, 0.9, 1, 1.5);
  const Labelled like_rows = Clouds(5, 200, 4, 0.9);
  const DomainEvaluation before = Evaluate(detector, unseen);
  const double kept = Evaluate(detector, like_rows).accuracy;
  const auto labels = seen.labels();
  for (std::size_t from = 0; from < seen.size(); from += 50)
    ASSERT_TRUE(detector
                    .Update(MatrixView<float>(seen.values.data() + from * seen.dim, 50, seen.dim),
                            std::span(labels).subspan(from, 50))
                    .ok());
  const DomainEvaluation after = Evaluate(detector, unseen);
  EXPECT_GT(after.accuracy, before.accuracy + 0.02);
  EXPECT_LT(after.calibration_error, before.calibration_error + 0.01);
  EXPECT_LT(after.calibration_error, 0.08);
  EXPECT_GT(Evaluate(detector, like_rows).accuracy, kept - 0.03);
  EXPECT_EQ(detector.info().updates, seen.size());
}

TEST(DomainDetector, AnUpdateMayBringANewDomain) {
  const Labelled all = Clouds(4, 60, 1, 0.5);
  Labelled known;
  Labelled added;
  for (std::size_t i = 0; i < all.size(); ++i)
    (all.names[i] == "domain b" ? added : known)
        .Add({all.values.begin() + static_cast<std::ptrdiff_t>(i * all.dim),
              all.values.begin() + static_cast<std::ptrdiff_t>((i + 1) * all.dim)},
             all.names[i]);
  DomainDetector detector = MustFit(known);
  ASSERT_TRUE(detector.Update(added.rows(), added.labels()).ok());
  EXPECT_THAT(detector.domains(), ElementsAre("domain a", "domain b", "domain c", "domain d"));
  const DomainEvaluation e = Evaluate(detector, Clouds(4, 50, 2, 0.5));
  for (const DomainScores& domain : e.domains) EXPECT_GT(domain.recall, 0.85) << domain.domain;
  double sum = 0;
  for (const double prior : detector.info().priors) sum += prior;
  EXPECT_NEAR(sum, 1, 1e-9);
}

TEST(DomainDetector, ARefusedUpdateChangesNothing) {
  const TempFolder folder;
  DomainDetector detector = MustFit(Clouds(3, 60, 1));
  ASSERT_TRUE(detector.Save(folder.path("before")).ok());
  Labelled bad = Clouds(3, 5, 2);
  bad.values[7 * bad.dim + 3] = std::numeric_limits<float>::quiet_NaN();
  const Status status = detector.Update(bad.rows(), bad.labels());
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.where().row, 7);
  Labelled other = Clouds(3, 5, 2, 0.5, 1, 0, 8);
  EXPECT_EQ(detector.Update(other.rows(), other.labels()).code(), Code::kInvalidArgument);
  EXPECT_EQ(detector.Update({}, {}).code(), Code::kInvalidArgument);
  ASSERT_TRUE(detector.Save(folder.path("after")).ok());
  EXPECT_EQ(testing::ReadFile(folder.path("before")), testing::ReadFile(folder.path("after")));
}

// Bad input

TEST(DomainDetector, ANaNInARowIsRefusedAndTheRowNamed) {
  Labelled rows = Clouds(3, 20, 1);
  const DomainDetector detector = MustFit(rows);
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Labelled broken = rows;
    broken.values[42 * rows.dim] = bad;
    const Status fit = Fit(broken).error();
    EXPECT_EQ(fit.code(), Code::kInvalidArgument);
    EXPECT_EQ(fit.where().row, 42);
    std::vector<DomainGuess> guesses(broken.size());
    const Status detect = detector.Detect(broken.rows(), guesses);
    EXPECT_EQ(detect.code(), Code::kInvalidArgument);
    EXPECT_EQ(detect.where().row, 42);
  }
}

TEST(DomainDetector, SizesThatDoNotFitAreRefused) {
  const Labelled rows = Clouds(3, 20, 1);
  const DomainDetector detector = MustFit(rows);
  std::vector<DomainGuess> guesses(rows.size());
  EXPECT_EQ(detector.Detect(MatrixView<float>(), {}).code(), Code::kInvalidArgument);
  EXPECT_EQ(detector.Detect(rows.rows(), std::span(guesses).first(3)).code(),
            Code::kInvalidArgument);
  const Labelled other = Clouds(3, 20, 1, 0.5, 1, 0, 8);
  const Status dimension = detector.Detect(other.rows(), guesses);
  EXPECT_EQ(dimension.code(), Code::kInvalidArgument);
  EXPECT_THAT(dimension.message(), HasSubstr("8 dimensions"));
  EXPECT_THAT(dimension.message(), HasSubstr("16"));
  auto labels = rows.labels();
  labels.pop_back();
  EXPECT_EQ(DomainDetector::Fit(rows.rows(), labels).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(DomainDetector::Fit({}, {}).error().code(), Code::kInvalidArgument);
}

TEST(DomainDetector, LabelsThatAreMissingOrAloneAreRefusedByName) {
  Labelled rows = Clouds(3, 20, 1);
  rows.names[11] = "";
  const Status missing = Fit(rows).error();
  EXPECT_EQ(missing.code(), Code::kInvalidArgument);
  EXPECT_EQ(missing.where().row, 11);
  rows.names[11] = "lonely";
  const Status lonely = Fit(rows).error();
  EXPECT_EQ(lonely.code(), Code::kInvalidArgument);
  EXPECT_EQ(lonely.where().row, 11);
  EXPECT_THAT(lonely.message(), HasSubstr("lonely"));
  const DomainDetector without = MustFit(rows, {.min_rows = 2});
  EXPECT_EQ(without.domains().size(), 3u);
  EXPECT_EQ(without.info().left_out, 1u);
  std::fill(rows.names.begin(), rows.names.end(), "one");
  EXPECT_EQ(Fit(rows).error().code(), Code::kInvalidArgument);
}

TEST(DomainDetector, OptionsOutOfRangeAreRefused) {
  const Labelled rows = Clouds(3, 20, 1);
  std::vector<DomainDetectorOptions> bad(8);
  bad[0].threshold = std::nan("");
  bad[1].held_out_share = 0.9;
  bad[2].prototypes = 5000;
  bad[3].given_priors = {{"domain a", 1}};
  bad[4].given_priors = {{"domain a", 1}, {"domain b", 1}, {"nowhere", 1}};
  bad[5].given_priors = {{"domain a", 1}, {"domain b", 1}, {"domain c", -1}};
  bad[6].given_priors = {{"domain a", 1e-320}, {"domain b", 1e300}, {"domain c", 1}};
  bad[7].given_priors = {{"domain a", 1e308}, {"domain b", 1e308}, {"domain c", 1}};
  for (std::size_t i = 0; i < bad.size(); ++i)
    EXPECT_EQ(Fit(rows, bad[i]).error().code(), Code::kInvalidArgument) << i;
}

TEST(DomainDetector, ZeroRowsAreLeftOutOfTheFit) {
  Labelled rows = Clouds(3, 40, 1);
  rows.Add(std::vector<float>(rows.dim), "domain a");
  const DomainDetector detector = MustFit(rows);
  EXPECT_EQ(detector.info().left_out, 1u);
  EXPECT_EQ(detector.info().rows, 120u);
  Labelled only = Clouds(2, 10, 1);
  for (int i = 0; i < 3; ++i) only.Add(std::vector<float>(only.dim), "empty");
  EXPECT_THAT(Fit(only).error().message(), HasSubstr("empty"));
}

TEST(DomainDetector, TinyAndRepeatedRowsAreFitted) {
  for (const DomainSource source : {DomainSource::kRows, DomainSource::kCollections}) {
    EXPECT_TRUE(Fit(Clouds(2, 2, 1), {.source = source}).ok());
    Labelled same;  // every row of a domain is the same
    for (int i = 0; i < 60; ++i)
      same.Add({i % 2 == 0 ? 1.0f : 0.0f, i % 2 == 0 ? 0.0f : 1.0f}, i % 2 == 0 ? "x" : "y");
    const DomainDetector detector = MustFit(same, {.source = source});
    EXPECT_EQ(Evaluate(detector, same).accuracy, 1);
    Labelled opposite;  // rows that cancel each other
    for (int i = 0; i < 60; ++i)
      opposite.Add({i % 4 < 2 ? 1.0f : -1.0f, i % 2 == 0 ? 0.1f : -0.1f}, i % 2 == 0 ? "x" : "y");
    EXPECT_TRUE(Fit(opposite, {.source = source}).ok());
  }
}

TEST(DomainDetector, AProgressCallbackCanStopEveryStage) {
  const Labelled rows = Clouds(3, 200, 1, 1.0);
  for (const char* stage : {"choosing", "calibrating", "fitting"}) {
    DomainDetectorOptions options{.source = DomainSource::kCollections};
    int calls = 0;
    options.progress = [&](const Progress& progress) {
      ++calls;
      EXPECT_LE(progress.done, progress.total);
      return progress.stage != stage;
    };
    EXPECT_EQ(Fit(rows, options).error().code(), Code::kCancelled) << stage;
    EXPECT_GT(calls, 0);
    EXPECT_LT(calls, 500);
  }
}

// Files

TEST(DomainDetector, DamagedFilesAreRefused) {
  const TempFolder folder;
  const std::string path = folder.path("m");
  ASSERT_TRUE(MustFit(Clouds(3, 30, 1)).Save(path).ok());
  const std::string whole = testing::ReadFile(path);
  for (std::size_t size = 0; size < whole.size(); size += 97) {
    testing::WriteFile(folder.path("cut"), whole.substr(0, size));
    EXPECT_EQ(DomainDetector::Load(folder.path("cut")).error().code(), Code::kCorruption) << size;
  }
  for (std::size_t at = 0; at < whole.size(); at += 61) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    testing::WriteFile(folder.path("changed"), changed);
    const auto loaded = DomainDetector::Load(folder.path("changed"));
    ASSERT_FALSE(loaded.ok()) << at;
    EXPECT_THAT(loaded.error().code(), ::testing::AnyOf(Code::kCorruption, Code::kUnsupported))
        << at;
  }
  EXPECT_EQ(DomainDetector::Load(folder.path("absent")).error().code(), Code::kNotFound);
}

TEST(DomainDetector, ModelsOfANewerVersionOrAnotherKindAreRefused) {
  const TempFolder folder;
  for (const auto& [kind, version, code] :
       {std::tuple{"domains", 2u, Code::kUnsupported}, {"graph", 1u, Code::kCorruption}}) {
    auto writer = CheckedFileWriter::Create(folder.path("m"), kind, version);
    ASSERT_TRUE(writer.ok() && writer->Finish().ok());
    const Status status = DomainDetector::Load(folder.path("m")).error();
    EXPECT_EQ(status.code(), code) << kind;
    EXPECT_EQ(status.where().file, folder.path("m"));
  }
}

TEST(DomainDetector, AModelReplacesOnlyAFile) {
  const TempFolder folder;
  const DomainDetector detector = MustFit(Clouds(3, 30, 1));
  EXPECT_EQ(detector.Save(folder.root()).code(), Code::kInvalidArgument);
  EXPECT_EQ(detector.Save(folder.path("no/such/folder")).code(), Code::kIo);
  ASSERT_TRUE(detector.Save(folder.path("m")).ok());
  ASSERT_TRUE(detector.Save(folder.path("m")).ok());
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.root()))
    ++files;
  EXPECT_EQ(files, 1u) << "nothing else is left behind";
}

}  // namespace
}  // namespace equipoise
