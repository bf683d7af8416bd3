#include <cmath>
#include <functional>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <equipoise/core/checked_file.h>
#include <equipoise/retrieval/lexical_index.h>

#include "temp_folder.h"

namespace equipoise {
namespace {

using testing::ReadFile;
using testing::TempFolder;
using testing::WriteFile;
using Words = std::vector<std::string>;

// Uses everything that an opened index offers; the sanitizers watch. No number may be NaN.
void UseAll(const LexicalIndex& index) {
  const Words query = {"wing", "flow", "flow", "layer", "heat", "x"};
  for (const std::size_t k : {1u, 3u, 100u})
    for (const auto& hit : index.Search(query, k)) {
      ASSERT_LT(hit.id, index.documents());
      ASSERT_TRUE(std::isfinite(hit.score) && hit.score >= 0);
    }
  std::vector<std::uint32_t> docs = {0, 5, 2, 2, 1, 3, 4, 6, 1000000, 0xFFFFFFFFu};
  std::vector<float> scores(docs.size());
  index.Score(query, docs, scores);
  for (const float score : scores) ASSERT_TRUE(std::isfinite(score) && score >= 0);
  for (const std::uint32_t doc : docs)
    for (const auto& part : index.Explain(query, doc))
      ASSERT_TRUE(std::isfinite(part.contribution));
}

std::string WriteSample(const TempFolder& folder) {
  auto builder = LexicalIndexBuilder::Create();
  for (const Words& document :
       {Words{"wing", "flow", "layer"}, Words{"flow", "flow"}, Words{}, Words{"heat", "wing"},
        Words{"layer", "layer", "layer", "x"}, Words{"flow", "heat", "wing", "layer"}})
    EXPECT_TRUE(builder->Add(document).ok());
  const std::string path = folder.path("index.lex");
  EXPECT_TRUE(builder->Write(path).ok());
  return path;
}

TEST(DamagedLexicalIndex, EveryChangedByteIsFoundAndNoneCrashesASearch) {
  TempFolder folder;
  const std::string path = WriteSample(folder);
  const std::string whole = ReadFile(path);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const int flip : {0x01, 0xFF}) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      WriteFile(path, changed);
      auto index = LexicalIndex::Open(path);
      if (!index.ok()) {
        EXPECT_EQ(index.error().code(), Code::kCorruption) << "byte " << i;
        continue;
      }
      UseAll(*index);
      EXPECT_EQ(index->Verify().code(), Code::kCorruption) << "byte " << i;
    }
  }
}

TEST(DamagedLexicalIndex, EveryTruncationIsRefused) {
  TempFolder folder;
  const std::string path = WriteSample(folder);
  const std::string whole = ReadFile(path);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    WriteFile(path, whole.substr(0, size));
    ASSERT_EQ(LexicalIndex::Open(path).error().code(), Code::kCorruption) << size;
  }
}

TEST(DamagedLexicalIndex, RefusesWhatIsMissingAnotherKindOrNewer) {
  TempFolder folder;
  EXPECT_EQ(LexicalIndex::Open(folder.path("none")).error().code(), Code::kNotFound);
  EXPECT_EQ(LexicalIndex::Open(folder.root()).error().code(), Code::kIo);
  for (const auto& [kind, version, code] :
       {std::tuple{"other", 1u, Code::kCorruption}, std::tuple{"lexical", 2u, Code::kUnsupported},
        std::tuple{"lexical", 1u, Code::kCorruption}}) {
    auto writer = CheckedFileWriter::Create(folder.path("file"), kind, version);
    ASSERT_TRUE(writer.ok() && writer->Finish().ok());
    EXPECT_EQ(LexicalIndex::Open(folder.path("file")).error().code(), code);
  }
}

// An index written section by section, so that a file can be wrong with its checksums right.
struct Parts {
  struct Meta {
    std::uint64_t documents = 3, terms = 2, postings = 3, tokens = 4;
    float k1 = 1.2f, b = 0.75f;
  } meta;
  std::string terms = "flowwing";
  std::vector<std::uint64_t> term_ends = {0, 4, 8};
  std::vector<std::uint64_t> post_ends = {0, 2, 3};
  std::vector<std::uint32_t> docs = {0, 2, 1};
  std::vector<std::uint32_t> tfs = {1, 2, 1};
  std::vector<std::uint32_t> lengths = {1, 1, 2};
};

Result<LexicalIndex> OpenParts(const TempFolder& folder, const Parts& parts) {
  const std::string path = folder.path("crafted");
  auto writer = CheckedFileWriter::Create(path, "lexical", 1);
  EXPECT_TRUE(writer->Section("meta", std::span<const Parts::Meta>(&parts.meta, 1)).ok());
  EXPECT_TRUE(writer->Section<char>("terms", parts.terms).ok());
  EXPECT_TRUE(writer->Section<std::uint64_t>("term_ends", parts.term_ends).ok());
  EXPECT_TRUE(writer->Section<std::uint64_t>("post_ends", parts.post_ends).ok());
  EXPECT_TRUE(writer->Section<std::uint32_t>("docs", parts.docs).ok());
  EXPECT_TRUE(writer->Section<std::uint32_t>("tfs", parts.tfs).ok());
  EXPECT_TRUE(writer->Section<std::uint32_t>("lengths", parts.lengths).ok());
  EXPECT_TRUE(writer->Finish().ok());
  return LexicalIndex::Open(path);
}

using Change = std::function<void(Parts*)>;

TEST(DamagedLexicalIndex, OpensTheCraftedFileAsLongAsItIsRight) {
  TempFolder folder;
  auto index = OpenParts(folder, {});
  ASSERT_TRUE(index.ok()) << index.error().ToString();
  EXPECT_TRUE(index->Verify().ok());
  UseAll(*index);
}

TEST(DamagedLexicalIndex, RefusesToOpenWithAnImpossibleDictionary) {
  constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<Change> changes = {
      [](Parts* p) { p->meta.documents = 4; },
      [](Parts* p) { p->meta.documents = 0; },
      [](Parts* p) { p->meta.documents = kHuge; },
      [](Parts* p) { p->meta.terms = 3; },
      [](Parts* p) { p->meta.terms = kHuge; },
      [](Parts* p) { p->meta.terms = 0; },
      [](Parts* p) { p->meta.postings = 2; },
      [](Parts* p) { p->meta.postings = kHuge; },
      [](Parts* p) { p->meta.tokens = 2; },
      [&](Parts* p) { p->meta.k1 = nan; },
      [](Parts* p) { p->meta.k1 = -1; },
      [](Parts* p) { p->meta.k1 = std::numeric_limits<float>::infinity(); },
      [&](Parts* p) { p->meta.b = nan; },
      [](Parts* p) { p->meta.b = 1.5f; },
      [](Parts* p) { p->terms = "flow"; },
      [](Parts* p) { p->terms = "wingflow"; },
      [](Parts* p) { p->terms = "flowflow"; },
      [](Parts* p) {
        p->term_ends = {0, 9, 8};
      },
      [](Parts* p) {
        p->term_ends = {0, kHuge, 8};
      },
      [](Parts* p) {
        p->term_ends = {1, 4, 8};
      },
      [](Parts* p) {
        p->term_ends = {0, 4, 7};
      },
      [](Parts* p) {
        p->term_ends = {0, 4};
      },
      [](Parts* p) {
        p->post_ends = {0, 4, 3};
      },
      [](Parts* p) {
        p->post_ends = {0, kHuge, 3};
      },
      [](Parts* p) {
        p->post_ends = {0, 3, 3};
      },
      [](Parts* p) {
        p->post_ends = {0, 2, 4};
      },
      [](Parts* p) {
        p->post_ends = {1, 2, 3};
      },
      [](Parts* p) { p->post_ends.clear(); },
      [](Parts* p) { p->docs.pop_back(); },
      [](Parts* p) { p->tfs.pop_back(); },
      [](Parts* p) { p->lengths.pop_back(); },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    TempFolder folder;
    Parts parts;
    changes[i](&parts);
    EXPECT_EQ(OpenParts(folder, parts).error().code(), Code::kCorruption) << "change " << i;
  }
}

TEST(DamagedLexicalIndex, SearchesWrongPostingsSafelyAndVerifyFindsThem) {
  constexpr std::uint32_t kHuge = std::numeric_limits<std::uint32_t>::max();
  const std::vector<Change> changes = {
      [](Parts* p) {
        p->docs = {0, 3, 1};
      },
      [](Parts* p) {
        p->docs = {kHuge, kHuge, kHuge};
      },
      [](Parts* p) {
        p->docs = {2, 0, 1};
      },
      [](Parts* p) {
        p->docs = {2, 2, 1};
      },
      [](Parts* p) {
        p->tfs = {0, 0, 0};
      },
      [](Parts* p) {
        p->tfs = {kHuge, kHuge, kHuge};
      },
      [](Parts* p) {
        p->lengths = {0, 0, 0};
      },
      [](Parts* p) {
        p->lengths = {kHuge, kHuge, kHuge};
      },
      [](Parts* p) { p->meta.tokens = 1u << 30; },
      // No norm and no occurrence would be 0 / 0; an endless slope and no length, infinity * 0.
      [](Parts* p) {
        p->meta.k1 = 0, p->tfs = {0, 1, 0};
      },
      [](Parts* p) {
        p->meta = {.k1 = std::numeric_limits<float>::max(), .b = 1};
        p->lengths = {0, kHuge, 0};
      },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    TempFolder folder;
    Parts parts;
    changes[i](&parts);
    auto index = OpenParts(folder, parts);
    ASSERT_TRUE(index.ok()) << index.error().ToString();
    UseAll(*index);
    EXPECT_EQ(index->Verify().code(), Code::kCorruption) << "change " << i;
  }
}

}  // namespace
}  // namespace equipoise
