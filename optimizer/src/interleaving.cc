#include <algorithm>
#include <cmath>
#include <unordered_set>

#include <equipoise/core/check.h>
#include <equipoise/core/random.h>
#include <equipoise/optimizer/interleaving.h>

namespace equipoise {
namespace {

Status CheckOnce(std::span<const std::uint32_t> ranking, const char* name) {
  std::unordered_set<std::uint32_t> seen;
  for (std::size_t i = 0; i < ranking.size(); ++i)
    if (!seen.insert(ranking[i]).second)
      return Status(Code::kInvalidArgument,
                    fmt::format("TeamDraft: document {} is twice in {}", ranking[i], name),
                    {.row = static_cast<std::int64_t>(i), .field = name});
  return {};
}

}  // namespace

Result<DraftedList> TeamDraft(std::span<const std::uint32_t> first,
                              std::span<const std::uint32_t> second, std::size_t k,
                              std::uint64_t random) {
  try {
    EQUIPOISE_RETURN_IF_ERROR(CheckOnce(first, "first"));
    EQUIPOISE_RETURN_IF_ERROR(CheckOnce(second, "second"));
    DraftedList out;
    std::unordered_set<std::uint32_t> taken;
    const auto take = [&](std::uint32_t item, DraftTeam team) {
      out.items.push_back(item);
      out.teams.push_back(team);
      taken.insert(item);
    };
    std::size_t common = 0;
    while (common < std::min({k, first.size(), second.size()}) && first[common] == second[common])
      take(first[common++], DraftTeam::kBoth);
    std::span<const std::uint32_t> rest[2] = {first.subspan(common), second.subspan(common)};
    const auto pick = [&](int team) {
      auto& ranking = rest[team];
      while (!ranking.empty() && taken.contains(ranking.front())) ranking = ranking.subspan(1);
      if (ranking.empty() || out.items.size() >= k) return;
      take(ranking.front(), team == 0 ? DraftTeam::kFirst : DraftTeam::kSecond);
    };
    Random coin(random);
    for (std::size_t before = k + 1; out.items.size() != before;) {
      before = out.items.size();
      const int leads = coin.Chance(0.5) ? 1 : 0;
      pick(leads);
      pick(1 - leads);
    }
    return out;
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "TeamDraft: no memory for the list");
  }
}

double DraftOutcome(const DraftedList& draft, std::span<const double> ratings) {
  double out = 0;
  for (std::size_t i = 0; i < std::min(draft.teams.size(), ratings.size()); ++i) {
    if (draft.teams[i] == DraftTeam::kFirst) out -= ratings[i];
    if (draft.teams[i] == DraftTeam::kSecond) out += ratings[i];
  }
  return out;
}

void InterleavingComparison::Add(double outcome) {
  ++queries_;
  if (outcome > 0) ++wins_;
  if (outcome < 0) ++losses_;
}

double InterleavingComparison::SecondShare() const {
  return decided() == 0 ? 0.5 : static_cast<double>(wins_) / static_cast<double>(decided());
}

double InterleavingComparison::PValue() const {
  const std::size_t n = decided(), few = std::min(wins_, losses_);
  if (n == 0) return 1;
  const auto total = static_cast<double>(n);
  if (n > 1000) {
    // With the correction for a step of one.
    const double off = std::max(0.0, std::abs(static_cast<double>(wins_) - total / 2) - 0.5);
    return std::erfc(off / std::sqrt(total / 4) / std::sqrt(2.0));
  }
  // P(X <= few), X of Binomial(n, 1/2), from the logarithm of its terms.
  double sum = 0, term = -total * std::log(2.0);
  for (std::size_t i = 0; i <= few; ++i) {
    sum += std::exp(term);
    term += std::log(static_cast<double>(n - i)) - std::log(static_cast<double>(i + 1));
  }
  return std::min(1.0, 2 * sum);
}

int InterleavingComparison::Verdict(double level) const {
  if (!(PValue() <= level)) return 0;
  return wins_ > losses_ ? 1 : -1;
}

}  // namespace equipoise
