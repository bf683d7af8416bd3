/// Answers that were given to queries, sentence by sentence: what the documents that a search finds should
/// support (MeasureGroundedness in optimizer/reward.h).
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>

namespace equipoise {

/// Threads  const after reading; safe from many threads
class EQUIPOISE_API Answers {
 public:
  /// Reads one JSON object a line: `query`, the query's id, not used twice, and `sentences`, an array of
  /// strings, at least one of them. Further fields, blank lines and a byte-order mark are passed over.
  /// Errors   kNotFound, kIo; kInvalidArgument with file and line: malformed JSON, invalid UTF-8, a field that
  ///          is missing, empty, of another type, or a query that comes again; with the file: no answer in it
  static Result<Answers> Read(const std::string& path);
  Answers() = default;

  /// The sentences of a query's answer, or nullptr. Valid while this object lives.
  const std::vector<std::string>* Find(std::string_view query) const;
  std::size_t size() const { return answers_.size(); }

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> answers_;
};

}  // namespace equipoise
