// For the benchmark that chooses the constants: the policy with others.
#pragma once

#include <memory>

#include <equipoise/core/export.h>
#include <equipoise/optimizer/curve_policy.h>

#include "curve_model.h"

namespace equipoise {

struct EQUIPOISE_API CurveTuning {
  static Result<std::unique_ptr<CurvePolicy>> Create(CurvePolicyOptions options,
                                                     const CurveConstants& constants);
};

}  // namespace equipoise
