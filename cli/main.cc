// equipoise: hybrid retrieval on the command line. No logic of its own; see engine/.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <sstream>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <equipoise/core/version.h>
#include <equipoise/kernels/hardware.h>

#include "commands.h"
#include "options.h"
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
Exit codes: 0 done, 1 failed or a gate failed, 2 usage, 130 interrupted.)";

bool WantsJson(int argc, char** argv) {
  return std::any_of(argv, argv + argc,
                     [](const char* word) { return std::string_view(word) == "--json"; });
}

/// What the parser found wrong, said as every other error is; with --json as an object too.
int RefuseUsage(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  std::string help = "equipoise --help";
  std::string message = error.what();
  bool known = false;
  for (const CLI::App* command : app.get_subcommands({})) {
    known |= argc > 1 && command->get_name() == argv[1];
    if (!command->parsed()) continue;
    help = fmt::format("equipoise {} --help", command->get_name());
    for (const CLI::App* inner : command->get_subcommands({}))
      if (inner->parsed())
        help = fmt::format("equipoise {} {} --help", command->get_name(), inner->get_name());
  }
  // The parser only misses a command where an unknown one was given.
  if (argc > 1 && argv[1][0] != '-' && !known)
    message = fmt::format("there is no command \"{}\"", argv[1]);
  const int code = equipoise::cli::FailUsage(
      equipoise::Status(equipoise::Code::kInvalidArgument, message), WantsJson(argc, argv));
  equipoise::cli::Say(fmt::format("`{}` shows what there is.", help));
  return code;
}

int Run(int argc, char** argv) {
  equipoise::cli::HoldStandardFiles();
  equipoise::cli::CatchSignals();
  CLI::App app(kAbout, "equipoise");
  app.set_version_flag("--version", fmt::format("equipoise {}", equipoise::Version()));
  app.require_subcommand(1);
  app.formatter(equipoise::cli::HelpFormatter());
  std::vector<std::pair<CLI::App*, equipoise::cli::Action>> commands;
  auto add = [&](const char* name, const char* about, auto register_options) {
    CLI::App* command = app.add_subcommand(name, about);
    commands.emplace_back(command, register_options(command));
  };
  add("index", "Build an index from a corpus and its embeddings", equipoise::cli::AddIndexCommand);
  add("search", "Ask an index", equipoise::cli::AddSearchCommand);
  add("eval", "Measure an index, or rankings made elsewhere, against judgments",
      equipoise::cli::AddEvalCommand);
  add("domains", "Tell from its embedding which domain a query belongs to",
      equipoise::cli::AddDomainsCommand);
  add("filter", "Weigh feedback by age and confidence, and take out what is wrong",
      equipoise::cli::AddFilterCommand);
  add("config", "Check a configuration, or print the schema of all",
      equipoise::cli::AddConfigCommand);
  add("convert", "Move an index's vectors to and from FAISS and NumPy",
      equipoise::cli::AddConvertCommand);
  add("learn", "Simulate what learning α from feedback would bring",
      equipoise::cli::AddLearnCommand);
  add("tune", "Find the configurations worth having: the front of cost, quality, diversity",
      equipoise::cli::AddTuneCommand);
  add("pick", "Choose one configuration of a front by preference", equipoise::cli::AddPickCommand);
  add("report", "Show all of it on one page that opens offline", equipoise::cli::AddReportCommand);
  add("inspect", "Show what an index holds and check its files, or what the machine has",
      equipoise::cli::AddInspectCommand);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // CLI11 has its own exit codes; help and version are the only successes.
    if (error.get_exit_code() != 0) return RefuseUsage(app, error, argc, argv);
    std::ostringstream text;
    app.exit(error, text, text);
    return equipoise::cli::PrintText(text.str());
  }
  if (const auto level = equipoise::DefaultSimdLevel(); !level.ok())
    return equipoise::cli::FailUsage(level.error(), WantsJson(argc, argv));
  for (const auto& [command, action] : commands)
    if (command->parsed()) return action();
  return equipoise::cli::kUsage;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& error) {
    equipoise::cli::Say(fmt::format("equipoise: internal: {}", error.what()));
    return equipoise::cli::kFailed;
  }
}
