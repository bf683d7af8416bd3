/// How feedback is filtered: every choice, its range and its default.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include <equipoise/optimizer/outliers.h>

namespace equipoise {

/// What an outlier is measured against.
enum class FeedbackGrouping : std::uint8_t { kGlobal, kItem, kSource, kDomain };

struct DomainHalfLife {
  std::uint32_t domain = 0;
  double seconds = 0;  ///< > 0; infinity: no decay
};

/// An item whose right rating is known.
struct GoldRating {
  std::uint64_t item = 0;
  float rating = 0;
};

/// What one source may say. Each check is off at 0.
struct AbuseOptions {
  /// Of several ratings that a source gives one item, the latest counts (the last in the batch among
  /// equal times).
  bool duplicates = true;
  /// More than burst_votes ratings of a source within burst_seconds: all that lie in such a window go.
  std::uint64_t burst_votes = 0;
  double burst_seconds = 60;
  /// A source with at least so many ratings that are all equal, while those of others on the same
  /// items are not, tells nothing: all go. Least useful value: 2.
  std::uint64_t constant_votes = 0;
  /// At most so many ratings of a source within rate_seconds, the earliest first; the others go.
  std::uint64_t rate_votes = 0;
  double rate_seconds = 3600;
};

/// Confidence of a rating by source s, in [0, 1]:
///
///   confidence = own · dwell · position · reliability(s) · evidence(item)
///
///   own          the batch's confidence column, else 1
///   dwell        d / (d + dwell_half), for dwell_half > 0
///   position     ((1 + p) / (1 + position_most))^position_power, at most 1: what was shown on top is
///                clicked because it is on top (Joachims et al. 2017, doi:10.1145/3018661.3018699)
///   reliability  clamp((k a₀ + Σ g a) / (k + Σ g) / a₀, least_reliability, 1), summed over the kept
///                ratings of s: a = 1 − |x − c| / (high − low) is the agreement with c, the consensus
///                of the others on the item (g = 1), or its gold rating (g = gold_weight); a₀ is the
///                mean of a over the batch, k = reliability_prior. 1 where Σ g < reliability_least:
///                one vote against a majority is no sign of a bad source, and a filter that took it
///                for one would pull every mean towards its majority. Raykar et al. 2010 learn both
///                together; this is two rounds of that alternation
///   evidence     for ratings of two values Wilson's lower bound of the more frequent one's share over
///                that share; else n / (n + 2), what the posterior Beta(1 + ..., 1 + ...) holds of n
///                ratings against its prior's 2. n is the effective number on the item
struct ConfidenceOptions {
  bool reliability = true;  ///< needs columns source and item
  double reliability_prior = 8;
  double reliability_least = 5;
  double least_reliability = 0.1;  ///< in (0, 1]
  double gold_weight = 5;
  std::vector<GoldRating> gold;
  bool evidence = true;  ///< needs column item
  double dwell_half = 0;
  double position_power = 0;
  std::uint32_t position_most = 9;
};

struct FeedbackOptions {
  // What counts how much.
  double half_life = 14 * 86400.0;  ///< seconds, > 0; infinity: no decay
  std::vector<DomainHalfLife> domain_half_lives;
  ConfidenceOptions confidence;

  // What is refused.
  float rating_low = 0;  ///< the scale, both ends included: finite, low < high
  float rating_high = 1;
  /// Times up to so far ahead of `now` count as `now`; later ones are refused (most likely they are
  /// milliseconds). Seconds, >= 0.
  double max_skew = 86400;
  std::vector<std::uint64_t> known_sources;  ///< where not empty, others are refused
  AbuseOptions abuse;
  OutlierOptions outliers;
  FeedbackGrouping grouping = FeedbackGrouping::kGlobal;

  // What comes back, and how fast.
  bool keep_items = true;  ///< weight and verdict of each item; without, aggregates alone
  bool by_item = true;     ///< aggregates per item, where there is that column
  bool by_source = true;   ///< and per source
  int threads = 1;         ///< 1 to 1,024; more than the machine has are not started
};

}  // namespace equipoise
