// Feedback as people hand it in, and as a stream has written it.
#include <cmath>
#include <limits>

#include <equipoise/optimizer/feedback_stream.h>

#include "feedback_file.h"
#include "fuzz_target.h"

namespace equipoise::fuzz {
namespace {

constexpr double kNow = 1.7e9;

void RequireResult(const FeedbackResult& result, std::uint64_t rows) {
  std::uint64_t sum = 0;
  for (const std::uint64_t count : result.counts) sum += count;
  EQUIPOISE_FUZZ_REQUIRE(sum == rows && result.total.kept == result.counts[0], "");
  EQUIPOISE_FUZZ_REQUIRE(result.weight.size() == rows && result.verdict.size() == rows, "");
  for (std::size_t i = 0; i < rows; ++i)
    EQUIPOISE_FUZZ_REQUIRE(
        result.weight[i] >= 0 && result.weight[i] <= 1 &&
            (result.verdict[i] == FeedbackVerdict::kKept || result.weight[i] == 0),
        "");
  for (const auto* all : {&result.items, &result.sources}) {
    std::uint64_t kept = 0;
    for (const FeedbackAggregate& one : *all) {
      kept += one.kept;
      const Interval wilson = one.Wilson();
      EQUIPOISE_FUZZ_REQUIRE(one.mean >= 0 && one.mean <= 1 && one.squares >= 0, "");
      EQUIPOISE_FUZZ_REQUIRE(wilson.low >= 0 && wilson.low <= wilson.high && wilson.high <= 1, "");
    }
    EQUIPOISE_FUZZ_REQUIRE(all->empty() || kept == result.counts[0], "");
  }
}

FeedbackOptions EveryCheck() {
  FeedbackOptions options;
  options.abuse.burst_votes = options.abuse.rate_votes = 2;
  options.abuse.constant_votes = 2;
  options.outliers.method = OutlierMethod::kMad;
  options.outliers.few_values = 0;
  options.grouping = FeedbackGrouping::kItem;
  options.confidence.dwell_half = 10;
  options.confidence.position_power = 1;
  return options;
}

void RunFeedbackFile(const std::string& path) {
  const auto file = cli::ReadFeedback(path, false);
  RequireCode(file.error(), {Code::kInvalidArgument});  // a CSV's first line
  const auto strict = cli::ReadFeedback(path, true);
  RequireCode(strict.error(), {Code::kInvalidArgument});
  EQUIPOISE_FUZZ_REQUIRE(strict.ok() == (file.ok() && file->unreadable == 0), "");
  if (!strict.ok())
    EQUIPOISE_FUZZ_REQUIRE(strict.error().where().line > 0, strict.error().ToString());
  RequireCode(cli::ReadGold(path).error(), {Code::kInvalidArgument});
  RequireCode(cli::ReadKnownSources(path).error(), {Code::kInvalidArgument});
  if (!file.ok()) return;
  EQUIPOISE_FUZZ_REQUIRE(file->errors.size() <= file->unreadable, "");
  if (file->unreadable > 0)
    EQUIPOISE_FUZZ_REQUIRE(!strict.ok() && strict.error().ToString() == file->errors[0].ToString(),
                           "");
  for (std::size_t i = 1; i < file->line.size(); ++i)
    EQUIPOISE_FUZZ_REQUIRE(file->line[i - 1] < file->line[i], "");
  for (const FeedbackOptions& options : {FeedbackOptions(), EveryCheck()}) {
    const auto result = FeedbackFilter(options).Apply(file->batch(), kNow);
    EQUIPOISE_FUZZ_REQUIRE(result.ok(), result.error().ToString());
    RequireResult(*result, file->rating.size());
  }
}

void RunFeedbackJson(std::string_view input) {
  static const Folder folder("feedback_json");
  RunFeedbackFile(folder.Write("feedback.jsonl", input));
}

std::vector<std::string> FeedbackJsonSeeds() {
  return {"{\"rating\": 0.5, \"time\": 1700000000}\n",
          "\xEF\xBB\xBF{\"rating\": true, \"time\": 1.6e9, \"source\": \"u\", \"item\": 7}\r\n\n"
          "{\"rating\": null, \"time\": 1700000000000, \"source\": \"u\", \"item\": \"7\", \"x\": "
          "[]}\n",
          "{\"rating\": 1e39, \"time\": -1e300, \"event\": \"e\", \"domain\": \"law\", "
          "\"position\": 3}\n"
          "{\"rating\": 0.25, \"time\": 1699999999, \"event\": \"e\", \"dwell\": 12, "
          "\"confidence\": 1}\n"
          "nonsense\n{\"rating\": 0.75, \"time\": 1699990000, \"dwell\": -1, \"confidence\": 2}\n"};
}

void RunFeedbackCsv(std::string_view input) {
  static const Folder folder("feedback_csv");
  RunFeedbackFile(folder.Write("feedback.csv", input));
}

std::vector<std::string> FeedbackCsvSeeds() {
  return {"rating,time\n0.5,1700000000\n",
          "\xEF\xBB\xBFtime, item,note,rating,source\r\n1.6e9,a,\"x,\"\"y\"\"\",1,u\r\n"
          "1.7e9,a,\"two\nlines\",nan,\r\n\r\n1,a,\"open,0.5,u\r\n2,b,,0.25,u",
          "rating,time,event,domain,confidence,position,dwell\n1,5,e,law,0.5,3,12\n"
          "0,6,e,law,2,-1,inf\n0.5,7,,,,,\n0.25,1e300,f,d,1,4294967295,1e40\n"};
}

FeedbackOptions StreamOptions() {
  FeedbackOptions options = EveryCheck();
  options.domain_half_lives = {{3, 60}};
  return options;
}

void RunFeedbackStream(std::string_view input) {
  static const Folder folder("feedback_stream");
  RequireCode(FeedbackStream::Load(folder.Write("as_given", input), StreamOptions()).error(),
              {Code::kCorruption, Code::kUnsupported, Code::kInvalidArgument});
  std::string fixed(input);
  FixChecksums(&fixed);
  auto stream = FeedbackStream::Load(folder.Write("fixed", fixed), StreamOptions());
  RequireCode(stream.error(), {Code::kCorruption, Code::kUnsupported, Code::kInvalidArgument});
  if (!stream.ok()) return;
  for (const double now : {kNow, std::numeric_limits<double>::max()}) {
    const auto total = stream->Total(now);
    RequireCode(total.error(), {Code::kInvalidArgument});  // before what was added
    const auto result = stream->Filter(now);
    RequireCode(result.error(), {Code::kInvalidArgument});
    EQUIPOISE_FUZZ_REQUIRE(total.ok() == result.ok(), "");
    if (!total.ok()) continue;
    EQUIPOISE_FUZZ_REQUIRE(total->kept == stream->size(), "");
    EQUIPOISE_FUZZ_REQUIRE(total->mean >= 0 && total->mean <= 1 && total->weight >= 0, "");
    RequireResult(*result, stream->size());
    for (const FeedbackAggregate& item : result->items)
      EQUIPOISE_FUZZ_REQUIRE(stream->Item(item.key, now)->kept == item.kept + item.removed, "");
  }
  const auto saved = folder.path("saved");
  EQUIPOISE_FUZZ_REQUIRE(stream->Save(saved).ok(), "");
  const auto again = FeedbackStream::Load(saved, StreamOptions());
  EQUIPOISE_FUZZ_REQUIRE(again.ok() && again->size() == stream->size(), again.error().ToString());
  const std::uint64_t before = stream->size();
  EQUIPOISE_FUZZ_REQUIRE(stream->Remove(kNow - 1000) + stream->size() == before, "");
  EQUIPOISE_FUZZ_REQUIRE(stream->Merge(*again).ok(), "");
  RequireCode(stream->Add({}, std::numeric_limits<double>::max()), {});
  EQUIPOISE_FUZZ_REQUIRE(stream->Total(std::numeric_limits<double>::max())->kept == stream->size(),
                         "");
}

std::vector<std::string> FeedbackStreamSeeds() {
  static const Folder folder("feedback_stream_seeds");
  std::vector<std::string> out;
  for (const std::size_t n : {0, 3, 40}) {
    auto stream = FeedbackStream::Create(StreamOptions());
    EQUIPOISE_FUZZ_REQUIRE(stream.ok(), "");
    std::vector<float> rating, dwell;
    std::vector<double> time;
    std::vector<std::uint64_t> source, item;
    std::vector<std::uint32_t> domain;
    for (std::size_t i = 0; i < n; ++i) {
      rating.push_back(static_cast<float>(i % 9) / 8);
      dwell.push_back(static_cast<float>(i));
      time.push_back(kNow - 100 * static_cast<double>(i));
      source.push_back(i % 7);
      item.push_back(i % 3);
      domain.push_back(static_cast<std::uint32_t>(i % 4));
    }
    FeedbackBatch batch;
    batch.rating = rating;
    batch.time = time;
    if (n > 3) {
      batch.source = source;
      batch.item = item;
      batch.domain = domain;
      batch.dwell = dwell;
    }
    EQUIPOISE_FUZZ_REQUIRE(stream->Add(batch, kNow).ok() && stream->Save(folder.path("seed")).ok(),
                           "");
    out.push_back(ReadBytes(folder.path("seed")));
  }
  return out;
}

}  // namespace

std::vector<Target> FeedbackTargets() {
  return {{"feedback_json", RunFeedbackJson, FeedbackJsonSeeds, 2000},
          {"feedback_csv", RunFeedbackCsv, FeedbackCsvSeeds, 2000},
          {"feedback_stream", RunFeedbackStream, FeedbackStreamSeeds, 1000}};
}

}  // namespace equipoise::fuzz
