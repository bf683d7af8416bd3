#include "front_report.h"

#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include <equipoise/core/check.h>
#include <equipoise/core/checked_file.h>

namespace equipoise::cli {
namespace {

constexpr std::string_view kStyle = R"(
.top{display:grid;grid-template-columns:minmax(0,1fr) 330px;gap:20px;align-items:start}
@media (max-width:820px){.top{grid-template-columns:minmax(0,1fr)}}
#front{height:640px}#axes{height:340px}#volume{height:260px}
@media (max-width:820px){#front{height:440px}}
.side{overflow-x:auto}.side .axes{min-width:640px}
#prefer{touch-action:none;cursor:crosshair;width:100%;max-width:330px;display:block}
#prefer text{font:13px sans-serif;fill:#333}
#picked td{padding:2px 10px 2px 0;vertical-align:top}#picked td:first-child{color:#555}
#configuration{background:#f5f5f5;padding:10px;font-size:12.5px;overflow-x:auto;margin:8px 0}
)";

// Picks as PreferenceTable does with kIdeal, of the same points: least √Σ (w z)².
constexpr std::string_view kScript = R"JS(
const data = JSON.parse(document.getElementById("front-data").textContent);
const names = data.objectives, m = names.length;
const label = {cost: data.units.prices ? "cost" : "cost, ms a query", quality: "quality, " + data.measure + "@" + data.k,
               diversity: "diversity"};
const points = data.points, of = (p, name) => p.training[name];
const least = name => name === "cost" ? 1 : -1;
const scaled = points.map(() => []);
names.forEach((name, j) => {
  const v = points.map(p => least(name) * of(p, name)), low = Math.min(...v), high = Math.max(...v);
  v.forEach((x, i) => { scaled[i][j] = high > low ? (x - low) / (high - low) : 0; });
});
function pick(weights) {
  const sum = weights.reduce((a, b) => a + b, 0);
  let best = 0, score = Infinity;
  scaled.forEach((z, i) => {
    const s = Math.hypot(...z.map((x, j) => weights[j] / sum * x));
    if (s < score) { score = s; best = i; }
  });
  return {point: best, distance: score};
}
const colours = {front: "#0072B2", faded: "#BBBBBB", standard: "#E69F00", pick: "#D55E00"};
const three = m === 3;
const gone = "ADVANTAGE VANISHES on queries that chose nothing";
function text(p) {
  const c = p.configuration;
  const lines = Object.entries(c).filter(([k]) => k !== "format").map(([k, v]) => k + " " + v);
  if (p.advantage === "vanishes") lines.push(gone);
  return lines.join("<br>");
}
function trace(name, rows, colour, size, opacity, texts) {
  const out = {name: name, mode: "markers", text: texts, hovertemplate: texts ? "%{text}<extra></extra>" : undefined,
               marker: {color: colour, size: size, opacity: opacity}, type: three ? "scatter3d" : "scatter"};
  ["x", "y", "z"].slice(0, Math.max(2, m)).forEach((axis, j) => {
    out[axis] = rows.map(r => j < m ? r[names[j]] : 0);
  });
  return out;
}
const plain = {responsive: true, displaylogo: false};
const axisOf = j => ({title: {text: j < m ? label[names[j]] : ""}});
function drawFront(chosen) {
  const traces = [
    trace("dominated", data.dominated, colours.faded, three ? 2 : 4, 0.35),
    trace("front", points.map(p => p.training), colours.front, three ? 4 : 8, 1, points.map(text)),
    trace("default", [data.standard.training], colours.standard, three ? 7 : 12, 1, [text(data.standard)]),
    trace("pick", [points[chosen].training], colours.pick, three ? 9 : 14, 1, [text(points[chosen])]),
  ];
  const layout = {margin: {l: three ? 0 : 60, r: 0, t: 10, b: three ? 0 : 50}, legend: {orientation: "h"}, uirevision: 1};
  if (three) layout.scene = {xaxis: axisOf(0), yaxis: axisOf(1), zaxis: axisOf(2),
                             camera: {eye: {x: 1.5, y: 1.7, z: 0.8}, center: {x: 0, y: 0, z: -0.15}}};
  else { layout.xaxis = axisOf(0); layout.yaxis = axisOf(1); }
  return Plotly.react("front", traces, layout, plain);
}
function drawAxes() {
  const columns = names.map(n => ({label: n, values: points.map(p => of(p, n))}));
  const value = (name, missing) => points.map(p => p.configuration[name] === undefined ? missing : p.configuration[name]);
  columns.push({label: "α", values: value("alpha", 0.5), range: [0, 1]},
               {label: "BM25 depth", values: value("lexical_depth", 100)},
               {label: "vector depth", values: value("vector_depth", 100)},
               {label: "mmr λ (1: none)", values: value("mmr", 1)});
  const quality = points.map(p => of(p, "quality"));
  return Plotly.newPlot("axes", [{type: "parcoords", dimensions: columns,
    line: {color: quality, colorscale: "Viridis", showscale: true, colorbar: {title: {text: "quality"}}}}],
    {margin: {l: 50, r: 20, t: 50, b: 20}}, plain);
}
function drawVolume() {
  return Plotly.newPlot("volume", [{y: data.hypervolume, x: data.hypervolume.map((v, i) => i + 1), mode: "lines",
    line: {color: colours.front}}], {margin: {l: 60, r: 10, t: 10, b: 45},
    xaxis: {title: {text: "generation"}}, yaxis: {title: {text: "hypervolume"}}}, plain);
}
// The preference: a triangle for three objectives, a line for two. A corner is an objective alone.
const corner = three ? [[30, 250], [300, 250], [165, 20]] : m === 2 ? [[30, 60], [300, 60]] : [[165, 60]];
const svg = document.getElementById("prefer"), dot = document.getElementById("dot");
let weights = names.map(() => 1 / m);
function place(w) {
  return [0, 1].map(a => corner.reduce((s, c, j) => s + w[j] * c[a], 0));
}
function weightsAt(x, y) {
  if (m === 1) return [1];
  if (m === 2) { const t = Math.min(1, Math.max(0, (x - 30) / 270)); return [1 - t, t]; }
  const [a, b, c] = corner, d = (b[1] - c[1]) * (a[0] - c[0]) + (c[0] - b[0]) * (a[1] - c[1]);
  const u = ((b[1] - c[1]) * (x - c[0]) + (c[0] - b[0]) * (y - c[1])) / d;
  const v = ((c[1] - a[1]) * (x - c[0]) + (a[0] - c[0]) * (y - c[1])) / d;
  const w = [u, v, 1 - u - v].map(t => Math.max(0, t)), sum = w.reduce((p, q) => p + q, 0);
  return w.map(t => t / sum);
}
function show() {
  const [x, y] = place(weights);
  dot.setAttribute("cx", x); dot.setAttribute("cy", y);
  const chosen = pick(weights), p = points[chosen.point], v = p.validation;
  const rows = names.map((n, j) => [n, weights[j].toFixed(2)]);
  const row = (a, b) => "<tr><td>" + a + "</td><td>" + b + "</td></tr>";
  document.getElementById("picked").innerHTML = "<table>" +
    row("preference", rows.map(r => r.join(" ")).join(", ")) +
    row("point", chosen.point + " of " + points.length + ", " + chosen.distance.toFixed(4) + " from the ideal one") +
    row("cost", of(p, "cost").toPrecision(4) + (p.measured_ms ? "; measured " + p.measured_ms.toPrecision(3) + " ms" : "")) +
    row("quality", of(p, "quality").toFixed(4) + "; validation " + v.quality.toFixed(4) +
        " [" + p.quality_low.toFixed(3) + ", " + p.quality_high.toFixed(3) + "]") +
    row("diversity", of(p, "diversity").toFixed(4)) +
    row("over the default", (p.gain >= 0 ? "+" : "") + p.gain.toFixed(4) + " [" + p.gain_low.toFixed(3) + ", " +
        p.gain_high.toFixed(3) + "]: " + (p.advantage === "vanishes" ? "<b>" + gone + "</b>" : p.advantage)) + "</table>";
  document.getElementById("configuration").textContent = JSON.stringify(p.configuration, null, 1);
  document.body.dataset.pick = chosen.point;
  return drawFront(chosen.point);
}
function move(event) {
  const box = svg.getBoundingClientRect();
  weights = weightsAt((event.clientX - box.left) * 330 / box.width, (event.clientY - box.top) * 290 / box.height);
  show();
}
corner.forEach((c, j) => {
  const t = document.createElementNS("http://www.w3.org/2000/svg", "text");
  t.textContent = names[j];
  t.setAttribute("x", c[0]); t.setAttribute("y", c[1] > 100 || !three ? c[1] + 22 : c[1] - 8);
  t.setAttribute("text-anchor", "middle");
  svg.appendChild(t);
});
document.getElementById("edge").setAttribute("points", corner.map(c => c.join(",")).join(" "));
svg.addEventListener("pointerdown", e => { svg.setPointerCapture(e.pointerId); move(e); });
svg.addEventListener("pointermove", e => { if (e.buttons) move(e); });
Promise.all([show(), drawAxes(), drawVolume()]).then(() => { document.body.dataset.ready = 1; });
)JS";

}  // namespace

PagePart FrontPart(const TunedFront& front) {
  Json data = Json::parse(FrontJson(front));
  data["standard"] = data["default"];
  for (const char* part : {"state", "default", "collections", "sweep"}) data.erase(part);
  std::size_t training = 0, validation = 0;
  for (const TunedCollection& c : front.collections) {
    training += c.training;
    validation += c.validation;
  }
  std::string body = fmt::format(
      "<p>{} configurations that none of {} others is better than in everything, chosen on {} "
      "queries; intervals are of {} queries that chose nothing.</p><div class=\"top\"><div "
      "id=\"front\"></div><div><h2>What matters to you?</h2><svg id=\"prefer\" "
      "viewBox=\"0 0 330 290\" role=\"img\" aria-label=\"Preference between the "
      "objectives\"><polygon id=\"edge\" fill=\"#eef4f8\" stroke=\"#0072B2\"/><circle id=\"dot\" "
      "r=\"8\" fill=\"#D55E00\"/></svg><p class=\"note\">Move the dot: a corner is one objective "
      "alone.</p><div id=\"picked\"></div><pre id=\"configuration\"></pre></div></div>"
      "<h2>All of the front, side by side</h2><div class=\"side\"><div class=\"axes\"><div "
      "id=\"axes\"></div></div></div>"
      "<h2>Hypervolume over the generations</h2><div id=\"volume\"></div>"
      "<p class=\"note\">{} configurations were judged of {} asked for; {} searches were run and "
      "{} saved.</p>",
      front.points.size(), front.effort.judged, training, validation, front.effort.judged,
      front.effort.asked, front.effort.searches, front.effort.searches_saved);
  body += DataElement("front-data", data);
  return {.body = std::move(body), .style = std::string(kStyle), .script = std::string(kScript)};
}

std::string FrontReport(const TunedFront& front, std::string_view plotly) {
  return Page("Configurations worth having", {FrontPart(front)}, plotly);
}

Result<std::string> ReadPlotly(const std::string& named) {
  std::string path = named;
  if (path.empty())
    if (const char* variable = std::getenv("EQUIPOISE_PLOTLY")) path = variable;
  std::error_code ignored;
  if (path.empty()) {
    const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored);
    path = (program.parent_path().parent_path() / "share/equipoise/plotly.min.js").string();
    if (!std::filesystem::exists(path, ignored))
      return Status(
          Code::kNotFound,
          "a report needs Plotly's script, which is not here: `pip download --no-deps plotly`, "
          "unzip plotly/package_data/plotly.min.js from it, and name that by --plotly or "
          "EQUIPOISE_PLOTLY (./dev build does so by itself); or leave --report out",
          {.file = path, .field = "--report"});
  }
  EQUIPOISE_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  const auto bytes = file.bytes();
  std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.find("Plotly") == std::string::npos)
    return Status(Code::kInvalidArgument, "is not Plotly's script (plotly.min.js)",
                  {.file = path, .field = "--plotly"});
  return text;
}

}  // namespace equipoise::cli
