// The report of `equipoise learn`: one HTML page, nothing loaded from elsewhere.
#pragma once

#include <string>

#include <equipoise/engine/learning_study.h>

namespace equipoise::cli {

std::string LearnReport(const LearningStudy& study, const StudyOptions& options);

}  // namespace equipoise::cli
