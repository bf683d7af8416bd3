#include <algorithm>
#include <cmath>
#include <new>
#include <unordered_set>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/engine/search_context.h>

#include "byte_codec.h"

namespace equipoise {
namespace {

constexpr std::uint32_t kMagic = 0x58435145;  // "EQCX"
// 1 said neither when it was asked nor who decided; 2 may end before the features.
constexpr std::uint32_t kVersion = 3;
constexpr std::uint32_t kOldest = 2;
constexpr std::size_t kChecksumBytes = sizeof(std::uint64_t);

std::uint64_t ChecksumOf(std::string_view bytes) {
  return Checksum(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

Status Damaged(const char* why) {
  return Status(Code::kCorruption, fmt::format("the context of the search {}", why),
                {.field = "context"});
}

bool InUnit(double value) { return value >= 0 && value <= 1; }

// Without this a crafted context could make feedback fail later, or teach nonsense.
bool IsSound(const SearchContext& c) {
  const WeightDecision& d = c.decision;
  if (c.domain.empty() || !std::isfinite(c.time) || !InUnit(d.alpha) || !InUnit(d.propensity) ||
      !InUnit(d.alpha_propensity))
    return false;
  if (d.propensity <= 0 || d.alpha_propensity < d.propensity) return false;
  if (!(c.lexical_us >= 0 && c.vector_us >= 0 && std::isfinite(c.lexical_us) &&
        std::isfinite(c.vector_us)))
    return false;
  if (c.method > FusionMethod::kRrf) return false;
  if (!c.features.empty() && c.features.size() != QueryFeatures::kCount) return false;
  if (!std::all_of(c.features.begin(), c.features.end(), InUnit)) return false;
  std::unordered_set<std::uint32_t> docs;
  for (const CandidateScores& s : c.candidates) {
    const CandidateScores& first = c.candidates.front();
    const auto fits = [](float score, float other) {
      return std::isnan(score) ? std::isnan(other) : InUnit(score) && !std::isnan(other);
    };
    if (!fits(s.lexical, first.lexical) || !fits(s.vector, first.vector)) return false;
    if (std::isnan(s.lexical) && std::isnan(s.vector)) return false;
    if (!docs.insert(s.doc).second) return false;
  }
  std::unordered_set<std::uint32_t> shown;
  return std::all_of(c.shown.begin(), c.shown.end(), [&](std::uint32_t doc) {
    return docs.contains(doc) && shown.insert(doc).second;
  });
}

}  // namespace

std::string SearchContext::Serialize() const {
  ByteWriter out;
  out.Put(kMagic);
  out.Put(kVersion);
  out.Put(query_id);
  out.Put(fingerprint);
  out.Put(time);
  out.PutText(domain);
  out.Put(decision.alpha);
  out.Put(decision.propensity);
  out.Put(decision.alpha_propensity);
  out.Put(decision.version);
  out.Put(static_cast<std::uint8_t>(decision.both_paths));
  out.Put(static_cast<std::uint8_t>(decision.by_policy));
  out.Put(static_cast<std::uint8_t>(method));
  out.Put(lexical_us);
  out.Put(vector_us);
  out.PutAll(candidates);
  out.PutAll(shown);
  out.PutAll(features);
  out.Put(ChecksumOf(out.bytes()));
  return out.Take();
}

Result<SearchContext> SearchContext::Parse(std::string_view bytes) try {
  std::uint32_t magic = 0, version = 0;
  ByteReader header(bytes);
  if (!header.Get(&magic) || !header.Get(&version) || magic != kMagic)
    return Damaged("is none; hand back what SearchContext::Serialize gave");
  if (version < kOldest || version > kVersion)
    return Status(
        Code::kUnsupported,
        fmt::format("the context of the search has version {}, this program reads {} and {}; "
                    "use the equipoise that searched",
                    version, kOldest, kVersion),
        {.field = "context"});
  if (bytes.size() < 2 * sizeof magic + kChecksumBytes) return Damaged("is cut");
  const std::string_view body = bytes.substr(0, bytes.size() - kChecksumBytes);
  std::uint64_t checksum = 0;
  ByteReader(bytes.substr(body.size())).Get(&checksum);
  if (checksum != ChecksumOf(body)) return Damaged("is cut or was changed");

  SearchContext out;
  ByteReader in(body.substr(2 * sizeof magic));
  std::uint8_t both = 0, by_policy = 0, method = 0;
  const bool read = in.Get(&out.query_id) && in.Get(&out.fingerprint) && in.Get(&out.time) &&
                    in.GetText(&out.domain) && in.Get(&out.decision.alpha) &&
                    in.Get(&out.decision.propensity) && in.Get(&out.decision.alpha_propensity) &&
                    in.Get(&out.decision.version) && in.Get(&both) && in.Get(&by_policy) &&
                    in.Get(&method) && in.Get(&out.lexical_us) && in.Get(&out.vector_us) &&
                    in.GetAll(&out.candidates) && in.GetAll(&out.shown) &&
                    ((version < kVersion && in.done()) || in.GetAll(&out.features));
  if (!read || !in.done()) return Damaged("is cut or was changed");
  out.decision.both_paths = both != 0;
  out.decision.by_policy = by_policy != 0;
  out.method = static_cast<FusionMethod>(method);
  if (!IsSound(out)) return Damaged("holds what no search leaves");
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory to read the context of a search");
}

}  // namespace equipoise
