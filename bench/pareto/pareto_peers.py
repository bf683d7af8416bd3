#!/usr/bin/env python3
"""pymoo's NSGA-II and non-dominated sorting, on the problems of equipoise_pareto_bench.

    pareto_peers.py SEEDS POINTS.json

One JSON object on stdout: the last populations of 100 × 250, for us to measure, and times.
"""

import json
import sys
import time

import numpy as np
import pymoo
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.optimize import minimize
from pymoo.problems import get_problem
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

PROBLEMS = {"zdt1": 30, "zdt2": 30, "zdt3": 30, "zdt6": 10, "dtlz2": 12}


def race(name, variables, seeds):
    problem = get_problem(name, n_var=variables)
    out = {"problem": name, "fronts": [], "seconds": []}
    for seed in range(1, seeds + 1):
        start = time.perf_counter()
        found = minimize(problem, NSGA2(pop_size=100), ("n_gen", 250), seed=seed)
        out["seconds"].append(time.perf_counter() - start)
        out["fronts"].append(found.F.tolist())
    return out


def main():
    seeds = int(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as file:
        points = {name: np.array(values).reshape(-1, 3) for name, values in json.load(file).items()}
    sorting = {}
    for name, rows in points.items():
        best = 1e99
        for _ in range(5):
            start = time.perf_counter()
            NonDominatedSorting().do(rows)
            best = min(best, time.perf_counter() - start)
        sorting[name] = best
    races = [race(name, variables, seeds) for name, variables in PROBLEMS.items()]
    print(json.dumps({"version": pymoo.__version__, "sorting": sorting, "races": races}))


if __name__ == "__main__":
    main()
