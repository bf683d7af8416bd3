/// Scratch objects that threads take and give back without a lock: what one search used, the next
/// one on that thread finds again.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

namespace equipoise {

/// Keeps at most kSlots objects; more than that are made and destroyed as needed.
/// Threads  safe from many threads; an object belongs to one lease at a time
template <typename T>
class Pool {
 public:
  class Lease {
   public:
    Lease(Pool* pool, std::unique_ptr<T> object) : pool_(pool), object_(std::move(object)) {}
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { pool_->GiveBack(std::move(object_)); }
    T& operator*() const { return *object_; }
    T* operator->() const { return object_.get(); }

   private:
    Pool* pool_;
    std::unique_ptr<T> object_;
  };

  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    for (auto& slot : slots_) delete slot.load(std::memory_order_acquire);
  }

  /// A kept object, or what `make` returns: a std::unique_ptr<T>, not null.
  template <typename Make>
  Lease Take(const Make& make) {
    const std::size_t home = Home();
    for (std::size_t i = 0; i < kTries; ++i) {
      auto& slot = slots_[(home + i) % kSlots];
      // Looking first keeps the line shared while the slot is empty.
      if (slot.load(std::memory_order_relaxed) == nullptr) continue;
      if (T* object = slot.exchange(nullptr, std::memory_order_acquire); object != nullptr)
        return Lease(this, std::unique_ptr<T>(object));
    }
    return Lease(this, make());
  }

 private:
  static constexpr std::size_t kSlots = 64;
  static constexpr std::size_t kTries = 4;  // a thread's own slot and three neighbours

  static std::size_t Home() {
    // The hash of a thread is often an aligned address: the multiplication spreads its high bits.
    const std::uint64_t id = std::hash<std::thread::id>{}(std::this_thread::get_id());
    return static_cast<std::size_t>((id * 0x9E3779B97F4A7C15u) >> 58);
  }

  void GiveBack(std::unique_ptr<T> object) {
    if (object == nullptr) return;
    const std::size_t home = Home();
    for (std::size_t i = 0; i < kTries; ++i) {
      T* empty = nullptr;
      if (slots_[(home + i) % kSlots].compare_exchange_strong(
              empty, object.get(), std::memory_order_release, std::memory_order_relaxed)) {
        static_cast<void>(object.release());  // the slot owns it now
        return;
      }
    }
  }

  std::array<std::atomic<T*>, kSlots> slots_{};
};

}  // namespace equipoise
