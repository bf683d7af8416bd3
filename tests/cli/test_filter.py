"""`equipoise filter`: what is kept, what goes and why, and files with lines that cannot be read."""

import csv
import io
import json
import math
import unittest

from harness import CliTest

NOW = 1_700_000_000
DAY = 86400


def row(rating, source="s", item="i", age=0.0, **more):
    return {"rating": rating, "time": NOW - age, "source": source, "item": item, **more}


class FilterTest(CliTest):
    def filter(self, *arguments, **options):
        return self.run_ok("filter", "--now", NOW, *arguments, **options)

    def rows(self, name):
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]


class Kept(FilterTest):
    def test_weights_halve_with_each_half_life(self):
        self.write("f.jsonl", [row(0.5, age=7 * DAY * k, source=str(k)) for k in range(4)])
        self.filter("--in", "f.jsonl", "--out", "w.jsonl", "--half-life", "7d", "--no-evidence")
        out = self.rows("w.jsonl")
        self.assertEqual([r["weight"] for r in out], [1, 0.5, 0.25, 0.125])
        self.assertEqual([r["line"] for r in out], [1, 2, 3, 4])
        self.assertEqual({r["verdict"] for r in out}, {"kept"})

    def test_domains_have_half_lives_of_their_own(self):
        self.write("f.jsonl", [row(0.5, age=DAY, source="a", domain="news"),
                               row(0.5, age=DAY, source="b", domain="law")])
        self.filter("--in", "f.jsonl", "--out", "w.jsonl", "--no-evidence",
                    "--domain-half-life", "news=1d", "--domain-half-life", "law=inf",
                    "--domain-half-life", "absent=2d")
        self.assertEqual([r["weight"] for r in self.rows("w.jsonl")], [0.5, 1])

    def test_the_mean_is_the_weighted_mean(self):
        feedback = [row(k / 40, source=str(k), item=str(k % 3), age=k * DAY, confidence=0.5)
                    for k in range(40)]
        self.write("f.jsonl", feedback)
        got = self.filter("--in", "f.jsonl", "--no-evidence", "--json").json()
        weights = [0.5 * 2 ** (-k / 14) for k in range(40)]
        mean = sum(w * r["rating"] for w, r in zip(weights, feedback)) / sum(weights)
        self.assertAlmostEqual(got["total"]["mean"], mean, places=6)
        size = sum(weights) ** 2 / sum(w * w for w in weights)
        self.assertAlmostEqual(got["total"]["effective_size"], size, places=4)
        self.assertEqual((got["rows"], got["items"], got["sources"]), (40, 3, 40))
        self.assertLess(got["total"]["wilson_low"], mean)

    def test_csv_says_the_same_as_json_lines(self):
        feedback = [row((k % 17) / 17, source=f"s,{k % 5}", item=f"i\"{k % 4}", age=k * 3600)
                    for k in range(60)]
        self.write("f.jsonl", feedback)
        text = io.StringIO()
        writer = csv.DictWriter(text, feedback[0])
        writer.writeheader()
        writer.writerows(feedback)
        self.write("f.csv", text.getvalue())
        one = self.filter("--in", "f.jsonl", "--items", "i.csv", "--json").json()
        two = self.filter("--in", "f.csv", "--items", "j.jsonl", "--out", "w.csv", "--json").json()
        self.assertEqual({**one, "file": ""}, {**two, "file": ""})
        with open(self.folder / "i.csv", newline="") as file:
            items = list(csv.DictReader(file))
        self.assertEqual([i["item"] for i in items], [j["item"] for j in self.rows("j.jsonl")])
        self.assertIn('i"2', [i["item"] for i in items])
        with open(self.folder / "w.csv", newline="") as file:
            self.assertEqual([r["line"] for r in csv.DictReader(file)], [str(k + 2) for k in range(60)])


    def test_what_is_shown_on_top_and_left_at_once_counts_less_where_asked(self):
        self.write("f.jsonl", [row(0.5, source="a", position=0, dwell=20), row(0.6, source="b", position=9, dwell=60)])
        arguments = ("--in", "f.jsonl", "--out", "w.jsonl", "--no-evidence")
        self.filter(*arguments)
        self.assertEqual([r["weight"] for r in self.rows("w.jsonl")], [1, 1])
        self.filter(*arguments, "--dwell-half", "20s", "--position-power", "1")
        for got, want in zip(self.rows("w.jsonl"), (0.5 * 0.1, 0.75)):
            self.assertAlmostEqual(got["weight"], want, places=6)
        self.write("g.jsonl", [row(0.5)])
        run = self.filter("--in", "g.jsonl", "--dwell-half", "1m", "--position-power", "1")
        self.assertIn("--dwell-half: no rating of g.jsonl names its dwell", run.stderr)
        self.assertIn("--position-power: no rating", run.stderr)

    def test_sources_are_measured_by_items_whose_rating_is_known(self):
        feedback = [row(0.1 if source == "odd" else 0.9, source=source, item=str(k))
                    for k in range(20) for source in ("odd", "a", "b", "c")]
        self.write("f.jsonl", feedback)
        reliability = {}
        for gold in (None, 0.9, 0.1):
            self.write("gold.csv", "item,rating\n" + "".join(f"{k},{gold}\n" for k in range(25)))
            self.filter("--in", "f.jsonl", "--sources", "s.jsonl", *(("--gold", "gold.csv") if gold else ()))
            reliability[gold] = {r["source"]: r["reliability"] for r in self.rows("s.jsonl")}
        self.assertLess(reliability[None]["odd"], 0.7)
        self.assertLess(reliability[0.9]["odd"], reliability[None]["odd"])
        self.assertEqual(reliability[0.1]["odd"], 1)
        self.assertLess(reliability[0.1]["a"], 0.7)
        for text, words in (("item,rating\n1,0.5\n2,7\n", "must be from 0 to 1"),
                            ("item,rating\n1,0.5\n1,0.6\n", "twice"), ("item,rating\n1,0.5\n1,x\n", "no number")):
            self.write("gold.csv", text)
            error = self.refused(1, "filter", "--in", "f.jsonl", "--gold", "gold.csv")
            self.assertIn(words, error["message"])
            self.assertEqual((error["line"], error["file"]), (3, "gold.csv"))


class LeftOut(FilterTest):
    def test_every_reason_is_counted_and_shown(self):
        feedback = [row(0.5 + 0.01 * (k % 7), source=str(k)) for k in range(60)]
        feedback += [row(0.0, source="far"), row(None, source="none"), row(7, source="scale"),
                     {**row(0.5, source="ms"), "time": NOW * 1000}, row(0.5, source="3")]
        self.write("f.jsonl", feedback)
        got = self.filter("--in", "f.jsonl", "--out", "w.jsonl", "--json").json()
        counts = {name: n for name, n in got["counts"].items() if n}
        self.assertEqual(counts, {"kept": 60, "outlier": 1, "bad_rating": 2, "future": 1,
                                  "duplicate": 1})
        verdicts = [r["verdict"] for r in self.rows("w.jsonl")]
        self.assertEqual(verdicts[60:], ["outlier", "bad_rating", "bad_rating", "future", "kept"])
        self.assertEqual(verdicts[3], "duplicate")
        text = self.filter("--in", "f.jsonl").stdout
        for words in ("65 ratings, 60 kept", "outlier", "bad_rating", "future", "█", "░", "95 % in"):
            self.assertIn(words, text)

    def test_methods_groups_and_abuse_are_options(self):
        feedback = [row(0.5 + 0.01 * (k % 7), source=str(k)) for k in range(60)]
        feedback += [row(0.9, source="bot", item=str(k), age=k) for k in range(30)]
        self.write("f.jsonl", feedback)
        for method in ("sigma", "clip", "mad", "none"):
            self.filter("--in", "f.jsonl", "--method", method, "--group", "item", "--sigma", "2.5")
        got = self.filter("--in", "f.jsonl", "--burst", "10/60s", "--json").json()
        self.assertEqual(got["counts"]["burst"], 30)
        got = self.filter("--in", "f.jsonl", "--rate-limit", "4/1h", "--json").json()
        self.assertEqual(got["counts"]["rate_limit"], 26)

    def test_rare_clicks_are_not_cut(self):
        self.write("f.jsonl", [row(int(k % 20 == 0), source=str(k)) for k in range(400)])
        got = self.filter("--in", "f.jsonl", "--json").json()
        self.assertEqual(got["counts"]["kept"], 400)
        self.assertEqual(got["outlier_groups"]["few_values"], 1)
        self.assertTrue(math.isclose(got["total"]["mean"], 0.05, abs_tol=0.01))


    def test_milliseconds_are_asked_about_and_alarms_name_their_group(self):
        feedback = [row(0.5 + 0.001 * k, source=str(k), item="good") for k in range(40)]
        feedback += [row(0.0, source=f"x{k}", item="good") for k in range(5)]
        feedback += [{**row(0.9, source=f"y{k}", item=str(k)), "time": NOW * 1000} for k in range(3)]
        self.write("f.jsonl", feedback)
        arguments = ("--in", "f.jsonl", "--group", "item", "--method", "mad", "--max-removed", "0.05")
        got = self.filter(*arguments, "--json").json()
        self.assertEqual(got["alarms"], [{"kind": "outlier_cap", "count": 3, "group": "good"}])
        text = self.filter(*arguments, "--out", "w.jsonl").stdout
        self.assertIn("3 times more than 1d ahead of now: milliseconds", text)
        self.assertIn("0.9         3 ░", text)
        self.assertEqual([r["rating"] for r in self.rows("w.jsonl")][-1], 0.9)


    def test_sources_that_are_not_known_are_refused(self):
        self.write("f.jsonl", [row(0.5, source=s) for s in ("a", "b", 7, "c")])
        self.write("known.csv", "source\na\n7\nz\n")
        self.filter("--in", "f.jsonl", "--known-sources", "known.csv", "--out", "w.jsonl")
        self.assertEqual([r["verdict"] for r in self.rows("w.jsonl")],
                         ["kept", "unknown_source", "kept", "unknown_source"])
        # A list of which nobody has voted lets nobody in.
        self.write("known.jsonl", '{"source": "z"}\n')
        got = self.filter("--in", "f.jsonl", "--known-sources", "known.jsonl", "--json").json()
        self.assertEqual(got["counts"]["unknown_source"], 4)
        self.write("known.csv", "name\na\n")
        error = self.refused(1, "filter", "--in", "f.jsonl", "--known-sources", "known.csv")
        self.assertIn("source", error["message"])

    def test_a_thousand_votes_stand_against_a_hundred_zeros_of_five_sources(self):
        votes = [row(int(k % 10 < 7), source=f"u{k}") for k in range(1000)]
        self.write("f.jsonl", votes)
        before = self.filter("--in", "f.jsonl", "--json").json()["total"]["mean"]
        self.assertAlmostEqual(before, 0.7, places=3)
        self.write("f.jsonl", votes + [row(0, source=f"bot{k % 5}") for k in range(111)])
        got = self.filter("--in", "f.jsonl", "--json").json()
        self.assertLess(abs(got["total"]["mean"] - before), 0.02)
        self.assertEqual(got["counts"]["duplicate"], 106)


class Lines(FilterTest):
    def test_a_line_that_cannot_be_read_is_named_and_counted(self):
        self.write("f.jsonl", '{"rating": 1, "time": 5}\nnonsense\n\n{"rating": "x", "time": 1}\n'
                              '[1]\n{"time": 3}\n{"rating": 0, "time": 6}\n')
        run = self.filter("--in", "f.jsonl", "--json")
        got = run.json()
        self.assertEqual((got["rows"], got["unreadable"]), (2, 4))
        self.assertEqual([line["line"] for line in got["unreadable_lines"]], [2, 4, 5, 6])
        self.assertIn("f.jsonl:4: ", run.stderr)
        error = self.refused(1, "filter", "--in", "f.jsonl", "--strict")
        self.assertEqual((error["line"], error["file"]), (2, "f.jsonl"))

    def test_csv_lines_are_named_too(self):
        self.write("f.csv", "time,rating,extra\n1,0.5,a\n1,x,a\n1,0.5\n1,\"0.5,a\n1,,a\n2,0.25,b\n")
        got = self.filter("--in", "f.csv", "--json").json()
        self.assertEqual((got["rows"], got["unreadable"]), (2, 4))
        self.assertEqual([line["line"] for line in got["unreadable_lines"]], [3, 4, 5, 6])
        self.write("g.csv", "time,score\n1,2\n")
        self.assertIn("rating", self.refused(1, "filter", "--in", "g.csv")["message"])

    def test_a_comment_with_line_breaks_writes_no_ratings(self):
        self.write("f.csv", 'rating,time,note\n0.25,5,"nice,\n0.9,7,great"\n0.5,7,"say ""no"""\r\n'
                            '0.75,8,"open\n1,9,x\n1,9,"a"b\n0.5,9,"two\r\nlines"')
        got = self.filter("--in", "f.csv", "--out", "w.jsonl", "--json").json()
        self.assertEqual([(r["line"], r["rating"]) for r in self.rows("w.jsonl")],
                         [(2, 0.25), (4, 0.5), (6, 1), (8, 0.5)])
        self.assertEqual([line["line"] for line in got["unreadable_lines"]], [5, 7])

    def test_a_csv_column_that_is_there_twice_is_refused_and_blanks_are_none(self):
        self.write("f.csv", "rating,time,rating\n1,2,0\n")
        self.assertIn("twice", self.refused(1, "filter", "--in", "f.csv")["message"])
        self.write("g.csv", "rating, time\n 0.5 ,\t5\n")
        self.assertEqual(self.filter("--in", "g.csv", "--json").json()["counts"]["kept"], 1)
        (self.folder / "g.csv").rename(self.folder / "G.CSV")
        self.filter("--in", "G.CSV", "--out", "W.CSV")
        self.assertTrue((self.folder / "W.CSV").read_text().startswith("line,rating,weight,verdict\n2,0.5,"))

    def test_fields_and_groups_that_are_not_there_are_said(self):
        self.write("f.jsonl", [{"rating": 0.5, "time": NOW, "confidance": 0.1}])
        run = self.filter("--in", "f.jsonl", "--group", "item", "--items", "i.csv", "--json")
        self.assertEqual(run.json()["ignored_fields"], ["confidance"])
        for words in ("confidance", "--items: no rating", "--group item: no rating"):
            self.assertIn(words, run.stderr)
        self.assertTrue((self.folder / "i.csv").read_text().startswith("item,kept,removed,weight,"))

    def test_the_input_is_not_overwritten(self):
        path = self.write("f.jsonl", [row(1)])
        before = path.read_bytes()
        for option in ("--out", "--items", "--sources"):
            self.assertIn("--in", self.refused(2, "filter", "--in", "f.jsonl", option, "./f.jsonl")["message"])
        self.refused(2, "filter", "--in", "f.jsonl", "--out", "a.csv", "--items", "a.csv")
        self.assertEqual(path.read_bytes(), before)

    def test_an_empty_file_is_an_empty_batch(self):
        self.write("f.jsonl", "")
        got = self.filter("--in", "f.jsonl", "--out", "w.jsonl", "--json").json()
        self.assertEqual((got["rows"], got["total"]["mean"]), (0, None))
        self.assertEqual(self.rows("w.jsonl"), [])
        self.filter("--in", "f.jsonl")


class Usage(FilterTest):
    def test_wrong_options_are_named(self):
        self.write("f.jsonl", [row(1)])
        for option, value in (("--half-life", "14x"), ("--half-life", "0d"), ("--half-life", "-1d"),
                              ("--scale", "5:1"), ("--scale", "5"), ("--sigma", "nan"),
                              ("--method", "magic"), ("--group", "all"), ("--burst", "x/60s"),
                              ("--max-removed", "2"), ("--scale", "0:1e300"), ("--max-skew", "inf"),
                              ("--rate-limit", "5/inf"), ("--half-life", "1e-320"), ("--dwell-half", "inf"),
                              ("--position-power", "-1"), ("--domain-half-life", "news")):
            with self.subTest(f"{option} {value}"):
                error = self.refused(2, "filter", "--in", "f.jsonl", option, value)
                self.assertIn(option, error["stderr"])
        self.assertEqual(self.refused(1, "filter", "--in", "absent.jsonl")["code"], "not_found")
        self.refused(1, "filter", "--in", "f.jsonl", "--out", "no/such/folder.jsonl")


if __name__ == "__main__":
    unittest.main()
