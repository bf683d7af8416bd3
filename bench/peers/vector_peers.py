#!/usr/bin/env python3
"""One adapter for each vector index from PyPI, so that peers and we answer the same queries in turn.

    vector_peers.py PEER --corpus FILE.npy --queries FILE.npy --folder FOLDER [--reuse]

A contestant reads lines on stdin and answers each by one line of JSON on stdout:

    build                                          builds, or with --reuse loads what a build stored
    search SETTING one|batch THREADS PASSES IDS    PASSES times over all queries; SETTING is its ef,
                                                   "one" asks by one call a query and "batch" by one
                                                   call for all; the ten ids of each go to IDS as int32
                                                   unless that is "-"

equipoise_vector_bench serve and symqg_driver speak the same. vector_report.py asks.
"""

import argparse
import json
import os
import pathlib
import sys
import time

import numpy as np

K = 10
M = 32
EF_CONSTRUCTION = 200
BUILD_THREADS = 2


class Faiss:
    """IndexHNSW over float32 or 8-bit codes."""

    def __init__(self, options, kind):
        import faiss

        self.faiss, self.file, self.kind = faiss, options.folder / "index", kind
        self.version = faiss.__version__
        # Set by FAISS_SIMD_LEVEL in the environment; older ones name what they were compiled for.
        simd = getattr(faiss, "SIMDConfig", None)
        level = getattr(simd, "get_level_name", None) or faiss.get_compile_options
        self.note = str(level()).strip()

    def build(self, rows):
        faiss, ip = self.faiss, self.faiss.METRIC_INNER_PRODUCT
        faiss.omp_set_num_threads(BUILD_THREADS)
        if self.kind == "flat":
            self.index = faiss.IndexHNSWFlat(rows.shape[1], M, ip)
        else:
            self.index = faiss.IndexHNSWSQ(rows.shape[1], faiss.ScalarQuantizer.QT_8bit, M, ip)
        self.index.hnsw.efConstruction = EF_CONSTRUCTION
        if not self.index.is_trained:
            self.index.train(rows)
        self.index.add(rows)

    def store(self):
        self.faiss.write_index(self.index, str(self.file))

    def load(self):
        self.index = self.faiss.read_index(str(self.file))

    def set(self, ef, threads):
        self.index.hnsw.efSearch = ef
        self.faiss.omp_set_num_threads(threads)

    def search(self, queries):
        return self.index.search(queries, K)[1]

    one = search


class Hnswlib:
    def __init__(self, options):
        import hnswlib
        from importlib.metadata import version

        self.hnswlib, self.file = hnswlib, options.folder / "index"
        self.version, self.note = version("hnswlib"), ""

    def build(self, rows):
        self.index = self.hnswlib.Index("ip", rows.shape[1])
        self.index.init_index(len(rows), M=M, ef_construction=EF_CONSTRUCTION)
        self.index.add_items(rows, num_threads=BUILD_THREADS)

    def store(self):
        self.index.save_index(str(self.file))

    def set(self, ef, threads):
        self.index.set_ef(max(ef, K))
        self.threads = threads

    def search(self, queries):
        return self.index.knn_query(queries, K, num_threads=self.threads)[0]

    one = search


class Usearch:
    """Without rescoring, which it does not have: its recall ends where its numbers are too coarse."""

    def __init__(self, options, dtype):
        import usearch
        import usearch.index

        self.usearch, self.dtype, self.file = usearch.index, dtype, options.folder / "index"
        self.version, self.note = usearch.__version__, ""

    def build(self, rows):
        self.index = self.usearch.Index(
            ndim=rows.shape[1], metric="ip", dtype=self.dtype, connectivity=M, expansion_add=EF_CONSTRUCTION
        )
        self.note = str(self.index.hardware_acceleration)
        self.index.add(np.arange(len(rows)), rows, threads=BUILD_THREADS)

    def store(self):
        self.index.save(str(self.file))

    def set(self, ef, threads):
        self.index.expansion_search = ef
        self.threads = threads

    def search(self, queries):
        return self.index.search(queries, K, threads=self.threads).keys

    def one(self, queries):
        return self.index.search(queries[0], K, threads=1).keys[None, :]


class Svs:
    """Vamana with as many links as 2 M. LVQ runs on Intel's processors alone; elsewhere it says so."""

    def __init__(self, options, kind):
        import svs

        self.svs, self.kind, self.folder = svs, kind, options.folder
        self.version, self.note = svs.library_version(), ""

    def build(self, rows):
        svs = self.svs
        if self.kind == "f32":
            data = rows
        elif self.kind == "f16":
            data = rows.astype(np.float16)
        else:
            path = str(self.folder / "rows.fvecs")
            svs.write_vecs(rows, path)
            loader = svs.VectorDataLoader(path, svs.DataType.float32, dims=rows.shape[1])
            bits = {"primary": 8} if self.kind == "lvq8" else {"primary": 4, "residual": 8}
            data = svs.LVQLoader(loader, **bits)
        start = time.perf_counter()
        how = svs.VamanaBuildParameters(graph_max_degree=2 * M, window_size=EF_CONSTRUCTION, alpha=0.95)
        self.index = svs.Vamana.build(how, data, svs.DistanceType.MIP, num_threads=BUILD_THREADS)
        if self.kind.startswith("lvq"):
            os.unlink(path)
        return time.perf_counter() - start  # without the file that its loader wants

    def store(self):
        (self.folder / "index").mkdir(exist_ok=True)
        parts = [str(self.folder / "index" / name) for name in ("config", "graph", "data")]
        self.index.save(*parts)

    def set(self, ef, threads):
        self.index.search_window_size = max(ef, K)
        self.index.num_threads = threads

    def search(self, queries):
        return self.index.search(queries, K)[0]

    one = search


class Ngt:
    """Its package opens quantized graphs and searches them, but only the program qbg makes them."""

    def __init__(self, options):
        import ngtpy

        self.version, self.note = ngtpy.__version__, ""
        if not hasattr(ngtpy.QuantizedIndex, "build"):
            raise RuntimeError("the package searches quantized graphs but cannot build one")
        raise RuntimeError("the package can build quantized graphs now: write this adapter")


PEERS = {
    "faiss-hnsw": (Faiss, "flat"),
    "faiss-hnswsq": (Faiss, "sq8"),
    "hnswlib": (Hnswlib,),
    "usearch-i8": (Usearch, "i8"),
    "usearch-f16": (Usearch, "f16"),
    "svs-lvq8": (Svs, "lvq8"),
    "svs-lvq4x8": (Svs, "lvq4x8"),
    "svs-f32": (Svs, "f32"),
    "svs-f16": (Svs, "f16"),
    "ngt-qg": (Ngt,),
}


def bytes_under(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def build(peer, options):
    rows = np.load(options.corpus, mmap_mode="r")
    if options.reuse and hasattr(peer, "load"):
        peer.load()
        seconds = None
    else:
        start = time.perf_counter()
        seconds = peer.build(rows) or time.perf_counter() - start
        peer.store()
    return {
        "seconds": seconds,
        "bytes": bytes_under(options.folder),
        "version": peer.version,
        "note": peer.note,
    }


def search(peer, queries, setting, mode, threads, passes, ids):
    peer.set(int(setting), threads)
    seconds, us = [], []
    parts = [queries[i : i + 1] for i in range(len(queries))]
    for _ in range(passes):
        if mode == "batch":
            start = time.perf_counter()
            found = peer.search(queries)
            seconds.append(time.perf_counter() - start)
            continue
        each = []
        start = time.perf_counter_ns()
        found, before = [], start
        for part in parts:
            found.append(peer.one(part))
            after = time.perf_counter_ns()
            each.append(after - before)
            before = after
        seconds.append((before - start) / 1e9)
        if seconds[-1] == min(seconds):
            us = sorted(x / 1e3 for x in each)
    if ids != "-":
        np.ascontiguousarray(np.vstack(found) if mode == "one" else found).astype(np.int32).tofile(ids)
    out = {"seconds": seconds}
    if us:
        out.update(p50_us=us[len(us) // 2], p99_us=us[len(us) * 99 // 100])
    return out


def check_truth(queries, corpus, truth_file):
    """Share of the truth's ids that NumPy finds too: it was made by our own exact search."""
    rows = np.load(corpus, mmap_mode="r")
    truth = json.loads(pathlib.Path(truth_file).read_text(encoding="utf-8"))
    asked = min(100, len(queries))
    scores = queries[:asked] @ rows.T
    best = np.argsort(-scores, axis=1, kind="stable")[:, :K]
    return {"agree": float(np.mean([len(set(b.tolist()) & set(t)) / K for b, t in zip(best, truth)]))}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=[*PEERS, "numpy"])
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--queries", required=True)
    parser.add_argument("--folder", required=True, type=pathlib.Path)
    parser.add_argument("--reuse", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    queries = np.load(options.queries)
    peer = None
    for line in sys.stdin:
        verb, *words = line.split()
        try:
            if verb == "truth":
                answer = check_truth(queries, options.corpus, words[0])
            elif verb == "build":
                adapter, *arguments = PEERS[options.peer]
                peer = adapter(options, *arguments)
                answer = build(peer, options)
            else:
                setting, mode, threads, passes, ids = words
                answer = search(peer, queries, setting, mode, int(threads), int(passes), ids)
        except Exception as error:  # whatever a library throws is the reason why it was not measured
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
