"""Tuning on judged sets: time, what an exhaustive sweep of the same space finds, and all sets as one."""

import os
import pathlib
import statistics
import tempfile
import time

import report

SETS = ("cranfield", "med", "cisi", "cacm", "npl", "cacm-authors", "reverse-dictionary")
SPLITS = 5
THREADS = 2
NOTHING = 0.002  # of smaller gains 60 % say nothing: other splits give other signs
LESS_COST = 0.20
QUALITY_LOST = 0.010


def find_sets(context):
    root = pathlib.Path(os.environ.get("EQUIPOISE_DATA", "absent"))
    wanted = context.sets or SETS
    return {name: root / name for name in SETS if name in wanted and (root / name / "corpus.jsonl").exists()}


def files(folder):
    return {"--queries": folder / "queries.jsonl", "--query-embeddings": folder / "queries.f16.npy",
            "--qrels": folder / "qrels/test.tsv"}


def measure(context, result):
    sets = find_sets(context)
    if not sets:
        for claim in ("tune-time", "tune-sweep", "tune-cost", "tune-pooled"):
            result.claim(claim, "tuning: the judged sets are not here", None, "", "", None)
        return
    with tempfile.TemporaryDirectory() as scratch:
        indexes = {}
        for name, folder in sets.items():
            indexes[name] = pathlib.Path(scratch) / name
            context.equipoise("index", "--corpus", folder / "corpus.jsonl", "--embeddings",
                              folder / "corpus.f16.npy", "--out", indexes[name])
        single(context, result, sets, indexes, scratch)
        sweep(result, sets, indexes)
        pooled(context, result, sets, indexes, scratch)


def single(context, result, sets, indexes, scratch):
    """All of a run on cranfield, as a user waits for it."""
    text = "tune on cranfield, 64 × 40, three objectives, 2 threads"
    if "cranfield" not in sets:
        result.claim("tune-time", text, None, "s", "<= 180", None)
        return
    arguments = [part for pair in files(sets["cranfield"]).items() for part in pair]
    start = time.monotonic()
    front = context.equipoise("tune", indexes["cranfield"], *arguments, "--threads", THREADS, "--out",
                              pathlib.Path(scratch) / "front.json")
    seconds = time.monotonic() - start
    effort = front["effort"]
    result.row("tune/cranfield", seconds=seconds, **effort)
    result.claim("tune-time", text, seconds, "s", "<= 180", seconds <= 180)
    asked, judged = f"{effort['asked']:,}", f"{effort['judged']:,}"
    result.table("tune on cranfield, 64 × 40, cost, quality and diversity, 2 threads",
                 ["seconds", "asked for", "judged", "searches", "searches saved"],
                 [[f"{seconds:.1f}", asked, judged, f"{effort['searches']:,}", f"{effort['searches_saved']:,}"]])


def sweep(result, sets, indexes):
    """Gain over the default on queries that chose nothing: the best of the front, and of every grid point."""
    program = report.ROOT / "build/release/bin/equipoise_tune_bench"
    if not program.exists():
        raise report.BenchError(f"{program} is not there; run ./dev bench pareto")
    rows, fine, swept = [], [], 0
    for name, folder in sets.items():
        found = report.run_json([program, indexes[name], *files(folder).values(), SPLITS, THREADS])
        mean = {key: statistics.fmean(split[key] for split in found["splits"]) for key in found["splits"][0]}
        mine, theirs = mean["found_gain"], mean["swept_gain"]
        seconds = found["splits"][0]["seconds"]  # the first split calibrates, as every run of a user does
        swept = found["swept"]
        if theirs > NOTHING:
            fine.append(mine >= 0.6 * theirs)
        result.row(f"tune/{name}", quality={"gain": mine}, swept_gain=theirs, seconds=seconds,
                   sweep_seconds=found["sweep_seconds"])
        rows.append([name, str(found["queries"]), f"{mean['standard']:.4f}", f"{mine:+.4f}", f"{theirs:+.4f}",
                     f"{mine / theirs:.0%}" if theirs > NOTHING else "–",
                     f"{mean['found_training'] - mean['swept_training']:+.4f}", f"{seconds:.1f}",
                     f"{found['sweep_seconds']:.1f}"])
    result.table(f"nDCG@10 gained over the default on validation queries, mean of {SPLITS} splits: tune (64 × 40) and "
                 f"an exhaustive sweep of {swept:,} configurations; seconds of one split, calibration included",
                 ["set", "queries", "default", "tune", "sweep", "share", "training, tune − sweep", "tune s",
                  "sweep s"], rows)
    result.claim("tune-sweep", f"of the {len(fine)} sets (of {len(sets)}) on which the sweep gains more than {NOTHING} on "
                 "validation, tune reaches 60 % of that on", sum(fine), "", f"= {len(fine)}", all(fine) if fine else None)


def pooled(context, result, sets, indexes, scratch):
    """All sets as one: of what is cheap enough, the best on training queries, judged on the others."""
    cost = f"pooled: modelled cost less than the default's, of the best with at least {LESS_COST:.0%} less"
    quality = "pooled: that configuration's nDCG@10 less the default's, lower end of 95 %"
    if len(sets) < len(SETS):
        result.claim("tune-cost", cost, None, "", f">= {LESS_COST}", None)
        result.claim("tune-pooled", quality, None, "", f">= -{QUALITY_LOST}", None)
        return
    lists = {}
    for folder in sets.values():
        for option, path in files(folder).items():
            lists.setdefault(option, []).append(path)
    arguments = [part for option, paths in lists.items() for part in (option, *paths)]
    front = context.equipoise("tune", *indexes.values(), *arguments, "--objectives", "cost,quality", "--threads",
                              THREADS, "--out", pathlib.Path(scratch) / "pooled.json")
    default = front["default"]
    cheap = [p for p in front["points"] if p["training"]["cost"] <= (1 - LESS_COST) * default["training"]["cost"]]
    if not cheap:  # the front has nothing of the kind
        result.claim("tune-cost", cost, None, "", f">= {LESS_COST}", False)
        result.claim("tune-pooled", quality, None, "", f">= -{QUALITY_LOST}", False)
        return
    best = max(cheap, key=lambda p: p["training"]["quality"])
    less = 1 - best["validation"]["cost"] / default["validation"]["cost"]
    configuration = best["configuration"]
    result.row("tune/pooled", quality={"gain": best["gain"]}, low=best["gain_low"], less_cost=less,
               measured=best["measured_ms"] / default["measured_ms"], configuration=configuration)
    result.table("All sets as one, on validation queries: the best of the front with at least 20 % less modelled cost",
                 ["", "modelled ms", "measured ms", "nDCG@10", "less the default", "95 %"],
                 [["default", f"{default['validation']['cost']:.4f}", f"{default['measured_ms']:.4f}",
                   f"{default['validation']['quality']:.4f}", "", ""],
                  [f"α {configuration['alpha']:g} {configuration['fusion']}, depth {configuration['lexical_depth']} / "
                   f"{configuration['vector_depth']}", f"{best['validation']['cost']:.4f}",
                   f"{best['measured_ms']:.4f}", f"{best['validation']['quality']:.4f}", f"{best['gain']:+.4f}",
                   f"[{best['gain_low']:+.4f}, {best['gain_high']:+.4f}]"]])
    result.claim("tune-cost", cost, less, "", f">= {LESS_COST}", less >= LESS_COST)
    result.claim("tune-pooled", quality, best["gain_low"], "", f">= -{QUALITY_LOST}",
                 best["gain_low"] >= -QUALITY_LOST)
