// Where sentences begin and end, against what a reader would mark.
#include <algorithm>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/retrieval/sentences.h>

namespace equipoise {
namespace {

std::vector<std::string> Of(const std::string& text) {
  std::vector<std::string> out;
  for (const ByteRange& range : Sentences(text))
    out.push_back(text.substr(range.begin, range.end - range.begin));
  return out;
}

using Texts = std::vector<std::string>;

TEST(Sentences, EndWhereAReaderWouldSay) {
  EXPECT_EQ(Of("Wings lift. Does heat? It does!  \n"),
            (Texts{"Wings lift.", "Does heat?", "It does!"}));
  EXPECT_EQ(Of("  No full stop at the end "), Texts{"No full stop at the end"});
  EXPECT_EQ(Of("It rose by 3.5 percent e.g. in May. Then it fell."),
            (Texts{"It rose by 3.5 percent e.g. in May.", "Then it fell."}));
  EXPECT_EQ(Of("A title\n\nOf two lines\r\nand one."),
            (Texts{"A title", "Of two lines", "and one."}));
  EXPECT_EQ(Of("Schön ist es. Über Köln. 東京は大きい。大阪も。"),
            (Texts{"Schön ist es.", "Über Köln.", "東京は大きい。", "大阪も。"}));
}

TEST(Sentences, WithoutAWordThereIsNone) {
  for (const char* text : {"", " ", "\n\t ", "... !? ---", "\xF0\x9F\x98\x80"})
    EXPECT_TRUE(Sentences(text).empty()) << text;
  EXPECT_EQ(Of("One.\n!!!\nTwo."), (Texts{"One.", "Two."}));
}

// In order, apart, without white space at the ends, and of bytes that no character is cut by.
TEST(Sentences, OfAnyBytesAreRangesOfThem) {
  std::mt19937 random(1);
  const std::string parts[] = {"a",        " ",  ". ", "B", "\xC3\xA4", "\xFF",
                               "\xE6\x9D", "! ", "\n", "7", "\x80"};
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (std::size_t i = random() % 40; i > 0; --i) text += parts[random() % std::size(parts)];
    std::size_t last = 0;
    for (const ByteRange& range : Sentences(text)) {
      EXPECT_GE(range.begin, last);
      ASSERT_LT(range.begin, range.end);
      ASSERT_LE(range.end, text.size());
      EXPECT_GT(static_cast<unsigned char>(text[range.begin]), ' ');
      EXPECT_GT(static_cast<unsigned char>(text[range.end - 1]), ' ');
      last = range.end;
    }
  }
}

TEST(Sentences, MayBeAskedForByManyThreads) {
  const std::string text = "One is here. Two is here. Three is here.";
  std::vector<std::size_t> found(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < found.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) found[t] += Sentences(text).size();
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::size_t count : found) EXPECT_EQ(count, 150u);
}

}  // namespace
}  // namespace equipoise
