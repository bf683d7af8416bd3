#include <algorithm>
#include <charconv>
#include <cstdint>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>
#include <equipoise/engine/subtopics.h>
#include <equipoise/retrieval/text.h>

#include "text_lines.h"

namespace equipoise {

Result<Subtopics> Subtopics::Read(const std::string& path) {
  return WithoutBadAlloc<Subtopics>(path, [&]() -> Result<Subtopics> {
    EQUIPOISE_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
    Subtopics out;
    std::map<std::string, std::map<std::string, std::uint32_t, std::less<>>, std::less<>> numbers;
    TextLines lines(file.bytes());
    while (const auto line = lines.Next()) {
      if (!IsValidUtf8(*line))
        return BadLine(path, lines.number(), "invalid UTF-8; convert the file to UTF-8");
      const TextColumns columns = SplitOnBlanks(*line);
      if (columns.count != 4)
        return BadLine(path, lines.number(),
                       fmt::format("{} columns where four are expected (query subtopic document "
                                   "relevance)",
                                   columns.count));
      const auto [query, subtopic, document, text] =
          std::tuple(columns.at[0], columns.at[1], columns.at[2], columns.at[3]);
      std::int32_t relevance = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), relevance);
      if (error != std::errc() || end != text.data() + text.size())
        return BadLine(path, lines.number(),
                       fmt::format("the relevance {} is not a 32-bit integer", Quoted(text)),
                       "relevance");
      if (relevance < 1) continue;
      auto& of_query = numbers[std::string(query)];
      const std::uint32_t number =
          of_query.try_emplace(std::string(subtopic), static_cast<std::uint32_t>(of_query.size()))
              .first->second;
      SubtopicsOfDocument& of = out.queries_[std::string(query)][std::string(document)];
      const auto at = std::lower_bound(of.begin(), of.end(), number);
      if (at == of.end() || *at != number) of.insert(at, number);
    }
    if (out.queries_.empty())
      return Status(Code::kInvalidArgument, "no document is relevant for a subtopic",
                    {.file = path});
    return out;
  });
}

const Subtopics::OfQuery* Subtopics::Find(std::string_view query) const {
  const auto found = queries_.find(query);
  return found == queries_.end() ? nullptr : &found->second;
}

}  // namespace equipoise
