/// Reads JSON Lines with errors that name file and line. For the library's own sources: it shows
/// nlohmann-json and is not installed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/core/status.h>

namespace equipoise {

/// One JSON object a line; blank lines and a byte-order mark are passed over, "\r\n" is fine.
class JsonLines {
 public:
  static Result<JsonLines> Open(const std::string& path) {
    JsonLines out;
    EQUIPOISE_ASSIGN_OR_RETURN(out.file_, MappedFile::Open(path));
    const auto bytes = out.file_.bytes();
    out.rest_ = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    if (out.rest_.starts_with("\xEF\xBB\xBF")) out.rest_.remove_prefix(3);
    return out;
  }

  /// Reads the next object; false at the end of the file.
  /// Errors   kInvalidArgument with file and line: not JSON, invalid UTF-8, not an object, nested
  ///          deeper than 200 levels
  Result<bool> Next(nlohmann::json* object) {
    while (!rest_.empty()) {
      const std::size_t end = rest_.find('\n');
      const std::string_view text = rest_.substr(0, end);
      rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
      ++line_;
      if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      if (IsTooDeep(text))
        return Status(Code::kInvalidArgument,
                      fmt::format("is nested deeper than {} levels", kMaxDepth), Place());
      try {
        *object = nlohmann::json::parse(text);
      } catch (const nlohmann::json::exception& error) {
        return Status(Code::kInvalidArgument, Reason(error.what()), Place());
      }
      if (!object->is_object())
        return Status(Code::kInvalidArgument,
                      fmt::format("is a JSON {}, not an object", object->type_name()), Place());
      return true;
    }
    return false;
  }

  /// Line of the object that Next gave last, 1-based.
  std::int64_t line() const { return line_; }
  Where Place(std::string field = {}) const {
    return {.file = file_.path(), .line = line_, .field = std::move(field)};
  }
  std::uint64_t bytes_read() const { return file_.bytes().size() - rest_.size(); }
  std::uint64_t bytes_total() const { return file_.bytes().size(); }

  /// The string field `name`; "" where it is absent or null.
  Result<std::string> Text(const nlohmann::json& object, const char* name) const {
    const auto found = object.find(name);
    if (found == object.end() || found->is_null()) return std::string();
    if (!found->is_string())
      return Status(Code::kInvalidArgument,
                    fmt::format("\"{}\" is a {}, not a string", name, found->type_name()),
                    Place(name));
    return found->get<std::string>();
  }

  /// The id of the object: a string that is not empty, or an integer (taken as its digits).
  Result<std::string> Id(const nlohmann::json& object) const {
    const auto found = object.find("_id");
    if (found == object.end())
      return Status(Code::kInvalidArgument, "has no \"_id\"", Place("_id"));
    if (found->is_number_integer()) return found->dump();
    if (!found->is_string() || found->get_ref<const std::string&>().empty())
      return Status(Code::kInvalidArgument, "\"_id\" must be a string that is not empty",
                    Place("_id"));
    return found->get<std::string>();
  }

  /// Copying and writing a value recurse, so that a line of a million brackets would end the stack.
  static constexpr int kMaxDepth = 200;

  static bool IsTooDeep(std::string_view text) {
    int depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (in_string) {
        if (c == '\\') ++i;
        in_string = c != '"';
      } else if (c == '"') {
        in_string = true;
      } else if (c == '[' || c == '{') {
        if (++depth > kMaxDepth) return true;
      } else if (c == ']' || c == '}') {
        --depth;
      }
    }
    return false;
  }

 private:
  /// nlohmann's message without its "[json.exception...]" tag, and without the "at line 1" that
  /// counts within the line.
  static std::string Reason(std::string_view what) {
    if (const auto tag = what.find("] "); tag != std::string_view::npos)
      what.remove_prefix(tag + 2);
    const bool utf8 = what.find("UTF-8") != std::string_view::npos;
    std::string text =
        fmt::format("{}: {}", utf8 ? "is not valid UTF-8" : "is not valid JSON", what);
    if (const auto at = text.find("at line 1, "); at != std::string::npos) text.erase(at, 11);
    return text;
  }

  MappedFile file_;
  std::string_view rest_;
  std::int64_t line_ = 0;
};

}  // namespace equipoise
