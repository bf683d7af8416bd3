// The best passage of a text, against every passage there is.
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <equipoise/retrieval/snippet.h>
#include <equipoise/retrieval/text.h>

namespace equipoise {
namespace {

using ::testing::ElementsAre;

const Analyzer& English() {
  static const Analyzer analyzer = *Analyzer::Create({});
  return analyzer;
}

std::vector<TermScore> Terms(const std::vector<std::pair<std::string, float>>& words) {
  std::vector<TermScore> out;
  for (const auto& [word, idf] : words) {
    TermScore term;
    term.term = English().Analyze(word).at(0);
    term.idf = idf;
    out.push_back(term);
  }
  return out;
}

std::size_t Characters(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

std::vector<std::string> Marked(std::string_view text, const std::vector<ByteRange>& ranges) {
  std::vector<std::string> out;
  for (const ByteRange& range : ranges)
    out.emplace_back(text.substr(range.begin, range.end - range.begin));
  return out;
}

struct Token {
  std::string term;
  std::size_t begin, end;
};

std::vector<Token> Tokens(std::string_view text, const Analyzer& analyzer) {
  std::vector<Token> out;
  analyzer.VisitTokens(text, [&](std::string_view term, std::size_t begin, std::size_t end) {
    out.push_back({std::string(term), begin, end});
  });
  return out;
}

TEST(VisitTokens, FindsTheTermsOfAnalyzeWithTheirPlaces) {
  const std::string text = "The author's Wings; Straße ﬁne e\u0301te\u0301 ㎧ Ｆｕｌｌ so\u00ADft";
  std::vector<std::string> terms, places;
  for (const Token& token : Tokens(text, English())) {
    terms.push_back(token.term);
    places.push_back(text.substr(token.begin, token.end - token.begin));
  }
  EXPECT_EQ(terms, English().Analyze(text));
  EXPECT_THAT(places, ElementsAre("author", "Wings", "Straße", "ﬁne", "e\u0301te\u0301", "Ｆｕｌｌ",
                                  "so\u00ADft"));
}

TEST(VisitTokens, AgreesWithAnalyzeOnRandomTextOfAllPlanes) {
  std::mt19937 random(7);
  const std::vector<Analyzer> analyzers = {
      English(),
      *Analyzer::Create({.language = "none", .stopwords = "none", .min_token_length = 1})};
  const std::vector<std::string> pieces = {"wing",
                                           "The",
                                           "'s",
                                           " ",
                                           " ",
                                           "ß",
                                           "ﬃ",
                                           "½",
                                           "e\u0301",
                                           "\u0345",
                                           "東京",
                                           "ひら",
                                           "カナ",
                                           "สวัสดี",
                                           "שלום",
                                           "الكتاب",
                                           "\u202E",
                                           "👩‍👩‍👧",
                                           "\xFF",
                                           "\xE2",
                                           "İ",
                                           "ǆ",
                                           "\n",
                                           "3.14",
                                           "a.b",
                                           "\U0001D518",
                                           "\U00020001",
                                           "\U000E0001",
                                           "\U0010FFFD",
                                           "\u00AD",
                                           "㎧",
                                           "Å",
                                           "ﷺ",
                                           "한",
                                           "\u1112\u1161\u11AB",
                                           "\"",
                                           "-"};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (std::size_t i = random() % 30; i > 0; --i) text += pieces[random() % pieces.size()];
    if (round % 50 == 0) text.insert(random() % (text.size() + 1), 1, '\0');
    const Analyzer& analyzer = analyzers[static_cast<std::size_t>(round) % analyzers.size()];
    const auto tokens = Tokens(text, analyzer);
    std::vector<std::string> terms;
    std::size_t last = 0;
    for (const Token& token : tokens) {
      terms.push_back(token.term);
      ASSERT_LT(token.begin, token.end) << text;
      ASSERT_LE(token.end, text.size());
      ASSERT_LE(last, token.begin) << text;
      last = token.begin;
      // Whole characters, at least where the text is UTF-8.
      if (IsValidUtf8(text)) {
        ASSERT_TRUE(
            IsValidUtf8(std::string_view(text).substr(token.begin, token.end - token.begin)))
            << text;
      }
    }
    ASSERT_EQ(terms, analyzer.Analyze(text)) << text;
  }
}

TEST(VisitTokens, PlacesInLongTextsCountFromItsStart) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += i % 3 == 0 ? "wing flow " : "Straße ";
  for (const Token& token : Tokens(text, English())) {
    const std::string_view word =
        std::string_view(text).substr(token.begin, token.end - token.begin);
    ASSERT_TRUE(word == "wing" || word == "flow" || word == "Straße") << word;
  }
}

TEST(Snippet, ShowsTheSentenceThatHasMostOfTheQuery) {
  const std::string text =
      "The first sentence speaks of nothing. A wing is mentioned here and nothing else, for a long "
      "while, until nobody reads on. The flow over a wing in a slipstream was measured. Then there "
      "is an end of it, with some more words so that it does not fit.";
  const auto terms = Terms({{"wing", 2}, {"flow", 2}, {"slipstream", 5}});
  const Snippet found = MakeSnippet(text, terms, English(), {.length = 70});
  EXPECT_EQ(found.In(text), "The flow over a wing in a slipstream was measured.");
  EXPECT_THAT(Marked(found.In(text), found.matches), ElementsAre("flow", "wing", "slipstream"));
  EXPECT_FALSE(found.from_start);
  EXPECT_FALSE(found.to_end);
}

TEST(Snippet, WithoutAMatchItIsTheBeginning) {
  const std::string text = " \n One two three. Four five six seven eight nine ten eleven.";
  const Snippet found = MakeSnippet(text, Terms({{"absent", 1}}), English(), {.length = 20});
  EXPECT_EQ(found.In(text), "One two three.");
  EXPECT_TRUE(found.from_start);
  EXPECT_FALSE(found.to_end);
  EXPECT_THAT(found.matches, ElementsAre());
}

TEST(Snippet, OfAShortTextIsAllOfIt) {
  const std::string text = "  A wing. ";
  const Snippet found = MakeSnippet(text, Terms({{"wing", 1}}), English());
  EXPECT_EQ(found.In(text), "A wing.");
  EXPECT_TRUE(found.from_start && found.to_end);
}

TEST(Snippet, OfAnEmptyOrBlankTextIsEmpty) {
  for (const std::string text : {"", " ", "\n\n", "\u3000"}) {
    const Snippet found = MakeSnippet(text, Terms({{"wing", 1}}), English());
    EXPECT_EQ(found.In(text), "");
    EXPECT_TRUE(found.from_start && found.to_end);
  }
}

TEST(Snippet, AWordLongerThanThePassageIsCut) {
  const std::string text = "see " + std::string(500, 'x') + " end";
  for (const bool matches : {true, false}) {
    const std::string word = matches ? std::string(500, 'x') : "absent";
    const Snippet found = MakeSnippet(text, Terms({{word, 1}}), English(), {.length = 50});
    EXPECT_LE(found.end - found.begin, 50u);
    EXPECT_GT(found.end - found.begin, 2u);
    EXPECT_EQ(found.matches.size(), matches ? 1u : 0u);
  }
}

TEST(Snippet, RightToLeftAndOtherScriptsAreCutAtWords) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "ספר הלימוד של הילדים ";
  text += "שלום עולם ";
  for (int i = 0; i < 40; ++i) text += "東京タワーへ行きます。";
  const Snippet found = MakeSnippet(text, Terms({{"שלום", 3}}), English(), {.length = 40});
  const auto passage = found.In(text);
  EXPECT_TRUE(IsValidUtf8(passage));
  EXPECT_LE(Characters(passage), 40u);
  EXPECT_THAT(Marked(passage, found.matches), ElementsAre("שלום"));
  // A whole word at the start.
  EXPECT_TRUE(passage.starts_with("ספר") || passage.starts_with("הלימוד") ||
              passage.starts_with("של") || passage.starts_with("הילדים"))
      << passage;
}

// The part of the query in every passage of the text that fits, by the formula in the header.
TEST(Snippet, HasAsMuchOfTheQueryAsAnyPassageThatFits) {
  std::mt19937 random(11);
  static const char* const kWords[] = {"wing", "flow",    "heat", "cone",  "aaa",
                                       "bbbb", "ccccccc", "dd.",  "Größe", "東京"};
  const auto terms = Terms({{"wing", 3}, {"flow", 2}, {"heat", 1.5f}, {"cone", 0.2f}});
  for (int round = 0; round < 400; ++round) {
    std::string text;
    for (std::size_t i = 1 + random() % 120; i > 0; --i)
      text += std::string(kWords[random() % 4 == 0 ? random() % 4 : 4 + random() % 6]) + " ";
    const std::size_t length = 10 + random() % 60;
    struct Place {
      std::size_t term, begin, end;
    };
    std::vector<Place> places;
    for (const Token& token : Tokens(text, English()))
      for (std::size_t t = 0; t < terms.size(); ++t)
        if (terms[t].term == token.term) places.push_back({t, token.begin, token.end});
    const auto value = [&](std::size_t begin, std::size_t end) {
      std::vector<double> counts(terms.size(), 0);
      for (const Place& place : places)
        if (place.begin >= begin && place.end <= end) ++counts[place.term];
      double sum = 0;
      for (std::size_t t = 0; t < terms.size(); ++t)
        sum += double{terms[t].idf} * counts[t] / (counts[t] + 1);
      return sum;
    };
    double best = 0;
    for (const Place& first : places)
      for (const Place& last : places)
        if (last.end > first.begin && Characters(std::string_view(text).substr(
                                          first.begin, last.end - first.begin)) <= length)
          best = std::max(best, value(first.begin, last.end));
    const Snippet found = MakeSnippet(text, terms, English(), {.length = length});
    EXPECT_GE(value(found.begin, found.end), best - 1e-9) << text << length;
    EXPECT_LE(Characters(found.In(text)), length);
    std::vector<ByteRange> expected;
    for (const Place& place : places)
      if (place.begin >= found.begin && place.end <= found.end)
        expected.push_back({place.begin - found.begin, place.end - found.begin});
    EXPECT_EQ(found.matches, expected);
  }
}

TEST(Snippet, OfRandomTextFitsAndIsCutAtCharacters) {
  std::mt19937 random(12);
  const std::vector<std::string> pieces = {"wing",
                                           " ",
                                           " ",
                                           ". ",
                                           "ß",
                                           "e\u0301",
                                           "東京",
                                           "שלום",
                                           "👩‍👩‍👧",
                                           "\U0010FFFD",
                                           "\n",
                                           "flow",
                                           std::string(1, '\0')};
  const auto terms = Terms({{"wing", 1}, {"flow", 2}});
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (std::size_t i = random() % 60; i > 0; --i) text += pieces[random() % pieces.size()];
    const std::size_t length = 1 + random() % 30;
    const Snippet found = MakeSnippet(text, terms, English(), {.length = length});
    ASSERT_LE(found.begin, found.end);
    ASSERT_LE(found.end, text.size());
    ASSERT_TRUE(IsValidUtf8(found.In(text)));
    ASSERT_LE(Characters(found.In(text)), length);
    std::size_t last = 0;
    for (const ByteRange& range : found.matches) {
      ASSERT_LE(last, range.begin);
      ASSERT_LT(range.begin, range.end);
      ASSERT_LE(range.end, found.end - found.begin);
      last = range.end;
    }
  }
}

TEST(Snippet, OfAVeryLongTextLooksAtItsStart) {
  std::string text(1000, 'a');
  text += " wing";
  const auto terms = Terms({{"wing", 1}});
  EXPECT_EQ(MakeSnippet(text, terms, English()).matches.size(), 1u);
  EXPECT_EQ(MakeSnippet(text, terms, English(), {.looked_at = 500}).matches.size(), 0u);
}

}  // namespace
}  // namespace equipoise
