#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include <equipoise/core/check.h>
#include <equipoise/retrieval/columns.h>

namespace equipoise {
namespace {

constexpr std::string_view kKind = "columns";
constexpr std::uint32_t kVersion = 1;

ColumnType TypeOf(const FieldValue& value) { return static_cast<ColumnType>(value.index()); }

bool IsNumber(ColumnType type) { return type == ColumnType::kInt64 || type == ColumnType::kDouble; }

std::string_view Text(const FieldValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return std::get<JsonText>(value).text;
}

}  // namespace

std::string_view ColumnTypeName(ColumnType type) {
  switch (type) {
    case ColumnType::kBool:
      return "bool";
    case ColumnType::kInt64:
      return "int64";
    case ColumnType::kDouble:
      return "double";
    case ColumnType::kString:
      return "string";
    case ColumnType::kJson:
      return "json";
  }
  return "string";
}

struct ColumnsWriter::State {
  struct Values {
    ColumnType type;
    std::uint32_t first;  // document that set the type
    std::vector<std::uint32_t> docs;
    std::vector<FieldValue> values;
  };
  // Sorted by name, so that the same documents always give the same file.
  std::map<std::string, Values, std::less<>> columns;
  std::uint32_t documents = 0;
};

ColumnsWriter::ColumnsWriter() : state_(std::make_unique<State>()) {}
ColumnsWriter::ColumnsWriter(ColumnsWriter&&) noexcept = default;
ColumnsWriter& ColumnsWriter::operator=(ColumnsWriter&&) noexcept = default;
ColumnsWriter::~ColumnsWriter() = default;

Status ColumnsWriter::Add(const std::vector<Field>& fields) {
  State& s = *state_;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto& [name, value] = fields[i];
    const Where where{.row = s.documents, .field = name};
    const ColumnType type = TypeOf(value);
    if (name.empty()) return Status(Code::kInvalidArgument, "a field has an empty name", where);
    for (std::size_t j = 0; j < i; ++j)
      if (fields[j].first == name)
        return Status(Code::kInvalidArgument, "the document has this field twice", where);
    if (const double* number = std::get_if<double>(&value); number && !std::isfinite(*number))
      return Status(Code::kInvalidArgument, "the field is not a finite number", where);
    const auto found = s.columns.find(name);
    if (found == s.columns.end()) continue;
    const ColumnType known = found->second.type;
    if (known != type && !(IsNumber(known) && IsNumber(type)))
      return Status(
          Code::kInvalidArgument,
          fmt::format("the field is a {} here and a {} in document {} (counted from 1); a field "
                      "has one type in a collection",
                      ColumnTypeName(type), ColumnTypeName(known),
                      std::uint64_t{found->second.first} + 1),
          where);
  }
  for (const auto& [name, value] : fields) {
    auto& column = s.columns.try_emplace(name, State::Values{TypeOf(value), s.documents, {}, {}})
                       .first->second;
    if (TypeOf(value) == ColumnType::kDouble) column.type = ColumnType::kDouble;
    column.docs.push_back(s.documents);
    column.values.push_back(value);
  }
  ++s.documents;
  return {};
}

Status ColumnsWriter::Write(const std::string& path) {
  const State& s = *state_;
  EQUIPOISE_ASSIGN_OR_RETURN(CheckedFileWriter file,
                             CheckedFileWriter::Create(path, kKind, kVersion));
  nlohmann::json schema = nlohmann::json::array();
  for (const auto& [name, column] : s.columns)
    schema.push_back({{"name", name}, {"type", ColumnTypeName(column.type)}});
  const std::string text = schema.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  EQUIPOISE_RETURN_IF_ERROR(file.Section<char>("schema", text));

  std::size_t number = 0;
  for (const auto& named : s.columns) {
    const auto& column = named.second;  // clang++ 14 captures no structured binding
    auto section = [&](const char* part) { return fmt::format("{}.{}", number, part); };
    std::vector<std::uint64_t> present((std::size_t{s.documents} + 63) / 64);
    for (std::uint32_t doc : column.docs) present[doc / 64] |= std::uint64_t{1} << (doc % 64);
    EQUIPOISE_RETURN_IF_ERROR(file.Section<std::uint64_t>(section("present"), present));
    auto dense = [&, &column = column]<typename T>(T (*get)(const FieldValue&)) {
      std::vector<T> values(s.documents);
      for (std::size_t i = 0; i < column.docs.size(); ++i)
        values[column.docs[i]] = get(column.values[i]);
      return file.Section<T>(section("values"), values);
    };
    switch (column.type) {
      case ColumnType::kBool:
        EQUIPOISE_RETURN_IF_ERROR(dense(
            +[](const FieldValue& v) { return static_cast<std::uint8_t>(std::get<bool>(v)); }));
        break;
      case ColumnType::kInt64:
        EQUIPOISE_RETURN_IF_ERROR(
            dense(+[](const FieldValue& v) { return std::get<std::int64_t>(v); }));
        break;
      case ColumnType::kDouble:
        EQUIPOISE_RETURN_IF_ERROR(dense(+[](const FieldValue& v) {
          const auto* integer = std::get_if<std::int64_t>(&v);
          return integer ? static_cast<double>(*integer) : std::get<double>(v);
        }));
        break;
      case ColumnType::kString:
      case ColumnType::kJson: {
        std::vector<std::uint64_t> sizes(std::size_t{s.documents} + 1);
        EQUIPOISE_RETURN_IF_ERROR(file.BeginSection(section("bytes")));
        for (std::size_t i = 0; i < column.docs.size(); ++i) {
          const std::string_view value = Text(column.values[i]);
          sizes[column.docs[i] + std::size_t{1}] = value.size();
          EQUIPOISE_RETURN_IF_ERROR(file.Append(std::as_bytes(std::span(value))));
        }
        for (std::size_t i = 1; i < sizes.size(); ++i) sizes[i] += sizes[i - 1];
        EQUIPOISE_RETURN_IF_ERROR(file.Section<std::uint64_t>(section("offsets"), sizes));
        break;
      }
    }
    ++number;
  }
  return file.Finish();
}

Result<Columns> Columns::Open(const std::string& path, std::uint32_t documents) {
  Columns out;
  out.documents_ = documents;
  EQUIPOISE_ASSIGN_OR_RETURN(out.file_, CheckedFile::Open(path, kKind, kVersion));
  // The schema decides how the other sections are read, so it is checked now.
  EQUIPOISE_RETURN_IF_ERROR(out.file_.VerifySection("schema"));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto text, out.file_.SectionOf<char>("schema"));
  const auto schema = nlohmann::json::parse(text.begin(), text.end(), nullptr, false);
  const Status damaged(Code::kCorruption, "the schema cannot be read", {.file = path});
  if (!schema.is_array()) return damaged;
  std::size_t number = 0;
  for (const auto& entry : schema) {
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string() ||
        !entry.contains("type") || !entry["type"].is_string())
      return damaged;
    Column column;
    column.name = entry["name"].get<std::string>();
    const auto type = entry["type"].get<std::string>();
    bool known = false;
    for (int t = 0; t <= static_cast<int>(ColumnType::kJson); ++t)
      if (ColumnTypeName(static_cast<ColumnType>(t)) == type) {
        column.type = static_cast<ColumnType>(t);
        known = true;
      }
    if (!known) return damaged;
    auto section = [&](const char* part) { return fmt::format("{}.{}", number, part); };
    EQUIPOISE_ASSIGN_OR_RETURN(
        column.present,
        out.file_.SectionOf<std::uint64_t>(section("present"), (std::size_t{documents} + 63) / 64));
    switch (column.type) {
      case ColumnType::kBool: {
        EQUIPOISE_ASSIGN_OR_RETURN(column.bools,
                                   out.file_.SectionOf<std::uint8_t>(section("values"), documents));
        break;
      }
      case ColumnType::kInt64: {
        EQUIPOISE_ASSIGN_OR_RETURN(column.integers,
                                   out.file_.SectionOf<std::int64_t>(section("values"), documents));
        break;
      }
      case ColumnType::kDouble: {
        EQUIPOISE_ASSIGN_OR_RETURN(column.doubles,
                                   out.file_.SectionOf<double>(section("values"), documents));
        break;
      }
      case ColumnType::kString:
      case ColumnType::kJson: {
        EQUIPOISE_ASSIGN_OR_RETURN(
            column.offsets,
            out.file_.SectionOf<std::uint64_t>(section("offsets"), std::size_t{documents} + 1));
        EQUIPOISE_ASSIGN_OR_RETURN(column.bytes, out.file_.SectionOf<char>(section("bytes")));
        break;
      }
    }
    out.columns_.push_back(std::move(column));
    ++number;
  }
  return out;
}

const Columns::Column* Columns::Find(std::string_view name) const {
  const auto found = std::find_if(columns_.begin(), columns_.end(),
                                  [&](const Column& column) { return column.name == name; });
  return found == columns_.end() ? nullptr : &*found;
}

std::optional<FieldValue> Columns::Value(const Column& column, std::uint32_t doc) const {
  if (doc >= documents_ || !column.Has(doc)) return {};
  switch (column.type) {
    case ColumnType::kBool:
      return column.bools[doc] != 0;
    case ColumnType::kInt64:
      return column.integers[doc];
    case ColumnType::kDouble:
      return column.doubles[doc];
    case ColumnType::kString:
    case ColumnType::kJson:
      break;
  }
  const std::uint64_t from = column.offsets[doc];
  const std::uint64_t to = column.offsets[doc + 1];
  if (from > to || to > column.bytes.size()) return {};
  std::string text(column.bytes.data() + from, static_cast<std::size_t>(to - from));
  if (column.type == ColumnType::kJson) return JsonText{std::move(text)};
  return text;
}

}  // namespace equipoise
