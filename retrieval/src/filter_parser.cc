// Reads a filter: a recursive descent over its characters, with the types checked on the way.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include <equipoise/core/check.h>

#include "filter_expression.h"

namespace equipoise::filter {
namespace {

using Column = Columns::Column;

// Deeper parentheses than a person writes, and far from the end of the stack.
constexpr int kDeepest = 100;
// Fields that an error names, and bytes of the filter that it repeats.
constexpr std::size_t kNamed = 30;
constexpr std::size_t kRepeated = 60;

using Value = std::variant<bool, std::int64_t, double, std::string>;

ColumnType TypeOf(const Value& value) { return static_cast<ColumnType>(value.index()); }

struct Token {
  enum class Kind : std::uint8_t {
    kEnd,
    kField,
    kAnd,
    kOr,
    kNot,
    kIn,
    kExists,
    kValue,
    kCompare,
    kOpen,
    kClose,
    kComma,
  };
  Kind kind = Kind::kEnd;
  std::size_t at = 0;     // in bytes
  std::string_view text;  // as written
  std::string name;       // of a field
  Value value;
};

bool BeginsField(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool InField(char c) { return BeginsField(c) || (c >= '0' && c <= '9') || c == '.' || c == '-'; }
bool InNumber(char c) {
  return (c >= '0' && c <= '9') || c == '.' || c == '+' || c == '-' || c == 'e' || c == 'E';
}

std::string Shown(std::string_view text) {
  if (text.size() <= kRepeated) return std::string(text);
  std::size_t end = kRepeated;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "…";
}

struct Word {
  std::string_view lower, upper;
  Token::Kind kind;
};
constexpr Word kWords[] = {
    {"and", "AND", Token::Kind::kAnd},          {"or", "OR", Token::Kind::kOr},
    {"not", "NOT", Token::Kind::kNot},          {"in", "IN", Token::Kind::kIn},
    {"exists", "EXISTS", Token::Kind::kExists}, {"true", "TRUE", Token::Kind::kValue},
    {"false", "FALSE", Token::Kind::kValue}};

class Parser {
 public:
  Parser(std::string_view text, std::span<const Column> columns) : text_(text), columns_(columns) {}

  Result<Node> Run() {
    EQUIPOISE_RETURN_IF_ERROR(Next());
    EQUIPOISE_ASSIGN_OR_RETURN(Node node, Or(0));
    if (now_.kind != Token::Kind::kEnd) return Expected("\"and\", \"or\" or the end");
    return node;
  }

 private:
  // Characters count from 1; a sequence of UTF-8 is one.
  std::size_t CharacterAt(std::size_t byte) const {
    return 1 + static_cast<std::size_t>(std::count_if(
                   text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(byte),
                   [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  }
  Status Error(std::size_t at, const std::string& what) const {
    return Status(Code::kInvalidArgument,
                  fmt::format("filter, character {}: {}", CharacterAt(at), what),
                  {.field = "filter"});
  }
  Status Expected(std::string_view what) const {
    return Error(now_.at, now_.kind == Token::Kind::kEnd
                              ? fmt::format("expected {}, found the end", what)
                              : fmt::format("expected {}, found {}", what, Shown(now_.text)));
  }

  // Tokens

  Status Next() {
    while (at_ < text_.size() && (text_[at_] == ' ' || (text_[at_] >= '\t' && text_[at_] <= '\r')))
      ++at_;
    now_ = Token();
    now_.at = at_;
    if (at_ == text_.size()) return {};
    const char c = text_[at_];
    if (c == '(' || c == ')' || c == ',')
      return Take(c == '('   ? Token::Kind::kOpen
                  : c == ')' ? Token::Kind::kClose
                             : Token::Kind::kComma,
                  1);
    if (c == '"' || c == '\'') return Text(c);
    if (c == '`') return QuotedField();
    if ((c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.') return Number();
    if (c == '=' || c == '<' || c == '>' || c == '!') {
      const bool two = at_ + 1 < text_.size() && text_[at_ + 1] == '=';
      if (c == '=' && two) return Error(at_, "equality is written with one =");
      if (c == '!' && !two) return Error(at_, "expected \"not\" or !=, found !");
      return Take(Token::Kind::kCompare, two ? 2 : 1);
    }
    if (BeginsField(c)) return FieldOrWord();
    return Error(at_, fmt::format("expected a field, a value or an operator, found {}",
                                  static_cast<unsigned char>(c) < 0x20 ? std::string("a control "
                                                                                     "character")
                                                                       : std::string(1, c)));
  }

  Status Take(Token::Kind kind, std::size_t bytes) {
    now_.kind = kind;
    now_.text = text_.substr(at_, bytes);
    at_ += bytes;
    return {};
  }

  Status FieldOrWord() {
    std::size_t end = at_;
    while (end < text_.size() && InField(text_[end])) ++end;
    EQUIPOISE_RETURN_IF_ERROR(Take(Token::Kind::kField, end - at_));
    for (const Word& word : kWords) {
      if (now_.text != word.lower && now_.text != word.upper) continue;
      now_.kind = word.kind;
      if (word.kind == Token::Kind::kValue) now_.value = word.lower == "true";
    }
    now_.name = now_.text;
    return {};
  }

  Status QuotedField() {
    const std::size_t end = text_.find('`', at_ + 1);
    if (end == std::string_view::npos) return Error(at_, "the ` that ends this field is missing");
    EQUIPOISE_RETURN_IF_ERROR(Take(Token::Kind::kField, end + 1 - at_));
    now_.name = now_.text.substr(1, now_.text.size() - 2);
    return {};
  }

  Status Text(char quote) {
    std::string value;
    std::size_t end = at_ + 1;
    for (; end < text_.size() && text_[end] != quote; ++end) {
      if (text_[end] == '\\') {
        ++end;
        if (end == text_.size()) break;
        if (text_[end] != '"' && text_[end] != '\'' && text_[end] != '\\')
          return Error(end, "after \\ in a text expected \", ' or \\");
      }
      value += text_[end];
    }
    if (end >= text_.size())
      return Error(at_, fmt::format("the {} that ends this text is missing", quote));
    EQUIPOISE_RETURN_IF_ERROR(Take(Token::Kind::kValue, end + 1 - at_));
    now_.value = std::move(value);
    return {};
  }

  Status Number() {
    std::size_t end = at_;
    while (end < text_.size() && InNumber(text_[end])) ++end;
    const std::string_view number = text_.substr(at_, end - at_);
    const char* const first = number.data();
    const char* const last = first + number.size();
    std::int64_t whole = 0;
    double fraction = 0;
    if (const auto read = std::from_chars(first, last, whole);
        read.ec == std::errc() && read.ptr == last) {
      EQUIPOISE_RETURN_IF_ERROR(Take(Token::Kind::kValue, number.size()));
      now_.value = whole;
      return {};
    }
    const auto read = std::from_chars(first, last, fraction);
    if (read.ec == std::errc::result_out_of_range)
      return Error(at_, fmt::format("{} is out of the range of numbers", Shown(number)));
    if (read.ec != std::errc() || read.ptr != last || !std::isfinite(fraction))
      return Error(at_, fmt::format("{} is not a number", Shown(number)));
    EQUIPOISE_RETURN_IF_ERROR(Take(Token::Kind::kValue, number.size()));
    now_.value = fraction;
    return {};
  }

  // The grammar

  Result<Node> Joined(Token::Kind by, Node::Kind kind, int depth,
                      Result<Node> (Parser::*part)(int)) {
    EQUIPOISE_ASSIGN_OR_RETURN(Node first, (this->*part)(depth));
    if (now_.kind != by) return first;
    Node node{.kind = kind};
    node.children.push_back(std::move(first));
    while (now_.kind == by) {
      EQUIPOISE_RETURN_IF_ERROR(Next());
      EQUIPOISE_ASSIGN_OR_RETURN(Node next, (this->*part)(depth));
      node.children.push_back(std::move(next));
    }
    return node;
  }
  Result<Node> Or(int depth) {
    return Joined(Token::Kind::kOr, Node::Kind::kOr, depth, &Parser::And);
  }
  Result<Node> And(int depth) {
    return Joined(Token::Kind::kAnd, Node::Kind::kAnd, depth, &Parser::One);
  }

  Result<Node> One(int depth) {
    if (depth > kDeepest)
      return Error(now_.at, fmt::format("more than {} levels of \"(\" and \"not\"", kDeepest));
    switch (now_.kind) {
      case Token::Kind::kNot: {
        EQUIPOISE_RETURN_IF_ERROR(Next());
        EQUIPOISE_ASSIGN_OR_RETURN(Node child, One(depth + 1));
        Node node{.kind = Node::Kind::kNot};
        node.children.push_back(std::move(child));
        return node;
      }
      case Token::Kind::kOpen: {
        EQUIPOISE_RETURN_IF_ERROR(Next());
        EQUIPOISE_ASSIGN_OR_RETURN(Node node, Or(depth + 1));
        if (now_.kind != Token::Kind::kClose) return Expected("\"and\", \"or\" or )");
        EQUIPOISE_RETURN_IF_ERROR(Next());
        return node;
      }
      case Token::Kind::kExists: {
        EQUIPOISE_RETURN_IF_ERROR(Next());
        if (now_.kind != Token::Kind::kField) return Expected("a field after \"exists\"");
        EQUIPOISE_ASSIGN_OR_RETURN(const std::size_t column, ColumnOf());
        EQUIPOISE_RETURN_IF_ERROR(Next());
        return Node{.column = column};
      }
      case Token::Kind::kField:
        return Compared();
      default:
        return Expected("a field, \"exists\", \"not\" or (");
    }
  }

  Result<Node> Compared() {
    EQUIPOISE_ASSIGN_OR_RETURN(const std::size_t column, ColumnOf());
    EQUIPOISE_RETURN_IF_ERROR(Next());
    Node node{.column = column};
    if (now_.kind == Token::Kind::kCompare) {
      const Token compare = now_;
      EQUIPOISE_RETURN_IF_ERROR(Next());
      EQUIPOISE_RETURN_IF_ERROR(CheckValue(column));
      node.outside = compare.text == "!=";
      EQUIPOISE_ASSIGN_OR_RETURN(node.condition, ConditionOf(column, compare, now_.value));
      EQUIPOISE_RETURN_IF_ERROR(Next());
      return node;
    }
    if (now_.kind == Token::Kind::kNot) {
      node.outside = true;
      EQUIPOISE_RETURN_IF_ERROR(Next());
      if (now_.kind != Token::Kind::kIn) return Expected("\"in\" after \"not\"");
    }
    if (now_.kind != Token::Kind::kIn) return Expected("=, !=, <, <=, >, >=, \"in\" or \"not in\"");
    EQUIPOISE_RETURN_IF_ERROR(Next());
    if (now_.kind != Token::Kind::kOpen) return Expected("( after \"in\"");
    std::vector<Value> values;
    do {
      EQUIPOISE_RETURN_IF_ERROR(Next());
      EQUIPOISE_RETURN_IF_ERROR(CheckValue(column));
      values.push_back(now_.value);
      EQUIPOISE_RETURN_IF_ERROR(Next());
    } while (now_.kind == Token::Kind::kComma);
    if (now_.kind != Token::Kind::kClose) return Expected(", or )");
    EQUIPOISE_RETURN_IF_ERROR(Next());
    node.condition = SetOf(column, values);
    return node;
  }

  // Types

  Result<std::size_t> ColumnOf() const {
    for (std::size_t i = 0; i < columns_.size(); ++i)
      if (columns_[i].name == now_.name) return i;
    std::string names;
    for (std::size_t i = 0; i < std::min(columns_.size(), kNamed); ++i)
      names += fmt::format("{}{} ({})", i > 0 ? ", " : "", columns_[i].name,
                           ColumnTypeName(columns_[i].type));
    if (columns_.size() > kNamed) names += fmt::format(" and {} more", columns_.size() - kNamed);
    return Error(
        now_.at,
        columns_.empty()
            ? fmt::format("no document has a field {}, nor any other", Shown(now_.text))
            : fmt::format("no document has a field {}; there are {}", Shown(now_.text), names));
  }

  Status CheckValue(std::size_t column) const {
    const Column& c = columns_[column];
    const auto is_number = [](ColumnType type) {
      return type == ColumnType::kInt64 || type == ColumnType::kDouble;
    };
    if (c.type == ColumnType::kJson)
      return Error(now_.at, fmt::format("{} holds json, of which one can only ask: exists {}",
                                        c.name, c.name));
    if (now_.kind != Token::Kind::kValue)
      return Expected(fmt::format("a value ({})", ColumnTypeName(c.type)));
    const ColumnType type = TypeOf(now_.value);
    if (type != c.type && !(is_number(type) && is_number(c.type)))
      return Error(now_.at,
                   fmt::format("{} is of type {}, but {} of type {}", c.name,
                               ColumnTypeName(c.type), Shown(now_.text), ColumnTypeName(type)));
    return {};
  }

  Result<Condition> ConditionOf(std::size_t column, const Token& compare,
                                const Value& value) const {
    const std::string_view sign = compare.text;
    const bool equal = sign == "=" || sign == "!=";
    const bool below = sign[0] == '<', above = sign[0] == '>';
    const bool included = equal || sign.size() == 2;
    switch (columns_[column].type) {
      case ColumnType::kInt64:
        return Condition(IntegerRange(value, below, above, included));
      case ColumnType::kDouble:
        return Condition(DoubleRange(value, below, above, included));
      case ColumnType::kBool:
        if (!equal)
          return Error(compare.at, fmt::format("{} is a bool, which has no order: = or !=",
                                               columns_[column].name));
        return Condition(
            Bools{.with_false = !std::get<bool>(value), .with_true = std::get<bool>(value)});
      case ColumnType::kString:
      case ColumnType::kJson:
        break;
    }
    if (equal) return SetOf(column, {value});
    Strings range;
    (below ? range.high : range.low) = std::get<std::string>(value);
    (below ? range.high_included : range.low_included) = included;
    return Condition(std::move(range));
  }

  static constexpr double kBeyond = 9223372036854775808.0;  // 2^63

  static Integers IntegerRange(const Value& value, bool below, bool above, bool included) {
    constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
    constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
    constexpr Integers kAll{kLeast, kMost}, kNone{1, 0};
    if (const auto* whole = std::get_if<std::int64_t>(&value)) {
      if (below) {
        if (included) return {kLeast, *whole};
        return *whole == kLeast ? kNone : Integers{kLeast, *whole - 1};
      }
      if (above) {
        if (included) return {*whole, kMost};
        return *whole == kMost ? kNone : Integers{*whole + 1, kMost};
      }
      return {*whole, *whole};
    }
    const double number = std::get<double>(value);
    if (number >= kBeyond) return below ? kAll : kNone;
    if (number < -kBeyond) return above ? kAll : kNone;
    const auto floor = static_cast<std::int64_t>(std::floor(number));
    if (static_cast<double>(floor) == number)
      return IntegerRange(Value(floor), below, above, included);
    if (below) return {kLeast, floor};
    return above ? Integers{floor + 1, kMost} : kNone;  // floor < 2^53, since it has a fraction
  }

  static Doubles DoubleRange(const Value& value, bool below, bool above, bool included) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    double number = 0;
    bool exact = true;
    if (const auto* whole = std::get_if<std::int64_t>(&value)) {
      number = static_cast<double>(*whole);
      exact = number < kBeyond && static_cast<std::int64_t>(number) == *whole;
      // The nearest double that is not above.
      if (!exact && (number >= kBeyond || static_cast<std::int64_t>(number) > *whole))
        number = std::nextafter(number, -kInfinity);
    } else {
      number = std::get<double>(value);
    }
    if (!exact) {
      if (below) return {-kInfinity, number};
      return above ? Doubles{std::nextafter(number, kInfinity), kInfinity} : Doubles{1, 0};
    }
    if (below) return {-kInfinity, included ? number : std::nextafter(number, -kInfinity)};
    if (above) return {included ? number : std::nextafter(number, kInfinity), kInfinity};
    return {number, number};
  }

  Condition SetOf(std::size_t column, const std::vector<Value>& values) const {
    switch (columns_[column].type) {
      case ColumnType::kInt64: {
        IntegerSet set;
        for (const Value& value : values)
          if (const Integers one = IntegerRange(value, false, false, true); one.low <= one.high)
            set.values.push_back(one.low);
        std::sort(set.values.begin(), set.values.end());
        return set;
      }
      case ColumnType::kDouble: {
        DoubleSet set;
        for (const Value& value : values)
          if (const Doubles one = DoubleRange(value, false, false, true); one.low <= one.high)
            set.values.push_back(one.low);
        std::sort(set.values.begin(), set.values.end());
        return set;
      }
      case ColumnType::kBool: {
        Bools set;
        for (const Value& value : values)
          (std::get<bool>(value) ? set.with_true : set.with_false) = true;
        return set;
      }
      case ColumnType::kString:
      case ColumnType::kJson:
        break;
    }
    StringSet set;
    for (const Value& value : values) set.values.insert(std::get<std::string>(value));
    return set;
  }

  std::string_view text_;
  std::span<const Column> columns_;
  std::size_t at_ = 0;
  Token now_;
};

}  // namespace

Result<Node> Parse(std::string_view text, std::span<const Columns::Column> columns) {
  return Parser(text, columns).Run();
}

}  // namespace equipoise::filter
