#include <bit>
#include <cstring>
#include <new>
#include <string_view>

#include <unistd.h>

#include <equipoise/core/atomic_file.h>
#include <equipoise/core/check.h>
#include <equipoise/core/matrix_file.h>

#include "npy_header.h"

namespace equipoise {
namespace {

static_assert(std::endian::native == std::endian::little, "files are read as they are mapped");

constexpr std::string_view kNpyMagic = "\x93NUMPY";

bool EndsWithNoCase(std::string_view text, std::string_view lower) {
  if (text.size() < lower.size()) return false;
  text.remove_prefix(text.size() - lower.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c) != lower[i]) return false;
  }
  return true;
}

// numpy's name of an element type, and its name for people.
std::string TypeName(std::string_view descr) {
  if (descr.size() >= 3 && descr[0] == '>') return fmt::format("big-endian '{}'", descr);
  if (descr == "<f8") return "float64 ('<f8')";
  if (descr == "<f16") return "long double ('<f16')";
  if (descr.size() >= 2 && (descr[1] == 'i' || descr[1] == 'u'))
    return fmt::format("integers ('{}')", descr);
  if (descr == "|O") return "Python objects ('|O')";
  if (descr == "[...]") return "records";
  // What is not plain ASCII stays out of a message.
  for (const char c : descr) {
    if (c < ' ' || c > '~') return "elements of an unknown type";
  }
  return fmt::format("'{}'", descr.substr(0, 16));
}

// rows × cols × element without overflow; false where it does not fit.
bool MatrixBytes(std::uint64_t rows, std::uint64_t cols, std::uint64_t element,
                 std::uint64_t* bytes) {
  std::uint64_t count = 0;
  return !__builtin_mul_overflow(rows, cols, &count) &&
         !__builtin_mul_overflow(count, element, bytes);
}

}  // namespace

Result<MatrixFile> MatrixFile::Open(const std::string& path) {
  MatrixFile out;
  EQUIPOISE_ASSIGN_OR_RETURN(out.file_, MappedFile::Open(path));
  const auto bytes = out.file_.bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  Status status;
  if (text.starts_with(kNpyMagic)) {
    status = out.OpenNpy();
  } else if (EndsWithNoCase(path, ".fvecs")) {
    status = out.OpenFvecs();
  } else if (EndsWithNoCase(path, ".npy")) {
    status = Status(Code::kCorruption, "does not begin as an .npy file does");
  } else {
    status = Status(Code::kUnsupported,
                    "is neither an .npy file nor named .fvecs; save embeddings with "
                    "np.save(\"embeddings.npy\", x.astype(np.float32))");
  }
  if (!status.ok()) return status.At({.file = path});
  return out;
}

Status MatrixFile::OpenNpy() {
  const auto bytes = file_.bytes();
  EQUIPOISE_ASSIGN_OR_RETURN(const NpyHeader header, ParseNpyHeader(bytes));
  const bool half = header.descr == "<f2";
  if (!half && header.descr != "<f4")
    return Status(Code::kUnsupported,
                  fmt::format("holds {}; embeddings are little-endian float32 or float16: convert "
                              "with np.save(f, x.astype(np.float32))",
                              TypeName(header.descr)),
                  {.field = "descr"});
  const auto& shape = header.shape;
  if (shape.empty() || shape.size() > 2)
    return Status(Code::kUnsupported,
                  fmt::format("has {} dimensions; embeddings are [rows, dimensions]", shape.size()),
                  {.field = "shape"});
  // A single row is the same in both orders, and numpy calls it either.
  if (header.fortran_order && shape.size() == 2 && shape[0] > 1 && shape[1] > 1)
    return Status(Code::kUnsupported,
                  "is in Fortran order; convert with np.save(f, np.ascontiguousarray(x))",
                  {.field = "fortran_order"});
  const std::uint64_t rows = shape.size() == 2 ? shape[0] : 1;
  const std::uint64_t cols = shape.back();
  if (rows > 0 && cols == 0)
    return Status(Code::kUnsupported, "has rows of 0 dimensions", {.field = "shape"});
  const std::uint64_t element = half ? 2 : 4;
  std::uint64_t expected = 0;
  const std::uint64_t found = bytes.size() - header.data_offset;
  if (!MatrixBytes(rows, cols, element, &expected) || expected != found)
    return Status(Code::kCorruption,
                  fmt::format("has {} bytes of data where its header says {} x {} elements of {} "
                              "bytes: the file was cut or changed",
                              found, rows, cols, element),
                  {.field = "shape"});
  const std::byte* data = bytes.data() + header.data_offset;
  if (reinterpret_cast<std::uintptr_t>(data) % element != 0) {
    try {
      copy_.assign(data, data + found);
    } catch (const std::bad_alloc&) {
      return Status(Code::kOutOfMemory, fmt::format("needs {} bytes of memory: its data is not "
                                                    "aligned; save it again with numpy",
                                                    found));
    }
    // An empty vector may have no address, and the view's type depends on one.
    data = copy_.empty() ? bytes.data() : copy_.data();
  }
  const auto n = static_cast<std::size_t>(rows);
  const auto d = static_cast<std::size_t>(cols);
  if (half) {
    view_ = MatrixView<Float16>(reinterpret_cast<const Float16*>(data), n, d);
  } else {
    view_ = MatrixView<float>(reinterpret_cast<const float*>(data), n, d);
  }
  return {};
}

Status MatrixFile::OpenFvecs() {
  const auto bytes = file_.bytes();
  std::int32_t dimension = 0;
  if (bytes.size() < sizeof(dimension))
    return Status(Code::kCorruption, "is too short for an .fvecs file");
  std::memcpy(&dimension, bytes.data(), sizeof(dimension));
  if (dimension < 1)
    return Status(Code::kCorruption,
                  fmt::format("says that its rows have {} dimensions", dimension), {.row = 0});
  const std::size_t row_bytes = sizeof(float) * (static_cast<std::size_t>(dimension) + 1);
  if (bytes.size() % row_bytes != 0)
    return Status(Code::kCorruption,
                  fmt::format("has {} bytes, not a whole number of rows of {} dimensions: the file "
                              "was cut, or its rows differ in length",
                              bytes.size(), dimension));
  const std::size_t rows = bytes.size() / row_bytes;
  for (std::size_t i = 0; i < rows; ++i) {
    std::int32_t own = 0;
    std::memcpy(&own, bytes.data() + i * row_bytes, sizeof(own));
    if (own != dimension)
      return Status(Code::kCorruption,
                    fmt::format("has a row of {} dimensions after rows of {}", own, dimension),
                    {.row = static_cast<std::int64_t>(i)});
  }
  // Each row is preceded by its dimension: one element more from row to row.
  const auto d = static_cast<std::size_t>(dimension);
  view_ = MatrixView<float>(reinterpret_cast<const float*>(bytes.data()) + 1, rows, d, d + 1);
  return {};
}

Status CheckFinite(const EmbeddingsView& rows, const std::string& file) {
  const std::size_t d = rows.cols();
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    // All exponent bits set: infinite or not a number. No early end, so that the loop vectorizes.
    unsigned bad = 0;
    if (rows.is_f16()) {
      const Float16* row = rows.f16.row(i);
      for (std::size_t j = 0; j < d; ++j) bad |= (row[j].bits & 0x7c00u) == 0x7c00u;
    } else {
      const float* row = rows.f32.row(i);
      for (std::size_t j = 0; j < d; ++j)
        bad |= (std::bit_cast<std::uint32_t>(row[j]) & 0x7f800000u) == 0x7f800000u;
    }
    if (bad != 0)
      return Status(Code::kInvalidArgument,
                    "embeddings hold a value that is NaN or infinite; every value must be finite",
                    {.file = file, .row = static_cast<std::int64_t>(i)});
  }
  return {};
}

Status WriteNpy(const std::string& path, const EmbeddingsView& rows) {
  const bool half = rows.is_f16();
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}, {}), }}",
                                   half ? "<f2" : "<f4", rows.rows(), rows.cols());
  // Magic, version and length are 10 bytes; the data begins at a multiple of 64.
  header.append((64 - (10 + header.size() + 1) % 64) % 64, ' ');
  header.push_back('\n');
  std::string start(kNpyMagic);
  start += {'\x01', '\x00', static_cast<char>(header.size() & 0xff),
            static_cast<char>(header.size() >> 8)};

  AtomicFile file(path);
  EQUIPOISE_RETURN_IF_ERROR(file.Create());
  EQUIPOISE_RETURN_IF_ERROR(file.Append(start));
  EQUIPOISE_RETURN_IF_ERROR(file.Append(header));
  const std::size_t row_bytes = rows.cols() * (half ? sizeof(Float16) : sizeof(float));
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const void* row = half ? static_cast<const void*>(rows.f16.row(i)) : rows.f32.row(i);
    EQUIPOISE_RETURN_IF_ERROR(file.Append({static_cast<const char*>(row), row_bytes}));
  }
  return file.Publish();
}

}  // namespace equipoise
