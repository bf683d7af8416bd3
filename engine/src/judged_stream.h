// A stream of judged queries from files: what a study of learning runs on.
#pragma once

#include <string>
#include <vector>

#include <equipoise/engine/learning_study.h>

namespace equipoise {

struct JudgedStream {
  std::vector<simulation::JudgedSet> sets;  // in the order in which the domains come
  std::vector<simulation::Turn> in_time;    // all queries, earliest first
  std::size_t left_out = 0;
  FusionMethod fusion = FusionMethod::kMinMaxUnion;
};

Result<JudgedStream> ReadJudgedStream(const std::vector<StudySource>& sources,
                                      const StudyOptions& options);

}  // namespace equipoise
