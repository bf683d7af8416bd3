#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/retrieval/text.h>

namespace equipoise {
namespace {

// Table 3-7 of the Unicode Standard, written out: the independent truth.
std::size_t TableLength(const std::string& s, std::size_t i) {
  const auto at = [&](std::size_t j) {
    return j < s.size() ? static_cast<unsigned char>(s[j]) : 0;
  };
  const auto in = [](int value, int low, int high) { return value >= low && value <= high; };
  const int a = at(i), b = at(i + 1), c = at(i + 2), d = at(i + 3);
  if (a <= 0x7F) return 1;
  if (in(a, 0xC2, 0xDF)) return in(b, 0x80, 0xBF) ? 2 : 0;
  const bool c_ok = in(c, 0x80, 0xBF);
  if (in(a, 0xE0, 0xEF)) {
    const int low = a == 0xE0 ? 0xA0 : 0x80;
    const int high = a == 0xED ? 0x9F : 0xBF;
    return in(b, low, high) && c_ok ? 3 : 0;
  }
  if (in(a, 0xF0, 0xF4)) {
    const int low = a == 0xF0 ? 0x90 : 0x80;
    const int high = a == 0xF4 ? 0x8F : 0xBF;
    return in(b, low, high) && c_ok && in(d, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

std::size_t TablePrefix(const std::string& s) {
  std::size_t i = 0;
  while (i < s.size()) {
    const std::size_t length = TableLength(s, i);
    if (length == 0) return i;
    i += length;
  }
  return i;
}

TEST(Text, AcceptsWellFormedTextOfAllPlanesAndNul) {
  EXPECT_TRUE(IsValidUtf8(""));
  EXPECT_TRUE(IsValidUtf8("plain"));
  EXPECT_TRUE(IsValidUtf8(std::string_view("a\0b", 3)));
  EXPECT_TRUE(IsValidUtf8("é 中 😀 \xF4\x8F\xBF\xBF"));
}

TEST(Text, NamesTheFirstBadByte) {
  EXPECT_EQ(ValidUtf8Prefix("0123456789abcdef\xFFz"), 16u);
  EXPECT_EQ(ValidUtf8Prefix("é\xC3"), 2u);             // cut
  EXPECT_EQ(ValidUtf8Prefix("a\xC0\xAF"), 1u);         // overlong
  EXPECT_EQ(ValidUtf8Prefix("ab\xED\xA0\x80"), 2u);    // surrogate
  EXPECT_EQ(ValidUtf8Prefix("\xF4\x90\x80\x80"), 0u);  // above U+10FFFF
  EXPECT_EQ(ValidUtf8Prefix("\x80"), 0u);
}

TEST(Text, AgreesWithTheTableOfTheStandardOnEveryPairOfLeadingBytes) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      for (const std::string tail : {"", "\x80", "\xBF\x80", "a\xBF", "\x80\x80\x80"}) {
        // At every offset to an eight-byte word, as ASCII is skipped by words.
        const std::string text = std::string(static_cast<std::size_t>(b % 9), 'x') +
                                 static_cast<char>(a) + static_cast<char>(b) + tail;
        ASSERT_EQ(ValidUtf8Prefix(text), TablePrefix(text)) << a << " " << b;
      }
    }
  }
}

}  // namespace
}  // namespace equipoise
