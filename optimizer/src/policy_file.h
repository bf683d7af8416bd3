// What the policies share: checking feedback, and writing a state file whole or not at all.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include <equipoise/core/atomic_file.h>
#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/core/weight_policy.h>

namespace equipoise {

/// Version of the contents of all policies' files. 1 was none that was ever published.
inline constexpr std::uint32_t kPolicyFileVersion = 2;

Status CheckFeedback(const WeightFeedback& feedback, std::size_t grid);

/// Refuses a version other than this one: of an older one the numbers mean something else.
Result<CheckedFile> OpenPolicyFile(const std::string& path, std::string_view kind);

/// Runs `write` on a file beside `path`, which then takes its name.
Status WritePolicyFile(const std::string& path, std::string_view kind,
                       const std::function<Status(CheckedFileWriter&)>& write);

/// The section as text.
Result<std::string_view> TextSection(const CheckedFile& file, std::string_view name);

/// Names, one after the other, each with its length before it.
void AppendName(std::string_view name, std::string* to);
Result<std::vector<std::string>> SplitNames(std::string_view packed, const std::string& path);

}  // namespace equipoise
