/// Which domain a query was taken to belong to, and who said so.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <equipoise/core/export.h>

namespace equipoise {

enum class DomainDecider : std::uint8_t {
  kNone,      ///< nobody: no detector, or no embedding to detect from
  kCaller,    ///< the request named it
  kDetected,  ///< a DomainDetector
};

/// "none", "caller" or "detected".
EQUIPOISE_API std::string_view DomainDeciderName(DomainDecider decider);

struct QueryDomain {
  std::string name{};     ///< empty where nobody decided; the likeliest one where `general`
  std::string second{};   ///< of a detected one
  float probability = 0;  ///< calibrated, of a detected one; 1 for the caller's
  float margin = 0;       ///< probability less that of `second`
  bool general = false;   ///< detected, but below the detector's threshold: treat as no domain
  DomainDecider decider = DomainDecider::kNone;
};

}  // namespace equipoise
