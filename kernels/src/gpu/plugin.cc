#include "gpu/plugin.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include <dlfcn.h>

namespace equipoise {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDriver = "libcuda.so.1";
constexpr const char* kPlugin = "libequipoise_cuda.so";

std::string LastError() {
  const char* error = dlerror();  // NOLINT(concurrency-mt-unsafe): of this thread, in glibc
  return error != nullptr ? error : "unknown error";
}

void AddFolder(const fs::path& folder, std::vector<std::string>& paths) {
  for (const fs::path& path : {folder / kPlugin, folder / ".." / EQUIPOISE_LIBDIR / kPlugin}) {
    std::error_code ignored;
    if (fs::exists(path, ignored)) paths.push_back(path.lexically_normal().string());
  }
}

LoadedGpu Load() {
  // Without a driver nothing else is worth looking for: the plug-in's libraries are large.
  if (dlopen(kDriver, RTLD_LAZY | RTLD_LOCAL) == nullptr)
    return {nullptr, "no NVIDIA driver is installed (" + LastError() + ")"};
  std::string reason;
  for (const std::string& path : GpuPluginPaths()) {
    const Result<const EquipoiseCudaApi*> api = LoadGpuPlugin(path);
    if (!api) {
      if (!reason.empty()) reason += "; ";
      reason += api.error().message();
      continue;
    }
    EquipoiseCudaFailure failure{};
    if ((*api)->open(&failure) == kEquipoiseCudaOk) return {*api, "usable, with " + path};
    return {nullptr, "no GPU can be used: " + std::string(failure.message)};
  }
  return {nullptr, "a driver is installed, but the plug-in could not be loaded: " + reason};
}

}  // namespace

Result<const EquipoiseCudaApi*> LoadGpuPlugin(const std::string& path) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return Status(Code::kNotFound, LastError());
  using Entry = const EquipoiseCudaApi* (*)();
  const auto entry = reinterpret_cast<Entry>(dlsym(library, "equipoise_cuda_api"));
  const EquipoiseCudaApi* const api = entry != nullptr ? entry() : nullptr;
  if (api != nullptr && api->version == EQUIPOISE_CUDA_API_VERSION &&
      api->size == sizeof(EquipoiseCudaApi))
    return api;
  std::string why = entry == nullptr
                        ? path + " is no plug-in of equipoise"
                        : path + " is a plug-in of another version of equipoise (" +
                              std::to_string(api != nullptr ? api->version : 0) + ", not " +
                              std::to_string(EQUIPOISE_CUDA_API_VERSION) + ")";
  dlclose(library);
  return Status(Code::kUnsupported, std::move(why));
}

std::vector<std::string> GpuPluginPaths() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): read once; nothing here changes the environment
  const char* const named = std::getenv("EQUIPOISE_CUDA_PLUGIN");
  if (named != nullptr && named[0] != '\0') return {named};
  std::vector<std::string> paths;
  // Absolute, or it would be looked for beside whatever folder the program was started in.
  Dl_info here{};
  if (dladdr(reinterpret_cast<const void*>(&GpuPluginPaths), &here) != 0 &&
      here.dli_fname != nullptr && fs::path(here.dli_fname).is_absolute())
    AddFolder(fs::path(here.dli_fname).parent_path(), paths);
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
  if (!program.empty()) AddFolder(program.parent_path(), paths);
  paths.emplace_back(kPlugin);
  return paths;
}

const LoadedGpu& GpuPlugin() {
  static const LoadedGpu loaded = Load();
  return loaded;
}

}  // namespace equipoise
