// The log of feedback: what an engine was told, with the context of its query, as one SQLite file beside
// the index.
//
//   log        key, value            which log this is, of which collection, what was taken out
//   query      id, context           SearchContext::Serialize of the queries that feedback has named
//   feedback   number, query, ...    a row each time, in the order in which they came
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <equipoise/core/status.h>
#include <equipoise/engine/learning.h>
#include <equipoise/engine/search_context.h>

namespace equipoise {

/// Feedback whose query and document are found, and whose times are settled.
struct FeedbackEntry {
  std::uint64_t number = 0;  ///< place in the log, from 1
  std::uint64_t query_id = 0;
  std::optional<std::uint32_t> doc{};
  std::optional<double> rating{}, groundedness{}, confidence{}, dwell{};
  double time = 0, now = 0;
  std::uint64_t source = 0;  ///< SourceNumber
  double weight = 0;         ///< of the rating, as the filter and its age made it
};

/// Threads  one at a time; other processes may read meanwhile
class FeedbackLog {
 public:
  /// Opens the log, or makes one. With write access it is this object's alone until it goes.
  /// Errors   kUnavailable: another engine writes it; kInvalidArgument: of another collection; kNotFound:
  ///          read access and no log; kCorruption, kUnsupported (another version), kIo, kOutOfMemory
  static Result<std::unique_ptr<FeedbackLog>> Open(const std::string& path,
                                                   std::uint64_t fingerprint,
                                                   const FeedbackLogOptions& options);
  FeedbackLog(const FeedbackLog&) = delete;
  FeedbackLog& operator=(const FeedbackLog&) = delete;
  ~FeedbackLog();

  std::uint64_t id() const { return id_; }
  std::uint64_t last() const { return last_; }        ///< number of the latest row; 0: none
  std::uint64_t removed() const { return removed_; }  ///< rows up to here were taken out
  const FeedbackLogOptions& options() const { return options_; }
  const std::string& path() const { return path_; }

  /// Writes both in one transaction and numbers the feedback. A context that is there is not written again.
  /// Errors   kIo: a full disk, say; kUnavailable, kOutOfMemory. Then the log is as it was
  Status Append(const SearchContext& context, FeedbackEntry* feedback);

  /// Errors   kNotFound; kCorruption
  Result<SearchContext> Context(std::uint64_t query_id);

  using Visitor = std::function<Status(const FeedbackEntry&)>;
  /// All rows with numbers above `after`, in order, until the visitor returns an error, which is returned.
  /// Errors   kCorruption naming the row
  Status Each(std::uint64_t after, const Visitor& visit);
  /// The rows of one query with numbers below `before`, in order.
  Result<std::vector<FeedbackEntry>> Of(std::uint64_t query_id, std::uint64_t before);

  /// From now on all reading sees the log as it is at the first reading. For an object that does nothing else.
  Status Freeze();

  /// The next row's number will be above `number`.
  Status Skip(std::uint64_t number);
  /// Takes out rows up to `number` that came before `time`, up to the first that did not, and contexts
  /// that no row names any more.
  Status Remove(std::uint64_t number, double time);

 private:
  struct Sqlite;  // the connection and its statements
  FeedbackLog(std::string path, const FeedbackLogOptions& options);
  Status OpenFile(bool only_file);
  Status Prepare(std::uint64_t fingerprint);
  Status Make(std::uint64_t fingerprint);
  Status InTransaction(const std::function<Status()>& body);
  Result<std::uint64_t> Value(const char* key);
  Status SetValue(const char* key, std::uint64_t value);

  std::string path_;
  FeedbackLogOptions options_;
  int lock_ = -1;
  std::unique_ptr<Sqlite> sqlite_;
  std::uint64_t id_ = 0, last_ = 0, removed_ = 0;
};

}  // namespace equipoise
