"""What feedback_options.h says of a rating's verdict and weight, word by word in plain Python: slow, and
sharing nothing with the program that it judges."""

import math
import statistics
from collections import Counter, defaultdict

Z = 1.959963984540054


def wilson_low(share, n):
    z2 = Z * Z / n
    half = Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n))
    return max(0.0, (share + z2 / 2 - half) / (1 + z2))


def grouped(rows, keep, *names):
    groups = defaultdict(list)
    for k, row in enumerate(rows):
        if keep(k):
            groups[tuple(row[name] for name in names)].append(k)
    return groups


class Model:
    """Columns source, item and event are there; the scale is 0 to 1, the skew a day."""

    def __init__(self, rows, now, **options):
        self.rows, self.now, self.o = rows, now, options
        self.verdict = ["kept"] * len(rows)
        self.refuse()
        self.abuse()
        self.weight = [self.own(row) if v == "kept" else 0.0 for row, v in zip(rows, self.verdict)]
        self.outliers()
        self.reliability = self.learn()
        for k, row in enumerate(rows):
            self.weight[k] *= self.reliability[row["source"]]
        self.evidence()

    def kept(self, k):
        return self.verdict[k] == "kept"

    def mark(self, rows, name):
        for k in rows:
            self.verdict[k] = name

    def refuse(self):
        for k, row in enumerate(self.rows):
            if not 0 <= row["rating"] <= 1:
                self.verdict[k] = "bad_rating"
            elif row["time"] > self.now + 86400:
                self.verdict[k] = "future"
            elif not 0 <= row["confidence"] <= 1:
                self.verdict[k] = "bad_confidence"

    def abuse(self):
        rows = self.rows
        for same in grouped(rows, self.kept, "event").values():
            self.mark(same[1:], "duplicate_event")
        voting = [self.kept(k) for k in range(len(rows))]
        for same in grouped(rows, self.kept, "source", "item").values():
            last = max(same, key=lambda k: (rows[k]["time"], k))
            self.mark([k for k in same if k != last], "duplicate")
        for votes in grouped(rows, lambda k: voting[k], "source").values():
            votes.sort(key=lambda k: (rows[k]["time"], k))
            most, seconds = self.o.get("burst", (0, 0))
            for first in votes if most else []:
                near = [k for k in votes if 0 <= rows[k]["time"] - rows[first]["time"] <= seconds]
                if len(near) > most:
                    self.mark([k for k in near if self.verdict[k] in ("kept", "burst")], "burst")
            most, seconds = self.o.get("rate", (0, 0))
            taken = []
            for k in votes if most else []:
                if self.kept(k):
                    if sum(rows[k]["time"] - rows[t]["time"] < seconds for t in taken) < most:
                        taken.append(k)
                    else:
                        self.verdict[k] = "rate_limit"
        least = self.o.get("constant", 0)
        before = list(self.verdict)
        of_item = grouped(rows, self.kept, "item")
        for votes in grouped(rows, lambda k: before[k] == "kept", "source").values() if least else []:
            values = {rows[k]["rating"] for k in votes}
            others = {rows[j]["rating"] for k in votes for j in of_item[(rows[k]["item"],)]}
            if len(votes) >= least and len(values) == 1 and others != values:
                self.mark(votes, "constant_source")

    def own(self, row):
        age = max(0, self.now - row["time"])
        return row["confidence"] * 2 ** (-age / (14 * 86400))

    def outliers(self):
        name = self.o.get("group")
        groups = grouped(self.rows, self.kept, name) if name else grouped(self.rows, self.kept)
        for votes in groups.values():
            values = [self.rows[k]["rating"] for k in votes]
            if len(set(values)) <= 5 or len(values) < 11:
                continue
            mean, limit = statistics.fmean(values), 3 * statistics.stdev(values)
            far = [k for k in votes if abs(self.rows[k]["rating"] - mean) > limit]
            far.sort(key=lambda k: (-abs(self.rows[k]["rating"] - mean), k))
            far = far[: int(0.1 * len(values))]
            self.mark(far, "outlier")
            for k in far:
                self.weight[k] = 0.0

    def learn(self):
        """Two rounds; agreement with what the others say of each item, 8 ratings of prior."""
        rows = self.rows
        out = {row["source"]: 1.0 for row in rows}
        of_item, of_source = (grouped(rows, self.kept, name) for name in ("item", "source"))
        for _ in range(2):
            agree = {}
            for (source,), votes in of_source.items():
                agree[source] = []
                for k in votes:
                    others = [j for j in of_item[(rows[k]["item"],)] if rows[j]["source"] != source]
                    weights = [self.weight[j] * out[rows[j]["source"]] for j in others]
                    if sum(weights) > 0:
                        truth = sum(w * rows[j]["rating"] for w, j in zip(weights, others)) / sum(weights)
                        agree[source].append(1 - abs(rows[k]["rating"] - truth))
            everything = [a for values in agree.values() for a in values]
            if not sum(everything) > 0:
                break
            mean = statistics.fmean(everything)
            for source, values in agree.items():
                share = (8 * mean + sum(values)) / (8 + len(values)) / mean
                out[source] = min(1, max(0.1, share)) if len(values) >= 5 else 1.0
        return out

    def evidence(self):
        binary = len({row["rating"] for k, row in enumerate(self.rows) if self.kept(k)}) <= 2
        for votes in grouped(self.rows, self.kept, "item").values():
            total = sum(self.weight[k] for k in votes)
            if not total > 0:
                continue
            n = total**2 / sum(self.weight[k] ** 2 for k in votes)
            of = Counter()
            for k in votes:
                of[self.rows[k]["rating"]] += self.weight[k]
            share = max(of.values()) / total
            evidence = wilson_low(share, n) / share if binary else n / (n + 2)
            for k in votes:
                self.weight[k] *= evidence
