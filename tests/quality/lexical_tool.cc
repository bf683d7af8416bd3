/// What check_bm25s.py runs: the tokens of a set, and what the lexical index finds for its queries.
///
///   lexical_tool SET FOLDER    SET has corpus.jsonl and queries.jsonl; into FOLDER go `documents` and
///                              `queries` (a line each, tokens separated by blanks) and `found`: a line a
///                              query, "document:score" of the 100 best, separated by blanks
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <equipoise/retrieval/analyzer.h>
#include <equipoise/retrieval/lexical_index.h>

namespace {

using Words = std::vector<std::string>;

// As documents are indexed: title and text joined by a blank. Tokens go to a file as well.
std::vector<Words> Tokens(const std::string& from, const std::string& to,
                          const equipoise::Analyzer& analyzer) {
  std::vector<Words> out;
  std::ifstream in(from);
  std::ofstream file(to);
  for (std::string line; std::getline(in, line);) {
    const auto row = nlohmann::json::parse(line);
    const auto part = [&](const char* name) {
      return row.contains(name) && row[name].is_string() ? row[name].get<std::string>() : "";
    };
    out.push_back(analyzer.Analyze(part("title") + " " + part("text")));
    for (const std::string& token : out.back()) file << token << ' ';
    file << '\n';
  }
  return out;
}

int Run(const std::string& set, const std::string& folder) {
  const auto analyzer = equipoise::Analyzer::Create({});
  auto builder = equipoise::LexicalIndexBuilder::Create();
  if (!analyzer || !builder) return 1;
  for (const Words& words : Tokens(set + "/corpus.jsonl", folder + "/documents", *analyzer))
    if (!builder->Add(words).ok()) return 1;
  if (!builder->Write(folder + "/index").ok()) return 1;
  const auto index = equipoise::LexicalIndex::Open(folder + "/index");
  if (!index) return 1;
  std::ofstream found(folder + "/found");
  for (const Words& query : Tokens(set + "/queries.jsonl", folder + "/queries", *analyzer)) {
    for (const equipoise::Scored& hit : index->Search(query, 100))
      found << fmt::format("{}:{:.9g} ", hit.id, hit.score);
    found << '\n';
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "lexical_tool SET FOLDER\n");
    return 2;
  }
  try {
    return Run(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
