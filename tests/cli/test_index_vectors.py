"""The options of a vector index, each storage from files to hits."""

import random
import unittest

from harness import CliTest
from samples import npy

ROWS, DIM = 2300, 16  # as many as get a graph
STORAGES = ("int8+float16", "inline", "int8", "int4+int8", "float32")


class Vectors(CliTest):
    def setUp(self):
        super().setUp()
        chance = random.Random(5)
        self.rows = [[chance.gauss(0, 1) for _ in range(DIM)] for _ in range(ROWS)]
        self.write("corpus.jsonl", [{"_id": str(i), "text": ""} for i in range(ROWS)])
        self.write("corpus.npy", npy(self.rows))
        self.write("q.npy", npy([self.rows[7]]))

    def index(self, *options, out="idx"):
        return self.run_ok("index", "--corpus", "corpus.jsonl", "--embeddings", "corpus.npy", "--out", out,
                           "--json", *options).json()  # fmt: skip

    def search(self, *options):
        return self.run_ok("search", "idx", "--embedding", "q.npy", "--json", *options).json()

    def test_every_storage_is_built_verified_and_finds_a_row_by_itself(self):
        for storage in STORAGES:
            with self.subTest(storage):
                self.index("--storage", storage, "--m", 8, "--no-tune")
                self.run_ok("inspect", "idx", "--verify")
                settings = self.run_ok("inspect", "idx", "--json").json()["settings"]["vector"]
                self.assertEqual((settings["storage"], settings["m"]), (storage, 8))
                found = self.search("--ef-search", 128)
                self.assertEqual(found["hits"][0]["id"], "7")
                self.assertEqual(found["vector"]["plan"], "walk")
                exact = self.search("--exact")
                self.assertEqual(exact["hits"][0]["id"], "7")
                same = {hit["id"] for hit in found["hits"]} & {hit["id"] for hit in exact["hits"]}
                self.assertGreaterEqual(len(same), 9)

    def test_without_the_tuner_one_thread_gives_the_same_files(self):
        for out in ("one", "two"):
            self.index("--no-tune", "--threads", 1, out=out)
        one, two = self.tree("one"), self.tree("two")
        self.assertEqual([one[name] for name in one if "vectors" in name or "graph" in name],
                         [two[name] for name in two if "vectors" in name or "graph" in name])  # fmt: skip

    def test_a_target_recall_is_stored_and_a_search_may_ask_for_another(self):
        self.index("--target-recall", 0.9)
        points = self.run_ok("inspect", "idx", "--json").json()["recall"]
        self.assertEqual([point["target"] for point in points if point["default"]], [0.9])
        text = self.run_ok("inspect", "idx").stdout
        self.assertIn("0.900 (default)", text)
        # Ten of a small collection: longer lists are scanned.
        default = self.search("--depth", 10)["vector"]
        self.assertEqual(default["plan"], "walk")
        self.assertEqual(self.search("--depth", 10, "--target-recall", 0.9)["vector"], default)
        better = self.search("--depth", 10, "--target-recall", 0.99)["vector"]
        self.assertGreater(better["distances"], default["distances"])

    def test_what_is_no_target_or_no_storage_is_refused(self):
        arguments = ("index", "--corpus", "corpus.jsonl", "--embeddings", "corpus.npy", "--out", "idx")
        for option, value in (("--target-recall", 0.4), ("--target-recall", 1), ("--target-recall", "nan"),
                              ("--storage", "int2"), ("--m", 1), ("--m", 129), ("--ef-construction", 7)):  # fmt: skip
            with self.subTest(option, value=value):
                self.assertIn(option, self.refused(2, *arguments, option, value)["stderr"])
                self.assertIsNone(self.tree("idx"))
        self.index()
        self.assertIn("--target-recall", self.refused(2, "search", "idx", "--embedding", "q.npy", "--target-recall", 1)["stderr"])  # fmt: skip


if __name__ == "__main__":
    unittest.main()
