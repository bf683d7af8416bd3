#include "lexical_postings.h"

#include <algorithm>

namespace equipoise::lexical {

void PostingEncoder::Append(const void* from, std::size_t bytes) {
  const auto* const begin = static_cast<const std::uint8_t*>(from);
  out_.insert(out_.end(), begin, begin + bytes);
  bytes_ += bytes;
}

void PostingEncoder::Add(std::uint32_t doc, std::uint32_t tf, std::uint8_t bound) {
  if (n_ == kPostingBlock) EndBlock(false);
  gaps_[n_] = doc - last_ - 1;  // modulo 2^32: the first document is counted from -1
  tfs_[n_++] = tf - 1;
  last_ = doc;
  bound_ = std::max(bound_, bound);
  ++documents_;
}

void PostingEncoder::EndBlock(bool only) {
  std::uint32_t gaps = 0, tfs = 0;
  for (std::size_t i = 0; i < n_; ++i) {
    gaps |= gaps_[i];
    tfs |= tfs_[i];
  }
  const unsigned doc_bits = BitsOf(gaps), tf_bits = BitsOf(tfs);
  if (only) {
    const std::uint8_t head[kShortHead] = {static_cast<std::uint8_t>(doc_bits),
                                           static_cast<std::uint8_t>(tf_bits), bound_};
    Append(head, sizeof(head));
  }
  std::uint8_t packed[2 * sizeof(std::uint32_t) * kPostingBlock];
  PackBits(gaps_, n_, doc_bits, packed);
  Append(packed, PackedBytes(n_, doc_bits));
  PackBits(tfs_, n_, tf_bits, packed);
  Append(packed, PackedBytes(n_, tf_bits));
  heads_.push_back({.last = last_,
                    .end = static_cast<std::uint32_t>(bytes_),
                    .doc_bits = static_cast<std::uint8_t>(doc_bits),
                    .tf_bits = static_cast<std::uint8_t>(tf_bits),
                    .bound = bound_,
                    .zero = 0});
  n_ = 0;
  bound_ = 0;
}

bool PostingEncoder::EndList(std::uint32_t* documents, std::uint64_t* bytes) {
  EndBlock(heads_.empty());
  if (heads_.size() > 1) Append(heads_.data(), heads_.size() * sizeof(BlockHead));
  *documents = documents_;
  *bytes = bytes_;
  const bool fits = bytes_ <= std::numeric_limits<std::uint32_t>::max();
  heads_.clear();
  documents_ = 0;
  bytes_ = 0;
  last_ = std::numeric_limits<std::uint32_t>::max();
  return fits;
}

PostingList::PostingList(std::span<const std::uint8_t> bytes, std::uint32_t df,
                         std::uint32_t documents)
    : documents_(documents) {
  if (df == 0 || df > documents || bytes.size() < kShortHead) return;
  const std::size_t count = (std::size_t{df} + kPostingBlock - 1) / kPostingBlock;
  bytes_ = bytes.data();
  size_ = bytes.size();
  if (count > 1) {
    if (bytes.size() / sizeof(BlockHead) < count) return;
    size_ -= count * sizeof(BlockHead);
    heads_ = bytes_ + size_;
  }
  df_ = df;
}

PostingList::Block PostingList::Unpack(std::size_t block, std::uint32_t* docs) const {
  BlockHead head{};
  std::uint32_t before = std::numeric_limits<std::uint32_t>::max();
  std::size_t begin = heads_ == nullptr ? kShortHead : 0;
  const auto n =
      static_cast<std::uint32_t>(std::min<std::size_t>(kPostingBlock, df_ - block * kPostingBlock));
  if (heads_ == nullptr) {
    head = {.last = 0,
            .end = static_cast<std::uint32_t>(size_),
            .doc_bits = bytes_[0],
            .tf_bits = bytes_[1],
            .bound = bytes_[2],
            .zero = 0};
  } else {
    std::memcpy(&head, heads_ + block * sizeof(head), sizeof(head));
    if (block > 0) {
      BlockHead previous;
      std::memcpy(&previous, heads_ + (block - 1) * sizeof(head), sizeof(head));
      before = previous.last;
      begin = previous.end;
    }
  }
  if (head.doc_bits > 32 || head.tf_bits > kMostTfBits || head.end > size_ || begin > head.end)
    return {};
  const std::size_t doc_bytes = PackedBytes(n, head.doc_bits);
  if (head.end - begin != doc_bytes + PackedBytes(n, head.tf_bits)) return {};
  UnpackAscending(bytes_ + begin, head.doc_bits, n, before, docs);
  // Distances that cannot add up to 2^32 need no look at each.
  const std::uint64_t first = std::uint32_t{before + 1};
  if (first + (std::uint64_t{n} << head.doc_bits) > 0xFFFFFFFFu) {
    bool ascending = block == 0 || docs[0] > before;
    for (std::uint32_t i = 1; ascending && i < n; ++i) ascending = docs[i] > docs[i - 1];
    if (!ascending) return {};
  }
  if (docs[n - 1] >= documents_ || (heads_ != nullptr && docs[n - 1] != head.last)) return {};
  return {.tfs = bytes_ + begin + doc_bytes, .tf_bits = head.tf_bits, .n = n};
}

std::size_t PostingCursor::BlockOf(std::size_t from, std::uint32_t doc) const {
  const std::size_t blocks = list_->blocks();
  if (from >= blocks || list_->Last(from) >= doc) return from;
  // Doubling steps: what is asked for next is usually near.
  std::size_t low = from, step = 1;
  while (step < blocks - low && list_->Last(low + step) < doc) {
    low += step;
    step *= 2;
  }
  std::size_t high = std::min(low + step, blocks);
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    (list_->Last(middle) < doc ? low : high) = middle;
  }
  return high;
}

bool PostingCursor::Enter(std::uint32_t begin) {
  const std::size_t block = BlockOf(block_, begin);
  if (block != block_) at_ = 0;
  block_ = entered_ = block;
  return block_ < list_->blocks();
}

std::uint8_t PostingCursor::BoundUntil(std::uint32_t end) const {
  std::uint8_t bound = 0;
  for (std::size_t b = entered_; b < list_->blocks(); ++b) {
    bound = std::max(bound, list_->Bound(b));
    if (list_->Last(b) >= end - 1) break;
  }
  return bound;
}

std::uint32_t PostingCursor::Find(std::uint32_t doc) {
  const std::size_t block = BlockOf(block_, doc);
  if (block != block_) at_ = 0;
  block_ = block;
  if (block_ >= list_->blocks()) return 0;
  Unpack();
  at_ += FirstNotBelow(docs_ + at_, now_.n - at_, doc);
  return at_ < now_.n && docs_[at_] == doc ? now_.Tf(at_) : 0;
}

std::uint32_t PostingCursor::Look(std::uint32_t doc) const {
  const std::size_t block = BlockOf(entered_, doc);
  if (block >= list_->blocks()) return 0;
  std::uint32_t room[kBlockRoom];
  const bool here = block == unpacked_;
  const PostingList::Block found = here ? now_ : list_->Unpack(block, room);
  const std::uint32_t* const docs = here ? docs_ : room;
  const std::size_t at = FirstNotBelow(docs, found.n, doc);
  return at < found.n && docs[at] == doc ? found.Tf(at) : 0;
}

}  // namespace equipoise::lexical
