// equipoise search: one query against an index.
#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <equipoise/core/check.h>
#include <equipoise/engine/engine.h>

#include "arguments.h"
#include "commands.h"
#include "configuration_options.h"
#include "options.h"
#include "output.h"
#include "snippets.h"
#include "terminal.h"

namespace equipoise::cli {
namespace {

struct SearchArguments {
  std::string folder;
  std::string text;
  std::string syntax = "plain";
  std::string embedding;
  double alpha = 0.5;
  double mmr = 1;
  std::string fusion;
  std::string fields;
  std::string filter;
  std::string domains;
  std::string domain;
  std::string policy;
  std::size_t k = 10;
  float min_score = 0;
  std::optional<double> near_duplicate;
  double deadline = 0;
  ConfigurationOptions configuration;
  bool alpha_given = false;
  bool mmr_given = false;
  bool filter_given = false;
  bool query_given = false;
  bool parallel_paths = false;
  bool learned = false;
  bool explain = false;
  bool snippets = false;
  bool json = false;
};

double Microseconds(std::uint64_t ns) { return static_cast<double>(ns) / 1000.0; }

/// A number of one path, null where the path was not asked.
template <typename T>
Json OrNull(bool asked, T value) {
  return asked ? Json(value) : Json(nullptr);
}

Json Rank(std::uint32_t rank) { return rank > 0 ? Json(rank) : Json(nullptr); }

QuerySyntax SyntaxOf(const SearchArguments& a) { return *ParseQuerySyntax(a.syntax); }

Json TermsOf(const Collection& collection, const std::vector<TermScore>& explained) {
  Json terms = Json::array();
  for (const TermScore& term : explained) {
    terms.push_back({{"term", term.term},
                     {"query_count", term.query_count},
                     {"df", term.df},
                     {"idf", term.idf},
                     {"tf", term.tf},
                     {"score", term.contribution}});
    if (collection.fields()) terms.back()["title_tf"] = term.title_tf;
  }
  return terms;
}

/// Of a term's score, what each factor is: the idf, the times in the query, and the share that
/// occurrences and length leave of them.
double ShareOf(const TermScore& term) {
  const double whole = double{term.idf} * term.query_count;
  return whole > 0 ? term.contribution / whole : 0;
}

/// `terms`: of each hit, where they are asked for.
Json HitObject(const Collection& collection, const SearchResult& found, const SearchArguments& a,
               const std::vector<std::vector<TermScore>>& terms, std::size_t i) {
  const Hit& hit = found.hits[i];
  const StoredDocument document = collection.Get(hit.doc);
  Json object = {{"rank", i + 1}, {"id", hit.id}, {"score", hit.score}};
  if (collection.stores_text()) {
    object["title"] = document.title;
    object["text"] = document.text;
  }
  if (a.snippets)
    object["snippet"] = SnippetObject(document, collection.SnippetOf(hit.doc, a.text, SyntaxOf(a)));
  if (!a.fields.empty()) {
    object["fields"] = Json::object();
    for (const std::string& name : SplitList(a.fields)) {
      const auto value = collection.Value(hit.doc, name);
      object["fields"][name] = value ? ToJson(*value) : Json(nullptr);
    }
  }
  if (a.explain) {
    const bool lexical = found.lexical_searched;
    const bool vector = found.vector_searched;
    object["explain"] = {{"lexical",
                          {{"score", OrNull(lexical, hit.lexical)},
                           {"normalized", OrNull(lexical, hit.lexical_normalized)},
                           {"rank", Rank(hit.lexical_rank)},
                           {"terms", lexical ? TermsOf(collection, terms[i]) : Json(nullptr)}}},
                         {"vector",
                          {{"score", OrNull(vector, hit.vector)},
                           {"normalized", OrNull(vector, hit.vector_normalized)},
                           {"rank", Rank(hit.vector_rank)}}},
                         {"similarity", OrNull(a.mmr_given, hit.similarity)}};
  }
  return object;
}

Json DomainObject(const QueryDomain& domain) {
  if (domain.decider == DomainDecider::kNone) return nullptr;
  const bool detected = domain.decider == DomainDecider::kDetected;
  return {{"name", domain.name},
          {"source", DomainDeciderName(domain.decider)},
          {"probability", OrNull(detected, domain.probability)},
          {"margin", OrNull(detected, domain.margin)},
          {"second", OrNull(detected, domain.second)},
          {"general", domain.general}};
}

std::string DomainText(const QueryDomain& domain) {
  switch (domain.decider) {
    case DomainDecider::kNone:
      return {};
    case DomainDecider::kCaller:
      return fmt::format("domain {} (as asked)\n", domain.name);
    case DomainDecider::kDetected:
      break;
  }
  return fmt::format("domain {}, probability {:.3f}, before {} by {:.3f}{}\n", domain.name,
                     domain.probability, domain.second, domain.margin,
                     domain.general ? ": not sure, general" : "");
}

Json FilterObject(const std::optional<MetadataFilter>& filter) {
  if (!filter) return nullptr;
  return {{"text", filter->text()}, {"documents", filter->Count()}};
}

Json VectorObject(const SearchResult& found) {
  if (!found.vector_searched) return nullptr;
  const VectorSearchReport& report = found.vector;
  return {{"plan", VectorPlanName(report.plan)},
          {"allowed", report.allowed},
          {"expanded", report.expanded},
          {"seen", report.seen},
          {"distances", report.distances},
          {"rescored", report.rescored},
          {"bytes", report.bytes}};
}

int PrintObject(const Collection& collection, const SearchResult& found, const SearchArguments& a,
                const std::optional<MetadataFilter>& filter) {
  const bool learned =
      found.alpha_source == AlphaSource::kPolicy || found.alpha_source == AlphaSource::kPrior;
  Json object = {{"text", a.text},
                 {"syntax", a.syntax},
                 {"k", a.k},
                 {"alpha", found.weights.alpha},
                 {"alpha_source", AlphaSourceName(found.alpha_source)},
                 {"propensity", OrNull(learned, found.propensity)},
                 {"policy_version", OrNull(learned, found.policy_version)},
                 {"fusion", FusionName(found.weights.method)},
                 {"mmr", OrNull(a.mmr_given, a.mmr)},
                 {"near_duplicate", a.near_duplicate ? Json(*a.near_duplicate) : Json(nullptr)},
                 {"filter", FilterObject(filter)},
                 {"vector", VectorObject(found)},
                 {"note", found.note.empty() ? Json(nullptr) : Json(found.note)},
                 {"domain", DomainObject(found.domain)},
                 {"partial", found.partial},
                 {"cut", found.partial ? Json(SearchLayerName(found.cut)) : Json(nullptr)},
                 {"time_us",
                  {{"analysis", Microseconds(found.times.analysis_ns)},
                   {"lexical", Microseconds(found.times.lexical_ns)},
                   {"vector", Microseconds(found.times.vector_ns)},
                   {"fusion", Microseconds(found.times.fusion_ns)},
                   {"diversity", Microseconds(found.times.diversity_ns)},
                   {"domain", Microseconds(found.times.domain_ns)},
                   {"policy", Microseconds(found.times.policy_ns)},
                   {"total", Microseconds(found.times.total_ns)}}},
                 {"hits", Json::array()}};
  std::vector<std::vector<TermScore>> terms;
  if (a.explain && found.lexical_searched) {
    std::vector<std::uint32_t> docs;
    for (const Hit& hit : found.hits) docs.push_back(hit.doc);
    terms = collection.ExplainLexical(a.text, docs, SyntaxOf(a));
  }
  for (std::size_t i = 0; i < found.hits.size(); ++i)
    object["hits"].push_back(HitObject(collection, found, a, terms, i));
  return PrintJson(object);
}

/// Who decided α, for a person.
std::string_view Decider(AlphaSource source) {
  switch (source) {
    case AlphaSource::kRequest:
      return "as asked";
    case AlphaSource::kPrior:
      return "the prior, nothing is learned yet";
    case AlphaSource::kPolicy:
      return "learned";
    case AlphaSource::kConfigured:
      return "as configured";
    case AlphaSource::kIndex:
      return "set by the index";
    case AlphaSource::kDefault:
      return "the default with this fusion";
    case AlphaSource::kSinglePath:
      return "one path only";
  }
  return "set by the index";
}

/// A query of ten thousand terms is not for people to read in full.
constexpr std::size_t kTermsShown = 100;

std::string TermTable(const Collection& collection, const SearchArguments& a, std::uint32_t doc) {
  const bool fields = collection.fields().has_value();
  std::vector<std::string> header = {"term", "df", "idf", "times", "tf"};
  if (fields) header.emplace_back("in title");
  header.insert(header.end(), {"share", "score"});
  Table table(std::move(header));
  table.Words(1);
  const auto terms = collection.ExplainLexical(a.text, doc, SyntaxOf(a));
  for (std::size_t i = 0; i < std::min(terms.size(), kTermsShown); ++i) {
    const TermScore& term = terms[i];
    std::vector<std::string> row = {term.term, fmt::to_string(term.df),
                                    fmt::format("{:.3f}", term.idf),
                                    fmt::to_string(term.query_count), fmt::to_string(term.tf)};
    if (fields) row.push_back(fmt::to_string(term.title_tf));
    row.push_back(fmt::format("{:.4f}", ShareOf(term)));
    row.push_back(fmt::format("{:.4f}", term.contribution));
    table.Add(std::move(row));
  }
  std::string out = table.Render();
  if (terms.size() > kTermsShown)
    out +=
        fmt::format("and {}; --json has all\n", Counted(terms.size() - kTermsShown, "more term"));
  return out + "score = idf * times * share\n";
}

/// Below each row of the table, the snippet of its hit.
std::string WithSnippets(const Collection& collection, const SearchResult& found,
                         const SearchArguments& a, std::string_view table) {
  std::string out;
  const auto take_line = [&] {
    const std::size_t end = std::min(table.find('\n'), table.size() - 1) + 1;
    out += table.substr(0, end);
    table.remove_prefix(end);
  };
  take_line();
  for (const Hit& hit : found.hits) {
    take_line();
    out += SnippetText(collection.Get(hit.doc), collection.SnippetOf(hit.doc, a.text, SyntaxOf(a)));
  }
  return out;
}

/// The time of each layer that took some.
std::string LayerText(const LayerTimes& times) {
  std::string text = "time in µs:";
  for (const auto& [name, ns] : {std::pair{"domain", times.domain_ns},
                                 {"policy", times.policy_ns},
                                 {"analysis", times.analysis_ns},
                                 {"BM25", times.lexical_ns},
                                 {"vectors", times.vector_ns},
                                 {"fusion", times.fusion_ns},
                                 {"diversity", times.diversity_ns}})
    if (ns > 0) text += fmt::format(" {} {:.0f},", name, Microseconds(ns));
  return text + fmt::format(" all {:.0f}\n", Microseconds(times.total_ns));
}

int PrintTable(const Collection& collection, const SearchResult& found, const SearchArguments& a,
               const std::optional<MetadataFilter>& filter) {
  std::string text = fmt::format("{} in {:.0f} µs; ", Counted(found.hits.size(), "hit"),
                                 Microseconds(found.times.total_ns));
  text += found.note.empty()
              ? fmt::format("α = {:g} ({}), {}", found.weights.alpha, Decider(found.alpha_source),
                            FusionName(found.weights.method))
              : found.note;
  if (filter)
    text += fmt::format("; {} of {} pass the filter", filter->Count(),
                        Counted(collection.documents(), "document"));
  if (found.partial)
    text += fmt::format("; partial: the deadline came in layer {}", SearchLayerName(found.cut));
  text += '\n' + DomainText(found.domain);
  if (a.explain) text += LayerText(found.times);
  if (found.hits.empty()) return PrintText(text);
  text += '\n';
  const auto fields = SplitList(a.fields);
  std::vector<std::string> header = {"#", "score"};
  if (a.explain) header.insert(header.end(), {"bm25", "norm", "rank", "vector", "norm", "rank"});
  if (a.explain && a.mmr_given) header.push_back("similar");
  header.push_back("id");
  const std::size_t left = header.size() - 1;
  header.insert(header.end(), fields.begin(), fields.end());
  header.push_back("document");
  Table table(std::move(header));
  table.Words(0, left);
  for (std::size_t i = 0; i < found.hits.size(); ++i) {
    const Hit& hit = found.hits[i];
    std::vector<std::string> row = {fmt::to_string(i + 1), fmt::format("{:.4f}", hit.score)};
    auto path = [&](bool asked, float raw, float normalized, std::uint32_t rank) {
      row.push_back(asked ? fmt::format("{:.4f}", raw) : "-");
      row.push_back(asked ? fmt::format("{:.3f}", normalized) : "-");
      row.push_back(rank > 0 ? fmt::to_string(rank) : "-");
    };
    if (a.explain) {
      path(found.lexical_searched, hit.lexical, hit.lexical_normalized, hit.lexical_rank);
      path(found.vector_searched, hit.vector, hit.vector_normalized, hit.vector_rank);
    }
    if (a.explain && a.mmr_given) row.push_back(fmt::format("{:.3f}", hit.similarity));
    row.push_back(hit.id);
    for (const std::string& name : fields) {
      const auto value = collection.Value(hit.doc, name);
      row.push_back(value ? ToText(*value) : "");
    }
    const StoredDocument document = collection.Get(hit.doc);
    std::string shown(document.title);
    if (!a.snippets) {
      if (!document.title.empty() && !document.text.empty()) shown += ": ";
      shown += document.text;
    }
    row.push_back(Shorten(shown, 120));
    table.Add(std::move(row));
  }
  text += a.snippets ? WithSnippets(collection, found, a, table.Render()) : table.Render();
  if (a.explain && found.lexical_searched && !found.hits.empty()) {
    text +=
        fmt::format("\nBM25 of the first hit, {}, term by term:\n", Shorten(found.hits[0].id, 120));
    text += TermTable(collection, a, found.hits[0].doc);
  }
  return PrintText(text);
}

/// What decides α from feedback, where it is asked for.
Status TakeLearned(const SearchArguments& a, const SearchRequest& request,
                   const Configuration& configuration, Engine* engine) {
  const LearningOptions options = {.fusion =
                                       request.fusion ? request.fusion : configuration.fusion};
  if (!a.policy.empty()) return engine->LoadPolicy(a.policy, options);
  if (!a.learned) return {};
  EQUIPOISE_ASSIGN_OR_RETURN(auto fresh, MakeWeightPolicy("curve"));
  return engine->KeepLearning(std::move(fresh), options, {.access = LogAccess::kRead}).error();
}

int RunSearch(SearchArguments a) {
  if (a.learned && !a.policy.empty())
    return FailUsage(
        Status(Code::kInvalidArgument, "does not go with --policy: both say what has been learned",
               {.field = "--learned"}),
        a.json);
  if (!a.query_given)
    return FailUsage(
        Status(Code::kInvalidArgument, "there is no query; give --text, --embedding or both"),
        a.json);
  if (SyntaxOf(a) == QuerySyntax::kOperators) {
    std::size_t at = 0;
    if (const auto clauses = ParseQuery(a.text, &at); !clauses)
      return FailAt(clauses.error().At({.field = "--text"}), a.text, at, a.json);
  }
  SearchRequest request{.text = a.text, .syntax = SyntaxOf(a), .k = a.k, .min_score = a.min_score};
  if (a.alpha_given) request.alpha = a.alpha;
  if (a.mmr_given) request.mmr = a.mmr;
  request.parallel_paths = a.parallel_paths;
  request.near_duplicate = a.near_duplicate;
  if (!a.fusion.empty()) {
    auto fusion = ParseFusion(a.fusion);
    if (!fusion) return FailUsage(fusion.error(), a.json);
    request.fusion = *fusion;
  }
  const auto configuration = a.configuration.Read();
  if (!configuration) return Fail(configuration.error(), a.json);
  if (!a.mmr_given && configuration->mmr) {
    a.mmr_given = true;
    a.mmr = *configuration->mmr;
  }
  if (!a.near_duplicate) a.near_duplicate = configuration->near_duplicate;
  Embedding embedding;
  if (!a.embedding.empty()) {
    auto read = ReadEmbedding(a.embedding);
    if (!read) return Fail(read.error(), a.json);
    embedding = *std::move(read);
    request.embedding = embedding.values;
  }
  auto engine = Engine::Open(a.folder);
  if (!engine) return Fail(engine.error(), a.json);
  if (!a.domains.empty()) {
    auto detector = DomainDetector::Load(a.domains, SimilarityOf(*configuration));
    if (!detector) return Fail(detector.error(), a.json);
    const Status used =
        engine->UseDetector(std::make_shared<const DomainDetector>(*std::move(detector)));
    if (!used.ok()) return Fail(used.At({.file = a.domains}), a.json);
  }
  if (const Status learned = TakeLearned(a, request, *configuration, &*engine); !learned.ok())
    return Fail(learned, a.json);
  request.domain = a.domain;
  const Collection& collection = engine->collection();
  for (const std::string& name : SplitList(a.fields))
    if (collection.columns().Find(name) == nullptr)
      return FailUsage(Status(Code::kNotFound,
                              fmt::format("no document has a field \"{}\"; `equipoise inspect {}` "
                                          "lists the fields",
                                          name, a.folder),
                              {.field = "--fields"}),
                       a.json);
  std::optional<MetadataFilter> filter;
  if (a.filter_given) {
    auto compiled = MetadataFilter::Compile(a.filter, collection);
    if (!compiled) return FailUsage(compiled.error(), a.json);
    filter = *std::move(compiled);
    request.filter = &*filter;
  }
  if (a.deadline > 0)
    request.deadline = std::chrono::steady_clock::now() +
                       std::chrono::microseconds(static_cast<std::int64_t>(1000 * a.deadline));
  auto found = engine->Search(request, *configuration);
  if (!found) {
    const Status& error = found.error();
    const bool in_row = error.where().field == "embedding" && !a.embedding.empty();
    return Fail(in_row ? error.At(embedding.where) : error, a.json);
  }
  return a.json ? PrintObject(collection, *found, a, filter)
                : PrintTable(collection, *found, a, filter);
}

}  // namespace

Action AddSearchCommand(CLI::App* app) {
  auto a = std::make_shared<SearchArguments>();
  app->footer(
      "Give a text, an embedding, or both. Without an embedding the result is BM25's alone.\n"
      "Example: equipoise search my-index --text \"wing in a slipstream\" --embedding q.npy:3 "
      "--alpha 0.4 --explain");
  app->add_option("index", a->folder, "Folder of the index")->check(Named())->required();
  auto* text = app->add_option("--text", a->text, "The query's words");
  auto* embedding = app->add_option("--embedding", a->embedding,
                                    "The query's vector: FILE, or FILE:ROW (rows count from 0)")
                        ->check(Named());
  app->add_option(
         "--syntax", a->syntax,
         "plain: the text is words; operators: \"a phrase\", +required, -excluded; quote the "
         "whole for the shell")
      ->check(OneOf({"plain", "operators"}))
      ->capture_default_str();
  auto* alpha = app->add_option("--alpha", a->alpha,
                                "Weight of BM25, in [0, 1]; 0.5 unless the index says otherwise")
                    ->check(InRange(0.0, 1.0));
  app->add_option("--fusion", a->fusion, "minmax, minmax_union, theoretical or rrf");
  auto* mmr =
      app->add_option("--mmr", a->mmr,
                      "Diversity among the hits: below 1 prefers those unlike the ones above "
                      "(maximal marginal relevance, by the embeddings), in [0, 1]")
          ->check(InRange(0.0, 1.0));
  auto* filter =
      app->add_option("--filter", a->filter,
                      "Only documents whose metadata match, as in 'year >= 1960 and domain in "
                      "(\"npl\", \"cacm\")': "
                      "=, !=, <, <=, >, >=, in, not in, exists FIELD, and, or, not, ( )");
  app->add_option("--near-duplicate", a->near_duplicate,
                  "Leave out hits whose cosine with a hit above is at least this; 0.95 as a rule")
      ->check(InRange(1e-9, 1.0));
  app->add_option("--deadline", a->deadline,
                  "Milliseconds after which what was found is returned, marked partial")
      ->check(InRange(0.0, 1e9));
  app->add_option(
         "--min-score", a->min_score,
         "Leave out hits with a lower score, which lies in [0, 1] and depends on the query "
         "and the fusion")
      ->check(InRange(0.0, 1.0))
      ->capture_default_str();
  app->add_option("-k", a->k, "Results")->check(WholeNumber(1, 1'000'000))->capture_default_str();
  app->add_option("--fields", a->fields, "Metadata to show, as in year,domain");
  app->add_option("--domains", a->domains, "Model of domains fit: tells the query's domain")
      ->check(Named());
  app->add_option("--domain", a->domain, "The query's domain, where you know it")->check(Named());
  app->add_option("--policy", a->policy,
                  "What an engine has saved (POLICY of its index): decides α for the domain; the "
                  "same decision each time, since nothing is saved back")
      ->check(Named());
  app->add_flag("--learned", a->learned,
                "Let the index's log of feedback decide α: the snapshot of the engine that writes "
                "it, and what came since; another process may be writing");
  a->configuration.Add(app, "Options");
  app->add_flag("--parallel-paths", a->parallel_paths,
                "Ask both paths at once, on two threads; the result is the same");
  app->add_flag("--explain", a->explain,
                "Show both paths' scores and ranks, BM25 term by term, and the time of each layer");
  app->add_flag(
      "--snippets", a->snippets,
      "Show the best passage of each hit; with --json its text, its first byte in the hit's "
      "text, and the bytes in it that are words of the query (ranges), and such in the title");
  app->add_flag("--json", a->json, "One JSON object on stdout");
  return [=] {
    a->alpha_given = alpha->count() > 0;
    a->mmr_given = mmr->count() > 0;
    a->filter_given = filter->count() > 0;
    a->query_given = text->count() + embedding->count() > 0;
    return RunSearch(*a);
  };
}

}  // namespace equipoise::cli
