// Configurations as the variables of NSGA-II, and back.
#pragma once

#include <span>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/engine/tuning.h>
#include <equipoise/optimizer/nsga2.h>

namespace equipoise {

class ConfigurationSpace {
 public:
  struct Needs {
    std::size_t k = 10;
    bool diversity = true;  ///< it is an objective: mmr is worth trying
    bool graph = true;      ///< some index has one: a beam means something
  };
  /// Errors   kInvalidArgument: a bound out of its range, bounds that are reversed, no or a repeated fusion,
  ///          nothing that can be chosen
  static Result<ConfigurationSpace> Create(const TuningSpace& space, const Needs& needs);

  const std::vector<Variable>& variables() const { return variables_; }
  /// The configuration of a point, in the one form that stands for all that search alike: α is a bound, or
  /// has two digits.
  /// Range    x within the bounds of variables()
  Configuration Decode(std::span<const double> x) const;
  /// Points to begin with: each path alone and both, with the shortest lists, and the default as far as the
  /// bounds allow it. [rows, variables]
  std::vector<double> Initial() const;
  /// One of the variables that are not fixed: the chance with which one is mutated.
  double MutationShare() const;
  /// Depth that no configuration's list is longer than.
  std::size_t longest() const { return longest_; }

 private:
  TuningSpace space_;
  std::size_t k_ = 10, longest_ = 0;
  enum class Mode : std::uint8_t { kTarget, kBeam, kExact };  // of the vector search
  std::vector<Mode> modes_;
  std::vector<std::size_t> depths_, beams_;
  std::vector<Variable> variables_;
};

/// What searches alike, written in one way: nothing said of a path that is not asked.
Configuration Canonical(Configuration configuration, std::size_t k);

}  // namespace equipoise
