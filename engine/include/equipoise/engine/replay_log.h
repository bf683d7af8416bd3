/// A log of searches and of the feedback on them, from which other policies can be judged
/// (optimizer/off_policy.h, `equipoise learn --replay`): written where searches are served, read where
/// they are thought over.
///
/// One JSON object a line, blank lines passed over:
///
///   {"query_id": "17", "domain": "finance", "alpha": 0.5, "propensity": 0.12, "both_paths": true,
///    "fusion": "minmax", "candidates": [{"doc": "d3", "lexical": 0.7, "vector": 1}, ...],
///    "shown": ["d3", ...], "feedback": [{"doc": "d3", "rating": 1, "source": "u1", "time": 1.7e9}]}
///
///   query_id     a string, not empty, or a whole number; one line a query
///   domain       as the policy knows it; absent or "": kGeneralDomain
///   alpha        in [0, 1]
///   propensity   in [kLeastPropensity, 1]: with which α and the paths were decided, WeightDecision::propensity
///   alpha_propensity   in [propensity, 1]: of that α, whichever paths; absent: propensity
///   by_policy    false: the caller or a configuration decided, and the propensities are nobody's; absent:
///                true
///   both_paths   false only at α = 0 or 1, where the path without weight was not asked; absent: true
///   fusion       FusionName
///   candidates   every document within the depth of a path, in document order (ties of fused scores go
///                to the earlier one), each once; normalized scores in [0, 1], null where the path was
///                not asked
///   shown        documents of the answer, best first, each once, each among the candidates
///   feedback     in any order; of a document and source the latest counts; doc is among the
///                candidates, rating in [0, 1], source absent: nobody's name, time in seconds, absent: 0
///   features     numbers, what the policy was given beside the domain (QueryFeatures::Values, where it was
///                contextual); absent: none
///
/// Other fields are passed over.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <equipoise/core/export.h>
#include <equipoise/core/status.h>
#include <equipoise/core/weight_policy.h>
#include <equipoise/retrieval/fusion.h>

namespace equipoise {

struct LoggedCandidate {
  std::string doc{};
  float lexical = 0;  ///< normalized, in [0, 1]; NaN where the path was not asked
  float vector = 0;   ///< likewise
};

struct LoggedFeedback {
  std::string doc{};
  double rating = 0;  ///< in [0, 1]: a scale of one's own is brought to that before
  std::string source{};
  double time = 0;
};

/// A line of the log.
struct LoggedQuery {
  std::string query_id{};
  std::string domain{kGeneralDomain};
  WeightDecision decision{};  ///< but for the version, which is not logged
  FusionMethod fusion = FusionMethod::kMinMaxUnion;
  std::vector<LoggedCandidate> candidates{};
  std::vector<std::string> shown{};
  std::vector<LoggedFeedback> feedback{};
  std::vector<float> features{};
};

/// What the header above says, of one line.
/// Errors   kInvalidArgument naming the field
EQUIPOISE_API Status CheckLoggedQuery(const LoggedQuery& query);

/// Reads a log line by line.
/// Threads  one
class EQUIPOISE_API ReplayLogReader {
 public:
  /// Errors   kNotFound, kIo, kOutOfMemory
  static Result<ReplayLogReader> Open(const std::string& path);
  ReplayLogReader(ReplayLogReader&&) noexcept;
  ReplayLogReader& operator=(ReplayLogReader&&) noexcept;
  ~ReplayLogReader();

  /// The next query; false at the end.
  /// Errors   kInvalidArgument with file, line and field: not JSON, or not as the header says;
  ///          kOutOfMemory
  Result<bool> Next(LoggedQuery* query);
  /// Of the query that Next gave last, 1-based.
  std::int64_t line() const;

 private:
  struct State;
  explicit ReplayLogReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Writes a log, whole or not at all: until Publish is ok, `path` is as it was.
/// Threads  one
class EQUIPOISE_API ReplayLogWriter {
 public:
  /// Errors   kInvalidArgument: `path` is no regular file; kIo, kOutOfMemory
  static Result<ReplayLogWriter> Create(const std::string& path);
  ReplayLogWriter(ReplayLogWriter&&) noexcept;
  ReplayLogWriter& operator=(ReplayLogWriter&&) noexcept;
  ~ReplayLogWriter();

  /// Errors   as CheckLoggedQuery; kInvalidArgument: a name that is not valid UTF-8; kIo, kOutOfMemory.
  ///          Then nothing of the query was written
  /// Exact    scores and numbers are read back bit for bit
  Status Append(const LoggedQuery& query);
  /// Errors   kIo
  Status Publish();

 private:
  struct State;
  explicit ReplayLogWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace equipoise
