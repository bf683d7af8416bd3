// Indexes to FAISS and back, judged by FAISS itself, and files that are no such thing.
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIDMap.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/index_io.h>
#include <gtest/gtest.h>

#include <equipoise/core/matrix_file.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/kernels/rows.h>
#include <equipoise/retrieval/vector_convert.h>

#include "retrieval/vector_data.h"

namespace equipoise {
namespace {

using namespace equipoise::testing;  // NOLINT: helpers of this folder only

using FaissId = decltype(faiss::Index::ntotal);
using Quantizer = faiss::ScalarQuantizer;

constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kL2, Metric::kInnerProduct};
constexpr VectorStorage kStorages[] = {VectorStorage::kInt8Float16, VectorStorage::kInline,
                                       VectorStorage::kInt8, VectorStorage::kInt4Int8,
                                       VectorStorage::kFloat32};

VectorIndexOptions Graph(Metric metric, VectorStorage storage) {
  return {.metric = metric, .storage = storage, .m = 16, .ef_construction = 60, .graph_from = 0};
}

std::vector<float> AskedAs(std::span<const float> query, Metric metric) {
  std::vector<float> out(query.begin(), query.end());
  if (metric == Metric::kCosine) Normalize(out.data(), out.size());
  return out;
}

std::unique_ptr<faiss::IndexHNSW> ReadHnsw(const std::string& path) {
  std::unique_ptr<faiss::Index> index(faiss::read_index(path.c_str()));
  auto* hnsw = dynamic_cast<faiss::IndexHNSW*>(index.get());
  if (hnsw != nullptr) static_cast<void>(index.release());
  return std::unique_ptr<faiss::IndexHNSW>(hnsw);
}

// An index of FAISS's own, written.
void WriteFlat(const std::string& path, const Matrix& rows, faiss::MetricType metric, int m = 16) {
  faiss::IndexHNSWFlat index(static_cast<int>(rows.d), m, metric);
  index.hnsw.efConstruction = 60;
  index.add(static_cast<FaissId>(rows.n), rows.values.data());
  faiss::write_index(&index, path.c_str());
}

std::unique_ptr<faiss::IndexHNSWSQ> MakeSq(const Matrix& rows, Quantizer::QuantizerType type,
                                           faiss::MetricType metric, int m = 16) {
  auto index = std::make_unique<faiss::IndexHNSWSQ>(static_cast<int>(rows.d), type, m, metric);
  index->hnsw.efConstruction = 60;
  index->train(static_cast<FaissId>(rows.n), rows.values.data());
  index->add(static_cast<FaissId>(rows.n), rows.values.data());
  return index;
}

// What comes of a file.
struct Imported {
  TempFolder folder;
  std::string vectors = folder.path("v");
  std::string graph = folder.path("g");
  Status status;

  explicit Imported(const std::string& path, const FaissImportOptions& options = {}) {
    auto file = FaissFile::Open(path);
    status = file.ok() ? file->Build(options, vectors, graph) : file.error();
  }
  Result<VectorIndex> Open() const {
    if (!status.ok()) return status;
    return VectorIndex::Open(vectors, graph);
  }
};

using Links = std::vector<std::set<std::int64_t>>;

// Of each row on each level, for comparing graphs.
Links LinksOf(const faiss::HNSW& hnsw) {
  Links out;
  for (std::size_t i = 0; i < hnsw.levels.size(); ++i) {
    for (int level = 0; level < hnsw.levels[i]; ++level) {
      std::size_t begin = 0, end = 0;
      hnsw.neighbor_range(static_cast<FaissId>(i), level, &begin, &end);
      std::set<std::int64_t> links;
      for (std::size_t j = begin; j < end && hnsw.neighbors[j] >= 0; ++j)
        links.insert(hnsw.neighbors[j]);
      out.push_back(links);
    }
  }
  return out;
}

TEST(WriteFaiss, FaissOpensTheGraphAndFindsTheSameNeighbours) {
  const Matrix rows = Clustered(2000, 24, 20, 9), queries = Clustered(50, 24, 20, 10);
  for (const Metric metric : kMetrics) {
    for (const VectorStorage storage : kStorages) {
      SCOPED_TRACE(std::string(MetricName(metric)) + " " + std::string(VectorStorageName(storage)));
      const BuiltIndex built(rows.view(), Graph(metric, storage));
      auto index = built.Open();
      ASSERT_TRUE(index.ok()) << index.error().ToString();
      TempFolder folder;
      auto report = WriteFaiss(*index, folder.path("f"));
      ASSERT_TRUE(report.ok()) << report.error().ToString();
      EXPECT_EQ(report->rows, 2000u);
      EXPECT_EQ(report->m, 16);
      EXPECT_FALSE(report->built);
      const auto peer = ReadHnsw(folder.path("f"));
      ASSERT_NE(dynamic_cast<faiss::IndexHNSWSQ*>(peer.get()), nullptr);
      ASSERT_EQ(peer->ntotal, 2000);
      EXPECT_EQ(peer->metric_type,
                metric == Metric::kL2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT);
      EXPECT_EQ(peer->hnsw.efSearch, 64);

      std::vector<float> decoded(24);
      peer->reconstruct(5, decoded.data());
      const std::vector<float> row = AskedAs(rows.row(5), metric);
      std::size_t clamped = 0;
      for (std::size_t j = 0; j < 24; ++j)
        clamped += std::fabs(decoded[j] - row[j]) > 0.6f / index->settings().code_scale;
      EXPECT_LE(clamped, 1u);

      double recall = 0;
      std::vector<FaissId> labels(20);
      std::vector<float> distances(20);
      for (std::size_t i = 0; i < queries.n; ++i) {
        const std::vector<float> query = AskedAs(queries.row(i), metric);
        peer->search(1, query.data(), 20, distances.data(), labels.data());
        const auto exact = *index->Search(queries.row(i), {.k = 10, .exact = true});
        for (const Scored& s : exact)
          recall += std::count(labels.begin(), labels.end(), static_cast<FaissId>(s.id)) > 0;
      }
      // Codes of 8 bits confuse close neighbours: the best 10 are in the first 20.
      EXPECT_GE(recall / 500, 0.98);
    }
  }
}

TEST(WriteFaiss, FaissFindsRowsThatAreCopiesOfOthers) {
  Matrix rows = Clustered(1500, 8, 10, 3);
  // Groups that fit a list of links and one that does not.
  for (std::size_t i = 100; i < 105; ++i) std::copy_n(rows.row(7).begin(), 8, rows.row(i).begin());
  for (std::size_t i = 200; i < 500; ++i) std::copy_n(rows.row(9).begin(), 8, rows.row(i).begin());
  VectorIndexOptions options = Graph(Metric::kL2, VectorStorage::kInt8);
  options.m = 2;
  const BuiltIndex built(rows.view(), options);
  auto index = built.Open();
  ASSERT_TRUE(index.ok()) << index.error().ToString();
  TempFolder folder;
  auto report = WriteFaiss(*index, folder.path("f"));
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_GE(report->copies, 305u);
  const auto peer = ReadHnsw(folder.path("f"));
  peer->hnsw.efSearch = 1500;
  std::vector<FaissId> labels(301);
  std::vector<float> distances(301);
  for (const auto& [row, first, last] : {std::tuple{7, 100, 105}, std::tuple{9, 200, 500}}) {
    peer->search(1, rows.row(static_cast<std::size_t>(row)).data(), 301, distances.data(),
                 labels.data());
    const std::set<FaissId> found(labels.begin(), labels.end());
    EXPECT_TRUE(found.count(row)) << row;
    for (FaissId copy = first; copy < last; ++copy) EXPECT_TRUE(found.count(copy)) << copy;
  }
}

TEST(WriteFaiss, BuildsAGraphWhereTheIndexHasNone) {
  const Matrix rows = Clustered(300, 8, 10, 4);
  for (const VectorStorage storage : kStorages) {
    VectorIndexOptions options;
    options.storage = storage;
    const BuiltIndex built(rows.view(), options);
    auto index = built.Open();
    ASSERT_TRUE(index.ok()) << index.error().ToString();
    TempFolder folder;
    auto report = WriteFaiss(*index, folder.path("f"));
    ASSERT_TRUE(report.ok()) << report.error().ToString();
    EXPECT_TRUE(report->built);
    const auto peer = ReadHnsw(folder.path("f"));
    const std::vector<float> query = AskedAs(rows.row(17), Metric::kCosine);
    FaissId label = -1;
    float distance = 0;
    peer->search(1, query.data(), 1, &distance, &label);
    EXPECT_EQ(label, 17);
    // Nothing but the file is left in the folder.
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path("")), {}), 1);
  }
}

TEST(WriteFaiss, LeavesWhatWasThereWhereItFails) {
  TempFolder folder;
  const Matrix rows = Clustered(500, 4, 3, 5);
  const BuiltIndex built(rows.view(), Graph(Metric::kL2, VectorStorage::kInt8Float16));
  auto index = built.Open();
  ASSERT_TRUE(index.ok());
  WriteFile(folder.path("f"), "before");
  EXPECT_EQ(
      WriteFaiss(*index, folder.path("f"), [](const Progress&) { return false; }).error().code(),
      Code::kCancelled);
  EXPECT_EQ(ReadFile(folder.path("f")), "before");
  EXPECT_EQ(WriteFaiss(*index, folder.path("no/f")).error().code(), Code::kIo);
  const BuiltIndex none(MatrixView<float>(rows.values.data(), 0, 4), {});
  EXPECT_EQ(WriteFaiss(*none.Open(), folder.path("f")).error().code(), Code::kInvalidArgument);
}

TEST(FaissFile, TakesOverEveryStorageAndMetric) {
  const Matrix rows = Clustered(800, 13, 20, 6), queries = Clustered(40, 13, 20, 7);
  const Quantizer::QuantizerType types[] = {Quantizer::QT_8bit,         Quantizer::QT_4bit,
                                            Quantizer::QT_8bit_uniform, Quantizer::QT_4bit_uniform,
                                            Quantizer::QT_fp16,         Quantizer::QT_6bit};
  for (const faiss::MetricType type : {faiss::METRIC_L2, faiss::METRIC_INNER_PRODUCT}) {
    const Metric metric = type == faiss::METRIC_L2 ? Metric::kL2 : Metric::kInnerProduct;
    for (int kind = -1; kind < 6; ++kind) {
      TempFolder folder;
      const std::string path = folder.path("f");
      if (kind < 0) {
        WriteFlat(path, rows, type);
      } else {
        faiss::write_index(MakeSq(rows, types[kind], type).get(), path.c_str());
      }
      const auto peer = ReadHnsw(path);
      peer->hnsw.efSearch = 200;
      // What FAISS itself decodes is the truth.
      Matrix decoded(rows.n, rows.d);
      peer->storage->reconstruct_n(0, static_cast<FaissId>(rows.n), decoded.values.data());
      for (const VectorStorage storage : kStorages) {
        if (kind > 0 && storage != VectorStorage::kFloat32) continue;
        SCOPED_TRACE(std::to_string(kind) + " " + std::string(MetricName(metric)) + " " +
                     std::string(VectorStorageName(storage)));
        const Imported imported(path, {.storage = storage});
        auto index = imported.Open();
        ASSERT_TRUE(index.ok()) << index.error().ToString();
        EXPECT_TRUE(index->Verify().ok());
        EXPECT_EQ(index->metric(), metric);
        EXPECT_EQ(index->settings().m, 16);
        EXPECT_EQ(index->settings().ef_construction, 60);
        EXPECT_TRUE(index->settings().has_graph);
        EXPECT_FALSE(index->recall_points().empty());
        // As good as FAISS is with the same graph, which under inner product is not very good.
        double ours = 0, found_by_peer = 0;
        std::vector<FaissId> labels(10);
        std::vector<float> distances(10);
        for (std::size_t i = 0; i < queries.n; ++i) {
          std::vector<double> truth(rows.n);
          for (std::size_t j = 0; j < rows.n; ++j)
            truth[j] = metric == Metric::kL2
                           ? TrueScore(queries.row(i), decoded.row(j), metric)
                           : std::inner_product(queries.row(i).begin(), queries.row(i).end(),
                                                decoded.row(j).begin(), 0.0);
          const double slack = 0.05;  // of codes and float16
          ours +=
              Recall(*index->Search(queries.row(i), {.k = 10, .ef_search = 200}), truth, 10, slack);
          peer->search(1, queries.row(i).data(), 10, distances.data(), labels.data());
          std::vector<Scored> found;
          for (const FaissId label : labels)
            if (label >= 0) found.push_back({static_cast<std::uint32_t>(label), 0.0f});
          found_by_peer += Recall(found, truth, 10, slack);
        }
        EXPECT_GE(ours / 40, found_by_peer / 40 - 0.02);
        if (metric == Metric::kL2) {
          EXPECT_GE(ours / 40, 0.98);
        }
        if (storage != VectorStorage::kFloat32) continue;
        TempFolder back;
        ASSERT_TRUE(WriteNpy(*index, back.path("v.npy")).ok());
        auto matrix = MatrixFile::Open(back.path("v.npy"));
        ASSERT_TRUE(matrix.ok());
        for (std::size_t i = 0; i < rows.n; ++i)
          for (std::size_t j = 0; j < rows.d; ++j)
            ASSERT_NEAR(matrix->view().f32.row(i)[j], decoded.row(i)[j], 1e-5) << i << " " << j;
      }
    }
  }
}

TEST(FaissFile, KeepsEveryLink) {
  const Matrix rows = Clustered(3000, 6, 30, 8);
  TempFolder folder;
  WriteFlat(folder.path("f"), rows, faiss::METRIC_L2, 5);
  const Imported imported(folder.path("f"));
  auto index = imported.Open();
  ASSERT_TRUE(index.ok()) << index.error().ToString();
  ASSERT_TRUE(WriteFaiss(*index, folder.path("back")).ok());
  const auto before = ReadHnsw(folder.path("f")), after = ReadHnsw(folder.path("back"));
  EXPECT_EQ(before->hnsw.levels, after->hnsw.levels);
  EXPECT_EQ(before->hnsw.entry_point, after->hnsw.entry_point);
  EXPECT_EQ(before->hnsw.max_level, after->hnsw.max_level);
  EXPECT_EQ(before->hnsw.cum_nneighbor_per_level, after->hnsw.cum_nneighbor_per_level);
  EXPECT_EQ(LinksOf(before->hnsw), LinksOf(after->hnsw));
}

TEST(FaissFile, CodesStayBitForBitThereAndBack) {
  const Matrix rows = Clustered(1200, 16, 10, 12);
  for (const Metric metric : {Metric::kL2, Metric::kInnerProduct}) {
    for (const VectorStorage storage : {VectorStorage::kInt8, VectorStorage::kInt4Int8}) {
      const BuiltIndex built(rows.view(), Graph(metric, storage));
      auto index = built.Open();
      ASSERT_TRUE(index.ok());
      TempFolder folder;
      ASSERT_TRUE(WriteFaiss(*index, folder.path("1")).ok());
      const Imported imported(folder.path("1"), {.metric = metric, .storage = storage});
      auto again = imported.Open();
      ASSERT_TRUE(again.ok()) << again.error().ToString();
      ASSERT_TRUE(WriteFaiss(*again, folder.path("2")).ok());
      const auto first = ReadHnsw(folder.path("1")), second = ReadHnsw(folder.path("2"));
      EXPECT_EQ(dynamic_cast<faiss::IndexScalarQuantizer*>(first->storage)->codes,
                dynamic_cast<faiss::IndexScalarQuantizer*>(second->storage)->codes);
      EXPECT_EQ(LinksOf(first->hnsw), LinksOf(second->hnsw));
    }
  }
}

TEST(FaissFile, UnitRowsUnderInnerProductAreCosineUnlessTold) {
  Matrix rows = Clustered(600, 10, 10, 13);
  TempFolder folder;
  WriteFlat(folder.path("raw"), rows, faiss::METRIC_INNER_PRODUCT);
  for (std::size_t i = 0; i < rows.n; ++i) Normalize(rows.row(i).data(), rows.d);
  WriteFlat(folder.path("unit"), rows, faiss::METRIC_INNER_PRODUCT);
  WriteFlat(folder.path("l2"), rows, faiss::METRIC_L2);
  EXPECT_EQ(Imported(folder.path("raw")).Open()->metric(), Metric::kInnerProduct);
  EXPECT_EQ(Imported(folder.path("unit")).Open()->metric(), Metric::kCosine);
  EXPECT_EQ(Imported(folder.path("unit"), {.metric = Metric::kInnerProduct}).Open()->metric(),
            Metric::kInnerProduct);
  EXPECT_EQ(Imported(folder.path("l2")).Open()->metric(), Metric::kL2);
}

TEST(FaissFile, RecallIsMeasuredOnTheGraphThatWasTakenOver) {
  const Matrix rows = Clustered(4000, 16, 40, 14), queries = Clustered(100, 16, 40, 15);
  TempFolder folder;
  WriteFlat(folder.path("f"), rows, faiss::METRIC_L2);
  const Imported imported(folder.path("f"));
  auto index = imported.Open();
  ASSERT_TRUE(index.ok());
  for (const RecallPoint& point : index->recall_points()) {
    double recall = 0;
    for (std::size_t i = 0; i < queries.n; ++i)
      recall += Recall(*index->Search(queries.row(i), {.k = 10, .target_recall = point.target}),
                       TrueScores(queries.row(i), rows, Metric::kL2), 10, 1e-3);
    EXPECT_GE(recall / 100, point.target - 0.02) << point.target;
  }
}

TEST(FaissFile, DoesNotDependOnThreads) {
  const Matrix rows = Clustered(1500, 8, 10, 16);
  TempFolder folder;
  WriteFlat(folder.path("f"), rows, faiss::METRIC_INNER_PRODUCT);
  const Imported one(folder.path("f")), two(folder.path("f"), {.threads = 2});
  ASSERT_TRUE(one.status.ok() && two.status.ok());
  EXPECT_EQ(ReadFile(one.vectors), ReadFile(two.vectors));
  EXPECT_EQ(ReadFile(one.graph), ReadFile(two.graph));
}

TEST(FaissFile, KeepsTheIdsOfAnIdMap) {
  const Matrix rows = Clustered(50, 4, 3, 17);
  faiss::IndexHNSWFlat inner(4, 8);
  faiss::IndexIDMap map(&inner);
  std::vector<FaissId> ids(50);
  for (std::size_t i = 0; i < 50; ++i) ids[i] = static_cast<FaissId>(1000 - 3 * i);
  map.add_with_ids(50, rows.values.data(), ids.data());
  TempFolder folder;
  faiss::write_index(&map, folder.path("f").c_str());
  auto file = FaissFile::Open(folder.path("f"));
  ASSERT_TRUE(file.ok()) << file.error().ToString();
  EXPECT_EQ(std::vector<FaissId>(file->info().ids.begin(), file->info().ids.end()), ids);
  EXPECT_TRUE(Imported(folder.path("f")).Open().ok());
}

TEST(FaissFile, AnEmptyIndexIsTakenOver) {
  TempFolder folder;
  WriteFlat(folder.path("f"), Matrix(0, 7), faiss::METRIC_L2);
  auto index = Imported(folder.path("f")).Open();
  ASSERT_TRUE(index.ok()) << index.error().ToString();
  EXPECT_EQ(index->rows(), 0u);
}

TEST(FaissFile, OtherIndexesAreNamedAndRefused) {
  const Matrix rows = Clustered(300, 4, 3, 18);
  TempFolder folder;
  const auto refused = [&](const faiss::Index& index, const char* word) {
    faiss::write_index(&index, folder.path("f").c_str());
    const Status error = FaissFile::Open(folder.path("f")).error();
    EXPECT_EQ(error.code(), Code::kUnsupported) << error.ToString();
    EXPECT_NE(error.message().find(word), std::string::npos) << error.ToString();
    EXPECT_EQ(error.where().file, folder.path("f"));
  };
  refused(faiss::IndexFlatL2(4), "IndexFlat");
  faiss::IndexHNSWPQ pq(4, 2, 8);
  pq.train(300, rows.values.data());
  refused(pq, "IndexHNSWPQ");
  faiss::IndexHNSWFlat hamming(4, 8, faiss::METRIC_L1);
  hamming.add(300, rows.values.data());
  refused(hamming, "metric");
  WriteFile(folder.path("f"), "hello, world");
  EXPECT_EQ(FaissFile::Open(folder.path("f")).error().code(), Code::kUnsupported);
  EXPECT_EQ(FaissFile::Open(folder.path("none")).error().code(), Code::kNotFound);
  WriteFile(folder.path("f"), "");
  EXPECT_EQ(FaissFile::Open(folder.path("f")).error().code(), Code::kCorruption);
}

TEST(FaissFile, AValueThatIsNotANumberIsRefusedWithItsRow) {
  Matrix rows = Clustered(100, 4, 3, 19);
  TempFolder folder;
  WriteFlat(folder.path("f"), rows, faiss::METRIC_L2);
  std::string file = ReadFile(folder.path("f"));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(file.data() + file.size() - 58 * 16, &nan, sizeof(nan));  // row 42
  WriteFile(folder.path("f"), file);
  const Imported imported(folder.path("f"));
  EXPECT_EQ(imported.status.code(), Code::kCorruption);
  EXPECT_EQ(imported.status.where().row, 42);
  EXPECT_FALSE(std::filesystem::exists(imported.vectors));
}

// Opens, builds and searches; whatever comes back, nothing may crash.
void Touch(const std::string& path, std::span<const float> query) {
  const Imported imported(path);
  if (!imported.status.ok()) {
    EXPECT_TRUE(imported.status.code() == Code::kCorruption ||
                imported.status.code() == Code::kUnsupported)
        << imported.status.ToString();
    EXPECT_FALSE(std::filesystem::exists(imported.vectors));
    EXPECT_FALSE(std::filesystem::exists(imported.graph));
    return;
  }
  auto index = imported.Open();
  ASSERT_TRUE(index.ok()) << index.error().ToString();
  EXPECT_TRUE(index->Verify().ok());
  if (index->dim() != query.size()) return;
  auto found = index->Search(query, {.k = 5, .ef_search = 20});
  ASSERT_TRUE(found.ok()) << found.error().ToString();
  EXPECT_TRUE(IsSorted(*found));
}

TEST(FaissFile, NoFlippedByteAndNoCutCrashes) {
  const Matrix rows = Clustered(12, 3, 3, 20);
  TempFolder folder;
  std::vector<std::string> files;
  WriteFlat(folder.path("f"), rows, faiss::METRIC_INNER_PRODUCT, 2);
  files.push_back(ReadFile(folder.path("f")));
  faiss::write_index(MakeSq(rows, Quantizer::QT_6bit, faiss::METRIC_L2, 2).get(),
                     folder.path("f").c_str());
  files.push_back(ReadFile(folder.path("f")));
  for (const std::string& whole : files) {
    for (std::size_t i = 0; i < whole.size(); ++i) {
      std::string changed = whole;
      const unsigned mask = i % 2 == 0 ? 1u << (i / 2 % 8) : 0xffu;
      changed[i] = static_cast<char>(static_cast<unsigned char>(changed[i]) ^ mask);
      WriteFile(folder.path("f"), changed);
      Touch(folder.path("f"), rows.row(0));
      WriteFile(folder.path("f"), whole.substr(0, i));
      const Status cut = FaissFile::Open(folder.path("f")).error();
      EXPECT_EQ(cut.code(), Code::kCorruption) << i;
    }
    WriteFile(folder.path("f"), whole + "x");
    EXPECT_EQ(FaissFile::Open(folder.path("f")).error().code(), Code::kCorruption);
  }
}

TEST(WriteNpy, GivesBackWhatIsKept) {
  const Matrix rows = Clustered(400, 12, 10, 21);
  for (const Metric metric : kMetrics) {
    for (const VectorStorage storage : kStorages) {
      SCOPED_TRACE(std::string(MetricName(metric)) + " " + std::string(VectorStorageName(storage)));
      const BuiltIndex built(rows.view(), Graph(metric, storage));
      auto index = built.Open();
      ASSERT_TRUE(index.ok());
      TempFolder folder;
      auto report = WriteNpy(*index, folder.path("v.npy"));
      ASSERT_TRUE(report.ok()) << report.error().ToString();
      auto matrix = MatrixFile::Open(folder.path("v.npy"));
      ASSERT_TRUE(matrix.ok());
      ASSERT_EQ(matrix->rows(), rows.n);
      ASSERT_EQ(matrix->cols(), rows.d);
      const bool f32 = storage == VectorStorage::kFloat32;
      EXPECT_EQ(matrix->view().is_f16(), !f32);
      EXPECT_EQ(report->float16, !f32);
      const bool codes = storage == VectorStorage::kInt8 || storage == VectorStorage::kInt4Int8;
      const double error = f32 ? 0 : codes ? 0.6 / index->settings().code_scale : 0.002;
      std::vector<float> row(rows.d);
      std::size_t far = 0;
      for (std::size_t i = 0; i < rows.n; ++i) {
        if (f32) {
          std::copy_n(matrix->view().f32.row(i), rows.d, row.data());
        } else {
          HalfToFloat(matrix->view().f16.row(i), row.data(), rows.d);
        }
        const auto truth = f32 ? std::vector<float>(rows.row(i).begin(), rows.row(i).end())
                               : AskedAs(rows.row(i), metric);
        for (std::size_t j = 0; j < rows.d; ++j)
          far += std::fabs(row[j] - truth[j]) > error + 1e-3 * std::fabs(truth[j]) * !f32;
      }
      // Codes clamp one value in a thousand or so.
      EXPECT_LE(far, codes ? 40u : 0u);
    }
  }
}

TEST(WriteNpy, TakesFloat32WhereFloat16HasNoRoom) {
  Matrix rows = Clustered(300, 6, 10, 22);
  for (const float factor : {1e-6f, 1e6f}) {
    Matrix scaled = rows;
    for (float& value : scaled.values) value *= factor;
    const BuiltIndex built(scaled.view(), Graph(Metric::kL2, VectorStorage::kInt8Float16));
    TempFolder folder;
    auto report = WriteNpy(*built.Open(), folder.path("v.npy"));
    ASSERT_TRUE(report.ok());
    EXPECT_FALSE(report->float16);
    auto matrix = MatrixFile::Open(folder.path("v.npy"));
    for (std::size_t i = 0; i < rows.n; ++i)
      for (std::size_t j = 0; j < rows.d; ++j)
        EXPECT_NEAR(matrix->view().f32.row(i)[j], scaled.row(i)[j], 0.004 * factor);
  }
}

}  // namespace
}  // namespace equipoise
