#include "lexical_fields.h"

#include <algorithm>
#include <cmath>

#include <equipoise/core/check.h>

// This file is compiled with -ffp-contract=off (see CMakeLists.txt), as lexical_search.cc is.

namespace equipoise::lexical {
namespace {

Status Corrupt(const CheckedFile& file) {
  return Status(Code::kCorruption, "the fields of the index are impossible; build the index again",
                {.file = file.path()});
}

bool IsWeight(float weight) { return weight > 0 && std::isfinite(weight); }
bool IsB(float b) { return b >= 0 && b <= 1; }

}  // namespace

float FieldScale(float weight, float b, std::uint32_t length, double average) {
  // So large that sums of any occurrences stay finite.
  constexpr double kMost = 1e20;
  if (length == 0 || !(average > 0)) return 0;
  const double norm = 1 - double{b} + double{b} * length / average;
  return static_cast<float>(std::min(kMost, double{weight} / norm));
}

Status Fields::Lengths::Load(const CheckedFile& file, const char* values_name,
                             const char* codes_name, std::uint64_t documents) {
  EQUIPOISE_RETURN_IF_ERROR(file.VerifySection(values_name));
  EQUIPOISE_ASSIGN_OR_RETURN(values, file.SectionOf<std::uint32_t>(values_name));
  EQUIPOISE_ASSIGN_OR_RETURN(codes, file.SectionOf<std::uint8_t>(codes_name));
  code_bytes = CodeBytes(values.size());
  if (values.size() > documents || (values.empty() && documents > 0) ||
      codes.size() != documents * code_bytes)
    return Corrupt(file);
  return {};
}

Status Fields::Load(const CheckedFile& file, std::uint64_t documents, float k1) {
  if (file.version() < kFieldsVersion) return {};
  EQUIPOISE_RETURN_IF_ERROR(file.VerifySection(kFields));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto metas, file.SectionOf<FieldsMeta>(kFields, 1));
  const FieldsMeta& meta = metas[0];
  settings_ = {.title_weight = meta.title_weight,
               .text_weight = meta.text_weight,
               .title_b = meta.title_b,
               .text_b = meta.text_b};
  if (!IsWeight(meta.title_weight) || !IsWeight(meta.text_weight) || !IsB(meta.title_b) ||
      !IsB(meta.text_b) || meta.title_bits > kMostTfBits)
    return Corrupt(file);
  tokens_ = {meta.title_tokens, meta.text_tokens};
  bits_ = meta.title_bits;
  mask_ = (std::uint32_t{1} << bits_) - 1;
  k1_ = k1;
  EQUIPOISE_RETURN_IF_ERROR(
      lengths_[0].Load(file, kTitleLengthValues, kTitleLengthCodes, documents));
  EQUIPOISE_RETURN_IF_ERROR(lengths_[1].Load(file, kTextLengthValues, kTextLengthCodes, documents));
  const auto n = static_cast<double>(std::max<std::uint64_t>(documents, 1));
  for (std::size_t f = 0; f < 2; ++f) {
    Lengths& lengths = lengths_[f];
    lengths.scales.resize(lengths.values.size());
    for (std::size_t i = 0; i < lengths.values.size(); ++i)
      lengths.scales[i] = FieldScale(f == 0 ? meta.title_weight : meta.text_weight,
                                     f == 0 ? meta.title_b : meta.text_b, lengths.values[i],
                                     static_cast<double>(tokens_[f]) / n);
  }
  there_ = true;
  return {};
}

bool Fields::AddUpTo(std::span<const std::uint64_t> titles,
                     std::span<const std::uint64_t> texts) const {
  for (std::size_t f = 0; f < 2; ++f) {
    const auto counted = f == 0 ? titles : texts;
    const Lengths& lengths = lengths_[f];
    if (!std::is_sorted(lengths.values.begin(), lengths.values.end(), std::less_equal<>()))
      return false;
    std::uint64_t tokens = 0;
    for (std::uint32_t doc = 0; doc < counted.size(); ++doc) {
      const std::uint32_t code = lengths.CodeOf(doc);
      if (code >= lengths.values.size() || lengths.values[code] != counted[doc]) return false;
      tokens += counted[doc];
    }
    if (tokens != tokens_[f]) return false;
  }
  return true;
}

}  // namespace equipoise::lexical
