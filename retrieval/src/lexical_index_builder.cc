#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <new>
#include <optional>

#include <equipoise/core/check.h>
#include <equipoise/core/parallel.h>
#include <equipoise/retrieval/lexical_index.h>

#include "lexical_file_writer.h"
#include "lexical_index_format.h"
#include "lexical_runs.h"

namespace equipoise {

using lexical::PostingShard;
using lexical::PostingSource;

// Each thread collects a stretch of every batch in a shard of its own; the file does not depend on
// who collected what, because terms are sorted by their bytes and postings by document.
struct LexicalIndexBuilder::State {
  Bm25Params params;
  LexicalBuildOptions options;
  Status error;
  std::optional<Bm25Fields> fields;
  std::vector<PostingShard> shards;
  std::optional<lexical::RunFile> runs;
  std::vector<std::uint32_t> lengths;        // tokens of each document
  std::vector<std::uint32_t> title_lengths;  // with fields
  std::uint32_t most_in_title = 0;           // of shards that are in the file

  Status AddMany(std::size_t count, int threads, const TokensOf& tokens_of);
  Status SpillIfLarge();
  Status Write(const std::string& path, const ProgressCallback& progress) const;
};

LexicalIndexBuilder::LexicalIndexBuilder(std::unique_ptr<State> state) : state_(std::move(state)) {}
LexicalIndexBuilder::LexicalIndexBuilder(LexicalIndexBuilder&&) noexcept = default;
LexicalIndexBuilder& LexicalIndexBuilder::operator=(LexicalIndexBuilder&&) noexcept = default;
LexicalIndexBuilder::~LexicalIndexBuilder() = default;

Result<LexicalIndexBuilder> LexicalIndexBuilder::Create(Bm25Params params,
                                                        LexicalBuildOptions options,
                                                        std::optional<Bm25Fields> fields) {
  EQUIPOISE_CHECK_RANGE("LexicalIndexBuilder::Create", params.k1, 0.0f,
                        std::numeric_limits<float>::max());
  EQUIPOISE_CHECK_RANGE("LexicalIndexBuilder::Create", params.b, 0.0f, 1.0f);
  if (fields) {
    constexpr float kLeast = std::numeric_limits<float>::min();
    EQUIPOISE_CHECK_RANGE("LexicalIndexBuilder::Create", fields->title_weight, kLeast, 1e6f);
    EQUIPOISE_CHECK_RANGE("LexicalIndexBuilder::Create", fields->text_weight, kLeast, 1e6f);
    EQUIPOISE_CHECK_RANGE("LexicalIndexBuilder::Create", fields->title_b, 0.0f, 1.0f);
    EQUIPOISE_CHECK_RANGE("LexicalIndexBuilder::Create", fields->text_b, 0.0f, 1.0f);
  }
  if (options.memory > 0 && options.spill_folder.empty())
    return Status(Code::kInvalidArgument,
                  "LexicalIndexBuilder::Create: a limit of memory needs a spill_folder",
                  {.field = "spill_folder"});
  auto state = std::make_unique<State>();
  state->params = params;
  state->options = std::move(options);
  state->fields = fields;
  state->shards.emplace_back(fields.has_value());
  return LexicalIndexBuilder(std::move(state));
}

Status LexicalIndexBuilder::State::AddMany(std::size_t count, int threads,
                                           const TokensOf& tokens_of) {
  const std::size_t before = lengths.size();
  if (count > lexical::kMaxDocuments - before)
    return Status(Code::kInvalidArgument,
                  fmt::format("LexicalIndexBuilder: {} more documents after {} are more than one "
                              "index holds; build several indexes",
                              count, before));
  lengths.resize(before + count);
  if (fields) title_lengths.resize(before + count);
  while (shards.size() < static_cast<std::size_t>(std::max(threads, 1)))
    shards.emplace_back(fields.has_value());
  std::atomic<bool> no_memory = false;
  std::atomic<std::uint64_t> too_long = std::numeric_limits<std::uint64_t>::max();
  ParallelFor(count, threads, [&](std::size_t begin, std::size_t end, int worker) {
    PostingShard& shard = shards[static_cast<std::size_t>(worker)];
    try {
      std::vector<std::string> tokens;
      for (std::size_t i = begin; i < end; ++i) {
        const DocumentTokens found = tokens_of(i, &tokens);
        const std::size_t length = found.tokens.size();
        // Ids of terms are 32 bits wide, and each takes at least one token.
        if (length > lexical::kMaxTokens || shard.terms() + length > lexical::kMaxTerms ||
            found.title > length) {
          too_long = before + i;
          return;
        }
        shard.Add(static_cast<std::uint32_t>(before + i), found.tokens, found.title);
        lengths[before + i] = static_cast<std::uint32_t>(length);
        if (fields) title_lengths[before + i] = static_cast<std::uint32_t>(found.title);
      }
    } catch (const std::bad_alloc&) {
      no_memory = true;
    }
  });
  if (no_memory)
    return Status(Code::kOutOfMemory, "LexicalIndexBuilder: no memory for the postings");
  if (too_long != std::numeric_limits<std::uint64_t>::max())
    return Status(Code::kInvalidArgument,
                  "LexicalIndexBuilder: a document of more than 2^31 tokens, or more than 2^32 "
                  "terms; build several indexes; or a title of more tokens than the document",
                  {.row = static_cast<std::int64_t>(too_long.load())});
  return SpillIfLarge();
}

// Sorting a shard takes as much again as its postings, hence the half.
Status LexicalIndexBuilder::State::SpillIfLarge() {
  if (options.memory == 0) return {};
  std::size_t bytes = 0;
  for (const PostingShard& shard : shards) bytes += shard.bytes();
  if (bytes < options.memory / 2) return {};
  if (!runs) {
    EQUIPOISE_ASSIGN_OR_RETURN(auto file,
                               lexical::RunFile::Create(options.spill_folder, fields.has_value()));
    runs.emplace(std::move(file));
  }
  for (PostingShard& shard : shards) {
    if (shard.postings() > 0) EQUIPOISE_RETURN_IF_ERROR(runs->Append(shard));
    most_in_title = std::max(most_in_title, shard.most_in_title());
    shard = PostingShard(fields.has_value());
  }
  return {};
}

Status LexicalIndexBuilder::Add(std::span<const std::string> tokens, std::size_t title) {
  return AddMany(
      1, 1, [&](std::size_t, std::vector<std::string>*) { return DocumentTokens(tokens, title); });
}

Status LexicalIndexBuilder::AddMany(std::size_t count, int threads, const TokensOf& tokens_of) {
  State& s = *state_;
  if (!s.error.ok()) return s.error;
  // After an error some documents are half in: nothing more can be made of this builder.
  try {
    s.error = s.AddMany(count, threads, tokens_of);
  } catch (const std::bad_alloc&) {
    s.error = Status(Code::kOutOfMemory, "LexicalIndexBuilder: no memory for the postings");
  }
  return s.error;
}

std::uint32_t LexicalIndexBuilder::documents() const {
  return static_cast<std::uint32_t>(state_->lengths.size());
}

Status LexicalIndexBuilder::State::Write(const std::string& path,
                                         const ProgressCallback& progress) const {
  constexpr std::size_t kLeastBuffer = 4096, kMostBuffer = std::size_t{1} << 20;
  lexical::FieldsToWrite written{
      .settings = fields, .title_lengths = title_lengths, .most_in_title = most_in_title};
  for (const PostingShard& shard : shards)
    written.most_in_title = std::max(written.most_in_title, shard.most_in_title());
  EQUIPOISE_ASSIGN_OR_RETURN(auto writer,
                             lexical::LexicalFileWriter::Create(path, params, lengths, written));
  const std::size_t in_file = runs ? runs->runs() : 0;
  std::vector<std::unique_ptr<PostingSource>> sources(in_file + shards.size());
  for (std::size_t run = 0; run < in_file; ++run)
    sources[run] =
        runs->Open(run, std::clamp(options.memory / 4 / in_file, kLeastBuffer, kMostBuffer));
  std::atomic<bool> no_memory = false;
  ParallelFor(shards.size(), static_cast<int>(shards.size()),
              [&](std::size_t begin, std::size_t end, int) {
                try {
                  for (std::size_t i = begin; i < end; ++i)
                    sources[in_file + i] = std::make_unique<lexical::SortedShard>(shards[i]);
                } catch (const std::bad_alloc&) {
                  no_memory = true;
                }
              });
  if (no_memory) throw std::bad_alloc();
  std::uint64_t total = runs ? runs->postings() : 0;
  for (const PostingShard& shard : shards) total += shard.postings();
  constexpr std::uint64_t kReports = 100;
  std::uint64_t next = 0;
  const auto report = [&](std::uint64_t done) -> Status {
    if (!progress || done < next) return {};
    next = done + std::max<std::uint64_t>(1, total / kReports);
    if (progress({.stage = "postings", .done = done, .total = total})) return {};
    return Status(Code::kCancelled, "cancelled while postings were merged");
  };
  EQUIPOISE_RETURN_IF_ERROR(lexical::MergeInto(sources, &writer, report));
  return writer.Finish();
}

Status LexicalIndexBuilder::Write(const std::string& path, const ProgressCallback& progress) const {
  if (!state_->error.ok()) return state_->error;
  try {
    return state_->Write(path, progress);
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "LexicalIndexBuilder::Write: no memory to sort the postings",
                  {.file = path});
  }
}

}  // namespace equipoise
