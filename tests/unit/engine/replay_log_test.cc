#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <equipoise/engine/replay_log.h>

#include "temp_folder.h"

namespace equipoise {
namespace {

using testing::ReadFile;
using testing::TempFolder;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

LoggedQuery Query() {
  return {.query_id = "q \"1\"",
          .domain = "finance",
          .decision = {.alpha = 0.35,
                       .both_paths = true,
                       .propensity = 1.0 / 3,
                       .alpha_propensity = 0.4,
                       .version = 0},
          .fusion = FusionMethod::kMinMax,
          .candidates = {{"a", 0.1f, 1.0f / 3}, {"b", 1, 0}, {"ü", 0, 1}},
          .shown = {"ü", "b"},
          .feedback = {{"b", 0.7, "user", 1.7e9 + 0.25}, {"a", 0, "", 0}},
          .features = {0.1f, -1e-30f}};
}

Result<LoggedQuery> Read(const std::string& path) {
  auto reader = ReplayLogReader::Open(path);
  if (!reader) return reader.error();
  LoggedQuery out;
  auto more = reader->Next(&out);
  if (!more) return more.error();
  if (!*more) return Status(Code::kNotFound, "empty");
  return out;
}

TEST(ReplayLog, WhatIsWrittenComesBackBitForBit) {
  const TempFolder folder;
  const LoggedQuery written = Query();
  LoggedQuery skipped = written;
  skipped.query_id = "2";
  skipped.decision = {
      .alpha = 1, .both_paths = false, .propensity = 0.5, .alpha_propensity = 0.5, .version = 0};
  skipped.decision.by_policy = false;
  for (LoggedCandidate& c : skipped.candidates) c.vector = kNaN;
  auto writer = ReplayLogWriter::Create(folder.path("log.jsonl"));
  ASSERT_TRUE(writer.ok()) << writer.error().ToString();
  ASSERT_TRUE(writer->Append(written).ok());
  ASSERT_TRUE(writer->Append(skipped).ok());
  EXPECT_FALSE(std::filesystem::exists(folder.path("log.jsonl")));
  ASSERT_TRUE(writer->Publish().ok());

  auto reader = ReplayLogReader::Open(folder.path("log.jsonl"));
  ASSERT_TRUE(reader.ok());
  LoggedQuery read;
  ASSERT_TRUE(*reader->Next(&read));
  EXPECT_EQ(read.query_id, written.query_id);
  EXPECT_EQ(read.domain, written.domain);
  EXPECT_EQ(read.decision.alpha, written.decision.alpha);
  EXPECT_EQ(read.decision.propensity, written.decision.propensity);
  EXPECT_EQ(read.decision.alpha_propensity, written.decision.alpha_propensity);
  EXPECT_EQ(read.fusion, written.fusion);
  EXPECT_EQ(read.shown, written.shown);
  EXPECT_EQ(read.features, written.features);
  ASSERT_EQ(read.candidates.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(read.candidates[i].doc, written.candidates[i].doc);
    EXPECT_EQ(read.candidates[i].lexical, written.candidates[i].lexical);
    EXPECT_EQ(read.candidates[i].vector, written.candidates[i].vector);
  }
  ASSERT_EQ(read.feedback.size(), 2u);
  EXPECT_EQ(read.feedback[0].rating, 0.7);
  EXPECT_EQ(read.feedback[0].source, "user");
  EXPECT_EQ(read.feedback[0].time, 1.7e9 + 0.25);
  ASSERT_TRUE(*reader->Next(&read));
  EXPECT_FALSE(read.decision.both_paths);
  EXPECT_FALSE(read.decision.by_policy);
  EXPECT_TRUE(std::isnan(read.candidates[0].vector));
  EXPECT_EQ(reader->line(), 2);
  EXPECT_FALSE(*reader->Next(&read));
}

TEST(ReplayLog, DefaultsAreThoseOfTheHeader) {
  const TempFolder folder;
  const auto read = Read(folder.Write(
      "log.jsonl",
      "\n{\"query_id\": 12, \"alpha\": 0, \"propensity\": 1, \"fusion\": \"rrf\", \"candidates\": "
      "[{\"doc\": \"a\", \"lexical\": 0.01, \"vector\": 0.016}], \"shown\": [\"a\"], \"more\": "
      "{}}"));
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_EQ(read->query_id, "12");
  EXPECT_EQ(read->domain, "general");
  EXPECT_TRUE(read->decision.both_paths);
  EXPECT_EQ(read->decision.alpha_propensity, 1);
  EXPECT_TRUE(read->feedback.empty());
}

TEST(ReplayLog, WhatIsWrongIsSaidWithLineAndField) {
  const TempFolder folder;
  const std::string good =
      R"({"query_id": "q", "alpha": 0.5, "propensity": 0.5, "fusion": "minmax", "candidates": )"
      R"([{"doc": "a", "lexical": 1, "vector": 0}], "shown": ["a"], "feedback": )"
      R"([{"doc": "a", "rating": 1, "time": 5}]})";
  ASSERT_TRUE(Read(folder.Write("good.jsonl", good)).ok());
  const struct {
    const char* from;
    const char* to;
    const char* field;
  } changes[] = {
      {"\"query_id\": \"q\"", "\"query_id\": \"\"", "query_id"},
      {"\"alpha\": 0.5", "\"alpha\": 1.5", "alpha"},
      {"\"alpha\": 0.5", "\"alpha\": \"0.5\"", "alpha"},
      {"\"alpha\": 0.5, ", "", "alpha"},
      {"\"propensity\": 0.5", "\"propensity\": 0", "propensity"},
      {"\"propensity\": 0.5", "\"propensity\": 0.5, \"alpha_propensity\": 0.1", "alpha_propensity"},
      {"\"propensity\": 0.5", "\"propensity\": 0.5, \"both_paths\": false", "both_paths"},
      {"minmax", "mix", "fusion"},
      {"\"lexical\": 1", "\"lexical\": 2", "candidates[0].lexical"},
      {"\"lexical\": 1", "\"lexical\": null", "candidates[0].lexical"},
      {"\"lexical\": 1, ", "", "candidates[0].lexical"},
      {"[{\"doc\": \"a\", \"lex", "[{\"doc\": \"\", \"lex", "candidates[0].doc"},
      {"[\"a\"]", "[\"b\"]", "shown[0]"},
      {"[\"a\"]", "[\"a\", \"a\"]", "shown[1]"},
      {"\"rating\": 1", "\"rating\": 5", "feedback[0].rating"},
      {"{\"doc\": \"a\", \"rating\"", "{\"doc\": \"b\", \"rating\"", "feedback[0].doc"},
      {"\"time\": 5", "\"time\": \"now\"", "feedback[0].time"},
      {"\"feedback\"", "\"features\": [null], \"feedback\"", "features[0]"},
  };
  for (const auto& change : changes) {
    std::string text = good;
    const auto at = text.find(change.from);
    ASSERT_NE(at, std::string::npos) << change.from;
    text.replace(at, std::string(change.from).size(), change.to);
    const auto read = Read(folder.Write("bad.jsonl", "\n" + text));
    ASSERT_FALSE(read.ok()) << change.to;
    EXPECT_EQ(read.error().code(), Code::kInvalidArgument) << change.to;
    EXPECT_EQ(read.error().where().line, 2) << change.to;
    EXPECT_EQ(read.error().where().field, change.field) << read.error().ToString();
    EXPECT_EQ(read.error().where().file, folder.path("bad.jsonl"));
  }
}

TEST(ReplayLog, TheWriterRefusesWhatTheReaderWould) {
  const TempFolder folder;
  auto writer = ReplayLogWriter::Create(folder.path("log.jsonl"));
  ASSERT_TRUE(writer.ok());
  LoggedQuery query = Query();
  query.candidates[1].doc = "a";
  EXPECT_EQ(writer->Append(query).where().field, "candidates[1].doc");
  query = Query();
  query.domain = "\xff";
  EXPECT_EQ(writer->Append(query).code(), Code::kInvalidArgument);
  query = Query();
  query.feedback[0].time = std::numeric_limits<double>::infinity();
  EXPECT_EQ(writer->Append(query).where().field, "feedback[0].time");
  ASSERT_TRUE(writer->Publish().ok());
  EXPECT_EQ(ReadFile(folder.path("log.jsonl")), "");
}

}  // namespace
}  // namespace equipoise
