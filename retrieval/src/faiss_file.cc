#include "faiss_file.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <equipoise/core/check.h>
#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/quantize.h>

namespace equipoise {
namespace {

Status Damaged(std::string_view what) {
  return Status(Code::kCorruption,
                fmt::format("is no whole FAISS index: {}; write it again", what));
}

Status Unsupported(std::string what) { return Status(Code::kUnsupported, std::move(what)); }

// Reads from the front of a stream; after a read past its end, good() is false for good.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <typename T>
  T Value() {
    T out{};
    const auto raw = Take(1, sizeof(T));
    if (good_) std::memcpy(&out, raw.data(), sizeof(T));
    return out;
  }

  // A count and that many elements, in place: the stream is not aligned.
  std::span<const std::byte> Array(std::size_t element) {
    return Take(Value<std::uint64_t>(), element);
  }

  bool good() const { return good_; }
  bool at_end() const { return good_ && rest_.empty(); }

 private:
  std::span<const std::byte> Take(std::uint64_t count, std::size_t element) {
    if (!good_ || count > rest_.size() / element) {
      good_ = false;
      return {};
    }
    const auto out = rest_.first(static_cast<std::size_t>(count) * element);
    rest_ = rest_.subspan(out.size());
    return out;
  }

  std::span<const std::byte> rest_;
  bool good_ = true;
};

template <typename T>
std::vector<T> Copied(std::span<const std::byte> raw) {
  std::vector<T> out(raw.size() / sizeof(T));
  if (!out.empty()) std::memcpy(out.data(), raw.data(), out.size() * sizeof(T));
  return out;
}

template <typename T>
T At(std::span<const std::byte> raw, std::size_t i) {
  T out;
  std::memcpy(&out, raw.data() + i * sizeof(T), sizeof(T));
  return out;
}

// What FAISS writes in front of every index.
struct Header {
  std::int32_t dim = 0;
  std::int64_t rows = 0;
  std::int32_t metric = 0;

  static Header Read(Reader& in) {
    Header out;
    out.dim = in.Value<std::int32_t>();
    out.rows = in.Value<std::int64_t>();
    in.Value<std::int64_t>();  // FAISS does not use these two
    in.Value<std::int64_t>();
    in.Value<std::uint8_t>();  // is_trained
    out.metric = in.Value<std::int32_t>();
    if (out.metric > kFaissL2) in.Value<float>();  // metric_arg
    return out;
  }
};

// A fourcc for people: "IxPT", or its number where it is none.
std::string Shown(std::uint32_t fourcc) {
  std::string out(4, ' ');
  std::memcpy(out.data(), &fourcc, 4);
  const bool printable =
      std::all_of(out.begin(), out.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  return printable ? fmt::format("\"{}\"", out) : fmt::format("0x{:08x}", fourcc);
}

Status OtherIndex(std::uint32_t fourcc) {
  struct Known {
    std::uint32_t fourcc;
    const char* name;
  };
  constexpr Known kKnown[] = {{FaissFourCc("IHNp"), "IndexHNSWPQ"},
                              {FaissFourCc("IHN2"), "IndexHNSW2Level"},
                              {FaissFourCc("IHNc"), "IndexHNSWCagra"},
                              {FaissFourCc("IHc2"), "IndexHNSWCagra"},
                              {FaissFourCc("IHfP"), "IndexHNSWFlatPanorama"},
                              {FaissFourCc("IxPT"), "IndexPreTransform"},
                              {FaissFourCc("IxF2"), "IndexFlat"},
                              {FaissFourCc("IxFI"), "IndexFlat"},
                              {FaissFourCc("IxFl"), "IndexFlat"},
                              {FaissFourCc("IxSQ"), "IndexScalarQuantizer"},
                              {FaissFourCc("IwFl"), "IndexIVFFlat"},
                              {FaissFourCc("IwSq"), "IndexIVFScalarQuantizer"},
                              {FaissFourCc("IwPQ"), "IndexIVFPQ"},
                              {FaissFourCc("IxPq"), "IndexPQ"}};
  for (const Known& known : kKnown) {
    if (known.fourcc == fourcc)
      return Unsupported(
          fmt::format("holds a FAISS {}; what can be taken over is IndexHNSWFlat and IndexHNSWSQ. "
                      "Save its vectors with index.reconstruct_n and np.save and build an index of "
                      "them",
                      known.name));
  }
  return Unsupported(
      fmt::format("is no FAISS index that can be taken over: it begins with {}, not with that of "
                  "IndexHNSWFlat (\"IHNf\") or IndexHNSWSQ (\"IHNs\")",
                  Shown(fourcc)));
}

std::size_t RowBytes(FaissRows kind, std::size_t d) {
  switch (kind) {
    case FaissRows::k4Bit:
    case FaissRows::k4BitUniform:
      return (d + 1) / 2;
    case FaissRows::k6Bit:
      return (6 * d + 7) / 8;
    case FaissRows::kFloat16:
    case FaissRows::kBFloat16:
      return 2 * d;
    case FaissRows::kFloat32:
      return 4 * d;
    default:
      return d;
  }
}

// How many numbers say what a code's range is.
std::size_t TrainedSize(FaissRows kind, std::size_t d) {
  switch (kind) {
    case FaissRows::k8Bit:
    case FaissRows::k4Bit:
    case FaissRows::k6Bit:
      return 2 * d;
    case FaissRows::k8BitUniform:
    case FaissRows::k4BitUniform:
      return 2;
    default:
      return 0;
  }
}

Status ReadHnsw(Reader& in, FaissGraph* out) {
  in.Array(sizeof(double));  // probabilities of the levels, for adding only
  out->slot_ends = in.Array(sizeof(std::int32_t));
  out->levels = in.Array(sizeof(std::int32_t));
  out->offsets = in.Array(sizeof(std::uint64_t));
  out->neighbors = in.Array(sizeof(std::int32_t));
  out->entry = in.Value<std::int32_t>();
  out->top_level = in.Value<std::int32_t>();
  out->ef_construction = in.Value<std::int32_t>();
  in.Value<std::int32_t>();  // efSearch
  in.Value<std::int32_t>();  // no longer used by FAISS
  if (!in.good()) return Damaged("it ends within its graph");
  const std::size_t levels = out->slot_ends.size() / sizeof(std::int32_t);
  if (out->levels.size() / sizeof(std::int32_t) != out->rows ||
      out->offsets.size() / sizeof(std::uint64_t) != out->rows + 1 || levels < 2)
    return Damaged("its graph is of another number of rows");
  std::int64_t widest = 0;
  for (std::size_t i = 0; i + 1 < levels; ++i) {
    const std::int64_t slots =
        std::int64_t{At<std::int32_t>(out->slot_ends, i + 1)} - At<std::int32_t>(out->slot_ends, i);
    if (slots < 0) return Damaged("its levels are out of order");
    widest = std::max(widest, i == 0 ? (slots + 1) / 2 : slots);
  }
  constexpr int kWidest = 256;
  if (widest > kWidest)
    return Unsupported(
        fmt::format("its rows have up to {} links on a level; {} are possible", widest, kWidest));
  out->m = static_cast<int>(std::max<std::int64_t>(widest, 2));
  return {};
}

Status ReadRows(Reader& in, FaissGraph* out) {
  const auto fourcc = in.Value<std::uint32_t>();
  const bool flat = fourcc == FaissFourCc("IxF2") || fourcc == FaissFourCc("IxFI") ||
                    fourcc == FaissFourCc("IxFl");
  if (!in.good()) return Damaged("it ends before its vectors");
  if (!flat && fourcc != FaissFourCc("IxSQ"))
    return Unsupported(
        fmt::format("its graph is over vectors kept as {}; float32 (\"IxF2\", \"IxFI\") and scalar "
                    "quantization (\"IxSQ\") can be taken over",
                    Shown(fourcc)));
  const Header header = Header::Read(in);
  if (!in.good() || std::cmp_not_equal(header.dim, out->dim) ||
      std::cmp_not_equal(header.rows, out->rows))
    return Damaged("its vectors are of another size than its graph");
  const std::size_t d = out->dim;
  std::size_t element = 1;
  if (flat) {
    out->kind = FaissRows::kFloat32;
    element = sizeof(float);
  } else {
    const auto kind = in.Value<std::int32_t>();
    in.Value<std::int32_t>();  // how the range was trained
    in.Value<float>();         // its parameter
    const auto code_dim = in.Value<std::uint64_t>();
    const auto code_size = in.Value<std::uint64_t>();
    out->trained = Copied<float>(in.Array(sizeof(float)));
    if (!in.good()) return Damaged("it ends before its vectors");
    if (kind < 0 || kind > static_cast<std::int32_t>(FaissRows::k8BitDirectSigned))
      return Unsupported(
          fmt::format("its vectors are quantized in a way (QuantizerType {}) that is not known "
                      "here; index.sa_decode and an IndexHNSWFlat keep the graph",
                      kind));
    out->kind = static_cast<FaissRows>(kind);
    const std::size_t trained = TrainedSize(out->kind, d);
    if (code_dim != d || code_size != RowBytes(out->kind, d) ||
        (trained != 0 && out->trained.size() != trained))
      return Damaged("its codes are of another size");
  }
  out->row_bytes = RowBytes(out->kind, d);
  out->codes = in.Array(element);
  if (!in.good() || out->codes.size() / out->row_bytes != out->rows ||
      out->codes.size() % out->row_bytes != 0)
    return Damaged("its vectors are cut or of another number");
  return {};
}

float Stretch(float share, float least, float range) { return least + share * range; }

}  // namespace

const char* FaissRowsName(FaissRows kind) {
  constexpr const char* kNames[] = {"QT_8bit",         "QT_4bit", "QT_8bit_uniform",
                                    "QT_4bit_uniform", "QT_fp16", "QT_8bit_direct",
                                    "QT_6bit",         "QT_bf16", "QT_8bit_direct_signed"};
  return kind == FaissRows::kFloat32 ? "float32" : kNames[static_cast<std::size_t>(kind)];
}

Result<FaissGraph> FaissGraph::Parse(std::span<const std::byte> file) {
  FaissGraph out;
  Reader in(file);
  auto fourcc = in.Value<std::uint32_t>();
  const bool mapped = fourcc == FaissFourCc("IxMp") || fourcc == FaissFourCc("IxM2");
  Header map;
  if (mapped) {
    map = Header::Read(in);
    fourcc = in.Value<std::uint32_t>();
  }
  if (!in.good()) return Damaged("it is cut");
  if (fourcc != FaissFourCc("IHNf") && fourcc != FaissFourCc("IHNs")) return OtherIndex(fourcc);
  const Header header = Header::Read(in);
  if (!in.good()) return Damaged("it is cut");
  if (header.metric != kFaissInnerProduct && header.metric != kFaissL2)
    return Unsupported(fmt::format(
        "its metric (number {} of FAISS's MetricType) is neither METRIC_INNER_PRODUCT nor "
        "METRIC_L2",
        header.metric));
  if (header.dim < 1 || header.rows < 0) return Damaged("its sizes are impossible");
  if (std::cmp_greater(header.dim, kMaxCodeDim) ||
      header.rows > std::numeric_limits<std::int32_t>::max())
    return Unsupported(
        fmt::format("{} rows of {} dimensions are more than fit", header.rows, header.dim));
  out.dim = static_cast<std::uint32_t>(header.dim);
  out.rows = static_cast<std::uint64_t>(header.rows);
  out.metric = header.metric;
  EQUIPOISE_RETURN_IF_ERROR(ReadHnsw(in, &out));
  EQUIPOISE_RETURN_IF_ERROR(ReadRows(in, &out));
  if (mapped) {
    out.ids = Copied<std::int64_t>(in.Array(sizeof(std::int64_t)));
    if (!in.good() || map.dim != header.dim || map.rows != header.rows ||
        out.ids.size() != out.rows)
      return Damaged("its ids are cut or of another number");
  }
  if (!in.at_end()) return Damaged("something follows its end");
  if (out.rows > 0 &&
      (out.entry < 0 || std::cmp_greater_equal(out.entry, out.rows) || out.top_level < 0))
    return Damaged("its graph has no entry point");
  return out;
}

SlottedGraph FaissGraph::Links() const {
  SlottedGraph out;
  out.levels = Copied<std::int32_t>(levels);
  out.slot_ends = Copied<std::int32_t>(slot_ends);
  out.offsets = Copied<std::uint64_t>(offsets);
  out.neighbors = Copied<std::int32_t>(neighbors);
  out.entry = static_cast<std::uint32_t>(entry);
  out.top_level = static_cast<std::uint32_t>(top_level);
  return out;
}

void FaissGraph::Decode(std::size_t row, float* to) const {
  const auto raw = codes.subspan(row * row_bytes, row_bytes);
  const auto* code = reinterpret_cast<const std::uint8_t*>(raw.data());
  const std::size_t d = dim;
  const bool uniform = kind == FaissRows::k8BitUniform || kind == FaissRows::k4BitUniform;
  // A code stands for the middle of its part of the range.
  const auto each = [&](float parts, auto part) {
    for (std::size_t j = 0; j < d; ++j)
      to[j] = Stretch((static_cast<float>(part(j)) + 0.5f) / parts,
                      uniform ? trained[0] : trained[j], uniform ? trained[1] : trained[d + j]);
  };
  switch (kind) {
    case FaissRows::k8Bit:
    case FaissRows::k8BitUniform:
      return each(255.0f, [&](std::size_t j) { return code[j]; });
    case FaissRows::k4Bit:
    case FaissRows::k4BitUniform:
      return each(15.0f, [&](std::size_t j) { return (code[j / 2] >> (4 * (j % 2))) & 15; });
    case FaissRows::k6Bit:
      return each(63.0f, [&](std::size_t j) {
        const std::size_t bit = 6 * j;
        unsigned two = code[bit / 8];
        if (bit / 8 + 1 < row_bytes) two |= unsigned{code[bit / 8 + 1]} << 8;
        return (two >> (bit % 8)) & 63;
      });
    case FaissRows::k8BitDirect:
      for (std::size_t j = 0; j < d; ++j) to[j] = code[j];
      return;
    case FaissRows::k8BitDirectSigned:
      for (std::size_t j = 0; j < d; ++j) to[j] = static_cast<float>(int{code[j]} - 128);
      return;
    case FaissRows::kFloat16:
    case FaissRows::kBFloat16:
      for (std::size_t j = 0; j < d; ++j) {
        if (kind == FaissRows::kFloat16) {
          const Float16 value{At<std::uint16_t>(raw, j)};
          HalfToFloat(&value, to + j, 1);
        } else {
          const BFloat16 value{At<std::uint16_t>(raw, j)};
          BFloatToFloat(&value, to + j, 1);
        }
      }
      return;
    case FaissRows::kFloat32:
      std::memcpy(to, raw.data(), row_bytes);
      return;
  }
}

}  // namespace equipoise
