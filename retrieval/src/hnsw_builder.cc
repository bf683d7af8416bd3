#include "hnsw_builder.h"

#include <algorithm>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include <faiss/IndexHNSW.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/impl/DistanceComputer.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>
#include <fmt/format.h>
#include <omp.h>

#include <equipoise/core/check.h>
#include <equipoise/kernels/dot.h>

namespace equipoise {
namespace {

// faiss::Index::idx_t up to version 1.7.3, faiss::idx_t from 1.7.4 on.
using FaissId = decltype(faiss::Index::ntotal);

// Inner products of the values behind two rows of codes. A code is value + 128, so one side has its
// sign bit flipped, which makes it a signed value again, and the other side's 128 are taken off.
class CosineDistance final : public faiss::FlatCodesDistanceComputer {
 public:
  CosineDistance(const std::uint8_t* base, std::size_t dim, CodeScale scale)
      : FlatCodesDistanceComputer(base, dim),
        scale_(scale),
        encoded_(dim),
        query_(dim),
        row_(dim) {}

  void set_query(const float* x) override {
    QuantizeI8(x, code_size, scale_, encoded_.data());
    query_offset_ = Flip(encoded_.data(), query_.data());
  }

  float distance_to_code(const std::uint8_t* code) override {
    return static_cast<float>(DotI8(code, query_.data(), code_size) - query_offset_);
  }

  float symmetric_dis(FaissId i, FaissId j) override {
    // FAISS asks for one row against several, in either place.
    if (i == flipped_) std::swap(i, j);
    if (j != flipped_) {
      row_offset_ = Flip(codes + static_cast<std::size_t>(j) * code_size, row_.data());
      flipped_ = j;
    }
    const std::uint8_t* other = codes + static_cast<std::size_t>(i) * code_size;
    return static_cast<float>(DotI8(other, row_.data(), code_size) - row_offset_);
  }

 private:
  // Returns what a dot product of unsigned codes with `to` is too large by.
  std::int32_t Flip(const std::uint8_t* from, std::int8_t* to) const {
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < code_size; ++i) {
      to[i] = static_cast<std::int8_t>(from[i] ^ 0x80);
      sum += to[i];
    }
    return 128 * sum;
  }

  CodeScale scale_;
  std::vector<std::uint8_t> encoded_;
  std::vector<std::int8_t> query_, row_;
  std::int32_t query_offset_ = 0, row_offset_ = 0;
  FaissId flipped_ = -1;
};

class L2Distance final : public faiss::FlatCodesDistanceComputer {
 public:
  L2Distance(const std::uint8_t* base, std::size_t dim, CodeScale scale)
      : FlatCodesDistanceComputer(base, dim), scale_(scale), query_(dim) {}

  void set_query(const float* x) override { QuantizeI8(x, code_size, scale_, query_.data()); }

  float distance_to_code(const std::uint8_t* code) override {
    return static_cast<float>(SquaredL2I8(code, query_.data(), code_size));
  }

  float symmetric_dis(FaissId i, FaissId j) override {
    return static_cast<float>(SquaredL2I8(codes + static_cast<std::size_t>(i) * code_size,
                                          codes + static_cast<std::size_t>(j) * code_size,
                                          code_size));
  }

 private:
  CodeScale scale_;
  std::vector<std::uint8_t> query_;
};

// FAISS's own storage of codes, with our encoding (the same codes) and our distances (integers
// instead of decoding every value to a float).
class CodeStorage final : public faiss::IndexScalarQuantizer {
 public:
  CodeStorage(int dim, faiss::MetricType metric, CodeScale scale)
      : IndexScalarQuantizer(dim, faiss::ScalarQuantizer::QT_8bit_uniform, metric), scale_(scale) {
    sq.trained = {scale.center - 128.5f / scale.scale, 255.0f / scale.scale};
    is_trained = true;
  }

  faiss::FlatCodesDistanceComputer* get_FlatCodesDistanceComputer() const override {
    if (metric_type == faiss::METRIC_L2) return new L2Distance(codes.data(), code_size, scale_);
    return new CosineDistance(codes.data(), code_size, scale_);
  }

  void sa_encode(FaissId n, const float* x, std::uint8_t* bytes) const override {
    QuantizeI8(x, static_cast<std::size_t>(n) * code_size, scale_, bytes);
  }

 private:
  CodeScale scale_;
};

class SectionWriter final : public faiss::IOWriter {
 public:
  explicit SectionWriter(CheckedFileWriter* out) : out_(out) { name = "graph"; }

  std::size_t operator()(const void* data, std::size_t size, std::size_t count) override {
    if (!status_.ok()) return 0;
    status_ = out_->Append({static_cast<const std::byte*>(data), size * count});
    return status_.ok() ? count : 0;
  }

  const Status& status() const { return status_; }

 private:
  CheckedFileWriter* out_;
  Status status_;
};

// FAISS takes its number of threads from OpenMP's setting for the calling thread.
class OpenMpThreads {
 public:
  explicit OpenMpThreads(int threads) : before_(omp_get_max_threads()) {
    omp_set_num_threads(threads);
  }
  ~OpenMpThreads() { omp_set_num_threads(before_); }
  OpenMpThreads(const OpenMpThreads&) = delete;
  OpenMpThreads& operator=(const OpenMpThreads&) = delete;

 private:
  int before_;
};

constexpr std::size_t kMinBatch = 4096;

// Rows as codes, a batch at a time.
class Encoder {
 public:
  Encoder(std::size_t dim, CodeScale scale, const RowReader& read)
      : dim_(dim), scale_(scale), read_(read), values_(dim) {}

  void Encode(std::size_t row, std::uint8_t* codes) {
    read_(row, row + 1, values_.data());
    QuantizeI8(values_.data(), dim_, scale_, codes);
  }

 private:
  std::size_t dim_;
  CodeScale scale_;
  const RowReader& read_;
  std::vector<float> values_;
};

// Rows whose codes an earlier row has, in order of (original, copy).
std::vector<Copy> FindCopies(std::size_t rows, std::size_t dim, Encoder& encoder) {
  struct Hashed {
    std::uint64_t hash;
    std::uint32_t row;
  };
  std::vector<Hashed> hashed(rows);
  std::vector<std::uint8_t> codes(dim), original(dim);
  for (std::size_t i = 0; i < rows; ++i) {
    encoder.Encode(i, codes.data());
    hashed[i] = {Checksum(std::as_bytes(std::span(codes))), static_cast<std::uint32_t>(i)};
  }
  std::sort(hashed.begin(), hashed.end(), [](const Hashed& a, const Hashed& b) {
    return a.hash < b.hash || (a.hash == b.hash && a.row < b.row);
  });
  std::vector<Copy> out;
  for (std::size_t begin = 0, end = 0; begin < rows; begin = end) {
    for (end = begin + 1; end < rows && hashed[end].hash == hashed[begin].hash; ++end) {
      if (end == begin + 1) encoder.Encode(hashed[begin].row, original.data());
      encoder.Encode(hashed[end].row, codes.data());
      // Other codes of the same hash, should that ever happen, are linked as any other row.
      if (codes == original) out.push_back({hashed[begin].row, hashed[end].row});
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Turns a graph over the linked rows into one over all rows: node i becomes node linked[i], and the
// nodes of copies have lists without links.
void SpreadNodes(std::span<const std::uint32_t> linked, std::size_t rows, Encoder& encoder,
                 faiss::IndexHNSWSQ& index, CodeStorage& storage) {
  auto& hnsw = index.hnsw;
  const std::vector<int> levels(hnsw.levels.begin(), hnsw.levels.end());
  const std::vector<std::size_t> offsets(hnsw.offsets.begin(), hnsw.offsets.end());
  const std::vector<std::int32_t> neighbors(hnsw.neighbors.data(),
                                            hnsw.neighbors.data() + hnsw.neighbors.size());
  hnsw.levels.assign(rows, 1);
  for (std::size_t i = 0; i < linked.size(); ++i) hnsw.levels[linked[i]] = levels[i];
  hnsw.offsets.assign(rows + 1, 0);
  for (std::size_t i = 0; i < rows; ++i) {
    const auto lists = static_cast<std::size_t>(hnsw.cum_nb_neighbors(hnsw.levels[i]));
    hnsw.offsets[i + 1] = hnsw.offsets[i] + lists;
  }
  hnsw.neighbors.resize(hnsw.offsets[rows]);
  std::fill_n(hnsw.neighbors.data(), hnsw.neighbors.size(), -1);
  for (std::size_t i = 0; i < linked.size(); ++i) {
    std::int32_t* to = hnsw.neighbors.data() + hnsw.offsets[linked[i]];
    for (std::size_t j = offsets[i]; j < offsets[i + 1]; ++j, ++to) {
      if (neighbors[j] >= 0) *to = static_cast<std::int32_t>(linked[neighbors[j]]);
    }
  }
  hnsw.entry_point = static_cast<std::int32_t>(linked[hnsw.entry_point]);
  const std::size_t dim = storage.code_size;
  storage.codes.resize(rows * dim);
  for (std::size_t i = 0; i < rows; ++i) encoder.Encode(i, storage.codes.data() + i * dim);
  storage.ntotal = index.ntotal = static_cast<FaissId>(rows);
}

Status Cancelled() { return Status(Code::kCancelled, "building the vector index was cancelled"); }

Status Build(std::size_t rows, std::size_t dim, CodeScale scale, const RowReader& read,
             const VectorIndexOptions& options, SectionWriter* writer, std::vector<Copy>* copies) {
  Encoder encoder(dim, scale, read);
  *copies = FindCopies(rows, dim, encoder);
  std::vector<std::uint8_t> is_copy(rows);
  for (const Copy& pair : *copies) is_copy[pair.copy] = 1;
  std::vector<std::uint32_t> linked;
  linked.reserve(rows - copies->size());
  for (std::size_t i = 0; i < rows; ++i) {
    if (is_copy[i] == 0) linked.push_back(static_cast<std::uint32_t>(i));
  }

  const int d = static_cast<int>(dim);
  const auto metric =
      options.metric == Metric::kL2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
  // Of this class, so that FAISS writes it under a name that it can read.
  faiss::IndexHNSWSQ index(d, faiss::ScalarQuantizer::QT_8bit_uniform, options.m, metric);
  auto made = std::make_unique<CodeStorage>(d, metric, scale);
  CodeStorage& storage = *made;
  if (index.own_fields) delete index.storage;
  index.storage = made.release();
  index.own_fields = true;
  index.is_trained = true;
  index.hnsw.efConstruction = options.ef_construction;
  index.hnsw.rng = faiss::RandomGenerator(static_cast<std::int64_t>(options.seed));

  // FAISS locks and marks every node anew in each call: batches that grow with the collection.
  const std::size_t count = linked.size();
  const std::size_t batch = std::max(kMinBatch, count / 100);
  std::vector<float> values(std::min(batch, count) * dim);
  for (std::size_t begin = 0; begin < count; begin += batch) {
    if (options.progress && !options.progress({"graph", begin, rows})) return Cancelled();
    const std::size_t end = std::min(count, begin + batch);
    for (std::size_t i = begin; i < end; ++i)
      read(linked[i], linked[i] + 1, values.data() + (i - begin) * dim);
    index.add(static_cast<FaissId>(end - begin), values.data());
  }
  if (options.progress && !options.progress({"graph", rows, rows})) return Cancelled();
  if (count < rows) SpreadNodes(linked, rows, encoder, index, storage);
  faiss::write_index(&index, writer);
  return writer->status();
}

}  // namespace

Status BuildHnsw(std::size_t rows, std::size_t dim, CodeScale scale, const RowReader& read,
                 const VectorIndexOptions& options, CheckedFileWriter* out,
                 std::vector<Copy>* copies) {
#ifdef EQUIPOISE_STD_THREADS
  // FAISS knows OpenMP only, which this build does without.
  const OpenMpThreads threads(1);
#else
  const OpenMpThreads threads(options.threads);
#endif
  SectionWriter writer(out);
  try {
    return Build(rows, dim, scale, read, options, &writer, copies);
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "not enough memory to build the vector index");
  } catch (const std::exception& error) {
    if (!writer.status().ok()) return writer.status();
    return Status(Code::kInternal, fmt::format("FAISS failed: {}", error.what()));
  }
}

std::string FaissVersion() {
  return fmt::format("{}.{}.{}", FAISS_VERSION_MAJOR, FAISS_VERSION_MINOR, FAISS_VERSION_PATCH);
}

}  // namespace equipoise
