#include "policy_file.h"

#include <cstring>

namespace equipoise {
namespace {

Status CheckCurve(std::span<const double> curve, double weight, std::size_t grid,
                  const char* name) {
  const auto refuse = [&](std::string why) {
    return Status(Code::kInvalidArgument, fmt::format("Update: {}", why), {.field = name});
  };
  if (!(weight >= 0 && weight <= 1))
    return refuse(fmt::format("the weight of {} is {}, outside [0, 1]", name, weight));
  if (curve.size() != grid)
    return refuse(fmt::format("{} has {} values, the policy's grid {}", name, curve.size(), grid));
  for (std::size_t i = 0; i < curve.size(); ++i)
    if (!std::isnan(curve[i]) && !(curve[i] >= 0 && curve[i] <= 1))
      return refuse(fmt::format("{}[{}] = {} is outside [0, 1]", name, i, curve[i]));
  return {};
}

}  // namespace

Status CheckFeedback(const WeightFeedback& feedback, std::size_t grid) {
  EQUIPOISE_RETURN_IF_ERROR(CheckCurve(feedback.curve, feedback.weight, grid, "curve"));
  if (!feedback.replaced_curve.empty())
    EQUIPOISE_RETURN_IF_ERROR(
        CheckCurve(feedback.replaced_curve, feedback.replaced_weight, grid, "replaced_curve"));
  if (!std::isfinite(feedback.time))
    return Status(Code::kInvalidArgument, "Update: time is not finite", {.field = "time"});
  return {};
}

Result<CheckedFile> OpenPolicyFile(const std::string& path, std::string_view kind) {
  EQUIPOISE_ASSIGN_OR_RETURN(CheckedFile file, CheckedFile::Open(path, kind, kPolicyFileVersion));
  if (file.version() != kPolicyFileVersion)
    return Status(Code::kUnsupported,
                  fmt::format("holds a policy's state of version {}; this program reads {}: start "
                              "a new policy, or use the program that wrote it",
                              file.version(), kPolicyFileVersion),
                  {.file = path});
  EQUIPOISE_RETURN_IF_ERROR(file.Verify());
  return file;
}

Status WritePolicyFile(const std::string& path, std::string_view kind,
                       const std::function<Status(CheckedFileWriter&)>& write) {
  const std::string aside = AsideName(path);
  auto file = CheckedFileWriter::Create(aside, kind, kPolicyFileVersion);
  if (!file) return file.error();
  EQUIPOISE_RETURN_IF_ERROR(write(*file));
  EQUIPOISE_RETURN_IF_ERROR(file->Finish());
  std::error_code error;
  std::filesystem::rename(aside, path, error);
  if (!error) return {};
  const std::string why = error.message();
  std::filesystem::remove(aside, error);
  return Status(Code::kIo, "Save: cannot give the new file its name: " + why, {.file = path});
}

Result<std::string_view> TextSection(const CheckedFile& file, std::string_view name) {
  EQUIPOISE_ASSIGN_OR_RETURN(const auto bytes, file.Section(name));
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void AppendName(std::string_view name, std::string* to) {
  const auto length = static_cast<std::uint32_t>(name.size());
  char bytes[sizeof length];
  std::memcpy(bytes, &length, sizeof length);
  to->append(bytes, sizeof length);
  to->append(name);
}

Result<std::vector<std::string>> SplitNames(std::string_view packed, const std::string& path) {
  std::vector<std::string> out;
  while (!packed.empty()) {
    std::uint32_t length = 0;
    if (packed.size() < sizeof length)
      return Status(Code::kCorruption, "holds a name that is cut", {.file = path});
    std::memcpy(&length, packed.data(), sizeof length);
    packed.remove_prefix(sizeof length);
    if (packed.size() < length)
      return Status(Code::kCorruption, "holds a name that is cut", {.file = path});
    out.emplace_back(packed.substr(0, length));
    packed.remove_prefix(length);
  }
  return out;
}

}  // namespace equipoise
