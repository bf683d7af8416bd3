"""The policies that learn α, on streams of judged queries, beside MABWiser and Vowpal Wabbit.

Seven judged sets are seven domains: up to 100 queries of each, every query once, in 200 random orders;
21 values of α, min-max over each path's top 100, reward nDCG@10. Sets are looked for in
$EQUIPOISE_DATA; --sets A,B takes any folders there with judged queries and embeddings, a domain each. Figures that
were set for the seven are then not judged, claims about whatever sets there are hold for those. The peers come
from PyPI into build/bench-venv, at the first run.
"""

import os
import pathlib
import tempfile

import report
from bandit import beyond_report

ABOUT = "learning α: regret, calibration, change, safety, off-policy estimates; beside MABWiser and Vowpal Wabbit"
MINUTES = 12

SETS = ["cranfield", "med", "cisi", "cacm", "npl", "cacm-authors", "reverse-dictionary"]
ORDERS = 200
PEERS = ["mabwiser", "vowpalwabbit"]
FILES = ["corpus.jsonl", "corpus.f16.npy", "queries.jsonl", "queries.f16.npy", "qrels/test.tsv"]


def chosen(root, wanted):
    """The sets to run: those of the seven that are there, or all that are named, the seven in their order first."""
    lacking = {name: [file for file in FILES if not (root / name / file).exists()] for name in wanted or SETS}
    if not wanted:
        sets = [name for name in SETS if not lacking[name]]
        if not sets:
            raise report.BenchError("no judged set: $EQUIPOISE_DATA names the folder that holds them")
        return sets
    for name, files in lacking.items():
        if files:
            raise report.BenchError(f"--sets: {root / name} lacks {', '.join(files)}")
    return sorted(dict.fromkeys(wanted), key=lambda name: SETS.index(name) if name in SETS else len(SETS))


def measure(context):
    program = report.ROOT / "build/release/bin/equipoise_bandit_bench"
    if not program.exists():
        raise report.BenchError(f"{program} is not there; run ./dev bench bandit")
    root = pathlib.Path(os.environ.get("EQUIPOISE_DATA") or "absent")
    sets = chosen(root, context.sets)
    with tempfile.TemporaryDirectory() as scratch:
        curves = pathlib.Path(scratch) / "curves.json"
        found = report.run_json([program, root, scratch, ",".join(sets), ORDERS, curves])
        python = report.peers_python(PEERS, PEERS)
        script = report.ROOT / "bench/bandit/bandit_peers.py"
        others = report.run_json([python, script, curves, ORDERS]) if python else None
        script = report.ROOT / "bench/bandit/contextual.py"
        found["contextual"] = report.run_json([python, script, curves]) if python else None
    return sets, found, others


def span(value, low, high, digits=4):
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def policies_table(result, title, kind, found, others=None):
    rows = []
    for one in found["policies"]:
        result.row(
            f"{kind}/{one['policy']}",
            quality={"reward": one["reward"]},
            regret=one["regret"],
            regret_interval=[one["regret_low"], one["regret_high"]],
            above_best_single=one["above_best_single"],
            domain_regret=one["domain_regret"],
        )
        regret = span(one["regret"], one["regret_low"], one["regret_high"])
        rows.append([one["policy"], f"{one['reward']:.4f}", regret, f"{one['above_best_single']:.0%}"])
    for one in others["policies"] if others else []:
        result.row(f"{kind}/{one['policy']}", **{k: v for k, v in one.items() if k != "policy"})
        rows.append(
            [one["policy"], f"{one['reward']:.4f}", f"{one['regret']:.4f}", f"{one['above_best_single']:.0%}"]
        )
    if "floor" in found:
        result.row(f"{kind}/floor", regret=found["floor"])
        rows.append(["knows all other queries of the domain", "", f"{found['floor']:.4f}", ""])
    header = ["policy", "nDCG@10", "regret a query [95 %]", "above the best single α"]
    result.table(title, header, rows)


def of_policy(rows, name):
    return next(one for one in rows if one["policy"] == name)


def full_feedback(result, found, others, seven):
    versions = ", ".join(f"{k} {v}" for k, v in others["versions"].items()) if others else "no peers"
    policies_table(
        result,
        f"Every query judged whole, {ORDERS} orders ({versions})",
        "full",
        found["full_feedback"],
        others,
    )
    five = found.get("full_feedback_first_five")
    if five:
        policies_table(result, "The same on the first five sets alone, which hardly differ", "five", five)
    ours = of_policy(found["full_feedback"]["policies"], "curve")
    low = ours["regret"]
    result.claim("regret-full", "regret a query, full feedback, seven sets", *when(seven, low), "nDCG",
                 "<= 0.0075", seven_ok(seven, low <= 0.0075))
    share = ours["above_best_single"]
    result.claim("above-single", "orders above the best single alpha in hindsight", *when(seven, share),
                 "share", "1", seven_ok(seven, share == 1))
    regret = of_policy(five["policies"], "curve")["regret"] if five else None
    result.claim("regret-five", "regret a query, first five sets, prior at 0.5", regret, "nDCG",
                 "<= 0.0055", None if five is None else regret <= 0.0055)
    less = five and five["curve_less_static"]
    text = "nDCG@10 less that of a fixed 0.5, first five sets"
    if less:
        text += f" [{less['low']:.4f}, {less['high']:.4f}]"
    result.claim("five-static", text, less and less["mean"], "nDCG", ">= -0.001",
                 None if not less else less["mean"] >= -0.001)
    less = found["full_feedback"]["contextual_less_curve"]
    result.claim("contextual-curve", f"nDCG@10 of the policy contextual less that of curve [{less['low']:.4f}, "
                 f"{less['high']:.4f}]", less["mean"], "nDCG", ">= -0.001", less["mean"] >= -0.001)


def when(seven, value):
    return (value,) if seven else (None,)


def seven_ok(seven, ok):
    return bool(ok) if seven else None


def shown_only(result, found, seven):
    rows = []
    for one in found["shown_only"]:
        result.row(f"shown/{one['policy']}", quality={"reward": one["reward"]}, regret=one["regret"],
                   regret_interval=[one["regret_low"], one["regret_high"]])
        rows.append([one["policy"], f"{one['reward']:.4f}",
                     span(one["regret"], one["regret_low"], one["regret_high"])])
    result.table("Ten shown documents judged, 5 % of judgments flipped, feedback 20 queries late",
                 ["policy", "nDCG@10", "regret a query [95 %]"], rows)
    regret = of_policy(found["shown_only"], "curve")["regret"]
    result.claim("regret-shown", "regret a query, shown documents only, noisy, late",
                 *when(seven, regret), "nDCG", "<= 0.014", seven_ok(seven, regret <= 0.014))


def priors(result, found):
    worst = {}
    for one in found["priors"]:
        key = (one["set"], one["alpha"])
        if key not in worst or one["mean"] < worst[key]["mean"]:
            worst[key] = one
    for (name, alpha), one in sorted(worst.items()):
        result.row(f"prior/{name}/{alpha}", difference=one["mean"], interval=[one["low"], one["high"]])
    alphas = sorted({alpha for _, alpha in worst})
    rows = []
    for name in sorted({name for name, _ in worst}):
        cells = [worst.get((name, alpha)) for alpha in alphas]
        rows.append([name] + [span(c["mean"], c["low"], c["high"]) if c else "" for c in cells])
    result.table("nDCG@10 [95 %] of each domain's last third, less that of the α of the prior that it was "
                 "given, kept; the worst of the assignments",
                 ["set"] + [f"prior {alpha}" for alpha in alphas], rows)
    below = sum(one["high"] < -0.002 for one in worst.values())
    least = min(worst.values(), key=lambda one: one["mean"])
    result.claim("priors", f"domains and priors whose last third is below the prior's own by more than 0.002 "
                 f"with 95 % (lowest mean {least['mean']:.4f}, {least['set']} at {least['alpha']})",
                 below, "", "0", below == 0)


def recall(result, found, seven):
    rows = []
    for one in found["recall"]:
        result.row(f"recall/{one['policy']}", quality={"recall": one["recall"]}, gain=one["gain"])
        rows.append([one["policy"], f"{one['recall']:.4f}", f"{one['lexical']:.4f}",
                     f"{one['vector']:.4f}", f"{one['gain']:.1%}", f"{one['hindsight_gain']:.1%}"])
    result.table("Mean Recall@10 over the sets, the same queries for all",
                 ["policy", "learned", "BM25", "vector", "above the better", "hindsight's best"], rows)
    gain = found["recall"][0]["gain"]
    result.claim("recall", "Recall@10 above the better single path", *when(seven, gain), "", ">= 0.12",
                 seven_ok(seven, gain >= 0.12))


def skipping(result, found, seven, quality_only):
    one = found["skipping"]
    less = one["ndcg_less_both_paths"]
    result.row("skipping", **{key: value for key, value in one.items() if key != "regret"})
    result.table("Leaving out the path without weight, 5 % of those queries excepted",
                 ["", "search µs", "queries", "nDCG@10 less"],
                 [["both paths always", f"{one['us_both_paths']:.0f}", "0 %", ""],
                  ["skipping", f"{one['us']:.0f}", f"{one['skipped']:.0%}",
                   span(less["mean"], less["low"], less["high"])]])
    result.table("A search with both paths, α fixed or decided by the policy, contexts kept; mean of the sets",
                 ["", "search µs"],
                 [["α fixed", f"{one['us_fixed_alpha']:.1f}"],
                  ["learning", f"{one['us_learning']:.1f}"]])
    run = seven and not quality_only
    result.claim("skipping-time", "search time saved by skipping", *when(run, one["saved"]), "",
                 ">= 0.12", seven_ok(run, one["saved"] >= 0.12))
    result.claim("skipping-quality", f"nDCG@10 that skipping costs, lower end of 95 % (mean {less['mean']:.4f})",
                 *when(seven, less["low"]), "nDCG", ">= -0.005", seven_ok(seven, less["low"] >= -0.005))


def calibration(result, found, seven):
    rows, converged = [], 0
    covered = {one["with_replacement"]: {
        domain["set"]: sum(point["covered"] for point in domain["points"]) / len(domain["points"])
        for domain in one["domains"]} for one in found["calibration"]}
    for one in found["calibration"]:
        kind = "with replacement" if one["with_replacement"] else "every query once"
        result.row(f"calibration/{kind}", covered=one["covered"], domains=one["domains"])
        for domain in one["domains"]:
            last = domain["points"][-1]
            if not one["with_replacement"]:
                converged += domain["converged"] > 0
                rows.append([domain["set"], str(domain["converged"]), f"{last['queries']}",
                             f"{last['bound']:.4f}", f"{last['regret']:.4f}",
                             f"{last['smallest_effect']:.4f}",
                             f"{covered[False][domain['set']]:.0%}", f"{covered[True][domain['set']]:.0%}"])
    result.table("The posterior's 90 % bound on its regret, and the share of orders and of queries so far "
                 "in which it holds",
                 ["set", "queries until below 0.02", "at the end: queries", "bound", "regret",
                  "smallest effect they show", "holds", "drawn with replacement"], rows)
    for one in found["calibration"]:
        kind = "drawn with replacement" if one["with_replacement"] else "each query once"
        ident = "coverage-replacement" if one["with_replacement"] else "coverage"
        result.claim(ident, f"regret below its 90 % bound, {kind}, all domains together", *when(seven, one["covered"]),
                     "share", "0.85 to 0.95", seven_ok(seven, 0.85 <= one["covered"] <= 0.95))
    result.claim("converged", "domains whose bound falls below 0.02 within 100 queries",
                 *when(seven, converged), "", ">= 5", seven_ok(seven, converged >= 5))


def constants(result, found, seven):
    one = found["left_out"]
    result.row("constants-left-out", **one)
    rows = [[s["set"], f"{s['mode_power']}", f"{s['global_scale']}", f"{s['curvature']}",
             f"{s['regret']:.4f}"] for s in one["sets"]]
    rows.append(["all", "", "", "", f"{one['regret']:.4f}"])
    result.table(f"Constants chosen on the other sets, {one['tried']} tried, whose regrets are "
                 f"{one['best_of_all']:.4f} to {one['worst_of_all']:.4f}",
                 ["set left out", "mode power", "global scale", "curvature", "regret"], rows)
    result.claim("regret-left-out", "regret a query, full feedback, each set with constants chosen on the others",
                 *when(seven, one["regret"]), "nDCG", "<= 0.0075", seven_ok(seven, one["regret"] <= 0.0075))


def speed(result, found, quality_only):
    one = found["speed"]
    result.row("speed", **one)
    result.table(f"Time, 21 values of alpha, {one['domains']} domains", ["", "p50", "p99"],
                 [["decide", f"{one['decide_ns']:.0f} ns", ""],
                  ["update", f"{one['update_p50_us']:.0f} µs", f"{one['update_p99_us']:.0f} µs"]])
    run = not quality_only
    result.claim("decide", "time of a decision", one["decide_ns"] / 1000 if run else None, "µs", "<= 1",
                 one["decide_ns"] <= 1000 if run else None)
    result.claim("update", "time of an update, p99", one["update_p99_us"] if run else None, "µs",
                 "<= 200", one["update_p99_us"] <= 200 if run else None)


def run(context):
    sets, found, others = measure(context)
    seven = sets == SETS
    result = report.Report("bandit")
    result.machine["sets"] = sets
    full_feedback(result, found, others, seven)
    shown_only(result, found, seven)
    recall(result, found, seven)
    priors(result, found)
    skipping(result, found, seven, context.quality_only)
    calibration(result, found, seven)
    constants(result, found, seven)
    beyond_report.off_policy(result, found["off_policy"])
    if "drift" in found:
        beyond_report.drift(result, found["drift"], seven)
    beyond_report.safety(result, found["safety"])
    beyond_report.interleaving(result, found["interleaving"], seven)
    if found["contextual"]:
        beyond_report.contextual(result, found["contextual"])
    speed(result, found, context.quality_only)
    return result
