#include "query_operators.h"

#include <algorithm>
#include <optional>
#include <span>

#include <equipoise/core/check.h>

namespace equipoise {
namespace {

using Tokens = std::vector<std::string>;

// Finds a run of tokens in others, in time proportional to both (Knuth, Morris & Pratt 1977,
// doi:10.1137/0206024): a phrase of ten thousand equal words is no attack.
class RunFinder {
 public:
  explicit RunFinder(const Tokens& run) : run_(run), border_(run.size(), 0) {
    for (std::size_t i = 1, k = 0; i < run_.size(); ++i) {
      while (k > 0 && run_[i] != run_[k]) k = border_[k - 1];
      if (run_[i] == run_[k]) ++k;
      border_[i] = k;
    }
  }
  bool IsIn(const Tokens& tokens) const {
    std::size_t k = 0;
    for (const std::string& token : tokens) {
      while (k > 0 && token != run_[k]) k = border_[k - 1];
      if (token == run_[k]) ++k;
      if (k == run_.size()) return true;
    }
    return false;
  }

 private:
  const Tokens& run_;
  std::vector<std::size_t> border_;
};

Status NoWord(std::string_view text, const QueryClause& clause) {
  return Status(
      Code::kInvalidArgument,
      fmt::format("query, character {}: no word of {} is indexed, as stop words and single "
                  "characters are not; leave it out",
                  CharacterNumber(text, clause.begin),
                  text.substr(clause.begin, clause.end - clause.begin)),
      {.field = "text"});
}

Status NoTexts(std::string_view text, const QueryClause& clause) {
  return Status(
      Code::kUnsupported,
      fmt::format("query, character {}: phrases need the texts, which this collection does not "
                  "keep; ask for the words without quotes, or index with the texts "
                  "stored",
                  CharacterNumber(text, clause.begin)),
      {.field = "text"});
}

class Restriction {
 public:
  Restriction(std::size_t documents, const RowSet* among)
      : documents_(documents), allowed_((documents + 63) / 64, ~std::uint64_t{0}) {
    if (among != nullptr) allowed_.assign(among->words().begin(), among->words().end());
  }
  bool Has(std::uint32_t doc) const { return (allowed_[doc / 64] >> doc % 64 & 1) != 0; }
  void Apply(Occur occur, std::span<const std::uint32_t> docs) {
    if (occur == Occur::kMustNot) {
      for (const std::uint32_t doc : docs) allowed_[doc / 64] &= ~(std::uint64_t{1} << doc % 64);
      return;
    }
    matching_.assign(allowed_.size(), 0);
    for (const std::uint32_t doc : docs) matching_[doc / 64] |= std::uint64_t{1} << doc % 64;
    for (std::size_t i = 0; i < allowed_.size(); ++i) allowed_[i] &= matching_[i];
  }
  RowSet Take() { return {documents_, std::move(allowed_)}; }

 private:
  std::size_t documents_;
  std::vector<std::uint64_t> allowed_, matching_;
};

}  // namespace

std::string ScoredText(std::string_view text, const std::vector<QueryClause>& clauses) {
  std::string out(text.size(), ' ');
  for (const QueryClause& clause : clauses)
    if (clause.occur != Occur::kMustNot)
      clause.text.copy(out.data() + (clause.text.data() - text.data()), clause.text.size());
  return out;
}

Result<std::optional<RowSet>> AllowedDocuments(std::string_view text,
                                               const std::vector<QueryClause>& clauses,
                                               const RowSet* among, const Analyzer& analyzer,
                                               const LexicalIndex& lexical,
                                               const DocumentStore& documents) {
  struct Phrase {
    const QueryClause* clause;
    Tokens tokens;
  };
  std::vector<Phrase> phrases;
  std::optional<Restriction> allowed;
  Tokens tokens;
  for (const QueryClause& clause : clauses) {
    if (clause.occur == Occur::kMay) continue;
    if (!allowed) allowed.emplace(lexical.documents(), among);
    analyzer.Analyze(clause.text, &tokens);
    if (tokens.empty()) return NoWord(text, clause);
    if (clause.phrase && tokens.size() > 1) {
      if (!documents.has_text()) return NoTexts(text, clause);
      phrases.push_back({&clause, tokens});
    } else {
      allowed->Apply(clause.occur, lexical.Matching(tokens));
    }
  }
  // Phrases last, as only documents that everything else allows need be looked at.
  for (const Phrase& phrase : phrases) {
    const RunFinder finder(phrase.tokens);
    std::vector<std::uint32_t> docs = lexical.Matching(phrase.tokens);
    std::erase_if(docs, [&](std::uint32_t doc) {
      if (!allowed->Has(doc)) return true;
      const StoredDocument document = documents.Get(doc);
      analyzer.Analyze(document.title, &tokens);
      if (finder.IsIn(tokens)) return false;
      analyzer.Analyze(document.text, &tokens);
      return !finder.IsIn(tokens);
    });
    allowed->Apply(phrase.clause->occur, docs);
  }
  if (!allowed) return std::optional<RowSet>();
  return std::optional<RowSet>(allowed->Take());
}

}  // namespace equipoise
