// What the program's HTML pages share: one file that needs nothing else, dark text on light.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "output.h"

namespace equipoise::cli {

/// What follows one another on a page.
struct PagePart {
  std::string body;  ///< HTML; its headings are h2
  std::string style{};
  std::string script{};  ///< sees no name of another part's
};

/// As it stands between tags or in an attribute: no text from the data can become a tag.
std::string Escaped(std::string_view text);

/// A script element of this id that holds the data as JSON, and that no text in it can end.
std::string DataElement(std::string_view id, const Json& data);

/// The page, with its title as the heading. `plotly`: text of plotly.min.js, or empty.
std::string Page(std::string_view title, const std::vector<PagePart>& parts,
                 std::string_view plotly = {});

}  // namespace equipoise::cli
