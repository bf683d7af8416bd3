"""The page of `tune --report`: one file, opened in Chromium, where something is to be seen."""

import html
import json
import os
import re
import shutil
import subprocess
import unittest

from browser import Page, count, plotly
from harness import program
from test_tune import TuneTest


# As a reader's pointer: pressed at the first place, drawn to the others. Chromium has no such pointer to capture.
MOVE = """<script>
{
  const svg = document.getElementById("prefer"), dot = document.getElementById("dot"), seen = [];
  svg.setPointerCapture = () => {};
  PLACES.forEach(([x, y], i) => {
    const box = svg.getBoundingClientRect();
    svg.dispatchEvent(new PointerEvent(i ? "pointermove" : "pointerdown", {pointerId: 1, buttons: 1, bubbles: true,
      clientX: box.left + x * box.width / 330, clientY: box.top + y * box.height / 290}));
    seen.push({dot: ["cx", "cy"].map(a => +dot.getAttribute(a)), pick: +document.body.dataset.pick,
               configuration: JSON.parse(document.getElementById("configuration").textContent),
               shown: document.getElementById("picked").textContent});
  });
  const out = document.createElement("pre");
  out.id = "moved";
  out.textContent = JSON.stringify(seen);
  document.body.append(out);
}
</script></body>"""

# Where the page draws each objective alone.
CORNERS = {3: ((30, 250), (300, 250), (165, 20)), 2: ((30, 60), (300, 60))}


def place(weights):
    return [sum(w * corner[axis] for w, corner in zip(weights, CORNERS[len(weights)])) for axis in (0, 1)]


def weights_of(dot, objectives):
    """Those whose place the dot is at."""
    (ax, ay), (bx, by), *rest = CORNERS[objectives]
    x, y = dot[0] - ax, dot[1] - ay
    if not rest:
        return [1 - x / (bx - ax), x / (bx - ax)]
    up, along = rest[0][1] - ay, rest[0][0] - ax
    third = y / up
    second = (x - third * along) / (bx - ax)
    return [1 - second - third, second, third]


class Report(Page, TuneTest):
    def test_without_plotly_nothing_is_run_and_the_error_says_what_to_do(self):
        missing = {"EQUIPOISE_PLOTLY": str(self.folder / "absent.js")}
        arguments = ("tune", *self.ONE, *self.SMALL, "--out", "f.json", "--report", "r.html")
        self.assertEqual(self.refused(1, *arguments, env=missing)["code"], "not_found")
        self.write("wrong.js", "nothing")
        self.refused(1, *arguments, "--plotly", "wrong.js")
        # Beside a copy of the program there is no script.
        (self.folder / "bin").mkdir()
        shutil.copy(program(), self.folder / "bin/equipoise")
        run = subprocess.run([self.folder / "bin/equipoise", *arguments], cwd=self.folder,
                             env={k: v for k, v in os.environ.items() if k != "EQUIPOISE_PLOTLY"},
                             stderr=subprocess.PIPE, encoding="utf-8", check=False)
        self.assertEqual(run.returncode, 1)
        self.assertIn("pip download --no-deps plotly", run.stderr)
        self.assertEqual(list(self.folder.glob("*.html")) + list(self.folder.glob("*.json")), [])

    def test_the_page_needs_nothing_else(self):
        self.tune("--report", "r.html", "--plotly", plotly())
        page = (self.folder / "r.html").read_text(encoding="utf-8")
        own = page.replace(plotly().read_text(encoding="utf-8"), "")
        self.assertLess(len(own), len(page) - 1_000_000)
        for word in ("src=", "@import", "url(", "<link"):
            self.assertNotIn(word, own)
        self.assertEqual(re.findall(r"https?://(?!www\.w3\.org/2000/svg)", own), [])
        data = re.search(r'id="front-data">(.*?)</script>', own, re.DOTALL)
        self.assertEqual(json.loads(data[1])["points"], self.file()["points"])

    def test_the_plots_are_there_and_pick_as_the_program_does(self):
        self.tune("--report", "r.html", "--plotly", plotly())
        page = self.look("r.html", "--dump-dom")
        self.assertIn('data-ready="1"', page)
        for name in ("front", "axes", "volume"):
            self.assertRegex(page, rf'id="{name}" class="[^"]*js-plotly-plot')
        picked = self.run_ok("pick", "front.json", "--json").json()
        self.assertIn(f'data-pick="{picked["point"]}"', page)
        shown = re.search(r'id="configuration">(.*?)</pre>', page, re.DOTALL)
        self.assertEqual(json.loads(html.unescape(shown[1])), picked["configuration"])

    def moved(self, places):
        page = (self.folder / "r.html").read_text(encoding="utf-8")
        self.write("moved.html", page.replace("</body>", MOVE.replace("PLACES", json.dumps(places))))
        dom = self.look("moved.html", "--dump-dom")
        return json.loads(html.unescape(re.search(r'id="moved">(.*?)</pre>', dom)[1]))

    def test_the_pointer_moves_the_pick_as_prefer_does(self):
        for wanted in ([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.6, 0.3, 0.1], [0.1, 0.6, 0.3], [0.3, 0.1, 0.6],
                        [0.4, 0.6, 0], [0.2, 0.2, 0.6], [0.05, 0.9, 0.05]],
                       [[1, 0], [0, 1], [0.5, 0.5], [0.8, 0.2], [0.2, 0.8]]):
            names = ["cost", "quality", "diversity"][:len(wanted[0])]
            front = self.tune("--objectives", ",".join(names), "--no-timing", "--report", "r.html",
                              "--plotly", plotly())
            seen = self.moved([place(w) for w in wanted])
            for weights, one in zip(wanted, seen, strict=True):
                # A pointer's place is whole pixels.
                at = [max(0, w) for w in weights_of(one["dot"], len(weights))]
                for mine, theirs in zip(weights, at):
                    self.assertAlmostEqual(mine, theirs, delta=0.01)
                prefer = ",".join(f"{name}={w:.12f}" for name, w in zip(names, at))
                picked = self.run_ok("pick", "front.json", "--prefer", prefer, "--json").json()
                self.assertEqual((one["pick"], one["configuration"]),
                                 (picked["point"], picked["configuration"]), prefer)
                vanishes = front["points"][picked["point"]]["advantage"] == "vanishes"
                self.assertEqual("ADVANTAGE VANISHES" in one["shown"], vanishes)
            self.assertGreater(len({one["pick"] for one in seen}), 2)

    def test_outside_of_the_triangle_weights_are_still_weights(self):
        self.tune("--no-timing", "--report", "r.html", "--plotly", plotly())
        for one in self.moved([[-100, 300], [400, 260], [165, -50]]):
            self.assertAlmostEqual(max(weights_of(one["dot"], 3)), 1, delta=0.1)
            self.assertGreaterEqual(min(weights_of(one["dot"], 3)), -1e-9)

    def test_an_advantage_that_vanishes_is_marked(self):
        # Relevance is chance here: what is better on the queries that choose is so by luck.
        front = self.tune("--objectives", "quality", "--seed", "3", "--no-timing", "--report", "r.html",
                          "--plotly", plotly())
        self.assertEqual([p["advantage"] for p in front["points"]], ["vanishes"])
        self.assertIn("ADVANTAGE VANISHES", self.look("r.html", "--dump-dom"))

    def test_the_canvas_is_not_empty(self):
        self.tune("--report", "r.html", "--plotly", plotly())
        rows = self.screenshot("r.html")
        # Left and above: the scatter. Its points have the colours of the front and of the pick.
        scatter = [row[30:800] for row in rows[100:650]]
        self.assertGreater(count(scatter, (0x00, 0x72, 0xB2)), 100)
        self.assertGreater(count(scatter, (0xD5, 0x5E, 0x00)), 30)
        # Below: the lines of the parallel coordinates.
        below = [pixel for row in rows[900:1500] for pixel in row]
        self.assertGreater(len(set(below)), 50)

    def test_two_objectives_and_one_are_drawn_too(self):
        for objectives in ("cost,quality", "quality"):
            self.tune("--objectives", objectives, "--report", "r.html", "--plotly", plotly())
            page = self.look("r.html", "--dump-dom")
            self.assertIn('data-ready="1"', page)
            picked = self.run_ok("pick", "front.json", "--json").json()
            self.assertIn(f'data-pick="{picked["point"]}"', page)


if __name__ == "__main__":
    unittest.main()
