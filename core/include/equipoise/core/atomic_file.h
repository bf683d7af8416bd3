/// Writing a file whole or not at all: into one beside it, which then takes its name. For the
/// library's own sources; it is not installed.
#pragma once

#include <string>
#include <string_view>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>

namespace equipoise {

/// A name beside `path` that no other call gives, in this process or another one of this machine: for
/// what is written there first.
/// Threads  safe
EQUIPOISE_API std::string AsideName(const std::string& path);

/// A file that is being written. Until Publish returns ok, `path` is as it was; an object that is
/// destroyed before removes what it wrote.
/// Threads  one thread at a time
class EQUIPOISE_API AtomicFile {
 public:
  /// `aside`, in the same folder, is written first; by default AsideName(path).
  explicit AtomicFile(std::string path, std::string aside = {});
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  /// Errors   kInvalidArgument: `path` exists and is not a regular file; kIo
  Status Create();
  /// Appends through a buffer.
  Status Append(std::string_view bytes);
  /// Flushes the bytes to the disk and renames. The new name is on the disk for sure only once the
  /// folder is flushed too.
  Status Publish();

 private:
  Status Error(const char* what) const;
  Status Flush();

  std::string path_;
  std::string aside_;
  std::string buffer_;
  int fd_ = -1;
  bool made_ = false;
};

}  // namespace equipoise
