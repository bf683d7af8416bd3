// Indexes and what they are judged by, the same for every command that needs both.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <equipoise/engine/learning_study.h>

namespace equipoise::cli {

/// Lives as long as the command.
class JudgedOptions {
 public:
  /// Adds the indexes, and --data or --queries, --query-embeddings and --qrels.
  void Add(CLI::App* app);
  /// Adds --answers and --subtopics, which tuning alone uses.
  void AddAnswers(CLI::App* app);
  /// Errors   kInvalidArgument: another number of files than of indexes
  Result<std::vector<StudySource>> Read() const;

 private:
  std::vector<std::string> indexes_, data_, queries_, embeddings_, qrels_, answers_, subtopics_;
};

}  // namespace equipoise::cli
