#include "feedback_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/core/json_lines.h>

namespace equipoise::cli {
namespace {

constexpr std::size_t kErrorsKept = 20;
constexpr std::size_t kIgnoredKept = 20;
enum Field {
  kRating,
  kTime,
  kSource,
  kItem,
  kDomain,
  kEvent,
  kConfidence,
  kPosition,
  kDwell,
  kFields
};
constexpr std::array<const char*, kFields> kNames = {
    "rating", "time", "source", "item", "domain", "event", "confidence", "position", "dwell"};

bool IsName(int field) { return field >= kSource && field <= kEvent; }

using Needed = std::span<const Field>;
constexpr Field kFeedback[] = {kRating, kTime};
constexpr Field kGold[] = {kRating, kItem};
constexpr Field kKnown[] = {kSource};

// A line's fields: numbers, or names.
struct Line {
  std::array<std::optional<double>, kFields> numbers;
  std::array<std::optional<std::string>, kFields> names;
};

Status Wrong(Where where, const char* name, std::string why) {
  where.field = name;
  return Status(Code::kInvalidArgument, fmt::format("\"{}\" {}", name, why), std::move(where));
}

// Numbers that no float32 holds are infinite, which the filter refuses.
float ToFloat(double value) {
  constexpr double kMost = std::numeric_limits<float>::max();
  if (value > kMost) return std::numeric_limits<float>::infinity();
  if (value < -kMost) return -std::numeric_limits<float>::infinity();
  return static_cast<float>(value);
}

std::string_view Trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

void Ignore(std::string_view field, FeedbackFile* file) {
  auto& all = file->ignored;
  if (all.size() < kIgnoredKept && std::find(all.begin(), all.end(), field) == all.end())
    all.emplace_back(field);
}

class Columns {
 public:
  Columns(Needed needed, FeedbackFile* file) : needed_(needed), file_(*file) {}

  Status Take(const Line& line, const Where& where) {
    for (const Field field : needed_)
      if (!line.numbers[field] && !line.names[field])
        return Wrong(where, kNames[field], "is missing");
    const double position = line.numbers[kPosition].value_or(0);
    if (!(position >= 0 && position <= std::numeric_limits<std::uint32_t>::max()) ||
        position != std::floor(position))
      return Wrong(where, "position", "is no whole number from 0 on");
    for (std::size_t field = 0; field < kFields; ++field)
      there_[field] |= line.numbers[field].has_value() || line.names[field].has_value();
    FeedbackFile& f = file_;
    f.rating.push_back(ToFloat(line.numbers[kRating].value_or(0)));
    f.time.push_back(line.numbers[kTime].value_or(0));
    f.confidence.push_back(ToFloat(line.numbers[kConfidence].value_or(1)));
    f.dwell.push_back(ToFloat(line.numbers[kDwell].value_or(0)));
    f.position.push_back(static_cast<std::uint32_t>(position));
    f.source.push_back(f.sources.Number(line.names[kSource].value_or("")));
    f.item.push_back(f.items.Number(line.names[kItem].value_or("")));
    f.domain.push_back(
        static_cast<std::uint32_t>(f.domains.Number(line.names[kDomain].value_or(""))));
    // An event without an id is like no other; ids of names are below.
    f.event.push_back(line.names[kEvent]
                          ? f.events.Number(*line.names[kEvent])
                          : std::numeric_limits<std::uint64_t>::max() - f.event.size());
    f.line.push_back(where.line);
    return {};
  }

  void Finish() {
    const auto drop = [&](Field field, auto* column) {
      if (!there_[field]) column->clear();
    };
    drop(kConfidence, &file_.confidence);
    drop(kDwell, &file_.dwell);
    drop(kPosition, &file_.position);
    drop(kSource, &file_.source);
    drop(kItem, &file_.item);
    drop(kDomain, &file_.domain);
    drop(kEvent, &file_.event);
  }

 private:
  Needed needed_;
  FeedbackFile& file_;
  std::array<bool, kFields> there_{};
};

Result<Line> FromJson(const nlohmann::json& object, const Where& where, FeedbackFile* file) {
  Line out;
  std::size_t known = 0;
  for (std::size_t field = 0; field < kFields; ++field) {
    const auto found = object.find(kNames[field]);
    if (found == object.end()) continue;
    ++known;
    if (IsName(static_cast<int>(field))) {
      if (found->is_null()) continue;
      if (!found->is_string() && !found->is_number_integer())
        return Wrong(where, kNames[field], "must be text or a whole number");
      out.names[field] = found->is_string() ? found->get<std::string>() : found->dump();
    } else if (found->is_number()) {
      out.numbers[field] = found->get<double>();
    } else if (found->is_boolean() && field == kRating) {
      out.numbers[field] = found->get<bool>() ? 1 : 0;
    } else if (found->is_null()) {
      // A rating that is there but none: the filter's verdict, not the reader's.
      if (field == kRating) out.numbers[field] = std::nan("");
    } else {
      return Wrong(where, kNames[field], "is no number");
    }
  }
  if (known < object.size() && file->ignored.size() < kIgnoredKept)
    for (const auto& entry : object.items())
      if (std::find(kNames.begin(), kNames.end(), entry.key()) == kNames.end())
        Ignore(entry.key(), file);
  return out;
}

// A record of CSV (RFC 4180) at the start of a text.
struct Record {
  std::vector<std::string> cells{1};
  std::size_t bytes = 0;  // with its line break
  std::int64_t lines = 1;
};

// Line breaks inside quotes belong to the cell: read as lines, they would let whoever writes a comment
// write ratings too. Fails where quotes do not pair.
Result<Record> NextRecord(std::string_view text, const Where& where) {
  Record out;
  bool quoted = false, was_quoted = false;
  for (std::size_t i = 0;; ++i) {
    const bool end = i == text.size();
    if (end && quoted)
      return Status(Code::kInvalidArgument, "has a quote that is not closed", where);
    const char c = end ? '\n' : text[i];
    if (quoted) {
      if (c == '\n') ++out.lines;
      if (c != '"') {
        out.cells.back() += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        out.cells.back() += text[++i];
      } else {
        quoted = false;
      }
    } else if (c == '\n' || (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n')) {
      out.bytes = std::min(text.size(), i + (c == '\r' ? 2 : 1));
      return out;
    } else if (c == ',') {
      out.cells.emplace_back();
      was_quoted = false;
    } else if (was_quoted) {
      return Status(Code::kInvalidArgument, "has text behind a closing quote", where);
    } else if (c == '"' && out.cells.back().empty()) {
      quoted = was_quoted = true;
    } else {
      out.cells.back() += c;
    }
  }
}

Result<Line> FromCells(const std::vector<std::string>& cells, const std::vector<int>& fields,
                       const Where& where) {
  if (cells.size() != fields.size())
    return Status(Code::kInvalidArgument,
                  fmt::format("has {} cells, the first line has {}", cells.size(), fields.size()),
                  where);
  Line out;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (fields[i] < 0 || cells[i].empty()) continue;
    const auto field = static_cast<std::size_t>(fields[i]);
    if (IsName(fields[i])) {
      out.names[field] = cells[i];
      continue;
    }
    double value = 0;
    const std::string_view text = Trimmed(cells[i]);
    if (text.empty()) continue;
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || at != end) return Wrong(where, kNames[field], "is no number");
    out.numbers[field] = value;
  }
  return out;
}

Status Handle(Status status, bool strict, FeedbackFile* file) {
  if (status.ok()) return {};
  if (strict) return status;
  ++file->unreadable;
  if (file->errors.size() < kErrorsKept) file->errors.push_back(std::move(status));
  return {};
}

Status ReadCsv(const std::string& path, bool strict, Needed needed, FeedbackFile* file) {
  EQUIPOISE_ASSIGN_OR_RETURN(const MappedFile mapped, MappedFile::Open(path));
  std::string_view rest(reinterpret_cast<const char*>(mapped.bytes().data()),
                        mapped.bytes().size());
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  std::vector<int> fields;
  Columns columns(needed, file);
  Where where{.file = path};
  for (std::int64_t lines = 1; !rest.empty(); where.line += lines) {
    where.line = std::max<std::int64_t>(where.line, 1);
    // A record whose quotes do not pair is the line that it starts on.
    const auto record = NextRecord(rest, where);
    lines = record ? record->lines : 1;
    const std::size_t end = rest.find('\n');
    rest.remove_prefix(record                          ? record->bytes
                       : end == std::string_view::npos ? rest.size()
                                                       : end + 1);
    if (record && record->cells.size() == 1 && record->cells[0].empty()) continue;
    if (fields.empty()) {
      if (!record) return record.error();
      std::array<bool, kFields> found{};
      for (const std::string& cell : record->cells) {
        int field = -1;
        for (int i = 0; i < kFields; ++i)
          if (Trimmed(cell) == kNames[static_cast<std::size_t>(i)]) field = i;
        fields.push_back(field);
        if (field < 0) {
          Ignore(cell, file);
        } else if (std::exchange(found[static_cast<std::size_t>(field)], true)) {
          return Wrong(where, kNames[static_cast<std::size_t>(field)],
                       "is there twice in the first line; name each column once");
        }
      }
      for (const Field field : needed)
        if (!found[field])
          return Wrong(where, kNames[field], "is not among the columns that the first line names");
      continue;
    }
    const auto line =
        record ? FromCells(record->cells, fields, where) : Result<Line>(record.error());
    EQUIPOISE_RETURN_IF_ERROR(
        Handle(line ? columns.Take(*line, where) : line.error(), strict, file));
  }
  columns.Finish();
  return {};
}

Status ReadJson(const std::string& path, bool strict, Needed needed, FeedbackFile* file) {
  EQUIPOISE_ASSIGN_OR_RETURN(JsonLines lines, JsonLines::Open(path));
  Columns columns(needed, file);
  nlohmann::json object;
  while (true) {
    const auto next = lines.Next(&object);
    if (next && !*next) break;
    const auto line = next ? FromJson(object, lines.Place(), file) : Result<Line>(next.error());
    EQUIPOISE_RETURN_IF_ERROR(
        Handle(line ? columns.Take(*line, lines.Place()) : line.error(), strict, file));
  }
  columns.Finish();
  return {};
}

Result<FeedbackFile> Read(const std::string& path, bool strict, Needed needed) {
  FeedbackFile out;
  EQUIPOISE_RETURN_IF_ERROR(IsCsv(path) ? ReadCsv(path, strict, needed, &out)
                                        : ReadJson(path, strict, needed, &out));
  return out;
}

}  // namespace

std::uint64_t Names::Number(const std::string& name) {
  const auto [found, added] = numbers.emplace(name, all.size());
  if (added) all.push_back(name);
  return found->second;
}

FeedbackBatch FeedbackFile::batch() const {
  return {rating, time, source, item, domain, event, confidence, position, dwell};
}

bool IsCsv(std::string_view path) {
  constexpr std::string_view kEnd = ".csv";
  return path.size() >= kEnd.size() &&
         std::equal(kEnd.begin(), kEnd.end(), path.end() - kEnd.size(),
                    [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); });
}

Result<FeedbackFile> ReadFeedback(const std::string& path, bool strict) {
  return Read(path, strict, kFeedback);
}

Result<FeedbackFile> ReadGold(const std::string& path) { return Read(path, true, kGold); }

Result<FeedbackFile> ReadKnownSources(const std::string& path) { return Read(path, true, kKnown); }

}  // namespace equipoise::cli
