// The lower left border of points in the plane, kept while points are added.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace equipoise {

// Points none of which is <= another in both coordinates: x ascends, y descends.
class Staircase {
 public:
  struct Step {
    double x, y;
  };

  // A point of it is <= (x, y) in both coordinates.
  bool Covers(double x, double y) const {
    const auto after = AfterX(x);
    return after != steps_.begin() && (after - 1)->y <= y;
  }

  // Adds a point that is not covered; those that it covers go.
  void Add(double x, double y) {
    const auto first = std::lower_bound(steps_.begin(), steps_.end(), x,
                                        [](const Step& s, double value) { return s.x < value; });
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
  double AreaOf(double x, double y, double right, double top) const {
    auto at = AfterX(x);
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
  std::vector<Step>::const_iterator AfterX(double x) const {
    return std::upper_bound(steps_.begin(), steps_.end(), x,
                            [](double value, const Step& s) { return value < s.x; });
  }

  std::vector<Step> steps_;
};

}  // namespace equipoise
