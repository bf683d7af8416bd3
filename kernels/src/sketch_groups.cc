#include <algorithm>
#include <cstring>
#include <limits>

#include <equipoise/kernels/link_sketch.h>
#include <equipoise/kernels/sketch.h>
#include <equipoise/kernels/sketch_groups.h>

#include "cpu/sketch_table.h"

namespace equipoise {

void GroupSketches(const std::byte* records, std::size_t count, std::size_t dim, std::byte* group) {
  const std::size_t bytes = SketchBytes(dim), units = (dim + 7) / 8;
  std::memset(group, 0, LinkGroupBytes(dim));
  float factors[kLinkGroup] = {}, addends[kLinkGroup];
  std::fill_n(addends, kLinkGroup, std::numeric_limits<float>::infinity());
  for (std::size_t lane = 0; lane < std::min(count, kLinkGroup); ++lane, records += bytes) {
    SketchHeader header;
    std::memcpy(&header, records, sizeof(header));
    factors[lane] = header.factor;
    addends[lane] = header.add;
    const std::byte* bits = records + kSketchHeader;
    // Four bits of values 4 at ..; a record ends in zeros.
    const auto four = [bits](std::size_t at) {
      return (bits[at / 2] >> (4 * (at % 2))) & std::byte{15};
    };
    for (std::size_t i = 0; i < units; ++i)
      group[i * kLinkGroup + lane] = four(i) | (four(units + i) << 4);
  }
  std::memcpy(group + units * kLinkGroup, factors, sizeof(factors));
  std::memcpy(group + units * kLinkGroup + sizeof(factors), addends, sizeof(addends));
}

}  // namespace equipoise
