// Which documents a filter matches: a block of them at a time, so that what is between the steps
// stays in the cache, and only those that the steps before have left.
#include <algorithm>
#include <array>
#include <bit>

#include "filter_expression.h"

namespace equipoise::filter {
namespace {

using Column = Columns::Column;
using Words = std::array<std::uint64_t, kBlockWords>;

// From so many documents of a word on all 64 are compared, without a branch for each.
constexpr int kManyOfAWord = 12;

std::string_view TextOf(const Column& column, std::uint64_t doc, bool* fits) {
  const std::uint64_t from = column.offsets[doc];
  const std::uint64_t to = column.offsets[doc + 1];
  *fits = from <= to && to <= column.bytes.size();  // no: a damaged file
  if (!*fits) return {};
  return {column.bytes.data() + from, static_cast<std::size_t>(to - from)};
}

// Bit i: flags[i] is 1.
std::uint64_t Gather(const std::uint8_t* flags) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < 64; ++i) word |= std::uint64_t{flags[i]} << i;
  return word;
}

// Leaves the documents with a value that `is` (outside: is not) what is asked for.
template <typename T, typename Is>
void MatchValues(std::span<const T> values, const Node& node, std::size_t first_word,
                 const Column& column, std::span<std::uint64_t> words, const Is& is) {
  for (std::size_t w = 0; w < words.size(); ++w) {
    const std::uint64_t there = words[w] & column.present[first_word + w];
    words[w] = 0;
    if (there == 0) continue;
    const std::size_t begin = (first_word + w) * 64;
    std::uint64_t found = 0;
    if (std::popcount(there) >= kManyOfAWord && values.size() - begin >= 64) {
      std::uint8_t flags[64];
      for (std::size_t i = 0; i < 64; ++i) flags[i] = is(values[begin + i]) ? 1 : 0;
      found = Gather(flags) & there;
    } else {
      for (std::uint64_t rest = there; rest != 0; rest &= rest - 1) {
        const auto i = static_cast<std::size_t>(std::countr_zero(rest));
        if (is(values[begin + i])) found |= std::uint64_t{1} << i;
      }
    }
    words[w] = node.outside ? there & ~found : found;
  }
}

template <typename Is>
void MatchTexts(const Node& node, std::size_t first_word, const Column& column,
                std::span<std::uint64_t> words, const Is& is) {
  for (std::size_t w = 0; w < words.size(); ++w) {
    const std::uint64_t there = words[w] & column.present[first_word + w];
    words[w] = 0;
    for (std::uint64_t rest = there; rest != 0; rest &= rest - 1) {
      const auto i = static_cast<std::size_t>(std::countr_zero(rest));
      bool fits = false;
      const std::string_view text = TextOf(column, (first_word + w) * 64 + i, &fits);
      if (fits && is(text) != node.outside) words[w] |= std::uint64_t{1} << i;
    }
  }
}

struct Matcher {
  const Node& node;
  const Column& column;
  std::size_t first_word;
  std::span<std::uint64_t> words;

  void operator()(const Exists&) const {
    for (std::size_t w = 0; w < words.size(); ++w) words[w] &= column.present[first_word + w];
  }
  void operator()(const Integers& range) const {
    // One comparison: below low it wraps around to a large number.
    const auto low = static_cast<std::uint64_t>(range.low);
    const std::uint64_t span = static_cast<std::uint64_t>(range.high) - low;
    const bool none = range.low > range.high;
    MatchValues(column.integers, node, first_word, column, words, [=](std::int64_t value) {
      return !none && static_cast<std::uint64_t>(value) - low <= span;
    });
  }
  void operator()(const Doubles& range) const {
    MatchValues(column.doubles, node, first_word, column, words,
                [&](double value) { return (value >= range.low) & (value <= range.high); });
  }
  void operator()(const IntegerSet& set) const {
    MatchValues(column.integers, node, first_word, column, words, [&](std::int64_t value) {
      return std::binary_search(set.values.begin(), set.values.end(), value);
    });
  }
  void operator()(const DoubleSet& set) const {
    MatchValues(column.doubles, node, first_word, column, words, [&](double value) {
      return std::binary_search(set.values.begin(), set.values.end(), value);
    });
  }
  void operator()(const Bools& asked) const {
    MatchValues(column.bools, node, first_word, column, words, [&](std::uint8_t value) {
      return value != 0 ? asked.with_true : asked.with_false;
    });
  }
  void operator()(const Strings& range) const {
    MatchTexts(node, first_word, column, words, [&](std::string_view text) {
      if (range.low) {
        const int order = text.compare(*range.low);
        if (order < 0 || (order == 0 && !range.low_included)) return false;
      }
      if (range.high) {
        const int order = text.compare(*range.high);
        if (order > 0 || (order == 0 && !range.high_included)) return false;
      }
      return true;
    });
  }
  void operator()(const StringSet& set) const {
    if (set.values.size() == 1) {
      const std::string_view only = *set.values.begin();
      MatchTexts(node, first_word, column, words,
                 [&](std::string_view text) { return text == only; });
      return;
    }
    MatchTexts(node, first_word, column, words,
               [&](std::string_view text) { return set.values.contains(text); });
  }
};

}  // namespace

void Match(const Node& node, std::span<const Column> columns, std::size_t first_word,
           std::span<std::uint64_t> words) {
  if (std::all_of(words.begin(), words.end(), [](std::uint64_t word) { return word == 0; })) return;
  switch (node.kind) {
    case Node::Kind::kCondition:
      std::visit(Matcher{node, columns[node.column], first_word, words}, node.condition);
      return;
    case Node::Kind::kAnd:
      for (const Node& child : node.children) Match(child, columns, first_word, words);
      return;
    case Node::Kind::kOr: {
      Words found{}, rest;
      for (const Node& child : node.children) {
        // What a child before has found is not looked at again.
        for (std::size_t w = 0; w < words.size(); ++w) rest[w] = words[w] & ~found[w];
        Match(child, columns, first_word, std::span(rest).first(words.size()));
        for (std::size_t w = 0; w < words.size(); ++w) found[w] |= rest[w];
      }
      std::copy_n(found.begin(), words.size(), words.begin());
      return;
    }
    case Node::Kind::kNot: {
      Words found;
      std::copy(words.begin(), words.end(), found.begin());
      Match(node.children[0], columns, first_word, std::span(found).first(words.size()));
      for (std::size_t w = 0; w < words.size(); ++w) words[w] &= ~found[w];
      return;
    }
  }
}

}  // namespace equipoise::filter
