"""What `./dev demo` shows of the demo collection, against the stored figures, and that it shows all of it."""

import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

from harness import CliTest, program

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

    def test_the_verb_goes_from_the_index_to_the_page(self):
        dev = (ROOT / "dev").read_text(encoding="utf-8")
        # Its commands with less work; what installs and builds is left out.
        for whole, less in (("--orders 50", "--orders 3"), ("--population 32 --generations 16",
                                                            "--population 8 --generations 2")):  # fmt: skip
            self.assertIn(whole, dev)
            dev = dev.replace(whole, less)
        lines = ["set -euo pipefail", "began=0"]
        for name in ("say", "fail", "show", "chapter", "first_of", "text_of_query", "tour"):
            found = (re.search(rf"(?m)^{name}\(\) \{{ [^#\n]*\}}$", dev) or
                     re.search(rf"(?ms)^{name}\(\) \{{.*?^\}}$", dev))  # fmt: skip
            self.assertTrue(found, name)
            lines.append(found.group())
        lines.append("tour demo story results part")
        done = subprocess.run(["bash", "-c", "\n".join(lines)], cwd=self.folder, capture_output=True, text=True,
                              env={**os.environ, "program": program()}, timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr)
        chapters = [line for line in re.findall(r'chapter "(.*)"', dev) if "$" not in line]
        self.assertEqual(len(chapters), 8)
        for chapter in chapters:
            self.assertIn(chapter, done.stdout)
        results = self.folder / "results"
        self.assertEqual({path.name for path in results.iterdir() if path.is_file()},
                         {"domains.model", "front.json", "pick.json", "report.html"})
        page = (results / "report.html").read_text(encoding="utf-8")
        for part in ("Recall@10 of each policy", "Regret of each policy"):
            self.assertIn(part, page)

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
