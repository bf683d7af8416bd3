/// Title and text as two fields: what a posting of both, and their lengths, come to.
///
/// A posting holds one number: the occurrences in the text, and in its lowest bits, as many as the most
/// occurrences in a title take, those in the title. So postings are packed and skipped as without fields.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <equipoise/core/checked_file.h>
#include <equipoise/core/status.h>
#include <equipoise/retrieval/lexical_index.h>

#include "lexical_index_format.h"

namespace equipoise::lexical {

/// What one occurrence in a field adds: weight / (1 - b + b length / average), finite; 0 for a field
/// without tokens, in which nothing occurs.
float FieldScale(float weight, float b, std::uint32_t length, double average);

/// In [0, 1] and never NaN.
inline float FieldShare(float sum, float k1) { return sum > 0 ? sum / (sum + k1) : 0.0f; }

/// The fields of an opened index.
class Fields {
 public:
  bool there() const { return there_; }
  const Bm25Fields& settings() const { return settings_; }

  /// Nothing where the file has no fields.
  /// Errors   kCorruption
  Status Load(const CheckedFile& file, std::uint64_t documents, float k1);

  std::uint32_t Title(std::uint32_t number) const { return number & mask_; }
  std::uint32_t Text(std::uint32_t number) const { return number >> bits_; }
  /// What the posting's part in a score is of weight. In [0, 1] and never NaN, whatever the bytes are.
  float Share(std::uint32_t number, std::uint32_t doc) const {
    const float title = static_cast<float>(Title(number)) * lengths_[0].ScaleOf(doc);
    const float text = static_cast<float>(Text(number)) * lengths_[1].ScaleOf(doc);
    return FieldShare(title + text, k1_);
  }
  /// Whether all lengths are in order, and these are the documents' occurrences in title and text.
  bool AddUpTo(std::span<const std::uint64_t> titles, std::span<const std::uint64_t> texts) const;

 private:
  struct Lengths {
    std::span<const std::uint32_t> values;
    std::span<const std::uint8_t> codes;  // in units of code_bytes
    std::size_t code_bytes = 1;
    std::vector<float> scales;  // of every value

    std::uint32_t CodeOf(std::uint32_t doc) const {
      if (code_bytes == 1) return codes[doc];
      if (code_bytes == 2) return At<std::uint16_t>(doc);
      return At<std::uint32_t>(doc);
    }
    float ScaleOf(std::uint32_t doc) const {
      const std::uint32_t code = CodeOf(doc);
      return code < scales.size() ? scales[code] : 0.0f;
    }
    template <typename Code>
    std::uint32_t At(std::uint32_t doc) const {
      Code code;
      std::memcpy(&code, codes.data() + doc * sizeof(code), sizeof(code));
      return code;
    }
    Status Load(const CheckedFile& file, const char* values_name, const char* codes_name,
                std::uint64_t documents);
  };

  bool there_ = false;
  Bm25Fields settings_;
  std::array<std::uint64_t, 2> tokens_{};
  unsigned bits_ = 0;
  std::uint32_t mask_ = 0;
  float k1_ = 0;
  std::array<Lengths, 2> lengths_;  // title, text
};

}  // namespace equipoise::lexical
