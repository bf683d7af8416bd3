#include "path_worker.h"

#include <chrono>

#include <unistd.h>

namespace equipoise {
namespace {

// Longer waits sleep: waking up takes some 50 µs (a virtual machine), as long as a path takes. So the
// thread is awake for the next search where that comes soon.
constexpr auto kAwake = std::chrono::milliseconds(1);
constexpr int kPauses = 64;  // between looks at the clock

inline void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Returns when the value is another one.
void AwaitOther(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  if (value.load(std::memory_order_acquire) != old) return;
  const auto start = std::chrono::steady_clock::now();
  do {
    for (int i = 0; i < kPauses; ++i) {
      if (value.load(std::memory_order_acquire) != old) return;
      Pause();
    }
    // Whoever is waited for may need this processor.
    std::this_thread::yield();
  } while (std::chrono::steady_clock::now() - start < kAwake);
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

}  // namespace

void Soon::Wait() const { AwaitOther(set_, 0); }

PathWorker::PathWorker() : process_(::getpid()), thread_([this] { Run(); }) {}

PathWorker::~PathWorker() {
  if (!here()) {
    thread_.detach();  // it is not there
    return;
  }
  task_ = nullptr;
  started_.fetch_add(1, std::memory_order_release);
  started_.notify_one();
  thread_.join();
}

bool PathWorker::here() const { return process_ == ::getpid(); }

void PathWorker::Start(const std::function<void()>& task) {
  task_ = &task;
  done_.Clear();
  started_.fetch_add(1, std::memory_order_release);
  started_.notify_one();
}

void PathWorker::Run() {
  for (std::uint32_t seen = 0;; ++seen) {
    AwaitOther(started_, seen);
    if (task_ == nullptr) return;
    (*task_)();
    done_.Set();
  }
}

}  // namespace equipoise
