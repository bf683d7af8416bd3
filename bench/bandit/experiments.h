// The questions that `./dev bench bandit` answers, each as one JSON object.
#pragma once

#include <span>

#include <nlohmann/json.hpp>

#include "judged_set.h"
#include "stream.h"

namespace equipoise::bench {

inline constexpr std::size_t kHorizon = 100;  // queries of a domain

/// All curves known after each query, and everybody else on the same streams.
nlohmann::json FullFeedback(const Sets& sets, std::size_t orders);
/// Ten shown documents judged, 5 % of judgments wrong, 20 queries late.
nlohmann::json ShownOnly(const Sets& sets, std::size_t orders);
/// The shipped priors, each given to domains that it may be wrong for.
nlohmann::json PriorsAssigned(const Sets& sets, std::size_t orders);
nlohmann::json RecallGain(const Sets& sets, std::size_t orders);
/// What leaving out the path without weight saves and costs.
nlohmann::json Skipping(const Sets& sets, std::span<const SearchTimes> times, std::size_t orders);
/// The posterior's bound on its regret against the regret.
nlohmann::json Calibration(const Sets& sets, std::size_t orders);
/// Constants chosen on six sets, judged on the seventh.
nlohmann::json LeaveOneSetOut(const Sets& sets, std::size_t orders);
/// Off-policy estimates on 1,000 simulated logs (off_policy.cc).
nlohmann::json OffPolicy(const Sets& sets);
/// Three domains that turn around: what is lost after it, and to watching for it (drift.cc).
nlohmann::json Drift(const Sets& sets, std::size_t orders);
/// The guard of the cumulative reward: whether it ever fell below its bound (safety.cc).
nlohmann::json Safety(const Sets& sets, std::size_t orders);
/// Queries needed to tell two values of α apart: interleaved, and by two halves (interleaving.cc).
nlohmann::json Interleaving(const Sets& sets);
/// Time of deciding and of updating, 100 domains.
nlohmann::json Speed();

}  // namespace equipoise::bench
