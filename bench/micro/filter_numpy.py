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


def grouped_by_pandas(frame):
    """The latest of a source's ratings of an item, the same weights and sigma, then weighted mean,
    variance and effective size of each item and each source."""
    frame = frame.sort_values("time", kind="stable").drop_duplicates(["source", "item"], keep="last")
    off = (frame.rating - frame.rating.mean()).abs()
    frame = frame[off <= 3 * frame.rating.std()]
    w = frame.confidence * numpy.exp2(-(NOW - frame.time).clip(lower=0) / HALF_LIFE)
    x = frame.rating.astype(numpy.float64)
    sums = pandas.DataFrame({"w": w, "ww": w * w, "wx": w * x, "wxx": w * x * x, "n": 1})
    out = []
    for key in ("item", "source"):
        g = sums.groupby(frame[key]).sum()
        mean = g.wx / g.w
        out.append((mean, (g.wxx - g.wx * mean) / (g.w - g.ww / g.w), g.w * g.w / g.ww, g.n))
    return out


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
    for n in (100_000, 1_000_000) if pandas else ():
        columns = {
            "rating": random.normal(0.5, 0.08, n).astype(numpy.float32),
            "time": NOW - 60 * 86400 * random.random(n),
            "confidence": random.random(n).astype(numpy.float32),
            "source": random.integers(0, n // 20 + 1, n),
            "item": random.integers(0, n // 50 + 1, n),
        }
        frame = pandas.DataFrame(columns)
        out["seconds"][f"grouped/{n}"] = seconds(lambda: grouped_by_pandas(frame))
    print(json.dumps(out))


main()
