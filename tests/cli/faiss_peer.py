"""What test_convert.py asks of FAISS and NumPy, in a process of its own: they come from PyPI, and the
tests' own Python may lack them (exit code 77).

    faiss_peer.py make METRIC               rows.npy, queries.npy
    faiss_peer.py write FILE METRIC KIND    an index of rows.npy
    faiss_peer.py search FILE METRIC        recall@10 of a file at efSearch 64
    faiss_peer.py compare NPY METRIC        largest difference from rows.npy
    faiss_peer.py decoded FILE NPY          largest difference from what FAISS decodes
    faiss_peer.py links FILE FILE           whether two graphs are the same
"""

import json
import sys

try:
    import faiss
    import numpy as np
except ImportError:
    sys.exit(77)

ROWS, QUERIES, DIM, M = 2000, 100, 32, 16


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def measure(metric):
    return faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT


def make(metric):
    random = np.random.default_rng(5)
    centres = random.standard_normal((40, DIM))
    every = centres[random.integers(40, size=ROWS + QUERIES)]
    every = (every + 0.7 * random.standard_normal(every.shape)).astype(np.float32)
    np.save("rows.npy", every[:ROWS])
    np.save("queries.npy", every[ROWS:])
    return {"rows": ROWS, "metric": metric}


def write(path, metric, kind):
    rows = np.load("rows.npy")
    kept = measure(metric)
    if kind.startswith("QT_"):
        index = faiss.IndexHNSWSQ(DIM, getattr(faiss.ScalarQuantizer, kind), M, kept)
    elif kind == "IndexFlat":
        index = faiss.IndexFlat(DIM, kept)
    elif kind == "IndexHNSWPQ":
        index = faiss.IndexHNSWPQ(DIM, 4, M, 4, kept)
    elif kind == "IndexPreTransform":
        index = faiss.IndexPreTransform(faiss.RandomRotationMatrix(DIM, DIM),
                                        faiss.IndexHNSWFlat(DIM, M, kept))
    else:
        index = faiss.IndexHNSWFlat(DIM, M, kept)
    if kind == "QT_8bit_direct_signed":
        rows = np.round(rows * 20).clip(-128, 127)
    index.train(rows)
    ids = np.arange(ROWS)
    if kind == "IDMap":
        ids = 7 * ids + 3
        index = faiss.IndexIDMap2(index)
        index.add_with_ids(rows, ids)
    else:
        index.add(rows)
    faiss.write_index(index, path)
    return {"rows": ROWS, "ids": [str(i) for i in ids]}


READ = []  # what Python holds on to, lest FAISS free the parts that are in use


def inner(path):
    index = faiss.read_index(path)
    READ.append(index)
    if hasattr(index, "id_map"):
        index = faiss.downcast_index(index.index)
        READ.append(index)
    return index


def search(path, metric):
    rows, queries = np.load("rows.npy"), np.load("queries.npy")
    if metric == "cosine":
        rows, queries = unit(rows), unit(queries)
    index = inner(path)
    faiss.ParameterSpace().set_index_parameter(index, "efSearch", 64)
    exact = faiss.IndexFlat(DIM, measure(metric))
    exact.add(rows)
    truth = exact.search(queries, 10)[1]
    # Codes of 8 bits confuse close neighbours: the best 10 are in the first 12.
    found = index.search(queries, 12)[1]
    hits = sum(len(set(a) & set(b)) for a, b in zip(truth.tolist(), found.tolist()))
    return {"kind": type(index).__name__, "recall": hits / truth.size}


def compare(path, metric):
    rows = np.load("rows.npy")
    rows = unit(rows) if metric == "cosine" else rows
    return {"error": float(np.abs(np.load(path).astype(np.float32) - rows).max())}


def decoded(path, other):
    rows = inner(path).reconstruct_n(0, ROWS)
    return {"error": float((np.abs(np.load(other) - rows) / (1 + np.abs(rows))).max())}


def graph(path):
    hnsw = inner(path).hnsw
    levels = faiss.vector_to_array(hnsw.levels)
    offsets = faiss.vector_to_array(hnsw.offsets)
    links = faiss.vector_to_array(hnsw.neighbors)
    lists = [sorted(set(links[a:b].tolist()) - {-1}) for a, b in zip(offsets[:-1], offsets[1:])]
    return levels.tolist(), lists, hnsw.entry_point


def links(first, second):
    return {"same": graph(first) == graph(second)}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
