#include <equipoise/core/check.h>
#include <equipoise/optimizer/weight_policies.h>

namespace equipoise {
namespace {

template <typename Policy>
Result<std::unique_ptr<WeightPolicy>> Widen(Result<std::unique_ptr<Policy>> made) {
  if (!made) return made.error();
  return std::unique_ptr<WeightPolicy>(*std::move(made));
}

}  // namespace

Result<std::unique_ptr<WeightPolicy>> MakeWeightPolicy(std::string_view name,
                                                       const WeightPolicyOptions& options) {
  try {
    if (name == "static") return Widen(StaticPolicy::Create(options.fixed));
    if (name == "beta") return Widen(BetaPolicy::Create(options.beta));
    if (name == "curve") return Widen(CurvePolicy::Create(options.curve));
    return Status(Code::kInvalidArgument,
                  fmt::format("unknown policy \"{}\"; there are static, beta, curve", name),
                  {.field = "policy"});
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "MakeWeightPolicy: no memory");
  }
}

Result<std::unique_ptr<WeightPolicy>> LoadWeightPolicy(const std::string& path) {
  Result<std::unique_ptr<WeightPolicy>> out = Widen(CurvePolicy::Load(path));
  // A file of another kind is called corrupt by whoever looks for his own.
  if (out.ok() || out.error().code() != Code::kCorruption) return out;
  if (auto beta = Widen(BetaPolicy::Load(path)); beta.ok()) return beta;
  if (auto fixed = Widen(StaticPolicy::Load(path)); fixed.ok()) return fixed;
  return out;
}

}  // namespace equipoise
