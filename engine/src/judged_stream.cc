#include "judged_stream.h"

#include <algorithm>
#include <map>
#include <tuple>

#include <equipoise/core/check.h>
#include <equipoise/core/json_lines.h>

#include "judged_source.h"

namespace equipoise {
namespace {

using simulation::JudgedQuery;
using simulation::JudgedSet;

using Source = JudgedSource;

struct Line {
  std::size_t source = 0, row = 0;
  std::string domain;
  double time = 0;
};

/// The source that a line names, by path or by name.
Result<std::size_t> FindSource(const std::vector<Source>& sources, const std::string& text,
                               const Where& where) {
  std::size_t found = sources.size();
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (sources[i].folder == text) return i;
    if (sources[i].name != text) continue;
    if (found < sources.size())
      return Status(Code::kInvalidArgument,
                    fmt::format("two indexes are called \"{}\"; name them by path", text), where);
    found = i;
  }
  if (found < sources.size()) return found;
  return Status(Code::kInvalidArgument,
                fmt::format("names an index that is not given: \"{}\"", text), where);
}

Result<std::vector<Line>> ReadLines(const std::vector<Source>& sources, const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(JsonLines file, JsonLines::Open(path));
  std::vector<Line> lines;
  nlohmann::json object;
  for (;;) {
    EQUIPOISE_ASSIGN_OR_RETURN(const bool more, file.Next(&object));
    if (!more) break;
    Line line;
    EQUIPOISE_ASSIGN_OR_RETURN(const std::string index, file.Text(object, "index"));
    if (!index.empty() || sources.size() > 1) {
      EQUIPOISE_ASSIGN_OR_RETURN(line.source, FindSource(sources, index, file.Place("index")));
    }
    const Source& source = sources[line.source];
    std::string query;
    if (const auto id = object.find("query"); id != object.end() && id->is_number_integer()) {
      query = id->dump();
    } else {
      EQUIPOISE_ASSIGN_OR_RETURN(query, file.Text(object, "query"));
    }
    const std::int64_t row = source.queries.RowOf(query);
    if (row < 0)
      return Status(Code::kInvalidArgument,
                    fmt::format("names a query that {} does not have: \"{}\"", source.name, query),
                    file.Place("query"));
    line.row = static_cast<std::size_t>(row);
    EQUIPOISE_ASSIGN_OR_RETURN(line.domain, file.Text(object, "domain"));
    if (line.domain.empty()) line.domain = source.name;
    line.time = static_cast<double>(lines.size());
    if (const auto time = object.find("time"); time != object.end() && !time->is_null()) {
      if (!time->is_number())
        return Status(Code::kInvalidArgument, "\"time\" is no number", file.Place("time"));
      line.time = time->get<double>();
    }
    lines.push_back(std::move(line));
  }
  if (lines.empty()) return Status(Code::kInvalidArgument, "holds no query", {.file = path});
  return lines;
}

std::vector<Line> AllJudged(const std::vector<Source>& sources) {
  std::vector<Line> lines;
  for (std::size_t s = 0; s < sources.size(); ++s)
    for (std::size_t row = 0; row < sources[s].queries.size(); ++row)
      lines.push_back({s, row, sources[s].name, static_cast<double>(lines.size())});
  return lines;
}

/// The query as judged; absent where no α is better than another for lack of a relevant document or a
/// text.
Result<std::optional<JudgedQuery>> JudgeLine(const Source& source, const Line& line,
                                             FusionMethod fusion, const StudyOptions& options) {
  const Queries::Item& item = source.queries.items()[line.row];
  const Judgments::OfQuery* judged = source.judgments.Find(item.id);
  if (judged == nullptr || judged->relevant == 0 || item.text.empty())
    return std::optional<JudgedQuery>();
  const std::vector<float> embedding = source.EmbeddingOf(line.row);
  auto query = simulation::JudgeQuery(
      source.engine,
      Configured({.text = item.text, .embedding = embedding, .fusion = fusion},
                 options.configuration, fusion),
      *judged);
  if (!query)
    return Status(query.error().code(),
                  fmt::format("query \"{}\": {}", item.id, query.error().message()),
                  {.file = source.folder});
  return std::optional<JudgedQuery>(*std::move(query));
}

}  // namespace

Result<JudgedStream> ReadJudgedStream(const std::vector<StudySource>& files,
                                      const StudyOptions& options) {
  std::vector<Source> sources;
  for (const StudySource& each : files) {
    EQUIPOISE_ASSIGN_OR_RETURN(Source source, OpenJudgedSource(each));
    sources.push_back(std::move(source));
  }
  if (sources.empty()) return Status(Code::kInvalidArgument, "StudyLearning: no index is given");
  JudgedStream out;
  out.fusion = options.fusion.value_or(
      options.configuration.fusion.value_or(sources[0].engine.collection().weights().method));
  std::vector<Line> lines;
  if (options.stream.empty()) {
    lines = AllJudged(sources);
  } else {
    EQUIPOISE_ASSIGN_OR_RETURN(lines, ReadLines(sources, options.stream));
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Line& a, const Line& b) { return a.time < b.time; });
  std::map<std::string, std::size_t> domains;
  std::map<std::tuple<std::size_t, std::size_t, std::size_t>, std::size_t> asked;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (options.progress &&
        !options.progress({.stage = "searches", .done = i, .total = lines.size()}))
      return Status(Code::kCancelled, "stopped while searching");
    EQUIPOISE_ASSIGN_OR_RETURN(std::optional<JudgedQuery> query,
                               JudgeLine(sources[lines[i].source], lines[i], out.fusion, options));
    if (!query) {
      ++out.left_out;
      continue;
    }
    const auto [at, fresh] = domains.emplace(lines[i].domain, out.sets.size());
    if (fresh) out.sets.push_back({.name = lines[i].domain});
    JudgedSet& set = out.sets[at->second];
    out.in_time.push_back({at->second, set.queries.size(), lines[i].time});
    const auto [before, first] =
        asked.emplace(std::tuple(at->second, lines[i].source, lines[i].row), set.queries.size());
    if (!first) query->same_as = before->second;
    set.queries.push_back(*std::move(query));
  }
  if (out.sets.empty())
    return Status(Code::kInvalidArgument,
                  "StudyLearning: no query has a text and a relevant document");
  for (JudgedSet& set : out.sets) simulation::SetMeans(&set);
  return out;
}

}  // namespace equipoise
