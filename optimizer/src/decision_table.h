// Probabilities that many threads draw from while one replaces them, and the domains that have some.
//
// Nobody who decides waits: each domain's probabilities lie twice, a reader takes the copy that the
// count names, a writer fills the other one and then counts on (a sequence lock of two copies, as
// Linux's seqcount_latch; Boehm 2012, doi:10.1145/2247684.2247688, for the order of the accesses). A
// reader reads again only if two updates of that domain came between. An atomic shared_ptr would do
// too, but g++ 12's takes a lock, and its reference count is a line of memory that all threads write.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/weight_policy.h>

namespace equipoise {

/// One of n outcomes, with probabilities that are multiples of 2^-31.
class AtomicCategorical {
 public:
  static constexpr std::uint64_t kOne = std::uint64_t{1} << 31;

  struct Drawn {
    std::size_t outcome = 0;
    std::uint64_t begin = 0, end = 0;  // of its part of [0, kOne)
    std::uint64_t before = 0;          // where the part of the outcome before it begins
    std::uint64_t after = 0;           // where the part of the outcome after it ends
    std::uint64_t version = 0;
  };

  explicit AtomicCategorical(std::size_t outcomes)
      : inner_(outcomes - 1), words_(new std::atomic<std::uint32_t>[2 * inner_]) {
    for (std::size_t i = 0; i < 2 * inner_; ++i) words_[i].store(0, std::memory_order_relaxed);
  }

  std::size_t inner() const { return inner_; }

  /// Writers take turns. ends [outcomes − 1], ascending, at most kOne: where each outcome's part ends.
  void Publish(std::span<const std::uint32_t> ends, std::uint64_t version) noexcept {
    const std::uint64_t next = count_.load(std::memory_order_relaxed) + 1;
    const std::size_t copy = next & 1;
    std::atomic<std::uint32_t>* const words = words_.get() + copy * inner_;
    // Released one by one, so that whoever reads one of them sees the count that came before it.
    for (std::size_t i = 0; i < inner_; ++i) words[i].store(ends[i], std::memory_order_release);
    versions_[copy].store(version, std::memory_order_release);
    count_.store(next, std::memory_order_release);
  }

  /// The outcome whose part holds `place`, in [0, kOne).
  Drawn At(std::uint64_t place) const noexcept {
    for (;;) {
      const std::uint64_t count = count_.load(std::memory_order_acquire);
      const std::atomic<std::uint32_t>* const words = words_.get() + (count & 1) * inner_;
      Drawn out;
      out.version = versions_[count & 1].load(std::memory_order_acquire);
      std::uint64_t end = inner_ > 0 ? words[0].load(std::memory_order_acquire) : kOne;
      while (end <= place && out.outcome < inner_) {
        out.before = out.begin;
        out.begin = end;
        ++out.outcome;
        end = out.outcome < inner_ ? words[out.outcome].load(std::memory_order_acquire) : kOne;
      }
      out.end = end;
      out.after =
          out.outcome + 1 < inner_ ? words[out.outcome + 1].load(std::memory_order_acquire) : kOne;
      if (count_.load(std::memory_order_relaxed) == count) return out;
    }
  }

  /// What was published last; for writers.
  std::uint64_t Read(std::span<std::uint32_t> ends) const noexcept {
    const std::size_t copy = count_.load(std::memory_order_relaxed) & 1;
    for (std::size_t i = 0; i < inner_; ++i)
      ends[i] = words_[copy * inner_ + i].load(std::memory_order_relaxed);
    return versions_[copy].load(std::memory_order_relaxed);
  }

 private:
  std::size_t inner_;
  std::unique_ptr<std::atomic<std::uint32_t>[]> words_;
  std::array<std::atomic<std::uint64_t>, 2> versions_{};
  std::atomic<std::uint64_t> count_{0};
};

/// Numbers that many threads copy while one replaces all of them.
class AtomicNumbers {
 public:
  explicit AtomicNumbers(std::size_t size) : size_(size), words_(new std::atomic<float>[2 * size]) {
    for (std::size_t i = 0; i < 2 * size; ++i) words_[i].store(0, std::memory_order_relaxed);
  }

  std::size_t size() const { return size_; }

  /// Writers take turns. numbers [size()]
  void Publish(std::span<const float> numbers) noexcept {
    const std::uint64_t next = count_.load(std::memory_order_relaxed) + 1;
    std::atomic<float>* const words = words_.get() + (next & 1) * size_;
    for (std::size_t i = 0; i < size_; ++i) words[i].store(numbers[i], std::memory_order_release);
    count_.store(next, std::memory_order_release);
  }
  /// What was published last, all of one time. out [size()]
  void Read(std::span<float> out) const noexcept {
    std::uint64_t count = 0;
    do {
      count = count_.load(std::memory_order_acquire);
      const std::atomic<float>* const words = words_.get() + (count & 1) * size_;
      for (std::size_t i = 0; i < size_; ++i) out[i] = words[i].load(std::memory_order_acquire);
    } while (count_.load(std::memory_order_relaxed) != count);
  }

 private:
  std::size_t size_;
  std::unique_ptr<std::atomic<float>[]> words_;
  std::atomic<std::uint64_t> count_{0};
};

/// The decisions over a grid of α: at 0 and 1 with both paths or with one.
class DecisionTable {
 public:
  explicit DecisionTable(std::size_t grid) : grid_(grid), categorical_(grid + 2) {}

  /// counts [grid] of so many draws, at least one; of those at the ends, `both_paths_share` ask both paths.
  void Publish(std::span<const std::uint32_t> counts, double both_paths_share,
               std::uint64_t version, std::vector<std::uint32_t>* scratch) {
    std::uint64_t all = 0, sum = 0;
    for (const std::uint32_t count : counts) all += count;
    if (all == 0) return;
    scratch->clear();
    std::uint64_t last = 0;
    for (std::size_t i = 0; i < grid_; ++i) {
      sum += counts[i];
      const std::uint64_t end = AtomicCategorical::kOne * sum / all;
      const auto both =
          static_cast<std::uint64_t>(static_cast<double>(end - last) * both_paths_share);
      // The outcomes: 0 one path, 0 both, ..., 1 both, 1 one path (its end is not stored).
      if (i == 0) scratch->push_back(static_cast<std::uint32_t>(end - both));
      scratch->push_back(static_cast<std::uint32_t>(i + 1 == grid_ ? last + both : end));
      last = end;
    }
    categorical_.Publish(*scratch, version);
  }

  WeightDecision Decide(std::uint64_t random) const noexcept {
    const AtomicCategorical::Drawn drawn = categorical_.At(random >> 33);
    WeightDecision out;
    const std::size_t last = grid_ + 1;
    const bool at_zero = drawn.outcome <= 1, at_one = drawn.outcome + 1 >= last;
    out.both_paths = drawn.outcome != 0 && drawn.outcome != last;
    const std::size_t i = at_zero ? 0 : at_one ? grid_ - 1 : drawn.outcome - 1;
    out.alpha = static_cast<double>(i) / static_cast<double>(grid_ - 1);
    std::uint64_t begin = drawn.begin, end = drawn.end;
    if (drawn.outcome == 1 || drawn.outcome == last) begin = drawn.before;
    if (drawn.outcome == 0 || drawn.outcome + 1 == last) end = drawn.after;
    out.propensity = Share(drawn.end - drawn.begin);
    out.alpha_propensity = Share(end - begin);
    out.version = drawn.version;
    return out;
  }

  std::size_t words() const { return categorical_.inner(); }
  /// What was published last; for writers and for the state file.
  std::uint64_t Read(std::span<std::uint32_t> ends) const noexcept {
    return categorical_.Read(ends);
  }
  void Restore(std::span<const std::uint32_t> ends, std::uint64_t version) noexcept {
    categorical_.Publish(ends, version);
  }
  /// Of each α. ends [words()]; probabilities [grid].
  void Probabilities(std::span<const std::uint32_t> ends, std::span<double> probabilities) const {
    std::uint64_t last = 0;
    for (std::size_t i = 0; i < grid_; ++i) {
      const std::uint64_t end = i + 1 == grid_ ? AtomicCategorical::kOne : ends[i + 1];
      probabilities[i] = Share(end - last);
      last = end;
    }
  }

 private:
  static double Share(std::uint64_t part) {
    return static_cast<double>(part) / static_cast<double>(AtomicCategorical::kOne);
  }

  std::size_t grid_;
  AtomicCategorical categorical_;
};

/// Names of domains, each with its table. Entries stay where they are and are never removed, so that a
/// reader needs nothing but the pointer.
template <typename Table>
class TablesOfDomains {
 public:
  struct Entry {
    Entry(std::string_view domain, std::size_t at, std::size_t size)
        : name(domain), index(at), table(size) {}
    std::string name;
    std::size_t index;
    Table table;
  };

  /// size: what each table is made with
  explicit TablesOfDomains(std::size_t size) : size_(size), fresh_(size) { Grow(64); }

  /// From any thread; nullptr where the domain is not known.
  const Entry* Find(std::string_view domain) const noexcept {
    const Slots& slots = *slots_.load(std::memory_order_acquire);
    for (std::size_t i = Hash(domain);; ++i) {
      const Entry* entry = slots.entries[i & slots.mask].load(std::memory_order_acquire);
      if (entry == nullptr || entry->name == domain) return entry;
    }
  }
  /// From any thread: the domain's table, or that of domains that are not known.
  const Table& TableOf(std::string_view domain) const noexcept {
    const Entry* entry = Find(domain.empty() ? kGeneralDomain : domain);
    return entry == nullptr ? fresh_ : entry->table;
  }

  /// Writers take turns. A new entry is seen by readers once Show was called, when it has a table.
  Entry* Make(std::string_view domain) {
    if (2 * (entries_.size() + 1) > slots_.load(std::memory_order_relaxed)->mask)
      Grow(2 * (slots_.load(std::memory_order_relaxed)->mask + 1));
    return &entries_.emplace_back(domain, entries_.size(), size_);
  }
  void Show(Entry* entry) noexcept {
    Place(*slots_.load(std::memory_order_relaxed), entry);
    shown_ = entry->index + 1;
  }
  /// Takes back the last Make.
  void Drop() { entries_.pop_back(); }

  std::size_t size() const { return entries_.size(); }
  Entry& operator[](std::size_t i) { return entries_[i]; }
  const Entry& operator[](std::size_t i) const { return entries_[i]; }
  /// Of domains that are not known.
  Table& fresh() { return fresh_; }
  const Table& fresh() const { return fresh_; }

 private:
  struct Slots {
    explicit Slots(std::size_t n) : mask(n - 1), entries(new std::atomic<Entry*>[n]) {
      for (std::size_t i = 0; i < n; ++i) entries[i].store(nullptr, std::memory_order_relaxed);
    }
    std::size_t mask;
    std::unique_ptr<std::atomic<Entry*>[]> entries;
  };

  static std::size_t Hash(std::string_view domain) noexcept {
    return std::hash<std::string_view>{}(domain);
  }
  static void Place(Slots& slots, Entry* entry) noexcept {
    std::size_t i = Hash(entry->name);
    while (slots.entries[i & slots.mask].load(std::memory_order_relaxed) != nullptr) ++i;
    slots.entries[i & slots.mask].store(entry, std::memory_order_release);
  }
  // The old slots stay, for readers that are still in them: all of them are less than the last.
  void Grow(std::size_t n) {
    auto slots = std::make_unique<Slots>(n);
    for (std::size_t i = 0; i < shown_; ++i) Place(*slots, &entries_[i]);
    all_slots_.push_back(std::move(slots));
    slots_.store(all_slots_.back().get(), std::memory_order_release);
  }

  std::size_t size_;
  Table fresh_;
  std::deque<Entry> entries_;
  std::size_t shown_ = 0;
  std::vector<std::unique_ptr<Slots>> all_slots_;
  std::atomic<Slots*> slots_{nullptr};
};
using DomainTables = TablesOfDomains<DecisionTable>;

}  // namespace equipoise
