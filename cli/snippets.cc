#include "snippets.h"

#include "terminal.h"

namespace equipoise::cli {
namespace {

Json Ranges(const std::vector<ByteRange>& ranges) {
  Json out = Json::array();
  for (const ByteRange& range : ranges) out.push_back({range.begin, range.end});
  return out;
}

// On one line and without what steers a terminal.
std::string Shown(std::string_view text) { return Shorten(text, text.size()); }

}  // namespace

Json SnippetObject(const StoredDocument& document, const DocumentSnippet& snippet) {
  return {{"text", snippet.text.In(document.text)},
          {"begin", snippet.text.begin},
          {"ranges", Ranges(snippet.text.matches)},
          {"title_ranges", Ranges(snippet.title_matches)}};
}

std::string SnippetText(const StoredDocument& document, const DocumentSnippet& snippet) {
  const Snippet& passage = snippet.text;
  const std::string_view text = passage.In(document.text);
  if (text.empty()) return {};
  const bool bold = TerminalColumns() > 0;
  std::string out = passage.from_start ? "    " : "    … ";
  std::size_t at = 0;
  for (const ByteRange& range : passage.matches) {
    out += Shown(text.substr(at, range.begin - at));
    if (bold) out += "\033[1m";
    out += Shown(text.substr(range.begin, range.end - range.begin));
    if (bold) out += "\033[0m";
    at = range.end;
  }
  out += Shown(text.substr(at));
  return out + (passage.to_end ? "\n" : " …\n");
}

}  // namespace equipoise::cli
