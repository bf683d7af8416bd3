#include <algorithm>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
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
    if (name == "contextual") {
      ContextualPolicyOptions contextual = options.contextual;
      contextual.curve = options.curve;
      return Widen(ContextualPolicy::Create(std::move(contextual)));
    }
    return Status(
        Code::kInvalidArgument,
        fmt::format("unknown policy \"{}\"; there are static, beta, curve, contextual", name),
        {.field = "policy"});
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "MakeWeightPolicy: no memory");
  }
}

Result<std::unique_ptr<WeightPolicy>> LoadWeightPolicy(const std::string& path) {
  try {
    // The kind stands in the header; whoever reads the file then checks all of it.
    EQUIPOISE_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
    constexpr std::size_t kHeader = 64;
    const auto bytes = file.bytes();
    const std::string_view header(reinterpret_cast<const char*>(bytes.data()),
                                  std::min(bytes.size(), kHeader));
    if (header.find("beta-policy") != std::string_view::npos) return Widen(BetaPolicy::Load(path));
    if (header.find("static-policy") != std::string_view::npos)
      return Widen(StaticPolicy::Load(path));
    if (header.find("context-policy") != std::string_view::npos)
      return Widen(ContextualPolicy::Load(path));
    return Widen(CurvePolicy::Load(path));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "LoadWeightPolicy: no memory", {.file = path});
  }
}

}  // namespace equipoise
