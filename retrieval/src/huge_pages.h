// Large arrays that are jumped through at random: most of what that waits for are addresses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <sys/mman.h>

namespace equipoise {

// Asks for huge pages wherever whole ones fit in: a hint, without them it is only slower. Of a mapped
// file it makes the kernel read it in such pages, where the file system has large folios.
inline void AdviseHuge([[maybe_unused]] const void* data, [[maybe_unused]] std::size_t bytes) {
#ifdef MADV_HUGEPAGE
  constexpr std::size_t kPage = std::size_t{2} << 20;
  const auto begin = reinterpret_cast<std::uintptr_t>(data);
  const std::uintptr_t first = (begin + kPage - 1) / kPage * kPage;
  const std::uintptr_t last = (begin + bytes) / kPage * kPage;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

// Room for so many values, on huge pages where there are any.
template <typename T>
void ReserveHuge(std::vector<T>* to, std::size_t count) {
  to->reserve(count);
  AdviseHuge(to->data(), to->capacity() * sizeof(T));
}

}  // namespace equipoise
