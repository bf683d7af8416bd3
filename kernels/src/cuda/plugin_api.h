// What libequipoise_cuda.so exports: one function that returns one table of functions, in plain C so
// that the compilers of the plug-in and of the library need not be the same.
#pragma once

#include <cstdint>

extern "C" {

// Raised with every change below: a plug-in of another version is refused.
#define EQUIPOISE_CUDA_API_VERSION 1u

enum EquipoiseCudaCode : std::int32_t {
  kEquipoiseCudaOk = 0,
  kEquipoiseCudaDevice = 1,
  kEquipoiseCudaOutOfMemory = 2,
  kEquipoiseCudaUnsupported = 3,
};

// Filled where a function returns anything but kEquipoiseCudaOk; zero-terminated.
struct EquipoiseCudaFailure {
  char message[512];
};

// VectorsView; `type` and `metric` are numbered as ElementType and Metric.
struct EquipoiseCudaVectors {
  const void* data;
  std::uint32_t type;
  float scale;  // of codes
  std::uint64_t rows;
  std::uint64_t cols;
  std::uint64_t stride;
};

// As struct Scored.
struct EquipoiseCudaScored {
  std::uint32_t id;
  float score;
};

struct EquipoiseCudaApi {
  std::uint32_t version;
  std::uint32_t size;  // sizeof(EquipoiseCudaApi)
  // Whether device 0 can run this plug-in; if not, the message says why.
  std::int32_t (*open)(EquipoiseCudaFailure* failure);
  std::int32_t (*upload)(const EquipoiseCudaVectors* items, std::uint32_t metric, std::int32_t tf32,
                         void** set, EquipoiseCudaFailure* failure);
  void (*release)(void* set);
  // The rest may be called from any thread, several at once.
  std::int32_t (*similarity)(void* set, const EquipoiseCudaVectors* queries, float* out,
                             EquipoiseCudaFailure* failure);
  std::int32_t (*top_k)(void* set, const EquipoiseCudaVectors* queries, std::uint64_t k,
                        EquipoiseCudaScored* out, EquipoiseCudaFailure* failure);
  std::int32_t (*softmax)(float* rows, std::uint64_t m, std::uint64_t n, float inverse_temperature,
                          EquipoiseCudaFailure* failure);
  std::int32_t (*normalize)(float* rows, std::uint64_t m, std::uint64_t n,
                            EquipoiseCudaFailure* failure);
  std::int32_t (*quantize)(const float* from, std::uint64_t n, std::uint32_t to_type, float scale,
                           float center, void* to, EquipoiseCudaFailure* failure);
};

const EquipoiseCudaApi* equipoise_cuda_api();

}  // extern "C"
