// Memory of arrays that a filter uses again in its next call: fresh pages cost more than most of what is
// done with them.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace equipoise {

/// Blocks of memory that were given back, up to a bound.
/// Threads  safe from many
class ArrayPool {
 public:
  ArrayPool() = default;
  ~ArrayPool();
  ArrayPool(const ArrayPool&) = delete;
  ArrayPool& operator=(const ArrayPool&) = delete;

  struct Block {
    void* data = nullptr;
    std::size_t bytes = 0;
  };
  /// At least so many bytes, aligned to 64. Throws bad_alloc.
  Block Take(std::size_t bytes);
  void Give(Block block) noexcept;

 private:
  std::mutex mutex_;
  std::vector<Block> blocks_;
  std::size_t kept_ = 0;
};

/// An array of a pool. Its elements are not initialized.
template <typename T>
class RawArray {
 public:
  RawArray() = default;
  RawArray(std::size_t n, ArrayPool* pool)
      : block_(pool->Take(n * sizeof(T))), size_(n), pool_(pool) {}
  RawArray(RawArray&& other) noexcept { Swap(&other); }
  RawArray& operator=(RawArray&& other) noexcept {
    Swap(&other);
    return *this;
  }
  ~RawArray() {
    if (pool_ != nullptr) pool_->Give(block_);
  }

  std::size_t size() const { return size_; }
  T* begin() { return static_cast<T*>(block_.data); }
  T* end() { return begin() + size_; }
  const T* begin() const { return static_cast<const T*>(block_.data); }
  T& operator[](std::size_t i) { return begin()[i]; }
  const T& operator[](std::size_t i) const { return begin()[i]; }

 private:
  void Swap(RawArray* other) {
    std::swap(block_, other->block_);
    std::swap(size_, other->size_);
    std::swap(pool_, other->pool_);
  }

  ArrayPool::Block block_;
  std::size_t size_ = 0;
  ArrayPool* pool_ = nullptr;
};

}  // namespace equipoise
