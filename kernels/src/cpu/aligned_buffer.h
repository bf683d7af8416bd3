// Memory whose start is a multiple of 64: a cache line, and the widest register.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace equipoise {

/// `count` values of T, not set to anything.
template <typename T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  /// Throws std::bad_alloc.
  explicit AlignedBuffer(std::size_t count)
      : data_(static_cast<T*>(::operator new(count * sizeof(T), kAlignment))), size_(count) {}

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return data_.get()[i]; }
  const T& operator[](std::size_t i) const { return data_.get()[i]; }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(T* data) const { ::operator delete(data, kAlignment); }
  };
  std::unique_ptr<T, Free> data_;
  std::size_t size_ = 0;
};

}  // namespace equipoise
