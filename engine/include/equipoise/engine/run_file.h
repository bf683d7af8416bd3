/// Rankings as TREC run files: how they go out to any evaluator and come in from any engine.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>

namespace equipoise {

/// One ranking for each of some queries. A file has one line for each document of each query:
/// `qid Q0 docid rank score tag`, separated by spaces or tabs.
/// Threads  a value type: const functions from many threads, others from one
class EQUIPOISE_API RunFile {
 public:
  struct Entry {
    std::string document;
    double score = 0;
  };
  /// Best document first. The order of `entries` is the ranking; scores only accompany it.
  struct Ranking {
    std::string query;
    std::vector<Entry> entries;
  };

  /// Reads a run. Columns 2 (Q0) and 4 (rank) are ignored, as trec_eval does: the order comes from
  /// the scores. Blank lines, carriage returns at line ends and a byte-order mark are ignored.
  /// Order    queries as the file first names them; documents by score descending, equal scores in
  ///          the order of their lines (trec_eval instead sorts equal scores by descending document
  ///          id, and compares scores as 32-bit floats)
  /// Errors   kNotFound, kIo; kInvalidArgument with file and line: not six columns, a score that is
  ///          no finite number, a document twice for one query, invalid UTF-8; kInvalidArgument
  ///          with the file: no line in it
  static Result<RunFile> Read(const std::string& path);
  RunFile() = default;

  /// Writes the run beside `path` and renames it into place, so that a reader sees a whole file.
  /// The written scores are strictly decreasing 32-bit floats: the stored score where it is below
  /// the one written before it, else the next smaller float. So every evaluator sees our order,
  /// whatever it does with ties; a reader that gets the file back gets the same ranking. Subnormal
  /// numbers are avoided, some readers take them for 0. A query without documents has no line.
  /// Errors   kInvalidArgument: an id that is empty or holds white space, a score that is NaN or
  ///          beyond the range of float, a document twice for one query, a query twice, `path`
  ///          exists and is no regular file; kIo: full disk, no permission. Then `path` is as it
  ///          was, and no temporary file is left
  Status Write(const std::string& path) const;

  /// Adds the ranking of a query that is not there yet; Write checks it.
  void Add(Ranking ranking);
  std::span<const Ranking> rankings() const { return rankings_; }
  /// The ranking of a query, or nullptr. Valid until the next Add.
  const Ranking* Find(std::string_view query) const;

  /// The last column: the name of the system. Reading takes it from the first line; writing puts
  /// "equipoise" where it is empty.
  const std::string& tag() const { return tag_; }
  void set_tag(std::string tag) { tag_ = std::move(tag); }

 private:
  std::vector<Ranking> rankings_;
  std::map<std::string, std::size_t, std::less<>> rows_;
  std::string tag_;
};

}  // namespace equipoise
