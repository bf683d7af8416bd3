/// Words of texts that are ASCII alone, cut where ICU cuts them, without ICU's cost.
///
/// In ASCII the rules of UAX #29 come down to neighbours: letters, digits and underscores stay together,
/// and some punctuation between two letters or two digits does. Which punctuation that is differs
/// between versions of ICU (the colon), so it is asked once.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include <unicode/brkiter.h>

namespace equipoise {

class AsciiWords {
 public:
  AsciiWords() = default;
  /// Asks ICU about every character.
  explicit AsciiWords(icu::BreakIterator* words);

  static bool IsAscii(std::string_view text);

  /// Calls visit(word) for each word of at least one letter or digit or underscore, in lower case; the
  /// views lie in `lower`.
  template <typename Visit>
  void ForEach(std::string_view text, std::string* lower, const Visit& visit) const {
    lower->resize(text.size());
    char* const out = lower->data();
    for (std::size_t i = 0; i < text.size(); ++i)
      out[i] = static_cast<char>(text[i] + (text[i] >= 'A' && text[i] <= 'Z' ? 'a' - 'A' : 0));
    const auto kind = [&](std::size_t i) { return kinds_[static_cast<unsigned char>(out[i])]; };
    for (std::size_t at = 0; at < text.size();) {
      if ((kind(at) & kWord) == 0) {
        ++at;
        continue;
      }
      std::size_t end = at + 1;
      while (end < text.size()) {
        if ((kind(end) & kWord) != 0) {
          ++end;
          continue;
        }
        if (end + 1 == text.size()) break;
        const unsigned before = kind(end - 1), between = kind(end), after = kind(end + 1);
        const bool letters = (before & after & kLetter) != 0 && (between & kMidLetter) != 0;
        const bool digits = (before & after & kDigit) != 0 && (between & kMidDigit) != 0;
        if (!letters && !digits) break;
        end += 2;
      }
      visit(std::string_view(out + at, end - at));
      at = end;
    }
  }

 private:
  static constexpr unsigned char kLetter = 1, kDigit = 2, kOther = 4;  // parts of words
  static constexpr unsigned char kWord = kLetter | kDigit | kOther;
  static constexpr unsigned char kMidLetter = 8, kMidDigit = 16;  // between two of them

  std::array<unsigned char, 256> kinds_{};
};

}  // namespace equipoise
