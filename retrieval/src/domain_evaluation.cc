#include <algorithm>
#include <cmath>
#include <map>
#include <new>

#include <equipoise/core/check.h>
#include <equipoise/core/random.h>
#include <equipoise/retrieval/domain_evaluation.h>

namespace equipoise {
namespace {

constexpr std::size_t kSimulations = 10'000;

std::size_t BinOf(double probability) {
  constexpr auto kBins = static_cast<double>(DomainEvaluation::kBins);
  return static_cast<std::size_t>(std::clamp(std::floor(probability * kBins), 0.0, kBins - 1));
}

double Share(std::size_t part, std::size_t of) {
  return of > 0 ? static_cast<double>(part) / static_cast<double>(of) : 0;
}

/// Fills the bins; returns the expected calibration error.
double Reliability(std::span<const DomainGuess> guesses, const std::vector<bool>& right,
                   std::array<DomainEvaluation::Bin, DomainEvaluation::kBins>* bins) {
  for (std::size_t i = 0; i < guesses.size(); ++i) {
    auto& bin = (*bins)[BinOf(double{guesses[i].probability})];
    ++bin.queries;
    bin.probability += double{guesses[i].probability};
    bin.accuracy += right[i] ? 1 : 0;
  }
  double error = 0;
  for (auto& bin : *bins) {
    error += std::abs(bin.accuracy - bin.probability);
    if (bin.queries == 0) continue;
    bin.probability /= static_cast<double>(bin.queries);
    bin.accuracy /= static_cast<double>(bin.queries);
  }
  return error / static_cast<double>(guesses.size());
}

/// Share of simulated label sets with an error of at least `observed`, the observed one counted in.
double SimulatedP(std::span<const DomainGuess> guesses, double observed, std::uint64_t seed) {
  Random random(seed);
  std::vector<std::size_t> bin(guesses.size());
  for (std::size_t i = 0; i < bin.size(); ++i) bin[i] = BinOf(double{guesses[i].probability});
  const double limit = observed * static_cast<double>(guesses.size()) * (1 - 1e-12);
  std::size_t as_large = 0;
  for (std::size_t round = 0; round < kSimulations; ++round) {
    std::array<double, DomainEvaluation::kBins> difference{};
    for (std::size_t i = 0; i < guesses.size(); ++i) {
      const double p = double{guesses[i].probability};
      difference[bin[i]] += (random.Chance(p) ? 1 : 0) - p;
    }
    double error = 0;
    for (const double d : difference) error += std::abs(d);
    as_large += error >= limit ? 1 : 0;
  }
  return static_cast<double>(as_large + 1) / static_cast<double>(kSimulations + 1);
}

}  // namespace

Result<DomainEvaluation> EvaluateGuesses(std::span<const DomainGuess> guesses,
                                         std::span<const std::string> names,
                                         std::span<const std::string_view> labels,
                                         std::uint64_t seed) try {
  const char* function = "EvaluateGuesses";
  EQUIPOISE_CHECK_RANGE(function, guesses.size(), 1u, (std::size_t{1} << 31) - 1);
  EQUIPOISE_CHECK_EQUAL(function, labels.size(), guesses.size());
  std::map<std::string_view, std::size_t> rows;
  for (const std::string& name : names) rows.emplace(name, 0);
  const std::size_t known = rows.size();
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (const double p = double{guesses[i].probability}; !(p >= 0 && p <= 1))
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: the probability is {}; it must lie in [0, 1]", function, p),
                    {.row = static_cast<std::int64_t>(i), .field = "guesses"});
    if (guesses[i].domain >= names.size())
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: domain {} of {}", function, guesses[i].domain, names.size()),
                    {.row = static_cast<std::int64_t>(i), .field = "guesses"});
    if (labels[i].empty())
      return Status(Code::kInvalidArgument,
                    fmt::format("{}: row {} has no label; label it or leave it out", function, i),
                    {.row = static_cast<std::int64_t>(i), .field = "labels"});
    if (guesses[i].domain >= names.size())
      return Status(Code::kInvalidArgument, fmt::format("{}: guess {} is no domain", function, i),
                    {.row = static_cast<std::int64_t>(i), .field = "guesses"});
    rows.emplace(labels[i], 0);
  }
  DomainEvaluation out;
  for (auto& [name, row] : rows) {
    row = out.domains.size();
    out.domains.push_back({.domain = std::string(name)});
  }
  const std::size_t size = rows.size();
  out.queries = guesses.size();
  out.confusion.assign(size * size, 0);
  std::vector<bool> right(guesses.size());
  std::size_t hits = 0;
  std::size_t sure = 0;
  std::size_t sure_hits = 0;
  for (std::size_t i = 0; i < guesses.size(); ++i) {
    const std::size_t truth = rows.find(labels[i])->second;
    const std::size_t given = rows.find(names[guesses[i].domain])->second;
    ++out.confusion[truth * size + given];
    right[i] = truth == given;
    hits += right[i] ? 1 : 0;
    out.probability += double{guesses[i].probability};
    if (!guesses[i].general) {
      ++sure;
      sure_hits += right[i] ? 1 : 0;
    }
    if (known < size && std::find(names.begin(), names.end(), labels[i]) == names.end())
      ++out.unknown;
  }
  out.accuracy = Share(hits, out.queries);
  out.probability /= static_cast<double>(out.queries);
  out.general = Share(out.queries - sure, out.queries);
  out.sure_accuracy = Share(sure_hits, sure);
  std::size_t with_queries = 0;
  for (std::size_t c = 0; c < size; ++c) {
    DomainScores& scores = out.domains[c];
    for (std::size_t other = 0; other < size; ++other) {
      scores.support += out.confusion[c * size + other];
      scores.detected += out.confusion[other * size + c];
    }
    const std::size_t both = out.confusion[c * size + c];
    scores.precision = Share(both, scores.detected);
    scores.recall = Share(both, scores.support);
    scores.f1 = Share(2 * both, scores.detected + scores.support);
    if (scores.support == 0) continue;
    ++with_queries;
    out.macro_accuracy += scores.recall;
  }
  out.macro_accuracy /= static_cast<double>(with_queries);
  out.calibration_error = Reliability(guesses, right, &out.bins);
  out.calibration_p = SimulatedP(guesses, out.calibration_error, seed);
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory to evaluate domains");
}

Result<DomainEvaluation> EvaluateDomains(const DomainDetector& detector,
                                         const EmbeddingsView& queries,
                                         std::span<const std::string_view> labels,
                                         std::uint64_t seed) try {
  std::vector<DomainGuess> guesses(queries.rows());
  EQUIPOISE_CHECK_EQUAL("EvaluateDomains", labels.size(), queries.rows());
  EQUIPOISE_RETURN_IF_ERROR(detector.Detect(queries, guesses));
  return EvaluateGuesses(guesses, detector.domains(), labels, seed);
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory to evaluate domains");
}

}  // namespace equipoise
