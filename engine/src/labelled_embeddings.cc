#include <new>
#include <set>

#include <equipoise/core/check.h>
#include <equipoise/core/matrix_file.h>
#include <equipoise/engine/labelled_embeddings.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/retrieval/corpus_reader.h>

namespace equipoise {
namespace {

constexpr std::uint64_t kReports = 100;  // progress callbacks of one file

std::string LabelOf(const FieldValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return fmt::to_string(*number);
  if (const auto* number = std::get_if<double>(&value)) return fmt::to_string(*number);
  if (const auto* truth = std::get_if<bool>(&value)) return *truth ? "true" : "false";
  return {};
}

}  // namespace

struct LabelledEmbeddings::State {
  std::vector<MatrixFile> files;
  std::vector<float> copied;  // of several files
  EmbeddingsView rows;
  std::set<std::string, std::less<>> names;
  std::vector<std::string_view> labels;  // point into `names`

  void Label(std::string&& name) { labels.push_back(*names.insert(std::move(name)).first); }
  Status ReadLabels(const std::string& path, const std::string& field, const MatrixFile& rows_of,
                    const ProgressCallback& progress);
  void Copy();
};

Status LabelledEmbeddings::State::ReadLabels(const std::string& path, const std::string& field,
                                             const MatrixFile& rows_of,
                                             const ProgressCallback& progress) {
  EQUIPOISE_ASSIGN_OR_RETURN(CorpusReader reader, CorpusReader::Open(path));
  const std::size_t before = labels.size();
  const std::uint64_t step = std::max<std::uint64_t>(1, reader.bytes_total() / kReports);
  std::uint64_t next = 0;
  Document document;
  for (;;) {
    EQUIPOISE_ASSIGN_OR_RETURN(const bool more, reader.Next(&document));
    if (!more) break;
    std::string label;
    for (const Field& value : document.fields)
      if (value.first == field) label = LabelOf(value.second);
    if (label.empty()) {
      Where where = reader.Place();
      where.field = field;
      return Status(
          Code::kInvalidArgument,
          fmt::format(
              "has no further field \"{}\" to be labelled with (a string that is not empty, a "
              "number or a truth value)",
              field),
          where);
    }
    Label(std::move(label));
    if (!progress || reader.bytes_read() < next) continue;
    next = reader.bytes_read() + step;
    if (!progress({.stage = "labels", .done = reader.bytes_read(), .total = reader.bytes_total()}))
      return Status(Code::kCancelled, "stopped while reading labels");
  }
  if (labels.size() - before != rows_of.rows())
    return Status(Code::kInvalidArgument,
                  fmt::format("has {} labelled lines, but {} has {} rows", labels.size() - before,
                              rows_of.path(), rows_of.rows()),
                  {.file = path});
  return {};
}

void LabelledEmbeddings::State::Copy() {
  const std::size_t dim = files.front().cols();
  std::size_t n = 0;
  for (const MatrixFile& file : files) n += file.rows();
  copied.resize(n * dim);
  float* to = copied.data();
  for (const MatrixFile& file : files) {
    const EmbeddingsView view = file.view();
    for (std::size_t i = 0; i < view.rows(); ++i, to += dim) {
      if (view.is_f16())
        HalfToFloat(view.f16.row(i), to, dim);
      else
        std::copy_n(view.f32.row(i), dim, to);
    }
  }
  rows = MatrixView<float>(copied.data(), n, dim);
}

LabelledEmbeddings::LabelledEmbeddings(std::unique_ptr<State> state) : state_(std::move(state)) {}
LabelledEmbeddings::LabelledEmbeddings(LabelledEmbeddings&&) noexcept = default;
LabelledEmbeddings& LabelledEmbeddings::operator=(LabelledEmbeddings&&) noexcept = default;
LabelledEmbeddings::~LabelledEmbeddings() = default;

EmbeddingsView LabelledEmbeddings::rows() const { return state_->rows; }
std::span<const std::string_view> LabelledEmbeddings::labels() const { return state_->labels; }

Where LabelledEmbeddings::PlaceOf(std::size_t row) const {
  for (const MatrixFile& file : state_->files) {
    if (row < file.rows()) return {.file = file.path(), .row = static_cast<std::int64_t>(row)};
    row -= file.rows();
  }
  return {};
}

Result<LabelledEmbeddings> LabelledEmbeddings::Read(const LabelledSources& sources,
                                                    const ProgressCallback& progress) try {
  const std::size_t count = sources.embeddings.size();
  if (count == 0)
    return Status(Code::kInvalidArgument, "there are no embeddings", {.field = "embeddings"});
  const bool by_name = !sources.names.empty();
  if (by_name == !sources.texts.empty())
    return Status(Code::kInvalidArgument,
                  "rows are labelled either by a field of their texts or by a name a file",
                  {.field = "names"});
  const std::size_t labelled = by_name ? sources.names.size() : sources.texts.size();
  if (labelled != count)
    return Status(
        Code::kInvalidArgument,
        fmt::format("there are {} files of embeddings but {} {}; the first belongs to the "
                    "first, and so on",
                    count, labelled, by_name ? "names" : "files of texts"),
        {.field = "embeddings"});
  auto state = std::make_unique<State>();
  for (std::size_t i = 0; i < count; ++i) {
    EQUIPOISE_ASSIGN_OR_RETURN(MatrixFile file, MatrixFile::Open(sources.embeddings[i]));
    EQUIPOISE_RETURN_IF_ERROR(CheckFinite(file.view(), sources.embeddings[i]));
    if (i > 0 && file.cols() != state->files[0].cols())
      return Status(Code::kInvalidArgument,
                    fmt::format("has {} dimensions, but {} has {}", file.cols(),
                                sources.embeddings[0], state->files[0].cols()),
                    {.file = sources.embeddings[i]});
    state->files.push_back(std::move(file));
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (!by_name) {
      EQUIPOISE_RETURN_IF_ERROR(
          state->ReadLabels(sources.texts[i], sources.field, state->files[i], progress));
      continue;
    }
    if (sources.names[i].empty())
      return Status(Code::kInvalidArgument, "a name is empty", {.field = "names"});
    for (std::size_t row = 0; row < state->files[i].rows(); ++row)
      state->Label(std::string(sources.names[i]));
  }
  if (count == 1)
    state->rows = state->files[0].view();
  else
    state->Copy();
  return LabelledEmbeddings(std::move(state));
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory for the labelled embeddings");
}

}  // namespace equipoise
