#include "cpu/query_block.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace equipoise {
namespace {

std::vector<QueryBlock> Blocks(std::size_t m, std::size_t largest) {
  const std::size_t count = (m + largest - 1) / largest;
  std::vector<QueryBlock> out(count);
  for (std::size_t b = 0; b < count; ++b)
    out[b] = {m * b / count, m * (b + 1) / count - m * b / count};
  return out;
}

// A group of up to four signed codes as the words that the kernels multiply by.
inline void GroupWords(const std::int8_t* codes, std::size_t n, std::size_t words_a_group,
                       std::int32_t* to) {
  std::int8_t group[kCodeGroup] = {};
  std::memcpy(group, codes, n);
  if (words_a_group == 1) {
    std::memcpy(to, group, kCodeGroup);
    return;
  }
  const std::int16_t pairs[kCodeGroup] = {group[0], group[2], group[1], group[3]};
  std::memcpy(to, pairs, sizeof(pairs));
}

}  // namespace

float InverseNorm(double norm) {
  if (!(norm > 0)) return 0;
  return static_cast<float>(std::min(1 / norm, double{std::numeric_limits<float>::max()}));
}

std::int32_t CodeNorm2(const std::uint8_t* codes, std::size_t d) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < d; ++i) {
    const auto value = static_cast<std::int16_t>(codes[i] - 128);
    sum += std::int32_t{value} * value;
  }
  return sum;
}

PreparedQueries PrepareFloats(const KernelTable& kernels, const VectorsView& queries, Metric metric,
                              bool interleave) {
  PreparedQueries out;
  const std::size_t m = queries.rows, d = queries.cols;
  out.count = m;
  out.dim = d;
  out.blocks = Blocks(m, kernels.block);
  out.dense = AlignedBuffer<float>(m * d);
  ToFloats(kernels, queries, out.dense.data());
  if (metric != Metric::kInnerProduct) {
    if (metric == Metric::kL2) out.norm2.resize(m);
    for (std::size_t q = 0; q < m; ++q) {
      float* row = out.dense.data() + q * d;
      const double norm2 = kernels.norm2(row, d);
      if (metric == Metric::kL2) {
        out.norm2[q] = static_cast<float>(norm2);
      } else if (norm2 > 0) {
        const double norm = std::sqrt(norm2);
        for (std::size_t i = 0; i < d; ++i) row[i] = static_cast<float>(row[i] / norm);
      }
    }
  }
  if (!interleave) return out;
  out.interleaved = AlignedBuffer<float>(m * d);
  for (const QueryBlock& block : out.blocks) {
    float* to = out.interleaved.data() + block.first * d;
    const float* rows = out.dense.data() + block.first * d;
    for (std::size_t k = 0; k < d; ++k)
      for (std::size_t r = 0; r < block.count; ++r) *to++ = rows[r * d + k];
  }
  return out;
}

PreparedQueries PrepareCodes(const KernelTable& kernels, const VectorsView& queries, Metric metric,
                             bool interleave) {
  PreparedQueries out;
  const std::size_t m = queries.rows, d = queries.cols;
  const std::size_t groups = (d + kCodeGroup - 1) / kCodeGroup;
  out.count = m;
  out.dim = d;
  out.blocks = Blocks(m, kernels.code_block);
  out.signed_codes = AlignedBuffer<std::int8_t>(m * d);
  out.start.resize(m);
  if (metric == Metric::kL2) out.code_norm2.resize(m);
  if (metric == Metric::kCosine) out.inverse_norm.resize(m);
  for (std::size_t q = 0; q < m; ++q) {
    const auto* codes = static_cast<const std::uint8_t*>(queries.row(q));
    std::int8_t* to = out.signed_codes.data() + q * d;
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < d; ++i) {
      to[i] = static_cast<std::int8_t>(codes[i] - 128);
      sum += to[i];
    }
    out.start[q] = -128 * sum;
    if (metric == Metric::kL2) out.code_norm2[q] = CodeNorm2(codes, d);
    if (metric == Metric::kCosine)
      out.inverse_norm[q] =
          InverseNorm(std::sqrt(double{static_cast<double>(CodeNorm2(codes, d))}));
  }
  if (!interleave) return out;
  const std::size_t words = kernels.code_words;
  out.words = AlignedBuffer<std::int32_t>(m * groups * words);
  for (const QueryBlock& block : out.blocks) {
    std::int32_t* to = out.words.data() + block.first * groups * words;
    const std::int8_t* rows = out.signed_codes.data() + block.first * d;
    std::size_t at = 0;
    // Whole groups of one word, the case that matters, are copied.
    for (; words == 1 && at + kCodeGroup <= d; at += kCodeGroup)
      for (std::size_t r = 0; r < block.count; ++r)
        std::memcpy(to++, rows + r * d + at, kCodeGroup);
    for (; at < d; at += kCodeGroup)
      for (std::size_t r = 0; r < block.count; ++r, to += words)
        GroupWords(rows + r * d + at, std::min(kCodeGroup, d - at), words, to);
  }
  return out;
}

}  // namespace equipoise
