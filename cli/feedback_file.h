// Feedback as people have it: JSON lines or CSV, one rating a line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/optimizer/feedback_batch.h>

namespace equipoise::cli {

/// Names by the order in which they first appear.
struct Names {
  std::vector<std::string> all;
  std::unordered_map<std::string, std::uint64_t> numbers;
  std::uint64_t Number(const std::string& name);
};

/// A file of feedback as columns. Names (source, item, domain, event) are text or whole numbers.
struct FeedbackFile {
  std::vector<float> rating, confidence, dwell;
  std::vector<double> time;
  std::vector<std::uint64_t> source, item, event;
  std::vector<std::uint32_t> domain, position;
  std::vector<std::int64_t> line;  // of each row
  Names sources, items, domains, events;
  std::uint64_t unreadable = 0;
  std::vector<Status> errors;        // of the first unreadable lines
  std::vector<std::string> ignored;  // fields that mean nothing here, the first of them

  /// Columns that no line has are empty. A column that some lines have has for the others: source,
  /// item, domain "", confidence 1, dwell and position 0, and an event of their own.
  FeedbackBatch batch() const;
};

/// Whether a file is read and written as CSV: by the end of its name, .csv or .CSV.
bool IsCsv(std::string_view path);

/// Reads PATH, .csv by its first line's names (RFC 4180, line breaks in quotes too), anything else as
/// JSON lines: rating and time (seconds) are needed; source, item, domain, event, confidence, position,
/// dwell may be there.
/// Errors   kNotFound, kIo; kInvalidArgument: a CSV header without rating or time, or with one of the
///          columns twice; with `strict` the first line that cannot be read
Result<FeedbackFile> ReadFeedback(const std::string& path, bool strict);

/// Files of the same form where other columns are needed: rating and item, the right ratings of items;
/// or source. A line that cannot be read is an error.
Result<FeedbackFile> ReadGold(const std::string& path);
Result<FeedbackFile> ReadKnownSources(const std::string& path);

}  // namespace equipoise::cli
