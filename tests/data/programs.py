"""Lets the tests find the programs, run them and write their input."""

import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
for folder in ("data", "bench/offline"):
    sys.path.insert(0, str(ROOT / folder))

import failure


class FolderTest(unittest.TestCase):
    """A test with a folder of its own, `self.folder`."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def file(self, name, text):
        """Writes a file into the folder; returns its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="latin-1")
        return path

    def run_program(self, program, *arguments):
        """(exit code, stdout, stderr) of a program's main."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = failure.run(program.main, [str(argument) for argument in arguments])
        return code, out.getvalue(), err.getvalue()

    def refused(self, where, function, *arguments):
        """Checks that a call is refused and that the message begins with `where`."""
        with self.assertRaises(failure.InputError) as caught:
            function(*arguments)
        self.assertTrue(str(caught.exception).startswith(where), str(caught.exception))
