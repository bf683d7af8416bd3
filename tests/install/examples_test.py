"""The programs of examples/ print what examples/README.md says, each in an empty folder.

EQUIPOISE_EXAMPLES is the folder of the programs, EQUIPOISE_BUILD that of the build; CTest sets both.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def outputs():
    """{program: what it prints}, the fenced blocks below "<!-- output: PROGRAM -->" of the README."""
    text = (SOURCE / "examples/README.md").read_text(encoding="utf-8")
    return dict(re.findall(r"<!-- output: (\w+) -->\n+```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))


def demo(build):
    """The demo's collection; made in seconds, and only once."""
    folder = pathlib.Path(build) / "tests/install/demo"
    subprocess.run([sys.executable, SOURCE / "data/make_demo.py", "--out", folder],
                   check=True, capture_output=True, text=True)
    return folder


def check(test, programs, build):
    """Runs every example; its output must be the README's."""
    arguments = {"tune_and_pick": [demo(build)]}
    expected = outputs()
    test.assertEqual(set(expected), {path.stem for path in (SOURCE / "examples").glob("*.cc")})
    for name, output in expected.items():
        with test.subTest(name), tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([pathlib.Path(programs) / name, *arguments.get(name, [])],
                                  cwd=folder, capture_output=True, text=True, check=False)
            test.assertEqual((done.returncode, done.stderr), (0, ""))
            test.assertEqual(done.stdout, output)


class Examples(unittest.TestCase):
    maxDiff = None

    def test_they_print_what_their_readme_says(self):
        check(self, os.environ["EQUIPOISE_EXAMPLES"], os.environ["EQUIPOISE_BUILD"])

    def test_they_are_short(self):
        for path in (SOURCE / "examples").glob("*.cc"):
            self.assertLess(len(path.read_text(encoding="utf-8").splitlines()), 60, path)


if __name__ == "__main__":
    unittest.main()
