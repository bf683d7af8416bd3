"""What `./dev demo` shows of the demo collection, against the stored figures."""

import json
import pathlib
import subprocess
import sys
import unittest

from harness import CliTest

ROOT = pathlib.Path(__file__).resolve().parents[2]
STORED = ROOT / "tests/regression/demo_quality.json"


@unittest.skipUnless(pathlib.Path("/usr/share/wordnet/data.noun").is_file(),
                     "WordNet is not here (Debian: apt-get install wordnet-base)")
class Demo(CliTest):
    def setUp(self):
        super().setUp()
        subprocess.run([sys.executable, "-B", ROOT / "data/make_demo.py", "--out", "demo"], check=True,
                       cwd=self.folder, stdout=subprocess.DEVNULL)
        self.run_ok("index", "--corpus", "demo/corpus.jsonl", "--embeddings",
                    "demo/corpus.f16.npy", "--out", "idx")

    def test_learning_beats_the_better_path_and_is_level_with_a_fixed_alpha(self):
        stored = {row["id"]: row["quality"] for row in json.loads(STORED.read_text())["rows"]}
        learned = self.run_ok("learn", "idx", "--data", "demo", "--stream", "demo/stream.jsonl",
                              "--feedback", "shown", "--orders", "20", "--horizon", "400",
                              "--json").json()
        policies = {p["policy"]: p for p in learned["policies"]}
        fixed, curve = policies["static 0.5"], policies["curve"]
        for measure, mine in (("ndcg@10", fixed["reward"]), ("recall@10", fixed["recall@10"])):
            self.assertAlmostEqual(mine, stored["demo/minmax_union/0.5"][measure], delta=0.005)
        self.assertEqual(learned["better_path"], "vectors")
        self.assertAlmostEqual(fixed["less_path"], fixed["reward"] - stored["demo/minmax/0"]["ndcg@10"],
                               delta=0.005)
        # A tenth above the better path, by the lower end of the interval too.
        self.assertGreater(curve["less_path_95"]["low"], 0.1 * stored["demo/minmax/0"]["ndcg@10"])
        self.assertGreater(curve["less_static_95"]["high"], 0)
        self.assertEqual({d["domain"]: d["queries"] for d in learned["domains"]},
                         {"noun": 147, "verb": 147, "adj": 106})

    def test_parts_of_speech_are_told_from_vectors(self):
        fitted = self.run_ok("domains", "fit", "--corpus", "demo/corpus.jsonl", "--embeddings",
                             "demo/corpus.f16.npy", "--label-field", "part", "--out", "model",
                             "--json").json()
        self.assertEqual(len(fitted["domains"]), 4)
        found = self.run_ok("search", "idx", "--text", "the zing of the passing bullet",
                            "--embedding", "demo/queries.f16.npy:0", "--domains", "model",
                            "--json").json()
        self.assertEqual(found["domain"]["name"], "noun")


if __name__ == "__main__":
    unittest.main()
