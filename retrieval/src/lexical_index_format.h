/// The layout of a lexical index: what the builder writes and the index maps. Little-endian.
///
///   postings       the terms' lists, one after the other in the order of the terms; kPackedSlack bytes
///   terms          the terms, ascending by bytes, front-coded in blocks of kTermsPerBlock; of each term:
///                  bytes shared with the one before (0 for the first of a block), further bytes,
///                  those bytes, documents with the term, bytes of its list; numbers as LEB128
///   term_blocks    TermBlock [ceil(terms / kTermsPerBlock)]
///   length_values  u32 [lengths]: the distinct lengths of documents in tokens, ascending
///   length_codes   u8, u16 or u32 [documents], as narrow as the number of lengths allows: which
///                  length each document has
///   meta           one LexicalMeta
///
/// A list of n documents is cut into blocks of kPostingBlock, the last one shorter. A block is packed
/// as postings.h says: the distances of its documents less one, counted from the last document of the
/// block before (from -1 in the first), at the next whole byte the occurrences less one.
///   one block      its bits for documents, bits for occurrences and bound, a byte each; the block
///   more           the blocks, then a BlockHead for each
///
/// With fields (version 3) the occurrences of a posting are those in the text, shifted by title_bits, and
/// those in the title (lexical_fields.h), and there are besides:
///   fields               one FieldsMeta
///   title_length_values, title_length_codes, text_length_values, text_length_codes: as above
///
/// Sections by other names may join these: a reader takes what it knows.
#pragma once

#include <cstddef>
#include <cstdint>

namespace equipoise::lexical {

inline constexpr const char* kKind = "lexical";
inline constexpr std::uint32_t kVersion = 2;  // 1 had plain arrays
inline constexpr std::uint32_t kFieldsVersion = 3;

inline constexpr const char* kMeta = "meta";
inline constexpr const char* kTerms = "terms";
inline constexpr const char* kTermBlocks = "term_blocks";
inline constexpr const char* kPostings = "postings";
inline constexpr const char* kLengthValues = "length_values";
inline constexpr const char* kLengthCodes = "length_codes";
inline constexpr const char* kFields = "fields";
inline constexpr const char* kTitleLengthValues = "title_length_values";
inline constexpr const char* kTitleLengthCodes = "title_length_codes";
inline constexpr const char* kTextLengthValues = "text_length_values";
inline constexpr const char* kTextLengthCodes = "text_length_codes";

struct LexicalMeta {
  std::uint64_t documents;
  std::uint64_t terms;
  std::uint64_t postings;
  std::uint64_t tokens;  // the sum of all lengths
  float k1;
  float b;
};
static_assert(sizeof(LexicalMeta) == 40);

struct FieldsMeta {
  std::uint64_t title_tokens;  // of all documents
  std::uint64_t text_tokens;
  float title_weight;
  float text_weight;
  float title_b;
  float text_b;
  std::uint32_t title_bits;
  std::uint32_t zero;
};
static_assert(sizeof(FieldsMeta) == 40);

/// Bytes of a code for one of so many lengths.
constexpr std::size_t CodeBytes(std::size_t values) {
  return values <= 1u << 8 ? 1 : values <= 1u << 16 ? 2 : 4;
}

inline constexpr std::size_t kTermsPerBlock = 16;

struct TermBlock {
  std::uint64_t key;             // the first 8 bytes of its first term, the first one highest
  std::uint64_t terms_begin;     // in `terms`
  std::uint64_t postings_begin;  // of its first term's list
};
static_assert(sizeof(TermBlock) == 24);

struct BlockHead {
  std::uint32_t last;  // document
  std::uint32_t end;   // of its bytes, from the start of the list
  std::uint8_t doc_bits;
  std::uint8_t tf_bits;
  std::uint8_t bound;  // least n with n / 255 >= tf / (tf + k1 (1 - b + b dl / avgdl)) in the block
  std::uint8_t zero;
};
static_assert(sizeof(BlockHead) == 12);

/// Bytes in front of the only block of a list.
inline constexpr std::size_t kShortHead = 3;
inline constexpr unsigned kMostTfBits = 31;

/// One less than all ones, so that a count of documents fits as well.
inline constexpr std::uint64_t kMaxDocuments = 0xFFFFFFFEu;
inline constexpr std::uint64_t kMaxTokens = 0x7FFFFFFFu;  ///< in one document
inline constexpr std::uint64_t kMaxTerms = 0xFFFFFFFEu;

}  // namespace equipoise::lexical
