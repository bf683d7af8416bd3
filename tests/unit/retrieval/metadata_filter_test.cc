// Filters of metadata against a plain evaluator over the documents as they were given.
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include <equipoise/retrieval/collection.h>
#include <equipoise/retrieval/metadata_filter.h>

#include "temp_folder.h"

namespace equipoise {
namespace {

using testing::TempFolder;

const FieldValue* FieldOf(const Document& document, const std::string& name) {
  for (const Field& field : document.fields)
    if (field.first == name) return &field.second;
  return nullptr;
}

struct Indexed {
  TempFolder temp;
  std::vector<Document> documents;
  Collection collection;

  explicit Indexed(std::vector<Document> given)
      : documents(std::move(given)), collection(Open(temp, documents)) {}

  static Collection Open(const TempFolder& temp, const std::vector<Document>& documents) {
    auto builder = CollectionBuilder::Begin(temp.path("index"), {});
    for (const Document& document : documents) EXPECT_TRUE(builder->Add(document).ok());
    EXPECT_TRUE(builder->Finish().ok());
    return *Collection::Open(temp.path("index"));
  }

  std::vector<std::uint32_t> Docs(const std::string& text) const {
    auto filter = MetadataFilter::Compile(text, collection);
    EXPECT_TRUE(filter.ok()) << text << ": " << filter.error().ToString();
    std::vector<std::uint32_t> out;
    if (!filter.ok()) return out;
    filter->Rows().ForEach([&](std::uint32_t doc) { out.push_back(doc); });
    return out;
  }
  std::string ErrorOf(const std::string& text) const {
    auto filter = MetadataFilter::Compile(text, collection);
    EXPECT_FALSE(filter.ok()) << text;
    if (filter.ok()) return {};
    EXPECT_EQ(filter.error().code(), Code::kInvalidArgument);
    EXPECT_EQ(filter.error().where().field, "filter");
    return filter.error().message();
  }
};

const char* const kTexts[] = {"npl", "cacm", "", "é", "Z", "a\"b", "it's", "back\\slash", "npl "};

std::vector<Document> RandomDocuments(std::size_t n, std::mt19937* random) {
  const auto chance = [&](int percent) { return static_cast<int>((*random)() % 100) < percent; };
  std::vector<Document> out;
  for (std::size_t i = 0; i < n; ++i) {
    Document document{.id = "d" + std::to_string(i), .title = "", .text = "wing"};
    if (chance(80))
      document.fields.emplace_back(
          "year", std::int64_t{1955} + static_cast<std::int64_t>((*random)() % 20));
    if (chance(60)) {
      const std::int64_t kBig[] = {std::numeric_limits<std::int64_t>::min(),
                                   std::numeric_limits<std::int64_t>::max(), -1, 0,
                                   9007199254740993};
      document.fields.emplace_back("big", kBig[(*random)() % 5]);
    }
    if (chance(70)) {
      const double kShares[] = {
          -0.5, -0.0, 0.25, 9007199254740992.0, 1e300, -9223372036854775808.0};
      document.fields.emplace_back("share", kShares[(*random)() % 6]);
    }
    if (chance(50)) document.fields.emplace_back("new", chance(50));
    if (chance(75)) document.fields.emplace_back("domain", std::string(kTexts[(*random)() % 9]));
    if (chance(10)) document.fields.emplace_back("my field", std::string("x"));
    if (chance(30)) document.fields.emplace_back("tags", JsonText{"[1]"});
    out.push_back(document);
  }
  return out;
}

// A filter as a tree, written down and evaluated without the library.
struct Tree {
  enum class Kind { kAnd, kOr, kNot, kExists, kCompare, kIn, kNotIn } kind;
  std::vector<Tree> children;
  std::string field;
  std::string op;
  std::vector<FieldValue> values;
};

// -1, 0, 1; both exactly: long double has the digits of 64-bit integers and of doubles.
int Order(const FieldValue& a, const FieldValue& b) {
  if (const auto* text = std::get_if<std::string>(&a)) {
    const int order = text->compare(std::get<std::string>(b));
    return order < 0 ? -1 : order > 0 ? 1 : 0;
  }
  const auto number = [](const FieldValue& value) -> long double {
    if (const auto* flag = std::get_if<bool>(&value)) return *flag ? 1 : 0;
    if (const auto* whole = std::get_if<std::int64_t>(&value)) return *whole;
    return std::get<double>(value);
  };
  const long double x = number(a), y = number(b);
  return x < y ? -1 : x > y ? 1 : 0;
}

bool Matches(const Tree& tree, const Document& document) {
  const FieldValue* value = FieldOf(document, tree.field);
  switch (tree.kind) {
    case Tree::Kind::kAnd:
      for (const Tree& child : tree.children)
        if (!Matches(child, document)) return false;
      return true;
    case Tree::Kind::kOr:
      for (const Tree& child : tree.children)
        if (Matches(child, document)) return true;
      return false;
    case Tree::Kind::kNot:
      return !Matches(tree.children[0], document);
    case Tree::Kind::kExists:
      return value != nullptr;
    case Tree::Kind::kCompare: {
      if (value == nullptr) return false;
      const int order = Order(*value, tree.values[0]);
      if (tree.op == "=") return order == 0;
      if (tree.op == "!=") return order != 0;
      if (tree.op == "<") return order < 0;
      if (tree.op == "<=") return order <= 0;
      if (tree.op == ">") return order > 0;
      return order >= 0;
    }
    case Tree::Kind::kIn:
    case Tree::Kind::kNotIn: {
      if (value == nullptr) return false;
      bool found = false;
      for (const FieldValue& one : tree.values) found |= Order(*value, one) == 0;
      return found == (tree.kind == Tree::Kind::kIn);
    }
  }
  return false;
}

std::string Written(const FieldValue& value, std::mt19937* random) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "FALSE";
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return std::to_string(*whole);
  if (const auto* number = std::get_if<double>(&value)) {
    char buffer[40];
    std::snprintf(buffer, sizeof buffer, "%.17e", *number);
    return buffer;
  }
  const char quote = (*random)() % 2 == 0 ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : std::get<std::string>(value)) {
    if (c == quote || c == '\\') out += '\\';
    out += c;
  }
  return out + quote;
}

std::string Written(const Tree& tree, std::mt19937* random) {
  const auto space = [&] { return std::string((*random)() % 3, ' '); };
  const std::string field = tree.field.find(' ') == std::string::npos && (*random)() % 4 != 0
                                ? tree.field
                                : "`" + tree.field + "`";
  const auto list = [&] {
    std::string out = "(";
    for (std::size_t i = 0; i < tree.values.size(); ++i)
      out += (i > 0 ? "," : "") + space() + Written(tree.values[i], random) + space();
    return out + ")";
  };
  switch (tree.kind) {
    case Tree::Kind::kAnd:
    case Tree::Kind::kOr: {
      std::string out;
      for (std::size_t i = 0; i < tree.children.size(); ++i) {
        // Parentheses where the grammar needs them, and sometimes where not.
        const Tree& child = tree.children[i];
        const bool needed = child.kind == Tree::Kind::kOr || child.kind == tree.kind;
        const std::string text = Written(child, random);
        if (i > 0) out += tree.kind == Tree::Kind::kAnd ? " and " : " OR ";
        out += needed || (*random)() % 5 == 0 ? "(" + space() + text + ")" : text;
      }
      return out;
    }
    case Tree::Kind::kNot: {
      const Tree& child = tree.children[0];
      const bool bare = child.kind != Tree::Kind::kAnd && child.kind != Tree::Kind::kOr;
      const std::string text = Written(child, random);
      return bare && (*random)() % 2 == 0 ? "not " + text : "NOT(" + text + ")";
    }
    case Tree::Kind::kExists:
      return "exists " + field;
    case Tree::Kind::kCompare:
      return field + " " + tree.op + space() + Written(tree.values[0], random);
    case Tree::Kind::kIn:
      return field + " in" + space() + list();
    case Tree::Kind::kNotIn:
      return field + " not in" + space() + list();
  }
  return {};
}

FieldValue RandomValue(const std::string& field, std::mt19937* random) {
  if (field == "new") return (*random)() % 2 == 0;
  if (field == "domain" || field == "my field") {
    if ((*random)() % 8 == 0) return std::string("other");
    return std::string(kTexts[(*random)() % 9]);
  }
  const double kNumbers[] = {
      1960.5, 0.0, -0.5, 0.25, 1e19, -1e19, 9007199254740992.0, 1e300, -9223372036854775808.0,
      1957};
  if ((*random)() % 2 == 0) return kNumbers[(*random)() % 10];
  const std::int64_t kWhole[] = {std::numeric_limits<std::int64_t>::min(),
                                 std::numeric_limits<std::int64_t>::max(),
                                 0,
                                 1960,
                                 1970,
                                 1963,
                                 9007199254740993,
                                 9007199254740992,
                                 -1,
                                 9223372036854775295};
  return kWhole[(*random)() % 10];
}

Tree RandomTree(int depth, std::mt19937* random) {
  const char* const kFields[] = {"year", "big", "share", "new", "domain", "my field"};
  const auto kind = (*random)() % (depth > 0 ? 10 : 6);
  Tree tree{};
  if (kind >= 6) {
    tree.kind = kind == 9 ? Tree::Kind::kNot : kind == 8 ? Tree::Kind::kOr : Tree::Kind::kAnd;
    const std::size_t count = kind == 9 ? 1 : 2 + (*random)() % 3;
    for (std::size_t i = 0; i < count; ++i) tree.children.push_back(RandomTree(depth - 1, random));
    return tree;
  }
  tree.field = kFields[(*random)() % 6];
  if (kind == 0) {
    tree.kind = Tree::Kind::kExists;
    if ((*random)() % 3 == 0) tree.field = "tags";
  } else if (kind < 4) {
    const char* const kSigns[] = {"=", "!=", "<", "<=", ">", ">="};
    tree.kind = Tree::Kind::kCompare;
    tree.op = kSigns[(*random)() % (tree.field == "new" ? 2 : 6)];
    tree.values.push_back(RandomValue(tree.field, random));
  } else {
    tree.kind = kind == 4 ? Tree::Kind::kIn : Tree::Kind::kNotIn;
    for (unsigned i = 0; i < 1 + (*random)() % 4; ++i)
      tree.values.push_back(RandomValue(tree.field, random));
  }
  return tree;
}

TEST(MetadataFilter, RandomFiltersMatchWhatThePlainEvaluatorMatches) {
  std::mt19937 random(31);
  for (const std::size_t n : {1, 63, 64, 300, 9000}) {
    auto documents = RandomDocuments(n, &random);
    // The first has every field, so that no filter names an unknown one.
    documents[0].fields = {{"year", std::int64_t{1960}},
                           {"big", std::int64_t{0}},
                           {"share", 0.5},
                           {"new", true},
                           {"domain", std::string("npl")},
                           {"my field", std::string("x")},
                           {"tags", JsonText{"{}"}}};
    const Indexed indexed(std::move(documents));
    std::size_t some = 0;
    for (int round = 0; round < (n > 1000 ? 150 : 400); ++round) {
      const Tree tree = RandomTree(4, &random);
      const std::string text = Written(tree, &random);
      std::vector<std::uint32_t> truth;
      for (std::uint32_t doc = 0; doc < n; ++doc)
        if (Matches(tree, indexed.documents[doc])) truth.push_back(doc);
      ASSERT_EQ(indexed.Docs(text), truth) << n << " documents: " << text;
      some += !truth.empty() && truth.size() < n ? 1 : 0;
    }
    if (n > 1) {
      EXPECT_GT(some, 50u) << "the filters are no test if they match all or none";
    }
  }
}

// What the header promises about documents without the field.
TEST(MetadataFilter, DocumentsWithoutTheFieldMatchNoComparisonButItsNegation) {
  const Indexed indexed(
      {{.id = "a", .title = "", .text = "", .fields = {{"year", std::int64_t{1960}}}},
       {.id = "b", .title = "", .text = "", .fields = {{"year", std::int64_t{1970}}}},
       {.id = "c", .title = "", .text = ""}});
  using Docs = std::vector<std::uint32_t>;
  EXPECT_EQ(indexed.Docs("year = 1960"), Docs({0}));
  EXPECT_EQ(indexed.Docs("year != 1960"), Docs({1}));
  EXPECT_EQ(indexed.Docs("year not in (1960)"), Docs({1}));
  EXPECT_EQ(indexed.Docs("not year = 1960"), Docs({1, 2}));
  EXPECT_EQ(indexed.Docs("not year in (1960)"), Docs({1, 2}));
  EXPECT_EQ(indexed.Docs("exists year and not year = 1960"), Docs({1}));
  EXPECT_EQ(indexed.Docs("not exists year"), Docs({2}));
  EXPECT_EQ(indexed.Docs("year < 1960 or year >= 1960"), Docs({0, 1}));
}

TEST(MetadataFilter, AndBindsCloserThanOrAndNotCloserThanBoth) {
  std::vector<Document> documents;
  for (int i = 0; i < 8; ++i)
    documents.push_back(
        {.id = std::to_string(i),
         .title = "",
         .text = "",
         .fields = {{"a", (i & 1) != 0}, {"b", (i & 2) != 0}, {"c", (i & 4) != 0}}});
  const Indexed indexed(std::move(documents));
  const std::vector<std::uint32_t> a_or_bc = {1, 3, 5, 6, 7}, not_a_and_b = {2, 6};
  EXPECT_EQ(indexed.Docs("a = true or b = true and c = true"), a_or_bc);
  EXPECT_EQ(indexed.Docs("not a = true and b = true"), not_a_and_b);
  EXPECT_EQ(indexed.Docs("(a = true or b = true) and c = true"),
            (std::vector<std::uint32_t>{5, 6, 7}));
}

TEST(MetadataFilter, ErrorsSayWhereAndWhatWasExpected) {
  const Indexed indexed({{.id = "a",
                          .title = "",
                          .text = "",
                          .fields = {{"year", std::int64_t{1960}},
                                     {"domain", std::string("npl")},
                                     {"new", true},
                                     {"share", 0.5},
                                     {"tags", JsonText{"[]"}}}}});
  const auto says = [&](const std::string& text, const std::string& part) {
    const std::string message = indexed.ErrorOf(text);
    EXPECT_NE(message.find(part), std::string::npos) << text << ": " << message;
  };
  says("", "character 1: expected a field, \"exists\", \"not\" or (, found the end");
  says("year", "character 5: expected =, !=, <, <=, >, >=, \"in\" or \"not in\", found the end");
  says("year >= ", "character 9: expected a value (int64), found the end");
  says("year >= and", "character 9: expected a value (int64), found and");
  says("(year = 1960", "character 13: expected \"and\", \"or\" or ), found the end");
  says("year = 1960)", "character 12: expected \"and\", \"or\" or the end, found )");
  says("year = 1960 domain = \"x\"",
       "character 13: expected \"and\", \"or\" or the end, found domain");
  says("year in 1960", "character 9: expected ( after \"in\", found 1960");
  says("year in ()", "character 10: expected a value (int64), found )");
  says("year in (1960", "character 14: expected , or ), found the end");
  says("year not 1960", "character 10: expected \"in\" after \"not\", found 1960");
  says("exists 5", "character 8: expected a field after \"exists\", found 5");
  says("year == 1960", "character 6: equality is written with one =");
  says("year ! 1960", "character 6: expected \"not\" or !=");
  says("domain = \"npl", "character 10: the \" that ends this text is missing");
  says("domain = 'a\\n'", "character 13: after \\ in a text expected \", ' or \\");
  says("`year = 1", "character 1: the ` that ends this field is missing");
  says("year = 19x", "character 10: expected \"and\", \"or\" or the end, found x");
  says("year = 1-2", "character 8: 1-2 is not a number");
  says("year = 1e999", "character 8: 1e999 is out of the range of numbers");
  says("year & 1", "character 6: expected a field, a value or an operator, found &");
  // Characters, not bytes.
  says("domain = 'ééé' and yaer = 1", "character 20: no document has a field yaer");
  says("yaer = 1",
       "there are domain (string), new (bool), share (double), tags (json), year (int64)");
  says("year = \"1960\"", "character 8: year is of type int64, but \"1960\" of type string");
  says("domain = 5", "character 10: domain is of type string, but 5 of type int64");
  says("domain in ('a', true)", "character 17: domain is of type string, but true of type bool");
  says("share = 'x'", "share is of type double, but 'x' of type string");
  says("new = 1", "new is of type bool, but 1 of type int64");
  says("new < true", "character 5: new is a bool, which has no order");
  says("tags = 'a'", "character 8: tags holds json, of which one can only ask: exists tags");
  says(std::string(100000, '('), "more than 100 levels");
  std::string nots;
  for (int i = 0; i < 100000; ++i) nots += "not ";
  says(nots, "more than 100 levels");
  const std::string long_text = indexed.ErrorOf("year = \"" + std::string(5000, 'x') + "\"");
  EXPECT_LT(long_text.size(), 200u);

  const Indexed bare({{.id = "a", .title = "", .text = "wing"}});
  EXPECT_NE(bare.ErrorOf("year = 1").find("no document has a field year, nor any other"),
            std::string::npos);
}

TEST(MetadataFilter, FewDocumentsAreKeptCompressedAndAllOtherAnswersAreTheSame) {
  std::vector<Document> documents;
  for (std::int64_t i = 0; i < 100000; ++i)
    documents.push_back(
        {.id = std::to_string(i), .title = "", .text = "wing", .fields = {{"number", i}}});
  const Indexed indexed(std::move(documents));
  struct Case {
    std::string text;
    std::uint32_t from, to;
    bool compressed;
  };
  for (const Case& c : {Case{"number < 0", 0, 0, true},
                        {"number = 77777", 77777, 77778, true},
                        {"number >= 500 and number < 1000", 500, 1000, true},
                        {"number < 50000", 0, 50000, false},
                        {"number >= 0", 0, 100000, false}}) {
    auto filter = MetadataFilter::Compile(c.text, indexed.collection);
    ASSERT_TRUE(filter.ok());
    EXPECT_EQ(filter->rows() == nullptr, c.compressed) << c.text;
    EXPECT_EQ(filter->Count(), c.to - c.from);
    EXPECT_EQ(filter->documents(), 100000u);
    const RowSet rows = filter->Rows();
    for (std::uint32_t doc = 0; doc < 100000; ++doc)
      ASSERT_TRUE(rows.Has(doc) == (doc >= c.from && doc < c.to) &&
                  filter->Matches(doc) == rows.Has(doc));
    EXPECT_FALSE(filter->Matches(100000));
    if (c.compressed) {
      EXPECT_LE(filter->bytes() * 8, rows.words().size_bytes());
    }
    // A search takes it as it is, alone and together with a set of the caller's.
    const RowSet even(100000, [](std::uint32_t doc) { return doc % 2 == 0; });
    SearchRequest request{.text = "wing", .k = 100000, .filter = &*filter};
    auto found = indexed.collection.Search(request);
    ASSERT_TRUE(found.ok()) << found.error().ToString();
    ASSERT_EQ(found->hits.size(), c.to - c.from);
    for (const Hit& hit : found->hits) ASSERT_TRUE(rows.Has(hit.doc));
    request.allowed = &even;
    found = indexed.collection.Search(request);
    ASSERT_EQ(found->hits.size(), (c.to + 1) / 2 - (c.from + 1) / 2);
    for (const Hit& hit : found->hits) ASSERT_TRUE(rows.Has(hit.doc) && hit.doc % 2 == 0);
  }
}

TEST(MetadataFilter, IsRefusedByAnotherCollection) {
  const Document document{
      .id = "a", .title = "", .text = "wing", .fields = {{"year", std::int64_t{1}}}};
  const Document other{
      .id = "b", .title = "", .text = "wing", .fields = {{"year", std::int64_t{1}}}};
  const Indexed one({document}), two({other}), copy({document});
  auto filter = MetadataFilter::Compile("year = 1", one.collection);
  ASSERT_TRUE(filter.ok());
  EXPECT_EQ(filter->text(), "year = 1");
  EXPECT_EQ(filter->fingerprint(), one.collection.fingerprint());
  EXPECT_EQ(one.collection.Search({.text = "wing", .filter = &*filter})->hits.size(), 1u);
  EXPECT_EQ(copy.collection.Search({.text = "wing", .filter = &*filter})->hits.size(), 1u)
      << "the same content has the same fingerprint";
  const Status refused = two.collection.Search({.text = "wing", .filter = &*filter}).error();
  EXPECT_EQ(refused.code(), Code::kInvalidArgument);
  EXPECT_EQ(refused.where().field, "filter");
}

TEST(MetadataFilter, ACollectionWithoutDocumentsHasNoFields) {
  const Indexed none({});
  EXPECT_NE(none.ErrorOf("year = 1").find("no document"), std::string::npos);
}

}  // namespace
}  // namespace equipoise
