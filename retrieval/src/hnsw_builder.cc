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
#include <fmt/format.h>
#include <omp.h>
#include <sys/mman.h>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/kernels/dot.h>

namespace equipoise {
namespace {

// faiss::Index::idx_t up to version 1.7.3, faiss::idx_t from 1.7.4 on.
using FaissId = decltype(faiss::Index::ntotal);

// Inner products of the values behind two rows of codes. A code is value + 128, so one side has its
// sign bit flipped, which makes it a signed value again, and the other side's 128 are taken off:
// 128 times the sum of the signed values, which is known for every row.
class ProductDistance final : public faiss::FlatCodesDistanceComputer {
 public:
  ProductDistance(const std::uint8_t* base, const std::int32_t* sums, std::size_t dim,
                  CodeScale scale)
      : FlatCodesDistanceComputer(base, dim),
        sums_(sums),
        scale_(scale),
        encoded_(dim),
        query_(dim),
        row_(dim) {}

  void set_query(const float* x) override {
    QuantizeI8(x, code_size, scale_, encoded_.data());
    Flip(encoded_.data(), query_.data());
    query_offset_ = 128 * SumOf(encoded_.data(), code_size);
  }

  float distance_to_code(const std::uint8_t* code) override {
    return static_cast<float>(DotI8(code, query_.data(), code_size) - query_offset_);
  }

  float symmetric_dis(FaissId i, FaissId j) override {
    // FAISS asks for one row against several, in either place.
    if (i == flipped_) std::swap(i, j);
    if (j != flipped_) {
      Flip(codes + static_cast<std::size_t>(j) * code_size, row_.data());
      row_offset_ = 128 * sums_[j];
      flipped_ = j;
    }
    const std::uint8_t* other = codes + static_cast<std::size_t>(i) * code_size;
    return static_cast<float>(DotI8(other, row_.data(), code_size) - row_offset_);
  }

  // Of the values behind codes.
  static std::int32_t SumOf(const std::uint8_t* codes, std::size_t dim) {
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < dim; ++i) sum += codes[i];
    return sum - static_cast<std::int32_t>(128 * dim);
  }

 private:
  void Flip(const std::uint8_t* from, std::int8_t* to) const {
    for (std::size_t i = 0; i < code_size; ++i) to[i] = static_cast<std::int8_t>(from[i] ^ 0x80);
  }

  const std::int32_t* sums_;
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

// Building jumps through codes and links at random: most of what it waits for are addresses.
template <typename Vector>
void ReserveHuge(Vector* to, std::size_t count) {
  // Newer versions of FAISS keep them in a class that cannot reserve.
  if constexpr (requires { to->reserve(count); }) {
    to->reserve(count);
#ifdef MADV_HUGEPAGE
    constexpr std::size_t kPage = std::size_t{2} << 20;
    const auto begin = reinterpret_cast<std::uintptr_t>(to->data());
    const std::uintptr_t first = (begin + kPage - 1) / kPage * kPage;
    const std::uintptr_t last = (begin + to->capacity() * sizeof((*to)[0])) / kPage * kPage;
    // A hint: without huge pages it is only slower.
    if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
  }
}

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
    return new ProductDistance(codes.data(), sums_.data(), code_size, scale_);
  }

  // Room for so many rows at once, so that none is moved later, on huge pages where there are any.
  void Reserve(std::size_t rows) {
    ReserveHuge(&codes, rows * code_size);
    sums_.reserve(rows);
  }

  void add(FaissId n, const float* x) override {
    const auto before = static_cast<std::size_t>(ntotal);
    IndexScalarQuantizer::add(n, x);
    AddSums(before);
  }

  // Holds these rows' codes already.
  void Take(std::span<const std::uint8_t> all, std::span<const std::uint32_t> which) {
    codes.resize(which.size() * code_size);
    for (std::size_t i = 0; i < which.size(); ++i)
      std::copy_n(all.data() + std::size_t{which[i]} * code_size, code_size,
                  codes.data() + i * code_size);
    ntotal = static_cast<FaissId>(which.size());
    AddSums(0);
  }

  void sa_encode(FaissId n, const float* x, std::uint8_t* bytes) const override {
    QuantizeI8(x, static_cast<std::size_t>(n) * code_size, scale_, bytes);
  }

 private:
  void AddSums(std::size_t from) {
    sums_.resize(static_cast<std::size_t>(ntotal));
    for (std::size_t i = from; i < sums_.size(); ++i)
      sums_[i] = ProductDistance::SumOf(codes.data() + i * code_size, code_size);
  }

  CodeScale scale_;
  std::vector<std::int32_t> sums_;
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

// The graph over the linked rows as one over all rows: node i is row linked[i], and copies have
// lists without links.
SlottedGraph Spread(const faiss::HNSW& hnsw, std::span<const std::uint32_t> linked,
                    std::size_t rows) {
  SlottedGraph out;
  out.slot_ends.assign(hnsw.cum_nneighbor_per_level.begin(), hnsw.cum_nneighbor_per_level.end());
  out.levels.assign(rows, 1);
  for (std::size_t i = 0; i < linked.size(); ++i) out.levels[linked[i]] = hnsw.levels[i];
  out.offsets.assign(rows + 1, 0);
  for (std::size_t i = 0; i < rows; ++i)
    out.offsets[i + 1] =
        out.offsets[i] +
        static_cast<std::uint64_t>(out.slot_ends[static_cast<std::size_t>(out.levels[i])]);
  out.neighbors.assign(out.offsets[rows], -1);
  for (std::size_t i = 0; i < linked.size(); ++i) {
    std::int32_t* to = out.neighbors.data() + out.offsets[linked[i]];
    for (std::size_t j = hnsw.offsets[i]; j < hnsw.offsets[i + 1]; ++j, ++to) {
      const auto neighbor = hnsw.neighbors[j];
      if (neighbor >= 0)
        *to = static_cast<std::int32_t>(linked[static_cast<std::size_t>(neighbor)]);
    }
  }
  out.entry = linked[static_cast<std::size_t>(hnsw.entry_point)];
  out.top_level = static_cast<std::uint32_t>(hnsw.max_level);
  return out;
}

// The inverse of Spread, over rows of which the first ones are in the graph.
Status Restore(const SlottedGraph& graph, std::span<const std::uint32_t> linked,
               faiss::HNSW& hnsw) {
  std::vector<std::int32_t> node(graph.levels.size(), -1);
  for (std::size_t i = 0; i < linked.size(); ++i) node[linked[i]] = static_cast<std::int32_t>(i);
  hnsw.offsets.assign(1, 0);
  hnsw.levels.clear();
  std::vector<std::int32_t> neighbors;
  for (const std::uint32_t row : linked) {
    const std::int32_t levels = graph.levels[row];
    for (std::int32_t level = 0; level < levels; ++level) {
      const auto at = static_cast<std::size_t>(level);
      const std::size_t begin = graph.offsets[row] + static_cast<std::size_t>(graph.slot_ends[at]);
      const std::size_t size =
          static_cast<std::size_t>(graph.slot_ends[at + 1] - graph.slot_ends[at]);
      if (std::cmp_not_equal(size, hnsw.nb_neighbors(level)))
        return Status(Code::kInvalidArgument, "m differs from that of the graph",
                      {.field = "options.m"});
      const std::size_t to = neighbors.size();
      neighbors.resize(to + size, -1);
      std::size_t used = 0;
      for (std::size_t i = 0; i < size; ++i) {
        const std::int32_t neighbor = graph.neighbors[begin + i];
        if (neighbor >= 0 && node[static_cast<std::size_t>(neighbor)] >= 0)
          neighbors[to + used++] = node[static_cast<std::size_t>(neighbor)];
      }
    }
    hnsw.levels.push_back(levels);
    hnsw.offsets.push_back(neighbors.size());
  }
  hnsw.neighbors.resize(neighbors.size());
  std::copy(neighbors.begin(), neighbors.end(), hnsw.neighbors.data());
  hnsw.entry_point = node[graph.entry];
  hnsw.max_level = static_cast<int>(graph.top_level);
  return {};
}

Status Cancelled() { return Status(Code::kCancelled, "building the vector index was cancelled"); }

Result<SlottedGraph> Build(std::span<const std::uint8_t> codes, std::size_t dim, CodeScale scale,
                           const VectorIndexOptions& options, const HnswOrder& order,
                           const SlottedGraph* before, std::size_t first) {
  const std::size_t rows = codes.size() / dim;
  const std::span<const std::uint32_t> linked = order.rows;
  const int d = static_cast<int>(dim);
  const auto metric =
      options.metric == Metric::kL2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
  CodeStorage storage(d, metric, scale);
  faiss::IndexHNSW index(&storage, options.m);
  index.own_fields = false;
  index.is_trained = true;
  index.hnsw.efConstruction = options.ef_construction;
  index.hnsw.rng = faiss::RandomGenerator(static_cast<std::int64_t>(options.seed));
  storage.Reserve(linked.size());
  // Of a node's level 1 and up there is one in m: below 1 slot in m more than on level 0.
  ReserveHuge(&index.hnsw.neighbors, linked.size() * static_cast<std::size_t>(2 * options.m + 3));
  if (before != nullptr) {
    EQUIPOISE_RETURN_IF_ERROR(Restore(*before, linked.first(first), index.hnsw));
    storage.Take(codes, linked.first(first));
    index.ntotal = static_cast<FaissId>(first);
  }
  // FAISS locks and marks every node anew in each call: batches that grow with the collection.
  const std::size_t count = linked.size();
  const std::size_t batch = std::max(kMinBatch, count / 100);
  std::vector<float> values(std::min(batch, count) * dim);
  const auto link = [&](std::size_t begin, std::size_t end) -> Status {
    for (; begin < end; begin += batch) {
      if (options.progress && !options.progress({"graph", begin, count})) return Cancelled();
      const std::size_t next = std::min(end, begin + batch);
      // FAISS wants values, which become the same codes again.
      for (std::size_t i = begin; i < next; ++i)
        DequantizeI8(codes.data() + std::size_t{linked[i]} * dim, dim, scale,
                     values.data() + (i - begin) * dim);
      index.add(static_cast<FaissId>(next - begin), values.data());
    }
    return {};
  };
  const std::size_t shown = count - order.held_out;
  EQUIPOISE_RETURN_IF_ERROR(link(first, shown));
  if (order.measure && shown > 0)
    EQUIPOISE_RETURN_IF_ERROR(order.measure(Spread(index.hnsw, linked.first(shown), rows)));
  EQUIPOISE_RETURN_IF_ERROR(link(std::max(first, shown), count));
  if (options.progress && !options.progress({"graph", count, count})) return Cancelled();
  return Spread(index.hnsw, linked, rows);
}

Result<SlottedGraph> BuildSafely(std::span<const std::uint8_t> codes, std::size_t dim,
                                 CodeScale scale, const VectorIndexOptions& options,
                                 const HnswOrder& order, const SlottedGraph* before,
                                 std::size_t first) {
#ifdef EQUIPOISE_STD_THREADS
  // FAISS knows OpenMP only, which this build does without.
  const OpenMpThreads threads(1);
#else
  const OpenMpThreads threads(options.threads);
#endif
  try {
    return Build(codes, dim, scale, options, order, before, first);
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "not enough memory to build the vector index");
  } catch (const std::exception& error) {
    return Status(Code::kInternal, fmt::format("FAISS failed: {}", error.what()));
  }
}

}  // namespace

std::vector<Copy> FindCopies(std::span<const std::uint8_t> codes, std::size_t dim) {
  const std::size_t rows = codes.size() / dim;
  struct Hashed {
    std::uint64_t hash;
    std::uint32_t row;
  };
  const auto row = [&](std::size_t i) { return codes.subspan(i * dim, dim); };
  std::vector<Hashed> hashed(rows);
  for (std::size_t i = 0; i < rows; ++i)
    hashed[i] = {Checksum(std::as_bytes(row(i))), static_cast<std::uint32_t>(i)};
  std::sort(hashed.begin(), hashed.end(), [](const Hashed& a, const Hashed& b) {
    return a.hash < b.hash || (a.hash == b.hash && a.row < b.row);
  });
  std::vector<Copy> out;
  for (std::size_t begin = 0, end = 0; begin < rows; begin = end) {
    const auto original = row(hashed[begin].row);
    for (end = begin + 1; end < rows && hashed[end].hash == hashed[begin].hash; ++end) {
      // Other codes of the same hash, should that ever happen, are linked as any other row.
      if (std::equal(original.begin(), original.end(), row(hashed[end].row).begin()))
        out.push_back({hashed[begin].row, hashed[end].row});
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<SlottedGraph> BuildHnsw(std::span<const std::uint8_t> codes, std::size_t dim,
                               CodeScale scale, const VectorIndexOptions& options,
                               const HnswOrder& order) {
  return BuildSafely(codes, dim, scale, options, order, nullptr, 0);
}

Result<SlottedGraph> ExtendHnsw(const SlottedGraph& graph, std::size_t first,
                                std::span<const std::uint8_t> codes, std::size_t dim,
                                CodeScale scale, const VectorIndexOptions& options,
                                const HnswOrder& order) {
  return BuildSafely(codes, dim, scale, options, order, &graph, first);
}

std::string FaissVersion() {
  return fmt::format("{}.{}.{}", FAISS_VERSION_MAJOR, FAISS_VERSION_MINOR, FAISS_VERSION_PATCH);
}

}  // namespace equipoise
