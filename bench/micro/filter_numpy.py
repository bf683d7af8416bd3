"""Decay × confidence, one global sigma pass and the weighted mean in NumPy and pandas: prints one JSON
object, {"numpy": version, "pandas": version, "seconds": {"numpy/100": ..., ...}}."""

import json
import time

import numpy

try:
    import pandas
except ImportError:
    pandas = None

NOW, HALF_LIFE = 1.7e9, 14 * 86400.0


def by_numpy(rating, stamp, confidence):
    weight = confidence * numpy.exp2(-numpy.maximum(NOW - stamp, 0) / HALF_LIFE)
    keep = numpy.abs(rating - rating.mean()) <= 3 * rating.std(ddof=1)
    return numpy.average(rating, weights=weight * keep)


def by_tuned_numpy(rating, stamp, confidence):
    """Less than the filter does: nothing clamped, weights and sums in float32."""
    weight = confidence * numpy.exp2((stamp - NOW) * (1 / HALF_LIFE)).astype(numpy.float32)
    weight *= numpy.abs(rating - rating.mean()) <= 3 * rating.std(ddof=1)
    return numpy.dot(weight, rating) / weight.sum()


def by_pandas(rating, stamp, confidence):
    weight = confidence * numpy.exp2(-(NOW - stamp).clip(lower=0) / HALF_LIFE)
    off = (rating - rating.mean()).abs()
    weight = weight.mask(off > 3 * rating.std(), 0)
    return (weight * rating).sum() / weight.sum()


def seconds(call):
    call()
    start = time.perf_counter()
    call()
    calls = max(1, int(0.03 / max(time.perf_counter() - start, 1e-9)))
    times = []
    for _ in range(15):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        times.append((time.perf_counter() - start) / calls)
    return sorted(times)[len(times) // 2]


def main():
    random = numpy.random.default_rng(1)
    out = {"numpy": numpy.__version__, "pandas": pandas and pandas.__version__, "seconds": {}}
    for n in (100, 1000, 100_000):
        columns = (
            random.normal(0.5, 0.08, n).astype(numpy.float32),
            NOW - 60 * 86400 * random.random(n),
            random.random(n).astype(numpy.float32),
        )
        out["seconds"][f"numpy/{n}"] = seconds(lambda: by_numpy(*columns))
        out["seconds"][f"tuned/{n}"] = seconds(lambda: by_tuned_numpy(*columns))
        if pandas:
            series = [pandas.Series(column) for column in columns]
            out["seconds"][f"pandas/{n}"] = seconds(lambda: by_pandas(*series))
    print(json.dumps(out))


main()
