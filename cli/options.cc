#include "options.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace equipoise::cli {
namespace {

template <typename T>
bool IsIn(const std::string& text, T low, T high) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= low && value <= high;
}

// Without a description of its own, which CLI11 would print beside the option's.
CLI::Validator Check(std::function<std::string(std::string&)> check) {
  return CLI::Validator(std::move(check), "");
}

class Help : public CLI::Formatter {
 public:
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    // CLI11 sets two blank lines between groups and one at the start of a command's help.
    std::string text = CLI::Formatter::make_help(app, std::move(name), mode);
    for (std::size_t at; (at = text.find("\n\n\n")) != std::string::npos;) text.erase(at, 1);
    if (const std::size_t usage = text.find("\nUsage:");
        usage != std::string::npos && usage > 0 && text[usage - 1] != '\n')
      text.insert(usage, 1, '\n');
    return text;
  }
};

}  // namespace

CLI::Validator InRange(double low, double high) {
  return Check([=](std::string& text) {
    return IsIn(text, low, high) ? std::string()
                                 : fmt::format("\"{}\" is no number in [{}, {}]", text, low, high);
  });
}

CLI::Validator WholeNumber(std::uint64_t low, std::uint64_t high) {
  return Check([=](std::string& text) {
    return IsIn(text, low, high)
               ? std::string()
               : fmt::format("\"{}\" is no whole number in [{}, {}]", text, low, high);
  });
}

CLI::Validator Named() {
  return Check(
      [](std::string& text) { return std::string(text.empty() ? "the name is empty" : ""); });
}

CLI::Validator OneOf(std::vector<std::string> words) {
  return Check([words = std::move(words)](std::string& text) {
    return std::find(words.begin(), words.end(), text) != words.end()
               ? std::string()
               : fmt::format("\"{}\" is unknown; it is one of {}", text, fmt::join(words, ", "));
  });
}

std::shared_ptr<CLI::FormatterBase> HelpFormatter() {
  auto help = std::make_shared<Help>();
  help->column_width(32);
  return help;
}

}  // namespace equipoise::cli
