#include <cstdlib>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <equipoise/engine/engine.h>
#include <equipoise/engine/labelled_embeddings.h>
#include <equipoise/retrieval/domain_evaluation.h>

#include "domain_data.h"
#include "temp_folder.h"

namespace equipoise {
namespace {

using testing::Clouds;
using testing::Labelled;
using testing::TempFolder;

class QueryDomain : public ::testing::Test {
 protected:
  void SetUp() override {
    std::vector<Document> documents;
    for (std::size_t i = 0; i < rows_.size(); ++i)
      documents.push_back({.id = "d" + std::to_string(i), .title = "", .text = "wing"});
    ASSERT_TRUE(Engine::Build(folder_.path("index"), documents, rows_.rows()).ok());
  }
  Engine Open() {
    auto engine = Engine::Open(folder_.path("index"));
    EXPECT_TRUE(engine.ok());
    return *std::move(engine);
  }
  static std::shared_ptr<const DomainDetector> Detector(const Labelled& rows) {
    auto fitted = DomainDetector::Fit(rows.rows(), rows.labels());
    EXPECT_TRUE(fitted.ok());
    return std::make_shared<const DomainDetector>(*std::move(fitted));
  }
  std::span<const float> Query(std::size_t i) const {
    return std::span(rows_.values).subspan(i * rows_.dim, rows_.dim);
  }

  const Labelled rows_ = Clouds(3, 20, 1, 0.3);
  const TempFolder folder_;
};

TEST_F(QueryDomain, IsDetectedWhereTheCallerNamesNone) {
  Engine engine = Open();
  const auto detector = Detector(rows_);
  ASSERT_TRUE(engine.UseDetector(detector).ok());
  for (std::size_t i = 0; i < 6; ++i) {
    const auto found = engine.Search({.text = "wing", .embedding = Query(i)});
    ASSERT_TRUE(found.ok());
    DomainGuess guess;
    ASSERT_TRUE(
        detector->Detect(MatrixView<float>(Query(i).data(), 1, rows_.dim), std::span(&guess, 1))
            .ok());
    EXPECT_EQ(found->domain.decider, DomainDecider::kDetected);
    EXPECT_EQ(found->domain.name, rows_.names[i]);
    EXPECT_EQ(found->domain.probability, guess.probability);
    EXPECT_EQ(found->domain.margin, guess.margin);
    EXPECT_FALSE(found->domain.general);
    EXPECT_LE(found->times.domain_ns, found->times.total_ns);
  }
}

TEST_F(QueryDomain, IsTheCallersWhereItIsNamed) {
  Engine engine = Open();
  ASSERT_TRUE(engine.UseDetector(Detector(rows_)).ok());
  const auto found =
      engine.Search({.text = "wing", .embedding = Query(0), .domain = "something else"});
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->domain.decider, DomainDecider::kCaller);
  EXPECT_EQ(found->domain.name, "something else");
  EXPECT_EQ(found->domain.probability, 1);
}

TEST_F(QueryDomain, IsNobodysWithoutDetectorOrEmbedding) {
  Engine engine = Open();
  EXPECT_EQ(engine.Search({.text = "wing", .embedding = Query(0)})->domain.decider,
            DomainDecider::kNone);
  ASSERT_TRUE(engine.UseDetector(Detector(rows_)).ok());
  const auto lexical = engine.Search({.text = "wing"});
  EXPECT_EQ(lexical->domain.decider, DomainDecider::kNone);
  EXPECT_EQ(lexical->domain.name, "");
  ASSERT_TRUE(engine.UseDetector(nullptr).ok());
  EXPECT_EQ(engine.Search({.text = "wing", .embedding = Query(0)})->domain.decider,
            DomainDecider::kNone);
}

TEST_F(QueryDomain, ADetectorOfAnotherDimensionIsRefused) {
  Engine engine = Open();
  const Status status = engine.UseDetector(Detector(Clouds(3, 20, 1, 0.3, 1, 0, 8)));
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), ::testing::HasSubstr("8"));
}

// The figures that the project states, on judged collections where they are.
std::string DataFolder(const std::string& set) {
  const char* root = std::getenv("EQUIPOISE_DATA");
  if (root == nullptr) return {};
  const std::string path = std::string(root) + "/" + set;
  return std::filesystem::exists(path + "/corpus.f16.npy") ? path : std::string();
}

TEST(DomainQuality, FiveCollectionsAreToldApartAndCalibrated) {
  LabelledSources documents;
  LabelledSources queries;
  for (const char* set : {"cranfield", "med", "cisi", "cacm", "npl"}) {
    const std::string folder = DataFolder(set);
    if (folder.empty()) GTEST_SKIP() << "EQUIPOISE_DATA has no set " << set;
    documents.embeddings.push_back(folder + "/corpus.f16.npy");
    queries.embeddings.push_back(folder + "/queries.f16.npy");
    documents.names.emplace_back(set);
    queries.names.emplace_back(set);
  }
  const auto rows = LabelledEmbeddings::Read(documents);
  const auto asked = LabelledEmbeddings::Read(queries);
  ASSERT_TRUE(rows.ok() && asked.ok());
  const auto detector =
      DomainDetector::Fit(rows->rows(), rows->labels(), {.source = DomainSource::kCollections});
  ASSERT_TRUE(detector.ok());
  const auto e = EvaluateDomains(*detector, asked->rows(), asked->labels());
  ASSERT_TRUE(e.ok());
  EXPECT_GE(e->macro_accuracy, 0.90);
  EXPECT_GE(e->calibration_p, 0.05);
}

}  // namespace
}  // namespace equipoise
