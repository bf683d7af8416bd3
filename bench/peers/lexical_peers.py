#!/usr/bin/env python3
"""One adapter for each lexical index from PyPI, so that peers and we answer the same queries in turn.

    lexical_peers.py PEER --docs FILE --queries FILE [--texts FILE] [--query-texts FILE] --folder FOLDER

PEER reads lines on stdin and answers each by one line of JSON on stdout:

    build                 an index of the tokens as they are
    index THREADS         an index of the texts, English stemming included (tantivy)
    search WAY PASSES OUT PASSES times over all queries, one thread. WAY: one (a call a query), batch (a
                          call for all), text (from the text, analysis included). Ten ids a query as int32,
                          then ten scores as float32, go to OUT unless it is "-"

equipoise_lexical_bench speaks the same. lexical_report.py asks.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import time
from importlib.metadata import version

import numpy as np

K = 10


def lines(path):
    return pathlib.Path(path).read_text(encoding="utf-8").split("\n")[:-1]


class Bm25s:
    """Its numba backend. A query is its tokens; their numbers are looked up in the call, as by us."""

    ways = ("one", "batch")

    def __init__(self, options):
        import bm25s

        self.bm25s, self.options = bm25s, options
        self.version, self.note = version("bm25s"), f"numba {version('numba')}"

    def build(self):
        docs = [line.split() for line in lines(self.options.docs)]
        self.queries = [line.split() for line in lines(self.options.queries)]
        start = time.perf_counter()
        self.index = self.bm25s.BM25(method="lucene", k1=1.2, b=0.75, backend="numba")
        self.index.index(docs, show_progress=False)
        seconds = time.perf_counter() - start
        own = self.options.folder / "bm25s"
        self.index.save(str(own))
        self.prepared = [[query] for query in self.queries]
        self.index.retrieve(self.queries[:3], k=K, show_progress=False, n_threads=1)  # compiles
        self.index.retrieve(self.prepared[0], k=K, show_progress=False, n_threads=1)
        parts = ("data.csc.index.npy", "indices.csc.index.npy", "indptr.csc.index.npy", "vocab.index.json")
        return {"seconds": seconds, "bytes": sum((own / part).stat().st_size for part in parts)}

    def ask(self, way, queries):
        if way == "batch":
            found = self.index.retrieve(self.queries, k=K, show_progress=False, n_threads=1)
            return found.documents, found.scores
        return self.index.retrieve(queries, k=K, show_progress=False, n_threads=1)

    def prepare_text(self):
        import Stemmer

        self.stemmer = Stemmer.Stemmer("english")
        self.texts = lines(self.options.query_texts)
        self.ask_text(self.texts[0])

    def ask_text(self, text):
        tokens = self.bm25s.tokenize(
            [text], stopwords="en", stemmer=self.stemmer, return_ids=False, show_progress=False
        )
        return self.index.retrieve(tokens, k=K, show_progress=False, n_threads=1)


class Tantivy:
    """One segment, documents and frequencies without positions, nothing stored."""

    ways = ("one",)

    def __init__(self, options):
        import tantivy

        self.tantivy, self.options = tantivy, options
        self.version, self.note = version("tantivy"), ""

    def make(self, name, tokenizer, texts, threads):
        builder = self.tantivy.SchemaBuilder()
        builder.add_text_field("body", stored=False, tokenizer_name=tokenizer, index_option="freq")
        schema = builder.build()
        folder = self.options.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        index = self.tantivy.Index(schema, path=str(folder))
        start = time.perf_counter()
        writer = index.writer(heap_size=1_000_000_000, num_threads=threads)
        for text in texts:
            writer.add_document(self.tantivy.Document(body=text))
        writer.commit()
        writer.wait_merging_threads()
        seconds = time.perf_counter() - start
        index.reload()
        return schema, index, folder, seconds

    def build(self):
        t = self.tantivy
        schema, index, folder, seconds = self.make("tantivy", "whitespace", lines(self.options.docs), 1)
        self.searcher = index.searcher()
        if self.searcher.num_segments != 1:
            raise RuntimeError("more than one segment: its documents would have other numbers")
        self.prepared = [
            t.Query.boolean_query(
                [(t.Occur.Should, t.Query.term_query(schema, "body", token, index_option="freq")) for token in q.split()]
            )
            for q in lines(self.options.queries)
        ]
        # Without what it keeps of the documents themselves.
        wanted = {".idx", ".term", ".fieldnorm", ".pos", ".fast"}
        return {"seconds": seconds, "bytes": sum(p.stat().st_size for p in folder.iterdir() if p.suffix in wanted)}

    def index(self, threads):
        texts = lines(self.options.texts)
        _, self.text_index, _, seconds = self.make("tantivy-text", "en_stem", texts, threads)
        return {"seconds": seconds, "documents": len(texts)}

    def ask(self, way, query):
        return self.numbers(self.searcher.search(query, K, count=False))

    @staticmethod
    def numbers(found):
        # Its scores have Lucene's former factor k1 + 1, and lengths rounded to a byte.
        return ([[at.doc for _, at in found.hits]], [[score / 2.2 for score, _ in found.hits]])

    def prepare_text(self):
        if not hasattr(self, "text_index"):
            self.index(1)
        self.text_searcher = self.text_index.searcher()
        # Its syntax of queries: what is not a letter or digit has a meaning there.
        self.texts = ["".join(c if c.isalnum() else " " for c in text) for text in lines(self.options.query_texts)]

    def ask_text(self, text):
        return self.numbers(self.text_searcher.search(self.text_index.parse_query(text, ["body"]), K, count=False))


PEERS = {"bm25s": Bm25s, "tantivy": Tantivy}


def store(found, path):
    ids = np.full((len(found), K), -1, dtype=np.int32)
    scores = np.zeros((len(found), K), dtype=np.float32)
    for i, (docs, values) in enumerate(found):
        n = min(K, len(docs))
        ids[i, :n], scores[i, :n] = docs[:n], values[:n]
    ids[scores <= 0] = -1
    pathlib.Path(path).write_bytes(ids.tobytes() + scores.tobytes())


def search(peer, way, passes, out):
    if way == "text":
        peer.prepare_text()
    asked = peer.texts if way == "text" else peer.prepared
    call = peer.ask_text if way == "text" else lambda query: peer.ask(way, query)
    seconds, us = [], []
    for _ in range(passes):
        if way == "batch":
            start = time.perf_counter()
            ids, scores = peer.ask(way, None)
            seconds.append(time.perf_counter() - start)
            found = list(zip(ids, scores))
            continue
        each, found = [], []
        start = before = time.perf_counter_ns()
        for query in asked:
            found.append(call(query))
            after = time.perf_counter_ns()
            each.append(after - before)
            before = after
        seconds.append((before - start) / 1e9)
        found = [(ids[0], scores[0]) for ids, scores in found]
        if seconds[-1] == min(seconds):
            us = sorted(x / 1e3 for x in each)
    if out != "-":
        store(found, out)
    answer = {"seconds": seconds}
    if us:
        answer.update(p50_us=us[len(us) // 2], p99_us=us[len(us) * 99 // 100])
    return answer


def main():
    os.environ["NUMBA_NUM_THREADS"] = "1"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--docs", required=True)
    parser.add_argument("--queries", required=True)
    parser.add_argument("--texts")
    parser.add_argument("--query-texts")
    parser.add_argument("--folder", required=True, type=pathlib.Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    peer = None
    for line in sys.stdin:
        verb, *words = line.split()
        try:
            peer = peer or PEERS[options.peer](options)
            if verb == "build":
                answer = {**peer.build(), "version": peer.version, "note": peer.note, "ways": peer.ways}
            elif verb == "index":
                answer = peer.index(int(words[0]))
            else:
                answer = search(peer, words[0], int(words[1]), words[2])
        except Exception as error:  # whatever a library throws is the reason why it was not measured
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
