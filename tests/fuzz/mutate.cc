#include "mutate.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace equipoise::fuzz {
namespace {

// Numbers at which sizes, offsets and counts go wrong.
constexpr std::array<std::uint64_t, 16> kNumbers = {
    0,
    1,
    2,
    63,
    64,
    255,
    0x7fff,
    0xffff,
    0x7fffffff,
    0x80000000,
    0xffffffff,
    0x100000000,
    0x7f800000,          // an infinite float
    0x7ff8000000000000,  // a double that is no number
    0x7fffffffffffffff,
    0xffffffffffffffff};

// What texts are made of, and what they should not hold.
constexpr std::array<std::string_view, 24> kTexts = {"\n",
                                                     "\t",
                                                     "\r",
                                                     " ",
                                                     "\"",
                                                     "\\",
                                                     "{",
                                                     "}",
                                                     "[",
                                                     "]",
                                                     ",",
                                                     ":",
                                                     "-",
                                                     "1e99",
                                                     "0x1",
                                                     "null",
                                                     "nan",
                                                     "\xff\xfe",
                                                     "\xed\xa0\x80",
                                                     "\xef\xbb\xbf",
                                                     "\\u0000",
                                                     "_id",
                                                     "1",
                                                     "99999999999999999999"};

}  // namespace

std::string Mutate(std::span<const std::string> seeds, Random* random) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random->Below(n)); };
  std::string out = seeds[below(seeds.size())];
  const std::size_t edits = std::size_t{1} << below(4);
  for (std::size_t edit = 0; edit < edits; ++edit) {
    const std::size_t at = below(out.size() + 1);
    const std::size_t length = std::min(out.size() - at, below(below(2) == 0 ? 8 : 200));
    switch (below(9)) {
      case 0:
        if (at < out.size()) out[at] = static_cast<char>(out[at] ^ (1 << below(8)));
        break;
      case 1:
        if (at < out.size()) out[at] = static_cast<char>(below(256));
        break;
      case 2:
      case 3: {
        // Numbers in binary files are aligned to their size.
        const std::size_t bytes = std::size_t{1} << below(4);
        const std::uint64_t number = kNumbers[below(kNumbers.size())];
        const std::size_t place = at / bytes * bytes;
        if (place + bytes <= out.size()) std::memcpy(out.data() + place, &number, bytes);
        break;
      }
      case 4:
        out.erase(at, length);
        break;
      case 5:
        out.insert(at, out.substr(at, length));
        break;
      case 6:
        out.insert(at, kTexts[below(kTexts.size())]);
        break;
      case 7: {
        const std::string& other = seeds[below(seeds.size())];
        out.replace(at, length, other.substr(below(other.size() + 1), length));
        break;
      }
      default:
        if (below(8) == 0) out.resize(at);
        break;
    }
  }
  return out;
}

}  // namespace equipoise::fuzz
