// From texts to groundedness: sentences, terms of the collection, and real abstracts.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <equipoise/engine/answer_support.h>
#include <equipoise/retrieval/corpus_reader.h>

#include "temp_folder.h"

namespace equipoise {
namespace {

std::vector<std::string> Cut(std::string_view text) {
  std::vector<std::string> out;
  for (const ByteRange& range : Sentences(text))
    out.emplace_back(text.substr(range.begin, range.end - range.begin));
  return out;
}

Collection Make(const testing::TempFolder& folder, const std::vector<std::string>& texts) {
  auto builder = CollectionBuilder::Begin(folder.path("index"), {});
  EXPECT_TRUE(builder.ok());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    Document document;
    document.id = std::to_string(i);
    document.text = texts[i];
    EXPECT_TRUE(builder->Add(document).ok());
  }
  EXPECT_TRUE(builder->Finish().ok());
  return std::move(*Collection::Open(folder.path("index")));
}

TEST(Sentences, EndWhereAReaderSeesTheEnd) {
  EXPECT_THAT(Cut("  One is here. Two costs 3.14 euros!\nIs \"three\" it? Ja\u0308."),
              ::testing::ElementsAre("One is here.", "Two costs 3.14 euros!", "Is \"three\" it?",
                                     "Ja\u0308."));
  EXPECT_THAT(Cut("第一句。第二句！"), ::testing::ElementsAre("第一句。", "第二句！"));
  EXPECT_THAT(Cut(" ... !? -- \n"), ::testing::IsEmpty());
  EXPECT_THAT(Cut(""), ::testing::IsEmpty());
  EXPECT_THAT(Cut("A \xff b. C\xe2\x82"), ::testing::ElementsAre("A \xff b.", "C\xe2\x82"));
}

TEST(AnswerSupport, CountsTheSentencesThatAPassageBearsOut) {
  const testing::TempFolder folder;
  const Collection collection =
      Make(folder, {"Wings produce lift.", "Engines burn fuel.", "Rudders turn aircraft."});
  const std::string_view passages[] = {"Engines burn fuel.", "A wing that produces much lift"};
  // Other forms of the words; invention; stop words alone, which are no sentence of their own.
  const auto out = MeasureAnswer(
      collection, "The wings produced lift. Penguins celebrate birthdays. It is.", passages);
  ASSERT_TRUE(out.ok()) << out.error().ToString();
  ASSERT_EQ(out->sentences.size(), 2u);
  EXPECT_EQ(out->share, 0.5);
  EXPECT_EQ(out->sentences[0].support.overlap, 1);
  EXPECT_EQ(out->sentences[0].support.passage, 1u);
  EXPECT_EQ(out->sentences[1].support.overlap, 0);
  EXPECT_EQ(out->sentences[1].bytes.begin, 25u);
  // What no document says weighs most: one word of three that is known is less than a third.
  const auto mixed = MeasureAnswer(collection, "Penguins celebrate lift.", passages);
  EXPECT_LT(mixed->sentences[0].support.overlap, 1.0 / 3);
  EXPECT_GT(mixed->sentences[0].support.overlap, 0);
  EXPECT_TRUE(std::isnan(MeasureAnswer(collection, "It is.", passages)->share));
  EXPECT_EQ(MeasureAnswer(collection, "Wings produce lift.", {})->share, 0);
  GroundednessOptions options;
  options.scorer = [](std::size_t sentence, std::size_t passage) {
    return sentence == 1 && passage == 0 ? 0.9 : 0.1;
  };
  EXPECT_EQ(MeasureAnswer(collection, "Wings lift. Penguins celebrate.", passages, options)
                ->sentences[1]
                .support.passage,
            0u);
  options.scorer_threshold = std::nan("");
  EXPECT_EQ(MeasureAnswer(collection, "Wings lift.", passages, options).error().code(),
            Code::kInvalidArgument);
}

// The abstracts are in small letters, " . " between sentences: written as a reader would.
std::string Written(std::string text) {
  for (std::size_t at = 0; (at = text.find(" . ", at)) != std::string::npos; at += 2) {
    text.erase(at, 1);
    if (at + 2 < text.size())
      text[at + 2] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[at + 2])));
  }
  return text;
}

TEST(AnswerSupport, TellsAnAbstractsSentencesFromThoseOfOthers) {
  const char* data = std::getenv("EQUIPOISE_DATA");
  const std::filesystem::path root = data != nullptr ? data : "";
  if (root.empty() || !std::filesystem::exists(root / "cranfield/corpus.jsonl"))
    GTEST_SKIP() << "EQUIPOISE_DATA names no folder with cranfield/corpus.jsonl";
  for (const char* set : {"cranfield", "med", "cisi"}) {
    if (!std::filesystem::exists(root / set / "corpus.jsonl")) continue;
    auto reader = CorpusReader::Open((root / set / "corpus.jsonl").string());
    ASSERT_TRUE(reader.ok());
    std::vector<std::string> texts;
    for (Document document; *reader->Next(&document);) texts.push_back(Written(document.text));
    const testing::TempFolder folder;
    const Collection collection = Make(folder, texts);
    std::erase_if(texts, [](const std::string& text) { return Sentences(text).size() < 3; });
    std::vector<double> own, other;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const ByteRange one = Sentences(texts[i])[1];
      const std::string sentence = texts[i].substr(one.begin, one.end - one.begin);
      std::string rest = texts[i];
      rest.erase(one.begin, one.end - one.begin);
      const std::string_view same[] = {rest}, another[] = {texts[(i + 311) % texts.size()]};
      const auto near = MeasureAnswer(collection, sentence, same);
      const auto far = MeasureAnswer(collection, sentence, another);
      ASSERT_TRUE(near.ok() && far.ok());
      if (near->sentences.empty()) continue;
      own.push_back(near->sentences[0].support.overlap);
      other.push_back(far->sentences[0].support.overlap);
    }
    const double bar = GroundednessOptions().term_threshold;
    const auto reach = [&](const std::vector<double>& scores) {
      return static_cast<double>(
                 std::count_if(scores.begin(), scores.end(), [&](double x) { return x >= bar; })) /
             static_cast<double>(scores.size());
    };
    const double area = AreaUnderCurve(own, other);
    GTEST_LOG_(INFO) << set << ": " << own.size() << " pairs, area under the curve " << area
                     << "; threshold at 1 % false " << *CalibrateThreshold(own, other, 0.01)
                     << "; at " << bar << ": " << reach(own) << " of own, " << reach(other)
                     << " of others";
    EXPECT_GT(area, 0.85) << set;
    EXPECT_LT(reach(other), 0.02) << set;
  }
}

}  // namespace
}  // namespace equipoise
