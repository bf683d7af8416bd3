/// How the library speaks without printing: progress and log callbacks that the program supplies.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace equipoise {

/// One report of a long piece of work.
struct Progress {
  std::string_view stage;   ///< "documents", "vectors", ...; valid during the call only
  std::uint64_t done = 0;   ///< units finished
  std::uint64_t total = 0;  ///< units in all; 0 where that is not known
};

/// Called from the thread that started the work, at most some hundred times. Returning false asks
/// the work to stop: it then returns kCancelled and leaves nothing half-written.
using ProgressCallback = std::function<bool(const Progress&)>;

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };

/// Called with one line without a newline. May be called from any thread that is in the library.
using LogCallback = std::function<void(LogLevel, std::string_view)>;

}  // namespace equipoise
