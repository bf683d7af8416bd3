// Which instruction sets this processor has, and which one is used.
#include "cpu/dispatch.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include <equipoise/kernels/hardware.h>

#include "cpu/kernel_table.h"

namespace equipoise {
namespace {

struct Feature {
  const char* name;
  bool present;
};

// The compiler's own check: CPUID, and that the operating system saves the registers.
std::vector<Feature> FindFeatures() {
#if defined(__x86_64__) || defined(__i386__)
  // clang 14 does not know F16C by name.
  unsigned a = 0, b = 0, c = 0, d = 0;
  const bool f16c = __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
  return {{"avx2", __builtin_cpu_supports("avx2") != 0},
          {"fma", __builtin_cpu_supports("fma") != 0},
          {"f16c", f16c && __builtin_cpu_supports("avx") != 0},
          {"avx512f", __builtin_cpu_supports("avx512f") != 0},
          {"avx512bw", __builtin_cpu_supports("avx512bw") != 0},
          {"avx512dq", __builtin_cpu_supports("avx512dq") != 0},
          {"avx512vl", __builtin_cpu_supports("avx512vl") != 0},
          {"avx512_vnni", __builtin_cpu_supports("avx512vnni") != 0},
          {"avx512_vpopcntdq", __builtin_cpu_supports("avx512vpopcntdq") != 0}};
#elif defined(__aarch64__)
  return {{"neon", true}};
#else
  return {};
#endif
}

// Whether the processor has all of a level's features: the first `count` of FindFeatures().
bool HasFirst(std::size_t count) {
  static const std::vector<Feature> features = FindFeatures();
  return features.size() >= count &&
         std::all_of(features.begin(), features.begin() + static_cast<std::ptrdiff_t>(count),
                     [](const Feature& feature) { return feature.present; });
}

const KernelTable* TableOf(SimdLevel level) {
  switch (level) {
    case SimdLevel::kScalar:
      return ScalarKernels();
    case SimdLevel::kAvx2:
      return HasFirst(3) ? Avx2Kernels() : nullptr;
    case SimdLevel::kAvx512:
      return HasFirst(7) ? Avx512Kernels() : nullptr;
    case SimdLevel::kAvx512Vnni:
      return HasFirst(8) ? Avx512VnniKernels() : nullptr;
    case SimdLevel::kNeon:
      return NeonKernels();
    case SimdLevel::kAuto:
      break;
  }
  return nullptr;
}

struct Choice {
  const KernelTable* table = nullptr;
  std::string reason;
  Status status;
};

std::string Listed() {
  std::string out;
  for (const SimdLevel level : AvailableSimdLevels())
    out += (out.empty() ? "" : ", ") + std::string(SimdLevelName(level));
  return out;
}

Choice Choose() {
  Choice choice;
  choice.table = TableOf(AvailableSimdLevels().back());
  choice.reason = "the best that this processor and this build have";
  // NOLINTNEXTLINE(concurrency-mt-unsafe): read once; nothing here changes the environment
  const char* wanted = std::getenv("EQUIPOISE_SIMD");
  if (wanted == nullptr || *wanted == '\0' || SimdLevelName(SimdLevel::kAuto) == wanted)
    return choice;
  bool known = false;
  for (const SimdLevel level : kSimdLevels) {
    if (SimdLevelName(level) != wanted) continue;
    known = true;
    if (const KernelTable* table = TableOf(level)) {
      choice.table = table;
      choice.reason = "EQUIPOISE_SIMD names it";
      return choice;
    }
  }
  choice.status = Status(Code::kInvalidArgument,
                         std::string("EQUIPOISE_SIMD = ") + wanted +
                             (known ? " is not available here" : " is no instruction set") +
                             "; this machine has: " + Listed(),
                         {.field = "EQUIPOISE_SIMD"});
  return choice;
}

const Choice& Chosen() {
  static const Choice choice = Choose();
  return choice;
}

// What UseSimdLevel named; null: Chosen().
std::atomic<const KernelTable*> g_named{nullptr};
const KernelTable* Named() { return g_named.load(std::memory_order_acquire); }

}  // namespace

std::string_view SimdLevelName(SimdLevel level) {
  switch (level) {
    case SimdLevel::kAuto:
      return "auto";
    case SimdLevel::kScalar:
      return "scalar";
    case SimdLevel::kAvx2:
      return "avx2";
    case SimdLevel::kAvx512:
      return "avx512";
    case SimdLevel::kAvx512Vnni:
      return "avx512_vnni";
    case SimdLevel::kNeon:
      return "neon";
  }
  return "unknown";
}

bool CountsBitsOfVectors() { return HasFirst(9); }

std::vector<SimdLevel> AvailableSimdLevels() {
  std::vector<SimdLevel> out;
  for (const SimdLevel level : kSimdLevels)
    if (TableOf(level) != nullptr) out.push_back(level);
  return out;
}

std::vector<std::string> ProcessorInstructions() {
  std::vector<std::string> out;
  for (const Feature& feature : FindFeatures())
    if (feature.present) out.emplace_back(feature.name);
  return out;
}

Status UseSimdLevel(SimdLevel level) {
  if (level == SimdLevel::kAuto) {
    g_named.store(nullptr, std::memory_order_release);
    return {};
  }
  auto found = FindKernels(level);
  if (!found) return found.error();
  g_named.store(*found, std::memory_order_release);
  return {};
}

Result<SimdLevel> DefaultSimdLevel() {
  if (const KernelTable* named = Named()) return named->level;
  if (!Chosen().status.ok()) return Chosen().status;
  return Chosen().table->level;
}

const std::string& SimdLevelReason() {
  static const std::string named = "the program or its configuration names it";
  if (Named() != nullptr) return named;
  return Chosen().status.ok() ? Chosen().reason : Chosen().status.message();
}

const KernelTable& DefaultKernels() {
  if (const KernelTable* named = Named()) return *named;
  return *Chosen().table;
}

Result<const KernelTable*> FindKernels(SimdLevel level) {
  if (level == SimdLevel::kAuto) {
    if (const KernelTable* named = Named()) return named;
    if (!Chosen().status.ok()) return Chosen().status;
    return Chosen().table;
  }
  if (const KernelTable* table = TableOf(level)) return table;
  return Status(Code::kInvalidArgument,
                "options.simd = " + std::string(SimdLevelName(level)) +
                    " is not available here; this machine has: " + Listed(),
                {.field = "options.simd"});
}

}  // namespace equipoise
