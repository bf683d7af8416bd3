// equipoise filter: which feedback counts, how much, and why the rest does not.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <equipoise/core/atomic_file.h>
#include <equipoise/core/check.h>
#include <equipoise/optimizer/feedback_filter.h>

#include "arguments.h"
#include "commands.h"
#include "feedback_file.h"
#include "options.h"
#include "output.h"
#include "terminal.h"

namespace equipoise::cli {
namespace {

struct FilterArguments {
  std::string in, out, items, sources, gold, known_sources;
  std::string half_life = "14d", max_skew = "1d", scale = "0:1", dwell_half = "0";
  std::vector<std::string> domain_half_lives;
  std::string method = "sigma", group = "global";
  double sigma = 3, max_removed = 0.10, position_power = 0;
  int few_values = 5, threads = 1;
  std::optional<double> now;
  std::uint64_t constant_votes = 0;
  std::string burst, rate;
  bool keep_duplicates = false, no_reliability = false, no_evidence = false;
  bool strict = false, json = false;
};

constexpr double kLeastHalfLife = std::numeric_limits<double>::min();

Status WrongOption(const char* option, const std::string& text, const char* form) {
  return Status(Code::kInvalidArgument, fmt::format("\"{}\" is not {}", text, form),
                {.field = option});
}

Result<double> ParseNumber(const char* option, std::string_view text, const char* form) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || std::isnan(value))
    return WrongOption(option, std::string(text), form);
  return value;
}

/// "14d", "12h", "30m", "90s", "90" or "inf", in seconds.
Result<double> ParseDuration(const char* option, const std::string& text) {
  constexpr const char* kForm = "a duration such as 14d, 12h, 30m, 90s or inf";
  double unit = 1;
  std::string_view number = text;
  if (!number.empty() && text != "inf") {
    const auto at = std::string_view("smhd").find(number.back());
    constexpr double kUnits[] = {1, 60, 3600, 86400};
    if (at != std::string_view::npos) {
      unit = kUnits[at];
      number.remove_suffix(1);
    }
  }
  EQUIPOISE_ASSIGN_OR_RETURN(const double value, ParseNumber(option, number, kForm));
  if (!(value >= 0)) return WrongOption(option, text, kForm);
  return value * unit;
}

Status InFloat(const char* option, const std::string& text, double value) {
  if (std::abs(value) <= std::numeric_limits<float>::max()) return {};
  return WrongOption(option, text, "within the range of a float32");
}

Status IsFinite(const char* option, const std::string& text, double seconds) {
  if (std::isfinite(seconds)) return {};
  return WrongOption(option, text, "a duration that ends");
}

/// "20/60s": so many within so long.
Status ParseRate(const char* option, const std::string& text, std::uint64_t* votes,
                 double* seconds) {
  if (text.empty()) return {};
  const std::size_t slash = text.find('/');
  EQUIPOISE_ASSIGN_OR_RETURN(const double n,
                             ParseNumber(option, text.substr(0, slash), "a rate such as 20/60s"));
  if (slash == std::string::npos || !(n >= 1 && n <= 1e15) || n != std::floor(n))
    return WrongOption(option, text, "a rate such as 20/60s");
  EQUIPOISE_ASSIGN_OR_RETURN(*seconds, ParseDuration(option, text.substr(slash + 1)));
  EQUIPOISE_RETURN_IF_ERROR(IsFinite(option, text, *seconds));
  *votes = static_cast<std::uint64_t>(n);
  return {};
}

/// A file that is read or written under two names would lose what it held.
Status CheckPaths(const FilterArguments& a) {
  const std::pair<const char*, const std::string*> paths[] = {
      {"--in", &a.in},   {"--gold", &a.gold},   {"--known-sources", &a.known_sources},
      {"--out", &a.out}, {"--items", &a.items}, {"--sources", &a.sources}};
  for (std::size_t i = 0; i < std::size(paths); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const std::string &one = *paths[j].second, &two = *paths[i].second;
      std::error_code ignored;
      if (one.empty() || two.empty() ||
          (one != two && !std::filesystem::equivalent(one, two, ignored)))
        continue;
      return Status(Code::kInvalidArgument,
                    fmt::format("is the file of {} too; name another", paths[j].first),
                    {.field = paths[i].first});
    }
  }
  return {};
}

Result<FeedbackOptions> ToOptions(const FilterArguments& a) {
  FeedbackOptions o;
  EQUIPOISE_RETURN_IF_ERROR(CheckPaths(a));
  EQUIPOISE_ASSIGN_OR_RETURN(o.half_life, ParseDuration("--half-life", a.half_life));
  if (!(o.half_life >= kLeastHalfLife)) return WrongOption("--half-life", a.half_life, "above 0");
  EQUIPOISE_ASSIGN_OR_RETURN(o.max_skew, ParseDuration("--max-skew", a.max_skew));
  EQUIPOISE_RETURN_IF_ERROR(IsFinite("--max-skew", a.max_skew, o.max_skew));
  const std::size_t colon = a.scale.find(':');
  constexpr const char* kScale = "a scale such as 1:5";
  if (colon == std::string::npos) return WrongOption("--scale", a.scale, kScale);
  EQUIPOISE_ASSIGN_OR_RETURN(const double low,
                             ParseNumber("--scale", a.scale.substr(0, colon), kScale));
  EQUIPOISE_ASSIGN_OR_RETURN(const double high,
                             ParseNumber("--scale", a.scale.substr(colon + 1), kScale));
  EQUIPOISE_RETURN_IF_ERROR(InFloat("--scale", a.scale, low));
  EQUIPOISE_RETURN_IF_ERROR(InFloat("--scale", a.scale, high));
  o.rating_low = static_cast<float>(low);
  o.rating_high = static_cast<float>(high);
  if (!(o.rating_low < o.rating_high)) return WrongOption("--scale", a.scale, kScale);
  using M = OutlierMethod;
  o.outliers.method = a.method == "sigma"  ? M::kSigma
                      : a.method == "clip" ? M::kClip
                      : a.method == "mad"  ? M::kMad
                                           : M::kNone;
  o.outliers.sigma = a.sigma;
  o.outliers.max_removed = a.max_removed;
  o.outliers.few_values = a.few_values;
  using G = FeedbackGrouping;
  o.grouping = a.group == "item"     ? G::kItem
               : a.group == "source" ? G::kSource
               : a.group == "domain" ? G::kDomain
                                     : G::kGlobal;
  o.abuse.duplicates = !a.keep_duplicates;
  o.abuse.constant_votes = a.constant_votes;
  EQUIPOISE_RETURN_IF_ERROR(
      ParseRate("--burst", a.burst, &o.abuse.burst_votes, &o.abuse.burst_seconds));
  EQUIPOISE_RETURN_IF_ERROR(
      ParseRate("--rate-limit", a.rate, &o.abuse.rate_votes, &o.abuse.rate_seconds));
  EQUIPOISE_ASSIGN_OR_RETURN(o.confidence.dwell_half, ParseDuration("--dwell-half", a.dwell_half));
  EQUIPOISE_RETURN_IF_ERROR(IsFinite("--dwell-half", a.dwell_half, o.confidence.dwell_half));
  o.confidence.position_power = a.position_power;
  o.confidence.reliability = !a.no_reliability;
  o.confidence.evidence = !a.no_evidence;
  o.threads = a.threads;
  return o;
}

/// "NAME=14d" for the domains that the file has; others have nothing to decay.
Status AddDomains(const FilterArguments& a, const FeedbackFile& file, FeedbackOptions* o) {
  for (const std::string& text : a.domain_half_lives) {
    const std::size_t equals = text.rfind('=');
    if (equals == std::string::npos)
      return WrongOption("--domain-half-life", text, "of the form NAME=14d");
    EQUIPOISE_ASSIGN_OR_RETURN(const double seconds,
                               ParseDuration("--domain-half-life", text.substr(equals + 1)));
    if (!(seconds >= kLeastHalfLife)) return WrongOption("--domain-half-life", text, "above 0");
    const auto found = file.domains.numbers.find(text.substr(0, equals));
    if (found != file.domains.numbers.end())
      o->domain_half_lives.push_back({static_cast<std::uint32_t>(found->second), seconds});
  }
  return {};
}

/// The right ratings of items and the sources that are known, as far as the feedback names them.
Status AddFiles(const FilterArguments& a, const FeedbackFile& file, FeedbackOptions* o) {
  if (!a.gold.empty()) {
    EQUIPOISE_ASSIGN_OR_RETURN(const FeedbackFile gold, ReadGold(a.gold));
    std::vector<bool> seen(gold.items.all.size());
    for (std::size_t i = 0; i < gold.rating.size(); ++i) {
      const Where where{.file = a.gold, .line = gold.line[i]};
      const float rating = gold.rating[i];
      if (!(rating >= o->rating_low && rating <= o->rating_high))
        return Status(Code::kInvalidArgument,
                      fmt::format("\"rating\" = {} must be from {} to {}", rating, o->rating_low,
                                  o->rating_high),
                      where);
      if (seen[gold.item[i]])
        return Status(Code::kInvalidArgument,
                      fmt::format("\"{}\" is there twice", gold.items.all[gold.item[i]]), where);
      seen[gold.item[i]] = true;
      const auto found = file.items.numbers.find(gold.items.all[gold.item[i]]);
      if (found != file.items.numbers.end()) o->confidence.gold.push_back({found->second, rating});
    }
  }
  if (!a.known_sources.empty()) {
    EQUIPOISE_ASSIGN_OR_RETURN(const FeedbackFile known, ReadKnownSources(a.known_sources));
    // One that no rating has: an empty list would let all in.
    o->known_sources.push_back(file.sources.all.size());
    for (const std::string& name : known.sources.all)
      if (const auto found = file.sources.numbers.find(name); found != file.sources.numbers.end())
        o->known_sources.push_back(found->second);
  }
  return {};
}

std::string CsvCell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

/// Rows of values, as CSV with a first line of names or as JSON lines, by the file's name.
class RowWriter {
 public:
  RowWriter(const std::string& path, std::vector<std::string> names)
      : file_(path), csv_(IsCsv(path)), names_(std::move(names)) {}
  Status Create() {
    EQUIPOISE_RETURN_IF_ERROR(file_.Create());
    return csv_ ? file_.Append(fmt::format("{}\n", fmt::join(names_, ","))) : Status();
  }
  /// The values of the names.
  Status Add(const Json& row) {
    if (!csv_) return file_.Append(row.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
    std::string text;
    bool start = true;
    for (const std::string& name : names_) {
      if (!std::exchange(start, false)) text += ",";
      if (const Json& value = row.at(name); !value.is_null())
        text += value.is_string() ? CsvCell(value.get<std::string>()) : value.dump();
    }
    return file_.Append(text + "\n");
  }
  Status Publish() { return file_.Publish(); }

 private:
  AtomicFile file_;
  bool csv_;
  std::vector<std::string> names_;
};

// The shortest number that is this float32: 0.9, not 0.8999999761581421.
Json Number(float value) {
  if (!std::isfinite(value)) return nullptr;
  const std::string text = fmt::format("{}", value);
  double out = value;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

Json ToJson(const FeedbackAggregate& a, const FeedbackOptions& o) {
  const Interval wilson = a.Wilson(1.959963984540054, o.rating_low, o.rating_high);
  const Interval beta = a.Beta(0.95, 0.5, o.rating_low, o.rating_high);
  return {{"kept", a.kept},           {"removed", a.removed},
          {"weight", a.weight},       {"mean", a.weight > 0 ? Json(a.mean) : Json(nullptr)},
          {"variance", a.Variance()}, {"effective_size", a.EffectiveSize()},
          {"wilson_low", wilson.low}, {"wilson_high", wilson.high},
          {"beta_low", beta.low},     {"beta_high", beta.high}};
}

Status WriteRows(const std::string& path, const FeedbackFile& file, const FeedbackResult& result) {
  std::vector<std::string> names = {"line"};
  if (!file.item.empty()) names.emplace_back("item");
  if (!file.source.empty()) names.emplace_back("source");
  for (const char* name : {"rating", "weight", "verdict"}) names.emplace_back(name);
  RowWriter writer(path, std::move(names));
  EQUIPOISE_RETURN_IF_ERROR(writer.Create());
  for (std::size_t i = 0; i < file.rating.size(); ++i) {
    Json row = {{"line", file.line[i]}};
    if (!file.item.empty()) row["item"] = file.items.all[file.item[i]];
    if (!file.source.empty()) row["source"] = file.sources.all[file.source[i]];
    row["rating"] = Number(file.rating[i]);
    row["weight"] = Number(result.weight[i]);
    row["verdict"] = FeedbackVerdictName(result.verdict[i]);
    EQUIPOISE_RETURN_IF_ERROR(writer.Add(row));
  }
  return writer.Publish();
}

Status WriteAggregates(const std::string& path, const char* name, const Names& names,
                       const std::vector<FeedbackAggregate>& all,
                       const std::vector<double>& reliability, const FeedbackOptions& o) {
  std::vector<std::string> columns = {name};
  const Json nothing = ToJson({}, o);
  for (const auto& [key, value] : nothing.items()) columns.push_back(key);
  if (!reliability.empty()) columns.emplace_back("reliability");
  RowWriter writer(path, std::move(columns));
  EQUIPOISE_RETURN_IF_ERROR(writer.Create());
  for (std::size_t i = 0; i < all.size(); ++i) {
    Json row = {{name, names.all[all[i].key]}};
    row.update(ToJson(all[i], o));
    if (!reliability.empty()) row["reliability"] = reliability[i];
    EQUIPOISE_RETURN_IF_ERROR(writer.Add(row));
  }
  return writer.Publish();
}

// Ratings inside the scale: █ what counts, ░ what was left out.
std::string Histogram(const FeedbackFile& file, const FeedbackResult& result,
                      const FeedbackOptions& o) {
  constexpr std::size_t kBins = 10, kWidth = 40;
  constexpr double kEdge = 1e-6;  // 0.9 as a float32 is a little less
  std::array<std::uint64_t, kBins> kept{}, removed{};
  const double range = double{o.rating_high} - o.rating_low;
  for (std::size_t i = 0; i < file.rating.size(); ++i) {
    const double x = file.rating[i];
    if (!(x >= o.rating_low && x <= o.rating_high)) continue;
    const auto bin =
        std::min(kBins - 1, static_cast<std::size_t>((x - o.rating_low) / range * kBins + kEdge));
    ++(result.verdict[i] == FeedbackVerdict::kKept ? kept : removed)[bin];
  }
  std::uint64_t most = 1;
  for (std::size_t bin = 0; bin < kBins; ++bin) most = std::max(most, kept[bin] + removed[bin]);
  std::string text;
  for (std::size_t bin = 0; bin < kBins; ++bin) {
    const auto bar = [&](std::uint64_t n, const char* block) {
      std::string out;
      const std::uint64_t width = n == 0 ? 0 : std::max<std::uint64_t>(1, n * kWidth / most);
      for (std::uint64_t i = 0; i < width; ++i) out += block;
      return out;
    };
    text += fmt::format("{:>8.4g} {:>9} {}{}\n",
                        o.rating_low + range * static_cast<double>(bin) / double{kBins},
                        kept[bin] + removed[bin], bar(kept[bin], "█"), bar(removed[bin], "░"));
  }
  return text;
}

/// The item, source or domain whose alarm it is; null for the whole.
Json GroupName(const FeedbackAlarm& alarm, const FeedbackFile& file, const FeedbackOptions& o) {
  if (alarm.kind != FeedbackAlarmKind::kOutlierCap) return nullptr;
  const auto name = [&](const Names& names, bool there) {
    return there ? Json(names.all[alarm.group]) : Json(nullptr);
  };
  switch (o.grouping) {
    case FeedbackGrouping::kItem:
      return name(file.items, !file.item.empty());
    case FeedbackGrouping::kSource:
      return name(file.sources, !file.source.empty());
    case FeedbackGrouping::kDomain:
      return name(file.domains, !file.domain.empty());
    case FeedbackGrouping::kGlobal:
      break;
  }
  return nullptr;
}

/// What was asked for and cannot be, or was meant otherwise.
void SayDoubts(const FilterArguments& a, const FeedbackFile& file, const FeedbackOptions& o) {
  if (!file.ignored.empty())
    Say(Shorten(fmt::format("equipoise: {}: fields that mean nothing here: {}", a.in,
                            fmt::join(file.ignored, ", ")),
                400));
  if (file.rating.empty()) return;
  const auto absent = [&](const char* option, const char* field, bool there) {
    if (!there)
      Say(fmt::format("equipoise: {}: no rating of {} names its {}", option, a.in, field));
  };
  if (!a.items.empty()) absent("--items", "item", !file.item.empty());
  if (!a.sources.empty()) absent("--sources", "source", !file.source.empty());
  if (a.group == "item") absent("--group item", "item", !file.item.empty());
  if (a.group == "source") absent("--group source", "source", !file.source.empty());
  if (a.group == "domain") absent("--group domain", "domain", !file.domain.empty());
  if (!a.domain_half_lives.empty()) absent("--domain-half-life", "domain", !file.domain.empty());
  if (!a.gold.empty()) absent("--gold", "item", !file.item.empty());
  if (!a.known_sources.empty()) absent("--known-sources", "source", !file.source.empty());
  if (o.confidence.dwell_half > 0) absent("--dwell-half", "dwell", !file.dwell.empty());
  if (o.confidence.position_power > 0)
    absent("--position-power", "position", !file.position.empty());
}

int Print(const FilterArguments& a, const FeedbackFile& file, const FeedbackResult& result,
          const FeedbackOptions& o, double now) {
  if (a.json) {
    Json counts = Json::object(), alarms = Json::array(), lines = Json::array();
    for (std::size_t v = 0; v < kFeedbackVerdicts; ++v)
      counts[std::string(FeedbackVerdictName(static_cast<FeedbackVerdict>(v)))] = result.counts[v];
    for (const FeedbackAlarm& alarm : result.alarms)
      alarms.push_back({{"kind", FeedbackAlarmName(alarm.kind)},
                        {"count", alarm.count},
                        {"group", GroupName(alarm, file, o)}});
    for (const Status& error : file.errors)
      lines.push_back({{"line", error.where().line}, {"message", error.message()}});
    const auto& g = result.groups;
    return PrintJson({{"file", a.in},
                      {"now", now},
                      {"rows", file.rating.size()},
                      {"unreadable", file.unreadable},
                      {"unreadable_lines", lines},
                      {"ignored_fields", file.ignored},
                      {"counts", counts},
                      {"clamped", result.clamped},
                      {"total", ToJson(result.total, o)},
                      {"items", result.items.size()},
                      {"sources", result.sources.size()},
                      {"outlier_groups",
                       {{"applied", g.applied},
                        {"few_values", g.few_values},
                        {"too_small", g.too_small},
                        {"no_spread", g.no_spread}}},
                      {"alarms", alarms}});
  }
  std::string text = fmt::format("{}: {}, {} kept\n\n", a.in, Counted(file.rating.size(), "rating"),
                                 result.counts[0]);
  Table table({"verdict", "count", "share"});
  table.Words(1);
  for (std::size_t v = 0; v < kFeedbackVerdicts; ++v) {
    if (result.counts[v] == 0) continue;
    table.Add({std::string(FeedbackVerdictName(static_cast<FeedbackVerdict>(v))),
               fmt::to_string(result.counts[v]),
               fmt::format("{:.1f} %", 100.0 * static_cast<double>(result.counts[v]) /
                                           static_cast<double>(file.rating.size()))});
  }
  text += table.Render();
  if (file.unreadable > 0)
    text += fmt::format("{} could not be read\n", Counted(file.unreadable, "line"));
  if (result.clamped > 0)
    text += fmt::format("{} ahead of now counted as now\n", Counted(result.clamped, "time"));
  if (result.groups.few_values > 0)
    text += fmt::format("{} not cut: few different ratings\n",
                        Counted(result.groups.few_values, "group"));
  if (result.groups.no_spread > 0)
    text += fmt::format("{} not cut: ratings that do not differ\n",
                        Counted(result.groups.no_spread, "group"));
  if (result.groups.too_small > 0)
    text += fmt::format("{} too small for an outlier\n", Counted(result.groups.too_small, "group"));
  if (result.count(FeedbackVerdict::kFuture) > 0)
    text += fmt::format("{} more than {} ahead of now: milliseconds where seconds were meant?\n",
                        Counted(result.count(FeedbackVerdict::kFuture), "time"), a.max_skew);
  std::map<FeedbackAlarmKind, std::pair<std::uint64_t, std::uint64_t>> alarms;  // groups, count
  for (const FeedbackAlarm& alarm : result.alarms) {
    ++alarms[alarm.kind].first;
    alarms[alarm.kind].second += alarm.count;
  }
  for (const auto& [kind, sums] : alarms)
    text += fmt::format("alarm: {} ({}{})\n", FeedbackAlarmName(kind), sums.second,
                        sums.first > 1 ? fmt::format(" in {} groups", sums.first) : "");
  if (result.total.weight > 0) {
    const Interval wilson = result.total.Wilson(1.959963984540054, o.rating_low, o.rating_high);
    const double range = double{o.rating_high} - o.rating_low;
    text += fmt::format("\nmean {:.4f}, 95 % in [{:.4f}, {:.4f}], worth {:.1f} equal ratings\n",
                        result.total.mean, o.rating_low + range * wilson.low,
                        o.rating_low + range * wilson.high, result.total.EffectiveSize());
  }
  text += "\n" + Histogram(file, result, o);
  return PrintText(text);
}

int RunFilter(const FilterArguments& a) {
  auto options = ToOptions(a);
  if (!options) return FailUsage(options.error(), a.json);
  const auto file = ReadFeedback(a.in, a.strict);
  if (!file) return Fail(file.error(), a.json);
  if (Status status = AddDomains(a, *file, &*options); !status.ok())
    return FailUsage(status, a.json);
  for (const Status& error : file->errors)
    Say("equipoise: " + Shorten(error.ToString(), 400) + " (left out)");
  if (file->unreadable > file->errors.size())
    Say(fmt::format("equipoise: {} more lines could not be read",
                    file->unreadable - file->errors.size()));
  if (Status status = AddFiles(a, *file, &*options); !status.ok()) return Fail(status, a.json);
  SayDoubts(a, *file, *options);
  const double now = a.now.value_or(
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count());
  const auto result = FeedbackFilter(*options).Apply(file->batch(), now);
  if (!result) return Fail(result.error(), a.json);
  if (!a.out.empty())
    if (Status status = WriteRows(a.out, *file, *result); !status.ok()) return Fail(status, a.json);
  if (!a.items.empty())
    if (Status status = WriteAggregates(a.items, "item", file->items, result->items, {}, *options);
        !status.ok())
      return Fail(status, a.json);
  if (!a.sources.empty())
    if (Status status = WriteAggregates(a.sources, "source", file->sources, result->sources,
                                        result->reliability, *options);
        !status.ok())
      return Fail(status, a.json);
  return Print(a, *file, *result, *options, now);
}

}  // namespace

Action AddFilterCommand(CLI::App* app) {
  auto a = std::make_shared<FilterArguments>();
  app->footer(
      "A line is {\"rating\": 0.8, \"time\": 1700000000, \"source\": \"u7\", \"item\": \"d42\", "
      "\"domain\": \"law\",\n\"event\": \"e1\", \"confidence\": 0.9, \"position\": 0, \"dwell\": "
      "12}; all but rating and time may be missing.\nCSV names the same columns in its first "
      "line. Position and dwell count with the options named after them.\n\nExamples:\n"
      "  equipoise filter --in feedback.jsonl --out weights.jsonl\n"
      "  equipoise filter --in stars.csv --scale 1:5 --method mad --group item --items items.csv");
  app->add_option("--in", a->in, "Feedback: JSON lines or .csv")->required()->check(Named());
  app->add_option("--out", a->out, "Weight and verdict of each rating: JSON lines or .csv")
      ->check(Named());
  app->add_option("--items", a->items, "Mean and intervals of each item")->check(Named());
  app->add_option("--sources", a->sources, "The same of each source, and its reliability")
      ->check(Named());
  app->add_option("--now", a->now, "Time that ages are counted from, in seconds (the clock)")
      ->check(InRange(-1e15, 1e15));
  app->add_option("--half-life", a->half_life, "Age at which a rating counts half (14d)");
  app->add_option("--domain-half-life", a->domain_half_lives, "NAME=14d, for one domain");
  app->add_option("--max-skew", a->max_skew, "Times so far ahead are taken as now (1d)");
  app->add_option("--scale", a->scale, "Least and largest rating (0:1)");
  app->add_option("--method", a->method, "Outliers by sigma, clip, mad or none (sigma)")
      ->check(OneOf({"sigma", "clip", "mad", "none"}));
  app->add_option("--sigma", a->sigma, "Deviations from the center that are too many (3)")
      ->check(InRange(1e-6, 1e6));
  app->add_option("--group", a->group, "Within all, each item, source or domain (global)")
      ->check(OneOf({"global", "item", "source", "domain"}));
  app->add_option("--max-removed", a->max_removed, "Largest share that goes as outliers (0.1)")
      ->check(InRange(0, 1));
  app->add_option("--few-values", a->few_values, "So few different ratings are not cut (5)")
      ->check(WholeNumber(0, 64));
  app->add_option("--burst", a->burst, "Refuse more of a source than N/TIME, such as 20/60s");
  app->add_option("--rate-limit", a->rate, "Keep of a source the first N/TIME");
  app->add_option("--constant-votes", a->constant_votes,
                  "Refuse sources with so many ratings that are all equal")
      ->check(WholeNumber(2, 1'000'000'000));
  app->add_option("--known-sources", a->known_sources,
                  "Refuse sources that this file does not name: JSON lines or .csv, column source")
      ->check(Named());
  app->add_option(
         "--gold", a->gold,
         "Items with their right ratings, which sources are measured by: columns item, rating")
      ->check(Named());
  app->add_option("--dwell-half", a->dwell_half,
                  "Dwell time that counts half, such as 20s; 0: dwell times say nothing (0)");
  app->add_option(
         "--position-power", a->position_power,
         "How much less a rating of what stood on top counts; 0: not at all, 1: a tenth (0)")
      ->check(InRange(0, 100));
  app->add_flag("--keep-duplicates", a->keep_duplicates, "Count all of a source's on one item");
  app->add_flag("--no-reliability", a->no_reliability, "Learn no source's reliability");
  app->add_flag("--no-evidence", a->no_evidence, "Weigh items with few ratings like others");
  app->add_option("--threads", a->threads, "Threads (1)")->check(WholeNumber(1, 1024));
  app->add_flag("--strict", a->strict, "Stop at the first line that cannot be read");
  app->add_flag("--json", a->json, "One JSON object on stdout");
  return [a] { return RunFilter(*a); };
}

}  // namespace equipoise::cli
