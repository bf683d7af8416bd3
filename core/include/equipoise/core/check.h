/// Argument checks whose messages are built from the checked expression itself, so that a message
/// cannot name another variable than the one that was tested. For the library's own sources.
#pragma once

#include <fmt/format.h>

#include <equipoise/core/status.h>

/// Returns from the enclosing function with the Status if it is an error.
#define EQUIPOISE_RETURN_IF_ERROR(expression)                                      \
  do {                                                                             \
    if (::equipoise::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)

#define EQUIPOISE_CONCAT_INNER_(a, b) a##b
#define EQUIPOISE_CONCAT_(a, b) EQUIPOISE_CONCAT_INNER_(a, b)

/// EQUIPOISE_ASSIGN_OR_RETURN(auto file, MappedFile::Open(path));
#define EQUIPOISE_ASSIGN_OR_RETURN(declaration, expression) \
  EQUIPOISE_ASSIGN_OR_RETURN_(EQUIPOISE_CONCAT_(result_, __LINE__), declaration, expression)
#define EQUIPOISE_ASSIGN_OR_RETURN_(result, declaration, expression) \
  auto result = (expression);                                        \
  if (!result.ok()) return result.error();                           \
  declaration = *std::move(result)

/// Refuses `value` unless low <= value <= high:
/// "Search: k = 0 is out of range [1, 100]".
#define EQUIPOISE_CHECK_RANGE(function, value, low, high)                                          \
  do {                                                                                             \
    if (!((value) >= (low) && (value) <= (high)))                                                  \
      return ::equipoise::Status(                                                                  \
          ::equipoise::Code::kInvalidArgument,                                                     \
          fmt::format("{}: {} = {} is out of range [{}, {}]", function, #value, value, low, high), \
          {.field = #value});                                                                      \
  } while (false)

/// Refuses unless a == b, naming both sides and their values:
/// "Build: embeddings.rows = 3 must equal documents.size() = 4".
#define EQUIPOISE_CHECK_EQUAL(function, a, b)                                                    \
  do {                                                                                           \
    if (!((a) == (b)))                                                                           \
      return ::equipoise::Status(                                                                \
          ::equipoise::Code::kInvalidArgument,                                                   \
          fmt::format("{}: {} = {} must equal {} = {}", function, #a, a, #b, b), {.field = #a}); \
  } while (false)
