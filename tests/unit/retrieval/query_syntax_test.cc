// The operators in the text of a query.
#include <random>
#include <regex>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <equipoise/retrieval/query_syntax.h>

namespace equipoise {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// "word", "+must", "-must not", each with its quotes if it has some.
std::vector<std::string> Read(std::string_view text) {
  const auto clauses = ParseQuery(text);
  EXPECT_TRUE(clauses.ok()) << clauses.error().ToString();
  std::vector<std::string> out;
  if (!clauses.ok()) return out;
  for (const QueryClause& clause : *clauses) {
    const std::string quote = clause.phrase ? "\"" : "";
    const char* const sign = clause.occur == Occur::kMust      ? "+"
                             : clause.occur == Occur::kMustNot ? "-"
                                                               : "";
    out.push_back(sign + quote + std::string(clause.text) + quote);
  }
  return out;
}

struct Refusal {
  std::size_t character;
  std::size_t byte;
  std::string message;
};

Refusal Refused(std::string_view text) {
  std::size_t at = std::string::npos;
  const auto clauses = ParseQuery(text, &at);
  EXPECT_FALSE(clauses.ok()) << text;
  if (clauses.ok()) return {};
  EXPECT_EQ(clauses.error().code(), Code::kInvalidArgument);
  EXPECT_EQ(clauses.error().where().field, "text");
  const std::string message = clauses.error().message();
  const std::string start = "query, character " + std::to_string(CharacterNumber(text, at)) + ": ";
  EXPECT_TRUE(message.starts_with(start)) << message;
  return {CharacterNumber(text, at), at, message};
}

TEST(QuerySyntax, WordsPhrasesAndSignsAreTold) {
  EXPECT_THAT(Read("wing \"slip stream\" +flow -jet -\"wind tunnel\" +\"boundary layer\""),
              ElementsAre("wing", "+\"slip stream\"", "+flow", "-jet", "-\"wind tunnel\"",
                          "+\"boundary layer\""));
}

TEST(QuerySyntax, SignsAndQuotesWithinWordsAreText) {
  EXPECT_THAT(Read("well-known C++ 12\" O'Brien a+b e-mail- x\"y\"z 'single' (\"in"),
              ElementsAre("well-known", "C++", "12\"", "O'Brien", "a+b", "e-mail-", "x\"y\"z",
                          "'single'", "(\"in"));
}

TEST(QuerySyntax, ABackslashOrADashMakesASignText) {
  EXPECT_THAT(Read("\\-5 \\+1 \\\"a – b — c"),
              ElementsAre("\\-5", "\\+1", "\\\"a", "–", "b", "—", "c"));
}

TEST(QuerySyntax, WhatFollowsAClosingQuoteIsAWordWhateverItBeginsWith) {
  EXPECT_THAT(Read("\"a b\"c \"d\"-e \"f\"\"g\" \"h\"+\"i\""),
              ElementsAre("+\"a b\"", "c", "+\"d\"", "-e", "+\"f\"", "\"g\"", "+\"h\"", "+\"i\""));
  const auto clauses = ParseQuery("\"d\"-e");
  ASSERT_TRUE(clauses.ok());
  EXPECT_EQ((*clauses)[1].occur, Occur::kMay);
  EXPECT_EQ((*clauses)[1].text, "-e");
}

TEST(QuerySyntax, TypographicQuotesAreQuotes) {
  EXPECT_THAT(Read("“slip stream” „Grenz Schicht“ -”x y”"),
              ElementsAre("+\"slip stream\"", "+\"Grenz Schicht\"", "-\"x y\""));
}

TEST(QuerySyntax, EveryWhiteSpaceOfUnicodeSeparates) {
  EXPECT_THAT(Read("\ta\u00A0+b\u3000-c\r\n\u2028\"d\u2003e\"\u0085"),
              ElementsAre("a", "+b", "-c", "+\"d\u2003e\""));
}

TEST(QuerySyntax, BlankTextHasNoClause) {
  for (const char* text : {"", " ", "\t\n", "\u3000"}) EXPECT_THAT(Read(text), ElementsAre());
}

TEST(QuerySyntax, NulAndBytesThatAreNotUtf8ArePartsOfWords) {
  const std::string nul("a\0b \0 +\0", 8);
  EXPECT_EQ(Read(nul), (std::vector<std::string>{std::string("a\0b", 3), std::string(1, '\0'),
                                                 std::string("+\0", 2)}));
  EXPECT_THAT(Read("\xFF -\xE2\x80 \"\xC3\" \xF0\x9F"),
              ElementsAre("\xFF", "-\xE2\x80", "+\"\xC3\"", "\xF0\x9F"));
}

TEST(QuerySyntax, AllPlanesAndBothDirectionsOfWritingAreText) {
  EXPECT_THAT(Read("+𝔘𝔫𝔦 -\"שלום עולם\" \U000E0041 +\"\U00020000\U00030000\" \U0010FFFD "
                   "\u202B+a"),
              ElementsAre("+𝔘𝔫𝔦", "-\"שלום עולם\"", "\U000E0041", "+\"\U00020000\U00030000\"",
                          "\U0010FFFD", "\u202B+a"));
}

TEST(QuerySyntax, ErrorsNameTheCharacterAndWhatToDo) {
  auto error = Refused("wing \"in a slip");
  EXPECT_EQ(error.character, 6u);
  EXPECT_THAT(error.message, HasSubstr("not closed"));
  error = Refused("wing + flow");
  EXPECT_EQ(error.character, 6u);
  EXPECT_THAT(error.message, HasSubstr("join it to the word"));
  EXPECT_EQ(Refused("wing flow -").character, 11u);
  EXPECT_EQ(Refused("+").character, 1u);
  error = Refused("wing +\"\"");
  EXPECT_EQ(error.character, 7u);
  EXPECT_THAT(error.message, HasSubstr("no word between"));
  EXPECT_EQ(Refused("wing \" \t\u00A0\"").character, 6u);
  error = Refused("  -wing -\"slip stream\"");
  EXPECT_EQ(error.character, 3u);
  EXPECT_THAT(error.message, HasSubstr("add a word"));
}

TEST(QuerySyntax, PositionsCountCharactersAndPlacesBytes) {
  const auto error = Refused("зуб 𝔘é +");
  EXPECT_EQ(error.character, 8u);
  EXPECT_EQ(error.byte, 14u);
  EXPECT_EQ(CharacterNumber("ab", 99), 3u);
}

TEST(QuerySyntax, TenThousandClausesAreRead) {
  std::string text;
  for (int i = 0; i < 10000; ++i) text += (i % 2 == 0 ? " +w" : " \"w v\"-");
  const auto clauses = ParseQuery(text);
  ASSERT_TRUE(clauses.ok());
  EXPECT_EQ(clauses->size(), 15000u);
}

// The same language as a regular expression.
TEST(QuerySyntax, AgreesWithARegularExpressionOnRandomText) {
  const std::regex clause("([+-]?)(?:\"([^\"]*)\"|([^ \"][^ ]*))");
  std::mt19937 random(5);
  std::size_t valid = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (std::size_t i = random() % 14; i > 0; --i) text += "ab+-\"  "[random() % 7];
    std::vector<std::string> expected;
    bool refused = false, positive = false, any = false;
    std::string rest = text;
    while (!refused) {
      rest.erase(0, rest.find_first_not_of(' '));
      if (rest.empty()) break;
      any = true;
      std::smatch found;
      if (!std::regex_search(rest, found, clause, std::regex_constants::match_continuous)) {
        refused = true;  // a quote that is not closed, a sign without a word
        break;
      }
      const bool phrase = found[0].str().back() == '"' && found[3].length() == 0;
      const std::string body = phrase ? found[2].str() : found[3].str();
      // Where the signed form does not fit, the expression takes the sign as part of the word.
      if (!phrase && found[1].length() == 0 && (body.front() == '+' || body.front() == '-'))
        refused = true;
      if (phrase && body.find_first_not_of(' ') == std::string::npos) refused = true;
      const std::string sign = phrase && found[1] == "" ? "+" : found[1].str();
      positive |= sign != "-";
      expected.push_back(phrase ? sign + "\"" + body + "\"" : sign + body);
      rest = found.suffix();
      if (phrase && !rest.empty() && rest.front() != ' ') {
        const std::string word = rest.substr(0, rest.find(' '));
        expected.push_back(word);
        rest.erase(0, word.size());
        positive = true;
      }
    }
    refused |= any && !positive;
    const auto clauses = ParseQuery(text);
    ASSERT_EQ(clauses.ok(), !refused) << "\"" << text << "\"";
    if (refused) continue;
    ASSERT_EQ(Read(text), expected) << "\"" << text << "\"";
    ++valid;
  }
  EXPECT_GT(valid, 3000u);
}

TEST(QuerySyntax, NamesAreReadBack) {
  for (const QuerySyntax syntax : {QuerySyntax::kPlain, QuerySyntax::kOperators})
    EXPECT_EQ(*ParseQuerySyntax(QuerySyntaxName(syntax)), syntax);
  EXPECT_THAT(ParseQuerySyntax("lucene").error().message(), HasSubstr("plain, operators"));
}

}  // namespace
}  // namespace equipoise
