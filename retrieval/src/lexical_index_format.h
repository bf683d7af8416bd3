/// The layout of a lexical index: what the builder writes and the index maps. Little-endian.
///
///   meta       one LexicalMeta
///   terms      the terms' bytes, one after the other, ascending by bytes
///   term_ends  u64 [terms + 1]: term i is terms[term_ends[i], term_ends[i + 1])
///   post_ends  u64 [terms + 1]: postings of term i are [post_ends[i], post_ends[i + 1])
///   docs       u32 [postings]: documents, ascending within a term
///   tfs        u32 [postings]: times the term is in the document, >= 1
///   lengths    u32 [documents]: tokens of each document
#pragma once

#include <cstdint>

namespace equipoise::lexical {

inline constexpr const char* kKind = "lexical";
inline constexpr std::uint32_t kVersion = 1;

inline constexpr const char* kMeta = "meta";
inline constexpr const char* kTerms = "terms";
inline constexpr const char* kTermEnds = "term_ends";
inline constexpr const char* kPostEnds = "post_ends";
inline constexpr const char* kDocs = "docs";
inline constexpr const char* kTfs = "tfs";
inline constexpr const char* kLengths = "lengths";

struct LexicalMeta {
  std::uint64_t documents;
  std::uint64_t terms;
  std::uint64_t postings;
  std::uint64_t tokens;  // the sum of all lengths
  float k1;
  float b;
};
static_assert(sizeof(LexicalMeta) == 40);

/// One less than all ones, so that a count of documents fits as well.
inline constexpr std::uint64_t kMaxDocuments = 0xFFFFFFFEu;
inline constexpr std::uint64_t kMaxTokens = 0xFFFFFFFEu;  ///< in one document
inline constexpr std::uint64_t kMaxTerms = 0xFFFFFFFEu;

}  // namespace equipoise::lexical
