// Whether a domain still says what it said: its latest queries against those before.
//
// Of every way to split the queries in two, the mean modes of both sides are compared: under no change
// Σ_j (m_after − m_before)² / (S_j (1/n_after + 1/n_before)) is about χ² (a generalized likelihood ratio,
// Lorden 1971, on whole curves, so that a turned curve shows within some ten queries). Only splits within
// the latest queries are looked at, of which a ring is kept for each domain.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "curve_model.h"

namespace equipoise {

/// One of the latest queries. Plain numbers, as they are in the state file.
struct WatchedQuery {
  CurveModes modes{};
  double weight = 0;         // 0: an empty place, or taken back
  std::uint64_t number = 0;  // of the domain's feedbacks
};

/// A change that was noticed. Plain numbers.
struct WatchedChange {
  std::uint64_t began = 0;    // of the domain's feedbacks, the first of the new kind
  std::uint64_t noticed = 0;  // with which it was noticed
  double evidence = 0;
  double time = 0;
};

/// Beside a domain's ring. Plain numbers.
struct WatchedDomain {
  static constexpr std::size_t kKept = 4;
  std::uint64_t next = 0;     // place in the ring
  std::uint64_t since = 0;    // version of the last change: decisions before it are of another time
  std::uint64_t changes = 0;  // in all
  WatchedChange latest[kKept] = {};  // change i at i % kKept
};

class CurveWatch {
 public:
  /// Log likelihood ratio from which on a change is believed.
  CurveWatch(const CurveModel& model, double evidence) : model_(model), evidence_(evidence) {}

  void Add(const CurveObservation& observation, double weight, std::uint64_t number,
           WatchedDomain* domain, std::span<WatchedQuery> ring) const;
  /// Empties the place of a query that is taken back; false where it is not among the latest.
  bool TakeBack(const CurveObservation& observation, double weight,
                std::span<WatchedQuery> ring) const;
  /// The change that the queries tell, if they do; then `sums` and `ring` hold what came after it.
  std::optional<WatchedChange> Test(const CurveModes& noise, const WatchedDomain& domain,
                                    std::span<WatchedQuery> ring, DomainSums* sums) const;

 private:
  const CurveModel& model_;
  double evidence_;
};

}  // namespace equipoise
