#!/usr/bin/env python3
"""Makes outliers_scipy.json, the numbers that outliers_test.cc and feedback_aggregate_test.cc compare
with: which values SciPy's and Astropy's clipping keep, and SciPy's intervals.

Run:  pip install numpy==2.4.6 scipy==1.17.1 astropy==8.0.2
      python3 outliers_scipy.py > outliers_scipy.json
"""
import json

import astropy
import numpy as np
import scipy
from astropy.stats import sigma_clip
from scipy import stats


def samples():
    random = np.random.default_rng(7)
    yield "normal", random.normal(size=200)
    heavy = random.standard_t(2, size=300)
    yield "heavy tails", heavy
    yield "skewed", random.exponential(size=150)
    yield "one far out", np.concatenate([random.normal(size=30), [50.0]])
    yield "a tenth far out", np.concatenate([random.normal(size=90), 8 + 0.1 * random.normal(size=10)])
    yield "large offset", 1000 + random.normal(size=64)
    yield "even count with ties", np.round(random.normal(size=100) * 4) / 4
    yield "five", np.array([1.0, 2.0, 3.0, 4.0, 100.0])


def outside(values, low, high):
    return [int(i) for i in np.flatnonzero((values < low) | (values > high))]


def cases():
    for name, values in samples():
        # What float32 holds, computed in double.
        values = np.float32(values).astype(np.float64)
        runs = []
        for low, high in ((4, 4), (2, 3), (1.5, 1.5)):
            _, lower, upper = stats.sigmaclip(values, low, high)
            runs.append({"like": "scipy", "low": low, "high": high, "iterations": 0, "center": "mean",
                         "spread": "deviation", "removed": outside(values, lower, upper)})
        for sigma, iterations, center, spread in (
                (3, 5, "median", "std"), (2, 5, "mean", "std"), (2, 1, "median", "std"),
                (2, None, "median", "std"), (3, 5, "median", "mad_std"), (2.5, 2, "mean", "mad_std")):
            mask = sigma_clip(values, sigma=sigma, maxiters=iterations, cenfunc=center,
                              stdfunc=spread).mask
            mask = np.broadcast_to(mask, values.shape)
            runs.append({"like": "astropy", "low": sigma, "high": sigma,
                         "iterations": iterations or 0, "center": center,
                         "spread": "deviation" if spread == "std" else "mad",
                         "removed": [int(i) for i in np.flatnonzero(mask)]})
        sigma_mask = np.abs(values - values.mean()) > 3 * values.std(ddof=1)
        yield {"name": name, "values": [float(v) for v in values], "runs": runs,
               "sigma3": [int(i) for i in np.flatnonzero(sigma_mask)],
               "mad_scale": float(stats.median_abs_deviation(values, scale="normal")),
               "iqr": float(stats.iqr(values))}


def intervals():
    for k, n in ((0, 1), (1, 1), (0, 10), (3, 10), (50, 100), (7, 1000), (999_000, 1_000_000)):
        for level in (0.9, 0.95, 0.99):
            wilson = stats.binomtest(k, n).proportion_ci(level, method="wilson")
            posterior = stats.beta(k + 0.5, n - k + 0.5)
            yield {"k": k, "n": n, "level": level, "z": float(stats.norm.ppf((1 + level) / 2)),
                   "wilson": [float(wilson.low), float(wilson.high)],
                   "beta": [float(posterior.ppf((1 - level) / 2)),
                            float(posterior.ppf((1 + level) / 2))]}


print(json.dumps({"numpy": np.__version__, "scipy": scipy.__version__,
                  "astropy": astropy.__version__, "cases": list(cases()),
                  "intervals": list(intervals())}))
