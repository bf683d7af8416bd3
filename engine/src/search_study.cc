#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <new>
#include <set>

#include <equipoise/core/check.h>
#include <equipoise/engine/search_study.h>

#include "judged_source.h"

namespace equipoise {
namespace {

/// As many searches as a 99th percentile needs.
constexpr std::size_t kTimed = 1000;

double IdealDcg(const Judgments::OfQuery& judged, std::size_t shown) {
  std::vector<int> grades = judged.grades;
  std::sort(grades.begin(), grades.end(), std::greater<>());
  double dcg = 0;
  for (std::size_t i = 0; i < std::min(shown, grades.size()); ++i)
    if (grades[i] > 0)
      dcg += (std::exp2(std::min(grades[i], 60)) - 1) / std::log2(static_cast<double>(i) + 2);
  return dcg;
}

/// Whether `a` is before `b` at every α that ranks both: better or equal in all, and where a tie could let b
/// go first, before it by its number or better in both scores.
bool AlwaysBefore(const StudiedCandidate& a, const StudiedCandidate& b) {
  const auto rank = [](std::uint32_t x, std::uint32_t y) { return y == 0 || (x > 0 && x < y); };
  if (!rank(a.lexical_rank, b.lexical_rank) || !rank(a.vector_rank, b.vector_rank)) return false;
  if (a.lexical < b.lexical || a.vector < b.vector) return false;
  return a.doc < b.doc || (a.lexical > b.lexical && a.vector > b.vector);
}

/// Without those that no α shows.
void KeepShown(std::size_t shown, std::vector<StudiedCandidate>* candidates) {
  std::vector<StudiedCandidate> kept;
  for (const StudiedCandidate& b : *candidates) {
    std::size_t before = 0;
    for (const StudiedCandidate& a : *candidates) {
      if (a.doc != b.doc && AlwaysBefore(a, b)) ++before;
      if (before == shown) break;
    }
    if (before < shown) kept.push_back(b);
  }
  *candidates = std::move(kept);
}

class SearchStudier {
 public:
  SearchStudier(const JudgedSource& source, const SearchStudyOptions& options)
      : source_(source), options_(options), configuration_(options.configuration) {
    configuration_.mmr.reset();
    configuration_.alpha.reset();
    const FusionWeights stored = source.engine.collection().weights();
    weights_.method = configuration_.fusion.value_or(stored.method);
    // An α of the index means nothing with another fusion than the index's.
    weights_.alpha = options.configuration.alpha.value_or(
        weights_.method == stored.method ? stored.alpha : FusionWeights{}.alpha);
    for (std::size_t row = 0; row < source.queries.size(); ++row) {
      const Judgments::OfQuery* judged = source.judgments.Find(source.queries.items()[row].id);
      if (judged != nullptr && judged->relevant > 0 && !source.queries.items()[row].text.empty())
        rows_.push_back(row);
    }
  }

  Status Run(SearchStudy* out);

 private:
  SearchRequest Request(std::size_t row, std::span<const float> embedding, double alpha,
                        std::size_t k) const {
    return Configured({.text = source_.queries.items()[row].text,
                       .embedding = embedding,
                       .k = k,
                       .alpha = alpha,
                       .fusion = weights_.method},
                      configuration_, weights_.method);
  }
  Status Settings(SearchStudy* out) const;
  Status Layers(SearchStudy* out) const;
  Result<StudiedQuery> Look(std::size_t row) const;
  Status Sample(SearchStudy* out) const;

  const JudgedSource& source_;
  const SearchStudyOptions& options_;
  Configuration configuration_;
  FusionWeights weights_;
  std::vector<std::size_t> rows_;  // queries with a text and a relevant document
};

Status SearchStudier::Settings(SearchStudy* out) const {
  EvaluationOptions options{.settings = {{1.0, weights_.method}, {0.0, weights_.method}},
                            .configuration = configuration_,
                            .progress = options_.progress};
  if (weights_.alpha > 0 && weights_.alpha < 1) options.settings.push_back(weights_);
  EQUIPOISE_ASSIGN_OR_RETURN(const EvaluationReport report,
                             Evaluate(source_.engine, source_.queries, source_.embeddings.view(),
                                      source_.judgments, options));
  std::vector<std::vector<double>> ndcg(report.results.size()), recall(report.results.size());
  for (std::size_t s = 0; s < report.results.size(); ++s)
    for (const auto& query : report.results[s].quality.queries) {
      ndcg[s].push_back(query.measures.ndcg_10);
      recall[s].push_back(query.measures.recall_10);
    }
  out->queries = ndcg[0].size();
  out->lexical_better =
      report.results[0].quality.mean.ndcg_10 >= report.results[1].quality.mean.ndcg_10;
  const std::vector<double> ones(out->queries, 1.0);
  const std::vector<std::size_t> group(out->queries, 0);
  for (std::size_t s = 0; s < report.results.size(); ++s) {
    StudiedSetting setting{.weights = options.settings[s],
                           .mean = report.results[s].quality.mean,
                           .ndcg = simulation::Bootstrap(ndcg[s], ones, group),
                           .recall = simulation::Bootstrap(recall[s], ones, group),
                           .over_path = {},
                           .latency = report.results[s].latency};
    EQUIPOISE_ASSIGN_OR_RETURN(setting.over_path,
                               ComparePaired(ndcg[out->lexical_better ? 0 : 1], ndcg[s]));
    out->settings.push_back(std::move(setting));
  }
  return {};
}

Status SearchStudier::Layers(SearchStudy* out) const {
  using Part = std::uint64_t LayerTimes::*;
  constexpr std::array<std::pair<std::string_view, Part>, 6> kParts = {
      {{"analysis", &LayerTimes::analysis_ns},
       {"domain", &LayerTimes::domain_ns},
       {"lexical", &LayerTimes::lexical_ns},
       {"vector", &LayerTimes::vector_ns},
       {"fusion", &LayerTimes::fusion_ns},
       {"whole", &LayerTimes::total_ns}}};
  std::vector<LatencyCounts> counts(kParts.size());
  const std::size_t rounds = (kTimed + rows_.size() - 1) / std::max<std::size_t>(1, rows_.size());
  for (std::size_t round = 0; round < rounds; ++round)
    for (const std::size_t row : rows_) {
      const std::vector<float> embedding = source_.EmbeddingOf(row);
      auto found = source_.engine.Search(Request(row, embedding, weights_.alpha, options_.shown));
      if (!found) return found.error().At({.row = static_cast<std::int64_t>(row)});
      for (std::size_t i = 0; i < kParts.size(); ++i)
        counts[i].Record(found->times.*kParts[i].second);
    }
  for (std::size_t i = 0; i < kParts.size(); ++i)
    if (kParts[i].second != &LayerTimes::domain_ns || !options_.domains.empty())
      out->layers.push_back({kParts[i].first, counts[i].Summary()});
  return {};
}

Result<StudiedQuery> SearchStudier::Look(std::size_t row) const {
  const Queries::Item& item = source_.queries.items()[row];
  const Judgments::OfQuery& judged = *source_.judgments.Find(item.id);
  const std::vector<float> embedding = source_.EmbeddingOf(row);
  const Engine& engine = source_.engine;
  StudiedQuery out{.id = item.id,
                   .text = item.text,
                   .relevant = judged.relevant,
                   .ideal_dcg = IdealDcg(judged, options_.shown),
                   .candidates = {}};
  SearchRequest both = Request(row, embedding, 0.5, options_.shown);
  both.keep_candidates = true;
  EQUIPOISE_ASSIGN_OR_RETURN(const SearchResult found, engine.Search(both));
  out.domain = found.domain;
  std::map<std::uint32_t, StudiedCandidate> candidates;
  for (const CandidateScores& c : found.candidates)
    candidates[c.doc] = {.doc = c.doc, .lexical = c.lexical, .vector = c.vector};
  for (const bool lexical : {true, false}) {
    SearchRequest one =
        Request(row, embedding, lexical ? 1.0 : 0.0,
                lexical ? configuration_.lexical_depth : configuration_.vector_depth);
    EQUIPOISE_ASSIGN_OR_RETURN(const SearchResult listed, engine.Search(one));
    for (const Hit& hit : listed.hits)
      if (const auto at = candidates.find(hit.doc); at != candidates.end())
        (lexical ? at->second.lexical_rank : at->second.vector_rank) =
            lexical ? hit.lexical_rank : hit.vector_rank;
  }
  for (auto& [doc, candidate] : candidates) {
    const std::string_view id = engine.collection().Get(doc).id;
    const auto at = std::lower_bound(judged.documents.begin(), judged.documents.end(), id);
    if (at != judged.documents.end() && *at == id)
      candidate.grade = judged.grades[static_cast<std::size_t>(at - judged.documents.begin())];
    out.candidates.push_back(candidate);
  }
  KeepShown(options_.shown, &out.candidates);
  return out;
}

Status SearchStudier::Sample(SearchStudy* out) const {
  const std::size_t n = std::min(options_.sample, rows_.size());
  std::set<std::uint32_t> cited;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t row = rows_[i * rows_.size() / n];
    auto query = Look(row);
    if (!query) return query.error().At({.row = static_cast<std::int64_t>(row)});
    for (const StudiedCandidate& c : query->candidates) cited.insert(c.doc);
    out->sample.push_back(*std::move(query));
  }
  for (const std::uint32_t doc : cited) {
    const StoredDocument document = source_.engine.collection().Get(doc);
    out->cited.push_back({.doc = doc,
                          .id = std::string(document.id),
                          .title = std::string(document.title),
                          .text = std::string(document.text)});
  }
  return {};
}

Status SearchStudier::Run(SearchStudy* out) {
  const Collection& collection = source_.engine.collection();
  out->index = source_.folder;
  out->documents = collection.documents();
  out->fingerprint = collection.fingerprint();
  out->shown = options_.shown;
  out->weights = weights_;
  EQUIPOISE_RETURN_IF_ERROR(Settings(out));
  EQUIPOISE_RETURN_IF_ERROR(Layers(out));
  return Sample(out);
}

}  // namespace

Result<SearchStudy> StudySearches(const StudySource& source,
                                  const SearchStudyOptions& options) try {
  constexpr const char* kWhere = "StudySearches";
  EQUIPOISE_CHECK_RANGE(kWhere, options.sample, std::size_t{1}, std::size_t{10'000});
  EQUIPOISE_CHECK_RANGE(kWhere, options.shown, std::size_t{1}, std::size_t{100});
  EQUIPOISE_RETURN_IF_ERROR(CheckConfiguration(options.configuration));
  for (const std::size_t depth :
       {options.configuration.lexical_depth, options.configuration.vector_depth})
    EQUIPOISE_CHECK_RANGE(kWhere, depth, options.shown, std::size_t{10'000});
  EQUIPOISE_ASSIGN_OR_RETURN(JudgedSource opened, OpenJudgedSource(source));
  if (!options.domains.empty()) {
    EQUIPOISE_ASSIGN_OR_RETURN(DomainDetector detector, DomainDetector::Load(options.domains));
    const Status used =
        opened.engine.UseDetector(std::make_shared<const DomainDetector>(std::move(detector)));
    if (!used.ok()) return used.At({.file = options.domains});
  }
  SearchStudy out;
  EQUIPOISE_RETURN_IF_ERROR(SearchStudier(opened, options).Run(&out));
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "StudySearches: not enough memory; take a smaller sample");
}

}  // namespace equipoise
