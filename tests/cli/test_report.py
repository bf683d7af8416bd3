"""`equipoise report`: one page, opened in Chromium, that ranks as the program does."""

import html
import json
import re
import unittest

from browser import Page, count, plotly
from samples import npy
from test_learn import LearnTest

EVIL = '</script><script>document.title="taken"</script><img src=x onerror=alert(1)> & "quoted"'
ONE = ("idx/one", "--data", "data/one")


class ReportTest(Page, LearnTest):
    def report(self, *options, out="r.html"):
        return self.run_ok("report", *ONE, "--orders", "2", "--out", out, *options)

    def text(self, name="r.html"):
        return (self.folder / name).read_text(encoding="utf-8")

    def data(self):
        """What the page's script ranks from."""
        return json.loads(re.search(r'id="look-data">(.*?)</script>', self.text(), re.DOTALL)[1])

    def table(self, name):
        """Rows of cells, as text."""
        body = re.search(rf'<table id="{name}">(.*?)</table>', self.text(), re.DOTALL)[1]
        rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
                for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)]
        return [[html.unescape(re.sub(r"<.*?>", "", cell)) for cell in row] for row in rows]

    def shown(self, page, name):
        """Ids of a list of the page, in order, as Chromium has it."""
        part = re.search(rf'<ol id="{name}">(.*?)</ol>', page, re.DOTALL)[1]
        return [html.unescape(id) for id in re.findall(r'<li data-id="(.*?)">', part)]

    def found(self, query, *options):
        """Ids of the hits of `equipoise search` for a query of data/one."""
        text = json.loads((self.folder / "data/one/queries.jsonl").read_text().splitlines()[query])
        run = self.run_ok("search", "idx/one", "--text", text["text"], "--embedding",
                          f"data/one/queries.npy:{query}", "--json", *options)
        return [hit["id"] for hit in run.json()["hits"]]


class Figures(ReportTest):
    def test_the_results_are_those_of_eval_and_learn(self):
        done = self.report("--json").json()
        self.assertEqual((done["out"], done["queries"], done["sample"], done["front"]),
                         ("r.html", 24, 24, None))
        _, *rows = self.table("results")
        self.assertEqual([row[0] for row in rows],
                         ["BM25 alone", "vectors alone", "fixed α = 0.5", "learned α"])
        expected = self.eval("one", "--alpha", "1,0,0.5")
        for row, other in zip(rows, expected):
            self.assertEqual((row[1], row[6]),
                             (f'{other["ndcg@10"]:.4f}', f'{other["recall@10"]:.4f}'))
        learned = self.learn(*ONE, "--orders", "2")
        curve = self.policy(learned, "curve")
        for at, key in ((1, "reward"), (6, "recall@10")):
            self.assertEqual(rows[3][at], f"{curve[key]:.4f}")
            self.assertEqual(rows[3][at + 1], "{low:.4f} – {high:.4f}".format(**curve[key + "_95"]))
        self.assertEqual(rows[3][4], f'{curve["less_path"]:+.4f}')
        best = max(expected[:2], key=lambda row: row["ndcg@10"])["ndcg@10"]
        for row, other in zip(rows, expected):
            self.assertAlmostEqual(float(row[4]), other["ndcg@10"] - best, delta=1.01e-4)
            low, high = map(float, row[2].split(" – "))
            self.assertLessEqual(low, float(row[1]))
            self.assertGreaterEqual(high, float(row[1]))
        _, domain = self.table("domains")
        self.assertEqual(domain[:2], ["one", "24"])
        self.assertEqual(domain[2:4], [rows[0][1], rows[1][1]])

    def test_layers_have_percentiles_that_rise(self):
        self.write("labels.jsonl", [{"_id": f"d{i}", "text": "", "domain": "even" if i % 2 else "odd"}
                                    for i in range(60)])
        self.run_ok("domains", "fit", "--corpus", "labels.jsonl", "--embeddings",
                    "data/one/corpus.npy", "--out", "model")
        for options, names in (((), ["lexical", "vector"]),
                               (("--domains", "model"), ["domain", "lexical", "vector"])):
            self.report(*options)
            _, *rows = self.table("layers")
            self.assertEqual([row[0] for row in rows], ["analysis", *names, "fusion", "whole"])
            for row in rows:
                p50, p95, p99 = map(float, row[1:])
                self.assertTrue(p50 <= p95 <= p99, row)
            self.assertGreater(float(rows[-1][1]), 0)
        self.assertIn(self.data()["queries"][0]["domain"], ("even", "odd"))

    def test_candidates_are_all_that_any_alpha_shows(self):
        self.report("--sample", "5")
        data = self.data()
        self.assertEqual(len(data["queries"]), 5)
        for query in data["queries"]:
            row = int(query["id"][1:])
            ids = {data["documents"][c[0]][0] for c in query["candidates"]}
            seen = set()
            for alpha in range(0, 101, 4):
                seen.update(self.found(row, "--alpha", str(alpha / 100)))
            self.assertLessEqual(seen, ids)
            self.assertLess(len(ids), 60)  # of 60 that both paths find


class Safe(ReportTest):
    def test_no_text_of_the_data_becomes_markup(self):
        documents = [{"_id": f"d{i}{EVIL if i % 7 == 0 else ''}", "title": EVIL,
                      "text": f"word{i % 30} {EVIL}", "domain": EVIL} for i in range(60)]
        queries = [{"_id": f"q{i}{EVIL}", "text": f"word{i} {EVIL}"} for i in range(4)]
        self.write("data/one/corpus.jsonl", documents)
        self.write("data/one/queries.jsonl", queries)
        self.write("data/one/queries.npy", npy([[1, i, 2, -i, 0, 1] for i in range(4)]))
        self.write("data/one/qrels/test.tsv",
                   "".join(f"q{i}{EVIL}\td{i}{EVIL if i % 7 == 0 else ''}\t1\n" for i in range(4)))
        self.write("s.jsonl", [{"query": q["_id"], "domain": EVIL} for q in queries])
        self.run_ok("index", "--corpus", "data/one/corpus.jsonl", "--embeddings",
                    "data/one/corpus.npy", "--out", "idx/one")
        self.report("--stream", "s.jsonl")
        page = self.text()
        self.assertNotIn("<img", page)
        self.assertEqual(page.count("<script"), page.count("</script>"))
        self.assertEqual(page.count("<script"), 2)  # the data, and what ranks it
        opened = self.look("r.html", "--dump-dom")
        self.assertIn('data-look="1"', opened)
        self.assertNotIn("<img", opened)
        self.assertNotIn("<title>taken", opened)
        self.assertIn("onerror=alert(1)", opened)  # as text

    def test_it_needs_nothing_else(self):
        self.report()
        page = self.text()
        for word in ("src=", "@import", "url(", "<link", "http"):
            self.assertNotIn(word, page)
        for query in self.data()["queries"]:
            self.assertEqual(sorted(query["candidates"]), query["candidates"])

    def test_what_is_wrong_is_said_and_nothing_written(self):
        call = ("report", *ONE, "--out", "r.html")
        self.refused(2, "report", "idx/one", "idx/two", "--data", "data/one", "data/two",
                     "--out", "r.html")
        self.refused(2, *call, "--sample", "0")
        self.refused(2, *call, "--depth", "5")
        self.assertEqual(self.refused(1, *call[:-1], "none/r.html")["code"], "io")
        self.write("front.json", "{}")
        self.assertEqual(self.refused(1, *call, "--front", "front.json", "--plotly",
                                      plotly())["file"], "front.json")
        self.refused(1, *call, "--domains", "front.json")
        self.assertEqual(self.refused(1, *call, "--stream", "absent.jsonl")["code"], "not_found")
        self.assertEqual(list(self.folder.glob("*.html")), [])


TRY = """<script>
{
  const tried = [], ids = name => [...document.querySelectorAll("#" + name + " li")].map(li => li.dataset.id);
  const query = document.getElementById("query"), alpha = document.getElementById("alpha");
  for (const [q, a] of CASES) {
    query.value = q;
    query.dispatchEvent(new Event("change"));
    alpha.value = a;
    alpha.dispatchEvent(new Event("input"));
    tried.push([ids("fused"), ids("lexical"), ids("vector")]);
  }
  const out = document.createElement("pre");
  out.id = "tried";
  out.textContent = JSON.stringify(tried);
  document.body.append(out);
}
</script></body>"""


class Inspector(ReportTest):
    def tried(self, cases):
        """Moves the slider of r.html to each (query, α); the ids in its three lists then."""
        self.write("tried.html",
                   self.text().replace("</body>", TRY.replace("CASES", json.dumps(cases))))
        page = self.look("tried.html", "--dump-dom")
        return json.loads(html.unescape(re.search(r'id="tried">(.*?)</pre>', page)[1]))

    def test_the_slider_moves_the_ranking_to_that_of_the_search(self):
        self.report()
        cases = [(query, alpha) for query in (0, 3, 11, 23)
                 for alpha in ("0", "0.01", "0.35", "0.5", "0.7", "0.99", "1")]
        tried = self.tried(cases)
        for (query, alpha), (fused, lexical, vector) in zip(cases, tried, strict=True):
            with self.subTest(query=query, alpha=alpha):
                self.assertEqual(fused, self.found(query, "--alpha", alpha))
                self.assertEqual(lexical, self.found(query, "--alpha", "1"))
                self.assertEqual(vector, self.found(query, "--alpha", "0"))
        self.assertGreater(len({tuple(fused) for fused, _, _ in tried}), 12)

    def test_it_ranks_so_with_another_fusion_and_depth(self):
        for fusion, depth in (("minmax", 20), ("rrf", 30)):
            with self.subTest(fusion):
                self.write("c.json", json.dumps({"format": 1, "fusion": fusion, "alpha": 0.3}))
                options = ("--config", "c.json", "--depth", str(depth))
                self.report(*options)
                for (fused, _, _), alpha in zip(self.tried([(1, "0.3"), (1, "0.62")]),
                                                ("0.3", "0.62"), strict=True):
                    self.assertEqual(fused, self.found(1, *options, "--alpha", alpha, "--fusion",
                                                       fusion))

    def test_it_opens_where_its_address_says(self):
        self.report()
        page = self.look("r.html", "--dump-dom", at="#alpha=0.7&query=3")
        self.assertIn(">0.70</output>", page)
        self.assertEqual(self.shown(page, "fused"), self.found(3, "--alpha", "0.7"))

    def test_relevance_marks_and_measures_are_those_of_the_judgments(self):
        self.report()
        page = self.look("r.html", "--dump-dom", at="#alpha=0.5&query=2")
        judged = {}
        for line in (self.folder / "data/one/qrels/test.tsv").read_text().splitlines()[1:]:
            query, document, grade = line.split("\t")
            judged.setdefault(query, {})[document] = grade
        fused = re.search(r'<ol id="fused">(.*?)</ol>', page, re.DOTALL)[1]
        marked = dict(re.findall(r'<li data-id="([^"]*)"><div><b>[^<]*</b>'
                                 r'<span class="mark yes">relevant, grade (\d+)</span>', fused))
        shown = self.shown(page, "fused")
        self.assertEqual(marked, {d: g for d, g in judged["q2"].items() if d in shown})
        mine = next(q for q in self.eval("one", "--alpha", "0.5", "--per-query")[0]["per_query"]
                    if q["query"] == "q2")
        self.assertIn(f'id="fused-measure" aria-live="polite">nDCG@10 {mine["ndcg@10"]:.4f}<', page)


class Drawn(ReportTest):
    def report_with_front(self):
        self.run_ok("tune", *ONE, "--population", "16", "--generations", "4", "--no-timing",
                    "--out", "front.json")
        return self.report("--front", "front.json", "--plotly", plotly())

    def test_the_plots_are_drawn_at_both_widths(self):
        self.report_with_front()
        page = self.look("r.html", "--dump-dom")
        self.assertIn('data-ready="1"', page)
        self.assertIn('data-look="1"', page)
        for name in ("front", "axes", "volume"):
            self.assertRegex(page, rf'id="{name}" class="[^"]*js-plotly-plot')
        self.assertRegex(page, r'id="along-line"[^>]* points="40\.0,')
        # Alone on the page: orange is then nothing but the default's point in the canvas.
        self.write("plots.html", self.text().replace(
            "</head>", "<style>svg:not(.main-svg),.legend,.look{display:none}</style></head>"))
        blue, red, sky, orange = (0, 0x72, 0xB2), (0xD5, 0x5E, 0), (0x56, 0xB4, 0xE9), (0xE6, 0x9F, 0)
        for name, size, expected in (
                ("plots.html", "1240,3200", {blue: 200, red: 25, orange: 15}),
                ("r.html", "500,7200", {blue: 500, red: 25, sky: 25, orange: 125})):
            with self.subTest(name):
                # Half as many pixels each way: what is to be seen is large.
                rows = self.screenshot(name, "--force-device-scale-factor=0.5", size=size)
                for colour, least in expected.items():
                    self.assertGreater(count(rows, colour), least, colour)
                # Nothing is wider than the window: the margin on the right is white.
                self.assertTrue(all(min(row[-1]) == 255 for row in rows))

    def test_a_front_of_another_index_is_drawn_with_a_warning(self):
        self.run_ok("tune", "idx/two", "--data", "data/two", "--population", "8", "--generations",
                    "2", "--no-timing", "--out", "front.json")
        run = self.report("--front", "front.json", "--plotly", plotly())
        self.assertIn("front.json", run.stderr)
        self.assertIn("warning", run.stderr)

    def test_without_a_front_the_page_is_small_and_draws_the_rest(self):
        self.report()
        self.assertLess(len(self.text()), 300_000)
        page = self.look("r.html", "--dump-dom")
        self.assertIn('data-look="1"', page)


if __name__ == "__main__":
    unittest.main()
