"""The engine as a whole: what the loop costs and brings, under feedback, from a cold start, and against a
plain pipeline.

Two processes answer the same queries in turns: the whole (an engine a set, one detector, one policy that
learns from what was shown, contexts kept, every core) and the plain pipeline (plain_pipeline.h: the same
graph, one query at a time, scalar float32, every posting of every term, α = 0.5). The plain walk gets the
least beam that finds as many of the 100 nearest as the whole does. Medians of rounds, ratios within a round.

Domains are detected by a model fitted on the documents of five sets, with 8-bit codes; while it learns, the sets' names are the
domains, as an application knows them. Sets are looked for in $EQUIPOISE_DATA; --sets A,B takes some of them.

Environment
  EQUIPOISE_ENGINE_ROUNDS   rounds of turns, 5 unless set
  EQUIPOISE_CORE_HOUR       price of an hour of one core, for the cost of queries: processor time times this,
                            memory and idle time not counted; 0.04 unless set
"""

import json
import os
import pathlib
import statistics
import subprocess
import time

import report
from peers.vector_contest import tell_user

ABOUT = "the engine as a whole: the loop's cost and gain, feedback under load, cold start, a plain pipeline"
MINUTES = 8

PROGRAM = report.ROOT / "build/release/bin/equipoise_engine_bench"
WORK = report.ROOT / "build/bench-engine"
JUDGED = ["cranfield", "med", "cisi", "cacm", "npl", "cacm-authors", "reverse-dictionary"]
FITTED = ["cranfield", "med", "cisi", "cacm", "npl"]
LARGE = "wordnet"
ORDERS = 20
RATE = 1000  # ratings a second
EFS = [100, 112, 128, 144, 160, 192, 224, 256, 320, 384, 512, 768, 1024]


class Process:
    """A contestant; engine_bench.cc says what it answers."""

    def __init__(self, role, folders, domains=None):
        command = [PROGRAM, role, *(["--domains", domains] if domains and role == "whole" else [])]
        for folder in folders:
            command += ["--set", WORK / folder.name, folder]
        self.log = WORK / f"{role}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=log, text=True)  # fmt: skip

    def tell(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except OSError:
            pass  # hear says why

    def hear(self):
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": self.log.read_text(errors="replace").strip() or "ended"}
        if "error" in answer:
            raise report.BenchError(f"{PROGRAM.name}: {answer['error']}")
        return answer

    def ask(self, line):
        self.tell(line)
        return self.hear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


def rounds():
    return int(os.environ.get("EQUIPOISE_ENGINE_ROUNDS") or 5)


def find_sets(context):
    root = pathlib.Path(os.environ.get("EQUIPOISE_DATA") or "absent")
    wanted = context.sets or [*JUDGED, LARGE]
    return {name: root / name for name in [*JUDGED, LARGE]
            if name in wanted and (root / name / "corpus.f16.npy").exists()}  # fmt: skip


def prepare(context, sets):
    """An index of each set that is not there yet, and the model of domains; its path, or None."""
    WORK.mkdir(parents=True, exist_ok=True)
    for name, folder in sets.items():
        made = WORK / f"{name}.made"
        newest = max(path.stat().st_mtime for path in (pathlib.Path(context.binary()), folder / "corpus.jsonl"))
        if made.exists() and made.stat().st_mtime > newest:
            continue
        tell_user(context, f"{name}: indexing ...")
        context.equipoise("index", "--corpus", folder / "corpus.jsonl", "--embeddings", folder / "corpus.f16.npy",
                          "--out", WORK / name, "--threads", os.cpu_count())  # fmt: skip
        made.touch()
    if any(name not in sets for name in FITTED):
        return None
    arguments = []
    for name in FITTED:
        arguments += ["--embeddings", sets[name] / "corpus.f16.npy", "--label", name]
    context.equipoise("domains", "fit", *arguments, "--int8", "--out", WORK / "domains")
    return WORK / "domains"


def middle(values):
    return statistics.median(values)


def claim(result, claim_id, text, value, unit, target, holds, measured=True):
    """A claim; not run where `measured` is false."""
    result.claim(claim_id, text, value if measured else None, unit, target, bool(holds) if measured else None)


def not_run(result, *claims):
    for claim_id, text, unit, target in claims:
        result.claim(claim_id, text, None, unit, target, None)


def mean_of(sets, way, measure):
    return statistics.fmean(one[way][measure] for one in sets.values())


def curve_of_recall(result, learned):
    """Recall@10 by how many of a set's queries have come: mean over the sets that are large enough to tell."""
    ways = ("lexical", "vector", "fixed", "learned")
    curves = {way: [] for way in ways}
    for way in ways:
        for part in zip(*(one[way]["recall_by_part"] for one in learned.values())):
            known = [value for value in part if value is not None]
            curves[way].append(statistics.fmean(known) if known else None)
    parts = len(curves["learned"])
    rows = [[f"{100 * i // parts}–{100 * (i + 1) // parts} %",
             *("–" if curves[way][i] is None else f"{curves[way][i]:.4f}" for way in ways)]
            for i in range(parts)]  # fmt: skip
    result.row("recall-curve", **curves)
    result.table("Mean Recall@10 by how much of each set's queries have come: what learning adds as it goes",
                 ["queries", "BM25", "vector", "α = 0.5", "learned"], rows)


def learning(result, whole, seven):
    learned = whole.ask(f"learn {ORDERS}")
    rows = []
    for name, one in learned.items():
        result.row(f"learned/{name}", quality={"recall": one["learned"]["recall"], "ndcg": one["learned"]["ndcg"]}, **one)
        rows.append([name, *(f"{one[way]['recall']:.4f} / {one[way]['ndcg']:.4f}" for way in
                             ("lexical", "vector", "fixed", "learned"))])  # fmt: skip
    ways = {way: mean_of(learned, way, "recall") for way in ("lexical", "vector", "fixed", "learned")}
    rows.append(["mean", *(f"{ways[way]:.4f} / {mean_of(learned, way, 'ndcg'):.4f}" for way in ways)])
    result.table(f"Recall@10 / nDCG@10 while it learns from what it showed, every judged query once, {ORDERS} orders",
                 ["set", "BM25", "vector", "α = 0.5", "learned"], rows)  # fmt: skip
    curve_of_recall(result, learned)
    gain = ways["learned"] / max(ways["lexical"], ways["vector"]) - 1
    claim(result, "recall", "mean Recall@10 over the seven sets above the better single path, the same queries", gain, "",
          ">= 0.10", gain >= 0.10, seven)
    return learned


def loop(context, result, whole, name, documents, detects):
    found = []
    for turn in range(rounds()):
        tell_user(context, f"{name}: the loop, round {turn + 1} ...")
        found.append(whole.ask(f"loop {max(1, 4000 // documents['queries'])}"))

    def at(way, quantile):
        return middle([one[way][quantile] for one in found])

    def over(way, base, quantile):
        return middle([one[way][quantile] / one[base][quantile] - 1 for one in found])

    added = middle([one["loop"]["p50_us"] - one["fusion"]["p50_us"] for one in found])
    rows = [[text, *(f"{at(way, q):,.1f}" for q in ("p50_us", "p95_us", "p99_us"))] for text, way in
            (("hybrid search with fusion, α = 0.5", "fusion"), ("the loop: detection, policy, context", "loop"),
             ("the loop and every hit explained", "explained"))]
    if not detects:
        rows[1][0] = "the loop without detection: policy, context"
    result.table(f"{name}: what the loop adds, µs, in turns query by query", ["", "p50", "p95", "p99"], rows)
    median, tail, explained = over("loop", "fusion", "p50_us"), over("loop", "fusion", "p99_us"), over(
        "explained", "fusion", "p50_us")
    result.row(f"loop/{name}", added_us=added, p50=median, p99=tail, explained=explained, rounds=found)
    run = not context.quality_only and detects  # a loop without detection is not the whole
    allowed = max(10, 0.05 * at("fusion", "p50_us"))
    claim(result, f"loop-p50-{name}", f"{name}: what the loop adds to the p50 of a hybrid search ({median:+.1%})", added, "µs",
          f"<= {allowed:.1f} (the larger of 10 µs and 5 %)", added <= allowed, run)
    claim(result, f"loop-p99-{name}", f"{name}: the same to the p99", tail, "", "<= 0.10", tail <= 0.10, run)
    claim(result, f"explained-{name}", f"{name}: loop and explanations to the p50", explained, "", "<= 0.15",
          explained <= 0.15, run)


def storm(context, result, whole, name):
    tell_user(context, f"{name}: searching while {RATE:,} ratings a second come ...")
    cores = result.machine["cores"]
    found = whole.ask(f"storm {cores} 1.5 {RATE} {2 * rounds() + 1}")
    ratios = [with_ / without for with_, without in zip(found["with"], found["without"])]
    ratio, told = middle(ratios), middle(found["told"])
    result.row(f"feedback/{name}", ratios={"with_over_without": ratio}, **found)
    result.table(f"{name}: searches a second on {cores} threads, in turns",
                 ["", "searches/s", "ratings/s", "processor time a rating, µs"],
                 [["without feedback", f"{middle(found['without']):,.0f}", "", ""],
                  ["with feedback", f"{middle(found['with']):,.0f}", f"{told:,.0f}", f"{middle(found['us']):,.0f}"]])  # fmt: skip
    claim(result, "feedback-rate", "ratings a second that were taken meanwhile", told, "", f">= {0.95 * RATE:.0f}",
          told >= 0.95 * RATE, not context.quality_only)
    claim(result, "feedback", f"{name}: throughput with {RATE:,} durable ratings a second over that without", ratio, "", ">= 0.95",
          ratio >= 0.95, not context.quality_only)


def cold(context, result, folder):
    """New processes; the first one brings the files into the page cache and is not counted."""
    found = []
    for _ in range(4 * rounds() + 1):
        start = time.monotonic()
        one = report.run_json([PROGRAM, "first", WORK / folder.name, folder])
        one["started_ms"] = 1000 * (one["answered_at"] - start)
        found.append(one)
    found = found[1:]
    of = {key: middle([one[key] for one in found]) for key in found[0]}
    result.row(f"cold/{folder.name}", **of)
    result.table(f"{folder.name}, {of['documents']:,.0f} documents: a new process, files in the page cache",
                 ["start to first answer, ms", "of it opening", "opening and first answer", "index, MB",
                  "resident after 100 queries, MB", "of it its own", "of it the files'"],
                 [[f"{of['started_ms']:.1f}", f"{of['open_ms']:.1f}", f"{of['first_ms']:.1f}",
                   *(f"{of[key] / 1e6:.1f}" for key in ("index_bytes", "resident", "resident_own", "resident_files"))]])  # fmt: skip
    claim(result, "cold", f"{folder.name}: start of a process to its first answer", of["started_ms"], "ms", "< 50",
          of["started_ms"] < 50, not context.quality_only)


def two_threads(context, result, folder, domains):
    ratios = []
    with Process("whole", [folder], domains) as one, Process("whole", [folder], domains) as other:
        one.ask("pass 1 1"), other.ask("pass 1 1")
        for turn in range(2 * rounds() + 1):
            tell_user(context, f"{folder.name}: two threads and two processes, round {turn + 1} ...")
            both = one.ask("pass 2 4")
            one.tell("pass 1 2"), other.tell("pass 1 2")
            apart = [one.hear(), other.hear()]
            ratios.append(both["queries"] / both["seconds"] / sum(a["queries"] / a["seconds"] for a in apart))
    ratio = middle(ratios)
    result.row(f"two-threads/{folder.name}", ratios={"of_processes": ratio}, rounds=ratios)
    claim(result, "two-threads", f"{folder.name}: two threads over two processes, end to end", ratio, "", ">= 0.95",
          ratio >= 0.95, not context.quality_only and result.machine["cores"] >= 2)


def match_beam(plain):
    """The least beam whose walk finds what the whole finds."""
    for ef in EFS:
        plain.ask(f"ef {ef}")
        found = plain.ask("recall")
        if found["plain"] >= found["whole"]:
            break
    return ef, found


def before_and_after(context, result, name, folders, domains, learned):
    """The plain pipeline and the whole by turns. `learned`: what the whole reached while it learned."""
    cores, hour = result.machine["cores"], float(os.environ.get("EQUIPOISE_CORE_HOUR") or 0.04)
    with Process("plain", folders) as plain, Process("whole", folders, domains) as whole:
        ef, recall = match_beam(plain)
        if learned:
            whole.ask("learn 1")
        turns = {"plain": [], "one": [], "all": []}
        for turn in range(rounds()):
            tell_user(context, f"{name}: plain and whole, round {turn + 1} ...")
            turns["plain"].append(plain.ask("pass 1 1"))
            turns["one"].append(whole.ask("pass 1 3"))
            turns["all"].append(whole.ask(f"pass {cores} 5"))
        ndcg = {"plain": None, "whole": None}
        if learned:
            quality = plain.ask("quality")
            ndcg["plain"] = statistics.fmean(one["ndcg"] for one in quality.values())
            ndcg["whole"] = mean_of(learned, "learned", "ndcg")
    slug, rows, of = name.replace(" ", "-"), [], {}
    for key, text in (("plain", f"plain, beam {ef}"), ("one", "the whole, one thread"),
                      ("all", f"the whole, {cores} threads")):
        qps = middle([t["queries"] / t["seconds"] for t in turns[key]])
        cost = middle([1000 * t["processor_seconds"] / t["queries"] * hour / 3600 for t in turns[key]])
        of[key] = {"qps": qps, "cost": cost, **{q: middle([t[q] for t in turns[key]]) for q in ("p50_us", "p95_us")}}
        quality = ndcg["plain" if key == "plain" else "whole"]
        rows.append([text, f"{of[key]['p50_us']:,.0f}", f"{of[key]['p95_us']:,.0f}", f"{qps:,.0f}",
                     f"{qps / of['plain']['qps']:.1f}", f"{recall['plain' if key == 'plain' else 'whole']:.4f}",
                     "" if quality is None else f"{quality:.4f}", f"{1e6 * cost:.2f}"])  # fmt: skip
    result.table(f"{name}: before and after, in turns; cost: processor time at {hour:g} an hour of a core",
                 ["", "p50 µs", "p95 µs", "queries/s", "×", "of 100 nearest found", "nDCG@10",
                  "cost of 1,000 queries, millionths"], rows)  # fmt: skip
    gains = [(a["queries"] / a["seconds"]) / (p["queries"] / p["seconds"]) for a, p in zip(turns["all"], turns["plain"])]
    gain = middle(gains)
    result.row(f"before-after/{name}", ratios={"throughput": gain}, quality={} if not learned else {"ndcg": ndcg["whole"]},
               plain=of["plain"], one=of["one"], all=of["all"], beam=ef, recall=recall, ndcg=ndcg)  # fmt: skip
    run = not context.quality_only
    claim(result, f"p95-{slug}", f"{name}: p95 of the whole on {cores} threads", of["all"]["p95_us"] / 1e6, "s", "< 2",
          of["all"]["p95_us"] < 2e6, run)
    claim(result, f"throughput-{slug}", f"{name}: throughput over the plain pipeline's (1.4 is required)", gain, "×", ">= 5",
          gain >= 5, run)
    less = of["all"]["cost"] / of["plain"]["cost"]
    claim(result, f"cost-{slug}", f"{name}: cost of a query over the plain pipeline's", less, "", "< 1", less < 1, run)
    if learned:
        more = ndcg["whole"] - ndcg["plain"]
        claim(result, "ndcg", "seven sets: mean nDCG@10, while learning, above the plain pipeline's", more, "", ">= 0",
              more >= 0, len(learned) == len(JUDGED))


def run(context):
    if not PROGRAM.exists():
        raise report.BenchError(f"{PROGRAM} is not there; run ./dev bench engine")
    sets = find_sets(context)
    if not sets:
        raise report.BenchError("no judged set: $EQUIPOISE_DATA names the folder that holds them")
    result = report.Report("engine")
    judged = {name: folder for name, folder in sets.items() if name != LARGE}
    result.machine["sets"] = list(sets)
    domains = prepare(context, sets)
    learned = None
    if judged:
        with Process("whole", list(judged.values()), domains) as whole:
            tell_user(context, "learning ...")
            learned = learning(result, whole, list(judged) == JUDGED)
    else:
        not_run(result, ("recall", "mean Recall@10 over the seven sets above the better single path", "", ">= 0.10"))
    for name in ("npl", LARGE):
        if name not in sets:
            not_run(result, (f"loop-p50-{name}", f"{name}: what the loop adds to the p50", "µs", "max(10, 5 %)"))
            continue
        lines = sum(1 for _ in open(sets[name] / "queries.jsonl", encoding="utf-8"))
        with Process("whole", [sets[name]], domains) as whole:
            loop(context, result, whole, name, {"queries": lines}, domains is not None)
            if name == LARGE:
                storm(context, result, whole, name)
    if LARGE in sets:
        cold(context, result, sets[LARGE])
        two_threads(context, result, sets[LARGE], domains)
        before_and_after(context, result, LARGE, [sets[LARGE]], domains, None)
    else:
        not_run(result, ("feedback", "throughput with feedback over that without", "", ">= 0.95"),
                ("cold", "start of a process to its first answer", "ms", "< 50"),
                ("two-threads", "two threads over two processes", "", ">= 0.95"),
                (f"throughput-{LARGE}", f"{LARGE}: throughput over the plain pipeline's", "×", ">= 5"))  # fmt: skip
    if judged:
        before_and_after(context, result, "seven sets" if len(judged) == len(JUDGED) else ", ".join(judged),
                         list(judged.values()), domains, learned)  # fmt: skip
    return result
