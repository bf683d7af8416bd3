#include "lexical_dictionary.h"

#include <algorithm>
#include <limits>

namespace equipoise::lexical {
namespace {

std::uint64_t KeyOf(std::string_view term) {
  std::uint64_t key = 0;
  for (std::size_t i = 0; i < 8; ++i)
    key = key << 8 | (i < term.size() ? static_cast<unsigned char>(term[i]) : 0u);
  return key;
}

bool ReadNumber(std::span<const char> bytes, std::size_t* at, std::uint64_t* value) {
  *value = 0;
  for (unsigned shift = 0; shift < 64 && *at < bytes.size(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes[(*at)++]);
    *value |= std::uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

std::size_t SharedPrefix(std::string_view a, std::string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t shared = 0;
  while (shared < most && a[shared] == b[shared]) ++shared;
  return shared;
}

}  // namespace

void DictionaryWriter::Number(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
  bytes_.push_back(static_cast<char>(value));
}

void DictionaryWriter::Add(std::string_view term, std::uint32_t documents, std::uint64_t bytes) {
  const bool first = count_++ % kTermsPerBlock == 0;
  if (first)
    blocks_.push_back(
        {.key = KeyOf(term), .terms_begin = bytes_.size(), .postings_begin = postings_});
  const std::size_t shared = first ? 0 : SharedPrefix(last_, term);
  Number(shared);
  Number(term.size() - shared);
  bytes_ += term.substr(shared);
  Number(documents);
  Number(bytes);
  postings_ += bytes;
  last_ = term;
}

bool Dictionary::Read(std::size_t* at, Stored* out) const {
  std::uint64_t shared = 0, rest = 0, documents = 0;
  if (!ReadNumber(bytes_, at, &shared) || !ReadNumber(bytes_, at, &rest) ||
      rest > bytes_.size() - *at)
    return false;
  out->shared = static_cast<std::size_t>(shared);
  out->rest = {bytes_.data() + *at, static_cast<std::size_t>(rest)};
  *at += static_cast<std::size_t>(rest);
  if (!ReadNumber(bytes_, at, &documents) || !ReadNumber(bytes_, at, &out->bytes) ||
      documents > std::numeric_limits<std::uint32_t>::max())
    return false;
  out->documents = static_cast<std::uint32_t>(documents);
  return true;
}

std::string_view Dictionary::First(const TermBlock& block) const {
  Stored stored;
  std::size_t at =
      static_cast<std::size_t>(std::min<std::uint64_t>(block.terms_begin, bytes_.size()));
  return Read(&at, &stored) ? stored.rest : std::string_view();
}

bool Dictionary::Find(std::string_view term, TermEntry* entry) const {
  // The last block whose first term is not greater. Terms are read only where keys are equal.
  const std::uint64_t key = KeyOf(term);
  std::size_t low = 0, high = blocks_.size();
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const TermBlock& block = blocks_[middle];
    if (block.key < key || (block.key == key && First(block) <= term)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return false;
  const TermBlock& block = blocks_[low - 1];
  std::size_t at =
      static_cast<std::size_t>(std::min<std::uint64_t>(block.terms_begin, bytes_.size()));
  std::uint64_t begin = block.postings_begin;
  const std::uint64_t left = terms_ - std::min<std::uint64_t>(terms_, (low - 1) * kTermsPerBlock);
  std::size_t matched =
      0;  // bytes that the term before shares with the one looked for, and is less
  Stored stored;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(kTermsPerBlock, left); ++i) {
    if (!Read(&at, &stored)) return false;
    if (stored.shared < matched) return false;
    if (stored.shared == matched) {
      const std::string_view wanted = term.substr(matched);
      const std::size_t more = SharedPrefix(stored.rest, wanted);
      if (more == wanted.size() && more == stored.rest.size()) {
        *entry = {.documents = stored.documents, .begin = begin, .bytes = stored.bytes};
        return true;
      }
      const bool greater = more == wanted.size() || (more < stored.rest.size() &&
                                                     static_cast<unsigned char>(stored.rest[more]) >
                                                         static_cast<unsigned char>(wanted[more]));
      if (greater) return false;
      matched += more;
    }
    begin += stored.bytes;
  }
  return false;
}

bool Dictionary::Walker::Next() {
  fine_ = fine_ && Step();
  if (fine_) return true;
  fine_ = done_ == d_.terms_;
  return false;
}

bool Dictionary::Walker::Step() {
  if (done_ == d_.terms_) return false;
  const std::uint64_t begin = entry_.begin + entry_.bytes;
  const bool first = done_ % kTermsPerBlock == 0;
  const std::size_t block = static_cast<std::size_t>(done_ / kTermsPerBlock);
  const std::size_t at = at_;
  Stored stored;
  if (block >= d_.blocks_.size() || !d_.Read(&at_, &stored) || stored.shared > term_.size() ||
      (first && stored.shared > 0))
    return false;
  // Greater than the one before: longer by what it adds, or different in the first byte of it.
  const std::string_view before = std::string_view(term_).substr(stored.shared);
  const auto as_bytes = [](char c) { return static_cast<unsigned char>(c); };
  if (done_ > 0 && !first) {
    if (stored.rest.empty()) return false;
    if (!before.empty() && as_bytes(before[0]) >= as_bytes(stored.rest[0])) return false;
  }
  if (done_ > 0 && first && before >= stored.rest) return false;
  term_.resize(stored.shared);
  term_ += stored.rest;
  if (first) {
    const TermBlock& known = d_.blocks_[block];
    if (known.key != KeyOf(term_) || known.terms_begin != at || known.postings_begin != begin)
      return false;
  }
  entry_ = {.documents = stored.documents, .begin = begin, .bytes = stored.bytes};
  ++done_;
  return true;
}

}  // namespace equipoise::lexical
