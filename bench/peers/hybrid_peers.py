#!/usr/bin/env python3
"""The stack that people put together in Python: bm25s for the words, faiss-cpu for the vectors, and a fusion.

    hybrid_peers.py FUSION --data FOLDER --tokens FILE --query-tokens FILE

FUSION: numpy (min-max of each list and a weighted sum, a document of one list has 0 in the other, written
with dictionaries and NumPy as one does) or ranx (its wsum after min-max). Reads lines on stdin and answers
each by one line of JSON on stdout:

    build RECALL           both indexes; the vectors as IndexHNSWFlat (M 32, efConstruction 200), searched
                           with the least efSearch of a list that finds this share of the 100 nearest
    search WAY PASSES OUT  PASSES times over all queries, one call a query, one thread, 100 candidates of
                           each path, ten hits. WAY: tokens (the words of the query are given), text (bm25s
                           tokenizes, stop words and stemming included). The ten ids of each query, one
                           query a line, go to OUT unless it is "-"

The documents' words are those of equipoise's analyzer, so that both search the same.
"""

import argparse
import json
import os
import pathlib
import sys
import time
from importlib.metadata import version

for threads in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[threads] = "1"  # read when the libraries are imported

import numpy as np  # noqa: E402

K, CANDIDATES, ALPHA = 10, 100, 0.5
EF_SEARCH = (100, 112, 128, 144, 160, 192, 224, 256, 320, 384, 512, 768, 1024)


def words(path):
    return [line.split() for line in pathlib.Path(path).read_text("utf-8").split("\n")[:-1]]


def rows(path):
    return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]


def normalized(path):
    values = np.load(path).astype(np.float32)
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    return np.ascontiguousarray(values / np.where(norms > 0, norms, 1))


def minmax(scores):
    low, high = scores.min(), scores.max()
    return np.ones_like(scores) if high == low else (scores - low) / (high - low)


class Stack:
    def __init__(self, options):
        import bm25s
        import faiss

        self.bm25s, self.faiss, self.options = bm25s, faiss, options
        faiss.omp_set_num_threads(1)
        parts = ["bm25s", "faiss-cpu"] + (["ranx"] if options.fusion == "ranx" else ["numpy"])
        self.version = ", ".join(f"{part} {version(part)}" for part in parts)

    def build(self, recall):
        self.ids = [str(row["_id"]) for row in rows(self.options.data / "corpus.jsonl")]
        self.texts = [row["text"] for row in rows(self.options.data / "queries.jsonl")]
        self.tokens = words(self.options.query_tokens)
        self.words = self.bm25s.BM25(method="lucene", k1=1.2, b=0.75, backend="numba")
        self.words.index(words(self.options.tokens), show_progress=False)
        vectors = normalized(self.options.data / "corpus.f16.npy")
        self.embeddings = normalized(self.options.data / "queries.f16.npy")
        self.vectors = self.faiss.IndexHNSWFlat(vectors.shape[1], 32, self.faiss.METRIC_INNER_PRODUCT)
        self.vectors.hnsw.efConstruction = 200
        self.vectors.add(vectors)
        exact = self.faiss.IndexFlatIP(vectors.shape[1])
        exact.add(vectors)
        truth = exact.search(self.embeddings, CANDIDATES)[1]
        for ef in EF_SEARCH:
            self.vectors.hnsw.efSearch = ef
            near = self.vectors.search(self.embeddings, CANDIDATES)[1]
            reached = np.mean([len(np.intersect1d(a, b)) / CANDIDATES for a, b in zip(near, truth)])
            if reached >= recall:
                break
        import Stemmer

        self.stemmer = Stemmer.Stemmer("english")
        for way in ("tokens", "text"):
            self.ask(way, 0)  # compiles
        return {"version": f"{self.version}, efSearch {ef}", "recall": float(reached)}

    def ask(self, way, q):
        if way == "text":
            tokens = self.bm25s.tokenize(
                [self.texts[q]], stopwords="en", stemmer=self.stemmer, return_ids=False, show_progress=False
            )
        else:
            tokens = [self.tokens[q]]
        found = self.words.retrieve(tokens, k=CANDIDATES, show_progress=False, n_threads=1)
        docs, scores = found.documents[0], found.scores[0]
        docs, scores = docs[scores > 0], scores[scores > 0]
        values, near = self.vectors.search(self.embeddings[q : q + 1], CANDIDATES)
        return (self.ranx if self.options.fusion == "ranx" else self.numpy)(docs, scores, near[0], values[0])

    def numpy(self, docs, scores, near, values):
        fused = {}
        if len(docs):
            fused = dict(zip(docs.tolist(), (ALPHA * minmax(scores)).tolist()))
        for doc, score in zip(near.tolist(), ((1 - ALPHA) * minmax(values)).tolist()):
            fused[doc] = fused.get(doc, 0.0) + score
        best = sorted(fused.items(), key=lambda item: -item[1])[:K]
        return [self.ids[doc] for doc, _ in best]

    def ranx(self, docs, scores, near, values):
        from ranx import Run, fuse

        word = Run({"q": dict(zip(map(str, docs.tolist()), scores.tolist())) or {"none": 0.0}})
        vector = Run({"q": dict(zip(map(str, near.tolist()), values.tolist()))})
        run = fuse(runs=[word, vector], norm="min-max", method="wsum", params={"weights": (ALPHA, 1 - ALPHA)})
        best = sorted(run.run["q"].items(), key=lambda item: -item[1])[:K]
        return [self.ids[int(doc)] for doc, _ in best if doc != "none"]


def search(stack, way, passes, out):
    seconds, us, found = [], [], []
    for _ in range(passes):
        each, found = [], []
        start = before = time.perf_counter_ns()
        for q in range(len(stack.texts)):
            found.append(stack.ask(way, q))
            after = time.perf_counter_ns()
            each.append(after - before)
            before = after
        seconds.append((before - start) / 1e9)
        if seconds[-1] == min(seconds):
            us = sorted(x / 1e3 for x in each)
    if out != "-":
        pathlib.Path(out).write_text("".join(" ".join(ids) + "\n" for ids in found), encoding="utf-8")
    return {"seconds": seconds, "p50_us": us[len(us) // 2], "p99_us": us[len(us) * 99 // 100]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fusion", choices=("numpy", "ranx"))
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--tokens", required=True)
    parser.add_argument("--query-tokens", required=True)
    options = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    stack = None
    for line in sys.stdin:
        verb, *words = line.split()
        try:
            stack = stack or Stack(options)
            answer = stack.build(float(words[0])) if verb == "build" else search(stack, words[0], int(words[1]), words[2])
        except Exception as error:  # whatever a library throws is the reason why it was not measured
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
