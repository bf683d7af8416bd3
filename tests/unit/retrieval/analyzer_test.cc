#include <random>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unicode/brkiter.h>
#include <unicode/normalizer2.h>
#include <unicode/unistr.h>

#include <equipoise/retrieval/analyzer.h>
#include <equipoise/retrieval/text.h>

namespace equipoise {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Words = std::vector<std::string>;

Analyzer Make(AnalyzerOptions options = {}) {
  auto made = Analyzer::Create(options);
  EXPECT_TRUE(made.ok()) << made.error().ToString();
  return made.ok() ? *made : Analyzer();
}

// Every word as it is cut, nothing dropped and nothing stemmed.
Analyzer Plain() {
  return Make(
      {.language = "none", .stopwords = "none", .min_token_length = 1, .max_token_length = 1024});
}

// What ICU says about the text as one piece: the truth for how we cut it into pieces.
Words ByIcu(const std::string& text) {
  UErrorCode error = U_ZERO_ERROR;
  std::unique_ptr<icu::BreakIterator> words(
      icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), error));
  const auto* fold = icu::Normalizer2::getNFKCCasefoldInstance(error);
  const icu::UnicodeString folded = fold->normalize(icu::UnicodeString::fromUTF8(text), error);
  EXPECT_TRUE(U_SUCCESS(error));
  words->setText(folded);
  Words out;
  std::int32_t from = 0;
  for (std::int32_t to = words->next(); to != icu::BreakIterator::DONE;
       from = to, to = words->next())
    if (words->getRuleStatus() >= UBRK_WORD_NUMBER) {
      std::string word;
      folded.tempSubStringBetween(from, to).toUTF8String(word);
      out.push_back(word);
    }
  return out;
}

std::string AppendUtf8(std::string text, UChar32 code_point) {
  icu::UnicodeString(code_point).toUTF8String(text);
  return text;
}

// Letters of many scripts, marks, digits, emoji, spaces; no apostrophes or underscores, at which we
// differ from ICU on purpose. Not U+0345 either, a mark that folds to a letter: the one place where
// NFKC case folding tells composed from decomposed text (Unicode Standard, section 3.13).
std::string RandomText(std::mt19937* random, std::size_t code_points) {
  static const std::vector<std::pair<UChar32, UChar32>> kRanges = {
      {'a', 'z'},         {'A', 'Z'},         {'0', '9'},         {' ', ' '},
      {'\n', '\n'},       {' ', ' '},         {'(', '.'},         {0xC0, 0x17F},
      {0x300, 0x344},     {0x391, 0x3C9},     {0x410, 0x44F},     {0x5D0, 0x5EA},
      {0x620, 0x64A},     {0x905, 0x939},     {0xE01, 0xE2E},     {0x1100, 0x1112},
      {0x2002, 0x200F},   {0x3041, 0x3096},   {0x30A1, 0x30FA},   {0x4E00, 0x4FFF},
      {0xAC00, 0xAD00},   {0xFB00, 0xFB06},   {0xFF21, 0xFF3A},   {0xFE00, 0xFE0F},
      {0x1F1E6, 0x1F1FF}, {0x1F600, 0x1F64F}, {0x10330, 0x1034A}, {0x1D400, 0x1D454},
      {0x20000, 0x20020}, {0xE0100, 0xE0110}};
  std::string out;
  for (std::size_t i = 0; i < code_points; ++i) {
    // Runs of one range, so that there are words and not only single letters.
    const auto& range = kRanges[(*random)() % kRanges.size()];
    for (std::size_t run = (*random)() % 6 + 1; run > 0; --run) {
      const auto width = static_cast<std::uint32_t>(range.second - range.first + 1);
      const UChar32 c = range.first + static_cast<UChar32>((*random)() % width);
      if (c == '\'') continue;
      out = AppendUtf8(std::move(out), c);
    }
  }
  return out;
}

TEST(Analyzer, CutsFoldsDropsStopWordsAndStems) {
  EXPECT_THAT(Make().Analyze("The Flow of AIR over slender Wings, and the boundary-layers!"),
              ElementsAre("flow", "air", "over", "slender", "wing", "boundari", "layer"));
}

TEST(Analyzer, KeepsNumbersAcronymsDomainsAndIdentifiersWhole) {
  EXPECT_THAT(Plain().Analyze("3.14 1,000 U.S.A. example.com snake_case well-known and/or a:b x2"),
              ElementsAre("3.14", "1,000", "u.s.a", "example.com", "snake_case", "well", "known",
                          "and", "or", "a", "b", "x2"));
}

TEST(Analyzer, CutsAtApostrophesOfAnyFormAndDropsThePossessive) {
  for (const std::string mark : {"'", "\u2019", "\u2018", "\uFF07"}) {
    EXPECT_THAT(Plain().Analyze("author" + mark + "s"), ElementsAre("author"));
    EXPECT_THAT(Plain().Analyze("l" + mark + "avion"), ElementsAre("l", "avion"));
    EXPECT_THAT(Make().Analyze("l" + mark + "avion"), ElementsAre("avion"));
    EXPECT_THAT(Plain().Analyze(mark + "s" + mark), ElementsAre("s"));
  }
}

TEST(Analyzer, DropsOneLetterOfAnAlphabetButNoIdeographOrSyllable) {
  const Analyzer analyzer = Make({.language = "none", .stopwords = "none"});
  EXPECT_THAT(analyzer.Analyze("x y я ω ա 7 ab 42"), ElementsAre("ab", "42"));
  EXPECT_THAT(analyzer.Analyze("水 물 の"), ElementsAre("水", "물", "の"));
  EXPECT_THAT(analyzer.Analyze("\U00010400"), ElementsAre("\U00010428"));  // Deseret, a pair
}

TEST(Analyzer, CutsChineseJapaneseAndThaiIntoWords) {
  EXPECT_THAT(Plain().Analyze("北京大学"), ::testing::SizeIs(::testing::Ge(1u)));
  EXPECT_GT(Plain().Analyze("我今天去北京看朋友").size(), 3u);
  EXPECT_GT(Plain().Analyze("東京都に住んでいます").size(), 3u);
  EXPECT_GT(Plain().Analyze("ภาษาไทยเป็นภาษาที่สวยงาม").size(), 3u);
}

TEST(Analyzer, MakesNoDifferenceBetweenFormsOfTheSameText) {
  const Analyzer a = Make();
  EXPECT_EQ(a.Analyze("ﬁnite eﬃcient"), a.Analyze("finite efficient"));
  EXPECT_EQ(a.Analyze("Ｆｕｌｌ ＷＩＤＴＨ"), a.Analyze("full width"));
  EXPECT_EQ(a.Analyze("co\u00ADoperate"), a.Analyze("cooperate"));
  EXPECT_EQ(a.Analyze("Straße ΟΔΟΣ οδος"), a.Analyze("STRASSE οδοσ ΟΔΟς"));
  EXPECT_EQ(a.Analyze("cafe\u0301"), a.Analyze("CAF\u00C9"));
  EXPECT_THAT(a.Analyze("Foo\u2122 Bar\u2120"), ElementsAre("foo", "bar"));
}

TEST(Analyzer, DropsPunctuationSymbolsEmojiAndRunsOfUnderscores) {
  EXPECT_THAT(Plain().Analyze("... --- !? _ ___ + = © 😀 👨‍👩‍👧 \t\r\n"), IsEmpty());
  EXPECT_THAT(Plain().Analyze(""), IsEmpty());
  EXPECT_THAT(Plain().Analyze(" "), IsEmpty());
}

TEST(Analyzer, CutsLongWordsInsteadOfDroppingThem) {
  const Analyzer a = Make({.language = "none", .stopwords = "none", .max_token_length = 5});
  EXPECT_THAT(a.Analyze("abcdef abcde ééééééé"), ElementsAre("abcde", "abcde", "ééééé"));
  // By code points, not by UTF-16 units: Deseret letters, two units each.
  EXPECT_THAT(a.Analyze("\U00010428\U00010428\U00010428\U00010428\U00010428\U00010429"),
              ElementsAre("\U00010428\U00010428\U00010428\U00010428\U00010428"));
  EXPECT_EQ(Make().Analyze(std::string(3 << 20, 'q')).front(), std::string(64, 'q'));
}

TEST(Analyzer, ComparesStopWordsBeforeStemming) {
  const Analyzer a =
      Make({.stopwords = "custom", .stopword_list = {"Wings", "cafe\u0301", "don't"}});
  EXPECT_THAT(a.Analyze("wing WINGS Café the don't t don"), ElementsAre("wing", "the"));
  EXPECT_THAT(Make({.stopwords = "none"}).Analyze("the wings"), ElementsAre("the", "wing"));
}

TEST(Analyzer, StemsInEveryLanguageOfSnowball) {
  EXPECT_THAT(Make({.language = "german"}).Analyze("Häuser"), ElementsAre("haus"));
  EXPECT_THAT(Make({.language = "french"}).Analyze("continuellement"), ElementsAre("continuel"));
  EXPECT_THAT(Make({.language = "russian"}).Analyze("бегущими"), ElementsAre("бегущ"));
  std::mt19937 random(1);
  const std::string text = RandomText(&random, 3000);
  for (const auto& language : Analyzer::Languages())
    for (const auto& token : Make({.language = language}).Analyze(text)) {
      ASSERT_FALSE(token.empty()) << language;
      ASSERT_TRUE(IsValidUtf8(token)) << language;
    }
}

TEST(Analyzer, FindsInPiecesTheWordsThatIcuFindsInTheWhole) {
  std::mt19937 random(7);
  const Analyzer analyzer = Plain();
  for (int round = 0; round < 200; ++round) {
    // Up to some 100 KB: many times the size of a piece.
    const std::string text = RandomText(&random, round < 190 ? 60 : 8000);
    ASSERT_EQ(analyzer.Analyze(text), ByIcu(text))
        << "round " << round << ": " << text.substr(0, 400);
  }
}

TEST(Analyzer, FindsInRandomAsciiTheWordsThatIcuFinds) {
  std::mt19937 random(8);
  const Analyzer analyzer = Plain();
  const std::string letters = "ab1_.,;:-/\" \n\tZ9xy";
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (std::size_t i = random() % 80; i > 0; --i) text += letters[random() % letters.size()];
    Words expected;
    for (const auto& word : ByIcu(text))
      if (word.find_first_not_of('_') != std::string::npos) expected.push_back(word);
    ASSERT_EQ(analyzer.Analyze(text), expected) << text;
  }
}

TEST(Analyzer, GivesTheSameTokensForComposedAndDecomposedText) {
  std::mt19937 random(9);
  UErrorCode error = U_ZERO_ERROR;
  const auto* nfd = icu::Normalizer2::getNFDInstance(error);
  for (int round = 0; round < 200; ++round) {
    const std::string text = RandomText(&random, 100);
    std::string decomposed;
    nfd->normalize(icu::UnicodeString::fromUTF8(text), error).toUTF8String(decomposed);
    ASSERT_EQ(Make().Analyze(text), Make().Analyze(decomposed)) << text;
  }
}

TEST(Analyzer, SurvivesEveryCodePoint) {
  std::string alone, inside;
  for (UChar32 c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    alone = AppendUtf8(std::move(alone), c) + '\n';
    inside = AppendUtf8(std::move(inside) + "ab", c) + "cd ";
  }
  for (const auto& text : {alone, inside})
    for (const auto& token : Make().Analyze(text)) {
      ASSERT_TRUE(IsValidUtf8(token));
      ASSERT_FALSE(token.empty());
    }
}

TEST(Analyzer, TreatsBytesThatAreNotUtf8AsNoPartOfAWord) {
  EXPECT_THAT(Plain().Analyze("ab\xFF"
                              "cd \xC3 ef \xED\xA0\x80 \xF0\x9F"),
              ElementsAre("ab", "cd", "ef"));
  EXPECT_THAT(Plain().Analyze(std::string_view("ab\0cd\0", 6)), ElementsAre("ab", "cd"));
  std::mt19937 random(10);
  for (int round = 0; round < 300; ++round) {
    std::string bytes(random() % 4000, ' ');
    for (char& byte : bytes) byte = static_cast<char>(random());
    for (const auto& token : Make().Analyze(bytes)) {
      ASSERT_TRUE(IsValidUtf8(token));
      ASSERT_FALSE(token.empty());
    }
  }
}

TEST(Analyzer, AnalysesTextsOfTenMegabytesOfAnyKind) {
  const auto repeat = [](const std::string& part, std::size_t bytes) {
    std::string out;
    out.reserve(bytes + part.size());
    while (out.size() < bytes) out += part;
    return out;
  };
  constexpr std::size_t kTen = 10u << 20;
  const Analyzer a = Make();
  EXPECT_EQ(a.Analyze(repeat("wing ", kTen)).size(), kTen / 5);
  // Without a space there is a cut every megabyte, and every piece is one long word.
  EXPECT_EQ(a.Analyze(std::string(kTen, 'q')).size(), 10u);
  EXPECT_EQ(a.Analyze(std::string(kTen, '\0')).size(), 0u);
  EXPECT_EQ(a.Analyze(std::string(kTen, '\xFF')).size(), 0u);
  // Combining marks, an expansion to eighteen letters, flags, Chinese, Thai: smaller, as ICU is
  // slower there.
  constexpr std::size_t kTwo = 2u << 20;
  for (const std::string part :
       {"\u0301", "\uFDFA", "\U0001F1E6", "北京大学", "ภาษา", "a.", "a'", "\u200D", "\u05D0\u05B0"})
    for (const auto& token : a.Analyze(repeat(part, kTwo))) ASSERT_TRUE(IsValidUtf8(token));
}

TEST(Analyzer, GivesTheSameTokensOnEveryThread) {
  std::mt19937 random(11);
  std::vector<std::string> texts;
  for (int i = 0; i < 50; ++i) texts.push_back(RandomText(&random, 100) + " running wings");
  const Analyzer analyzer = Make();
  std::vector<Words> expected;
  for (const auto& text : texts) expected.push_back(analyzer.Analyze(text));
  std::vector<int> wrong(8, 0);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      const Analyzer copy = analyzer;
      for (std::size_t i = 0; i < 4 * texts.size(); ++i) {
        const std::size_t which = (i * 7 + t) % texts.size();
        if (copy.Analyze(texts[which]) != expected[which]) ++wrong[t];
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_THAT(wrong, ::testing::Each(0));
}

TEST(Analyzer, ClearsWhatTheVectorHeld) {
  Words tokens = {"old"};
  Make().Analyze("", &tokens);
  EXPECT_THAT(tokens, IsEmpty());
}

TEST(Analyzer, FindsNothingWhenDefaultConstructed) {
  EXPECT_THAT(Analyzer().Analyze("words"), IsEmpty());
  EXPECT_EQ(Analyzer().options(), AnalyzerOptions());
}

TEST(Analyzer, RefusesOptionsItDoesNotKnowAndSaysWhatItKnows) {
  const auto refused = [](AnalyzerOptions options, const std::string& field) {
    const Status status = Analyzer::Create(options).error();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << field;
    EXPECT_THAT(status.where().field, HasSubstr(field));
    return status.message();
  };
  EXPECT_THAT(refused({.language = "klingon"}, "language"), HasSubstr("english, "));
  EXPECT_THAT(refused({.language = ""}, "language"), HasSubstr("none, "));
  EXPECT_THAT(refused({.stopwords = "german"}, "stopwords"), HasSubstr("english, none, custom"));
  EXPECT_THAT(refused({.stopword_list = {"a"}}, "stopword_list"), HasSubstr("custom"));
  refused({.stopwords = "custom", .stopword_list = {"a", "\xFF"}}, "stopword_list");
  refused({.max_token_length = 0}, "max_token_length");
  refused({.max_token_length = 1025}, "max_token_length");
  refused({.min_token_length = 0}, "min_token_length");
  refused({.min_token_length = 9, .max_token_length = 8}, "min_token_length");
}

TEST(Analyzer, KeepsItsSettingsThroughJson) {
  const AnalyzerOptions options{.language = "french",
                                .stopwords = "custom",
                                .stopword_list = {"le", "été", "\"quoted\"\n"},
                                .min_token_length = 1,
                                .max_token_length = 20};
  const std::string json = Make(options).ToJson();
  auto back = Analyzer::FromJson(json);
  ASSERT_TRUE(back.ok()) << back.error().ToString();
  EXPECT_EQ(back->options(), options);
  EXPECT_EQ(back->ToJson(), json);
  EXPECT_THAT(back->Analyze("le L'ÉTÉ"), Make(options).Analyze("le L'ÉTÉ"));
  const auto parsed = nlohmann::json::parse(json);
  EXPECT_EQ(parsed["made_with"]["icu"], U_ICU_VERSION);
  EXPECT_EQ(parsed["made_with"]["stemmer"].get<std::string>().size(), 16u);
}

TEST(Analyzer, RefusesJsonThatIsNotItsOwn) {
  for (const std::string json :
       {"", "{", "[]", "{}", "null", "\xFF", R"({"version":1})",
        R"({"version":"1","language":"english","stopwords":"none","stopword_list":[],)"
        R"("min_token_length":2,"max_token_length":64})",
        R"({"version":1,"language":"english","stopwords":"other","stopword_list":[],)"
        R"("min_token_length":2,"max_token_length":64})"})
    EXPECT_EQ(Analyzer::FromJson(json).error().code(), Code::kCorruption) << json;
  auto json = nlohmann::json::parse(Make().ToJson());
  json["version"] = 2;
  EXPECT_EQ(Analyzer::FromJson(json.dump()).error().code(), Code::kUnsupported);
  json["version"] = 1;
  json["language"] = "klingon";
  EXPECT_EQ(Analyzer::FromJson(json.dump()).error().code(), Code::kUnsupported);
}

// A letter that is not ASCII, of its own and too short to be kept, sends the text the long way.
TEST(Analyzer, AsciiTextGivesTheTokensThatIcuGives) {
  std::mt19937 random(41);
  const std::string likely = "aabczAZ019'._,;:-/@ \n\t\"";
  for (const char* language : {"english", "none"}) {
    const auto analyzer = Analyzer::Create({.language = language, .max_token_length = 9});
    ASSERT_TRUE(analyzer.ok());
    for (int i = 0; i < 20000; ++i) {
      std::string text(random() % 14, ' ');
      for (char& c : text)
        c = random() % 8 == 0 ? static_cast<char>(random() % 128)
                              : likely[random() % likely.size()];
      ASSERT_EQ(analyzer->Analyze(text), analyzer->Analyze(text + " \u00e9"))
          << ::testing::PrintToString(text);
    }
  }
}

TEST(Analyzer, RemembersNoWordWrongly) {
  const auto analyzer = Analyzer::Create({});
  ASSERT_TRUE(analyzer.ok());
  std::mt19937 random(42);
  // More words than are remembered, some of them longer than is remembered, each of them again.
  std::vector<std::string> words;
  for (int i = 0; i < 40000; ++i) {
    std::string word;
    for (std::size_t n = 5 + random() % 30; n > 0; --n)
      word += static_cast<char>('a' + random() % 26);
    words.push_back(word + (i % 3 == 0 ? "ing" : ""));
  }
  std::string text;
  for (const auto& word : words) text += word + " the ";
  const auto once = analyzer->Analyze(text);
  ASSERT_EQ(once.size(), words.size());
  EXPECT_EQ(analyzer->Analyze(text), once);
  for (std::size_t i = 0; i < words.size(); i += 97)
    EXPECT_EQ(Analyzer::Create({})->Analyze(words[i]).at(0), once[i]);
}

}  // namespace
}  // namespace equipoise
