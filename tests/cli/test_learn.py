"""`equipoise learn`: policies on streams of judged queries, against what `eval` measures."""

import json
import os
import random
import re
import statistics
import subprocess
import unittest
import xml.dom.minidom

from harness import CliTest
from samples import beir, npy

WORDS = [f"word{i}" for i in range(30)]


class LearnTest(CliTest):
    def setUp(self):
        super().setUp()
        self.make("one", 1, 24)
        self.make("two", 2, 12)

    def make(self, name, seed, queries):
        """An index of 60 documents and its queries, of which the last has no judgment."""
        rng = random.Random(seed)
        vector = lambda: [rng.uniform(-1, 1) for _ in range(6)]
        text = lambda n: " ".join(rng.choice(WORDS) for _ in range(n))
        documents = [{"_id": f"d{i}", "text": text(10)} for i in range(60)]
        asked = [{"_id": f"q{i}", "text": text(2)} for i in range(queries + 1)]
        judged = [(f"q{i}", f"d{d}", rng.choice([1, 1, 2])) for i in range(queries)
                  for d in rng.sample(range(60), 6)]
        self.write(f"data/{name}/corpus.jsonl", documents)
        self.write(f"data/{name}/corpus.npy", npy([vector() for _ in documents]))
        self.write(f"data/{name}/queries.jsonl", asked)
        self.write(f"data/{name}/queries.npy", npy([vector() for _ in asked]))
        self.write(f"data/{name}/qrels/test.tsv", beir(*judged))
        self.run_ok("index", "--corpus", f"data/{name}/corpus.jsonl", "--embeddings",
                    f"data/{name}/corpus.npy", "--out", f"idx/{name}")

    BOTH = ("idx/one", "idx/two", "--data", "data/one", "data/two")

    def learn(self, *options):
        return self.run_ok("learn", *options, "--json").json()

    def policy(self, result, name):
        return next(p for p in result["policies"] if p["policy"] == name)

    def eval(self, name, *options):
        data = f"data/{name}"
        run = self.run_ok("eval", f"idx/{name}", "--queries", f"{data}/queries.jsonl",
                          "--query-embeddings", f"{data}/queries.npy", "--qrels",
                          f"{data}/qrels/test.tsv", "--json", *options)
        return run.json()["results"]


class Figures(LearnTest):
    def test_the_keys_are_those_documented(self):
        result = self.learn(*self.BOTH, "--orders", "3")
        self.assertEqual(list(result), ["orders", "horizon", "feedback", "fusion", "queries",
                                        "left_out", "best_single_alpha", "better_path", "floor",
                                        "policies", "domains", "report"])
        self.assertEqual([p["policy"] for p in result["policies"]],
                         ["static 0.5", "best single α", "beta", "curve"])
        self.assertEqual((result["queries"], result["left_out"], result["orders"]), (36, 2, 3))
        for policy in result["policies"]:
            for key in ("reward", "regret", "above_best_single", "less_static",
                        "less_path", "recall@10"):
                low, high = policy[key + "_95"]["low"], policy[key + "_95"]["high"]
                self.assertLessEqual(low, policy[key] + 1e-9)
                self.assertGreaterEqual(high, policy[key] - 1e-9)
            self.assertEqual(policy["converged"] is None, policy["policy"] != "curve")
        curve = self.policy(result, "curve")
        self.assertEqual(list(curve["converged"]), ["one", "two"])
        self.assertEqual(len(curve["regret_by_query"]), 24)
        self.assertEqual(len(curve["recall@10_by_query"]), 24)
        self.assertEqual(len(result["domains"][0]["posterior"]["mean"]), 21)

    def test_a_fixed_alpha_earns_what_eval_measures(self):
        result = self.learn(*self.BOTH, "--policy", "static", "--orders", "2")
        expected, recall = {}, {}
        for name in ("one", "two"):
            rows = self.eval(name, "--alpha", "0:1:0.05")
            expected[name] = [row["ndcg@10"] for row in rows]
            recall[name] = rows[10]["recall@10"]
        for domain in result["domains"]:
            # eval ranks up to 1,000; the first ten are those of a search for ten.
            for mine, other in zip(domain["reward"], expected[domain["domain"]], strict=True):
                self.assertAlmostEqual(mine, other, places=5)
            self.assertAlmostEqual(domain["best"], max(domain["reward"]), places=9)
        mean = lambda one, two: (24 * one + 12 * two) / 36
        vectors, both, lexical = (mean(expected["one"][i], expected["two"][i]) for i in (0, 10, 20))
        policy = self.policy(result, "static 0.5")
        self.assertAlmostEqual(policy["reward"], both, places=5)
        self.assertAlmostEqual(policy["recall@10"], mean(recall["one"], recall["two"]), places=5)
        self.assertEqual(result["better_path"], "BM25" if lexical >= vectors else "vectors")
        self.assertAlmostEqual(policy["less_path"], both - max(lexical, vectors), places=5)

    def test_the_same_seed_gives_the_same_figures_and_another_one_other_orders(self):
        options = (*self.BOTH, "--orders", "3", "--feedback", "shown", "--flips", "0.1")
        first = self.learn(*options)
        self.assertEqual(self.learn(*options), first)
        self.assertNotEqual(self.policy(self.learn(*options, "--seed", "2"), "curve"),
                            self.policy(first, "curve"))

    def test_contextual_decides_as_the_curve_does_until_features_are_shown_to_pay(self):
        # 36 queries are fewer than it looks at before it begins to count.
        result = self.learn(*self.BOTH, "--orders", "3", "--policy", "contextual,curve",
                            "--both-paths-share", "1")
        self.assertEqual(self.policy(result, "contextual")["regret_by_query"],
                         self.policy(result, "curve")["regret_by_query"])

    def test_the_horizon_limits_the_queries_of_a_domain(self):
        result = self.learn(*self.BOTH, "--orders", "2", "--horizon", "5", "--policy", "curve")
        self.assertEqual(len(self.policy(result, "curve")["regret_by_query"]), 5)
        # Query by query it is the same recall, where each domain has as many.
        for policy in result["policies"]:
            self.assertAlmostEqual(statistics.fmean(policy["recall@10_by_query"]), policy["recall@10"], delta=1e-9)

    def test_priors_are_what_a_policy_starts_from(self):
        self.write("priors.json", '{"format": 1, "domains": {"one": {"alpha": 1, "strength": 1000, '
                                  '"normalization": "minmax"}}}')
        options = (*self.BOTH, "--orders", "2", "--priors", "priors.json", "--fusion", "minmax")
        result = self.learn(*options)
        self.assertIn("static, priors", [p["policy"] for p in result["policies"]])
        error = self.refused(1, "learn", *self.BOTH, "--priors", "priors.json")
        self.assertIn("minmax", error["message"])

    def test_the_tables_name_every_policy_and_domain(self):
        text = self.run_ok("learn", *self.BOTH, "--orders", "2").stdout
        for word in ("static 0.5", "best single α", "beta", "curve", "one", "two", "converged"):
            self.assertIn(word, text)


class Streams(LearnTest):
    def lines(self, *extra):
        return [{"index": "one", "query": f"q{i}", "domain": "a" if i % 2 else "b", "time": 100 - i}
                for i in range(10)] + list(extra)

    def test_a_stream_says_which_queries_and_which_domains(self):
        self.write("s.jsonl", self.lines({"index": "idx/two", "query": "q3"}))
        result = self.learn(*self.BOTH, "--orders", "2", "--stream", "s.jsonl")
        self.assertEqual({d["domain"]: d["queries"] for d in result["domains"]},
                         {"a": 5, "b": 5, "two": 1})

    def test_the_index_may_be_missing_where_there_is_one(self):
        self.write("s.jsonl", [{"query": f"q{i}", "domain": "a"} for i in range(4)])
        one = ("idx/one", "--data", "data/one", "--orders", "2", "--stream", "s.jsonl")
        self.assertEqual(self.learn(*one)["queries"], 4)
        error = self.refused(1, "learn", *self.BOTH, "--stream", "s.jsonl")
        self.assertEqual((error["file"], error["line"]), ("s.jsonl", 1))

    def test_a_query_asked_again_is_no_further_sample(self):
        lines = [{"index": "one", "query": f"q{i}"} for i in range(12)]
        widths = []
        for times in (1, 8):
            self.write("s.jsonl", lines * times)
            result = self.learn(*self.BOTH, "--orders", "2", "--stream", "s.jsonl", "--policy", "static")
            interval = self.policy(result, "static 0.5")["reward_95"]
            widths.append(interval["high"] - interval["low"])
        self.assertAlmostEqual(widths[1], widths[0], delta=0.2 * widths[0])

    def test_watching_says_the_changes_and_where_there_is_none_nothing(self):
        lines = [{"index": "one", "query": f"q{i % 24}", "domain": "a", "time": i} for i in range(96)]
        self.write("s.jsonl", lines)
        quiet = self.learn(*self.BOTH, "--orders", "2", "--stream", "s.jsonl", "--watch", "64")
        self.assertEqual(quiet["domains"][0]["posterior"]["changes"], [])
        self.refused(1, "learn", *self.BOTH, "--orders", "2", "--watch", "3")

    def test_a_change_is_named_with_its_time_wherever_it_is_shown(self):
        # Of the first half of the queries the terms know the document, of the second the vectors.
        rng = random.Random(7)
        vector = lambda: [rng.uniform(-1, 1) for _ in range(6)]
        text = lambda n: " ".join(rng.choice(WORDS) for _ in range(n))
        documents = [{"_id": f"d{i}", "text": text(10)} for i in range(60)]
        rows = [vector() for _ in documents]
        good = [rng.randrange(60) for _ in range(160)]
        by_terms = [i < 80 for i in range(160)]
        self.write("data/turn/corpus.jsonl", documents)
        self.write("data/turn/corpus.npy", npy(rows))
        self.write("data/turn/queries.jsonl", [
            {"_id": f"q{i}", "text": documents[d]["text"] if terms else text(2)}
            for i, (d, terms) in enumerate(zip(good, by_terms))])
        self.write("data/turn/queries.npy", npy([vector() if terms else rows[d]
                                                 for d, terms in zip(good, by_terms)]))
        self.write("data/turn/qrels/test.tsv", beir(*((f"q{i}", f"d{d}", 1) for i, d in enumerate(good))))
        self.run_ok("index", "--corpus", "data/turn/corpus.jsonl", "--embeddings",
                    "data/turn/corpus.npy", "--out", "idx/turn")
        self.write("s.jsonl", [{"query": f"q{i}", "domain": "a", "time": 5000 + 10 * i} for i in range(160)])
        options = ("idx/turn", "--data", "data/turn", "--orders", "1", "--stream", "s.jsonl",
                   "--watch", "64")
        result = self.learn(*options, "--report", "r.html")
        (change,) = result["domains"][0]["posterior"]["changes"]
        self.assertEqual(list(change), ["began", "noticed", "time", "evidence"])
        # Where it began is estimated from the noisy queries around it.
        self.assertAlmostEqual(change["began"], 81, delta=12)
        self.assertGreater(change["noticed"], 81)
        self.assertEqual(change["time"], 5000 + 10 * (change["noticed"] - 1))
        words = f"noticed with query {change['noticed']}, at time {change['time']:.0f}"
        self.assertIn(words, self.run_ok("learn", *options).stdout)
        self.assertIn(words, (self.folder / "r.html").read_text(encoding="utf-8"))
        # Feedback that comes later is given later.
        (late,) = self.learn(*options, "--delay", "8")["domains"][0]["posterior"]["changes"]
        self.assertEqual(late["time"], 5000 + 10 * (late["noticed"] - 1 + 8))

    def guarded(self, *options):
        """By query of the domain, whether a guarded curve has another regret than a fixed 0.5."""
        self.write("s.jsonl", [{"index": "one", "query": f"q{i % 24}", "domain": "a"} for i in range(96)])
        result = self.learn("idx/one", "--data", "data/one", "--orders", "1", "--stream", "s.jsonl",
                            "--policy", "curve", "--largest-loss", "0.3", *options)
        fixed, curve = (self.policy(result, name)["regret_by_query"] for name in ("static 0.5", "curve"))
        self.assertEqual(len(curve), 96)
        return [abs(a - b) > 1e-12 for a, b in zip(fixed, curve, strict=True)]

    def test_a_guard_decides_as_the_static_policy_until_what_may_be_lost_is_earned(self):
        # It pays for one query that earns nothing, at 0.7, with 0.3 of those before.
        other = self.guarded()
        self.assertFalse(any(other[:3]))
        self.assertTrue(any(other[3:]))
        error = self.refused(2, "learn", *self.BOTH, "--largest-loss", "2")
        self.assertIn("--largest-loss", error["message"] + str(error.get("field")))

    def test_a_guard_reckons_with_feedback_that_is_late_or_flipped(self):
        # 21 queries may be under way: 14.7 is more than 0.3 of all that 96 queries can earn here.
        self.assertFalse(any(self.guarded("--delay", "20")))
        # Of ten judgments one is wrong in 40 % of the queries: more than what they can earn.
        self.assertTrue(any(self.guarded("--feedback", "shown")))
        self.assertFalse(any(self.guarded("--feedback", "shown", "--flips", "0.05")))

    def test_what_a_stream_gets_wrong_is_named_with_its_line(self):
        for bad, word in (({"index": "nine", "query": "q1"}, "nine"),
                          ({"index": "one", "query": "q99"}, "q99"),
                          ({"index": "one", "query": "q1", "time": "noon"}, "time"),
                          ({"index": "one", "query": "q1", "domain": 3}, "domain")):
            with self.subTest(bad):
                self.write("s.jsonl", self.lines(bad))
                error = self.refused(1, "learn", *self.BOTH, "--stream", "s.jsonl")
                self.assertIn(word, error["message"])
                self.assertEqual((error["file"], error["line"]), ("s.jsonl", 11))
        self.write("s.jsonl", "")
        self.refused(1, "learn", *self.BOTH, "--stream", "s.jsonl")
        self.write("s.jsonl", [{"index": "one", "query": "q24"}])
        self.assertIn("relevant",
                      self.refused(1, "learn", *self.BOTH, "--stream", "s.jsonl")["message"])

    def test_files_must_be_there_for_each_index(self):
        error = self.refused(2, "learn", "idx/one", "idx/two", "--data", "data/one")
        self.assertEqual(error["field"], "--data")
        self.refused(2, "learn", "idx/one", "--policy", "magic", "--data", "data/one")
        # The last of ten is where scores are normalized from: as good as none.
        self.refused(2, "learn", "idx/one", "--depth", "10", "--data", "data/one")
        self.refused(1, "learn", "idx/one", "--data", "data/none")
        result = self.learn("idx/one", "--queries", "data/one/queries.jsonl", "--query-embeddings",
                            "data/one/queries.npy", "--qrels", "data/one/qrels/test.tsv",
                            "--orders", "2")
        self.assertEqual(result["queries"], 24)


class Policies(LearnTest):
    def test_an_index_can_be_built_again_beside_what_was_learned(self):
        self.write("idx/one/POLICY", "learned")
        self.make("one", 3, 5)
        self.assertEqual((self.folder / "idx/one/POLICY").read_text(), "learned")

    def test_search_refuses_a_file_that_no_policy_wrote(self):
        for content, code in (("", "corruption"), ("learned" * 50, "corruption"), (None, "not_found")):
            if content is not None:
                self.write("state", content)
            error = self.refused(1, "search", "idx/one", "--text", "word1", "--policy",
                                 "state" if content is not None else "absent")
            self.assertEqual(error["code"], code)

    def test_without_a_policy_nothing_is_said_of_it(self):
        result = self.run_ok("search", "idx/one", "--text", "word1", "--embedding",
                             "data/one/queries.npy", "--json").json()
        self.assertEqual((result["alpha_source"], result["propensity"], result["policy_version"]),
                         ("index", None, None))


class Report(LearnTest):
    def test_it_is_one_page_that_needs_nothing_else(self):
        self.write("s.jsonl", [{"index": "one", "query": f"q{i}", "domain": "<a> & b"}
                               for i in range(20)])
        self.learn(*self.BOTH, "--orders", "2", "--stream", "s.jsonl", "--report", "r.html")
        page = (self.folder / "r.html").read_text(encoding="utf-8")
        for word in ("http", "src=", "@import", "<script", "url("):
            self.assertNotIn(word, page)
        self.assertIn("&lt;a&gt; &amp; b", page)
        plots = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
        self.assertEqual(len(plots), 3)  # regret, Recall@10, a domain
        for plot in plots:
            drawn = xml.dom.minidom.parseString(plot)
            self.assertGreaterEqual(len(drawn.getElementsByTagName("polyline")), 2)
            self.assertNotIn("nan", plot.lower())
        self.assertEqual(len(xml.dom.minidom.parseString(plots[2]).getElementsByTagName("polygon")),
                         1)

    def test_a_page_that_cannot_be_written_is_an_error(self):
        error = self.refused(1, "learn", "idx/one", "--data", "data/one", "--orders", "2",
                             "--report", "none/r.html")
        self.assertEqual(error["code"], "io")


class Replay(CliTest):
    def line(self, number, rng):
        """A query of six documents; the lexical path knows the two good ones."""
        good = rng.sample(range(6), 2)
        scores = {f"d{i}": (0.9 if i in good else 0.1 * i / 6, rng.random()) for i in range(6)}
        alpha = rng.choice([0, 1])
        shown = sorted(scores, key=lambda d: -(alpha * scores[d][0] + (1 - alpha) * scores[d][1]))
        return {"query_id": number, "domain": "a", "alpha": alpha, "propensity": 0.5,
                "fusion": "minmax",
                "candidates": [{"doc": d, "lexical": s[0], "vector": s[1]} for d, s in scores.items()],
                "shown": shown,
                "feedback": [{"doc": f"d{i}", "rating": 1, "time": 5, "source": "u"} for i in good]}

    def setUp(self):
        super().setUp()
        rng = random.Random(5)
        self.lines = [self.line(i, rng) for i in range(300)]
        self.write("log.jsonl", self.lines)

    def test_the_keys_are_those_documented_and_the_better_policy_is_found(self):
        result = self.run_ok("learn", "--replay", "log.jsonl", "--policy", "static,curve", "--json").json()
        self.assertEqual(list(result), ["queries", "one_path", "rated", "fusion", "domains", "logged",
                                        "policies", "alphas"])
        self.assertEqual((result["queries"], result["rated"], result["domains"]), (300, 300, ["a"]))
        static, curve = result["policies"]
        self.assertEqual(list(static), ["policy", "replay", "ips", "snips", "doubly_robust",
                                        "largest_weight", "exact", "exact_unseen_worthless",
                                        "exact_unseen_best", "known_share"])
        # Nothing was logged at 0.5: no estimate by propensities, yet the replay is exact.
        for estimate in ("ips", "doubly_robust", "snips"):
            self.assertEqual((static[estimate]["reliable"], static[estimate]["low"], static[estimate]["high"]),
                             (False, 0, 1))
        self.assertAlmostEqual(static["known_share"], 1)
        self.assertEqual(len(result["alphas"]), 21)
        best = max(result["alphas"], key=lambda a: a["exact"]["mean"])
        self.assertGreater(best["exact"]["mean"], result["alphas"][0]["exact"]["mean"])
        self.assertGreater(curve["exact"]["mean"], result["logged"]["mean"])

    def test_too_few_samples_are_warned_about(self):
        text = self.run_ok("learn", "--replay", "log.jsonl", "--policy", "static").stdout
        self.assertIn("warning: the effective sample size is below 200", text)

    def test_what_a_log_gets_wrong_is_named_with_its_line(self):
        self.lines[7]["propensity"] = 0
        self.write("bad.jsonl", self.lines)
        error = self.refused(1, "learn", "--replay", "bad.jsonl")
        self.assertEqual((error["line"], error["field"]), (8, "propensity"))
        self.assertEqual(self.refused(1, "learn", "--replay", "absent.jsonl")["code"], "not_found")
        self.refused(2, "learn")
        # Nobody has logged the features that it decides by.
        error = self.refused(1, "learn", "--replay", "log.jsonl", "--policy", "contextual")
        self.assertEqual((error["file"], error["line"], error["field"]), ("log.jsonl", 1, "features"))
        self.refused(2, "learn", "idx", "--replay", "log.jsonl")
        self.refused(2, "learn", "--replay", "log.jsonl", "--report", "page.html")
        error = self.refused(2, "learn", "--replay", "log.jsonl", "--largest-loss", "0.1")
        self.assertEqual(error["field"], "--largest-loss")
        self.assertEqual(self.refused(1, "learn", "--replay", "log.jsonl", "--watch", "3")["field"],
                         "options.watch")

    def test_a_policy_that_watches_follows_a_change_of_the_log(self):
        # From the middle on the vectors know what the terms knew.
        for line in self.lines[150:]:
            for candidate in line["candidates"]:
                candidate["lexical"], candidate["vector"] = candidate["vector"], candidate["lexical"]
            line["alpha"] = 1 - line["alpha"]
        self.write("log.jsonl", self.lines)
        curve = [self.run_ok("learn", "--replay", "log.jsonl", "--policy", "curve", "--watch", watch,
                             "--json").json()["policies"][0] for watch in ("0", "64")]
        self.assertGreater(curve[1]["exact"]["mean"], curve[0]["exact"]["mean"])

    def test_features_that_were_logged_are_what_contextual_is_judged_by(self):
        for line in self.lines:
            line["features"] = [0.5] * 15
        self.write("log.jsonl", self.lines)
        result = self.run_ok("learn", "--replay", "log.jsonl", "--policy", "contextual,curve", "--json").json()
        # All alike, they tell nothing.
        contextual, curve = result["policies"]
        self.assertAlmostEqual(contextual["exact"]["mean"], curve["exact"]["mean"])
        self.lines[4]["features"].pop()
        self.write("log.jsonl", self.lines)
        error = self.refused(1, "learn", "--replay", "log.jsonl", "--policy", "contextual")
        self.assertEqual((error["line"], error["field"]), (5, "features"))


class Export(LearnTest):
    """Searches and ratings of a program on the library, which keeps its log beside the index."""

    def serve(self, policy, queries):
        program = os.environ.get("EQUIPOISE_SERVE_FEEDBACK")
        if not program:
            self.skipTest("EQUIPOISE_SERVE_FEEDBACK names no program; ctest sets it")
        done = subprocess.run([program, "idx/one", policy, str(queries)], cwd=self.folder, check=True,
                              capture_output=True, encoding="utf-8", timeout=60)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_an_index_without_a_log_or_no_place_to_write_to_is_refused(self):
        self.assertEqual(self.refused(1, "learn", "--export", "idx/one", "--out", "log.jsonl")["code"],
                         "not_found")
        self.assertEqual(self.refused(2, "learn", "--export", "idx/one")["field"], "--export")
        self.refused(2, "learn", *self.BOTH, "--out", "log.jsonl")
        self.assertFalse((self.folder / "log.jsonl").exists())

    def test_what_was_served_and_rated_is_in_the_file_and_policies_are_judged_on_it(self):
        served = self.serve("contextual", 80)
        text = self.run_ok("learn", "--export", "idx/one", "--out", "text.jsonl").stdout
        self.assertEqual(text, "text.jsonl: 80 queries with 160 ratings\n")
        told = self.run_ok("learn", "--export", "idx/one", "--out", "log.jsonl", "--json").json()
        self.assertEqual(told, {"out": "log.jsonl", "queries": 80, "feedback": 160, "left_out": 0})
        lines = [json.loads(line) for line in (self.folder / "log.jsonl").read_text().splitlines()]
        self.assertEqual(len(lines), 80)
        for line, asked in zip(lines, served, strict=True):
            self.assertEqual(line["query_id"], asked["query_id"])
            self.assertEqual(line["shown"], asked["shown"])
            self.assertEqual((line["alpha"], line["propensity"]), (asked["alpha"], asked["propensity"]))
            self.assertEqual([(f["doc"], f["rating"]) for f in line["feedback"]],
                             [(asked["shown"][0], 1), (asked["shown"][2], 0.25)])
            self.assertEqual(len(line["features"]), 15)
            for mine, other in zip(line["features"], asked["features"], strict=True):
                self.assertAlmostEqual(mine, other, places=5)
        result = self.run_ok("learn", "--replay", "log.jsonl", "--policy", "static,curve,contextual",
                             "--state", "idx/one.state", "--json").json()
        self.assertEqual([p["policy"] for p in result["policies"]],
                         ["static", "curve", "contextual", "idx/one.state"])
        self.assertEqual(result["rated"], 80)

    def test_another_policy_is_asked_for_no_features_and_logs_none(self):
        self.serve("curve", 10)
        self.run_ok("learn", "--export", "idx/one", "--out", "log.jsonl")
        self.run_ok("learn", "--replay", "log.jsonl")
        error = self.refused(1, "learn", "--replay", "log.jsonl", "--policy", "contextual")
        self.assertEqual((error["line"], error["field"]), (1, "features"))


if __name__ == "__main__":
    unittest.main()
