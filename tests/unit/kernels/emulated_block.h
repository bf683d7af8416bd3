// A thread block on the host: the kernels' bodies (kernels/src/cuda) run as they are, each CUDA thread
// a fiber that runs until its next barrier, the fibers in an order drawn from a seed. What the device
// leaves undefined is an error here: threads that part at a barrier, a warp of which some lanes are
// missing, shared memory that nobody wrote (it starts as garbage) or that was not asked for (under the
// address sanitizer). Under the thread sanitizer only barriers order the fibers, so that it reports
// races within a block as compute-sanitizer's racecheck does.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include <ucontext.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EMULATOR_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define EMULATOR_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define EMULATOR_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define EMULATOR_TSAN 1
#endif

#if defined(EMULATOR_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(EMULATOR_TSAN)
// Of the emulator's own memory, which only one thread of the host touches.
#define EMULATOR_UNCHECKED __attribute__((no_sanitize("thread")))
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#else
#define EMULATOR_UNCHECKED
#endif

namespace equipoise::cuda {

class Emulator;

/// One thread's view of its block: device.h's Block.
class EmulatedBlock {
 public:
  unsigned thread() const { return thread_; }
  unsigned threads() const;
  unsigned x() const;
  unsigned y() const;
  unsigned grid_x() const;
  std::uint64_t* shared() const;
  EMULATOR_UNCHECKED void Sync();
  EMULATOR_UNCHECKED bool Any(bool value);
  template <typename T>
  EMULATOR_UNCHECKED T ShuffleXor(T value, unsigned mask);
  unsigned AtomicAdd(unsigned* at, unsigned value);

 private:
  friend class Emulator;
  Emulator* emulator_ = nullptr;
  unsigned thread_ = 0;
};

class Emulator {
 public:
  explicit Emulator(std::uint64_t seed, unsigned threads = 256) : random_(seed) {
    fibers_.resize(threads);
    for (unsigned i = 0; i < threads; ++i) {
      fibers_[i].block.emulator_ = this;
      fibers_[i].block.thread_ = i;
      fibers_[i].stack = std::make_unique_for_overwrite<char[]>(kStack);
    }
  }

  /// Runs `body` in every thread of every block of a grid, block by block.
  template <typename Body>
  void Run(unsigned grid_x, unsigned grid_y, std::size_t shared_bytes, const Body& body) {
    body_ = [&body](EmulatedBlock& block) { body(block); };
    grid_x_ = grid_x;
    for (y_ = 0; y_ < grid_y; ++y_)
      for (x_ = 0; x_ < grid_x; ++x_) RunBlock(shared_bytes);
  }

 private:
  friend class EmulatedBlock;
  enum class State { kReady, kSync, kAny, kShuffle, kDone };
  struct Fiber {
    EmulatedBlock block;
    std::unique_ptr<char[]> stack;
    ucontext_t context{};
    State state = State::kReady;
    bool flag = false;
    unsigned mask = 0;
    std::uint64_t given = 0;
    std::uint64_t received = 0;
    void* fake_stack = nullptr;
    void* tsan = nullptr;
  };
  static constexpr std::size_t kStack = std::size_t{256} << 10;
  static constexpr unsigned kLanes = 32;

  EMULATOR_UNCHECKED void RunBlock(std::size_t shared_bytes) {
    // Its own allocation, exactly as large as asked for.
    shared_.assign((shared_bytes + 15) / 16, {});
    std::memset(shared_.data(), 0xa5, shared_.size() * sizeof(shared_[0]));
    for (Fiber& fiber : fibers_) Start(fiber);
    std::vector<Fiber*> ready;
    PublishTo(&started_);
    for (;;) {
      ready.clear();
      for (Fiber& fiber : fibers_)
        if (fiber.state == State::kReady) ready.push_back(&fiber);
      if (ready.empty() && !Release()) break;
      std::shuffle(ready.begin(), ready.end(), random_);
      for (Fiber* fiber : ready) Resume(*fiber);
    }
    SeeFrom(&ended_);
    for (Fiber& fiber : fibers_) {
#if defined(EMULATOR_TSAN)
      __tsan_destroy_fiber(fiber.tsan);
#endif
      if (fiber.state != State::kDone)
        throw std::logic_error("threads of a block part at a barrier");
    }
  }

  // Lets the waiting threads go on; false where none can.
  EMULATOR_UNCHECKED bool Release() {
    bool any_released = false;
    for (std::size_t first = 0; first < fibers_.size(); first += kLanes) {
      bool all = true;
      for (std::size_t i = first; i < first + kLanes; ++i)
        all = all && fibers_[i].state == State::kShuffle && fibers_[i].mask == fibers_[first].mask;
      if (!all) continue;
      for (std::size_t i = first; i < first + kLanes; ++i) {
        fibers_[i].received = fibers_[first + ((i - first) ^ fibers_[i].mask)].given;
        fibers_[i].state = State::kReady;
      }
      any_released = true;
    }
    if (any_released) return true;
    const State state = fibers_[0].state;
    if (state != State::kSync && state != State::kAny) return false;
    any_ = false;
    for (const Fiber& fiber : fibers_) {
      if (fiber.state != state) return false;
      any_ = any_ || fiber.flag;
    }
    for (Fiber& fiber : fibers_) fiber.state = State::kReady;
    ++barriers_;
    return true;
  }

  EMULATOR_UNCHECKED void Start(Fiber& fiber) {
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = kStack;
    fiber.context.uc_link = nullptr;
    fiber.state = State::kReady;
    fiber.fake_stack = nullptr;
    const auto address = reinterpret_cast<std::uintptr_t>(&fiber);
    makecontext(&fiber.context, reinterpret_cast<void (*)()>(&Emulator::Enter), 2,
                static_cast<unsigned>(address >> 32), static_cast<unsigned>(address));
#if defined(EMULATOR_TSAN)
    fiber.tsan = __tsan_create_fiber(0);
#endif
  }

  EMULATOR_UNCHECKED static void Enter(unsigned high, unsigned low) {
    auto* const fiber = reinterpret_cast<Fiber*>((static_cast<std::uintptr_t>(high) << 32) | low);
    Emulator* const self = fiber->block.emulator_;
    self->Entered(nullptr);
    SeeFrom(&self->started_);
    self->body_(fiber->block);
    self->Leave(*fiber, State::kDone);
  }

  // Scheduler to fiber, and back when it waits.
  EMULATOR_UNCHECKED void Resume(Fiber& fiber) {
#if defined(EMULATOR_TSAN)
    tsan_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(fiber.tsan, 1);  // 1: the switch orders nothing
#endif
#if defined(EMULATOR_ASAN)
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, fiber.stack.get(), kStack);
#endif
    swapcontext(&scheduler_, &fiber.context);
#if defined(EMULATOR_ASAN)
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
  }

  EMULATOR_UNCHECKED void Leave(Fiber& fiber, State state) {
    fiber.state = state;
    // Two in turn: what a fiber does after this barrier, and publishes at the next, is not seen by one
    // that leaves this barrier later.
    [[maybe_unused]] char* const barrier = &barrier_[barriers_ % 2];
    if (state == State::kSync || state == State::kAny) PublishTo(barrier);
    if (state == State::kDone) PublishTo(&ended_);
#if defined(EMULATOR_TSAN)
    __tsan_switch_to_fiber(tsan_, 1);
#endif
#if defined(EMULATOR_ASAN)
    // A fiber that ends gives its fake stack up.
    __sanitizer_start_switch_fiber(state == State::kDone ? nullptr : &fiber.fake_stack,
                                   scheduler_stack_, scheduler_size_);
#endif
    swapcontext(&fiber.context, &scheduler_);
    Entered(fiber.fake_stack);
    if (state == State::kSync || state == State::kAny) SeeFrom(barrier);
  }

  void Entered([[maybe_unused]] void* fake_stack) {
#if defined(EMULATOR_ASAN)
    __sanitizer_finish_switch_fiber(fake_stack, &scheduler_stack_, &scheduler_size_);
#endif
  }

  // What was done before PublishTo is before what follows SeeFrom.
  static void PublishTo([[maybe_unused]] char* at) {
#if defined(EMULATOR_TSAN)
    __tsan_release(at);
#endif
  }
  static void SeeFrom([[maybe_unused]] char* at) {
#if defined(EMULATOR_TSAN)
    __tsan_acquire(at);
#endif
  }

  struct alignas(16) Unit {
    std::uint64_t words[2];
  };
  std::mt19937_64 random_;
  std::vector<Fiber> fibers_;
  std::function<void(EmulatedBlock&)> body_;
  std::vector<Unit> shared_;
  unsigned x_ = 0, y_ = 0, grid_x_ = 0;
  bool any_ = false;
  unsigned barriers_ = 0;
  char started_ = 0, ended_ = 0, barrier_[2] = {0, 0};
  ucontext_t scheduler_{};
  const void* scheduler_stack_ = nullptr;
  std::size_t scheduler_size_ = 0;
  void* tsan_ = nullptr;
};

inline unsigned EmulatedBlock::threads() const {
  return static_cast<unsigned>(emulator_->fibers_.size());
}
inline unsigned EmulatedBlock::x() const { return emulator_->x_; }
inline unsigned EmulatedBlock::y() const { return emulator_->y_; }
inline unsigned EmulatedBlock::grid_x() const { return emulator_->grid_x_; }
inline std::uint64_t* EmulatedBlock::shared() const {
  return reinterpret_cast<std::uint64_t*>(emulator_->shared_.data());
}
inline void EmulatedBlock::Sync() {
  Emulator::Fiber& fiber = emulator_->fibers_[thread_];
  fiber.flag = false;
  emulator_->Leave(fiber, Emulator::State::kSync);
}
inline bool EmulatedBlock::Any(bool value) {
  Emulator::Fiber& fiber = emulator_->fibers_[thread_];
  fiber.flag = value;
  emulator_->Leave(fiber, Emulator::State::kAny);
  return emulator_->any_;
}
template <typename T>
T EmulatedBlock::ShuffleXor(T value, unsigned mask) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t));
  Emulator::Fiber& fiber = emulator_->fibers_[thread_];
  std::memcpy(&fiber.given, &value, sizeof(T));
  fiber.mask = mask;
  emulator_->Leave(fiber, Emulator::State::kShuffle);
  std::memcpy(&value, &fiber.received, sizeof(T));
  return value;
}
inline unsigned EmulatedBlock::AtomicAdd(unsigned* at, unsigned value) {
  return __atomic_fetch_add(at, value, __ATOMIC_RELAXED);
}

}  // namespace equipoise::cuda
