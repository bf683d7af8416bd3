#include "options.h"

#include <string>

namespace equipoise {

std::string_view BackendName(Backend backend) {
  switch (backend) {
    case Backend::kAuto:
      return "auto";
    case Backend::kCpu:
      return "cpu";
    case Backend::kCuda:
      return "cuda";
  }
  return "unknown";
}

Status CheckOptions(const SimilarityOptions& options) {
  if (options.threads < 1 || options.threads > 1024)
    return Status(
        Code::kInvalidArgument,
        "options.threads = " + std::to_string(options.threads) + " is out of range [1, 1024]",
        {.field = "options.threads"});
  if (options.backend > Backend::kCuda)
    return Status(Code::kInvalidArgument, "options.backend is unknown",
                  {.field = "options.backend"});
  return {};
}

bool IsGpuFailure(const Status& status) {
  return status.code() == Code::kDevice || status.code() == Code::kOutOfMemory ||
         status.code() == Code::kUnsupported;
}

void Warn(const LogCallback& log, const Status& status) {
  if (log) log(LogLevel::kWarning, "GPU: " + status.message() + "; the CPU answers instead");
}

}  // namespace equipoise
