"""What a benchmark hands back: machine, rows, claims, tables; and how two results compare."""

import dataclasses
import json
import os
import pathlib
import platform
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# A stored result against a new one: what counts as a fall.
QUALITY_TOLERANCE = 0.005  # absolute, for measures such as nDCG@10
RATIO_TOLERANCE = 0.10  # relative, for ratios against a peer


class BenchError(Exception):
    """A benchmark that cannot run: what is missing and what to do."""


def run_json(command):
    """What a program prints as one JSON object; one thread of whatever BLAS it uses."""
    one = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **one},
    )
    if done.returncode != 0:
        raise BenchError(f"{command[0]}: exit {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def peers_python(modules, packages):
    """A Python that has a peer's modules, made where there is none; None where that cannot be done."""
    venv = ROOT / "build/bench-venv"
    has = f"import {', '.join(modules)}"
    for python in (os.environ.get("EQUIPOISE_PYTHON"), str(venv / "bin/python3")):
        if python and pathlib.Path(python).exists():
            if subprocess.run([python, "-c", has], capture_output=True, check=False).returncode == 0:
                return python
    try:
        subprocess.run([sys.executable, "-m", "venv", venv], capture_output=True, check=True)
        install = [venv / "bin/python3", "-m", "pip", "install", "--quiet", "--retries", "1", *packages]
        subprocess.run(install, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return str(venv / "bin/python3")


@dataclasses.dataclass
class Context:
    """What the command line asked for."""

    program: str | None = None
    sets: list | None = None
    quality_only: bool = False
    quiet: bool = False

    def binary(self):
        path = pathlib.Path(self.program or ROOT / "build/release/bin/equipoise")
        if not path.exists():
            raise BenchError(f"{path} is not there; run ./dev build")
        return str(path)

    def equipoise(self, *arguments):
        """Runs the program with --json and returns its object."""
        command = [self.binary(), *map(str, arguments), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
        return json.loads(done.stdout)


@dataclasses.dataclass
class Report:
    """The result of one benchmark."""

    name: str
    rows: list = dataclasses.field(default_factory=list)
    claims: list = dataclasses.field(default_factory=list)
    tables: list = dataclasses.field(default_factory=list)  # (title, header, rows of text)
    details: set = dataclasses.field(default_factory=set)  # titles of tables too long for a README
    machine: dict = dataclasses.field(default_factory=lambda: machine())

    def row(self, row_id, quality=None, ratios=None, **measured):
        """Adds what was measured. quality and ratios are what --compare looks at."""
        self.rows.append({"id": row_id, "quality": quality or {}, "ratios": ratios or {}, **measured})

    def claim(self, claim_id, text, value, unit, target, ok):
        """Adds a number that is stated somewhere. ok None: not run."""
        self.claims.append(
            {"id": claim_id, "text": text, "value": value, "unit": unit, "target": target, "ok": ok}
        )

    def table(self, title, header, rows, detail=False):
        self.tables.append((title, header, rows))
        if detail:
            self.details.add(title)

    def as_object(self, fallen=()):
        return {
            "benchmark": self.name,
            "machine": self.machine,
            "rows": self.rows,
            "claims": self.claims,
            "fell": list(fallen),
        }

    def as_text(self):
        m = self.machine
        out = [
            f"{self.name}: {m['processor']}, {m['cores']} cores, {m['instruction_set']}, "
            f"{m['compiler']}, commit {m['commit']}"
        ]
        for title, header, rows in self.tables:
            widths = [max(len(r[c]) for r in [header, *rows]) for c in range(len(header))]
            out += ["", title]
            for r in [header, *rows]:
                first = r[0].ljust(widths[0])
                out.append("  ".join([first, *(x.rjust(w) for x, w in zip(r[1:], widths[1:]))]))
        if self.claims:
            out += ["", "claims"]
        for c in self.claims:
            mark = {True: "ok     ", False: "FAILED ", None: "not run"}[c["ok"]]
            value = "" if c["value"] is None else f"{c['value']:.4g} {c['unit']}".rstrip()
            out.append(f"{mark} {c['text']}: {value} (target {c['target']})")
        return "\n".join(out)


def markdown(header, rows):
    lines = ["| " + " | ".join(header) + " |", "| --- |" + " ---: |" * (len(header) - 1)]
    return "\n".join(lines + ["| " + " | ".join(r) + " |" for r in rows])


def machine():
    """The machine and the build, so that a number can be read a year later."""
    info = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    model = re.search(r"model name\s*:\s*(.*)", info)
    flags = set((re.search(r"flags\s*:\s*(.*)", info) or ["", ""])[1].split())
    named = [
        ("avx512_vnni", "AVX-512 VNNI"),
        ("avx512f", "AVX-512"),
        ("avx2", "AVX2"),
        ("sse2", "SSE2"),
    ]
    isa = next((text for flag, text in named if flag in flags), platform.machine())
    cache = ROOT / "build/release/CMakeCache.txt"
    compiler = "unknown compiler"
    if cache.exists():
        found = re.search(r"CMAKE_CXX_COMPILER:\w+=(.*)", cache.read_text(encoding="utf-8"))
        if found:
            compiler = first_line([found[1], "--version"])
    return {
        "processor": model[1].strip() if model else platform.processor() or "unknown",
        "instruction_set": isa,
        "cores": len(os.sched_getaffinity(0)),
        "compiler": compiler,
        "commit": commit(),
    }


def commit():
    """What is measured; "-dirty" where more than tables in README.md and docs/ is not committed. Where git says
    nothing, nothing has changed."""
    git = ["git", "-C", str(ROOT)]
    changed = first_line([*git, "status", "--porcelain", "-uno", "--", ".", ":!README.md", ":!docs"])
    return first_line([*git, "describe", "--always"]) + ("" if changed == "unknown" else "-dirty")


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.splitlines()[0] if done.stdout else "unknown"
    except OSError:
        return "unknown"


def load(path):
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchError(f"{path}: {error}") from error


def save(path, result):
    text = json.dumps(result.as_object(), indent=1, ensure_ascii=False) + "\n"
    pathlib.Path(path).write_text(text, encoding="utf-8")


def compare(stored, result):
    """Lines that name every number that fell against the stored result."""
    if stored.get("benchmark") != result.name:
        raise BenchError(f"the stored result is of the benchmark {stored.get('benchmark')!r}")
    new = {row["id"]: row for row in result.rows}
    fallen = []
    for old in stored["rows"]:
        row = new.get(old["id"])
        if row is None:
            fallen.append(f"{old['id']}: was measured before and is not now")
            continue
        for name, before in old["quality"].items():
            now = row["quality"].get(name)
            if now is None or now < before - QUALITY_TOLERANCE:
                fallen.append(f"{old['id']}: {name} {before:.4f} -> {now if now is None else round(now, 4)}")
        for name, before in old["ratios"].items():
            now = row["ratios"].get(name)
            if now is None or now < before * (1 - RATIO_TOLERANCE):
                fallen.append(f"{old['id']}: {name} {before:.3g} -> {now if now is None else round(now, 3)}")
    return fallen


def table_files(name):
    """The Markdown files that show the benchmark's tables: README.md, and what lies in docs/."""
    marker = f"<!-- bench {name} -->"
    files = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [file for file in files if marker in file.read_text(encoding="utf-8")]


def write_tables(name, result, path=None):
    """Replaces what stands between <!-- bench NAME --> and <!-- end --> by the result's tables, in the file
    that is named or wherever it stands."""
    files = [pathlib.Path(path)] if path else table_files(name)
    if not files:
        raise BenchError(f"neither README.md nor docs/ has a <!-- bench {name} --> ... <!-- end -->")
    m = result.machine
    block = f"<!-- bench {name} -->\n"
    for title, header, rows in result.tables:
        if title in result.details:
            continue
        block += f"{title}\n\n{markdown(header, rows)}\n\n"
    block += (
        f"From `./dev bench {name}` on {m['processor']} ({m['instruction_set']}), {m['compiler']}, "
        f"commit {m['commit']}.\n<!-- end -->"
    )
    pattern = re.compile(rf"<!-- bench {name} -->.*?<!-- end -->", re.S)
    for file in files:
        text = file.read_text(encoding="utf-8")
        if not pattern.search(text):
            raise BenchError(f"{file} has no <!-- bench {name} --> ... <!-- end -->")
        file.write_text(pattern.sub(lambda _: block, text), encoding="utf-8")
