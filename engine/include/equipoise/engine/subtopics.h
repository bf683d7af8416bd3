/// Judgments by subtopic, for α-nDCG: which meanings of a query a document is relevant for (the diversity
/// qrels of TREC's web tracks).
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/diversity_measures.h>
#include <equipoise/core/export.h>
#include <equipoise/core/status.h>

namespace equipoise {

/// Threads  const after reading; safe from many threads
class EQUIPOISE_API Subtopics {
 public:
  /// Of each document that is relevant for a subtopic of the query, those subtopics, ascending, numbered in
  /// the order in which the file names them.
  using OfQuery = std::map<std::string, SubtopicsOfDocument, std::less<>>;

  /// Reads lines `query subtopic document relevance`, separated by spaces or tabs; relevant from 1 on. Blank
  /// lines, carriage returns at line ends and a byte-order mark are ignored; a line that comes again counts
  /// once.
  /// Errors   kNotFound, kIo; kInvalidArgument with file and line: another number of columns, a relevance that
  ///          is no integer, invalid UTF-8; with the file: nothing relevant in it
  static Result<Subtopics> Read(const std::string& path);
  Subtopics() = default;

  /// Of a query, or nullptr where none of its documents is relevant. Valid while this object lives.
  const OfQuery* Find(std::string_view query) const;
  std::size_t queries() const { return queries_.size(); }

 private:
  std::map<std::string, OfQuery, std::less<>> queries_;
};

}  // namespace equipoise
