#include <fmt/format.h>

#include <equipoise/core/status.h>

namespace equipoise {

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kOk:
      return "ok";
    case Code::kInvalidArgument:
      return "invalid_argument";
    case Code::kNotFound:
      return "not_found";
    case Code::kCorruption:
      return "corruption";
    case Code::kIo:
      return "io";
    case Code::kOutOfMemory:
      return "out_of_memory";
    case Code::kUnsupported:
      return "unsupported";
    case Code::kDevice:
      return "device";
    case Code::kTimeout:
      return "timeout";
    case Code::kCancelled:
      return "cancelled";
    case Code::kOverloaded:
      return "overloaded";
    case Code::kUnavailable:
      return "unavailable";
    case Code::kBudgetExceeded:
      return "budget_exceeded";
    case Code::kInternal:
      return "internal";
  }
  return "internal";
}

Status::Status(Code code, std::string message, Where where) {
  if (code != Code::kOk)
    detail_ = std::make_shared<const Detail>(Detail{code, std::move(message), std::move(where)});
}

Code Status::code() const { return detail_ ? detail_->code : Code::kOk; }

const std::string& Status::message() const {
  static const std::string empty;
  return detail_ ? detail_->message : empty;
}

const Where& Status::where() const {
  static const Where nowhere;
  return detail_ ? detail_->where : nowhere;
}

std::string Status::ToString() const {
  if (ok()) return "ok";
  const Where& at = where();
  std::string out;
  if (!at.file.empty()) out += at.file;
  if (at.line > 0) out += fmt::format("{}{}", out.empty() ? "line " : ":", at.line);
  if (!out.empty()) out += ": ";
  out += fmt::format("{}: {}", CodeName(code()), message());
  std::string rest;
  if (at.row >= 0) rest = fmt::format("row {}", at.row);
  if (!at.field.empty()) rest += fmt::format("{}field {}", rest.empty() ? "" : ", ", at.field);
  if (!rest.empty()) out += fmt::format(" ({})", rest);
  return out;
}

Status Status::At(Where where) const {
  if (ok()) return {};
  Where merged = detail_->where;
  if (merged.file.empty()) merged.file = std::move(where.file);
  if (merged.line == 0) merged.line = where.line;
  if (merged.row < 0) merged.row = where.row;
  if (merged.field.empty()) merged.field = std::move(where.field);
  return Status(code(), message(), std::move(merged));
}

}  // namespace equipoise
