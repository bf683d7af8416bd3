#include <algorithm>
#include <memory>
#include <new>
#include <unordered_map>

#include <unicode/brkiter.h>
#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/utext.h>

#include <equipoise/retrieval/snippet.h>

#include "utf8_walk.h"

namespace equipoise {
namespace {

// Part of the length that a passage has at least where it ends with a sentence.
constexpr double kLeastSentence = 0.6;

struct Match {
  std::size_t begin, end;  // bytes of the text
  std::size_t term;
};

std::size_t Characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), IsLead));
}

// The byte so many characters behind `from`, or the end.
std::size_t Forward(std::string_view text, std::size_t from, std::size_t characters) {
  while (from < text.size() && characters > 0) {
    ++from;
    if (from == text.size() || IsLead(text[from])) --characters;
  }
  return from;
}

// The byte so many characters before `from`, or the start.
std::size_t Back(std::string_view text, std::size_t from, std::size_t characters) {
  while (from > 0 && characters > 0) {
    --from;
    if (IsLead(text[from])) --characters;
  }
  return from;
}

bool IsBlank(UChar32 c) { return c >= 0 && (u_isUWhiteSpace(c) != 0 || u_iscntrl(c) != 0); }

ByteRange Trimmed(std::string_view text, ByteRange range) {
  while (range.begin < range.end && IsBlank(CharacterAt(text, range.begin)))
    range.begin = Forward(text, range.begin, 1);
  while (range.end > range.begin && IsBlank(CharacterAt(text, Back(text, range.end, 1))))
    range.end = Back(text, range.end, 1);
  return range;
}

std::string_view LookedAt(std::string_view text, const SnippetOptions& options) {
  if (text.size() <= options.looked_at) return text;
  std::size_t end = options.looked_at;
  while (end > 0 && !IsLead(text[end])) --end;
  return text.substr(0, end);
}

std::vector<Match> Matches(std::string_view text, std::span<const TermScore> terms,
                           const Analyzer& analyzer) {
  std::unordered_map<std::string_view, std::size_t> places;
  for (std::size_t i = 0; i < terms.size(); ++i) places.emplace(terms[i].term, i);
  std::vector<Match> out;
  if (places.empty()) return out;
  analyzer.VisitTokens(text, [&](std::string_view term, std::size_t begin, std::size_t end) {
    if (const auto found = places.find(term); found != places.end() && begin < end)
      out.push_back({begin, end, found->second});
  });
  return out;
}

// What lies in the passage, in its bytes. Words that folding made of one character are one range.
std::vector<ByteRange> Ranges(std::span<const Match> matches, ByteRange passage) {
  std::vector<ByteRange> out;
  for (const Match& match : matches) {
    if (match.begin < passage.begin || match.begin >= passage.end) continue;
    const ByteRange range{match.begin - passage.begin,
                          std::min(match.end, passage.end) - passage.begin};
    if (!out.empty() && range.begin < out.back().end)
      out.back().end = std::max(out.back().end, range.end);
    else
      out.push_back(range);
  }
  return out;
}

// The matches from the first to the last of the best passage of at most `length` characters.
ByteRange BestSpan(std::string_view text, std::span<const Match> matches,
                   std::span<const TermScore> terms, std::size_t length) {
  std::vector<std::size_t> counts(terms.size(), 0);
  const auto part = [&](std::size_t term) {
    const auto n = static_cast<double>(counts[term]);
    return double{terms[term].idf} * n / (n + 1);
  };
  double score = 0, best = -1;
  ByteRange span;
  std::size_t first = 0,
              characters = 0;  // from the first match of the window to the end of the last
  std::size_t counted = matches.front().begin;
  for (const Match& last : matches) {
    if (last.end > counted) {
      characters += Characters(text.substr(counted, last.end - counted));
      counted = last.end;
    }
    score -= part(last.term);
    ++counts[last.term];
    score += part(last.term);
    while (characters > length && matches[first].begin < last.begin) {
      const Match& out = matches[first++];
      score -= part(out.term);
      --counts[out.term];
      score += part(out.term);
      characters -= Characters(text.substr(out.begin, matches[first].begin - out.begin));
    }
    // More than what sums of floating point are off by: of equal passages the first.
    if (score > best + 1e-9) {
      best = score;
      span = {matches[first].begin, last.end};
    }
  }
  return span;
}

std::unique_ptr<icu::BreakIterator> Clone(const icu::BreakIterator* iterator) {
  std::unique_ptr<icu::BreakIterator> out(iterator == nullptr ? nullptr : iterator->clone());
  return out;
}

using MakeIterator = icu::BreakIterator* (*)(const icu::Locale&, UErrorCode&);

std::unique_ptr<icu::BreakIterator> Made(MakeIterator make) {
  UErrorCode error = U_ZERO_ERROR;
  std::unique_ptr<icu::BreakIterator> out(make(icu::Locale::getRoot(), error));
  if (U_FAILURE(error)) out.reset();
  return out;
}

// Ends of words or sentences in a stretch of the text.
class Boundaries {
 public:
  Boundaries(std::string_view text, ByteRange stretch, std::unique_ptr<icu::BreakIterator> iterator)
      : begin_(stretch.begin), iterator_(std::move(iterator)) {
    UErrorCode error = U_ZERO_ERROR;
    utext_openUTF8(&text_, text.data() + stretch.begin,
                   static_cast<std::int64_t>(stretch.end - stretch.begin), &error);
    if (iterator_ != nullptr) iterator_->setText(&text_, error);
    if (U_FAILURE(error)) iterator_.reset();
  }
  Boundaries(const Boundaries&) = delete;
  Boundaries& operator=(const Boundaries&) = delete;
  ~Boundaries() {
    iterator_.reset();
    utext_close(&text_);
  }

  // The last boundary at or before a byte; the start of the stretch where there is none.
  std::size_t NotBehind(std::size_t byte) const {
    if (iterator_ == nullptr) return begin_;
    const auto at = static_cast<std::int32_t>(byte - begin_);
    if (iterator_->isBoundary(at) != 0) return byte;
    const std::int32_t found = iterator_->preceding(at);
    return begin_ + static_cast<std::size_t>(std::max(found, 0));
  }
  // The first boundary at or behind a byte.
  std::size_t NotBefore(std::size_t byte) const {
    if (iterator_ == nullptr) return byte;
    const auto at = static_cast<std::int32_t>(byte - begin_);
    if (iterator_->isBoundary(at) != 0) return byte;
    const std::int32_t found = iterator_->following(at);
    return found == icu::BreakIterator::DONE ? byte : begin_ + static_cast<std::size_t>(found);
  }

 private:
  std::size_t begin_;
  UText text_ = UTEXT_INITIALIZER;
  std::unique_ptr<icu::BreakIterator> iterator_;
};

class Passage {
 public:
  // The span, which fits, is in it. text: without blanks at its ends.
  Passage(std::string_view text, ByteRange span, std::size_t length)
      : text_(text),
        length_(length),
        // Farther than a passage reaches, as a stretch seems to begin and end a word and a sentence.
        stretch_{Back(text, span.begin, 2 * length), Forward(text, span.end, 2 * length)},
        words_(text, stretch_, Clone(Words())),
        sentences_(text, stretch_, Clone(Sentences())),
        span_(span) {}

  ByteRange Widened() const {
    ByteRange out = span_;
    out.begin = Begin(Left(out));
    out.end = End(out);
    // What was not needed at the end of the text goes to the front.
    if (out.end == text_.size()) out.begin = Front(out);
    return out;
  }

 private:
  static const icu::BreakIterator* Words() {
    static const auto iterator = Made(icu::BreakIterator::createWordInstance);
    return iterator.get();
  }
  static const icu::BreakIterator* Sentences() {
    static const auto iterator = Made(icu::BreakIterator::createSentenceInstance);
    return iterator.get();
  }

  std::size_t Left(ByteRange range) const {
    const std::size_t used = Characters(text_.substr(range.begin, range.end - range.begin));
    return length_ - std::min(used, length_);
  }

  // The start of the sentence where it is near enough, else a word, with half of what is left.
  std::size_t Begin(std::size_t left) const {
    const std::size_t farthest = Back(text_, span_.begin, left);
    const std::size_t sentence = sentences_.NotBehind(span_.begin);
    if (sentence >= farthest) return sentence;
    return WordStart(Back(text_, span_.begin, left / 2));
  }

  std::size_t WordStart(std::size_t from) const {
    if (from == 0) return 0;
    std::size_t at = words_.NotBefore(from);
    while (at < span_.begin && u_isalnum(CharacterAt(text_, at)) == 0)
      at = words_.NotBefore(Forward(text_, at, 1));
    return std::min(at, span_.begin);
  }

  std::size_t End(ByteRange range) const {
    const std::size_t limit = Forward(text_, range.end, Left(range));
    if (limit == text_.size()) return limit;
    const std::size_t sentence = sentences_.NotBehind(limit);
    const auto enough = static_cast<std::size_t>(kLeastSentence * static_cast<double>(length_));
    if (sentence >= range.end && sentence >= Forward(text_, range.begin, enough)) return sentence;
    const std::size_t word = words_.NotBehind(limit);
    // A word longer than the passage is cut.
    return word > range.begin && word >= range.end ? word : std::max(range.end, limit);
  }

  // As far before the range as what is left allows: whole sentences, else words.
  std::size_t Front(ByteRange range) const {
    const std::size_t left = Left(range);
    if (left == 0 || range.begin == 0) return range.begin;
    const std::size_t farthest = Back(text_, range.begin, left);
    if (farthest == 0) return 0;
    const std::size_t sentence = sentences_.NotBefore(farthest);
    if (sentence < range.begin && sentence - farthest < (range.begin - farthest) / 2)
      return sentence;
    return std::min(range.begin, WordStart(farthest));
  }

  std::string_view text_;
  std::size_t length_;
  ByteRange stretch_;
  Boundaries words_, sentences_;
  ByteRange span_;
};

}  // namespace

Snippet MakeSnippet(std::string_view text, std::span<const TermScore> terms,
                    const Analyzer& analyzer, const SnippetOptions& options) {
  const ByteRange whole = Trimmed(text, {0, text.size()});
  const std::size_t length = std::clamp<std::size_t>(options.length, 1, text.size() + 1);
  const std::string_view seen = LookedAt(text, options);
  const std::vector<Match> matches = Matches(seen, terms, analyzer);
  ByteRange span{whole.begin, whole.begin};
  if (!matches.empty()) span = BestSpan(seen, matches, terms, length);
  // One word may be too long.
  span.end = std::min(span.end, Forward(text, span.begin, length));
  // Blanks around the text have no part in it.
  const std::string_view inner = text.substr(whole.begin, whole.end - whole.begin);
  span = {std::max(span.begin, whole.begin) - whole.begin,
          std::max(span.end, whole.begin) - whole.begin};
  const ByteRange widened = Passage(inner, span, length).Widened();
  const ByteRange passage = Trimmed(text, {widened.begin + whole.begin, widened.end + whole.begin});
  return {.begin = passage.begin,
          .end = passage.end,
          .from_start = passage.begin <= whole.begin,
          .to_end = passage.end >= whole.end,
          .matches = Ranges(matches, passage)};
}

std::vector<ByteRange> FindMatches(std::string_view text, std::span<const TermScore> terms,
                                   const Analyzer& analyzer, const SnippetOptions& options) {
  return Ranges(Matches(LookedAt(text, options), terms, analyzer), {0, text.size()});
}

}  // namespace equipoise
