/// Reads documents from corpus.jsonl in the BEIR layout, one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/retrieval/document.h>

namespace equipoise {

/// Each line is an object with "_id" (a string, or an integer taken as its digits) and, if there
/// are, "title" and "text"; every further field is metadata: numbers, strings and booleans as they
/// are, arrays and objects as JSON text, null as absent.
/// Threads  one thread at a time; memory: the longest line
class EQUIPOISE_API CorpusReader {
 public:
  /// Errors   kNotFound, kIo
  static Result<CorpusReader> Open(const std::string& path);
  CorpusReader(CorpusReader&&) noexcept;
  CorpusReader& operator=(CorpusReader&&) noexcept;
  ~CorpusReader();

  /// Reads the next document; false at the end of the file.
  /// Errors   kInvalidArgument with file, line and field: malformed JSON, invalid UTF-8, missing
  ///          "_id", a title or text that is no string, nested deeper than 200 levels;
  ///          kOutOfMemory. Duplicate ids and fields of two types are found by the collection.
  Result<bool> Next(Document* document);

  /// Place of the document that Next gave last, for errors found later.
  Where Place() const;
  std::uint64_t bytes_read() const;
  std::uint64_t bytes_total() const;

 private:
  struct State;
  explicit CorpusReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace equipoise
