// equipoise config: what a configuration file may hold, and whether one is right.
#include <fmt/format.h>

#include <equipoise/engine/configuration.h>

#include "commands.h"
#include "options.h"
#include "output.h"

namespace equipoise::cli {
namespace {

struct ConfigArguments {
  std::string file;
  bool schema = false;
  bool json = false;
};

int RunConfig(const ConfigArguments& a) {
  if (a.schema == !a.file.empty())
    return FailUsage(Status(Code::kInvalidArgument, "give a configuration to check, or --schema"),
                     a.json);
  if (a.schema) return PrintText(ConfigurationSchema());
  const auto read = ReadConfiguration(a.file);
  if (!read) return Fail(read.error(), a.json);
  return PrintText(ConfigurationJson(*read));
}

}  // namespace

Action AddConfigCommand(CLI::App* app) {
  auto a = std::make_shared<ConfigArguments>();
  app->footer(
      "Prints a configuration with every value that it stands for, or the schema of all of them.\n"
      "Example: equipoise config --schema > configuration.schema.json");
  app->add_option("file", a->file, "Configuration to check")->check(Named());
  app->add_flag("--schema", a->schema, "Print the JSON schema of configurations");
  app->add_flag("--json", a->json, "Errors as a JSON object on stdout; the rest is JSON anyway");
  return [a] { return RunConfig(*a); };
}

}  // namespace equipoise::cli
