#include "output.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "terminal.h"

namespace equipoise::cli {
namespace {

constexpr auto kReplace = nlohmann::json::error_handler_t::replace;

Json ErrorObject(const Status& status) {
  Json error = {{"code", CodeName(status.code())}, {"message", status.message()}};
  const Where& where = status.where();
  if (!where.file.empty()) error["file"] = where.file;
  if (where.line > 0) error["line"] = where.line;
  if (where.row >= 0) error["row"] = where.row;
  if (!where.field.empty()) error["field"] = where.field;
  return Json{{"error", error}};
}

/// The status for a person: place, what is wrong, where within the place. Its code is left to
/// --json: the message says the same in words.
std::string Describe(const Status& status) {
  const Where& where = status.where();
  const bool option = where.field.starts_with("--");
  std::string text = option ? where.field + ": " : std::string();
  if (!where.file.empty()) text += where.file;
  if (where.line > 0) text += fmt::format("{}{}", where.file.empty() ? "line " : ":", where.line);
  if (!where.file.empty() || where.line > 0) text += ": ";
  text += status.message();
  std::string rest;
  if (where.row >= 0) rest = fmt::format("row {}", where.row);
  if (!where.field.empty() && !option)
    rest += fmt::format("{}field {}", rest.empty() ? "" : ", ", where.field);
  if (!rest.empty()) text += fmt::format(" ({})", rest);
  return text;
}

void Report(const Status& status, bool json) {
  EndProgress();
  // Ids and field names come from the user's files: no control characters of theirs.
  const bool stopped = status.code() == Code::kCancelled && Interrupted();
  const std::string text = stopped ? "interrupted; nothing was changed" : Describe(status);
  Say("equipoise: " + Shorten(text, 4096));
  if (json) PrintJson(ErrorObject(status));
}

}  // namespace

int PrintText(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (std::fflush(stdout) == 0 && written) return kDone;
  std::perror("equipoise: cannot write the output");
  return kFailed;
}

int PrintJson(const Json& object) { return PrintText(object.dump(2, ' ', false, kReplace) + "\n"); }

int Fail(const Status& status, bool json) {
  Report(status, json);
  return status.code() == Code::kCancelled && Interrupted() ? kInterrupted : kFailed;
}

int FailUsage(const Status& status, bool json) {
  Report(status, json);
  return kUsage;
}

int FailAt(const Status& status, std::string_view text, std::size_t at, bool json) {
  constexpr std::size_t kBefore = 50, kBehind = 25;
  // From byte `at` so many characters on, or back.
  const auto is_start = [&](std::size_t i) {
    return i >= text.size() || (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
  };
  at = std::min(at, text.size());
  std::size_t begin = at, end = at;
  for (std::size_t n = 0; n < kBefore && begin > 0; n += is_start(begin) ? 1 : 0) --begin;
  for (std::size_t n = 0; n < kBehind && end < text.size(); n += is_start(end) ? 1 : 0) ++end;
  const std::string before = (begin > 0 ? "…" : "") + Shorten(text.substr(begin, at - begin), 200);
  const std::string behind = Shorten(text.substr(at, end - at), 200);
  const int code = FailUsage(status, json);
  Say(fmt::format("  {}{}{}", before, behind, end < text.size() ? "…" : ""));
  Say(std::string(2 + Width(before), ' ') + '^');
  return code;
}

void Say(std::string_view line) {
  // Not fmt::print, which throws where stderr is closed or its disk full.
  static_cast<void>(std::fwrite(line.data(), 1, line.size(), stderr));
  std::fputc('\n', stderr);
}

std::string Counted(std::uint64_t n, std::string_view one, std::string_view many) {
  if (n == 1) return fmt::format("1 {}", one);
  return many.empty() ? fmt::format("{} {}s", n, one) : fmt::format("{} {}", n, many);
}

std::string Bytes(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes < 1024) return Counted(bytes, "byte");
  if (bytes < 1024 * 1024) return fmt::format("{:.1f} KiB", value / 1024);
  return fmt::format("{:.1f} MiB", value / (1024 * 1024));
}

Json ToJson(const FieldValue& value) {
  return std::visit(
      [](const auto& v) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, JsonText>) {
          Json parsed = Json::parse(v.text, nullptr, false);
          return parsed.is_discarded() ? Json(v.text) : parsed;
        } else {
          return v;
        }
      },
      value);
}

std::string ToText(const FieldValue& value) {
  const Json json = ToJson(value);
  return json.is_string() ? json.get<std::string>() : json.dump(-1, ' ', false, kReplace);
}

}  // namespace equipoise::cli
