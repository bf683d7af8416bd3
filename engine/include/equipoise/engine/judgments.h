/// The two files that an evaluation starts from: queries (BEIR's queries.jsonl) and relevance
/// judgments (BEIR's qrels/*.tsv or TREC's four-column qrels).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>

namespace equipoise {

/// The queries of a file, in the file's order: row i of the query embeddings belongs to items()[i].
/// Threads  const after reading; safe from many threads
class EQUIPOISE_API Queries {
 public:
  struct Item {
    std::string id;
    std::string text;  ///< may be empty
  };

  /// Reads one JSON object a line: `_id`, a string that is not empty or an integer (taken as its
  /// digits), not used twice; and `text`, a string: absent or null, the query is a vector alone.
  /// Further fields, blank lines and a byte-order mark at the start of the file are passed over.
  /// Order    that of the file
  /// Errors   kNotFound, kIo; kInvalidArgument with file and line: malformed JSON, invalid UTF-8,
  ///          not an object, missing, empty or duplicate `_id`, a field of another type
  static Result<Queries> Read(const std::string& path);
  /// The same from memory.
  /// Errors   kInvalidArgument: empty or duplicate id, with the row
  static Result<Queries> FromItems(std::vector<Item> items);
  Queries() = default;

  std::span<const Item> items() const { return items_; }
  std::size_t size() const { return items_.size(); }
  /// The row of the query, or -1.
  std::int64_t RowOf(std::string_view id) const;

 private:
  std::vector<Item> items_;
  std::map<std::string, std::size_t, std::less<>> rows_;
};

/// What people judged: an integer grade for some pairs of query and document. A document is
/// relevant when its grade is at least 1; grades below that are judged, and not relevant.
/// Threads  const after reading; safe from many threads
class EQUIPOISE_API Judgments {
 public:
  /// The judgments of one query: documents in ascending byte order, grades beside them.
  struct OfQuery {
    std::string query;
    std::vector<std::string> documents;
    std::vector<int> grades;  ///< what the functions of core/ranking_measures.h call `judged`
    std::size_t relevant = 0;

    /// The grade of the document; 0 where it was not judged.
    int GradeOf(std::string_view document) const;
  };

  /// Reads either format, told apart by the first line that is not blank:
  /// - BEIR: `query-id <TAB> corpus-id <TAB> score`, with that header line or without; ids may hold
  ///   spaces. A first line of three tab-separated columns is this format; it is a header if its
  ///   first column is query-id, query_id, query or qid in any case and its last is no integer.
  /// - TREC: `qid 0 docid grade`, separated by spaces or tabs; the second column is ignored.
  /// Blank lines, carriage returns at line ends and a byte-order mark are ignored. A pair that
  /// comes again with the same grade is counted in duplicates(), and used once.
  /// Range    grades: any 32-bit integer
  /// Errors   kNotFound, kIo; kInvalidArgument with file and line: another number of columns, an
  ///          empty id, a grade that is no integer, invalid UTF-8, a pair that comes again with
  ///          another grade; kInvalidArgument with the file: no judgment in it
  static Result<Judgments> Read(const std::string& path);
  Judgments() = default;

  /// Queries in the order in which the file first names them.
  std::span<const OfQuery> queries() const { return queries_; }
  /// The judgments of a query, or nullptr. Valid while this object lives.
  const OfQuery* Find(std::string_view query) const;
  /// Pairs of query and document, each counted once.
  std::size_t size() const { return size_; }
  /// Lines that repeated a pair with the grade it already had.
  std::size_t duplicates() const { return duplicates_; }

 private:
  std::vector<OfQuery> queries_;
  std::map<std::string, std::size_t, std::less<>> rows_;
  std::size_t size_ = 0;
  std::size_t duplicates_ = 0;
};

}  // namespace equipoise
