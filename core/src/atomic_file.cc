#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <equipoise/core/atomic_file.h>
#include <equipoise/core/check.h>

namespace equipoise {
namespace {

constexpr std::size_t kBuffer = std::size_t{1} << 18;

}  // namespace

std::string AsideName(const std::string& path) {
  static std::atomic<unsigned> named{0};
  return fmt::format("{}.{}.{}.partial", path, ::getpid(), named.fetch_add(1));
}

AtomicFile::AtomicFile(std::string path, std::string aside)
    : path_(std::move(path)), aside_(aside.empty() ? AsideName(path_) : std::move(aside)) {}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (made_) ::unlink(aside_.c_str());
}

Status AtomicFile::Error(const char* what) const {
  return Status(Code::kIo,
                fmt::format("cannot {}: {}", what, std::generic_category().message(errno)),
                {.file = path_});
}

Status AtomicFile::Create() {
  struct stat info {};
  if (::stat(path_.c_str(), &info) == 0 && !S_ISREG(info.st_mode))
    return Status(Code::kInvalidArgument, "exists and is not a regular file; name another path",
                  {.file = path_});
  fd_ = ::open(aside_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd_ < 0) return Error("create");
  made_ = true;
  return {};
}

Status AtomicFile::Append(std::string_view bytes) {
  buffer_ += bytes;
  return buffer_.size() >= kBuffer ? Flush() : Status();
}

Status AtomicFile::Flush() {
  for (std::size_t at = 0; at < buffer_.size();) {
    const ssize_t written = ::write(fd_, buffer_.data() + at, buffer_.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Error("write");
    at += static_cast<std::size_t>(written);
  }
  buffer_.clear();
  return {};
}

Status AtomicFile::Publish() {
  EQUIPOISE_RETURN_IF_ERROR(Flush());
  if (::fsync(fd_) != 0) return Error("flush");
  if (::close(std::exchange(fd_, -1)) != 0) return Error("close");
  if (::rename(aside_.c_str(), path_.c_str()) != 0) return Error("rename");
  made_ = false;
  return {};
}

}  // namespace equipoise
