"""What `equipoise index` refuses: the place is named, the exit code says so, nothing is written."""

import json
import math
import os
import subprocess
import unittest

import harness
from harness import CliTest
from samples import CORPUS, VECTORS, fvecs, npy


class Refused(CliTest):
    """Every refusal is tried twice: into a folder that does not exist, and over an index."""

    def setUp(self):
        super().setUp()
        self.write("good.jsonl", CORPUS)
        self.write("good.npy", npy(VECTORS))
        self.run_ok("index", "--corpus", "good.jsonl", "--out", "old")

    def refuse(self, code, *arguments):
        before = self.tree("old")
        error = self.refused(code, "index", *arguments, "--out", "parent/new")
        self.assertIsNone(self.tree("parent"))
        self.run_fails(code, "index", *arguments, "--out", "old")
        self.assertEqual(self.tree("old"), before)
        return error

    def refuse_corpus(self, content, line):
        error = self.refuse(1, "--corpus", self.write("bad.jsonl", content).name)
        self.assertEqual((error["file"], error.get("line")), ("bad.jsonl", line))
        self.assertIn(f"bad.jsonl:{line}: ", error["stderr"])
        self.assertEqual(error["code"], "invalid_argument")
        return error

    def refuse_embeddings(self, content, name="bad.npy"):
        self.write(name, content)
        error = self.refuse(1, "--corpus", "good.jsonl", "--embeddings", name)
        self.assertEqual(error["file"], name)
        self.assertIn(f"{name}: ", error["stderr"])
        return error


class Corpus(Refused):
    def test_malformed_json_is_named_with_file_and_line(self):
        good = json.dumps(CORPUS[0]) + "\n"
        error = self.refuse_corpus(good + '{"_id": "d2", "text": "no end\n', 2)
        self.assertIn("JSON", error["message"])
        self.refuse_corpus(good + "\n\n[1, 2]\n", 4)
        self.refuse_corpus(good + good.replace("d1", "d2").rstrip() + " }\n", 2)

    def test_a_missing_id_is_named(self):
        for bad in ({"text": "x"}, {"_id": "", "text": "x"}, {"_id": None}, {"_id": 1.5},
                    {"_id": ["d"]}):
            with self.subTest(bad):
                error = self.refuse_corpus([CORPUS[0], bad], 2)
                self.assertIn("_id", error["message"])

    def test_a_duplicate_id_is_named_with_its_line(self):
        error = self.refuse_corpus([CORPUS[0], CORPUS[1], {"_id": "d1"}], 3)
        self.assertIn("d1", error["message"])
        # 7 and "7" are one id.
        self.refuse_corpus([{"_id": 7}, {"_id": "7"}], 2)

    def test_a_title_or_text_that_is_no_string_is_named(self):
        for field in ("title", "text"):
            with self.subTest(field):
                error = self.refuse_corpus([CORPUS[0], {"_id": "d2", field: 5}], 2)
                self.assertEqual(error["field"], field)

    def test_a_field_of_two_types_is_named_with_file_and_line(self):
        for first, second in ((1963, "x"), ("x", 1963), (True, 1), (1, True), ("x", ["x"]),
                              ({"a": 1}, "x")):
            with self.subTest(first=first, second=second):
                error = self.refuse_corpus([{"_id": "a", "f": first}, {"_id": "b"},
                                            {"_id": "c", "f": second}], 3)
                self.assertEqual(error["field"], "f")

    def test_invalid_utf8_is_named_with_its_line(self):
        for bad in (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf"):
            with self.subTest(bad):
                error = self.refuse_corpus(
                    b'{"_id": "a"}\n{"_id": "b", "text": "' + bad + b'"}\n', 2)
                self.assertIn("UTF-8", error["message"])
        # A lone surrogate written as an escape is no Unicode text either.
        self.refuse_corpus('{"_id": "a", "text": "\\ud800"}\n', 1)

    def test_json_that_is_nested_without_end_is_named_and_no_crash(self):
        for n in (201, 1_000_000):
            for inner in ("[" * n + "]" * n, "[" * n, '{"a":' * n + "1" + "}" * n):
                error = self.refuse_corpus('{"_id": "a"}\n{"_id": "b", "m": ' + inner + "}\n", 2)
                self.assertIn("nested", error["message"])
        # Brackets within a string are text, and 199 levels below the document are fine.
        self.write("fine.jsonl", [{"_id": "a", "text": '\\"' + "[" * 1000, "m": "{" * 1000}])
        self.run_ok("index", "--corpus", "fine.jsonl", "--out", "fine")
        self.write("fine.jsonl", '{"_id": "a", "m": ' + "[" * 199 + "]" * 199 + "}\n")
        self.run_ok("index", "--corpus", "fine.jsonl", "--out", "fine")

    def test_a_corpus_that_cannot_be_read_is_named(self):
        self.assertEqual(self.refuse(1, "--corpus", "absent.jsonl")["file"], "absent.jsonl")
        (self.folder / "a_folder").mkdir()
        self.assertEqual(self.refuse(1, "--corpus", "a_folder")["file"], "a_folder")
        os.mkfifo(self.folder / "a_pipe")
        self.assertIn("regular file", self.refuse(1, "--corpus", "a_pipe")["message"])

    def test_control_characters_of_a_file_stay_out_of_the_terminal(self):
        error = self.refuse_corpus([{"_id": "\x1b[31md"}, {"_id": "\x1b[31md"}], 2)
        self.assertNotIn("\x1b", error["stderr"])


class Embeddings(Refused):
    def test_another_number_of_rows_is_refused(self):
        for rows in (VECTORS[:2], VECTORS + VECTORS[:1]):
            error = self.refuse_embeddings(npy(rows))
            self.assertIn(f"{len(rows)} rows", error["message"])
            self.assertIn("3 documents", error["message"])
        self.refuse_embeddings(npy([], shape=(0, 4)))

    def test_a_value_that_is_not_finite_is_named_with_its_row(self):
        for bad in (math.nan, math.inf, -math.inf):
            for name, write in (("bad.npy", npy), ("bad.fvecs", fvecs)):
                with self.subTest(bad=bad, name=name):
                    error = self.refuse_embeddings(write([VECTORS[0], [0, bad, 0, 0], VECTORS[2]]),
                                                   name)
                    self.assertEqual(error["row"], 1)
                    self.assertIn("row 1", error["stderr"])
        error = self.refuse_embeddings(npy([*VECTORS[:2], [0, 0, 0, math.inf]], "e", "<f2"))
        self.assertEqual(error["row"], 2)

    def test_other_types_and_orders_are_refused_with_what_to_do(self):
        for name, content in {
                "float64": npy(VECTORS, "d", "<f8"),
                "integers": npy([[1, 2], [3, 4], [5, 6]], "i", "<i4"),
                "big-endian": npy(VECTORS, "f", ">f4"),
                "Fortran": npy(VECTORS, fortran="True")}.items():
            with self.subTest(name):
                error = self.refuse_embeddings(content)
                self.assertIn(name, error["message"])
                self.assertIn("np.save", error["message"])
        self.refuse_embeddings(npy([[1, 2, 3, 4]] * 3, shape=(3, 2, 2)))

    def test_a_cut_or_changed_npy_file_is_refused(self):
        good = npy(VECTORS)
        for size in (0, 5, 9, 40, len(good) - 16, len(good) - 1):
            with self.subTest(size):
                self.refuse_embeddings(good[:size])
        self.refuse_embeddings(good + b"\0" * 4)
        self.refuse_embeddings(npy(VECTORS, shape=(2**62, 2**62)))
        self.refuse_embeddings(b"not an array")
        self.refuse_embeddings(good.replace(b"'shape'", b"'shaqe'"))

    def test_a_bad_fvecs_file_is_refused(self):
        good = fvecs(VECTORS)
        for name, content in {"cut": good[:-1], "one row cut": good[:-8], "empty": b"",
                              "rows that differ": fvecs([[1, 0, 0], [1, 0], [1, 0, 0, 0]]),
                              "negative": b"\xff" * 20, "zero": b"\0" * 20}.items():
            with self.subTest(name):
                self.refuse_embeddings(content, "bad.fvecs")

    def test_a_file_of_another_kind_is_refused(self):
        self.refuse_embeddings(b"1 2 3\n", "bad.txt")
        error = self.refuse(1, "--corpus", "good.jsonl", "--embeddings", "absent.npy")
        self.assertEqual(error["file"], "absent.npy")


class Options(Refused):
    def test_a_value_out_of_range_or_unknown_is_a_usage_error_that_names_the_option(self):
        for option, *values in (
                ("--alpha", "2", "-0.1", "nan", "x", ""), ("--k1", "-1", "nan", "inf", "1,2"),
                ("--b", "2", "-1", "nan"), ("--language", "klingon", "English"),
                ("--metric", "hamming"), ("--store", "all"), ("--m", "1", "1000", "1.5"),
                ("--ef-construction", "1"), ("--threads", "0", "-1"), ("--seed", "-1", "x"),
                ("--memory", "-1", "x", "5 parsecs"), ("--max-token-length", "0", "1")):
            for value in values:
                with self.subTest(option=option, value=value):
                    error = self.refused(2, "index", "--corpus", "good.jsonl", option, value,
                                         "--out", "new")
                    self.assertIn(option, error["stderr"])
                    self.assertIsNone(self.tree("new"))
        error = self.refuse(2, "--corpus", "good.jsonl", "--fusion", "sum")
        self.assertIn("minmax_union", error["message"])

    def test_what_is_missing_is_a_usage_error(self):
        self.assertIn("--out", self.refused(2, "index", "--corpus", "good.jsonl")["message"])
        self.assertIn("--corpus", self.refused(2, "index", "--out", "new")["message"])
        self.assertIsNone(self.tree("new"))

    def test_a_bad_file_of_stop_words_is_named(self):
        error = self.refuse(1, "--corpus", "good.jsonl", "--stopwords", "absent.txt")
        self.assertEqual(error["file"], "absent.txt")
        self.assertIn("--stopwords", error["stderr"])
        self.write("bad.txt", b"the\nof\n\xff\n")
        error = self.refuse(1, "--corpus", "good.jsonl", "--stopwords", "bad.txt")
        self.assertEqual((error["file"], error["line"]), ("bad.txt", 3))


class OutFolder(Refused):
    def test_a_folder_that_holds_somebodys_files_is_left_alone(self):
        self.write("mine/notes.txt", "mine")
        self.write("mine/generation-1/texts", "mine")
        before = self.tree("mine")
        error = self.refused(1, "index", "--corpus", "good.jsonl", "--out", "mine")
        self.assertEqual(error["file"], "mine")
        self.assertEqual(self.tree("mine"), before)

    def test_an_index_that_somebody_put_a_file_into_is_left_alone(self):
        self.write("old/notes.txt", "mine")
        before = self.tree("old")
        self.refused(1, "index", "--corpus", "good.jsonl", "--out", "old")
        self.assertEqual(self.tree("old"), before)

    def test_a_file_in_its_place_is_left_alone(self):
        self.write("file", "mine")
        for out in ("file", "file/below"):
            self.refused(1, "index", "--corpus", "good.jsonl", "--out", out)
        self.assertEqual((self.folder / "file").read_bytes(), b"mine")

    def test_links_to_a_folder_are_followed_and_broken_ones_left_alone(self):
        os.symlink("old", self.folder / "link")
        self.run_ok("index", "--corpus", "good.jsonl", "--out", "link/")
        self.run_ok("inspect", "link", "--verify")
        os.symlink("nowhere", self.folder / "broken")
        self.refused(1, "index", "--corpus", "good.jsonl", "--out", "broken")
        self.assertTrue((self.folder / "broken").is_symlink())

    def test_an_empty_folder_is_fine_and_stays_when_the_corpus_is_bad(self):
        (self.folder / "empty").mkdir()
        self.write("bad.jsonl", "x")
        self.refused(1, "index", "--corpus", "bad.jsonl", "--out", "empty")
        self.assertEqual([name for name in self.tree("empty") if name != "LOCK"], [])
        self.run_ok("index", "--corpus", "good.jsonl", "--out", "empty")
        self.run_ok("inspect", "empty", "--verify")

    def test_an_index_is_replaced_in_one_step_and_its_old_files_go(self):
        self.run_ok("index", "--corpus", "good.jsonl", "--embeddings", "good.npy", "--out", "old")
        self.assertEqual(self.run_ok("inspect", "old", "--verify", "--json").json()["dimensions"],
                         4)
        generations = [p.name for p in (self.folder / "old").glob("generation-*")]
        self.assertEqual(len(generations), 1)

    def test_of_two_that_write_at_once_one_wins_or_both_in_turn(self):
        self.write("many.jsonl", [{"_id": i, "text": f"word{i} and word{i % 7}"}
                                  for i in range(5000)])
        for _ in range(3):
            command = [harness.program(), "index", "--corpus", "many.jsonl", "--out", "shared"]
            both = [subprocess.Popen(command, cwd=self.folder, text=True, encoding="utf-8",
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                    for _ in range(2)]
            ends = [(process.communicate(timeout=60), process.returncode) for process in both]
            self.assertIn(0, [code for _, code in ends], ends)
            for (_, stderr), code in ends:
                self.assertIn(code, (0, 1), stderr)
                if code == 1:
                    self.assertIn("another process is writing this index", stderr)
            info = self.run_ok("inspect", "shared", "--verify", "--json").json()
            self.assertEqual(info["documents"], 5000)


if __name__ == "__main__":
    unittest.main()
