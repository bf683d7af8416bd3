#!/usr/bin/env python3
"""Makes the demo collection: judged documents and queries with their vectors.

Needs WordNet 3.0 (Debian: apt-get install wordnet-base) and this folder, nothing
else: the vectors are in demo_vectors.i8. Takes a few seconds; a second run finds
its own output and returns at once.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import beir
import demo_collection
import failure
import unit_vectors
import wordnet

HERE = Path(__file__).resolve().parent
VECTORS = HERE / "demo_vectors.i8"
STAMP = "made-from.json"


def sha256(paths):
    """One fingerprint of the contents of some files, in their order."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(hashlib.sha256(Path(path).read_bytes()).digest())
    return digest.hexdigest()


def inputs(wordnet_folder):
    """Everything that the output depends on: WordNet, the vectors, the programs."""
    return [*wordnet.check_folder(wordnet_folder), VECTORS, *sorted(HERE.glob("*.py"))]


def outputs(folder):
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != STAMP]


def is_current(folder, made_from):
    """True if `folder` holds what these inputs give, untouched."""
    try:
        stamp = json.loads((folder / STAMP).read_text())
        return stamp == {"inputs": made_from, "outputs": sha256(outputs(folder))}
    except (OSError, ValueError):
        return False


def make(wordnet_folder, folder):
    """Writes the collection into the empty `folder`; returns (documents, queries)."""
    corpus, queries, judgments = demo_collection.select(wordnet.read(wordnet_folder))
    stored = unit_vectors.read(VECTORS)
    rows = [(row["_id"], beir.full_text(row)) for row in corpus + queries]
    if (stored.corpus_rows, stored.query_rows, stored.identity) != (
            len(corpus), len(queries), unit_vectors.identity(rows)):
        raise failure.InputError(
            f"the synsets in {wordnet_folder} are not those of the stored vectors: they were "
            "made from WordNet 3.0 as in Debian's wordnet-base; use that, or make vectors "
            "for yours with embed_demo.py", VECTORS)
    beir.write(folder, corpus, queries, judgments)
    beir.write_rows(folder / "stream.jsonl",
                    [{"query": row["_id"], "domain": row["part"]} for row in queries])
    unit_vectors.write_npy(folder / "corpus.f16.npy", stored, 0, len(corpus))
    unit_vectors.write_npy(folder / "queries.f16.npy", stored, len(corpus), len(queries))
    return len(corpus), len(queries)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:  python3 data/make_demo.py --out build/demo")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR",
                        help="folder to make; replaced if this program made it before")
    parser.add_argument("--wordnet", type=Path, default=wordnet.DEFAULT_FOLDER, metavar="DIR",
                        help="folder of data.noun and the other database files (%(default)s)")
    options = parser.parse_args(arguments)
    made_from = sha256(inputs(options.wordnet))
    if is_current(options.out, made_from):
        print(f"{options.out}: is current")
        return
    with beir.staged_folder(options.out, lambda old: (old / STAMP).is_file()) as folder:
        documents, queries = make(options.wordnet, folder)
        stamp = {"inputs": made_from, "outputs": sha256(outputs(folder))}
        (folder / STAMP).write_text(json.dumps(stamp) + "\n")
    print(f"{options.out}: {documents} documents, {queries} queries")


if __name__ == "__main__":
    sys.exit(failure.run(main))
