#include "lexical_runs.h"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <numeric>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <equipoise/core/check.h>

namespace equipoise::lexical {

std::size_t TermTable::bytes() const {
  return slots_.capacity() * 4 + hashes_.capacity() * 4 + begins_.capacity() * sizeof(std::size_t) +
         bytes_.capacity();
}

void TermTable::Grow() {
  std::vector<std::uint32_t> slots(std::max<std::size_t>(1024, 2 * slots_.size()), 0);
  const std::size_t mask = slots.size() - 1;
  for (std::size_t id = 0; id < hashes_.size(); ++id) {
    std::size_t at = hashes_[id] & mask;
    while (slots[at] != 0) at = (at + 1) & mask;
    slots[at] = static_cast<std::uint32_t>(id + 1);
  }
  slots_.swap(slots);
}

std::uint32_t TermTable::Intern(std::string_view term) {
  if (hashes_.size() * 2 >= slots_.size()) Grow();
  const std::size_t wide = std::hash<std::string_view>{}(term);
  const auto hash = static_cast<std::uint32_t>(wide ^ wide >> 32);
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  for (; slots_[at] != 0; at = (at + 1) & mask) {
    const std::uint32_t id = slots_[at] - 1;
    if (hashes_[id] == hash && (*this)[id] == term) return id;
  }
  bytes_.insert(bytes_.end(), term.begin(), term.end());
  begins_.push_back(bytes_.size());
  hashes_.push_back(hash);
  slots_[at] = static_cast<std::uint32_t>(hashes_.size());
  return slots_[at] - 1;
}

void PostingShard::Add(std::uint32_t doc, std::span<const std::string> tokens, std::size_t title) {
  const std::size_t first = posting_terms_.size();
  for (const std::string& token : tokens) {
    const std::uint32_t id = terms_.Intern(token);
    if (id == last_.size()) last_.emplace_back();
    Last& last = last_[id];
    if (last.doc == doc) {
      ++posting_tfs_[last.posting];
      continue;
    }
    last = {.doc = doc, .df = last.df + 1, .posting = posting_terms_.size()};
    posting_terms_.push_back(id);
    posting_tfs_.push_back(1);
  }
  if (fields_) {
    posting_titles_.resize(posting_terms_.size(), 0);
    for (const std::string& token : tokens.first(title))
      most_in_title_ =
          std::max(most_in_title_, ++posting_titles_[last_[terms_.Intern(token)].posting]);
  }
  docs_.push_back(doc);
  distinct_.push_back(static_cast<std::uint32_t>(posting_terms_.size() - first));
}

std::size_t PostingShard::bytes() const {
  const std::size_t words = posting_terms_.capacity() + posting_tfs_.capacity() +
                            posting_titles_.capacity() + docs_.capacity() + distinct_.capacity();
  return terms_.bytes() + last_.capacity() * sizeof(Last) + words * sizeof(std::uint32_t);
}

SortedShard::SortedShard(const PostingShard& shard)
    : shard_(shard),
      order_(shard.terms_.size()),
      docs_(shard.posting_terms_.size()),
      tfs_(shard.posting_terms_.size()),
      titles_(shard.posting_titles_.size()) {
  std::iota(order_.begin(), order_.end(), 0u);
  std::sort(order_.begin(), order_.end(),
            [&](std::uint32_t a, std::uint32_t b) { return shard.terms_[a] < shard.terms_[b]; });
  std::vector<std::size_t> next(order_.size());  // by id: where the term's next posting goes
  std::size_t begin = 0;
  for (const std::uint32_t id : order_) {
    next[id] = begin;
    begin += shard.last_[id].df;
  }
  std::size_t at = 0;
  for (std::size_t i = 0; i < shard.docs_.size(); ++i) {
    for (std::uint32_t j = 0; j < shard.distinct_[i]; ++j, ++at) {
      const std::size_t to = next[shard.posting_terms_[at]]++;
      docs_[to] = shard.docs_[i];
      tfs_[to] = shard.posting_tfs_[at];
      if (shard.fields_) titles_[to] = shard.posting_titles_[at];
    }
  }
}

bool SortedShard::NextTerm() {
  if (++at_ >= order_.size()) return false;
  next_ = end_;
  end_ += count();
  return true;
}

bool SortedShard::Next(Posting* posting) {
  if (next_ == end_) return false;
  *posting = {.doc = docs_[next_], .tf = tfs_[next_], .title = shard_.fields_ ? titles_[next_] : 0};
  ++next_;
  return true;
}

// Runs in a file: of each term its length, its bytes, its documents, then for each document the
// distance from the one before, the occurrences and, with fields, those in the title; numbers as LEB128.

namespace {

void AppendNumber(std::uint64_t value, std::string* to) {
  for (; value >= 0x80; value >>= 7) to->push_back(static_cast<char>(value | 0x80));
  to->push_back(static_cast<char>(value));
}

class FileSource final : public PostingSource {
 public:
  FileSource(int fd, std::uint64_t begin, std::uint64_t end, bool fields, std::size_t buffer_bytes)
      : fd_(fd), offset_(begin), end_(end), fields_(fields), buffer_(buffer_bytes) {}

  bool NextTerm() override {
    Posting skipped;
    while (left_ > 0)
      if (!Next(&skipped)) return false;
    if (at_ == filled_ && offset_ == end_) return false;
    std::uint64_t size = 0;
    if (!Number(&size)) return false;
    term_.clear();
    for (std::uint64_t i = 0; i < size; ++i) {
      unsigned char byte = 0;
      if (!Byte(&byte)) return false;
      term_.push_back(static_cast<char>(byte));
    }
    doc_ = 0;
    return Number(&left_);
  }
  std::string_view term() const override { return term_; }
  bool Next(Posting* posting) override {
    if (left_ == 0) return false;
    std::uint64_t gap = 0, count = 0, title = 0;
    if (!Number(&gap) || !Number(&count) || (fields_ && !Number(&title))) {
      left_ = 0;
      return false;
    }
    --left_;
    doc_ += static_cast<std::uint32_t>(gap);
    *posting = {.doc = doc_,
                .tf = static_cast<std::uint32_t>(count),
                .title = static_cast<std::uint32_t>(title)};
    return true;
  }
  Status status() const override { return status_; }

 private:
  bool Byte(unsigned char* byte) {
    if (at_ == filled_ && !Fill()) return false;
    *byte = static_cast<unsigned char>(buffer_[at_++]);
    return true;
  }
  bool Number(std::uint64_t* value) {
    *value = 0;
    unsigned char byte = 0x80;
    for (unsigned shift = 0; byte >= 0x80; shift += 7) {
      if (!Byte(&byte)) return false;
      *value |= std::uint64_t{byte & 0x7Fu} << shift;
    }
    return true;
  }
  bool Fill() {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), end_ - offset_));
    ssize_t got = 0;
    do {
      got = ::pread(fd_, buffer_.data(), wanted, static_cast<off_t>(offset_));
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
      status_ = Status(Code::kIo, "cannot read the temporary file of the lexical index: " +
                                      std::generic_category().message(got < 0 ? errno : EIO));
      return false;
    }
    offset_ += static_cast<std::uint64_t>(got);
    filled_ = static_cast<std::size_t>(got);
    at_ = 0;
    return true;
  }

  int fd_;
  std::uint64_t offset_, end_;
  bool fields_;
  std::vector<char> buffer_;
  std::size_t at_ = 0, filled_ = 0;
  std::string term_;
  std::uint64_t left_ = 0;
  std::uint32_t doc_ = 0;
  Status status_;
};

}  // namespace

Result<RunFile> RunFile::Create(const std::string& folder, bool fields) {
  std::string name = folder + "/lexical-runs-XXXXXX";
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0)
    return Status(Code::kIo,
                  "cannot make a temporary file: " + std::generic_category().message(errno),
                  {.file = folder});
  ::unlink(name.c_str());
  return RunFile(fd, folder, fields);
}

RunFile::RunFile(RunFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      folder_(std::move(other.folder_)),
      fields_(other.fields_),
      size_(other.size_),
      postings_(other.postings_),
      ends_(std::move(other.ends_)) {}

RunFile::~RunFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status RunFile::Write(std::string* buffer) {
  for (std::size_t done = 0; done < buffer->size();) {
    const ssize_t put =
        ::pwrite(fd_, buffer->data() + done, buffer->size() - done, static_cast<off_t>(size_));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0)
      return Status(Code::kIo,
                    "cannot write a temporary file: " + std::generic_category().message(errno),
                    {.file = folder_});
    done += static_cast<std::size_t>(put);
    size_ += static_cast<std::uint64_t>(put);
  }
  buffer->clear();
  return {};
}

Status RunFile::Append(const PostingShard& shard) {
  constexpr std::size_t kBuffer = std::size_t{1} << 18;
  SortedShard sorted(shard);
  std::string buffer;
  while (sorted.NextTerm()) {
    AppendNumber(sorted.term().size(), &buffer);
    buffer += sorted.term();
    AppendNumber(sorted.count(), &buffer);
    Posting posting;
    std::uint32_t before = 0;
    while (sorted.Next(&posting)) {
      AppendNumber(posting.doc - before, &buffer);
      AppendNumber(posting.tf, &buffer);
      if (fields_) AppendNumber(posting.title, &buffer);
      before = posting.doc;
      if (buffer.size() >= kBuffer) EQUIPOISE_RETURN_IF_ERROR(Write(&buffer));
    }
  }
  EQUIPOISE_RETURN_IF_ERROR(Write(&buffer));
  ends_.push_back(size_);
  postings_ += shard.postings();
  return {};
}

std::unique_ptr<PostingSource> RunFile::Open(std::size_t run, std::size_t buffer_bytes) const {
  return std::make_unique<FileSource>(fd_, run == 0 ? 0 : ends_[run - 1], ends_[run], fields_,
                                      buffer_bytes);
}

namespace {

struct Head {
  Posting posting;
  PostingSource* source = nullptr;
};

// The postings of one term from several sources, by document.
void MergeTerm(std::vector<Head>* heads, LexicalFileWriter* writer) {
  const auto later = [](const Head& a, const Head& b) { return a.posting.doc > b.posting.doc; };
  std::make_heap(heads->begin(), heads->end(), later);
  while (heads->size() > 1) {
    std::pop_heap(heads->begin(), heads->end(), later);
    Head& first = heads->back();
    // Runs hold stretches of documents: most are taken up to the next source's first.
    const std::uint32_t limit = heads->front().posting.doc;
    bool more = true;
    while (more && first.posting.doc < limit) {
      writer->Add(first.posting);
      more = first.source->Next(&first.posting);
    }
    if (more) {
      std::push_heap(heads->begin(), heads->end(), later);
    } else {
      heads->pop_back();
    }
  }
  Head& last = heads->front();
  do {
    writer->Add(last.posting);
  } while (last.source->Next(&last.posting));
}

}  // namespace

Status MergeInto(std::span<const std::unique_ptr<PostingSource>> sources, LexicalFileWriter* writer,
                 const std::function<Status(std::uint64_t)>& done) {
  const auto later = [](const PostingSource* a, const PostingSource* b) {
    return a->term() > b->term();
  };
  std::vector<PostingSource*> queue;
  for (const auto& source : sources)
    if (source->NextTerm()) queue.push_back(source.get());
  std::make_heap(queue.begin(), queue.end(), later);
  std::vector<PostingSource*> same;
  std::vector<Head> heads;
  std::string term;
  while (!queue.empty()) {
    term = queue.front()->term();
    same.clear();
    heads.clear();
    while (!queue.empty() && queue.front()->term() == term) {
      std::pop_heap(queue.begin(), queue.end(), later);
      same.push_back(queue.back());
      queue.pop_back();
      Head head{.posting = {}, .source = same.back()};
      if (head.source->Next(&head.posting)) heads.push_back(head);
    }
    if (!heads.empty()) {
      MergeTerm(&heads, writer);
      EQUIPOISE_RETURN_IF_ERROR(writer->EndTerm(term));
      EQUIPOISE_RETURN_IF_ERROR(done(writer->postings()));
    }
    for (PostingSource* source : same) {
      if (!source->NextTerm()) continue;
      queue.push_back(source);
      std::push_heap(queue.begin(), queue.end(), later);
    }
  }
  for (const auto& source : sources) EQUIPOISE_RETURN_IF_ERROR(source->status());
  return {};
}

}  // namespace equipoise::lexical
