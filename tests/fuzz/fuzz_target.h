/// What a fuzzer feeds: one reader each, given any bytes, must end with a value or a Status.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <equipoise/core/status.h>

namespace equipoise::fuzz {

struct Target {
  std::string_view name;
  /// Reads the bytes and uses all that comes of them. Ends the program where a promise is broken.
  void (*run)(std::string_view input);
  /// Valid inputs, small ones first: what fuzzing starts from.
  std::vector<std::string> (*seeds)();
  /// Mutations that the tests try; fewer where one takes longer.
  int rounds = 4000;
};

/// Every target of this folder.
std::span<const Target> AllTargets();
/// The target of this name, or null.
const Target* FindTarget(std::string_view name);

/// Ends the program, which fuzzers and tests report as they do a crash.
[[noreturn]] void Broken(const char* file, int line, const char* promise,
                         const std::string& detail);

#define EQUIPOISE_FUZZ_REQUIRE(condition, detail)                                     \
  do {                                                                                \
    if (!(condition))                                                                 \
      ::equipoise::fuzz::Broken(__FILE__, __LINE__, #condition, std::string(detail)); \
  } while (false)

/// Requires that the status is ok or one of these, and that its text is one line of valid UTF-8.
void RequireCode(const Status& status, std::initializer_list<Code> allowed);

/// A folder of its own for one target, removed when the program ends.
class Folder {
 public:
  explicit Folder(std::string_view name);
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string path(std::string_view name = {}) const { return (root_ / name).string(); }
  std::string Write(std::string_view name, std::string_view bytes) const;

 private:
  std::filesystem::path root_;
};

std::string ReadBytes(const std::string& path);

/// Makes the checksums of a checked file right for the bytes that it has, and moves its sections to
/// where they can be, so that what lies behind the checksums is reached.
void FixChecksums(std::string* file);

// The targets, by the file that holds them.
std::vector<Target> TextTargets();
std::vector<Target> MatrixTargets();
std::vector<Target> CheckedFileTargets();
std::vector<Target> AnalyzerTargets();
std::vector<Target> QueryTargets();
std::vector<Target> IndexPartTargets();
std::vector<Target> CollectionTargets();
std::vector<Target> DomainTargets();
std::vector<Target> FeedbackTargets();
std::vector<Target> FilterTargets();
std::vector<Target> PolicyTargets();
std::vector<Target> LearningTargets();
std::vector<Target> TuningTargets();

}  // namespace equipoise::fuzz
