/// Embeddings as people keep them: .npy files of numpy and .fvecs files, memory-mapped.
#pragma once

#include <string>
#include <vector>

#include <equipoise/core/checked_file.h>
#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>

namespace equipoise {

/// A matrix in a file.
/// Threads  const after opening; safe from many threads
class EQUIPOISE_API MatrixFile {
 public:
  /// Maps a file: .npy is known by its first bytes, .fvecs by its name.
  ///
  /// .npy     versions 1 to 3, little-endian float32 or float16, C order, two dimensions [n, d];
  /// one
  ///          dimension [d] is a single row; n = 0 is fine
  /// .fvecs   for each row its dimension (int32) and that many float32; all dimensions equal
  /// Range    d >= 1 unless n = 0; n · d any that the file holds
  /// Errors   kNotFound, kIo; kCorruption: a header that is not as numpy writes it, a size that is
  ///          not the one the header says, .fvecs rows of different length; kUnsupported: another
  ///          element type (the message names it and how to convert), Fortran order, more than two
  ///          dimensions, another kind of file. Every message names the file. No input crashes.
  /// Note     values are not read: see CheckFinite. An .npy whose data is not aligned to its
  ///          elements (numpy never writes one) is copied to memory.
  static Result<MatrixFile> Open(const std::string& path);

  MatrixFile() = default;

  /// The rows, valid while this object lives (moves keep it valid).
  EmbeddingsView view() const { return view_; }
  std::size_t rows() const { return view_.rows(); }
  std::size_t cols() const { return view_.cols(); }
  const std::string& path() const { return file_.path(); }

 private:
  Status OpenNpy();
  Status OpenFvecs();

  MappedFile file_;
  std::vector<std::byte> copy_;
  EmbeddingsView view_;
};

/// Refuses the first value that is NaN or infinite.
/// Errors   kInvalidArgument naming `file` (may be empty) and the row
EQUIPOISE_API Status CheckFinite(const EmbeddingsView& rows, const std::string& file);

/// Writes an .npy file, version 1.0, C order, of the view's element type.
/// Errors   kInvalidArgument: `path` is there and not a regular file; kIo: it cannot be written. Then
///          `path` is as it was before
EQUIPOISE_API Status WriteNpy(const std::string& path, const EmbeddingsView& rows);

}  // namespace equipoise
