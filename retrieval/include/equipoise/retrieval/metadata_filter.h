/// Filters over the metadata of documents: `year >= 1960 and domain in ("npl", "cacm")`.
///
///   filter      any ("or" any)*        "and" binds closer than "or", "not" closer than both
///   any         one ("and" one)*
///   one         "not" one | "(" filter ")" | "exists" field
///               | field ("=" | "!=" | "<" | "<=" | ">" | ">=") value
///               | field ["not"] "in" "(" value ("," value)* ")"
///   field       letters, digits and _ - . that begin with a letter or _ (letters beyond ASCII count);
///               any other name in backticks: `my field`
///   value       "text" or 'text' (\" \' \\ for the character itself), 12, -0.5, 1e3, true, false
///
/// Words of the grammar are written in lower or upper case. What holds:
///  - numbers are compared as the numbers that they are, integers with fractions too; texts by their
///    bytes, which is the order of Unicode's characters; booleans are equal or not; of a field that holds
///    JSON one can only ask whether it exists
///  - a document without the field matches no comparison, != and "not in" among them
///  - "not" takes exactly the documents that what follows does not match: `not year = 1960` has those
///    without a year, `year != 1960` has not
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/retrieval/row_set.h>

namespace equipoise {

class Collection;

/// The documents of a collection that a filter matches, found once, for any number of searches
/// (SearchRequest::filter). Few of many documents are kept compressed.
/// Threads  const, safe from many threads; a copy shares what was found
class EQUIPOISE_API MetadataFilter {
 public:
  /// Reads the filter and finds its documents.
  /// Errors   kInvalidArgument: where in the text (characters count from 1) and what was expected there;
  ///          a field that no document has (those there are named); a value of another type than the
  ///          field's (both named); kOutOfMemory
  /// Note     passes over each column that is needed, a block of documents at a time. A million documents,
  ///          one core: 0.8 to 1.6 ms for a comparison of numbers or booleans, 7 to 20 ms of texts or
  ///          with a list
  static Result<MetadataFilter> Compile(std::string_view text, const Collection& collection);

  bool Matches(std::uint32_t doc) const;
  std::size_t Count() const;      ///< documents that match
  std::size_t documents() const;  ///< of the collection
  /// The documents that match, as other searches take them.
  RowSet Rows() const;
  /// The same where they are not kept compressed, else null. Lives as long as the filter.
  const RowSet* rows() const;
  std::uint64_t fingerprint()
      const;  ///< of the collection; searches of another one refuse the filter
  const std::string& text() const;
  std::size_t bytes() const;  ///< of memory for the documents

 private:
  struct State;
  explicit MetadataFilter(std::shared_ptr<const State> state);
  std::shared_ptr<const State> state_;
};

}  // namespace equipoise
