// Using a domain detector: detection, and learning from labelled queries.
#include <algorithm>
#include <cmath>
#include <map>
#include <new>

#include <equipoise/core/check.h>
#include <equipoise/kernels/quantize.h>
#include <equipoise/retrieval/query_domain.h>

#include "domain_state.h"

namespace equipoise {
namespace {

constexpr std::size_t kChunk = 256;  // queries whose products are kept at once

struct Scratch {
  std::vector<float> rows;
  std::vector<float> products;
  std::vector<float> logits;
  std::vector<float> nearness;
  std::vector<bool> zero;
};

Scratch& ThreadScratch() {
  thread_local Scratch scratch;
  return scratch;
}

}  // namespace

namespace domain {

Result<bool> UnitRow(const EmbeddingsView& rows, std::size_t i, float* out) {
  const std::size_t dim = rows.cols();
  if (rows.is_f16())
    HalfToFloat(rows.f16.row(i), out, dim);
  else
    std::copy_n(rows.f32.row(i), dim, out);
  const double norm = Norm(out, dim);
  if (!std::isfinite(norm))
    return Status(Code::kInvalidArgument,
                  "a value is NaN or infinite; leave the row out or embed it again",
                  {.row = static_cast<std::int64_t>(i)});
  if (!(norm > 0)) return false;
  const double scale = 1 / norm;  // no float is so small that this overflows
  for (std::size_t x = 0; x < dim; ++x) out[x] = static_cast<float>(out[x] * scale);
  return true;
}

}  // namespace domain

std::string_view DomainMethodName(DomainMethod method) {
  switch (method) {
    case DomainMethod::kAuto:
      return "auto";
    case DomainMethod::kCentroid:
      return "centroid";
    case DomainMethod::kLinear:
      return "linear";
    case DomainMethod::kPrototypes:
      return "prototypes";
  }
  return "auto";
}

std::string_view DomainDeciderName(DomainDecider decider) {
  switch (decider) {
    case DomainDecider::kNone:
      return "none";
    case DomainDecider::kCaller:
      return "caller";
    case DomainDecider::kDetected:
      return "detected";
  }
  return "none";
}

Status DomainDetector::State::Prepare() {
  info.dimensions = prototypes.dim;
  info.prototypes = prototypes.size();
  info.temperature = 1 / calibration.sharpness;
  inverse_norms = domain::InverseNorms(prototypes);
  calibration.log_priors = domain::LogPriors(info.priors);
  const std::size_t size = prototypes.size();
  if (!info.int8) {
    EQUIPOISE_ASSIGN_OR_RETURN(
        items, ItemSet::Create(MatrixView<float>(prototypes.weights.data(), size, prototypes.dim),
                               Metric::kInnerProduct, similarity));
    return {};
  }
  float most = 0;
  for (const float x : prototypes.weights) most = std::max(most, std::abs(x));
  const CodeScale scale{.scale = most > 0 ? 127 / most : 1, .center = 0};
  std::vector<std::uint8_t> codes(prototypes.weights.size());
  QuantizeI8(prototypes.weights.data(), codes.size(), scale, codes.data());
  EQUIPOISE_ASSIGN_OR_RETURN(
      items, ItemSet::Create(
                 VectorsView(MatrixView<std::uint8_t>(codes.data(), size, prototypes.dim), scale),
                 Metric::kInnerProduct, similarity));
  return {};
}

Status DomainDetector::State::Logits(std::span<const float> rows, std::vector<float>* products,
                                     float* logits, float* nearness) const {
  const std::size_t size = prototypes.size();
  const std::size_t n = rows.size() / prototypes.dim;
  products->resize(n * size);
  if (info.int8) {
    thread_local std::vector<std::uint8_t> codes;
    codes.resize(rows.size());
    const CodeScale scale{.scale = row_range > 0 ? 127 / row_range : 1, .center = 0};
    QuantizeI8(rows.data(), rows.size(), scale, codes.data());
    EQUIPOISE_RETURN_IF_ERROR(items->Similarity(
        VectorsView(MatrixView<std::uint8_t>(codes.data(), n, prototypes.dim), scale), *products));
  } else {
    EQUIPOISE_RETURN_IF_ERROR(
        items->Similarity(MatrixView<float>(rows.data(), n, prototypes.dim), *products));
  }
  for (std::size_t i = 0; i < n; ++i)
    nearness[i] = domain::DomainLogits(prototypes, inverse_norms, products->data() + i * size,
                                       logits + i * names.size());
  return {};
}

Result<DomainDetector> DomainDetector::State::Make(std::unique_ptr<State> state) {
  EQUIPOISE_RETURN_IF_ERROR(state->Prepare());
  return DomainDetector(std::move(state));
}

DomainDetector::DomainDetector(std::unique_ptr<State> state) : state_(std::move(state)) {}
DomainDetector::DomainDetector(DomainDetector&&) noexcept = default;
DomainDetector& DomainDetector::operator=(DomainDetector&&) noexcept = default;
DomainDetector::~DomainDetector() = default;

std::span<const std::string> DomainDetector::domains() const { return state_->names; }
std::size_t DomainDetector::dimensions() const { return state_->prototypes.dim; }
const DomainModelInfo& DomainDetector::info() const { return state_->info; }
double DomainDetector::threshold() const { return state_->info.threshold; }

Status DomainDetector::SetThreshold(double threshold) {
  EQUIPOISE_CHECK_RANGE("DomainDetector::SetThreshold", threshold, 0.0, 1.0);
  state_->info.threshold = threshold;
  return {};
}

namespace {

/// Sizes of a batch of queries.
Status CheckQueries(const char* function, const EmbeddingsView& queries, std::size_t dimensions) {
  EQUIPOISE_CHECK_RANGE(function, queries.rows(), 1u, (std::size_t{1} << 31) - 1);
  if (queries.cols() != dimensions)
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: the queries have {} dimensions, the domains were fitted on {}",
                              function, queries.cols(), dimensions),
                  {.field = "queries"});
  return {};
}

/// Runs use(i, zero, nearness, logits) for every query, with uncalibrated logits.
template <typename State, typename Use>
Status ForEach(const State& s, const EmbeddingsView& queries, const Use& use) {
  Scratch& scratch = ThreadScratch();
  const std::size_t dim = s.prototypes.dim;
  const std::size_t domains = s.names.size();
  const std::size_t n = queries.rows();
  for (std::size_t from = 0; from < n; from += kChunk) {
    const std::size_t count = std::min(kChunk, n - from);
    scratch.rows.resize(count * dim);
    scratch.zero.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      EQUIPOISE_ASSIGN_OR_RETURN(const bool any,
                                 domain::UnitRow(queries, from + i, scratch.rows.data() + i * dim));
      scratch.zero[i] = !any;
    }
    scratch.logits.resize(count * domains);
    scratch.nearness.resize(count);
    EQUIPOISE_RETURN_IF_ERROR(
        s.Logits(scratch.rows, &scratch.products, scratch.logits.data(), scratch.nearness.data()));
    for (std::size_t i = 0; i < count; ++i)
      use(from + i, static_cast<bool>(scratch.zero[i]), scratch.nearness[i],
          std::span(scratch.logits).subspan(i * domains, domains));
  }
  return {};
}

/// The first two domains where nothing is known but the priors.
domain::Ranked RankPriors(std::span<const double> priors) {
  domain::Ranked out;
  out.second = 1;
  if (priors[1] > priors[0]) std::swap(out.first, out.second);
  for (std::size_t c = 2; c < priors.size(); ++c) {
    const auto number = static_cast<std::uint32_t>(c);
    if (priors[c] > priors[out.first]) {
      out.second = out.first;
      out.first = number;
    } else if (priors[c] > priors[out.second]) {
      out.second = number;
    }
  }
  out.probability = priors[out.first];
  out.second_probability = priors[out.second];
  return out;
}

}  // namespace

Status DomainDetector::Detect(const EmbeddingsView& queries, std::span<DomainGuess> out) const try {
  EQUIPOISE_RETURN_IF_ERROR(
      CheckQueries("DomainDetector::Detect", queries, state_->prototypes.dim));
  EQUIPOISE_CHECK_EQUAL("DomainDetector::Detect", out.size(), queries.rows());
  const State& s = *state_;
  return ForEach(
      s, queries, [&](std::size_t i, bool zero, float nearness, std::span<float> logits) {
        const domain::Ranked ranked =
            zero ? RankPriors(s.info.priors) : domain::Rank(s.calibration, nearness, logits);
        const double margin = ranked.probability - ranked.second_probability;
        out[i] = {.domain = ranked.first,
                  .second = ranked.second,
                  .probability = static_cast<float>(ranked.probability),
                  .margin = static_cast<float>(std::max(0.0, margin)),
                  .general = zero || ranked.probability < s.info.threshold};
      });
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory to detect domains");
}

Status DomainDetector::Probabilities(const EmbeddingsView& queries, std::span<float> out) const
    try {
  const char* function = "DomainDetector::Probabilities";
  const State& s = *state_;
  const std::size_t domains = s.names.size();
  EQUIPOISE_RETURN_IF_ERROR(CheckQueries(function, queries, s.prototypes.dim));
  EQUIPOISE_CHECK_EQUAL(function, out.size(), queries.rows() * domains);
  return ForEach(
      s, queries, [&](std::size_t i, bool zero, float nearness, std::span<float> logits) {
        const auto row = out.subspan(i * domains, domains);
        if (zero) {
          for (std::size_t c = 0; c < domains; ++c) row[c] = static_cast<float>(s.info.priors[c]);
          return;
        }
        const domain::Ranked ranked = domain::Rank(s.calibration, nearness, logits);
        const double rest = 1 - ranked.uncorrected;
        const double scale = rest > 0 ? (1 - ranked.probability) / rest : 0;
        for (std::size_t c = 0; c < domains; ++c)
          row[c] = static_cast<float>(c == ranked.first ? ranked.probability : logits[c] * scale);
      });
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory to detect domains");
}

}  // namespace equipoise
