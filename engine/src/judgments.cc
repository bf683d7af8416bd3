#include <algorithm>
#include <charconv>
#include <system_error>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/core/json_lines.h>
#include <equipoise/core/ranking_measures.h>
#include <equipoise/engine/judgments.h>
#include <equipoise/retrieval/text.h>

#include "text_lines.h"

namespace equipoise {
namespace {

// The columns that both formats of judgments have.
struct JudgmentLine {
  std::string_view query;
  std::string_view document;
  std::string_view grade;
};

bool ParseInt(std::string_view text, int& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

bool IsHeader(const TextColumns& columns) {
  std::string first(columns.at[0]);
  for (char& c : first)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  int grade = 0;
  return (first == "query-id" || first == "query_id" || first == "query" || first == "qid") &&
         !ParseInt(columns.at[2], grade);
}

}  // namespace

Result<Queries> Queries::Read(const std::string& path) {
  return WithoutBadAlloc<Queries>(path, [&]() -> Result<Queries> {
    EQUIPOISE_ASSIGN_OR_RETURN(JsonLines lines, JsonLines::Open(path));
    Queries out;
    std::vector<std::int64_t> line_of;
    nlohmann::json object;
    while (true) {
      EQUIPOISE_ASSIGN_OR_RETURN(const bool more, lines.Next(&object));
      if (!more) break;
      Item item;
      EQUIPOISE_ASSIGN_OR_RETURN(item.id, lines.Id(object));
      EQUIPOISE_ASSIGN_OR_RETURN(item.text, lines.Text(object, "text"));
      const auto [at, added] = out.rows_.emplace(item.id, out.items_.size());
      if (!added)
        return BadLine(path, lines.line(),
                       fmt::format("\"_id\" {} was used before, in line {}", Quoted(item.id),
                                   line_of[at->second]),
                       "_id");
      out.items_.push_back(std::move(item));
      line_of.push_back(lines.line());
    }
    return out;
  });
}

Result<Queries> Queries::FromItems(std::vector<Item> items) {
  Queries out;
  for (std::size_t row = 0; row < items.size(); ++row) {
    const Where where{.row = static_cast<std::int64_t>(row), .field = "id"};
    if (items[row].id.empty())
      return Status(Code::kInvalidArgument, "Queries::FromItems: the id is empty", where);
    const auto [at, added] = out.rows_.emplace(items[row].id, row);
    if (!added)
      return Status(Code::kInvalidArgument,
                    fmt::format("Queries::FromItems: id {} was used before, in row {}",
                                Quoted(items[row].id), at->second),
                    where);
  }
  out.items_ = std::move(items);
  return out;
}

std::int64_t Queries::RowOf(std::string_view id) const {
  const auto found = rows_.find(id);
  return found == rows_.end() ? -1 : static_cast<std::int64_t>(found->second);
}

int Judgments::OfQuery::GradeOf(std::string_view document) const {
  const auto found = std::lower_bound(documents.begin(), documents.end(), document);
  if (found == documents.end() || *found != document) return 0;
  return grades[static_cast<std::size_t>(found - documents.begin())];
}

Result<Judgments> Judgments::Read(const std::string& path) {
  return WithoutBadAlloc<Judgments>(path, [&]() -> Result<Judgments> {
    EQUIPOISE_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
    struct Judged {
      int grade = 0;
      std::int64_t line = 0;
    };
    // Views into the file, which stays mapped until the strings are made below.
    std::vector<std::unordered_map<std::string_view, Judged>> pairs;
    Judgments out;
    bool first = true;
    bool beir = false;
    TextLines lines(file.bytes());
    while (const auto line = lines.Next()) {
      const std::int64_t number = lines.number();
      if (!IsValidUtf8(*line))
        return BadLine(path, number, "invalid UTF-8; convert the file to UTF-8");
      TextColumns columns;
      if (first) {
        columns = SplitOnTabs(*line);
        beir = columns.count == 3;
        first = false;
        if (beir && IsHeader(columns)) continue;
      }
      columns = beir ? SplitOnTabs(*line) : SplitOnBlanks(*line);
      if (columns.count != (beir ? 3u : 4u))
        return BadLine(
            path, number,
            fmt::format("{} column{} where {}", columns.count, columns.count == 1 ? "" : "s",
                        beir ? "three separated by tabs are expected (query-id, corpus-id, score)"
                             : "four are expected (query 0 document grade), or three separated by "
                               "tabs from the first line on (query-id, corpus-id, score)"));
      const JudgmentLine judged = beir ? JudgmentLine{columns.at[0], columns.at[1], columns.at[2]}
                                       : JudgmentLine{columns.at[0], columns.at[2], columns.at[3]};
      if (judged.query.empty()) return BadLine(path, number, "the query id is empty", "query-id");
      if (judged.document.empty())
        return BadLine(path, number, "the document id is empty", "corpus-id");
      int grade = 0;
      if (!ParseInt(judged.grade, grade))
        return BadLine(path, number,
                       fmt::format("the grade {} is not a 32-bit integer", Quoted(judged.grade)),
                       "score");
      auto at = out.rows_.find(judged.query);
      if (at == out.rows_.end()) {
        at = out.rows_.emplace(std::string(judged.query), out.queries_.size()).first;
        out.queries_.emplace_back().query = at->first;
        pairs.emplace_back();
      }
      const auto [pair, added] = pairs[at->second].emplace(judged.document, Judged{grade, number});
      if (!added && pair->second.grade != grade)
        return BadLine(
            path, number,
            fmt::format("query {} and document {} have the grade {} here and {} in line {}",
                        Quoted(judged.query), Quoted(judged.document), grade, pair->second.grade,
                        pair->second.line),
            "score");
      (added ? out.size_ : out.duplicates_) += 1;
    }
    if (out.queries_.empty())
      return Status(Code::kInvalidArgument, "holds no judgment", {.file = path});

    for (std::size_t q = 0; q < pairs.size(); ++q) {
      std::vector<std::pair<std::string_view, int>> sorted;
      sorted.reserve(pairs[q].size());
      for (const auto& [document, judged] : pairs[q]) sorted.emplace_back(document, judged.grade);
      std::sort(sorted.begin(), sorted.end());
      OfQuery& query = out.queries_[q];
      query.documents.reserve(sorted.size());
      query.grades.reserve(sorted.size());
      for (const auto& [document, grade] : sorted) {
        query.documents.emplace_back(document);
        query.grades.push_back(grade);
      }
      query.relevant = CountRelevant(query.grades);
    }
    return out;
  });
}

const Judgments::OfQuery* Judgments::Find(std::string_view query) const {
  const auto found = rows_.find(query);
  return found == rows_.end() ? nullptr : &queries_[found->second];
}

}  // namespace equipoise
