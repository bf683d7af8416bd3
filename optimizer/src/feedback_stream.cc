#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <new>
#include <unordered_map>
#include <utility>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/optimizer/feedback_stream.h>

#include "filter_work.h"

namespace equipoise {
namespace {

constexpr double kMostSeconds = std::numeric_limits<double>::max();
constexpr const char* kKind = "feedback";
constexpr std::uint32_t kVersion = 1;
// Weights about the landmark stay below 2^256, their squares below 2^512.
constexpr double kMostHalfLives = 256;
// A sum that keeps less than this of what it was is added up anew: subtraction has cost its digits.
constexpr double kLeastLeft = 1e-3;

// The count of sums that are to be added up anew.
constexpr std::int64_t kAgain = std::numeric_limits<std::int64_t>::min() / 2;

// As stored in a file: fixed sizes, no padding.
struct Row {
  double time = 0;
  std::uint64_t source = 0, item = 0, event = 0;
  float rating = 0, confidence = 1;
  std::uint32_t domain = 0, position = 0;
  float dwell = 0;
  std::uint32_t unused = 0;
};
static_assert(sizeof(Row) == 56);

// Which columns there are.
constexpr std::uint64_t kSource = 1, kItem = 2, kDomain = 4, kEvent = 8, kConfidence = 16,
                        kPosition = 32, kDwell = 64;

std::uint64_t ColumnsOf(const FeedbackBatch& b) {
  return (b.source.empty() ? 0 : kSource) | (b.item.empty() ? 0 : kItem) |
         (b.domain.empty() ? 0 : kDomain) | (b.event.empty() ? 0 : kEvent) |
         (b.confidence.empty() ? 0 : kConfidence) | (b.position.empty() ? 0 : kPosition) |
         (b.dwell.empty() ? 0 : kDwell);
}

// Sums about the middle of the scale, for one half-life.
struct Sums {
  std::int64_t count = 0;
  double w = 0, w2 = 0, wd = 0, wdd = 0;
  double most = 0;  // largest w since it was added up anew: what rounding errors are measured by

  void Add(double weight, double d, int sign) {
    count += sign;
    w += sign * weight;
    w2 += sign * weight * weight;
    wd += sign * weight * d;
    wdd += sign * weight * d * d;
    most = std::max(most, w);
  }
  void Scale(double by) {
    w *= by;
    w2 *= by * by;
    wd *= by;
    wdd *= by;
    most *= by;
  }
};

using Parts = std::vector<Sums>;  // of each half-life
using Table = std::unordered_map<std::uint64_t, Parts>;

struct Header {
  double half_life, low, high, max_skew, landmark, last;
  std::uint64_t columns;
  std::uint64_t refused[kFeedbackVerdicts];
};

}  // namespace

struct FeedbackStream::State {
  explicit State(FeedbackOptions o) : options(std::move(o)) {
    rates.push_back(1 / options.half_life);
    std::stable_sort(options.domain_half_lives.begin(), options.domain_half_lives.end(),
                     [](const auto& a, const auto& b) { return a.domain < b.domain; });
    for (const DomainHalfLife& domain : options.domain_half_lives)
      if (std::find(rates.begin(), rates.end(), 1 / domain.seconds) == rates.end())
        rates.push_back(1 / domain.seconds);
    fastest = *std::max_element(rates.begin(), rates.end());
    middle = options.rating_low / 2.0 + options.rating_high / 2.0;
    total.resize(rates.size());
  }

  FeedbackOptions options;
  std::vector<double> rates;  // different ones; the first is the default
  double fastest = 0;
  double middle = 0;
  std::vector<Row> rows;
  std::uint64_t columns = 0;
  bool has_columns = false;
  double landmark = 0;
  double last = -std::numeric_limits<double>::infinity();  // latest `now` of Add
  std::array<std::uint64_t, kFeedbackVerdicts> refused{};
  Parts total;
  Table items, sources;

  std::size_t RateOf(const Row& row) const {
    if ((columns & kDomain) == 0) return 0;
    const auto& all = options.domain_half_lives;
    const auto found =
        std::lower_bound(all.begin(), all.end(), row.domain,
                         [](const auto& a, std::uint32_t key) { return a.domain < key; });
    if (found == all.end() || found->domain != row.domain) return 0;
    return static_cast<std::size_t>(std::find(rates.begin(), rates.end(), 1 / found->seconds) -
                                    rates.begin());
  }

  void MoveLandmark(double to) {
    std::vector<double> by;
    for (const double rate : rates)
      by.push_back(std::exp2(-std::min(to - landmark, kMostSeconds) * rate));
    const auto scale = [&](Parts* parts) {
      for (std::size_t r = 0; r < rates.size(); ++r) (*parts)[r].Scale(by[r]);
    };
    scale(&total);
    for (auto& entry : items) scale(&entry.second);
    for (auto& entry : sources) scale(&entry.second);
    landmark = to;
  }

  double WeightOf(const Row& row, std::size_t rate) const {
    const ConfidenceOptions& c = options.confidence;
    // Times at the ends of their range are farther apart than a double says.
    const double since = std::clamp(row.time - landmark, -kMostSeconds, kMostSeconds);
    double weight = row.confidence * std::exp2(since * rates[rate]);
    if (c.dwell_half > 0 && (columns & kDwell) != 0) weight *= DwellFactor(c, row.dwell);
    if (c.position_power > 0 && (columns & kPosition) != 0)
      weight *= PositionFactor(c, row.position);
    return weight;
  }

  Parts* PartsOf(Table* table, std::uint64_t key) const {
    Parts& parts = (*table)[key];
    if (parts.empty()) parts.resize(rates.size());
    return &parts;
  }

  void Count(const Row& row) {
    if (rows.empty() && total[0].count == 0) landmark = row.time;
    if ((row.time - landmark) * fastest > kMostHalfLives) MoveLandmark(row.time);
    const std::size_t rate = RateOf(row);
    const double weight = WeightOf(row, rate), d = row.rating - middle;
    total[rate].Add(weight, d, 1);
    if ((columns & kItem) != 0) (*PartsOf(&items, row.item))[rate].Add(weight, d, 1);
    if ((columns & kSource) != 0) (*PartsOf(&sources, row.source))[rate].Add(weight, d, 1);
    rows.push_back(row);
  }

  FeedbackAggregate At(const Parts& parts, std::uint64_t key, double now) const {
    FeedbackAggregate out;
    for (std::size_t r = 0; r < rates.size(); ++r) {
      Sums sums = parts[r];
      sums.Scale(std::exp2(-std::min(now - landmark, kMostSeconds) * rates[r]));
      FeedbackAggregate part;
      part.kept = static_cast<std::uint64_t>(sums.count);
      if (sums.w >= std::numeric_limits<float>::min()) {  // as in a batch, less is nothing
        const double apart = sums.wd / sums.w;
        part.weight = sums.w;
        part.weight_squares = sums.w2;
        part.mean = middle + apart;
        part.squares = std::max(0.0, sums.wdd - sums.wd * apart);
      }
      out.Merge(part);
    }
    out.key = key;
    return out;
  }

  Result<FeedbackAggregate> Find(const Table& table, std::uint64_t key, double now) const {
    EQUIPOISE_RETURN_IF_ERROR(CheckNow("FeedbackStream", now));
    const auto found = table.find(key);
    if (found == table.end()) {
      FeedbackAggregate none;
      none.key = key;
      return none;
    }
    return At(found->second, key, now);
  }

  Status CheckNow(const char* function, double now) const {
    EQUIPOISE_CHECK_RANGE(function, now, std::max(last, -std::numeric_limits<double>::max()),
                          std::numeric_limits<double>::max());
    return {};
  }

  // The window as columns.
  FeedbackBatch Batch() const {
    FeedbackBatch out;
    if (rows.empty()) return out;
    const Row* first = rows.data();
    const std::uint64_t n = rows.size();
    constexpr std::int64_t kWide = sizeof(Row) / 8, kNarrow = sizeof(Row) / 4;
    out.rating = {&first->rating, n, kNarrow};
    out.time = {&first->time, n, kWide};
    if ((columns & kSource) != 0) out.source = {&first->source, n, kWide};
    if ((columns & kItem) != 0) out.item = {&first->item, n, kWide};
    if ((columns & kEvent) != 0) out.event = {&first->event, n, kWide};
    if ((columns & kDomain) != 0) out.domain = {&first->domain, n, kNarrow};
    if ((columns & kConfidence) != 0) out.confidence = {&first->confidence, n, kNarrow};
    if ((columns & kPosition) != 0) out.position = {&first->position, n, kNarrow};
    if ((columns & kDwell) != 0) out.dwell = {&first->dwell, n, kNarrow};
    return out;
  }

  bool Readable(const Row& row) const {
    return row.rating >= options.rating_low && row.rating <= options.rating_high &&
           std::isfinite(row.time) && row.time <= last && row.confidence >= 0 &&
           row.confidence <= 1 &&
           (options.confidence.dwell_half <= 0 || (columns & kDwell) == 0 || row.dwell >= 0);
  }

  // Takes back rows that were added behind the first `n`, of which not all may be in the sums.
  void KeepFirst(std::size_t n) {
    rows.resize(n);
    const auto clear = [&](Parts* parts) { std::fill(parts->begin(), parts->end(), Sums{}); };
    clear(&total);
    for (Table* table : {&items, &sources})
      for (auto entry = table->begin(); entry != table->end();) {
        clear(&entry->second);
        // A key that came last may have no sums.
        entry = entry->second.empty() ? table->erase(entry) : std::next(entry);
      }
    Recount([](const Sums&) { return true; });
    DropEmpty();
  }

  // Items and sources of which nothing is left.
  void DropEmpty() {
    for (Table* table : {&items, &sources})
      std::erase_if(*table, [](const auto& entry) {
        return std::all_of(entry.second.begin(), entry.second.end(),
                           [](const Sums& sums) { return sums.count == 0; });
      });
  }

  // Adds up again, from the window, every sum that `needs` says.
  template <typename Needs>
  void Recount(const Needs& needs) {
    for (const Row& row : rows) {
      const std::size_t rate = RateOf(row);
      const double weight = WeightOf(row, rate), d = row.rating - middle;
      if (needs(total[rate])) total[rate].Add(weight, d, 1);
      if ((columns & kItem) != 0)
        if (Sums& sums = (*PartsOf(&items, row.item))[rate]; needs(sums)) sums.Add(weight, d, 1);
      if ((columns & kSource) != 0)
        if (Sums& sums = (*PartsOf(&sources, row.source))[rate]; needs(sums))
          sums.Add(weight, d, 1);
    }
  }
};

FeedbackStream::FeedbackStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
FeedbackStream::FeedbackStream(FeedbackStream&&) noexcept = default;
FeedbackStream& FeedbackStream::operator=(FeedbackStream&&) noexcept = default;
FeedbackStream::~FeedbackStream() = default;

Result<FeedbackStream> FeedbackStream::Create(FeedbackOptions options) {
  try {
    const auto checked = FeedbackFilter(options).Apply({}, 0);
    if (!checked) return checked.error();
    return FeedbackStream(std::make_unique<State>(std::move(options)));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "FeedbackStream::Create: no memory");
  }
}

Status FeedbackStream::Add(const FeedbackBatch& batch, double now) {
  State& s = *state_;
  EQUIPOISE_RETURN_IF_ERROR(s.CheckNow("FeedbackStream::Add", now));
  const std::size_t before = s.rows.size();
  const auto refused_before = s.refused;
  const double last_before = s.last;
  try {
    // What is readable is the filter's to say.
    FeedbackOptions plain = s.options;
    plain.outliers.method = OutlierMethod::kNone;
    plain.abuse = {};
    plain.abuse.duplicates = false;
    plain.confidence.reliability = plain.confidence.evidence = false;
    plain.by_item = plain.by_source = false;
    plain.keep_items = true;
    FeedbackBatch readable = batch;
    readable.event = {};
    auto checked = FeedbackFilter(plain).Apply(readable, now);
    if (!checked) return checked.error();
    if (!batch.event.empty() && (batch.event.size != batch.size() || batch.event.data == nullptr))
      return Status(
          Code::kInvalidArgument,
          fmt::format("FeedbackStream::Add: batch.event must have 0 or {} values", batch.size()),
          {.field = "event"});
    if (batch.size() == 0) {
      s.last = now;
      return {};
    }
    const std::uint64_t columns = ColumnsOf(batch);
    if (s.has_columns && columns != s.columns)
      return Status(Code::kInvalidArgument,
                    "FeedbackStream::Add: the batch has other columns than the first one had",
                    {.field = "batch"});
    s.rows.reserve(std::max(s.rows.size() + batch.size(),
                            std::min(2 * s.rows.size(), s.rows.size() + (1u << 20))));
    s.columns = columns;
    s.has_columns = true;
    s.last = now;
    for (std::uint64_t i = 0; i < batch.size(); ++i) {
      const FeedbackVerdict verdict = checked->verdict[i];
      if (verdict != FeedbackVerdict::kKept) {
        ++s.refused[static_cast<std::size_t>(verdict)];
        continue;
      }
      Row row;
      row.time = std::min(batch.time[i], now);
      row.rating = batch.rating[i];
      if ((columns & kSource) != 0) row.source = batch.source[i];
      if ((columns & kItem) != 0) row.item = batch.item[i];
      if ((columns & kEvent) != 0) row.event = batch.event[i];
      if ((columns & kDomain) != 0) row.domain = batch.domain[i];
      if ((columns & kConfidence) != 0) row.confidence = batch.confidence[i];
      if ((columns & kPosition) != 0) row.position = batch.position[i];
      if ((columns & kDwell) != 0) row.dwell = batch.dwell[i];
      s.Count(row);
    }
  } catch (const std::exception&) {
    s.KeepFirst(before);
    s.refused = refused_before;
    s.last = last_before;
    return Status(Code::kOutOfMemory, "FeedbackStream::Add: no memory for the batch");
  }
  return {};
}

Status FeedbackStream::Merge(const FeedbackStream& other) {
  State& s = *state_;
  const State& o = *other.state_;
  if (s.rates != o.rates || s.options.rating_low != o.options.rating_low ||
      s.options.rating_high != o.options.rating_high ||
      (s.has_columns && o.has_columns && s.columns != o.columns))
    return Status(Code::kInvalidArgument,
                  "FeedbackStream::Merge: the streams differ in half-lives, scale or columns");
  const std::size_t before = s.rows.size();
  const double last_before = s.last;
  try {
    const std::vector<Row> rows = o.rows;  // a copy: the other may be this one
    const auto refused = o.refused;
    s.rows.reserve(s.rows.size() + rows.size());
    if (o.has_columns) {
      s.columns = o.columns;
      s.has_columns = true;
    }
    s.last = std::max(s.last, o.last);
    for (const Row& row : rows) s.Count(row);
    for (std::size_t v = 0; v < kFeedbackVerdicts; ++v) s.refused[v] += refused[v];
  } catch (const std::exception&) {
    s.KeepFirst(before);
    s.last = last_before;
    return Status(Code::kOutOfMemory, "FeedbackStream::Merge: no memory for both");
  }
  return {};
}

std::uint64_t FeedbackStream::Remove(double time) {
  State& s = *state_;
  const std::size_t before = s.rows.size();
  // Sums that lost most of what they were are cleared, and added up again from what is left.
  bool again = false;
  const auto take = [&](Sums* sums, double weight, double d) {
    if (sums->count < 0) return;
    sums->Add(weight, d, -1);
    if (sums->count == 0) {
      *sums = {};
    } else if (sums->w < kLeastLeft * sums->most) {
      *sums = {};
      sums->count = kAgain;
      again = true;
    }
  };
  std::size_t to = 0;
  for (const Row& row : s.rows) {
    if (!(row.time < time)) {
      s.rows[to++] = row;
      continue;
    }
    const std::size_t rate = s.RateOf(row);
    const double weight = s.WeightOf(row, rate), d = row.rating - s.middle;
    take(&s.total[rate], weight, d);
    if ((s.columns & kItem) != 0) take(&s.items.find(row.item)->second[rate], weight, d);
    if ((s.columns & kSource) != 0) take(&s.sources.find(row.source)->second[rate], weight, d);
  }
  s.rows.resize(to);
  if (again) {
    s.Recount([](const Sums& sums) { return sums.count < 0; });
    const auto settle = [](Parts* parts) {
      for (Sums& sums : *parts)
        if (sums.count < 0) sums.count -= kAgain;
    };
    settle(&s.total);
    for (Table* table : {&s.items, &s.sources})
      for (auto& entry : *table) settle(&entry.second);
  }
  if (to < before) s.DropEmpty();
  return before - to;
}

std::uint64_t FeedbackStream::size() const { return state_->rows.size(); }

std::array<std::uint64_t, kFeedbackVerdicts> FeedbackStream::refused() const {
  return state_->refused;
}

Result<FeedbackAggregate> FeedbackStream::Total(double now) const {
  EQUIPOISE_RETURN_IF_ERROR(state_->CheckNow("FeedbackStream::Total", now));
  return state_->At(state_->total, 0, now);
}

Result<FeedbackAggregate> FeedbackStream::Item(std::uint64_t item, double now) const {
  return state_->Find(state_->items, item, now);
}

Result<FeedbackAggregate> FeedbackStream::Source(std::uint64_t source, double now) const {
  return state_->Find(state_->sources, source, now);
}

Result<FeedbackResult> FeedbackStream::Filter(double now) const {
  EQUIPOISE_RETURN_IF_ERROR(state_->CheckNow("FeedbackStream::Filter", now));
  return FeedbackFilter(state_->options).Apply(state_->Batch(), now);
}

Status FeedbackStream::Save(const std::string& path) const {
  const State& s = *state_;
  // Beside it first, so that a killed process leaves the old one.
  const std::string aside = path + ".new";
  auto file = CheckedFileWriter::Create(aside, kKind, kVersion);
  if (!file) return file.error();
  Header header{s.options.half_life,
                s.options.rating_low,
                s.options.rating_high,
                s.options.max_skew,
                s.landmark,
                s.last,
                s.columns,
                {}};
  std::copy(s.refused.begin(), s.refused.end(), header.refused);
  EQUIPOISE_RETURN_IF_ERROR(file->Section<Header>("header", std::span<const Header>(&header, 1)));
  EQUIPOISE_RETURN_IF_ERROR(file->Section<double>("rates", std::span<const double>(s.rates)));
  EQUIPOISE_RETURN_IF_ERROR(file->Section<Row>("rows", std::span<const Row>(s.rows)));
  EQUIPOISE_RETURN_IF_ERROR(file->Finish());
  std::error_code error;
  std::filesystem::rename(aside, path, error);
  if (error) {
    std::error_code ignored;
    std::filesystem::remove(aside, ignored);
  }
  if (error) return Status(Code::kIo, "Save: " + error.message(), {.file = path});
  return {};
}

Result<FeedbackStream> FeedbackStream::Load(const std::string& path, FeedbackOptions options) {
  EQUIPOISE_ASSIGN_OR_RETURN(FeedbackStream out, Create(std::move(options)));
  State& s = *out.state_;
  EQUIPOISE_ASSIGN_OR_RETURN(const CheckedFile file, CheckedFile::Open(path, kKind, kVersion));
  EQUIPOISE_RETURN_IF_ERROR(file.Verify());
  EQUIPOISE_ASSIGN_OR_RETURN(const auto headers, file.SectionOf<Header>("header", 1));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto rates, file.SectionOf<double>("rates"));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto rows, file.SectionOf<Row>("rows"));
  const Header& header = headers[0];
  if (header.half_life != s.options.half_life || header.low != s.options.rating_low ||
      header.high != s.options.rating_high || header.max_skew != s.options.max_skew ||
      !std::equal(rates.begin(), rates.end(), s.rates.begin(), s.rates.end()))
    return Status(Code::kInvalidArgument,
                  "was written with another half-life, scale or skew; load it with those",
                  {.file = path});
  // Before the first Add it is minus infinity.
  if (std::isnan(header.last) || header.last > kMostSeconds ||
      (!rows.empty() && header.last < -kMostSeconds))
    return Status(Code::kCorruption, "holds no time at which it was written", {.file = path});
  s.last = header.last;
  s.columns = header.columns;
  s.has_columns = !rows.empty();
  std::copy(std::begin(header.refused), std::end(header.refused), s.refused.begin());
  try {
    s.rows.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!s.Readable(rows[i]))
        return Status(Code::kCorruption, "holds a rating that no stream keeps",
                      {.file = path, .row = static_cast<std::int64_t>(i)});
      s.Count(rows[i]);
    }
  } catch (const std::exception&) {
    return Status(Code::kOutOfMemory, "no memory for its ratings", {.file = path});
  }
  return out;
}

}  // namespace equipoise
