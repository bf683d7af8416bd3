// Searching a lexical index: all postings of the query, or only those that can matter.
//
// Scores are float32 sums in the order in which terms first occur in the query. The pruned way finds
// the candidates by sums in another order, allows for their rounding, and adds again in that order.
//
// Ideas: sums in a window of documents that fits the cache, essential and other lists told apart for
// each window by the bounds of its blocks (Turtle & Flood 1995, doi:10.1016/0306-4573(95)00020-H;
// Ding & Suel 2011, doi:10.1145/2009916.2010048; Lucene's MaxScoreBulkScorer).
#include "lexical_search.h"

#include <algorithm>
#include <bit>
#include <cmath>

// This file is compiled with -ffp-contract=off (see CMakeLists.txt): if the compiler fused a
// multiplication and an addition in one way of searching but not in another, their sums would differ
// in the last bit on processors that have the instruction.

namespace equipoise {
namespace {

using lexical::kBlockRoom;
using lexical::PostingList;

// Sums are looked through in parts, small ones first, so that the bar rises soon.
constexpr std::size_t kFirstScan = 128;
constexpr std::size_t kScan = 4096;
// Before that, into so many parts for each of the best that are asked for, each of so many sums at least.
constexpr std::size_t kPartsOfBest = 4;
constexpr std::size_t kLeastParts = 64;
constexpr std::size_t kLeastPart = 16;
// One document in so many of a window: more candidates are not worth adding up one by one.
constexpr std::size_t kCandidateShare = 32;
// A document is looked up in the time in which about so many postings are added.
constexpr double kLookup = 16;
// More than the rounding of any sum of so many terms.
constexpr std::size_t kMostPrunedTerms = 64;
constexpr double kSlack = 1 + 1e-5;
// Postings of so many blocks are added in some 30 µs.
constexpr std::size_t kBlocksBetweenLooks = 256;

// Sums may be left behind by a search that ends early.
class Clean {
 public:
  explicit Clean(LexicalScratch* scratch) : scratch_(scratch) {}
  Clean(const Clean&) = delete;
  Clean& operator=(const Clean&) = delete;
  ~Clean() {
    if (done_) return;
    std::fill(scratch_->sums.begin(), scratch_->sums.end(), kNoSum);
    std::fill(scratch_->is_candidate.begin(), scratch_->is_candidate.end(), 0);
  }
  void Done() { done_ = true; }

 private:
  LexicalScratch* scratch_;
  bool done_ = false;
};

// What a sum must be above to be kept.
float BarOf(const TopKCollector& best) { return best.full() ? best.worst().score : kNoSum; }

// Calls emit(document, part) for postings [from, to) of a block.
template <typename Emit>
void ForParts(const LexicalState& s, float weight, const PostingList::Block& block,
              const std::uint32_t* docs, std::size_t from, std::size_t to, const Emit& emit) {
  if (s.fields.there()) [[unlikely]] {
    std::uint32_t numbers[kBlockRoom];
    block.Tfs(numbers);
    for (std::size_t i = from; i < to; ++i)
      emit(docs[i], weight * s.fields.Share(numbers[i] + 1, docs[i]));
    return;
  }
  const bool table = s.code_bytes == 1 && block.tf_bits <= std::bit_width(s.kTableTfs - 1);
  const std::uint8_t* const codes = s.length_codes.data();
  const float* const shares = s.shares.data();
  if (table && block.tf_bits == 0) {
    for (std::size_t i = from; i < to; ++i) emit(docs[i], weight * shares[codes[docs[i]]]);
    return;
  }
  std::uint32_t tfs[kBlockRoom];
  block.Tfs(tfs);
  if (table) {
    for (std::size_t i = from; i < to; ++i)
      emit(docs[i], weight * shares[tfs[i] * 256 + codes[docs[i]]]);
    return;
  }
  float norms[kBlockRoom], parts[kBlockRoom];
  for (std::size_t i = from; i < to; ++i) {
    ++tfs[i];
    norms[i] = s.NormOf(docs[i]);
  }
  Bm25Parts(tfs + from, norms + from, to - from, weight, parts + from);
  for (std::size_t i = from; i < to; ++i) emit(docs[i], parts[i]);
}

inline bool Has(const std::uint64_t* words, std::uint32_t doc) {
  return (words[doc / 64] >> doc % 64 & 1) != 0;
}

// Whether the set has a document of [begin, end), or of the words that those are in.
bool AnyOf(const std::uint64_t* words, std::uint32_t begin, std::uint32_t end) {
  return std::any_of(words + begin / 64, words + (end + 63) / 64,
                     [](std::uint64_t word) { return word != 0; });
}

// A bar that at least k of the sums reach, so that hardly more than k of them are looked at one by one;
// kNoSum where looking for it would not pay. `room`: scratch.
float BarThatMostMiss(std::span<const float> sums, std::size_t k, std::vector<float>* room) {
  if (k > sums.size() / kPartsOfBest) return kNoSum;
  const std::size_t each = sums.size() / std::max(kPartsOfBest * k, kLeastParts);
  if (each < kLeastPart) return kNoSum;
  room->resize((sums.size() + each - 1) / each);
  LargestSums(sums.data(), sums.size(), each, room->data());
  const auto kth = room->begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(room->begin(), kth, room->end(), std::greater<>());
  // One that equals it may be among the best as well.
  return *kth > 0 ? std::nextafter(*kth, 0.0f) : kNoSum;
}

// Keeps the best of the sums of documents from `begin` on that are allowed (null: all are) and sets
// the sums back.
void TakeBest(std::span<float> sums, std::uint32_t begin, const std::uint64_t* allowed,
              LexicalScratch* scratch, TopKCollector* best) {
  scratch->positions.resize(std::max(scratch->positions.size(), kScan));
  const float bar = allowed == nullptr && !best->full()
                        ? BarThatMostMiss(sums, best->k(), &scratch->above)
                        : kNoSum;
  scratch->above.resize(std::max(scratch->above.size(), kScan));
  std::size_t part = best->full() || bar > 0 ? kScan : kFirstScan;
  for (std::size_t from = 0, n = 0; from < sums.size();
       from += n, part = std::min(2 * part, kScan)) {
    n = std::min(part, sums.size() - from);
    const std::size_t found = TakeSumsAbove(sums.data() + from, n, std::max(bar, BarOf(*best)),
                                            scratch->positions.data(), scratch->above.data());
    for (std::size_t i = 0; i < found; ++i) {
      const std::uint32_t doc = begin + static_cast<std::uint32_t>(from) + scratch->positions[i];
      if (allowed == nullptr || Has(allowed, doc)) best->Push(doc, scratch->above[i]);
    }
  }
}

}  // namespace

LexicalState::LexicalState() = default;
LexicalState::~LexicalState() = default;

std::vector<Scored> LexicalState::Search(std::span<const QueryTerm> query, std::size_t k,
                                         std::uint32_t window, const std::uint64_t* allowed,
                                         AlsoScored* also) const {
  const auto lease = scratch.Take([] { return std::make_unique<LexicalScratch>(); });
  if (window > 0 && query.size() <= kMostPrunedTerms)
    return SearchPruned(query, k, window, allowed, also == nullptr ? nullptr : also->stop, &*lease);
  return SearchAll(query, k, allowed, also, &*lease);
}

std::vector<Scored> LexicalState::SearchAll(std::span<const QueryTerm> query, std::size_t k,
                                            const std::uint64_t* allowed, AlsoScored* also,
                                            LexicalScratch* mine) const {
  if (mine->sums.size() < documents()) mine->sums.assign(documents(), kNoSum);
  Clean clean(mine);
  float* const sums = mine->sums.data();
  StopCheck* const stop = also == nullptr ? nullptr : also->stop;
  std::uint32_t docs[kBlockRoom];
  std::size_t blocks = 0;  // of all terms: many may have few each
  for (const QueryTerm& term : query) {
    for (std::size_t b = 0; b < term.list.blocks(); ++b) {
      // Sums of some of the terms are no scores: nothing is found then.
      if (stop != nullptr && ++blocks % kBlocksBetweenLooks == 0 && stop->Due()) return {};
      const PostingList::Block block = term.list.Unpack(b, docs);
      ForParts(*this, term.weight, block, docs, 0, block.n,
               [=](std::uint32_t doc, float part) { sums[doc] += part; });
    }
  }
  const auto score_also = [&](const float* from) {
    const auto wanted = also->docs();
    also->scores->resize(wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i)
      (*also->scores)[i] = wanted[i] < documents() ? from[wanted[i]] + 0.0f : 0.0f;
    also->done = true;
  };
  const bool waits = also != nullptr && also->waits;
  if (waits)
    mine->kept.assign(sums, sums + documents());
  else if (also != nullptr)
    score_also(sums);
  TopKCollector best(k);
  TakeBest(std::span(sums, documents()), 0, allowed, mine, &best);
  clean.Done();
  std::vector<Scored> out = best.Take();
  if (waits) score_also(mine->kept.data());
  return out;
}

namespace {

inline std::uint32_t BitsOfFloat(float value) { return std::bit_cast<std::uint32_t>(value); }

// One search by windows.
class Pruned {
 public:
  Pruned(const LexicalState& state, LexicalScratch* scratch, std::size_t k, std::uint32_t window,
         const std::uint64_t* allowed)
      : s_(state), scratch_(*scratch), allowed_(allowed), best_(k) {
    scratch_.positions.resize(std::max<std::size_t>(window + 1, kScan));
    scratch_.above.resize(kScan);
    scratch_.is_candidate.resize((window + 63) / 64);
  }

  void Window(std::uint32_t begin, std::uint32_t end);
  std::vector<Scored> Take() { return best_.Take(); }

 private:
  void AddAll(std::uint32_t begin, std::uint32_t end);
  void AddEssential(std::size_t others, double rest, std::uint32_t begin, std::uint32_t end);
  std::size_t Touch(std::size_t others, std::uint32_t begin, std::uint32_t end);
  void AddToCandidates(LexicalCursor* cursor, std::uint32_t begin, std::uint32_t end);
  std::size_t Filter(std::size_t count, float bar);
  template <typename Emit>
  void ForPostings(LexicalCursor* cursor, std::uint32_t begin, std::uint32_t end,
                   const Emit& emit) {
    cursor->place.ForRange(
        begin, end,
        [&](const PostingList::Block& block, const std::uint32_t* docs, std::size_t from,
            std::size_t to) { ForParts(s_, cursor->weight, block, docs, from, to, emit); });
  }

  const LexicalState& s_;
  LexicalScratch& scratch_;
  const std::uint64_t* const allowed_;  // null: every document
  TopKCollector best_;
};

// Every posting of the window, in the order of the query: the sums are the scores.
void Pruned::AddAll(std::uint32_t begin, std::uint32_t end) {
  auto& live = scratch_.live;
  float* const sums = scratch_.sums.data();
  std::sort(live.begin(), live.end(),
            [](const LexicalCursor* a, const LexicalCursor* b) { return a->index < b->index; });
  for (LexicalCursor* cursor : live)
    ForPostings(cursor, begin, end,
                [=](std::uint32_t doc, float part) { sums[doc - begin] += part; });
  TakeBest(std::span(sums, end - begin), begin, allowed_, &scratch_, &best_);
}

// Adds the essential lists. Returns how many documents have a sum now; positions holds them.
std::size_t Pruned::Touch(std::size_t others, std::uint32_t begin, std::uint32_t end) {
  float* const sums = scratch_.sums.data();
  std::uint32_t* const touched = scratch_.positions.data();
  std::size_t count = 0;
  for (std::size_t i = others; i < scratch_.live.size(); ++i)
    ForPostings(scratch_.live[i], begin, end, [&](std::uint32_t doc, float part) {
      const float sum = sums[doc - begin];
      touched[count] = doc - begin;
      count += BitsOfFloat(sum) >> 31;
      sums[doc - begin] = sum + part;
    });
  return count;
}

// Adds a list to the sums of the candidates alone: a bit for each document of the window, which stay
// in the nearest cache, tell them from the many others.
void Pruned::AddToCandidates(LexicalCursor* cursor, std::uint32_t begin, std::uint32_t end) {
  float* const sums = scratch_.sums.data();
  const std::uint64_t* const is_candidate = scratch_.is_candidate.data();
  cursor->place.ForRange(begin, end,
                         [&](const PostingList::Block& block, const std::uint32_t* docs,
                             std::size_t from, std::size_t to) {
                           for (std::size_t i = from; i < to; ++i) {
                             const std::uint32_t at = docs[i] - begin;
                             if ((is_candidate[at / 64] >> at % 64 & 1) == 0) continue;
                             sums[at] += s_.Contribution(cursor->weight, block.Tf(i), docs[i]);
                           }
                         });
}

// Keeps the candidates whose sums are not below the bar.
std::size_t Pruned::Filter(std::size_t count, float bar) {
  std::uint32_t* const candidates = scratch_.candidates.data();
  const float* const sums = scratch_.sums.data();
  std::uint64_t* const is_candidate = scratch_.is_candidate.data();
  std::size_t kept = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t at = candidates[i];
    candidates[kept] = at;
    if (sums[at] >= bar) {
      ++kept;
    } else {
      is_candidate[at / 64] &= ~(std::uint64_t{1} << at % 64);
    }
  }
  return kept;
}

// live: the `others` first, whose bounds add up to `rest`, then the essential ones.
void Pruned::AddEssential(std::size_t others, double rest, std::uint32_t begin, std::uint32_t end) {
  auto& live = scratch_.live;
  auto& candidates = scratch_.candidates;
  float* const sums = scratch_.sums.data();
  const std::uint32_t* const touched = scratch_.positions.data();
  const std::size_t count = Touch(others, begin, end);
  // What a sum must be above with what the lists that are left can add.
  const auto least = [&] {
    const double bar = double{best_.worst().score} / kSlack - rest;
    return bar > 0 ? static_cast<float>(bar / kSlack) : 0.0f;
  };
  candidates.resize(count);
  std::size_t kept = 0;
  const float bar = least();
  for (std::size_t i = 0; i < count; ++i) {
    candidates[kept] = touched[i];
    kept += sums[touched[i]] >= bar ? 1 : 0;
  }
  if (allowed_ != nullptr) {
    const auto end_of_kept = candidates.begin() + static_cast<std::ptrdiff_t>(kept);
    kept = static_cast<std::size_t>(
        std::remove_if(candidates.begin(), end_of_kept,
                       [&](std::uint32_t at) { return !Has(allowed_, begin + at); }) -
        candidates.begin());
  }
  auto& is_candidate = scratch_.is_candidate;
  for (std::size_t i = 0; i < kept; ++i)
    is_candidate[candidates[i] / 64] |= std::uint64_t{1} << candidates[i] % 64;
  bool sorted = false;
  for (std::size_t i = others; kept > 0 && i-- > 0;) {
    LexicalCursor& cursor = *live[i];
    if (static_cast<double>(kept) * kLookup > cursor.postings) {
      AddToCandidates(&cursor, begin, end);
    } else {
      if (!sorted)
        std::sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(kept));
      sorted = true;
      for (std::size_t j = 0; j < kept; ++j) {
        const std::uint32_t doc = begin + candidates[j];
        if (const std::uint32_t tf = cursor.place.Find(doc); tf > 0)
          sums[candidates[j]] += s_.Contribution(cursor.weight, tf, doc);
      }
    }
    rest -= cursor.bound;
    kept = Filter(kept, least());
  }
  for (std::size_t i = 0; i < kept; ++i) is_candidate[candidates[i] / 64] = 0;
  for (std::size_t i = 0; i < count; ++i) sums[touched[i]] = kNoSum;
  if (kept > (end - begin) / kCandidateShare) {
    for (LexicalCursor* cursor : live) cursor->place.Rewind();
    AddAll(begin, end);
    return;
  }
  if (!sorted)
    std::sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(kept));
  for (std::size_t j = 0; j < kept; ++j) {
    const std::uint32_t doc = begin + candidates[j];
    float score = kNoSum;
    for (const LexicalCursor& cursor : scratch_.cursors)
      if (const std::uint32_t tf = cursor.place.Look(doc); tf > 0)
        score += s_.Contribution(cursor.weight, tf, doc);
    best_.Push(doc, score);
  }
}

void Pruned::Window(std::uint32_t begin, std::uint32_t end) {
  if (allowed_ != nullptr && !AnyOf(allowed_, begin, end)) return;
  auto& live = scratch_.live;
  live.clear();
  const double share = static_cast<double>(end - begin) / static_cast<double>(s_.meta.documents);
  for (LexicalCursor& cursor : scratch_.cursors) {
    if (!cursor.place.Enter(begin)) continue;
    cursor.bound =
        double{cursor.weight} * lexical::ShareOfBound(cursor.place.BoundUntil(end)) * kSlack;
    cursor.postings = share * cursor.df;
    live.push_back(&cursor);
  }
  if (!best_.full()) {
    AddAll(begin, end);
    return;
  }
  std::sort(live.begin(), live.end(), [](const LexicalCursor* a, const LexicalCursor* b) {
    return a->bound < b->bound || (a->bound == b->bound && a->index < b->index);
  });
  const double bar = double{best_.worst().score};
  double rest = 0;
  std::size_t others = 0;
  while (others < live.size() && rest + live[others]->bound <= bar) rest += live[others++]->bound;
  if (others == live.size()) return;
  if (others == 0) {
    AddAll(begin, end);
  } else {
    AddEssential(others, rest, begin, end);
  }
}

}  // namespace

std::vector<Scored> LexicalState::SearchPruned(std::span<const QueryTerm> query, std::size_t k,
                                               std::uint32_t window, const std::uint64_t* allowed,
                                               StopCheck* stop, LexicalScratch* mine) const {
  if (mine->sums.size() < window) mine->sums.assign(window, kNoSum);
  Clean clean(mine);
  mine->cursors.clear();
  for (const QueryTerm& term : query)
    mine->cursors.push_back({.place = lexical::PostingCursor(term.list),
                             .weight = term.weight,
                             .index = static_cast<std::uint32_t>(mine->cursors.size()),
                             .bound = 0});
  Pruned search(*this, mine, k, window, allowed);
  for (std::uint64_t begin = 0; begin < meta.documents; begin += window) {
    if (stop != nullptr && begin > 0 && stop->Due()) break;
    search.Window(static_cast<std::uint32_t>(begin),
                  static_cast<std::uint32_t>(std::min(begin + window, meta.documents)));
  }
  clean.Done();
  return search.Take();
}

void LexicalState::ScoreAscending(std::span<const QueryTerm> query,
                                  std::span<const std::uint32_t> docs,
                                  std::span<float> scores) const {
  for (const QueryTerm& term : query) {
    lexical::PostingCursor place(term.list);
    for (std::size_t i = 0; i < docs.size(); ++i)
      if (const std::uint32_t tf = place.Find(docs[i]); tf > 0)
        scores[i] += Contribution(term.weight, tf, docs[i]);
  }
}

std::vector<Scored> LexicalState::SearchAllowed(std::span<const QueryTerm> query, std::size_t k,
                                                std::span<const std::uint32_t> docs) const {
  std::vector<float> scores(docs.size(), kNoSum);
  ScoreAscending(query, docs, scores);
  TopKCollector best(k);
  for (std::size_t i = 0; i < docs.size(); ++i)
    if (!std::signbit(scores[i])) best.Push(docs[i], scores[i]);
  return best.Take();
}

}  // namespace equipoise
