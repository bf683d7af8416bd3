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
  void Add(CLI::App* app, bool needed = true);
  bool given() const { return !indexes_.empty(); }
  /// Errors   kInvalidArgument: another number of files than of indexes
  Result<std::vector<StudySource>> Read() const;

 private:
  std::vector<std::string> indexes_, data_, queries_, embeddings_, qrels_;
};

/// The stream of queries that policies are simulated on. Lives as long as the command.
class StreamOptions {
 public:
  /// Adds --stream, --orders, --horizon, --feedback and --seed.
  void Add(CLI::App* app, StudyOptions* options);
  /// What Add did not read into the options itself.
  void Fill(StudyOptions* options) const { options->feedback.shown_only = feedback_ == "shown"; }
  const std::string& feedback() const { return feedback_; }

 private:
  std::string feedback_ = "full";
};

}  // namespace equipoise::cli
