#include <cmath>

#include <gtest/gtest.h>

#include <equipoise/engine/evaluation.h>

#include "temp_folder.h"

namespace equipoise {
namespace {

using testing::TempFolder;

constexpr std::size_t kDim = 2;
const std::vector<float> kVectors = {1, 0, 0, 1, 1, 1};

Engine BuildEngine(const TempFolder& folder) {
  const std::vector<Document> documents = {{.id = "a", .title = "", .text = "wing"},
                                           {.id = "b", .title = "", .text = "flow"},
                                           {.id = "c", .title = "", .text = "heat"}};
  const Status built =
      Engine::Build(folder.path("index"), documents, MatrixView<float>(kVectors.data(), 3, kDim));
  EXPECT_TRUE(built.ok()) << built.ToString();
  return *Engine::Open(folder.path("index"));
}

Result<EvaluationReport> EvaluateTexts(const std::vector<std::string>& texts) {
  TempFolder folder;
  const Engine engine = BuildEngine(folder);
  std::vector<Queries::Item> items;
  std::string qrels;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    items.push_back({std::to_string(i), texts[i]});
    qrels += std::to_string(i) + " 0 a 1\n";
  }
  return Evaluate(engine, *Queries::FromItems(items),
                  MatrixView<float>(kVectors.data(), texts.size(), kDim),
                  *Judgments::Read(folder.Write("qrels", qrels)),
                  {.settings = {{.alpha = 0.5, .method = FusionMethod::kMinMax}}});
}

TEST(Evaluate, OneQueryWithoutTextDoesNotChangeTheAlphaThatIsReported) {
  for (const std::vector<std::string>& texts : {std::vector<std::string>{"wing", "flow", ""},
                                                std::vector<std::string>{"", "flow", "wing"}}) {
    const auto report = EvaluateTexts(texts);
    ASSERT_TRUE(report.ok()) << report.error().ToString();
    EXPECT_EQ(report->results[0].used.alpha, 0.5);
    EXPECT_EQ(report->results[0].note, "1 of 3 queries had one path only (no text: vectors alone)");
  }
}

TEST(Evaluate, QueriesThatAllLackTextAreReportedAsVectorsAlone) {
  const auto report = EvaluateTexts({"", ""});
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_EQ(report->results[0].asked.alpha, 0.5);
  EXPECT_EQ(report->results[0].used.alpha, 0);
  EXPECT_EQ(report->results[0].note, "no text: vectors alone");
}

TEST(Evaluate, NamesTheQueryWhoseEmbeddingIsNotANumber) {
  TempFolder folder;
  const Engine engine = BuildEngine(folder);
  const std::vector<float> embeddings = {1, 0, 0, NAN};
  const auto report =
      Evaluate(engine, *Queries::FromItems({{"0", "wing"}, {"1", "flow"}}),
               MatrixView<float>(embeddings.data(), 2, kDim),
               *Judgments::Read(folder.Write("qrels", "0 0 a 1\n1 0 b 1\n")), {.settings = {{}}});
  EXPECT_EQ(report.error().code(), Code::kInvalidArgument);
  EXPECT_EQ(report.error().where().row, 1);
}

}  // namespace
}  // namespace equipoise
