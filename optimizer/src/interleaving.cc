#include <algorithm>
#include <cmath>
#include <unordered_map>
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

double Discount(std::size_t rank) { return 1 / std::log2(static_cast<double>(rank) + 2); }

void Credit(std::span<const std::uint32_t> first, std::span<const std::uint32_t> second,
            std::size_t k, DraftedList* draft) {
  std::unordered_map<std::uint32_t, double> gains;
  for (std::size_t rank = 0; rank < std::min(k, second.size()); ++rank)
    gains[second[rank]] += Discount(rank);
  for (std::size_t rank = 0; rank < std::min(k, first.size()); ++rank)
    gains[first[rank]] -= Discount(rank);
  double sum = 0, weights = 0;
  for (std::size_t i = 0; i < draft->items.size(); ++i) {
    draft->credits.push_back(gains[draft->items[i]]);
    sum += Discount(i) * draft->credits.back();
    weights += Discount(i);
  }
  for (double& credit : draft->credits) credit -= sum / weights;
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
    Credit(first, second, k, &out);
    return out;
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "TeamDraft: no memory for the list");
  }
}

double DraftOutcome(const DraftedList& draft, std::span<const double> ratings) {
  double out = 0;
  for (std::size_t i = 0; i < std::min(draft.credits.size(), ratings.size()); ++i)
    out += ratings[i] * draft.credits[i];
  return out;
}

void InterleavingComparison::Add(double outcome) {
  ++queries_;
  sum_ += outcome;
  squares_ += outcome * outcome;
}

int InterleavingComparison::Verdict() const {
  constexpr std::size_t kFew = 8;
  const MeanInterval mean = Mean();
  if (queries_ < kFew || (mean.low <= 0 && mean.high >= 0)) return 0;
  return mean.mean > 0 ? 1 : -1;
}

}  // namespace equipoise
