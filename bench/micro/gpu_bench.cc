// What a GPU gives: one JSON object a line, {id, text, value, unit, target}. Where no GPU can be used
// it says why, in one line, and succeeds.
//
//   equipoise_gpu_bench            everything: 31 GB of host memory, 40 GB of the device
//   equipoise_gpu_bench --quick    prototypes and 1 million vectors
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include <equipoise/core/parallel.h>
#include <equipoise/kernels/quantize.h>

#include "gpu/gpu.h"

#if defined(EQUIPOISE_BENCH_CUBLAS)
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#endif

namespace equipoise {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

void Print(const std::string& id, const std::string& text, const nlohmann::json& value,
           const char* unit, const char* target) {
  const nlohmann::json line = {
      {"id", id}, {"text", text}, {"value", value}, {"unit", unit}, {"target", target}};
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

/// Random values of a type, [n, d]: some thousand random rows, and after them the start of one and the
/// end of another, so that 10 million different ones are soon made.
class Rows {
 public:
  Rows(ElementType type, std::size_t n, std::size_t d)
      : type_(type), n_(n), d_(d), bytes_(n * d * ElementBytes(type)) {
    const std::size_t row_bytes = d * ElementBytes(type);
    const std::size_t different = std::min<std::size_t>(n, 4099);
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 0.05f);
    std::vector<float> row(d);
    for (std::size_t i = 0; i < different; ++i) {
      for (float& x : row) x = normal(random);
      std::uint8_t* const at = bytes_.data() + i * row_bytes;
      if (type == ElementType::kInt8) {
        QuantizeI8(row.data(), d, {kScale, 0}, at);
      } else {
        FloatToHalf(row.data(), reinterpret_cast<Float16*>(at), d);
      }
    }
    ParallelFor(n, AvailableThreads(), [&](std::size_t begin, std::size_t end, int) {
      for (std::size_t i = std::max(begin, different); i < end; ++i) {
        const std::size_t pair = i / different, first = i % different;
        const std::size_t cut = (1 + pair % (d - 1)) * ElementBytes(type);
        const std::size_t second = (first + 1 + pair / (d - 1)) % different;
        std::uint8_t* const to = bytes_.data() + i * row_bytes;
        std::copy_n(bytes_.data() + first * row_bytes, cut, to);
        std::copy_n(bytes_.data() + second * row_bytes + cut, row_bytes - cut, to + cut);
      }
    });
  }
  VectorsView view() const {
    VectorsView out;
    out.data = bytes_.data();
    out.type = type_;
    out.rows = n_;
    out.cols = out.stride = d_;
    out.scale = {type_ == ElementType::kInt8 ? kScale : 1.0f, 0};
    return out;
  }

 private:
  static constexpr float kScale = 600;
  ElementType type_;
  std::size_t n_, d_;
  std::vector<std::uint8_t> bytes_;
};

/// Seconds of each call, sorted; a negative one where a call failed.
std::vector<double> Times(int calls, const std::function<Status()>& call) {
  std::vector<double> times;
  // Memory is asked for in the first call, the graph recorded in the second.
  for (int i = -3; i < calls; ++i) {
    const auto start = Clock::now();
    if (const Status status = call(); !status.ok()) {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      return {-1};
    }
    if (i >= 0) times.push_back(Seconds(Clock::now() - start));
  }
  std::sort(times.begin(), times.end());
  return times;
}
double Median(const std::vector<double>& times) { return times[times.size() / 2]; }

std::string Sized(const char* what, ElementType type, std::size_t n, std::size_t d) {
  return std::string(what) + "/" + std::string(ElementTypeName(type)) +
         "/items:" + std::to_string(n) + "/dim:" + std::to_string(d);
}

#if defined(EQUIPOISE_BENCH_CUBLAS)
/// Device memory for a reference measurement.
class Device {
 public:
  explicit Device(std::size_t bytes) {
    if (cudaMalloc(&data_, bytes) != cudaSuccess) data_ = nullptr;
  }
  ~Device() { cudaFree(data_); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  void* data() const { return data_; }

 private:
  void* data_ = nullptr;
};

/// Bytes a second of a copy within the device, both directions counted; 0 where it fails.
double MemoryBandwidth() {
  constexpr std::size_t kBytes = std::size_t{4} << 30;
  const Device from(kBytes);
  const Device to(kBytes);
  if (from.data() == nullptr || to.data() == nullptr) return 0;
  double best = 0;
  for (int i = 0; i < 6; ++i) {
    const auto start = Clock::now();
    cudaMemcpyAsync(to.data(), from.data(), kBytes, cudaMemcpyDeviceToDevice, nullptr);
    if (cudaDeviceSynchronize() != cudaSuccess) return 0;
    best = std::max(best, 2.0 * static_cast<double>(kBytes) / Seconds(Clock::now() - start));
  }
  return best;
}

/// Seconds of cuBLAS writing all m × n scores, a million items at a time; negative where it fails.
double ProductTime(const Rows& rows, std::size_t m) {
  const VectorsView view = rows.view();
  const bool codes = view.type == ElementType::kInt8;
  const std::size_t row_bytes = view.cols * ElementBytes(view.type);
  const std::size_t slice = std::min<std::size_t>(view.rows, 1'000'000) / 16 * 16;
  const Device items(slice * row_bytes);
  const Device queries(m * row_bytes);
  const Device scores(slice * m * 4);
  cublasHandle_t blas = nullptr;
  if (items.data() == nullptr || queries.data() == nullptr || scores.data() == nullptr ||
      cublasCreate(&blas) != CUBLAS_STATUS_SUCCESS)
    return -1;
  cudaMemcpy(items.data(), view.data, slice * row_bytes, cudaMemcpyHostToDevice);
  cudaMemcpy(queries.data(), view.data, m * row_bytes, cudaMemcpyHostToDevice);
  const std::int32_t int_one = 1;
  const std::int32_t int_zero = 0;
  const float one = 1;
  const float zero = 0;
  const auto n = static_cast<int>(slice);
  const auto d = static_cast<int>(view.cols);
  const auto type = codes ? CUDA_R_8I : CUDA_R_16F;
  double best = -1;
  for (int turn = 0; turn < 4; ++turn) {
    const auto start = Clock::now();
    cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
    for (std::size_t done = 0; done < view.rows && status == CUBLAS_STATUS_SUCCESS; done += slice)
      status =
          cublasGemmEx(blas, CUBLAS_OP_T, CUBLAS_OP_N, n, static_cast<int>(m), d,
                       codes ? static_cast<const void*>(&int_one) : &one, items.data(), type, d,
                       queries.data(), type, d, codes ? static_cast<const void*>(&int_zero) : &zero,
                       scores.data(), codes ? CUDA_R_32I : CUDA_R_32F, n,
                       codes ? CUBLAS_COMPUTE_32I : CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
    if (cudaDeviceSynchronize() != cudaSuccess || status != CUBLAS_STATUS_SUCCESS) break;
    const double time = Seconds(Clock::now() - start);
    if (turn > 0 && (best < 0 || time < best)) best = time;
  }
  cublasDestroy(blas);
  return best;
}
#else
double MemoryBandwidth() { return 0; }
double ProductTime(const Rows&, std::size_t) { return -1; }
#endif

/// value where it was measured, null elsewhere.
nlohmann::json Measured(bool measured, double value) {
  return measured ? nlohmann::json(value) : nlohmann::json(nullptr);
}

void Prototypes() {
  for (const std::size_t d : {std::size_t{384}, std::size_t{1536}})
    for (const ElementType type : {ElementType::kFloat16, ElementType::kInt8}) {
      const Rows items(type, 720, d);
      const Rows batch(type, 1024, d);
      const auto set = UploadItems(items.view(), Metric::kInnerProduct, false);
      if (!set.ok()) continue;
      for (const std::size_t m : {32U, 128U, 512U, 1024U}) {
        std::vector<Scored> out(m);
        const auto times =
            Times(2000, [&] { return (*set)->TopK(batch.view().Slice(0, m), 1, out); });
        const std::string id = Sized("prototypes", type, 720, d) + "/batch:" + std::to_string(m);
        Print(id, "batch against 720 prototypes, transfers included, median",
              Measured(times[0] > 0, Median(times) * 1e6), "us", "");
        if (m == 32)
          Print(id + "/p95", "the same, 95th percentile",
                Measured(times[0] > 0, times[times.size() * 95 / 100] * 1e3), "ms", "< 20");
      }
    }
}

void Large(ElementType type, std::size_t n, std::size_t d, double bandwidth) {
  const Rows items(type, n, d);
  const double bytes = static_cast<double>(n * d * ElementBytes(type));
  const double product = ProductTime(items, 1024);
  const auto set = UploadItems(items.view(), Metric::kInnerProduct, false);
  if (!set.ok()) {
    Print(Sized("top100", type, n, d), "left out: " + set.error().ToString(), nullptr, "", "");
    return;
  }
  const VectorsView queries = items.view().Slice(0, 1024);
  const auto time = [&](std::size_t m, int calls) {
    std::vector<Scored> out(m * 100);
    return Median(Times(calls, [&] { return (*set)->TopK(queries.Slice(0, m), 100, out); }));
  };
  const double all = time(1024, 5);
  Print(Sized("top100", type, n, d) + "/batch:1024", "exact top-100 of a batch of 1,024",
        Measured(all > 0, all * 1e3), "ms", "");
  Print(Sized("top100_to_product", type, n, d),
        "the same, against cuBLAS's product alone, written out",
        Measured(all > 0 && product > 0, all / product), "x", d >= 1536 ? "<= 1.15" : "<= 1.5");
  double one = 0;
  for (const std::size_t m : {1U, 2U, 4U, 8U}) {
    const double few = time(m, 30);
    if (m == 1) one = few;
    Print(Sized("bandwidth", type, n, d) + "/batch:" + std::to_string(m),
          "share of the memory bandwidth of a copy on the device",
          Measured(few > 0 && bandwidth > 0, bytes / few / bandwidth), "", ">= 0.8");
  }
  for (const std::size_t m : {10U, 32U, 100U}) {
    const double batch = time(m, 30);
    Print(Sized("batching", type, n, d) + "/batch:" + std::to_string(m),
          "queries a second in a batch, against one at a time",
          Measured(batch > 0 && one > 0, one * static_cast<double>(m) / batch), "x", ">= 10");
  }
}

void SteadyLoad() {
  const Rows items(ElementType::kFloat16, 1'000'000, 384);
  const auto set = UploadItems(items.view(), Metric::kInnerProduct, false);
  if (!set.ok()) return;
  std::atomic<bool> stop{false};
  std::vector<std::thread> callers;
  for (int i = 0; i < 2; ++i)
    callers.emplace_back([&] {
      std::vector<Scored> out(256 * 10);
      while (!stop && (*set)->TopK(items.view().Slice(0, 256), 10, out).ok()) {
      }
    });
  std::this_thread::sleep_for(std::chrono::seconds(2));
  double sum = 0;
  int samples = 0;
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
    const std::vector<GpuInfo> devices = GpuDevices(nullptr);
    if (devices.empty() || devices[0].utilization < 0) continue;
    sum += devices[0].utilization;
    ++samples;
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
  Print("utilization", "of the GPU under a steady load of batches of 256, two callers",
        Measured(samples > 0, 100 * sum / samples), "%", "> 70");
}

int Main(bool quick) {
  if (!FindGpu().usable) {
    std::printf("%s\n", nlohmann::json({{"id", "gpu"}, {"text", FindGpu().reason}}).dump().c_str());
    return 0;
  }
  Prototypes();
  SteadyLoad();
  const double bandwidth = MemoryBandwidth();
  Print("copy", "a copy on the device", Measured(bandwidth > 0, bandwidth / 1e9), "GB/s", "");
  for (const std::size_t n : {std::size_t{1'000'000}, std::size_t{10'000'000}})
    for (const std::size_t d : {std::size_t{384}, std::size_t{1536}})
      for (const ElementType type : {ElementType::kFloat16, ElementType::kInt8})
        if (!quick || n == 1'000'000) Large(type, n, d, bandwidth);
  return 0;
}

}  // namespace
}  // namespace equipoise

int main(int count, char** words) {
  return equipoise::Main(count > 1 && std::string(words[1]) == "--quick");
}
