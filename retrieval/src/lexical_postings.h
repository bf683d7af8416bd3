/// The list of one term's postings: see lexical_index_format.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include <equipoise/kernels/postings.h>

#include "lexical_index_format.h"

namespace equipoise::lexical {

/// A term in a document.
struct Posting {
  std::uint32_t doc = 0;
  std::uint32_t tf = 0;
  std::uint32_t title = 0;  ///< of tf, occurrences in the title; 0 in an index without fields
};

/// Packs one list after the other.
/// Threads  one thread at a time
class PostingEncoder {
 public:
  /// The next posting, its document greater than those before; bound: BoundOf its share.
  void Add(std::uint32_t doc, std::uint32_t tf, std::uint8_t bound);
  /// Ends the list. What it adds up to since the last one: documents, bytes.
  /// Errors   false: the list is of more than 2^32 bytes
  bool EndList(std::uint32_t* documents, std::uint64_t* bytes);
  /// The bytes made so far, to be taken away.
  std::vector<std::uint8_t>& out() { return out_; }

 private:
  void EndBlock(bool only);
  void Append(const void* from, std::size_t bytes);

  std::uint32_t gaps_[kPostingBlock];
  std::uint32_t tfs_[kPostingBlock];
  std::size_t n_ = 0;
  std::uint32_t last_ = std::numeric_limits<std::uint32_t>::max();
  std::uint8_t bound_ = 0;
  std::uint32_t documents_ = 0;
  std::uint64_t bytes_ = 0;
  std::vector<BlockHead> heads_;
  std::vector<std::uint8_t> out_;
};

/// Room for the numbers of a block.
inline constexpr std::size_t kBlockRoom = kPostingBlock + kPackedGroup;

/// A list where it lies.
/// Errors   bytes that no encoder writes are empty blocks, never a read outside
/// Threads  const, safe from many threads
class PostingList {
 public:
  PostingList() = default;
  /// bytes: of the list, behind which kPackedSlack more are readable. Empty where it cannot be a list
  /// of so many of the documents.
  PostingList(std::span<const std::uint8_t> bytes, std::uint32_t df, std::uint32_t documents);

  std::uint32_t df() const { return df_; }
  std::size_t blocks() const { return (std::size_t{df_} + kPostingBlock - 1) / kPostingBlock; }

  /// The last document of a block; that of the only one is not known and stands as the largest number.
  std::uint32_t Last(std::size_t block) const {
    if (heads_ == nullptr) return std::numeric_limits<std::uint32_t>::max();
    std::uint32_t last;
    std::memcpy(&last, heads_ + block * sizeof(BlockHead), sizeof(last));
    return last;
  }
  std::uint8_t Bound(std::size_t block) const {
    return heads_ == nullptr ? bytes_[2]
                             : heads_[block * sizeof(BlockHead) + offsetof(BlockHead, bound)];
  }

  /// A block whose documents were unpacked.
  struct Block {
    const std::uint8_t* tfs = nullptr;
    unsigned tf_bits = 0;
    std::uint32_t n = 0;  // 0: damaged

    /// Shapes   to [kBlockRoom]; the occurrences less one
    void Tfs(std::uint32_t* to) const { UnpackBits(tfs, tf_bits, n, to); }
    std::uint32_t Tf(std::size_t i) const {
      return tf_bits == 0 ? 1 : 1 + PackedAt(tfs, tf_bits, i);
    }
  };
  /// Unpacks the documents of a block: ascending, below `documents`, after those of the block before.
  /// Shapes   docs [kBlockRoom]
  Block Unpack(std::size_t block, std::uint32_t* docs) const;

 private:
  const std::uint8_t* bytes_ = nullptr;
  const std::uint8_t* heads_ = nullptr;  // null: one block
  std::size_t size_ = 0;                 // without the heads
  std::uint32_t df_ = 0;
  std::uint32_t documents_ = 0;
};

/// The first i with docs[i] >= doc, or n.
inline std::size_t FirstNotBelow(const std::uint32_t* docs, std::size_t n, std::uint32_t doc) {
  std::size_t base = 0;
  while (n > 1) {
    const std::size_t half = n / 2;
    base += docs[base + half - 1] < doc ? half : 0;
    n -= half;
  }
  return n == 1 && docs[base] < doc ? base + 1 : base;
}

/// A place in a list that moves forward: documents are asked for in ascending order.
/// Threads  one thread at a time
class PostingCursor {
 public:
  explicit PostingCursor(const PostingList& list) : list_(&list) {}

  /// Moves to the first block that may have documents from `begin` on; false where there is none. What
  /// is asked later lies at or behind `begin`.
  bool Enter(std::uint32_t begin);
  /// The greatest bound of the blocks that may have documents between the last Enter and `end`.
  std::uint8_t BoundUntil(std::uint32_t end) const;
  /// Back to where the last Enter was.
  void Rewind() {
    block_ = entered_;
    at_ = 0;
  }

  /// The occurrences in the document; 0 where it is not in the list.
  std::uint32_t Find(std::uint32_t doc);
  /// The same of any document behind the last Enter, and the cursor stays where it is.
  std::uint32_t Look(std::uint32_t doc) const;

  /// Calls visit(block, docs, from, to) for the postings of documents in [begin, end), and stays
  /// behind them.
  template <typename Visit>
  void ForRange(std::uint32_t begin, std::uint32_t end, const Visit& visit) {
    for (; block_ < list_->blocks(); ++block_, at_ = 0) {
      Unpack();
      at_ += FirstNotBelow(docs_ + at_, now_.n - at_, begin);
      const std::size_t from = at_;
      if (now_.n > 0)
        at_ =
            docs_[now_.n - 1] < end ? now_.n : at_ + FirstNotBelow(docs_ + at_, now_.n - at_, end);
      if (from < at_) visit(now_, docs_, from, at_);
      if (at_ < now_.n || list_->Last(block_) >= end) return;
    }
  }

 private:
  // The first block from `from` on with documents that are not below.
  std::size_t BlockOf(std::size_t from, std::uint32_t doc) const;
  void Unpack() {
    if (unpacked_ == block_) return;
    now_ = list_->Unpack(block_, docs_);
    unpacked_ = block_;
    at_ = 0;
  }

  const PostingList* list_;
  std::size_t entered_ = 0;
  std::size_t block_ = 0;
  std::size_t unpacked_ = std::numeric_limits<std::size_t>::max();
  std::size_t at_ = 0;
  PostingList::Block now_;
  std::uint32_t docs_[kBlockRoom];
};

}  // namespace equipoise::lexical
