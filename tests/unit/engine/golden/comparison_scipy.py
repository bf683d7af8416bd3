#!/usr/bin/env python3
"""Makes comparison_scipy.json, the numbers that comparison_test.cc compares with.

Run:  pip install numpy==2.4.6 scipy==1.17.1
      python3 comparison_scipy.py > comparison_scipy.json
"""
import json
import warnings

import numpy as np
import scipy
from scipy import stats

warnings.simplefilter("ignore")


def mean_difference(a, b, axis=-1):
    return np.mean(b - a, axis=axis)


def case(name, a, b, exact, lattice=0.0):
    a, b = np.round(a, 4), np.round(b, 4)
    # Exact: every one of the 2^n assignments. Otherwise sampled, often enough that its own error
    # hardly counts beside ours.
    permutation = stats.permutation_test(
        (a, b), mean_difference, permutation_type="samples", vectorized=True, batch=2000,
        n_resamples=np.inf if exact else 200_000, alternative="two-sided",
        rng=np.random.default_rng(1))
    interval = stats.bootstrap(
        (a, b), mean_difference, paired=True, vectorized=True, batch=2000, method="percentile",
        n_resamples=200_000, confidence_level=0.95, rng=np.random.default_rng(2))
    return {
        "name": name,
        "a": a.tolist(),
        "b": b.tolist(),
        "exact": exact,
        "difference": float(np.mean(b - a)),
        # Distance of the values that a resampled mean can take, where they are few.
        "lattice": lattice,
        "standard_error": float(stats.sem(b - a)),
        "p_t": float(stats.ttest_rel(b, a).pvalue),
        "p_randomization": float(permutation.pvalue),
        "low": float(interval.confidence_interval.low),
        "high": float(interval.confidence_interval.high),
    }


def main():
    rng = np.random.default_rng(20240501)
    cases = []
    for n, effect in ((3, 0.2), (7, 0.15), (10, -0.1), (13, 0.0)):
        a = rng.beta(1, 2, n)
        cases.append(case(f"n{n}", a, np.clip(a + rng.normal(effect, 0.15, n), 0, 1), True))
    # A grid of values, so that many sign assignments tie with the observed mean. The exact bootstrap
    # distribution has 0.97525 at or below 0.25, so that a sampled 97.5 % quantile is 0.25 or the next
    # value of the lattice.
    a = rng.integers(0, 5, 12) / 4
    cases.append(case("ties12", a, np.clip(a + rng.integers(-1, 3, 12) / 4, 0, 1), True,
                      lattice=1 / 4 / 12))
    for n, effect in ((30, 0.02), (50, 0.05), (225, 0.02), (225, 0.0)):
        a = rng.beta(1, 2, n)
        b = np.clip(a + rng.normal(effect, 0.15, n) * (rng.random(n) < 0.7), 0, 1)
        cases.append(case(f"n{n}_{effect}", a, b, False))
    # No t near 0: scipy 1.17.1 subtracts from 1 there (t = 1e-9, one degree of freedom: 1 instead of
    # 1 - 6.4e-10). The test has closed forms for it.
    student = [
        {"t": t, "freedom": freedom, "p": float(2 * stats.t.sf(t, freedom))}
        for freedom in (1, 2, 3, 9, 29, 224, 6979)
        for t in (0.01, 0.5, 1.0, 1.96, 3.5, 8.0, 40.0)
    ]
    print(json.dumps({"made_with": {"numpy": np.__version__, "scipy": scipy.__version__},
                      "comparisons": cases, "student_t": student}, indent=None))


if __name__ == "__main__":
    main()
