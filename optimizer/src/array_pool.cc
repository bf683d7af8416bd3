#include "array_pool.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace equipoise {
namespace {

// What a filter may hold between calls.
constexpr std::size_t kMostKept = std::size_t{64} << 20;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

ArrayPool::~ArrayPool() {
  for (const Block& block : blocks_) std::free(block.data);
}

ArrayPool::Block ArrayPool::Take(std::size_t bytes) {
  const std::size_t align = bytes >= 2 * kHugePage ? kHugePage : 64;
  if (bytes > static_cast<std::size_t>(-1) - align) throw std::bad_alloc();
  // First, so that what is given back is found again, however little of it was asked for.
  const std::size_t rounded = std::max(align, (bytes + align - 1) / align * align);
  {
    const std::lock_guard lock(mutex_);
    // The smallest that is large enough, unless most of it would lie idle.
    auto best = blocks_.end();
    for (auto block = blocks_.begin(); block != blocks_.end(); ++block)
      if (block->bytes >= rounded && block->bytes / 4 <= rounded &&
          (best == blocks_.end() || block->bytes < best->bytes))
        best = block;
    if (best != blocks_.end()) {
      const Block out = *best;
      *best = blocks_.back();
      blocks_.pop_back();
      kept_ -= out.bytes;
      return out;
    }
  }
  void* data = std::aligned_alloc(align, rounded);
  if (data == nullptr) throw std::bad_alloc();
#if defined(__linux__)
  // Gathers over many small pages would wait for their addresses; advice only, so that failure is none.
  if (align == kHugePage) static_cast<void>(madvise(data, rounded, MADV_HUGEPAGE));
#endif
  return {data, rounded};
}

void ArrayPool::Give(Block block) noexcept {
  if (block.data == nullptr) return;
  try {
    const std::lock_guard lock(mutex_);
    if (kept_ + block.bytes <= kMostKept) {
      blocks_.push_back(block);
      kept_ += block.bytes;
      return;
    }
  } catch (const std::bad_alloc&) {  // no room in the list: as if it were full
  }
  std::free(block.data);
}

}  // namespace equipoise
