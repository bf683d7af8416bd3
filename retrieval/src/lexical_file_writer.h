/// Writes the file of a lexical index from terms that come in the order of their bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/checked_file.h>
#include <equipoise/core/status.h>
#include <equipoise/retrieval/lexical_index.h>

#include "lexical_dictionary.h"
#include "lexical_fields.h"
#include "lexical_index_format.h"
#include "lexical_lengths.h"
#include "lexical_postings.h"

namespace equipoise::lexical {

/// Title and text apart, where there are settings.
struct FieldsToWrite {
  std::optional<Bm25Fields> settings{};
  std::span<const std::uint32_t> title_lengths{};  ///< of every document, in tokens
  std::uint32_t most_in_title = 0;                 ///< occurrences of a term in a title

  bool there() const { return settings.has_value(); }
};

/// Memory: the dictionary as it is stored, 4 bytes a document, with fields 12.
/// Threads  one thread at a time
/// Errors   kIo; kInvalidArgument: a list of more than 2^32 bytes
class LexicalFileWriter {
 public:
  /// lengths: of every document, in tokens; must outlive the writer, as must those of fields.
  static Result<LexicalFileWriter> Create(const std::string& path, Bm25Params params,
                                          std::span<const std::uint32_t> lengths,
                                          const FieldsToWrite& fields = {});

  /// The next posting of the term that is being written.
  void Add(const Posting& posting) {
    if (fields_.there()) return AddWithFields(posting);
    encoder_.Add(posting.doc, posting.tf,
                 BoundOf(Share(posting.tf, norms_.Of(lengths_[posting.doc]))));
  }
  /// Ends the term: names it.
  Status EndTerm(std::string_view term);
  /// Of the terms that have ended.
  std::uint64_t postings() const { return meta_.postings; }
  Status Finish();

 private:
  LexicalFileWriter(CheckedFileWriter file, Bm25Params params,
                    std::span<const std::uint32_t> lengths, std::uint64_t tokens,
                    const FieldsToWrite& fields)
      : file_(std::move(file)),
        lengths_(lengths),
        fields_(fields),
        norms_(params, lengths.size(), tokens),
        meta_{.documents = lengths.size(),
              .terms = 0,
              .postings = 0,
              .tokens = tokens,
              .k1 = params.k1,
              .b = params.b} {
    if (fields_.there()) StartFields();
  }
  void StartFields();
  void AddWithFields(const Posting& posting);
  Status Flush(std::size_t least);
  Status WriteLengths(const char* values_name, const char* codes_name,
                      std::span<const std::uint32_t> lengths);
  Status WriteFields();

  CheckedFileWriter file_;
  std::span<const std::uint32_t> lengths_;
  FieldsToWrite fields_;
  FieldsMeta fields_meta_{};
  std::vector<std::uint32_t> text_lengths_;
  bool too_often_ = false;  // a term that no posting has room for
  Norms norms_;
  LexicalMeta meta_;
  PostingEncoder encoder_;
  DictionaryWriter dictionary_;
};

}  // namespace equipoise::lexical
