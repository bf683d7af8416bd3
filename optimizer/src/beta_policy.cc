#include <algorithm>
#include <cmath>
#include <mutex>
#include <numbers>
#include <vector>

#include <equipoise/core/random.h>
#include <equipoise/optimizer/beta_policy.h>

#include "decision_table.h"
#include "policy_file.h"

namespace equipoise {
namespace {

constexpr const char* kKind = "beta-policy";

Status CheckOptions(const BetaPolicyOptions& options) {
  constexpr const char* kName = "BetaPolicy::Create";
  EQUIPOISE_CHECK_RANGE(kName, options.arms, 2, 101);
  EQUIPOISE_CHECK_RANGE(kName, options.grid, options.arms, 1001);
  EQUIPOISE_CHECK_RANGE(kName, options.draws, 1, 65'536);
  EQUIPOISE_CHECK_RANGE(kName, options.max_domains, 1, std::uint64_t{1} << 31);
  if ((options.grid - 1) % (options.arms - 1) != 0)
    return Status(Code::kInvalidArgument,
                  fmt::format("{}: grid − 1 = {} is no multiple of arms − 1 = {}", kName,
                              options.grid - 1, options.arms - 1),
                  {.field = "arms"});
  return {};
}

double Normal(Random& random) {
  const double radius = std::sqrt(-2 * std::log(1 - random.Uniform()));
  return radius * std::cos(2 * std::numbers::pi * random.Uniform());
}

// Marsaglia & Tsang 2000, doi:10.1145/358407.358414; shape >= 1, as an arm's always is.
double Gamma(double shape, Random& random) {
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = Normal(random), base = 1 + c * x;
    if (!(base > 0)) continue;
    const double v = base * base * base;
    if (std::log(1 - random.Uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

}  // namespace

struct BetaPolicy::State {
  explicit State(const BetaPolicyOptions& given)
      : options(given), tables(given.arms), counts(given.arms), won(given.arms) {}

  // Seeded by the update's number, so that a restored policy goes on in the same way.
  void Publish(std::size_t domain, std::uint64_t version, DecisionTable* table) {
    Random random = Random::Stream(options.seed, version);
    std::fill(counts.begin(), counts.end(), 0u);
    const double* const own = sums.data() + domain * 2 * options.arms;
    for (std::size_t draw = 0; draw < options.draws; ++draw) {
      for (std::size_t i = 0; i < options.arms; ++i) {
        const double a = Gamma(1 + std::max(0.0, own[2 * i]), random);
        const double b = Gamma(1 + std::max(0.0, own[2 * i + 1]), random);
        won[i] = a / (a + b);
      }
      ++counts[static_cast<std::size_t>(std::max_element(won.begin(), won.end()) - won.begin())];
    }
    table->Publish(counts, 0, version, &ends);
  }

  BetaPolicyOptions options;
  DomainTables tables;
  std::vector<double> sums;  // [domains, arms, 2]: Σ w r, Σ w (1 − r)
  std::uint64_t updates = 0;
  std::vector<std::uint32_t> counts;
  std::vector<double> won;
  std::vector<std::uint32_t> ends;
  mutable std::mutex mutex;
};

BetaPolicy::BetaPolicy(std::unique_ptr<State> state) : state_(std::move(state)) {}
BetaPolicy::~BetaPolicy() = default;

Result<std::unique_ptr<BetaPolicy>> BetaPolicy::Create(const BetaPolicyOptions& options) {
  EQUIPOISE_RETURN_IF_ERROR(CheckOptions(options));
  try {
    auto state = std::make_unique<State>(options);
    std::fill(state->counts.begin(), state->counts.end(), 1u);  // all arms alike
    state->tables.fresh().Publish(state->counts, 0, 0, &state->ends);
    return std::unique_ptr<BetaPolicy>(new BetaPolicy(std::move(state)));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "BetaPolicy::Create: no memory for its tables");
  }
}

WeightDecision BetaPolicy::Decide(const WeightQuery& query, std::uint64_t random) const noexcept {
  return state_->tables.TableOf(query.domain).Decide(random);
}

Status BetaPolicy::Update(const WeightFeedback& feedback) {
  State& s = *state_;
  EQUIPOISE_RETURN_IF_ERROR(CheckFeedback(feedback, s.options.grid));
  const double alpha = feedback.decision.alpha;
  if (!(alpha >= 0 && alpha <= 1))
    return Status(Code::kInvalidArgument,
                  fmt::format("Update: decision.alpha = {} is outside [0, 1]", alpha),
                  {.field = "decision.alpha"});
  const std::string_view name =
      feedback.query.domain.empty() ? kGeneralDomain : feedback.query.domain;
  try {
    const std::lock_guard lock(s.mutex);
    const DomainTables::Entry* found = s.tables.Find(name);
    if (found == nullptr && s.tables.size() >= s.options.max_domains)
      return Status(
          Code::kBudgetExceeded,
          fmt::format("Update: there are already {} domains (max_domains)", s.options.max_domains),
          {.field = "domain"});
    // First, so that a domain that is made has its sums.
    if (found == nullptr) s.sums.resize((s.tables.size() + 1) * 2 * s.options.arms);
    DomainTables::Entry* entry = found == nullptr ? s.tables.Make(name) : &s.tables[found->index];
    const auto arm =
        static_cast<std::size_t>(std::lround(alpha * static_cast<double>(s.options.arms - 1)));
    const std::size_t point = arm * ((s.options.grid - 1) / (s.options.arms - 1));
    double* const own = s.sums.data() + (entry->index * s.options.arms + arm) * 2;
    const auto add = [&](std::span<const double> curve, double weight) {
      // Queries for which somebody else chose this arm need not be like those for which the policy does.
      if (curve.empty() || std::isnan(curve[point]) || !feedback.decision.by_policy) return;
      own[0] += weight * curve[point];
      own[1] += weight * (1 - curve[point]);
    };
    add(feedback.replaced_curve, -feedback.replaced_weight);
    add(feedback.curve, feedback.weight);
    s.Publish(entry->index, ++s.updates, &entry->table);
    if (found == nullptr) s.tables.Show(entry);
    return {};
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "Update: no memory for another domain");
  }
}

Status BetaPolicy::Save(const std::string& path) const {
  const State& s = *state_;
  try {
    std::string names;
    std::vector<double> sums;
    std::vector<std::uint32_t> ends;
    std::vector<std::uint64_t> numbers;  // options, updates, then each table's version
    {
      const std::lock_guard lock(s.mutex);
      const std::size_t words = s.tables.fresh().words();
      sums.assign(s.sums.begin(), s.sums.begin() + static_cast<std::ptrdiff_t>(s.tables.size() * 2 *
                                                                               s.options.arms));
      numbers = {s.options.arms, s.options.grid,        s.options.draws,
                 s.options.seed, s.options.max_domains, s.updates};
      ends.resize(words * s.tables.size());
      for (std::size_t i = 0; i < s.tables.size(); ++i) {
        numbers.push_back(s.tables[i].table.Read({ends.data() + i * words, words}));
        AppendName(s.tables[i].name, &names);
      }
    }
    return WritePolicyFile(path, kKind, [&](CheckedFileWriter& file) -> Status {
      EQUIPOISE_RETURN_IF_ERROR(file.Section<char>("names", names));
      EQUIPOISE_RETURN_IF_ERROR(file.Section<double>("sums", std::span<const double>(sums)));
      EQUIPOISE_RETURN_IF_ERROR(
          file.Section<std::uint32_t>("tables", std::span<const std::uint32_t>(ends)));
      return file.Section<std::uint64_t>("numbers", std::span<const std::uint64_t>(numbers));
    });
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "Save: no memory for a copy of the state");
  }
}

Result<std::unique_ptr<BetaPolicy>> BetaPolicy::Load(const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(const CheckedFile file, OpenPolicyFile(path, kKind));
  EQUIPOISE_ASSIGN_OR_RETURN(const std::string_view packed, TextSection(file, "names"));
  try {
    EQUIPOISE_ASSIGN_OR_RETURN(const auto names, SplitNames(packed, path));
    EQUIPOISE_ASSIGN_OR_RETURN(const auto numbers,
                               file.SectionOf<std::uint64_t>("numbers", names.size() + 6));
    const BetaPolicyOptions options = {.arms = numbers[0],
                                       .grid = numbers[1],
                                       .draws = numbers[2],
                                       .seed = numbers[3],
                                       .max_domains = numbers[4]};
    auto made = Create(options);
    if (!made) return Status(Code::kCorruption, made.error().message(), {.file = path});
    State& s = *(*made)->state_;
    const std::size_t words = s.tables.fresh().words();
    EQUIPOISE_ASSIGN_OR_RETURN(const auto sums,
                               file.SectionOf<double>("sums", names.size() * 2 * options.arms));
    EQUIPOISE_ASSIGN_OR_RETURN(const auto ends,
                               file.SectionOf<std::uint32_t>("tables", words * names.size()));
    s.sums.assign(sums.begin(), sums.end());
    s.updates = numbers[5];
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto own = ends.subspan(i * words, words);
      if (!std::is_sorted(own.begin(), own.end()) || own.back() > AtomicCategorical::kOne ||
          s.tables.Find(names[i]) != nullptr)
        return Status(Code::kCorruption, "holds a domain twice, or probabilities that are none",
                      {.file = path, .row = static_cast<std::int64_t>(i)});
      DomainTables::Entry* entry = s.tables.Make(names[i]);
      entry->table.Restore(own, numbers[6 + i]);
      s.tables.Show(entry);
    }
    return made;
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "no memory for its domains", {.file = path});
  }
}

}  // namespace equipoise
