#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <new>
#include <numeric>
#include <string_view>
#include <unordered_map>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/retrieval/lexical_index.h>

#include "lexical_index_format.h"

namespace equipoise {
namespace {

struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

}  // namespace

// The postings are kept in the order of the documents, as the builder meets them, and only sorted
// by term when they are written: one flat array each, without a list for every term.
struct LexicalIndexBuilder::State {
  struct Term {
    std::uint32_t last_doc = std::numeric_limits<std::uint32_t>::max();
    std::uint32_t df = 0;
    std::uint64_t last_posting = 0;
  };

  Bm25Params params;
  Status error;
  std::unordered_map<std::string, std::uint32_t, StringHash, std::equal_to<>> ids;
  std::vector<Term> terms;
  std::vector<std::uint32_t> posting_terms;
  std::vector<std::uint32_t> posting_tfs;
  std::vector<std::uint32_t> distinct;  // terms of each document
  std::vector<std::uint32_t> lengths;   // tokens of each document

  void Add(std::span<const std::string> tokens);
  Status Write(const std::string& path) const;
};

LexicalIndexBuilder::LexicalIndexBuilder(std::unique_ptr<State> state) : state_(std::move(state)) {}
LexicalIndexBuilder::LexicalIndexBuilder(LexicalIndexBuilder&&) noexcept = default;
LexicalIndexBuilder& LexicalIndexBuilder::operator=(LexicalIndexBuilder&&) noexcept = default;
LexicalIndexBuilder::~LexicalIndexBuilder() = default;

Result<LexicalIndexBuilder> LexicalIndexBuilder::Create(Bm25Params params) {
  EQUIPOISE_CHECK_RANGE("LexicalIndexBuilder::Create", params.k1, 0.0f,
                        std::numeric_limits<float>::max());
  EQUIPOISE_CHECK_RANGE("LexicalIndexBuilder::Create", params.b, 0.0f, 1.0f);
  auto state = std::make_unique<State>();
  state->params = params;
  return LexicalIndexBuilder(std::move(state));
}

void LexicalIndexBuilder::State::Add(std::span<const std::string> tokens) {
  const auto doc = static_cast<std::uint32_t>(lengths.size());
  const std::size_t first = posting_terms.size();
  for (const std::string& token : tokens) {
    auto found = ids.find(std::string_view(token));
    if (found == ids.end()) {
      found = ids.emplace(token, static_cast<std::uint32_t>(terms.size())).first;
      terms.emplace_back();
    }
    Term& term = terms[found->second];
    if (term.last_doc == doc) {
      ++posting_tfs[term.last_posting];
      continue;
    }
    posting_terms.push_back(found->second);
    posting_tfs.push_back(1);
    term.last_doc = doc;
    term.last_posting = posting_tfs.size() - 1;
    ++term.df;
  }
  distinct.push_back(static_cast<std::uint32_t>(posting_terms.size() - first));
  lengths.push_back(static_cast<std::uint32_t>(tokens.size()));
}

Status LexicalIndexBuilder::Add(std::span<const std::string> tokens) {
  State& s = *state_;
  if (!s.error.ok()) return s.error;
  // Ids are 32 bits wide: of documents, and of terms, each of which takes at least one token.
  if (tokens.size() > lexical::kMaxTokens || s.lengths.size() >= lexical::kMaxDocuments ||
      s.terms.size() + tokens.size() > lexical::kMaxTerms)
    return Status(
        Code::kInvalidArgument,
        fmt::format("LexicalIndexBuilder::Add: a document of {} tokens after {} documents "
                    "and {} terms is more than one index holds; build several indexes",
                    tokens.size(), s.lengths.size(), s.terms.size()),
        {.row = static_cast<std::int64_t>(s.lengths.size())});
  try {
    s.Add(tokens);
  } catch (const std::bad_alloc&) {
    // The document is half in: nothing more can be made of this builder.
    s.error = Status(Code::kOutOfMemory, "LexicalIndexBuilder::Add: no memory for the postings");
  }
  return s.error;
}

std::uint32_t LexicalIndexBuilder::documents() const {
  return static_cast<std::uint32_t>(state_->lengths.size());
}

Status LexicalIndexBuilder::State::Write(const std::string& path) const {
  // Terms in the order of their bytes: the file does not depend on the order in which they came.
  std::vector<std::string_view> names(terms.size());
  for (const auto& [name, id] : ids) names[id] = name;
  std::vector<std::uint32_t> order(terms.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return names[a] < names[b]; });

  std::vector<std::uint64_t> term_ends(1, 0);
  std::vector<std::uint64_t> post_ends(1, 0);
  std::vector<std::uint64_t> next(terms.size());  // by id: where the term's next posting goes
  term_ends.reserve(terms.size() + 1);
  post_ends.reserve(terms.size() + 1);
  for (const std::uint32_t id : order) {
    next[id] = post_ends.back();
    term_ends.push_back(term_ends.back() + names[id].size());
    post_ends.push_back(post_ends.back() + terms[id].df);
  }

  std::vector<std::uint32_t> docs(posting_terms.size());
  std::vector<std::uint32_t> tfs(posting_terms.size());
  std::size_t at = 0;
  for (std::uint32_t doc = 0; doc < lengths.size(); ++doc) {
    for (std::uint32_t i = 0; i < distinct[doc]; ++i, ++at) {
      const std::uint64_t to = next[posting_terms[at]]++;
      docs[to] = doc;
      tfs[to] = posting_tfs[at];
    }
  }

  const lexical::LexicalMeta meta{
      .documents = lengths.size(),
      .terms = terms.size(),
      .postings = docs.size(),
      .tokens = std::accumulate(lengths.begin(), lengths.end(), std::uint64_t{0}),
      .k1 = params.k1,
      .b = params.b};
  EQUIPOISE_ASSIGN_OR_RETURN(auto writer,
                             CheckedFileWriter::Create(path, lexical::kKind, lexical::kVersion));
  EQUIPOISE_RETURN_IF_ERROR(
      writer.Section(lexical::kMeta, std::span<const lexical::LexicalMeta>(&meta, 1)));
  EQUIPOISE_RETURN_IF_ERROR(writer.BeginSection(lexical::kTerms));
  for (const std::uint32_t id : order)
    EQUIPOISE_RETURN_IF_ERROR(writer.Append(std::as_bytes(std::span(names[id]))));
  EQUIPOISE_RETURN_IF_ERROR(writer.Section<std::uint64_t>(lexical::kTermEnds, term_ends));
  EQUIPOISE_RETURN_IF_ERROR(writer.Section<std::uint64_t>(lexical::kPostEnds, post_ends));
  EQUIPOISE_RETURN_IF_ERROR(writer.Section<std::uint32_t>(lexical::kDocs, docs));
  EQUIPOISE_RETURN_IF_ERROR(writer.Section<std::uint32_t>(lexical::kTfs, tfs));
  EQUIPOISE_RETURN_IF_ERROR(writer.Section<std::uint32_t>(lexical::kLengths, lengths));
  return writer.Finish();
}

Status LexicalIndexBuilder::Write(const std::string& path) const {
  if (!state_->error.ok()) return state_->error;
  try {
    return state_->Write(path);
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "LexicalIndexBuilder::Write: no memory to sort the postings",
                  {.file = path});
  }
}

}  // namespace equipoise
