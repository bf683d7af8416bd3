"""`equipoise convert`: to FAISS and NumPy and back, judged by FAISS itself where it is installed.

FAISS comes from PyPI (faiss-cpu): CTest runs this file with the Python that EQUIPOISE_PYTHON names in
a process of its own, which skips what it has no package for.
"""

import json
import os
import pathlib
import subprocess
import unittest

from harness import CliTest
from samples import CORPUS, VECTORS, npy

PEER = pathlib.Path(__file__).with_name("faiss_peer.py")


def peer(*arguments, cwd=None):
    """Runs faiss_peer.py; its JSON. Raises unittest.SkipTest where there is no faiss-cpu."""
    python = os.environ.get("EQUIPOISE_PYTHON", "python3")
    done = subprocess.run([python, "-B", str(PEER), *map(str, arguments)], cwd=cwd, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                          env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode == 77:
        raise unittest.SkipTest("no faiss-cpu and numpy in $EQUIPOISE_PYTHON (./dev test has them)")
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


class Indexed(CliTest):
    def setUp(self):
        super().setUp()
        self.write("corpus.jsonl", CORPUS)
        self.write("corpus.npy", npy(VECTORS))
        self.run_ok("index", "--corpus", "corpus.jsonl", "--embeddings", "corpus.npy",
                    "--out", "idx")

    def hits(self, index, vector):
        self.write("q.npy", npy([vector]))
        found = self.run_ok("search", index, "--embedding", "q.npy", "--json").json()
        return [hit["id"] for hit in found["hits"]]


class Convert(Indexed):
    def test_to_faiss_and_back_finds_the_same(self):
        run = self.run_ok("convert", "idx", "--to", "faiss", "f", "--ids", "ids", "--json").json()
        self.assertEqual((run["vectors"], run["dimensions"], run["metric"]), (3, 4, "cosine"))
        self.assertEqual((self.folder / "ids").read_text(), "d1\nd2\nd3\n")
        run = self.run_ok("convert", "--from", "faiss", "f", "--ids", "ids", "--out", "back",
                          "--json").json()
        self.assertEqual((run["documents"], run["dimensions"]), (3, 4))
        for vector in VECTORS:
            self.assertEqual(self.hits("back", vector), self.hits("idx", vector))
        self.run_ok("inspect", "back", "--verify")
        # Without ids, documents are numbered.
        self.run_ok("convert", "--from", "faiss", "f", "--out", "numbered", "--metric", "cosine")
        self.assertEqual(self.hits("numbered", VECTORS[1])[0], "1")

    def test_to_npy_gives_vectors_and_ids_that_index_takes(self):
        run = self.run_ok("convert", "idx", "--to", "npy", "out", "--json").json()
        self.assertEqual((run["vectors"], run["type"]), (3, "float16"))
        self.assertEqual((self.folder / "out/ids.txt").read_text(), "d1\nd2\nd3\n")
        self.run_ok("index", "--corpus", "corpus.jsonl", "--embeddings", "out/vectors.npy",
                    "--out", "again")
        for vector in VECTORS:
            self.assertEqual(self.hits("again", vector), self.hits("idx", vector))

    def test_ids_with_line_breaks_become_json(self):
        self.write("odd.jsonl", [{"_id": "a\nb", "text": "x"}, {"_id": "c", "text": "y"},
                                 {"_id": "ü", "text": "z"}])
        self.run_ok("index", "--corpus", "odd.jsonl", "--embeddings", "corpus.npy", "--out", "odd")
        self.run_ok("convert", "odd", "--to", "npy", "out")
        ids = json.loads((self.folder / "out/ids.json").read_text(encoding="utf-8"))
        self.assertEqual(ids, ["a\nb", "c", "ü"])
        self.assertFalse((self.folder / "out/ids.txt").exists())
        error = self.refused(1, "convert", "odd", "--to", "faiss", "f", "--ids", "ids")
        self.assertEqual(error["row"], 0)
        self.assertIsNone(self.tree("f"))

    def test_text_says_what_happened(self):
        text = self.run_ok("convert", "idx", "--to", "faiss", "f").stdout
        self.assertIn("METRIC_INNER_PRODUCT", text)
        self.assertIn("normalize queries", text)
        self.assertIn("3 documents", self.run_ok("convert", "--from", "faiss", "f", "--out",
                                                 "back").stdout)
        self.assertIn("float16", self.run_ok("convert", "idx", "--to", "npy", "out").stdout)


class Refused(Indexed):
    def test_a_target_that_is_there_needs_force(self):
        self.write("f", "mine")
        self.run_ok("convert", "idx", "--to", "npy", "out")
        for arguments in (("idx", "--to", "faiss", "f"), ("idx", "--to", "npy", "out"),
                          ("idx", "--to", "faiss", "g", "--ids", "f")):
            with self.subTest(arguments):
                self.assertIn("--force", self.refused(1, "convert", *arguments)["message"])
        self.assertEqual((self.folder / "f").read_text(), "mine")
        self.run_ok("convert", "idx", "--to", "faiss", "f", "--force")
        self.run_ok("convert", "idx", "--to", "npy", "out", "--force")
        before = self.tree("idx")
        error = self.refused(1, "convert", "--from", "faiss", "f", "--out", "idx")
        self.assertIn("--force", error["message"])
        self.assertEqual(self.tree("idx"), before)
        self.run_ok("convert", "--from", "faiss", "f", "--out", "idx", "--force")
        self.assertEqual(self.hits("idx", VECTORS[1])[0], "1")

    def test_a_target_within_its_source_is_refused_even_with_force(self):
        self.run_ok("convert", "idx", "--to", "faiss", "f")
        before = self.tree("idx")
        for arguments in (("idx", "--to", "faiss", "idx"), ("idx", "--to", "faiss", "idx/MANIFEST"),
                          ("idx", "--to", "npy", "idx"), ("idx", "--to", "npy", "./idx/sub"),
                          ("--from", "faiss", "f", "--out", "f")):
            with self.subTest(arguments):
                error = self.refused(1, "convert", *arguments, "--force")
                self.assertIn("another path", error["message"])
        self.assertEqual(self.tree("idx"), before)

    def test_what_makes_no_sense_is_a_usage_error(self):
        for arguments in ((), ("idx",), ("idx", "--to", "hnswlib", "f"), ("idx", "--to", "faiss"),
                          ("--to", "faiss", "f"), ("idx", "--from", "faiss", "f", "--out", "o"),
                          ("--from", "faiss", "f"), ("--from", "npy", "f", "--out", "o"),
                          ("idx", "--to", "faiss", "f", "--out", "o"), ("idx", "--to", "faiss", ""),
                          ("idx", "--to", "npy", "o", "--ids", "i"),
                          ("idx", "--to", "faiss", "f", "--from", "faiss", "g")):
            with self.subTest(arguments):
                self.refused(2, "convert", *arguments)
        self.assertIsNone(self.tree("o"))

    def test_files_that_are_no_faiss_index_are_named(self):
        self.run_ok("convert", "idx", "--to", "faiss", "f")
        good = (self.folder / "f").read_bytes()
        for content, code in ((b"", "corruption"), (good[:-1], "corruption"), (good[:50], "corruption"),
                              (good + b"x", "corruption"), (b"hello, world", "unsupported"),
                              (b"IxFI" + good[4:], "unsupported")):
            with self.subTest(content[:8], size=len(content)):
                self.write("bad", content)
                error = self.refused(1, "convert", "--from", "faiss", "bad", "--out", "new")
                self.assertEqual((error["code"], error["file"]), (code, "bad"))
                self.assertIsNone(self.tree("new"))

    def test_ids_of_another_number_or_twice_are_refused(self):
        self.run_ok("convert", "idx", "--to", "faiss", "f")
        for ids in ("a\nb\n", "a\nb\nc\nd\n", "", "a\nb\na\n", "a\n\nc\n", b"a\nb\n\xff\n"):
            with self.subTest(ids):
                self.write("ids", ids)
                self.refused(1, "convert", "--from", "faiss", "f", "--ids", "ids", "--out", "new")
                self.assertIsNone(self.tree("new"))

    def test_an_index_without_vectors_is_refused(self):
        self.run_ok("index", "--corpus", "corpus.jsonl", "--out", "words")
        for target in (("faiss", "f"), ("npy", "out")):
            error = self.refused(1, "convert", "words", "--to", *target)
            self.assertIn("no vectors", error["message"])


class Peer(Indexed):
    """FAISS from PyPI reads what we write, and we read what it writes."""

    def collection(self, metric, storage="int8+float16"):
        info = peer("make", metric, cwd=self.folder)
        self.write("many.jsonl", [{"_id": f"d{i}", "text": ""} for i in range(info["rows"])])
        self.run_ok("index", "--corpus", "many.jsonl", "--embeddings", "rows.npy", "--metric",
                    metric, "--storage", storage, "--out", "many")

    def test_faiss_finds_the_neighbours_in_our_graph(self):
        for metric in ("cosine", "l2", "ip"):
            with self.subTest(metric):
                self.collection(metric)
                self.run_ok("convert", "many", "--to", "faiss", "f", "--force")
                found = peer("search", "f", metric, cwd=self.folder)
                self.assertEqual(found["kind"], "IndexHNSWSQ")
                self.assertGreaterEqual(found["recall"], 0.98)

    def test_npy_is_what_numpy_loads(self):
        self.collection("cosine")
        self.run_ok("convert", "many", "--to", "npy", "out", "--force")
        self.assertLess(peer("compare", "out/vectors.npy", "cosine", cwd=self.folder)["error"], 1e-3)

    def test_every_storage_and_metric_of_faiss_is_taken_over(self):
        kinds = ("Flat", "QT_8bit", "QT_8bit_uniform", "QT_fp16", "QT_4bit", "QT_6bit", "QT_bf16",
                 "QT_8bit_direct_signed", "IDMap")
        for metric in ("l2", "ip"):
            peer("make", metric, cwd=self.folder)
            for kind in kinds:
                with self.subTest(metric=metric, kind=kind):
                    theirs = peer("write", "f", metric, kind, cwd=self.folder)
                    run = self.run_ok("convert", "--from", "faiss", "f", "--out", "new", "--force",
                                      "--storage", "float32", "--json").json()
                    self.assertEqual((run["documents"], run["metric"], run["m"]),
                                     (theirs["rows"], metric, 16))
                    self.run_ok("inspect", "new", "--verify")
                    self.run_ok("convert", "new", "--to", "npy", "out", "--force")
                    same = peer("decoded", "f", "out/vectors.npy", cwd=self.folder)
                    self.assertLess(same["error"], 1e-5)
                    ids = (self.folder / "out/ids.txt").read_text().split()
                    self.assertEqual(ids, theirs["ids"])
                    # And back: the same links.
                    self.run_ok("convert", "new", "--to", "faiss", "g", "--force")
                    self.assertTrue(peer("links", "f", "g", cwd=self.folder)["same"])

    def test_kinds_that_are_no_hnsw_are_refused(self):
        peer("make", "l2", cwd=self.folder)
        for kind in ("IndexFlat", "IndexHNSWPQ", "IndexPreTransform"):
            with self.subTest(kind):
                peer("write", "f", "l2", kind, cwd=self.folder)
                error = self.refused(1, "convert", "--from", "faiss", "f", "--out", "new")
                self.assertEqual(error["code"], "unsupported")
                self.assertIn(kind, error["message"])


if __name__ == "__main__":
    unittest.main()
