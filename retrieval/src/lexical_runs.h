/// Postings on their way into an index: collected in the order of documents, sorted by term, held in
/// memory or in a temporary file, and merged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/status.h>

#include "lexical_file_writer.h"

namespace equipoise::lexical {

/// Distinct terms, numbered as they come.
class TermTable {
 public:
  std::uint32_t Intern(std::string_view term);
  std::size_t size() const { return begins_.size() - 1; }
  std::string_view operator[](std::size_t id) const {
    return {bytes_.data() + begins_[id], begins_[id + 1] - begins_[id]};
  }
  std::size_t bytes() const;

 private:
  void Grow();

  std::vector<std::uint32_t> slots_;  // id + 1, by hash; 0: free
  std::vector<std::uint32_t> hashes_;
  std::vector<std::size_t> begins_ = {0};
  std::vector<char> bytes_;
};

/// The postings of some documents.
/// Threads  one thread at a time
class PostingShard {
 public:
  /// fields: titles are told apart.
  explicit PostingShard(bool fields = false) : fields_(fields) {}
  /// doc: greater than those before; the first `title` tokens are those of the title.
  void Add(std::uint32_t doc, std::span<const std::string> tokens, std::size_t title);
  std::size_t terms() const { return terms_.size(); }
  std::size_t postings() const { return posting_terms_.size(); }
  /// The most occurrences of a term in a title.
  std::uint32_t most_in_title() const { return most_in_title_; }
  std::size_t bytes() const;  ///< of memory

 private:
  friend class SortedShard;
  struct Last {
    std::uint32_t doc = 0xFFFFFFFFu;
    std::uint32_t df = 0;
    std::size_t posting = 0;
  };
  bool fields_;
  TermTable terms_;
  std::vector<Last> last_;
  std::vector<std::uint32_t> posting_terms_;
  std::vector<std::uint32_t> posting_tfs_;
  std::vector<std::uint32_t> posting_titles_;  // with fields
  std::uint32_t most_in_title_ = 0;
  std::vector<std::uint32_t> docs_;
  std::vector<std::uint32_t> distinct_;  // terms of each document
};

/// Postings sorted by term and document, read once from the start.
/// Errors   a source that cannot be read ends, and its status says why
class PostingSource {
 public:
  PostingSource() = default;
  PostingSource(const PostingSource&) = delete;
  PostingSource& operator=(const PostingSource&) = delete;
  virtual ~PostingSource() = default;

  /// Goes on to the next term, whatever was read of the one before; false at the end.
  virtual bool NextTerm() = 0;
  virtual std::string_view term() const = 0;
  /// The term's next posting; false where there is none.
  virtual bool Next(Posting* posting) = 0;
  virtual Status status() const = 0;
};

class SortedShard final : public PostingSource {
 public:
  explicit SortedShard(const PostingShard& shard);
  bool NextTerm() override;
  std::string_view term() const override { return shard_.terms_[order_[at_]]; }
  bool Next(Posting* posting) override;
  Status status() const override { return {}; }
  std::uint32_t count() const { return shard_.last_[order_[at_]].df; }

 private:
  const PostingShard& shard_;
  std::vector<std::uint32_t> order_;
  std::vector<std::uint32_t> docs_, tfs_, titles_;
  std::size_t at_ = static_cast<std::size_t>(-1);
  std::size_t next_ = 0, end_ = 0;
};

/// One temporary file without a name, so that it vanishes with the process, that holds sorted runs.
class RunFile {
 public:
  /// fields: runs are of shards with fields.
  /// Errors   kIo
  static Result<RunFile> Create(const std::string& folder, bool fields);
  RunFile(RunFile&& other) noexcept;
  RunFile& operator=(RunFile&&) = delete;
  ~RunFile();

  /// Errors   kIo; kOutOfMemory
  Status Append(const PostingShard& shard);
  std::size_t runs() const { return ends_.size(); }
  std::uint64_t postings() const { return postings_; }
  std::unique_ptr<PostingSource> Open(std::size_t run, std::size_t buffer_bytes) const;

 private:
  RunFile(int fd, std::string folder, bool fields)
      : fd_(fd), folder_(std::move(folder)), fields_(fields) {}
  Status Write(std::string* buffer);

  int fd_ = -1;
  std::string folder_;
  bool fields_ = false;
  std::uint64_t size_ = 0;
  std::uint64_t postings_ = 0;
  std::vector<std::uint64_t> ends_;
};

/// Writes all terms of all sources, whose documents differ. `done` gets the number of postings so far,
/// after each term; its error ends the merge.
Status MergeInto(std::span<const std::unique_ptr<PostingSource>> sources, LexicalFileWriter* writer,
                 const std::function<Status(std::uint64_t)>& done);

}  // namespace equipoise::lexical
