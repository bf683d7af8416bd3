"""The domain detector on judged collections: accuracy, calibration, time, beside simpler models.

Fitted on documents, tested on queries: five collections as five domains, and WordNet's 45
lexicographer files. Sets are looked for in $EQUIPOISE_DATA. scikit-learn's LogisticRegression is
measured in the same run where a Python that has it is found ($EQUIPOISE_PYTHON, else python3).
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import report

ABOUT = "domain detection: accuracy, calibration, time a query, beside centroids and scikit-learn"
MINUTES = 4

FIVE = ["cranfield", "med", "cisi", "cacm", "npl"]
ROUNDS = 5
MODELS = {  # name -> options of domains fit
    "chosen": [],
    "chosen, int8": ["--int8"],
    "nearest centroid": ["--method", "centroid"],
    "linear layer": ["--method", "linear"],
}
TARGETS = {"five collections": ("macro_accuracy", 0.90), "wordnet": ("accuracy", 0.70)}


def find_tasks(context):
    """Name -> (options of fit, options of eval, folders), for the sets that are there."""
    root = pathlib.Path(os.environ.get("EQUIPOISE_DATA") or "absent")
    wanted = context.sets
    tasks = {}
    if all((root / n / "corpus.f16.npy").exists() for n in FIVE) and (not wanted or "five" in wanted):
        fit, queries = [], []
        for name in FIVE:
            fit += ["--embeddings", root / name / "corpus.f16.npy", "--label", name]
            queries += ["--embeddings", root / name / "queries.f16.npy", "--label", name]
        tasks["five collections"] = (fit, queries, [root / n for n in FIVE])
    if (root / "wordnet/corpus.f16.npy").exists() and (not wanted or "wordnet" in wanted):
        folder = root / "wordnet"
        tasks["wordnet"] = (
            ["--corpus", folder / "corpus.jsonl", "--embeddings", folder / "corpus.f16.npy"],
            ["--queries", folder / "queries.jsonl", "--embeddings", folder / "queries.f16.npy"],
            [folder],
        )
    return tasks


def time_us(context, model, queries, batch):
    """Median over runs of the median time of a batch, all queries asked twenty times in a run."""
    arguments = ("domains", "detect", model, "--embeddings", queries, "--batch", batch, "--rounds", 20)
    times = [context.equipoise(*arguments)["batch_us"]["p50"] for _ in range(ROUNDS)]
    return sorted(times)[ROUNDS // 2]


def peer(folders):
    """LogisticRegression of scikit-learn on the same rows, or None where it cannot be run."""
    script = pathlib.Path(__file__).with_name("logistic_regression.py")
    python = os.environ.get("EQUIPOISE_PYTHON") or "python3"
    done = subprocess.run(
        [python, str(script), *map(str, folders)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    return json.loads(done.stdout) if done.returncode == 0 else None


def measure(context, result, task, fit, queries, folders):
    rows = []
    timed = folders[0] / "queries.f16.npy"
    measured = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, options in MODELS.items():
            model = f"{scratch}/model"
            fitted = context.equipoise("domains", "fit", *fit, *options, "--out", model)
            e = context.equipoise("domains", "eval", model, *queries)
            one = batch = None
            if not context.quality_only:
                one, batch = time_us(context, model, timed, 1), time_us(context, model, timed, 32)
            measured[name] = (fitted, e, one, batch)
            result.row(
                f"{task}/{name}",
                quality={"accuracy": e["accuracy"], "macro_accuracy": e["macro_accuracy"]},
                calibration_error=e["calibration_error"], calibration_p=e["calibration_p"],
                method=fitted["method"], prototypes=fitted["prototypes"], bytes=fitted["bytes"],
                fit_seconds=fitted["seconds"], query_us=one, batch_of_32_us=batch,
                trials=fitted["trials"],
            )  # fmt: skip
            rows.append([
                name, str(fitted["prototypes"]), f"{e['accuracy']:.4f}", f"{e['macro_accuracy']:.4f}",
                f"{e['calibration_error']:.4f}", f"{e['calibration_p']:.3f}",
                "" if one is None else f"{one:.1f}", "" if batch is None else f"{batch:.1f}",
                f"{fitted['seconds']:.1f}",
            ])  # fmt: skip
    other = peer(folders)
    if other is not None:
        result.row(f"{task}/scikit-learn", quality={"accuracy": other["accuracy"]}, **other)
        rows.append([
            f"scikit-learn {other['version']}, {other['rows']} rows", str(other["domains"]),
            f"{other['accuracy']:.4f}", f"{other['macro_accuracy']:.4f}", f"{other['calibration_error']:.4f}", "",
            f"{other['query_us']:.1f}", f"{other['batch_of_32_us']:.1f}", f"{other['seconds']:.1f}",
        ])  # fmt: skip
    result.table(
        f"{task}: fitted on documents, tested on {measured['chosen'][1]['queries']} queries, one thread",
        ["model", "prototypes", "accuracy", "mean of domains", "calibration error", "p", "µs a query",
         "µs a batch of 32", "fit s"],
        rows,
    )  # fmt: skip
    tried = measured["chosen"][0]["trials"]
    result.table(
        f"{task}: what the fit tried, on held-out documents",
        ["held out", "method", "prototypes a domain", "step", "accuracy", "below best", "chosen"],
        [[t["held_out"], t["method"], str(t["prototypes"]), f"{t['step']:g}", f"{t['accuracy']:.4f}",
          f"{t['below_best']:.4f} ± {t['standard_error']:.4f}", "yes" if t["chosen"] else ""] for t in tried],
    )  # fmt: skip
    claims(result, task, measured, other)


def claims(result, task, measured, other):
    fitted, e, _, _ = measured["chosen"]
    measure_name, target = TARGETS[task]
    shown = measure_name.replace("_", " ")
    value = e[measure_name]
    result.claim(f"{task}/accuracy", f"{task}: {shown}", value, "", f">= {target:.2f}", value >= target)
    centroid = measured["nearest centroid"][1][measure_name]
    result.claim(f"{task}/centroid", f"{task}: {shown} above nearest centroid", value - centroid, "", "> 0",
                 value > centroid)  # fmt: skip
    text = f"{task}: {shown} above scikit-learn's LogisticRegression"
    if other is None:
        result.claim(f"{task}/scikit-learn", text, None, "", "needs scikit-learn", None)
    else:
        difference = value - other[measure_name]
        result.claim(f"{task}/scikit-learn", text, difference, "", "> 0", difference > 0)
    result.claim(f"{task}/prototypes", f"{task}: prototypes a domain, on average",
                 fitted["prototypes"] / len(fitted["domains"]), "", "<= 64",
                 fitted["prototypes"] <= 64 * len(fitted["domains"]))  # fmt: skip
    error, p = e["calibration_error"], e["calibration_p"]
    if task == "wordnet":
        result.claim(f"{task}/calibration", f"{task}: expected calibration error", error, "", "< 0.03", error < 0.03)
    else:
        result.claim(f"{task}/calibration", f"{task}: p of the test of calibration (labels simulated from the "
                     "model's probabilities)", p, "", ">= 0.05", p >= 0.05)  # fmt: skip


def run(context):
    result = report.Report("domains")
    tasks = find_tasks(context)
    for task in TARGETS:
        if task in tasks:
            if not context.quiet:
                print(f"{task} ...", file=sys.stderr, flush=True)
            measure(context, result, task, *tasks[task])
        elif context.sets is None:
            result.claim(f"{task}/accuracy", f"{task}: accuracy", None, "", "needs $EQUIPOISE_DATA", None)
    return result
