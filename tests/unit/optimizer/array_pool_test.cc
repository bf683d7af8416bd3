// Memory that a filter uses again.
#include "array_pool.h"

#include <gtest/gtest.h>

namespace equipoise {
namespace {

TEST(ArrayPool, WhatWasGivenBackIsTakenAgainHoweverLittleIsAsked) {
  ArrayPool pool;
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{4}, std::size_t{16}, std::size_t{65},
                                  std::size_t{4096}, std::size_t{5} << 20}) {
    const ArrayPool::Block first = pool.Take(bytes);
    EXPECT_GE(first.bytes, bytes);
    pool.Give(first);
    const ArrayPool::Block again = pool.Take(bytes);
    EXPECT_EQ(again.data, first.data) << bytes;
    pool.Give(again);
  }
}

TEST(ArrayPool, ABlockThatIsMuchTooLargeIsLeftForOthers) {
  ArrayPool pool;
  const ArrayPool::Block large = pool.Take(1 << 20);
  pool.Give(large);
  const ArrayPool::Block small = pool.Take(64);
  EXPECT_NE(small.data, large.data);
  pool.Give(small);
}

}  // namespace
}  // namespace equipoise
