#include <algorithm>
#include <array>
#include <new>
#include <set>

#include <nlohmann/json.hpp>

#include <equipoise/core/atomic_file.h>
#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/core/json_lines.h>
#include <equipoise/engine/configuration.h>
#include <equipoise/kernels/hardware.h>

#include "configuration_json.h"

namespace equipoise {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFormat = 1;
constexpr double kMost = 1e6;

enum class Kind { kNumber, kAbove, kWhole, kTruth, kFusion, kWord };

/// A key: what it means, what it may be, and how it gets into a Configuration and out again. Reader,
/// checks, writer and schema know no other.
struct Key {
  const char* name;
  const char* about;
  Kind kind;
  double low, high;
  void (*set)(const Json& value, Configuration* to);
  Json (*get)(const Configuration& from);         // null: absent
  std::vector<std::string> (*words)() = nullptr;  // of kWord
};

template <auto Member>
constexpr Key SwitchKey(const char* name, const char* about) {
  return {name,
          about,
          Kind::kTruth,
          0,
          0,
          [](const Json& v, Configuration* to) { to->*Member = v.get<bool>(); },
          [](const Configuration& from) { return Json(from.*Member); }};
}

constexpr std::array<GpuUse, 3> kGpuUses = {GpuUse::kAuto, GpuUse::kOff, GpuUse::kRequired};
constexpr std::array<SimdLevel, 6> kSimdChoices = {SimdLevel::kAuto,       SimdLevel::kScalar,
                                                   SimdLevel::kAvx2,       SimdLevel::kAvx512,
                                                   SimdLevel::kAvx512Vnni, SimdLevel::kNeon};

/// A key whose value is one of a few, by name.
template <auto Member, const auto& Choices, auto NameOf>
constexpr Key ChoiceKey(const char* name, const char* about) {
  return {name,
          about,
          Kind::kWord,
          0,
          0,
          [](const Json& v, Configuration* to) {
            for (const auto choice : Choices)
              if (NameOf(choice) == v.get<std::string>()) to->*Member = choice;
          },
          [](const Configuration& from) { return Json(NameOf(from.*Member)); },
          [] {
            std::vector<std::string> out;
            for (const auto choice : Choices) out.emplace_back(NameOf(choice));
            return out;
          }};
}

template <auto Member>
constexpr Key WholeKey(const char* name, const char* about, double low) {
  return {name,
          about,
          Kind::kWhole,
          low,
          kMost,
          [](const Json& v, Configuration* to) { to->*Member = v.get<std::size_t>(); },
          [](const Configuration& from) { return Json(from.*Member); }};
}

const std::array<Key, 17> kKeys = {{
    {"alpha", "Weight of BM25; absent: what has been learned decides, else the index",
     Kind::kNumber, 0, 1, [](const Json& v, Configuration* to) { to->alpha = v.get<double>(); },
     [](const Configuration& c) { return c.alpha ? Json(*c.alpha) : Json(); }},
    {"fusion", "How scores are normalized and added; absent: that of the index", Kind::kFusion, 0,
     0, [](const Json& v, Configuration* to) { to->fusion = *ParseFusion(v.get<std::string>()); },
     [](const Configuration& c) { return c.fusion ? Json(FusionName(*c.fusion)) : Json(); }},
    WholeKey<&Configuration::lexical_depth>("lexical_depth", "Results taken from BM25", 1),
    WholeKey<&Configuration::vector_depth>("vector_depth", "Results taken from the vectors", 1),
    WholeKey<&Configuration::ef_search>("ef_search",
                                        "Beam of the vector search; 0: until the target recall", 0),
    {"target_recall",
     "Share of the true 10 best that the vector search aims at; 0: the index's own", Kind::kNumber,
     0, 0.9999, [](const Json& v, Configuration* to) { to->target_recall = v.get<double>(); },
     [](const Configuration& c) { return Json(c.target_recall); }},
    WholeKey<&Configuration::rescore>(
        "rescore", "Best vectors by codes that are scored exactly; 0: chosen by the depth", 0),
    {"exact", "Compare with every vector instead of walking the graph", Kind::kTruth, 0, 0,
     [](const Json& v, Configuration* to) { to->exact = v.get<bool>(); },
     [](const Configuration& c) { return Json(c.exact); }},
    {"mmr",
     "λ of maximal marginal relevance: less than 1 prefers hits unlike those above; absent: none",
     Kind::kNumber, 0, 1, [](const Json& v, Configuration* to) { to->mmr = v.get<double>(); },
     [](const Configuration& c) { return c.mmr ? Json(*c.mmr) : Json(); }},
    WholeKey<&Configuration::mmr_candidates>("mmr_candidates", "Best results that mmr chooses from",
                                             1),
    {"near_duplicate",
     "Results whose cosine with a better one is at least this are left out, 0.95 say; absent: none",
     Kind::kAbove, 0, 1,
     [](const Json& v, Configuration* to) { to->near_duplicate = v.get<double>(); },
     [](const Configuration& c) { return c.near_duplicate ? Json(*c.near_duplicate) : Json(); }},
    SwitchKey<&Configuration::detector>("detector", "Detect the domain of queries that name none"),
    SwitchKey<&Configuration::bandit>("bandit",
                                      "Let what was learned decide alpha where nobody else does"),
    SwitchKey<&Configuration::filter>("filter", "Put feedback through the filter"),
    SwitchKey<&Configuration::router>("router", "Let preferences pick from a front of tune"),
    ChoiceKey<&Configuration::gpu, kGpuUses, GpuUseName>(
        "gpu", "Whether domains are detected on a GPU; required: an error where there is none"),
    ChoiceKey<&Configuration::simd, kSimdChoices, SimdLevelName>(
        "simd",
        "Instruction set of the whole process; auto: the best, or what EQUIPOISE_SIMD says"),
}};

constexpr std::array<FusionMethod, 4> kFusions = {FusionMethod::kMinMax, FusionMethod::kMinMaxUnion,
                                                  FusionMethod::kTheoretical, FusionMethod::kRrf};

/// Empty where the value may stand for the key.
std::string Complaint(const Key& key, const Json& value) {
  const auto range = [&] { return fmt::format("[{}, {}]", key.low, key.high); };
  switch (key.kind) {
    case Kind::kWord: {
      std::string known;
      for (const std::string& word : key.words()) {
        if (value == word) return {};
        known += (known.empty() ? "" : ", ") + word;
      }
      return "must be one of " + known;
    }
    case Kind::kAbove:
      if (value.is_number() && value.get<double>() > key.low && value.get<double>() <= key.high)
        return {};
      return fmt::format("must be a number in ({}, {}]", key.low, key.high);
    case Kind::kNumber:
      if (!value.is_number()) return fmt::format("must be a number in {}", range());
      break;
    case Kind::kWhole:
      if (!value.is_number_integer()) return fmt::format("must be a whole number in {}", range());
      break;
    case Kind::kTruth:
      return value.is_boolean() ? std::string() : "must be true or false";
    case Kind::kFusion: {
      if (!value.is_string()) return "must be a string: minmax, minmax_union, theoretical or rrf";
      const auto known = ParseFusion(value.get<std::string>());
      return known ? std::string() : known.error().message();
    }
  }
  const double number = value.get<double>();
  if (number >= key.low && number <= key.high) return {};
  return fmt::format("is {}, outside {}", value.dump(), range());
}

Status Refuse(const std::string& file, const std::string& key, const std::string& why) {
  return Status(Code::kInvalidArgument, fmt::format("\"{}\" {}", key, why),
                {.file = file, .field = key});
}

}  // namespace

Json ConfigurationToJson(const Configuration& configuration) {
  Json out = {{"format", kFormat}};
  for (const Key& key : kKeys)
    if (Json value = key.get(configuration); !value.is_null()) out[key.name] = std::move(value);
  return out;
}

Result<Configuration> ConfigurationFromJson(const Json& object, const std::string& name) {
  if (!object.is_object())
    return Status(Code::kInvalidArgument, "must be a JSON object", {.file = name});
  Configuration out;
  for (const auto& item : object.items()) {
    const std::string& field = item.key();
    const Json& value = item.value();
    if (field == "format") {
      if (!value.is_number_integer()) return Refuse(name, field, "must be a whole number");
      if (value != kFormat)
        return Status(Code::kUnsupported,
                      fmt::format("is of format {}; this program reads {}", value.dump(), kFormat),
                      {.file = name, .field = field});
      continue;
    }
    const auto* key =
        std::find_if(kKeys.begin(), kKeys.end(), [&](const Key& k) { return field == k.name; });
    if (key == kKeys.end()) {
      std::string known = "format";
      for (const Key& k : kKeys) known += fmt::format(", {}", k.name);
      return Refuse(name, field, "is unknown; the keys are " + known);
    }
    if (const std::string why = Complaint(*key, value); !why.empty())
      return Refuse(name, field, why);
    key->set(value, &out);
  }
  return out;
}

Status CheckConfiguration(const Configuration& configuration) try {
  for (const Key& key : kKeys) {
    const Json value = key.get(configuration);
    if (value.is_null()) continue;
    if (const std::string why = Complaint(key, value); !why.empty())
      return Refuse({}, key.name, why);
  }
  return {};
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "no memory to check the configuration");
}

Result<Configuration> ParseConfiguration(std::string_view text, const std::string& name) try {
  if (JsonLines::IsTooDeep(text))
    return Status(Code::kInvalidArgument, "is nested too deeply", {.file = name});
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::set<std::string> seen;
  std::string twice;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1 &&
        !seen.insert(parsed.get<std::string>()).second)
      twice = parsed.get<std::string>();
    return true;
  };
  Json object;
  try {
    object = Json::parse(text, watch);
  } catch (const Json::exception& error) {
    return Status(Code::kInvalidArgument, std::string("is not valid JSON: ") + error.what(),
                  {.file = name});
  }
  if (!twice.empty()) return Refuse(name, twice, "is there twice");
  return ConfigurationFromJson(object, name);
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "no memory for the configuration", {.file = name});
}

Result<Configuration> ReadConfiguration(const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  const auto bytes = file.bytes();
  return ParseConfiguration({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

std::string ConfigurationJson(const Configuration& configuration) {
  return ConfigurationToJson(configuration).dump(2) + "\n";
}

Status WriteConfiguration(const Configuration& configuration, const std::string& path) try {
  EQUIPOISE_RETURN_IF_ERROR(CheckConfiguration(configuration).At({.file = path}));
  AtomicFile file(path);
  EQUIPOISE_RETURN_IF_ERROR(file.Create());
  EQUIPOISE_RETURN_IF_ERROR(file.Append(ConfigurationJson(configuration)));
  return file.Publish();
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "no memory to write the configuration", {.file = path});
}

std::string ConfigurationSchema() {
  Json properties = {{"format", {{"type", "integer"}, {"const", kFormat}}}};
  for (const Key& key : kKeys) {
    Json entry = {{"description", key.about}};
    switch (key.kind) {
      case Kind::kWord:
        entry["enum"] = key.words();
        break;
      case Kind::kAbove:
        entry.update({{"type", "number"}, {"exclusiveMinimum", key.low}, {"maximum", key.high}});
        break;
      case Kind::kNumber:
        entry.update({{"type", "number"}, {"minimum", key.low}, {"maximum", key.high}});
        break;
      case Kind::kWhole:
        entry.update({{"type", "integer"}, {"minimum", key.low}, {"maximum", key.high}});
        break;
      case Kind::kTruth:
        entry["type"] = "boolean";
        break;
      case Kind::kFusion:
        entry["enum"] = Json::array();
        for (const FusionMethod method : kFusions) entry["enum"].push_back(FusionName(method));
        break;
    }
    if (const Json value = key.get({}); !value.is_null()) entry["default"] = value;
    properties[key.name] = std::move(entry);
  }
  const Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                       {"title", "Configuration of an Equipoise search"},
                       {"type", "object"},
                       {"properties", properties},
                       {"additionalProperties", false}};
  return schema.dump(2) + "\n";
}

std::string_view GpuUseName(GpuUse use) {
  switch (use) {
    case GpuUse::kAuto:
      return "auto";
    case GpuUse::kOff:
      return "off";
    case GpuUse::kRequired:
      return "required";
  }
  return "auto";
}

Status CheckMachine(const Configuration& configuration) try {
  const auto levels = AvailableSimdLevels();
  const SimdLevel level = configuration.simd;
  if (level != SimdLevel::kAuto && std::find(levels.begin(), levels.end(), level) == levels.end()) {
    std::string has;
    for (const SimdLevel one : levels)
      has += (has.empty() ? "" : ", ") + std::string(SimdLevelName(one));
    return Status(Code::kUnsupported,
                  fmt::format("\"simd\" asks for {}, which this machine lacks; it has {}",
                              SimdLevelName(level), has),
                  {.field = "simd"});
  }
  if (configuration.gpu != GpuUse::kRequired) return {};
  const HardwareInfo machine = InspectHardware();
  if (machine.gpu_usable) return {};
  return Status(Code::kUnsupported,
                "\"gpu\" asks for a GPU, and none can be used here: " + machine.gpu_reason,
                {.field = "gpu"});
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "no memory to look at the machine");
}

Status UseMachine(const Configuration& configuration) {
  EQUIPOISE_RETURN_IF_ERROR(CheckMachine(configuration));
  return UseSimdLevel(configuration.simd);
}

SimilarityOptions SimilarityOf(const Configuration& configuration) {
  SimilarityOptions out;
  if (configuration.gpu == GpuUse::kOff) out.backend = Backend::kCpu;
  if (configuration.gpu == GpuUse::kRequired) out.backend = Backend::kCuda;
  return out;
}

SearchRequest Configured(const SearchRequest& request, const Configuration& configuration,
                         FusionMethod stored) {
  SearchRequest out = request;
  const FusionMethod belongs = configuration.fusion.value_or(stored);
  if (!request.fusion) out.fusion = configuration.fusion;
  const bool possible = !(configuration.alpha == 0.0 && request.embedding.empty());
  if (!request.alpha && possible && out.fusion.value_or(stored) == belongs)
    out.alpha = configuration.alpha;
  out.lexical_depth = configuration.lexical_depth;
  out.vector_depth = configuration.vector_depth;
  out.ef_search = configuration.ef_search;
  out.target_recall = static_cast<float>(configuration.target_recall);
  out.rescore = configuration.rescore;
  out.exact = configuration.exact;
  if (!request.near_duplicate) out.near_duplicate = configuration.near_duplicate;
  if (!request.mmr) {
    out.mmr = configuration.mmr;
    out.mmr_candidates = configuration.mmr_candidates;
  }
  return out;
}

}  // namespace equipoise
