// Test problems whose fronts are known, for us and for pagmo alike.
// Source   ZDT: Zitzler, Deb & Thiele 2000, doi:10.1162/106365600568202; DTLZ2: Deb et al. 2005,
//          doi:10.1007/1-84628-137-7_6
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <equipoise/optimizer/nsga2.h>

namespace equipoise::bench {

struct TestProblem {
  std::string name;
  std::size_t variables, objectives;
  double volume;  // of the whole front, up to (1.1, ...)

  std::vector<Variable> Variables() const { return std::vector<Variable>(variables); }
  std::size_t Objectives() const { return objectives; }

  void Evaluate(std::span<const double> x, std::span<double> f) const {
    if (name == "dtlz2") {
      double g = 0;
      for (std::size_t j = objectives - 1; j < x.size(); ++j) g += (x[j] - 0.5) * (x[j] - 0.5);
      const double a = x[0] * M_PI / 2, b = x[1] * M_PI / 2;
      f[0] = (1 + g) * std::cos(a) * std::cos(b);
      f[1] = (1 + g) * std::cos(a) * std::sin(b);
      f[2] = (1 + g) * std::sin(a);
      return;
    }
    double sum = 0;
    for (std::size_t j = 1; j < x.size(); ++j) sum += x[j];
    const double mean = sum / static_cast<double>(x.size() - 1);
    if (name == "zdt6") {
      f[0] = 1 - std::exp(-4 * x[0]) * std::pow(std::sin(6 * M_PI * x[0]), 6);
      const double g = 1 + 9 * std::pow(mean, 0.25);
      f[1] = g * (1 - (f[0] / g) * (f[0] / g));
      return;
    }
    const double g = 1 + 9 * mean;
    f[0] = x[0];
    const double share = f[0] / g;
    if (name == "zdt1") f[1] = g * (1 - std::sqrt(share));
    if (name == "zdt2") f[1] = g * (1 - share * share);
    if (name == "zdt3") f[1] = g * (1 - std::sqrt(share) - share * std::sin(10 * M_PI * f[0]));
  }
};

inline std::vector<TestProblem> TestProblems() {
  return {{"zdt1", 30, 2, 0.876667},
          {"zdt2", 30, 2, 0.543333},
          {"zdt3", 30, 2, 1.331763},
          {"zdt6", 10, 2, 0.507878},
          {"dtlz2", 12, 3, 0.807401}};
}

}  // namespace equipoise::bench
