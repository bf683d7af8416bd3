// What a learner has to do with its log: going on after the last engine, queries that it no longer
// remembers, and what leaves the log.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include <equipoise/core/check.h>

#include "learner.h"

namespace equipoise {

Status Learner::CheckLog() const {
  if (log_ == nullptr || log_->options().access == LogAccess::kWrite) return {};
  return Status(Code::kUnavailable,
                "this engine reads what was learned (LogAccess::kRead): tell the one that writes",
                {.file = log_->path()});
}

/// Only where there is a log do queries have an age at which they end.
Status Learner::CheckAge(const SearchContext& context, double now) const {
  if (log_ == nullptr || context.time == 0) return {};
  if (!(now - context.time > log_->options().retention)) return {};
  constexpr double kDay = 86400;
  return Status(
      Code::kNotFound,
      fmt::format("Feedback: query {} was asked {:.0f} days ago; queries are kept for {:g}",
                  context.query_id, (now - context.time) / kDay, log_->options().retention / kDay),
      {.field = "query_id"});
}

/// A query as feedback with numbers below `before` has left it; its curve is what the policy has learned,
/// which while learning is frozen is what the snapshot knows. The caller holds the mutex of feedback.
Result<std::shared_ptr<Learner::Record>> Learner::FromLog(std::uint64_t id, std::uint64_t before) {
  auto record = std::make_shared<Record>();
  EQUIPOISE_ASSIGN_OR_RETURN(record->context, log_->Context(id));
  EQUIPOISE_ASSIGN_OR_RETURN(const std::vector<FeedbackEntry> given, log_->Of(id, before));
  const auto learn = [&]() -> Status {
    EQUIPOISE_ASSIGN_OR_RETURN(
        record->curve, CurveOf(*record, record->ratings, record->groundedness, &record->weight));
    return {};
  };
  const bool teaches = record->context.method == method_;
  const auto first_unlearned = std::find_if(given.begin(), given.end(), [&](const auto& feedback) {
    return options_.frozen && feedback.number > snapshot_number_;
  });
  for (auto at = given.begin(); at != given.end(); ++at) {
    if (at == first_unlearned && at != given.begin() && teaches) EQUIPOISE_RETURN_IF_ERROR(learn());
    const FeedbackEntry& feedback = *at;
    if (feedback.rating) Enter(feedback, &record->ratings);
    if (feedback.groundedness &&
        (std::isnan(record->groundedness) || record->groundedness_time <= feedback.time)) {
      record->groundedness = *feedback.groundedness;
      record->groundedness_time = feedback.time;
    }
  }
  if (!given.empty() && first_unlearned == given.end() && teaches)
    EQUIPOISE_RETURN_IF_ERROR(learn());
  return record;
}

Result<LearningResumed> Learner::Resume(std::unique_ptr<FeedbackLog> log) {
  const std::lock_guard lock(feedback_mutex_);
  log_ = std::move(log);
  // A snapshot of another log, or of none, knows nothing of this one.
  const bool ours = snapshot_log_ == log_->id();
  const std::uint64_t known = ours ? snapshot_number_ : 0;
  snapshot_log_ = log_->id();
  snapshot_number_ = known;
  LearningResumed out;
  out.forgotten = log_->removed() > known ? log_->removed() - known : 0;
  // After a power failure the snapshot may know what the log has lost: no number is given twice.
  if (log_->options().access == LogAccess::kWrite) EQUIPOISE_RETURN_IF_ERROR(log_->Skip(known));
  const Status read = log_->Each(known, [&](const FeedbackEntry& logged) -> Status {
    std::shared_ptr<Record> record = Known(logged.query_id);
    if (record == nullptr) {
      auto found = FromLog(logged.query_id, logged.number);
      if (!found && found.error().code() == Code::kNotFound)
        return Status(Code::kCorruption,
                      fmt::format("feedback {} has lost its query", logged.number),
                      {.file = log_->path()});
      if (!found) return found.error();
      record = *std::move(found);
    }
    FeedbackEntry feedback = logged;
    const Status learned = Take(record, &feedback, Weighing::kLogged).error();
    if (learned.code() == Code::kOutOfMemory) return learned;
    ++out.replayed;
    out.refused += learned.ok() ? 0 : 1;
    return {};
  });
  EQUIPOISE_RETURN_IF_ERROR(read);
  // Those of before the index was built again have taught what they can.
  std::erase_if(adopted_order_, [&](std::uint64_t id) {
    const auto at = adopted_.find(id);
    if (at->second->context.fingerprint == fingerprint_) return false;
    adopted_.erase(at);
    return true;
  });
  return out;
}

/// Takes out of the log what `snapshot` has learned and is older than the retention. The caller holds the
/// mutex of feedback.
Status Learner::Trim(const std::string& snapshot) {
  if (log_ == nullptr) return {};
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  if (!(log_->options().retention < now)) return {};
  // Its name has to be on the disk first.
  const std::string folder = std::filesystem::path(snapshot).parent_path().string();
  const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool flushed = fd >= 0 && ::fsync(fd) == 0;
  if (fd >= 0) ::close(fd);
  if (!flushed)
    return Status(Code::kIo, "cannot flush the folder of the snapshot", {.file = folder});
  return log_->Remove(LearnedUntil(), now - log_->options().retention);
}

}  // namespace equipoise
