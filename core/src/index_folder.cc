#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <equipoise/core/atomic_file.h>
#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/core/index_folder.h>
#include <equipoise/core/json_lines.h>
#include <equipoise/core/version.h>

namespace equipoise {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kMagic = "equipoise-index ";
constexpr std::string_view kTrailer = "xxh3 ";
constexpr std::string_view kGeneration = "generation-";
constexpr std::string_view kPartial = ".partial";

std::string Join(const std::string& folder, std::string_view name) {
  return (fs::path(folder) / name).string();
}

std::string Hex(std::uint64_t value) { return fmt::format("{:016x}", value); }

std::optional<std::uint64_t> ParseHex(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size() || text.size() != 16) return {};
  return value;
}

std::optional<int> ParseInt(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

Status IoError(const std::string& path, std::string_view what, int error) {
  return Status(Code::kIo,
                fmt::format("cannot {}: {}", what, std::generic_category().message(error)),
                {.file = path});
}

Status Changed(const std::string& path, std::string_view why) {
  return Status(Code::kCorruption,
                fmt::format("{}; the index is damaged: build it again with `equipoise index`", why),
                {.file = path});
}

std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Flushes a folder's entries (names made and renamed) to the disk.
Status SyncFolder(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return IoError(folder, "open", errno);
  const int failed = ::fsync(fd) != 0 ? errno : 0;
  ::close(fd);
  return failed ? IoError(folder, "flush", failed) : Status();
}

/// Replaces a small file by one rename. The name aside is one that the next writer knows as ours.
Status Replace(const std::string& path, std::string_view content) {
  AtomicFile file(path, path + std::string(kPartial));
  EQUIPOISE_RETURN_IF_ERROR(file.Create());
  EQUIPOISE_RETURN_IF_ERROR(file.Append(content));
  return file.Publish();
}

/// The N of "generation-N" or "generation-N.partial"; nothing for any other name.
std::optional<std::uint64_t> GenerationNumber(std::string_view name) {
  if (!name.starts_with(kGeneration)) return {};
  name.remove_prefix(kGeneration.size());
  if (name.ends_with(kPartial)) name.remove_suffix(kPartial.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return {};
  return number;
}

/// Names of a folder's entries.
Result<std::vector<std::string>> Entries(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  // By hand, because a range-for's increment throws.
  for (fs::directory_iterator at(folder, error); !error && at != fs::directory_iterator();
       at.increment(error))
    names.push_back(at->path().filename().string());
  if (error) return IoError(folder, "list", error.value());
  return names;
}

/// Whether the folder is empty or an index, finished or not: every name is one that this library
/// gives, and there is a LOCK, which every writer leaves, or a MANIFEST that begins as ours do. What
/// merely looks like a generation may be somebody's work.
bool IsOurs(const std::string& folder, const std::vector<std::string>& names) {
  bool marked = names.empty();
  for (const std::string& name : names) {
    marked = marked || name == "LOCK";
    if (name == "MANIFEST" && !marked) {
      const auto file = MappedFile::Open(Join(folder, name));
      marked = file.ok() && AsText(file->bytes()).starts_with(kMagic);
    }
    // POLICY, FEEDBACK: what an engine has learned, and from what; they outlive the generation
    // (engine/engine.h).
    if (name != "LOCK" && name != "MANIFEST" && name != "MANIFEST.partial" &&
        !name.starts_with("POLICY") && !name.starts_with("FEEDBACK") && !GenerationNumber(name))
      return false;
  }
  return marked;
}

/// Whether the open file is still the one that has this name.
bool IsStillAt(int fd, const std::string& path) {
  struct stat open_file {};
  struct stat named {};
  return ::fstat(fd, &open_file) == 0 && ::stat(path.c_str(), &named) == 0 &&
         open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

}  // namespace

std::string Manifest::PathOf(const std::string& folder, std::string_view name) const {
  return (fs::path(folder) / generation / name).string();
}

Result<Manifest> ReadManifest(const std::string& folder) {
  std::error_code error;
  const fs::file_status found = fs::status(folder, error);
  if (found.type() == fs::file_type::not_found)
    return Status(Code::kNotFound, "no such index folder; `equipoise index` makes one",
                  {.file = folder});
  if (found.type() == fs::file_type::none) return IoError(folder, "open", error.value());
  if (found.type() != fs::file_type::directory)
    return Status(Code::kInvalidArgument, "is a file, not an index folder", {.file = folder});
  const std::string path = Join(folder, "MANIFEST");
  auto mapped = MappedFile::Open(path);
  if (!mapped) {
    if (mapped.error().code() != Code::kNotFound) return mapped.error();
    return Status(Code::kInvalidArgument,
                  "is not an index: it has no MANIFEST; `equipoise index` makes one",
                  {.file = folder});
  }

  const std::string_view text = AsText(mapped->bytes());
  const std::size_t first = text.find('\n');
  if (!text.starts_with(kMagic) || first == std::string_view::npos)
    return Changed(path, "does not start with \"equipoise-index VERSION\"");
  const auto version = ParseInt(text.substr(kMagic.size(), first - kMagic.size()));
  if (!version) return Changed(path, "has no format version in its first line");
  // The last line is "xxh3 " + 16 digits + newline, over everything before it.
  const std::size_t trailer = kTrailer.size() + 17;
  if (text.size() < first + 1 + trailer) return Changed(path, "has been cut");
  const std::string_view body = text.substr(0, text.size() - trailer);
  const std::string_view last = text.substr(body.size());
  const auto checksum = ParseHex(last.substr(kTrailer.size(), 16));
  if (!last.starts_with(kTrailer) || last.back() != '\n' || !checksum ||
      last.substr(kTrailer.size(), 16) != Hex(Checksum(std::as_bytes(std::span(body)))))
    return Changed(path, "has changed: its checksum does not match");
  // Only now, since a changed byte in the version is damage and not another version.
  if (*version > kIndexFormatVersion)
    return Status(Code::kUnsupported,
                  fmt::format("is of index format {}, newer than the {} that this program reads; "
                              "use a newer equipoise",
                              *version, kIndexFormatVersion),
                  {.file = folder});
  if (*version < kIndexFormatVersion)
    return Status(Code::kUnsupported,
                  fmt::format("is of index format {}, which is no longer read; build it again: "
                              "equipoise index --corpus CORPUS --out {}",
                              *version, folder),
                  {.file = folder});

  if (JsonLines::IsTooDeep(body.substr(first + 1)))
    return Changed(path, "nests its values too deeply");
  try {
    const json object = json::parse(body.substr(first + 1));
    Manifest manifest;
    manifest.format_version = *version;
    manifest.library_version = object.at("library_version").get<std::string>();
    manifest.generation = object.at("generation").get<std::string>();
    manifest.settings = object.at("settings").dump();
    for (const json& file : object.at("files")) {
      const auto sum = ParseHex(file.at("checksum").get<std::string>());
      if (!sum) return Changed(path, "has a malformed checksum");
      manifest.files.push_back(
          {file.at("name").get<std::string>(), file.at("bytes").get<std::uint64_t>(), *sum});
    }
    return manifest;
  } catch (const std::exception& thrown) {
    return Changed(path, thrown.what());
  }
}

Status CheckFiles(const std::string& folder, const Manifest& manifest) {
  for (const Manifest::File& file : manifest.files) {
    const std::string path = manifest.PathOf(folder, file.name);
    EQUIPOISE_ASSIGN_OR_RETURN(const MappedFile mapped, MappedFile::Open(path));
    const auto bytes = mapped.bytes();
    if (bytes.size() != file.bytes || bytes.size() < 64)
      return Changed(path,
                     fmt::format("has {} bytes where {} were written", bytes.size(), file.bytes));
    std::uint64_t checksum = 0;  // the last field of a checked file's header
    std::memcpy(&checksum, bytes.data() + 56, sizeof(checksum));
    if (checksum != file.checksum)
      return Changed(path, "is not the file that the manifest names (another checksum)");
  }
  return {};
}

// IndexFolderWriter

struct IndexFolderWriter::State {
  std::string folder;
  std::string generation;  // final name
  std::string aside;       // path of the folder being written
  int lock = -1;
  std::vector<fs::path> made_folders;  // innermost first
  bool made_lock = false;
  bool committed = false;

  ~State() {
    std::error_code ignored;
    if (!committed && !aside.empty()) fs::remove_all(aside, ignored);
    if (!committed && made_lock) fs::remove(Join(folder, "LOCK"), ignored);
    if (!committed)
      for (const fs::path& made : made_folders) fs::remove(made, ignored);
    if (lock >= 0) ::close(lock);
  }

  /// Makes the folder and those above it that are missing.
  Status MakeFolders() {
    std::error_code error;
    std::vector<fs::path> missing;
    for (fs::path at = fs::path(folder); !at.empty() && !fs::exists(at, error);
         at = at.parent_path()) {
      if (error) return IoError(folder, "create the folder", error.value());
      if (at.has_filename()) missing.push_back(at);
    }
    for (auto at = missing.rbegin(); at != missing.rend(); ++at) {
      if (fs::create_directory(*at, error)) made_folders.insert(made_folders.begin(), *at);
      if (error) return IoError(folder, "create the folder", error.value());
    }
    return {};
  }
};

IndexFolderWriter::IndexFolderWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
IndexFolderWriter::IndexFolderWriter(IndexFolderWriter&&) noexcept = default;
IndexFolderWriter& IndexFolderWriter::operator=(IndexFolderWriter&&) noexcept = default;
IndexFolderWriter::~IndexFolderWriter() = default;

Result<IndexFolderWriter> IndexFolderWriter::Begin(const std::string& folder) {
  if (folder.empty())
    return Status(Code::kInvalidArgument, "the index folder has no name", {.field = "out"});
  auto state = std::make_unique<State>();
  state->folder = folder;
  std::error_code error;
  bool empty = true;
  if (!fs::exists(folder, error)) {
    EQUIPOISE_RETURN_IF_ERROR(state->MakeFolders());
  } else if (!fs::is_directory(folder, error)) {
    return Status(Code::kInvalidArgument, "is a file; an index is a folder", {.file = folder});
  } else {
    EQUIPOISE_ASSIGN_OR_RETURN(const auto names, Entries(folder));
    if (!IsOurs(folder, names))
      return Status(Code::kInvalidArgument,
                    "holds files that are not an index, and they are left alone; name an empty or "
                    "a new folder",
                    {.file = folder});
    empty = names.empty();
  }

  const std::string lock = Join(folder, "LOCK");
  state->lock = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (state->lock < 0) return IoError(lock, "create", errno);
  // A writer that gives up removes the LOCK that it made: holding that one guards nothing.
  if (::flock(state->lock, LOCK_EX | LOCK_NB) != 0 || !IsStillAt(state->lock, lock)) {
    state->made_folders.clear();  // the other process has its LOCK in there
    return Status(Code::kUnavailable, "another process is writing this index; wait for it",
                  {.file = folder});
  }
  state->made_lock = empty;

  std::uint64_t newest = 0;
  EQUIPOISE_ASSIGN_OR_RETURN(const auto names, Entries(folder));
  for (const std::string& name : names) {
    newest = std::max(newest, GenerationNumber(name).value_or(0));
    // What a killed writer left; nobody else writes here while we hold the lock.
    if (GenerationNumber(name) && name.ends_with(kPartial)) {
      std::error_code ignored;
      fs::remove_all(Join(folder, name), ignored);
    }
  }
  state->generation = fmt::format("{}{}", kGeneration, newest + 1);
  state->aside = Join(folder, state->generation + std::string(kPartial));
  if (!fs::create_directory(state->aside, error))
    return IoError(state->aside, "create the folder", error.value());
  return IndexFolderWriter(std::move(state));
}

std::string IndexFolderWriter::PathOf(std::string_view name) const {
  return Join(state_->aside, name);
}

Status IndexFolderWriter::Commit(const std::vector<std::string>& names, std::string_view settings) {
  State& s = *state_;
  json object;
  object["library_version"] = Version();
  object["generation"] = s.generation;
  object["settings"] = json::parse(settings, nullptr, false);
  if (!object["settings"].is_object())
    return Status(Code::kInternal, "the settings of an index are not a JSON object");
  object["files"] = json::array();
  for (const std::string& name : names) {
    EQUIPOISE_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(PathOf(name)));
    if (file.bytes().size() < 64) return Status(Code::kInternal, name + " is not a checked file");
    std::uint64_t checksum = 0;
    std::memcpy(&checksum, file.bytes().data() + 56, sizeof(checksum));
    object["files"].push_back(
        {{"name", name}, {"bytes", file.bytes().size()}, {"checksum", Hex(checksum)}});
  }
  EQUIPOISE_RETURN_IF_ERROR(SyncFolder(s.aside));

  const std::string final_path = Join(s.folder, s.generation);
  if (::rename(s.aside.c_str(), final_path.c_str()) != 0)
    return IoError(final_path, "rename", errno);
  s.aside = final_path;  // still removed if the manifest cannot be written
  // A manifest must not reach the disk before what it names.
  EQUIPOISE_RETURN_IF_ERROR(SyncFolder(s.folder));
  std::string text = fmt::format("{}{}\n{}\n", kMagic, kIndexFormatVersion, object.dump(2));
  text += fmt::format("{}{}\n", kTrailer, Hex(Checksum(std::as_bytes(std::span(text)))));
  EQUIPOISE_RETURN_IF_ERROR(Replace(Join(s.folder, "MANIFEST"), text));
  // From here on readers see the new generation, so that nothing below may take it away again. The
  // older one stays until it is sure that the disk has the new manifest.
  s.committed = true;
  EQUIPOISE_RETURN_IF_ERROR(SyncFolder(s.folder));
  for (const fs::path& made : s.made_folders) {
    const std::string above = made.parent_path().string();
    EQUIPOISE_RETURN_IF_ERROR(SyncFolder(above.empty() ? "." : above));
  }

  // Readers that still have the older generation open keep their mappings. What cannot be removed
  // now is removed by the next writer.
  if (const auto entries = Entries(s.folder); entries.ok()) {
    for (const std::string& name : *entries) {
      std::error_code ignored;
      if (GenerationNumber(name) && name != s.generation)
        fs::remove_all(Join(s.folder, name), ignored);
    }
  }
  return {};
}

}  // namespace equipoise
