// The state file of a contextual policy: that of its curves, and what it adds.
#include <algorithm>
#include <cmath>

#include "contextual_state.h"
#include "policy_file.h"

namespace equipoise {
namespace {

constexpr const char* kKind = "context-policy";

bool AllFinite(std::span<const double> numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](double x) { return std::isfinite(x); });
}

}  // namespace

Status ContextualPolicy::Save(const std::string& path) const {
  const State& s = *state_;
  try {
    CurveSnapshot curves;
    std::string names;
    std::vector<double> domains, shared;
    std::vector<float> tables;
    ContextualSums sums;
    {
      // Copied under the mutex, written without it: updates do not wait for the disk.
      const std::lock_guard lock(s.mutex);
      curves = s.base->state_->Snapshot();
      // Not more than there are names: a domain that was refused may have left room.
      domains.assign(
          s.domains.begin(),
          s.domains.begin() + static_cast<std::ptrdiff_t>(s.tables.size() * s.model.domain_size()));
      shared = s.shared;
      sums = s.sums;
      const std::size_t size = s.tables.fresh().size();
      tables.resize((s.tables.size() + 1) * size);
      s.tables.fresh().Read({tables.data(), size});
      for (std::size_t i = 0; i < s.tables.size(); ++i) {
        AppendName(s.tables[i].name, &names);
        s.tables[i].table.Read({tables.data() + (i + 1) * size, size});
      }
    }
    const std::array<double, 4> options = {static_cast<double>(s.options.features),
                                           s.options.noise_ratio,
                                           static_cast<double>(s.options.enough), s.options.doubt};
    return WritePolicyFile(path, kKind, [&](CheckedFileWriter& file) -> Status {
      EQUIPOISE_RETURN_IF_ERROR(curves.Write(&file));
      EQUIPOISE_RETURN_IF_ERROR(file.Section("context-options", std::span<const double>(options)));
      EQUIPOISE_RETURN_IF_ERROR(file.Section<char>("context-names", names));
      EQUIPOISE_RETURN_IF_ERROR(file.Section("context-domains", std::span<const double>(domains)));
      EQUIPOISE_RETURN_IF_ERROR(file.Section("context-shared", std::span<const double>(shared)));
      EQUIPOISE_RETURN_IF_ERROR(file.Section("context-tables", std::span<const float>(tables)));
      return file.Section("context-account", std::span<const ContextualSums>(&sums, 1));
    });
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "Save: no memory for a copy of the state");
  }
}

Result<std::unique_ptr<ContextualPolicy>> ContextualPolicy::Load(const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(const CheckedFile file, OpenPolicyFile(path, kKind));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto numbers, file.SectionOf<double>("context-options", 4));
  EQUIPOISE_ASSIGN_OR_RETURN(const std::string_view packed, TextSection(file, "context-names"));
  EQUIPOISE_ASSIGN_OR_RETURN(auto base, CurvePolicy::State::Read(file, path));
  const auto corrupt = [&](std::string why) {
    return Status(Code::kCorruption, std::move(why), {.file = path});
  };
  if (!(numbers[0] >= 1 && numbers[0] <= kMostFeatures) ||
      !(numbers[2] >= 1 && numbers[2] <= 0x1p31))
    return corrupt("holds options that no policy has");
  try {
    ContextualPolicyOptions options = {.curve = base->options(),
                                       .features = static_cast<std::size_t>(numbers[0]),
                                       .noise_ratio = numbers[1],
                                       .enough = static_cast<std::size_t>(numbers[2]),
                                       .doubt = numbers[3]};
    if (const Status checked = CheckContextualOptions(options); !checked.ok())
      return corrupt(checked.message());
    auto state = std::make_unique<State>(std::move(options), std::move(base));
    State& s = *state;
    EQUIPOISE_ASSIGN_OR_RETURN(const auto names, SplitNames(packed, path));
    EQUIPOISE_ASSIGN_OR_RETURN(
        const auto domains,
        file.SectionOf<double>("context-domains", names.size() * s.model.domain_size()));
    EQUIPOISE_ASSIGN_OR_RETURN(const auto shared,
                               file.SectionOf<double>("context-shared", s.model.shared_size()));
    const std::size_t size = s.tables.fresh().size();
    EQUIPOISE_ASSIGN_OR_RETURN(const auto tables,
                               file.SectionOf<float>("context-tables", (names.size() + 1) * size));
    EQUIPOISE_ASSIGN_OR_RETURN(const auto sums,
                               file.SectionOf<ContextualSums>("context-account", 1));
    static_assert(sizeof(ContextualSums) % sizeof(double) == 0);
    EQUIPOISE_ASSIGN_OR_RETURN(const auto sums_as_numbers,
                               file.SectionOf<double>("context-account"));
    const double most_domains = static_cast<double>(std::max<std::size_t>(names.size(), 1));
    if (!AllFinite(domains) || !AllFinite(shared) || !AllFinite(sums_as_numbers) ||
        !(sums[0].turn >= 0 && sums[0].turn < most_domains) || sums[0].updated < 0 ||
        sums[0].updated > 0x1p52 || sums[0].queries < 0 || sums[0].counted < 0 ||
        sums[0].queries > 0x1p52 || sums[0].counted > 0x1p52)
      return corrupt("holds sums that are none");
    s.domains.assign(domains.begin(), domains.end());
    s.shared.assign(shared.begin(), shared.end());
    s.sums = sums[0];
    for (std::size_t i = 0; i <= names.size(); ++i) {
      const auto own = tables.subspan(i * size, size);
      const float first = own[size - 2], last = own[size - 1];
      if (!std::all_of(own.begin(), own.end(), [](float x) { return std::isfinite(x); }) ||
          !(first >= 0 && first <= last && last < static_cast<float>(s.grid())))
        return corrupt("holds a domain's curve that is none");
      if (i == 0) {
        s.tables.fresh().Publish(own);
        continue;
      }
      if (s.tables.Find(names[i - 1]) != nullptr) return corrupt("holds a domain twice");
      auto* entry = s.tables.Make(names[i - 1]);
      entry->table.Publish(own);
      s.tables.Show(entry);
    }
    s.PublishPosterior();
    s.version.store(static_cast<std::uint64_t>(s.sums.updated), std::memory_order_relaxed);
    s.open.store(s.Enough() && s.Capital() * s.options.doubt >= 1, std::memory_order_relaxed);
    return std::unique_ptr<ContextualPolicy>(new ContextualPolicy(std::move(state)));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "no memory for its domains", {.file = path});
  }
}

}  // namespace equipoise
