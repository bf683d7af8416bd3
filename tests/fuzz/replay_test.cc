// The fuzzers' targets without a fuzzer: seeds, and the same mutations of them in every run, so that
// every build and every sanitizer exercises the readers.
#include <cstdlib>
#include <sstream>

#include <gtest/gtest.h>

#include "fuzz_target.h"
#include "mutate.h"

namespace equipoise::fuzz {
namespace {

/// Keeps an input where $EQUIPOISE_FUZZ_LAST names a file: after a crash it is the one that did it.
void Remember(const std::string& input) {
  static const char* const path = std::getenv("EQUIPOISE_FUZZ_LAST");
  if (path == nullptr) return;
  std::FILE* file = std::fopen(path, "wb");
  if (file == nullptr) return;
  std::fwrite(input.data(), 1, input.size(), file);
  std::fclose(file);
}

class FuzzReplay : public ::testing::TestWithParam<Target> {};

TEST_P(FuzzReplay, SeedsAndTheirMutationsEndWithAValueOrAStatus) {
  const Target& target = GetParam();
  const std::vector<std::string> seeds = target.seeds();
  ASSERT_FALSE(seeds.empty());
  target.run({});
  for (const std::string& seed : seeds) {
    Remember(seed);
    target.run(seed);
  }
  for (int round = 0; round < target.rounds; ++round) {
    Random random = Random::Stream(1, static_cast<std::uint64_t>(round));
    const std::string input = Mutate(seeds, &random);
    Remember(input);
    target.run(input);
  }
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzReplay, ::testing::ValuesIn(AllTargets()),
                         [](const auto& p) { return std::string(p.param.name); });

TEST(FuzzTargets, EachHasAFuzzer) {
  std::istringstream names(EQUIPOISE_FUZZ_TARGETS);
  std::vector<std::string> fuzzers, targets;
  for (std::string name; names >> name;) fuzzers.push_back(name);
  for (const Target& target : AllTargets()) targets.emplace_back(target.name);
  std::sort(fuzzers.begin(), fuzzers.end());
  std::sort(targets.begin(), targets.end());
  EXPECT_EQ(fuzzers, targets);
}

}  // namespace
}  // namespace equipoise::fuzz
