#include <equipoise/core/check.h>
#include <equipoise/core/json_lines.h>
#include <equipoise/engine/answers.h>

#include "text_lines.h"

namespace equipoise {

Result<Answers> Answers::Read(const std::string& path) {
  return WithoutBadAlloc<Answers>(path, [&]() -> Result<Answers> {
    EQUIPOISE_ASSIGN_OR_RETURN(JsonLines lines, JsonLines::Open(path));
    Answers out;
    nlohmann::json object;
    for (;;) {
      EQUIPOISE_ASSIGN_OR_RETURN(const bool more, lines.Next(&object));
      if (!more) break;
      const auto query = object.find("query"), sentences = object.find("sentences");
      if (query == object.end() || !query->is_string() ||
          query->get_ref<const std::string&>().empty())
        return BadLine(path, lines.line(), "\"query\" must be the id of a query", "query");
      if (sentences == object.end() || !sentences->is_array() || sentences->empty())
        return BadLine(path, lines.line(), "\"sentences\" must be an array of strings, not empty",
                       "sentences");
      const auto [at, added] = out.answers_.try_emplace(query->get<std::string>());
      if (!added)
        return BadLine(path, lines.line(),
                       fmt::format("query {} has an answer already", Quoted(at->first)), "query");
      for (const nlohmann::json& sentence : *sentences) {
        if (!sentence.is_string())
          return BadLine(path, lines.line(), "\"sentences\" must be an array of strings",
                         "sentences");
        at->second.push_back(sentence.get<std::string>());
      }
    }
    if (out.answers_.empty())
      return Status(Code::kInvalidArgument, "holds no answer", {.file = path});
    return out;
  });
}

const std::vector<std::string>* Answers::Find(std::string_view query) const {
  const auto found = answers_.find(query);
  return found == answers_.end() ? nullptr : &found->second;
}

}  // namespace equipoise
