#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#define XXH_INLINE_ALL
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>

namespace equipoise {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr char kMagic[8] = {'E', 'Q', 'P', 'C', 'F', 'I', 'L', 'E'};

struct Header {
  char magic[8];
  std::uint32_t version;
  std::uint32_t sections;
  char kind[16];
  std::uint64_t table_offset;
  std::uint64_t file_bytes;
  std::uint64_t table_checksum;
  std::uint64_t header_checksum;  // of the 56 bytes before it
};
static_assert(sizeof(Header) == 64);

struct TableEntry {
  char name[24];
  std::uint64_t offset;
  std::uint64_t bytes;
  std::uint64_t checksum;
};
static_assert(sizeof(TableEntry) == 48);

std::uint64_t HeaderChecksum(const Header& header) {
  return XXH3_64bits(&header, offsetof(Header, header_checksum));
}

Status IoError(const std::string& path, const char* what, int error) {
  return Status(Code::kIo,
                fmt::format("cannot {}: {}", what, std::generic_category().message(error)),
                {.file = path});
}

Status Corrupt(const std::string& path, std::string message) {
  return Status(Code::kCorruption, std::move(message), {.file = path});
}

}  // namespace

std::uint64_t Checksum(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

// MappedFile

Result<MappedFile> MappedFile::Open(const std::string& path) {
  // Without O_NONBLOCK a named pipe would be waited for before it can be refused.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR)
      return Status(Code::kNotFound, "no such file", {.file = path});
    return IoError(path, "open", errno);
  }
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    const int error = errno;
    ::close(fd);
    return IoError(path, "stat", error);
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(fd);
    return Status(Code::kIo, "not a regular file", {.file = path});
  }
  MappedFile file;
  file.path_ = path;
  file.size_ = static_cast<std::size_t>(info.st_size);
  if (file.size_ > 0) {
    void* address = ::mmap(nullptr, file.size_, PROT_READ, MAP_SHARED, fd, 0);
    const int error = errno;
    if (address == MAP_FAILED) {
      file.size_ = 0;
      ::close(fd);
      return IoError(path, "map", error);
    }
    file.data_ = static_cast<const std::byte*>(address);
  }
  ::close(fd);
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(path_, other.path_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

// CheckedFileWriter

struct CheckedFileWriter::State {
  std::string path;
  Header header{};
  int fd = -1;
  bool finished = false;
  Status error;
  std::uint64_t offset = 0;
  std::vector<std::byte> buffer;
  std::vector<TableEntry> table;
  XXH3_state_t* hash = nullptr;

  ~State() {
    if (fd >= 0) ::close(fd);
    if (!finished) ::unlink(path.c_str());
    if (hash != nullptr) XXH3_freeState(hash);
  }

  Status WriteOut(const std::byte* data, std::size_t size) {
    while (size > 0) {
      const ssize_t written = ::write(fd, data, size);
      if (written < 0) {
        if (errno == EINTR) continue;
        return error = IoError(path, "write", errno);
      }
      data += written;
      size -= static_cast<std::size_t>(written);
    }
    return {};
  }

  Status Flush() {
    EQUIPOISE_RETURN_IF_ERROR(WriteOut(buffer.data(), buffer.size()));
    buffer.clear();
    return {};
  }

  // Written in whole huge pages, each where one begins: file systems that have large folios (XFS, ext4 since
  // Linux 6.16, tmpfs mounted with huge=) can then keep the file in such pages, and map it by them.
  Status Put(std::span<const std::byte> bytes) {
    constexpr std::size_t kHugePage = std::size_t{2} << 20;
    offset += bytes.size();
    while (!bytes.empty()) {
      if (buffer.empty() && bytes.size() >= kHugePage) {
        const std::size_t whole = bytes.size() / kHugePage * kHugePage;
        EQUIPOISE_RETURN_IF_ERROR(WriteOut(bytes.data(), whole));
        bytes = bytes.subspan(whole);
        continue;
      }
      const auto taken = bytes.first(std::min(bytes.size(), kHugePage - buffer.size()));
      buffer.insert(buffer.end(), taken.begin(), taken.end());
      bytes = bytes.subspan(taken.size());
      if (buffer.size() == kHugePage) EQUIPOISE_RETURN_IF_ERROR(Flush());
    }
    return {};
  }

  Status Pad() {
    static constexpr std::byte kZeros[kAlignment] = {};
    const std::size_t missing = (kAlignment - offset % kAlignment) % kAlignment;
    return Put(std::span(kZeros, missing));
  }

  void EndSection() {
    if (!table.empty()) table.back().checksum = XXH3_64bits_digest(hash);
  }
};

CheckedFileWriter::CheckedFileWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
CheckedFileWriter::CheckedFileWriter(CheckedFileWriter&&) noexcept = default;
CheckedFileWriter& CheckedFileWriter::operator=(CheckedFileWriter&&) noexcept = default;
CheckedFileWriter::~CheckedFileWriter() = default;

Result<CheckedFileWriter> CheckedFileWriter::Create(const std::string& path, std::string_view kind,
                                                    std::uint32_t version) {
  EQUIPOISE_CHECK_RANGE("CheckedFileWriter::Create", kind.size(), std::size_t{1}, std::size_t{15});
  auto state = std::make_unique<State>();
  state->path = path;
  state->finished = true;  // nothing of ours to remove until the file is made
  state->fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (state->fd < 0) return IoError(path, "create", errno);
  // Only a regular file is ours to remove: a device such as /dev/full is not.
  struct stat info {};
  state->finished = ::fstat(state->fd, &info) != 0 || !S_ISREG(info.st_mode);
  std::memcpy(state->header.magic, kMagic, sizeof(kMagic));
  std::memcpy(state->header.kind, kind.data(), kind.size());
  state->header.version = version;
  state->hash = XXH3_createState();
  if (state->hash == nullptr) return Status(Code::kOutOfMemory, "no memory for a checksum");
  EQUIPOISE_RETURN_IF_ERROR(state->Put(std::as_bytes(std::span(&state->header, 1))));
  return CheckedFileWriter(std::move(state));
}

Status CheckedFileWriter::BeginSection(std::string_view name) {
  State& s = *state_;
  if (!s.error.ok()) return s.error;
  EQUIPOISE_CHECK_RANGE("BeginSection", name.size(), std::size_t{1}, sizeof(TableEntry::name) - 1);
  s.EndSection();
  EQUIPOISE_RETURN_IF_ERROR(s.Pad());
  TableEntry entry{};
  std::memcpy(entry.name, name.data(), name.size());
  entry.offset = s.offset;
  s.table.push_back(entry);
  XXH3_64bits_reset(s.hash);
  return {};
}

Status CheckedFileWriter::Append(std::span<const std::byte> bytes) {
  State& s = *state_;
  if (!s.error.ok()) return s.error;
  if (s.table.empty()) return Status(Code::kInternal, "Append before BeginSection");
  if (bytes.empty()) return {};
  XXH3_64bits_update(s.hash, bytes.data(), bytes.size());
  s.table.back().bytes += bytes.size();
  return s.Put(bytes);
}

Status CheckedFileWriter::Finish() {
  State& s = *state_;
  if (!s.error.ok()) return s.error;
  s.EndSection();
  EQUIPOISE_RETURN_IF_ERROR(s.Pad());
  const auto table = std::as_bytes(std::span(s.table));
  s.header.sections = static_cast<std::uint32_t>(s.table.size());
  s.header.table_offset = s.offset;
  s.header.table_checksum = Checksum(table);
  EQUIPOISE_RETURN_IF_ERROR(s.Put(table));
  s.header.file_bytes = s.offset;
  s.header.header_checksum = HeaderChecksum(s.header);
  EQUIPOISE_RETURN_IF_ERROR(s.Flush());
  if (::lseek(s.fd, 0, SEEK_SET) != 0) return s.error = IoError(s.path, "seek", errno);
  EQUIPOISE_RETURN_IF_ERROR(
      s.WriteOut(reinterpret_cast<const std::byte*>(&s.header), sizeof(s.header)));
  if (::fsync(s.fd) != 0) return s.error = IoError(s.path, "flush", errno);
  const int fd = std::exchange(s.fd, -1);
  if (::close(fd) != 0) return s.error = IoError(s.path, "close", errno);
  s.finished = true;
  return {};
}

// CheckedFile

Result<CheckedFile> CheckedFile::Open(const std::string& path, std::string_view kind,
                                      std::uint32_t max_version) {
  CheckedFile out;
  EQUIPOISE_ASSIGN_OR_RETURN(out.file_, MappedFile::Open(path));
  const auto bytes = out.file_.bytes();
  Header header;
  if (bytes.size() < sizeof(header)) return Corrupt(path, "too short: the file has been cut");
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0)
    return Corrupt(path, "not an Equipoise file, or its first bytes have changed");
  if (header.header_checksum != HeaderChecksum(header))
    return Corrupt(path, "the header's checksum does not match: bytes have changed");
  const std::string_view stored(header.kind, ::strnlen(header.kind, sizeof(header.kind)));
  if (stored != kind)
    return Corrupt(path, fmt::format("holds \"{}\" where \"{}\" is expected", stored, kind));
  if (header.version > max_version)
    return Status(Code::kUnsupported,
                  fmt::format("is of version {}, newer than the {} that this library reads; use a "
                              "newer equipoise",
                              header.version, max_version),
                  {.file = path});
  if (header.file_bytes != bytes.size())
    return Corrupt(
        path, fmt::format("has {} bytes where {} were written", bytes.size(), header.file_bytes));
  const std::uint64_t table_bytes = std::uint64_t{header.sections} * sizeof(TableEntry);
  if (header.table_offset < sizeof(Header) || header.table_offset > bytes.size() ||
      bytes.size() - header.table_offset != table_bytes)
    return Corrupt(path, "the table of sections is out of place");
  const auto table = bytes.subspan(header.table_offset);
  if (Checksum(table) != header.table_checksum)
    return Corrupt(path, "the table's checksum does not match: bytes have changed");
  std::uint64_t end = sizeof(Header);
  for (std::uint32_t i = 0; i < header.sections; ++i) {
    TableEntry entry;
    std::memcpy(&entry, table.data() + i * sizeof(entry), sizeof(entry));
    if (entry.offset % kAlignment != 0 || entry.offset < end ||
        entry.offset > header.table_offset || entry.bytes > header.table_offset - entry.offset)
      return Corrupt(path, "a section is out of place");
    end = entry.offset + entry.bytes;
    out.entries_.push_back({std::string(entry.name, ::strnlen(entry.name, sizeof(entry.name))),
                            entry.offset, entry.bytes, entry.checksum});
  }
  out.version_ = header.version;
  out.checksum_ = header.header_checksum;
  return out;
}

const CheckedFile::Entry* CheckedFile::Find(std::string_view name) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& e) { return e.name == name; });
  return found == entries_.end() ? nullptr : &*found;
}

std::uint64_t CheckedFile::ChecksumWithoutLast(std::string_view section) const {
  if (entries_.empty() || entries_.back().name != section) return checksum_;
  Header header;
  std::memcpy(&header, file_.bytes().data(), sizeof(header));
  const std::size_t table = (entries_.size() - 1) * sizeof(TableEntry);
  header.table_checksum = Checksum(file_.bytes().subspan(header.table_offset, table));
  header.sections -= 1;
  header.table_offset = entries_.back().offset;
  header.file_bytes = header.table_offset + table;
  return HeaderChecksum(header);
}

bool CheckedFile::Has(std::string_view name) const { return Find(name) != nullptr; }

Result<std::span<const std::byte>> CheckedFile::Section(std::string_view name) const {
  const Entry* entry = Find(name);
  if (entry == nullptr) return Corrupt(path(), fmt::format("has no section \"{}\"", name));
  return file_.bytes().subspan(entry->offset, entry->bytes);
}

Status CheckedFile::BadSize(std::string_view name, std::size_t bytes, std::size_t element) const {
  return Corrupt(path(), fmt::format("section \"{}\" has {} bytes, not the number of {}-byte items "
                                     "that belongs there",
                                     name, bytes, element));
}

Status CheckedFile::VerifySection(std::string_view name) const {
  const Entry* entry = Find(name);
  if (entry == nullptr) return Corrupt(path(), fmt::format("has no section \"{}\"", name));
  return VerifyEntry(*entry);
}

Status CheckedFile::VerifyEntry(const Entry& entry) const {
  if (Checksum(file_.bytes().subspan(entry.offset, entry.bytes)) == entry.checksum) return {};
  return Corrupt(path(), fmt::format("section \"{}\" has changed: its checksum does not match; "
                                     "build the index again",
                                     entry.name));
}

Status CheckedFile::Verify() const {
  std::uint64_t end = sizeof(Header);
  const auto bytes = file_.bytes();
  auto zero = [&](std::uint64_t from, std::uint64_t to) {
    return std::all_of(bytes.begin() + static_cast<std::ptrdiff_t>(from),
                       bytes.begin() + static_cast<std::ptrdiff_t>(to),
                       [](std::byte b) { return b == std::byte{0}; });
  };
  for (const Entry& entry : entries_) {
    if (!zero(end, entry.offset)) return Corrupt(path(), "padding has changed");
    EQUIPOISE_RETURN_IF_ERROR(VerifyEntry(entry));
    end = entry.offset + entry.bytes;
  }
  const std::uint64_t table = bytes.size() - entries_.size() * sizeof(TableEntry);
  if (!zero(end, table)) return Corrupt(path(), "padding has changed");
  return {};
}

std::vector<CheckedFile::SectionInfo> CheckedFile::Sections() const {
  std::vector<SectionInfo> out;
  for (const Entry& entry : entries_) out.push_back({entry.name, entry.bytes});
  return out;
}

}  // namespace equipoise
