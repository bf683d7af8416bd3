#include "search_report.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "terminal.h"

namespace equipoise::cli {
namespace {

using simulation::AlphaOf;
using simulation::Difference;

/// Columns of a document's text that are shown.
constexpr std::size_t kTextShown = 240;

constexpr const char* kStyle = R"(
.mean{display:block;width:140px;height:22px}
.bars{width:100%;min-width:560px;max-width:900px;height:auto;display:block}.bars text{font:12px sans-serif;fill:#222}
)";

double Milliseconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e6; }

std::string Range(double low, double high) { return fmt::format("{:.4f} – {:.4f}", low, high); }

/// A dot with its interval, on the scale of all rows.
std::string Dot(const Difference& value, double low, double high) {
  const auto at = [&](double x) { return 6 + (x - low) / std::max(1e-9, high - low) * 128; };
  return fmt::format(
      R"(<svg class="mean" viewBox="0 0 140 22" role="img" aria-label="{:.4f}, 95 % from {:.4f} to {:.4f}"><line x1="{:.1f}" x2="{:.1f}" y1="11" y2="11" stroke="#0072B2" stroke-width="2"/><circle cx="{:.1f}" cy="11" r="5" fill="#0072B2"/></svg>)",
      value.mean, value.low, value.high, at(value.low), at(value.high), at(value.mean));
}

struct ResultRow {
  std::string name;
  Difference ndcg, recall, over;
  const LatencySummary* latency = nullptr;
};

std::vector<ResultRow> ResultRows(const SearchStudy& study, const LearningStudy& learning) {
  std::vector<ResultRow> rows;
  for (const StudiedSetting& s : study.settings) {
    const double alpha = s.weights.alpha;
    rows.push_back({alpha >= 1   ? "BM25 alone"
                    : alpha <= 0 ? "vectors alone"
                                 : fmt::format("fixed α = {:g}", alpha),
                    s.ndcg,
                    s.recall,
                    {s.over_path.difference, s.over_path.low, s.over_path.high},
                    &s.latency});
  }
  const PolicyStudy& learned = learning.policies.back();
  rows.push_back({"learned α",
                  {learned.earned.reward, learned.earned.reward_interval.low,
                   learned.earned.reward_interval.high},
                  learned.recall,
                  learned.less_path});
  return rows;
}

/// The shortest decimal number that is this float again, as JSON numbers are doubles.
Json Short(float value) {
  char text[32];
  const char* end = std::to_chars(text, text + sizeof text, value).ptr;
  double out = 0;
  std::from_chars(text, end, out);
  return out;
}

Json LookData(const SearchStudy& study) {
  Json data = {{"shown", study.shown},
               {"alpha", study.weights.alpha},
               {"documents", Json::array()},
               {"queries", Json::array()}};
  for (const StudiedDocument& d : study.cited)
    data["documents"].push_back({d.id, Shorten(d.title, kTextShown), Shorten(d.text, kTextShown)});
  for (const StudiedQuery& q : study.sample) {
    Json candidates = Json::array();
    for (const StudiedCandidate& c : q.candidates) {
      const auto at =
          std::lower_bound(study.cited.begin(), study.cited.end(), c.doc,
                           [](const StudiedDocument& d, std::uint32_t doc) { return d.doc < doc; });
      candidates.push_back({at - study.cited.begin(), Short(c.lexical), Short(c.vector),
                            c.lexical_rank, c.vector_rank, c.grade ? Json(*c.grade) : Json()});
    }
    data["queries"].push_back({{"id", q.id},
                               {"text", q.text},
                               {"relevant", q.relevant},
                               {"ideal", q.ideal_dcg},
                               {"domain", q.domain.name},
                               {"general", q.domain.general},
                               {"probability", Short(q.domain.probability)},
                               {"candidates", std::move(candidates)}});
  }
  return data;
}

constexpr const char* kLookStyle = R"(
.controls{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:6px 24px;align-items:start;margin:10px 0}
@media (max-width:820px){.controls{grid-template-columns:minmax(0,1fr)}}
.controls select,.controls input{width:100%;box-sizing:border-box;font:inherit;min-height:32px}
.controls label{font-weight:600;display:block}.ends{display:flex;justify-content:space-between;font-size:13px;color:#555}
#asked{font-size:17px;margin:8px 0;border-left:4px solid #0072B2;padding-left:10px}
.look{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:20px}
.look section{min-width:0}
@media (max-width:820px){.look{grid-template-columns:minmax(0,1fr)}.look .fused{order:-1}}
.look .fused{background:#f4f8fb;padding:2px 12px;border-radius:6px}
.look ol{margin:6px 0;padding-left:26px}.look li{margin:0 0 10px}
.look .text{font-size:13px;color:#444}.look .why{font-size:12.5px;color:#555;font-variant-numeric:tabular-nums}
.mark{display:inline-block;font-size:12px;padding:0 6px;border-radius:8px;margin-left:4px;background:#eee;color:#444}
.mark.yes{background:#d7f0e6;color:#00523c;font-weight:600}
.parts{display:flex;height:6px;background:#e6e6e6;margin:3px 0}.parts i{display:block;height:6px}
.parts .l{background:#E69F00}.parts .v{background:#0072B2}
#along{width:100%;max-width:560px;height:auto;display:block}#along text{font:12px sans-serif;fill:#444}
)";

// The order is the engine's: float32 scores, ties by document; at the ends the list of one path.
constexpr const char* kLookScript = R"JS(
const data = JSON.parse(document.getElementById("look-data").textContent);
const get = id => document.getElementById(id), f = Math.fround;
const select = get("query"), slider = get("alpha");
function ranked(query, alpha) {
  const a = f(alpha), b = f(1 - alpha);
  let rows = query.candidates.map(([document, l, v, lexicalRank, vectorRank, grade]) => {
    l = f(l); v = f(v);
    return {document, l, v, lexicalRank, vectorRank, grade, lexical: f(a * l), vector: f(b * v),
            score: f(f(a * l) + f(b * v))};
  });
  if (alpha >= 1) rows = rows.filter(r => r.lexicalRank > 0).sort((x, y) => x.lexicalRank - y.lexicalRank);
  else if (alpha <= 0) rows = rows.filter(r => r.vectorRank > 0).sort((x, y) => x.vectorRank - y.vectorRank);
  else rows.sort((x, y) => y.score - x.score || x.document - y.document);
  return rows.slice(0, data.shown);
}
function ndcg(query, rows) {
  const dcg = rows.reduce((sum, r, i) => sum + (r.grade > 0 ? (2 ** Math.min(60, r.grade) - 1) / Math.log2(i + 2) : 0), 0);
  return query.ideal > 0 ? dcg / query.ideal : 0;
}
function element(name, text, kind) {
  const out = document.createElement(name);
  if (text !== undefined) out.textContent = text;
  if (kind) out.className = kind;
  return out;
}
const place = rank => rank > 0 ? String(rank) : "–";
function item(row, fused) {
  const [id, title, text] = data.documents[row.document], li = element("li");
  li.dataset.id = id;
  const head = element("div");
  head.append(element("b", title || id));
  if (row.grade !== null)
    head.append(element("span", row.grade > 0 ? "relevant, grade " + row.grade : "judged, grade " + row.grade,
                        row.grade > 0 ? "mark yes" : "mark"));
  li.append(head, element("div", text, "text"));
  if (fused) {
    const parts = element("div", undefined, "parts");
    for (const [kind, part] of [["l", row.lexical], ["v", row.vector]]) {
      const bar = element("i", undefined, kind);
      bar.style.width = Math.min(100, 100 * part / scale) + "%";
      parts.append(bar);
    }
    li.append(parts, element("div", row.score.toFixed(4) + " = " + row.lexical.toFixed(4) + " BM25 + " +
      row.vector.toFixed(4) + " vectors; rank " + place(row.lexicalRank) + " by BM25, " +
      place(row.vectorRank) + " by vectors", "why"));
  } else {
    li.append(element("div", "normalized: " + row.l.toFixed(3) + " BM25, " + row.v.toFixed(3) + " vectors", "why"));
  }
  return li;
}
// With reciprocal ranks no score is near 1.
const scale = Math.max(1e-9, ...data.queries.flatMap(q => q.candidates.map(c => Math.max(c[1], c[2]))));
function fill(name, query, alpha) {
  const rows = ranked(query, alpha), value = ndcg(query, rows);
  get(name).replaceChildren(...rows.map(r => item(r, name === "fused")));
  get(name + "-measure").textContent = "nDCG@" + data.shown + " " + value.toFixed(4);
  return value;
}
function along(query, alpha) {
  const x = a => 40 + 500 * a, y = v => 110 - 90 * v, points = [];
  for (let i = 0; i <= 50; ++i) points.push(x(i / 50).toFixed(1) + "," + y(ndcg(query, ranked(query, i / 50))).toFixed(1));
  get("along-line").setAttribute("points", points.join(" "));
  get("along-mark").setAttribute("x1", x(alpha));
  get("along-mark").setAttribute("x2", x(alpha));
}
function show() {
  const number = Number(select.value), query = data.queries[number], alpha = Number(slider.value);
  get("asked").textContent = query.text;
  get("known").textContent = query.relevant + " relevant" + (query.domain ? "; domain " + query.domain +
    ", probability " + query.probability.toFixed(3) + (query.general ? ": not sure, general" : "") : "");
  get("alpha-value").textContent = alpha.toFixed(2);
  fill("lexical", query, 1);
  fill("vector", query, 0);
  fill("fused", query, alpha);
  along(query, alpha);
  slider.setAttribute("aria-valuetext", "α " + alpha.toFixed(2));
}
function open() {
  const asked = new URLSearchParams(location.hash.slice(1)), alpha = Number(asked.get("alpha") ?? data.alpha);
  const number = Number(asked.get("query") ?? 0);
  select.value = data.queries[number] ? number : 0;
  slider.value = alpha >= 0 && alpha <= 1 ? alpha : data.alpha;
  show();
}
data.queries.forEach((q, i) => {
  const option = element("option", q.text.length > 80 ? q.text.slice(0, 79) + "…" : q.text);
  option.value = i;
  select.append(option);
});
select.addEventListener("change", show);
slider.addEventListener("input", show);
window.addEventListener("hashchange", open);
if (data.queries.length > 0) open();
document.body.dataset.look = 1;
)JS";

}  // namespace

PagePart ResultsPart(const SearchStudy& study, const LearningStudy& learning) {
  const std::vector<ResultRow> rows = ResultRows(study, learning);
  double low = 1, high = 0;
  for (const ResultRow& row : rows) {
    low = std::min(low, row.ndcg.low);
    high = std::max(high, row.ndcg.high);
  }
  std::string body = fmt::format(
      "<p>{} documents, {} judged queries, fusion {}. Intervals: 95 %, bootstrap over "
      "queries. α is the weight of BM25, 1 − α that of the vectors.</p><h2>Results</h2><div "
      "class=\"wide\"><table "
      "id=\"results\"><thead><tr><th scope=\"col\">way to search</th><th scope=\"col\">nDCG@10</th>"
      "<th scope=\"col\">95 %</th><th scope=\"col\" aria-label=\"as a picture\"></th><th "
      "scope=\"col\">over {} alone</th><th scope=\"col\">95 %</th><th "
      "scope=\"col\">Recall@10</th><th "
      "scope=\"col\">95 %</th><th scope=\"col\">p50 ms</th><th scope=\"col\">p99 "
      "ms</th></tr></thead><tbody>",
      study.documents, study.queries, FusionName(study.weights.method),
      study.lexical_better ? "BM25" : "vectors");
  for (const ResultRow& row : rows) {
    const auto time = [&](std::uint64_t LatencySummary::*part) {
      return row.latency == nullptr ? std::string("–")
                                    : fmt::format("{:.3f}", Milliseconds(row.latency->*part));
    };
    body += fmt::format(
        "<tr><th scope=\"row\">{}</th><td>{:.4f}</td><td>{}</td><td>{}</td><td>{:+.4f}</td><td>"
        "{:+.4f} to {:+.4f}</td><td>{:.4f}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        row.name, row.ndcg.mean, Range(row.ndcg.low, row.ndcg.high), Dot(row.ndcg, low, high),
        row.over.mean, row.over.low, row.over.high, row.recall.mean,
        Range(row.recall.low, row.recall.high), time(&LatencySummary::p50_ns),
        time(&LatencySummary::p99_ns));
  }
  const Difference& more = learning.policies.back().less_static;
  body += fmt::format(
      "</tbody></table></div><p>Learned, α earns {:+.4f} a query ({:+.4f} to {:+.4f}) over α = "
      "0.5.</p><p class=\"note\">Learned from simulated feedback, as said below; its intervals are "
      "of queries drawn within their domains. It searches as a fixed α does. Times: of 1,000 "
      "results, one thread.</p>",
      more.mean, more.low, more.high);
  return {.body = std::move(body), .style = kStyle};
}

PagePart DomainsPart(const LearningStudy& learning) {
  std::string body =
      "<h2>Domains</h2><div class=\"wide\"><table id=\"domains\"><thead><tr><th "
      "scope=\"col\">domain</th><th scope=\"col\">queries</th><th scope=\"col\">BM25 alone</th><th "
      "scope=\"col\">vectors alone</th><th scope=\"col\">best α</th><th "
      "scope=\"col\">nDCG@10 there</th><th scope=\"col\">learned α</th><th scope=\"col\">nDCG@10 "
      "there</th></tr></thead><tbody>";
  for (const DomainStudy& domain : learning.domains) {
    std::string learned = "<td>–</td><td>–</td>";
    if (domain.posterior) {
      const double alpha = domain.posterior->best_alpha;
      std::size_t nearest = 0;
      for (std::size_t i = 0; i < simulation::kGrid; ++i)
        if (std::abs(AlphaOf(i) - alpha) < std::abs(AlphaOf(nearest) - alpha)) nearest = i;
      learned = fmt::format("<td>{:g}</td><td>{:.4f}</td>", alpha, domain.reward[nearest]);
    }
    body += fmt::format(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{:.4f}</td><td>{:.4f}</td><td>{:g}</td><td>"
        "{:.4f}</td>{}</tr>",
        Escaped(domain.name), domain.queries, domain.reward.back(), domain.reward.front(),
        AlphaOf(domain.best), domain.reward[domain.best], learned);
  }
  body +=
      "</tbody></table></div><p class=\"note\">Best α: in hindsight, over all judgments. Learned: "
      "after one pass over the queries.</p>";
  return {.body = std::move(body)};
}

PagePart LayersPart(const SearchStudy& study) {
  std::uint64_t most = 10'000;
  for (const StudiedLayer& layer : study.layers) most = std::max(most, layer.latency.p99_ns);
  // From 0.1 µs on, on a logarithmic scale: a rare slow search must not hide the others.
  const auto width = [&](std::uint64_t ns) {
    const double shown = std::log10(std::max(1.0, static_cast<double>(ns) / 100));
    return 700 * shown / std::log10(static_cast<double>(most) / 100);
  };
  constexpr std::array<std::pair<const char*, const char*>, 3> kParts = {
      {{"p50", "#0072B2"}, {"p95", "#56B4E9"}, {"p99", "#E69F00"}}};
  std::string rows, bars, legend;
  double y = 6;
  for (const StudiedLayer& layer : study.layers) {
    const LatencySummary& l = layer.latency;
    rows += fmt::format("<tr><th scope=\"row\">{}</th>", layer.name);
    bars +=
        fmt::format(R"(<text x="84" y="{:.0f}" text-anchor="end">{}</text>)", y + 20, layer.name);
    double bar = y;
    for (const auto& [ns, part] :
         {std::pair(l.p50_ns, kParts[0]), {l.p95_ns, kParts[1]}, {l.p99_ns, kParts[2]}}) {
      bars += fmt::format(R"(<rect x="92" y="{:.0f}" width="{:.1f}" height="9" fill="{}"/>)", bar,
                          width(ns), part.second);
      rows += fmt::format("<td>{:.1f}</td>", static_cast<double>(ns) / 1000);
      bar += 10;
    }
    bars += fmt::format(R"(<text x="{:.1f}" y="{:.0f}">{:.1f}</text>)", 98 + width(l.p99_ns),
                        y + 30, static_cast<double>(l.p99_ns) / 1000);
    rows += "</tr>";
    y += 40;
  }
  for (const auto& [name, colour] : kParts)
    legend +=
        fmt::format(R"(<span class="key"><i style="background:{}"></i>{}</span>)", colour, name);
  return {.body = fmt::format(
              "<h2>Where the time goes</h2><p>Microseconds of {} searches for {} hits, one after "
              "the other, at α = {:g}.</p><div class=\"wide\"><table id=\"layers\"><thead><tr><th "
              "scope=\"col\">layer</th><th scope=\"col\">p50</th><th scope=\"col\">p95</th><th "
              "scope=\"col\">p99</th></tr></thead><tbody>{}</tbody></table></div><div "
              "class=\"legend\">{} on a logarithmic scale</div><div class=\"wide\"><svg "
              "class=\"bars\" viewBox=\"0 0 900 {:.0f}\" role=\"img\" aria-label=\"Percentiles of "
              "each layer, as in the table\">{}</svg></div>",
              study.layers.back().latency.count, study.shown, study.weights.alpha, rows, legend, y,
              bars)};
}

PagePart LookPart(const SearchStudy& study) {
  std::string body = fmt::format(
      "<h2>Look into queries</h2><p>{} of the queries. Move α: the middle ranks again as a search "
      "with that α would, from both normalized scores.</p>"
      "<div class=\"controls\"><div><label for=\"query\">Query</label><select "
      "id=\"query\"></select></div><div><label for=\"alpha\">α = <output id=\"alpha-value\" "
      "for=\"alpha\"></output></label><input type=\"range\" id=\"alpha\" min=\"0\" max=\"1\" "
      "step=\"0.01\"><div class=\"ends\"><span>0: vectors alone</span><span>1: BM25 "
      "alone</span></div></div></div>"
      "<p id=\"asked\"></p><p class=\"note\" id=\"known\"></p>"
      "<svg id=\"along\" viewBox=\"0 0 560 140\" role=\"img\" aria-label=\"nDCG of this query at "
      "each α\"><line x1=\"40\" x2=\"540\" y1=\"110\" y2=\"110\" stroke=\"#bbb\"/><line x1=\"40\" "
      "x2=\"540\" y1=\"20\" y2=\"20\" stroke=\"#e4e4e4\"/><text x=\"34\" y=\"24\" "
      "text-anchor=\"end\">1</text><text x=\"34\" y=\"114\" text-anchor=\"end\">0</text><text "
      "x=\"40\" y=\"130\">α = 0</text><text x=\"540\" y=\"130\" text-anchor=\"end\">1</text><text "
      "x=\"290\" y=\"130\" text-anchor=\"middle\">nDCG@{} of this query</text><polyline "
      "id=\"along-line\" fill=\"none\" stroke=\"#0072B2\" stroke-width=\"2\"/><line "
      "id=\"along-mark\" y1=\"14\" y2=\"112\" stroke=\"#D55E00\" stroke-width=\"2\"/></svg>"
      "<div class=\"legend\"><span class=\"key\"><i style=\"background:#E69F00\"></i>BM25's "
      "part</span><span class=\"key\"><i style=\"background:#0072B2\"></i>the vectors' "
      "part</span></div><div class=\"look\">",
      study.sample.size(), study.shown);
  constexpr std::array<std::array<const char*, 3>, 3> kLists = {{{"lexical", "BM25 alone", ""},
                                                                 {"fused", "Fused", "fused"},
                                                                 {"vector", "Vectors alone", ""}}};
  for (const auto& [id, title, kind] : kLists)
    body += fmt::format(
        R"(<section class="{}" aria-label="{}"><h3>{}</h3><div class="note" id="{}-measure"{}></div><ol id="{}"></ol></section>)",
        kind, title, title, id, kind[0] != 0 ? " aria-live=\"polite\"" : "", id);
  body += "</div>" + DataElement("look-data", LookData(study));
  return {.body = std::move(body), .style = kLookStyle, .script = kLookScript};
}

}  // namespace equipoise::cli
