"""`equipoise eval`: measures by hand, settings side by side, runs made elsewhere, gates."""

import math
import unittest

from harness import CliTest
from samples import CORPUS, QRELS, QUERIES, QUERY_VECTORS, VECTORS, beir, npy

MEASURES = ["ndcg@10", "recall@10", "recall@100", "mrr@10", "map"]


class EvalTest(CliTest):
    def setUp(self):
        super().setUp()
        self.write("c.jsonl", CORPUS)
        self.write("c.npy", npy(VECTORS))
        self.write("queries.jsonl", QUERIES)
        self.write("queries.npy", npy(QUERY_VECTORS))
        self.write("qrels.tsv", QRELS)
        self.run_ok("index", "--corpus", "c.jsonl", "--embeddings", "c.npy", "--out", "idx")

    def arguments(self, *options, qrels="qrels.tsv", queries="queries.jsonl",
                  embeddings="queries.npy"):
        vectors = ("--query-embeddings", embeddings) if embeddings else ()
        return ("eval", "idx", "--queries", queries, *vectors, "--qrels", qrels, *options)

    def eval(self, *options, **files):
        return self.run_ok(*self.arguments(*options, **files), "--json").json()

    def one(self, *options, **files):
        results = self.eval(*options, **files)["results"]
        self.assertEqual(len(results), 1)
        return results[0]

    def refuse(self, code, *options, **files):
        return self.refused(code, *self.arguments(*options, **files))


class Settings(EvalTest):
    def test_a_result_has_the_documented_keys(self):
        result = self.one()
        self.assertLessEqual({"alpha", "fusion", *MEASURES, "queries", "latency_ms", "qps"},
                             set(result))
        self.assertEqual(set(result["latency_ms"]), {"p50", "p95", "p99"})
        self.assertEqual((result["alpha"], result["queries"], result["k"]), (0.5, 2, 1000))
        self.assertGreater(result["qps"], 0)
        latency = result["latency_ms"]
        self.assertLessEqual(latency["p50"], latency["p95"])
        self.assertLessEqual(latency["p95"], latency["p99"])

    def test_the_measures_are_those_computed_by_hand(self):
        # q1 ranks d1 d3 d2, q2 ranks d2 first. Judged: d3 and d2 for q1 (grades 1 and 3), and for
        # q2 one that is found in rank 1 and one that the collection lacks.
        qrels = beir(("q1", "d3", 1), ("q1", "d2", 3), ("q2", "d2", 1), ("q2", "gone", 1))
        self.write("other.tsv", qrels)
        result = self.one("--alpha", "0", "--per-query", qrels="other.tsv")
        first, second = result["per_query"]
        log = math.log2
        self.assertAlmostEqual(first["ndcg@10"],
                               (1 / log(3) + 7 / log(4)) / (7 + 1 / log(3)), places=9)
        self.assertAlmostEqual(first["map"], (1 / 2 + 2 / 3) / 2, places=9)
        self.assertEqual((first["mrr@10"], first["recall@10"], first["relevant"]), (0.5, 1, 2))
        self.assertAlmostEqual(second["ndcg@10"], 1 / (1 + 1 / log(3)), places=9)
        self.assertEqual((second["map"], second["mrr@10"], second["recall@100"]), (0.5, 1, 0.5))
        for measure in MEASURES:
            self.assertAlmostEqual(result[measure], (first[measure] + second[measure]) / 2,
                                   places=9)

    def test_alpha_takes_a_list_and_a_range(self):
        for text, alphas in (("0.3", [0.3]), ("0,0.5,1", [0, 0.5, 1]),
                             ("0:1:0.25", [0, 0.25, 0.5, 0.75, 1]), ("0.2:0.2:0.1", [0.2]),
                             ("0:1:0.1", [i / 10 for i in range(11)]), ("0:0.5:0.3", [0, 0.3])):
            with self.subTest(text):
                results = self.eval("--alpha", text)["results"]
                self.assertEqual([result["alpha"] for result in results], alphas)

    def test_fusions_are_evaluated_one_after_the_other(self):
        results = self.eval("--alpha", "0,1", "--fusion", "rrf,minmax_union")["results"]
        self.assertEqual([(r["fusion"], r["alpha"]) for r in results],
                         [("rrf", 0), ("rrf", 1), ("minmax_union", 0), ("minmax_union", 1)])

    def test_without_query_embeddings_it_is_bm25_alone(self):
        result = self.one(embeddings=None)
        self.assertEqual(result["alpha"], 1)
        # q1 finds d1 and d3, q2 finds d2: all that is relevant.
        self.assertEqual([result[measure] for measure in MEASURES], [1] * 5)
        self.assertEqual(self.one("--alpha", "1")["map"], result["map"])

    def test_bad_settings_are_usage_errors(self):
        for option, *values in (
                ("--alpha", "2", "-1", "nan", "x", "0,", "0:1", "0:1:0", "1:0:0.1", "0:1:-1",
                 "0:2:0.5", "0:1:nan", "0:1:inf", "0:1:0.1:2", "0:1:1e-9"),
                ("--fusion", "sum", "rrf,", "rrf,sum"), ("-k", "0", "x"), ("--depth", "0"),
                ("--fail-below", "ndcg@10", "ndcg@5=0.1", "=1", "ndcg@10=", "ndcg@10=nan",
                 "ndcg@10=x")):
            for value in values:
                with self.subTest(option=option, value=value):
                    error = self.refused(2, *self.arguments(option, value))
                    self.assertIn(option.lstrip("-"), error["stderr"])

    def test_the_table_has_a_row_for_each_setting(self):
        text = self.run_ok(*self.arguments("--alpha", "0:1:0.5")).stdout
        lines = text.splitlines()
        for word in ("alpha", "fusion", *MEASURES, "p50", "p95", "p99", "QPS"):
            self.assertIn(word, lines[0])
        self.assertEqual([line.split()[0] for line in lines[1:4]], ["0", "0.5", "1"])
        self.assertEqual(len({len(line) for line in lines[:4]}), 1, text)
        self.assertIn("2 queries with a relevant document", text)


class Coverage(EvalTest):
    def test_unknown_documents_and_queries_are_counted_and_reported(self):
        self.write("other.tsv", beir(("q1", "d1", 1), ("q1", "gone", 1), ("q1", "lost", 0),
                                     ("q2", "gone", 2), ("q8", "d1", 1), ("q9", "gone", 1)))
        coverage = self.eval(qrels="other.tsv")["coverage"]
        self.assertEqual(coverage, {
            "queries_without_relevant": 0, "queries_without_judgments": 0, "unknown_queries": 2,
            "judgments_of_unknown_queries": 2, "unknown_documents": 2,
            "judgments_of_unknown_documents": 4})
        text = self.run_ok(*self.arguments(qrels="other.tsv")).stdout
        self.assertIn("2 judged queries not asked", text)
        self.assertIn("2 judged documents not in the index", text)

    def test_queries_without_a_relevant_document_are_left_out_and_counted(self):
        self.write("more.jsonl", QUERIES + [{"_id": "q3", "text": "yeast"},
                                            {"_id": "q4", "text": "bird"}])
        self.write("more.npy", npy(QUERY_VECTORS * 2))
        self.write("other.tsv", QRELS + "q3\td1\t0\n")
        files = {"qrels": "other.tsv", "queries": "more.jsonl", "embeddings": "more.npy"}
        report = self.eval(**files)
        self.assertEqual(report["results"][0]["queries"], 2)
        self.assertEqual(report["results"][0]["ndcg@10"], self.one()["ndcg@10"])
        self.assertEqual(report["coverage"]["queries_without_relevant"], 1)
        self.assertEqual(report["coverage"]["queries_without_judgments"], 1)
        text = self.run_ok(*self.arguments(**files)).stdout
        self.assertIn("1 query judged without one: left out", text)
        self.assertIn("1 query not judged: left out", text)

    def test_trec_four_columns_measure_the_same(self):
        lines = [line.split("\t") for line in QRELS.splitlines()[1:]]
        for glue in (" ", "\t", "   "):
            self.write("trec.txt", "".join(glue.join([q, "0", d, g]) + "\r\n"
                                           for q, d, g in lines))
            for measure in MEASURES:
                self.assertEqual(self.one(qrels="trec.txt")[measure], self.one()[measure])

    def test_judgments_that_belong_to_other_queries_are_refused(self):
        self.write("other.tsv", beir(("x1", "d1", 1)))
        self.assertEqual(self.refuse(1, qrels="other.tsv")["file"], "other.tsv")


class BadInput(EvalTest):
    def test_malformed_judgments_are_named_with_file_and_line(self):
        head = "query-id\tcorpus-id\tscore\nq1\td1\t1\n"
        for bad, line in ((head + "q1\td2\n", 3), (head + "q1\td2\tmuch\n", 3),
                          (head + "\nq1\t\t1\n", 4), (head + "q1\td2\t1\t5\n", 3),
                          (head + "q1\td1\t2\n", 3), (head + "q1\td2\t1.5\n", 3),
                          (head + "q1\td2\t99999999999\n", 3), ("q1 0 d1 1\nq1 0 d2\n", 2),
                          ("q1 d1 1\n", 1)):
            with self.subTest(bad):
                self.write("bad.tsv", bad)
                error = self.refuse(1, qrels="bad.tsv")
                self.assertEqual((error["file"], error["line"]), ("bad.tsv", line))
        self.write("bad.tsv", head.encode() + b"q1\t\xff\t1\n")
        self.assertEqual(self.refuse(1, qrels="bad.tsv")["line"], 3)
        for empty in ("", "query-id\tcorpus-id\tscore\n"):
            self.write("bad.tsv", empty)
            self.assertEqual(self.refuse(1, qrels="bad.tsv")["file"], "bad.tsv")

    def test_malformed_queries_are_named_with_file_and_line(self):
        good = '{"_id": "q1", "text": "wing"}\n'
        for bad in ("{\n", '{"text": "x"}\n', good, '{"_id": "q2", "text": 5}\n', "[]\n"):
            with self.subTest(bad):
                self.write("bad.jsonl", good + bad)
                error = self.refuse(1, queries="bad.jsonl")
                self.assertEqual((error["file"], error["line"]), ("bad.jsonl", 2))

    def test_query_embeddings_that_do_not_fit_are_named(self):
        for rows in (QUERY_VECTORS[:1], QUERY_VECTORS * 2, [[1, 0, 0]] * 2,
                     [QUERY_VECTORS[0], [0, math.nan, 0, 0]]):
            self.write("bad.npy", npy(rows))
            error = self.refuse(1, embeddings="bad.npy")
            self.assertEqual(error["file"], "bad.npy")
        self.assertEqual(error["row"], 1)

    def test_a_missing_file_is_named(self):
        for kind, name in (("qrels", "absent.tsv"), ("queries", "absent.jsonl"),
                           ("embeddings", "absent.npy")):
            self.assertEqual(self.refuse(1, **{kind: name})["file"], name)

    def test_a_lexical_index_takes_no_query_embeddings(self):
        self.run_ok("index", "--corpus", "c.jsonl", "--out", "idx")
        self.assertIn("embedding", self.refuse(1)["message"])
        self.assertEqual(self.one(embeddings=None)["alpha"], 1)

    def test_what_belongs_together_is_asked_for(self):
        for words in ((), ("idx",), ("idx", "--queries", "queries.jsonl"),
                      ("idx", "--qrels", "qrels.tsv"), ("--qrels", "qrels.tsv"),
                      ("idx", "--runs", "a.trec", "--qrels", "qrels.tsv"),
                      ("--runs", "a.trec", "--qrels", "qrels.tsv", "--alpha", "0.5"),
                      ("--runs", "a.trec", "--qrels", "qrels.tsv", "--run", "b.trec")):
            with self.subTest(words):
                self.refused(2, "eval", *words)


class Gate(EvalTest):
    def test_a_gate_that_is_reached_passes(self):
        for measure in MEASURES:
            report = self.eval("--fail-below", f"{measure}=0.5")
            self.assertEqual(report["gate"], {"measure": measure, "at_least": 0.5, "ok": True,
                                              "value": report["results"][0][measure]})
        self.assertIsNone(self.eval()["gate"])

    def test_a_gate_that_is_missed_exits_with_1_and_says_by_how_much(self):
        run = self.run_fails(1, *self.arguments("--fail-below", "ndcg@10=1.01"))
        self.assertIn("gate failed: ndcg@10 = 1.0000 is below 1.01", run.stderr)
        self.assertIn("ndcg@10", run.stdout)  # the table is there all the same
        run = self.run_fails(1, *self.arguments("--fail-below", "ndcg@10=1.01", "--json"))
        self.assertIs(run.json()["gate"]["ok"], False)
        self.assertEqual(len(run.json()["results"]), 1)

    def test_the_best_setting_counts(self):
        # With alpha = 1 alone q1's list is what the judgments say.
        self.write("other.tsv", beir(("q1", "d3", 1), ("q2", "d2", 1)))
        results = self.eval("--alpha", "0,1", "--fail-below", "map=0.7", qrels="other.tsv")
        self.assertEqual(results["gate"]["value"], max(r["map"] for r in results["results"]))


class Runs(EvalTest):
    def setUp(self):
        super().setUp()
        self.write("more.jsonl", [{"_id": f"q{i}", "text": text} for i, text in enumerate(
            ("wing", "bread yeast", "bird", "baking a wing", "slipstream", "nothing here"))])
        self.write("more.npy", npy([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 1, 0, 0],
                                    [0, 1, 1, 1], [0, 0, 0, 1]]))
        self.write("more.tsv", beir(("q0", "d1", 1), ("q1", "d2", 2), ("q2", "d3", 1),
                                    ("q3", "d2", 1), ("q3", "d3", 3), ("q4", "d1", 1),
                                    ("q5", "d1", 1), ("q5", "gone", 1)))
        self.files = {"qrels": "more.tsv", "queries": "more.jsonl", "embeddings": "more.npy"}

    def runs(self, *words, qrels="more.tsv"):
        return self.run_ok("eval", "--runs", *words, "--qrels", qrels, "--json").json()

    def test_a_run_that_was_written_measures_the_same_when_it_is_read(self):
        for alpha in ("0", "0.4", "1"):
            for fusion in ("minmax", "minmax_union", "theoretical", "rrf"):
                with self.subTest(alpha=alpha, fusion=fusion):
                    ours = self.one("--alpha", alpha, "--fusion", fusion, "--run", "out.trec",
                                    "--per-query", **self.files)
                    read = self.runs("out.trec", "--per-query")["results"][0]
                    self.assertEqual(read["run"], "out.trec")
                    for key in (*MEASURES, "queries", "per_query"):
                        self.assertEqual(read[key], ours[key], key)

    def test_the_run_file_is_trec_with_falling_scores(self):
        self.one("--alpha", "0.5", "--run", "out.trec", **self.files)
        lines = [line.split() for line in (self.folder / "out.trec").read_text().splitlines()]
        before = {}
        for query, q0, document, rank, score, tag in lines:
            self.assertEqual((q0, tag), ("Q0", "equipoise"))
            last_rank, last_score = before.get(query, (0, math.inf))
            self.assertEqual(int(rank), last_rank + 1)
            self.assertLess(float(score), last_score)
            self.assertIn(document, {"d1", "d2", "d3"})
            before[query] = int(rank), float(score)
        self.assertEqual(list(before), [f"q{i}" for i in range(6)])

    def test_a_run_holds_one_setting(self):
        error = self.refuse(2, "--alpha", "0,1", "--run", "out.trec", **self.files)
        self.assertIn("--run", error["stderr"])
        self.assertFalse((self.folder / "out.trec").exists())

    def test_a_run_that_cannot_be_written_fails(self):
        (self.folder / "taken").mkdir()
        for path in ("absent/out.trec", "taken", "/dev/full"):
            self.refuse(1, "--run", path, **self.files)

    def test_queries_without_a_ranking_count_as_0_and_are_reported(self):
        self.write("a.trec", "q0 Q0 d1 1 0.5 me\nqx Q0 d1 1 0.5 me\n")
        result = self.runs("a.trec")["results"][0]
        self.assertEqual((result["queries"], result["without_results"],
                          result["without_judgments"]), (6, 5, 1))
        self.assertAlmostEqual(result["mrr@10"], 1 / 6)
        text = self.run_ok("eval", "--runs", "a.trec", "--qrels", "more.tsv").stdout
        self.assertIn("a.trec: 5 queries without a ranking: measured as 0.", text)
        self.assertIn("a.trec: 1 query not judged: left out.", text)

    def test_with_a_list_of_queries_these_alone_are_measured(self):
        self.write("a.trec", "q0 Q0 d1 1 0.5 me\n")
        self.write("asked.jsonl", [{"_id": "q0", "text": ""}, {"_id": "q1", "text": ""}])
        result = self.runs("a.trec", "--queries", "asked.jsonl")["results"][0]
        self.assertEqual((result["queries"], result["without_results"],
                          result["unknown_queries"], result["mrr@10"]), (2, 1, 4, 0.5))

    def test_two_runs_are_compared_with_intervals(self):
        self.one("--alpha", "0", "--run", "a.trec", **self.files)
        self.one("--alpha", "1", "--run", "b.trec", **self.files)
        report = self.runs("a.trec", "b.trec")
        a, b = report["results"]
        self.assertEqual([c["measure"] for c in report["comparisons"]], MEASURES)
        for c in report["comparisons"]:
            self.assertEqual((c["a"], c["b"], c["queries"]), ("a.trec", "b.trec", 6))
            self.assertAlmostEqual(c["difference"], b[c["measure"]] - a[c["measure"]], places=9)
            self.assertLessEqual(c["low"], c["difference"])
            self.assertLessEqual(c["difference"], c["high"])
            for p in ("p_randomization", "p_t", "p_adjusted"):
                if c[p] is not None:
                    self.assertTrue(0 <= c[p] <= 1, c)
        text = self.run_ok("eval", "--runs", "a.trec", "b.trec", "--qrels", "more.tsv").stdout
        self.assertIn("b.trec − a.trec", text)
        # The same again: the resampling has a seed.
        self.assertEqual(self.runs("a.trec", "b.trec"), report)

    def test_a_run_compared_with_itself_differs_by_nothing(self):
        self.one("--alpha", "0", "--run", "a.trec", **self.files)
        for c in self.runs("a.trec", "a.trec")["comparisons"]:
            self.assertEqual((c["difference"], c["low"], c["high"], c["p_adjusted"]), (0, 0, 0, 1))

    def test_three_runs_are_compared_in_pairs(self):
        for name, alpha in (("a.trec", "0"), ("b.trec", "0.5"), ("c.trec", "1")):
            self.one("--alpha", alpha, "--run", name, **self.files)
        report = self.runs("a.trec", "b.trec", "c.trec")
        self.assertEqual(len({(c["a"], c["b"]) for c in report["comparisons"]}), 3)

    def test_a_malformed_run_is_named_with_file_and_line(self):
        good = "q0 Q0 d1 1 0.5 me\n"
        for bad in ("q0 Q0 d2 2\n", "q0 Q0 d2 2 high me\n", "q0 Q0 d2 2 nan me\n", good,
                    "q0 Q0 d2 2 inf me\n"):
            with self.subTest(bad):
                self.write("bad.trec", good + bad)
                error = self.refused(1, "eval", "--runs", "bad.trec", "--qrels", "more.tsv")
                self.assertEqual((error["file"], error["line"]), ("bad.trec", 2))
        self.write("bad.trec", "")
        self.refused(1, "eval", "--runs", "bad.trec", "--qrels", "more.tsv")
        self.refused(1, "eval", "--runs", "absent.trec", "--qrels", "more.tsv")

    def test_a_gate_counts_for_runs_too(self):
        self.write("a.trec", "q0 Q0 d1 1 0.5 me\n")
        words = ("eval", "--runs", "a.trec", "--qrels", "more.tsv", "--fail-below")
        self.run_ok(*words, "mrr@10=0.1")
        self.run_fails(1, *words, "mrr@10=0.2")


if __name__ == "__main__":
    unittest.main()
