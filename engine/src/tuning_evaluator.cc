#include "tuning_evaluator.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <unordered_map>

#include <equipoise/core/check.h>
#include <equipoise/core/diversity_measures.h>
#include <equipoise/core/ranking_measures.h>
#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/rows.h>
#include <equipoise/optimizer/reward.h>
#include <equipoise/retrieval/diversity.h>
#include <equipoise/retrieval/vector_path.h>

#include "parallel_status.h"
#include "unseen_idf.h"

namespace equipoise {
namespace {

enum Part : std::size_t {
  kLexicalSearch,
  kPosting,
  kLexicalResult,
  kVectorSearch,
  kSeen,
  kDistance,
  kRescored,
  kFusion,
  kCandidate,
  kMissing,
  kCompared
};

double AsDouble(std::uint64_t n) { return static_cast<double>(n); }

}  // namespace

double SearchCounts::Cost(const CostUnits& units) const {
  if (units.prices)
    return parts[kLexicalSearch] * units.lexical_search +
           parts[kVectorSearch] * units.vector_search;
  const std::array<double, kParts> each = {
      units.lexical_search, units.posting,  units.lexical_result, units.vector_search,
      units.seen,           units.distance, units.rescored,       units.fusion,
      units.candidate,      units.missing,  units.compared};
  double out = 0;
  for (std::size_t i = 0; i < kParts; ++i) out += parts[i] * each[i];
  return out / 1e6;
}

/// Cosines between the documents of a query's pool, each computed once, by whichever thread needs it first:
/// two that do so at once write the same bits.
class TuningEvaluator::Cosines {
 public:
  /// Room for a pool of this size; what is known stays. One thread at a time.
  void Reserve(std::size_t pool) {
    pool = std::min(pool, kMostShared);
    if (pool <= pool_) return;
    std::vector<std::atomic<float>> values(pool * (pool - 1) / 2);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i].store(i < values_.size() ? values_[i].load(std::memory_order_relaxed) : kUnknown,
                      std::memory_order_relaxed);
    values_.swap(values);
    pool_ = pool;
  }
  /// Of two different places.
  template <typename Compute>
  float Of(std::size_t a, std::size_t b, const Compute& compute) const {
    if (a < b) std::swap(a, b);
    if (a >= pool_) return compute();
    std::atomic<float>& value = values_[a * (a - 1) / 2 + b];
    float known = value.load(std::memory_order_relaxed);
    if (known == kUnknown) {
      known = compute();
      value.store(known, std::memory_order_relaxed);
    }
    return known;
  }

 private:
  static constexpr float kUnknown = 9;
  static constexpr std::size_t kMostShared =
      1024;  // 2 MB a query; what comes up later is computed anew
  mutable std::vector<std::atomic<float>> values_;
  std::size_t pool_ = 0;
};

/// All documents that any search for the query found, with both true scores: those of the words first, best
/// first, then those of the vectors as they came up.
struct TuningEvaluator::Query {
  struct Pooled {
    std::uint32_t doc = 0;
    float lexical = 0, vector = 0;
  };
  struct List {
    std::vector<Scored> found;
    std::vector<std::uint32_t> places;  // of them in the pool
    VectorSearchReport report;
  };

  std::size_t source = 0;
  std::string text{};
  std::vector<float> embedding{};
  const Judgments::OfQuery* judged = nullptr;
  std::vector<std::pair<std::uint32_t, int>> grades{};  // of judged documents, ascending
  double postings = 0;
  float lowest = -1;
  std::vector<Scored> words{};
  std::vector<Pooled> pool{};
  std::unordered_map<std::uint32_t, std::uint32_t> places{};
  std::vector<List> lists{};  // [keys]
  std::unique_ptr<Cosines> cosines = std::make_unique<Cosines>();
  std::vector<const std::string*> answer{};   // its sentences, but for those of stop words alone
  std::vector<std::vector<bool>> supports{};  // [pool, sentences of the answer]
  std::unordered_map<std::uint32_t, const SubtopicsOfDocument*> subtopics{};  // by document
  double ideal = 0;  // α-DCG; 0: no subtopics

  int GradeOf(std::uint32_t doc) const {
    const auto at = std::lower_bound(grades.begin(), grades.end(), std::pair(doc, INT32_MIN));
    return at != grades.end() && at->first == doc ? at->second : 0;
  }
};

/// Rows of unit length of the documents that may be shown, of one source.
struct TuningEvaluator::Rows {
  std::size_t dimensions = 0;
  std::vector<std::uint32_t> place{};  // [documents] kNowhere: not read
  std::vector<float> values{};
  static constexpr std::uint32_t kNowhere = 0xffffffffu;
};

TuningEvaluator::TuningEvaluator(const Options& options) : options_(options) {}
TuningEvaluator::~TuningEvaluator() = default;

std::size_t TuningEvaluator::queries() const { return queries_.size(); }
std::size_t TuningEvaluator::SourceOf(std::size_t query) const { return queries_[query].source; }
bool TuningEvaluator::HasAnswer(std::size_t query) const { return !queries_[query].answer.empty(); }
bool TuningEvaluator::HasSubtopics(std::size_t query) const { return queries_[query].ideal > 0; }

SearchRequest TuningEvaluator::RequestOf(std::size_t query) const {
  const Query& q = queries_[query];
  return {.text = q.text, .embedding = q.embedding, .k = options_.k};
}

Result<std::unique_ptr<TuningEvaluator>> TuningEvaluator::Create(
    const std::vector<JudgedSource>& sources, const Options& options) {
  std::unique_ptr<TuningEvaluator> out(new TuningEvaluator(options));
  out->sources_ = &sources;
  for (std::size_t i = 0; i < sources.size(); ++i)
    EQUIPOISE_RETURN_IF_ERROR(out->AddSource(sources[i], i));
  const std::size_t n = out->queries_.size();
  EQUIPOISE_RETURN_IF_ERROR(ForEach(
      n, options.threads, [&](std::size_t i) { return out->SearchWords(&out->queries_[i]); },
      [&](std::size_t done) {
        return !options.progress ||
               options.progress({.stage = "searching", .done = done, .total = n});
      }));
  out->searches_ = n;
  // What words find may be shown without any search of the vectors.
  EQUIPOISE_RETURN_IF_ERROR(out->ReadRows());
  return out;
}

Status TuningEvaluator::AddSource(const JudgedSource& source, std::size_t number) {
  const Collection& collection = source.engine.collection();
  if (!collection.has_text() || collection.vectors() == nullptr)
    return Status(Code::kInvalidArgument,
                  "has one path only: there is nothing to tune; index texts and embeddings",
                  {.file = source.folder});
  rows_.push_back({.dimensions = collection.dimensions(),
                   .place = std::vector<std::uint32_t>(collection.documents(), Rows::kNowhere),
                   .values = {}});
  for (std::size_t row = 0; row < source.queries.size(); ++row) {
    const Queries::Item& item = source.queries.items()[row];
    const Judgments::OfQuery* judged = source.judgments.Find(item.id);
    if (judged == nullptr || judged->relevant == 0 || item.text.empty()) continue;
    Query query{.source = number,
                .text = item.text,
                .embedding = source.EmbeddingOf(row),
                .judged = judged};
    for (std::size_t i = 0; i < judged->documents.size(); ++i)
      if (const auto doc = collection.Find(judged->documents[i]))
        query.grades.emplace_back(*doc, judged->grades[i]);
    std::sort(query.grades.begin(), query.grades.end());
    if (const auto* sentences = source.answers.Find(item.id))
      for (const std::string& sentence : *sentences)
        if (!collection.ExplainLexical(sentence, 0).empty()) query.answer.push_back(&sentence);
    if (const Subtopics::OfQuery* of = source.subtopics.Find(item.id)) {
      std::vector<SubtopicsOfDocument> all;
      for (const auto& [document, subtopics] : *of) {
        all.push_back(subtopics);
        if (const auto doc = collection.Find(document)) query.subtopics[*doc] = &subtopics;
      }
      query.ideal = IdealAlphaDcgAt(all, options_.k);
    }
    queries_.push_back(std::move(query));
  }
  return {};
}

Status TuningEvaluator::SearchWords(Query* query) const {
  const Collection& collection = (*sources_)[query->source].engine.collection();
  const std::size_t longest = std::max(options_.longest, options_.k);
  EQUIPOISE_ASSIGN_OR_RETURN(const SearchResult found,
                             collection.Search({.text = query->text, .k = longest}));
  query->lowest = collection.LowestVectorScore(query->embedding);
  if (collection.documents() > 0)
    for (const TermScore& term : collection.ExplainLexical(query->text, 0))
      query->postings += term.df;
  std::vector<std::uint32_t> docs;
  for (const Hit& hit : found.hits) docs.push_back(hit.doc);
  std::vector<float> scores(docs.size());
  EQUIPOISE_RETURN_IF_ERROR(collection.vectors()->Score(query->embedding, docs, scores));
  for (std::size_t i = 0; i < docs.size(); ++i) {
    query->words.push_back({docs[i], found.hits[i].lexical});
    query->places[docs[i]] = static_cast<std::uint32_t>(i);
    query->pool.push_back({docs[i], found.hits[i].lexical, scores[i]});
  }
  return FindSupport(query);
}

/// Which sentences of its answer each new document of the pool supports: a ranking's groundedness is then
/// that of the documents together.
Status TuningEvaluator::FindSupport(Query* query) const {
  if (query->answer.empty()) return {};
  const Collection& collection = (*sources_)[query->source].engine.collection();
  const float rarest = UnseenIdf(collection);
  for (std::size_t place = query->supports.size(); place < query->pool.size(); ++place) {
    std::vector<bool>& supported = query->supports.emplace_back();
    for (const std::string* sentence : query->answer) {
      std::vector<std::uint64_t> terms, found;
      std::vector<float> weights;
      for (const TermScore& term : collection.ExplainLexical(*sentence, query->pool[place].doc)) {
        terms.push_back(terms.size());
        weights.push_back(term.df > 0 ? term.idf : rarest);
        if (term.tf > 0) found.push_back(terms.back());
      }
      const SupportText said{.terms = terms, .weights = weights, .embeddings = {}};
      const SupportText passage{.terms = found, .weights = {}, .embeddings = {}};
      EQUIPOISE_ASSIGN_OR_RETURN(const Groundedness grounded,
                                 MeasureGroundedness({&said, 1}, {&passage, 1}));
      supported.push_back(grounded.sentences[0].supported);
    }
  }
  return {};
}

TuningEvaluator::VectorKey TuningEvaluator::KeyOf(const Configuration& c) const {
  // An exhaustive search finds a prefix for every depth: one list serves all.
  if (c.exact) return {.depth = std::max(options_.longest, options_.k), .exact = true};
  return {.depth = std::max(c.vector_depth, options_.k),
          .ef_search = c.ef_search,
          .rescore = c.rescore,
          .target_recall = static_cast<float>(c.target_recall)};
}

Status TuningEvaluator::SearchVectors(std::span<const VectorKey> keys, Query* query) const {
  const Collection& collection = (*sources_)[query->source].engine.collection();
  const VectorIndex& vectors = *collection.vectors();
  std::vector<std::uint32_t> fresh;
  for (const VectorKey& key : keys) {
    Query::List& list = query->lists.emplace_back();
    const SearchRequest asked = {.ef_search = key.ef_search,
                                 .rescore = key.rescore,
                                 .target_recall = key.target_recall,
                                 .exact = key.exact};
    EQUIPOISE_ASSIGN_OR_RETURN(
        list.found, vectors.Search(query->embedding, VectorPathParams(vectors, asked, key.depth),
                                   &list.report));
    for (const Scored& scored : list.found) {
      const auto [at, added] =
          query->places.try_emplace(scored.id, static_cast<std::uint32_t>(query->pool.size()));
      if (added) {
        query->pool.push_back({scored.id, 0, scored.score});
        fresh.push_back(scored.id);
      }
      list.places.push_back(at->second);
    }
  }
  std::vector<float> scores(fresh.size());
  collection.ScoreLexical(query->text, fresh, scores);
  const std::size_t from = query->pool.size() - fresh.size();
  for (std::size_t i = 0; i < fresh.size(); ++i) query->pool[from + i].lexical = scores[i];
  return FindSupport(query);
}

Status TuningEvaluator::Prepare(std::span<const Configuration> configurations) {
  std::vector<VectorKey> fresh;
  for (const Configuration& c : configurations) {
    if (c.alpha == 1.0) continue;
    const VectorKey key = KeyOf(c);
    if (keys_.try_emplace(key, keys_.size()).second) fresh.push_back(key);
  }
  if (fresh.empty()) return {};
  EQUIPOISE_RETURN_IF_ERROR(ForEach(queries_.size(), options_.threads, [&](std::size_t i) {
    return SearchVectors(fresh, &queries_[i]);
  }));
  searches_ += fresh.size() * queries_.size();
  return ReadRows();
}

Status TuningEvaluator::ReadRows() {
  if (options_.mmr)
    for (Query& query : queries_) query.cosines->Reserve(query.pool.size());
  for (std::size_t s = 0; s < rows_.size(); ++s) {
    Rows& rows = rows_[s];
    std::vector<std::uint32_t> docs;
    std::size_t next = rows.values.size() / std::max<std::size_t>(1, rows.dimensions);
    for (const Query& query : queries_) {
      if (query.source != s) continue;
      for (const Query::Pooled& pooled : query.pool) {
        if (rows.place[pooled.doc] != Rows::kNowhere) continue;
        rows.place[pooled.doc] = static_cast<std::uint32_t>(next++);
        docs.push_back(pooled.doc);
      }
    }
    const std::size_t from = rows.values.size(), d = rows.dimensions;
    rows.values.resize(from + docs.size() * d);
    const std::span<float> values = std::span(rows.values).subspan(from);
    EQUIPOISE_RETURN_IF_ERROR((*sources_)[s].engine.collection().vectors()->Read(docs, values));
    for (std::size_t i = 0; i < docs.size(); ++i) {
      const std::span<float> row = values.subspan(i * d, d);
      Normalize(row.data(), d);  // as a search does for mmr
    }
  }
  return {};
}

/// As Collection::Search does it.
void TuningEvaluator::Diversify(const Configuration& c, const Query& query,
                                std::vector<Candidate>* hits) const {
  const Rows& all = rows_[query.source];
  const std::size_t m = hits->size(), d = all.dimensions;
  std::vector<float> relevance(m);
  std::vector<std::uint32_t> places(m);
  std::vector<const float*> rows(m);
  for (std::size_t i = 0; i < m; ++i) {
    const float best = (*hits)[0].score;
    const std::uint32_t doc = (*hits)[i].doc;
    relevance[i] = best > 0 ? (*hits)[i].score / best : 0.0f;
    places[i] = query.places.at(doc);
    rows[i] = all.values.data() + std::size_t{all.place[doc]} * d;
  }
  const auto cosine = [&](std::size_t a, std::size_t b) {
    return query.cosines->Of(places[a], places[b], [&] { return Dot(rows[a], rows[b], d); });
  };
  std::vector<Candidate> chosen;
  for (const DiversePick& pick : PickDiverseBy(relevance, cosine, *c.mmr, options_.k))
    chosen.push_back((*hits)[pick.position]);
  *hits = std::move(chosen);
}

double TuningEvaluator::Quality(const Query& query, std::span<const Candidate> hits) const {
  std::vector<int> ranked;
  ranked.reserve(hits.size());
  for (const Candidate& hit : hits) ranked.push_back(query.GradeOf(hit.doc));
  const double measure = options_.measure == QualityMeasure::kNdcg
                             ? NdcgAt(ranked, query.judged->grades, options_.k)
                             : RecallAt(ranked, query.judged->grades, options_.k);
  if (query.answer.empty()) return measure;
  std::size_t supported = 0;
  for (std::size_t s = 0; s < query.answer.size(); ++s)
    supported += std::any_of(hits.begin(), hits.end(), [&](const Candidate& hit) {
      return query.supports[query.places.at(hit.doc)][s];
    });
  const double groundedness =
      static_cast<double>(supported) / static_cast<double>(query.answer.size());
  return options_.groundedness * groundedness + (1 - options_.groundedness) * measure;
}

double TuningEvaluator::Diversity(const Query& query, std::span<const Candidate> hits) const {
  if (options_.subtopics) {
    if (!(query.ideal > 0)) return std::numeric_limits<double>::quiet_NaN();
    std::vector<SubtopicsOfDocument> ranked;
    for (const Candidate& hit : hits) {
      const auto of = query.subtopics.find(hit.doc);
      ranked.push_back(of == query.subtopics.end() ? SubtopicsOfDocument() : *of->second);
    }
    return std::min(1.0, AlphaDcgAt(ranked, options_.k) / query.ideal);
  }
  if (hits.size() < 2) return 0;
  // Σ over pairs of a cosine is (|Σ row|² − Σ |row|²) / 2.
  const Rows& rows = rows_[query.source];
  const std::size_t d = rows.dimensions;
  std::vector<float> sum(d, 0.0f);
  double own = 0;
  for (const Candidate& hit : hits) {
    const float* row = rows.values.data() + std::size_t{rows.place[hit.doc]} * d;
    float norm = 0;
    for (std::size_t j = 0; j < d; ++j) {
      sum[j] += row[j];
      norm += row[j] * row[j];
    }
    own += double{norm};
  }
  double all = 0;
  for (const float x : sum) all += double{x} * x;
  const auto n = static_cast<double>(hits.size());
  return 1 - (all - own) / (n * (n - 1));
}

std::vector<Candidate> TuningEvaluator::Rank(const Configuration& c, std::size_t number,
                                             SearchCounts* of) const {
  const Query& query = queries_[number];
  const Collection& collection = (*sources_)[query.source].engine.collection();
  const bool lexical = c.alpha != 0.0, vector = c.alpha != 1.0;
  auto& counts = of->parts;
  std::vector<Candidate> candidates;
  std::span<const Scored> words, nearest;
  FusionScale scale{.method = c.fusion.value_or(FusionMethod::kMinMaxUnion),
                    .alpha = c.alpha.value_or(0.5),
                    .lexical_depth = c.lexical_depth,
                    .vector_depth = c.vector_depth};
  if (lexical) {
    const std::size_t n = std::min(std::max(c.lexical_depth, options_.k), query.words.size());
    words = std::span(query.words).first(n);
    for (std::uint32_t i = 0; i < n; ++i)
      candidates.push_back({.doc = query.pool[i].doc,
                            .lexical = query.pool[i].lexical,
                            .vector = query.pool[i].vector,
                            .lexical_rank = i + 1});
    scale.lexical = LexicalFrame(scale.method, words, c.lexical_depth, collection.documents());
    counts[kLexicalSearch] = 1;
    counts[kPosting] = query.postings;
    counts[kLexicalResult] = static_cast<double>(n);
  }
  if (vector) {
    const Query::List& list = query.lists[keys_.at(KeyOf(c))];
    const std::size_t n = std::min(std::max(c.vector_depth, options_.k), list.found.size());
    nearest = std::span(list.found).first(n);
    for (std::uint32_t i = 0; i < n; ++i) {
      const std::uint32_t place = list.places[i];
      if (place < words.size()) {
        candidates[place].vector_rank = i + 1;
      } else {
        const Query::Pooled& pooled = query.pool[place];
        candidates.push_back({.doc = pooled.doc,
                              .lexical = lexical ? pooled.lexical : 0,
                              .vector = pooled.vector,
                              .vector_rank = i + 1});
      }
    }
    scale.vector = VectorFrame(scale.method, nearest, c.vector_depth, query.lowest);
    counts[kVectorSearch] = 1;
    counts[kSeen] = AsDouble(list.report.seen);
    counts[kDistance] = AsDouble(list.report.distances);
    counts[kRescored] = AsDouble(list.report.rescored);
  }
  counts[kFusion] = 1;
  counts[kCandidate] = static_cast<double>(candidates.size());
  if (lexical && vector)
    counts[kMissing] = static_cast<double>(2 * candidates.size() - words.size() - nearest.size());
  Fuse(scale, c.mmr ? std::max(options_.k, c.mmr_candidates) : options_.k, &candidates);
  if (c.mmr) {
    counts[kCompared] = static_cast<double>(options_.k * candidates.size());
    Diversify(c, query, &candidates);
  }
  return candidates;
}

TuningEvaluator::OfQuery TuningEvaluator::Judge(const Configuration& c, std::size_t number) const {
  const Query& query = queries_[number];
  OfQuery out;
  const std::vector<Candidate> candidates = Rank(c, number, &out.counts);
  out.quality = Quality(query, candidates);
  out.diversity = Diversity(query, candidates);
  return out;
}

TunedValues TuningEvaluator::Judge(const Configuration& configuration,
                                   std::span<const std::uint32_t> queries, const CostUnits& units,
                                   std::vector<double>* qualities) const {
  TunedValues out;
  SearchCounts counts;
  double diverse = 0;  // queries that have a diversity
  for (const std::uint32_t query : queries) {
    const OfQuery one = Judge(configuration, query);
    out.quality += one.quality;
    if (!std::isnan(one.diversity)) {
      out.diversity += one.diversity;
      ++diverse;
    }
    for (std::size_t i = 0; i < SearchCounts::kParts; ++i) counts.parts[i] += one.counts.parts[i];
    if (qualities != nullptr) qualities->push_back(one.quality);
  }
  const auto n = static_cast<double>(std::max<std::size_t>(1, queries.size()));
  out.quality /= n;
  out.diversity /= std::max(1.0, diverse);
  out.cost = counts.Cost(units) / n;
  return out;
}

}  // namespace equipoise
