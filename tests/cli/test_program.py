"""What all commands share: help, usage errors, output that cannot be written, signals, terminals."""

import array
import os
import pty
import random
import resource
import select
import signal
import subprocess
import time
import unittest

import harness
from harness import CliTest
from samples import CORPUS, QRELS, QUERIES, QUERY_VECTORS, VECTORS, npy

COMMANDS = ("index", "search", "eval", "inspect")


class ProgramTest(CliTest):
    def setUp(self):
        super().setUp()
        self.write("c.jsonl", CORPUS)
        self.write("c.npy", npy(VECTORS))
        self.write("q.npy", npy(QUERY_VECTORS))
        self.write("queries.jsonl", QUERIES)
        self.write("qrels.tsv", QRELS)
        self.write("a.trec", "q1 Q0 d1 1 0.5 me\n")
        self.index = ("index", "--corpus", "c.jsonl", "--embeddings", "c.npy", "--out", "idx")
        self.run_ok(*self.index)
        self.commands = (
            self.index, ("search", "idx", "--text", "wing", "--embedding", "q.npy", "--explain"),
            ("inspect", "idx", "--verify"),
            ("eval", "idx", "--queries", "queries.jsonl", "--query-embeddings", "q.npy", "--qrels",
             "qrels.tsv", "--per-query"),
            ("eval", "--runs", "a.trec", "a.trec", "--qrels", "qrels.tsv"))

    def start(self, *words, **options):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        process = subprocess.Popen([harness.program(), *words], cwd=self.folder, **options)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        with process:  # closes its pipes
            process.kill()


class Usage(ProgramTest):
    def test_every_help_has_an_example(self):
        for words in ((), *((command,) for command in COMMANDS)):
            for flag in ("--help", "-h"):
                run = self.run_ok(*words, flag)
                self.assertIn("equipoise " + (words[0] if words else "index"), run.stdout)
                self.assertEqual(run.stderr, "")
            example = [line for line in run.stdout.splitlines()
                       if "equipoise " in line and not line.startswith("Usage")]
            self.assertTrue(example, run.stdout)
            self.assertNotIn("\n\n\n", run.stdout)

    def test_the_version_is_printed(self):
        self.assertRegex(self.run_ok("--version").stdout, r"^equipoise \d+\.\d+\.\d+\n$")

    def test_what_is_no_command_is_a_usage_error(self):
        self.refused(2)
        self.assertIn('"serach"', self.refused(2, "serach", "idx")["message"])
        for words in (("--fast",), ("search",), ("search", "idx", "--txt", "x"),
                      ("search", "idx", "idx", "--text", "x"),
                      ("search", "idx", "--text", "x", "-k", "1", "-k", "2"), ("inspect",),
                      ("eval",), ("index",), ("inspect", "idx", "search", "idx")):
            with self.subTest(words):
                error = self.refused(2, *words)
                self.assertIn("--help", error["stderr"] + error["message"])

    def test_an_empty_file_name_is_a_usage_error(self):
        for words in (("index", "--corpus", "", "--out", "i"),
                      ("index", "--corpus", "c.jsonl", "--out", ""),
                      ("index", "--corpus", "c.jsonl", "--out", "i", "--embeddings", ""),
                      ("index", "--corpus", "c.jsonl", "--out", "i", "--stopwords", ""),
                      ("search", "", "--text", "x"), ("search", "idx", "--embedding", ""),
                      ("inspect", ""), ("eval", "--runs", "", "--qrels", "qrels.tsv"),
                      *(("eval", "idx", "--queries", "queries.jsonl", "--qrels", "qrels.tsv",
                         option, "") for option in ("--query-embeddings", "--run"))):
            with self.subTest(words):
                self.assertIn("empty", self.refused(2, *words)["message"])
        self.assertFalse((self.folder / "i").exists())

    def test_the_object_is_all_that_json_prints(self):
        for words in self.commands:
            with self.subTest(words):
                run = self.run_ok(*words, "--json")
                run.json()
                self.assertEqual(run.stderr, "")

    def test_without_a_terminal_there_are_no_escape_codes(self):
        for words in (*self.commands, ("inspect", "absent"), ("--help",), ("serach",)):
            for flags in ((), ("--json",)):
                run = harness.run(*words, *flags, cwd=self.folder, env={"TERM": "xterm-256color"})
                self.assertNotIn("\x1b", run.stdout + run.stderr)
                self.assertNotIn("\r", run.stdout + run.stderr)


class Output(ProgramTest):
    WORDS = (("--help",), ("--version",), *((command, "--help") for command in COMMANDS))

    def everything(self):
        yield from self.WORDS
        for words in self.commands:
            yield words
            yield *words, "--json"
        yield "inspect", "absent", "--json"

    def cannot_write(self, words, **options):
        process = self.start(*words, **options)
        stderr = process.communicate(timeout=60)[1].decode()
        with self.subTest(words):
            self.assertEqual(process.returncode, 1, stderr)
            self.assertIn("cannot write the output", stderr)

    def test_a_full_disk_behind_stdout_is_an_error(self):
        with open("/dev/full", "wb") as full:
            for words in self.everything():
                self.cannot_write(words, stdout=full)

    def test_a_reader_that_left_is_an_error_and_no_signal(self):
        for words in self.everything():
            reader, writer = os.pipe()
            os.close(reader)
            self.cannot_write(words, stdout=writer)
            os.close(writer)

    def test_a_closed_stdout_is_an_error_and_touches_no_file(self):
        def close():
            os.close(1)
        for words in self.everything():
            self.cannot_write(words, stdout=None, preexec_fn=close)
        self.run_ok("inspect", "idx", "--verify")

    def test_a_closed_stderr_touches_no_file(self):
        self.write("bad.jsonl", "x")
        for words, code in ((self.index, 0), (("index", "--corpus", "bad.jsonl", "--out", "i"), 1),
                            (("eval", "idx", "--qrels", "qrels.tsv"), 2)):
            process = self.start(*words, stderr=None, preexec_fn=lambda: os.close(2))
            process.communicate(timeout=60)
            self.assertEqual(process.returncode, code)
        self.run_ok("inspect", "idx", "--verify")

    def test_a_full_disk_behind_stderr_changes_no_exit_code(self):
        with open("/dev/full", "wb") as full:
            for words, code in ((("inspect", "absent"), 1), (("search",), 2)):
                process = self.start(*words, stderr=full)
                process.communicate(timeout=60)
                self.assertEqual(process.returncode, code)


class Ended(ProgramTest):
    """An index that is interrupted, killed or out of space leaves what was there."""

    ROWS, DIMENSIONS = 12_000, 48

    def setUp(self):
        super().setUp()
        numbers = random.Random(1)
        values = array.array("f", (numbers.random() - 0.5
                                   for _ in range(self.ROWS * self.DIMENSIONS)))
        header = npy([], shape=(self.ROWS, self.DIMENSIONS))
        self.write("long.npy", header + values.tobytes())
        self.write("long.jsonl", [{"_id": i, "text": "wing"} for i in range(self.ROWS)])

    def start_long(self, out, *words, **options):
        # A wide beam makes a graph that takes far longer than this test waits.
        process = self.start("index", "--corpus", "long.jsonl", "--embeddings", "long.npy", "--out",
                             out, "--ef-construction", "1000", *words, **options)
        self.wait_for(lambda: any((self.folder / out).glob("generation-*.partial/*")), process)
        time.sleep(0.2)
        self.assertIsNone(process.poll(), "it ended before it could be interrupted")
        return process

    def wait_for(self, condition, process):
        end = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), end)
            self.assertIsNone(process.poll(), "it ended too early")
            time.sleep(0.02)

    def test_an_interrupt_ends_with_130_and_leaves_nothing_behind(self):
        process = self.start_long("deep/new")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual((process.returncode, stdout), (130, b""), stderr)
        self.assertEqual(stderr, b"equipoise: interrupted; nothing was changed\n")
        self.assertFalse((self.folder / "deep").exists())

    def test_an_interrupt_leaves_the_old_index(self):
        before = self.tree("idx")
        process = self.start_long("idx", "--json")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, stderr)
        result = harness.Run("", 130, stdout.decode(), "")
        self.assertEqual(result.json()["error"]["code"], "cancelled")
        self.assertEqual(self.tree("idx"), before)

    def test_a_killed_index_leaves_the_old_one_and_the_next_cleans_up(self):
        self.end(self.start_long("idx"))
        self.assertEqual(self.run_ok("inspect", "idx", "--verify", "--json").json()["documents"], 3)
        self.run_ok(*self.index)
        self.assertEqual(len(list((self.folder / "idx").glob("generation-*"))), 1)

    def test_while_one_writes_another_is_told_and_readers_see_the_old_index(self):
        process = self.start_long("idx")
        error = self.refused(1, *self.index)
        self.assertEqual(error["code"], "unavailable")
        self.assertEqual(self.run_ok("inspect", "idx", "--json").json()["documents"], 3)
        self.end(process)

    def test_a_full_disk_leaves_the_old_index(self):
        before = self.tree("idx")

        def limit():
            # Writing past the limit then fails, as on a full disk, where it would signal.
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        for out, after in (("idx", before), ("new", None)):
            process = self.start("index", "--corpus", "long.jsonl", "--embeddings", "long.npy",
                                 "--out", out, "--json", preexec_fn=limit, restore_signals=False)
            stdout, stderr = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 1, stderr)
            error = harness.Run("", 1, stdout.decode(), stderr.decode()).json()["error"]
            self.assertEqual(error["code"], "io")
            self.assertEqual(self.tree(out), after)

    def test_a_bar_is_drawn_where_stderr_is_a_terminal_and_taken_away_at_the_end(self):
        ours, theirs = pty.openpty()
        process = self.start("index", "--corpus", "long.jsonl", "--out", "new", stderr=theirs)
        os.close(theirs)
        drawn = b""
        while select.select([ours], [], [], 30)[0]:
            try:
                drawn += os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
        os.close(ours)
        stdout = process.communicate(timeout=60)[0]
        self.assertEqual(process.returncode, 0, drawn)
        self.assertIn(b"100 %", drawn)
        self.assertTrue(drawn.endswith(b"\r\x1b[K"), drawn[-40:])
        self.assertNotIn(b"\x1b", stdout)


if __name__ == "__main__":
    unittest.main()
