// The report of `equipoise learn`: one HTML page, nothing loaded from elsewhere.
#pragma once

#include <string>

#include <equipoise/engine/learning_study.h>

#include "page.h"

namespace equipoise::cli {

/// Policies, their regret, and what is known of each domain.
PagePart LearnPart(const LearningStudy& study, const StudyOptions& options);

std::string LearnReport(const LearningStudy& study, const StudyOptions& options);

}  // namespace equipoise::cli
