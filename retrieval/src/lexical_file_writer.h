/// Writes the file of a lexical index from terms that come in the order of their bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/checked_file.h>
#include <equipoise/core/status.h>
#include <equipoise/retrieval/lexical_index.h>

#include "lexical_dictionary.h"
#include "lexical_index_format.h"
#include "lexical_lengths.h"
#include "lexical_postings.h"

namespace equipoise::lexical {

/// Memory: the dictionary as it is stored, 4 bytes a document.
/// Threads  one thread at a time
/// Errors   kIo; kInvalidArgument: a list of more than 2^32 bytes
class LexicalFileWriter {
 public:
  /// lengths: of every document, in tokens; must outlive the writer.
  static Result<LexicalFileWriter> Create(const std::string& path, Bm25Params params,
                                          std::span<const std::uint32_t> lengths);

  /// The next posting of the term that is being written.
  void Add(std::uint32_t doc, std::uint32_t tf) {
    encoder_.Add(doc, tf, BoundOf(Share(tf, norms_.Of(lengths_[doc]))));
  }
  /// Ends the term: names it.
  Status EndTerm(std::string_view term);
  Status Finish();

 private:
  LexicalFileWriter(CheckedFileWriter file, Bm25Params params,
                    std::span<const std::uint32_t> lengths, std::uint64_t tokens)
      : file_(std::move(file)),
        lengths_(lengths),
        norms_(params, lengths.size(), tokens),
        meta_{.documents = lengths.size(),
              .terms = 0,
              .postings = 0,
              .tokens = tokens,
              .k1 = params.k1,
              .b = params.b} {}
  Status Flush(std::size_t least);
  Status WriteLengths();

  CheckedFileWriter file_;
  std::span<const std::uint32_t> lengths_;
  Norms norms_;
  LexicalMeta meta_;
  PostingEncoder encoder_;
  DictionaryWriter dictionary_;
};

}  // namespace equipoise::lexical
