// Phrases, required and excluded words in searches of a collection, against documents read word by word.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <equipoise/retrieval/collection.h>

#include "temp_folder.h"

namespace equipoise {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TempFolder;
using Words = std::vector<std::string>;

constexpr std::size_t kDim = 4;

struct Texts {
  std::string title, text;
};

/// Without stemming and stop words, so that a word is what stands between blanks.
CollectionOptions AsWritten() {
  CollectionOptions options;
  options.analyzer = {.language = "none", .stopwords = "none", .min_token_length = 1};
  return options;
}

Collection Built(const TempFolder& folder, const std::vector<Texts>& texts,
                 const CollectionOptions& options, bool vectors = false) {
  auto builder = CollectionBuilder::Begin(folder.path("index"), options);
  EXPECT_TRUE(builder.ok()) << builder.error().ToString();
  std::vector<float> rows;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_TRUE(
        builder->Add({.id = std::to_string(i), .title = texts[i].title, .text = texts[i].text})
            .ok());
    for (std::size_t d = 0; d < kDim; ++d)
      rows.push_back(static_cast<float>((i * 7 + d * 3) % 11) - 4.9f);
  }
  const Status done = vectors ? builder->Finish(MatrixView<float>(rows.data(), texts.size(), kDim))
                              : builder->Finish();
  EXPECT_TRUE(done.ok()) << done.ToString();
  return *Collection::Open(folder.path("index"));
}

Result<SearchResult> Asked(const Collection& collection, std::string_view text,
                           std::size_t k = 1000) {
  return collection.Search(
      {.text = text, .embedding = {}, .syntax = QuerySyntax::kOperators, .k = k});
}

std::set<std::uint32_t> Docs(const Result<SearchResult>& found) {
  EXPECT_TRUE(found.ok()) << found.error().ToString();
  std::set<std::uint32_t> out;
  if (found.ok())
    for (const Hit& hit : found->hits) out.insert(hit.doc);
  return out;
}

std::set<std::uint32_t> Found(const Collection& collection, std::string_view text) {
  return Docs(Asked(collection, text));
}

Words Split(const std::string& text) {
  std::istringstream in(text);
  Words out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

bool Has(const Words& words, const Words& run) {
  return std::search(words.begin(), words.end(), run.begin(), run.end()) != words.end();
}

const std::vector<Texts>& Small() {
  static const std::vector<Texts> texts = {
      {"slip stream", "a wing in the flow"},      // 0
      {"", "the stream of a slip"},               // 1
      {"wing slip", "stream flow"},               // 2: "slip stream" across the boundary
      {"", "slip slip stream stream"},            // 3
      {"new york", "new new york new york city"}  // 4
  };
  return texts;
}

TEST(QueryOperators, PhrasesAreFoundWithinTitleOrTextAndNotAcross) {
  TempFolder folder;
  const Collection collection = Built(folder, Small(), AsWritten());
  EXPECT_THAT(Found(collection, "slip stream"), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Found(collection, "\"slip stream\""), ElementsAre(0, 3));
  EXPECT_THAT(Found(collection, "stream -\"slip stream\""), ElementsAre(1, 2));
  EXPECT_THAT(Found(collection, "+\"stream flow\""), ElementsAre(2));
  EXPECT_THAT(Found(collection, "\"stream slip\""), IsEmpty());
}

TEST(QueryOperators, APhraseOfOneWordIsARequiredWord) {
  TempFolder folder;
  const Collection collection = Built(folder, Small(), AsWritten());
  EXPECT_EQ(Found(collection, "slip \"wing\""), Found(collection, "slip +wing"));
  EXPECT_THAT(Found(collection, "slip \"wing\""), ElementsAre(0, 2));
  EXPECT_THAT(Found(collection, "stream -\"wing\""), ElementsAre(1, 3));
}

TEST(QueryOperators, RepeatedWordsInAPhraseAreFoundAsOften) {
  TempFolder folder;
  const Collection collection = Built(folder, Small(), AsWritten());
  EXPECT_THAT(Found(collection, "\"slip slip\""), ElementsAre(3));
  EXPECT_THAT(Found(collection, "\"slip slip slip\""), IsEmpty());
  EXPECT_THAT(Found(collection, "\"new york new york\""), ElementsAre(4));
  EXPECT_THAT(Found(collection, "\"new york new york new\""), IsEmpty());
}

TEST(QueryOperators, StopWordsAreNoPartOfAPhrase) {
  TempFolder folder;
  const Collection collection = Built(folder,
                                      {{"", "the state of the art"},
                                       {"", "state art"},
                                       {"", "state modern art"},
                                       {"", "art of the state"}},
                                      {});
  EXPECT_THAT(Found(collection, "\"state of the art\""), ElementsAre(0, 1));
  EXPECT_THAT(Found(collection, "\"the arts of a state\""), ElementsAre(3));
  for (const char* query : {"art \"of the\"", "art -the", "art +the", "art +\"…\""}) {
    const auto found = Asked(collection, query);
    ASSERT_FALSE(found.ok()) << query;
    EXPECT_EQ(found.error().code(), Code::kInvalidArgument);
    EXPECT_THAT(found.error().message(), HasSubstr("query, character 5: no word of"));
  }
  // Without a sign it has no effect, as in any query.
  EXPECT_THAT(Found(collection, "the modern"), ElementsAre(2));
}

TEST(QueryOperators, AWordThatAnalysisCutsAsksForItsParts) {
  TempFolder folder;
  const Collection collection =
      Built(folder, {{"", "well known wing"}, {"", "known well"}, {"", "well"}}, AsWritten());
  EXPECT_THAT(Found(collection, "+well-known"), ElementsAre(0, 1));
  EXPECT_THAT(Found(collection, "well -well-known"), ElementsAre(2));
  EXPECT_THAT(Found(collection, "\"well-known\""), ElementsAre(0));
}

TEST(QueryOperators, WordsThatNoDocumentHasRequireAndExcludeNothing) {
  TempFolder folder;
  const Collection collection = Built(folder, Small(), AsWritten());
  EXPECT_THAT(Found(collection, "slip +absent"), IsEmpty());
  EXPECT_THAT(Found(collection, "slip \"absent word\""), IsEmpty());
  EXPECT_EQ(Found(collection, "slip -absent -\"slip absent\""), Found(collection, "slip"));
}

TEST(QueryOperators, WithoutTextsPhrasesAreRefusedAndWordsAreNot) {
  TempFolder folder;
  CollectionOptions options = AsWritten();
  options.store_text = false;
  const Collection collection = Built(folder, Small(), options);
  const auto found = Asked(collection, "wing \"slip stream\"");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code(), Code::kUnsupported);
  EXPECT_THAT(found.error().message(), HasSubstr("character 6"));
  EXPECT_THAT(Found(collection, "+stream -wing \"slip\""), ElementsAre(1, 3));
}

TEST(QueryOperators, SyntaxErrorsOfASearchAreThoseOfTheParser) {
  TempFolder folder;
  const Collection collection = Built(folder, Small(), AsWritten());
  for (const char* query : {"\"slip", "+", "-a -b", "a \"\""}) {
    const auto found = Asked(collection, query);
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().message(), ParseQuery(query).error().message());
    EXPECT_TRUE(collection.Search({.text = query}).ok());
  }
  EXPECT_TRUE(Asked(collection, "")->hits.empty());
}

// Every clause of random queries read off the documents; the scores are those of the plain words.
TEST(QueryOperators, RandomQueriesFindWhatTheDocumentsSay) {
  std::mt19937 random(41);
  static const char* const kWords[] = {"a", "b", "c", "d", "e", "ж", "שלום", "東", "𝔘x"};
  const auto some = [&](std::size_t most) {
    std::string out;
    for (std::size_t i = random() % (most + 1); i > 0; --i)
      out += std::string(kWords[random() % 9]) + " ";
    return out;
  };
  for (const bool fields : {false, true}) {
    TempFolder folder;
    std::vector<Texts> texts(300);
    for (Texts& document : texts) document = {some(4), some(12)};
    CollectionOptions options = AsWritten();
    if (fields) options.fields = Bm25Fields{.title_weight = 2};
    const Collection collection = Built(folder, texts, options, true);
    const std::vector<float> embedding = {1, 0.5f, -0.3f, 0.2f};
    for (int round = 0; round < 150; ++round) {
      std::string query, words;
      std::vector<std::pair<bool, Words>> wanted;
      for (std::size_t i = 1 + random() % 4; i > 0; --i) {
        const bool must_not = random() % 3 == 0;
        const bool phrase = random() % 2 == 0;
        const std::string sign = must_not ? "-" : random() % 2 == 0 ? "+" : "";
        std::string body = kWords[random() % 9];
        if (phrase && random() % 3 > 0) body += " " + std::string(kWords[random() % 9]);
        query += sign + (phrase ? "\"" + body + "\"" : body) + " ";
        if (!must_not) words += body + " ";
        if (phrase || !sign.empty()) wanted.emplace_back(!must_not, Split(body));
      }
      if (words.empty()) continue;
      std::set<std::uint32_t> allowed;
      for (std::uint32_t doc = 0; doc < texts.size(); ++doc)
        if (std::all_of(wanted.begin(), wanted.end(), [&](const auto& clause) {
              return clause.first == (Has(Split(texts[doc].title), clause.second) ||
                                      Has(Split(texts[doc].text), clause.second));
            }))
          allowed.insert(doc);
      std::map<std::uint32_t, float> expected;
      const auto plain = collection.Search({.text = words, .k = 1000});
      for (const Hit& hit : plain->hits)
        if (allowed.contains(hit.doc)) expected[hit.doc] = hit.lexical;
      const auto found = Asked(collection, query);
      ASSERT_TRUE(found.ok()) << query << found.error().ToString();
      std::map<std::uint32_t, float> got;
      for (const Hit& hit : found->hits) got[hit.doc] = hit.lexical;
      ASSERT_EQ(got, expected) << query;
      // The vector path keeps to them too, alone and beside the other.
      for (const double alpha : {0.0, 0.5})
        ASSERT_EQ(Docs(collection.Search({.text = query,
                                          .embedding = embedding,
                                          .syntax = QuerySyntax::kOperators,
                                          .k = 1000,
                                          .alpha = alpha,
                                          .depth = 1000})),
                  allowed)
            << query;
    }
  }
}

TEST(QueryOperators, ARestrictionOfTheCallerHoldsAsWell) {
  TempFolder folder;
  const Collection collection = Built(folder, Small(), AsWritten());
  RowSet allowed(Small().size());
  allowed.Add(1);
  allowed.Add(3);
  EXPECT_THAT(Docs(collection.Search({.text = "+slip -\"slip slip\"",
                                      .embedding = {},
                                      .syntax = QuerySyntax::kOperators,
                                      .allowed = &allowed})),
              ElementsAre(1));
}

TEST(QueryOperators, WithoutOperatorsBothSyntaxesGiveTheSameHits) {
  TempFolder folder;
  const Collection collection = Built(folder, Small(), {});
  for (const char* query :
       {"slip stream", "  the wing,\tin (a) slip-stream!", "new-york C++ 12\"", "…", "flow"}) {
    const auto plain = collection.Search({.text = query});
    const auto operators = Asked(collection, query, 10);
    ASSERT_TRUE(plain.ok() && operators.ok());
    ASSERT_EQ(plain->hits.size(), operators->hits.size());
    for (std::size_t i = 0; i < plain->hits.size(); ++i) {
      EXPECT_EQ(plain->hits[i].doc, operators->hits[i].doc);
      EXPECT_EQ(plain->hits[i].lexical, operators->hits[i].lexical);
    }
  }
}

TEST(QueryOperators, TenThousandTermsAndPhrasesOfTenThousandWordsEnd) {
  TempFolder folder;
  std::string same, longer;
  for (int i = 0; i < 10000; ++i) same += "a ";
  longer = same + "b";
  const Collection collection =
      Built(folder, {{"", same}, {"", longer}, {"", same + same + same}}, AsWritten());
  EXPECT_THAT(Found(collection, '"' + longer + '"'), ElementsAre(1));
  EXPECT_THAT(Found(collection, '"' + same + "a\""), ElementsAre(2));
  std::string required = "b";
  for (int i = 0; i < 10000; ++i) required += i % 2 == 0 ? " +a" : " -z" + std::to_string(i);
  EXPECT_THAT(Found(collection, required), ElementsAre(0, 1, 2));
}

TEST(QueryOperators, NulAndBytesThatAreNotUtf8AreNoPartOfAWord) {
  TempFolder folder;
  const Collection collection = Built(folder, Small(), AsWritten());
  EXPECT_THAT(Found(collection, std::string("\"slip\0stream\"", 13)), ElementsAre(0, 3));
  EXPECT_THAT(Found(collection, "\xFF\"wing\"\xC3 +slip\xE2"), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Found(collection, "+slip\xE2 \xFF"), ElementsAre(0, 1, 2, 3));
}

TEST(QueryOperators, ExplanationsAndSnippetsLeaveOutWhatIsExcluded) {
  TempFolder folder;
  const Collection collection = Built(folder, Small(), AsWritten());
  Words terms;
  for (const TermScore& term :
       collection.ExplainLexical("+wing -york \"slip stream\"", 0, QuerySyntax::kOperators))
    terms.push_back(term.term);
  EXPECT_THAT(terms, ElementsAre("wing", "slip", "stream"));
  const auto snippet = collection.SnippetOf(0, "slip -wing flow", QuerySyntax::kOperators);
  EXPECT_THAT(snippet.title_matches, ElementsAre(ByteRange{0, 4}));
  EXPECT_EQ(snippet.text.In(Small()[0].text), Small()[0].text);
  EXPECT_THAT(snippet.text.matches, ElementsAre(ByteRange{14, 18}));
  // No query: the words of a text that is none.
  EXPECT_EQ(collection.SnippetOf(0, "\"wing", QuerySyntax::kOperators).text.matches.size(), 1u);
  EXPECT_TRUE(collection.SnippetOf(99, "wing").text.matches.empty());
}

TEST(CollectionFields, TitlesCountAsTheWeightsSay) {
  const std::vector<Texts> texts = {
      {"heat", "wing flow over plates"}, {"wing", "heat flow over plates"}, {"", "plates"}};
  for (const float weight : {0.2f, 5.0f}) {
    TempFolder folder;
    CollectionOptions options = AsWritten();
    options.fields = Bm25Fields{.title_weight = weight, .text_b = 0.5f};
    const Collection collection = Built(folder, texts, options);
    EXPECT_EQ(collection.fields(), options.fields);
    EXPECT_EQ(Asked(collection, "wing", 1)->hits[0].doc, weight > 1 ? 1u : 0u);
    EXPECT_EQ(collection.ExplainLexical("wing", 1)[0].title_tf, 1u);
    EXPECT_THAT(collection.Info().settings, HasSubstr("\"fields\""));
    EXPECT_TRUE(collection.Verify().ok());
  }
  TempFolder folder;
  const Collection joined = Built(folder, texts, AsWritten());
  EXPECT_FALSE(joined.fields().has_value());
  EXPECT_EQ(joined.Info().settings.find("fields"), std::string::npos);
}

}  // namespace
}  // namespace equipoise
