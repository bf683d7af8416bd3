#include "ascii_words.h"

#include <cstdint>
#include <cstring>

namespace equipoise {
namespace {

// Whether the first word of the text is all of it.
bool IsOneWord(icu::BreakIterator* words, char first, char between, char last) {
  icu::UnicodeString text;
  for (const char c : {first, between, last})
    if (c != '\0') text.append(static_cast<char16_t>(c));
  words->setText(text);
  words->first();
  return words->next() == text.length();
}

}  // namespace

AsciiWords::AsciiWords(icu::BreakIterator* words) {
  for (char c = 'a'; c <= 'z'; ++c) kinds_[static_cast<unsigned char>(c)] = kLetter;
  for (char c = '0'; c <= '9'; ++c) kinds_[static_cast<unsigned char>(c)] = kDigit;
  for (unsigned char c = 1; c < 128; ++c) {
    if (kinds_[c] != 0 || (c >= 'A' && c <= 'Z')) continue;
    const char asked = static_cast<char>(c);
    // What a full stop joins with a letter is one itself: so is the at sign in some versions.
    if (IsOneWord(words, 'a', asked, '\0'))
      kinds_[c] |= IsOneWord(words, asked, '.', 'a') ? kLetter : kOther;
    if (IsOneWord(words, 'a', asked, 'a')) kinds_[c] |= kMidLetter;
    if (IsOneWord(words, '1', asked, '1')) kinds_[c] |= kMidDigit;
  }
}

bool AsciiWords::IsAscii(std::string_view text) {
  std::uint64_t high = 0;
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + i, sizeof(word));
    high |= word;
  }
  for (; i < text.size(); ++i) high |= static_cast<unsigned char>(text[i]);
  return (high & 0x8080808080808080u) == 0;
}

}  // namespace equipoise
