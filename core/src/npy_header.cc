#include "npy_header.h"

#include <limits>
#include <optional>
#include <string_view>

#include <fmt/format.h>

namespace equipoise {
namespace {

Status Malformed(std::string_view what) {
  return Status(Code::kCorruption, fmt::format("is not a well-formed .npy file: {}", what));
}

// Reads from the front of a text; every method leaves it where it is when it does not match.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool Take(char expected) {
    SkipSpace();
    if (rest_.empty() || rest_.front() != expected) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool TakeWord(std::string_view word) {
    SkipSpace();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  // 'text' or "text" without escapes, which numpy has no use for here.
  std::optional<std::string> TakeString() {
    SkipSpace();
    if (rest_.empty() || (rest_.front() != '\'' && rest_.front() != '"')) return std::nullopt;
    const std::size_t end = rest_.find(rest_.front(), 1);
    if (end == std::string_view::npos) return std::nullopt;
    std::string out(rest_.substr(1, end - 1));
    if (out.find('\\') != std::string::npos) return std::nullopt;
    rest_.remove_prefix(end + 1);
    return out;
  }

  std::optional<std::uint64_t> TakeNumber() {
    SkipSpace();
    std::uint64_t out = 0;
    std::size_t digits = 0;
    for (; digits < rest_.size() && rest_[digits] >= '0' && rest_[digits] <= '9'; ++digits) {
      const auto digit = static_cast<std::uint64_t>(rest_[digits] - '0');
      if (out > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) return std::nullopt;
      out = out * 10 + digit;
    }
    if (digits == 0) return std::nullopt;
    rest_.remove_prefix(digits);
    // Python 2 wrote long integers as 3L.
    if (!rest_.empty() && rest_.front() == 'L') rest_.remove_prefix(1);
    return out;
  }

  // (), (3,), (3, 4)
  std::optional<std::vector<std::uint64_t>> TakeTuple() {
    std::vector<std::uint64_t> out;
    if (!Take('(')) return std::nullopt;
    bool comma = true;
    while (!Take(')')) {
      const auto number = comma && out.size() < kMaxDimensions ? TakeNumber() : std::nullopt;
      if (!number) return std::nullopt;
      out.push_back(*number);
      comma = Take(',');
    }
    // (3) is a number, not a tuple.
    if (out.size() == 1 && !comma) return std::nullopt;
    return out;
  }

  bool AtEnd() {
    SkipSpace();
    return rest_.empty();
  }

  bool StartsList() {
    SkipSpace();
    return !rest_.empty() && rest_.front() == '[';
  }

 private:
  static constexpr std::size_t kMaxDimensions = 32;

  void SkipSpace() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n' ||
                              rest_.front() == '\t' || rest_.front() == '\r'))
      rest_.remove_prefix(1);
  }

  std::string_view rest_;
};

}  // namespace

Result<NpyHeader> ParseNpyHeader(std::span<const std::byte> file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.size() < 10) return Malformed("it ends within its first bytes");
  const auto byte = [&](std::size_t i) { return static_cast<std::uint64_t>(file[i]); };
  const auto major = byte(6);
  if (major < 1 || major > 3 || byte(7) != 0)
    return Status(Code::kUnsupported,
                  fmt::format("is .npy version {}.{}; 1.0 to 3.0 are read", major, byte(7)));
  // The header's length has 2 bytes in version 1, 4 in later ones.
  const std::size_t start = major == 1 ? 10 : 12;
  if (text.size() < start) return Malformed("it ends within its first bytes");
  std::uint64_t length = byte(8) | byte(9) << 8;
  if (major > 1) length |= byte(10) << 16 | byte(11) << 24;
  if (length > text.size() - start) return Malformed("it ends within its header");

  NpyHeader out;
  out.data_offset = start + static_cast<std::size_t>(length);
  Reader reader(text.substr(start, static_cast<std::size_t>(length)));
  bool has_descr = false, has_order = false, has_shape = false;
  if (!reader.Take('{')) return Malformed("its header is no dict");
  bool comma = true;
  while (!reader.Take('}')) {
    const auto key = comma ? reader.TakeString() : std::nullopt;
    if (!key || !reader.Take(':')) return Malformed("its header is no dict of named fields");
    if (*key == "descr" && !has_descr) {
      has_descr = true;
      if (reader.StartsList()) {
        // A record: no need to read on, whatever follows.
        out.descr = "[...]";
        return out;
      }
      auto descr = reader.TakeString();
      if (!descr) return Malformed("'descr' is no string");
      out.descr = *std::move(descr);
    } else if (*key == "fortran_order" && !has_order) {
      has_order = true;
      out.fortran_order = reader.TakeWord("True");
      if (!out.fortran_order && !reader.TakeWord("False"))
        return Malformed("'fortran_order' is neither True nor False");
    } else if (*key == "shape" && !has_shape) {
      has_shape = true;
      auto shape = reader.TakeTuple();
      if (!shape) return Malformed("'shape' is no tuple of sizes");
      out.shape = *std::move(shape);
    } else {
      return Malformed("its header has an unknown or repeated field");
    }
    comma = reader.Take(',');
  }
  if (!has_descr || !has_order || !has_shape)
    return Malformed("its header needs 'descr', 'fortran_order' and 'shape'");
  if (!reader.AtEnd()) return Malformed("something follows the dict of its header");
  return out;
}

}  // namespace equipoise
