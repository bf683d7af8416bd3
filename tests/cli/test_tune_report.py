"""The page of `tune --report`: one file, opened in Chromium, where something is to be seen."""

import html
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import unittest
import zlib

from harness import program
from test_tune import TuneTest

OPEN = ("--headless", "--no-sandbox", "--disable-dev-shm-usage", "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--hide-scrollbars",
        "--virtual-time-budget=20000", "--window-size=1240,1600")


def plotly():
    """Plotly's script, where ./dev has put it. Raises unittest.SkipTest where there is none."""
    named = os.environ.get("EQUIPOISE_PLOTLY")
    beside = pathlib.Path(program()).parent.parent / "share/equipoise/plotly.min.js"
    path = pathlib.Path(named) if named else beside
    if not path.is_file():
        raise unittest.SkipTest("Plotly's script is not here; ./dev fetches it")
    return path


def chromium():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if shutil.which(name):
            return name
    raise unittest.SkipTest("there is no Chromium to look with")


def pixels(png):
    """Rows of (red, green, blue) of an 8-bit PNG without interlacing."""
    at, data, header = 8, b"", None
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        body = png[at + 8:at + 8 + size]
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            data += body
        at += size + 12
    width, height, depth, colour = header[:4]
    assert depth == 8 and colour in (2, 6), header
    step, raw = {2: 3, 6: 4}[colour], zlib.decompress(data)
    before, rows = bytearray(width * step), []
    for y in range(height):
        begin = y * (width * step + 1)
        how, line = raw[begin], bytearray(raw[begin + 1:begin + 1 + width * step])
        for i in range(width * step):
            left = line[i - step] if i >= step else 0
            up = before[i]
            corner = before[i - step] if i >= step else 0
            if how == 1:
                line[i] = (line[i] + left) & 255
            elif how == 2:
                line[i] = (line[i] + up) & 255
            elif how == 3:
                line[i] = (line[i] + (left + up) // 2) & 255
            elif how == 4:
                guess = left + up - corner
                near = min((abs(guess - left), 0, left), (abs(guess - up), 1, up),
                           (abs(guess - corner), 2, corner))
                line[i] = (line[i] + near[2]) & 255
        rows.append([tuple(line[i:i + 3]) for i in range(0, width * step, step)])
        before = line
    return rows


class Report(TuneTest):
    def look(self, page, *options):
        run = subprocess.run([chromium(), *OPEN, f"--user-data-dir={self.folder / 'profile'}",
                              *options, (self.folder / page).as_uri()], timeout=100,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8",
                             errors="replace", check=False)
        return run.stdout

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
        data = re.search(r'<script type="application/json" id="data">(.*?)</script>', own, re.DOTALL)
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
        self.look("r.html", f"--screenshot={self.folder / 'r.png'}")
        rows = pixels((self.folder / "r.png").read_bytes())
        # Left and above: the scatter. Its points have the colours of the front and of the pick.
        scatter = [pixel for row in rows[100:650] for pixel in row[30:800]]
        near = lambda colour: sum(max(abs(a - b) for a, b in zip(pixel, colour)) < 40
                                  for pixel in scatter)
        self.assertGreater(near((0x00, 0x72, 0xB2)), 100)
        self.assertGreater(near((0xD5, 0x5E, 0x00)), 30)
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
