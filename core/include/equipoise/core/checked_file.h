/// Files that know their own checksums: named sections of bytes, memory-mapped to read.
///
/// Layout (little-endian): a header of 64 bytes, sections that each start at a multiple of 64 with
/// zero padding between them, then a table of the sections. The header holds the checksum of the
/// table, the table those of the sections, so that any changed, missing or added byte is found.
/// Checksums are XXH3, 64 bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>

namespace equipoise {

/// A whole file mapped read-only. Moves keep the addresses.
/// Threads  const after opening; safe from many threads
/// Note     a file that another process truncates while it is mapped raises SIGBUS on access, as
///          with any mapped file; the library itself never truncates a file that it has published
class EQUIPOISE_API MappedFile {
 public:
  /// Errors   kNotFound, kIo (not a regular file, no permission)
  static Result<MappedFile> Open(const std::string& path);
  MappedFile() = default;
  MappedFile(MappedFile&&) noexcept;
  MappedFile& operator=(MappedFile&&) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::string path_;
};

/// Writes one checked file. Nothing is valid until Finish returned ok; a writer that is destroyed
/// before removes its file.
/// Errors   every write can return kIo (full disk, no permission); after an error all later calls
///          return the same error
/// Threads  one thread at a time
class EQUIPOISE_API CheckedFileWriter {
 public:
  /// kind: up to 15 characters that name what the file holds; `version` is that of its contents.
  static Result<CheckedFileWriter> Create(const std::string& path, std::string_view kind,
                                          std::uint32_t version);
  CheckedFileWriter(CheckedFileWriter&&) noexcept;
  CheckedFileWriter& operator=(CheckedFileWriter&&) noexcept;
  ~CheckedFileWriter();

  /// Starts the section `name` (up to 23 characters, unique in the file); ends the one before.
  Status BeginSection(std::string_view name);
  /// Appends to the section; any number of calls.
  Status Append(std::span<const std::byte> bytes);
  template <typename T>
  Status AppendArray(std::span<const T> values) {
    return Append(std::as_bytes(values));
  }
  /// BeginSection and one Append.
  template <typename T>
  Status Section(std::string_view name, std::span<const T> values) {
    if (Status status = BeginSection(name); !status.ok()) return status;
    return AppendArray(values);
  }
  /// Writes table and header and flushes to the disk (fsync).
  Status Finish();

 private:
  struct State;
  explicit CheckedFileWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Reads one checked file through a memory map.
/// Threads  const after opening; safe from many threads
class EQUIPOISE_API CheckedFile {
 public:
  /// Checks size, header and table (not yet the sections: see Verify).
  /// Errors   kNotFound, kIo; kCorruption: not such a file, cut, changed, or of another kind;
  ///          kUnsupported: version newer than `max_version`
  static Result<CheckedFile> Open(const std::string& path, std::string_view kind,
                                  std::uint32_t max_version);
  CheckedFile() = default;

  std::uint32_t version() const { return version_; }
  const std::string& path() const { return file_.path(); }
  std::uint64_t bytes() const { return file_.bytes().size(); }
  /// Checksum of the header, which covers the table and through it every byte of the file.
  std::uint64_t checksum() const { return checksum_; }
  /// The checksum of this file as it would be if its last section had not been written; checksum() where
  /// the last one is not `section`.
  std::uint64_t ChecksumWithoutLast(std::string_view section) const;

  /// The section's bytes, 64-byte aligned, valid while this object lives.
  /// Errors   kCorruption: no such section, or (typed form) not a whole number of T
  Result<std::span<const std::byte>> Section(std::string_view name) const;
  template <typename T>
  Result<std::span<const T>> SectionOf(std::string_view name) const {
    auto raw = Section(name);
    if (!raw) return raw.error();
    if (raw->size() % sizeof(T) != 0) return BadSize(name, raw->size(), sizeof(T));
    return std::span<const T>(reinterpret_cast<const T*>(raw->data()), raw->size() / sizeof(T));
  }
  /// The same with the number of elements that the caller's other data demands.
  template <typename T>
  Result<std::span<const T>> SectionOf(std::string_view name, std::size_t count) const {
    auto out = SectionOf<T>(name);
    if (out.ok() && out->size() != count) return BadSize(name, out->size() * sizeof(T), sizeof(T));
    return out;
  }
  bool Has(std::string_view name) const;

  /// Reads the whole section and compares its checksum: for what is about to be trusted.
  Status VerifySection(std::string_view name) const;
  /// Reads every byte and compares every checksum.
  /// Errors   kCorruption naming file and section
  Status Verify() const;

  /// Names and sizes in file order, for `inspect`.
  struct SectionInfo {
    std::string name;
    std::uint64_t bytes = 0;
  };
  std::vector<SectionInfo> Sections() const;

 private:
  struct Entry {
    std::string name;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint64_t checksum = 0;
  };
  Status BadSize(std::string_view name, std::size_t bytes, std::size_t element) const;
  const Entry* Find(std::string_view name) const;
  Status VerifyEntry(const Entry& entry) const;

  MappedFile file_;
  std::vector<Entry> entries_;
  std::uint32_t version_ = 0;
  std::uint64_t checksum_ = 0;
};

/// XXH3, 64 bit, of a block of bytes.
EQUIPOISE_API std::uint64_t Checksum(std::span<const std::byte> bytes);

}  // namespace equipoise
