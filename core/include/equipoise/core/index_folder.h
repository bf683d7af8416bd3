/// The folder that is an index on disk: generations of files, one of which MANIFEST names.
///
///   IDX/MANIFEST          one line "equipoise-index VERSION", a JSON object, one line "xxh3 HEX"
///   IDX/generation-N/     the checked files that belong together
///   IDX/POLICY            what an engine has learned, where it was told to save that here
///   IDX/FEEDBACK          the feedback that it learned from, with FEEDBACK-wal, -shm, -lock beside it
///   IDX/LOCK              held (flock) by the one process that writes
///
/// A writer makes generation N+1 aside and replaces MANIFEST by one rename, so that a reader sees
/// the old index or the new one and never half of either; a process that is killed in between, or
/// a full disk, leaves the old one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>

namespace equipoise {

/// Version of the layout above; a file's contents carry versions of their own.
inline constexpr int kIndexFormatVersion = 1;

struct Manifest {
  struct File {
    std::string name;  ///< inside the generation's folder
    std::uint64_t bytes = 0;
    std::uint64_t checksum = 0;  ///< CheckedFile::checksum()
  };
  int format_version = kIndexFormatVersion;
  std::string library_version;  ///< of the program that wrote it
  std::string generation;       ///< name of the folder, "generation-N"
  std::string settings;         ///< one JSON object; what it means is its writer's business
  std::vector<File> files;

  /// Path of a file of this index, given the folder that the manifest was read from.
  EQUIPOISE_API std::string PathOf(const std::string& folder, std::string_view name) const;
};

/// Reads and checks MANIFEST (not yet the files it names).
/// Errors   kNotFound: no such folder; kInvalidArgument: a folder that is no index; kIo: no
///          permission; kCorruption: a changed or cut manifest; kUnsupported: a newer format (use a newer equipoise) or one so
///          old that it has to be built again (the message names the command)
EQUIPOISE_API Result<Manifest> ReadManifest(const std::string& folder);

/// Checks that the files that the manifest names are there with their sizes and header checksums.
/// Errors   kCorruption naming the file; kNotFound if the generation has meanwhile been replaced
EQUIPOISE_API Status CheckFiles(const std::string& folder, const Manifest& manifest);

/// Writes a new generation of an index. Destroyed before Commit, it removes what it made, the
/// folder and those above it included if it made them.
/// Threads  one thread at a time; one writer a folder over all processes
class EQUIPOISE_API IndexFolderWriter {
 public:
  /// Errors   kInvalidArgument: the folder exists and holds something that is not an index (nothing
  ///          of anybody's is ever removed); kUnavailable: another process is writing; kIo
  static Result<IndexFolderWriter> Begin(const std::string& folder);
  IndexFolderWriter(IndexFolderWriter&&) noexcept;
  IndexFolderWriter& operator=(IndexFolderWriter&&) noexcept;
  ~IndexFolderWriter();

  /// Where to write the file `name` of the new generation (with a CheckedFileWriter).
  std::string PathOf(std::string_view name) const;
  /// Makes the new generation the index; older generations are removed. `names` are the checked
  /// files that were written, `settings` one JSON object.
  /// Errors   kIo; the old index then stays in place, unless it was only the last flush that failed:
  ///          then readers see the new one, and a power failure may bring back the old one
  Status Commit(const std::vector<std::string>& names, std::string_view settings);

 private:
  struct State;
  explicit IndexFolderWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace equipoise
