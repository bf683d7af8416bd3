#include "plain_pipeline.h"

#include <algorithm>
#include <cmath>
#include <queue>

#include <equipoise/retrieval/fusion.h>
#include <equipoise/retrieval/vector_index.h>

#include "vector_state.h"

namespace equipoise::bench {
namespace {

constexpr std::size_t kDepth = 100;
constexpr std::size_t kTop = 10;
constexpr float kK1 = 1.2f, kB = 0.75f;  // as the index's defaults

struct WorstFirst {
  bool operator()(const Scored& a, const Scored& b) const { return Better(a, b); }
};
struct BestFirst {
  bool operator()(const Scored& a, const Scored& b) const { return Better(b, a); }
};
template <typename Order>
using Queue = std::priority_queue<Scored, std::vector<Scored>, Order>;

std::vector<Scored> Emptied(Queue<WorstFirst>* queue) {
  std::vector<Scored> out(queue->size());
  for (std::size_t i = out.size(); i > 0; --i) {
    out[i - 1] = queue->top();
    queue->pop();
  }
  return out;
}

void Keep(const Scored& item, std::size_t most, Queue<WorstFirst>* best) {
  best->push(item);
  if (best->size() > most) best->pop();
}

}  // namespace

PlainPipeline::PlainPipeline(const Collection& collection, UnitRows rows)
    : collection_(collection),
      rows_(std::move(rows)),
      analyzer_(OrThrow(Analyzer::Create({}))),
      sums_(collection.documents()),
      seen_(collection.documents()) {
  if (rows_.rows() != collection.documents())
    throw std::runtime_error("another number of rows than of documents");
  for (const Copy& pair : VectorIndexAccess::StateOf(*collection_.vectors()).copies)
    copies_[pair.original].push_back(pair.copy);
  IndexTerms();
}

void PlainPipeline::IndexTerms() {
  const std::uint32_t n = collection_.documents();
  std::vector<float> lengths(n);
  double total = 0;
  for (std::uint32_t doc = 0; doc < n; ++doc) {
    const StoredDocument stored = collection_.Get(doc);
    const auto tokens =
        analyzer_.Analyze(std::string(stored.title) + " " + std::string(stored.text));
    for (const std::string& token : tokens) {
      auto& list = postings_[token];
      if (list.empty() || list.back().doc != doc) list.push_back({.doc = doc});
      list.back().share += 1;
    }
    lengths[doc] = static_cast<float>(tokens.size());
    total += lengths[doc];
  }
  const auto average = static_cast<float>(total / n);
  for (auto& [term, list] : postings_)
    for (Posting& one : list)
      one.share /= one.share + kK1 * (1 - kB + kB * lengths[one.doc] / average);
}

float PlainPipeline::Dot(std::span<const float> query, std::uint32_t row) const {
  const float* other = rows_.values.data() + std::size_t{row} * rows_.dim;
  float sum = 0;
  for (std::size_t d = 0; d < rows_.dim; ++d) sum += query[d] * other[d];
  return sum;
}

std::vector<Scored> PlainPipeline::Nearest(std::span<const float> query, std::size_t k) {
  const auto& state = VectorIndexAccess::StateOf(*collection_.vectors());
  Queue<WorstFirst> best;
  if (!state.settings.has_graph) {
    for (std::uint32_t row = 0; row < rows_.rows(); ++row) Keep({row, Dot(query, row)}, k, &best);
    return Emptied(&best);
  }
  const HnswLinks& links = state.graph.links;
  // Down the upper levels, each time to the nearest neighbour.
  std::uint32_t at = links.entry_row(), upper = links.entry_upper();
  float score = Dot(query, at);
  for (std::size_t level = links.top_level(); level > 0; --level)
    for (bool moved = true; moved;) {
      moved = false;
      for (const std::uint32_t next : links.Upper(upper, level)) {
        const std::uint32_t row = links.upper_rows()[next];
        const float other = Dot(query, row);
        if (other <= score) continue;
        score = other, at = row, upper = next, moved = true;
      }
    }
  // Then the beam: what was found best first, as long as it may lead to better.
  ++number_;
  Queue<BestFirst> open;
  seen_[at] = number_;
  open.push({at, score});
  best.push({at, score});
  const std::size_t beam = std::max(ef, k);
  while (!open.empty()) {
    const Scored from = open.top();
    if (best.size() >= beam && Better(best.top(), from)) break;
    open.pop();
    bool damaged = false;
    for (const std::uint32_t row : links.Base(from.id, &damaged)) {
      if (seen_[row] == number_) continue;
      seen_[row] = number_;
      const Scored next{row, Dot(query, row)};
      if (best.size() >= beam && Better(best.top(), next)) continue;
      open.push(next);
      Keep(next, beam, &best);
    }
  }
  std::vector<Scored> out = Emptied(&best);
  for (std::size_t i = 0, found = out.size(); i < found; ++i)
    if (const auto copies = copies_.find(out[i].id); copies != copies_.end())
      for (const std::uint32_t row : copies->second) out.push_back({row, Dot(query, row)});
  std::sort(out.begin(), out.end(), Better);
  out.resize(std::min(out.size(), k));
  return out;
}

std::vector<Scored> PlainPipeline::Best(std::string_view text, std::size_t k) {
  std::fill(sums_.begin(), sums_.end(), 0.0f);
  const double n = collection_.documents();
  for (const std::string& token : analyzer_.Analyze(text)) {
    const auto found = postings_.find(token);
    if (found == postings_.end()) continue;
    const auto df = static_cast<double>(found->second.size());
    const auto idf = static_cast<float>(std::log(1 + (n - df + 0.5) / (df + 0.5)));
    for (const Posting& one : found->second) sums_[one.doc] += idf * one.share;
  }
  Queue<WorstFirst> best;
  for (std::uint32_t doc = 0; doc < sums_.size(); ++doc)
    if (sums_[doc] > 0) Keep({doc, sums_[doc]}, k, &best);
  return Emptied(&best);
}

std::vector<std::uint32_t> PlainPipeline::Search(std::string_view text,
                                                 std::span<const float> query) {
  const std::vector<Scored> words = Best(text, kDepth), near = Nearest(query, kDepth);
  std::unordered_map<std::uint32_t, Candidate> found;
  for (std::uint32_t rank = 0; rank < words.size(); ++rank)
    found[words[rank].id].lexical_rank = rank + 1;
  for (std::uint32_t rank = 0; rank < near.size(); ++rank)
    found[near[rank].id].vector_rank = rank + 1;
  std::vector<Candidate> candidates;
  for (auto& [doc, candidate] : found) {
    candidate.doc = doc;
    candidate.lexical = sums_[doc];
    candidate.vector = Dot(query, doc);
    candidates.push_back(candidate);
  }
  Fuse({.method = FusionMethod::kMinMaxUnion, .alpha = 0.5}, kTop, &candidates);
  std::vector<std::uint32_t> out;
  for (const Candidate& candidate : candidates) out.push_back(candidate.doc);
  return out;
}

}  // namespace equipoise::bench
