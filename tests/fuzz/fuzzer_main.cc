// libFuzzer's entry, compiled once for each target.
#include "fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const equipoise::fuzz::Target* const target =
      equipoise::fuzz::FindTarget(EQUIPOISE_FUZZ_TARGET);
  EQUIPOISE_FUZZ_REQUIRE(target != nullptr, EQUIPOISE_FUZZ_TARGET);
  target->run({reinterpret_cast<const char*>(data), size});
  return 0;
}
