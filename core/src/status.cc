#include <algorithm>

#include <equipoise/core/status.h>

namespace equipoise {
namespace {

/// Bytes of the well-formed UTF-8 character at the start of the text, 0 where there is none (Unicode
/// 15, table 3-7).
std::size_t CharacterBytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  // The range of the second byte excludes overlong forms, surrogates and what is past U+10FFFF.
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  return length;
}

/// Messages quote what was read. Bytes that are no UTF-8 and control characters, which would steer
/// the reader's terminal, are replaced.
std::string Printable(std::string text) {
  const auto plain = [](char c) { return c >= ' ' && c < 0x7f; };
  if (std::all_of(text.begin(), text.end(), plain)) return text;
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string out;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t length = CharacterBytes(rest);
    const auto first = static_cast<unsigned char>(rest[0]);
    const bool control =
        first < 0x20 || first == 0x7f ||
        (first == 0xC2 && length == 2 && static_cast<unsigned char>(rest[1]) < 0xA0);
    if (control) {
      out += ' ';
    } else {
      out += length == 0 ? kReplacement : rest.substr(0, length);
    }
    rest.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

}  // namespace

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
  if (code == Code::kOk) return;
  where.field = Printable(std::move(where.field));
  detail_ =
      std::make_shared<const Detail>(Detail{code, Printable(std::move(message)), std::move(where)});
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
  if (at.line > 0) out += (out.empty() ? "line " : ":") + std::to_string(at.line);
  if (!out.empty()) out += ": ";
  out += CodeName(code());
  out += ": ";
  out += message();
  std::string rest;
  if (at.row >= 0) rest = "row " + std::to_string(at.row);
  if (!at.field.empty()) rest += (rest.empty() ? "field " : ", field ") + at.field;
  if (!rest.empty()) out += " (" + rest + ")";
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
