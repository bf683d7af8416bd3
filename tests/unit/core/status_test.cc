#include <gtest/gtest.h>

#include <equipoise/core/status.h>

namespace equipoise {
namespace {

TEST(Status, QuotedBytesNeitherSteerATerminalNorBreakUtf8) {
  const Status status(Code::kCorruption, "holds \"\x1b[2J\xff\xc3\xa9\xc2\x9b\xed\xa0\x80\n\"",
                      {.field = "a\rb"});
  EXPECT_EQ(status.message(),
            "holds \" [2J\xef\xbf\xbd\xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \"");
  EXPECT_EQ(status.where().field, "a b");
}

TEST(Status, TextOfAllPlanesComesThrough) {
  const std::string text = "α = 0.5, é, €, 𝄞";
  EXPECT_EQ(Status(Code::kIo, text).message(), text);
}

}  // namespace
}  // namespace equipoise
