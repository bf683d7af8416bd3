// A domain detector with its checksums right: detection and learning on whatever was read.
#include <cmath>

#include <equipoise/retrieval/domain_detector.h>

#include "fuzz_target.h"

namespace equipoise::fuzz {
namespace {

constexpr std::size_t kRows = 6;

std::vector<float> Rows(std::size_t dim) {
  std::vector<float> out(kRows * dim);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>((i * 7 + i / dim) % 5);
  return out;
}

void Use(DomainDetector* detector) {
  const std::size_t dim = detector->dimensions();
  const std::size_t domains = detector->domains().size();
  const std::vector<float> rows = Rows(dim);
  const MatrixView<float> view(rows.data(), kRows, dim);
  std::vector<DomainGuess> guesses(kRows);
  // Numbers near the end of their range may overflow to a product that is none.
  const Status status = detector->Detect(view, guesses);
  RequireCode(status, {Code::kInvalidArgument});
  if (status.ok())
    for (const DomainGuess& guess : guesses)
      EQUIPOISE_FUZZ_REQUIRE(guess.domain < domains && guess.second < domains &&
                                 guess.probability >= 0 && guess.probability <= 1 &&
                                 guess.margin >= 0,
                             "");
  std::vector<float> all(kRows * domains);
  RequireCode(detector->Probabilities(view, all), {Code::kInvalidArgument});
}

void RunDomains(std::string_view input) {
  static const Folder folder("domains");
  RequireCode(DomainDetector::Load(folder.Write("as_given", input)).error(),
              {Code::kCorruption, Code::kUnsupported});
  std::string fixed(input);
  FixChecksums(&fixed);
  auto detector = DomainDetector::Load(folder.Write("fixed", fixed));
  RequireCode(detector.error(), {Code::kCorruption, Code::kUnsupported, Code::kInvalidArgument});
  if (!detector.ok()) return;
  Use(&*detector);
  const std::vector<float> rows = Rows(detector->dimensions());
  const std::vector<std::string_view> labels = {"a", "b", "new", "a", "b", "new"};
  const Status updated =
      detector->Update(MatrixView<float>(rows.data(), kRows, detector->dimensions()), labels);
  RequireCode(updated, {Code::kInvalidArgument});
  if (!updated.ok()) return;
  Use(&*detector);
  EQUIPOISE_FUZZ_REQUIRE(detector->Save(folder.path("saved")).ok(), "");
}

std::vector<std::string> DomainsSeeds() {
  static const Folder folder("domains_seeds");
  std::vector<std::string> out;
  for (const bool int8 : {false, true}) {
    std::vector<float> rows;
    std::vector<std::string_view> labels;
    for (std::size_t i = 0; i < 60; ++i) {
      rows.insert(rows.end(), {static_cast<float>(i % 2), static_cast<float>((i * i) % 7), 1});
      labels.push_back(i % 2 == 0 ? "a" : "b");
    }
    auto fitted =
        DomainDetector::Fit(MatrixView<float>(rows.data(), 60, 3), labels, {.int8 = int8});
    EQUIPOISE_FUZZ_REQUIRE(fitted.ok() && fitted->Save(folder.path("seed")).ok(), "");
    out.push_back(ReadBytes(folder.path("seed")));
  }
  return out;
}

}  // namespace

std::vector<Target> DomainTargets() { return {{"domains", RunDomains, DomainsSeeds, 1500}}; }

}  // namespace equipoise::fuzz
