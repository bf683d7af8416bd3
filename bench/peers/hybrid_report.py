"""Hybrid search against its own two paths, and beside the stack that people put together in Python.

The stack is bm25s (numba) for the words, faiss-cpu (IndexHNSWFlat, M 32, with
the least efSearch that finds as many of the 100 nearest as we do) for the vectors and a fusion by NumPy or
by ranx: min-max of each list, weights of one half, 100 candidates of each path. Both
search the same words (of our analyzer) and embeddings, ten hits, one query a call, one thread, in turns;
the fastest pass counts. We take the text of a query, and so does the stack, whose time from the text is what
ours is held against; rows of their own show it with the words given, without its analysis of a query.

The paths alone are searches at alpha 1 and 0, hybrid ones at 0.5, in turns query by query; each takes
another query than the others, so that none finds in the cache what another has just read. The median
over the queries of each round, and the median of the rounds' ratios, count.

Sets (--sets A,B), from $EQUIPOISE_DATA: npl, wordnet.

Environment
  EQUIPOISE_PEERS_ROUNDS    rounds of turns, 5 unless set
"""

import json
import os
import pathlib
import shutil
import statistics

import report
from peers import lexical_report
from peers.lexical_report import HERE, Absent, Contestant, make_venv, number, program, texts_of, write_lines
from peers.vector_contest import tell_user

ABOUT = "hybrid search against its two paths, and beside bm25s + faiss-cpu + a fusion in Python"
MINUTES = 6

WORK = report.ROOT / "build/bench-hybrid"
PROGRAM = report.ROOT / "build/release/bin/equipoise_hybrid_bench"
PACKAGES = ["numpy", "numba", "bm25s", "PyStemmer", "faiss-cpu", "ranx"]
SETS = ["npl", "wordnet"]


class Ours(Contestant):
    def files(self, folder):
        return ["--index", folder / "index", "--queries", self.data / "queries.jsonl",
                "--embeddings", self.data / "queries.f16.npy"]  # fmt: skip


class Stack(Contestant):
    def files(self, folder):
        return ["--data", self.data, "--tokens", folder / "docs", "--query-tokens", folder / "queries"]


def prepare(context, name, folder):
    """The set's folder; our index, and the words of documents and queries."""
    data = pathlib.Path(os.environ.get("EQUIPOISE_DATA") or "absent") / name
    if not (data / "corpus.jsonl").exists():
        raise Absent("not in $EQUIPOISE_DATA")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_lines(folder / "texts", texts_of(data / "corpus.jsonl"))
    write_lines(folder / "query-texts", texts_of(data / "queries.jsonl"))
    program("--docs", folder / "docs", "--queries", folder / "queries", "--texts", folder / "texts",
            "--query-texts", folder / "query-texts", "--folder", folder)  # fmt: skip
    context.equipoise("index", "--corpus", data / "corpus.jsonl", "--embeddings", data / "corpus.f16.npy",
                      "--out", folder / "index")  # fmt: skip
    return data


def contestants(context, data):
    python, failed = make_venv(context, "venv-hybrid-peers", PACKAGES)
    out = [Ours("equipoise", [PROGRAM], ["one", "two"])]
    for fusion in ("numpy", "ranx"):
        missing = [failed[package] for package in PACKAGES if package in failed and package != "ranx"]
        missing += [failed["ranx"]] if fusion == "ranx" and "ranx" in failed else []
        command = [python, HERE / "hybrid_peers.py", fusion] if python and not missing else None
        why = "; ".join(missing) or "no Python environment could be made"
        out.append(Stack(f"bm25s + faiss-cpu + {fusion}", command, ["tokens", "text"], why))
    for one in out:
        one.data = data
    return out


def qualities(context, data, folder, found):
    """nDCG@10 of each ranking by `equipoise eval --runs`, the same for all; nothing without judgments."""
    qrels = data / "qrels/test.tsv"
    if not qrels.exists():
        return {}
    queries = [json.loads(line)["_id"] for line in open(data / "queries.jsonl", encoding="utf-8")]
    runs = []
    for name, ids in found.items():
        runs.append(folder / f"{len(runs)}.trec")
        with open(runs[-1], "w", encoding="utf-8") as file:
            for query, docs in zip(queries, ids):
                for at, doc in enumerate(docs):
                    file.write(f"{query} Q0 {doc} {at + 1} {len(docs) - at} {name.replace(' ', '')}\n")
    results = context.equipoise("eval", "--runs", *runs, "--qrels", qrels)["results"]
    return {name: entry["ndcg@10"] for name, entry in zip(found, results)}


def ids_of(one, way, folder):
    path = folder / "found"
    one.ask(f"search {way} 1 {path}")
    return [line.split() for line in path.read_text(encoding="utf-8").splitlines()]


def measure(context, result, name):
    folder = WORK / name
    tell_user(context, f"{name}: preparing ...")
    data = prepare(context, name, folder)
    everyone = contestants(context, data)
    try:
        for one in everyone:
            tell_user(context, f"{name}: {one.name} builds ...")
            try:
                one.start(folder)
                one.built = one.ask("build" if one is everyone[0] else f"build {everyone[0].built['recall']}")
            except Absent as why:
                one.why, one.built = str(why), None
        running = [one for one in everyone if one.built]
        mine = everyone[0]
        if not mine.built:
            raise report.BenchError(f"{PROGRAM}: {mine.why}")
        result.machine["simd"] = mine.built["simd"]
        paths = []
        for turn in range(int(os.environ.get("EQUIPOISE_PEERS_ROUNDS") or 5)):
            tell_user(context, f"{name}: round {turn + 1} ...")
            for one in running:
                one.take_turn()
            paths.append(mine.ask(f"paths {max(1, 1000 // mine.built['queries'])}"))
        found = {f"{one.name}/{way}": ids_of(one, way, folder) for one in running for way in one.ways}
        quality = qualities(context, data, folder, found)
        beside_peers(result, name, everyone, quality)
        return beside_paths(result, name, mine.built["documents"], paths)
    finally:
        for one in everyone:
            one.stop()
        shutil.rmtree(folder, ignore_errors=True)


LABELS = {"one": "", "two": ", parallel_paths", "tokens": ", words given", "text": ", from text"}


def beside_peers(result, name, everyone, quality):
    mine = everyone[0]
    queries = mine.built["queries"]
    ours = queries / min(mine.best["one"]["seconds"])
    rows, best = [], None
    for one in everyone:
        if not one.built:
            rows.append([one.name, "not run: " + (one.why or ""), "", "", "", "", ""])
            result.row(f"{name}/{one.name}", not_run=one.why)
            continue
        for way in one.ways:
            label = f"{one.name}{LABELS[way]}"
            qps = queries / min(one.best[way]["seconds"])
            ndcg = quality.get(f"{one.name}/{way}")
            if way == "text" and (best is None or qps > best):
                best = qps
            rows.append([label, one.built.get("version", ""), number(qps), number(ours / qps, "{:.1f}"),
                         number(one.best[way]["p50_us"], "{:,.0f}"), number(one.built["recall"], "{:.4f}"),
                         number(ndcg, "{:.3f}")])  # fmt: skip
            result.row(f"{name}/{label}", quality={} if ndcg is None else {"ndcg@10": ndcg}, qps=qps,
                       p50_us=one.best[way]["p50_us"], p99_us=one.best[way]["p99_us"],
                       version=one.built.get("version"))  # fmt: skip
    result.table(
        f"{name}, {mine.built['documents']:,} documents, {queries:,} queries: 10 hits from 100 candidates of each path",
        ["hybrid search", "version", "QPS", "ours is × as fast", "p50 µs", "of 100 nearest found",
         "nDCG@10"], rows)  # fmt: skip
    ratio = None if best is None else ours / best
    result.claim(f"{name}/qps", f"{name}: hybrid QPS against the fastest stack in Python, both from the text", ratio, "×", ">= 5",
                 None if ratio is None else ratio >= 5)  # fmt: skip
    mine_ndcg = quality.get("equipoise/one")
    theirs = [value for key, value in quality.items() if not key.startswith("equipoise/")]
    if mine_ndcg is not None:
        gain = mine_ndcg - max(theirs) if theirs else None
        result.claim(f"{name}/ndcg", f"{name}: nDCG@10 above the best stack's", gain, "", ">= 0",
                     None if gain is None else gain >= 0)  # fmt: skip
    if ratio is not None:
        result.rows[-1]["ratios"]["stack"] = ratio


def beside_paths(result, name, documents, paths):
    sums = [round_["hybrid"] / (round_["lexical"] + round_["vector"]) for round_ in paths]
    slower = [round_["parallel"] / max(round_["lexical"], round_["vector"]) for round_ in paths]
    cores = result.machine["cores"]
    middle = {way: statistics.median(round_[way] for round_ in paths) for way in paths[0]}
    one, two = statistics.median(sums), statistics.median(slower)
    result.row(f"{name}/paths", p50_us=middle, of_the_sum=sums, of_the_slower=slower)
    result.claim(f"{name}/sum", f"{name}: p50 of a hybrid search over the sum of its paths alone", one, "×", "<= 1.1",
                 one <= 1.1)  # fmt: skip
    result.claim(f"{name}/parallel", f"{name}: the same with parallel_paths over the slower path", two, "×", "<= 1.3",
                 None if cores < 2 else two <= 1.3)  # fmt: skip
    return [f"{name}, {documents:,} documents", *(number(middle[way], "{:,.0f}") for way in
            ("lexical", "vector", "hybrid")), f"{one:.2f}", number(middle["parallel"], "{:,.0f}"), f"{two:.2f}"]  # fmt: skip


def run(context):
    result = report.Report("hybrid")
    for program_file in (PROGRAM, lexical_report.PROGRAM):
        if not program_file.exists():
            raise report.BenchError(f"{program_file} is not there; run ./dev bench hybrid")
    WORK.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in context.sets or SETS:
        if name not in SETS:
            raise report.BenchError(f"no such set: {name}; there are {', '.join(SETS)}")
        try:
            rows.append(measure(context, result, name))
        except Absent as why:
            tell_user(context, f"{name}: {why}")
            result.claim(f"{name}/qps", f"{name}: hybrid QPS against the fastest stack in Python, both from the text", None, "×", ">= 5", None)
    if rows:
        result.table("Median of a search, µs: a path alone, both, both at once",
                     ["", "BM25", "vectors", "both", "over their sum", "parallel_paths", "over the slower"], rows)  # fmt: skip
    return result
