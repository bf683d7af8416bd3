"""How the tests of the command line run the program: harness.CliTest is their base class.

    from harness import CliTest

    class Inspect(CliTest):
        def test_counts_documents(self):
            run = self.run_ok("inspect", self.index, "--json")
            self.assertEqual(run.json()["documents"], 3)

        def test_a_missing_index_is_named(self):
            run = self.run_fails(1, "inspect", "absent")
            self.assertIn("absent", run.stderr)

The program is the one that the environment variable EQUIPOISE_PROGRAM names; CTest sets it.
"""

import dataclasses
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import tempfile
import unittest

TIMEOUT_S = 120


@dataclasses.dataclass(frozen=True)
class Run:
    """What one call of the program left behind."""

    command: str  # as one would type it
    code: int
    stdout: str
    stderr: str

    def json(self):
        """The one object on stdout; anything beside it is an error."""
        try:
            value = json.loads(self.stdout)
        except json.JSONDecodeError as error:
            raise AssertionError(f"stdout is not one JSON value ({error})\n{self}") from error
        if not isinstance(value, dict):
            raise AssertionError(f"stdout holds no JSON object\n{self}")
        return value

    def __str__(self):
        return (f"$ {self.command}\nexit code {self.code}\n"
                f"--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}")


def program():
    """The program's path. Raises unittest.SkipTest where no program is named."""
    path = os.environ.get("EQUIPOISE_PROGRAM")
    if not path:
        raise unittest.SkipTest("EQUIPOISE_PROGRAM names no program; ctest sets it")
    return path


def example(name):
    """The path of a program of examples/, which is built beside ours. Raises unittest.SkipTest where it is not."""
    path = pathlib.Path(program()).parent.parent / "examples" / name
    if not path.exists():
        raise unittest.SkipTest(f"{path} is not built")
    return path


def run(*arguments, stdin="", cwd=None, env=None):
    """Runs the program. Exit codes below zero are signals: a crash is never a test's outcome."""
    words = [program(), *map(str, arguments)]
    done = subprocess.run(words, input=stdin, cwd=cwd, env={**os.environ, **(env or {})},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT_S,
                          encoding="utf-8", errors="replace")
    result = Run(shlex.join(["equipoise", *words[1:]]), done.returncode, done.stdout, done.stderr)
    if done.returncode < 0:
        raise AssertionError(f"killed by signal {-done.returncode}\n{result}")
    return result


class CliTest(unittest.TestCase):
    """A folder of its own for each test, and calls that check the exit code."""

    maxDiff = None

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="equipoise_cli_"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def write(self, name, content):
        """Writes text, bytes, or one JSON line for each element of a list; returns the path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in content)
        if isinstance(content, str):
            content = content.encode("utf-8")
        path.write_bytes(content)
        return path

    def run_ok(self, *arguments, **options):
        return self.run_fails(0, *arguments, **options)

    def refused(self, code, *arguments, **options):
        """Runs as a person and with --json: the same exit code, nothing but the error on either
        side, one object with --json. Returns the error of the object with the text on stderr."""
        text = self.run_fails(code, *arguments, **options)
        self.assertEqual(text.stdout, "", f"\n{text}")
        self.assertTrue(text.stderr.startswith("equipoise: "), f"\n{text}")
        # One line, or one with the place in a query below it.
        self.assertLess(text.stderr.count("\n"), 4, f"\n{text}")
        result = self.run_fails(code, *arguments, "--json", **options)
        self.assertEqual(result.stderr, text.stderr)
        error = result.json()
        self.assertEqual(list(error), ["error"], f"\n{result}")
        self.assertLessEqual({"code", "message"}, set(error["error"]), f"\n{result}")
        return {**error["error"], "stderr": text.stderr}

    def tree(self, folder):
        """Every file below the folder with its bytes; None where there is no folder."""
        top = self.folder / folder
        if not top.exists():
            return None
        return {str(path.relative_to(top)): path.read_bytes() if path.is_file() else None
                for path in sorted(top.rglob("*"))}

    def run_fails(self, code, *arguments, **options):
        """Runs in the test's folder and checks the exit code: 1 failed, 2 usage."""
        options.setdefault("cwd", self.folder)
        result = run(*arguments, **options)
        self.assertEqual(result.code, code, f"\n{result}")
        return result
