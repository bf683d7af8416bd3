#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <new>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include <equipoise/core/atomic_file.h>
#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/engine/run_file.h>
#include <equipoise/retrieval/text.h>

#include "text_lines.h"

namespace equipoise {
namespace {

using Float = std::numeric_limits<float>;

Result<double> ParseScore(const std::string& path, std::int64_t line, std::string_view text) {
  double score = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), score);
  // from_chars reports a number too small for a double as it does one too large; only the latter
  // could not be ranked, but both are far outside of what any engine writes.
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(score))
    return BadLine(path, line, fmt::format("the score {} is not a finite number", Quoted(text)),
                   "score");
  return score;
}

bool IsColumn(std::string_view text) {
  return !text.empty() && text.find_first_of(" \t\r\n\v\f") == std::string_view::npos;
}

// The largest float below `score` that is not subnormal; -infinity below the lowest.
float NextBelow(float score) {
  const float next = std::nextafter(score, -Float::infinity());
  if (std::abs(next) >= Float::min() || next == 0) return next;
  return score > 0 ? 0 : -Float::min();
}

Status WriteRanking(AtomicFile& file, const RunFile::Ranking& ranking, std::string_view tag) {
  std::unordered_set<std::string_view> seen;
  float last = Float::infinity();
  std::size_t rank = 0;
  for (const RunFile::Entry& entry : ranking.entries) {
    const auto refuse = [&](std::string_view why) {
      return Status(Code::kInvalidArgument,
                    fmt::format("RunFile::Write: query {}, document {}: {}", Quoted(ranking.query),
                                Quoted(entry.document), why));
    };
    if (!IsColumn(entry.document))
      return refuse("an id in a run file must not be empty or hold white space");
    if (!seen.insert(entry.document).second) return refuse("the document is in the ranking twice");
    if (!(std::abs(entry.score) <= Float::max()))
      return refuse("the score is not a number in the range of float");
    float score = static_cast<float>(entry.score);
    if (std::abs(score) < Float::min()) score = 0;
    if (!(score < last)) score = NextBelow(last);
    if (std::isinf(score)) return refuse("no float is left below the scores before it");
    last = score;
    EQUIPOISE_RETURN_IF_ERROR(file.Append(
        fmt::format("{} Q0 {} {} {} {}\n", ranking.query, entry.document, ++rank, score, tag)));
  }
  return {};
}

}  // namespace

Result<RunFile> RunFile::Read(const std::string& path) {
  return WithoutBadAlloc<RunFile>(path, [&]() -> Result<RunFile> {
    EQUIPOISE_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
    // Document -> line, for each ranking; views into the mapped file.
    std::vector<std::unordered_map<std::string_view, std::int64_t>> seen;
    RunFile out;
    TextLines lines(file.bytes());
    while (const auto line = lines.Next()) {
      const std::int64_t number = lines.number();
      if (!IsValidUtf8(*line))
        return BadLine(path, number, "invalid UTF-8; convert the file to UTF-8");
      const TextColumns columns = SplitOnBlanks(*line);
      if (columns.count != 6)
        return BadLine(path, number,
                       fmt::format("{} column{} where six are expected (query Q0 document rank "
                                   "score tag)",
                                   columns.count, columns.count == 1 ? "" : "s"));
      EQUIPOISE_ASSIGN_OR_RETURN(const double score, ParseScore(path, number, columns.at[4]));
      auto at = out.rows_.find(columns.at[0]);
      if (at == out.rows_.end()) {
        if (out.rankings_.empty()) out.tag_ = columns.at[5];
        out.Add({std::string(columns.at[0]), {}});
        at = out.rows_.find(columns.at[0]);
        seen.emplace_back();
      }
      const auto [before, added] = seen[at->second].emplace(columns.at[2], number);
      if (!added)
        return BadLine(path, number,
                       fmt::format("document {} was ranked for query {} before, in line {}",
                                   Quoted(columns.at[2]), Quoted(columns.at[0]), before->second));
      out.rankings_[at->second].entries.push_back({std::string(columns.at[2]), score});
    }
    if (out.rankings_.empty())
      return Status(Code::kInvalidArgument, "holds no ranking", {.file = path});
    for (Ranking& ranking : out.rankings_)
      std::stable_sort(ranking.entries.begin(), ranking.entries.end(),
                       [](const Entry& a, const Entry& b) { return a.score > b.score; });
    return out;
  });
}

Status RunFile::Write(const std::string& path) const try {
  const std::string tag = tag_.empty() ? "equipoise" : tag_;
  if (!IsColumn(tag))
    return Status(Code::kInvalidArgument,
                  fmt::format("RunFile::Write: the tag {} must not hold white space", Quoted(tag)),
                  {.field = "tag"});
  AtomicFile file(path);
  EQUIPOISE_RETURN_IF_ERROR(file.Create());
  for (std::size_t row = 0; row < rankings_.size(); ++row) {
    const std::string& query = rankings_[row].query;
    if (!IsColumn(query))
      return Status(
          Code::kInvalidArgument,
          fmt::format("RunFile::Write: the query id {} must not be empty or hold white space",
                      Quoted(query)));
    if (rows_.at(query) != row)
      return Status(Code::kInvalidArgument,
                    fmt::format("RunFile::Write: query {} was added twice", Quoted(query)));
    EQUIPOISE_RETURN_IF_ERROR(WriteRanking(file, rankings_[row], tag));
  }
  return file.Publish();
} catch (const std::bad_alloc&) {
  return Status(Code::kOutOfMemory, "not enough memory to write the file", {.file = path});
}

void RunFile::Add(Ranking ranking) {
  rows_.emplace(ranking.query, rankings_.size());
  rankings_.push_back(std::move(ranking));
}

const RunFile::Ranking* RunFile::Find(std::string_view query) const {
  const auto found = rows_.find(query);
  return found == rows_.end() ? nullptr : &rankings_[found->second];
}

}  // namespace equipoise
