#include "arguments.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

#include <equipoise/core/check.h>
#include <equipoise/core/matrix_file.h>
#include <equipoise/engine/ranking_evaluation.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/retrieval/text.h>

namespace equipoise::cli {
namespace {

template <typename T>
std::optional<T> ParseNumber(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return {};
  return value;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (;;) {
    const std::size_t at = text.find(separator);
    out.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return out;
    text.remove_prefix(at + 1);
  }
}

Status BadAlpha(std::string_view text) {
  return Status(Code::kInvalidArgument,
                fmt::format("\"{}\" is no α; use 0.5, a list 0,0.5,1 or FIRST:LAST:STEP, all in "
                            "[0, 1]",
                            text),
                {.field = "--alpha"});
}

}  // namespace

Result<std::vector<double>> ParseAlphas(const std::string& text) {
  std::vector<double> out;
  const auto range = Split(text, ':');
  if (range.size() == 3) {
    const auto first = ParseNumber<double>(range[0]);
    const auto last = ParseNumber<double>(range[1]);
    const auto step = ParseNumber<double>(range[2]);
    if (!first || !last || !step || !(*step > 0 && *step <= 1) || !(*first <= *last) ||
        !(*first >= 0) || !(*last <= 1) || (*last - *first) / *step > 10'000)
      return BadAlpha(text);
    // Counted, not added up, so that 0:1:0.1 ends at exactly 1; a step of 0.1 gives 0.3, not
    // 0.30000000000000004.
    const auto steps = static_cast<int>(std::floor((*last - *first) / *step + 1e-9));
    for (int i = 0; i <= steps; ++i)
      out.push_back(std::min(1.0, std::round((*first + i * *step) * 1e9) / 1e9));
    return out;
  }
  for (std::string_view part : Split(text, ',')) {
    const auto alpha = ParseNumber<double>(part);
    if (!alpha || !(*alpha >= 0 && *alpha <= 1)) return BadAlpha(part);
    out.push_back(*alpha);
  }
  return out;
}

Result<Bm25Fields> ParseFields(const std::string& text, float b) {
  Bm25Fields out{.title_b = b, .text_b = b};
  const auto bad = [](std::string_view part) {
    return Status(Code::kInvalidArgument,
                  fmt::format("\"{}\" is no field with a weight; use title=2,text=1, or "
                              "title=2:0.5 with its own b behind a colon (weights above 0 and to "
                              "1000000, b in [0, 1])",
                              part),
                  {.field = "--field-weights"});
  };
  bool title_named = false, text_named = false;
  for (const std::string_view part : Split(text, ',')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos) return bad(part);
    const std::string_view name = part.substr(0, equals);
    const bool title = name == "title";
    bool& named = title ? title_named : text_named;
    const auto values = Split(part.substr(equals + 1), ':');
    const auto weight = ParseNumber<float>(values[0]);
    const auto own = values.size() > 1 ? ParseNumber<float>(values[1]) : std::optional<float>(b);
    if ((!title && name != "text") || named || values.size() > 2 || !weight || !own ||
        !(*weight >= std::numeric_limits<float>::min() && *weight <= 1e6f) ||
        !(*own >= 0 && *own <= 1))
      return bad(part);
    named = true;
    (title ? out.title_weight : out.text_weight) = *weight;
    (title ? out.title_b : out.text_b) = *own;
  }
  return out;
}

Result<double> ParseDuration(const std::string& text) {
  const std::size_t unit = std::min(text.find_first_not_of("0123456789.eE+-"), text.size());
  const auto number = ParseNumber<double>(std::string_view(text).substr(0, unit));
  const std::string_view name = std::string_view(text).substr(unit);
  const double seconds = name == "us"   ? 1e-6
                         : name == "ms" ? 1e-3
                         : name == "s"  ? 1
                         : name == "m"  ? 60
                         : name == "h"  ? 3600
                                        : 0;
  if (!number || !(*number >= 0) || !std::isfinite(*number) || seconds == 0)
    return Status(Code::kInvalidArgument,
                  fmt::format("\"{}\" is no time; use 500us, 2ms, 90s, 5m or 1h", text));
  return *number * seconds;
}

Result<std::pair<double, double>> ParseBounds(const std::string& text) {
  const auto ends = Split(text, ':');
  if (ends.size() == 2) {
    const auto low = ParseNumber<double>(ends[0]), high = ParseNumber<double>(ends[1]);
    if (low && high) return std::pair(*low, *high);
  }
  return Status(Code::kInvalidArgument,
                fmt::format("\"{}\" is no range; use LOW:HIGH, as in 0.2:0.8", text));
}

Result<std::map<std::string, double>> ParseWeights(const std::string& text) {
  std::map<std::string, double> out;
  for (const std::string_view part : Split(text, ',')) {
    const std::size_t at = std::min(part.find('='), part.size());
    const auto weight =
        at < part.size() ? ParseNumber<double>(part.substr(at + 1)) : std::optional<double>();
    if (at == 0 || !weight)
      return Status(
          Code::kInvalidArgument,
          fmt::format("\"{}\" is no weight; use NAME=NUMBER, as in quality=0.6,cost=0.4", part));
    if (!out.emplace(part.substr(0, at), *weight).second)
      return Status(Code::kInvalidArgument,
                    fmt::format("\"{}\" is weighed twice", part.substr(0, at)));
  }
  return out;
}

Result<std::vector<FusionMethod>> ParseFusions(const std::string& text) {
  std::vector<FusionMethod> out;
  for (std::string_view part : Split(text, ',')) {
    EQUIPOISE_ASSIGN_OR_RETURN(const FusionMethod method, ParseFusion(part));
    out.push_back(method);
  }
  return out;
}

std::vector<std::string> SplitList(const std::string& text) {
  std::vector<std::string> out;
  for (std::string_view part : Split(text, ','))
    if (!part.empty()) out.emplace_back(part);
  return out;
}

Result<Embedding> ReadEmbedding(const std::string& text) {
  std::string path = text;
  std::size_t row = 0;
  if (const std::size_t colon = text.rfind(':'); colon != std::string::npos) {
    if (const auto number = ParseNumber<std::size_t>(std::string_view(text).substr(colon + 1))) {
      row = *number;
      path = text.substr(0, colon);
    }
  }
  EQUIPOISE_ASSIGN_OR_RETURN(const MatrixFile file, MatrixFile::Open(path));
  if (row >= file.rows())
    return Status(
        Code::kInvalidArgument,
        fmt::format("has {} rows, so there is no row {} (rows count from 0)", file.rows(), row),
        {.file = path, .field = "--embedding"});
  Embedding out{.values = std::vector<float>(file.cols()),
                .where = {.file = path, .row = static_cast<std::int64_t>(row)}};
  const EmbeddingsView view = file.view();
  if (view.is_f16())
    HalfToFloat(view.f16.row(row), out.values.data(), out.values.size());
  else
    std::copy_n(view.f32.row(row), out.values.size(), out.values.begin());
  return out;
}

Result<std::pair<std::string, double>> ParseGate(const std::string& text) {
  const std::size_t at = text.find('=');
  const auto& names = EvaluationMeasures::kNames;
  const std::string name = text.substr(0, at);
  const auto value = at == std::string::npos
                         ? std::nullopt
                         : ParseNumber<double>(std::string_view(text).substr(at + 1));
  if (!value || !std::isfinite(*value) ||
      std::find(names.begin(), names.end(), name) == names.end())
    return Status(Code::kInvalidArgument,
                  fmt::format("\"{}\" is not MEASURE=VALUE with a measure of {}", text,
                              fmt::join(names, ", ")),
                  {.field = "--fail-below"});
  return std::pair(name, *value);
}

Result<std::vector<std::string>> ReadWords(const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<std::string> out;
  std::int64_t number = 0;
  for (std::string_view line : Split(text, '\n')) {
    ++number;
    if (!IsValidUtf8(line))
      return Status(Code::kInvalidArgument, "is not valid UTF-8", {.file = path, .line = number});
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) continue;
    out.emplace_back(line.substr(first, line.find_last_not_of(" \t\r") - first + 1));
  }
  return out;
}

Result<std::vector<std::string>> ReadIds(const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<std::string> out;
  for (std::int64_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty())
      return Status(Code::kInvalidArgument, "is empty; every line is an id",
                    {.file = path, .line = number});
    if (!IsValidUtf8(line))
      return Status(Code::kInvalidArgument, "is not valid UTF-8", {.file = path, .line = number});
    out.emplace_back(line);
  }
  return out;
}

}  // namespace equipoise::cli
