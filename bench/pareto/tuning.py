"""Tuning on judged sets: time, what an exhaustive sweep over α, fusion, both depths, exact or not finds (other
variables of the space are not swept), and all sets as one.

--sets A,B names any folders of $EQUIPOISE_DATA, which need not be of the seven: what is claimed of the seven has
a claim of its own on those (`signs`).
"""

import os
import pathlib
import statistics
import sys
import tempfile
import time

import report

SETS = ("cranfield", "med", "cisi", "cacm", "npl", "cacm-authors", "reverse-dictionary")
SPLITS = 5
THREADS = 2
NOTHING = 0.002  # of smaller gains 60 % say nothing: other splits give other signs
LESS_COST = 0.20
QUALITY_LOST = 0.010


def embeddings(folder, of):
    """The file of them in one of the forms that are read; None where there is none."""
    return next((path for path in (folder / f"{of}{end}" for end in (".npy", ".f16.npy", ".fvecs")) if path.exists()),
                None)


def files(folder):
    """What tune is asked with; each is None or absent where the folder has it not."""
    return {"--queries": folder / "queries.jsonl", "--query-embeddings": embeddings(folder, "queries"),
            "--qrels": folder / "qrels/test.tsv"}


def find_sets(context):
    """Name -> folder: of those named, or of the seven, what has all that is needed; the rest is said."""
    root = pathlib.Path(os.environ.get("EQUIPOISE_DATA") or "absent")
    found = {}
    for name in context.sets or SETS:
        folder = root / name
        needed = {"corpus.jsonl": folder / "corpus.jsonl", "corpus.npy": embeddings(folder, "corpus"),
                  **{option.removeprefix("--"): path for option, path in files(folder).items()}}
        missing = [what for what, path in needed.items() if path is None or not path.exists()]
        if not missing:
            found[name] = folder
        elif context.sets:
            print(f"{name} is left out of tuning: {folder} has no {', '.join(missing)}", file=sys.stderr)
    return found


def measure(context, result):
    sets = find_sets(context)
    if not sets:
        for claim in ("tune-time", "tune-sweep", "tune-cost", "tune-pooled"):
            result.claim(claim, "tuning: the judged sets are not here", None, "", "", None)
        signs(context, result, {}, {}, {}, None)
        return
    with tempfile.TemporaryDirectory() as scratch:
        indexes = {}
        for name, folder in sets.items():
            indexes[name] = pathlib.Path(scratch) / name
            context.equipoise("index", "--corpus", folder / "corpus.jsonl", "--embeddings",
                              embeddings(folder, "corpus"), "--out", indexes[name])
        single(context, result, sets, indexes, scratch)
        gains = sweep(result, sets, indexes)
        pooled(context, result, sets, indexes, scratch)
        signs(context, result, sets, indexes, gains, scratch)


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
    """Gain over the default on queries that chose nothing: the best of the front, and of every grid point. Of each
    set what tune and the sweep gain."""
    program = report.ROOT / "build/release/bin/equipoise_tune_bench"
    if not program.exists():
        raise report.BenchError(f"{program} is not there; run ./dev bench pareto")
    rows, gains, swept = [], {}, 0
    for name, folder in sets.items():
        found = report.run_json([program, indexes[name], *files(folder).values(), SPLITS, THREADS])
        mean = {key: statistics.fmean(split[key] for split in found["splits"]) for key in found["splits"][0]}
        mine, theirs = mean["found_gain"], mean["swept_gain"]
        seconds = found["splits"][0]["seconds"]  # the first split calibrates, as every run of a user does
        swept = found["swept"]
        gains[name] = (mine, theirs)
        result.row(f"tune/{name}", quality={"gain": mine}, swept_gain=theirs, seconds=seconds,
                   sweep_seconds=found["sweep_seconds"])
        rows.append([name, str(found["queries"]), f"{mean['standard']:.4f}", f"{mine:+.4f}", f"{theirs:+.4f}",
                     f"{mine / theirs:.0%}" if theirs > NOTHING else "–",
                     f"{mean['found_training'] - mean['swept_training']:+.4f}", f"{seconds:.1f}",
                     f"{found['sweep_seconds']:.1f}"])
    result.table(f"nDCG@10 gained over the default on validation queries, mean of {SPLITS} splits: tune (64 × 40) and "
                 f"an exhaustive sweep of {swept:,} configurations (21 α, fusions, depths, exact or not); seconds of "
                 "one split, calibration included",
                 ["set", "queries", "default", "tune", "sweep", "share", "training, tune − sweep", "tune s",
                  "sweep s"], rows)
    fine = [mine >= 0.6 * theirs for mine, theirs in gains.values() if theirs > NOTHING]
    out = [name for name, (_, theirs) in gains.items() if theirs <= NOTHING]
    result.claim("tune-sweep", f"of the {len(fine)} sets (of {len(sets)}) on which the sweep over α, fusion, depths, "
                 f"exact or not gains more than {NOTHING} on validation (left out, for it gains no more there: "
                 f"{', '.join(out) or 'none'}), tune reaches 60 % of that on", sum(fine), "", f"= {len(fine)}",
                 all(fine) if fine else None)
    return gains


def cheap_best(context, sets, indexes, out, *options):
    """All sets as one front: its default, and of what is cheap enough the best on training queries, or None."""
    lists = {}
    for folder in sets.values():
        for option, path in files(folder).items():
            lists.setdefault(option, []).append(path)
    arguments = [part for option, paths in lists.items() for part in (option, *paths)]
    front = context.equipoise("tune", *(indexes[name] for name in sets), *arguments, "--objectives", "cost,quality",
                              "--threads", THREADS, "--out", out, *options)
    default = front["default"]
    cheap = [p for p in front["points"] if p["training"]["cost"] <= (1 - LESS_COST) * default["training"]["cost"]]
    return default, max(cheap, key=lambda p: p["training"]["quality"], default=None)


def less_cost(default, best):
    return 1 - best["validation"]["cost"] / default["validation"]["cost"]


def pooled(context, result, sets, indexes, scratch):
    """The seven as one: of what is cheap enough, the best on training queries, judged on the others."""
    cost = f"pooled: modelled cost less than the default's, of the best with at least {LESS_COST:.0%} less"
    quality = "pooled: that configuration's nDCG@10 less the default's, lower end of 95 %"
    if not set(SETS) <= set(sets):
        result.claim("tune-cost", cost, None, "", f">= {LESS_COST}", None)
        result.claim("tune-pooled", quality, None, "", f">= -{QUALITY_LOST}", None)
        return
    default, best = cheap_best(context, {name: sets[name] for name in SETS}, indexes,
                               pathlib.Path(scratch) / "pooled.json")
    if best is None:  # the front has nothing of the kind
        result.claim("tune-cost", cost, None, "", f">= {LESS_COST}", False)
        result.claim("tune-pooled", quality, None, "", f">= -{QUALITY_LOST}", False)
        return
    less = less_cost(default, best)
    configuration = best["configuration"]
    result.row("tune/pooled", quality={"gain": best["gain"]}, low=best["gain_low"], less_cost=less,
               measured=best["measured_ms"] / default["measured_ms"], configuration=configuration)
    result.table("The seven sets as one, on validation queries: the best of the front with at least 20 % less modelled "
                 "cost",
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


def signs(context, result, sets, indexes, gains, scratch):
    """On the sets that were named: whether what is claimed of the seven keeps its sign there, set by set."""
    names = ", ".join(sets) if context.sets and sets else "sets that --sets names"
    cheaper = (f"the sign on {names}: sets where the best with at least {LESS_COST:.0%} less modelled cost has so much "
               f"less on validation too, at nDCG@10 not lower by more than {QUALITY_LOST} (means of {SPLITS} splits)")
    better = (f"the sign on {names}: sets, of those where the sweep gains more than {NOTHING}, where the best of the "
              f"front gains over the default on validation (mean of {SPLITS} splits)")
    if not context.sets or not sets:
        result.claim("tune-sign-cost", cheaper, None, "", "", None)
        result.claim("tune-sign-gain", better, None, "", "", None)
        return
    rows, kept = [], []
    for name, folder in sets.items():
        out, units, less, gained = pathlib.Path(scratch) / f"sign-{name}.json", (), [], []
        for seed in range(1, SPLITS + 1):
            default, best = cheap_best(context, {name: folder}, indexes, out, "--seed", seed, "--no-timing", *units)
            units = ("--units", out)  # the first calibrates
            if best:
                less.append(less_cost(default, best))
                gained.append(best["gain"])
        whole = len(less) == SPLITS  # every front has something of the kind
        cost, quality = (statistics.fmean(less), statistics.fmean(gained)) if whole else (None, None)
        kept.append(whole and cost >= LESS_COST and quality >= -QUALITY_LOST)
        mine, theirs = gains[name]
        result.row(f"tune-sign/{name}", quality={"gain": mine}, swept_gain=theirs, less_cost=cost, cheap_gain=quality)
        rows.append([name, *([f"{cost:.0%}", f"{quality:+.4f}", f"{min(gained):+.4f}"] if whole else ["–"] * 3),
                     f"{mine:+.4f}", f"{theirs:+.4f}"])
    result.table(f"What keeps its sign, on validation queries, mean of {SPLITS} splits: the best with at least "
                 f"{LESS_COST:.0%} less modelled cost, and the best of the front",
                 ["set", "less cost", "nDCG@10 less the default's", "least of a split", "best: gained",
                  "sweep: gained"], rows)
    told = [mine > 0 for mine, theirs in gains.values() if theirs > NOTHING]
    result.claim("tune-sign-cost", cheaper, sum(kept), "", f"= {len(kept)}", all(kept))
    result.claim("tune-sign-gain", better, sum(told), "", f"= {len(told)}", all(told) if told else None)
