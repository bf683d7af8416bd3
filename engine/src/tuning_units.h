// The units of cost by name and range: for their file, and for who gives them.
#pragma once

#include <equipoise/engine/tuning.h>

namespace equipoise {

/// visit.Number(name, value, low, high) for each unit, and visit("prices", value).
template <typename Visitor, typename Units>
void VisitUnits(Visitor&& visit, Units& u) {
  constexpr double kMost = 1e15;
  visit.Number("lexical_search", u.lexical_search, 0, kMost);
  visit.Number("posting", u.posting, 0, kMost);
  visit.Number("lexical_result", u.lexical_result, 0, kMost);
  visit.Number("vector_search", u.vector_search, 0, kMost);
  visit.Number("seen", u.seen, 0, kMost);
  visit.Number("distance", u.distance, 0, kMost);
  visit.Number("rescored", u.rescored, 0, kMost);
  visit.Number("fusion", u.fusion, 0, kMost);
  visit.Number("candidate", u.candidate, 0, kMost);
  visit.Number("missing", u.missing, 0, kMost);
  visit.Number("compared", u.compared, 0, kMost);
  visit("prices", u.prices);
}

}  // namespace equipoise
