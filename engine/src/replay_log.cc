#include <cmath>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include <nlohmann/json.hpp>

#include <equipoise/core/atomic_file.h>
#include <equipoise/core/check.h>
#include <equipoise/core/json_lines.h>
#include <equipoise/engine/replay_log.h>
#include <equipoise/optimizer/off_policy.h>

#include "text_lines.h"

namespace equipoise {
namespace {

using nlohmann::json;

constexpr double kMost = std::numeric_limits<double>::max();

Status Bad(std::string why, std::string field) {
  return Status(Code::kInvalidArgument, std::move(why), {.field = std::move(field)});
}

Status CheckNumber(double value, double low, double high, std::string_view field) {
  if (value >= low && value <= high) return {};
  return Bad(fmt::format("{} = {} is outside [{}, {}]", field, value, low, high),
             std::string(field));
}

// Reading: each finds `name` in the object and checks its kind. What is absent keeps its value.

Status ReadNumber(const json& object, const char* name, bool needed, const std::string& field,
                  double* out) {
  const auto at = object.find(name);
  if (at == object.end() || at->is_null())
    return needed ? Bad(fmt::format("has no \"{}\"", name), field) : Status();
  if (!at->is_number())
    return Bad(fmt::format("\"{}\" is a {}, not a number", name, at->type_name()), field);
  *out = at->get<double>();
  return {};
}

Status ReadText(const json& object, const char* name, bool needed, const std::string& field,
                std::string* out) {
  const auto at = object.find(name);
  if (at == object.end() || at->is_null())
    return needed ? Bad(fmt::format("has no \"{}\"", name), field) : Status();
  if (at->is_number_integer()) {
    *out = at->dump();
    return {};
  }
  if (!at->is_string())
    return Bad(fmt::format("\"{}\" is a {}, not a string", name, at->type_name()), field);
  *out = at->get<std::string>();
  return {};
}

Status ReadFlag(const json& object, const char* name, bool* out) {
  const auto at = object.find(name);
  if (at == object.end() || at->is_null()) return {};
  if (!at->is_boolean())
    return Bad(fmt::format("\"{}\" is a {}, not true or false", name, at->type_name()), name);
  *out = at->get<bool>();
  return {};
}

/// The list `name`, or null where it is absent.
Result<const json*> ReadList(const json& object, const char* name, bool needed) {
  const auto at = object.find(name);
  if (at == object.end() || at->is_null()) {
    if (needed) return Bad(fmt::format("has no \"{}\"", name), name);
    return static_cast<const json*>(nullptr);
  }
  if (!at->is_array())
    return Bad(fmt::format("\"{}\" is a {}, not a list", name, at->type_name()), name);
  return &*at;
}

std::string Place(const char* list, std::size_t i, const char* name = "") {
  return fmt::format("{}[{}]{}{}", list, i, *name == 0 ? "" : ".", name);
}

Status ReadScore(const json& object, const char* name, std::size_t i, float* out) {
  const auto at = object.find(name);
  const std::string field = Place("candidates", i, name);
  if (at == object.end())
    return Bad(fmt::format("has no \"{}\"; null where the path was not asked", name), field);
  *out = std::numeric_limits<float>::quiet_NaN();
  if (at->is_null()) return {};
  double value = 0;
  EQUIPOISE_RETURN_IF_ERROR(ReadNumber(object, name, true, field, &value));
  EQUIPOISE_RETURN_IF_ERROR(CheckNumber(value, 0, 1, field));
  *out = static_cast<float>(value);
  return {};
}

Status CheckObject(const json& value, const std::string& field) {
  if (value.is_object()) return {};
  return Bad(fmt::format("is a {}, not an object", value.type_name()), field);
}

Status ReadLists(const json& object, LoggedQuery* query) {
  EQUIPOISE_ASSIGN_OR_RETURN(const json* candidates, ReadList(object, "candidates", true));
  for (std::size_t i = 0; i < candidates->size(); ++i) {
    const json& one = (*candidates)[i];
    EQUIPOISE_RETURN_IF_ERROR(CheckObject(one, Place("candidates", i)));
    LoggedCandidate& c = query->candidates.emplace_back();
    EQUIPOISE_RETURN_IF_ERROR(ReadText(one, "doc", true, Place("candidates", i, "doc"), &c.doc));
    EQUIPOISE_RETURN_IF_ERROR(ReadScore(one, "lexical", i, &c.lexical));
    EQUIPOISE_RETURN_IF_ERROR(ReadScore(one, "vector", i, &c.vector));
  }
  EQUIPOISE_ASSIGN_OR_RETURN(const json* shown, ReadList(object, "shown", true));
  for (std::size_t i = 0; i < shown->size(); ++i) {
    const json& one = (*shown)[i];
    if (!one.is_string() && !one.is_number_integer())
      return Bad(fmt::format("is a {}, not a document's id", one.type_name()), Place("shown", i));
    query->shown.push_back(one.is_string() ? one.get<std::string>() : one.dump());
  }
  EQUIPOISE_ASSIGN_OR_RETURN(const json* feedback, ReadList(object, "feedback", false));
  for (std::size_t i = 0; feedback != nullptr && i < feedback->size(); ++i) {
    const json& one = (*feedback)[i];
    EQUIPOISE_RETURN_IF_ERROR(CheckObject(one, Place("feedback", i)));
    LoggedFeedback& f = query->feedback.emplace_back();
    EQUIPOISE_RETURN_IF_ERROR(ReadText(one, "doc", true, Place("feedback", i, "doc"), &f.doc));
    EQUIPOISE_RETURN_IF_ERROR(
        ReadNumber(one, "rating", true, Place("feedback", i, "rating"), &f.rating));
    EQUIPOISE_RETURN_IF_ERROR(
        ReadText(one, "source", false, Place("feedback", i, "source"), &f.source));
    EQUIPOISE_RETURN_IF_ERROR(
        ReadNumber(one, "time", false, Place("feedback", i, "time"), &f.time));
  }
  EQUIPOISE_ASSIGN_OR_RETURN(const json* features, ReadList(object, "features", false));
  for (std::size_t i = 0; features != nullptr && i < features->size(); ++i) {
    const json& one = (*features)[i];
    if (!one.is_number())
      return Bad(fmt::format("is a {}, not a number", one.type_name()), Place("features", i));
    constexpr double kMostFloat = std::numeric_limits<float>::max();
    EQUIPOISE_RETURN_IF_ERROR(
        CheckNumber(one.get<double>(), -kMostFloat, kMostFloat, Place("features", i)));
    query->features.push_back(one.get<float>());
  }
  return {};
}

Status ReadQuery(const json& object, LoggedQuery* query) {
  *query = {};
  WeightDecision& decision = query->decision;
  EQUIPOISE_RETURN_IF_ERROR(ReadText(object, "query_id", true, "query_id", &query->query_id));
  EQUIPOISE_RETURN_IF_ERROR(ReadText(object, "domain", false, "domain", &query->domain));
  if (query->domain.empty()) query->domain = kGeneralDomain;
  EQUIPOISE_RETURN_IF_ERROR(ReadNumber(object, "alpha", true, "alpha", &decision.alpha));
  EQUIPOISE_RETURN_IF_ERROR(
      ReadNumber(object, "propensity", true, "propensity", &decision.propensity));
  decision.alpha_propensity = decision.propensity;
  EQUIPOISE_RETURN_IF_ERROR(ReadNumber(object, "alpha_propensity", false, "alpha_propensity",
                                       &decision.alpha_propensity));
  EQUIPOISE_RETURN_IF_ERROR(ReadFlag(object, "both_paths", &decision.both_paths));
  EQUIPOISE_RETURN_IF_ERROR(ReadFlag(object, "by_policy", &decision.by_policy));
  std::string fusion;
  EQUIPOISE_RETURN_IF_ERROR(ReadText(object, "fusion", true, "fusion", &fusion));
  auto method = ParseFusion(fusion);
  if (!method) return Bad(method.error().message(), "fusion");
  query->fusion = *method;
  EQUIPOISE_RETURN_IF_ERROR(ReadLists(object, query));
  return CheckLoggedQuery(*query);
}

// Writing.

std::string AsText(const std::string& text) { return json(text).dump(); }

// The shortest that is read back as the same bits.
std::string AsNumber(float value) {
  return std::isnan(value) ? std::string("null") : fmt::format("{}", value);
}

std::string LineOf(const LoggedQuery& q) {
  const WeightDecision& d = q.decision;
  std::string out = fmt::format(
      R"({{"query_id": {}, "domain": {}, "alpha": {}, "propensity": {}, "alpha_propensity": {}, )"
      R"("by_policy": {}, "both_paths": {}, "fusion": "{}", "candidates": [)",
      AsText(q.query_id), AsText(q.domain), d.alpha, d.propensity, d.alpha_propensity, d.by_policy,
      d.both_paths, FusionName(q.fusion));
  const char* comma = "";
  for (const LoggedCandidate& c : q.candidates) {
    out += fmt::format(R"({}{{"doc": {}, "lexical": {}, "vector": {}}})", comma, AsText(c.doc),
                       AsNumber(c.lexical), AsNumber(c.vector));
    comma = ", ";
  }
  out += R"(], "shown": [)";
  comma = "";
  for (const std::string& doc : q.shown) {
    out += comma + AsText(doc);
    comma = ", ";
  }
  out += R"(], "feedback": [)";
  comma = "";
  for (const LoggedFeedback& f : q.feedback) {
    out += fmt::format(R"({}{{"doc": {}, "rating": {}, "source": {}, "time": {}}})", comma,
                       AsText(f.doc), f.rating, AsText(f.source), f.time);
    comma = ", ";
  }
  out += "]";
  if (!q.features.empty()) {
    out += R"(, "features": [)";
    comma = "";
    for (const float f : q.features) {
      out += comma + AsNumber(f);
      comma = ", ";
    }
    out += "]";
  }
  return out + "}\n";
}

}  // namespace

Status CheckLoggedQuery(const LoggedQuery& query) {
  const WeightDecision& d = query.decision;
  if (query.query_id.empty()) return Bad("query_id is empty", "query_id");
  EQUIPOISE_RETURN_IF_ERROR(CheckNumber(d.alpha, 0, 1, "alpha"));
  EQUIPOISE_RETURN_IF_ERROR(CheckNumber(d.propensity, kLeastPropensity, 1, "propensity"));
  EQUIPOISE_RETURN_IF_ERROR(CheckNumber(d.alpha_propensity, d.propensity, 1, "alpha_propensity"));
  if (!d.both_paths && d.alpha > 0 && d.alpha < 1)
    return Bad(fmt::format("alpha = {} needs both paths", d.alpha), "both_paths");
  std::unordered_map<std::string_view, bool> docs;  // and whether it was shown
  for (std::size_t i = 0; i < query.candidates.size(); ++i) {
    const LoggedCandidate& c = query.candidates[i];
    if (c.doc.empty()) return Bad("doc is empty", Place("candidates", i, "doc"));
    if (!docs.emplace(c.doc, false).second)
      return Bad(fmt::format("{} is there twice", Quoted(c.doc)), Place("candidates", i, "doc"));
    for (const bool lexical : {true, false}) {
      const float score = lexical ? c.lexical : c.vector;
      const std::string field = Place("candidates", i, lexical ? "lexical" : "vector");
      const bool asked = d.both_paths || (lexical ? d.alpha == 1 : d.alpha == 0);
      if (std::isnan(score) == asked)
        return Bad(asked ? "there is no score of a path that was asked"
                         : "there is a score of a path that was not asked (both_paths is false)",
                   field);
      if (asked) EQUIPOISE_RETURN_IF_ERROR(CheckNumber(double{score}, 0, 1, field));
    }
  }
  for (std::size_t i = 0; i < query.shown.size(); ++i) {
    const auto at = docs.find(query.shown[i]);
    if (at == docs.end())
      return Bad(fmt::format("{} is not among the candidates", Quoted(query.shown[i])),
                 Place("shown", i));
    if (std::exchange(at->second, true))
      return Bad(fmt::format("{} is there twice", Quoted(query.shown[i])), Place("shown", i));
  }
  for (std::size_t i = 0; i < query.feedback.size(); ++i) {
    const LoggedFeedback& f = query.feedback[i];
    if (!docs.contains(f.doc))
      return Bad(fmt::format("{} is not among the candidates", Quoted(f.doc)),
                 Place("feedback", i, "doc"));
    EQUIPOISE_RETURN_IF_ERROR(CheckNumber(f.rating, 0, 1, Place("feedback", i, "rating")));
    EQUIPOISE_RETURN_IF_ERROR(CheckNumber(f.time, -kMost, kMost, Place("feedback", i, "time")));
  }
  for (std::size_t i = 0; i < query.features.size(); ++i)
    if (!std::isfinite(query.features[i])) return Bad("is not a number", Place("features", i));
  return {};
}

struct ReplayLogReader::State {
  JsonLines lines;
  json object;
};

ReplayLogReader::ReplayLogReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
ReplayLogReader::ReplayLogReader(ReplayLogReader&&) noexcept = default;
ReplayLogReader& ReplayLogReader::operator=(ReplayLogReader&&) noexcept = default;
ReplayLogReader::~ReplayLogReader() = default;

Result<ReplayLogReader> ReplayLogReader::Open(const std::string& path) {
  return WithoutBadAlloc<ReplayLogReader>(path, [&]() -> Result<ReplayLogReader> {
    EQUIPOISE_ASSIGN_OR_RETURN(JsonLines lines, JsonLines::Open(path));
    return ReplayLogReader(
        std::make_unique<State>(State{.lines = std::move(lines), .object = json()}));
  });
}

Result<bool> ReplayLogReader::Next(LoggedQuery* query) {
  JsonLines& lines = state_->lines;
  const std::string path = lines.Place().file;
  return WithoutBadAlloc<bool>(path, [&]() -> Result<bool> {
    EQUIPOISE_ASSIGN_OR_RETURN(const bool more, lines.Next(&state_->object));
    if (!more) return false;
    const Status read = ReadQuery(state_->object, query);
    if (!read.ok()) return Status(read.code(), read.message(), lines.Place(read.where().field));
    return true;
  });
}

std::int64_t ReplayLogReader::line() const { return state_->lines.line(); }

struct ReplayLogWriter::State {
  explicit State(const std::string& path) : file(path), name(path) {}
  AtomicFile file;
  std::string name;
};

ReplayLogWriter::ReplayLogWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
ReplayLogWriter::ReplayLogWriter(ReplayLogWriter&&) noexcept = default;
ReplayLogWriter& ReplayLogWriter::operator=(ReplayLogWriter&&) noexcept = default;
ReplayLogWriter::~ReplayLogWriter() = default;

Result<ReplayLogWriter> ReplayLogWriter::Create(const std::string& path) {
  try {
    auto state = std::make_unique<State>(path);
    EQUIPOISE_RETURN_IF_ERROR(state->file.Create());
    return ReplayLogWriter(std::move(state));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "not enough memory to write the log", {.file = path});
  }
}

Status ReplayLogWriter::Append(const LoggedQuery& query) {
  try {
    const Status checked = CheckLoggedQuery(query);
    if (!checked.ok())
      return Status(checked.code(), checked.message(),
                    {.file = state_->name, .field = checked.where().field});
    return state_->file.Append(LineOf(query));
  } catch (const json::exception& error) {
    return Status(Code::kInvalidArgument, fmt::format("a name is no text: {}", error.what()),
                  {.file = state_->name});
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "not enough memory for a line", {.file = state_->name});
  }
}

Status ReplayLogWriter::Publish() { return state_->file.Publish(); }

}  // namespace equipoise
