#include "walk_tuner.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include <equipoise/core/check.h>

#include "recall_calibration.h"

namespace equipoise {
namespace {

constexpr std::size_t kQueries = 128;  // of each half
constexpr int kRounds = 5, kLastRounds = 15;
// So many of the last rounds must be faster by this share: less is what times differ by from run to run,
// and on a busy machine one of two equals seldom wins so often.
constexpr int kWonRounds = 12;
constexpr double kLeastGain = 0.02;
constexpr std::size_t kBeam = 512;

constexpr std::uint32_t kCodeLines[] = {1, 2, 4, 8, 16, WalkTuning::kAll};
constexpr std::uint32_t kListLines[] = {1, 2, 3, 4, 8};
constexpr std::uint32_t kLikelySketches[] = {0, 8, 16, 32, 64};
constexpr std::uint32_t kNextLines[] = {0, 8, 16, 24, 32, 48};
constexpr std::uint32_t kLikelyLines[] = {0, 4, 8, 16};

// Walks for the same queries again and again.
class TimedWalks {
 public:
  TimedWalks(HnswGraph* graph, float margin, const std::function<bool()>& goes_on)
      : graph_(*graph),
        request_{.k = kRecallDepth, .ef = kBeam, .margin = margin},
        goes_on_(goes_on) {}

  Status Add(const StoredRows& rows, std::uint32_t row) {
    std::vector<float> values(rows.info.dim);
    rows.Read(row, values.data());
    EQUIPOISE_ASSIGN_OR_RETURN(auto query, rows.Prepare("TuneWalk", values));
    queries_.push_back(std::move(query.walked));
    return {};
  }

  // Seconds of some passes with each of the tunings, which take turns: [tuning][round].
  Result<std::vector<std::vector<double>>> Times(std::span<const WalkTuning> tunings, int rounds) {
    std::vector<std::vector<double>> out(tunings.size());
    for (int round = 0; round < rounds; ++round) {
      if (!goes_on_()) return Status(Code::kCancelled, "TuneWalk: cancelled");
      for (std::size_t turn = 0; turn < tunings.size(); ++turn) {
        // Forth and back: whoever comes second has no advantage.
        const std::size_t i = round % 2 == 0 ? turn : tunings.size() - 1 - turn;
        graph_.tuning = tunings[i];
        const auto start = std::chrono::steady_clock::now();
        for (const auto& query : queries_)
          EQUIPOISE_RETURN_IF_ERROR(WalkGraph(graph_, query.data(), request_, &scratch_));
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        // Not zero, however coarse the clock is: times are divided by each other.
        out[i].push_back(std::max(took.count(), 1e-9));
      }
    }
    return out;
  }

  // Sets one value of *best to that of the ladder with the fastest pass.
  Status Choose(std::span<const std::uint32_t> ladder, std::uint32_t WalkTuning::*value,
                WalkTuning* best) {
    std::vector<WalkTuning> tunings(ladder.size(), *best);
    for (std::size_t i = 0; i < ladder.size(); ++i) tunings[i].*value = ladder[i];
    EQUIPOISE_ASSIGN_OR_RETURN(const auto times, Times(tunings, kRounds));
    double fastest = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < tunings.size(); ++i) {
      const double least = *std::min_element(times[i].begin(), times[i].end());
      if (least >= fastest) continue;
      fastest = least;
      *best = tunings[i];
    }
    return {};
  }

 private:
  HnswGraph& graph_;
  const WalkRequest request_;
  const std::function<bool()>& goes_on_;
  WalkScratch scratch_;
  std::vector<std::vector<float>> queries_;
};

}  // namespace

Result<WalkTuning> TuneWalk(HnswGraph graph, const StoredRows& rows,
                            std::span<const std::uint32_t> asked, float margin,
                            const ProgressCallback& progress) {
  WalkTuning best;
  const std::size_t count = std::min(kQueries, asked.size() / 2);
  if (count == 0) return best;
  const std::uint64_t ladders = 2 + (graph.sketches != nullptr ? 1 : 0) + (graph.groups ? 2 : 0);
  std::uint64_t round = 0;
  const std::function<bool()> goes_on = [&] {
    return !progress || progress({"tuning", round++, ladders * kRounds + kLastRounds});
  };
  TimedWalks choosing(&graph, margin, goes_on), judging(&graph, margin, goes_on);
  for (std::size_t i = 0; i < 2 * count; ++i)
    EQUIPOISE_RETURN_IF_ERROR(
        (i % 2 == 0 ? choosing : judging).Add(rows, asked[i * asked.size() / (2 * count)]));
  EQUIPOISE_RETURN_IF_ERROR(choosing.Choose(kCodeLines, &WalkTuning::code_lines, &best));
  EQUIPOISE_RETURN_IF_ERROR(choosing.Choose(kListLines, &WalkTuning::list_lines, &best));
  if (graph.sketches != nullptr)
    EQUIPOISE_RETURN_IF_ERROR(
        choosing.Choose(kLikelySketches, &WalkTuning::likely_sketches, &best));
  if (graph.groups != nullptr) {
    EQUIPOISE_RETURN_IF_ERROR(choosing.Choose(kNextLines, &WalkTuning::next_lines, &best));
    EQUIPOISE_RETURN_IF_ERROR(choosing.Choose(kLikelyLines, &WalkTuning::likely_lines, &best));
  }
  const WalkTuning tunings[] = {{}, best};
  EQUIPOISE_ASSIGN_OR_RETURN(const auto times, judging.Times(tunings, kLastRounds));
  std::vector<double> shares(times[0].size());  // of the time by the defaults, round by round
  for (std::size_t i = 0; i < shares.size(); ++i) shares[i] = times[1][i] / times[0][i];
  std::sort(shares.begin(), shares.end());
  if (!(shares[kWonRounds - 1] < 1 - kLeastGain)) return WalkTuning();
  best.gain = static_cast<float>(1 / shares[shares.size() / 2]);
  return best;
}

}  // namespace equipoise
