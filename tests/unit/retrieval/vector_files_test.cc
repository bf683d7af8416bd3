// What a vector index does with files: building, cancelling, foreign readers, wrong bytes.
#include <cstring>
#include <filesystem>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/core/checked_file.h>
#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/rows.h>
#include <equipoise/retrieval/vector_index.h>

#include "retrieval/vector_data.h"

namespace equipoise {
namespace {

constexpr std::uint32_t kVersion = 4;  // of both files

using namespace equipoise::testing;  // NOLINT: helpers of this folder only

VectorIndexOptions Graph(Metric metric = Metric::kCosine) {
  VectorIndexOptions options;
  options.metric = metric;
  options.graph_from = 0;
  options.m = 8;
  options.ef_construction = 40;
  return options;
}

// One section of a checked file.
struct Part {
  std::string name;
  std::string bytes;
};

std::vector<Part> Parts(const std::string& path, const char* kind) {
  auto file = CheckedFile::Open(path, kind, kVersion);
  std::vector<Part> out;
  for (const auto& section : file->Sections()) {
    const auto bytes = *file->Section(section.name);
    out.push_back({section.name, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}});
  }
  return out;
}

// Writes them with checksums that match: bytes that only a look at their meaning can refuse.
void WriteParts(const std::string& path, const char* kind, const std::vector<Part>& parts) {
  auto writer = CheckedFileWriter::Create(path, kind, kVersion);
  for (const Part& part : parts)
    ASSERT_TRUE(writer->Section<char>(part.name, std::span<const char>(part.bytes)).ok());
  ASSERT_TRUE(writer->Finish().ok());
}

// Opens and searches; whatever comes back, nothing may crash.
void Touch(const BuiltIndex& built, std::span<const float> query) {
  auto index = VectorIndex::Open(built.vectors, built.graph);
  if (!index.ok()) return;
  for (const bool exact : {false, true}) {
    auto found = index->Search(query, {.k = 10, .ef_search = 20, .exact = exact});
    if (found.ok()) {
      EXPECT_TRUE(IsSorted(*found));
    }
  }
}

TEST(BuildVectorIndex, WritesTheSameBytesForTheSameSeed) {
  const Matrix rows = Clustered(1200, 16, 10, 1);
  VectorIndexOptions options = Graph();
  const BuiltIndex first(rows.view(), options);
  const std::string vectors = ReadFile(first.vectors), graph = ReadFile(first.graph);
  const BuiltIndex second(rows.view(), options);
  EXPECT_EQ(ReadFile(second.vectors), vectors);
  EXPECT_EQ(ReadFile(second.graph), graph);
  options.seed = 2;
  const BuiltIndex other(rows.view(), options);
  EXPECT_EQ(ReadFile(other.vectors), vectors);
  EXPECT_NE(ReadFile(other.graph), graph);
}

TEST(BuildVectorIndex, ReportsProgressAndKeepsItsSettings) {
  const Matrix rows = Clustered(9000, 4, 10, 4);
  VectorIndexOptions options = Graph();
  std::vector<std::string> stages;
  std::uint64_t last = 0, total = 0;
  options.progress = [&](const Progress& progress) {
    if (stages.empty() || stages.back() != progress.stage) {
      stages.emplace_back(progress.stage);
      last = 0;
      total = progress.total;
    }
    EXPECT_GE(progress.done, last);
    EXPECT_LE(progress.done, progress.total);
    EXPECT_EQ(progress.total, total);
    last = progress.done;
    return true;
  };
  const BuiltIndex built(rows.view(), options);
  // The rows that recall is measured with are linked last.
  EXPECT_EQ(stages, (std::vector<std::string>{"vectors", "graph", "recall", "graph"}));
  EXPECT_EQ(last, total);
  auto index = built.Open();
  ASSERT_TRUE(index.ok());
  const VectorIndexSettings& settings = index->settings();
  EXPECT_EQ(settings.m, 8);
  EXPECT_EQ(settings.ef_construction, 40);
  EXPECT_EQ(settings.seed, options.seed);
  EXPECT_GT(settings.code_scale, 100);
  EXPECT_EQ(settings.code_center, 0);
  EXPECT_EQ(settings.linked_by, "equipoise");
  EXPECT_EQ(index->dim(), 4u);
  EXPECT_EQ(index->max_norm(), 1);
  EXPECT_EQ(index->bytes().rows, 9000u * 4 * 2 + 9000 * 4);
  EXPECT_EQ(index->bytes().codes, 9000u * 4);
}

TEST(BuildVectorIndex, LeavesNothingWhereverItIsCancelled) {
  const Matrix rows = Clustered(9000, 4, 10, 5);
  for (int stop = 0; stop < 7; ++stop) {
    VectorIndexOptions options = Graph();
    int calls = 0;
    options.progress = [&](const Progress&) { return calls++ != stop; };
    const BuiltIndex built(rows.view(), options);
    EXPECT_EQ(built.status.code(), Code::kCancelled) << stop;
    EXPECT_FALSE(std::filesystem::exists(built.vectors));
    EXPECT_FALSE(std::filesystem::exists(built.graph));
  }
}

TEST(BuildVectorIndex, RefusesNanAndInfiniteRowsBeforeItWrites) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    Matrix rows = Clustered(100, 4, 2, 6);
    rows.row(42)[3] = bad;
    const BuiltIndex built(rows.view(), Graph());
    EXPECT_EQ(built.status.code(), Code::kInvalidArgument);
    EXPECT_EQ(built.status.where().row, 42);
    EXPECT_FALSE(std::filesystem::exists(built.vectors));
    EXPECT_FALSE(std::filesystem::exists(built.graph));
  }
}

TEST(BuildVectorIndex, RefusesOptionsOutOfRange) {
  const Matrix rows = Clustered(10, 4, 2, 7);
  const auto refuse = [&](auto change, const EmbeddingsView& view) {
    VectorIndexOptions options = Graph();
    change(options);
    const BuiltIndex built(view, options);
    EXPECT_EQ(built.status.code(), Code::kInvalidArgument) << built.status.ToString();
    EXPECT_FALSE(std::filesystem::exists(built.vectors));
  };
  refuse([](VectorIndexOptions& o) { o.m = 1; }, rows.view());
  refuse([](VectorIndexOptions& o) { o.m = 257; }, rows.view());
  refuse([](VectorIndexOptions& o) { o.ef_construction = 0; }, rows.view());
  refuse([](VectorIndexOptions& o) { o.threads = 0; }, rows.view());
  refuse([](VectorIndexOptions& o) { o.metric = static_cast<Metric>(7); }, rows.view());
  refuse([](VectorIndexOptions&) {}, MatrixView<float>(rows.values.data(), 10, 0));
  const std::vector<float> wide(kMaxCodeDim + 1);
  refuse([](VectorIndexOptions&) {}, MatrixView<float>(wide.data(), 1, wide.size()));
}

TEST(BuildVectorIndex, ReportsAFolderThatIsNotThere) {
  const Matrix rows = Clustered(10, 4, 2, 8);
  TempFolder folder;
  EXPECT_EQ(BuildVectorIndex(rows.view(), {}, folder.path("no/v"), folder.path("g")).code(),
            Code::kIo);
  EXPECT_EQ(BuildVectorIndex(rows.view(), {}, folder.path("v"), folder.path("no/g")).code(),
            Code::kIo);
  EXPECT_FALSE(std::filesystem::exists(folder.path("v")));
}

TEST(VectorIndexFiles, EveryFlippedByteIsFoundAndNoneCrashes) {
  Matrix rows = Clustered(24, 2, 3, 11);
  std::copy_n(rows.row(3).begin(), 2, rows.row(9).begin());
  VectorIndexOptions options = Graph();
  options.m = 3;
  const BuiltIndex built(rows.view(), options);
  for (const std::string& path : {built.vectors, built.graph}) {
    const std::string whole = ReadFile(path);
    for (std::size_t i = 0; i < whole.size(); ++i) {
      std::string changed = whole;
      changed[i] = static_cast<char>(changed[i] ^ (1 << (i % 8)));
      WriteFile(path, changed);
      auto index = VectorIndex::Open(built.vectors, built.graph);
      if (index.ok()) {
        EXPECT_EQ(index->Verify().code(), Code::kCorruption) << path << " byte " << i;
        Touch(built, rows.row(0));
      } else {
        EXPECT_EQ(index.error().code(), Code::kCorruption) << index.error().ToString();
      }
    }
    WriteFile(path, whole);
  }
}

TEST(VectorIndexFiles, CutMissingAndForeignFilesAreRefused) {
  const Matrix rows = Clustered(60, 4, 3, 12);
  const BuiltIndex built(rows.view(), Graph());
  const std::string graph = ReadFile(built.graph);
  for (std::size_t size = 0; size < graph.size(); size += 97) {
    WriteFile(built.graph, graph.substr(0, size));
    EXPECT_EQ(built.Open().error().code(), Code::kCorruption) << size;
  }
  std::filesystem::remove(built.graph);
  EXPECT_EQ(built.Open().error().code(), Code::kNotFound);
  // The graph of other vectors, of the same sizes.
  TempFolder folder;
  const Matrix other = Clustered(60, 4, 3, 13);
  ASSERT_TRUE(BuildVectorIndex(other.view(), Graph(), folder.path("v"), folder.path("g")).ok());
  EXPECT_EQ(VectorIndex::Open(built.vectors, folder.path("g")).error().code(), Code::kCorruption);
  EXPECT_EQ(VectorIndex::Open(folder.path("g"), folder.path("v")).error().code(),
            Code::kCorruption);
}

TEST(VectorIndexFiles, NoGraphWithMatchingChecksumsCrashesASearch) {
  Matrix rows = Clustered(300, 4, 3, 14);
  for (std::size_t i = 100; i < 120; ++i) std::copy_n(rows.row(0).begin(), 4, rows.row(i).begin());
  const BuiltIndex built(rows.view(), Graph());
  const std::vector<Part> parts = Parts(built.graph, "graph");
  std::mt19937 random(15);
  for (int round = 0; round < 600; ++round) {
    std::vector<Part> changed = parts;
    for (Part& part : changed) {
      const int edits = part.name != "info" ? 1 + round % 3 : round % 10 == 0;
      for (int edit = 0; edit < edits; ++edit) {
        // The first rounds change the header, later ones anything.
        const std::size_t within =
            round < 300 ? std::min<std::size_t>(200, part.bytes.size()) : part.bytes.size();
        const std::size_t at = random() % within;
        const std::uint32_t values[] = {
            0, 1, 0xffffffffu, 0x7fffffffu, 0x80000000u, 300, static_cast<std::uint32_t>(random())};
        const std::uint32_t value = values[random() % 7];
        std::memcpy(part.bytes.data() + at, &value,
                    std::min<std::size_t>(4, part.bytes.size() - at));
      }
    }
    if (round % 5 == 4) {
      for (Part& part : changed) {
        if (part.name == "links") part.bytes.resize(random() % part.bytes.size());
      }
    }
    WriteParts(built.graph, "graph", changed);
    Touch(built, rows.row(0));
  }
}

TEST(VectorIndexFiles, NoRowsWithMatchingChecksumsCrashASearch) {
  const Matrix rows = Clustered(300, 4, 3, 16);
  for (const Metric metric : {Metric::kCosine, Metric::kL2}) {
    const BuiltIndex built(rows.view(), Graph(metric));
    const std::vector<Part> vectors = Parts(built.vectors, "vectors");
    const std::vector<Part> graph = Parts(built.graph, "graph");
    std::mt19937 random(17);
    for (int round = 0; round < 60; ++round) {
      std::vector<Part> changed = vectors;
      for (Part& part : changed) {
        if (part.name == "info" && round % 3 != 0) continue;
        const std::size_t edits = part.name == "info" ? 2 : part.bytes.size() / 2;
        for (std::size_t edit = 0; edit < edits; ++edit)
          part.bytes[random() % part.bytes.size()] = static_cast<char>(random());
      }
      WriteParts(built.vectors, "vectors", changed);
      const std::uint64_t checksum =
          CheckedFile::Open(built.vectors, "vectors", kVersion)->checksum();
      std::vector<Part> linked = graph;
      for (Part& part : linked) {
        if (part.name == "info") std::memcpy(part.bytes.data(), &checksum, sizeof(checksum));
      }
      WriteParts(built.graph, "graph", linked);
      Touch(built, rows.row(0));
    }
  }
}

}  // namespace
}  // namespace equipoise
