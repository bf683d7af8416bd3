// NSGA-II and the tools around it, and pagmo's where it is installed, on the same problems in turns:
//   equipoise_pareto_bench SEEDS OUT.json    OUT.json gets the points that are sorted, for others to sort
//   equipoise_pareto_bench measure IN.json   the hypervolumes of fronts that others have found
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <limits>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/front_quality.h>
#include <equipoise/optimizer/pareto_router.h>

#include "pagmo_peer.h"
#include "problems.h"

namespace equipoise::bench {
namespace {

using nlohmann::json;

template <typename F>
double Seconds(const F& run) {
  const auto start = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <typename F>
double BestOf(int rounds, const F& run) {
  double best = 1e99;
  for (int i = 0; i < rounds; ++i) best = std::min(best, Seconds(run));
  return best;
}

double VolumeOf(const MatrixView<double>& points) {
  const auto volume = Hypervolume(points, std::vector<double>(points.cols, 1.1));
  if (!volume.ok()) throw std::runtime_error(volume.error().ToString());
  return *volume;
}

// pagmo's default settings, which mutate less.
const Nsga2Options kAsPagmo = {
    .crossover = 0.95, .crossover_eta = 10, .mutation = 0.01, .mutation_eta = 50};

// Those of Deb et al. 2002, from which our defaults differ.
Nsga2Options AsDeb(const TestProblem& problem) {
  return {.crossover_eta = 20, .mutation = 1 / static_cast<double>(problem.variables)};
}

double VolumeWith(const TestProblem& problem, Nsga2Options options, int seed) {
  options.seed = static_cast<std::uint64_t>(seed);
  const auto found = Minimize(problem, options);
  if (!found.ok()) throw std::runtime_error(found.error().ToString());
  return VolumeOf(found->f_view());
}

json Race(const TestProblem& problem, int seeds) {
  json ours = {{"volumes", json::array()}, {"seconds", json::array()}};
  json pagmo = ours, as_pagmo = {{"volumes", json::array()}}, as_deb = as_pagmo;
  for (int seed = 1; seed <= seeds; ++seed) {
    Population found;
    ours["seconds"].push_back(Seconds([&] {
      auto made = Minimize(problem, {.seed = static_cast<std::uint64_t>(seed)});
      if (!made.ok()) throw std::runtime_error(made.error().ToString());
      found = *std::move(made);
    }));
    ours["volumes"].push_back(VolumeOf(found.f_view()));
    as_deb["volumes"].push_back(VolumeWith(problem, AsDeb(problem), seed));
    if (!HasPagmo()) continue;
    as_pagmo["volumes"].push_back(VolumeWith(problem, kAsPagmo, seed));
    std::vector<double> f;
    pagmo["seconds"].push_back(
        Seconds([&] { f = RunPagmo(problem, static_cast<unsigned>(seed)); }));
    pagmo["volumes"].push_back(
        VolumeOf({f.data(), f.size() / problem.objectives, problem.objectives}));
  }
  json out = {{"problem", problem.name},
              {"volume", problem.volume},
              {"equipoise", ours},
              {"as_deb", as_deb}};
  if (HasPagmo()) {
    out["pagmo"] = pagmo;
    out["as_pagmo"] = as_pagmo;
  }
  return out;
}

std::vector<double> Cloud(std::size_t n, std::size_t m) {
  Random random(7);
  std::vector<double> out(n * m);
  for (double& value : out) value = random.Uniform();
  return out;
}

// Points of the sphere of DTLZ2's front: none dominates another.
std::vector<double> Front(std::size_t n) {
  Random random(8);
  std::vector<double> out;
  for (std::size_t i = 0; i < n; ++i) {
    const double a = random.Uniform() * M_PI / 2, b = random.Uniform() * M_PI / 2;
    out.insert(out.end(), {std::cos(a) * std::cos(b), std::cos(a) * std::sin(b), std::sin(a)});
  }
  return out;
}

json Sorting(std::size_t n, std::size_t m, int rounds, bool front) {
  const std::vector<double> points = front ? Front(n) : Cloud(n, m);
  const MatrixView<double> view(points.data(), n, m);
  std::size_t ranks = 0;
  const double seconds = BestOf(rounds, [&] { ranks = NonDominatedSort(view)->ranks(); });
  json out = {{"points", n}, {"objectives", m}, {"ranks", ranks}, {"seconds", seconds}};
  if (HasPagmo() && n <= 10'000) out["pagmo_seconds"] = BestOf(3, [&] { SortPagmo(view); });
  return out;
}

json Volumes() {
  const std::vector<double> points = Front(1000);
  const MatrixView<double> view(points.data(), 1000, 3);
  double volume = 0;
  json out = {{"points", 1000}, {"seconds", BestOf(20, [&] { volume = VolumeOf(view); })}};
  out["volume"] = volume;
  if (HasPagmo()) {
    double theirs = 0;
    out["pagmo_seconds"] = BestOf(5, [&] { theirs = VolumePagmo(view, 1.1); });
    out["pagmo_volume"] = theirs;
  }
  return out;
}

json Picking() {
  // The front of DTLZ2, turned over, so that no point is better than another in everything.
  std::vector<double> points = Front(1000);
  for (double& value : points) value = -value;
  ParetoRouter router;
  auto table = PreferenceTable::Create({points.data(), 1000, 3});
  if (!table.ok()) throw std::runtime_error(table.error().ToString());
  router.Use(std::make_shared<const PreferenceTable>(*std::move(table)));
  // Half of the points cost too much.
  std::vector<double> first;
  for (std::size_t i = 0; i < points.size(); i += 3) first.push_back(points[i]);
  std::nth_element(first.begin(), first.begin() + 500, first.end());
  constexpr double kAny = std::numeric_limits<double>::infinity();
  const std::vector<double> limits = {first[500], kAny, kAny};
  json out = json::object();
  const auto measure = [&](const char* name, PickMethod method, std::vector<double> most,
                           int picks) {
    Preference preference{.weights = {0.5, 0.3, 0.2}, .limits = std::move(most), .method = method};
    std::uint64_t sum = 0;
    const double seconds = BestOf(20, [&] {
      for (int i = 0; i < picks; ++i) {
        preference.weights[0] = 0.1 + i * 0.0005;
        sum += router.Pick(preference)->point;
      }
    });
    out[name] = {{"seconds", seconds / picks}, {"sum", sum}};
  };
  measure("ideal", PickMethod::kIdeal, limits, 2000);
  measure("asf", PickMethod::kAsf, limits, 2000);
  measure("knee", PickMethod::kKnee, {}, 2000);
  measure("knee within limits", PickMethod::kKnee, limits,
          100);  // finds the knee of what they leave
  return out;
}

int Run(int seeds, const char* path) {
  json out = {{"pagmo", PagmoVersion()}, {"races", json::array()}, {"sorting", json::array()}};
  for (const TestProblem& problem : TestProblems()) out["races"].push_back(Race(problem, seeds));
  out["sorting"].push_back(Sorting(5'000, 3, 20, false));
  out["sorting"].push_back(Sorting(5'000, 3, 20, true));
  out["sorting"].push_back(Sorting(100'000, 3, 3, false));
  out["sorting"].push_back(Sorting(100'000, 3, 3, true));
  out["hypervolume"] = Volumes();
  out["picking"] = Picking();
  std::ofstream(path) << json{{"cloud", Cloud(5'000, 3)}, {"front", Front(5'000)}};
  std::printf("%s\n", out.dump(1).c_str());
  return 0;
}

int Measure(const char* path) {
  json out = json::object();
  for (const json& race : json::parse(std::ifstream(path))) {
    json& volumes = out[race["problem"].get<std::string>()] = json::array();
    for (const json& front : race["fronts"]) {
      std::vector<double> values;
      for (const json& point : front)
        for (const json& value : point) values.push_back(value.get<double>());
      volumes.push_back(VolumeOf({values.data(), front.size(), front[0].size()}));
    }
  }
  std::printf("%s\n", out.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace equipoise::bench

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s SEEDS OUT.json | measure IN.json\n", argv[0]);
    return 2;
  }
  try {
    if (std::string_view(argv[1]) == "measure") return equipoise::bench::Measure(argv[2]);
    return equipoise::bench::Run(std::stoi(argv[1]), argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
