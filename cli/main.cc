// equipoise: hybrid retrieval on the command line. No logic of its own; see engine/.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <vector>

#include <fmt/format.h>

#include <equipoise/core/version.h>

#include "commands.h"
#include "output.h"
#include "terminal.h"

namespace {

constexpr const char* kAbout =
    R"(Hybrid retrieval: BM25 and vectors, fused as score = α · BM25 + (1 − α) · vector.

A first session:
  equipoise index --corpus corpus.jsonl --embeddings corpus.npy --out my-index
  equipoise search my-index --text "wing in a slipstream" --embedding query.npy
  equipoise eval my-index --queries queries.jsonl --query-embeddings queries.npy \
      --qrels qrels/test.tsv --alpha 0:1:0.1

Every command has --help and --json (one object on stdout).
Exit codes: 0 done, 1 failed or a gate failed, 2 usage, 130 interrupted.
)";

int Run(int argc, char** argv) {
  CLI::App app(kAbout, "equipoise");
  app.set_version_flag("--version", fmt::format("equipoise {}", equipoise::Version()));
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  std::vector<std::pair<CLI::App*, equipoise::cli::Action>> commands;
  auto add = [&](const char* name, const char* about, auto register_options) {
    CLI::App* command = app.add_subcommand(name, about);
    commands.emplace_back(command, register_options(command));
  };
  add("index", "Build an index from a corpus and its embeddings", equipoise::cli::AddIndexCommand);
  add("search", "Ask an index", equipoise::cli::AddSearchCommand);
  add("eval", "Measure an index, or rankings made elsewhere, against judgments",
      equipoise::cli::AddEvalCommand);
  add("inspect", "Show what an index holds, and check its files",
      equipoise::cli::AddInspectCommand);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // CLI11 has its own exit codes; help and version are the only successes.
    return app.exit(error) == 0 ? equipoise::cli::kDone : equipoise::cli::kUsage;
  }
  equipoise::cli::CatchInterrupt();
  for (const auto& [command, action] : commands)
    if (command->parsed()) return action();
  return equipoise::cli::kUsage;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "equipoise: internal: {}\n", error.what());
    return equipoise::cli::kFailed;
  }
}
