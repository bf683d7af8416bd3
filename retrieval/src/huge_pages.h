// Large arrays that are jumped through at random: most of what that waits for are addresses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <sys/mman.h>

namespace equipoise {

// Room for so many values, on huge pages where there are any: a hint, without them it is only slower.
template <typename T>
void ReserveHuge(std::vector<T>* to, std::size_t count) {
  to->reserve(count);
#ifdef MADV_HUGEPAGE
  constexpr std::size_t kPage = std::size_t{2} << 20;
  const auto begin = reinterpret_cast<std::uintptr_t>(to->data());
  const std::uintptr_t first = (begin + kPage - 1) / kPage * kPage;
  const std::uintptr_t last = (begin + to->capacity() * sizeof(T)) / kPage * kPage;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#endif
}

}  // namespace equipoise
