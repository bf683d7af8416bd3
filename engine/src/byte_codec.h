// Numbers and texts as bytes and back, for what travels or is stored in one piece.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace equipoise {

class ByteWriter {
 public:
  template <typename T>
  void Put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    PutRaw(&value, sizeof value);
  }
  void PutText(std::string_view text) {
    Put(static_cast<std::uint64_t>(text.size()));
    PutRaw(text.data(), text.size());
  }
  template <typename T>
  void PutAll(const std::vector<T>& values) {
    static_assert(std::is_trivially_copyable_v<T>);
    Put(static_cast<std::uint64_t>(values.size()));
    PutRaw(values.data(), values.size() * sizeof(T));
  }
  const std::string& bytes() const { return bytes_; }
  std::string Take() { return std::move(bytes_); }

 private:
  void PutRaw(const void* data, std::size_t size) {
    if (size > 0) bytes_.append(static_cast<const char*>(data), size);
  }
  std::string bytes_;
};

/// Every Get is false, and leaves its value alone, once there are too few bytes left.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
  bool Get(T* value) {
    static_assert(std::is_trivially_copyable_v<T>);
    return GetRaw(value, sizeof *value);
  }
  bool GetText(std::string* text) {
    std::uint64_t size = 0;
    if (!Get(&size) || size > rest_.size()) return false;
    text->assign(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return true;
  }
  template <typename T>
  bool GetAll(std::vector<T>* values) {
    std::uint64_t size = 0;
    if (!Get(&size) || size > rest_.size() / sizeof(T)) return false;
    values->resize(size);
    return GetRaw(values->data(), size * sizeof(T));
  }
  bool done() const { return rest_.empty(); }

 private:
  bool GetRaw(void* data, std::size_t size) {
    if (size > rest_.size()) return false;
    if (size > 0) std::memcpy(data, rest_.data(), size);
    rest_.remove_prefix(size);
    return true;
  }
  std::string_view rest_;
};

}  // namespace equipoise
