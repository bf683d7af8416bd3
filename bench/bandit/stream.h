// The engine's simulation, for a program: what goes wrong ends it.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <equipoise/engine/simulation.h>

#include "judged_set.h"

namespace equipoise::bench {

using simulation::BestSingle;
using simulation::Bootstrap;
using simulation::Compare;
using simulation::Difference;
using simulation::Earn;
using simulation::Earned;
using simulation::Feedback;
using simulation::FixedArm;
using simulation::Floor;
using simulation::FollowTheLeader;
using simulation::MakeStream;
using simulation::Outcome;
using simulation::Sets;
using simulation::Trial;
using simulation::Turn;
using simulation::Watch;

using MakePolicy = std::function<std::unique_ptr<WeightPolicy>(std::uint64_t order)>;

template <typename T>
T OrThrow(Result<T> made) {
  if (!made) throw std::runtime_error(made.error().ToString());
  return *std::move(made);
}

inline std::vector<Outcome> RunStream(const Sets& sets, std::span<const Turn> stream,
                                      std::uint64_t order, const Feedback& feedback,
                                      WeightPolicy* policy, const Watch& watch = {}) {
  return OrThrow(simulation::RunStream(sets, stream, order, feedback, policy, watch));
}

inline Trial RunOrders(const std::string& name, const Sets& sets, std::size_t orders,
                       std::size_t horizon, const Feedback& feedback, const MakePolicy& make) {
  return OrThrow(
      simulation::RunOrders(name, sets, orders, horizon, feedback,
                            [&make](std::uint64_t order) -> Result<std::unique_ptr<WeightPolicy>> {
                              return make(order);
                            }));
}

}  // namespace equipoise::bench
