// What a term of an answer weighs that no document has.
#pragma once

#include <cmath>

#include <equipoise/retrieval/collection.h>

namespace equipoise {

/// BM25's idf for a document frequency of 0.
inline float UnseenIdf(const Collection& collection) {
  return static_cast<float>(std::log1p((collection.documents() + 0.5) / 0.5));
}

}  // namespace equipoise
