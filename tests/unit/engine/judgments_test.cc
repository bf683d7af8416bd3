#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <equipoise/engine/judgments.h>
#include <equipoise/engine/ranking_evaluation.h>
#include <equipoise/engine/run_file.h>

#include "temp_folder.h"
#include "text_lines.h"

namespace equipoise {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempFolder;

TEST(Queries, AreReadInFileOrderWithBlankLinesAndFurtherFieldsPassedOver) {
  TempFolder folder;
  const std::string path = folder.Write("queries.jsonl",
                                        "\xEF\xBB\xBF{\"_id\": \"b\", \"text\": \"über\"}\r\n"
                                        "\n   \n"
                                        "{\"_id\": \"a\", \"metadata\": {\"x\": [1]}}\n"
                                        "{\"_id\": 7, \"text\": null}");
  auto queries = Queries::Read(path);
  ASSERT_TRUE(queries.ok()) << queries.error().ToString();
  ASSERT_EQ(queries->size(), 3u);
  EXPECT_EQ(queries->items()[0].id, "b");
  EXPECT_EQ(queries->items()[0].text, "über");
  EXPECT_EQ(queries->items()[1].id, "a");
  EXPECT_EQ(queries->items()[1].text, "");
  EXPECT_EQ(queries->items()[2].id, "7");
  EXPECT_EQ(queries->RowOf("a"), 1);
  EXPECT_EQ(queries->RowOf("c"), -1);
}

TEST(Queries, AnEmptyFileHasNoQueriesAndAMissingOneIsNotFound) {
  TempFolder folder;
  EXPECT_EQ(Queries::Read(folder.Write("empty", ""))->size(), 0u);
  EXPECT_EQ(Queries::Read(folder.path("none")).error().code(), Code::kNotFound);
  EXPECT_EQ(Queries::Read(folder.root()).error().code(), Code::kIo);
}

TEST(Queries, FromMemoryRefusesEmptyAndRepeatedIds) {
  EXPECT_EQ(Queries::FromItems({{"a", "x"}, {"b", ""}})->RowOf("b"), 1);
  EXPECT_EQ(Queries::FromItems({{"a", "x"}, {"", "y"}}).error().where().row, 1);
  auto twice = Queries::FromItems({{"a", "x"}, {"b", "y"}, {"a", "z"}});
  EXPECT_EQ(twice.error().where().row, 2);
  EXPECT_THAT(twice.error().ToString(), HasSubstr("row 0"));
}

struct BadFile {
  std::string name;
  std::string content;
  std::int64_t line;
  std::string says;

  friend std::ostream& operator<<(std::ostream& out, const BadFile& bad) { return out << bad.name; }
};

std::string NameOf(const ::testing::TestParamInfo<BadFile>& info) { return info.param.name; }

void ExpectRefused(const Status& error, const std::string& path, const BadFile& bad) {
  EXPECT_EQ(error.code(), Code::kInvalidArgument) << error.ToString();
  EXPECT_EQ(error.where().file, path);
  EXPECT_EQ(error.where().line, bad.line) << error.ToString();
  EXPECT_THAT(error.ToString(), HasSubstr(bad.says));
}

class BadQueries : public ::testing::TestWithParam<BadFile> {};

TEST_P(BadQueries, AreRefusedWithFileAndLine) {
  TempFolder folder;
  const std::string path = folder.Write("queries.jsonl", GetParam().content);
  ExpectRefused(Queries::Read(path).error(), path, GetParam());
}

const std::string kGoodQuery = "{\"_id\": \"1\", \"text\": \"x\"}\n";

INSTANTIATE_TEST_SUITE_P(
    Queries, BadQueries,
    ::testing::Values(
        BadFile{"CutJson", kGoodQuery + "{\"_id\": \"2\", \"te", 2, "JSON"},
        BadFile{"TwoObjectsInALine", kGoodQuery + "{\"_id\": \"2\"} {\"_id\": \"3\"}", 2, "JSON"},
        BadFile{"NotAnObject", kGoodQuery + "\n[1]", 3, "object"},
        BadFile{"MissingId", kGoodQuery + "{\"text\": \"x\"}", 2, "_id"},
        BadFile{"EmptyId", kGoodQuery + "{\"_id\": \"\"}", 2, "_id"},
        BadFile{"IdIsAList", kGoodQuery + "{\"_id\": [\"a\"]}", 2, "_id"},
        BadFile{"DuplicateId", kGoodQuery + "\n" + kGoodQuery, 3, "in line 1"},
        BadFile{"TextIsANumber", kGoodQuery + "{\"_id\": \"2\", \"text\": 5}", 2, "text"},
        BadFile{"InvalidUtf8", kGoodQuery + "{\"_id\": \"2\", \"text\": \"\xC3\x28\"}", 2, "UTF-8"},
        BadFile{"LoneSurrogate", kGoodQuery + "{\"_id\": \"2\", \"text\": \"\\ud800\"}", 2, "JSON"},
        BadFile{"NulByte", kGoodQuery + std::string("\0", 1), 2, "JSON"}),
    NameOf);

TEST(Judgments, ReadsTheBeirFormatWithItsHeader) {
  TempFolder folder;
  auto judgments = Judgments::Read(
      folder.Write("test.tsv", "query-id\tcorpus-id\tscore\n1\td2\t2\r\n1\td1\t0\n\n2\td 3\t-1"));
  ASSERT_TRUE(judgments.ok()) << judgments.error().ToString();
  ASSERT_EQ(judgments->queries().size(), 2u);
  EXPECT_EQ(judgments->size(), 3u);
  EXPECT_EQ(judgments->duplicates(), 0u);
  const Judgments::OfQuery* one = judgments->Find("1");
  ASSERT_NE(one, nullptr);
  EXPECT_THAT(one->documents, ElementsAre("d1", "d2"));
  EXPECT_THAT(one->grades, ElementsAre(0, 2));
  EXPECT_EQ(one->relevant, 1u);
  EXPECT_EQ(one->GradeOf("d2"), 2);
  EXPECT_EQ(one->GradeOf("d3"), 0);
  EXPECT_EQ(judgments->Find("2")->GradeOf("d 3"), -1);
  EXPECT_EQ(judgments->Find("2")->relevant, 0u);
  EXPECT_EQ(judgments->Find("query-id"), nullptr);
}

TEST(Judgments, ReadsTheTrecFormatAndBeirWithoutAHeaderAlike) {
  TempFolder folder;
  for (const std::string content :
       {"\xEF\xBB\xBFq1 0 d1 1\nq1\t0\td2\t3\n  q2 Q0  d1   0 \n",
        "q1\td1\t1\nq1\td2\t3\nq2\td1\t0", "Query_ID\tDoc\tRel\nq1\td1\t1\nq1\td2\t3\nq2\td1\t0",
        "\n \nq1\t0\td1\t1\nq1 0 d2 3\nq2 0 d1 0"}) {
    auto judgments = Judgments::Read(folder.Write("qrels", content));
    ASSERT_TRUE(judgments.ok()) << judgments.error().ToString() << "\n" << content;
    ASSERT_EQ(judgments->queries().size(), 2u) << content;
    EXPECT_EQ(judgments->queries()[0].query, "q1");
    EXPECT_THAT(judgments->queries()[0].grades, ElementsAre(1, 3));
    EXPECT_EQ(judgments->queries()[1].query, "q2");
    EXPECT_EQ(judgments->size(), 3u);
  }
}

TEST(Judgments, AQueryNamedLikeAHeaderIsDataWhereItHasAGrade) {
  TempFolder folder;
  auto judgments = Judgments::Read(folder.Write("qrels", "qid\td1\t1\n"));
  ASSERT_TRUE(judgments.ok());
  EXPECT_EQ(judgments->Find("qid")->GradeOf("d1"), 1);
}

TEST(Judgments, RepeatedPairsWithTheSameGradeAreCountedAndUsedOnce) {
  TempFolder folder;
  auto judgments = Judgments::Read(folder.Write("qrels", "q 0 d 2\nq 0 d 2\nq 0 e 1\nq 0 d 2\n"));
  ASSERT_TRUE(judgments.ok());
  EXPECT_EQ(judgments->duplicates(), 2u);
  EXPECT_EQ(judgments->size(), 2u);
  EXPECT_EQ(judgments->Find("q")->relevant, 2u);
}

TEST(Judgments, AMissingFileIsNotFound) {
  TempFolder folder;
  EXPECT_EQ(Judgments::Read(folder.path("none")).error().code(), Code::kNotFound);
}

class BadJudgments : public ::testing::TestWithParam<BadFile> {};

TEST_P(BadJudgments, AreRefusedWithFileAndLine) {
  TempFolder folder;
  const std::string path = folder.Write("qrels", GetParam().content);
  ExpectRefused(Judgments::Read(path).error(), path, GetParam());
}

const std::string kHeader = "query-id\tcorpus-id\tscore\n";

INSTANTIATE_TEST_SUITE_P(
    Judgments, BadJudgments,
    ::testing::Values(
        BadFile{"Empty", "", 0, "no judgment"}, BadFile{"OnlyBlank", "\n \n", 0, "no judgment"},
        BadFile{"OnlyAHeader", kHeader, 0, "no judgment"},
        BadFile{"BeirTwoColumns", kHeader + "q\td\n", 2, "2 columns"},
        BadFile{"BeirOneColumn", kHeader + "q d 1\n", 2, "1 column where"},
        BadFile{"BeirFourColumns", kHeader + "q\td\t1\t2\n", 2, "4 columns"},
        BadFile{"BeirNoQuery", kHeader + "\td\t1\n", 2, "query id is empty"},
        BadFile{"BeirNoDocument", kHeader + "q\t \t1\n", 2, "document id is empty"},
        BadFile{"BeirNoGrade", kHeader + "q\td\t\n", 2, "not a 32-bit integer"},
        BadFile{"BeirFraction", kHeader + "q\td\t1.0\n", 2, "\"1.0\" is not a 32-bit integer"},
        BadFile{"BeirWord", kHeader + "q\td\thigh\n", 2, "\"high\""},
        BadFile{"BeirTooLarge", kHeader + "q\td\t2147483648\n", 2, "\"2147483648\""},
        BadFile{"BeirSecondHeader", kHeader + "q\td\t1\n" + kHeader, 3, "\"score\""},
        BadFile{"BeirUnknownHeader", "a\tb\tc\nq\td\t1\n", 1, "\"c\""},
        BadFile{"BeirOtherGrade", kHeader + "q\td\t1\nq\te\t1\nq\td\t2\n", 4, "in line 2"},
        BadFile{"BeirInvalidUtf8", kHeader + "q\td\xFF\t1\n", 2, "UTF-8"},
        BadFile{"TrecThreeColumns", "q 0 d 1\nq 0 d\n", 2, "3 columns"},
        BadFile{"TrecFiveColumns", "q 0 d 1\nq 0 e 1 x\n", 2, "5 columns"},
        BadFile{"TrecManyColumns", "q 0 d 1\nq 0 e 1 x y z u v\n", 2, "9 columns"},
        BadFile{"TrecGrade", "q 0 d 1\n\nq 0 e 1x\n", 3, "\"1x\""},
        BadFile{"TrecOtherGrade", "q 0 d 1\nq 0 d 0\n", 2, "in line 1"},
        BadFile{"TrecInvalidUtf8", "q 0 d 1\nq 0 \xED\xA0\x80 1\n", 2, "UTF-8"},
        BadFile{"NeitherFormat", "{\"_id\": \"1\"}\n", 1, "2 columns"}),
    NameOf);

Judgments ReadJudgments(const TempFolder& folder, const std::string& content) {
  auto judgments = Judgments::Read(folder.Write("qrels", content));
  EXPECT_TRUE(judgments.ok()) << judgments.error().ToString();
  return *std::move(judgments);
}

TEST(RankingEvaluation, GivesTheHandComputedMeasuresOfARanking) {
  TempFolder folder;
  const Judgments judgments = ReadJudgments(folder, "q 0 a 3\nq 0 b 1\nq 0 c 0\nq 0 d -1\n");
  const std::vector<std::string_view> ranked = {"c", "b", "unknown", "a", "d"};
  const EvaluationMeasures m = EvaluateRanking(ranked, *judgments.Find("q"));
  EXPECT_NEAR(m.ndcg_10, (1 / std::log2(3.0) + 7 / std::log2(5.0)) / (7 + 1 / std::log2(3.0)),
              1e-12);
  EXPECT_DOUBLE_EQ(m.recall_10, 1);
  EXPECT_DOUBLE_EQ(m.recall_100, 1);
  EXPECT_DOUBLE_EQ(m.mrr_10, 0.5);
  EXPECT_DOUBLE_EQ(m.map, (1.0 / 2 + 2.0 / 4) / 2);
}

TEST(RankingEvaluation, CutsAtTenAndAtOneHundred) {
  TempFolder folder;
  const Judgments judgments = ReadJudgments(folder, "q 0 r11 1\nq 0 r101 1\n");
  std::vector<std::string> names;
  for (int rank = 1; rank <= 200; ++rank) names.push_back("r" + std::to_string(rank));
  const std::vector<std::string_view> ranked(names.begin(), names.end());
  const EvaluationMeasures m = EvaluateRanking(ranked, *judgments.Find("q"));
  EXPECT_EQ(m.ndcg_10, 0);
  EXPECT_EQ(m.recall_10, 0);
  EXPECT_DOUBLE_EQ(m.recall_100, 0.5);
  EXPECT_EQ(m.mrr_10, 0);
  EXPECT_DOUBLE_EQ(m.map, (1.0 / 11 + 2.0 / 101) / 2);
  EXPECT_THAT(m.values(), ElementsAre(m.ndcg_10, m.recall_10, m.recall_100, m.mrr_10, m.map));
}

RunFile ThreeQueries() {
  RunFile run;
  run.Add({"1", {{"a", 2}, {"b", 1}}});
  run.Add({"2", {{"a", 2}}});
  run.Add({"9", {{"a", 2}}});
  return run;
}

const char* const kQrels = "1 0 b 1\n2 0 a 0\n3 0 a 2\n7 0 a 1\n";

TEST(RankingEvaluation, WithoutAListOfQueriesAllThatAreJudgedCount) {
  TempFolder folder;
  const RunEvaluation out = EvaluateRun(ThreeQueries(), ReadJudgments(folder, kQrels));
  ASSERT_EQ(out.queries.size(), 3u);  // 1, 3 and 7: 2 has nothing relevant
  EXPECT_EQ(out.queries[0].query, "1");
  EXPECT_EQ(out.queries[0].retrieved, 2u);
  EXPECT_EQ(out.queries[0].relevant, 1u);
  EXPECT_EQ(out.queries[1].query, "3");
  EXPECT_EQ(out.queries[1].measures.map, 0);
  EXPECT_EQ(out.without_results, 2u);
  EXPECT_EQ(out.without_relevant, 1u);
  EXPECT_EQ(out.without_judgments, 1u);  // 9
  EXPECT_EQ(out.unknown_queries, 0u);
  EXPECT_DOUBLE_EQ(out.mean.mrr_10, 0.5 / 3);
  EXPECT_DOUBLE_EQ(out.mean.recall_10, 1.0 / 3);
}

TEST(RankingEvaluation, WithAListOfQueriesTheseCountInItsOrder) {
  TempFolder folder;
  auto asked = Queries::FromItems({{"9", ""}, {"3", ""}, {"2", ""}, {"1", ""}});
  const RunEvaluation out = EvaluateRun(ThreeQueries(), ReadJudgments(folder, kQrels), &*asked);
  ASSERT_EQ(out.queries.size(), 2u);
  EXPECT_EQ(out.queries[0].query, "3");
  EXPECT_EQ(out.queries[1].query, "1");
  EXPECT_EQ(out.without_results, 1u);
  EXPECT_EQ(out.without_relevant, 1u);
  EXPECT_EQ(out.without_judgments, 1u);
  EXPECT_EQ(out.unknown_queries, 1u);  // 7
  EXPECT_DOUBLE_EQ(out.mean.mrr_10, 0.25);
}

TEST(RankingEvaluation, NothingToEvaluateGivesZerosAndNoNaN) {
  TempFolder folder;
  const RunEvaluation out = EvaluateRun(RunFile(), ReadJudgments(folder, "1 0 a 0\n"));
  EXPECT_TRUE(out.queries.empty());
  EXPECT_EQ(out.mean.ndcg_10, 0);
  EXPECT_EQ(out.without_relevant, 1u);
}

TEST(RankingEvaluation, CoverageCountsUnknownQueriesAndDocuments) {
  TempFolder folder;
  const Judgments judgments =
      ReadJudgments(folder, "1 0 a 1\n1 0 x 1\n2 0 x 0\n2 0 y 0\n7 0 x 1\n7 0 a 1\n");
  auto queries = Queries::FromItems({{"1", ""}, {"2", ""}, {"3", ""}});
  const JudgmentCoverage out =
      CheckCoverage(judgments, *queries, [](std::string_view id) { return id == "a"; });
  EXPECT_EQ(out.unknown_queries, 1u);
  EXPECT_EQ(out.judgments_of_unknown_queries, 2u);
  EXPECT_EQ(out.unknown_documents, 2u);
  EXPECT_EQ(out.judgments_of_unknown_documents, 4u);
  EXPECT_EQ(out.queries_without_judgments, 1u);
  EXPECT_EQ(out.queries_without_relevant, 1u);
}

TEST(RankingEvaluation, DocumentsTheCollectionLacksStayInTheIdealRanking) {
  TempFolder folder;
  const Judgments judgments = ReadJudgments(folder, "1 0 a 1\n1 0 not-there 1\n");
  RunFile run;
  run.Add({"1", {{"a", 1}}});
  const RunEvaluation out = EvaluateRun(run, judgments);
  EXPECT_DOUBLE_EQ(out.mean.recall_10, 0.5);
  EXPECT_DOUBLE_EQ(out.mean.map, 0.5);
  EXPECT_LT(out.mean.ndcg_10, 1);
}

// The judged sets that $EQUIPOISE_DATA names, with the counts of their documentation.
struct JudgedSet {
  std::string name;
  std::size_t queries;

  friend std::ostream& operator<<(std::ostream& out, const JudgedSet& set) {
    return out << set.name;
  }
};

class JudgedSets : public ::testing::TestWithParam<JudgedSet> {};

TEST_P(JudgedSets, AreReadWhole) {
  const char* data = std::getenv("EQUIPOISE_DATA");
  if (data == nullptr) GTEST_SKIP() << "EQUIPOISE_DATA names no folder of judged sets";
  const std::string folder = std::string(data) + "/" + GetParam().name;
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is absent";
  auto judgments = Judgments::Read(folder + "/qrels/test.tsv");
  auto queries = Queries::Read(folder + "/queries.jsonl");
  ASSERT_TRUE(judgments.ok()) << judgments.error().ToString();
  ASSERT_TRUE(queries.ok()) << queries.error().ToString();
  std::size_t with_relevant = 0;
  for (const Judgments::OfQuery& query : judgments->queries()) {
    with_relevant += query.relevant > 0;
    EXPECT_GE(queries->RowOf(query.query), 0) << query.query;
  }
  EXPECT_EQ(with_relevant, GetParam().queries);
}

INSTANTIATE_TEST_SUITE_P(Data, JudgedSets,
                         ::testing::Values(JudgedSet{"cranfield", 225}, JudgedSet{"med", 30},
                                           JudgedSet{"cisi", 76}, JudgedSet{"cacm", 52},
                                           JudgedSet{"npl", 93}, JudgedSet{"cacm-authors", 150},
                                           JudgedSet{"reverse-dictionary", 150}),
                         [](const auto& param_info) {
                           std::string name = param_info.param.name;
                           for (char& c : name)
                             if (c == '-') c = '_';
                           return name;
                         });

}  // namespace
}  // namespace equipoise
