#include <algorithm>
#include <new>
#include <unordered_map>
#include <vector>

#include <equipoise/core/check.h>
#include <equipoise/engine/feedback_export.h>
#include <equipoise/engine/replay_log.h>
#include <equipoise/retrieval/collection.h>

#include "feedback_log.h"

namespace equipoise {
namespace {

LoggedQuery QueryOf(const SearchContext& context, const Collection& collection) {
  LoggedQuery out{.query_id = std::to_string(context.query_id),
                  .domain = context.domain,
                  .decision = context.decision,
                  .fusion = context.method,
                  .features = context.features};
  std::vector<CandidateScores> candidates = context.candidates;
  std::sort(candidates.begin(), candidates.end(),
            [](const CandidateScores& a, const CandidateScores& b) { return a.doc < b.doc; });
  for (const CandidateScores& c : candidates)
    out.candidates.push_back(
        {.doc = std::string(collection.Get(c.doc).id), .lexical = c.lexical, .vector = c.vector});
  for (const std::uint32_t doc : context.shown) out.shown.emplace_back(collection.Get(doc).id);
  return out;
}

}  // namespace

Result<FeedbackExported> ExportFeedback(const std::string& index, const std::string& path,
                                        const FeedbackExportOptions& options) try {
  const double low = options.rating_low, high = options.rating_high;
  if (!(low < high))
    return Status(Code::kInvalidArgument, fmt::format("the scale [{}, {}] is empty", low, high),
                  {.field = "rating_high"});
  EQUIPOISE_ASSIGN_OR_RETURN(const Collection collection, Collection::Open(index));
  EQUIPOISE_ASSIGN_OR_RETURN(const auto log,
                             FeedbackLog::Open(index + "/FEEDBACK", collection.fingerprint(),
                                               {.access = LogAccess::kRead}));
  EQUIPOISE_RETURN_IF_ERROR(log->Freeze());
  FeedbackExported out;
  std::vector<std::uint64_t> order;
  std::unordered_map<std::uint64_t, std::vector<FeedbackEntry>> given;
  const Status read = log->Each(0, [&](const FeedbackEntry& entry) -> Status {
    auto& of = given[entry.query_id];
    if (of.empty()) order.push_back(entry.query_id);
    of.push_back(entry);
    if (!entry.rating || (*entry.rating >= low && *entry.rating <= high)) return {};
    return Status(Code::kInvalidArgument,
                  fmt::format("feedback {} rates {}, outside the scale [{}, {}]", entry.number,
                              *entry.rating, low, high),
                  {.file = log->path(), .field = "rating"});
  });
  EQUIPOISE_RETURN_IF_ERROR(read);

  EQUIPOISE_ASSIGN_OR_RETURN(ReplayLogWriter writer, ReplayLogWriter::Create(path));
  const std::uint64_t nobody = SourceNumber({});
  for (const std::uint64_t id : order) {
    EQUIPOISE_ASSIGN_OR_RETURN(const SearchContext context, log->Context(id));
    const std::vector<FeedbackEntry>& entries = given.at(id);
    const bool whole =
        std::all_of(context.candidates.begin(), context.candidates.end(),
                    [&](const CandidateScores& c) { return c.doc < collection.documents(); });
    if (context.fingerprint != collection.fingerprint() || !whole) {
      out.left_out += entries.size();
      continue;
    }
    LoggedQuery query = QueryOf(context, collection);
    for (const FeedbackEntry& entry : entries) {
      if (!entry.rating || *entry.doc >= collection.documents()) {
        ++out.left_out;
        continue;
      }
      query.feedback.push_back(
          {.doc = std::string(collection.Get(*entry.doc).id),
           .rating = (*entry.rating - low) / (high - low),
           .source = entry.source == nobody ? std::string() : fmt::format("{:016x}", entry.source),
           .time = entry.time});
    }
    out.feedback += query.feedback.size();
    ++out.queries;
    EQUIPOISE_RETURN_IF_ERROR(writer.Append(query));
  }
  EQUIPOISE_RETURN_IF_ERROR(writer.Publish());
  return out;
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory to export feedback", {.file = path});
}

}  // namespace equipoise
