#include "output.h"

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

void Report(const Status& status, bool json) {
  EndProgress();
  fmt::print(stderr, "equipoise: {}\n", status.ToString());
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
