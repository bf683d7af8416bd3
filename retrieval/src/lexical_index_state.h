/// What an opened lexical index consists of.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <equipoise/core/checked_file.h>
#include <equipoise/core/stop_check.h>
#include <equipoise/kernels/postings.h>
#include <equipoise/retrieval/lexical_index.h>

#include "lexical_dictionary.h"
#include "lexical_fields.h"
#include "lexical_index_format.h"
#include "lexical_lengths.h"
#include "lexical_postings.h"
#include "pool.h"

namespace equipoise {

/// A term of a query that the index has.
struct QueryTerm {
  lexical::PostingList list;
  float weight = 0;  // times in the query, times idf
};

/// What one search at a time needs. Between searches all sums are kNoSum.
struct LexicalScratch;

/// Documents whose scores a search gives besides, where it has them at hand.
struct AlsoScored {
  const std::function<std::span<const std::uint32_t>()>& docs;  // asked once, as late as possible
  std::vector<float>* scores;
  bool waits = false;  // for another thread: all else is done before
  bool done = false;
  StopCheck* stop = nullptr;  // null: never; what was found by then is the result
};

struct LexicalState {
  LexicalState();
  LexicalState(const LexicalState&) = delete;
  LexicalState& operator=(const LexicalState&) = delete;
  ~LexicalState();

  CheckedFile file;
  lexical::LexicalMeta meta{};
  lexical::Dictionary dictionary;
  std::span<const std::uint8_t> postings;  // without the slack behind them
  std::span<const std::uint32_t> length_values;
  std::span<const std::uint8_t> length_codes;  // in units of code_bytes
  std::size_t code_bytes = 1;
  double average_length = 0;
  lexical::Fields fields;

  // By the code of a length, with an entry for every code of one or two bytes that there can be.
  std::vector<float> norms;
  // With codes of a byte, the shares of the first occurrences: [kTableTfs][256].
  static constexpr std::size_t kTableTfs = 4;
  std::vector<float> shares;
  mutable Pool<LexicalScratch> scratch;

  Status Load(const std::string& path);
  Status LoadLengths();
  Status CheckDictionary() const;
  Status CheckPostings() const;

  std::uint32_t documents() const { return static_cast<std::uint32_t>(meta.documents); }
  bool Find(std::string_view term, lexical::PostingList* list) const;
  lexical::PostingList ListOf(const lexical::TermEntry& entry) const;
  std::vector<QueryTerm> Resolve(std::span<const std::string> tokens) const;

  float Idf(std::uint64_t df) const {
    const auto n = static_cast<double>(meta.documents);
    const auto d = static_cast<double>(df);
    return static_cast<float>(std::log1p((n - d + 0.5) / (d + 0.5)));
  }
  static float Weight(std::uint32_t count, float idf) { return static_cast<float>(count) * idf; }

  std::uint32_t RawCodeOf(std::uint32_t doc) const {
    if (code_bytes == 1) return length_codes[doc];
    std::uint32_t code = 0;
    std::memcpy(&code, length_codes.data() + doc * code_bytes, code_bytes);
    return code;
  }
  float NormOf(std::uint32_t doc) const {
    const std::uint32_t code = RawCodeOf(doc);
    return norms[code_bytes <= 2 ? code : std::min<std::size_t>(code, norms.size() - 1)];
  }
  /// In [0, 1] and never NaN.
  float ShareOf(std::uint32_t tf, std::uint32_t doc) const {
    return fields.there() ? fields.Share(tf, doc) : lexical::Share(tf, NormOf(doc));
  }
  /// In [0, weight] and never NaN.
  float Contribution(float weight, std::uint32_t tf, std::uint32_t doc) const {
    return weight * ShareOf(tf, doc);
  }

  /// Documents whose sums are in the cache at a time.
  static constexpr std::uint32_t kWindow = 1u << 15;
  /// The best k; with a window other than 0 lists and blocks that cannot matter are skipped, window by
  /// window of so many documents, unless the terms are very many. `allowed`: the words of the documents
  /// that may be found, for all documents; null: every document.
  std::vector<Scored> Search(std::span<const QueryTerm> query, std::size_t k, std::uint32_t window,
                             const std::uint64_t* allowed = nullptr,
                             AlsoScored* also = nullptr) const;
  std::vector<Scored> SearchAll(std::span<const QueryTerm> query, std::size_t k,
                                const std::uint64_t* allowed, AlsoScored* also,
                                LexicalScratch* mine) const;
  std::vector<Scored> SearchPruned(std::span<const QueryTerm> query, std::size_t k,
                                   std::uint32_t window, const std::uint64_t* allowed,
                                   StopCheck* stop, LexicalScratch* mine) const;
  /// The best k of few documents, in ascending order: each is looked up.
  std::vector<Scored> SearchAllowed(std::span<const QueryTerm> query, std::size_t k,
                                    std::span<const std::uint32_t> docs) const;
  /// scores [docs] of documents in ascending order, as a whole search gives them.
  void ScoreAscending(std::span<const QueryTerm> query, std::span<const std::uint32_t> docs,
                      std::span<float> scores) const;
  /// The same in any order, of any number: see LexicalIndex::Score.
  void Score(std::span<const QueryTerm> query, std::span<const std::uint32_t> docs,
             std::span<float> scores) const;
};

}  // namespace equipoise
