"""The lexical index beside bm25s (numba) and tantivy.

Everyone answers the same queries on the same machine in one run, in turns: each has a process, and a
round asks each of them once, so that a busy moment of the machine meets all; the fastest pass counts.
One thread, the ten best, queries as tokens of our analyzer, so that all index and search the same; the
rows "from text" analyse the query as well, everyone in its own way. Python's call is part of a peer's
time, as it is for whoever uses it; where a peer takes all queries in one call, the better way counts.

Sets (--sets A,B), from $EQUIPOISE_DATA: npl, wordnet, and million: 1,000,000 documents made of wordnet's.
Each takes the first words of one and the last words of another, cut at the same random share of both
(seed 1): so every word is drawn as often as in the real set, lengths are spread alike, and most words
keep their neighbours. Its queries are wordnet's. Only when it is named, laptop: ten million documents made
likewise, of texts, through the program with --memory 512MiB (some minutes, 4 GB of disk).

Environment
  EQUIPOISE_PEERS_ROUNDS    rounds of turns, 5 unless set
  EQUIPOISE_PEERS_MILLION   documents of `million`, to try something quickly
  EQUIPOISE_PEERS_LAPTOP    documents of `laptop`
"""

import array
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess

import report
from peers import lexical_laptop
from peers.vector_contest import HERE, Absent, make_venv, tell_user

ABOUT = "the lexical index beside bm25s and tantivy: QPS, bytes a posting, documents a second"
MINUTES = 10

WORK = report.ROOT / "build/peers-lexical"
PROGRAM = report.ROOT / "build/release/bin/equipoise_lexical_bench"
PACKAGES = ["numpy", "numba", "bm25s", "PyStemmer", "tantivy"]
SETS = ["npl", "wordnet", "million"]
K = 10
TURN_SECONDS = 0.3  # what everyone gets in a round, at least


class Contestant:
    """A process that builds an index and answers searches; lexical_peers.py says how."""

    def __init__(self, name, command, ways, why=None):
        self.name, self.command, self.why = name, command, why
        self.ways = ways
        self.process, self.built, self.best = None, None, {}

    def files(self, folder):
        return ["--docs", folder / "docs", "--queries", folder / "queries", "--texts", folder / "texts",
                "--query-texts", folder / "query-texts", "--folder", folder / self.name]  # fmt: skip

    def start(self, folder):
        if self.command is None:
            raise Absent(self.why)
        files = self.files(folder)
        self.log = folder.parent / f"{self.name}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*map(str, [*self.command, *files])], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log, text=True)  # fmt: skip

    def ask(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except OSError:
            pass  # the log says why
        answer = self.process.stdout.readline()
        if not answer:
            lines = [x for x in self.log.read_text(errors="replace").splitlines() if x.strip()]
            raise Absent(lines[-1] if lines else "ended")
        answer = json.loads(answer)
        if "error" in answer:
            raise Absent(answer["error"])
        return answer

    def take_turn(self):
        for way in self.ways:
            if way not in self.best:
                self.best[way] = self.ask(f"search {way} 1 -")
            passes = max(1, min(500, round(TURN_SECONDS / min(self.best[way]["seconds"]))))
            answer = self.ask(f"search {way} {passes} -")
            if min(answer["seconds"]) < min(self.best[way]["seconds"]):
                self.best[way] = answer

    def qps(self, queries, ways=None):
        """The best of its ways, and which that is."""
        found = [(queries / min(self.best[way]["seconds"]), way) for way in ways or self.ways if way in self.best]
        return max(found, default=(None, ""))

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def texts_of(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            yield " ".join(f"{row.get('title', '')} {row['text']}".split())


def write_lines(path, texts):
    with open(path, "w", encoding="utf-8") as file:
        for text in texts:
            file.write(text + "\n")


def program(*arguments):
    done = subprocess.run([str(PROGRAM), *map(str, arguments)], input="tokens\n", capture_output=True, text=True,
                          check=False)  # fmt: skip
    if done.returncode != 0 or "error" in done.stdout:
        raise report.BenchError(f"{PROGRAM}: {done.stderr.strip()} {done.stdout.strip()}")


def recombine(docs, count):
    draw = random.Random(1)
    for _ in range(count):
        first, last, share = docs[draw.randrange(len(docs))], docs[draw.randrange(len(docs))], draw.random()
        yield " ".join(first[: round(share * len(first))] + last[round(share * len(last)) :])


def prepare(name, folder):
    """docs, queries (tokens), texts and query-texts in the folder."""
    data = pathlib.Path(os.environ.get("EQUIPOISE_DATA") or "absent") / ("wordnet" if name == "million" else name)
    if not (data / "corpus.jsonl").exists():
        raise Absent("not in $EQUIPOISE_DATA")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_lines(folder / "texts", texts_of(data / "corpus.jsonl"))
    write_lines(folder / "query-texts", texts_of(data / "queries.jsonl"))
    program("--docs", folder / "docs", "--queries", folder / "queries", "--texts", folder / "texts",
            "--query-texts", folder / "query-texts", "--folder", folder)  # fmt: skip
    if name == "million":
        docs = [line.split() for line in (folder / "docs").read_text(encoding="utf-8").splitlines()]
        write_lines(folder / "docs", recombine(docs, int(os.environ.get("EQUIPOISE_PEERS_MILLION") or 1_000_000)))
        (folder / "texts").write_text("", encoding="utf-8")
    return sum(1 for _ in open(folder / "queries", encoding="utf-8"))


def contestants(context):
    python, failed = make_venv(context, "venv-lexical-peers", PACKAGES)
    out = [Contestant("equipoise", [PROGRAM], ["auto", "all", "pruned", "text"])]
    for name, needs, ways in (("bm25s", ["bm25s", "numba", "PyStemmer"], ["one", "batch", "text"]),
                              ("tantivy", ["tantivy"], ["one", "text"])):  # fmt: skip
        missing = [failed[package] for package in ["numpy", *needs] if package in failed]
        command = [python, HERE / "lexical_peers.py", name] if python and not missing else None
        out.append(Contestant(name, command, ways, "; ".join(missing)))
    return out


def rankings(one, way, queries):
    path = WORK / "found"
    one.ask(f"search {way} 1 {path}")
    raw = path.read_bytes()
    ids, scores = array.array("i"), array.array("f")
    ids.frombytes(raw[: 4 * K * queries])
    scores.frombytes(raw[4 * K * queries :])
    return ids, scores


def agreement(mine, theirs):
    """Share of the ten ids that both have, and the largest difference of scores at a rank, relative."""
    shared = wanted = 0
    worst = 0.0
    for at in range(0, len(mine[0]), K):
        a = {i for i in mine[0][at : at + K] if i >= 0}
        shared += len(a & set(theirs[0][at : at + K]))
        wanted += len(a)
        for x, y in zip(mine[1][at : at + K], theirs[1][at : at + K]):
            worst = max(worst, abs(x - y) / max(abs(x), 1e-9) if x > 0 else 0)
    return shared / max(wanted, 1), worst


def number(value, form="{:,.0f}"):
    return "" if value is None else form.format(value)


def measure(context, result, name):
    folder = WORK / name
    tell_user(context, f"{name}: preparing ...")
    queries = prepare(name, folder)
    everyone = contestants(context)
    try:
        for one in everyone:
            tell_user(context, f"{name}: {one.name} builds ...")
            try:
                one.start(folder)
                one.built = one.ask("build")
                if name == "million":
                    one.ways = [way for way in one.ways if way != "text"]
            except Absent as why:
                one.why, one.built = str(why), None
        running = [one for one in everyone if one.built]
        mine = everyone[0]
        if not mine.built:
            raise report.BenchError(f"{PROGRAM}: {mine.why}")
        for turn in range(int(os.environ.get("EQUIPOISE_PEERS_ROUNDS") or 5)):
            tell_user(context, f"{name}: round {turn + 1} ...")
            for one in running:
                one.take_turn()
        speeds = index_speeds(context, running) if name == "wordnet" else {}
        return summarize(result, name, everyone, queries, speeds)
    finally:
        for one in everyone:
            one.stop()
        shutil.rmtree(folder, ignore_errors=True)


def index_speeds(context, running):
    """Documents a second from text with two threads, in turns; the best of three."""
    out = {}
    for _ in range(3):
        for one in running:
            if one.name == "bm25s":
                continue
            tell_user(context, f"{one.name} indexes ...")
            answer = one.ask("index 2")
            out[one.name] = max(out.get(one.name, 0), answer["documents"] / answer["seconds"])
    return out


def summarize(result, name, everyone, queries, speeds):
    mine = everyone[0]
    result.machine["simd"] = mine.built["simd"]
    postings = mine.built["postings"]
    ours = rankings(mine, "auto", queries)
    same_ways = rankings(mine, "all", queries) == rankings(mine, "pruned", queries)
    rows, qps, agreed = [], {}, {}
    shown = [(mine, "auto"), (mine, "all"), (mine, "pruned"), (mine, "text")]
    for peer in everyone[1:]:
        shown += [(peer, None), (peer, "text")]
    for one, way in shown:
        label = f"{one.name}{'' if way in ('auto', None) else ', from text' if way == 'text' else f', {way}'}"
        if not one.built:
            if way is None:
                rows.append([one.name, "not run: " + (one.why or ""), *[""] * 7])
                result.row(f"{name}/{one.name}", not_run=one.why)
            continue
        ways = [w for w in ("one", "batch") if w in one.ways] if way is None else [way]
        value, call = one.qps(queries, ways)
        if value is None:
            continue
        qps[label] = value
        single = one.best.get("one" if way is None else way, {})
        overlap, worst = agreement(ours, rankings(one, "one", queries)) if way is None else (None, None)
        agreed[label] = (overlap, worst)
        each = one.built["bytes"] / postings if way in ("auto", None) else None
        speed = speeds.get(one.name) if way in ("auto", None) else None
        version = one.built.get("version", "") + (f" ({one.built['note']})" if one.built.get("note") else "")
        rows.append([label, version, number(value), number(value / qps["equipoise"], "{:.2f}"),
                     number(single.get("p50_us"), "{:.1f}"), number(single.get("p99_us"), "{:.1f}"), number(each, "{:.2f}"),
                     number(speed), "" if overlap is None else f"{overlap:.4f} / {worst:.1e}"])  # fmt: skip
        result.row(f"{name}/{label}", qps=value, call=call, p50_us=single.get("p50_us"), p99_us=single.get("p99_us"),
                   bytes_per_posting=each, documents_per_second=speed, version=version, overlap=overlap,
                   score_difference=worst)  # fmt: skip
    result.table(
        f"{name}, {mine.built['documents']:,} documents, {postings:,} postings, {queries:,} queries, top 10, one thread",
        ["index", "version", "QPS", "of ours", "p50 µs", "p99 µs", "bytes a posting", "documents/s, 2 threads",
         "same ids / score difference"],
        rows,
    )  # fmt: skip
    claims(result, name, everyone, qps, agreed, postings, speeds, same_ways)
    if name == "npl":
        scored = statistics.median(mine.ask("score 20")["p50_us"] for _ in range(5))
        result.row("npl/score 100 documents", p50_us=scored)
        result.claim("npl/score", "npl: Score(query, ids) of 100 documents, median query", scored, "µs", "< 20",
                     scored < 20)  # fmt: skip
    return {label: queries and 1e6 / value for label, value in qps.items()}


def claims(result, name, everyone, qps, agreed, postings, speeds, same_ways):
    def claim(claim_id, text, value, unit, target, ok):
        result.claim(f"{name}/{claim_id}", f"{name}: {text}", value, unit, target, None if value is None else ok(value))

    peers = [qps[one.name] for one in everyone[1:] if one.name in qps]
    ratio = qps["equipoise"] / max(peers) if len(peers) == 2 else None
    claim("qps", "QPS against the best peer", ratio, "×", ">= 1.5", lambda v: v >= 1.5)
    if ratio:
        result.rows[-1]["ratios"]["best peer"] = ratio
    ways = [qps[f"equipoise, {way}"] for way in ("all", "pruned") if f"equipoise, {way}" in qps]
    claim("chosen", "the way that is chosen against the faster of both", qps["equipoise"] / max(ways) if ways else None,
          "×", ">= 0.95", lambda v: v >= 0.95)  # fmt: skip
    claim("ways", "pruned and exhaustive give the same ids and scores", float(same_ways), "", "1", lambda v: v == 1)
    overlap, worst = agreed.get("bm25s", (None, None))
    claim("scores", "largest relative difference of a top-10 score from bm25s's", worst, "", "<= 1e-4",
          lambda v: v <= 1e-4)  # fmt: skip
    by_name = {one.name: one for one in everyone}
    tantivy = by_name["tantivy"].built
    claim("bytes", "bytes a posting against tantivy's", tantivy and by_name["equipoise"].built["bytes"] / tantivy["bytes"],
          "×", "<= 1.25", lambda v: v <= 1.25)  # fmt: skip
    if name == "wordnet":
        both = speeds.get("equipoise") and speeds.get("tantivy")
        claim("indexing", "documents a second from text against tantivy's, two threads, English stemming",
              speeds["equipoise"] / speeds["tantivy"] if both else None, "×", ">= 2", lambda v: v >= 2)  # fmt: skip
    if name == "million":
        claim("pruned", "pruned against adding every posting", qps["equipoise, pruned"] / qps["equipoise, all"], "×", "> 1",
              lambda v: v > 1)  # fmt: skip


def growth(result, small, large):
    """Time a query over documents: 1 is linear."""
    if not small or not large:
        return
    for label in ("equipoise", "bm25s", "tantivy"):
        if label in small and label in large:
            result.row(f"growth/{label}", times=large[label] / small[label])
    value = large["equipoise"] / small["equipoise"]
    other = large["bm25s"] / small["bm25s"] if "bm25s" in small and "bm25s" in large else None
    text = "time a query from wordnet to million" + (f" (bm25s: {other:.1f} ×)" if other else "")
    result.claim("growth", text, value, "×", "< bm25s's", None if other is None else value < other)


def laptop(context, result):
    corpus = pathlib.Path(os.environ.get("EQUIPOISE_DATA") or "absent") / "wordnet" / "corpus.jsonl"
    if not corpus.exists():
        tell_user(context, "laptop: not in $EQUIPOISE_DATA")
        return
    tell_user(context, "laptop: documents are made and indexed ...")
    docs = [text.split() for text in texts_of(corpus)]
    count = int(os.environ.get("EQUIPOISE_PEERS_LAPTOP") or 10_000_000)
    lexical_laptop.measure(context, result, WORK / "laptop", recombine(docs, count))


def run(context):
    result = report.Report("peers-lexical")
    if not PROGRAM.exists():
        raise report.BenchError(f"{PROGRAM} is not there; run ./dev bench peers-lexical")
    WORK.mkdir(parents=True, exist_ok=True)
    times = {}
    for name in context.sets or SETS:
        if name not in [*SETS, "laptop"]:
            raise report.BenchError(f"no such set: {name}; there are {', '.join(SETS)}, laptop")
        try:
            if name == "laptop":
                laptop(context, result)
                continue
            times[name] = measure(context, result, name)
        except Absent as why:
            tell_user(context, f"{name}: {why}")
            result.claim(f"{name}/qps", f"{name}: QPS against the best peer", None, "×", ">= 1.5", None)
    growth(result, times.get("wordnet"), times.get("million"))
    return result
