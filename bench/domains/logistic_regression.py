#!/usr/bin/env python3
"""scikit-learn's LogisticRegression as a domain detector: one JSON object on stdout.

The folders are domains of their own, or one folder whose lines have a field "domain". Needs numpy
and scikit-learn; exits with 3 where they are missing.
"""

import json
import pathlib
import sys
import time

try:
    import numpy as np
    import sklearn
    from sklearn.linear_model import LogisticRegression
except ImportError:
    sys.exit(3)

MOST_ROWS = 40_000  # a fit on all of WordNet takes many minutes
ROUNDS = 200


def unit(path):
    rows = np.load(path).astype(np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


def read(folders, name):
    rows = [unit(folder / f"{name}.f16.npy") for folder in folders]
    if len(folders) > 1:
        return np.vstack(rows), np.repeat([f.name for f in folders], [len(r) for r in rows])
    with (folders[0] / f"{name}.jsonl").open(encoding="utf-8") as lines:
        return rows[0], np.array([json.loads(line)["domain"] for line in lines])


def calibration_error(probabilities, right):
    bins = np.minimum((probabilities * 10).astype(int), 9)
    return sum(abs(right[bins == b].sum() - probabilities[bins == b].sum()) for b in range(10)) / len(right)


def time_us(model, rows, batch):
    times = []
    for i in range(ROUNDS):
        at = (i * batch) % max(1, len(rows) - batch)
        start = time.perf_counter()
        model.predict_proba(rows[at : at + batch])
        times.append(time.perf_counter() - start)
    return float(np.median(times) * 1e6)


def main(folders):
    rows, labels = read(folders, "corpus")
    queries, truth = read(folders, "queries")
    if len(rows) > MOST_ROWS:
        some = np.random.default_rng(0).permutation(len(rows))[:MOST_ROWS]
        rows, labels = rows[some], labels[some]
    start = time.perf_counter()
    # The settings of the reference figures; more rounds hardly change them.
    many = len(set(labels)) > 10
    model = LogisticRegression(max_iter=60 if many else 200, C=10).fit(rows, labels)
    seconds = time.perf_counter() - start
    probabilities = model.predict_proba(queries)
    right = model.classes_[probabilities.argmax(1)] == truth
    print(json.dumps({
        "version": sklearn.__version__, "rows": len(rows), "domains": len(model.classes_),
        "accuracy": float(right.mean()),
        "macro_accuracy": float(np.mean([right[truth == c].mean() for c in sorted(set(truth))])),
        "calibration_error": float(calibration_error(probabilities.max(1), right)),
        "query_us": time_us(model, queries, 1), "batch_of_32_us": time_us(model, queries, 32),
        "seconds": seconds,
    }))  # fmt: skip


if __name__ == "__main__":
    main([pathlib.Path(argument) for argument in sys.argv[1:]])
