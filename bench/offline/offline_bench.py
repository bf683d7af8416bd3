"""Quality of BM25, vectors and their fusion on judged collections, and what a hybrid search costs.

Sets are looked for in $EQUIPOISE_DATA (folders in the BEIR layout with corpus.f16.npy and
queries.f16.npy); README.md beside this file says where the public ones come from and how they are
converted. The set "demo" is always there: ./dev makes it from Debian's wordnet-base.
"""

import collections
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import report

ABOUT = "quality over alpha on the judged sets, the fusions compared, recall of the graph, p95"
MINUTES = 6

# nDCG@10 at alpha = 1, at alpha = 0 and at the best single alpha, from an independent program
# (bm25s with Lucene's variant, exact vector search in NumPy, min-max over each path's top 100).
REFERENCE = {
    "cranfield": (0.349, 0.358, 0.396),
    "med": (0.699, 0.788, 0.800),
    "cisi": (0.396, 0.421, 0.455),
    "cacm": (0.499, 0.409, 0.551),
    "npl": (0.436, 0.433, 0.490),
    "cacm-authors": (0.874, 0.226, 0.879),
    "reverse-dictionary": (0.172, 0.393, 0.393),
}
TOLERANCE = 0.010
FOLDS = 5
ROUNDS = 5
FUSIONS = ("minmax", "minmax_union", "theoretical", "rrf")
DEFAULT_FUSION = "minmax_union"  # FusionWeights in retrieval/fusion.h


def find_sets(context):
    """Name -> folder, the demo first."""
    found = {}
    demo = report.ROOT / "build/demo"
    if context.sets is None or "demo" in context.sets:
        make = [sys.executable, str(report.ROOT / "data/make_demo.py"), "--out", str(demo)]
        done = subprocess.run(make, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise report.BenchError(f"the demo set cannot be made: {done.stderr.strip()}")
        found["demo"] = demo
    root = os.environ.get("EQUIPOISE_DATA")
    for name in REFERENCE:
        if context.sets is not None and name not in context.sets:
            continue
        if root and (pathlib.Path(root) / name / "corpus.jsonl").exists():
            found[name] = pathlib.Path(root) / name
    return found


def query_arguments(folder, qrels=None):
    return [
        "--queries", folder / "queries.jsonl",
        "--query-embeddings", folder / "queries.f16.npy",
        "--qrels", qrels or folder / "qrels/test.tsv",
    ]  # fmt: skip


def top10(path):
    """Query -> set of its first ten documents in a TREC run."""
    lists = collections.defaultdict(list)
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        query, _, doc, *_ = line.split()
        lists[query].append(doc)
    return {query: set(docs[:10]) for query, docs in lists.items()}


def graph_recall(context, index, folder, scratch, qrels=None):
    """Share of the exact top 10 that the default vector search finds."""
    runs = []
    for name, extra in (("graph", []), ("exact", ["--exact"])):
        path = f"{scratch}/{name}.trec"
        context.equipoise(
            "eval", index, *query_arguments(folder, qrels),
            "--alpha", "0", "-k", "10", "--run", path, *extra,
        )
        runs.append(top10(path))
    found = sum(len(runs[0][q] & docs) for q, docs in runs[1].items())
    return found / sum(len(docs) for docs in runs[1].values())


def measure(context, name, folder, result):
    """Indexes one set and measures it; returns {(fusion, alpha): its results}."""
    with tempfile.TemporaryDirectory() as scratch:
        index = f"{scratch}/index"
        built = context.equipoise(
            "index", "--corpus", folder / "corpus.jsonl",
            "--embeddings", folder / "corpus.f16.npy", "--out", index,
        )  # fmt: skip
        swept = context.equipoise(
            "eval", index, *query_arguments(folder),
            "--alpha", "0,0.5,1" if context.quality_only else "0:1:0.1",
            "--fusion", ",".join(FUSIONS), "--per-query",
        )  # fmt: skip
        measured = {(r["fusion"], r["alpha"]): r for r in swept["results"]}
        for (fusion, alpha), r in measured.items():
            if fusion != "minmax" and alpha in (0, 1):
                continue  # one path alone is the same in every fusion
            keys = ("ndcg@10", "recall@10", "recall@100", "mrr@10", "map")
            result.row(f"{name}/{fusion}/{alpha:g}", quality={k: r[k] for k in keys}, queries=r["queries"])
        recall = graph_recall(context, index, folder, scratch)
        result.row(f"{name}/graph", quality={"recall@10 of exact": recall}, documents=built["documents"])
        result.claim(
            f"graph-recall/{name}", f"{name}: recall@10 of the vector search against exact search",
            recall, "", ">= 0.99", recall >= 0.99,
        )  # fmt: skip
        times = None
        if not context.quality_only:
            # The median of several rounds: one round on a shared machine measures its neighbours.
            rounds = [
                context.equipoise("eval", index, *query_arguments(folder), "--alpha", "0.5", "-k", "10")
                for _ in range(ROUNDS)
            ]
            times = sorted((r["results"][0] for r in rounds), key=lambda r: r["latency_ms"]["p95"])[ROUNDS // 2]
            result.row(f"{name}/time", latency_ms=times["latency_ms"], qps=times["qps"], rounds=ROUNDS)
        return built["documents"], measured, times


def large_graph_recall(context, result):
    """The same on the largest set, which has queries but no judgments."""
    folder = pathlib.Path(os.environ.get("EQUIPOISE_DATA", "")) / "wordnet"
    wanted = context.sets is None or "wordnet" in context.sets
    if context.quality_only or not wanted or not (folder / "corpus.jsonl").exists():
        return
    with tempfile.TemporaryDirectory() as scratch:
        index = f"{scratch}/index"
        built = context.equipoise(
            "index", "--corpus", folder / "corpus.jsonl", "--embeddings", folder / "corpus.f16.npy",
            "--out", index, "--threads", "2",
        )  # fmt: skip
        # eval runs the queries that have a judgment, so each gets one; only the rankings are used.
        any_document = json.loads((folder / "corpus.jsonl").open(encoding="utf-8").readline())["_id"]
        qrels = pathlib.Path(scratch) / "every_query.tsv"
        with (folder / "queries.jsonl").open(encoding="utf-8") as lines, qrels.open("w") as out:
            for line in lines:
                out.write(f"{json.loads(line)['_id']}\t{any_document}\t1\n")
        recall = graph_recall(context, index, folder, scratch, qrels)
    result.row("wordnet/graph", quality={"recall@10 of exact": recall},
               documents=built["documents"], index_seconds=built["seconds"])  # fmt: skip
    result.claim("graph-recall/wordnet", "wordnet: recall@10 of the vector search against exact search",
                 recall, "", ">= 0.99", recall >= 0.99)  # fmt: skip


def best(measured, fusion):
    return max((r for (f, _), r in measured.items() if f == fusion), key=lambda r: r["ndcg@10"])


def check_reference(name, measured, result):
    wanted = REFERENCE.get(name)
    if wanted is None:
        return
    got = (
        measured[("minmax", 1.0)]["ndcg@10"],
        measured[("minmax", 0.0)]["ndcg@10"],
        best(measured, "minmax")["ndcg@10"],
    )
    for what, target, value in zip(("alpha = 1", "alpha = 0", "best alpha"), wanted, got):
        result.claim(
            f"reference/{name}/{what}", f"{name}: nDCG@10 at {what}",
            value, "", f"{target:.3f} ± {TOLERANCE}", abs(value - target) <= TOLERANCE + 0.0005,
        )  # fmt: skip


def cross_validated(curves, alphas):
    """Values of each query at the alpha that is best on the other folds' queries."""
    queries = sorted(curves)
    out = {}
    for fold in range(FOLDS):
        train = [q for i, q in enumerate(queries) if i % FOLDS != fold]
        chosen = max(range(len(alphas)), key=lambda a: sum(curves[q][a] for q in train))
        out.update({q: curves[q][chosen] for i, q in enumerate(queries) if i % FOLDS == fold})
    return out


def mean_of_sets(values):
    """Mean over sets of the mean over queries: every set counts alike."""
    return sum(sum(v.values()) / len(v) for v in values.values()) / len(values)


def bootstrap(values, base, resamples=2000):
    """95 % interval of the difference of two mean_of_sets, queries resampled within each set."""
    generator = random.Random(1)
    differences = [[values[n][q] - base[n][q] for q in sorted(values[n])] for n in sorted(values)]
    means = sorted(
        sum(sum(generator.choices(d, k=len(d))) / len(d) for d in differences) / len(differences)
        for _ in range(resamples)
    )
    return means[int(0.025 * resamples)], means[int(0.975 * resamples) - 1]


def compare_fusions(all_measured, result):
    """Which normalization should be the default? Each is taken at the fixed alpha of 0.5, and at an
    alpha learned for each set (chosen on four fifths of its queries, measured on the last)."""
    judged = {n: m for n, (_, m, _) in all_measured.items() if n in REFERENCE}
    text = f"the default, {DEFAULT_FUSION}, is not worse than minmax"
    if "demo" in all_measured:  # a set that had no part in the choice
        demo = all_measured["demo"][1]
        gain = demo[(DEFAULT_FUSION, 0.5)]["ndcg@10"] - demo[("minmax", 0.5)]["ndcg@10"]
        result.claim("fusion-default/demo", f"{text} on the demo set, alpha 0.5", gain, "", ">= 0", gain >= 0)
    if len(judged) < len(REFERENCE):
        result.claim("fusion-default", text, None, "", "needs the seven judged sets", None)
        return
    alphas = sorted({a for _, a in next(iter(judged.values()))})
    fixed, learned, hindsight = {}, {}, {}
    for fusion in FUSIONS:
        fixed[fusion], learned[fusion], hindsight[fusion] = {}, {}, {}
        for name, measured in judged.items():
            lists = [measured[(fusion, a)]["per_query"] for a in alphas]
            curves = {rows[0]["query"]: [r["ndcg@10"] for r in rows] for rows in zip(*lists)}
            fixed[fusion][name] = {q: c[alphas.index(0.5)] for q, c in curves.items()}
            learned[fusion][name] = cross_validated(curves, alphas)
            best_alpha = max(range(len(alphas)), key=lambda a: sum(c[a] for c in curves.values()))
            hindsight[fusion][name] = {q: c[best_alpha] for q, c in curves.items()}
    rows = []
    for fusion in FUSIONS:
        row = [fusion]
        quality = {"best alpha of each set": mean_of_sets(hindsight[fusion])}
        for what, values in (("alpha 0.5", fixed), ("alpha learned", learned)):
            mean = mean_of_sets(values[fusion])
            quality[what] = mean
            row.append(f"{mean:.4f}")
            low, high = bootstrap(values[fusion], values["minmax"])
            row.append("" if fusion == "minmax" else f"{mean - mean_of_sets(values['minmax']):+.4f} [{low:+.4f}, {high:+.4f}]")
            if fusion == DEFAULT_FUSION:
                difference = mean - mean_of_sets(values["minmax"])
                result.claim(f"fusion-default/{what}", f"{text}, {what} [{low:+.4f}, {high:+.4f}]",
                             difference, "", ">= 0 within its interval", high >= 0)  # fmt: skip
        row.append(f"{quality['best alpha of each set']:.4f}")
        result.row(f"fusion/{fusion}", quality=quality)
        rows.append(row)
    result.table(
        "Mean nDCG@10 over the seven judged sets, by fusion, and the difference from minmax [95 %]",
        ["fusion", "α = 0.5", "− minmax", "α learned per set", "− minmax", "best α of each set"],
        rows,
    )


def run(context):
    result = report.Report("offline")
    sets = find_sets(context)
    if not sets and context.sets != ["wordnet"]:
        raise report.BenchError("no judged set was found; set EQUIPOISE_DATA")
    measured = {}
    for name, folder in sets.items():
        if not context.quiet:
            print(f"{name} ...", file=sys.stderr, flush=True)
        measured[name] = measure(context, name, folder, result)
    rows = []
    for name, (documents, by_setting, times) in measured.items():
        check_reference(name, by_setting, result)
        top = best(by_setting, "minmax")
        cells = [by_setting[("minmax", 1.0)], by_setting[("minmax", 0.0)], by_setting[(DEFAULT_FUSION, 0.5)], top]
        row = [name, str(documents), str(top["queries"])]
        row += [f"{c['ndcg@10']:.3f} / {c['recall@10']:.3f}" for c in cells]
        row[-1] += f" at {top['alpha']:g}"
        row.append("" if times is None else f"{times['latency_ms']['p95']:.2f}")
        rows.append(row)
    result.table(
        f"nDCG@10 / Recall@10, all-MiniLM-L6-v2 embeddings. Default: {DEFAULT_FUSION} at α = 0.5, its p95 with one "
        "thread; best single α: with minmax",
        ["set", "documents", "queries", "BM25 (α = 1)", "vector (α = 0)", "default", "best single α", "p95 ms"],
        rows,
    )
    compare_fusions(measured, result)
    large_graph_recall(context, result)
    for name in REFERENCE:
        if name not in measured and context.sets is None:
            result.claim(f"reference/{name}", f"{name}: nDCG@10", None, "", "needs $EQUIPOISE_DATA", None)
    if "npl" in measured and not context.quality_only:
        p95 = measured["npl"][2]["latency_ms"]["p95"]
        result.claim("npl-p95", "npl: p95 of a hybrid search, top 10, one thread", p95, "ms", "< 2", p95 < 2)
    return result
