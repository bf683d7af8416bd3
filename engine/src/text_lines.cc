#include "text_lines.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace equipoise {
namespace {

constexpr std::string_view kBlanks = " \t";

std::string_view Trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

void AddColumn(TextColumns& columns, std::string_view column) {
  if (columns.count < TextColumns::kMax) columns.at[columns.count] = column;
  ++columns.count;
}

}  // namespace

TextLines::TextLines(std::string_view text) : rest_(text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (rest_.starts_with(kByteOrderMark)) rest_.remove_prefix(kByteOrderMark.size());
}

std::optional<std::string_view> TextLines::Next() {
  while (!rest_.empty()) {
    ++number_;
    const std::size_t end = rest_.find('\n');
    std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(kBlanks) != std::string_view::npos) return line;
  }
  return std::nullopt;
}

TextColumns SplitOnBlanks(std::string_view line) {
  TextColumns out;
  for (std::size_t at = line.find_first_not_of(kBlanks); at != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(kBlanks, at), line.size());
    AddColumn(out, line.substr(at, end - at));
    at = line.find_first_not_of(kBlanks, end);
  }
  return out;
}

TextColumns SplitOnTabs(std::string_view line) {
  TextColumns out;
  for (std::size_t at = 0; at <= line.size();) {
    const std::size_t end = std::min(line.find('\t', at), line.size());
    AddColumn(out, Trimmed(line.substr(at, end - at)));
    at = end + 1;
  }
  return out;
}

std::string Quoted(std::string_view text) {
  constexpr std::size_t kShown = 60;
  if (text.size() <= kShown) return fmt::format("\"{}\"", text);
  std::size_t end = kShown;  // cut between characters
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return fmt::format("\"{}...\"", text.substr(0, end));
}

Status BadLine(const std::string& path, std::int64_t line, std::string message, std::string field) {
  return Status(Code::kInvalidArgument, std::move(message),
                {.file = path, .line = line, .field = std::move(field)});
}

}  // namespace equipoise
