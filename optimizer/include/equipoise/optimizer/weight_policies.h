/// The policies by name, for configurations, and by file.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <equipoise/core/export.h>
#include <equipoise/core/weight_policy.h>
#include <equipoise/optimizer/beta_policy.h>
#include <equipoise/optimizer/contextual_policy.h>
#include <equipoise/optimizer/curve_policy.h>
#include <equipoise/optimizer/static_policy.h>

namespace equipoise {

struct WeightPolicyOptions {
  CurvePolicyOptions curve{};
  BetaPolicyOptions beta{};
  StaticPolicyOptions fixed{};
  /// Its `curve` is not looked at: the one above is taken.
  ContextualPolicyOptions contextual{};
};

/// "static", "beta", "curve" or "contextual".
/// Errors   kInvalidArgument listing the names; as the policy's Create
EQUIPOISE_API Result<std::unique_ptr<WeightPolicy>> MakeWeightPolicy(
    std::string_view name, const WeightPolicyOptions& options = {});

/// Whichever policy's Save has written the file.
/// Errors   kNotFound, kIo; kCorruption: changed, cut, no policy's file; kUnsupported: another version
EQUIPOISE_API Result<std::unique_ptr<WeightPolicy>> LoadWeightPolicy(const std::string& path);

}  // namespace equipoise
