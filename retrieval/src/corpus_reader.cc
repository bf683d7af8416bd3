#include <new>

#include <equipoise/core/json_lines.h>
#include <equipoise/retrieval/corpus_reader.h>

namespace equipoise {
namespace {

using nlohmann::json;

FieldValue ToValue(json& value) {
  switch (value.type()) {
    case json::value_t::boolean:
      return value.get<bool>();
    case json::value_t::number_integer:
      return value.get<std::int64_t>();
    case json::value_t::number_unsigned: {
      const auto number = value.get<std::uint64_t>();
      if (number > static_cast<std::uint64_t>(INT64_MAX)) return static_cast<double>(number);
      return static_cast<std::int64_t>(number);
    }
    case json::value_t::number_float:
      return value.get<double>();
    case json::value_t::string:
      return std::move(value.get_ref<std::string&>());
    default:
      return JsonText{value.dump()};
  }
}

}  // namespace

struct CorpusReader::State {
  JsonLines lines;
};

CorpusReader::CorpusReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
CorpusReader::CorpusReader(CorpusReader&&) noexcept = default;
CorpusReader& CorpusReader::operator=(CorpusReader&&) noexcept = default;
CorpusReader::~CorpusReader() = default;

Result<CorpusReader> CorpusReader::Open(const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(JsonLines lines, JsonLines::Open(path));
  return CorpusReader(std::make_unique<State>(State{std::move(lines)}));
}

Result<bool> CorpusReader::Next(Document* document) try {
  JsonLines& lines = state_->lines;
  json object;
  EQUIPOISE_ASSIGN_OR_RETURN(const bool more, lines.Next(&object));
  if (!more) return false;
  EQUIPOISE_ASSIGN_OR_RETURN(document->id, lines.Id(object));
  EQUIPOISE_ASSIGN_OR_RETURN(document->title, lines.Text(object, "title"));
  EQUIPOISE_ASSIGN_OR_RETURN(document->text, lines.Text(object, "text"));
  document->fields.clear();
  for (auto& [name, value] : object.items()) {
    if (name == "_id" || name == "title" || name == "text" || value.is_null()) continue;
    document->fields.emplace_back(name, ToValue(value));
  }
  return true;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory for the document", Place());
}

Where CorpusReader::Place() const { return state_->lines.Place(); }
std::uint64_t CorpusReader::bytes_read() const { return state_->lines.bytes_read(); }
std::uint64_t CorpusReader::bytes_total() const { return state_->lines.bytes_total(); }

}  // namespace equipoise
