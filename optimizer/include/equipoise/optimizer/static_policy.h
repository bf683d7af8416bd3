/// α that does not learn: one, or one a domain.
#pragma once

#include <map>
#include <memory>
#include <string>

#include <equipoise/core/export.h>
#include <equipoise/core/weight_policy.h>

namespace equipoise {

struct StaticPolicyOptions {
  double alpha = 0.5;  ///< of every domain that is not named below; in [0, 1]
  std::map<std::string, double, std::less<>> domains{};  ///< each in [0, 1]
};

/// Always the same α: propensity 1, version 0; at 0 and 1 the other path is skipped. Update checks and
/// learns nothing.
class EQUIPOISE_API StaticPolicy final : public WeightPolicy {
 public:
  /// Errors   kInvalidArgument: an α outside [0, 1]; kOutOfMemory
  static Result<std::unique_ptr<StaticPolicy>> Create(StaticPolicyOptions options);
  /// What Save has written.
  /// Errors   kNotFound, kIo; kCorruption: changed, cut; kUnsupported: another version
  static Result<std::unique_ptr<StaticPolicy>> Load(const std::string& path);

  WeightDecision Decide(const WeightQuery& query, std::uint64_t random) const noexcept override;
  Status Update(const WeightFeedback& feedback) override;
  Status Save(const std::string& path) const override;

 private:
  explicit StaticPolicy(StaticPolicyOptions options) : options_(std::move(options)) {}
  StaticPolicyOptions options_;
};

}  // namespace equipoise
