// Duplicates, bursts, rate limits and sources that always say the same.
#include <algorithm>
#include <vector>

#include "filter_work.h"

namespace equipoise {
namespace {

struct TimedRow {
  double time;
  std::uint64_t row;
  bool operator<(const TimedRow& other) const {
    return time != other.time ? time < other.time : row < other.row;
  }
};

void FindUnknownSources(FilterWork* work) {
  std::vector<std::uint64_t> known = work->options.known_sources;
  std::sort(known.begin(), known.end());
  const RowGroups& sources = *work->sources;
  ForGroups(sources.starts, work->threads, [&](std::uint64_t first, std::uint64_t last, int) {
    for (std::uint64_t group = first; group < last; ++group) {
      if (std::binary_search(known.begin(), known.end(), sources.keys[group])) continue;
      for (std::uint64_t i = sources.starts[group]; i < sources.starts[group + 1]; ++i)
        if (work->Kept(sources.rows[i]))
          work->verdict[sources.rows[i]] = FeedbackVerdict::kUnknownSource;
    }
  });
}

void FindDuplicateEvents(FilterWork* work) {
  const RowGroups events = GroupBy(work->batch.event, nullptr, work->threads, work->pool);
  for (std::uint64_t group = 0; group < events.size(); ++group) {
    bool seen = false;
    for (std::uint64_t i = events.starts[group]; i < events.starts[group + 1]; ++i) {
      const std::uint64_t row = events.rows[i];
      if (!work->Kept(row)) continue;
      if (seen) work->verdict[row] = FeedbackVerdict::kDuplicateEvent;
      seen = true;
    }
  }
}

// In the rows [begin, end) of one source: of those on the same item the latest stays.
void FindDuplicates(FilterWork* work, std::uint64_t begin, std::uint64_t end) {
  const auto& rows = work->sources->rows;
  const auto& item = work->items->of_row;
  for (std::uint64_t last = begin + 1; begin < end; begin = last, last = begin + 1) {
    while (last < end && item[rows[last]] == item[rows[begin]]) ++last;
    if (last == begin + 1) continue;
    std::uint64_t latest = 0;
    bool found = false;
    for (std::uint64_t i = begin; i < last; ++i) {
      const std::uint64_t row = rows[i];
      if (!work->Kept(row)) continue;
      if (found) {
        const bool newer = work->batch.time[row] >= work->batch.time[latest];
        work->verdict[newer ? latest : row] = FeedbackVerdict::kDuplicate;
        if (!newer) continue;
      }
      latest = row;
      found = true;
    }
  }
}

// Duplicates count too: a burst on one item is one.
void FindBursts(const FilterWork& work, const std::vector<TimedRow>& rows) {
  const AbuseOptions& abuse = work.options.abuse;
  std::size_t first = 0, marked = 0;
  for (std::size_t last = 0; last < rows.size(); ++last) {
    while (rows[last].time - rows[first].time > abuse.burst_seconds) ++first;
    if (last - first + 1 <= abuse.burst_votes) continue;
    for (marked = std::max(marked, first); marked <= last; ++marked)
      if (work.Kept(rows[marked].row)) work.verdict[rows[marked].row] = FeedbackVerdict::kBurst;
  }
}

void LimitRate(const FilterWork& work, const std::vector<TimedRow>& rows) {
  const AbuseOptions& abuse = work.options.abuse;
  std::vector<double> accepted;
  std::size_t first = 0;
  for (const TimedRow& row : rows) {
    if (!work.Kept(row.row)) continue;
    while (first < accepted.size() && row.time - accepted[first] >= abuse.rate_seconds) ++first;
    if (accepted.size() - first >= abuse.rate_votes) {
      work.verdict[row.row] = FeedbackVerdict::kRateLimit;
    } else {
      accepted.push_back(row.time);
    }
  }
}

// Smallest and largest kept rating of each row's item.
struct ItemRange {
  float low = 0;
  float high = 0;
};

std::vector<ItemRange> ItemRanges(const FilterWork& work) {
  std::vector<ItemRange> out(work.verdict.size());
  const RowGroups& items = *work.items;
  for (std::uint64_t group = 0; group < items.size(); ++group) {
    ItemRange range;
    bool found = false;
    for (std::uint64_t i = items.starts[group]; i < items.starts[group + 1]; ++i) {
      const std::uint64_t row = items.rows[i];
      if (!work.Kept(row)) continue;
      const float x = work.batch.rating[row];
      range = found ? ItemRange{std::min(range.low, x), std::max(range.high, x)} : ItemRange{x, x};
      found = true;
    }
    for (std::uint64_t i = items.starts[group]; i < items.starts[group + 1]; ++i)
      out[items.rows[i]] = range;
  }
  return out;
}

void FindConstantSource(const FilterWork& work, const std::vector<ItemRange>& ranges,
                        std::uint64_t begin, std::uint64_t end) {
  const auto& rows = work.sources->rows;
  std::uint64_t votes = 0;
  float value = 0;
  bool others_differ = ranges.empty();
  for (std::uint64_t i = begin; i < end; ++i) {
    const std::uint64_t row = rows[i];
    if (!work.Kept(row)) continue;
    const float x = work.batch.rating[row];
    if (votes++ == 0) value = x;
    if (x != value) return;
    if (!ranges.empty()) others_differ |= ranges[row].low != x || ranges[row].high != x;
  }
  if (votes < work.options.abuse.constant_votes || !others_differ) return;
  for (std::uint64_t i = begin; i < end; ++i)
    if (work.Kept(rows[i])) work.verdict[rows[i]] = FeedbackVerdict::kConstantSource;
}

}  // namespace

void FindAbuse(FilterWork* work) {
  const AbuseOptions& abuse = work->options.abuse;
  if (!work->options.known_sources.empty() && !work->batch.source.empty()) FindUnknownSources(work);
  if (!work->batch.event.empty()) FindDuplicateEvents(work);
  if (!work->sources) return;
  const RowGroups& sources = *work->sources;
  const bool duplicates = abuse.duplicates && !work->batch.item.empty();
  const bool timing = abuse.burst_votes > 0 || abuse.rate_votes > 0;
  if (duplicates || timing)
    ForGroups(sources.starts, work->threads, [&](std::uint64_t first, std::uint64_t last, int) {
      std::vector<TimedRow> timed;
      for (std::uint64_t group = first; group < last; ++group) {
        const std::uint64_t begin = sources.starts[group], end = sources.starts[group + 1];
        if (duplicates) FindDuplicates(work, begin, end);
        if (!timing) continue;
        timed.clear();
        for (std::uint64_t i = begin; i < end; ++i) {
          const std::uint64_t row = sources.rows[i];
          if (work->Kept(row) || work->verdict[row] == FeedbackVerdict::kDuplicate)
            timed.push_back({work->batch.time[row], row});
        }
        std::sort(timed.begin(), timed.end());
        if (abuse.burst_votes > 0) FindBursts(*work, timed);
        if (abuse.rate_votes > 0) LimitRate(*work, timed);
      }
    });
  if (abuse.constant_votes == 0) return;
  const std::vector<ItemRange> ranges = work->items ? ItemRanges(*work) : std::vector<ItemRange>();
  ForGroups(sources.starts, work->threads, [&](std::uint64_t first, std::uint64_t last, int) {
    for (std::uint64_t group = first; group < last; ++group)
      FindConstantSource(*work, ranges, sources.starts[group], sources.starts[group + 1]);
  });
}

}  // namespace equipoise
