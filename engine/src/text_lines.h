/// Lines and columns of the text files that evaluations read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <equipoise/core/status.h>

namespace equipoise {

/// Walks over the lines of a text, without copying: line ends (\n or \r\n) and a byte-order mark at
/// the start are taken off, lines of nothing but spaces and tabs are skipped, numbers count all.
class TextLines {
 public:
  explicit TextLines(std::string_view text);
  explicit TextLines(std::span<const std::byte> bytes)
      : TextLines(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size())) {}

  /// The next line that is not blank; nothing at the end.
  std::optional<std::string_view> Next();
  /// 1-based number of the line that Next returned last.
  std::int64_t number() const { return number_; }

 private:
  std::string_view rest_;
  std::int64_t number_ = 0;
};

/// Columns of one line: up to kMax are kept, `count` goes on counting.
struct TextColumns {
  static constexpr std::size_t kMax = 7;
  std::array<std::string_view, kMax> at{};
  std::size_t count = 0;
};

/// Separated by runs of spaces and tabs.
TextColumns SplitOnBlanks(std::string_view line);
/// Separated by single tabs; spaces around a column are not part of it.
TextColumns SplitOnTabs(std::string_view line);

/// The text in double quotes for a message, cut to a readable length.
std::string Quoted(std::string_view text);

/// kInvalidArgument at this line of this file.
Status BadLine(const std::string& path, std::int64_t line, std::string message,
               std::string field = {});

/// Runs `read`, which may run out of memory.
template <typename T, typename Read>
Result<T> WithoutBadAlloc(const std::string& path, Read&& read) {
  try {
    return read();
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "not enough memory to read the file", {.file = path});
  }
}

}  // namespace equipoise
