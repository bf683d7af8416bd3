#!/usr/bin/env python3
"""Compares our ranking measures with those of trec_eval, query by query.

    pip install pytrec_eval-terrier
    check_measures.py MEASURE_TOOL [--rounds N] [--seed S]

Random judgments (graded, some negative, some queries without a relevant document) and random runs
(tied scores, unjudged documents, queries that the other file does not have) go through our readers,
our writer and our measures, and through pytrec_eval. pytrec_eval is given 2^grade - 1 as relevance,
so that its linear gains are ours (a grade of 1 stays 1, its threshold for relevant), and the strictly
decreasing scores that our writer wrote, so that its order is ours.

ctest runs it with the Python that EQUIPOISE_PYTHON names (default: python3). Exit code 77: skipped,
because that Python has no pytrec_eval.
"""
import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

try:
    import pytrec_eval
except ImportError:
    print(f"skipped: {sys.executable} has no pytrec_eval; pip install pytrec_eval-terrier, or name a "
          "Python that has it in EQUIPOISE_PYTHON")
    sys.exit(77)

TOLERANCE = 1e-6


def make_judgments(rng, queries):
    """{query: {document: grade}}; every third query or so is of an awkward kind."""
    out = {}
    for query in queries:
        kind = rng.random()
        grades = [-2, -1, 0, 0, 1, 1, 2, 3, 4]
        if kind < 0.1:
            grades = [-1, 0]  # nothing relevant
        elif kind < 0.2:
            grades = [0, 1]
        elif kind < 0.25:
            grades = [0, 10, 1, 5]
        documents = rng.sample(range(400), rng.choice([1, 3, 20, 150]))
        out[query] = {f"d{d}": rng.choice(grades) for d in documents}
    return out


def make_run(rng, queries):
    """{query: [(document, score text)]} in the order of lines, not sorted."""
    out = {}
    for query in queries:
        depth = rng.choice([1, 5, 10, 50, 300])
        # Few different scores make many ties; the others differ by less than a float can hold.
        scores = rng.choice([
            lambda: str(rng.randint(-2, 3)),
            lambda: f"{rng.random():.3f}",
            lambda: repr(1 + rng.randint(0, 20) * 1e-9),
            lambda: repr(rng.gauss(0, 1) * 10 ** rng.randint(-30, 10)),
        ])
        out[query] = [(f"d{d}", scores()) for d in rng.sample(range(400), depth)]
    return out


def write_qrels(path, judgments, beir):
    with open(path, "w", encoding="utf-8") as file:
        if beir:
            file.write("query-id\tcorpus-id\tscore\n")
        for query, grades in judgments.items():
            for document, grade in grades.items():
                file.write(f"{query}\t{document}\t{grade}\n" if beir else
                           f"{query} 0 {document} {grade}\n")


def check(condition, message):
    if not condition:
        sys.exit(f"FAILED: {message}")


def run_tool(tool, *arguments):
    return subprocess.run([tool, *arguments], check=True, capture_output=True, text=True).stdout


def check_rewritten(run, path):
    """The file holds our order with scores that strictly decrease, as doubles and as trec_eval's
    floats. Returns {query: [(document, score)]}."""
    rankings = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            query, _, document, rank, score, _ = line.split()
            rankings.setdefault(query, []).append((document, float(score)))
            check(int(rank) == len(rankings[query]), f"rank of {line}")
    check(list(rankings) == list(run), "queries written")
    for query, entries in run.items():
        # sorted() is stable: ties stay in the order of lines, which is what our reader promises.
        expected = [d for d, _ in sorted(entries, key=lambda entry: -float(entry[1]))]
        check([d for d, _ in rankings[query]] == expected, f"order of {query}")
        scores = [as_float32(score) for _, score in rankings[query]]
        check(all(a > b for a, b in zip(scores, scores[1:])), f"scores of {query}")
    return rankings


def as_float32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def evaluate_with_pytrec_eval(judgments, rankings):
    """{query: {our name: value}} for all judged queries; one that was not ranked gets zeros."""
    relevance = {query: {d: 2 ** max(g, 0) - 1 for d, g in grades.items()}
                 for query, grades in judgments.items()}
    measures = {"ndcg_cut.10", "recall.10,100", "map", "recip_rank"}
    evaluator = pytrec_eval.RelevanceEvaluator(relevance, measures)
    whole = evaluator.evaluate({q: dict(entries) for q, entries in rankings.items()})
    # recip_rank has no cut: the run is cut instead.
    cut = evaluator.evaluate({q: dict(entries[:10]) for q, entries in rankings.items()})
    out = {}
    for query in judgments:
        theirs = whole.get(query)
        out[query] = {
            "ndcg@10": theirs["ndcg_cut_10"] if theirs else 0.0,
            "recall@10": theirs["recall_10"] if theirs else 0.0,
            "recall@100": theirs["recall_100"] if theirs else 0.0,
            "mrr@10": cut[query]["recip_rank"] if theirs else 0.0,
            "map": theirs["map"] if theirs else 0.0,
        }
    return out


def check_round(tool, folder, rng, number):
    names = [f"q{i}" for i in range(40)]
    judgments = make_judgments(rng, names[:35])
    run = make_run(rng, rng.sample(names[2:], 35))
    qrels, raw, written = (os.path.join(folder, n) for n in ("qrels", "raw.trec", "written.trec"))
    write_qrels(qrels, judgments, beir=number % 2 == 0)
    with open(raw, "w", encoding="utf-8") as file:
        lines = [f"{query} Q0 {document} 1 {score} raw\n"
                 for query, entries in run.items() for document, score in entries]
        file.writelines(lines)

    run_tool(tool, "rewrite", raw, written)
    rankings = check_rewritten(run, written)
    theirs = evaluate_with_pytrec_eval(judgments, rankings)
    counted = [q for q, grades in judgments.items() if max(grades.values()) >= 1]
    worst = 0.0
    for path in (raw, written):
        ours = json.loads(run_tool(tool, "evaluate", qrels, path))
        check(sorted(ours["queries"]) == sorted(counted), "the queries that count")
        check(ours["without_relevant"] == len(judgments) - len(counted), "without_relevant")
        check(ours["without_results"] == sum(q not in run for q in counted), "without_results")
        check(ours["without_judgments"] == sum(q not in judgments for q in run),
              "without_judgments")
        for name in ours["mean"]:
            for query in counted:
                error = abs(ours["queries"][query][name] - theirs[query][name])
                worst = max(worst, error)
                check(error <= TOLERANCE, f"round {number}, {query}, {name}: "
                      f"{ours['queries'][query][name]} instead of {theirs[query][name]}")
            mean = sum(theirs[q][name] for q in counted) / len(counted)
            check(abs(ours["mean"][name] - mean) <= TOLERANCE, f"round {number}, mean {name}")
    return len(counted), worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tool")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    queries, worst = 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds):
            counted, error = check_round(arguments.tool, folder, rng, number)
            queries += counted
            worst = max(worst, error)
    print(f"{queries} queries in {arguments.rounds} rounds agree with pytrec_eval in five measures; "
          f"largest difference {worst:.1e}")


if __name__ == "__main__":
    main()
