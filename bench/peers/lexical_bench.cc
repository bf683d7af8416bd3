// The lexical index as a contestant of lexical_report.py, and measurements that have no peer.
//
//   equipoise_lexical_bench --docs FILE --queries FILE --texts FILE --query-texts FILE --folder FOLDER
//
// reads lines on stdin and answers each by one line of JSON on stdout:
//
//   tokens                       writes --docs and --queries from the texts, by the English analyzer
//   build                        builds from the tokens; opens
//   index THREADS                builds from the texts, English analysis included; nothing is opened
//   search WAY PASSES OUT        PASSES times over all queries, one call a query. WAY: auto; all, pruned
//                                (forced); text (from the text, analysis included). The ten ids as int32
//                                of each query, then the ten scores as float32, go to OUT unless it is "-"
//   score PASSES                 Score of 100 documents for each query: those of a search, then any
//
// --docs and --queries hold one document a line, tokens separated by blanks.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <equipoise/core/random.h>
#include <equipoise/kernels/hardware.h>
#include <equipoise/retrieval/analyzer.h>
#include <equipoise/retrieval/lexical_index.h>

#include "lexical_index_state.h"
#include "lexical_search.h"

namespace equipoise {
namespace {

constexpr std::size_t kTop = 10;
constexpr std::size_t kScored = 100;

using Words = std::vector<std::string>;
using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<std::string> Lines(const std::string& path) {
  std::vector<std::string> out;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

std::vector<Words> Tokens(const std::string& path) {
  std::vector<Words> out;
  for (const std::string& line : Lines(path)) {
    std::istringstream words(line);
    out.emplace_back(std::istream_iterator<std::string>(words),
                     std::istream_iterator<std::string>());
  }
  return out;
}

void Require(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

class Contestant {
 public:
  std::string docs, queries_file, texts, query_texts, folder;

  nlohmann::json Answer(const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    words >> verb;
    if (verb == "tokens") return WriteTokens();
    if (verb == "build") return Build();
    if (verb == "index") {
      int threads = 1;
      words >> threads;
      return Index(threads);
    }
    if (verb == "search") {
      std::string way, out;
      int passes = 1;
      words >> way >> passes >> out;
      return Search(way, passes, out);
    }
    if (verb == "score") {
      int passes = 1;
      words >> passes;
      return Score(passes);
    }
    throw std::runtime_error("unknown: " + line);
  }

 private:
  std::string Path() const { return folder + "/index"; }

  nlohmann::json WriteTokens() const {
    const auto analyzer = Analyzer::Create({});
    Require(analyzer.error());
    for (const auto& [from, to] : {std::pair(texts, docs), std::pair(query_texts, queries_file)}) {
      std::ofstream out(to);
      for (const std::string& line : Lines(from)) {
        // A token has no blank: words end there.
        for (const std::string& token : analyzer->Analyze(line)) out << token << ' ';
        out << '\n';
      }
    }
    return nlohmann::json::object();
  }

  nlohmann::json Build() {
    const auto documents = Tokens(docs);
    queries_ = Tokens(queries_file);
    const auto start = Clock::now();
    auto builder = LexicalIndexBuilder::Create();
    for (const Words& document : documents) Require(builder->Add(document));
    Require(builder->Write(Path()));
    const double seconds = SecondsSince(start);
    auto opened = LexicalIndex::Open(Path());
    Require(opened.error());
    index_ = *std::move(opened);
    state_ = std::make_unique<LexicalState>();
    Require(state_->Load(Path()));
    auto analyzer = Analyzer::Create({});
    Require(analyzer.error());
    analyzer_ = *analyzer;
    return {{"seconds", seconds},
            {"bytes", index_.bytes()},
            {"postings", index_.postings()},
            {"documents", index_.documents()},
            {"simd", SimdLevelName(*DefaultSimdLevel())}};
  }

  nlohmann::json Index(int threads) const {
    const auto lines = Lines(texts);
    const auto start = Clock::now();
    const auto analyzer = Analyzer::Create({});
    Require(analyzer.error());
    auto builder = LexicalIndexBuilder::Create();
    Require(builder->AddMany(lines.size(), threads, [&](std::size_t i, Words* room) {
      analyzer->Analyze(lines[i], room);
      return std::span<const std::string>(*room);
    }));
    Require(builder->Write(folder + "/from-text"));
    return {{"seconds", SecondsSince(start)}, {"documents", lines.size()}};
  }

  nlohmann::json Search(const std::string& way, int passes, const std::string& out) {
    const auto lines = way == "text" ? Lines(query_texts) : std::vector<std::string>();
    std::vector<std::vector<Scored>> found(queries_.size());
    std::vector<double> seconds, us;
    Words room;
    for (int pass = 0; pass < passes; ++pass) {
      std::vector<double> each(queries_.size());
      const auto start = Clock::now();
      auto before = start;
      for (std::size_t q = 0; q < queries_.size(); ++q) {
        if (way == "auto") {
          found[q] = index_.Search(queries_[q], kTop);
        } else if (way == "text") {
          analyzer_.Analyze(lines[q], &room);
          found[q] = index_.Search(room, kTop);
        } else {
          const auto query = state_->Resolve(queries_[q]);
          found[q] = query.empty()
                         ? std::vector<Scored>()
                         : state_->Search(query, kTop, way == "pruned" ? LexicalState::kWindow : 0);
        }
        const auto after = Clock::now();
        each[q] = std::chrono::duration<double, std::micro>(after - before).count();
        before = after;
      }
      seconds.push_back(std::chrono::duration<double>(before - start).count());
      if (seconds.back() == *std::min_element(seconds.begin(), seconds.end())) us = each;
    }
    if (out != "-") Store(found, out);
    std::sort(us.begin(), us.end());
    return {
        {"seconds", seconds}, {"p50_us", us[us.size() / 2]}, {"p99_us", us[us.size() * 99 / 100]}};
  }

  void Store(const std::vector<std::vector<Scored>>& found, const std::string& path) const {
    std::ofstream out(path, std::ios::binary);
    for (const bool scores : {false, true})
      for (const auto& hits : found)
        for (std::size_t i = 0; i < kTop; ++i) {
          const std::int32_t id = i < hits.size() ? static_cast<std::int32_t>(hits[i].id) : -1;
          const float score = i < hits.size() ? hits[i].score : 0;
          out.write(
              scores ? reinterpret_cast<const char*>(&score) : reinterpret_cast<const char*>(&id),
              4);
        }
  }

  nlohmann::json Score(int passes) const {
    Random random(1);
    std::vector<std::vector<std::uint32_t>> asked(queries_.size());
    for (std::size_t q = 0; q < queries_.size(); ++q) {
      for (const Scored& hit : index_.Search(queries_[q], kScored / 2)) asked[q].push_back(hit.id);
      while (asked[q].size() < kScored)
        asked[q].push_back(static_cast<std::uint32_t>(random.Below(index_.documents())));
    }
    std::vector<double> us;
    std::vector<float> scores(kScored);
    for (std::size_t q = 0; q < queries_.size(); ++q) {
      double best = 1e9;
      for (int pass = 0; pass < passes; ++pass) {
        const auto start = Clock::now();
        index_.Score(queries_[q], asked[q], scores);
        best = std::min(best, 1e6 * SecondsSince(start));
      }
      us.push_back(best);
    }
    std::sort(us.begin(), us.end());
    return {{"p50_us", us[us.size() / 2]}, {"p99_us", us[us.size() * 99 / 100]}};
  }

  std::vector<Words> queries_;
  LexicalIndex index_;
  std::unique_ptr<LexicalState> state_;
  Analyzer analyzer_;
};

}  // namespace
}  // namespace equipoise

int main(int argc, char** argv) {
  CLI::App app("The lexical index as a contestant of lexical_report.py");
  equipoise::Contestant contestant;
  app.add_option("--docs", contestant.docs)->required();
  app.add_option("--queries", contestant.queries_file)->required();
  app.add_option("--texts", contestant.texts);
  app.add_option("--query-texts", contestant.query_texts);
  app.add_option("--folder", contestant.folder)->required();
  CLI11_PARSE(app, argc, argv);
  std::filesystem::create_directories(contestant.folder);
  for (std::string line; std::getline(std::cin, line);) {
    nlohmann::json answer;
    try {
      answer = contestant.Answer(line);
    } catch (const std::exception& error) {
      answer = {{"error", error.what()}};
    }
    std::cout << answer.dump() << std::endl;
  }
  return 0;
}
