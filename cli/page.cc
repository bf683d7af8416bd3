#include "page.h"

#include <fmt/format.h>

#include <equipoise/core/version.h>

namespace equipoise::cli {
namespace {

constexpr std::string_view kStyle = R"(
:root{color-scheme:light}
body{font:15px/1.5 system-ui,sans-serif;color:#222;background:#fff;margin:0 auto;max-width:1180px;padding:24px;overflow-wrap:break-word}
@media (max-width:600px){body{padding:14px}}
h1{font-size:24px;margin:0}h2{font-size:18px;margin:32px 0 6px}h3{font-size:15px;margin:12px 0 4px}
p{max-width:80ch;margin:8px 0}.note{color:#555;font-size:13px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}.wide table{width:100%}
.wide th,.wide td{padding:5px 8px;text-align:right;border-bottom:1px solid #ddd;white-space:nowrap}
.wide th:first-child,.wide td:first-child{text-align:left}
.legend{margin:6px 0}.key{margin-right:16px;white-space:nowrap}
.key i{display:inline-block;width:18px;height:4px;margin-right:6px;vertical-align:middle}
)";

}  // namespace

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 32 ? ' ' : c;
    }
  }
  return out;
}

std::string DataElement(std::string_view id, const Json& data) {
  std::string out = fmt::format(R"(<script type="application/json" id="{}">)", id);
  for (const char c : data.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  }
  return out + "</script>";
}

std::string Page(std::string_view title, const std::vector<PagePart>& parts,
                 std::string_view plotly) {
  std::string page = fmt::format(
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><title>{}</title><style>{}",
      Escaped(title), kStyle);
  for (const PagePart& part : parts) page += part.style;
  page += "</style>";
  const auto script = [&page](std::string_view text) {
    if (text.empty()) return;
    page += "<script>";
    page += text;
    page += "</script>";
  };
  script(plotly);
  page += fmt::format("</head><body><h1>{}</h1>", Escaped(title));
  for (const PagePart& part : parts) page += part.body;
  page += fmt::format("<p class=\"note\">equipoise {}{}</p>", Version(),
                      plotly.empty() ? "" : ", with Plotly (MIT licence)");
  for (const PagePart& part : parts)
    if (!part.script.empty()) script("\"use strict\";{" + part.script + "}");
  page += "</body></html>\n";
  return page;
}

}  // namespace equipoise::cli
