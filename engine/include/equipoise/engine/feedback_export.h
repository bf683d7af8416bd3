/// The log of feedback of an index (Engine::KeepLearning) as a log from which policies can be judged
/// (replay_log.h, `equipoise learn --replay`).
///
///   auto exported = equipoise::ExportFeedback("my-index", "log.jsonl");
#pragma once

#include <cstdint>
#include <string>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>

namespace equipoise {

struct FeedbackExportOptions {
  // The scale of the ratings, as FeedbackOptions has it; they are brought to [0, 1].
  double rating_low = 0;
  double rating_high = 1;
};

struct FeedbackExported {
  std::uint64_t queries = 0;   ///< that were written, each once
  std::uint64_t feedback = 0;  ///< ratings of documents, of these queries
  std::uint64_t left_out =
      0;  ///< rows without a rating, and those of before the index was built again
};

/// Writes every query that feedback has named, in the order in which it came, with all its ratings. Of a
/// source the number is written, not the name, which the log does not have; features where a policy has
/// decided by them.
/// Errors   kNotFound: no index, no log; kInvalidArgument: a log of another index, a rating outside of the
///          scale; kCorruption; kIo, kOutOfMemory. Then `path` is as it was
/// Threads  while an engine writes the log: what was there at the start is in it
/// Note     memory O(feedback): 100 bytes each
EQUIPOISE_API Result<FeedbackExported> ExportFeedback(const std::string& index,
                                                      const std::string& path,
                                                      const FeedbackExportOptions& options = {});

}  // namespace equipoise
