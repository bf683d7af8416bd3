// What the steps of the filter pass on: rows with their weights and verdicts so far.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <equipoise/optimizer/feedback_filter.h>

#include "feedback_rows.h"

namespace equipoise {

struct FilterWork {
  const FeedbackBatch& batch;
  const FeedbackOptions& options;
  std::span<float> weight;             // [n]
  std::span<FeedbackVerdict> verdict;  // [n]
  std::optional<RowGroups> items;      // where a step needs them and the column is there
  std::optional<RowGroups> sources;    // within a source by item, within an item by row
  int threads = 1;

  bool Kept(std::uint64_t row) const { return verdict[row] == FeedbackVerdict::kKept; }
};

/// Gives rows that are abuse their verdict.
void FindAbuse(FilterWork* work);

/// Multiplies the weights by what dwell time and position say; rows with a dwell time that is none
/// are refused.
void WeighContext(FilterWork* work);

/// Learns each source's reliability, [sources], and multiplies the weights by it.
std::vector<double> WeighReliability(FilterWork* work);

/// Multiplies the weights by how much is known about each item.
void WeighEvidence(FilterWork* work);

}  // namespace equipoise
