// The program's subcommands. Each registers its options and returns what to run once they are read.
#pragma once

#include <functional>

#include <CLI/CLI.hpp>

namespace equipoise::cli {

/// Runs a subcommand; returns the exit code.
using Action = std::function<int()>;

Action AddIndexCommand(CLI::App* app);
Action AddSearchCommand(CLI::App* app);
Action AddEvalCommand(CLI::App* app);
Action AddDomainsCommand(CLI::App* app);
Action AddFilterCommand(CLI::App* app);
Action AddConfigCommand(CLI::App* app);
Action AddConvertCommand(CLI::App* app);
Action AddLearnCommand(CLI::App* app);
Action AddPickCommand(CLI::App* app);
Action AddReportCommand(CLI::App* app);
Action AddTuneCommand(CLI::App* app);
Action AddInspectCommand(CLI::App* app);

}  // namespace equipoise::cli
