// An index with its queries, their embeddings and judgments, opened and checked.
#pragma once

#include <string>
#include <vector>

#include <equipoise/core/matrix_file.h>
#include <equipoise/engine/answers.h>
#include <equipoise/engine/engine.h>
#include <equipoise/engine/judgments.h>
#include <equipoise/engine/learning_study.h>
#include <equipoise/engine/subtopics.h>

namespace equipoise {

struct JudgedSource {
  std::string folder, name;  // name: the folder's last part
  Engine engine;
  Queries queries;
  Judgments judgments;
  MatrixFile embeddings;
  Answers answers{};      // of none where no file was given
  Subtopics subtopics{};  // likewise

  /// Of the query in this row.
  std::vector<float> EmbeddingOf(std::size_t row) const;
};

/// Errors   as Engine::Open and the readers of queries, judgments and embeddings; kInvalidArgument: another
///          number of embeddings than of queries, or one that is not finite
Result<JudgedSource> OpenJudgedSource(const StudySource& files);

}  // namespace equipoise
