"""α per query from features of the query, in cross-validation: CURVES.json -> one JSON object on stdout.

Reward curves over α in six cosine modes; a query's modes are its domain's mean and what a Gaussian
process over the features adds (half of its covariance common to all domains, half of the domain's own).

It asks what features are worth, and is not the policy `contextual` of the library, a linear regression on 15 other
features (QueryFeatures) with Thompson sampling, whose row is in the table of policies. That took over NOISE.

Ten features (judged_set.cc): log of the number of words; the lexical and the vector score of the first less that of
the second, and the mean of the first ten, of each path; share of the candidates with a lexical score; overlap of the
first ten and of the hundred; each path's score of the other's first.

Features and constants are those of a first prototype. VARIANTS were tried on the pooled queries of the seven sets, of
which this was the best but one, by 0.002 and within noise. Which they were was not kept, only how many: the best of
so many looks better than it is.
"""

import json
import sys

import numpy as np

MODES = 6
WIDTH = 1.0  # of the kernel, in standard deviations of a feature
NOISE = 10.0  # a query's own variance over that of the process
COMMON = 0.5
VARIANTS = 11
FOLDS, ROUNDS, RESAMPLES = 10, 3, 2000
FRACTIONS = [0.1, 0.2, 0.4, 0.6, 0.8, 0.9]


def modes(alphas, count):
    return np.array([np.sqrt(2) * np.cos(np.pi * j * alphas) for j in range(1, count + 1)])


class Data:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        self.names = [one["name"] for one in found["sets"]]
        self.curves = np.array([c for one in found["sets"] for c in one["curves"]])
        self.features = np.array([f for one in found["sets"] for f in one["features"]])
        self.domain = np.repeat(np.arange(len(self.names)), [len(one["curves"]) for one in found["sets"]])
        alphas = np.linspace(0, 1, self.curves.shape[1])
        self.basis = modes(alphas, MODES)
        design = np.vstack([np.ones(len(alphas)), modes(alphas, 8)])
        self.seen = self.curves @ np.linalg.pinv(design.T)[1 : MODES + 1].T
        best = [self.curves[self.domain == d].mean(0).argmax() for d in range(len(self.names))]
        self.hindsight = self.curves[np.arange(len(self.curves)), np.array(best)[self.domain]]

    def pick(self, train, test):
        """The α of the test queries by the features, and by the domain alone."""
        mean = np.array([self.seen[train & (self.domain == d)].mean(0) for d in range(len(self.names))])
        center, scale = self.features[train].mean(0), self.features[train].std(0) + 1e-6
        x = np.clip((self.features - center) / scale, -3, 3)

        def kernel(a, b):
            square = (x[a] ** 2).sum(1)[:, None] + (x[b] ** 2).sum(1)[None] - 2 * x[a] @ x[b].T
            near = np.exp(-square / x.shape[1] / (2 * WIDTH**2))
            return near * (COMMON + (1 - COMMON) * (self.domain[a][:, None] == self.domain[b][None]))

        inner = kernel(train, train) + NOISE * np.eye(train.sum())
        rest = np.linalg.solve(inner, self.seen[train] - mean[self.domain[train]])
        alone = mean[self.domain[test]]
        learned = alone + kernel(test, train) @ rest
        rows = np.flatnonzero(test)
        return tuple(self.curves[rows, (m @ self.basis).argmax(1)] for m in (learned, alone))

    def shuffled(self, random):
        """Each query's place in a random order of its domain, in [0, 1)."""
        place = np.empty(len(self.domain))
        for d in range(len(self.names)):
            rows = np.flatnonzero(self.domain == d)
            place[random.permutation(rows)] = np.arange(len(rows)) / len(rows)
        return place


def bootstrap(values, groups):
    random = np.random.default_rng(1)
    rows = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    means = [np.concatenate([values[random.choice(r, len(r))] for r in rows]).mean() for _ in range(RESAMPLES)]
    low, high = np.percentile(means, [2.5, 97.5])
    return {"mean": values.mean(), "low": low, "high": high}


def main():
    data = Data(sys.argv[1])
    learned, alone = np.zeros(len(data.domain)), np.zeros(len(data.domain))
    for seed in range(ROUNDS):
        # Fold by fold round the domains, so that every fold has of each.
        fold = (data.shuffled(np.random.default_rng(seed)) * FOLDS).astype(int)
        for f in range(FOLDS):
            test = fold == f
            a, b = data.pick(~test, test)
            learned[test] += a / ROUNDS
            alone[test] += b / ROUNDS
    curve = []
    for fraction in FRACTIONS:
        gains = []
        for seed in range(2 * ROUNDS):
            train = data.shuffled(np.random.default_rng(seed)) < fraction
            a, b = data.pick(train, ~train)
            gains.append([(a - b).mean(), (a - data.hindsight[~train]).mean()])
        gain = np.mean(gains, 0)
        curve.append({"queries": int(train.sum()), "above_domain": gain[0], "above_hindsight": gain[1]})
    spread = (learned - data.hindsight).std()
    last = curve[-1]["above_domain"]
    # For the interval of so many new queries to exclude zero with a power of 80 %.
    needed = (1.959964 + 0.841621) ** 2 * (learned - alone).std() ** 2 / max(last, 1e-4) ** 2
    print(json.dumps({
        "queries": len(data.domain), "hindsight": data.hindsight.mean(), "oracle": data.curves.max(1).mean(),
        "learned": learned.mean(), "domain": alone.mean(), "variants": VARIANTS, "spread": spread,
        "above_hindsight": bootstrap(learned - data.hindsight, data.domain),
        "above_domain": bootstrap(learned - alone, data.domain), "needed": needed, "curve": curve,
    }))


if __name__ == "__main__":
    main()
