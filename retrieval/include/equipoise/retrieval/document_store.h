/// Ids, titles and texts of a collection in one memory-mapped file; documents are numbered from 0
/// in the order in which they were added.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <equipoise/core/checked_file.h>
#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/retrieval/document.h>

namespace equipoise {

/// Writes titles and texts as they come; keeps ids and offsets (about 100 bytes a document and the
/// id) in memory until Finish.
/// Threads  one thread at a time
class EQUIPOISE_API DocumentStoreWriter {
 public:
  static Result<DocumentStoreWriter> Create(const std::string& path, bool store_text);
  DocumentStoreWriter(DocumentStoreWriter&&) noexcept;
  DocumentStoreWriter& operator=(DocumentStoreWriter&&) noexcept;
  ~DocumentStoreWriter();

  /// Errors   kInvalidArgument: empty id or one that was there before (both row numbers named)
  Status Add(const Document& document);
  std::uint32_t size() const;
  Status Finish();

 private:
  struct State;
  explicit DocumentStoreWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Threads  const after opening; safe from many threads. A damaged file gives empty views, never a
///          read outside (CheckedFile::Verify finds the damage).
class EQUIPOISE_API DocumentStore {
 public:
  static Result<DocumentStore> Open(const std::string& path);
  DocumentStore() = default;

  std::uint32_t size() const { return documents_; }
  bool has_text() const { return !text_offsets_.empty(); }
  /// Range    doc < size(); beyond it everything is empty
  StoredDocument Get(std::uint32_t doc) const;
  std::string_view Id(std::uint32_t doc) const;
  /// The document with this id. O(log n).
  std::optional<std::uint32_t> Find(std::string_view id) const;
  const CheckedFile& file() const { return file_; }

 private:
  CheckedFile file_;
  std::uint32_t documents_ = 0;
  std::span<const std::uint64_t> id_offsets_;  // n + 1
  std::span<const char> ids_;
  std::span<const std::uint32_t> sorted_;        // documents in the order of their ids
  std::span<const std::uint64_t> text_offsets_;  // 2 n + 1: title, text, title, text, ...
  std::span<const char> texts_;
};

}  // namespace equipoise
