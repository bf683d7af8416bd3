#include "domain_rows.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include <equipoise/core/check.h>

#include "domain_state.h"

namespace equipoise::domain {

Result<Prepared> Prepare(const EmbeddingsView& rows, std::span<const std::string_view> labels,
                         const DomainDetectorOptions& options) {
  const std::size_t n = rows.rows();
  Prepared out;
  out.dim = rows.cols();
  out.rows.resize(n * out.dim);
  std::vector<std::size_t> kept;                                           // rows that are not zero
  std::map<std::string_view, std::pair<std::size_t, std::size_t>> counts;  // rows, the first one
  for (std::size_t i = 0; i < n; ++i) {
    float* to = out.rows.data() + kept.size() * out.dim;
    EQUIPOISE_ASSIGN_OR_RETURN(const bool any, UnitRow(rows, i, to));
    auto [at, added] = counts.try_emplace(labels[i], 0, i);
    if (!any) continue;
    ++at->second.first;
    kept.push_back(i);
  }
  std::map<std::string_view, std::uint32_t> numbers;
  for (const auto& [name, count] : counts) {
    if (count.first < options.min_rows) continue;
    if (count.first < 2)
      return Status(
          Code::kInvalidArgument,
          fmt::format("DomainDetector::Fit: the domain \"{}\" has {} that is not zero; at least 2 "
                      "are needed, so that one can be held out: add rows, or leave it out "
                      "(min_rows)",
                      name, count.first == 1 ? "1 row" : "no row"),
          {.row = static_cast<std::int64_t>(count.second), .field = "labels"});
    numbers.emplace(name, static_cast<std::uint32_t>(numbers.size()));
    out.names.emplace_back(name);
  }
  if (numbers.size() < 2 || numbers.size() > kMaxDomains)
    return Status(Code::kInvalidArgument,
                  fmt::format("DomainDetector::Fit: there are {} domains; it needs 2 to {}",
                              numbers.size(), kMaxDomains),
                  {.field = "labels"});
  std::size_t to = 0;
  for (std::size_t from = 0; from < kept.size(); ++from) {
    const auto number = numbers.find(labels[kept[from]]);
    if (number == numbers.end()) continue;
    if (to != from)
      std::copy_n(out.rows.data() + from * out.dim, out.dim, out.rows.data() + to * out.dim);
    out.labels.push_back(number->second);
    ++to;
  }
  out.rows.resize(to * out.dim);
  out.left_out = n - to;
  return out;
}

Result<std::vector<double>> Priors(const Prepared& rows, const DomainDetectorOptions& options) {
  const std::size_t domains = rows.names.size();
  std::vector<double> out(domains, 1.0);
  const bool frequency =
      options.priors == DomainPriors::kFrequency ||
      (options.priors == DomainPriors::kAuto && options.source == DomainSource::kRows);
  if (!options.given_priors.empty()) {
    for (const auto& [name, prior] : options.given_priors) {
      const auto at = std::lower_bound(rows.names.begin(), rows.names.end(), name);
      const bool known = at != rows.names.end() && *at == name;
      if (!known || !(prior > 0) || !std::isfinite(prior))
        return Status(Code::kInvalidArgument,
                      fmt::format("DomainDetector::Fit: {} \"{}\"{}",
                                  known ? "the prior of" : "there is a prior but no row of", name,
                                  known ? fmt::format(" is {}; it must be above 0", prior) : ""),
                      {.field = "given_priors"});
      out[static_cast<std::size_t>(at - rows.names.begin())] = prior;
    }
    if (options.given_priors.size() != domains)
      return Status(Code::kInvalidArgument,
                    fmt::format("DomainDetector::Fit: {} priors are given for {} domains",
                                options.given_priors.size(), domains),
                    {.field = "given_priors"});
  } else if (frequency) {
    std::fill(out.begin(), out.end(), 0.0);
    for (const std::uint32_t label : rows.labels) out[label] += 1;
  }
  const double sum = std::accumulate(out.begin(), out.end(), 0.0);
  constexpr double kLeast = 1e-10;  // below any share of rows
  for (std::size_t c = 0; c < domains; ++c) {
    out[c] /= sum;
    if (out[c] >= kLeast) continue;
    return Status(
        Code::kInvalidArgument,
        fmt::format("DomainDetector::Fit: the prior of \"{}\" is {} of all; it must be at "
                    "least {}",
                    rows.names[c], out[c], kLeast),
        {.field = "given_priors"});
  }
  return out;
}

}  // namespace equipoise::domain
