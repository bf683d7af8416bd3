"""Micro-benchmarks of the kernels (Google Benchmark), as a report."""

import json
import subprocess

import report

ABOUT = "similarity kernels and telemetry, nanoseconds a call (Google Benchmark)"
MINUTES = 1


def run(context):
    program = report.ROOT / "build/release/bin/equipoise_micro_bench"
    if not program.exists():
        raise report.BenchError(f"{program} is not there; run ./dev bench kernels")
    command = [
        str(program),
        "--benchmark_format=json",
        "--benchmark_repetitions=5",
        "--benchmark_report_aggregates_only=true",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise report.BenchError(done.stderr.strip())
    result = report.Report("kernels")
    cells = {}
    for entry in json.loads(done.stdout)["benchmarks"]:
        cells.setdefault(entry["run_name"], {})[entry["aggregate_name"]] = entry["cpu_time"]
    for name, values in cells.items():
        result.row(name, time_ns={"median": values["median"], "stddev": values["stddev"]})
    result.table(
        "CPU time a call, median of 5 repetitions",
        ["benchmark", "ns", "± ns"],
        [[n, f"{v['median']:.1f}", f"{v['stddev']:.1f}"] for n, v in cells.items()],
    )
    return result
