"""The feedback filter beside NumPy and pandas doing the same, and beside the memory traffic that its two
passes need: 4 bytes an item read, then 16 read and 5 written."""

import json
import os
import pathlib
import subprocess
import sys

import report

ABOUT = "the feedback filter beside NumPy, pandas and plain memory traffic"
MINUTES = 1

BYTES = 25  # an item, both passes


def run_lines(command, environment=None):
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})}
    )
    if done.returncode != 0:
        raise report.BenchError(f"{command[0]}: {done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def peers():
    """NumPy's and pandas' times, or None where no Python at hand has NumPy."""
    venv = report.ROOT / "build/venv/bin/python3"
    for python in (os.environ.get("EQUIPOISE_PYTHON"), sys.executable, str(venv)):
        if not python or not pathlib.Path(python).exists():
            continue
        has = subprocess.run([python, "-c", "import numpy"], capture_output=True, check=False)
        if has.returncode == 0:
            script = report.ROOT / "bench/micro/filter_numpy.py"
            one = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
            return run_lines([python, str(script)], one)[0]
    return None


def run(context):
    result = report.Report("filter")
    program = report.ROOT / "build/release/bin/equipoise_filter_bench"
    if not program.exists():
        raise report.BenchError(f"{program} is not there; run ./dev bench filter")
    rows = run_lines([str(program)])
    result.machine["simd"] = rows[0]["simd"]
    sizes = {row["n"]: row["seconds"] for row in rows if row["case"] == "size"}
    large = next(row for row in rows if row["case"] == "large")
    others = peers()

    cells = []
    for n, seconds in sizes.items():
        ratios = {}
        cell = [f"{n:,} items", f"{seconds * 1e6:.2f}", f"{n / seconds / 1e6:.0f}"]
        for name in ("numpy", "tuned", "pandas"):
            theirs = others and others["seconds"].get(f"{name}/{n}")
            if theirs:
                ratios[name] = theirs / seconds
            cell.append(f"{theirs * 1e6:.1f}" if theirs else "not run")
        cells.append(cell)
        result.row(f"usual/n:{n}", ratios=ratios, seconds=seconds)
    versions = f" (NumPy {others['numpy']}, pandas {others['pandas'] or 'not run'})" if others else ""
    result.table(
        f"Decay × confidence, 3-sigma, weighted mean; one thread, {rows[0]['simd']}{versions}",
        ["what", "µs", "10⁶ items/s", "NumPy µs", "tuned, float32", "pandas µs"],
        cells,
    )

    n, seconds = large["n"], large["seconds"]
    share = large["traffic_seconds"] / seconds
    two = n / large["two_threads_seconds"] / large["two_processes_items_a_second"]
    eight = seconds / large["eight_threads_seconds"]
    result.row(
        f"usual/n:{n}",
        ratios={"traffic": share, "two_threads_of_two_processes": two, "eight_threads": eight},
        **{key: value for key, value in large.items() if key not in ("case", "n")},
    )
    result.table(
        f"{n:,} items, {large['cores']} cores",
        ["what", "ms", "GB/s"],
        [
            [name, f"{s * 1e3:.1f}", f"{BYTES * n / s / 1e9:.1f}"]
            for name, s in (
                ("filter, one thread", seconds),
                ("the same memory traffic, no arithmetic", large["traffic_seconds"]),
                ("filter, two threads", large["two_threads_seconds"]),
                ("two processes", n / large["two_processes_items_a_second"]),
                ("filter, eight threads asked for", large["eight_threads_seconds"]),
            )
        ],
    )

    latency = {row["threads"]: row for row in rows if row["case"] == "latency"}
    result.table(
        "A call of 100 items, 100,000 calls, the clock's own 50 ns included",
        ["threads", "p50 ns", "p95 ns", "p99 ns"],
        [[str(t), *(str(row[p]) for p in ("p50_ns", "p95_ns", "p99_ns"))] for t, row in latency.items()],
    )
    for threads, row in latency.items():
        result.row(f"latency/threads:{threads}", **{p: row[p] for p in ("p50_ns", "p95_ns", "p99_ns")})

    options = [row for row in rows if row["case"] == "option"]
    for row in options:
        result.row(f"option/{row['name']}", seconds=row["seconds"])
    result.table(
        "100,000 items, each further option alone",
        ["what", "µs", "ns an item"],
        [[r["name"], f"{r['seconds'] * 1e6:.0f}", f"{r['seconds'] / r['n'] * 1e9:.1f}"] for r in options],
        True,
    )

    grouped = [row for row in rows if row["case"] == "grouped"]
    cells = []
    for row in grouped:
        theirs = others and others["seconds"].get(f"grouped/{row['n']}")
        cells.append(
            [
                f"{row['n']:,} items",
                *(
                    f"{row[name] / row['n'] * 1e9:.1f}"
                    for name in (
                        "seconds", "two_threads_seconds",
                        "learned_seconds", "learned_two_threads_seconds",
                    )
                ),
                f"{theirs / row['n'] * 1e9:.1f}" if theirs else "not run",
            ]
        )
        ratios = {"pandas": theirs / row["seconds"]} if theirs else {}
        result.row(f"grouped/n:{row['n']}", ratios=ratios, seconds=row["seconds"])
        result.row(
            f"learned/n:{row['n']}",
            ratios={"two_threads": row["learned_seconds"] / row["learned_two_threads_seconds"]},
            seconds=row["learned_seconds"],
        )
    result.table(
        "ns an item with ids: duplicates, 3-sigma, mean and variance of each item and source; then with "
        "reliability and evidence learned",
        ["what", "one thread", "two", "learned, one", "two", "pandas, first task"],
        cells,
    )

    def claim(name, text, value, unit, target, ok):
        result.claim(name, text, value, unit, target, ok if value is not None else None)

    claim("items_100", "100 items", sizes[100] * 1e6, "µs", "< 1", sizes[100] < 1e-6)
    claim("items_1000", "1,000 items", sizes[1000] * 1e6, "µs", "< 4", sizes[1000] < 4e-6)
    ratio = others["seconds"]["numpy/100000"] / sizes[100_000] if others else None
    claim("numpy_100000", "100,000 items against NumPy", ratio, "×", ">= 5", others and ratio >= 5)
    claim(
        "traffic", "10 million items: share of the speed of the memory traffic that two passes need",
        share, "", ">= 0.8", share >= 0.8,
    )
    several = large["cores"] >= 2
    claim(
        "two_threads", "10 million items, two threads: against two processes",
        two if several else None, "×", ">= 0.95", two >= 0.95,
    )
    claim(
        "eight_threads", "10 million items, eight threads asked for: against one",
        eight, "×", ">= 0.95", eight >= 0.95,
    )
    same = all(row["same_bits"] for row in [large, *grouped])
    claim(
        "same_bits", "results of 1, 2 and 8 threads have the same bits",
        1.0 if same else 0.0, "", "1", same,
    )
    p95 = latency[8]["p95_ns"] / 1e6
    claim("p95_100", "100 items, 8 threads, p95", p95, "ms", "< 30", p95 < 30)
    rate = n / large["eight_threads_seconds"]
    claim("rate", "items a second, 8 threads", rate, "/s", "> 3000", rate > 3000)
    return result
