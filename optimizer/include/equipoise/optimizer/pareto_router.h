/// One point of a front by preference: the same answer for the same preference, in less than a microsecond of
/// 1,000 points (but for the knee within limits, which is found anew each time, in some ten microseconds), while
/// fronts are exchanged.
/// Source   of these times: `./dev bench pareto`
///
///   ParetoRouter router;
///   router.Use(std::make_shared<const PreferenceTable>(*PreferenceTable::Create(points)));
///   auto route = router.Pick({.weights = {0.3, 0.7}});
///   route->point;                                        // its row in `points`
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/matrix_view.h>
#include <equipoise/core/status.h>
#include <equipoise/optimizer/pareto.h>

namespace equipoise {

/// What makes a point the best one. z: its objectives scaled to [0, 1] between the front's ideal and nadir
/// point; w: the weights, scaled to a sum of 1.
enum class PickMethod : std::uint8_t {
  kIdeal,  ///< least weighted distance to the ideal point, √Σ (w z)²
  /// Least achievement scalarizing function, max w z + 0.0001 Σ w z: also reaches points where the front
  /// bulges away from the ideal point (Wierzbicki 1980, doi:10.1007/978-3-642-48782-8_32)
  kAsf,
  kKnee,  ///< the knee (optimizer/pareto.h); weights are not looked at
};
/// "ideal", "asf", "knee".
EQUIPOISE_API std::string_view PickMethodName(PickMethod method);
/// Errors   kInvalidArgument listing the names
EQUIPOISE_API Result<PickMethod> ParsePickMethod(std::string_view name);

struct Preference {
  std::vector<double> weights{};  ///< [m] each >= 0, one above 0; only their ratios count
  /// [m] or empty: most that an objective may be, in its own unit; infinite: no limit.
  std::vector<double> limits{};
  PickMethod method = PickMethod::kIdeal;
};

/// A pick with what a person wants to know of it.
struct PickedPoint {
  std::uint32_t point = 0;
  double distance =
      0;  ///< weighted, to the ideal point: √Σ (w z)²; 0: nothing is better in anything
  /// The point that would be picked if this one were not there; absent where it is the only one.
  std::optional<std::uint32_t> runner_up{};
  /// By how much more the runner-up has of what the method makes least; absent with kKnee.
  std::optional<double> margin{};
};

/// The points of a front, laid out to be picked from. May be derived from, so that what its points stand for
/// travels with them.
/// Threads  const after it was made
class EQUIPOISE_API PreferenceTable {
 public:
  /// Points that another one dominates, or with a value that is not finite, are never picked.
  /// Shapes   points [n, m], all objectives to be minimized
  /// Errors   kInvalidArgument: as NonDominatedSort, or no point is finite; kOutOfMemory
  static Result<PreferenceTable> Create(const MatrixView<double>& points);
  virtual ~PreferenceTable() = default;
  PreferenceTable(const PreferenceTable&) = default;
  PreferenceTable& operator=(const PreferenceTable&) = default;

  /// The row in `points` of the best one; of equals the first.
  /// Errors   kInvalidArgument: a preference of another shape, a weight that is negative or not finite, all
  ///          weights 0, a limit that is NaN; kNotFound: no point is within the limits; kOutOfMemory
  /// Threads  const; O(n m) at worst, without an allocation but for kKnee with limits
  Result<std::uint32_t> Pick(const Preference& preference) const;
  /// Errors   as Pick
  Result<PickedPoint> Explain(const Preference& preference) const;

  std::size_t objectives() const { return objectives_; }
  /// Rows of `points` that can be picked, ascending.
  std::span<const std::uint32_t> members() const { return members_; }

 private:
  PreferenceTable() = default;
  Status Check(const Preference& preference) const;
  std::size_t Best(const Preference& preference, std::size_t without) const;
  Result<std::size_t> KneeOf(const Preference& preference, std::size_t without) const;
  double Score(const Preference& preference, PickMethod method, std::size_t at) const;
  bool Allowed(const Preference& preference, std::size_t at) const;

  void LayOut();

  std::size_t objectives_ = 0, blocks_ = 0;
  std::vector<std::uint32_t> members_{};  // rows of `points`
  std::vector<double> values_{};          // [objectives, members] as they came
  std::vector<double> scaled_{};          // [objectives, members] z
  // In blocks of members that lie near each other, with the least value of each block.
  std::vector<std::uint32_t> slots_{};             // [members] places in members_
  std::vector<float> columns_{}, squares_{};       // [objectives, blocks, 16] z and z²
  std::vector<float> bounds_{}, square_bounds_{};  // [objectives, blocks]
  std::size_t knee_ = 0;
};

/// Picks from the table that is in use.
/// Threads  all functions from any thread; Pick sees one table or the other, whole
class EQUIPOISE_API ParetoRouter {
 public:
  struct Route {
    std::uint32_t point = 0;
    std::shared_ptr<const PreferenceTable> table{};  ///< that it was picked from
  };
  /// From now on this table; null: none.
  void Use(std::shared_ptr<const PreferenceTable> table);
  std::shared_ptr<const PreferenceTable> table() const;
  /// Errors   kUnavailable: no table is in use; as PreferenceTable::Pick
  Result<Route> Pick(const Preference& preference) const;

 private:
  mutable std::mutex mutex_{};  // held while a pointer is copied, no longer
  std::shared_ptr<const PreferenceTable> table_{};
};

}  // namespace equipoise
