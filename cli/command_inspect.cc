// equipoise inspect: what an index holds, and whether its files are whole; or what the machine has.
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include <equipoise/engine/engine.h>

#include "commands.h"
#include "hardware_report.h"
#include "options.h"
#include "output.h"
#include "terminal.h"

namespace equipoise::cli {
namespace {

struct InspectArguments {
  std::string folder;
  bool verify = false;
  bool hardware = false;
  double watch = 0;
  bool json = false;
};

/// Settings for a person: "english", or "k1 1.2, b 0.75".
std::string Plain(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_array()) return fmt::format("({})", value.size());
  if (!value.is_object()) return value.dump();
  std::string text;
  for (const auto& [name, inner] : value.items()) {
    if (inner.is_array() && inner.empty()) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name,
                        inner.is_object() ? "(" + Plain(inner) + ")" : Plain(inner));
  }
  return text;
}

// A float as a person wrote it: 0.995, not 0.9950000047683716.
double Rounded(float value) { return std::round(double{value} * 1e6) / 1e6; }

std::string RecallTable(const CollectionInfo& info) {
  Table table({"target recall@10", "margin", "measured", "at least (95 %)", "held-out rows"});
  table.Words(0);
  for (const RecallPoint& point : info.recall)
    table.Add({fmt::format("{:.3f}{}", point.target,
                           point.target == info.target_recall ? " (default)" : ""),
               fmt::format("{:.2f}", point.margin), fmt::format("{:.4f}", point.recall),
               fmt::format("{:.4f}{}", point.lower_bound, point.reached != 0 ? "" : " not reached"),
               fmt::to_string(point.sample)});
  return table.Render();
}

int PrintInfo(const CollectionInfo& info, const Columns& columns, const InspectArguments& a) {
  const Json settings = Json::parse(info.settings);
  if (a.json) {
    Json object = {{"index", info.folder},
                   {"documents", info.documents},
                   {"dimensions", info.dimensions},
                   {"terms", info.terms},
                   {"postings", info.postings},
                   {"average_length", info.average_length},
                   {"bytes", info.bytes},
                   {"format_version", info.format_version},
                   {"library_version", info.library_version},
                   {"settings", settings},
                   {"fields", Json::object()},
                   {"parts", Json::array()}};
    for (const auto& column : columns.all())
      object["fields"][column.name] = ColumnTypeName(column.type);
    for (const auto& part : info.parts)
      object["parts"].push_back(
          {{"file", part.file}, {"section", part.section}, {"bytes", part.bytes}});
    object["recall"] = Json::array();
    for (const RecallPoint& point : info.recall)
      object["recall"].push_back({{"target", Rounded(point.target)},
                                  {"margin", Rounded(point.margin)},
                                  {"recall", Rounded(point.recall)},
                                  {"lower_bound", Rounded(point.lower_bound)},
                                  {"sample", point.sample},
                                  {"reached", point.reached != 0},
                                  {"default", point.target == info.target_recall}});
    if (a.verify) object["verified"] = true;
    return PrintJson(object);
  }
  std::string text = fmt::format(
      "{}\n  documents   {}\n  dimensions  {}\n  terms       {}\n  postings    {} ({:.1f} tokens a "
      "document)\n  size        {}\n  format      {}, written by equipoise {}\n",
      info.folder, info.documents,
      info.dimensions > 0 ? fmt::to_string(info.dimensions) : "none (lexical only)",
      info.terms > 0 ? fmt::to_string(info.terms) : "none (vectors only)", info.postings,
      info.average_length, Bytes(info.bytes), info.format_version, info.library_version);
  for (const auto& [name, value] : settings.items())
    text += fmt::format("  {:<11} {}\n", name, Plain(value));
  std::string fields;
  for (const auto& column : columns.all())
    fields += fmt::format("{}{} ({})", fields.empty() ? "" : ", ", Shorten(column.name, 120),
                          ColumnTypeName(column.type));
  text += fmt::format("  fields      {}\n\n", fields.empty() ? "none" : fields);
  Table table({"file", "section", "bytes"});
  table.Words(2);
  for (const auto& part : info.parts)
    table.Add({part.file, part.section, fmt::to_string(part.bytes)});
  text += table.Render();
  if (!info.recall.empty()) text += "\n" + RecallTable(info);
  if (a.verify) text += "\nEvery byte of every file is as it was written.\n";
  return PrintText(text);
}

int RunInspect(const InspectArguments& a) {
  if (a.hardware || a.watch > 0)
    return ReportHardware(a.watch > 0 ? std::optional(a.watch) : std::nullopt, a.json);
  if (a.folder.empty())
    return FailUsage(Status(Code::kInvalidArgument,
                            "name an index, or give --hardware; see equipoise inspect --help"),
                     a.json);
  auto engine = Engine::Open(a.folder);
  if (!engine) return Fail(engine.error(), a.json);
  if (a.verify)
    if (Status status = engine->collection().Verify(); !status.ok()) return Fail(status, a.json);
  return PrintInfo(engine->collection().Info(), engine->collection().columns(), a);
}

}  // namespace

Action AddInspectCommand(CLI::App* app) {
  auto a = std::make_shared<InspectArguments>();
  app->footer(
      "Examples:\n"
      "  equipoise inspect my-index --verify\n"
      "  equipoise inspect --hardware             what this machine computes with, and why\n"
      "  equipoise inspect --hardware --watch 1   and what its GPUs do, every second\n\n"
      "EQUIPOISE_SIMD=scalar|avx2|avx512|avx512_vnni|neon makes any command use that instruction "
      "set.");
  CLI::Option* index = app->add_option("index", a->folder, "Folder of the index")->check(Named());
  CLI::Option* hardware = app->add_flag("--hardware", a->hardware,
                                        "Show instruction sets, cores and GPUs, and what is used");
  app->add_option("--watch", a->watch,
                  "With --hardware: follow the GPUs, a line every so many seconds")
      ->check(InRange(0.1, 3600))
      ->needs(hardware);
  index->excludes(hardware);
  app->add_flag("--verify", a->verify, "Read every byte and compare all checksums")
      ->excludes(hardware);
  app->add_flag("--json", a->json, "One JSON object on stdout");
  return [a] { return RunInspect(*a); };
}

}  // namespace equipoise::cli
