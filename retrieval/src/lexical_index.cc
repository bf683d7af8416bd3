#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <numeric>
#include <string_view>
#include <unordered_map>

#include <equipoise/core/check.h>
#include <equipoise/retrieval/lexical_index.h>

#include "lexical_index_format.h"
#include "pool.h"

// This file is compiled with -ffp-contract=off (see CMakeLists.txt): if the compiler fused a
// multiplication and an addition in Search but not in Score, their sums would differ in the last
// bit on processors that have the instruction.

namespace equipoise {
namespace {

using lexical::LexicalMeta;

Status Corrupt(const CheckedFile& file, std::string message) {
  return Status(Code::kCorruption, std::move(message) + "; build the index again",
                {.file = file.path()});
}

// The first position >= from with docs[position] >= doc, or docs.size(). Doubling steps: a
// candidate is usually near the one before. Reads nothing out of bounds whatever docs holds.
std::size_t Seek(std::span<const std::uint32_t> docs, std::size_t from, std::uint32_t doc) {
  std::size_t low = from;
  std::size_t step = 1;
  while (step < docs.size() - low && docs[low + step - 1] < doc) {
    low += step;
    step *= 2;
  }
  const auto begin = docs.begin() + static_cast<std::ptrdiff_t>(low);
  const auto end = docs.begin() + static_cast<std::ptrdiff_t>(std::min(low + step, docs.size()));
  return static_cast<std::size_t>(std::lower_bound(begin, end, doc) - docs.begin());
}

struct Postings {
  std::span<const std::uint32_t> docs;
  std::span<const std::uint32_t> tfs;
};

// What one search at a time needs. Between searches every score is kUntouched, and only those that
// a search has touched are set back: no search pays for the size of the collection.
struct Scratch {
  static constexpr float kUntouched = -1.0f;  // contributions are never negative
  std::vector<float> scores;
  std::vector<std::uint32_t> touched;
};

struct Clean {
  Scratch& scratch;
  explicit Clean(Scratch& dirty) : scratch(dirty) {}
  Clean(const Clean&) = delete;
  Clean& operator=(const Clean&) = delete;
  ~Clean() {
    for (const std::uint32_t doc : scratch.touched) scratch.scores[doc] = Scratch::kUntouched;
    scratch.touched.clear();
  }
};

}  // namespace

struct LexicalIndex::State {
  CheckedFile file;
  LexicalMeta meta{};
  std::span<const char> terms;
  std::span<const std::uint64_t> term_ends;
  std::span<const std::uint64_t> post_ends;
  std::span<const std::uint32_t> docs;
  std::span<const std::uint32_t> tfs;
  std::span<const std::uint32_t> lengths;
  double average_length = 0;
  // k1 (1 - b + b dl / avgdl) = norm_constant + norm_slope * dl, both finite.
  float norm_constant = 0;
  float norm_slope = 0;
  mutable Pool<Scratch> scratch;

  Status Load(const std::string& path);
  Status CheckOffsets() const;
  Status CheckPostings() const;

  std::string_view Term(std::size_t i) const {
    return {terms.data() + term_ends[i], static_cast<std::size_t>(term_ends[i + 1] - term_ends[i])};
  }
  Postings PostingsOf(std::size_t term) const {
    const auto begin = static_cast<std::size_t>(post_ends[term]);
    const auto count = static_cast<std::size_t>(post_ends[term + 1]) - begin;
    return {docs.subspan(begin, count), tfs.subspan(begin, count)};
  }
  std::uint64_t Df(std::size_t term) const { return post_ends[term + 1] - post_ends[term]; }
  float Idf(std::uint64_t df) const {
    const auto n = static_cast<double>(meta.documents);
    const auto d = static_cast<double>(df);
    return static_cast<float>(std::log1p((n - d + 0.5) / (d + 0.5)));
  }

  static constexpr std::size_t kNoTerm = std::numeric_limits<std::size_t>::max();
  std::size_t Find(std::string_view term) const;

  struct QueryTerm {
    std::size_t term = 0;
    std::size_t first = 0;  // position in the query
    std::uint32_t count = 0;
    float weight = 0;  // count * idf
  };
  std::vector<QueryTerm> Resolve(std::span<const std::string> tokens) const;
  float Weight(std::uint32_t count, float idf) const { return static_cast<float>(count) * idf; }

  // In [0, weight] and never NaN, whatever the file holds, as long as tf > 0: the norm is >= 0,
  // at worst infinite, which gives 0.
  float Contribution(float weight, std::uint32_t tf, std::uint32_t doc) const {
    const auto f = static_cast<float>(tf);
    const float norm = norm_constant + norm_slope * static_cast<float>(lengths[doc]);
    return weight * (f / (f + norm));
  }
};

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

Status LexicalIndex::State::Load(const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(file, CheckedFile::Open(path, lexical::kKind, lexical::kVersion));
  for (const char* trusted :
       {lexical::kMeta, lexical::kTerms, lexical::kTermEnds, lexical::kPostEnds})
    EQUIPOISE_RETURN_IF_ERROR(file.VerifySection(trusted));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto metas, file.SectionOf<LexicalMeta>(lexical::kMeta, 1));
  meta = metas[0];
  // A checksum only tells that the bytes are those that were written. Who wrote them is another
  // question, so the numbers are checked as well.
  if (meta.documents > lexical::kMaxDocuments || meta.terms > lexical::kMaxTerms ||
      !(meta.k1 >= 0) || !std::isfinite(meta.k1) || !(meta.b >= 0 && meta.b <= 1) ||
      (meta.documents == 0 && meta.tokens != 0) || meta.postings > meta.tokens)
    return Corrupt(file, "the counts or parameters of the index are impossible");
  const auto count = static_cast<std::size_t>(meta.terms) + 1;
  EQUIPOISE_ASSIGN_OR_RETURN(terms, file.SectionOf<char>(lexical::kTerms));
  EQUIPOISE_ASSIGN_OR_RETURN(term_ends, file.SectionOf<std::uint64_t>(lexical::kTermEnds, count));
  EQUIPOISE_ASSIGN_OR_RETURN(post_ends, file.SectionOf<std::uint64_t>(lexical::kPostEnds, count));
  EQUIPOISE_ASSIGN_OR_RETURN(docs, file.SectionOf<std::uint32_t>(lexical::kDocs, meta.postings));
  EQUIPOISE_ASSIGN_OR_RETURN(tfs, file.SectionOf<std::uint32_t>(lexical::kTfs, meta.postings));
  EQUIPOISE_ASSIGN_OR_RETURN(lengths,
                             file.SectionOf<std::uint32_t>(lexical::kLengths, meta.documents));
  EQUIPOISE_RETURN_IF_ERROR(CheckOffsets());
  if (meta.documents > 0)
    average_length = static_cast<double>(meta.tokens) / static_cast<double>(meta.documents);
  const double k1 = meta.k1;
  const double b = meta.b;
  norm_constant = static_cast<float>(k1 * (1 - b));
  // Where all documents are empty there are no postings, and the slope is never used.
  const double slope = average_length > 0 ? k1 * b / average_length : 0;
  norm_slope = static_cast<float>(std::min<double>(slope, std::numeric_limits<float>::max()));
  return {};
}

Status LexicalIndex::State::CheckOffsets() const {
  const auto count = static_cast<std::size_t>(meta.terms);
  bool fine = term_ends[0] == 0 && term_ends[count] == terms.size() && post_ends[0] == 0 &&
              post_ends[count] == docs.size();
  // First that all offsets are in range, then what they point to.
  for (std::size_t i = 0; fine && i < count; ++i)
    fine = term_ends[i] <= term_ends[i + 1] && post_ends[i] < post_ends[i + 1] &&
           post_ends[i + 1] - post_ends[i] <= meta.documents;
  for (std::size_t i = 1; fine && i < count; ++i) fine = Term(i - 1) < Term(i);
  if (!fine) return Corrupt(file, "the dictionary's offsets are impossible");
  return {};
}

Status LexicalIndex::State::CheckPostings() const {
  std::vector<std::uint64_t> sums(lengths.size(), 0);
  for (std::size_t term = 0; term < meta.terms; ++term) {
    const Postings list = PostingsOf(term);
    for (std::size_t i = 0; i < list.docs.size(); ++i) {
      const std::uint32_t doc = list.docs[i];
      if (doc >= meta.documents || list.tfs[i] == 0 || (i > 0 && doc <= list.docs[i - 1]))
        return Corrupt(file, fmt::format("the postings of term {} are impossible", term));
      sums[doc] += list.tfs[i];
    }
  }
  if (!std::equal(sums.begin(), sums.end(), lengths.begin()) ||
      std::accumulate(sums.begin(), sums.end(), std::uint64_t{0}) != meta.tokens)
    return Corrupt(file, "the postings do not add up to the lengths of the documents");
  return {};
}

std::size_t LexicalIndex::State::Find(std::string_view term) const {
  std::size_t low = 0;
  std::size_t high = static_cast<std::size_t>(meta.terms);
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (Term(middle) < term) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < meta.terms && Term(low) == term ? low : kNoTerm;
}

// The distinct terms that the index has, in the order in which they first occur in the query.
std::vector<LexicalIndex::State::QueryTerm> LexicalIndex::State::Resolve(
    std::span<const std::string> tokens) const {
  std::vector<QueryTerm> found;
  found.reserve(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (const std::size_t term = Find(tokens[i]); term != kNoTerm)
      found.push_back({.term = term, .first = i, .count = 1});
  std::sort(found.begin(), found.end(), [](const QueryTerm& a, const QueryTerm& b) {
    return a.term < b.term || (a.term == b.term && a.first < b.first);
  });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (kept > 0 && found[kept - 1].term == found[i].term) {
      ++found[kept - 1].count;
    } else {
      found[kept++] = found[i];
    }
  }
  found.resize(kept);
  std::sort(found.begin(), found.end(),
            [](const QueryTerm& a, const QueryTerm& b) { return a.first < b.first; });
  for (QueryTerm& term : found) term.weight = Weight(term.count, Idf(Df(term.term)));
  return found;
}

std::vector<Scored> LexicalIndex::Search(std::span<const std::string> query_tokens,
                                         std::size_t k) const {
  if (state_ == nullptr || k == 0) return {};
  const State& s = *state_;
  const auto query = s.Resolve(query_tokens);
  if (query.empty()) return {};
  const auto lease = s.scratch.Take([] { return std::make_unique<Scratch>(); });
  Scratch& scratch = *lease;
  if (scratch.scores.size() != s.lengths.size())
    scratch.scores.assign(s.lengths.size(), Scratch::kUntouched);
  // Reserved before the first score is touched, so that nothing below can fail half-way.
  std::size_t most = 0;
  for (const auto& term : query) most += static_cast<std::size_t>(s.Df(term.term));
  scratch.touched.reserve(std::min(most, s.lengths.size()));
  const Clean clean(scratch);

  float* const scores = scratch.scores.data();
  const auto documents = static_cast<std::uint32_t>(s.lengths.size());
  for (const auto& term : query) {
    const Postings list = s.PostingsOf(term.term);
    for (std::size_t i = 0; i < list.docs.size(); ++i) {
      const std::uint32_t doc = list.docs[i];
      const std::uint32_t tf = list.tfs[i];
      // Both are only possible in a damaged file.
      if (doc >= documents || tf == 0) continue;
      const float part = s.Contribution(term.weight, tf, doc);
      if (scores[doc] < 0) {
        scores[doc] = part;
        scratch.touched.push_back(doc);
      } else {
        scores[doc] += part;
      }
    }
  }
  TopKCollector best(k);
  for (const std::uint32_t doc : scratch.touched) best.Push(doc, scores[doc]);
  return best.Take();
}

void LexicalIndex::Score(std::span<const std::string> query_tokens,
                         std::span<const std::uint32_t> docs, std::span<float> scores) const {
  const std::size_t m = std::min(docs.size(), scores.size());
  std::fill_n(scores.begin(), m, 0.0f);
  if (state_ == nullptr || m == 0) return;
  const State& s = *state_;
  const auto query = s.Resolve(query_tokens);
  if (query.empty()) return;
  // Candidates in ascending order, so that each list is passed through once.
  std::vector<std::size_t> order(m);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return docs[a] < docs[b]; });
  for (const auto& term : query) {
    const Postings list = s.PostingsOf(term.term);
    std::size_t at = 0;
    for (const std::size_t i : order) {
      const std::uint32_t doc = docs[i];
      if (doc >= s.lengths.size()) break;
      at = Seek(list.docs, at, doc);
      if (at == list.docs.size()) break;
      if (list.docs[at] != doc || list.tfs[at] == 0) continue;
      scores[i] += s.Contribution(term.weight, list.tfs[at], doc);
    }
  }
}

std::vector<TermScore> LexicalIndex::Explain(std::span<const std::string> query_tokens,
                                             std::uint32_t doc) const {
  std::vector<TermScore> out;
  std::unordered_map<std::string_view, std::size_t> places;
  for (const std::string& token : query_tokens) {
    const auto [place, is_new] = places.emplace(token, out.size());
    if (is_new) out.push_back({.term = token});
    ++out[place->second].query_count;
  }
  if (state_ == nullptr) return out;
  const State& s = *state_;
  for (TermScore& term : out) {
    const std::size_t id = s.Find(term.term);
    if (id == State::kNoTerm) continue;
    term.df = static_cast<std::uint32_t>(s.Df(id));
    term.idf = s.Idf(term.df);
    if (doc >= s.lengths.size()) continue;
    const Postings list = s.PostingsOf(id);
    const std::size_t at = Seek(list.docs, 0, doc);
    if (at == list.docs.size() || list.docs[at] != doc || list.tfs[at] == 0) continue;
    term.tf = list.tfs[at];
    term.contribution = s.Contribution(s.Weight(term.query_count, term.idf), term.tf, doc);
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
std::uint32_t LexicalIndex::DocumentFrequency(const std::string& term) const {
  if (state_ == nullptr) return 0;
  const std::size_t id = state_->Find(term);
  return id == State::kNoTerm ? 0 : static_cast<std::uint32_t>(state_->Df(id));
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
