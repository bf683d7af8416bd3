/// What an answer was worth: groundedness, recall and cost as one number in [0, 1], its parts kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>

namespace equipoise {

inline constexpr double kRewardUnknown = std::numeric_limits<double>::quiet_NaN();

/// What was measured. A part that was not is kRewardUnknown.
struct Reward {
  double groundedness = kRewardUnknown;  ///< in [0, 1]: MeasureGroundedness
  double recall = kRewardUnknown;        ///< in [0, 1]: RewardRecall
  double cost = kRewardUnknown;          ///< seconds or a price, >= 0
};

struct RewardOptions {
  // How much each part counts: >= 0, not all 0. Parts that are unknown are left out of the mean.
  double groundedness_weight = 1;
  double recall_weight = 1;
  double cost_weight = 1;
  double cost_half = 1;  ///< the cost, in its own unit, that is worth 1/2; > 0
};

/// The reward and what it is made of: reward = Σ share · score.
struct RewardBreakdown {
  double reward = 0;
  double groundedness_score = 0, groundedness_share = 0;
  double recall_score = 0, recall_share = 0;
  double cost_score = 0, cost_share = 0;  ///< cost_score = cost_half / (cost_half + cost)
};

/// The weighted mean of the parts that are known.
/// Range    reward in [0, 1]; shares add up to 1
/// Errors   kInvalidArgument: a part or an option outside its range; no part with a weight is known
EQUIPOISE_API Result<RewardBreakdown> ComputeReward(const Reward& reward,
                                                    const RewardOptions& options = {});

/// Judged or clicked relevant ids that are among those found / all that are relevant.
/// Range    [0, 1]; duplicates count once; kRewardUnknown where nothing is relevant
EQUIPOISE_API double RewardRecall(std::span<const std::uint64_t> found,
                                  std::span<const std::uint64_t> relevant);

/// A sentence of the answer or a retrieved passage, analyzed by the caller.
struct SupportText {
  std::span<const std::uint64_t> terms;  ///< ids of its terms, in any order; duplicates count once
  std::span<const float> weights;        ///< [terms] >= 0, say their idf; empty: 1 each
  MatrixView<float> embeddings;          ///< [sentences, d] of it, of any length; or none
};

struct GroundednessOptions {
  /// Least share of a sentence's term weight that must be in the passage. Default: on Cranfield's
  /// abstracts with idf weights 1 % of the sentences of other passages reach it. The hard case, a
  /// sentence against its own passage without it, gives an area under the curve of 0.88 on Cranfield,
  /// 0.95 on Med and 0.89 on CISI (the test Groundedness), and 29 %, 47 % and 18 % reach it there.
  double term_threshold = 0.38;
  /// Least cosine between the sentence and a sentence of the passage. It depends on the model, so it
  /// is off (above 1) until CalibrateThreshold has set it.
  double similarity_threshold = 2;
  /// A measure of the caller's own for (sentence, passage); it must not throw.
  std::function<double(std::size_t sentence, std::size_t passage)> scorer;
  double scorer_threshold = 0.5;
};

/// How one sentence is supported, by the best passage in each measure.
struct SentenceSupport {
  static constexpr std::size_t kNoPassage = static_cast<std::size_t>(-1);
  bool supported = false;              ///< a measure reaches its threshold
  std::size_t passage = kNoPassage;    ///< first passage that supports it
  double overlap = 0;                  ///< highest term overlap, in [0, 1]
  double similarity = kRewardUnknown;  ///< highest cosine; unknown without embeddings
  double score = kRewardUnknown;       ///< highest of the scorer
};

struct Groundedness {
  double share = kRewardUnknown;  ///< supported sentences / sentences; unknown for an empty answer
  std::vector<SentenceSupport> sentences;
};

/// The share of an answer's sentences that a retrieved passage supports. A sentence without terms is
/// supported by no overlap.
/// Errors   kInvalidArgument: a threshold that is NaN; weights of another length than terms, or negative;
///          embeddings of different dimensions or not finite; kOutOfMemory
/// Threads  pure, as far as the scorer is; O(sentences · passages)
/// Source   the precision side of ROUGE-1 (Lin 2004); sentence-wise support as in Es et al. 2024
///          (RAGAS, arXiv:2309.15217), without a language model
EQUIPOISE_API Result<Groundedness> MeasureGroundedness(std::span<const SupportText> sentences,
                                                       std::span<const SupportText> passages,
                                                       const GroundednessOptions& options = {});

/// The probability that a positive's score is above a negative's, ties half: the area under the ROC
/// curve (Mann & Whitney 1947). kRewardUnknown where one side is empty or a score is NaN.
EQUIPOISE_API double AreaUnderCurve(std::span<const double> positives,
                                    std::span<const double> negatives);

/// The least threshold, among the scores, that at most `rate` of the negatives reach (score >=
/// threshold); infinity where none does.
/// Errors   kInvalidArgument: rate outside [0, 1], no positives or negatives, NaN
EQUIPOISE_API Result<double> CalibrateThreshold(std::span<const double> positives,
                                                std::span<const double> negatives, double rate);

}  // namespace equipoise
