#!/usr/bin/env python3
"""Compares our rankings with those of bm25s (its "lucene" method) on the judged sets.

    pip install bm25s
    EQUIPOISE_DATA=FOLDER check_bm25s.py LEXICAL_TOOL

The tokens are those of our analyzer, fed to both, so that only scores and rankings are compared: every
score of the 100 best of a query is bm25s's for that document, and at every rank stands the score that
bm25s has there (documents of one score may change places).

ctest runs it with the Python that EQUIPOISE_PYTHON names (default: python3). Exit code 77: skipped,
because that Python has no bm25s or EQUIPOISE_DATA names no sets.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import bm25s
    import numpy as np
except ImportError:
    print(f"skipped: {sys.executable} has no bm25s; pip install bm25s, or name a Python that has it in "
          "EQUIPOISE_PYTHON")
    sys.exit(77)

TOLERANCE = 1e-4  # relative
MOST_QUERIES = 300  # of a set


def words(path):
    return [line.split() for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def check(tool, data, folder):
    """How many scores were compared."""
    subprocess.run([tool, str(data), str(folder)], check=True)
    index = bm25s.BM25(method="lucene", k1=1.2, b=0.75, backend="numpy")
    index.index(words(folder / "documents"), show_progress=False)
    compared = 0
    found = words(folder / "found")
    queries = words(folder / "queries")
    assert len(found) == len(queries)
    for at, (query, hits) in enumerate(list(zip(queries, found))[:MOST_QUERIES]):
        known = [token for token in query if token in index.vocab_dict]
        if not known:
            assert not hits, f"{data.name}, query {at}: hits without a known word"
            continue
        theirs = index.get_scores(known)
        best = np.sort(theirs[theirs > 0])[::-1][:100]
        assert len(hits) == len(best), f"{data.name}, query {at}: {len(hits)} hits, bm25s {len(best)}"
        for rank, hit in enumerate(hits):
            doc, score = hit.split(":")
            for what, other in ((f"document {doc}", theirs[int(doc)]), (f"rank {rank + 1}", best[rank])):
                assert abs(float(score) - other) <= TOLERANCE * abs(other), (
                    f"{data.name}, query {at}, {what}: {score}, bm25s {other}")
        compared += len(hits)
    return compared


def main():
    root = pathlib.Path(os.environ.get("EQUIPOISE_DATA") or "absent")
    sets = sorted(p.parent for p in root.glob("*/corpus.jsonl") if (p.parent / "queries.jsonl").exists())
    if not sets:
        print("skipped: EQUIPOISE_DATA names no folder of judged sets")
        sys.exit(77)
    for data in sets:
        with tempfile.TemporaryDirectory() as folder:
            compared = check(sys.argv[1], data, pathlib.Path(folder))
        print(f"{data.name}: {compared} scores agree with bm25s {bm25s.__version__}")
        if compared == 0:
            sys.exit(f"{data.name}: nothing was compared")


if __name__ == "__main__":
    main()
