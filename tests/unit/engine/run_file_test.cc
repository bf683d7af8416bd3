#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <equipoise/core/random.h>
#include <equipoise/engine/run_file.h>

#include "temp_folder.h"

namespace equipoise {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ReadFile;
using testing::TempFolder;

std::vector<std::string> Documents(const RunFile::Ranking& ranking) {
  std::vector<std::string> out;
  for (const RunFile::Entry& entry : ranking.entries) out.push_back(entry.document);
  return out;
}

std::vector<std::string> FilesIn(const TempFolder& folder) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder.root()))
    out.push_back(entry.path().filename().string());
  std::sort(out.begin(), out.end());
  return out;
}

// The scores of a written file as 32-bit floats, as trec_eval reads them.
std::vector<float> WrittenScores(const std::string& path) {
  std::vector<float> out;
  std::istringstream in(ReadFile(path));
  std::string query, q0, document, rank, score, tag;
  while (in >> query >> q0 >> document >> rank >> score >> tag)
    out.push_back(std::strtof(score.c_str(), nullptr));
  return out;
}

TEST(RunFile, WritesTheSixColumns) {
  TempFolder folder;
  RunFile run;
  run.Add({"q1", {{"a", 2.5}, {"b", 0.1}}});
  run.Add({"q2", {}});
  run.Add({"q3", {{"a", -1}}});
  const std::string path = folder.path("run.trec");
  ASSERT_TRUE(run.Write(path).ok());
  EXPECT_EQ(ReadFile(path),
            "q1 Q0 a 1 2.5 equipoise\n"
            "q1 Q0 b 2 0.1 equipoise\n"
            "q3 Q0 a 1 -1 equipoise\n");
  run.set_tag("alpha0.4");
  ASSERT_TRUE(run.Write(path).ok());  // replaces
  EXPECT_THAT(ReadFile(path), HasSubstr("q3 Q0 a 1 -1 alpha0.4\n"));
  EXPECT_THAT(FilesIn(folder), ElementsAre("run.trec"));
}

TEST(RunFile, ReadsByScoreWithTiesInTheOrderOfLines) {
  TempFolder folder;
  auto run = RunFile::Read(folder.Write("run",
                                        "\xEF\xBB\xBFq2 Q0 z 1 0.5 mine\r\n"
                                        "q1\tQ0\ta\t1\t1e-3\tmine\n\n"
                                        "q2 Q0 y 2 7 mine\n"
                                        "q2 Q0 b 3 0.5 mine\n"
                                        "  q1 0 c 9 -2 other \n"
                                        "q2 Q0 a 4 0.5 mine"));
  ASSERT_TRUE(run.ok()) << run.error().ToString();
  EXPECT_EQ(run->tag(), "mine");
  ASSERT_EQ(run->rankings().size(), 2u);
  EXPECT_EQ(run->rankings()[0].query, "q2");
  EXPECT_THAT(Documents(run->rankings()[0]), ElementsAre("y", "z", "b", "a"));
  EXPECT_THAT(Documents(*run->Find("q1")), ElementsAre("a", "c"));
  EXPECT_DOUBLE_EQ(run->Find("q1")->entries[0].score, 0.001);
  EXPECT_EQ(run->Find("q3"), nullptr);
}

TEST(RunFile, TiesAreWrittenAsStrictlyDecreasingFloatsInOurOrder) {
  TempFolder folder;
  const std::string path = folder.path("run");
  RunFile run;
  run.Add({"q",
           {{"d", 1.0},
            {"c", 1.0},
            {"b", 1.0 - 1e-9},  // the same float as 1
            {"up", 5.0},        // a ranking that is not by score keeps its order too
            {"e", 0.5},
            {"a", 0.0},
            {"g", 0.0},
            {"h", -0.0},
            {"f", -1e-40}}});
  ASSERT_TRUE(run.Write(path).ok());
  const std::vector<float> scores = WrittenScores(path);
  ASSERT_EQ(scores.size(), 9u);
  for (std::size_t i = 1; i < scores.size(); ++i) EXPECT_LT(scores[i], scores[i - 1]) << i;
  for (float score : scores) EXPECT_TRUE(score == 0 || std::isnormal(score)) << score;
  EXPECT_EQ(scores[0], 1.0f);
  EXPECT_EQ(scores[1], std::nextafter(1.0f, 0.0f));
  EXPECT_EQ(scores[4], 0.5f);
  EXPECT_EQ(scores[5], 0.0f);
  auto again = RunFile::Read(path);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(Documents(again->rankings()[0]), Documents(run.rankings()[0]));
}

TEST(RunFile, AnyRankingComesBackInItsOrderWhateverItsScores) {
  TempFolder folder;
  const std::string path = folder.path("run");
  Random random(1);
  for (int round = 0; round < 100; ++round) {
    RunFile run;
    for (std::size_t q = 0; q < 3; ++q) {
      RunFile::Ranking ranking{"q" + std::to_string(q), {}};
      const std::size_t n = 1 + random.Below(200);
      const double scale = std::exp2(static_cast<double>(random.Below(160)) - 140);
      for (std::size_t i = 0; i < n; ++i)
        ranking.entries.push_back(
            {"d" + std::to_string(i), scale * (static_cast<double>(random.Below(7)) - 3)});
      run.Add(ranking);
    }
    ASSERT_TRUE(run.Write(path).ok());
    auto again = RunFile::Read(path);
    ASSERT_TRUE(again.ok()) << again.error().ToString();
    for (std::size_t q = 0; q < 3; ++q)
      ASSERT_EQ(Documents(again->rankings()[q]), Documents(run.rankings()[q]));
    // Written once more, nothing changes.
    const std::string first = ReadFile(path);
    again->set_tag("");
    ASSERT_TRUE(again->Write(path).ok());
    ASSERT_EQ(ReadFile(path), first);
  }
}

TEST(RunFile, WritingRefusesWhatTheFormatCannotHoldAndKeepsTheOldFile) {
  TempFolder folder;
  const std::string path = folder.Write("run", "old");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const double lowest = std::numeric_limits<float>::lowest();
  const std::vector<std::vector<RunFile::Ranking>> bad = {
      {{"q 1", {{"a", 1}}}},
      {{"", {{"a", 1}}}},
      {{"q", {{"a b", 1}}}},
      {{"q", {{"", 1}}}},
      {{"q", {{"a\n", 1}}}},
      {{"q", {{"a", 2}, {"a", 1}}}},
      {{"q", {{"a", nan}}}},
      {{"q", {{"a", infinity}}}},
      {{"q", {{"a", -1e300}}}},
      {{"q", {{"a", lowest}, {"b", lowest}}}},
      {{"q", {{"a", 1}}}, {"q", {{"b", 1}}}},
  };
  for (std::size_t i = 0; i < bad.size(); ++i) {
    RunFile run;
    for (const RunFile::Ranking& ranking : bad[i]) run.Add(ranking);
    EXPECT_EQ(run.Write(path).code(), Code::kInvalidArgument) << i;
    EXPECT_EQ(ReadFile(path), "old") << i;
    EXPECT_THAT(FilesIn(folder), ElementsAre("run")) << i;
  }
  RunFile run;
  run.set_tag("two words");
  EXPECT_EQ(run.Write(path).where().field, "tag");
}

TEST(RunFile, WritingReportsAPlaceItCannotWriteTo) {
  TempFolder folder;
  RunFile run;
  run.Add({"q", {{"a", 1}}});
  const Status missing = run.Write(folder.path("none/run"));
  EXPECT_EQ(missing.code(), Code::kIo);
  EXPECT_EQ(missing.where().file, folder.path("none/run"));
  EXPECT_EQ(run.Write(folder.root()).code(), Code::kInvalidArgument);
  EXPECT_EQ(run.Write("/dev/null").code(), Code::kInvalidArgument);
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  EXPECT_THAT(FilesIn(folder), ElementsAre());
}

// A limit on the size of files stands in for a full disk: the write fails in the same place.
TEST(RunFile, AFullDiskLeavesTheOldFileAndNoOther) {
  TempFolder folder;
  const std::string path = folder.Write("run", "old");
  RunFile run;
  RunFile::Ranking ranking{"q", {}};
  for (int i = 0; i < 100'000; ++i) ranking.entries.push_back({"d" + std::to_string(i), 1});
  run.Add(ranking);
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit small = before;
  small.rlim_cur = 100'000;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status status = run.Write(path);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), Code::kIo) << status.ToString();
  EXPECT_EQ(ReadFile(path), "old");
  EXPECT_THAT(FilesIn(folder), ElementsAre("run"));
}

struct BadRun {
  std::string name;
  std::string content;
  std::int64_t line;
  std::string says;

  friend std::ostream& operator<<(std::ostream& out, const BadRun& bad) { return out << bad.name; }
};

class BadRuns : public ::testing::TestWithParam<BadRun> {};

TEST_P(BadRuns, AreRefusedWithFileAndLine) {
  TempFolder folder;
  const std::string path = folder.Write("run", GetParam().content);
  const Status error = RunFile::Read(path).error();
  EXPECT_EQ(error.code(), Code::kInvalidArgument) << error.ToString();
  EXPECT_EQ(error.where().file, path);
  EXPECT_EQ(error.where().line, GetParam().line) << error.ToString();
  EXPECT_THAT(error.ToString(), HasSubstr(GetParam().says));
}

const std::string kGood = "q Q0 a 1 1.5 tag\n";

INSTANTIATE_TEST_SUITE_P(
    RunFile, BadRuns,
    ::testing::Values(BadRun{"Empty", "", 0, "no ranking"},
                      BadRun{"Blank", " \n\n", 0, "no ranking"},
                      BadRun{"FiveColumns", kGood + "q Q0 b 2 1.4\n", 2, "5 columns"},
                      BadRun{"SevenColumns", kGood + "q Q0 b 2 1.4 tag x\n", 2, "7 columns"},
                      BadRun{"OneColumn", kGood + "q\n", 2, "1 column where"},
                      BadRun{"Word", kGood + "\nq Q0 b 2 high tag\n", 3, "\"high\""},
                      BadRun{"TrailingText", kGood + "q Q0 b 2 1.4x tag\n", 2, "\"1.4x\""},
                      BadRun{"NaN", kGood + "q Q0 b 2 nan tag\n", 2, "\"nan\""},
                      BadRun{"Infinity", kGood + "q Q0 b 2 inf tag\n", 2, "\"inf\""},
                      BadRun{"TooLarge", kGood + "q Q0 b 2 1e999 tag\n", 2, "\"1e999\""},
                      BadRun{"DocumentTwice", kGood + kGood, 2, "in line 1"},
                      BadRun{"InvalidUtf8", kGood + "q Q0 \xFF 2 1 tag\n", 2, "UTF-8"}),
    [](const auto& bad) { return bad.param.name; });

TEST(RunFile, AMissingFileIsNotFound) {
  TempFolder folder;
  EXPECT_EQ(RunFile::Read(folder.path("none")).error().code(), Code::kNotFound);
}

}  // namespace
}  // namespace equipoise
