#include "fuzz_target.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <unistd.h>

#include <equipoise/core/checked_file.h>
#include <equipoise/retrieval/text.h>

namespace equipoise::fuzz {
namespace {

std::uint64_t ChecksumOf(const std::string& file, std::size_t from, std::size_t bytes) {
  return Checksum(std::as_bytes(std::span(file).subspan(from, bytes)));
}

template <typename T>
T Get(const std::string& file, std::size_t at) {
  T out;
  std::memcpy(&out, file.data() + at, sizeof(T));
  return out;
}

template <typename T>
void Set(std::string* file, std::size_t at, T value) {
  std::memcpy(file->data() + at, &value, sizeof(T));
}

}  // namespace

std::span<const Target> AllTargets() {
  static const std::vector<Target> all = [] {
    std::vector<Target> out;
    for (const auto& part :
         {TextTargets(), MatrixTargets(), CheckedFileTargets(), AnalyzerTargets(), QueryTargets(),
          IndexPartTargets(), CollectionTargets(), DomainTargets(), FeedbackTargets(),
          FilterTargets(), PolicyTargets(), LearningTargets(), TuningTargets()})
      out.insert(out.end(), part.begin(), part.end());
    return out;
  }();
  return all;
}

const Target* FindTarget(std::string_view name) {
  for (const Target& target : AllTargets())
    if (target.name == name) return &target;
  return nullptr;
}

void Broken(const char* file, int line, const char* promise, const std::string& detail) {
  fmt::print(stderr, "{}:{}: broken promise: {} ({})\n", file, line, promise, detail);
  std::abort();
}

void RequireCode(const Status& status, std::initializer_list<Code> allowed) {
  const std::string text = status.ToString();
  EQUIPOISE_FUZZ_REQUIRE(
      status.ok() || std::find(allowed.begin(), allowed.end(), status.code()) != allowed.end(),
      text);
  EQUIPOISE_FUZZ_REQUIRE(IsValidUtf8(text), text);
}

// In memory where there is such a folder: a fuzzer writes thousands of files a second.
Folder::Folder(std::string_view name)
    : root_((std::filesystem::is_directory("/dev/shm") ? std::filesystem::path("/dev/shm")
                                                       : std::filesystem::temp_directory_path()) /
            fmt::format("equipoise_fuzz_{}_{}", name, ::getpid())) {
  std::filesystem::create_directories(root_);
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

std::string Folder::Write(std::string_view name, std::string_view bytes) const {
  std::string to = path(name);
  std::ofstream out(to, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  EQUIPOISE_FUZZ_REQUIRE(out.good(), to);
  return to;
}

std::string ReadBytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The layout of core/src/checked_file.cc, written down a second time: where that changes, this has
// to follow, or no mutation gets past the checksums any more.
void FixChecksums(std::string* file) {
  constexpr std::size_t kHeader = 64, kEntry = 48, kName = 24;
  if (file->size() < kHeader) return;
  std::memcpy(file->data(), "EQPCFILE", 8);
  const std::uint64_t most = (file->size() - kHeader) / kEntry;
  const std::uint64_t sections = std::min<std::uint64_t>({Get<std::uint32_t>(*file, 12), most, 64});
  const std::uint64_t table = file->size() - sections * kEntry;
  std::uint64_t end = kHeader;
  for (std::uint64_t i = 0; i < sections; ++i) {
    const std::size_t entry = table + i * kEntry;
    auto offset = Get<std::uint64_t>(*file, entry + kName);
    if (offset % 64 != 0 || offset < end || offset > table)
      offset = std::min((end + 63) / 64 * 64, table / 64 * 64);
    const auto bytes = std::min(Get<std::uint64_t>(*file, entry + kName + 8), table - offset);
    Set(file, entry + kName, offset);
    Set(file, entry + kName + 8, bytes);
    Set(file, entry + kName + 16, ChecksumOf(*file, offset, bytes));
    end = offset + bytes;
  }
  Set(file, 12, static_cast<std::uint32_t>(sections));
  Set(file, 32, table);
  Set(file, 40, std::uint64_t{file->size()});
  Set(file, 48, ChecksumOf(*file, table, file->size() - table));
  Set(file, 56, ChecksumOf(*file, 0, 56));
}

}  // namespace equipoise::fuzz
