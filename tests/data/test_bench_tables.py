"""`./dev bench NAME --write-tables` renews a benchmark's tables wherever a document shows them."""

import pathlib
import sys
import tempfile
import unittest
from unittest import mock

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "bench"))

import report  # noqa: E402
import run  # noqa: E402

MACHINE = {"processor": "P", "instruction_set": "I", "compiler": "C", "commit": "abc"}


def result():
    out = report.Report("one", machine=MACHINE)
    out.table("Times", ["what", "ms"], [["all", "3"]])
    out.table("Too long", ["what"], [["x"]], detail=True)
    return out


class Tables(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "docs").mkdir()
        self.write("README.md", "before\n<!-- bench two -->\nold\n<!-- end -->\n")
        self.write("docs/measurements.md", "a\n<!-- bench one -->\nold\n<!-- end -->\nb\n<!-- bench one-b -->\n<!-- end -->\n")
        patch = mock.patch.object(report, "ROOT", self.root)
        patch.start()
        self.addCleanup(patch.stop)

    def write(self, name, text):
        (self.root / name).write_text(text, encoding="utf-8")

    def read(self, name):
        return (self.root / name).read_text(encoding="utf-8")

    def test_the_file_that_shows_them_is_found(self):
        readme = self.read("README.md")
        report.write_tables("one", result())
        self.assertEqual(
            self.read("docs/measurements.md"),
            "a\n<!-- bench one -->\nTimes\n\n| what | ms |\n| --- | ---: |\n| all | 3 |\n\n"
            "From `./dev bench one` on P (I), C, commit abc.\n<!-- end -->\nb\n<!-- bench one-b -->\n<!-- end -->\n")
        self.assertEqual(self.read("README.md"), readme)

    def test_a_named_file_is_the_only_one_and_must_have_the_marker(self):
        self.write("other.md", "<!-- bench one -->\n<!-- end -->")
        before = self.read("docs/measurements.md")
        report.write_tables("one", result(), self.root / "other.md")
        self.assertIn("| all | 3 |", self.read("other.md"))
        self.assertEqual(self.read("docs/measurements.md"), before)
        with self.assertRaises(report.BenchError):
            report.write_tables("one", result(), self.root / "README.md")

    def test_a_benchmark_that_no_document_shows_is_an_error(self):
        with self.assertRaises(report.BenchError):
            report.write_tables("three", result())

    def test_every_benchmark_is_shown_somewhere(self):
        with mock.patch.object(report, "ROOT", SOURCE):
            for name in run.BENCHMARKS:
                self.assertEqual(len(report.table_files(name)), 1, name)


if __name__ == "__main__":
    unittest.main()
