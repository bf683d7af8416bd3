/// Thompson sampling over independent arms, as bandit libraries offer it: the baseline.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <equipoise/core/export.h>
#include <equipoise/core/weight_policy.h>

namespace equipoise {

struct BetaPolicyOptions {
  std::size_t arms =
      11;  ///< values of α, i / (arms − 1), in [2, 101]; grid − 1 is a multiple of arms − 1
  std::size_t grid = 21;    ///< of the curves that Update gets
  std::size_t draws = 512;  ///< a decision's probabilities are multiples of 1 / draws; [1, 65,536]
  std::uint64_t seed = 1;
  std::size_t max_domains = 1'000'000;  ///< >= 1
};

/// A Beta(1 + Σ r, 1 + Σ 1 − r) for each arm and domain; an update looks at the curve at the α that was
/// decided only, and learns nothing where somebody else decided. Source: Agrawal & Goyal 2012, arXiv:1111.1797.
class EQUIPOISE_API BetaPolicy final : public WeightPolicy {
 public:
  /// Errors   kInvalidArgument: an option out of range; kOutOfMemory
  static Result<std::unique_ptr<BetaPolicy>> Create(const BetaPolicyOptions& options = {});
  /// What Save has written.
  /// Errors   kNotFound, kIo; kCorruption: changed, cut; kUnsupported: another version
  static Result<std::unique_ptr<BetaPolicy>> Load(const std::string& path);
  ~BetaPolicy() override;

  WeightDecision Decide(const WeightQuery& query, std::uint64_t random) const noexcept override;
  Status Update(const WeightFeedback& feedback) override;
  Status Save(const std::string& path) const override;

 private:
  struct State;
  explicit BetaPolicy(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace equipoise
