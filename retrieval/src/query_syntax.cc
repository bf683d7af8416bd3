#include <algorithm>
#include <new>

#include <fmt/format.h>
#include <unicode/uchar.h>

#include <equipoise/retrieval/query_syntax.h>

#include "utf8_walk.h"

namespace equipoise {
namespace {

bool IsQuote(UChar32 c) { return c == '"' || c == 0x201C || c == 0x201D || c == 0x201E; }

struct Failure {
  std::size_t at;
  const char* message;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  // Throws std::bad_alloc alone; a failure has a message.
  Failure Parse(std::vector<QueryClause>* clauses) {
    while (SkipBlanks()) {
      QueryClause clause;
      clause.begin = at_;
      if (const Failure failure = ParseClause(&clause); failure.message != nullptr) return failure;
      clause.end = at_;
      clauses->push_back(clause);
      // What follows a closing quote without a blank is a word, whatever it begins with.
      if (clause.phrase && !AtBlank()) {
        QueryClause rest;
        rest.begin = at_;
        rest.text = Word();
        rest.end = at_;
        clauses->push_back(rest);
      }
    }
    const auto excluded = [](const QueryClause& c) { return c.occur == Occur::kMustNot; };
    if (!clauses->empty() && std::all_of(clauses->begin(), clauses->end(), excluded))
      return {clauses->front().begin,
              "there is nothing but exclusions; add a word that documents should have"};
    return {0, nullptr};
  }

 private:
  bool IsBlank(std::size_t byte) const {
    const UChar32 c = CharacterAt(text_, byte);
    return c >= 0 && u_isUWhiteSpace(c) != 0;
  }
  bool AtBlank() const { return at_ == text_.size() || IsBlank(at_); }
  bool AtQuote() const { return at_ < text_.size() && IsQuote(CharacterAt(text_, at_)); }
  void Step() { static_cast<void>(NextCharacter(text_, &at_)); }

  // False at the end.
  bool SkipBlanks() {
    while (at_ < text_.size() && IsBlank(at_)) Step();
    return at_ < text_.size();
  }
  std::string_view Word() {
    const std::size_t begin = at_;
    while (!AtBlank()) Step();
    return text_.substr(begin, at_ - begin);
  }

  Failure ParseClause(QueryClause* clause) {
    const char sign = text_[at_];
    if (sign == '+' || sign == '-') {
      ++at_;
      clause->occur = sign == '+' ? Occur::kMust : Occur::kMustNot;
      if (AtBlank())
        return {clause->begin, sign == '+'
                                   ? "a plus stands alone; join it to the word that documents must "
                                     "have, or leave it out"
                                   : "a hyphen stands alone; join it to the word that documents "
                                     "must not have, or leave it out"};
    }
    if (!AtQuote()) {
      clause->text = Word();
      return {0, nullptr};
    }
    clause->phrase = true;
    if (clause->occur == Occur::kMay) clause->occur = Occur::kMust;
    const std::size_t quote = at_;
    Step();
    const std::size_t begin = at_;
    while (at_ < text_.size() && !AtQuote()) Step();
    if (at_ == text_.size())
      return {quote,
              "this quote is not closed; write another one behind the phrase, or leave it out"};
    clause->text = text_.substr(begin, at_ - begin);
    bool empty = true;
    for (std::size_t i = begin; empty && i < at_; static_cast<void>(NextCharacter(text_, &i)))
      empty = IsBlank(i);
    Step();
    if (empty) return {quote, "there is no word between these quotes; leave them out"};
    return {0, nullptr};
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::string_view QuerySyntaxName(QuerySyntax syntax) {
  return syntax == QuerySyntax::kOperators ? "operators" : "plain";
}

Result<QuerySyntax> ParseQuerySyntax(std::string_view name) {
  for (const QuerySyntax syntax : {QuerySyntax::kPlain, QuerySyntax::kOperators})
    if (name == QuerySyntaxName(syntax)) return syntax;
  return Status(Code::kInvalidArgument,
                fmt::format("unknown syntax \"{}\"; known: plain, operators", name),
                {.field = "syntax"});
}

Result<std::vector<QueryClause>> ParseQuery(std::string_view text, std::size_t* error_at) try {
  std::vector<QueryClause> clauses;
  const Failure failure = Parser(text).Parse(&clauses);
  if (failure.message == nullptr) return clauses;
  if (error_at != nullptr) *error_at = failure.at;
  return Status(
      Code::kInvalidArgument,
      fmt::format("query, character {}: {}", CharacterNumber(text, failure.at), failure.message),
      {.field = "text"});
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "ParseQuery: no memory for the clauses");
}

std::size_t CharacterNumber(std::string_view text, std::size_t byte) {
  std::size_t number = 1;
  for (std::size_t i = 0; i < std::min(byte, text.size()); ++number)
    static_cast<void>(NextCharacter(text, &i));
  return number;
}

}  // namespace equipoise
