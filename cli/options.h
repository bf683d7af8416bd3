// How options are checked and how --help looks: CLI11's own checks let NaN through and its --help
// repeats them in a notation of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace equipoise::cli {

/// A number in [low, high]; NaN is in no range.
CLI::Validator InRange(double low, double high);
/// A whole number in [low, high].
CLI::Validator WholeNumber(std::uint64_t low, std::uint64_t high);
/// A name that is not empty, as that of an unset shell variable is.
CLI::Validator Named();
/// One of the words.
CLI::Validator OneOf(std::vector<std::string> words);

/// What lays out --help.
std::shared_ptr<CLI::FormatterBase> HelpFormatter();

}  // namespace equipoise::cli
