// Embeddings: .npy and .fvecs files, and the header of the former by itself.
#include <cstring>

#include <equipoise/core/matrix_file.h>
#include <equipoise/kernels/quantize.h>

#include "fuzz_target.h"
#include "npy_header.h"

namespace equipoise::fuzz {
namespace {

void ReadAll(const std::string& path) {
  const auto file = MatrixFile::Open(path);
  RequireCode(file.error(), {Code::kCorruption, Code::kUnsupported});
  if (!file.ok()) {
    EQUIPOISE_FUZZ_REQUIRE(file.error().where().file == path, file.error().ToString());
    return;
  }
  const EmbeddingsView view = file->view();
  RequireCode(CheckFinite(view, path), {Code::kInvalidArgument});
  // The sanitizer sees a read outside of the file.
  std::vector<float> row(view.rows() == 0 ? 0 : view.cols());
  float sum = 0;
  for (std::size_t i = 0; i < view.rows(); ++i) {
    if (view.is_f16()) {
      HalfToFloat(view.f16.row(i), row.data(), row.size());
    } else {
      std::copy_n(view.f32.row(i), row.size(), row.begin());
    }
    for (const float value : row) sum += value;
  }
  volatile float used = sum;
  static_cast<void>(used);
}

void RunNpy(std::string_view input) {
  static const Folder folder("npy");
  ReadAll(folder.Write("x.npy", input));
}

void RunFvecs(std::string_view input) {
  static const Folder folder("fvecs");
  ReadAll(folder.Write("x.fvecs", input));
}

void RunNpyHeader(std::string_view input) {
  const auto header = ParseNpyHeader(std::as_bytes(std::span(input)));
  RequireCode(header.error(), {Code::kCorruption, Code::kUnsupported});
  if (header.ok()) EQUIPOISE_FUZZ_REQUIRE(header->data_offset <= input.size(), "");
}

std::string Npy(const EmbeddingsView& rows) {
  static const Folder folder("npy_seeds");
  const std::string path = folder.path("seed.npy");
  EQUIPOISE_FUZZ_REQUIRE(WriteNpy(path, rows).ok(), path);
  return ReadBytes(path);
}

std::string WithHeader(char major, std::string dict, std::size_t data_bytes) {
  std::string out = "\x93NUMPY";
  out += {major, '\0', static_cast<char>(dict.size()), '\0'};
  if (major > 1) out += {'\0', '\0'};
  return out + dict + std::string(data_bytes, '\x3c');
}

std::vector<std::string> NpySeeds() {
  const float values[] = {1, -2, 3.5f, 0, 1e-30f, 6};
  const Float16 halves[] = {{0x3c00}, {0x0001}, {0xc000}, {0x7bff}};
  return {Npy(MatrixView<float>(values, 2, 3)),
          Npy(MatrixView<Float16>(halves, 2, 2)),
          WithHeader(2, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }\n", 12),
          WithHeader(3, "{'shape': (3L,), 'fortran_order': True, 'descr': \"<f2\"}", 6),
          WithHeader(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 3), }", 0),
          WithHeader(1, "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (), }", 4)};
}

std::vector<std::string> FvecsSeeds() {
  std::string file;
  for (int row = 0; row < 3; ++row) {
    const std::int32_t d = 2;
    const float values[] = {static_cast<float>(row), -1};
    file.append(reinterpret_cast<const char*>(&d), sizeof(d));
    file.append(reinterpret_cast<const char*>(values), sizeof(values));
  }
  return {file, file.substr(0, 12)};
}

}  // namespace

std::vector<Target> MatrixTargets() {
  return {{"npy", RunNpy, NpySeeds},
          {"npy_header", RunNpyHeader, NpySeeds, 20000},
          {"fvecs", RunFvecs, FvecsSeeds}};
}

}  // namespace equipoise::fuzz
