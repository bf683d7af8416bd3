/// What one query's judgments say about every α at once.
///
/// The fused score α · lexical + (1 − α) · vector is linear in α, so that the two normalized scores of
/// each candidate, kept from one search, tell the ranking at every α, and judgments of documents tell
/// its worth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>

namespace equipoise {

/// A document that a search has found, with both normalized scores.
struct RewardCandidate {
  /// In [0, 1]. NaN where the path was not asked: the curve is then known at one α only.
  float lexical = 0;
  float vector = 0;
  /// Gain of the document: 0 not relevant, 1 relevant, 2^grade − 1, or a rating. NaN: not known, as of
  /// every document that was not shown.
  float gain = 0;
  /// How much the judgment counts, in [0, 1], say by the position it was shown at (position bias). The
  /// rest of it is as if it were not known.
  float confidence = 1;
};

enum class RewardMeasure : std::uint8_t {
  kNdcg,    ///< Σ gain / log2(rank + 1) over the first k, over that of the best order
  kRecall,  ///< Σ gain over the first k, over all gain
};

/// What stands for a gain that is not known.
enum class UnknownGain : std::uint8_t {
  /// unknown_share times the mean of the known gains: a document that nobody saw may be as good as one
  /// of the lesser ones seen.
  kExpected,
  /// Left out of the ranking: those below move up (condensed lists: Sakai 2007,
  /// doi:10.1145/1277741.1277756). Only the order of what was shown counts.
  kCondensed,
  /// Nothing, as if it had been judged not relevant.
  kZero,
};

struct RewardCurveOptions {
  RewardMeasure measure = RewardMeasure::kNdcg;
  std::size_t k = 10;     ///< >= 1
  std::size_t grid = 21;  ///< values of α, i / (grid − 1); in [2, 1001]
  UnknownGain unknown = UnknownGain::kExpected;
  /// Source   chosen on the streams of `./dev bench bandit`, beside the two other ways
  double unknown_share = 0.7;  ///< in [0, 1]
  /// Gain that the whole collection holds for the query, in the units of `measure`: DCG of the best
  /// order, or the sum of gains. 0: that of the known ones among the candidates.
  double ideal = 0;
};

/// Reward of each α of the grid.
struct RewardCurve {
  std::vector<double> values;  ///< [grid] in [0, 1]; kUndetermined where a path was not asked
  std::size_t known = 0;       ///< candidates whose gain is known
  /// Nothing relevant is known: every α is as good as any other, and the query teaches nothing.
  bool empty = false;
};

/// The curve of a query.
/// Shapes   candidates [n], in document order: ties of fused scores go to the earlier one
/// Range    values in [0, 1]; n any
/// Errors   kInvalidArgument: an option or a score out of range, a negative or infinite gain,
///          candidates of which some have both scores and some one; kOutOfMemory
/// Threads  pure; O(grid · n + grid · k log k)
/// Exact    the ranking at each α is that of Fuse, where each path was asked for more than k: at α = 1 a
///          normalized score of 0 stands for no score, and the last one found may be one
EQUIPOISE_API Result<RewardCurve> ComputeRewardCurve(std::span<const RewardCandidate> candidates,
                                                     const RewardCurveOptions& options = {});

/// A piece of the line of α on which the ranking's first k, and so the reward, is one and the same.
struct RewardPiece {
  double begin = 0;  ///< α from which on, up to the next piece's begin
  double value = 0;
};

/// The whole curve, at every α between 0 and 1: where two of the fused scores that matter cross is a
/// breakpoint. At a breakpoint itself scores are equal, and the earlier document counts first.
/// Shapes   as ComputeRewardCurve; options.grid is not looked at
/// Order    ascending begin, the first 0; neighbours differ in value
/// Errors   as ComputeRewardCurve; kInvalidArgument: a path was not asked
/// Exact    crossings in double from the float scores
/// Threads  pure; O(n² log n)
EQUIPOISE_API Result<std::vector<RewardPiece>> RewardBreakpoints(
    std::span<const RewardCandidate> candidates, const RewardCurveOptions& options = {});

}  // namespace equipoise
