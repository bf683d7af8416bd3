/// The terms of a lexical index, front-coded: see lexical_index_format.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lexical_index_format.h"

namespace equipoise::lexical {

/// Collects terms and where their lists lie.
/// Threads  one thread at a time
class DictionaryWriter {
 public:
  /// The next term, greater than those before, whose list takes the next `bytes` bytes.
  void Add(std::string_view term, std::uint32_t documents, std::uint64_t bytes);

  std::uint64_t terms() const { return count_; }
  std::span<const char> bytes() const { return bytes_; }
  std::span<const TermBlock> blocks() const { return blocks_; }

 private:
  void Number(std::uint64_t value);

  std::uint64_t count_ = 0;
  std::uint64_t postings_ = 0;
  std::string last_;
  std::string bytes_;
  std::vector<TermBlock> blocks_;
};

/// Where a term's list lies.
struct TermEntry {
  std::uint32_t documents = 0;
  std::uint64_t begin = 0;
  std::uint64_t bytes = 0;
};

/// Reads terms where they lie.
/// Errors   bytes that no writer writes are terms that are not found, never a read outside
/// Threads  const, safe from many threads
class Dictionary {
 public:
  Dictionary() = default;
  Dictionary(std::uint64_t terms, std::span<const char> bytes, std::span<const TermBlock> blocks)
      : terms_(terms), bytes_(bytes), blocks_(blocks) {}

  bool Find(std::string_view term, TermEntry* entry) const;

  /// Calls visit(term, entry) for each in order until it returns false; false where it did, or where
  /// the bytes are no dictionary of ascending terms, or blocks do not agree with it.
  template <typename Visit>
  bool ForEach(const Visit& visit) const {
    Walker walker(*this);
    while (walker.Next())
      if (!visit(std::string_view(walker.term()), walker.entry())) return false;
    return walker.at_end();
  }

 private:
  class Walker {
   public:
    explicit Walker(const Dictionary& dictionary) : d_(dictionary) {}
    bool Next();
    bool at_end() const { return fine_ && done_ == d_.terms_ && at_ == d_.bytes_.size(); }
    const std::string& term() const { return term_; }
    const TermEntry& entry() const { return entry_; }

   private:
    bool Step();
    const Dictionary& d_;
    bool fine_ = true;
    std::uint64_t done_ = 0;
    std::size_t at_ = 0;
    std::string term_;
    TermEntry entry_;
  };

  // An entry as it is stored.
  struct Stored {
    std::size_t shared = 0;
    std::string_view rest;
    std::uint32_t documents = 0;
    std::uint64_t bytes = 0;
  };
  bool Read(std::size_t* at, Stored* out) const;
  // The first term of a block; empty where there is none.
  std::string_view First(const TermBlock& block) const;

  std::uint64_t terms_ = 0;
  std::span<const char> bytes_;
  std::span<const TermBlock> blocks_;
};

}  // namespace equipoise::lexical
