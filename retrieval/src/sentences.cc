#include <algorithm>
#include <cstdint>
#include <memory>

#include <unicode/brkiter.h>
#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/utext.h>

#include <equipoise/retrieval/sentences.h>

#include "utf8_walk.h"

namespace equipoise {
namespace {

// ICU counts bytes in 32 bits.
constexpr std::size_t kMostBytes = std::size_t{1} << 30;

const icu::BreakIterator* SentenceIterator() {
  static const auto iterator = [] {
    UErrorCode error = U_ZERO_ERROR;
    std::unique_ptr<icu::BreakIterator> out(
        icu::BreakIterator::createSentenceInstance(icu::Locale::getRoot(), error));
    if (U_FAILURE(error)) out.reset();
    return out;
  }();
  return iterator.get();
}

// Adds a stretch from its first letter or digit, with what stands before that and is not blank.
void Add(std::string_view text, ByteRange range, std::vector<ByteRange>* out) {
  const auto blank = [&](std::size_t byte) { return text[byte] == ' ' || text[byte] < ' '; };
  const auto is_ascii = [&](std::size_t byte) {
    return static_cast<unsigned char>(text[byte]) < 0x80;
  };
  while (range.begin < range.end && is_ascii(range.begin) && blank(range.begin)) ++range.begin;
  while (range.end > range.begin && is_ascii(range.end - 1) && blank(range.end - 1)) --range.end;
  for (std::size_t byte = range.begin; byte < range.end; ++byte) {
    if (!IsLead(text[byte])) continue;
    const UChar32 c = CharacterAt(text, byte);
    if (c >= 0 && u_isalnum(c) != 0) {
      out->push_back(range);
      return;
    }
  }
}

}  // namespace

std::vector<ByteRange> Sentences(std::string_view text) {
  std::vector<ByteRange> out;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = std::min(text.size(), begin + kMostBytes);
    while (end < text.size() && end > begin + 1 && !IsLead(text[end])) --end;
    UErrorCode error = U_ZERO_ERROR;
    UText view = UTEXT_INITIALIZER;
    utext_openUTF8(&view, text.data() + begin, static_cast<std::int64_t>(end - begin), &error);
    {
      const std::unique_ptr<icu::BreakIterator> iterator(
          SentenceIterator() == nullptr ? nullptr : SentenceIterator()->clone());
      if (iterator != nullptr) iterator->setText(&view, error);
      if (iterator == nullptr || U_FAILURE(error)) {
        Add(text, {begin, end}, &out);
      } else {
        std::int32_t from = iterator->first();
        for (std::int32_t to = iterator->next(); to != icu::BreakIterator::DONE;
             from = to, to = iterator->next())
          Add(text, {begin + static_cast<std::size_t>(from), begin + static_cast<std::size_t>(to)},
              &out);
      }
    }
    utext_close(&view);
    begin = end;
  }
  return out;
}

}  // namespace equipoise
