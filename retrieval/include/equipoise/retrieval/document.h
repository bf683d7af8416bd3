/// What a user hands in and gets back: a document with an id, a title, a text and further fields.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace equipoise {

/// A metadata value that is an array or an object, as compact JSON text.
struct JsonText {
  std::string text;
  friend bool operator==(const JsonText&, const JsonText&) = default;
};

/// A metadata value. Over a collection a field has one type; integers and other numbers may mix and
/// are then all held as double (exact up to 2^53).
using FieldValue = std::variant<bool, std::int64_t, double, std::string, JsonText>;

using Field = std::pair<std::string, FieldValue>;

/// A document to be indexed.
struct Document {
  std::string id;               ///< not empty, unique in the collection
  std::string title{};          ///< valid UTF-8; may be empty
  std::string text{};           ///< valid UTF-8; may be empty
  std::vector<Field> fields{};  ///< metadata; a name at most once
};

/// A stored document. The views point into the index and live as long as it is open.
struct StoredDocument {
  std::string_view id;
  std::string_view title;  ///< empty where texts are not stored
  std::string_view text;   ///< likewise
};

}  // namespace equipoise
