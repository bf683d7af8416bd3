"""Opens the program's pages in Chromium and looks at them; skips with a line where something is missing."""

import os
import pathlib
import shutil
import struct
import subprocess
import unittest
import zlib

from harness import program

OPEN = ("--headless", "--no-sandbox", "--disable-dev-shm-usage", "--use-angle=swiftshader",
        "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--hide-scrollbars",
        "--virtual-time-budget=20000")


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


def count(rows, colour):
    """Pixels near the colour."""
    return sum(max(abs(a - b) for a, b in zip(pixel, colour)) < 40 for row in rows for pixel in row)


class Page:
    """Beside harness.CliTest, whose folder it uses."""

    def look(self, page, *options, at="", size="1240,1600"):
        """What Chromium writes to stdout. `at`: what follows the page's address, "#…"."""
        run = subprocess.run([chromium(), *OPEN, f"--window-size={size}",
                              f"--user-data-dir={self.folder / 'profile'}", *options,
                              (self.folder / page).as_uri() + at], timeout=300,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8",
                             errors="replace", check=False)
        return run.stdout

    def screenshot(self, page, *options, **where):
        """The page as rows of pixels."""
        image = self.folder / "page.png"
        self.look(page, f"--screenshot={image}", *options, **where)
        return pixels(image.read_bytes())
