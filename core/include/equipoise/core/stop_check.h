/// When work ends before it is done: at a deadline, or because somebody cancels it.
#pragma once

#include <atomic>
#include <chrono>
#include <optional>

namespace equipoise {

/// What whoever waits for the work holds: asks it to end.
/// Threads  all functions, from any thread
class CancellationToken {
 public:
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
};

/// What the work asks at coarse steps; once it is to stop, it stays so.
/// Threads  one
class StopCheck {
 public:
  using Clock = std::chrono::steady_clock;

  /// Neither: never. The token must live as long as this.
  StopCheck(std::optional<Clock::time_point> deadline, const CancellationToken* token)
      : deadline_(deadline), token_(token) {}

  /// Looks now, at the clock too where there is a deadline: 25 to 50 ns.
  bool Due() {
    if (!stopped_)
      stopped_ = (token_ != nullptr && token_->cancelled()) ||
                 (deadline_.has_value() && Clock::now() >= *deadline_);
    return stopped_;
  }
  /// Whether Due has said so.
  bool stopped() const { return stopped_; }

 private:
  std::optional<Clock::time_point> deadline_;
  const CancellationToken* token_;
  bool stopped_ = false;
};

}  // namespace equipoise
