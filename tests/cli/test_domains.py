"""`equipoise domains`: fit, detect and eval from outside, and `search --domains`."""

import math
import random
import unittest

from harness import CliTest, run
from samples import npy

DIM = 8
NAMES = ["aero", "food", "law"]


def rows(seed, per_domain, noise=0.4):
    """(vector, domain) pairs around one axis for each domain."""
    generator = random.Random(seed)
    out = []
    for i in range(per_domain * len(NAMES)):
        domain = i % len(NAMES)
        vector = [generator.gauss(0, noise / math.sqrt(DIM)) for _ in range(DIM)]
        vector[domain] += 1
        out.append((vector, NAMES[domain]))
    return out


def lines(labelled, field="domain"):
    return [{"_id": str(i), "text": "t", field: name} for i, (_, name) in enumerate(labelled)]


def vectors(labelled):
    return npy([vector for vector, _ in labelled])


class DomainsTest(CliTest):
    def setUp(self):
        super().setUp()
        self.corpus, self.queries = rows(1, 40), rows(2, 20)
        self.write("c.jsonl", lines(self.corpus))
        self.write("c.npy", vectors(self.corpus))
        self.write("q.jsonl", lines(self.queries))
        self.write("q.npy", vectors(self.queries))

    FIT = ("domains", "fit", "--corpus", "c.jsonl", "--embeddings", "c.npy", "--out", "m")
    EVAL = ("domains", "eval", "m", "--queries", "q.jsonl", "--embeddings", "q.npy")

    def fit(self, *options):
        return self.run_ok(*self.FIT, *options, "--json").json()


class Fit(DomainsTest):
    def test_says_what_was_tried_and_chosen(self):
        fitted = self.fit()
        self.assertEqual(fitted["domains"], NAMES)
        self.assertEqual((fitted["rows"], fitted["dimensions"]), (120, DIM))
        self.assertEqual(fitted["bytes"], (self.folder / "m").stat().st_size)
        self.assertEqual(fitted["source"], "rows")
        chosen = [trial for trial in fitted["trials"] if trial["chosen"]]
        self.assertEqual([trial["method"] for trial in chosen], [fitted["method"]])
        text = self.run_ok(*self.FIT).stdout
        self.assertIn("3 domains", text)
        self.assertIn("chosen", text)

    def test_takes_one_domain_from_each_file(self):
        words = []
        for name in NAMES:
            self.write(f"{name}.npy", vectors([r for r in self.corpus if r[1] == name]))
            words += ["--embeddings", f"{name}.npy", "--label", name]
        fitted = self.run_ok("domains", "fit", *words, "--out", "m", "--json").json()
        self.assertEqual(fitted["domains"], NAMES)
        self.assertEqual(fitted["source"], "collections")
        self.assertIn("topics", [trial["held_out"] for trial in fitted["trials"]])

    def test_several_corpora_follow_each_other(self):
        self.write("c2.jsonl", lines([(v, "new") for v, _ in rows(3, 10)]))
        self.write("c2.npy", npy([[-x for x in v] for v, _ in rows(3, 10)]))
        fitted = self.fit("--corpus", "c2.jsonl", "--embeddings", "c2.npy")
        self.assertEqual(fitted["domains"], ["aero", "food", "law", "new"])
        self.assertEqual(fitted["rows"], 150)

    def test_the_same_seed_makes_the_same_file(self):
        self.fit()
        first = (self.folder / "m").read_bytes()
        self.fit("--threads", "2")
        self.assertEqual((self.folder / "m").read_bytes(), first)

    def test_the_options_are_those_of_the_model(self):
        fitted = self.fit("--method", "prototypes", "--prototypes", "2", "--int8", "--threshold",
                          "0.7", "--source", "collections")
        self.assertEqual((fitted["method"], fitted["prototypes"]), ("prototypes", 6))
        self.assertTrue(fitted["int8"])
        self.assertEqual(fitted["threshold"], 0.7)


class FitRefuses(DomainsTest):
    def refuse(self, code, *words):
        error = self.refused(code, "domains", "fit", *words, "--out", "m")
        self.assertFalse((self.folder / "m").exists())
        return error

    def test_files_and_labels_that_do_not_fit_together(self):
        self.refuse(2, "--embeddings", "c.npy")
        self.refuse(2, "--embeddings", "c.npy", "--label", "a", "--corpus", "c.jsonl")
        self.refuse(2, "--embeddings", "c.npy", "--label", "a", "--label", "b")
        self.refuse(2, "--corpus", "c.jsonl")

    def test_a_line_without_a_label_is_named(self):
        labelled = lines(self.corpus)
        del labelled[4]["domain"]
        self.write("c.jsonl", labelled)
        error = self.refuse(1, "--corpus", "c.jsonl", "--embeddings", "c.npy")
        self.assertIn("c.jsonl:5", error["stderr"])
        self.assertIn("domain", error["message"])

    def test_a_domain_with_a_single_row_is_named(self):
        labelled = lines(self.corpus)
        labelled[7]["domain"] = "lonely"
        self.write("c.jsonl", labelled)
        error = self.refuse(1, "--corpus", "c.jsonl", "--embeddings", "c.npy")
        self.assertIn("lonely", error["message"])
        self.run_ok(*self.FIT, "--min-rows", "2")

    def test_a_nan_is_named_by_file_and_row(self):
        self.corpus[9][0][2] = float("nan")
        self.write("c.npy", vectors(self.corpus))
        error = self.refuse(1, "--corpus", "c.jsonl", "--embeddings", "c.npy")
        self.assertIn("c.npy", error["stderr"])
        self.assertIn("9", error["stderr"])

    def test_another_number_of_rows_and_one_domain(self):
        self.write("short.npy", npy([[1] * DIM] * 3))
        self.refuse(1, "--corpus", "c.jsonl", "--embeddings", "short.npy")
        self.refuse(1, "--embeddings", "c.npy", "--label", "all")

    def test_a_model_that_was_there_stays_where_a_fit_fails(self):
        self.write("m", "mine")
        self.refused(1, "domains", "fit", "--embeddings", "c.npy", "--label", "all", "--out", "m")
        self.assertEqual((self.folder / "m").read_text(), "mine")


class Detect(DomainsTest):
    def test_gives_domain_probability_and_margin_for_every_row(self):
        self.fit()
        found = self.run_ok("domains", "detect", "m", "--embeddings", "q.npy", "--batch", "7",
                            "--json").json()
        self.assertEqual(found["queries"], 60)
        self.assertEqual([r["row"] for r in found["results"]], list(range(60)))
        right = sum(r["domain"] == name for r, (_, name) in zip(found["results"], self.queries))
        self.assertGreater(right, 50)
        for result in found["results"]:
            self.assertEqual(result["general"], result["probability"] < 0.5)
            self.assertGreaterEqual(result["margin"], 0)
            self.assertNotEqual(result["domain"], result["second"])
        self.assertGreater(found["batch_us"]["p50"], 0)
        text = self.run_ok("domains", "detect", "m", "--embeddings", "q.npy").stdout
        self.assertIn("probability", text)

    def test_every_instruction_set_gives_the_same_domains(self):
        self.fit()
        levels = self.run_ok("inspect", "--hardware", "--json").json()["simd"]["available"]
        found = set()
        for level in levels:
            done = run("domains", "detect", "m", "--embeddings", "q.npy", "--json", cwd=self.folder,
                       env={"EQUIPOISE_SIMD": level})
            self.assertEqual(done.code, 0, done)
            found.add(tuple((r["domain"], r["second"]) for r in done.json()["results"]))
        self.assertEqual(len(found), 1)

    def test_nothing_is_fitted_for_a_file_that_cannot_be_written(self):
        for path in ("absent/m", "."):
            done = run("domains", "fit", "--embeddings", "absent.npy", "--label", "a", "--out", path,
                       "--json", cwd=self.folder)
            self.assertNotEqual(done.code, 0)
            self.assertEqual(done.json()["error"]["file"], path)

    def test_a_zero_query_is_general(self):
        self.fit()
        self.write("zero.npy", npy([[0] * DIM]))
        found = self.run_ok("domains", "detect", "m", "--embeddings", "zero.npy", "--json").json()
        self.assertTrue(found["results"][0]["general"])

    def test_what_cannot_be_detected_is_refused(self):
        self.fit()
        self.write("wide.npy", npy([[1] * (DIM + 1)]))
        self.write("empty.npy", npy([], shape=(0, DIM)))
        bad = [list(v) for v, _ in self.queries]
        bad[41][0] = float("nan")
        self.write("nan.npy", npy(bad))
        for name in ("wide.npy", "empty.npy", "nan.npy", "absent.npy"):
            error = self.refused(1, "domains", "detect", "m", "--embeddings", name)
            self.assertIn(name, error["stderr"])
            if name == "nan.npy":
                self.assertIn("row 41", error["stderr"])
                self.assertNotIn("row 9", error["stderr"])

    def test_a_model_that_is_none_cut_or_changed_is_refused(self):
        self.fit()
        model = (self.folder / "m").read_bytes()
        changed = bytearray(model)
        changed[len(model) // 2] ^= 1
        for name, content in (("cut", model[:-100]), ("changed", bytes(changed)), ("text", b"hello"),
                              ("empty", b"")):
            self.write(name, content)
            error = self.refused(1, "domains", "detect", name, "--embeddings", "q.npy")
            self.assertIn(name, error["stderr"])
        self.refused(1, "domains", "detect", "absent", "--embeddings", "q.npy")
        self.refused(2, "domains", "detect", "m", "--embeddings", "q.npy", "--batch", "0")


class Eval(DomainsTest):
    def test_the_numbers_are_those_of_detect(self):
        self.fit()
        e = self.run_ok(*self.EVAL, "--json").json()
        found = self.run_ok("domains", "detect", "m", "--embeddings", "q.npy", "--json").json()
        pairs = [(r, name) for r, (_, name) in zip(found["results"], self.queries)]
        right = [r["domain"] == name for r, name in pairs]
        self.assertAlmostEqual(e["accuracy"], sum(right) / 60)
        self.assertEqual([d["domain"] for d in e["domains"]], NAMES)
        self.assertEqual([d["support"] for d in e["domains"]], [20, 20, 20])
        self.assertEqual(sum(map(sum, e["confusion"])), 60)
        self.assertEqual(sum(e["confusion"][i][i] for i in range(3)), sum(right))
        bins = [[0, 0.0, 0] for _ in range(10)]
        for (r, _), hit in zip(pairs, right):
            b = bins[min(9, int(r["probability"] * 10))]
            b[0], b[1], b[2] = b[0] + 1, b[1] + r["probability"], b[2] + hit
        self.assertAlmostEqual(e["calibration_error"],
                               sum(abs(b[2] - b[1]) for b in bins) / 60, places=4)
        self.assertEqual([b["queries"] for b in e["reliability"]], [b[0] for b in bins])
        self.assertTrue(0 < e["calibration_p"] <= 1)

    def test_people_see_tables(self):
        self.fit()
        text = self.run_ok(*self.EVAL).stdout
        for word in ("accuracy", "Calibration", "recall", "Confusion", "Reliability", "aero"):
            self.assertIn(word, text)

    def test_labels_that_the_model_does_not_know_are_counted_as_wrong(self):
        self.fit()
        labelled = lines(self.queries)
        for line in labelled[:10]:
            line["domain"] = "other"
        self.write("q.jsonl", labelled)
        e = self.run_ok(*self.EVAL, "--json").json()
        self.assertEqual(e["unknown"], 10)
        self.assertLess(e["accuracy"], 51 / 60)

    def test_labels_by_file(self):
        self.fit()
        e = self.run_ok("domains", "eval", "m", "--embeddings", "q.npy", "--label", "food",
                        "--json").json()
        self.assertEqual([d["support"] for d in e["domains"]], [0, 60, 0])


class Search(DomainsTest):
    def setUp(self):
        super().setUp()
        self.fit()
        self.run_ok("index", "--corpus", "c.jsonl", "--embeddings", "c.npy", "--out", "idx")

    def domain(self, *options):
        return self.run_ok("search", "idx", *options, "--json").json()["domain"]

    def test_shows_the_domain_and_who_said_so(self):
        found = self.domain("--embedding", "q.npy:1", "--domains", "m")
        self.assertEqual((found["name"], found["source"], found["general"]),
                         ("food", "detected", False))
        self.assertGreater(found["probability"], 0.5)
        named = self.domain("--embedding", "q.npy:1", "--domains", "m", "--domain", "mine")
        self.assertEqual((named["name"], named["source"]), ("mine", "caller"))
        self.assertIsNone(self.domain("--embedding", "q.npy:1"))
        self.assertIsNone(self.domain("--text", "t", "--domains", "m"))
        text = self.run_ok("search", "idx", "--embedding", "q.npy:1", "--domains", "m").stdout
        self.assertIn("domain food, probability", text)

    def test_a_model_of_another_dimension_is_refused_by_name(self):
        self.write("wide.npy", npy([[1, i % 2] for i in range(40)]))
        self.write("wide.jsonl", [{"_id": str(i), "domain": "ab"[i % 2]} for i in range(40)])
        self.run_ok("domains", "fit", "--corpus", "wide.jsonl", "--embeddings", "wide.npy", "--out",
                    "wide")
        error = self.refused(1, "search", "idx", "--embedding", "q.npy:1", "--domains", "wide")
        self.assertIn("wide", error["stderr"])
        self.refused(1, "search", "idx", "--embedding", "q.npy:1", "--domains", "absent")


class Help(CliTest):
    def test_every_command_has_an_example(self):
        for words in (("domains",), ("domains", "fit"), ("domains", "detect"), ("domains", "eval")):
            self.assertRegex(self.run_ok(*words, "--help").stdout,
                             r"\n(Example: |  )equipoise domains \w+ .*--")
        self.refused(2, "domains")
        self.refused(2, "domains", "guess")


if __name__ == "__main__":
    unittest.main()
