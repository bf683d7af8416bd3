#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <new>
#include <numeric>
#include <string_view>
#include <unordered_map>

#include <equipoise/core/check.h>
#include <equipoise/retrieval/lexical_index.h>

#include "lexical_index_state.h"
#include "lexical_search.h"

// This file is compiled with -ffp-contract=off (see CMakeLists.txt), as lexical_search.cc is.

namespace equipoise {
namespace {

using lexical::LexicalMeta;
using lexical::PostingList;
using lexical::TermEntry;

// Up to so many documents every posting is added, which is the faster way there. Mean of a query of nine
// terms: 109 µs and 118 pruned at 175,000 documents, 155 and 157 at 250,000, 219 and 201 at 350,000
// (`./dev bench peers-lexical --sets million` with EQUIPOISE_PEERS_MILLION; Sapphire Rapids).
constexpr std::uint32_t kFewDocuments = 1u << 18;

// An allowed document is looked up in a list in the time in which about so many postings are added
// (measured: both ways take as long where a query of eight terms has 2 to 5 postings a look-up, at
// 11,000, 116,000 and 925,000 documents).
constexpr double kLookupAllowed = 5;

// The documents of a set, ascending.
std::vector<std::uint32_t> DocumentsOf(std::span<const std::uint64_t> words,
                                       std::uint32_t documents) {
  std::vector<std::uint32_t> out;
  for (std::size_t i = 0; i < words.size(); ++i)
    for (std::uint64_t rest = words[i]; rest != 0; rest &= rest - 1) {
      const std::size_t doc = i * 64 + static_cast<std::size_t>(std::countr_zero(rest));
      if (doc < documents) out.push_back(static_cast<std::uint32_t>(doc));
    }
  return out;
}

std::uint32_t WindowFor(const LexicalState& s) {
  return s.documents() > kFewDocuments ? LexicalState::kWindow : 0;
}

// The best of the allowed documents, in the way that is the faster one.
std::vector<Scored> SearchSome(const LexicalState& s, std::span<const QueryTerm> query,
                               std::size_t k, std::span<const std::uint64_t> allowed,
                               AlsoScored* also) {
  const std::size_t words = (std::size_t{s.documents()} + 63) / 64;
  std::vector<std::uint64_t> longer;
  if (allowed.size() < words) {
    longer.assign(allowed.begin(), allowed.end());
    longer.resize(words);
    allowed = longer;
  }
  std::size_t count = 0;
  for (std::size_t i = 0; i < words; ++i)
    count += static_cast<std::size_t>(std::popcount(allowed[i]));
  double postings = 0;
  for (const QueryTerm& term : query) postings += term.list.df();
  if (static_cast<double>(count * query.size()) * kLookupAllowed < postings)
    return s.SearchAllowed(query, k, DocumentsOf(allowed.first(words), s.documents()));
  return s.Search(query, k, WindowFor(s), allowed.data(), also);
}

Status Corrupt(const CheckedFile& file, std::string message) {
  return Status(Code::kCorruption, std::move(message) + "; build the index again",
                {.file = file.path()});
}

struct CountedToken {
  std::string_view text;
  std::uint32_t count = 1;
};

// Each once, in the order in which they first occur.
std::vector<CountedToken> Distinct(std::span<const std::string> tokens) {
  std::vector<CountedToken> out;
  out.reserve(tokens.size());
  constexpr std::size_t kFew = 24;
  if (tokens.size() <= kFew) {
    for (const std::string& token : tokens) {
      const auto same =
          std::find_if(out.begin(), out.end(), [&](const auto& t) { return t.text == token; });
      if (same != out.end())
        ++same->count;
      else
        out.push_back({.text = token});
    }
    return out;
  }
  std::unordered_map<std::string_view, std::size_t> places;
  for (const std::string& token : tokens) {
    const auto [place, is_new] = places.emplace(token, out.size());
    if (is_new)
      out.push_back({.text = token});
    else
      ++out[place->second].count;
  }
  return out;
}

}  // namespace

struct LexicalIndex::State final : LexicalState {};

LexicalIndex::LexicalIndex() = default;
LexicalIndex::LexicalIndex(std::unique_ptr<const State> state) : state_(std::move(state)) {}
LexicalIndex::LexicalIndex(LexicalIndex&&) noexcept = default;
LexicalIndex& LexicalIndex::operator=(LexicalIndex&&) noexcept = default;
LexicalIndex::~LexicalIndex() = default;

Result<LexicalIndex> LexicalIndex::Open(const std::string& path) {
  try {
    auto state = std::make_unique<State>();
    EQUIPOISE_RETURN_IF_ERROR(state->Load(path));
    return LexicalIndex(std::move(state));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "LexicalIndex::Open: no memory", {.file = path});
  }
}

Status LexicalState::Load(const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(file,
                             CheckedFile::Open(path, lexical::kKind, lexical::kFieldsVersion));
  if (file.version() < lexical::kVersion)
    return Status(Code::kUnsupported,
                  fmt::format("the lexical index is of version {}, which only an older equipoise "
                              "reads; build the index again",
                              file.version()),
                  {.file = path});
  for (const char* trusted :
       {lexical::kMeta, lexical::kTerms, lexical::kTermBlocks, lexical::kLengthValues})
    EQUIPOISE_RETURN_IF_ERROR(file.VerifySection(trusted));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto metas, file.SectionOf<LexicalMeta>(lexical::kMeta, 1));
  meta = metas[0];
  // A checksum only tells that the bytes are those that were written. Who wrote them is another
  // question, so the numbers are checked as well.
  if (meta.documents > lexical::kMaxDocuments || meta.terms > lexical::kMaxTerms ||
      !(meta.k1 >= 0) || !std::isfinite(meta.k1) || !(meta.b >= 0 && meta.b <= 1) ||
      (meta.documents == 0 && meta.tokens != 0) || meta.postings > meta.tokens)
    return Corrupt(file, "the counts or parameters of the index are impossible");
  EQUIPOISE_ASSIGN_OR_RETURN(const auto terms, file.SectionOf<char>(lexical::kTerms));
  EQUIPOISE_ASSIGN_OR_RETURN(
      const auto blocks, file.SectionOf<lexical::TermBlock>(
                             lexical::kTermBlocks,
                             (meta.terms + lexical::kTermsPerBlock - 1) / lexical::kTermsPerBlock));
  dictionary = lexical::Dictionary(meta.terms, terms, blocks);
  EQUIPOISE_ASSIGN_OR_RETURN(postings, file.SectionOf<std::uint8_t>(lexical::kPostings));
  if (postings.size() < kPackedSlack) return Corrupt(file, "the postings are cut");
  postings = postings.first(postings.size() - kPackedSlack);
  EQUIPOISE_RETURN_IF_ERROR(LoadLengths());
  EQUIPOISE_RETURN_IF_ERROR(fields.Load(file, meta.documents, meta.k1));
  return CheckDictionary();
}

Status LexicalState::LoadLengths() {
  EQUIPOISE_ASSIGN_OR_RETURN(length_values, file.SectionOf<std::uint32_t>(lexical::kLengthValues));
  EQUIPOISE_ASSIGN_OR_RETURN(length_codes, file.SectionOf<std::uint8_t>(lexical::kLengthCodes));
  const std::size_t values = length_values.size();
  code_bytes = values <= 1u << 8 ? 1 : values <= 1u << 16 ? 2 : 4;
  if (values > meta.documents || (values == 0 && meta.documents > 0) ||
      length_codes.size() != meta.documents * code_bytes)
    return Corrupt(file, "the lengths of documents are of other numbers");
  if (meta.documents > 0)
    average_length = static_cast<double>(meta.tokens) / static_cast<double>(meta.documents);
  const lexical::Norms norm({meta.k1, meta.b}, meta.documents, meta.tokens);
  norms.assign(std::max(values, code_bytes == 1   ? std::size_t{1} << 8
                                : code_bytes == 2 ? std::size_t{1} << 16
                                                  : std::size_t{0}),
               norm.Of(0));
  for (std::size_t i = 0; i < values; ++i) norms[i] = norm.Of(length_values[i]);
  if (code_bytes != 1) return {};
  shares.resize(kTableTfs * norms.size());
  for (std::size_t i = 0; i < shares.size(); ++i)
    shares[i] =
        lexical::Share(static_cast<std::uint32_t>(i / norms.size() + 1), norms[i % norms.size()]);
  return {};
}

Status LexicalState::CheckDictionary() const {
  std::uint64_t count = 0, end = 0;
  const bool fine = dictionary.ForEach([&](std::string_view, const TermEntry& entry) {
    count += entry.documents;
    end = entry.begin + entry.bytes;
    return entry.documents <= meta.documents && entry.begin <= postings.size() &&
           entry.bytes <= postings.size() - entry.begin && ListOf(entry).df() > 0;
  });
  if (!fine || count != meta.postings || end != postings.size())
    return Corrupt(file, "the dictionary is impossible");
  return {};
}

Status LexicalState::CheckPostings() const {
  const std::uint32_t documents_now = documents();
  for (std::size_t i = 1; i < length_values.size(); ++i)
    if (length_values[i] <= length_values[i - 1])
      return Corrupt(file, "the lengths of documents are impossible");
  for (std::uint32_t doc = 0; doc < documents_now; ++doc)
    if (RawCodeOf(doc) >= length_values.size())
      return Corrupt(file, "the lengths of documents are impossible");
  std::vector<std::uint64_t> sums(documents_now, 0);
  std::vector<std::uint64_t> titles(fields.there() ? documents_now : 0, 0);
  std::size_t term = 0;
  const bool fine = dictionary.ForEach([&](std::string_view, const TermEntry& entry) {
    const PostingList list = ListOf(entry);
    std::uint32_t docs[lexical::kBlockRoom], tfs[lexical::kBlockRoom];
    for (std::size_t b = 0; b < list.blocks(); ++b) {
      const PostingList::Block block = list.Unpack(b, docs);
      if (block.n == 0) return false;
      if (b > 0 && docs[0] <= list.Last(b - 1)) return false;
      block.Tfs(tfs);
      std::uint8_t bound = 0;
      for (std::uint32_t i = 0; i < block.n; ++i) {
        const std::uint32_t number = tfs[i] + 1;
        if (fields.there()) {
          titles[docs[i]] += fields.Title(number);
          sums[docs[i]] += std::uint64_t{fields.Title(number)} + fields.Text(number);
        } else {
          sums[docs[i]] += number;
        }
        bound = std::max(bound, lexical::BoundOf(ShareOf(number, docs[i])));
      }
      if (bound != list.Bound(b)) return false;
    }
    ++term;
    return true;
  });
  if (!fine) return Corrupt(file, fmt::format("the postings of term {} are impossible", term));
  std::uint64_t tokens = 0;
  for (std::uint32_t doc = 0; doc < documents_now; ++doc) {
    tokens += sums[doc];
    if (sums[doc] != length_values[RawCodeOf(doc)])
      return Corrupt(file, "the postings do not add up to the lengths of the documents");
  }
  bool adds_up = tokens == meta.tokens;
  if (adds_up && fields.there()) {
    for (std::uint32_t doc = 0; doc < documents_now; ++doc) sums[doc] -= titles[doc];
    adds_up = fields.AddUpTo(titles, sums);
  }
  if (!adds_up) return Corrupt(file, "the postings do not add up to the lengths of the documents");
  return {};
}

PostingList LexicalState::ListOf(const TermEntry& entry) const {
  if (entry.begin > postings.size() || entry.bytes > postings.size() - entry.begin) return {};
  return {postings.subspan(static_cast<std::size_t>(entry.begin),
                           static_cast<std::size_t>(entry.bytes)),
          entry.documents, documents()};
}

bool LexicalState::Find(std::string_view term, PostingList* list) const {
  TermEntry entry;
  if (!dictionary.Find(term, &entry)) return false;
  *list = ListOf(entry);
  return list->df() > 0;
}

// The distinct terms that the index has, in the order in which they first occur in the query.
std::vector<QueryTerm> LexicalState::Resolve(std::span<const std::string> tokens) const {
  const std::vector<CountedToken> distinct = Distinct(tokens);
  std::vector<QueryTerm> found;
  found.reserve(distinct.size());
  for (const CountedToken& token : distinct) {
    PostingList list;
    if (!Find(token.text, &list)) continue;
    found.push_back({.list = list, .weight = Weight(token.count, Idf(list.df()))});
  }
  return found;
}

std::vector<Scored> LexicalIndex::Search(std::span<const std::string> query_tokens,
                                         std::size_t k) const {
  if (state_ == nullptr || k == 0) return {};
  const auto query = state_->Resolve(query_tokens);
  if (query.empty()) return {};
  return state_->Search(query, k, WindowFor(*state_));
}

std::vector<Scored> LexicalIndex::Search(std::span<const std::string> query_tokens, std::size_t k,
                                         std::span<const std::uint64_t> allowed) const {
  if (state_ == nullptr || k == 0) return {};
  const auto query = state_->Resolve(query_tokens);
  return query.empty() ? std::vector<Scored>() : SearchSome(*state_, query, k, allowed, nullptr);
}

std::vector<Scored> LexicalIndex::SearchAndScore(
    std::span<const std::string> query_tokens, std::size_t k,
    std::optional<std::span<const std::uint64_t>> allowed,
    const std::function<std::span<const std::uint32_t>()>& also, std::vector<float>* scores,
    bool also_waits, StopCheck* stop) const {
  std::vector<QueryTerm> query;
  if (state_ != nullptr) query = state_->Resolve(query_tokens);
  AlsoScored wanted{.docs = also, .scores = scores, .waits = also_waits, .stop = stop};
  std::vector<Scored> out;
  if (!query.empty() && k > 0)
    out = allowed ? SearchSome(*state_, query, k, *allowed, &wanted)
                  : state_->Search(query, k, WindowFor(*state_), nullptr, &wanted);
  if (!wanted.done) {
    const auto docs = also();
    scores->assign(docs.size(), 0.0f);
    if (!query.empty()) state_->Score(query, docs, *scores);
  }
  return out;
}

void LexicalIndex::Score(std::span<const std::string> query_tokens,
                         std::span<const std::uint32_t> docs, std::span<float> scores) const {
  const std::size_t m = std::min(docs.size(), scores.size());
  std::fill_n(scores.begin(), m, 0.0f);
  if (state_ == nullptr || m == 0) return;
  if (const auto query = state_->Resolve(query_tokens); !query.empty())
    state_->Score(query, docs.first(m), scores.first(m));
}

void LexicalState::Score(std::span<const QueryTerm> query, std::span<const std::uint32_t> docs,
                         std::span<float> scores) const {
  // Candidates in ascending order, so that each list is passed through once: document and position.
  const std::size_t m = docs.size();
  std::vector<std::uint64_t> order(m);
  for (std::size_t i = 0; i < m; ++i) order[i] = std::uint64_t{docs[i]} << 32 | i;
  std::sort(order.begin(), order.end());
  std::vector<std::uint32_t> ascending(m);
  std::size_t there = 0;
  for (; there < m && order[there] >> 32 < meta.documents; ++there)
    ascending[there] = static_cast<std::uint32_t>(order[there] >> 32);
  std::vector<float> found(there, 0.0f);
  ScoreAscending(query, std::span(ascending).first(there), found);
  for (std::size_t i = 0; i < there; ++i) scores[order[i] & 0xFFFFFFFFu] = found[i];
}

std::vector<std::uint32_t> LexicalIndex::Matching(std::span<const std::string> tokens) const {
  if (state_ == nullptr || tokens.empty()) return {};
  std::vector<PostingList> lists(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (!state_->Find(tokens[i], &lists[i])) return {};
  std::sort(lists.begin(), lists.end(),
            [](const PostingList& a, const PostingList& b) { return a.df() < b.df(); });
  std::vector<std::uint32_t> out;
  out.reserve(lists[0].df());
  std::uint32_t docs[lexical::kBlockRoom];
  for (std::size_t b = 0; b < lists[0].blocks(); ++b) {
    const PostingList::Block block = lists[0].Unpack(b, docs);
    out.insert(out.end(), docs, docs + block.n);
  }
  for (std::size_t i = 1; i < lists.size() && !out.empty(); ++i) {
    lexical::PostingCursor place(lists[i]);
    std::erase_if(out, [&](std::uint32_t doc) { return place.Find(doc) == 0; });
  }
  return out;
}

std::vector<TermScore> LexicalIndex::Explain(std::span<const std::string> query_tokens,
                                             std::uint32_t doc) const {
  return std::move(Explain(query_tokens, std::span(&doc, 1)).front());
}

std::vector<std::vector<TermScore>> LexicalIndex::Explain(
    std::span<const std::string> query_tokens, std::span<const std::uint32_t> docs) const {
  const std::vector<CountedToken> distinct = Distinct(query_tokens);
  std::vector<TermScore> terms(distinct.size());
  std::vector<PostingList> lists(distinct.size());
  for (std::size_t t = 0; t < distinct.size(); ++t) {
    terms[t].term = distinct[t].text;
    terms[t].query_count = distinct[t].count;
    if (state_ == nullptr || !state_->Find(distinct[t].text, &lists[t])) continue;
    terms[t].df = lists[t].df();
    terms[t].idf = state_->Idf(terms[t].df);
  }
  std::vector<std::vector<TermScore>> out(docs.size(), terms);
  if (state_ == nullptr) return out;
  // In ascending order, so that each list is passed through once.
  const State& s = *state_;
  std::vector<std::uint32_t> order;
  for (std::uint32_t i = 0; i < docs.size(); ++i)
    if (docs[i] < s.meta.documents) order.push_back(i);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return docs[a] < docs[b]; });
  for (std::size_t t = 0; t < terms.size(); ++t) {
    if (terms[t].df == 0) continue;
    lexical::PostingCursor cursor(lists[t]);
    const float weight = State::Weight(terms[t].query_count, terms[t].idf);
    for (const std::uint32_t i : order) {
      const std::uint32_t number = cursor.Find(docs[i]);
      if (number == 0) continue;
      TermScore& term = out[i][t];
      term.tf = number;
      if (s.fields.there()) {
        term.title_tf = s.fields.Title(number);
        term.tf = term.title_tf + s.fields.Text(number);
      }
      term.contribution = s.Contribution(weight, number, docs[i]);
    }
  }
  return out;
}

std::uint32_t LexicalIndex::documents() const {
  return state_ == nullptr ? 0 : static_cast<std::uint32_t>(state_->meta.documents);
}
std::uint64_t LexicalIndex::terms() const { return state_ == nullptr ? 0 : state_->meta.terms; }
std::uint64_t LexicalIndex::postings() const {
  return state_ == nullptr ? 0 : state_->meta.postings;
}
double LexicalIndex::average_length() const {
  return state_ == nullptr ? 0 : state_->average_length;
}
Bm25Params LexicalIndex::params() const {
  return state_ == nullptr ? Bm25Params() : Bm25Params{state_->meta.k1, state_->meta.b};
}
std::optional<Bm25Fields> LexicalIndex::fields() const {
  if (state_ == nullptr || !state_->fields.there()) return {};
  return state_->fields.settings();
}
std::uint32_t LexicalIndex::DocumentFrequency(const std::string& term) const {
  if (state_ == nullptr) return 0;
  PostingList list;
  return state_->Find(term, &list) ? list.df() : 0;
}

std::uint64_t LexicalIndex::bytes() const { return state_ == nullptr ? 0 : state_->file.bytes(); }
std::vector<CheckedFile::SectionInfo> LexicalIndex::parts() const {
  if (state_ == nullptr) return {};
  return state_->file.Sections();
}

Status LexicalIndex::Verify() const {
  if (state_ == nullptr) return {};
  EQUIPOISE_RETURN_IF_ERROR(state_->file.Verify());
  try {
    return state_->CheckPostings();
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "LexicalIndex::Verify: no memory",
                  {.file = state_->file.path()});
  }
}

}  // namespace equipoise
