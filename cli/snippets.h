// The best passage of a hit, for people and programs.
#pragma once

#include <string>

#include <equipoise/retrieval/document.h>
#include <equipoise/retrieval/snippet.h>

#include "output.h"

namespace equipoise::cli {

/// {"text", "begin": byte of the document's text, "ranges": [[first, behind], ...] in bytes of "text",
/// "title_ranges": the same in the title}.
Json SnippetObject(const StoredDocument& document, const DocumentSnippet& snippet);

/// The passage on a line of its own, indented, with "…" where something was left out; on a terminal the
/// words of the query are bold. Nothing where there is no text.
std::string SnippetText(const StoredDocument& document, const DocumentSnippet& snippet);

}  // namespace equipoise::cli
