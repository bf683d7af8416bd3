// A domain detector as a checked file.
//
// Sections: "settings" (numbers, in the order of Settings), "names" and "name_offsets", "first",
// "weights", "offsets", "priors", "calibration" and "trials".
#include <cmath>
#include <filesystem>
#include <new>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <equipoise/core/atomic_file.h>
#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>

#include "domain_state.h"

namespace equipoise {
namespace {

constexpr std::string_view kKind = "domains";
constexpr std::uint32_t kVersion = 1;

struct Settings {
  std::uint64_t dim = 0;
  std::uint64_t rows = 0;
  std::uint64_t left_out = 0;
  std::uint64_t updates = 0;
  std::uint32_t method = 0;
  std::uint32_t source = 0;
  std::uint32_t int8 = 0;
  std::uint32_t padding = 0;
  double threshold = 0;
  double held_out_accuracy = 0;
  double row_range = 0;
};
static_assert(sizeof(Settings) == 72);

struct StoredTrial {
  std::uint32_t method = 0;
  std::uint32_t prototypes = 0;
  float step = 0;
  float accuracy = 0;
  float below_best = 0;
  float standard_error = 0;
  std::uint32_t topics = 0;
  std::uint32_t chosen = 0;
};
static_assert(sizeof(StoredTrial) == 32);

// sharpness, theta, precision, nearness
constexpr std::size_t kCalibrationNumbers = 1 + 4 + 16 + 1;

Status Damaged(const std::string& path, std::string_view what) {
  return Status(Code::kCorruption, fmt::format("{}; fit the domains again", what), {.file = path});
}

template <typename T>
bool AllModest(std::span<const T> values) {
  // Far above what Fit makes, far below what overflows in a product.
  constexpr T kLargest = 1e9;
  return std::all_of(values.begin(), values.end(),
                     [=](T value) { return value >= -kLargest && value <= kLargest; });
}

template <typename T>
Status Read(const CheckedFile& file, std::string_view name, std::size_t count,
            std::vector<T>* out) {
  EQUIPOISE_ASSIGN_OR_RETURN(const std::span<const T> values, file.SectionOf<T>(name, count));
  out->assign(values.begin(), values.end());
  if constexpr (std::is_floating_point_v<T>)
    if (!AllModest(values))
      return Damaged(file.path(), fmt::format("section \"{}\" has a number out of range", name));
  return {};
}

Status ReadNames(const CheckedFile& file, std::vector<std::string>* names) {
  EQUIPOISE_ASSIGN_OR_RETURN(const auto text, file.SectionOf<char>("names"));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto offsets, file.SectionOf<std::uint64_t>("name_offsets"));
  if (offsets.size() < 3 || offsets.size() - 1 > domain::kMaxDomains || offsets.front() != 0 ||
      offsets.back() != text.size())
    return Damaged(file.path(), "the domains' names are damaged");
  for (std::size_t c = 0; c + 1 < offsets.size(); ++c) {
    if (offsets[c] >= offsets[c + 1] || offsets[c + 1] > text.size())
      return Damaged(file.path(), "the domains' names are damaged");
    names->emplace_back(text.data() + offsets[c], text.data() + offsets[c + 1]);
    if (c > 0 && !((*names)[c - 1] < (*names)[c]))
      return Damaged(file.path(), "the domains' names are out of order");
  }
  return {};
}

}  // namespace

Status DomainDetector::Save(const std::string& path) const try {
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode))
    return Status(Code::kInvalidArgument, "exists and is not a regular file; name another path",
                  {.file = path});
  const State& s = *state_;
  const std::string aside = AsideName(path);
  {
    // The writer removes what is not finished.
    EQUIPOISE_ASSIGN_OR_RETURN(CheckedFileWriter file,
                               CheckedFileWriter::Create(aside, kKind, kVersion));
    const Settings settings{.dim = s.prototypes.dim,
                            .rows = s.info.rows,
                            .left_out = s.info.left_out,
                            .updates = s.info.updates,
                            .method = static_cast<std::uint32_t>(s.info.method),
                            .source = static_cast<std::uint32_t>(s.info.source),
                            .int8 = s.info.int8 ? 1u : 0u,
                            .threshold = s.info.threshold,
                            .held_out_accuracy = s.info.held_out_accuracy,
                            .row_range = double{s.row_range}};
    EQUIPOISE_RETURN_IF_ERROR(file.Section<Settings>("settings", std::span(&settings, 1)));
    std::string names;
    std::vector<std::uint64_t> offsets{0};
    for (const std::string& name : s.names) {
      names += name;
      offsets.push_back(names.size());
    }
    EQUIPOISE_RETURN_IF_ERROR(file.Section<char>("names", names));
    EQUIPOISE_RETURN_IF_ERROR(file.Section<std::uint64_t>("name_offsets", offsets));
    EQUIPOISE_RETURN_IF_ERROR(file.Section<std::uint32_t>("first", s.prototypes.first));
    EQUIPOISE_RETURN_IF_ERROR(file.Section<float>("weights", s.prototypes.weights));
    EQUIPOISE_RETURN_IF_ERROR(file.Section<float>("offsets", s.prototypes.offsets));
    EQUIPOISE_RETURN_IF_ERROR(file.Section<double>("priors", s.info.priors));
    std::vector<double> calibration = {s.calibration.sharpness};
    calibration.insert(calibration.end(), s.calibration.theta.begin(), s.calibration.theta.end());
    calibration.insert(calibration.end(), s.calibration.precision.begin(),
                       s.calibration.precision.end());
    calibration.push_back(s.calibration.nearness);
    EQUIPOISE_RETURN_IF_ERROR(file.Section<double>("calibration", calibration));
    std::vector<StoredTrial> trials;
    for (const DomainTrial& t : s.info.trials)
      trials.push_back({static_cast<std::uint32_t>(t.method), t.prototypes, t.step, t.accuracy,
                        t.below_best, t.standard_error, t.topics, t.chosen});
    EQUIPOISE_RETURN_IF_ERROR(file.Section<StoredTrial>("trials", trials));
    EQUIPOISE_RETURN_IF_ERROR(file.Finish());
  }
  std::error_code error;
  std::filesystem::rename(aside, path, error);
  if (!error) return {};
  ::unlink(aside.c_str());
  return Status(Code::kIo, fmt::format("cannot replace: {}", error.message()), {.file = path});
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory to write the domain detector");
}

Result<DomainDetector> DomainDetector::Load(const std::string& path,
                                            const SimilarityOptions& similarity) try {
  EQUIPOISE_ASSIGN_OR_RETURN(const CheckedFile file, CheckedFile::Open(path, kKind, kVersion));
  EQUIPOISE_RETURN_IF_ERROR(file.Verify());
  EQUIPOISE_ASSIGN_OR_RETURN(const auto stored, file.SectionOf<Settings>("settings", 1));
  const Settings& settings = stored[0];
  auto state = std::make_unique<State>();
  State& s = *state;
  EQUIPOISE_RETURN_IF_ERROR(ReadNames(file, &s.names));
  const std::size_t domains = s.names.size();
  const bool fine = settings.dim >= 1 && settings.dim <= domain::kMaxDimensions &&
                    settings.method >= 1 && settings.method <= 3 && settings.source <= 1 &&
                    settings.int8 <= 1 && settings.threshold >= 0 && settings.threshold <= 1 &&
                    settings.row_range > 0 && settings.row_range <= 1.001 &&
                    settings.held_out_accuracy >= 0 && settings.held_out_accuracy <= 1.001;
  if (!fine) return Damaged(path, "a setting is out of range");

  domain::Prototypes& p = s.prototypes;
  p.dim = static_cast<std::size_t>(settings.dim);
  EQUIPOISE_RETURN_IF_ERROR(Read(file, "first", domains + 1, &p.first));
  if (p.first[0] != 0) return Damaged(path, "the prototypes are out of order");
  for (std::size_t c = 0; c < domains; ++c)
    if (p.first[c] >= p.first[c + 1]) return Damaged(path, "the prototypes are out of order");
  EQUIPOISE_RETURN_IF_ERROR(Read(file, "offsets", p.first.back(), &p.offsets));
  EQUIPOISE_RETURN_IF_ERROR(Read(file, "weights", std::size_t{p.first.back()} * p.dim, &p.weights));
  EQUIPOISE_RETURN_IF_ERROR(Read(file, "priors", domains, &s.info.priors));
  for (const double prior : s.info.priors)
    if (!(prior > 0 && prior <= 1)) return Damaged(path, "a prior is out of range");

  std::vector<double> calibration;
  EQUIPOISE_RETURN_IF_ERROR(Read(file, "calibration", kCalibrationNumbers, &calibration));
  s.calibration.sharpness = calibration[0];
  if (!(calibration[0] > 1e-3 && calibration[0] < 1e3))
    return Damaged(path, "the temperature is out of range");
  std::copy_n(calibration.begin() + 1, 4, s.calibration.theta.begin());
  std::copy_n(calibration.begin() + 5, 16, s.calibration.precision.begin());
  s.calibration.nearness = calibration.back();

  EQUIPOISE_ASSIGN_OR_RETURN(const auto trials, file.SectionOf<StoredTrial>("trials"));
  for (const StoredTrial& t : trials) {
    if (t.method < 1 || t.method > 3) return Damaged(path, "a trial is out of range");
    s.info.trials.push_back({static_cast<DomainMethod>(t.method), t.prototypes, t.step, t.accuracy,
                             t.below_best, t.standard_error, t.topics, t.chosen});
  }
  s.info.rows = static_cast<std::size_t>(settings.rows);
  s.info.left_out = static_cast<std::size_t>(settings.left_out);
  s.info.updates = settings.updates;
  s.info.method = static_cast<DomainMethod>(settings.method);
  s.info.source = static_cast<DomainSource>(settings.source);
  s.info.int8 = settings.int8 == 1;
  s.info.threshold = settings.threshold;
  s.info.held_out_accuracy = settings.held_out_accuracy;
  s.row_range = static_cast<float>(settings.row_range);
  s.similarity = similarity;
  return State::Make(std::move(state));
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory to read the domain detector");
}

}  // namespace equipoise
