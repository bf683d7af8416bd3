"""`equipoise filter` against a plain model of its documentation, on feedback drawn at random."""

import json
import random
import unittest
from collections import Counter, defaultdict

from filter_model import Model
from harness import CliTest

NOW = 1_700_000_000


def draw(dice, n, binary):
    """Feedback in which every reason to leave a rating out occurs."""
    out = []
    for k in range(n):
        rating = dice.random() < 0.3 if binary else min(1, max(0, round(dice.gauss(0.6, 0.08), 2)))
        if not binary and dice.random() < 0.03:
            rating = 0.0
        source = dice.choice(["bot", "bot", "flat", *(f"u{i}" for i in range(n // 25))])
        time = NOW - dice.randrange(20 * 86400)
        if source == "bot":
            time = NOW - 86400 * dice.randrange(2) - dice.randrange(40)
        out.append({
            "rating": 1.0 if source == "flat" else float(dice.choice([rating] * 30 + [1.5])),
            "time": dice.choice([time] * 40 + [NOW + 60, time * 1000]),
            "source": source,
            "item": f"d{min(int(dice.expovariate(0.1)), n // 10)}",
            "event": f"e{k if dice.random() < 0.98 else dice.randrange(k + 1)}",
            "confidence": dice.choice([1.0, 0.5, 0.25, 0.75] * 15 + [-1.0]),
        })
    return out


class FilterModel(CliTest):
    def check(self, rows, arguments, **options):
        self.write("f.jsonl", rows)
        got = self.run_ok("filter", "--now", NOW, "--in", "f.jsonl", "--out", "w.jsonl", "--items",
                          "i.jsonl", "--sources", "s.jsonl", "--json", *arguments).json()
        lines = [json.loads(text) for text in (self.folder / "w.jsonl").read_text().splitlines()]
        model = Model(rows, NOW, **options)
        self.assertEqual([line["verdict"] for line in lines], model.verdict)
        for line, weight in zip(lines, model.weight):
            self.assertAlmostEqual(line["weight"], weight, delta=2e-6 * weight + 1e-30)
        counts = {name: n for name, n in got["counts"].items() if n}
        self.assertEqual(counts, dict(Counter(model.verdict)))
        for name, file in (("item", "i.jsonl"), ("source", "s.jsonl")):
            groups = defaultdict(list)
            for k, row in enumerate(rows):
                groups[row[name]].append(k)
            for text in (self.folder / file).read_text().splitlines():
                one = json.loads(text)
                votes = groups.pop(one[name])
                total = sum(model.weight[k] for k in votes)
                mean = sum(model.weight[k] * rows[k]["rating"] for k in votes) / total if total else None
                self.assertEqual(one["kept"], sum(model.kept(k) for k in votes))
                self.assertEqual(one["removed"], len(votes) - one["kept"])
                if total:
                    self.assertAlmostEqual(one["mean"], mean, delta=1e-6)
                if name == "source":
                    self.assertAlmostEqual(one["reliability"], model.reliability[one[name]], delta=1e-6)
            self.assertEqual(groups, {})
        return Counter(model.verdict)

    def test_verdicts_weights_and_aggregates_are_those_of_the_documented_formulas(self):
        seen = Counter()
        for seed in range(12):
            dice = random.Random(seed)
            rows = draw(dice, dice.choice([30, 200, 600]), binary=seed % 3 == 2)
            arguments, options = [], {}
            if seed % 2:
                arguments += ["--burst", "4/30s", "--constant-votes", "4", "--threads", "8"]
                options.update(burst=(4, 30), constant=4)
            if seed % 4 >= 2:
                arguments += ["--rate-limit", "3/12h", "--group", ("item", "source")[seed // 4 % 2]]
                options.update(rate=(3, 12 * 3600), group=("item", "source")[seed // 4 % 2])
            with self.subTest(seed=seed):
                seen += self.check(rows, arguments, **options)
        self.assertEqual(len(seen), 10, seen)


if __name__ == "__main__":
    unittest.main()
