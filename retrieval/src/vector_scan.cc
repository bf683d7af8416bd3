#include <algorithm>
#include <cmath>
#include <limits>

#include <equipoise/core/check.h>

#include "vector_state.h"

namespace equipoise {
namespace {

// About as many rows (up to twice) have their codes looked at to see how far the k-th nearest may be, and
// so many times k should be nearer than what they say, and so many of the sample more, since of few of it
// the share is not known well.
constexpr std::uint32_t kSample = 512;
constexpr double kMore = 1.5;
constexpr std::size_t kMoreOfSample = 3;
constexpr std::uint32_t kAhead = 6;  // codes fetched ahead

// Ordered by distance, then by row.
std::uint64_t KeyOf(std::int32_t distance, std::uint32_t row) {
  return std::uint64_t{static_cast<std::uint32_t>(distance) ^ 0x80000000u} << 32 | row;
}
std::int32_t DistanceOf(std::uint64_t key) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(key >> 32) ^ 0x80000000u);
}

}  // namespace

Status VectorIndex::State::ScanSmall(const PreparedQuery& query, std::size_t rescored, bool asked,
                                     std::size_t k, WalkScratch* scratch,
                                     VectorSearchReport* report, std::vector<Scored>* out) const {
  scratch->query.Set(rows.codes, query.walked.data());
  const CodeQuery& codes = scratch->query;
  auto& ids = scratch->ids;
  auto& keys = scratch->keys;
  // What is asked for by number is scored, and does not depend on k then.
  const std::size_t wanted = asked ? rescored : k;
  const auto distance = [&](std::uint32_t row) {
    return CodeDistance(rows.codes, codes, row, nullptr);
  };
  // Every step-th row.
  const auto n = static_cast<std::uint32_t>(rows.info.rows);
  const std::uint32_t step = std::max(1u, n / kSample);
  auto& sample = scratch->sample;
  sample.clear();
  for (std::uint32_t i = 0; i < n; i += step) {
    if (i + kAhead * step < n) PrefetchCodes(rows.codes, i + kAhead * step);
    sample.push_back(distance(i));
  }
  report->distances += sample.size();
  std::size_t rank =
      kMoreOfSample + static_cast<std::size_t>(kMore * static_cast<double>(wanted) / step);
  for (std::size_t enough = 0; enough < wanted; rank *= 2) {
    // As far as that many rows are, as it turns out nearly always.
    std::int32_t bar = std::numeric_limits<std::int32_t>::max();
    float threshold = std::numeric_limits<float>::infinity();
    if (rank < sample.size() && !codes.clamped) {
      const auto place = sample.begin() + static_cast<std::ptrdiff_t>(rank);
      std::nth_element(sample.begin(), place, sample.end());
      bar = *place;
      threshold = static_cast<float>((bar + codes.offset) / codes.unit);
    }
    EQUIPOISE_RETURN_IF_ERROR(
        scan.Below(query.walked.data(), threshold, &scratch->link_sketch, &ids));
    report->seen += n;
    report->distances += ids.size();
    keys.resize(ids.size());
    enough = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (i + kAhead < ids.size()) PrefetchCodes(rows.codes, ids[i + kAhead]);
      const std::int32_t at = distance(ids[i]);
      keys[i] = KeyOf(at, ids[i]);
      enough += at <= bar ? 1 : 0;
    }
  }
  const std::size_t most = std::min(rescored, keys.size());
  std::nth_element(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(most - 1), keys.end());
  std::sort(keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(most));
  RescoredRows scored(rows.codes, rows.info.max_norm, codes, k, rescored, asked, false);
  ids.clear();
  for (std::size_t i = 0; i < most && scored.Takes(DistanceOf(keys[i]), ids.size()); ++i)
    ids.push_back(static_cast<std::uint32_t>(keys[i]));
  report->rescored = ids.size();
  EQUIPOISE_RETURN_IF_ERROR(Rescore(query, ids, out));
  KeepBest(k, out);
  return {};
}

}  // namespace equipoise
