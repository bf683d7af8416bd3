#include <algorithm>
#include <cstdint>
#include <cstring>

#include <unicode/utf8.h>

#include <equipoise/retrieval/text.h>

namespace equipoise {
namespace {

// The first position >= from of a byte above 127, or text.size(): most text is ASCII, and eight
// bytes at a time is much faster than one.
std::size_t SkipAscii(std::string_view text, std::size_t from) {
  while (text.size() - from >= 8) {
    std::uint64_t eight;
    std::memcpy(&eight, text.data() + from, 8);
    if ((eight & 0x8080808080808080u) != 0) break;
    from += 8;
  }
  while (from < text.size() && static_cast<unsigned char>(text[from]) < 128) ++from;
  return from;
}

}  // namespace

std::size_t ValidUtf8Prefix(std::string_view text) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  std::size_t at = SkipAscii(text, 0);
  while (at < text.size()) {
    // U8_NEXT counts in int32; a sequence is at most four bytes long.
    const auto rest = static_cast<std::int32_t>(std::min<std::size_t>(text.size() - at, 4));
    std::int32_t used = 0;
    UChar32 code_point = 0;
    U8_NEXT(bytes + at, used, rest, code_point);
    if (code_point < 0) return at;
    at = SkipAscii(text, at + static_cast<std::size_t>(used));
  }
  return at;
}

}  // namespace equipoise
