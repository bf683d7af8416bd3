// The state file of a curve policy.
#include <cstring>

#include "curve_state.h"
#include "policy_file.h"
#include "policy_json.h"

namespace equipoise {
namespace {

constexpr const char* kKind = "curve-policy";

// Numbers that no policy has written, although the checksums are right.
template <typename T>
bool IsFinite(const T& record, std::size_t doubles) {
  static_assert(std::is_trivially_copyable_v<T>);
  const char* at = reinterpret_cast<const char*>(&record);
  for (std::size_t i = 0; i < doubles; ++i, at += sizeof(double)) {
    double value = 0;
    std::memcpy(&value, at, sizeof value);
    if (!std::isfinite(value)) return false;
  }
  return true;
}

bool IsSound(const CurveDomain& domain) {
  return IsFinite(domain.sums, sizeof(DomainSums) / sizeof(double)) &&
         IsFinite(domain.part, sizeof(CurvePart) / sizeof(double)) && domain.sums.weight >= 0 &&
         domain.sums.prior_queries >= 0;
}

bool IsSound(const WatchedDomain& domain, std::span<const WatchedQuery> ring) {
  bool sound = ring.empty() || domain.next < ring.size();
  for (const WatchedQuery& query : ring)
    sound = sound && IsFinite(query, sizeof(CurveModes) / sizeof(double) + 1) &&
            query.weight >= 0 && query.weight <= 1;
  for (const WatchedChange& change : domain.latest)
    sound = sound && std::isfinite(change.evidence) && std::isfinite(change.time);
  return sound;
}

bool IsSound(const CurveConstants& constants) {
  const auto usable = [](double value) { return value > 1e-12 && value < 1e12; };
  return IsFinite(constants, sizeof(CurveConstants) / sizeof(double)) &&
         std::all_of(constants.scales.begin(), constants.scales.end(), usable) &&
         std::all_of(constants.noise.begin(), constants.noise.end(), usable) &&
         usable(constants.global_scale) && usable(constants.noise_queries) &&
         usable(constants.domain_noise_queries) && usable(constants.scale_domains) &&
         constants.mode_power >= 0 && constants.mode_power < 10 && constants.curvature >= 0 &&
         constants.curvature < 1e3 && constants.roughness >= 0 && constants.roughness < 1e3;
}

}  // namespace

CurveSnapshot CurvePolicy::State::Snapshot() const {
  CurveSnapshot out;
  const std::lock_guard lock(mutex);
  out.options = OptionsToJson(options, model.constants());
  out.domains = domains;
  out.shared = shared;
  out.watched = options.watch > 0;
  out.watches = watches;
  out.rings = rings;
  if (Guards()) out.guard.push_back(guard);
  const std::size_t words = tables.fresh().words();
  out.ends.resize(words * (domains.size() + 1));
  out.versions.resize(domains.size() + 1);
  for (std::size_t i = 0; i <= domains.size(); ++i) {
    const DecisionTable& table = i == domains.size() ? tables.fresh() : tables[i].table;
    out.versions[i] = table.Read({out.ends.data() + i * words, words});
    if (i < domains.size()) AppendName(tables[i].name, &out.names);
  }
  return out;
}

Status CurveSnapshot::Write(CheckedFileWriter* file) const {
  EQUIPOISE_RETURN_IF_ERROR(file->Section<char>("options", options));
  EQUIPOISE_RETURN_IF_ERROR(file->Section<char>("names", names));
  EQUIPOISE_RETURN_IF_ERROR(file->Section("shared", std::span<const CurveShared>(&shared, 1)));
  EQUIPOISE_RETURN_IF_ERROR(file->Section("domains", std::span<const CurveDomain>(domains)));
  EQUIPOISE_RETURN_IF_ERROR(file->Section("tables", std::span<const std::uint32_t>(ends)));
  EQUIPOISE_RETURN_IF_ERROR(file->Section("versions", std::span<const std::uint64_t>(versions)));
  if (!guard.empty())
    EQUIPOISE_RETURN_IF_ERROR(file->Section("guard", std::span<const GuardSums>(guard)));
  if (!watched) return {};
  EQUIPOISE_RETURN_IF_ERROR(file->Section("watches", std::span<const WatchedDomain>(watches)));
  return file->Section("rings", std::span<const WatchedQuery>(rings));
}

Status CurvePolicy::Save(const std::string& path) const {
  try {
    const CurveSnapshot snapshot = state_->Snapshot();
    return WritePolicyFile(path, kKind,
                           [&](CheckedFileWriter& file) { return snapshot.Write(&file); });
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "Save: no memory for a copy of the state");
  }
}

Result<std::unique_ptr<CurvePolicy>> CurvePolicy::Load(const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(const CheckedFile file, OpenPolicyFile(path, kKind));
  return State::Read(file, path);
}

Result<std::unique_ptr<CurvePolicy>> CurvePolicy::State::Read(const CheckedFile& file,
                                                              const std::string& path) {
  EQUIPOISE_ASSIGN_OR_RETURN(const std::string_view text, TextSection(file, "options"));
  EQUIPOISE_ASSIGN_OR_RETURN(const std::string_view packed, TextSection(file, "names"));
  try {
    CurvePolicyOptions options;
    CurveConstants constants;
    EQUIPOISE_RETURN_IF_ERROR(OptionsFromJson(text, path, &options, &constants));
    const Status checked = CheckCurveOptions(options);
    if (!checked.ok()) return Status(Code::kCorruption, checked.message(), {.file = path});
    if (!IsSound(constants))
      return Status(Code::kCorruption, "holds constants that no policy has", {.file = path});
    auto state = std::make_unique<State>(std::move(options), constants);
    EQUIPOISE_ASSIGN_OR_RETURN(const auto names, SplitNames(packed, path));
    const std::size_t words = state->tables.fresh().words();
    EQUIPOISE_ASSIGN_OR_RETURN(const auto shared, file.SectionOf<CurveShared>("shared", 1));
    EQUIPOISE_ASSIGN_OR_RETURN(const auto domains,
                               file.SectionOf<CurveDomain>("domains", names.size()));
    EQUIPOISE_ASSIGN_OR_RETURN(const auto ends,
                               file.SectionOf<std::uint32_t>("tables", words * (names.size() + 1)));
    EQUIPOISE_ASSIGN_OR_RETURN(const auto versions,
                               file.SectionOf<std::uint64_t>("versions", names.size() + 1));
    std::span<const WatchedDomain> watches;
    std::span<const WatchedQuery> rings;
    const std::size_t watch = state->options.watch;
    if (watch > 0) {
      EQUIPOISE_ASSIGN_OR_RETURN(watches, file.SectionOf<WatchedDomain>("watches", names.size()));
      EQUIPOISE_ASSIGN_OR_RETURN(rings,
                                 file.SectionOf<WatchedQuery>("rings", names.size() * watch));
    }
    if (state->Guards()) {
      EQUIPOISE_ASSIGN_OR_RETURN(const auto guard, file.SectionOf<GuardSums>("guard", 1));
      const GuardSums& g = guard[0];
      if (!IsFinite(g, sizeof(GuardSums) / sizeof(double)) || g.deviations < 0 || g.statics < 0 ||
          g.flipped < 0 || g.flipped > 0x1p52)
        return Status(Code::kCorruption, "holds a guard's sums that are none", {.file = path});
      state->guard = g;
      state->ShowGuard();
    }
    for (std::size_t i = 0; i <= names.size(); ++i) {
      const auto own = ends.subspan(i * words, words);
      if (!std::is_sorted(own.begin(), own.end()) || own.back() > AtomicCategorical::kOne)
        return Status(Code::kCorruption, "holds probabilities that are none",
                      {.file = path, .row = static_cast<std::int64_t>(i)});
      if (i == names.size()) {
        state->tables.fresh().Restore(own, versions[i]);
        continue;
      }
      if (state->tables.Find(names[i]) != nullptr || !IsSound(domains[i]))
        return Status(Code::kCorruption, "holds a domain twice, or with sums that are none",
                      {.file = path, .row = static_cast<std::int64_t>(i)});
      DomainTables::Entry* entry = state->Make(names[i]);
      state->domains.back() = domains[i];
      if (watch > 0) {
        const auto ring = rings.subspan(i * watch, watch);
        if (!IsSound(watches[i], ring))
          return Status(Code::kCorruption, "holds latest queries that are none",
                        {.file = path, .row = static_cast<std::int64_t>(i)});
        state->watches[i] = watches[i];
        std::copy(ring.begin(), ring.end(), state->RingOf(i).begin());
      }
      entry->table.Restore(own, versions[i]);
      state->tables.Show(entry);
    }
    if (!IsFinite(shared[0].part, sizeof(CurvePart) / sizeof(double)))
      return Status(Code::kCorruption, "holds sums that are none", {.file = path});
    state->shared = shared[0];
    return std::unique_ptr<CurvePolicy>(new CurvePolicy(std::move(state)));
  } catch (const std::bad_alloc&) {
    return Status(Code::kOutOfMemory, "no memory for its domains", {.file = path});
  }
}

}  // namespace equipoise
