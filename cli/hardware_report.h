// equipoise inspect --hardware: what was found, what is used, and why.
#pragma once

#include <optional>

namespace equipoise::cli {

/// Prints the machine. With `watch`, goes on with a line of each GPU's utilization and memory every so
/// many seconds, until Ctrl-C. Returns the exit code.
int ReportHardware(std::optional<double> watch, bool json);

}  // namespace equipoise::cli
