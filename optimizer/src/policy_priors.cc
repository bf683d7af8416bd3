#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/core/json_lines.h>
#include <equipoise/core/weight_policy.h>
#include <equipoise/optimizer/policy_priors.h>

namespace equipoise {
namespace {

using nlohmann::json;

constexpr int kFormat = 1;

// Reads fields of one object and knows which were not asked for.
class Fields {
 public:
  Fields(const json& object, std::string place, const std::string& file)
      : object_(object), place_(std::move(place)), file_(file) {}

  Status Refuse(const std::string& field, const std::string& why) const {
    return Status(Code::kInvalidArgument, fmt::format("{}\"{}\" {}", place_, field, why),
                  {.file = file_, .field = field});
  }
  Status Number(const char* name, bool needed, double low, double high, double* to) {
    const auto found = object_.find(name);
    if (found == object_.end()) return needed ? Refuse(name, "is missing") : Status();
    ++used_;
    if (!found->is_number()) return Refuse(name, "must be a number");
    const double value = found->get<double>();
    if (!(value >= low && value <= high))
      return Refuse(name, fmt::format("is {}, outside [{}, {}]", value, low, high));
    *to = value;
    return {};
  }
  Status Text(const char* name, std::string* to) {
    const auto found = object_.find(name);
    if (found == object_.end()) return {};
    ++used_;
    if (!found->is_string()) return Refuse(name, "must be a string");
    *to = found->get<std::string>();
    return {};
  }
  Status NoOthers(std::initializer_list<std::string_view> known) const {
    if (used_ == object_.size()) return {};
    for (const auto& [name, value] : object_.items())
      if (std::find(known.begin(), known.end(), name) == known.end())
        return Refuse(name, fmt::format("is unknown; the fields are {}", fmt::join(known, ", ")));
    return {};
  }

 private:
  const json& object_;
  std::string place_;
  const std::string& file_;
  std::size_t used_ = 0;
};

Result<DomainPrior> ReadPrior(const std::string& domain, const json& object,
                              const std::string& file) {
  const std::string place = fmt::format("domain \"{}\": ", domain);
  if (domain.empty() || !object.is_object())
    return Status(Code::kInvalidArgument, place + "must have a name and be an object",
                  {.file = file, .field = "domains"});
  Fields fields(object, place, file);
  DomainPrior out;
  EQUIPOISE_RETURN_IF_ERROR(fields.Number("alpha", true, 0, 1, &out.alpha));
  double beta = 1 - out.alpha;
  EQUIPOISE_RETURN_IF_ERROR(fields.Number("beta", false, 0, 1, &beta));
  if (std::abs(out.alpha + beta - 1) > 1e-9)
    return fields.Refuse("beta", fmt::format("is {}, but alpha + beta must be 1", beta));
  EQUIPOISE_RETURN_IF_ERROR(fields.Number("strength", false, 0, 1e6, &out.strength));
  EQUIPOISE_RETURN_IF_ERROR(fields.Text("normalization", &out.normalization));
  EQUIPOISE_RETURN_IF_ERROR(fields.NoOthers({"alpha", "beta", "strength", "normalization"}));
  return out;
}

}  // namespace

PolicyPriors ShippedPriors() {
  return {{"healthcare", {.alpha = 0.7}},
          {"finance", {.alpha = 0.5}},
          {std::string(kGeneralDomain), {.alpha = 0.4}}};
}

Result<PolicyPriors> ParsePriors(std::string_view text, const std::string& name) {
  const auto refuse = [&](const std::string& why, const char* field = "") {
    return Status(Code::kInvalidArgument, why, {.file = name, .field = field});
  };
  try {
    if (JsonLines::IsTooDeep(text)) return refuse("is nested too deeply");
    json object;
    try {
      object = json::parse(text);
    } catch (const json::exception& error) {
      return refuse(std::string("is not valid JSON: ") + error.what());
    }
    if (!object.is_object()) return refuse("must be a JSON object");
    const auto format = object.find("format");
    if (format == object.end() || !format->is_number_integer())
      return refuse("\"format\" must be a whole number", "format");
    if (*format != kFormat)
      return Status(Code::kUnsupported,
                    fmt::format("is of format {}; this program reads {}", format->dump(), kFormat),
                    {.file = name, .field = "format"});
    const auto domains = object.find("domains");
    if (domains == object.end() || !domains->is_object())
      return refuse("\"domains\" must be an object", "domains");
    if (object.size() != 2) return refuse("holds more than \"format\" and \"domains\"");
    PolicyPriors out;
    for (const auto& [domain, prior] : domains->items()) {
      EQUIPOISE_ASSIGN_OR_RETURN(out[domain], ReadPrior(domain, prior, name));
    }
    return out;
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "no memory for its priors", {.file = name});
  }
}

Result<PolicyPriors> ReadPriors(const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  const auto bytes = file.bytes();
  return ParsePriors({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path);
}

Status CheckNormalization(const PolicyPriors& priors, std::string_view normalization) {
  for (const auto& [domain, prior] : priors)
    if (prior.normalization != normalization)
      return Status(Code::kInvalidArgument,
                    fmt::format("the prior of domain \"{}\" belongs to normalization \"{}\", the "
                                "search uses \"{}\": an alpha means nothing with another",
                                domain, prior.normalization, normalization),
                    {.field = "normalization"});
  return {};
}

}  // namespace equipoise
