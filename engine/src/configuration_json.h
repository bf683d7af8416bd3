// Configurations as parts of other files.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include <equipoise/engine/configuration.h>

namespace equipoise {

nlohmann::ordered_json ConfigurationToJson(const Configuration& configuration);
/// Errors   as ParseConfiguration; `name` stands for the file
Result<Configuration> ConfigurationFromJson(const nlohmann::ordered_json& object,
                                            const std::string& name);

}  // namespace equipoise
