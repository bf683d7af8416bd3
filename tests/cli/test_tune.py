"""`equipoise tune` and `equipoise pick`: fronts as a person makes, keeps and uses them."""

import json
import math
import os
import pty
import random
import shutil
import signal
import subprocess
import threading
import unittest

from harness import CliTest, program
from samples import beir, npy

WORDS = [f"word{i}" for i in range(30)]


class TuneTest(CliTest):
    def setUp(self):
        super().setUp()
        self.make("one", 1, 24)

    def make(self, name, seed, queries, documents=120):
        rng = random.Random(seed)
        vector = lambda: [rng.uniform(-1, 1) for _ in range(6)]
        text = lambda n: " ".join(rng.choice(WORDS) for _ in range(n))
        asked = [{"_id": f"q{i}", "text": text(2)} for i in range(queries)]
        judged = [(f"q{i}", f"d{d}", rng.choice([1, 1, 2])) for i in range(queries)
                  for d in rng.sample(range(documents), 9)]
        self.write(f"data/{name}/corpus.jsonl",
                   [{"_id": f"d{i}", "text": text(10)} for i in range(documents)])
        self.write(f"data/{name}/corpus.npy", npy([vector() for _ in range(documents)]))
        self.write(f"data/{name}/queries.jsonl", asked)
        self.write(f"data/{name}/queries.npy", npy([vector() for _ in asked]))
        self.write(f"data/{name}/qrels/test.tsv", beir(*judged))
        self.run_ok("index", "--corpus", f"data/{name}/corpus.jsonl", "--embeddings",
                    f"data/{name}/corpus.npy", "--out", f"idx/{name}")

    SMALL = ("--population", "16", "--generations", "4")
    ONE = ("idx/one", "--data", "data/one")

    def tune(self, *options, out="front.json"):
        return self.run_ok("tune", *self.ONE, *self.SMALL, "--out", out, "--json", *options).json()

    def file(self, name="front.json"):
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


class Tune(TuneTest):
    def test_the_front_is_written_and_printed(self):
        shown = self.tune()
        kept = self.file()
        self.assertEqual(shown["points"], kept["points"])
        self.assertEqual((shown["out"], shown["generations"], shown["complete"]),
                         ("front.json", 4, True))
        self.assertEqual(shown["effort"]["asked"], 64)
        self.assertGreater(shown["effort"]["searches_saved"], 0)
        self.assertEqual(len(shown["hypervolume"]), 4)
        values = [(p["training"]["cost"], -p["training"]["quality"], -p["training"]["diversity"])
                  for p in shown["points"]]
        for a in values:
            for b in values:
                self.assertFalse(a != b and all(x <= y for x, y in zip(a, b)))
        for point in shown["points"]:
            self.assertGreater(point["measured_ms"], 0)
        text = self.run_ok("tune", *self.ONE, *self.SMALL, "--out", "f.json").stdout
        for word in ("default", "validation", "advantage", "saved by sharing", "Hypervolume"):
            self.assertIn(word, text)

    def test_the_same_seed_and_units_give_the_same_bytes_with_any_threads(self):
        self.tune("--no-timing")
        contents = []
        for threads in ("1", "2", "4"):
            self.tune("--units", "front.json", "--no-timing", "--threads", threads, out="a.json")
            contents.append((self.folder / "a.json").read_bytes())
        self.assertEqual(len(set(contents)), 1)
        self.tune("--units", "front.json", "--no-timing", "--seed", "2", out="a.json")
        self.assertNotEqual((self.folder / "a.json").read_bytes(), contents[0])

    def best_and_mean(self, front, value="quality", by="quality"):
        """The best point's configuration, into c.json, and its mean over the queries of both parts."""
        point = max(front["points"], key=lambda p: p["training"][by])
        self.write("c.json", json.dumps(point["configuration"]))
        n = sum(c["training"] for c in front["collections"])
        m = sum(c["validation"] for c in front["collections"])
        return (n * point["training"][value] + m * point["validation"][value]) / (n + m)

    def evaluated(self, name="one"):
        """What eval has of c.json over the collection's queries; its rankings, {query: ids}."""
        result = self.run_ok("eval", f"idx/{name}", "--queries", f"data/{name}/queries.jsonl",
                             "--query-embeddings", f"data/{name}/queries.npy", "--qrels",
                             f"data/{name}/qrels/test.tsv", "--config", "c.json", "-k", "10", "--per-query",
                             "--run", "run.trec", "--json").json()["results"][0]
        rankings = {}
        for line in (self.folder / "run.trec").read_text(encoding="utf-8").splitlines():
            query, _, document, *_ = line.split()
            rankings.setdefault(query, []).append(document)
        return result, rankings

    def test_a_point_is_worth_what_eval_measures(self):
        for measure in ("ndcg", "recall"):
            self.tune("--validation", "0.5", "--measure", measure, "--no-timing")
            front = self.file()
            self.assertEqual(front["measure"], measure)
            mean = self.best_and_mean(front)
            result, _ = self.evaluated()
            self.assertEqual(result["queries"], 24)
            self.assertAlmostEqual(result[f"{measure}@10"], mean, places=5)

    def test_two_indexes_are_tuned_as_one_of_all_their_queries(self):
        self.make("two", 2, 10, documents=90)
        front = self.run_ok("tune", "idx/one", "idx/two", "--data", "data/one", "data/two", *self.SMALL,
                            "--no-timing", "--out", "front.json", "--json").json()
        self.assertEqual([c["training"] + c["validation"] for c in front["collections"]], [24, 10])
        mean = self.best_and_mean(front)
        one, two = self.evaluated("one")[0], self.evaluated("two")[0]
        self.assertAlmostEqual((24 * one["ndcg@10"] + 10 * two["ndcg@10"]) / 34, mean, places=5)
        self.assertIsNone(self.run_ok("pick", "front.json", "--index", "idx/two", "--json").json()["warning"])
        error = self.refused(2, "tune", "idx/one", "idx/two", "--data", "data/one", "--out", "f.json")
        self.assertEqual(error["field"], "--data")

    def test_groundedness_is_its_share_of_the_quality_of_a_query_with_an_answer(self):
        # A word that one document alone has: an answer of it is supported where that document is found.
        corpus = [json.loads(line) for line in
                  (self.folder / "data/one/corpus.jsonl").read_text(encoding="utf-8").splitlines()]
        self.write("data/one/corpus.jsonl", [{**d, "text": f"{d['text']} own{i}"} for i, d in enumerate(corpus)])
        self.run_ok("index", "--corpus", "data/one/corpus.jsonl", "--embeddings", "data/one/corpus.npy", "--out",
                    "idx/own")
        wanted = {f"q{q}": [f"own{(7 * q + i) % 120}" for i in range(30)] for q in range(0, 24, 2)}
        self.write("answers.jsonl", [{"query": q, "sentences": words} for q, words in wanted.items()])
        front = self.run_ok("tune", "idx/own", "--data", "data/one", *self.SMALL, "--no-timing", "--answers",
                            "answers.jsonl", "--groundedness", "0.25", "--out", "front.json", "--json").json()
        self.assertEqual(front["groundedness"], 0.25)
        mean = self.best_and_mean(front)
        shutil.rmtree(self.folder / "idx/one")
        shutil.move(self.folder / "idx/own", self.folder / "idx/one")
        result, rankings = self.evaluated()
        values, grounded = [], []
        for each in result["per_query"]:
            value = each["ndcg@10"]
            if words := wanted.get(each["query"]):
                found = {f"own{d[1:]}" for d in rankings[each["query"]]}
                grounded.append(sum(word in found for word in words) / len(words))
                value = 0.25 * grounded[-1] + 0.75 * value
            values.append(value)
        self.assertEqual((len(values), len(grounded)), (24, 12))
        self.assertGreater(sum(grounded), 0)
        self.assertAlmostEqual(sum(values) / 24, mean, places=5)
        error = self.refused(1, "learn", *self.ONE, "--prior", "front.json")
        self.assertEqual(error["field"], "groundedness")

    def test_with_subtopics_diversity_is_alpha_ndcg(self):
        judged = [line.split() for line in
                  (self.folder / "data/one/qrels/test.tsv").read_text(encoding="utf-8").splitlines()[1:]]
        of = {}  # two subtopics a query, each with documents of its own
        for i, (query, document, _) in enumerate(judged):
            of.setdefault(query, {})[document] = "ab"[i % 3 == 0]
        self.write("subtopics", "".join(f"{q} {s} {d} 1\n" for q, ds in of.items() for d, s in ds.items()))
        front = self.tune("--no-timing", "--no-mmr", "--subtopics", "subtopics")
        self.assertTrue(front["subtopics"])
        mean = self.best_and_mean(front, "diversity", "diversity")
        _, rankings = self.evaluated()

        def gained(subtopics):
            seen, total = {}, 0
            for rank, subtopic in enumerate(subtopics):
                if subtopic:
                    total += 0.5 ** seen.get(subtopic, 0) / math.log2(rank + 2)
                    seen[subtopic] = seen.get(subtopic, 0) + 1
            return total

        def ideal(subtopics):  # those first that have come least
            left = [subtopics.count(s) for s in "ab"]
            gains = sorted((0.5 ** i for n in left for i in range(n)), reverse=True)[:10]
            return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))

        values = [gained([ds.get(d) for d in rankings[q][:10]]) / ideal(list(ds.values())) for q, ds in of.items()]
        self.assertAlmostEqual(sum(values) / len(values), mean, places=5)

    def test_an_advantage_that_vanishes_is_marked(self):
        # Relevance is chance here: what is better on the queries that choose is so by luck.
        prices = ("--lexical-price", "1", "--vector-price", "2", "--seed", "3", "--no-timing")
        front = self.tune(*prices)
        default = front["default"]
        for point in front["points"]:
            better = point["training"]["quality"] > default["training"]["quality"]
            gain = point["validation"]["quality"] - default["validation"]["quality"]
            self.assertAlmostEqual(point["gain"], gain, places=12)
            expected = ("none" if not better else "holds" if point["gain_low"] > 0
                        else "vanishes" if gain <= 0 else "unclear")
            self.assertEqual(point["advantage"], expected)
        gone = [i for i, p in enumerate(front["points"]) if p["advantage"] == "vanishes"]
        self.assertTrue(gone)
        text = self.run_ok("tune", *self.ONE, *self.SMALL, *prices, "--out", "front.json").stdout
        marked = [line.split()[0] for line in text.splitlines() if "VANISHES" in line]
        self.assertEqual(marked, [str(i) for i in gone])
        picked = self.run_ok("pick", "front.json", "--prefer", "quality=1", "--json").json()
        self.assertIn(picked["point"], gone)
        self.assertEqual(picked["advantage"], "vanishes")
        self.assertIn("advantage over the default: vanishes",
                      self.run_ok("pick", "front.json", "--prefer", "quality=1").stderr)

    def test_a_run_goes_on_where_it_was_left(self):
        self.tune("--no-timing", out="whole.json")
        self.run_ok("tune", *self.ONE, "--population", "16", "--generations", "2", "--no-timing",
                    "--units", "whole.json", "--out", "part.json")
        self.run_ok("tune", *self.ONE, *self.SMALL, "--no-timing", "--resume", "--out", "part.json")
        self.assertEqual(self.file("part.json")["points"], self.file("whole.json")["points"])
        error = self.refused(1, "tune", *self.ONE, *self.SMALL, "--seed", "2", "--resume", "--out",
                             "part.json")
        self.assertEqual(error["field"], "seed")
        self.refused(1, "tune", *self.ONE, "--resume", "--out", "absent.json")

    def test_ctrl_c_keeps_the_front_so_far(self):
        words = [program(), "tune", *self.ONE, "--population", "16", "--generations", "100000",
                 "--no-timing", "--out", "front.json"]
        screen, terminal = pty.openpty()
        one_is_done = threading.Event()

        def watch():
            text = b""
            while True:
                try:
                    text = text[-40:] + os.read(screen, 4096)
                except OSError:  # the program has ended
                    return
                # The stage's name has the hypervolume of the last generation.
                if b"front 0." in text:
                    one_is_done.set()

        with subprocess.Popen(words, cwd=self.folder, stdout=subprocess.PIPE, stderr=terminal) as running:
            os.close(terminal)
            watcher = threading.Thread(target=watch)
            watcher.start()
            try:
                self.assertTrue(one_is_done.wait(60))
                running.send_signal(signal.SIGINT)
                running.communicate(timeout=60)
                self.assertEqual(running.returncode, 130)
            finally:
                running.kill()
                running.wait()
                watcher.join()
                os.close(screen)
        front = self.file()
        self.assertFalse(front["complete"])
        self.assertGreater(front["generations"], 0)
        self.run_ok("pick", "front.json")

    def test_a_budget_ends_it_too(self):
        front = self.run_ok("tune", *self.ONE, "--population", "16", "--generations", "100000",
                            "--budget", "300ms", "--out", "f.json", "--json").json()
        self.assertFalse(front["complete"])
        for point in [front["default"], *front["points"]]:
            self.assertGreater(point["measured_ms"], 0)

    def test_words_alone_are_tuned_too(self):
        self.tune("--alpha", "1:1", "--lexical-price", "1")
        points = self.file()["points"]
        self.assertEqual({p["training"]["cost"] for p in points}, {1})
        alphas = {p["configuration"]["alpha"] for p in points}
        self.assertIn(1, alphas)
        self.assertLessEqual(alphas, {1, 0.5})  # the default's

    def test_bounds_are_what_they_are(self):
        self.tune("--alpha", "0.125:0.125", "--ef", "64:64")
        alphas = {p["configuration"]["alpha"] for p in self.file()["points"]}
        self.assertIn(0.125, alphas)
        self.assertLessEqual(alphas, {0.125, 0.5})  # the default's

    def test_a_file_whose_state_was_edited_is_not_resumed(self):
        self.tune("--no-timing")
        for x in (1000, -1, 1e300):
            front = self.file()
            front["state"]["x"] = [x] * len(front["state"]["x"])
            self.write("edited.json", json.dumps(front))
            error = self.refused(1, "tune", *self.ONE, "--population", "16", "--generations", "5",
                                 "--no-timing", "--resume", "--out", "edited.json")
            self.assertEqual(error["field"], "state")

    def test_what_is_wrong_is_said_before_anything_is_written(self):
        for options, word in ((("--objectives", "cost,speed"), "speed"),
                              (("--objectives", "cost,cost"), "twice"),
                              (("--population", "15"), "odd"), (("--population", "0"), "population"),
                              (("--alpha", "0.8:0.2"), "reversed"),
                              (("--depths", "50:10"), "reversed"),
                              (("--ef", "50:10"), "reversed")):
            error = self.refused(1, "tune", *self.ONE, "--out", "f.json", *options)
            self.assertIn(word, error["message"])
        for options in (("--alpha", "0.8"), ("--depths", "0:5"), ("--depths", "1.5:5"),
                        ("--budget", "soon"), ("--fusion", "sum"), ("--measure", "map"),
                        ("--lexical-price", "1", "--units", "f.json"), ("--validation", "1")):
            self.refused(2, "tune", *self.ONE, "--out", "f.json", *options)
        self.refused(1, "tune", *self.ONE, "--out", "nowhere/f.json")
        self.make("few", 2, 3)
        error = self.refused(1, "tune", "idx/few", "--data", "data/few", "--out", "f.json")
        self.assertIn("4 are needed", error["message"])
        self.write("data/few/qrels/test.tsv", "")
        self.refused(1, "tune", "idx/few", "--data", "data/few", "--out", "f.json")
        self.assertFalse((self.folder / "f.json").exists())


class Pick(TuneTest):
    def setUp(self):
        super().setUp()
        self.tune()

    def pick(self, *options):
        return self.run_ok("pick", "front.json", "--json", *options).json()

    def test_the_picked_configuration_is_what_search_takes(self):
        for preference in ("quality=1", "cost=1", "quality=0.6,cost=0.3,diversity=0.1"):
            run = self.run_ok("pick", "front.json", "--prefer", preference)
            self.write("c.json", run.stdout)
            picked = self.pick("--prefer", preference)
            self.assertEqual(run.json(), picked["configuration"])
            found = self.run_ok("search", "idx/one", "--text", "word1", "--embedding",
                                "data/one/queries.npy", "--config", "c.json", "--json").json()
            self.assertEqual(found["alpha"], picked["configuration"]["alpha"])
            self.assertEqual(found["alpha_source"], "configured")
        self.run_ok("pick", "front.json", "--out", "d.json")
        self.run_ok("config", "d.json")

    def test_one_objective_alone_picks_its_best_point(self):
        points = self.file()["points"]
        for name, sign in (("cost", 1), ("quality", -1), ("diversity", -1)):
            picked = self.pick("--prefer", f"{name}=1")
            best = min(sign * p["training"][name] for p in points)
            self.assertEqual(sign * picked["training"][name], best)
            self.assertAlmostEqual(picked["distance"], 0, places=6)
            self.assertGreaterEqual(picked["margin"], 0)
            self.assertNotEqual(picked["runner_up"], picked["point"])

    def test_no_more_than_the_cost_that_is_allowed(self):
        costs = sorted(p["training"]["cost"] for p in self.file()["points"])
        limit = costs[len(costs) // 2]
        for method in ("ideal", "asf", "knee"):
            picked = self.pick("--max-cost", f"{limit}ms", "--method", method)
            self.assertLessEqual(picked["training"]["cost"], limit)
        self.assertEqual(self.refused(1, "pick", "front.json", "--max-cost", "1us")["code"],
                         "not_found")

    def test_an_index_that_has_changed_since_is_warned_of(self):
        self.assertIsNone(self.pick("--index", "idx/one")["warning"])
        self.make("two", 3, 5)
        self.assertIn("tune again", self.pick("--index", "idx/two")["warning"])
        run = self.run_ok("pick", "front.json", "--index", "idx/two")
        self.assertIn("warning", run.stderr)
        run.json()

    def test_the_indexes_that_the_front_names_are_looked_at_too(self):
        self.assertIsNone(self.pick()["warning"])
        shutil.move(self.folder / "idx/one", self.folder / "idx/moved")
        self.assertIsNone(self.pick()["warning"])
        self.make("one", 4, 24)  # other content in the same place
        self.assertRegex(self.pick()["warning"], "^idx/one .*tune again$")
        self.assertIsNone(self.pick("--index", "idx/moved")["warning"])
        self.assertIn("warning: idx/one", self.run_ok("pick", "front.json").stderr)
        shutil.rmtree(self.folder / "idx/one")
        self.write("idx/one", "no index")
        self.assertIn("cannot be opened: idx/one", self.pick()["warning"])

    def test_no_more_money_than_is_allowed(self):
        self.tune("--lexical-price", "0.25", "--vector-price", "0.5", out="prices.json")
        costs = {p["training"]["cost"] for p in self.file("prices.json")["points"]}
        self.assertLessEqual(costs, {0.25, 0.5, 0.75})
        for limit, most in (("0.25", 0.25), ("0.6", 0.5), ("3", 0.75)):
            picked = self.run_ok("pick", "prices.json", "--max-cost", limit, "--prefer", "quality=1",
                                 "--json").json()
            self.assertLessEqual(picked["training"]["cost"], most)
            best = max(p["training"]["quality"] for p in self.file("prices.json")["points"]
                       if p["training"]["cost"] <= most)
            self.assertEqual(picked["training"]["quality"], best)
        self.assertEqual(self.refused(1, "pick", "prices.json", "--max-cost", "0.2")["code"], "not_found")
        error = self.refused(2, "pick", "prices.json", "--max-cost", "2ms")
        self.assertIn("money, not time", error["message"])

    def test_preferences_that_are_none_are_refused(self):
        for preference in ("quality", "speed=1", "quality=-1", "quality=0,cost=0", "quality=x",
                           "quality=nan", "quality=1,quality=2", "=1"):
            self.refused(2, "pick", "front.json", "--prefer", preference)
        self.refused(2, "pick", "front.json", "--max-cost", "2")
        self.refused(2, "pick", "front.json", "--method", "best")

    def test_files_that_are_no_front_are_refused(self):
        front = self.file()
        front["format"] = 99
        self.write("f.json", json.dumps(front))
        self.assertEqual(self.refused(1, "pick", "f.json")["code"], "unsupported")
        front["format"] = 2
        front["points"][0]["training"]["quality"] = 3
        self.write("f.json", json.dumps(front))
        error = self.refused(1, "pick", "f.json")
        self.assertEqual((error["file"], error["field"]), ("f.json", "points[0].training.quality"))
        self.write("f.json", "{}")
        self.refused(1, "pick", "f.json")
        self.assertEqual(self.refused(1, "pick", "absent.json")["code"], "not_found")


class Prior(TuneTest):
    def learn(self, *options):
        result = self.run_ok("learn", *self.ONE, "--orders", "20", "--policy", "static,curve", *options,
                             "--json").json()
        return result, {p["policy"]: p for p in result["policies"]}

    def test_a_front_tells_policies_where_to_start(self):
        front = self.tune("--depths", "20:60", "--no-mmr")
        sweep = front["sweep"]
        self.write("c.json", json.dumps(front["points"][sweep["point"]]["configuration"]))
        result, policies = self.learn("--prior", "front.json", "--config", "c.json")
        self.assertEqual(result["fusion"], sweep["fusion"])
        # The one picture: what was tuned on is what is learned on.
        for mine, other in zip(result["domains"][0]["reward"], sweep["quality"], strict=True):
            self.assertAlmostEqual(mine, other, places=5)
        # Which α is the best is known from the first query on.
        _, plain = self.learn("--config", "c.json")
        self.assertLess(sum(policies["curve"]["regret_by_query"][:5]),
                        sum(plain["curve"]["regret_by_query"][:5]))
        self.assertLessEqual(policies["static, priors"]["regret"], policies["static 0.5"]["regret"])

    def test_a_front_whose_best_is_a_path_alone_is_a_prior_of_its_configuration(self):
        front = self.tune("--objectives", "cost", "--depths", "20:60", "--lexical-price", "1",
                          "--vector-price", "2")
        best = front["points"][front["sweep"]["point"]]["configuration"]
        self.assertEqual(best["alpha"], 1)
        self.write("c.json", json.dumps(best))
        result, _ = self.learn("--prior", "front.json", "--config", "c.json")
        self.assertEqual(result["fusion"], front["sweep"]["fusion"])

    def test_a_front_of_another_measure_is_no_prior(self):
        for options, field in ((("--measure", "recall"), "measure"), (("-k", "5"), "k")):
            self.tune("--no-timing", *options)
            error = self.refused(1, "learn", *self.ONE, "--orders", "2", "--prior", "front.json")
            self.assertEqual((error["file"], error["field"]), ("front.json", field))
            self.assertIn("nDCG@10", error["message"])

    def test_a_prior_of_another_fusion_or_collection_is_said_to_be_one(self):
        self.tune("--fusion", "minmax")
        error = self.refused(1, "learn", *self.ONE, "--prior", "front.json", "--fusion", "rrf")
        self.assertIn("minmax", error["message"])
        self.make("two", 5, 12)
        run = self.run_ok("learn", "idx/two", "--data", "data/two", "--orders", "2", "--prior",
                          "front.json", "--json")
        self.assertIn("has changed since", run.stderr)
        self.refused(1, "learn", *self.ONE, "--prior", "absent.json")


if __name__ == "__main__":
    unittest.main()
