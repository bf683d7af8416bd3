// A filter of metadata once it is read: conditions on columns, whose types fit, joined by and, or, not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <variant>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/retrieval/columns.h>

namespace equipoise::filter {

// Values from low to high, both included; low > high: none. Of an order of numbers both strict and
// not, since every bound has a next number.
struct Integers {
  std::int64_t low = 0, high = 0;
};
struct Doubles {
  double low = 0, high = 0;
};
struct IntegerSet {
  std::vector<std::int64_t> values;  // ascending
};
struct DoubleSet {
  std::vector<double> values;  // ascending
};
struct Bools {
  bool with_false = false, with_true = false;
};
struct Strings {
  std::optional<std::string> low, high;  // absent: no bound
  bool low_included = true, high_included = true;
};
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};
struct StringSet {
  std::unordered_set<std::string, TextHash, std::equal_to<>> values;
};
struct Exists {};

using Condition =
    std::variant<Exists, Integers, Doubles, IntegerSet, DoubleSet, Bools, Strings, StringSet>;

struct Node {
  enum class Kind : std::uint8_t { kCondition, kAnd, kOr, kNot };
  Kind kind = Kind::kCondition;
  std::vector<Node> children{};  // of kAnd, kOr (two or more) and kNot (one)
  std::size_t column = 0;        // of kCondition, in Columns::all()
  bool outside = false;  // the documents that have a value which the condition does not match
  Condition condition{};
};

// Errors   kInvalidArgument, as MetadataFilter::Compile says
Result<Node> Parse(std::string_view text, std::span<const Columns::Column> columns);

// The documents that match, for words [first_word, first_word + words.size()) of the set.
// Shapes   words in: where documents may match (bits behind the last document 0); out: where they do
// Range    words.size() <= kBlockWords
inline constexpr std::size_t kBlockWords = 64;
void Match(const Node& node, std::span<const Columns::Column> columns, std::size_t first_word,
           std::span<std::uint64_t> words);

}  // namespace equipoise::filter
