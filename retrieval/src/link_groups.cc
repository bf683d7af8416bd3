#include "link_groups.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <new>

#include <equipoise/core/parallel.h>

namespace equipoise {

Result<std::vector<std::byte>> MakeLinkGroups(const StoredRows& rows, const HnswLinks& links,
                                              const LinkSketcher& sketcher, int threads) {
  const std::size_t d = sketcher.dim(), bytes = LinkGroupBytes(d);
  std::vector<std::byte> out(links.link_count() / kLinkGroup * bytes);
  std::atomic<bool> failed{false};
  ParallelFor(links.rows(), threads, [&](std::size_t begin, std::size_t end, int) {
    try {
      std::vector<float> row(d), neighbors(kLinkGroup * d);
      for (std::size_t i = begin; i < end; ++i) {
        bool bad = false;
        const auto from = static_cast<std::uint32_t>(i);
        const auto list = links.Base(from, &bad);
        if (list.empty()) continue;
        rows.Read(from, row.data());
        std::byte* group = out.data() + links.BaseStart(from) / kLinkGroup * bytes;
        for (std::size_t at = 0; at < list.size(); at += kLinkGroup, group += bytes) {
          // Padding, the row's own number, comes last.
          std::size_t count = 0;
          for (; count < kLinkGroup && list[at + count] != from; ++count)
            rows.Read(list[at + count], neighbors.data() + count * d);
          if (!sketcher.Encode(row.data(), neighbors.data(), count, group).ok()) failed = true;
        }
      }
    } catch (const std::bad_alloc&) {
      failed = true;
    }
  });
  if (failed) return Status(Code::kOutOfMemory, "not enough memory to build the vector index");
  return out;
}

}  // namespace equipoise
