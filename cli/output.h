// Output for programs: one JSON object on stdout, errors included; and exit codes.
#pragma once

#include <nlohmann/json.hpp>

#include <equipoise/core/status.h>
#include <equipoise/retrieval/document.h>

namespace equipoise::cli {

using Json = nlohmann::ordered_json;

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;  ///< also: a gate failed
inline constexpr int kUsage = 2;
inline constexpr int kInterrupted = 130;

/// Prints the object and a newline. Text that is not UTF-8 comes out with replacement characters.
/// Returns kDone, or kFailed where stdout cannot be written (said on stderr).
int PrintJson(const Json& object);
/// Prints text to stdout; returns as PrintJson.
int PrintText(std::string_view text);

/// Prints "equipoise: ..." to stderr and, with --json, {"error": {...}} to stdout.
/// Returns the exit code: 130 after Ctrl-C, else 1.
int Fail(const Status& status, bool json);
/// The same with exit code 2: the value of an option is wrong.
int FailUsage(const Status& status, bool json);

/// FailUsage, and on stderr the text with a mark under its byte `at`, of a long one what is around it.
int FailAt(const Status& status, std::string_view text, std::size_t at, bool json);

/// Writes a line for a person to stderr. Where stderr cannot be written there is nobody to tell.
void Say(std::string_view line);

/// "1 query", "2 queries"; without `many`, the word and an s.
std::string Counted(std::uint64_t n, std::string_view one, std::string_view many = {});
/// "812 bytes", "3.4 KiB", "1.2 MiB".
std::string Bytes(std::uint64_t bytes);

/// A metadata value as JSON.
Json ToJson(const FieldValue& value);
/// The same as a table cell.
std::string ToText(const FieldValue& value);

}  // namespace equipoise::cli
