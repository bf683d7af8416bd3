// What a domain detector is fitted to: unit rows with numbered labels, and how often each domain is
// asked for.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/retrieval/domain_detector.h>

#include "domain_model.h"

namespace equipoise::domain {

struct Prepared {
  std::vector<std::string> names;
  std::vector<float> rows;
  std::vector<std::uint32_t> labels;
  std::size_t left_out = 0;
  std::size_t dim = 0;

  LabelledRows data() const {
    return {.rows = rows.data(), .dim = dim, .labels = labels, .domains = names.size()};
  }
};

/// Rows of unit length with numbered labels; rows of zeros and of small domains are left out.
/// Errors   as DomainDetector::Fit
Result<Prepared> Prepare(const EmbeddingsView& rows, std::span<const std::string_view> labels,
                         const DomainDetectorOptions& options);

/// How often each domain is asked for; their sum is 1.
/// Errors   kInvalidArgument: a given prior that is not above 0, or vanishes beside the others
Result<std::vector<double>> Priors(const Prepared& rows, const DomainDetectorOptions& options);

}  // namespace equipoise::domain
