// A thread that is kept for the second recall path of a search.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>

namespace equipoise {

// Something that one thread waits for and another one brings about, soon: the wait is short of sleep
// for a while.
// Threads  Set from one thread, Wait from another; what was written before Set is seen after Wait
class Soon {
 public:
  void Set() {
    set_.store(1, std::memory_order_release);
    set_.notify_one();
  }
  void Wait() const;
  void Clear() { set_.store(0, std::memory_order_relaxed); }

 private:
  std::atomic<std::uint32_t> set_{0};
};

// Threads  Start and Wait in turn, from one thread at a time
class PathWorker {
 public:
  // Throws std::system_error where the system refuses a thread.
  PathWorker();
  PathWorker(const PathWorker&) = delete;
  PathWorker& operator=(const PathWorker&) = delete;
  ~PathWorker();

  // Runs the task, which lives until Wait returns and must not throw.
  void Start(const std::function<void()>& task);
  void Wait() { done_.Wait(); }
  // Whether the thread belongs to this process: a fork leaves threads behind.
  bool here() const;

 private:
  void Run();

  const std::function<void()>* task_ = nullptr;  // null: the end
  std::atomic<std::uint32_t> started_{0};        // tasks so far
  Soon done_;
  long process_ = 0;
  std::thread thread_;
};

}  // namespace equipoise
