#!/usr/bin/env python3
"""Draws how α is learned on the seven judged sets, as an SVG: python3 bench/bandit/learning_picture.py OUT.svg

What `equipoise learn` finds: below, the regret of the n-th query of a domain while policies learn; above, what
the curve policy believes of each domain after one pass over its queries (line and band of one standard
deviation) beside the mean reward of all its queries (dashes), both less their mean over α. Sets are looked for
in $EQUIPOISE_DATA.
"""

import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import report  # noqa: E402
from bandit.bandit_report import SETS  # noqa: E402

ORDERS = 100
WIDTH, PANEL, GAP, HEAD = 940, 120, 12, 34
BLUE, ORANGE, GREY, GREEN = "#0072B2", "#D55E00", "#777777", "#009E73"
POLICIES = {"static 0.5": GREY, "beta": ORANGE, "curve": BLUE}
SMOOTH = 5  # queries that a point of the regret is the mean of


def learn(context, folder, root):
    indexes = []
    for name in SETS:
        indexes.append(pathlib.Path(folder) / name)
        context.equipoise("index", "--corpus", root / name / "corpus.jsonl", "--embeddings",
                          root / name / "corpus.f16.npy", "--out", indexes[-1])
    of = [option for name in SETS for option in [root / name]]
    queries = [path / "queries.f16.npy" for path in of]
    return context.equipoise("learn", *indexes, "--queries", *[path / "queries.jsonl" for path in of],
                             "--query-embeddings", *queries, "--qrels", *[path / "qrels/test.tsv" for path in of],
                             "--orders", ORDERS)


def line(points, colour, dashes=""):
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"{dashes}/>'


def text(x, y, words, anchor="middle", colour="#222"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'


def panel(x, domain):
    """One domain: belief and truth over α."""
    posterior, truth = domain["posterior"], domain["reward"]
    level = sum(truth) / len(truth)
    truth = [value - level for value in truth]
    low = [m - d for m, d in zip(posterior["mean"], posterior["deviation"])]
    high = [m + d for m, d in zip(posterior["mean"], posterior["deviation"])]
    least, most = min(low + truth), max(high + truth)

    def at(i, value):
        return x + PANEL * i / (len(truth) - 1), HEAD + PANEL * (most - value) / (most - least)

    band = [at(i, v) for i, v in enumerate(high)] + [at(i, v) for i, v in reversed(list(enumerate(low)))]
    best = posterior["best_alpha"]
    marked = x + PANEL * best
    return [
        f'<rect x="{x}" y="{HEAD}" width="{PANEL}" height="{PANEL}" fill="none" stroke="#ccc"/>',
        f'<polygon points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in band)}" fill="{BLUE}" fill-opacity="0.18"/>',
        line([at(i, v) for i, v in enumerate(posterior["mean"])], BLUE),
        line([at(i, v) for i, v in enumerate(truth)], ORANGE, "4 3"),
        f'<line x1="{marked:.1f}" y1="{HEAD}" x2="{marked:.1f}" y2="{HEAD + PANEL}" stroke="{GREEN}"/>',
        text(x + PANEL / 2, HEAD - 6, domain["domain"]),
        text(x + PANEL / 2, HEAD + PANEL + 14, f"best α {best:.2f}", colour=GREEN),
    ]


def regrets(top, policies):
    """The regret of the n-th query, smoothed."""
    height, left, right = 190, 60, WIDTH - 150
    drawn = {p["policy"]: p["regret_by_query"] for p in policies if p["policy"] in POLICIES}
    smooth = {name: [sum(v[i : i + SMOOTH]) / SMOOTH for i in range(len(v) - SMOOTH + 1)] for name, v in drawn.items()}
    most = max(max(values) for values in smooth.values())
    out = [f'<rect x="{left}" y="{top}" width="{right - left}" height="{height}" fill="none" stroke="#ccc"/>']
    step = 0.02
    for i in range(int(most / step) + 1):
        y = top + height * (1 - i * step / most)
        out += [f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eee"/>',
                text(left - 6, y + 4, f"{i * step:.2f}", "end")]
    for name, values in smooth.items():
        points = [(left + (right - left) * (i + 1) / len(values), top + height * (1 - max(0, v) / most))
                  for i, v in enumerate(values)]
        out += [line(points, POLICIES[name]), text(right + 8, points[-1][1] + 4, name, "start", POLICIES[name])]
    for n in range(0, len(next(iter(drawn.values()))) + 1, 20):
        out.append(text(left + (right - left) * n / len(next(iter(drawn.values()))), top + height + 16, n))
    return [*out, text((left + right) / 2, top + height + 34, "queries of the domain so far"),
            text(left, top - 8, "regret of a query, nDCG@10, mean of the domains", "start")]


def draw(found):
    top = HEAD + PANEL + 54
    height = top + 190 + 46
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
             f'height="{height}" font-family="sans-serif" font-size="12">',
             f"<title>Learned curves over α of {len(found['domains'])} collections, and regret while learning</title>",
             f'<rect width="{WIDTH}" height="{height}" fill="white"/>']
    for i, domain in enumerate(found["domains"]):
        parts += panel(10 + i * (PANEL + GAP), domain)
    parts += regrets(top, found["policies"])
    return "\n".join([*parts, "</svg>\n"])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = pathlib.Path(os.environ.get("EQUIPOISE_DATA") or "absent")
    absent = [name for name in SETS if not (root / name / "corpus.f16.npy").exists()]
    if absent:
        sys.exit(f"not in $EQUIPOISE_DATA: {', '.join(absent)}")
    with tempfile.TemporaryDirectory() as folder:
        found = learn(report.Context(), folder, root)
    pathlib.Path(sys.argv[1]).write_text(draw(found), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except report.BenchError as error:
        sys.exit(f"learning_picture: {error}")
