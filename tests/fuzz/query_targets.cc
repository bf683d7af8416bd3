// Queries of people, with operators; and passages of any text.
#include <algorithm>

#include <equipoise/retrieval/analyzer.h>
#include <equipoise/retrieval/query_syntax.h>
#include <equipoise/retrieval/snippet.h>
#include <equipoise/retrieval/text.h>

#include "fuzz_target.h"

namespace equipoise::fuzz {
namespace {

void RunQuery(std::string_view input) {
  std::size_t at = input.size() + 1;
  const auto clauses = ParseQuery(input, &at);
  RequireCode(clauses.error(), {Code::kInvalidArgument});
  EQUIPOISE_FUZZ_REQUIRE(clauses.ok() == (at > input.size()), input);
  if (!clauses.ok()) {
    EQUIPOISE_FUZZ_REQUIRE(at < input.size() && CharacterNumber(input, at) <= input.size(), input);
    return;
  }
  std::size_t last = 0;
  bool positive = clauses->empty();
  for (const QueryClause& clause : *clauses) {
    // In order and apart from each other, the text within what the clause takes up.
    EQUIPOISE_FUZZ_REQUIRE(last <= clause.begin && clause.begin < clause.end, input);
    EQUIPOISE_FUZZ_REQUIRE(clause.end <= input.size() && !clause.text.empty(), input);
    EQUIPOISE_FUZZ_REQUIRE(clause.text.data() >= input.data() + clause.begin, input);
    EQUIPOISE_FUZZ_REQUIRE(clause.text.data() + clause.text.size() <= input.data() + clause.end,
                           input);
    EQUIPOISE_FUZZ_REQUIRE(!clause.phrase || clause.occur != Occur::kMay, input);
    // Between clauses there is nothing but blanks: what is cut off parses to nothing.
    const auto between = ParseQuery(input.substr(last, clause.begin - last));
    EQUIPOISE_FUZZ_REQUIRE(between.ok() && between->empty(), input);
    positive |= clause.occur != Occur::kMustNot;
    last = clause.end;
  }
  EQUIPOISE_FUZZ_REQUIRE(positive, input);
}

std::vector<std::string> QuerySeeds() {
  return {"wing \"slip stream\" +flow -jet -\"wind tunnel\"",
          "well-known C++ 12\" \\-5 – +\"a b\"c",
          "“typographic quotes” +größe -\u3000x",
          "+\"שלום עולם\" -東京 𝔘",
          "\"not closed",
          "a +",
          "-a -b",
          "\"\""};
}

// The first byte chooses the length, the first line the query, the rest is the text.
void RunSnippet(std::string_view input) {
  static const Analyzer analyzer = *Analyzer::Create({});
  if (input.empty()) return;
  const std::size_t length = 1 + static_cast<unsigned char>(input.front());
  const std::size_t line = std::min(input.find('\n'), input.size() - 1);
  const std::string_view text = input.substr(line + 1);
  std::vector<TermScore> terms;
  for (const std::string& token : analyzer.Analyze(input.substr(1, line)))
    terms.push_back({.term = token, .idf = 1.0f / static_cast<float>(1 + terms.size() % 7)});
  std::vector<std::string> visited;
  analyzer.VisitTokens(text, [&](std::string_view term, std::size_t begin, std::size_t end) {
    EQUIPOISE_FUZZ_REQUIRE(begin < end && end <= text.size(), text);
    visited.emplace_back(term);
  });
  EQUIPOISE_FUZZ_REQUIRE(visited == analyzer.Analyze(text), text);
  const Snippet found = MakeSnippet(text, terms, analyzer, {.length = length});
  EQUIPOISE_FUZZ_REQUIRE(found.begin <= found.end && found.end <= text.size(), text);
  EQUIPOISE_FUZZ_REQUIRE(!IsValidUtf8(text) || IsValidUtf8(found.In(text)), text);
  std::size_t last = 0;
  for (const ByteRange& range : found.matches) {
    EQUIPOISE_FUZZ_REQUIRE(last <= range.begin && range.begin < range.end, text);
    last = range.end;
  }
  EQUIPOISE_FUZZ_REQUIRE(last <= found.end - found.begin, text);
}

std::vector<std::string> SnippetSeeds() {
  return {"\x20wing flow\nThe flow over a wing. Another sentence. And the wing again.",
          "\x05größe\nDie Größe der e\u0301te\u0301 ﬁne ㎧ 東京タワー שלום עולם",
          "\x40xyz\nno word of it is here", "\x01\n", "\xFFwing\n  \n wing \n "};
}

}  // namespace

std::vector<Target> QueryTargets() {
  return {{"query_syntax", RunQuery, QuerySeeds}, {"snippet", RunSnippet, SnippetSeeds}};
}

}  // namespace equipoise::fuzz
