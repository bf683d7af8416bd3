/// How good a domain detector is, and whether its probabilities mean what they say.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/retrieval/domain_detector.h>

namespace equipoise {

/// One domain of the labels or of the model. Where nothing was counted a share is 0.
struct DomainScores {
  std::string domain;
  std::size_t support = 0;   ///< queries with this label
  std::size_t detected = 0;  ///< queries that were given it
  double precision = 0;
  double recall = 0;
  double f1 = 0;
};

struct DomainEvaluation {
  static constexpr std::size_t kBins = 10;
  /// Queries whose probability lies in [i / 10, (i + 1) / 10); the last bin holds 1 too.
  struct Bin {
    std::size_t queries = 0;
    double probability = 0;  ///< mean
    double accuracy = 0;
  };

  std::size_t queries = 0;
  double accuracy = 0;        ///< the first domain is the label, `general` or not
  double macro_accuracy = 0;  ///< mean recall of the domains that have queries
  double probability = 0;     ///< mean, of the first domain
  double general = 0;         ///< share that is `general`
  double sure_accuracy = 0;   ///< accuracy of the others; 0 where there is none
  /// Expected calibration error: Σ over bins of their share · |accuracy − mean probability|.
  double calibration_error = 0;
  /// Probability of an error at least as large if every probability were right, so that the answer
  /// to query i is right with its probability: simulated 10,000 times. Below 0.05 calibration is
  /// rejected.
  double calibration_p = 0;
  /// Queries whose label is no domain of the model: wrong whatever is detected.
  std::size_t unknown = 0;
  std::array<Bin, kBins> bins{};
  std::vector<DomainScores> domains;  ///< ascending by name, unknown ones included
  /// confusion[t · domains.size() + p]: queries of domain t that were given domain p.
  std::vector<std::size_t> confusion;
};

/// Detects every query and compares with its label.
/// Shapes   queries [m, d]; labels [m]
/// Range    m >= 1; seed: of the simulation
/// Errors   those of Detect; kInvalidArgument: another number of labels, an empty label
/// Threads  safe from many threads
/// Source   calibration error: Naeini et al. 2015 (AAAI); test by resampling labels from the model's
///          own probabilities: Bröcker & Smith 2007, doi:10.1175/WAF993.1
EQUIPOISE_API Result<DomainEvaluation> EvaluateDomains(const DomainDetector& detector,
                                                       const EmbeddingsView& queries,
                                                       std::span<const std::string_view> labels,
                                                       std::uint64_t seed = 1);

/// The same from guesses that were made elsewhere.
/// Shapes   guesses, labels [m]; guesses[i].domain < names.size()
/// Errors   kInvalidArgument: another number of labels, an empty label, a domain that has no name, a
///          probability outside [0, 1] (row named)
EQUIPOISE_API Result<DomainEvaluation> EvaluateGuesses(std::span<const DomainGuess> guesses,
                                                       std::span<const std::string> names,
                                                       std::span<const std::string_view> labels,
                                                       std::uint64_t seed = 1);

}  // namespace equipoise
