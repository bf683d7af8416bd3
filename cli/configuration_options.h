// --config, and the options that go before parts of it, the same for every command that searches.
#pragma once

#include <cstdint>
#include <string>

#include <CLI/CLI.hpp>

#include <equipoise/engine/configuration.h>

namespace equipoise::cli {

/// Lives as long as the command.
class ConfigurationOptions {
 public:
  /// Adds --config, --depth from `least` on, --ef-search, --target-recall and --exact.
  void Add(CLI::App* app, const std::string& group, std::uint64_t least = 1);
  /// The file's configuration, or the default one, with what was given on the command line.
  /// Errors   as ReadConfiguration
  Result<Configuration> Read() const;

 private:
  std::string file_;
  std::size_t depth_ = 100;
  std::size_t ef_search_ = 0;
  double target_recall_ = 0;
  bool exact_ = false;
  const CLI::Option* depth_option_ = nullptr;
  const CLI::Option* ef_option_ = nullptr;
  const CLI::Option* recall_option_ = nullptr;
};

}  // namespace equipoise::cli
