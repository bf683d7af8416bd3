/// Labelled embeddings from files: what a domain detector is fitted to and judged by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/callbacks.h>
#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>

namespace equipoise {

/// Either `texts` and `field`, or `names`, says what the rows are labelled with.
struct LabelledSources {
  std::vector<std::string> embeddings;  ///< .npy or .fvecs, one or more, of one dimension
  /// .jsonl, one for each of the embeddings: line i is labelled with its field `field`, a string, a
  /// number or a truth value.
  std::vector<std::string> texts{};
  std::string field = "domain";
  /// One for each of the embeddings: all its rows are labelled so.
  std::vector<std::string> names{};
};

/// Rows of all files one after the other, and their labels.
/// Threads  const after reading; safe from many threads
class EQUIPOISE_API LabelledEmbeddings {
 public:
  /// Errors   kInvalidArgument: no embeddings, another number of texts or names, files of different
  ///          dimension, another number of lines than of rows, a line without a label (file and line
  ///          named), a NaN or an infinity (file and row named); those of MatrixFile and
  ///          CorpusReader; kCancelled
  /// Note     one file is mapped; several are copied to memory as float32
  static Result<LabelledEmbeddings> Read(const LabelledSources& sources,
                                         const ProgressCallback& progress = {});
  LabelledEmbeddings(LabelledEmbeddings&&) noexcept;
  LabelledEmbeddings& operator=(LabelledEmbeddings&&) noexcept;
  ~LabelledEmbeddings();

  EmbeddingsView rows() const;
  std::span<const std::string_view> labels() const;
  /// The file of a row and its place in it, for errors found later.
  Where PlaceOf(std::size_t row) const;

 private:
  struct State;
  explicit LabelledEmbeddings(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace equipoise
