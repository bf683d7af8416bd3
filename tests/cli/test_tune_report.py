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
