// What a DomainDetector holds, shared by the files that fit, use and store it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/retrieval/domain_detector.h>

#include "domain_model.h"

namespace equipoise {

struct DomainDetector::State {
  std::vector<std::string> names;
  domain::Prototypes prototypes;
  domain::Calibration calibration;
  DomainModelInfo info;
  SimilarityOptions similarity;
  /// Of the rows' codes, where the prototypes are codes: largest coordinate of nearly every row.
  float row_range = 1;

  // Made by Prepare from what is above.
  std::vector<float> inverse_norms;
  std::optional<ItemSet> items;

  /// Checks sizes and makes the rest; to be called after every change.
  Status Prepare();
  /// Logits and nearness of rows of unit length.
  Status Logits(std::span<const float> rows, std::vector<float>* products, float* logits,
                float* nearness) const;

  static Result<DomainDetector> Make(std::unique_ptr<State> state);
};

namespace domain {

inline constexpr std::size_t kMaxDomains = 65'535;
inline constexpr std::size_t kMaxDimensions = 32'768;

/// The options that matter after Fit: none of its callbacks.
inline SimilarityOptions OnCpu(SimilarityOptions similarity) {
  similarity.backend = Backend::kCpu;  // the same model with a GPU and without
  return similarity;
}

/// Copies row i at unit length.
/// Returns  false where it is a zero vector, which is copied as it is
/// Errors   kInvalidArgument: a NaN or an infinity, the row named
Result<bool> UnitRow(const EmbeddingsView& rows, std::size_t i, float* out);

/// Sizes and labels of Fit and Update.
Status CheckLabelled(const char* function, const EmbeddingsView& rows,
                     std::span<const std::string_view> labels);

}  // namespace domain
}  // namespace equipoise
