// An engine's learning as one file: the policy's own file within it, and what the engine knows beside
// the policy.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include <equipoise/core/atomic_file.h>
#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>

#include "byte_codec.h"
#include "learner.h"

namespace equipoise {
namespace {

constexpr std::string_view kKind = "engine-policy";
constexpr std::uint32_t kVersion = 3;

struct SavedState {
  std::uint64_t next, seed;
  std::uint64_t log, number;     // of which log of feedback everything up to which row is in here
  std::uint32_t method, unused;  // the normalization that the policy's α belongs to
};

/// A file for the policy to write to or to read from, gone with this object.
class PassingFile {
 public:
  explicit PassingFile(std::string path) : path_(std::move(path)) {}
  ~PassingFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  PassingFile(const PassingFile&) = delete;
  PassingFile& operator=(const PassingFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::span<const char> Bytes(std::string_view text) { return {text.data(), text.size()}; }

Status CannotPass(const std::string& path) {
  return Status(Code::kIo, "LoadPolicy: cannot write a temporary file", {.file = path});
}

// A policy reads files: what lies within another one goes through the folder for temporary files, since
// the folder of the snapshot may be read-only.
Result<std::unique_ptr<WeightPolicy>> LoadFrom(std::span<const std::byte> bytes,
                                               const PolicyLoader& loader) {
  std::error_code error;
  const auto folder = std::filesystem::temp_directory_path(error);
  std::string name = (folder / "equipoise-policy-XXXXXX").string();
  const int fd = error ? -1 : ::mkstemp(name.data());
  if (fd < 0) return CannotPass(name);
  ::close(fd);
  const PassingFile file(name);
  std::ofstream out(name, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) return CannotPass(name);
  return loader(name);
}

}  // namespace

std::string Learner::QueriesAsBytes() const {
  std::vector<std::shared_ptr<Record>> records;
  for (const std::uint64_t id : adopted_order_) records.push_back(adopted_.at(id));
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const std::lock_guard lock(MutexOf(i));
    if (slots_[i].record != nullptr && !adopted_.contains(slots_[i].id))
      records.push_back(slots_[i].record);
  }
  ByteWriter out;
  out.Put(static_cast<std::uint64_t>(records.size()));
  for (const auto& r : records) {
    out.PutText(r->context.Serialize());
    out.PutAll(r->ratings);
    out.Put(r->groundedness);
    out.Put(r->groundedness_time);
    out.PutAll(r->curve);
    out.Put(r->weight);
  }
  out.Put(static_cast<std::uint64_t>(windows_.size()));
  for (const std::string& domain : window_order_) {
    const auto latest = Latest(windows_.at(domain), options_.window);
    out.PutText(domain);
    out.PutAll(std::vector<WindowRow>(latest.begin(), latest.end()));
  }
  return out.Take();
}

// A checksum says that nothing has changed since, not that an engine has written it.
bool Learner::IsSound(const Record& r) const {
  const auto in_unit = [](double value) { return value >= 0 && value <= 1; };
  const bool ratings = std::all_of(r.ratings.begin(), r.ratings.end(), [&](const Rating& rating) {
    return in_unit(rating.weight) && in_unit(double{rating.gain}) && std::isfinite(rating.time);
  });
  const bool curve = (r.curve.empty() || r.curve.size() == options_.curve.grid) &&
                     std::all_of(r.curve.begin(), r.curve.end(),
                                 [&](double v) { return std::isnan(v) || in_unit(v); });
  return ratings && curve && in_unit(r.weight) && std::isfinite(r.groundedness_time) &&
         (std::isnan(r.groundedness) || in_unit(r.groundedness));
}

bool Learner::ReadQueries(std::string_view bytes) {
  ByteReader in(bytes);
  std::uint64_t count = 0;
  if (!in.Get(&count)) return false;
  for (std::uint64_t i = 0; i < count; ++i) {
    auto record = std::make_shared<Record>();
    std::string context;
    if (!in.GetText(&context) || !in.GetAll(&record->ratings) || !in.Get(&record->groundedness) ||
        !in.Get(&record->groundedness_time) || !in.GetAll(&record->curve) ||
        !in.Get(&record->weight))
      return false;
    auto parsed = SearchContext::Parse(context);
    if (!parsed || !IsSound(*record)) return false;
    record->context = *std::move(parsed);
    if (record->context.fingerprint == fingerprint_ && !adopted_.contains(record->context.query_id))
      Adopt(std::move(record));
  }
  if (!in.Get(&count)) return false;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string domain;
    std::vector<WindowRow> rows;
    if (!in.GetText(&domain) || !in.GetAll(&rows)) return false;
    for (const WindowRow& row : rows) Admit(domain, row);
  }
  return in.done();
}

Status Learner::Save(const std::string& path, bool cache) {
  const std::lock_guard lock(feedback_mutex_);
  if (cache) EQUIPOISE_RETURN_IF_ERROR(CheckLog());
  const PassingFile inner(AsideName(path + ".policy"));
  EQUIPOISE_RETURN_IF_ERROR(policy_->Save(inner.path()));
  EQUIPOISE_ASSIGN_OR_RETURN(const MappedFile policy, MappedFile::Open(inner.path()));
  const SavedState state{next_.load(std::memory_order_relaxed),
                         options_.seed,
                         snapshot_log_,
                         LearnedUntil(),
                         static_cast<std::uint32_t>(method_),
                         0};
  const std::string queries = QueriesAsBytes();

  const PassingFile aside(AsideName(path));
  EQUIPOISE_ASSIGN_OR_RETURN(CheckedFileWriter file,
                             CheckedFileWriter::Create(aside.path(), kKind, kVersion));
  EQUIPOISE_RETURN_IF_ERROR(file.Section<std::byte>("policy", policy.bytes()));
  EQUIPOISE_RETURN_IF_ERROR(
      file.Section<SavedState>("state", std::span<const SavedState>(&state, 1)));
  EQUIPOISE_RETURN_IF_ERROR(file.Section<char>("queries", Bytes(queries)));
  EQUIPOISE_RETURN_IF_ERROR(file.Finish());
  std::error_code error;
  std::filesystem::rename(aside.path(), path, error);
  if (error)
    return Status(Code::kIo, "SavePolicy: cannot give the new file its name: " + error.message(),
                  {.file = path});
  return cache ? Trim(path) : Status();
}

Result<std::unique_ptr<Learner>> Learner::Load(const std::string& path,
                                               const LearningOptions& options,
                                               const PolicyLoader& loader,
                                               const Collection& collection) {
  {
    // A policy's own file, as WeightPolicy::Save writes it: it starts with no query remembered.
    EQUIPOISE_ASSIGN_OR_RETURN(const MappedFile raw, MappedFile::Open(path));
    constexpr std::size_t kHeader = 64;
    const auto head = raw.bytes().first(std::min(raw.bytes().size(), kHeader));
    const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
    if (text.find(kKind) == std::string_view::npos) {
      EQUIPOISE_ASSIGN_OR_RETURN(std::unique_ptr<WeightPolicy> policy, loader(path));
      return Make(std::move(policy), options, collection);
    }
  }
  EQUIPOISE_ASSIGN_OR_RETURN(const CheckedFile file, CheckedFile::Open(path, kKind, kVersion));
  if (file.version() != kVersion)
    return Status(Code::kUnsupported,
                  fmt::format("was saved by an older program (version {}; this one reads {})",
                              file.version(), kVersion),
                  {.file = path});
  EQUIPOISE_RETURN_IF_ERROR(file.Verify());
  EQUIPOISE_ASSIGN_OR_RETURN(const auto policy_bytes, file.Section("policy"));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto state, file.SectionOf<SavedState>("state", 1));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto queries, file.SectionOf<char>("queries"));
  if (state[0].method > static_cast<std::uint32_t>(FusionMethod::kRrf))
    return Status(Code::kCorruption, "names a normalization that there is not", {.file = path});
  const auto method = static_cast<FusionMethod>(state[0].method);
  if (options.fusion.value_or(method) != method)
    return Status(Code::kInvalidArgument,
                  fmt::format("LoadPolicy: what was learned with {} does not hold for {}",
                              FusionName(method), FusionName(*options.fusion)),
                  {.file = path, .field = "fusion"});
  auto policy = LoadFrom(policy_bytes, loader);
  if (!policy) return policy.error().At({.file = path});
  LearningOptions own = options;
  own.seed = state[0].seed;
  own.fusion = method;
  EQUIPOISE_ASSIGN_OR_RETURN(std::unique_ptr<Learner> out,
                             Make(*std::move(policy), own, collection));
  out->next_ = state[0].next;
  out->snapshot_log_ = state[0].log;
  out->snapshot_number_ = state[0].number;
  if (!out->ReadQueries({queries.data(), queries.size()}))
    return Status(Code::kCorruption, "holds queries that no engine has saved", {.file = path});
  return out;
}

}  // namespace equipoise
