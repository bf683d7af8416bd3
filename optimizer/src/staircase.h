// The lower left border of points in the plane, kept while points are added.
#pragma once

#include <cstddef>
#include <vector>

namespace equipoise {

// Points none of which is <= another in both coordinates: x ascends, y descends.
class Staircase {
 public:
  struct Step {
    double x, y;
  };

  // How many steps are not right of x: where a point of this x has its place.
  std::size_t PlaceOf(double x) const {
    // Halving without a branch that could go either way.
    const Step* at = steps_.data();
    std::size_t count = steps_.size();
    if (count == 0) return 0;
    while (count > 1) {
      const std::size_t half = count / 2;
      at += half * static_cast<std::size_t>(at[half - 1].x <= x);
      count -= half;
    }
    return static_cast<std::size_t>(at - steps_.data()) + (at->x <= x ? 1 : 0);
  }

  // A point of it is <= (x, y) in both coordinates. place: PlaceOf(x)
  bool Covers(std::size_t place, double y) const { return place > 0 && steps_[place - 1].y <= y; }

  // Adds a point that is not covered; those that it covers go. place: PlaceOf(x)
  void Add(std::size_t place, double x, double y) {
    auto first = steps_.begin() + static_cast<std::ptrdiff_t>(place);
    if (place > 0 && (first - 1)->x == x) --first;
    auto last = first;
    while (last != steps_.end() && last->y >= y) ++last;
    if (first == last) {
      steps_.insert(first, {x, y});
      return;
    }
    *first = {x, y};
    steps_.erase(first + 1, last);
  }

  // By how much the area up to (right, top) would grow with a point that is not covered.
  // place: PlaceOf(x)
  double AreaOf(std::size_t place, double x, double y, double right, double top) const {
    auto at = steps_.begin() + static_cast<std::ptrdiff_t>(place);
    double height = at == steps_.begin() ? top : (at - 1)->y;
    // From x on rightwards: the border falls, until it is below y.
    double area = 0, from = x;
    for (; at != steps_.end() && at->y > y; ++at) {
      area += (at->x - from) * (height - y);
      from = at->x;
      height = at->y;
    }
    const double end = at == steps_.end() ? right : at->x;
    return area + (end - from) * (height - y);
  }

  void Clear() { steps_.clear(); }

 private:
  std::vector<Step> steps_;
};

}  // namespace equipoise
