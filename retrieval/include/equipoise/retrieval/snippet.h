/// The passage of a text that shows why it was found, with the places of the query's words.
///
/// Of all passages that fit, the one with the most of the query: the sum over its distinct terms of
/// idf * n / (n + 1), n its occurrences in the passage. So two terms once each go before one term any
/// number of times, rare terms go before frequent ones; of equal passages the first is taken. It is
/// widened to what fits, to whole sentences where they end near enough, else to whole words.
/// Source   passages scored as documents, by idf and saturated counts: Turpin et al. 2007,
///          doi:10.1145/1277741.1277766; Lucene's PassageScorer
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/retrieval/analyzer.h>
#include <equipoise/retrieval/lexical_index.h>

namespace equipoise {

/// Bytes [begin, end).
struct ByteRange {
  std::size_t begin = 0;
  std::size_t end = 0;

  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

struct SnippetOptions {
  std::size_t length =
      200;  ///< characters (code points) at most, >= 1; a word longer than that is cut
  /// Bytes of a text that are looked at, so that a very long one costs no more: about 20 ms a MiB.
  std::size_t looked_at = std::size_t{1} << 18;
};

/// A passage: bytes [begin, end) of the text, which begin and end at characters.
struct Snippet {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool from_start = true;  ///< nothing but white space was left out before it
  bool to_end = true;      ///< nor behind it
  /// Where words of the query are, in bytes of the passage: ascending, apart from each other.
  std::vector<ByteRange> matches;

  /// The passage itself.
  std::string_view In(std::string_view text) const { return text.substr(begin, end - begin); }
};

/// What a document shows of a query.
struct DocumentSnippet {
  std::vector<ByteRange> title_matches;  ///< in bytes of the title
  Snippet text;                          ///< of the text
};

/// The best passage of a text; without a word of the query its beginning.
/// Shapes   terms: the distinct terms of the query with their idf, as LexicalIndex::Explain gives them
/// Range    text: valid UTF-8
/// Errors   none; std::bad_alloc is not caught here
/// Threads  safe from many threads; O(bytes of the text that are looked at): 4 µs for a text of 17 bytes,
///          10 for 245, 25 for 960 (medians over hits of reverse-dictionary, npl, med)
EQUIPOISE_API Snippet MakeSnippet(std::string_view text, std::span<const TermScore> terms,
                                  const Analyzer& analyzer, const SnippetOptions& options = {});

/// Where words of the query are in the whole text, of which no more than options.looked_at is read.
/// Otherwise as MakeSnippet.
EQUIPOISE_API std::vector<ByteRange> FindMatches(std::string_view text,
                                                 std::span<const TermScore> terms,
                                                 const Analyzer& analyzer,
                                                 const SnippetOptions& options = {});

}  // namespace equipoise
