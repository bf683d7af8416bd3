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
       {std::tuple{"other", 1u, Code::kCorruption}, std::tuple{"lexical", 4u, Code::kUnsupported},
        std::tuple{"lexical", 1u, Code::kUnsupported}, std::tuple{"lexical", 2u, Code::kCorruption},
        std::tuple{"lexical", 3u, Code::kCorruption}}) {
    auto writer = CheckedFileWriter::Create(folder.path("file"), kind, version);
    ASSERT_TRUE(writer.ok() && writer->Finish().ok());
    EXPECT_EQ(LexicalIndex::Open(folder.path("file")).error().code(), code);
  }
}

// An index written section by section, so that a file can be wrong with its checksums right: "flow" in
// documents 0 (once) and 2 (twice), "wing" in document 1.
struct Parts {
  struct Meta {
    std::uint64_t documents = 3, terms = 2, postings = 3, tokens = 4;
    float k1 = 1.2f, b = 0.75f;
  } meta;
  struct Block {
    std::uint64_t key = 0x666C6F7700000000u, terms_begin = 0, postings_begin = 0;
  };
  std::string terms = std::string("\0\4flow\2\5\0\4wing\1\4", 16);
  std::vector<Block> blocks = {{}};
  // Bits of distances and of occurrences, bound; distances 0 and 1; occurrences 1 and 2. Then bits 1
  // and 0, bound, distance 1.
  std::vector<std::uint8_t> postings = {1, 1, 0, 2, 2, 1, 0, 0, 1};
  std::vector<std::uint32_t> length_values = {1, 2};
  std::vector<std::uint8_t> length_codes = {0, 0, 1};

  Parts() {
    const float norm[2] = {1.2f * (0.25f + 0.75f / (4.0f / 3)), 1.2f * (0.25f + 1.5f / (4.0f / 3))};
    const auto bound = [](float share) {
      return static_cast<std::uint8_t>(std::ceil(255 * share));
    };
    postings[2] = bound(std::max(1 / (1 + norm[0]), 2 / (2 + norm[1])));
    postings[7] = bound(1 / (1 + norm[0]));
  }
};

Result<LexicalIndex> OpenParts(const TempFolder& folder, const Parts& parts) {
  const std::string path = folder.path("crafted");
  auto writer = CheckedFileWriter::Create(path, "lexical", 2);
  std::vector<std::uint8_t> postings = parts.postings;
  postings.resize(postings.size() + 32);
  EXPECT_TRUE(writer->Section<std::uint8_t>("postings", postings).ok());
  EXPECT_TRUE(writer->Section<char>("terms", parts.terms).ok());
  EXPECT_TRUE(writer->Section<Parts::Block>("term_blocks", parts.blocks).ok());
  EXPECT_TRUE(writer->Section<std::uint32_t>("length_values", parts.length_values).ok());
  EXPECT_TRUE(writer->Section<std::uint8_t>("length_codes", parts.length_codes).ok());
  EXPECT_TRUE(writer->Section("meta", std::span<const Parts::Meta>(&parts.meta, 1)).ok());
  EXPECT_TRUE(writer->Finish().ok());
  return LexicalIndex::Open(path);
}

using Change = std::function<void(Parts*)>;

TEST(DamagedLexicalIndex, OpensTheCraftedFileAsLongAsItIsRight) {
  TempFolder folder;
  auto index = OpenParts(folder, {});
  ASSERT_TRUE(index.ok()) << index.error().ToString();
  EXPECT_TRUE(index->Verify().ok()) << index->Verify().ToString();
  EXPECT_EQ(index->Explain(Words{"flow"}, 2)[0].tf, 2u);
  EXPECT_EQ(index->Explain(Words{"wing"}, 1)[0].tf, 1u);
  UseAll(*index);
}

TEST(DamagedLexicalIndex, RefusesToOpenWithAnImpossibleDictionary) {
  constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto terms = [](const char* bytes, std::size_t size) {
    return [=](Parts* p) { p->terms.assign(bytes, size); };
  };
  const std::vector<Change> changes = {
      [](Parts* p) { p->meta.documents = 4; },
      [](Parts* p) { p->meta.documents = 0; },
      [](Parts* p) { p->meta.documents = kHuge; },
      [](Parts* p) { p->meta.terms = 3; },
      [](Parts* p) { p->meta.terms = 1; },
      [](Parts* p) { p->meta.terms = 17; },
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
      terms("\0\4flow\2\5", 8),
      terms("\0\4wing\2\5\0\4flow\1\4", 16),    // descending
      terms("\0\4flow\2\5\0\4flow\1\4", 16),    // equal
      terms("\0\4flow\2\5\4\0\1\4", 12),        // equal, shared
      terms("\1\4flow\2\5\0\4wing\1\4", 16),    // shares with nothing
      terms("\0\4flow\2\5\5\4wing\1\4", 16),    // shares more than there is
      terms("\0\4flow\2\5\0\5wing\1\4", 16),    // longer than the rest
      terms("\0\4flow\2\6\0\4wing\1\4", 16),    // lists longer than the postings
      terms("\0\4flow\2\4\0\4wing\1\4", 16),    // and shorter
      terms("\0\4flow\2\7\0\4wing\1\2", 16),    // too short to be one
      terms("\0\4flow\0\5\0\4wing\3\4", 16),    // of no document
      terms("\0\4flow\4\5\0\4wing\1\4", 16),    // of more than there are
      terms("\0\4flow\2\5\0\4wing\1\x84", 16),  // a number without an end
      terms("\0\4flow\2\5\0\4wing\1\4\0", 17),  // and more
      [](Parts* p) { p->terms.clear(); },
      [](Parts* p) { p->blocks.clear(); },
      [](Parts* p) { p->blocks.emplace_back(); },
      [](Parts* p) { p->blocks[0].key = 0; },
      [](Parts* p) { p->blocks[0].terms_begin = 1; },
      [](Parts* p) { p->blocks[0].terms_begin = kHuge; },
      [](Parts* p) { p->blocks[0].postings_begin = 1; },
      [](Parts* p) { p->blocks[0].postings_begin = kHuge; },
      [](Parts* p) { p->postings.pop_back(); },
      [](Parts* p) { p->postings.push_back(0); },
      [](Parts* p) { p->length_codes.pop_back(); },
      [](Parts* p) { p->length_values.clear(); },
      [](Parts* p) {
        p->length_values = {1, 2, 3, 4};
      },
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
      [](Parts* p) { p->postings[3] = 3; },   // documents 1 and 3, of 3
      [](Parts* p) { p->postings[3] = 0; },   // documents 0 and 1
      [](Parts* p) { p->postings[0] = 32; },  // more bits than bytes
      [](Parts* p) { p->postings[0] = 33; },
      [](Parts* p) { p->postings[0] = 255; },
      [](Parts* p) { p->postings[0] = 9; },  // fewer bytes than bits
      [](Parts* p) { p->postings[1] = 32; },
      [](Parts* p) { p->postings[1] = 255; },
      [](Parts* p) { p->postings[1] = 0; },
      [](Parts* p) { p->postings[2] = 0; },    // no bound
      [](Parts* p) { p->postings[2] = 255; },  // a loose one
      [](Parts* p) { p->postings[4] = 3; },    // other occurrences
      [](Parts* p) {
        p->length_values = {0, 0};
      },
      [](Parts* p) {
        p->length_values = {2, 1};
      },
      [](Parts* p) {
        p->length_values = {kHuge - 1, kHuge};
      },
      [](Parts* p) {
        p->length_codes = {0, 255, 1};
      },
      [](Parts* p) { p->meta.tokens = 1u << 30; },
      // No norm: every share is 1 or, of no occurrence, 0 / 0.
      [](Parts* p) { p->meta.k1 = 0, p->postings[4] = 3; },
      [](Parts* p) {
        p->meta = {.k1 = std::numeric_limits<float>::max(), .b = 1};
        p->length_values = {0, kHuge};
      },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    TempFolder folder;
    Parts parts;
    changes[i](&parts);
    auto index = OpenParts(folder, parts);
    ASSERT_TRUE(index.ok()) << "change " << i << ": " << index.error().ToString();
    UseAll(*index);
    EXPECT_EQ(index->Verify().code(), Code::kCorruption) << "change " << i;
  }
}

}  // namespace
}  // namespace equipoise
