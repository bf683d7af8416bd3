"""The vector index beside the libraries that people would use instead.

Everyone answers the same queries on the same machine in one run, in turns: each has a process, and a
round asks each of them once, so that a busy moment of the machine meets all; the fastest pass counts.
QPS at a recall is interpolated (its logarithm over recall@10). Peers come from PyPI into an
environment of their own; those that cannot be had are printed as not run, with the reason. All build
with two threads, and with M = 32 and efConstruction = 200 or what that is called there; inline has M = 20,
SymphonyQG degree 32 and a beam of 400.

Sets (--sets A,B): wordnet from $EQUIPOISE_DATA; synthetic, 50,000 x 1,536 made by
equipoise_vector_bench (vector_set.cc says how); million, 1,000,000 x 384 made likewise, only on demand
(an hour, 12 GB of memory).

Environment
  EQUIPOISE_RABITQ          a checkout of RaBitQ-Library: SymphonyQG is built and measured too
  EQUIPOISE_PEERS           only these contestants, as the tables name them ("int8+float16/avx2")
  EQUIPOISE_PEERS_ROWS      only so many rows of each set, to try something quickly
  EQUIPOISE_PEERS_QUERIES   only so many queries
  EQUIPOISE_PEERS_ROUNDS    rounds of turns, 5 unless set
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import time

import report
from peers import vector_contest as contest
from peers.vector_contest import Absent, tell_user

ABOUT = "the vector index beside FAISS, hnswlib, usearch, SVS, SymphonyQG: QPS at recall, build, bytes"
MINUTES = 60

DEFAULT = "int8+float16"
TARGETS = (0.95, 0.99)
SHAPES = {"synthetic": (50_000, 1_536), "million": (1_000_000, 384)}
ONLY_OF_MILLION = [DEFAULT, "inline", "faiss-hnswsq", "svs-lvq4x8", "svs-f16", "symphonyqg"]
M = 32


def from_environment(name, default):
    value = os.environ.get(name)
    return int(value) if value else default


def program(*arguments):
    command = [str(contest.PROGRAM), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise report.BenchError(f"{' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def prepare(name, folder):
    """Rows, queries and truth in the folder; their sizes."""
    rows, queries = from_environment("EQUIPOISE_PEERS_ROWS", 0), from_environment("EQUIPOISE_PEERS_QUERIES", 0)
    if name == "wordnet":
        source = pathlib.Path(os.environ["EQUIPOISE_DATA"]) / "wordnet"
        return program("prepare", "--corpus", source / "corpus.f16.npy", "--queries", source / "queries.f16.npy",
                       "--rows", rows, "--query-rows", queries, "--folder", folder)  # fmt: skip
    n, dim = SHAPES[name]
    return program("prepare", "--make-rows", rows or n, "--make-queries", queries or 2_000,
                   "--make-dim", dim, "--folder", folder)  # fmt: skip


def give_turns(context, name, everyone, folder):
    truth = [set(of) for of in json.loads((folder / "truth.json").read_text(encoding="utf-8"))]
    for one in everyone:
        tell_user(context, f"{name}: {one.name} ...")
        try:
            one.start(folder)
            one.find_sweep(truth)
        except Absent as why:
            one.why, one.points = str(why), []
    running = [one for one in everyone if one.points]
    for turn in range(from_environment("EQUIPOISE_PEERS_ROUNDS", 5)):
        tell_user(context, f"{name}: round {turn + 1} ...")
        for one in running:
            one.take_turn()
    return running, len(truth)


def qps(one, recall, queries, field):
    seconds = one.at(recall, lambda p: getattr(p, field))
    return None if seconds is None else queries / seconds


def best_qps(one, recall, queries):
    """One thread: the better of a call a query and a call for all, which Python makes differ."""
    both = [(qps(one, recall, queries, field) or 0, field) for field in ("one", "batch")]
    value, field = max(both)
    return (value, field) if value else (None, "")


def number(value, form="{:,.0f}"):
    return "" if value is None else form.format(value)


def summarize(result, name, sizes, everyone, queries):
    rows, absent = [], []
    for one in everyone:
        if not one.points:
            rows.append([one.name, "not run", *[""] * 9])
            absent.append([one.name, one.why])
            result.row(f"{name}/{one.name}", not_run=one.why)
            continue
        at, calls, two = {}, {}, {}
        for target in TARGETS:
            at[target], calls[target] = best_qps(one, target, queries)
            two[target] = qps(one, target, queries, "two_threads")
        p50, p99 = (one.at(0.95, lambda p, f=f: getattr(p, f)) for f in ("p50_us", "p99_us"))
        each = one.built["bytes"] / sizes["rows"]
        version = "" if one.ours else one.built["version"]
        rows.append([
            one.name, version, number(at[0.95]), number(at[0.99]), number(two[0.95]), number(two[0.99]),
            "/".join(calls[t] or "–" for t in TARGETS), number(p50), number(p99),
            number(one.built["seconds"] or None, "{:.1f}"), number(each),
        ])  # fmt: skip
        result.row(
            f"{name}/{one.name}", ratios=ratios(one, everyone, queries, at), version=version, built=one.built,
            qps={str(t): at[t] for t in TARGETS}, qps_two_threads={str(t): two[t] for t in TARGETS},
            call=calls, p50_us=p50, p99_us=p99, bytes_per_vector=each,
            sweep=[{"setting": p.setting, "recall": p.recall, "qps_one": queries / p.one,
                    "qps_batch": queries / p.batch, "qps_two_threads": queries / p.two_threads,
                    "p50_us": p.p50_us, "p99_us": p.p99_us, "touched": p.touched} for p in one.points],
        )  # fmt: skip
    result.table(
        f"{name}, {sizes['rows']:,} × {sizes['dim']}, inner product, top 10, {queries:,} queries: "
        "QPS at recall@10 (better call: one a query, or one for all)",
        ["index", "version", "QPS .95", "QPS .99", "2 threads .95", "2 threads .99", "call", "p50 µs at .95",
         "p99 µs at .95", "build s", "bytes a vector"],
        rows,
    )  # fmt: skip
    if absent:
        result.table(f"{name}: not run, and why", ["index", "why"], absent, True)
    result.table(
        f"{name}: the sweep",
        ["index", "setting", "recall@10", "QPS one", "QPS batch", "QPS 2 threads", "p50 µs", "p99 µs", "kB touched"],
        [[one.name, str(p.setting), f"{p.recall:.4f}", number(queries / p.one), number(queries / p.batch),
          number(queries / p.two_threads), number(p.p50_us), number(p.p99_us),
          number(p.touched and p.touched["bytes"] / 1e3, "{:.0f}")]
         for one in everyone for p in one.points],
        True,
    )  # fmt: skip


def ratios(one, everyone, queries, at):
    """Ours against FAISS's int8 at the same level, for --compare."""
    other = next((x for x in everyone if x.name.startswith("faiss-hnswsq") and x.level == one.level), None)
    if not one.ours or other is None or not other.points:
        return {}
    theirs = {t: best_qps(other, t, queries)[0] for t in TARGETS}
    return {f"faiss-hnswsq at {t}": at[t] / theirs[t] for t in TARGETS if at[t] and theirs[t]}


def tuning(result, name, everyone, queries):
    """What the tuner chose when the index was built, and what it brings: each beside itself without it."""
    by_name, cells = {one.name: one for one in everyone if one.points}, []
    for storage in (DEFAULT, "inline"):
        tuned, plain = by_name.get(storage), by_name.get(f"{storage} untuned")
        if tuned is None or plain is None:
            continue
        ratio = {}
        for target in TARGETS:
            both = [best_qps(one, target, queries)[0] for one in (tuned, plain)]
            ratio[target] = both[0] / both[1] if all(both) else None
        chosen = tuned.built.get("tuning")
        result.row(f"{name}/{storage} tuned", ratios={f"untuned at {t}": r for t, r in ratio.items()}, chosen=chosen)
        what = "not tuned: the graph is small" if chosen is None else ", ".join(
            f"{key} {value:.4g}" for key, value in chosen.items())  # fmt: skip
        cells.append([storage, *(number(ratio[t], "{:.3f}") for t in TARGETS), what])
    if cells:
        result.table(f"{name}: QPS tuned over untuned", ["index", "at .95", "at .99", "chosen"], cells)


def asked_recall(result, name, one, folder, queries):
    """What a search reaches that names a recall instead of a beam: it was tuned without the queries."""
    truth = [set(of) for of in json.loads((folder / "truth.json").read_text(encoding="utf-8"))]
    ids = contest.WORK / "ids"
    cells = []
    for target in (0.9, 0.95, 0.99):
        answer = one.ask(f"search target={target} one 1 3 {ids}")
        recall = contest.recall_of(ids, truth)
        result.row(f"{name}/asked for {target}", quality={"recall": recall}, qps=queries / min(answer["seconds"]))
        cells.append([f"{target:g}", f"{recall:.4f}", number(queries / min(answer["seconds"])),
                      number(answer["p99_us"]), number(answer["touched"]["bytes"] / 1e3, "{:.0f}")])  # fmt: skip
    result.table(
        f"{name}: {DEFAULT} asked for a recall, which was tuned on rows of the collection",
        ["asked for", "recall@10", "QPS", "p99 µs", "kB touched"], cells,
    )  # fmt: skip


def thread_scaling(result, name, one, twin, queries):
    """Two threads against two processes, in turns; the median of the ratios."""
    setting = one.near(0.95).setting
    passes = max(2, round(1.0 / one.near(0.95).one))
    shares = []
    for _ in range(5):
        seconds = sum(one.ask(f"search {setting} batch 2 {passes} -")["seconds"])
        threads = queries * passes / seconds
        for process in (one, twin):
            process.tell(f"search {setting} batch 1 {passes} -")
        processes = sum(queries * passes / sum(process.hear()["seconds"]) for process in (one, twin))
        shares.append(threads / processes)
    share = statistics.median(shares)
    result.row(f"{name}/two threads", ratios={"two_processes": share}, shares=shares)
    return share


def opening(result, name, folder):
    """The fastest of ten new processes that open, answer once and end; and what opening took in it."""
    own = folder / DEFAULT
    arguments = ["open", "--queries", folder / "queries.npy", "--folder", own]
    walls, opens = [], []
    for _ in range(10):
        start = time.perf_counter()
        opens.append(program(*arguments)["open_ms"])
        walls.append(1e3 * (time.perf_counter() - start))
    result.row(f"{name}/open", process_ms=walls, open_ms=opens)
    return min(walls), min(opens)


def filters(result, name, folder):
    shared = ["--corpus", folder / "rows.npy", "--queries", folder / "queries.npy"]
    found = program("filters", *shared, "--folder", folder / DEFAULT, "--reuse", "yes")
    result.row(f"{name}/filters", cells=found)
    plans = ["scan", "scan allowed", "two hops", "walk"]
    cells = []
    for share in dict.fromkeys(f["share"] for f in found):
        of = [f for f in found if f["share"] == share]
        chosen = next(f for f in of if not f["forced"])
        cell = [f"{share:g}" if share else "one row", f"{chosen['allowed']:,}", chosen["plan"],
                f"{chosen['us']:.0f}", f"{chosen['recall']:.3f}"]  # fmt: skip
        for plan in plans:
            forced = next(f for f in of if f["forced"] and f["asked"] == plan)
            same = forced["plan"] == plan
            cell.append(f"{forced['us']:.0f} / {forced['recall']:.3f}" if same else "–")
        cells.append(cell)
    result.table(
        f"{name}: filters, {DEFAULT} at its own target; µs a query and recall@10 of what was chosen, and of "
        "each plan forced",
        ["share allowed", "rows", "chosen", "µs", "recall", *plans], cells, True,
    )  # fmt: skip
    sizes = program("sizes", *shared, "--folder", folder / "sized", "--threads", 2)
    result.row(f"{name}/sizes", cells=sizes)
    result.table(
        f"{name}: scan or walk, {DEFAULT}, µs a query / recall@10",
        ["rows", *dict.fromkeys(s["asked"] for s in sizes)],
        [[f"{n:,}", *(f"{s['us']:.0f} / {s['recall']:.3f}" for s in sizes if s["rows"] == n)]
         for n in dict.fromkeys(s["rows"] for s in sizes)],
        True,
    )  # fmt: skip


def speed_claims(result, name, everyone, queries):
    by_name = {one.name: one for one in everyone}

    def ratio(mine, other, target):
        a, b = (by_name.get(x) for x in (mine, other))
        if a is None or b is None or not a.points or not b.points:
            return None
        mine, theirs = best_qps(a, target, queries)[0], best_qps(b, target, queries)[0]
        return (mine or 0) / theirs if theirs else None  # nothing to compare with where it ends below

    def claim(claim_id, text, value, unit, target, ok):
        result.claim(f"{name}/{claim_id}", f"{name}: {text}", value, unit, target, None if value is None else ok(value))

    def against(claim_id, mine, others, target, least, text):
        values = [v for v in (ratio(mine, other, target) for other in others) if v is not None]
        claim(f"{claim_id}@{target}", f"{text} at recall {target}", min(values, default=None), "×", f">= {least}",
              lambda v: v >= least)  # fmt: skip

    for target in TARGETS:
        against("easy", DEFAULT, [f"{DEFAULT} ef"], target, 1, "QPS of walks that end early where a query is easy, "
                "against the same walks by a beam (ef)")  # fmt: skip
    lvq = ["svs-lvq8", "svs-lvq4x8"]
    against("svs-lvq", DEFAULT, lvq, 0.95, 1.6, "QPS against SVS with LVQ, the better of two")
    against("svs-lvq", DEFAULT, lvq, 0.99, 1.5, "QPS against SVS with LVQ, the better of two")
    pypi = [one.name for one in everyone if not one.ours and not one.level and one.name != "symphonyqg"]
    for target in TARGETS:
        against("faiss-hnswsq", DEFAULT, ["faiss-hnswsq"], target, 3, "QPS against FAISS IndexHNSWSQ")
        against("pypi", DEFAULT, pypi, target, 1, "QPS against the best peer from PyPI that runs here")
        against("symphonyqg", "inline", ["symphonyqg"], target, 1.1, "inline, QPS against SymphonyQG")
        for level in ("avx2", "avx512"):
            forced = [f"faiss-hnsw {level}", f"faiss-hnswsq {level}"]
            against(level, f"{DEFAULT} {level}", forced, target, 1, f"forced to {level}, QPS against FAISS at it")

    def measured(who, value):
        one = by_name.get(who)
        return value(one) if one is not None and one.points else None

    def p99(one):
        return one.at(0.95, lambda p: p.p99_us)

    best = min((v for v in (measured(x, p99) for x in pypi) if v), default=None)
    mine = measured(DEFAULT, p99)
    claim("p99", "p99 of single queries at recall 0.95 against the best peer's from PyPI",
          mine / best if mine and best else None, "×", "< 1", lambda v: v < 1)  # fmt: skip
    mine, best = measured("inline", p99), measured("symphonyqg", p99)
    claim("p99-inline", "inline, p99 of single queries at recall 0.95 against SymphonyQG's",
          mine / best if mine and best else None, "×", "< 1", lambda v: v < 1)  # fmt: skip

    def built(one):
        return one.built["seconds"]

    mine, theirs = measured(DEFAULT, built), measured("faiss-hnswsq", built)
    claim("build", "build time against FAISS IndexHNSWSQ's, two threads",
          mine / theirs if mine and theirs else None, "×", "<= 0.5", lambda v: v <= 0.5)  # fmt: skip


def process_claims(result, name, share, opened):
    result.claim(f"{name}/threads", f"{name}: two threads against two processes", share, "×", ">= 0.95",
                 None if share is None else share >= 0.95)  # fmt: skip
    alone = f" (opening alone: {opened[1]:.1f} ms)" if opened else ""
    result.claim(f"{name}/open", f"{name}: a new process opens, answers once and ends{alone}", opened and opened[0],
                 "ms", "< 50", opened and opened[0] < 50)  # fmt: skip


def size_claims(result, name, everyone, sizes):
    by_name = {one.name: one for one in everyone if one.points}
    value = None
    if DEFAULT in by_name:
        # FAISS keeps 2 M links of 4 bytes a vector on the lowest level.
        least = sizes["rows"] * (sizes["dim"] + 4 * 2 * M)
        value = by_name[DEFAULT].built["graph_bytes"] / least
    result.claim(f"{name}/memory", f"{name}: mapped file of codes and graph against 8-bit codes and FAISS's lists "
                 "of 2 M links", value, "×", "<= 1.10", None if value is None else value <= 1.10)  # fmt: skip
    inline, other = by_name.get("inline"), by_name.get("symphonyqg")
    value = inline.built["bytes"] / other.built["bytes"] if inline and other else None
    result.claim(f"{name}/inline-bytes", f"{name}: bytes of inline, rows included, against SymphonyQG's", value, "×",
                 "<= 1", None if value is None else value <= 1)  # fmt: skip


def measure(context, result, name):
    folder = contest.WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    tell_user(context, f"{name}: preparing ...")
    sizes = prepare(name, folder)
    named = os.environ.get("EQUIPOISE_PEERS")
    wanted = named.split(",") if named else ONLY_OF_MILLION if name == "million" else None
    everyone = contest.contestants(context, wanted)
    twin = None
    try:
        check_truth(result, name, context, folder)
        running, queries = give_turns(context, name, everyone, folder)
        default = next((one for one in running if one.name == DEFAULT), None)
        summarize(result, name, sizes, everyone, queries)
        if default is None:
            return
        result.machine["simd"] = default.built["simd"]
        tuning(result, name, everyone, queries)
        asked_recall(result, name, default, folder, queries)
        twin = next(one for one in contest.contestants(context, [f"{DEFAULT}/avx2"]))
        twin.environment = {}  # the same index in another process, on the same level
        twin.start(folder)
        share = thread_scaling(result, name, default, twin, queries)
        for one in everyone:
            one.stop()
        if name == "wordnet":
            speed_claims(result, name, everyone, queries)
            process_claims(result, name, share, opening(result, name, folder))
            filters(result, name, folder)
        size_claims(result, name, everyone, sizes)
    finally:
        for one in [*everyone, *([twin] if twin else [])]:
            one.stop()
        shutil.rmtree(folder, ignore_errors=True)


def check_truth(result, name, context, folder):
    """Our exact search, which all are judged by, against NumPy's on a hundred queries."""
    python, failed = contest.make_venv(context)
    value = None
    if python and "numpy" not in failed:
        command = [str(python), str(contest.HERE / "vector_peers.py"), "numpy", "--corpus", str(folder / "rows.npy"),
                   "--queries", str(folder / "queries.npy"), "--folder", str(folder / "numpy")]  # fmt: skip
        done = subprocess.run(command, input=f"truth {folder / 'truth.json'}\n", capture_output=True, text=True,
                              check=False)  # fmt: skip
        value = json.loads(done.stdout)["agree"] if done.returncode == 0 else None
    result.claim(f"{name}/truth", f"{name}: neighbours that all are judged by and NumPy finds too", value, "",
                 ">= 0.999", None if value is None else value >= 0.999)  # fmt: skip


def run(context):
    result = report.Report("peers-vector")
    if not contest.PROGRAM.exists():
        raise report.BenchError(f"{contest.PROGRAM} is not there; run ./dev bench peers-vector")
    data = pathlib.Path(os.environ.get("EQUIPOISE_DATA") or "absent")
    for name in context.sets or ["wordnet", "synthetic"]:
        if name == "wordnet" and not (data / "wordnet/corpus.f16.npy").exists():
            tell_user(context, "wordnet: not in $EQUIPOISE_DATA")
            speed_claims(result, name, [], 0)
            process_claims(result, name, None, None)
            size_claims(result, name, [], None)
            continue
        if name != "wordnet" and name not in SHAPES:
            raise report.BenchError(f"no such set: {name}; there are wordnet, synthetic, million")
        measure(context, result, name)
    return result
