/// Changes to inputs as fuzzers make them, but the same ones every time.
#pragma once

#include <span>
#include <string>

#include <equipoise/core/random.h>

namespace equipoise::fuzz {

/// One of `seeds` with one to eight changes: flipped bits, other bytes and numbers, pieces cut out,
/// doubled, moved or taken from another seed, a cut end.
std::string Mutate(std::span<const std::string> seeds, Random* random);

}  // namespace equipoise::fuzz
