/// Operators in the text of a query: phrases, required and excluded words.
///
///   wing "slip stream" +flow -jet -"wind tunnel"
///
///   word         counts by BM25, as without operators
///   +word        and no document without it is found
///   -word        no document with it is found
///   "a phrase"   no document is found in which these words do not follow each other, within the
///                title or within the text; each word counts by BM25, as if there were no quotes
///   -"a phrase"  no document is found in which they do
///   +"a phrase"  the same as without the plus
///
/// What counts as syntax: a plus, a hyphen or a quote where a word begins (at the start or behind white
/// space), and a quote right behind such a sign. Elsewhere they are text: well-known, C++, 12" pipes,
/// O'Brien. A quote ends at the next one. The typographic quotes “ ” „ mean the same. Words that begin
/// with a sign are written \-5 or \+1, and a dash between spaces is – or —.
///
/// Ordinary text has quotes and hyphens too, and may come from somebody who knows nothing of operators.
/// So they are asked for (SearchRequest::syntax, `search --syntax operators`), and without that a query
/// is nothing but words.
///
/// Phrases are matched over analyzed words: "slip streams" finds "slip stream". Stop words are in no
/// index, so that "state of the art" finds "state art" as well; a phrase of stop words alone is refused.
/// A word that analysis cuts in two (+well-known) asks for both parts, in any order.
/// Source   the signs and quotes of web search engines; a phrase restricts, and its words are scored as any
///          others, so that a query with and without quotes ranks the documents that both find alike
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>

namespace equipoise {

/// How the text of a query is read.
enum class QuerySyntax : std::uint8_t {
  kPlain,      ///< words
  kOperators,  ///< words, phrases, required and excluded ones
};

/// "plain", "operators".
EQUIPOISE_API std::string_view QuerySyntaxName(QuerySyntax syntax);
/// Errors   kInvalidArgument: no such name (those there are listed)
EQUIPOISE_API Result<QuerySyntax> ParseQuerySyntax(std::string_view name);

/// What a document must do with a clause to be found.
enum class Occur : std::uint8_t { kMay, kMust, kMustNot };

/// A word or phrase of a query.
struct QueryClause {
  Occur occur = Occur::kMay;  ///< of a phrase kMust or kMustNot
  bool phrase = false;
  std::string_view text{};  ///< the word, or what stands between the quotes; a part of the query
  std::size_t begin = 0;    ///< bytes of the query that it takes up, sign and quotes included
  std::size_t end = 0;
};

/// The clauses of a query with operators, in its order; none where it is blank.
/// Units    error_at: the byte of the query where the error is, left alone without one; may be null
/// Errors   kInvalidArgument, with the character's number from 1 and what to do: a quote that is not
///          closed, a phrase without words, a sign without a word, nothing but exclusions
/// Threads  safe from many threads; O(text.size())
EQUIPOISE_API Result<std::vector<QueryClause>> ParseQuery(std::string_view text,
                                                          std::size_t* error_at = nullptr);

/// The number, from 1, of the character at a byte of a text, as errors name it: code points, and bytes
/// that are not UTF-8 one by one.
EQUIPOISE_API std::size_t CharacterNumber(std::string_view text, std::size_t byte);

}  // namespace equipoise
