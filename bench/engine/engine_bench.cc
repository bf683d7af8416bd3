// The whole engine, and the plain pipeline, as contestants of engine_report.py.
//
//   equipoise_engine_bench whole|plain [--domains MODEL] --set INDEX DATA [--set INDEX DATA ...]
//
// reads lines on stdin and answers each by one line of JSON on stdout. Both:
//
//   quality              nDCG@10 and Recall@10 of each judged set; the whole: of alpha = 0.5, of each path alone
//   pass THREADS PASSES  PASSES times over all queries of all sets; time, processor time, quantiles
//
// The plain pipeline also:
//   recall               share of the 100 nearest that its walk finds, and that the whole's finds, of up to 200
//                        queries a set
//   ef EF                the beam from now on
// The whole, whose engines share one policy and one detector:
//   learn ORDERS         serves the judged queries of all sets, each once, in ORDERS random orders, each from the
//                        beginning, told of the ten hits that it showed; keeps what the last one has learned
//   loop PASSES          a search with fusion, the same with all of the loop, and that with explanations, in
//                        turns query by query; quantiles of each
//   storm THREADS SECONDS RATE PAIRS  searches a second of the first set without feedback and with RATE ratings
//                        a second, each in the log beside the index before the call returns
//
//   equipoise_engine_bench first INDEX DATA    opens the index, answers the first query, says when by the
//                                              steady clock, and what is resident after 100 queries
#include <array>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>

#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include <equipoise/core/random.h>
#include <equipoise/engine/engine.h>

#include "loaded_set.h"
#include "plain_pipeline.h"

namespace equipoise::bench {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double SecondsOf(const rusage& used) {
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

double ProcessorSeconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return SecondsOf(used);
}

double ThreadSeconds() {
  rusage used{};
  getrusage(RUSAGE_THREAD, &used);
  return SecondsOf(used);
}

json Quantiles(std::vector<double> us) {
  std::sort(us.begin(), us.end());
  const auto at = [&](double q) {
    return us[static_cast<std::size_t>(q * static_cast<double>(us.size() - 1))];
  };
  return {{"p50_us", at(0.5)}, {"p95_us", at(0.95)}, {"p99_us", at(0.99)}};
}

struct Ask {
  std::size_t set = 0, query = 0;
};

class Contestant {
 public:
  virtual ~Contestant() = default;
  explicit Contestant(std::vector<LoadedSet> sets) : sets_(std::move(sets)) {
    for (std::size_t s = 0; s < sets_.size(); ++s)
      for (std::size_t q = 0; q < sets_[s].queries.size(); ++q) all_.push_back({s, q});
  }

  json Answer(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    if (verb == "pass") {
      int threads = 1, passes = 1;
      words >> threads >> passes;
      return Pass(threads, passes);
    }
    return More(verb, &words);
  }

 protected:
  virtual void Search(const Ask& ask) = 0;
  virtual json More(const std::string& verb, std::istringstream* words) = 0;

  SearchRequest RequestOf(const Ask& ask) const {
    const LoadedSet& set = sets_[ask.set];
    return {.text = set.queries.items()[ask.query].text,
            .embedding = set.embeddings.row(ask.query),
            .k = 10};
  }
  const Judgments::OfQuery& JudgedOf(const Ask& ask) const {
    const LoadedSet& set = sets_[ask.set];
    return *set.judgments.Find(set.queries.items()[ask.query].id);
  }
  /// Mean over each set's judged queries of what `ids_of` finds.
  template <typename IdsOf>
  json QualityBySet(const IdsOf& ids_of) const {
    json out = json::object();
    for (std::size_t s = 0; s < sets_.size(); ++s) {
      if (sets_[s].judged.empty()) continue;
      Quality sum;
      for (const std::size_t q : sets_[s].judged) {
        const Quality one = QualityOf(JudgedOf({s, q}), ids_of(Ask{s, q}));
        sum.ndcg += one.ndcg, sum.recall += one.recall;
      }
      const auto n = static_cast<double>(sets_[s].judged.size());
      out[sets_[s].name] = {{"ndcg", sum.ndcg / n}, {"recall", sum.recall / n}};
    }
    return out;
  }

  std::vector<LoadedSet> sets_;
  std::vector<Ask> all_;

 private:
  json Pass(int threads, int passes) {
    const std::size_t total = all_.size() * static_cast<std::size_t>(passes);
    std::vector<double> us(total);
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
      for (std::size_t i = next++; i < total; i = next++) {
        const auto before = Clock::now();
        Search(all_[i % all_.size()]);
        us[i] = 1e6 * SecondsSince(before);
      }
    };
    const double processor = ProcessorSeconds();
    const auto start = Clock::now();
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back(work);
    work();
    for (std::thread& thread : others) thread.join();
    json out = Quantiles(std::move(us));
    out["seconds"] = SecondsSince(start);
    out["processor_seconds"] = ProcessorSeconds() - processor;
    out["queries"] = total;
    return out;
  }
};

class Plain final : public Contestant {
 public:
  explicit Plain(std::vector<LoadedSet> sets) : Contestant(std::move(sets)) {
    for (const LoadedSet& set : sets_) {
      collections_.push_back(std::make_unique<Collection>(OrThrow(Collection::Open(set.index))));
      pipelines_.push_back(std::make_unique<PlainPipeline>(
          *collections_.back(), UnitRows::Read(set.data + "/corpus.f16.npy")));
    }
  }

 private:
  std::vector<std::uint32_t> Find(const Ask& ask) {
    const SearchRequest request = RequestOf(ask);
    return pipelines_[ask.set]->Search(request.text, request.embedding);
  }
  void Search(const Ask& ask) override {
    if (Find(ask).empty()) throw std::runtime_error("nothing found");
  }
  json More(const std::string& verb, std::istringstream* words) override {
    if (verb == "ef") {
      std::size_t ef = 0;
      *words >> ef;
      for (const auto& pipeline : pipelines_) pipeline->ef = ef;
      return json::object();
    }
    if (verb == "recall") return Recall();
    if (verb != "quality") throw std::runtime_error("unknown: " + verb);
    return QualityBySet([&](const Ask& ask) {
      std::vector<std::string> ids;
      for (const std::uint32_t doc : Find(ask))
        ids.emplace_back(collections_[ask.set]->Get(doc).id);
      return ids;
    });
  }
  json Recall() {
    if (truth_.empty())
      for (std::size_t s = 0; s < sets_.size(); ++s)
        for (std::size_t q = 0; q < std::min(sets_[s].queries.size(), kRecallQueries); ++q)
          truth_.push_back({{s, q}, {}, 0});
    std::size_t mine = 0, whole = 0, wanted = 0;
    for (Truth& one : truth_) {
      const Collection& collection = *collections_[one.ask.set];
      const auto query = RequestOf(one.ask).embedding;
      const auto count = [&](std::uint32_t id) {
        return std::binary_search(one.nearest.begin(), one.nearest.end(), id) ? 1u : 0u;
      };
      if (one.nearest.empty()) {
        for (const Scored& each :
             OrThrow(collection.vectors()->Search(query, {.k = kNear, .exact = true})))
          one.nearest.push_back(each.id);
        std::sort(one.nearest.begin(), one.nearest.end());
        const SearchRequest request{.embedding = query, .k = kNear, .alpha = 0.0};
        for (const Hit& hit : OrThrow(collection.Search(request)).hits) one.whole += count(hit.doc);
      }
      for (const Scored& each : pipelines_[one.ask.set]->Nearest(query, kNear))
        mine += count(each.id);
      whole += one.whole;
      wanted += one.nearest.size();
    }
    const auto n = static_cast<double>(wanted);
    return {{"plain", static_cast<double>(mine) / n}, {"whole", static_cast<double>(whole) / n}};
  }

  static constexpr std::size_t kNear = 100, kRecallQueries = 200;  // of each set
  struct Truth {
    Ask ask{};
    std::vector<std::uint32_t> nearest{};  // ascending
    std::size_t whole = 0;                 // of them that the whole finds
  };
  std::vector<Truth> truth_;
  std::vector<std::unique_ptr<Collection>> collections_;
  std::vector<std::unique_ptr<PlainPipeline>> pipelines_;
};

class Whole final : public Contestant {
 public:
  Whole(std::vector<LoadedSet> sets, const std::string& domains) : Contestant(std::move(sets)) {
    if (!domains.empty())
      detector_ = std::make_shared<const DomainDetector>(OrThrow(DomainDetector::Load(domains)));
    for (const LoadedSet& set : sets_) {
      fixed_.push_back(OrThrow(Engine::Open(set.index)));
      engines_.push_back(OrThrow(Engine::Open(set.index)));
      Require(engines_.back().UseDetector(detector_));
    }
    Begin(1);
  }

 private:
  /// A policy that knows nothing, for all engines.
  void Begin(std::uint64_t seed) {
    const std::shared_ptr<WeightPolicy> policy =
        OrThrow(CurvePolicy::Create({.both_paths_share = 1, .seed = seed}));
    for (Engine& engine : engines_) Require(engine.UsePolicy(policy, {.seed = seed}));
  }
  void Search(const Ask& ask) override { OrThrow(engines_[ask.set].Search(RequestOf(ask))); }

  static std::vector<std::string> IdsOf(const SearchResult& found) {
    std::vector<std::string> ids;
    for (const Hit& hit : found.hits) ids.push_back(hit.id);
    return ids;
  }

  json More(const std::string& verb, std::istringstream* words) override {
    if (verb == "learn") {
      std::uint64_t orders = 1;
      *words >> orders;
      return Learn(orders);
    }
    if (verb == "loop") {
      int passes = 1;
      *words >> passes;
      return Loop(passes);
    }
    if (verb == "storm") {
      int threads = 1, pairs = 1;
      double seconds = 1, rate = 1000;
      *words >> threads >> seconds >> rate >> pairs;
      json out = {{"without", json::array()},
                  {"with", json::array()},
                  {"told", json::array()},
                  {"us", json::array()}};
      for (int pair = 0; pair < pairs; ++pair) {
        out["without"].push_back(Storm(threads, seconds, 0).searches);
        const Stormed with = Storm(threads, seconds, rate);
        out["with"].push_back(with.searches);
        out["told"].push_back(with.told);
        out["us"].push_back(with.us);
      }
      return out;
    }
    if (verb != "quality") throw std::runtime_error("unknown: " + verb);
    json out;
    for (const auto& [name, alpha] : {std::pair{"fixed", 0.5}, {"lexical", 1.0}, {"vector", 0.0}})
      out[name] = QualityBySet([&, alpha = alpha](const Ask& ask) {
        SearchRequest request = RequestOf(ask);
        request.alpha = alpha;
        return IdsOf(OrThrow(fixed_[ask.set].Search(request)));
      });
    return out;
  }

  /// Every set's mean over all orders, of the learning engine and of the paths alone on the same queries.
  json Learn(std::uint64_t orders) {
    // By how much of its set a query comes after, in twentieths: Recall@10.
    constexpr std::size_t kParts = 20;
    struct Way {
      Quality sum{};
      std::array<double, kParts> recall{};
    };
    struct Sums {
      Way learned, fixed, lexical, vector;
      double turns = 0;
      std::array<double, kParts> turns_of{};
    };
    std::vector<Sums> sums(sets_.size());
    for (std::uint64_t order = 0; order < orders; ++order) {
      Random random(order + 1);
      std::vector<Ask> stream;
      for (std::size_t s = 0; s < sets_.size(); ++s) {
        std::vector<std::size_t> queries = sets_[s].judged;
        Shuffle(&queries, &random);
        for (const std::size_t q : queries) stream.push_back({s, q});
      }
      Shuffle(&stream, &random);
      Begin(order + 1);
      std::vector<std::size_t> seen(sets_.size());
      for (const Ask& ask : stream) {
        const std::size_t part = seen[ask.set]++ * kParts / sets_[ask.set].judged.size();
        const Engine& engine = engines_[ask.set];
        const Judgments::OfQuery& judged = JudgedOf(ask);
        Sums& sum = sums[ask.set];
        const auto earn = [&](Way* to, const SearchResult& found) {
          const Quality one = QualityOf(judged, IdsOf(found));
          to->sum.ndcg += one.ndcg, to->sum.recall += one.recall;
          to->recall[part] += one.recall;
        };
        SearchRequest request = RequestOf(ask);
        request.domain = sets_[ask.set].name;
        const SearchResult found = OrThrow(engine.Search(request));
        earn(&sum.learned, found);
        for (std::size_t hit = 0; hit < found.hits.size(); ++hit)
          OrThrow(engine.Feedback({.query_id = found.query_id,
                                   .hit = hit,
                                   .rating = judged.GradeOf(found.hits[hit].id) > 0 ? 1.0 : 0.0}));
        for (const auto& [to, alpha] :
             {std::pair{&sum.fixed, 0.5}, {&sum.lexical, 1.0}, {&sum.vector, 0.0}}) {
          request.alpha = alpha;
          earn(to, OrThrow(fixed_[ask.set].Search(request)));
        }
        sum.turns += 1;
        sum.turns_of[part] += 1;
      }
    }
    json out = json::object();
    for (std::size_t s = 0; s < sets_.size(); ++s) {
      const double n = sums[s].turns;
      if (n == 0) continue;
      for (const auto& [way, of] : {std::pair{"learned", &sums[s].learned},
                                    {"fixed", &sums[s].fixed},
                                    {"lexical", &sums[s].lexical},
                                    {"vector", &sums[s].vector}}) {
        json by_part = json::array();  // null: a set of fewer queries than parts
        for (std::size_t i = 0; i < kParts; ++i)
          by_part.push_back(sums[s].turns_of[i] > 0 ? json(of->recall[i] / sums[s].turns_of[i])
                                                    : json(nullptr));
        out[sets_[s].name][way] = {{"ndcg", of->sum.ndcg / n},
                                   {"recall", of->sum.recall / n},
                                   {"recall_by_part", by_part}};
      }
    }
    return out;
  }

  template <typename T>
  static void Shuffle(std::vector<T>* values, Random* random) {
    for (std::size_t i = values->size(); i > 1; --i)
      std::swap((*values)[i - 1], (*values)[static_cast<std::size_t>(random->Below(i))]);
  }

  json Loop(int passes) {
    // None finds a query's data warm from another: each has another query at its turn.
    std::vector<double> us[3];
    const std::size_t n = all_.size();
    for (int pass = 0; pass <= passes; ++pass)
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t way = 0; way < 3; ++way) {
          const Ask& ask = all_[(i + way * n / 3) % n];
          SearchRequest request = RequestOf(ask);
          if (way == 0) request.alpha = 0.5;
          const Engine& engine = way == 0 ? fixed_[ask.set] : engines_[ask.set];
          const auto start = Clock::now();
          const auto found = engine.Search(request);
          if (way == 2 && found) {
            std::vector<std::uint32_t> docs;
            for (const Hit& hit : found->hits) docs.push_back(hit.doc);
            for (const auto& terms : engine.collection().ExplainLexical(request.text, docs))
              terms_ += terms.size();
          }
          const double took = 1e6 * SecondsSince(start);
          Require(found.error());
          if (pass > 0) us[way].push_back(took);  // the first reads the files
        }
    return {{"fusion", Quantiles(us[0])},
            {"loop", Quantiles(us[1])},
            {"explained", Quantiles(us[2])},
            {"terms_explained", terms_}};
  }

  /// The first set's engine, whose feedback is in the log beside the index before Feedback returns.
  const Engine& Kept() {
    if (kept_) return *kept_;
    for (const char* old : {"FEEDBACK", "FEEDBACK-wal", "FEEDBACK-shm", "FEEDBACK-lock", "POLICY"})
      std::filesystem::remove(std::filesystem::path(sets_[0].index) / old);
    Engine engine = OrThrow(Engine::Open(sets_[0].index));
    Require(engine.UseDetector(detector_));
    OrThrow(engine.KeepLearning(OrThrow(CurvePolicy::Create({.both_paths_share = 1}))));
    return kept_.emplace(std::move(engine));
  }

  struct Stormed {
    double searches = 0, told = 0;  // a second
    double us = 0;                  // of processor time a rating
  };
  Stormed Storm(int threads, double seconds, double rate) {
    struct alignas(64) Latest {
      std::atomic<std::uint64_t> query_id{0};
      std::size_t searches = 0;
    };
    const Engine& engine = Kept();
    const std::size_t queries = sets_[0].queries.size();
    std::vector<Latest> latest(static_cast<std::size_t>(threads));
    std::atomic<bool> stop = false;
    std::vector<std::thread> searching;
    const auto start = Clock::now();
    for (std::size_t t = 0; t < latest.size(); ++t)
      searching.emplace_back([&, t] {
        Random random(t + 1);
        while (!stop.load(std::memory_order_relaxed)) {
          const auto found =
              engine.Search(RequestOf({0, static_cast<std::size_t>(random.Below(queries))}));
          if (!found) std::terminate();
          latest[t].query_id.store(found->query_id, std::memory_order_release);
          ++latest[t].searches;
        }
      });
    double told = 0;
    Random random(7);
    const double processor = ThreadSeconds();
    while (SecondsSince(start) < seconds) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      for (const double due = rate * SecondsSince(start); told < due; ++told) {
        const std::uint64_t id =
            latest[static_cast<std::size_t>(random.Below(latest.size()))].query_id.load(
                std::memory_order_acquire);
        if (id == 0) break;
        OrThrow(engine.Feedback({.query_id = id,
                                 .hit = static_cast<std::size_t>(random.Below(3)),
                                 .rating = random.Uniform()}));
      }
    }
    stop = true;
    const double took = SecondsSince(start);
    Stormed out{.searches = 0,
                .told = told / took,
                .us = told > 0 ? 1e6 * (ThreadSeconds() - processor) / told : 0};
    for (std::thread& thread : searching) thread.join();
    for (const Latest& one : latest) out.searches += static_cast<double>(one.searches) / took;
    return out;
  }

  std::shared_ptr<const DomainDetector> detector_;
  std::optional<Engine> kept_;   // of the first set, with its log
  std::vector<Engine> fixed_;    // without detector and policy
  std::vector<Engine> engines_;  // with both
  std::size_t terms_ = 0;        // what was explained, so that nobody leaves it out
};

std::uint64_t ResidentBytes(const char* what) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(what)) return std::stoull(line.substr(line.find(':') + 1)) * 1024;
  return 0;
}

/// Opens and asks; what is read beforehand is one query.
int First(const std::string& index, const std::string& data) {
  const auto queries = OrThrow(Queries::Read(data + "/queries.jsonl"));
  const UnitRows rows = UnitRows::Read(data + "/queries.f16.npy");
  const auto ask = [&](const Engine& engine, std::size_t q) {
    OrThrow(engine.Search({.text = queries.items()[q].text, .embedding = rows.row(q), .k = 10}));
  };
  const auto start = Clock::now();
  const Engine engine = OrThrow(Engine::Open(index));
  const double open = SecondsSince(start);
  ask(engine, 0);
  const double first = SecondsSince(start);
  const double at = std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
  for (std::size_t q = 1; q < 100; ++q) ask(engine, q % queries.size());
  const json out = {{"open_ms", 1000 * open},
                    {"first_ms", 1000 * first},
                    {"answered_at", at},
                    {"documents", engine.collection().documents()},
                    {"index_bytes", engine.collection().Info().bytes},
                    {"resident", ResidentBytes("VmRSS")},
                    {"resident_own", ResidentBytes("RssAnon")},
                    {"resident_files", ResidentBytes("RssFile")}};
  std::cout << out.dump() << std::endl;
  return 0;
}

int Serve(const std::vector<std::string>& words) {
  std::string domains;
  std::vector<LoadedSet> sets;
  for (std::size_t i = 1; i < words.size();) {
    if (words[i] == "--domains" && i + 1 < words.size()) {
      domains = words[i + 1];
      i += 2;
    } else if (words[i] == "--set" && i + 2 < words.size()) {
      sets.push_back(LoadedSet::Read(words[i + 1], words[i + 2]));
      i += 3;
    } else {
      throw std::runtime_error("unknown: " + words[i]);
    }
  }
  std::unique_ptr<Contestant> contestant;
  if (words[0] == "plain")
    contestant = std::make_unique<Plain>(std::move(sets));
  else
    contestant = std::make_unique<Whole>(std::move(sets), domains);
  for (std::string line; std::getline(std::cin, line);) {
    json answer;
    try {
      answer = contestant->Answer(line);
    } catch (const std::exception& error) {
      answer = {{"error", error.what()}};
    }
    std::cout << answer.dump() << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace equipoise::bench

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    if (words.size() == 3 && words[0] == "first")
      return equipoise::bench::First(words[1], words[2]);
    if (!words.empty() && (words[0] == "whole" || words[0] == "plain"))
      return equipoise::bench::Serve(words);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
  std::cerr
      << "usage: equipoise_engine_bench whole|plain|first ...; the head of the source says more\n";
  return 2;
}
