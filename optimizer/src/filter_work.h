// What the steps of the filter pass on: rows with their weights and verdicts so far.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include <equipoise/optimizer/feedback_filter.h>

#include "feedback_rows.h"

namespace equipoise {

/// A row with all that the learned factors need of it. In the order of its groups, rows of one item or
/// source lie side by side; in the batch they would be far apart.
struct Vote {
  float rating;  // NaN: not kept
  float weight;  // decay, own confidence, dwell and position
  std::uint32_t item;
  std::uint32_t source;  // numbers of groups; 0 where there are none
};

/// A weight times a factor; 0 where that is no normal number.
inline float Scaled(float weight, double factor) {
  const auto out = static_cast<float>(weight * factor);
  return out < std::numeric_limits<float>::min() ? 0 : out;
}

struct FilterWork {
  const FeedbackBatch& batch;
  const FeedbackOptions& options;
  std::span<float> weight;             // [n]
  std::span<FeedbackVerdict> verdict;  // [n]
  std::optional<RowGroups> items;      // where a step needs them and the column is there
  std::optional<RowGroups> sources;    // within a source by item, within an item by row
  int threads = 1;
  ArrayPool* pool = nullptr;
  RawArray<Vote> votes;             // of each row, once verdicts are settled
  RawArray<Vote> item_votes;        // in the order of `items`, where a step needs them
  RawArray<Vote> source_votes;      // in that of `sources`
  std::vector<double> reliability;  // [sources] or empty
  std::vector<double> evidence;     // [items] or empty

  bool Kept(std::uint64_t row) const { return verdict[row] == FeedbackVerdict::kKept; }
  /// Its weight so far times what was learned.
  float WeightOf(const Vote& vote) const {
    float out = vote.weight;
    if (!reliability.empty()) out = Scaled(out, reliability[vote.source]);
    if (!evidence.empty()) out = Scaled(out, evidence[vote.item]);
    return out;
  }
};

/// Refuses rows with a dwell time that is none and multiplies the weights by what dwell time and
/// position say.
void WeighContext(FilterWork* work);

/// The factors of confidence of a dwell time >= 0 and of a position.
double DwellFactor(const ConfidenceOptions& options, float dwell);
double PositionFactor(const ConfidenceOptions& options, std::uint32_t position);

/// Gives rows that are abuse their verdict.
void FindAbuse(FilterWork* work);

/// Fills in `votes`.
void TakeVotes(FilterWork* work);

/// The votes of all rows in the order of groups.
RawArray<Vote> OrderVotes(const FilterWork& work, const RowGroups& groups);

/// Learns each source's reliability; needs the votes of both.
void LearnReliability(FilterWork* work);

/// Says how much is known about each item; needs the items' votes.
void FindEvidence(FilterWork* work);

}  // namespace equipoise
