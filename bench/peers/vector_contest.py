"""The contestants of peers-vector: who they are, how they are started, and how they take turns."""

import array
import dataclasses
import json
import math
import os
import pathlib
import subprocess
import sys

import report

HERE = pathlib.Path(__file__).resolve().parent
WORK = report.ROOT / "build/peers-vector"
PROGRAM = report.ROOT / "build/release/bin/equipoise_vector_bench"
K = 10

PACKAGES = ["numpy", "faiss-cpu", "hnswlib", "usearch", "scalable-vs", "ngt"]
EFS = [10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 384, 512]
MARGINS = [0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.18, 0.22, 0.26, 0.3, 0.36, 0.44, 0.55, 0.7, 1]
ENOUGH = 0.992  # a sweep ends there, or where three settings bring less than
LITTLE = 0.001
TURN_SECONDS = 0.2  # what a setting gets in a round, at least
LEAST = 0.85  # settings below are not measured


class Absent(Exception):
    """Why a contestant is not measured."""


@dataclasses.dataclass
class Point:
    """One setting of one contestant: seconds of the fastest pass over all queries."""

    setting: str
    recall: float
    passes: int = 1  # over all queries, in a turn
    one: float = math.inf
    batch: float = math.inf
    two_threads: float = math.inf
    p50_us: float = math.inf
    p99_us: float = math.inf
    touched: dict | None = None


class Contestant:
    """A process that builds an index and answers searches; vector_peers.py says how."""

    def __init__(self, name, command, sweep, ours=False, level=None, environment=None, build_first=None):
        self.name, self.command, self.sweep, self.ours, self.level = name, command, sweep, ours, level
        self.environment = environment or {}
        self.build_first = build_first  # the contestant whose files this one reads
        self.process, self.built, self.points, self.why = None, None, [], None

    def start(self, folder):
        if self.command is None:
            raise Absent(self.why)
        WORK.mkdir(parents=True, exist_ok=True)
        name = self.name.replace(" ", "_")
        self.log = WORK / f"{name}.log"
        own = folder / (self.build_first or self.name).replace(" ", "_")
        places = {"{rows}": folder / "rows.npy", "{queries}": folder / "queries.npy", "{own}": own}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [str(places.get(word, word)) for word in self.command],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **self.environment},
            )  # fmt: skip
        self.built = self.ask("build")

    def tell(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except (BrokenPipeError, OSError):
            pass  # hear says why

    def hear(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            lines = [x for x in self.log.read_text(errors="replace").splitlines() if x.strip()]
            raise Absent(lines[-1] if lines else f"ended with {self.process.returncode}")
        answer = json.loads(line)
        if "error" in answer:
            raise Absent(answer["error"])
        return answer

    def ask(self, line):
        self.tell(line)
        return self.hear()

    def stop(self):
        if self.process is not None:
            self.process.kill()  # it may be building; nothing that it holds is wanted
            self.process.communicate()
            self.process = None

    def find_sweep(self, truth):
        """The settings worth measuring, with the recall of each."""
        ids = WORK / "ids"
        for setting in self.sweep:
            answer = self.ask(f"search {setting} one 1 1 {ids}")
            passes = min(10, math.ceil(TURN_SECONDS / min(answer["seconds"])))
            point = Point(setting, recall_of(ids, truth), passes, touched=answer.get("touched"))
            if self.points and point.recall < LEAST:
                self.points.clear()  # only the last below is needed, to interpolate from
            self.points.append(point)
            flat = len(self.points) > 3 and point.recall - self.points[-4].recall < LITTLE
            if point.recall >= ENOUGH or flat:
                break

    def take_turn(self):
        for point in self.points:
            for mode, threads, field in (("one", 1, "one"), ("batch", 1, "batch"), ("batch", 2, "two_threads")):
                answer = self.ask(f"search {point.setting} {mode} {threads} {point.passes} -")
                seconds = min(answer["seconds"])
                if mode == "one" and seconds < point.one:
                    point.p50_us, point.p99_us = answer["p50_us"], answer["p99_us"]
                setattr(point, field, min(getattr(point, field), seconds))

    def at(self, recall, value, lowest=False):
        """value(point) at a recall, its logarithm interpolated over recall; None where not reached.

        Where already the first setting reaches more, that setting counts.
        """
        points = sorted(self.points, key=lambda p: p.recall)
        for before, point in zip([None, *points], points):
            if point.recall < recall:
                continue
            if before is None:
                return value(point)
            w = (recall - before.recall) / (point.recall - before.recall)
            return math.exp((1 - w) * math.log(value(before)) + w * math.log(value(point)))
        return None

    def near(self, recall):
        """The point whose recall is nearest."""
        return min(self.points, key=lambda p: abs(p.recall - recall))


def recall_of(path, truth):
    """Mean share of the ten best that were found; whatever ties with the tenth is as good."""
    ids = array.array("i")
    ids.frombytes(path.read_bytes())
    if len(ids) != K * len(truth):
        raise Absent(f"{len(ids)} ids for {len(truth)} queries")
    total = 0.0
    for i, right in enumerate(truth):
        wanted = min(K, len(right))
        total += min(wanted, len(set(ids[K * i : K * i + K]) & right)) / wanted
    return total / len(truth)


def tell_user(context, text):
    if not context.quiet:
        print(text, file=sys.stderr, flush=True)


def make_venv(context, name="venv-vector-peers", packages=PACKAGES):
    """The Python of an environment with the peers, and for each package that is missing the reason."""
    venv = report.ROOT / "build" / name
    python = venv / "bin/python3"
    failed = {}
    if not python.exists():
        done = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return None, {package: "no Python environment could be made" for package in packages}
    listed = subprocess.run(
        [str(python), "-m", "pip", "list", "--format=json"], capture_output=True, text=True, check=False
    )
    there = {p["name"] for p in json.loads(listed.stdout or "[]")}
    for package in packages:
        if package in there:
            continue
        tell_user(context, f"installing {package} ...")
        done = subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "30", package],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            failed[package] = f"{package} could not be installed"
    return python, failed


def symqg(context):
    """The driver of SymphonyQG, compiled where EQUIPOISE_RABITQ names a checkout of RaBitQ-Library."""
    checkout = os.environ.get("EQUIPOISE_RABITQ")
    if not checkout:
        return None, "needs EQUIPOISE_RABITQ, a checkout of RaBitQ-Library"
    driver = WORK / "symqg_driver"
    source = HERE / "symqg_driver.cc"
    if driver.exists() and driver.stat().st_mtime > source.stat().st_mtime:
        return driver, None
    tell_user(context, "compiling SymphonyQG ...")
    WORK.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["g++", "-std=c++17", "-O3", "-Ofast", "-march=native", "-fopenmp", f"-I{checkout}/include",
         str(source), "-o", str(driver)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return (driver, None) if done.returncode == 0 else (None, f"{checkout} does not compile: see its README")


def contestants(context, names):
    """Everyone, or those that are named; absent ones know why."""
    python, failed = make_venv(context)
    margins = [f"margin={m:g}" for m in MARGINS]
    out = []

    def ours(name, storage, level=None, of=None, tuned=True, settings=margins):
        command = [str(PROGRAM), "serve", "--corpus", "{rows}", "--queries", "{queries}", "--folder", "{own}",
                   "--storage", storage, "--threads", "2", "--reuse", "yes" if of else "no",
                   *([] if tuned else ["--untuned"])]  # fmt: skip
        if storage == "inline":
            # The fastest that takes no more memory than SymphonyQG of degree 32.
            command += ["--m", "20"]
        simd = {"EQUIPOISE_SIMD": level} if level else {}
        out.append(Contestant(name, command, settings, True, level, simd, of))

    def peer(name, package, adapter, level=None, of=None):
        command = None
        if python and package not in failed:
            command = [str(python), str(HERE / "vector_peers.py"), adapter, "--corpus", "{rows}",
                       "--queries", "{queries}", "--folder", "{own}", *(["--reuse"] if of else [])]  # fmt: skip
        simd = {"FAISS_SIMD_LEVEL": level.upper()} if level else {}
        out.append(Contestant(name, command, EFS, False, level, simd, of))
        out[-1].why = failed.get(package, "no Python environment could be made")

    for storage in ("int8+float16", "inline", "int8", "int4+int8", "float32"):
        ours(storage, storage)
    for storage in ("int8+float16", "inline"):
        ours(f"{storage} untuned", storage, of=storage, tuned=False)
    # The same index whose walks end by a beam, as everybody's do, and not where a query is easy.
    ours("int8+float16 ef", "int8+float16", of="int8+float16", settings=[f"ef={ef}" for ef in EFS])
    peer("faiss-hnsw", "faiss-cpu", "faiss-hnsw")
    peer("faiss-hnswsq", "faiss-cpu", "faiss-hnswsq")
    peer("hnswlib", "hnswlib", "hnswlib")
    for kind in ("usearch-i8", "usearch-f16"):
        peer(kind, "usearch", kind)
    for kind in ("svs-lvq8", "svs-lvq4x8", "svs-f32", "svs-f16"):
        peer(kind, "scalable-vs", kind)
    peer("ngt-qg", "ngt", "ngt-qg")
    driver, why = symqg(context)
    out.append(Contestant("symphonyqg", driver and [str(driver), "{rows}", "{queries}", "{own}"], EFS))
    out[-1].why = why
    for level in ("avx2", "avx512"):
        ours(f"int8+float16 {level}", "int8+float16", level, "int8+float16")
        for name in ("faiss-hnsw", "faiss-hnswsq"):
            peer(f"{name} {level}", "faiss-cpu", name, level, name)
    if names:
        out = [one for one in out if one.name in names or one.name.replace(" ", "/") in names]
    return out
