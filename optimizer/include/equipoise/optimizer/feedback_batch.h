/// Feedback as columns: how ratings go into the filter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace equipoise {

/// A column that somebody else owns: element i lies `stride` elements behind element i − 1. A stride
/// of 0 repeats one value. The view must not outlive its memory; nothing keeps it past a call.
template <typename T>
struct FeedbackColumn {
  const T* data = nullptr;
  std::uint64_t size = 0;
  std::int64_t stride = 1;

  FeedbackColumn() = default;
  FeedbackColumn(const T* pointer, std::uint64_t n, std::int64_t step = 1)
      : data(pointer), size(n), stride(step) {}
  FeedbackColumn(std::span<const T> values)  // NOLINT: implicit on purpose
      : data(values.data()), size(values.size()) {}
  FeedbackColumn(const std::vector<T>& values)  // NOLINT: implicit on purpose
      : data(values.data()), size(values.size()) {}

  bool empty() const { return size == 0; }
  const T& operator[](std::uint64_t i) const { return data[static_cast<std::int64_t>(i) * stride]; }
};

/// A batch of n items of feedback, n up to 2^63 − 1. `rating` and `time` are needed; any other column
/// is either empty, and then what needs it is left out, or has n rows too. Rows come in any order.
struct FeedbackBatch {
  FeedbackColumn<float> rating;
  FeedbackColumn<double> time;           ///< seconds, of the same clock as `now`
  FeedbackColumn<std::uint64_t> source;  ///< who says it
  FeedbackColumn<std::uint64_t> item;    ///< of what: a document, an answer, an arm
  FeedbackColumn<std::uint32_t> domain;
  FeedbackColumn<std::uint64_t> event;     ///< id of the event; the same one twice is one event
  FeedbackColumn<float> confidence;        ///< the item's own, in [0, 1]
  FeedbackColumn<std::uint32_t> position;  ///< rank at which it was shown, 0 first
  FeedbackColumn<float> dwell;             ///< seconds that the user stayed, >= 0

  std::uint64_t size() const { return rating.size; }
};

}  // namespace equipoise
