#include <algorithm>
#include <limits>
#include <numeric>
#include <unordered_map>
#include <vector>

#include <equipoise/core/check.h>
#include <equipoise/retrieval/document_store.h>

namespace equipoise {
namespace {

constexpr std::string_view kKind = "documents";
constexpr std::uint32_t kVersion = 1;

/// The piece [from, to) of a blob; empty where damaged offsets point outside.
std::string_view Slice(std::span<const char> blob, std::uint64_t from, std::uint64_t to) {
  if (from > to || to > blob.size()) return {};
  return {blob.data() + from, static_cast<std::size_t>(to - from)};
}

}  // namespace

struct DocumentStoreWriter::State {
  CheckedFileWriter file;
  bool store_text;
  std::uint64_t text_bytes = 0;
  std::vector<std::uint64_t> text_offsets{0};
  // Node-based, so that the keys' addresses stay: ids_in_order points at them.
  std::unordered_map<std::string, std::uint32_t> rows;
  std::vector<const std::string*> ids_in_order;
};

DocumentStoreWriter::DocumentStoreWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
DocumentStoreWriter::DocumentStoreWriter(DocumentStoreWriter&&) noexcept = default;
DocumentStoreWriter& DocumentStoreWriter::operator=(DocumentStoreWriter&&) noexcept = default;
DocumentStoreWriter::~DocumentStoreWriter() = default;

Result<DocumentStoreWriter> DocumentStoreWriter::Create(const std::string& path, bool store_text) {
  EQUIPOISE_ASSIGN_OR_RETURN(CheckedFileWriter file,
                             CheckedFileWriter::Create(path, kKind, kVersion));
  EQUIPOISE_RETURN_IF_ERROR(file.BeginSection("texts"));
  auto state = std::make_unique<State>(State{std::move(file), store_text, 0, {0}, {}, {}});
  return DocumentStoreWriter(std::move(state));
}

std::uint32_t DocumentStoreWriter::size() const {
  return static_cast<std::uint32_t>(state_->ids_in_order.size());
}

Status DocumentStoreWriter::Add(const Document& document) {
  State& s = *state_;
  const std::uint32_t row = size();
  if (row == std::numeric_limits<std::uint32_t>::max() - 1)
    return Status(Code::kUnsupported, "a collection holds at most 4,294,967,294 documents");
  if (document.id.empty())
    return Status(Code::kInvalidArgument, "the document has an empty id",
                  {.row = row, .field = "_id"});
  const auto [where, added] = s.rows.try_emplace(document.id, row);
  if (!added)
    return Status(Code::kInvalidArgument,
                  fmt::format("the id \"{}\" is already that of document {} (counted from 1)",
                              document.id, std::uint64_t{where->second} + 1),
                  {.row = row, .field = "_id"});
  s.ids_in_order.push_back(&where->first);
  if (!s.store_text) return {};
  for (const std::string* part : {&document.title, &document.text}) {
    EQUIPOISE_RETURN_IF_ERROR(s.file.Append(std::as_bytes(std::span(*part))));
    s.text_bytes += part->size();
    s.text_offsets.push_back(s.text_bytes);
  }
  return {};
}

Status DocumentStoreWriter::Finish() {
  State& s = *state_;
  if (!s.store_text) s.text_offsets.clear();
  EQUIPOISE_RETURN_IF_ERROR(s.file.Section<std::uint64_t>("text_offsets", s.text_offsets));
  std::vector<std::uint64_t> id_offsets{0};
  EQUIPOISE_RETURN_IF_ERROR(s.file.BeginSection("ids"));
  for (const std::string* id : s.ids_in_order) {
    EQUIPOISE_RETURN_IF_ERROR(s.file.Append(std::as_bytes(std::span(*id))));
    id_offsets.push_back(id_offsets.back() + id->size());
  }
  EQUIPOISE_RETURN_IF_ERROR(s.file.Section<std::uint64_t>("id_offsets", id_offsets));
  std::vector<std::uint32_t> sorted(s.ids_in_order.size());
  std::iota(sorted.begin(), sorted.end(), 0u);
  std::sort(sorted.begin(), sorted.end(), [&](std::uint32_t a, std::uint32_t b) {
    return *s.ids_in_order[a] < *s.ids_in_order[b];
  });
  EQUIPOISE_RETURN_IF_ERROR(s.file.Section<std::uint32_t>("sorted_ids", sorted));
  return s.file.Finish();
}

Result<DocumentStore> DocumentStore::Open(const std::string& path) {
  DocumentStore out;
  EQUIPOISE_ASSIGN_OR_RETURN(out.file_, CheckedFile::Open(path, kKind, kVersion));
  EQUIPOISE_ASSIGN_OR_RETURN(out.id_offsets_, out.file_.SectionOf<std::uint64_t>("id_offsets"));
  if (out.id_offsets_.empty() ||
      out.id_offsets_.size() - 1 >= std::numeric_limits<std::uint32_t>::max())
    return Status(Code::kCorruption, "the number of documents is out of range", {.file = path});
  out.documents_ = static_cast<std::uint32_t>(out.id_offsets_.size() - 1);
  EQUIPOISE_ASSIGN_OR_RETURN(out.ids_, out.file_.SectionOf<char>("ids"));
  EQUIPOISE_ASSIGN_OR_RETURN(out.sorted_,
                             out.file_.SectionOf<std::uint32_t>("sorted_ids", out.documents_));
  EQUIPOISE_ASSIGN_OR_RETURN(out.text_offsets_, out.file_.SectionOf<std::uint64_t>("text_offsets"));
  EQUIPOISE_ASSIGN_OR_RETURN(out.texts_, out.file_.SectionOf<char>("texts"));
  if (!out.text_offsets_.empty() && out.text_offsets_.size() != 2 * std::size_t{out.documents_} + 1)
    return Status(Code::kCorruption, "the number of texts is not that of documents",
                  {.file = path});
  return out;
}

std::string_view DocumentStore::Id(std::uint32_t doc) const {
  if (doc >= documents_) return {};
  return Slice(ids_, id_offsets_[doc], id_offsets_[doc + 1]);
}

StoredDocument DocumentStore::Get(std::uint32_t doc) const {
  StoredDocument out{.id = Id(doc), .title = {}, .text = {}};
  if (doc >= documents_ || text_offsets_.empty()) return out;
  const std::size_t at = 2 * std::size_t{doc};
  out.title = Slice(texts_, text_offsets_[at], text_offsets_[at + 1]);
  out.text = Slice(texts_, text_offsets_[at + 1], text_offsets_[at + 2]);
  return out;
}

std::optional<std::uint32_t> DocumentStore::Find(std::string_view id) const {
  const auto found = std::lower_bound(
      sorted_.begin(), sorted_.end(), id,
      [&](std::uint32_t doc, std::string_view wanted) { return Id(doc) < wanted; });
  if (found == sorted_.end() || *found >= documents_ || Id(*found) != id) return {};
  return *found;
}

}  // namespace equipoise
