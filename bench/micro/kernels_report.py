"""The kernels: single calls by Google Benchmark, and batches beside the BLAS that a program would call
instead, one thread, on this machine's best instruction set and forced to AVX2."""

import json
import os
import subprocess

import report

ABOUT = "similarity, top-k and quantization beside OpenBLAS and a plain read of memory, one thread"
MINUTES = 4

BIN = report.ROOT / "build/release/bin"


def lines_of(command, environment=None):
    program = BIN / command[0]
    if not program.exists():
        raise report.BenchError(f"{program} is not there; run ./dev bench kernels")
    done = subprocess.run(
        [str(program), *command[1:]],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode != 0:
        raise report.BenchError(done.stderr.strip())
    return done.stdout


def batches(environment=None):
    """(what ran, rows) of the batch benchmark."""
    lines = [json.loads(line) for line in lines_of(["equipoise_batch_bench"], environment).splitlines()]
    return lines[0], lines[1:]


def of(rows, case, **where):
    found = [r for r in rows if r["case"] == case and all(r[k] == v for k, v in where.items())]
    return found[0]


def microseconds(seconds):
    return f"{seconds * 1e6:.1f}" if seconds < 1e-3 else f"{seconds * 1e6:.0f}"


def single_calls(result):
    out = lines_of(
        [
            "equipoise_micro_bench",
            "--benchmark_format=json",
            "--benchmark_repetitions=5",
            "--benchmark_report_aggregates_only=true",
        ]
    )
    cells = {}
    for entry in json.loads(out)["benchmarks"]:
        cells.setdefault(entry["run_name"], {})[entry["aggregate_name"]] = entry["cpu_time"]
    for name, values in cells.items():
        result.row(name, time_ns={"median": values["median"], "stddev": values["stddev"]})
    result.table(
        "CPU time a call, median of 5 repetitions",
        ["benchmark", "ns", "± ns"],
        [[n, f"{v['median']:.1f}", f"{v['stddev']:.1f}"] for n, v in cells.items()],
        True,
    )


def tables(result, what, rows, detail=False):
    level, core = what["simd"], what["blas core"]
    blas = what["blas"].split(" NO_")[0] + f" ({core})"
    cells = []
    for row in rows:
        if row["case"] != "batch":
            continue
        for name, seconds in row["seconds"].items():
            recall = row["recall"]["int8" if name.startswith("int8") else "float32"]
            cells.append(
                [
                    f"{name}, d = {row['d']}",
                    f"{seconds * 1e3:.1f}",
                    f"{row['speedup'][name]:.2f}",
                    "" if name == "sgemm" else f"{recall:.3f}",
                ]
            )
    result.table(
        f"Top 10 of 100,000 items for 256 queries, {level}, beside {blas} writing all scores; "
        "\"set\": items prepared before",
        ["what", "ms", "× sgemm", "recall@10"],
        cells,
        detail,
    )
    cells = []
    for row in rows:
        if row["case"] != "single":
            continue
        for name, seconds in row["seconds"].items():
            cells.append(
                [
                    f"{name}, d = {row['d']}",
                    f"{seconds * 1e3:.2f}",
                    f"{row['gigabytes'] / seconds:.1f}",
                    f"{row['speedup'][name]:.2f}",
                ]
            )
    result.table(
        f"Top 10 of 100,000 items for one query, {level}, beside a plain read of the same memory",
        ["what", "ms", "GB/s", "× read"],
        cells,
        True,
    )
    cells = []
    for row in rows:
        if row["case"] != "prototypes":
            continue
        for name, seconds in row["seconds"].items():
            cells.append(
                [
                    f"{name}, batch of {row['m']}, d = {row['d']}",
                    microseconds(seconds),
                    f"{row['speedup'][name]:.2f}",
                ]
            )
    result.table(
        f"The best of 720 prototypes for each query of a batch, {level}",
        ["what", "µs", "× sgemm"],
        cells,
        detail,
    )


def add_rows(result, what, rows):
    for row in rows:
        name = f"{row['case']}/simd:{what['simd']}/m:{row['m']}/n:{row['n']}/d:{row['d']}"
        result.row(name, quality=row.get("recall"), ratios=row["speedup"], seconds=row["seconds"])


def claims_of_best(result, rows, vnni):
    def claim(name, text, value, unit, target, ok, needs_vnni=False):
        run = vnni or not needs_vnni
        if needs_vnni and not vnni:
            text += " (no AVX-512 VNNI here)"
        result.claim(name, text, value if run else None, unit, target, ok if run else None)

    for d in (384, 1536):
        batch = of(rows, "batch", d=d)["speedup"]
        value = batch["float32"]
        claim(
            f"batch_float32_{d}",
            f"float32 top 10 of 256 × 100,000, d = {d}, against sgemm writing all scores",
            value, "×", ">= 1", value >= 1,
        )
        value = batch["int8"]
        claim(
            f"batch_int8_{d}", f"the same in int8 on VNNI, d = {d}", value, "×", ">= 2.5",
            value >= 2.5, needs_vnni=True,
        )
        speedup = of(rows, "single", d=d)["speedup"]
        for name in ("float32", "float32 set"):
            claim(
                f"single_{name.replace(' ', '_')}_{d}",
                f"one query, {name}, d = {d}: share of the speed of a plain read of memory",
                speedup[name], "", ">= 0.8", speedup[name] >= 0.8,
            )
    limits = {384: 100, 1536: 300}
    for d, limit in limits.items():
        for m in (10, 32):
            row = of(rows, "prototypes", m=m, d=d)
            seconds = row["seconds"]
            scalar = min(seconds["scalar float32 one by one"], seconds["scalar int8 one by one"])
            value = scalar / seconds["int8"]
            claim(
                f"prototypes_speedup_{m}_{d}",
                f"batch of {m} × 720 prototypes, d = {d}, int8 on VNNI: against our scalar level one query "
                "at a time (its faster type)",
                value, "×", ">= 10", value >= 10, needs_vnni=True,
            )
        row = of(rows, "prototypes", m=32, d=d)
        value = row["seconds"]["int8"] * 1e6
        claim(
            f"prototypes_int8_{d}", f"batch of 32 × 720 prototypes, d = {d}, int8 on VNNI", value, "µs",
            f"< {limit}", value < limit, needs_vnni=True,
        )
        if d == 384:
            value = 1 / row["speedup"]["float32"]
            claim(
                "prototypes_float32_384",
                "the same in float32: time against sgemm followed by an argmax, d = 384",
                value, "×", "<= 0.9", value <= 0.9,
            )


def run(context):
    result = report.Report("kernels")
    what, rows = batches()
    result.machine["simd"] = what["simd"]
    add_rows(result, what, rows)
    tables(result, what, rows)
    claims_of_best(result, rows, what["simd"] == "avx512_vnni")

    # How much work a GPU has to take off the CPU before its launch, some 30 µs, is paid for.
    cells = []
    for row in rows:
        if row["case"] == "batch":
            for name in ("float32 set", "int8 set"):
                rate = row["m"] * row["n"] * row["d"] / row["seconds"][name]
                cells.append([f"{name}, d = {row['d']}", f"{rate / 1e9:.0f}", f"{rate * 30e-6 / 1e6:.1f}"])
    result.table(
        "From where on a GPU pays: multiply-adds that one core does in 30 µs, what a GPU needs to start and end",
        ["what", "10⁹ a second", "10⁶ in 30 µs"],
        cells,
        True,
    )

    if what["simd"].startswith("avx"):
        forced, forced_rows = batches({"EQUIPOISE_SIMD": "avx2", "OPENBLAS_CORETYPE": "Haswell"})
        add_rows(result, forced, forced_rows)
        tables(result, forced, forced_rows, detail=True)
        for d in (384, 1536):
            value = of(forced_rows, "batch", d=d)["speedup"]["int8"]
            result.claim(
                f"batch_int8_avx2_{d}",
                f"int8 top 10 held to AVX2, d = {d}, against sgemm held to the same",
                value, "×", ">= 1.3", value >= 1.3,
            )
    single_calls(result)
    return result
