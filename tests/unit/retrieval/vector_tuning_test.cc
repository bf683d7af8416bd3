// How far ahead walks fetch: chosen while building, kept in the file, and never seen in an answer.
#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/checked_file.h>
#include <equipoise/retrieval/vector_index.h>
#include <equipoise/retrieval/vector_index_update.h>

#include "retrieval/vector_data.h"

namespace equipoise {
namespace {

using namespace equipoise::testing;  // NOLINT: helpers of this folder only

constexpr std::uint32_t kVersion = 4;
constexpr char kTuning[] = "tuning";

VectorIndexOptions Quick(VectorStorage storage) {
  VectorIndexOptions options;
  options.storage = storage;
  options.graph_from = 0;
  options.m = 6;
  options.ef_construction = 24;
  options.threads = 2;
  return options;
}

// The graph's file with this tuning and no other.
void SetTuning(const std::string& path, const WalkTuning& tuning) {
  const std::string aside = path + ".tuned";
  {
    auto file = CheckedFile::Open(path, "graph", kVersion);
    ASSERT_TRUE(file.ok());
    auto writer = CheckedFileWriter::Create(aside, "graph", kVersion);
    for (const auto& section : file->Sections()) {
      if (section.name == kTuning) continue;
      ASSERT_TRUE(writer->Section<std::byte>(section.name, *file->Section(section.name)).ok());
    }
    ASSERT_TRUE(writer->Section<WalkTuning>(kTuning, std::span(&tuning, 1)).ok());
    ASSERT_TRUE(writer->Finish().ok());
  }
  std::filesystem::rename(aside, path);
}

struct Answers {
  std::vector<std::vector<Scored>> hits;
  std::vector<std::uint64_t> costs;

  bool operator==(const Answers& other) const {
    return costs == other.costs &&
           std::equal(hits.begin(), hits.end(), other.hits.begin(), other.hits.end(),
                      [](const auto& a, const auto& b) {
                        return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                                          [](const Scored& x, const Scored& y) {
                                            return x.id == y.id && x.score == y.score;
                                          });
                      });
  }
};

Answers Ask(const VectorIndex& index, const Matrix& queries) {
  Answers out;
  for (std::size_t i = 0; i < queries.n; ++i) {
    VectorSearchReport report;
    auto found = index.Search(queries.row(i), {.plan = VectorPlan::kWalk}, &report);
    EXPECT_TRUE(found.ok()) << found.error().ToString();
    EXPECT_EQ(report.plan, VectorPlan::kWalk);
    out.hits.push_back(*std::move(found));
    out.costs.insert(out.costs.end(), {report.expanded, report.seen, report.distances});
  }
  return out;
}

TEST(WalkTuning, ChangesNoAnswer) {
  const Matrix rows = Clustered(900, 70, 20, 1), queries = Clustered(20, 70, 20, 2);
  constexpr std::uint32_t kAll = WalkTuning::kAll;
  for (int s = 0; s <= static_cast<int>(VectorStorage::kFloat32); ++s) {
    const BuiltIndex built(rows.view(), Quick(static_cast<VectorStorage>(s)));
    const Answers untuned = Ask(*built.Open(), queries);
    const std::uint64_t fingerprint = built.Open()->fingerprint();
    for (const WalkTuning& tuning :
         {WalkTuning{0, 0, 0, 0, 0}, WalkTuning{1, 1, 1, 1, 1}, WalkTuning{2, 4, 64, 48, 0, 1.5f},
          WalkTuning{kAll, kAll, kAll, kAll, kAll}}) {
      SetTuning(built.graph, tuning);
      auto index = built.Open();
      ASSERT_TRUE(index.ok()) << index.error().ToString();
      ASSERT_TRUE(index->settings().tuning);
      EXPECT_EQ(index->settings().tuning->list_lines, tuning.list_lines);
      EXPECT_EQ(Ask(*index, queries), untuned) << "storage " << s << ", " << tuning.list_lines;
      EXPECT_EQ(index->fingerprint(), fingerprint);
      EXPECT_TRUE(index->Verify().ok());
    }
  }
}

TEST(WalkTuning, IsAllThatTheFilesDifferInAndOnlyOfLargeGraphs) {
  const Matrix rows = Clustered(11'000, 768, 50, 3), queries = Clustered(20, 768, 50, 4);
  VectorIndexOptions options = Quick(VectorStorage::kInt8);
  const BuiltIndex tuned(rows.view(), options);
  options.tune = false;
  const BuiltIndex plain(rows.view(), options);
  ASSERT_TRUE(tuned.status.ok()) << tuned.status.ToString();
  auto with = tuned.Open(), without = plain.Open();
  ASSERT_TRUE(with.ok() && without.ok());
  ASSERT_TRUE(with->settings().tuning);
  EXPECT_GE(with->settings().tuning->gain, 1.0f);
  EXPECT_LT(with->settings().tuning->gain, 10.0f);
  EXPECT_FALSE(without->settings().tuning);
  EXPECT_EQ(with->fingerprint(), without->fingerprint());
  EXPECT_EQ(ReadFile(tuned.vectors), ReadFile(plain.vectors));
  auto a = CheckedFile::Open(tuned.graph, "graph", kVersion);
  auto b = CheckedFile::Open(plain.graph, "graph", kVersion);
  const auto sections = a->Sections();
  ASSERT_EQ(sections.size(), b->Sections().size() + 1);
  EXPECT_EQ(sections.back().name, kTuning);
  for (const auto& section : b->Sections())
    EXPECT_TRUE(std::ranges::equal(*a->Section(section.name), *b->Section(section.name)))
        << section.name;
  EXPECT_EQ(Ask(*with, queries), Ask(*without, queries));
  // A graph that fits into the caches has nothing to choose.
  const BuiltIndex small(Clustered(900, 70, 20, 1).view(), Quick(VectorStorage::kInt8));
  EXPECT_FALSE(small.Open()->settings().tuning);
}

TEST(WalkTuning, CanBeCancelledAndSaysHowFarItIs) {
  const Matrix rows = Clustered(2400, 3600, 20, 7);
  TempFolder folder;
  VectorIndexOptions options = Quick(VectorStorage::kInt8);
  std::vector<std::uint64_t> done;
  options.progress = [&](const Progress& progress) {
    if (progress.stage != "tuning") return true;
    EXPECT_LE(progress.done, progress.total);
    done.push_back(progress.done);
    return done.size() < 9;
  };
  EXPECT_EQ(BuildVectorIndex(rows.view(), options, folder.path("v"), folder.path("g")).code(),
            Code::kCancelled);
  EXPECT_EQ(done, (std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_FALSE(std::filesystem::exists(folder.path("v")));
  EXPECT_FALSE(std::filesystem::exists(folder.path("g")));
}

TEST(WalkTuning, StaysWhenRowsAreDeletedAndIsLeftByNoChange) {
  const Matrix rows = Clustered(900, 24, 20, 5);
  const BuiltIndex built(rows.view(), Quick(VectorStorage::kInt8Float16));
  const std::vector<std::uint32_t> gone = {3, 500};
  ASSERT_TRUE(DeleteVectorRows(gone, built.vectors, built.graph, built.graph).ok());
  const std::uint64_t fingerprint = built.Open()->fingerprint();
  SetTuning(built.graph, {.list_lines = 2, .gain = 1.25f});
  const std::vector<std::uint32_t> again = {3};
  ASSERT_TRUE(DeleteVectorRows(again, built.vectors, built.graph, built.graph).ok());
  auto index = built.Open();
  ASSERT_TRUE(index.ok() && index->settings().tuning);
  EXPECT_EQ(index->settings().tuning->list_lines, 2u);
  EXPECT_EQ(index->settings().tuning->gain, 1.25f);
  EXPECT_EQ(index->fingerprint(), fingerprint);
  EXPECT_EQ(CheckedFile::Open(built.graph, "graph", kVersion)->Sections().back().name, kTuning);
}

TEST(WalkTuning, RefusesWhatNoTunerChooses) {
  const Matrix rows = Clustered(900, 24, 20, 6);
  const BuiltIndex built(rows.view(), Quick(VectorStorage::kInt8Float16));
  for (const WalkTuning& tuning :
       {WalkTuning{.code_lines = 0xffffffffu}, WalkTuning{.list_lines = 1025},
        WalkTuning{.likely_sketches = 0x80000000u}, WalkTuning{.next_lines = 100'000},
        WalkTuning{.likely_lines = 1025}, WalkTuning{.gain = 0.5f},
        WalkTuning{.gain = std::numeric_limits<float>::quiet_NaN()},
        WalkTuning{.gain = std::numeric_limits<float>::infinity()}}) {
    SetTuning(built.graph, tuning);
    EXPECT_EQ(built.Open().error().code(), Code::kCorruption);
  }
}

}  // namespace
}  // namespace equipoise
