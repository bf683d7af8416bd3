// Options of the curve policy and priors as JSON; doubles come back bit for bit.
#pragma once

#include <string>
#include <string_view>

#include <equipoise/core/status.h>
#include <equipoise/optimizer/curve_policy.h>

#include "curve_model.h"

namespace equipoise {

std::string OptionsToJson(const CurvePolicyOptions& options, const CurveConstants& constants);

/// Errors   kCorruption: not what OptionsToJson wrote
Status OptionsFromJson(std::string_view text, const std::string& path, CurvePolicyOptions* options,
                       CurveConstants* constants);

}  // namespace equipoise
