"""`equipoise config`, and --config of the commands that search."""

import json
import unittest

from harness import CliTest, run
from samples import CORPUS, QRELS, QUERIES, QUERY_VECTORS, VECTORS, npy


class Config(CliTest):
    def setUp(self):
        super().setUp()
        self.write("c.jsonl", CORPUS)
        self.write("c.npy", npy(VECTORS))
        self.write("q.npy", npy(QUERY_VECTORS))
        self.write("queries.jsonl", QUERIES)
        self.write("qrels.tsv", QRELS)
        self.run_ok("index", "--corpus", "c.jsonl", "--embeddings", "c.npy", "--out", "idx")

    def config(self, **values):
        self.write("c.json", json.dumps(values))
        return "c.json"

    def search(self, *options):
        return self.run_ok("search", "idx", "--text", "wing", "--embedding", "q.npy", "--json",
                           *options).json()

    def test_the_schema_is_one_and_says_every_range(self):
        schema = self.run_ok("config", "--schema").json()
        self.assertEqual(schema["properties"]["alpha"]["minimum"], 0)
        self.assertEqual(schema["properties"]["lexical_depth"]["default"], 100)
        self.assertFalse(schema["additionalProperties"])

    def test_a_file_is_checked_and_printed_with_all_that_it_stands_for(self):
        shown = self.run_ok("config", self.config(alpha=0.25)).json()
        self.assertEqual((shown["alpha"], shown["vector_depth"], shown["exact"]), (0.25, 100, False))
        self.assertNotIn("fusion", shown)
        self.refused(2, "config")
        self.refused(2, "config", "c.json", "--schema")

    def test_search_runs_it_and_options_go_before_it(self):
        config = self.config(alpha=0.25, fusion="minmax", lexical_depth=2)
        found = self.search("--config", config)
        self.assertEqual((found["alpha"], found["fusion"], found["alpha_source"]),
                         (0.25, "minmax", "configured"))
        found = self.search("--config", config, "--alpha", "0.75")
        self.assertEqual((found["alpha"], found["fusion"], found["alpha_source"]),
                         (0.75, "minmax", "request"))
        plain = self.search("--alpha", "0.25", "--fusion", "minmax")
        again = self.search("--config", self.config(alpha=0.25, fusion="minmax"))
        self.assertEqual(plain["hits"], again["hits"])

    def test_what_the_machine_lacks_is_said(self):
        # No machine has both.
        lacking = [level for level in ("neon", "avx2") if run(
            "search", "idx", "--text", "wing", "--config", self.config(simd=level),
            cwd=self.folder).code != 0]
        self.assertTrue(lacking)
        error = self.refused(1, "search", "idx", "--text", "wing", "--config",
                             self.config(simd=lacking[0]))
        self.assertEqual((error["code"], error["file"], error["field"]),
                         ("unsupported", "c.json", "simd"))
        self.assertIn(lacking[0], error["message"])

    def test_near_duplicates_and_deadlines(self):
        kept = self.search("--near-duplicate", "0.000001")["hits"]
        self.assertLess(len(kept), len(self.search()["hits"]))
        by_file = self.search("--config", self.config(near_duplicate=0.000001))
        self.assertEqual([h["id"] for h in by_file["hits"]], [h["id"] for h in kept])
        late = self.search("--deadline", "0.001")
        self.assertEqual((late["partial"], late["cut"], late["hits"]), (True, "vector", []))
        self.assertFalse(self.search("--deadline", "60000")["partial"])

    def test_eval_measures_it(self):
        arguments = ("eval", "idx", "--queries", "queries.jsonl", "--query-embeddings", "q.npy",
                     "--qrels", "qrels.tsv", "--json")
        config = self.config(alpha=0.125, fusion="rrf")
        result = self.run_ok(*arguments, "--config", config).json()["results"]
        self.assertEqual([(r["alpha"], r["fusion"]) for r in result], [(0.125, "rrf")])
        plain = self.run_ok(*arguments, "--alpha", "0.125", "--fusion", "rrf").json()["results"]
        self.assertEqual(result[0]["ndcg@10"], plain[0]["ndcg@10"])

    def test_what_is_wrong_names_file_and_key_for_every_command(self):
        asked = ("--queries", "queries.jsonl", "--query-embeddings", "q.npy", "--qrels", "qrels.tsv")
        for values, key in (({"alpa": 1}, "alpa"), ({"alpha": 2}, "alpha"),
                            ({"vector_depth": 0}, "vector_depth"), ({"fusion": "sum"}, "fusion")):
            config = self.config(**values)
            for command in (("config", config), ("search", "idx", "--text", "x", "--config", config),
                            ("eval", "idx", *asked, "--config", config),
                            ("learn", "idx", *asked, "--config", config)):
                with self.subTest(command=command[0], values=values):
                    error = self.refused(1, *command)
                    self.assertEqual((error["file"], error["field"]), ("c.json", key))
        self.assertEqual(self.refused(1, "config", "absent.json")["code"], "not_found")
        self.assertEqual(self.refused(1, "config", self.config(format=9))["code"], "unsupported")


if __name__ == "__main__":
    unittest.main()
