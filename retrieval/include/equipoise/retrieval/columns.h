/// Metadata of a collection as columns: one type a field, in one memory-mapped file, so that a
/// value comes back with a hit and a field can be scanned.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/checked_file.h>
#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/retrieval/document.h>

namespace equipoise {

enum class ColumnType : std::uint8_t { kBool, kInt64, kDouble, kString, kJson };

/// "bool", "int64", "double", "string", "json".
EQUIPOISE_API std::string_view ColumnTypeName(ColumnType type);

/// Collects the fields of documents and writes them as columns.
/// Threads  one thread at a time; holds the values in memory until Write
class EQUIPOISE_API ColumnsWriter {
 public:
  ColumnsWriter();
  ColumnsWriter(ColumnsWriter&&) noexcept;
  ColumnsWriter& operator=(ColumnsWriter&&) noexcept;
  ~ColumnsWriter();

  /// Takes the fields of the next document.
  /// Errors   kInvalidArgument naming the field: another type than before (the types and the first
  ///          document of the other one are named), a double that is not finite, a name twice;
  ///          after an error the writer is as before the call
  Status Add(const std::vector<Field>& fields);
  Status Write(const std::string& path);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Threads  const after opening; safe from many threads. A damaged file gives absent values, never
///          a read outside.
class EQUIPOISE_API Columns {
 public:
  struct Column {
    std::string name;
    ColumnType type = ColumnType::kString;
    std::span<const std::uint64_t> present;  ///< bit d: document d has a value
    std::span<const std::uint8_t> bools;     ///< [documents], kBool
    std::span<const std::int64_t> integers;  ///< [documents], kInt64
    std::span<const double> doubles;         ///< [documents], kDouble
    std::span<const std::uint64_t> offsets;  ///< [documents + 1] into bytes, kString and kJson
    std::span<const char> bytes;

    bool Has(std::uint32_t doc) const { return (present[doc / 64] >> (doc % 64) & 1) != 0; }
  };

  /// Errors   as CheckedFile::Open; kCorruption where sections do not fit together
  static Result<Columns> Open(const std::string& path, std::uint32_t documents);
  Columns() = default;

  const std::vector<Column>& all() const { return columns_; }
  /// The column of a field, null where no document has it.
  const Column* Find(std::string_view name) const;
  /// The document's value, absent where it has none.
  std::optional<FieldValue> Value(const Column& column, std::uint32_t doc) const;
  const CheckedFile& file() const { return file_; }

 private:
  CheckedFile file_;
  std::uint32_t documents_ = 0;
  std::vector<Column> columns_;
};

}  // namespace equipoise
