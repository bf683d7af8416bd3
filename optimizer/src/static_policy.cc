#include <equipoise/optimizer/static_policy.h>

#include "policy_file.h"

namespace equipoise {
namespace {

constexpr const char* kKind = "static-policy";

Status CheckOptions(const StaticPolicyOptions& options) {
  constexpr const char* kName = "StaticPolicy::Create";
  EQUIPOISE_CHECK_RANGE(kName, options.alpha, 0, 1);
  for (const auto& [domain, alpha] : options.domains)
    if (!(alpha >= 0 && alpha <= 1))
      return Status(
          Code::kInvalidArgument,
          fmt::format("{}: the alpha of domain \"{}\" is {}, outside [0, 1]", kName, domain, alpha),
          {.field = "domains"});
  return {};
}

}  // namespace

Result<std::unique_ptr<StaticPolicy>> StaticPolicy::Create(StaticPolicyOptions options) {
  EQUIPOISE_RETURN_IF_ERROR(CheckOptions(options));
  try {
    return std::unique_ptr<StaticPolicy>(new StaticPolicy(std::move(options)));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "StaticPolicy::Create: no memory");
  }
}

WeightDecision StaticPolicy::Decide(const WeightQuery& query,
                                    std::uint64_t /*random*/) const noexcept {
  const auto found = options_.domains.find(query.domain.empty() ? kGeneralDomain : query.domain);
  WeightDecision out;
  out.alpha = found == options_.domains.end() ? options_.alpha : found->second;
  out.both_paths = out.alpha > 0 && out.alpha < 1;
  return out;
}

Status StaticPolicy::Update(const WeightFeedback& feedback) {
  return CheckFeedback(feedback, feedback.curve.size());
}

Status StaticPolicy::Save(const std::string& path) const {
  try {
    std::string names;
    std::vector<double> alphas = {options_.alpha};
    for (const auto& [domain, alpha] : options_.domains) {
      AppendName(domain, &names);
      alphas.push_back(alpha);
    }
    return WritePolicyFile(path, kKind, [&](CheckedFileWriter& file) -> Status {
      EQUIPOISE_RETURN_IF_ERROR(file.Section<char>("names", names));
      return file.Section<double>("alphas", std::span<const double>(alphas));
    });
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "Save: no memory");
  }
}

Result<std::unique_ptr<StaticPolicy>> StaticPolicy::Load(const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(const CheckedFile file, OpenPolicyFile(path, kKind));
  EQUIPOISE_ASSIGN_OR_RETURN(const std::string_view packed, TextSection(file, "names"));
  try {
    EQUIPOISE_ASSIGN_OR_RETURN(const auto names, SplitNames(packed, path));
    EQUIPOISE_ASSIGN_OR_RETURN(const auto alphas,
                               file.SectionOf<double>("alphas", names.size() + 1));
    StaticPolicyOptions options{.alpha = alphas[0]};
    for (std::size_t i = 0; i < names.size(); ++i) options.domains[names[i]] = alphas[i + 1];
    const Status checked = CheckOptions(options);
    if (!checked.ok()) return Status(Code::kCorruption, checked.message(), {.file = path});
    return Create(std::move(options));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "no memory for its domains", {.file = path});
  }
}

}  // namespace equipoise
