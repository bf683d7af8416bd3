// SymphonyQG as a contestant of peers-vector, in the protocol of vector_peers.py. No part of our
// build: vector_report.py compiles it against a checkout of RaBitQ-Library where
// EQUIPOISE_RABITQ names one.
//
//   symqg_driver ROWS.npy QUERIES.npy FOLDER
//
// Rows and queries are float32 .npy files of version 1.0, as equipoise_vector_bench prepare writes.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <omp.h>
#include <unistd.h>

#include "rabitqlib/index/symqg/qg.hpp"
#include "rabitqlib/index/symqg/qg_builder.hpp"

namespace {

constexpr std::size_t kDegree = 32, kEfBuild = 400;  // what the project's own example takes
constexpr int kBuildThreads = 2;
constexpr std::uint32_t kBest = 10;

using Graph = rabitqlib::symqg::QuantizedGraph<float>;
using Clock = std::chrono::steady_clock;

double Seconds(Clock::time_point from) {
  return std::chrono::duration<double>(Clock::now() - from).count();
}

struct Matrix {
  std::size_t rows = 0, dim = 0;
  std::vector<float> values;
};

Matrix ReadNpy(const char* path) {
  std::ifstream file(path, std::ios::binary);
  char start[10] = {};
  file.read(start, sizeof(start));
  const auto byte = [&](int i) { return static_cast<unsigned char>(start[i]); };
  std::string header(byte(8) + 256u * byte(9), ' ');
  file.read(header.data(), static_cast<std::streamsize>(header.size()));
  Matrix out;
  const std::size_t shape = header.find("'shape': (");
  if (!file || shape == std::string::npos || header.find("<f4") == std::string::npos ||
      std::sscanf(header.c_str() + shape, "'shape': (%zu, %zu)", &out.rows, &out.dim) != 2) {
    std::cerr << path << ": no float32 matrix\n";
    std::exit(1);
  }
  out.values.resize(out.rows * out.dim);
  file.read(reinterpret_cast<char*>(out.values.data()),
            static_cast<std::streamsize>(out.values.size() * sizeof(float)));
  return out;
}

std::string Ask(Graph& graph, const Matrix& queries, bool one_by_one, int threads, int passes,
                const std::string& ids_path) {
  std::vector<std::uint32_t> ids(queries.rows * kBest);
  std::vector<double> us(queries.rows), sorted;
  const auto find = [&](std::size_t i) {
    graph.search(queries.values.data() + i * queries.dim, kBest, ids.data() + i * kBest);
  };
  std::ostringstream seconds;
  double best = 1e30;
  for (int pass = 0; pass < passes; ++pass) {
    const auto start = Clock::now();
    if (one_by_one) {
      for (std::size_t i = 0; i < queries.rows; ++i) {
        const auto before = Clock::now();
        find(i);
        us[i] = 1e6 * Seconds(before);
      }
    } else {
#pragma omp parallel for schedule(static) num_threads(threads)
      for (std::size_t i = 0; i < queries.rows; ++i) find(i);
    }
    const double taken = Seconds(start);
    seconds << (pass == 0 ? "" : ", ") << taken;
    if (one_by_one && taken < best) {
      sorted = us;
      std::sort(sorted.begin(), sorted.end());
    }
    best = std::min(best, taken);
  }
  if (ids_path != "-") {
    std::ofstream(ids_path, std::ios::binary)
        .write(reinterpret_cast<const char*>(ids.data()),
               static_cast<std::streamsize>(ids.size() * sizeof(std::uint32_t)));
  }
  std::ostringstream out;
  out << "{\"seconds\": [" << seconds.str() << "]";
  if (one_by_one)
    out << ", \"p50_us\": " << sorted[sorted.size() / 2]
        << ", \"p99_us\": " << sorted[sorted.size() * 99 / 100];
  out << "}";
  return out.str();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "symqg_driver ROWS.npy QUERIES.npy FOLDER\n";
    return 2;
  }
  std::FILE* answers = ::fdopen(::dup(1), "w");
  ::dup2(2, 1);  // what the library prints is no answer
  const Matrix queries = ReadNpy(argv[2]);
  std::unique_ptr<Graph> graph;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string verb, setting, mode, ids, answer;
    int threads = 1, passes = 1;
    words >> verb;
    if (verb == "build") {
      const Matrix rows = ReadNpy(argv[1]);
      omp_set_num_threads(kBuildThreads);
      const auto start = Clock::now();
      graph = std::make_unique<Graph>(rows.rows, rows.dim, kDegree, rabitqlib::METRIC_IP);
      rabitqlib::symqg::QGBuilder(*graph, kEfBuild, rows.values.data(), kBuildThreads).build();
      const double seconds = Seconds(start);
      std::filesystem::create_directories(argv[3]);
      const std::string file = std::string(argv[3]) + "/index";
      graph->save(file.c_str());
      std::ostringstream out;
      out << "{\"seconds\": " << seconds << ", \"bytes\": " << std::filesystem::file_size(file)
          << ", \"version\": \"\", \"note\": \"degree " << kDegree << "\"}";
      answer = out.str();
    } else if (graph && words >> setting >> mode >> threads >> passes >> ids) {
      graph->set_ef(std::stoul(setting));
      answer = Ask(*graph, queries, mode == "one", threads, passes, ids);
    } else {
      answer = "{\"error\": \"what is that\"}";
    }
    std::fprintf(answers, "%s\n", answer.c_str());
    std::fflush(answers);
  }
  return 0;
}
