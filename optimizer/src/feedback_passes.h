// The filter's passes over the columns, block by block, with the kernels of feedback_pass.h.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <utility>
#include <vector>

#include <equipoise/core/parallel.h>
#include <equipoise/kernels/feedback_pass.h>
#include <equipoise/optimizer/feedback_filter.h>

#include "feedback_rows.h"

namespace equipoise {

// Blocks that a thread takes at once; with fewer than two such chunks, starting one costs more than
// it does.
inline constexpr std::uint64_t kChunk = 8;
inline constexpr std::uint32_t kMostDense = 1023;

// Copies of what does not lie side by side.
struct BlockScratch {
  float ratings[kFeedbackBlock];
  double times[kFeedbackBlock];
  float confidence[kFeedbackBlock];
  double rates[kFeedbackBlock];
  float weights[kFeedbackBlock];
  std::uint8_t verdicts[kFeedbackBlock];
};

// Passes over the columns, block by block.
class Passes {
 public:
  Passes(const FeedbackBatch& batch, const FeedbackOptions& options, double now)
      : batch_(batch), options_(options), n_(batch.size()), blocks_(BlocksOf(n_)) {
    settings_ = {.now = now,
                 .max_skew = options.max_skew,
                 .rate = 1 / options.half_life,
                 .center = 0,
                 .limit = std::numeric_limits<double>::infinity(),
                 .low = options.rating_low,
                 .high = options.rating_high};
    if (!batch.domain.empty()) {
      rates_ = options.domain_half_lives;
      std::stable_sort(rates_.begin(), rates_.end(),
                       [](const auto& a, const auto& b) { return a.domain < b.domain; });
      // Small numbers, as most are, are looked up.
      if (!rates_.empty())
        for (std::uint32_t d = 0; d <= std::min(rates_.back().domain, kMostDense); ++d)
          dense_.push_back(RateOf(d));
    }
    if (options.threads > 1 && blocks_ >= 2 * kChunk)
      threads_ = static_cast<int>(std::min<std::uint64_t>(
          blocks_ / kChunk,
          static_cast<std::uint64_t>(std::min(options.threads, AvailableThreads()))));
  }

  int threads() const { return threads_; }

  /// A rating near the others, so that sums about it lose no digits.
  double Shift() const {
    for (std::uint64_t i = 0; i < std::min<std::uint64_t>(n_, 16); ++i)
      if (InScale(batch_.rating[i])) return batch_.rating[i];
    return std::clamp(0.0f, options_.rating_low, options_.rating_high);
  }

  bool InScale(float x) const { return x >= options_.rating_low && x <= options_.rating_high; }

  /// What the kernels say of a row that is no outlier, in words.
  bool IsReadable(std::uint64_t row) const {
    const double time = batch_.time[row];
    return InScale(batch_.rating[row]) && std::isfinite(time) &&
           !(settings_.now - time < -settings_.max_skew) &&
           (batch_.confidence.empty() ||
            (batch_.confidence[row] >= 0 && batch_.confidence[row] <= 1));
  }

  /// Pass 1 over the rows with a rating in the scale.
  RatingSums Sum(double shift) const {
    return SumBlocks([&](std::uint64_t begin, std::size_t n, BlockScratch* scratch) {
      return SumRatings(BlockOf(batch_.rating, begin, n, scratch->ratings), n, settings_.low,
                        settings_.high, shift);
    });
  }
  /// Over those of them that `takes` says.
  template <typename Takes>
  RatingSums Sum(double shift, const Takes& takes) const {
    return SumBlocks([&](std::uint64_t begin, std::size_t n, BlockScratch* scratch) {
      const float* ratings = BlockOf(batch_.rating, begin, n, scratch->ratings);
      for (std::size_t i = 0; i < n; ++i)
        scratch->weights[i] = takes(begin + i) ? ratings[i] : std::nanf("");
      return SumRatings(scratch->weights, n, settings_.low, settings_.high, shift);
    });
  }

  /// weights, verdicts [n], or null: not kept.
  WeighSums Weigh(double center, double limit, float* weights, FeedbackVerdict* verdicts) const {
    WeighSettings settings = settings_;
    settings.center = center;
    settings.limit = limit;
    const auto of_block = [&](std::uint64_t block, BlockScratch* scratch) {
      const auto [begin, n] = Range(block);
      const float* confidence = batch_.confidence.empty()
                                    ? nullptr
                                    : BlockOf(batch_.confidence, begin, n, scratch->confidence);
      const double* rates = nullptr;
      if (!rates_.empty()) {
        for (std::size_t i = 0; i < n; ++i) {
          const std::uint32_t domain = batch_.domain[begin + i];
          scratch->rates[i] = domain < dense_.size() ? dense_[domain] : RateOf(domain);
        }
        rates = scratch->rates;
      }
      return WeighRatings(BlockOf(batch_.rating, begin, n, scratch->ratings),
                          BlockOf(batch_.time, begin, n, scratch->times), confidence, rates, n,
                          settings, weights != nullptr ? weights + begin : scratch->weights,
                          verdicts != nullptr ? reinterpret_cast<std::uint8_t*>(verdicts + begin)
                                              : scratch->verdicts);
    };
    return Reduce<WeighSums>(of_block, [](WeighSums* to, const WeighSums& part) {
      to->weight += part.weight;
      to->weight_squares += part.weight_squares;
      to->deviation += part.deviation;
      to->deviation_squares += part.deviation_squares;
      to->clamped += part.clamped;
      for (std::size_t v = 0; v < std::size(part.verdicts); ++v)
        to->verdicts[v] += part.verdicts[v];
    });
  }

 private:
  template <typename OfRows>
  RatingSums SumBlocks(const OfRows& of_rows) const {
    const auto of_block = [&](std::uint64_t block, BlockScratch* scratch) {
      const auto [begin, n] = Range(block);
      return of_rows(begin, n, scratch);
    };
    return Reduce<RatingSums>(of_block, [](RatingSums* to, const RatingSums& part) {
      to->count += part.count;
      to->sum += part.sum;
      to->sum_squares += part.sum_squares;
    });
  }

  std::pair<std::uint64_t, std::size_t> Range(std::uint64_t block) const {
    const std::uint64_t begin = block * kFeedbackBlock;
    return {begin, static_cast<std::size_t>(std::min<std::uint64_t>(kFeedbackBlock, n_ - begin))};
  }

  double RateOf(std::uint32_t domain) const {
    const auto found =
        std::lower_bound(rates_.begin(), rates_.end(), domain,
                         [](const DomainHalfLife& a, std::uint32_t key) { return a.domain < key; });
    return found != rates_.end() && found->domain == domain ? 1 / found->seconds : settings_.rate;
  }

  // The parts of all blocks, added in one order whoever made them: within each chunk of blocks, then
  // over the chunks.
  template <typename Part, typename OfBlock, typename Add>
  Part Reduce(const OfBlock& of_block, const Add& add) const {
    const auto of_chunk = [&](std::uint64_t chunk, BlockScratch* scratch) {
      Part sum;
      const std::uint64_t begin = chunk * kChunk;
      for (std::uint64_t block = begin; block < std::min(blocks_, begin + kChunk); ++block)
        add(&sum, of_block(block, scratch));
      return sum;
    };
    const std::uint64_t chunks = (blocks_ + kChunk - 1) / kChunk;
    Part total;
    if (threads_ <= 1) {
      BlockScratch scratch;  // NOLINT: not initialized, 120 KiB that are mostly not touched
      for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) add(&total, of_chunk(chunk, &scratch));
      return total;
    }
    std::vector<Part> parts(chunks);
    // Taken one by one: a thread whose core is busy with other work takes fewer.
    std::atomic<std::uint64_t> next = 0;
    ParallelFor(static_cast<std::size_t>(threads_), threads_, [&](std::size_t, std::size_t, int) {
      BlockScratch scratch;  // NOLINT: as above
      for (std::uint64_t chunk; (chunk = next.fetch_add(1)) < chunks;)
        parts[chunk] = of_chunk(chunk, &scratch);
    });
    for (const Part& part : parts) add(&total, part);
    return total;
  }

  const FeedbackBatch& batch_;
  const FeedbackOptions& options_;
  std::uint64_t n_;
  std::uint64_t blocks_;
  WeighSettings settings_;
  std::vector<DomainHalfLife> rates_;
  std::vector<double> dense_;  // of the domains 0, 1, ...
  int threads_ = 1;
};

}  // namespace equipoise
