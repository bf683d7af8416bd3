"""NSGA-II and the tools around it, beside pagmo and pymoo in the same run.

Test problems with known fronts, 100 × 250, over 31 seeds; every side with its own default settings, and
all fronts measured by our hypervolume, which agrees with pagmo's. pagmo is there where its package was
when the benchmark was configured (libpagmo-dev); pymoo comes from PyPI into build/bench-venv.
"""

import json
import math
import pathlib
import statistics
import tempfile

import report

from pareto import tuning

ABOUT = "NSGA-II: hypervolume and time, beside pagmo and pymoo; picking; tuning on the judged sets"
MINUTES = 25

SEEDS = 31


def below(ours, theirs):
    """p of a one-sided Mann-Whitney test that ours are the lower ones (normal approximation)."""
    wins = sum((a < b) + 0.5 * (a == b) for a in ours for b in theirs)
    n, m = len(ours), len(theirs)
    spread = math.sqrt(n * m * (n + m + 1) / 12)
    return 0.5 * math.erfc((wins - n * m / 2) / spread / math.sqrt(2))


def run(context):
    program = report.ROOT / "build/release/bin/equipoise_pareto_bench"
    if not program.exists():
        raise report.BenchError(f"{program} is not there; run ./dev bench pareto")
    python = report.peers_python(["pymoo"], ["pymoo"])
    with tempfile.TemporaryDirectory() as scratch:
        points = pathlib.Path(scratch) / "points.json"
        found = report.run_json([program, SEEDS, points])
        script = report.ROOT / "bench/pareto/pareto_peers.py"
        pymoo = report.run_json([python, script, SEEDS, points]) if python else None
        if pymoo:
            fronts = pathlib.Path(scratch) / "fronts.json"
            fronts.write_text(json.dumps(pymoo["races"]), encoding="utf-8")
            pymoo_volumes = report.run_json([program, "measure", fronts])
    result = report.Report("pareto")
    rows = []
    for race in found["races"]:
        name = race["problem"]
        sides = {"equipoise": race["equipoise"]}
        if "pagmo" in race:
            sides[f"pagmo {found['pagmo']}"] = race["pagmo"]
        if pymoo:
            theirs = next(r for r in pymoo["races"] if r["problem"] == name)
            sides[f"pymoo {pymoo['version']}"] = {"volumes": pymoo_volumes[name], "seconds": theirs["seconds"]}
        ours = race["equipoise"]
        took = statistics.median(ours["seconds"])
        deb = race["as_deb"]["volumes"]
        result.row(f"{name}/settings of Deb et al.", quality={"hypervolume": statistics.median(deb)})
        p = below(ours["volumes"], deb)
        middles = [f"(median {statistics.median(volumes):.5f})" for volumes in (ours["volumes"], deb)]
        result.claim(f"volume-{name}-deb", f"{name}: p that our hypervolumes {middles[0]} are below those with the "
                     f"settings of Deb et al. 2002, eta 20 and 1/n {middles[1]}", p, "", ">= 0.01", p >= 0.01)
        if name == "dtlz2":
            p = below(deb, ours["volumes"])
            result.claim(f"better-{name}-deb", f"{name}: p that the settings of Deb et al. are as good as ours", p, "",
                         "<= 0.01", p <= 0.01)
        for side, one in sides.items():
            middle, seconds = statistics.median(one["volumes"]), statistics.median(one["seconds"])
            result.row(f"{name}/{side}", quality={"hypervolume": middle}, seconds=seconds,
                       ratios={} if side == "equipoise" else {"time": seconds / took})
            rows.append([name, side, f"{middle:.5f}", f"{min(one['volumes']):.5f}", f"{race['volume']:.5f}",
                         f"{1000 * seconds:.1f}", "" if side == "equipoise" else f"{seconds / took:.1f}"])
            if side == "equipoise":
                continue
            peer = side.split()[0]
            share = statistics.median(ours["volumes"]) / middle
            result.claim(f"median-{name}-{peer}", f"{name}: our median hypervolume as a share of that of {side}", share,
                         "", ">= 0.995", share >= 0.995)
            p = below(ours["volumes"], one["volumes"])
            result.claim(f"volume-{name}-{peer}", f"{name}: p that our hypervolumes are below those of {side}",
                         p, "", ">= 0.01", p >= 0.01)
            if peer == "pagmo":
                alike = race["as_pagmo"]["volumes"]
                p = below(alike, one["volumes"])
                result.claim(f"volume-{name}-pagmo-settings",
                             f"{name}, ours with pagmo's settings (median {statistics.median(alike):.4f}): p that they "
                             f"are below those of {side}", p, "", ">= 0.01", p >= 0.01)
            if name in ("zdt1", "dtlz2"):
                least = 10 if peer == "pagmo" else 80
                result.claim(f"time-{name}-{peer}", f"{name}: time of {side}, ours 1", seconds / took, "×",
                             f">= {least}", seconds / took >= least)
    result.table(f"NSGA-II, 100 × 250, {SEEDS} seeds, hypervolume up to (1.1, ...)",
                 ["problem", "", "median", "least", "whole front", "ms", "ours 1"], rows)
    rows = []
    for one, key in zip(found["sorting"], ["cloud", "front", None, None], strict=True):
        theirs = pymoo["sorting"][key] if pymoo and key else None
        result.row(f"sorting/{one['points']}/{one['ranks']}", seconds=one["seconds"], pymoo=theirs)
        rows.append([f"{one['points']:,} × {one['objectives']}, {one['ranks']} ranks",
                     f"{1000 * one['seconds']:.2f}", f"{1000 * theirs:.2f}" if theirs else "",
                     f"{1000 * one['pagmo_seconds']:.0f}" if "pagmo_seconds" in one else ""])
        if theirs:
            result.claim(f"sorting-{key}", f"sorting 5,000 points ({key}) as a share of pymoo's time",
                         one["seconds"] / theirs, "", "<= 0.5", one["seconds"] <= 0.5 * theirs)
        if one["points"] == 100_000:
            result.claim(f"sorting-{one['ranks']}", f"sorting 100,000 points in {one['ranks']} ranks",
                         one["seconds"], "s", "<= 1", one["seconds"] <= 1)
    result.table("Non-dominated sorting, ms", ["", "equipoise", "pymoo", "pagmo"], rows)
    one = found["hypervolume"]
    result.row("hypervolume", **one)
    result.claim("hypervolume", "hypervolume of 1,000 points, 3 objectives", 1000 * one["seconds"], "ms", "<= 1",
                 one["seconds"] <= 0.001)
    one = found["picking"]
    apart = "knee within limits"
    seconds = max(each["seconds"] for name, each in one.items() if name != apart)
    result.row("picking", **one)
    result.claim("picking", "picking one of 1,000 points by preference, 3 objectives, with a limit, the slowest method "
                 f"(but for the {apart}: {1e6 * one[apart]['seconds']:.0f} µs)",
                 1e6 * seconds, "µs", "<= 1", seconds <= 1e-6)
    tuning.measure(context, result)
    return result
