// Learning from labelled queries without the rows of Fit.
#include <algorithm>
#include <cmath>
#include <new>

#include <equipoise/core/check.h>
#include <equipoise/kernels/dot.h>
#include <equipoise/kernels/rows.h>

#include "domain_state.h"

namespace equipoise {
namespace {

using domain::LabelledRows;
using domain::Prototypes;

/// The names of both, in order.
std::vector<std::string> Merged(const std::vector<std::string>& names,
                                std::span<const std::string_view> labels) {
  std::vector<std::string> out = names;
  out.insert(out.end(), labels.begin(), labels.end());
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::uint32_t NumberOf(const std::vector<std::string>& names, std::string_view name) {
  return static_cast<std::uint32_t>(std::lower_bound(names.begin(), names.end(), name) -
                                    names.begin());
}

/// Places a new domain's prototype: in the mean direction of its rows, as long as the others are on
/// average, and with an offset that makes it as probable for its rows as the best of the others.
void AddPrototype(const Prototypes& before, const LabelledRows& rows, std::uint32_t domain,
                  Prototypes* out) {
  const std::size_t dim = before.dim;
  std::vector<float> mean(dim);
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (rows.labels[i] == domain)
      for (std::size_t x = 0; x < dim; ++x) mean[x] += rows.row(i)[x];
  if (!(Normalize(mean.data(), dim) > 0)) {
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (rows.labels[i] == domain) std::copy_n(rows.row(i), dim, mean.data());
  }
  double length = 0;
  for (std::size_t j = 0; j < before.size(); ++j) length += Norm(before.row(j), dim);
  length /= static_cast<double>(before.size());
  for (float& x : mean) x *= static_cast<float>(length);

  double behind = 0;
  std::size_t count = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows.labels[i] != domain) continue;
    float best = -3e38f;
    for (std::size_t j = 0; j < before.size(); ++j)
      best = std::max(best, Dot(rows.row(i), before.row(j), dim) + before.offsets[j]);
    behind += best - Dot(rows.row(i), mean.data(), dim);
    ++count;
  }
  out->weights.insert(out->weights.end(), mean.begin(), mean.end());
  out->offsets.push_back(static_cast<float>(behind / static_cast<double>(count)));
}

}  // namespace

Status DomainDetector::Update(const EmbeddingsView& queries,
                              std::span<const std::string_view> labels) try {
  const char* function = "DomainDetector::Update";
  EQUIPOISE_RETURN_IF_ERROR(domain::CheckLabelled(function, queries, labels));
  const State& old = *state_;
  const std::size_t dim = old.prototypes.dim;
  EQUIPOISE_CHECK_EQUAL(function, queries.cols(), dim);

  std::vector<float> unit(queries.rows() * dim);
  std::vector<std::string_view> used;  // labels of rows that are not zero
  for (std::size_t i = 0; i < queries.rows(); ++i) {
    EQUIPOISE_ASSIGN_OR_RETURN(const bool any,
                               domain::UnitRow(queries, i, unit.data() + used.size() * dim));
    if (any) used.push_back(labels[i]);
  }
  if (used.empty()) return {};
  unit.resize(used.size() * dim);
  auto next = std::make_unique<State>();
  next->names = Merged(old.names, used);
  if (next->names.size() > domain::kMaxDomains)
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: there would be {} domains; it takes up to {}", function,
                              next->names.size(), domain::kMaxDomains),
                  {.field = "labels"});
  std::vector<std::uint32_t> numbers;
  numbers.reserve(used.size());
  for (const std::string_view label : used) numbers.push_back(NumberOf(next->names, label));
  const LabelledRows rows{
      .rows = unit.data(), .dim = dim, .labels = numbers, .domains = next->names.size()};

  // How right was the model about queries that it has not learned from?
  next->calibration = old.calibration;
  std::vector<float> products;
  std::vector<float> logits(used.size() * old.names.size());
  std::vector<float> nearness(used.size());
  EQUIPOISE_RETURN_IF_ERROR(old.Logits(unit, &products, logits.data(), nearness.data()));
  std::vector<domain::CalibrationRow> seen;
  for (std::size_t i = 0; i < used.size(); ++i) {
    const domain::Ranked ranked =
        domain::Rank(old.calibration, nearness[i],
                     std::span(logits).subspan(i * old.names.size(), old.names.size()));
    if (!std::binary_search(old.names.begin(), old.names.end(), used[i])) continue;
    seen.push_back({.probability = ranked.uncorrected,
                    .nearness = double{nearness[i]},
                    .right = old.names[ranked.first] == used[i],
                    .weight = 1});
  }
  domain::UpdateCorrection(seen, &next->calibration);

  const Prototypes& before = old.prototypes;
  Prototypes& after = next->prototypes;
  next->info = old.info;
  next->info.priors.clear();
  after.dim = dim;
  after.first.assign(1, 0);
  double taken = 0;
  const auto known = static_cast<double>(old.info.rows + old.info.updates + used.size());
  for (std::size_t c = 0; c < next->names.size(); ++c) {
    const std::uint32_t at = NumberOf(old.names, next->names[c]);
    if (at < old.names.size() && old.names[at] == next->names[c]) {
      const std::size_t from = before.first[at];
      const std::size_t to = before.first[at + 1];
      after.weights.insert(after.weights.end(), before.row(from),
                           before.row(from) + (to - from) * dim);
      after.offsets.insert(after.offsets.end(), before.offsets.data() + from,
                           before.offsets.data() + to);
      next->info.priors.push_back(old.info.priors[at]);
    } else {
      AddPrototype(before, rows, static_cast<std::uint32_t>(c), &after);
      const auto count = std::count(numbers.begin(), numbers.end(), static_cast<std::uint32_t>(c));
      next->info.priors.push_back(static_cast<double>(count) / known);
    }
    after.first.push_back(static_cast<std::uint32_t>(after.size()));
    taken += next->info.priors.back();
  }
  for (double& prior : next->info.priors) prior /= taken;
  EQUIPOISE_RETURN_IF_ERROR(
      domain::Adapt(rows, old.info.updates, domain::OnCpu(old.similarity), &after));

  next->info.updates += used.size();
  next->similarity = old.similarity;
  next->row_range = old.row_range;
  EQUIPOISE_RETURN_IF_ERROR(next->Prepare());
  state_ = std::move(next);
  return {};
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory to update the domain detector");
}

}  // namespace equipoise
