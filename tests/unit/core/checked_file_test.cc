#include <algorithm>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/checked_file.h>

#include "temp_folder.h"

namespace equipoise {
namespace {

using testing::ReadFile;
using testing::TempFolder;
using testing::WriteFile;

std::string WriteSample(const TempFolder& folder) {
  const std::string path = folder.path("sample.eqx");
  auto writer = CheckedFileWriter::Create(path, "sample", 3);
  EXPECT_TRUE(writer.ok());
  std::vector<std::uint32_t> numbers(100);
  std::iota(numbers.begin(), numbers.end(), 0u);
  const std::string text = "hello";
  EXPECT_TRUE(writer->Section<std::uint32_t>("numbers", numbers).ok());
  EXPECT_TRUE(writer->Section<char>("text", text).ok());
  EXPECT_TRUE(writer->Section<char>("empty", std::string()).ok());
  EXPECT_TRUE(writer->Finish().ok());
  return path;
}

TEST(CheckedFile, ReadsBackWhatWasWritten) {
  TempFolder folder;
  auto file = CheckedFile::Open(WriteSample(folder), "sample", 3);
  ASSERT_TRUE(file.ok()) << file.error().ToString();
  EXPECT_EQ(file->version(), 3u);
  auto numbers = file->SectionOf<std::uint32_t>("numbers", 100);
  ASSERT_TRUE(numbers.ok());
  EXPECT_EQ((*numbers)[99], 99u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(numbers->data()) % 64, 0u);
  auto text = file->SectionOf<char>("text");
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(std::string(text->begin(), text->end()), "hello");
  EXPECT_EQ(file->SectionOf<char>("empty")->size(), 0u);
  EXPECT_EQ(file->SectionOf<std::uint32_t>("numbers", 99).error().code(), Code::kCorruption);
  EXPECT_EQ(file->SectionOf<std::uint32_t>("text").error().code(), Code::kCorruption);
  EXPECT_EQ(file->Section("other").error().code(), Code::kCorruption);
  EXPECT_TRUE(file->Verify().ok());
}

// Bytes are collected to whole pages of 2 MiB before they are written.
TEST(CheckedFile, KeepsSectionsOfAnySizeThatCameInAnyPieces) {
  const TempFolder folder;
  constexpr std::size_t kPage = std::size_t{2} << 20;
  std::vector<std::byte> bytes(3 * kPage + 1000);
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::byte>(i * 2654435761u >> 24);
  const std::size_t sizes[] = {kPage - 128, kPage - 127, 64,        kPage, 2 * kPage + 1,
                               0,           1,           3 * kPage, 65};
  for (const std::size_t piece : {std::size_t{1000}, kPage - 1, kPage, kPage + 1, 3 * kPage}) {
    auto writer = CheckedFileWriter::Create(folder.path("file"), "sample", 1);
    ASSERT_TRUE(writer.ok());
    for (std::size_t s = 0; s < std::size(sizes); ++s) {
      ASSERT_TRUE(writer->BeginSection(std::to_string(s)).ok());
      for (std::size_t at = 0; at < sizes[s]; at += piece)
        ASSERT_TRUE(
            writer->Append(std::span(bytes).subspan(s + at, std::min(piece, sizes[s] - at))).ok());
    }
    ASSERT_TRUE(writer->Finish().ok());
    const auto file = CheckedFile::Open(folder.path("file"), "sample", 1);
    ASSERT_TRUE(file.ok()) << file.error().ToString();
    EXPECT_TRUE(file->Verify().ok());
    for (std::size_t s = 0; s < std::size(sizes); ++s)
      EXPECT_TRUE(std::ranges::equal(*file->Section(std::to_string(s)),
                                     std::span(bytes).subspan(s, sizes[s])))
          << s << " in pieces of " << piece;
  }
}

TEST(CheckedFile, KnowsTheChecksumThatItWouldHaveWithoutItsLastSection) {
  const TempFolder folder;
  const auto write = [&](const char* name, std::vector<std::string> sections) {
    auto writer = CheckedFileWriter::Create(folder.path(name), "sample", 3);
    for (const std::string& section : sections)
      EXPECT_TRUE(writer->Section<char>(section, "bytes of " + section).ok());
    EXPECT_TRUE(writer->Finish().ok());
    return CheckedFile::Open(folder.path(name), "sample", 3);
  };
  const auto whole = write("whole", {"one", "two", "last"});
  const auto without = write("without", {"one", "two"});
  const auto other = write("other", {"one", "last"});
  ASSERT_TRUE(whole.ok() && without.ok() && other.ok());
  EXPECT_NE(whole->checksum(), without->checksum());
  EXPECT_EQ(whole->ChecksumWithoutLast("last"), without->checksum());
  EXPECT_EQ(whole->ChecksumWithoutLast("two"), whole->checksum());
  EXPECT_EQ(without->ChecksumWithoutLast("last"), without->checksum());
  EXPECT_NE(other->ChecksumWithoutLast("last"), without->checksum());
}

TEST(CheckedFile, FindsEverySingleFlippedByte) {
  TempFolder folder;
  const std::string path = WriteSample(folder);
  const std::string whole = ReadFile(path);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    WriteFile(path, changed);
    auto file = CheckedFile::Open(path, "sample", 3);
    if (!file.ok()) continue;
    EXPECT_EQ(file->Verify().code(), Code::kCorruption) << "byte " << i;
  }
}

TEST(CheckedFile, RefusesEveryTruncationAndAnAddedByte) {
  TempFolder folder;
  const std::string path = WriteSample(folder);
  const std::string whole = ReadFile(path);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    WriteFile(path, whole.substr(0, size));
    EXPECT_EQ(CheckedFile::Open(path, "sample", 3).error().code(), Code::kCorruption) << size;
  }
  WriteFile(path, whole + "x");
  EXPECT_EQ(CheckedFile::Open(path, "sample", 3).error().code(), Code::kCorruption);
}

TEST(CheckedFile, RefusesAnotherKindANewerVersionAndAMissingFile) {
  TempFolder folder;
  const std::string path = WriteSample(folder);
  EXPECT_EQ(CheckedFile::Open(path, "other", 3).error().code(), Code::kCorruption);
  EXPECT_EQ(CheckedFile::Open(path, "sample", 2).error().code(), Code::kUnsupported);
  EXPECT_EQ(CheckedFile::Open(folder.path("none"), "sample", 3).error().code(), Code::kNotFound);
  EXPECT_EQ(CheckedFile::Open(folder.root(), "sample", 3).error().code(), Code::kIo);
}

TEST(CheckedFile, UnfinishedWriterLeavesNoFile) {
  TempFolder folder;
  const std::string path = folder.path("unfinished");
  {
    auto writer = CheckedFileWriter::Create(path, "sample", 1);
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->BeginSection("a").ok());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(CheckedFile, ReportsAFullDisk) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full on this system";
  auto writer = CheckedFileWriter::Create("/dev/full", "sample", 1);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(writer->BeginSection("a").ok());
  Status status = writer->Append(std::vector<std::byte>(4 << 20));
  EXPECT_EQ(status.code(), Code::kIo);
  EXPECT_NE(status.message().find("No space left"), std::string::npos) << status.ToString();
  EXPECT_EQ(writer->Finish().code(), Code::kIo);
  // Few bytes are collected before they are written.
  auto small = CheckedFileWriter::Create("/dev/full", "sample", 1);
  ASSERT_TRUE(small.ok());
  ASSERT_TRUE(small->BeginSection("a").ok());
  EXPECT_TRUE(small->Append(std::vector<std::byte>(100)).ok());
  EXPECT_EQ(small->Finish().code(), Code::kIo);
}

}  // namespace
}  // namespace equipoise
