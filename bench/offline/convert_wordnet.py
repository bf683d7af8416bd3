#!/usr/bin/env python3
"""Converts the WordNet database to a collection in BEIR layout.

synsets             every synset is a document: title = lemmas, text = gloss, domain =
                    lexicographer file. Some are held out as queries, with their domain,
                    for vector search and domain detection; nothing is judged.
reverse-dictionary  lemmas of noun synsets are documents; a query is a definition, and
                    the word that it defines is relevant: meaning decides.

Which synsets are drawn depends on SHA-256 of their ids, so it is the same everywhere.
"""

import argparse
import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "data"))

import beir
import failure
import wordnet

DICTIONARY_DOCUMENTS = 8000
DEFAULT_QUERIES = {"synsets": 2000, "reverse-dictionary": 150}


def drawn(synsets, purpose):
    """The synsets in an order as good as random, another one for each purpose."""
    return sorted(synsets, key=lambda synset: hashlib.sha256(
        f"{purpose}:{synset.id}".encode()).digest())


def all_synsets(synsets, queries):
    """(corpus rows, query rows, judgments): all synsets, `queries` of them held out."""
    held_out = {synset.id for synset in drawn(synsets, "held-out")[:queries]}
    corpus = [{"_id": synset.id, "title": synset.title, "text": synset.gloss,
               "domain": synset.domain} for synset in synsets if synset.id not in held_out]
    asked = [{"_id": synset.id, "text": f"{synset.title} {synset.gloss}",
              "domain": synset.domain} for synset in synsets if synset.id in held_out]
    return corpus, asked, []


def reverse_dictionary(synsets, queries):
    """(corpus rows, query rows, judgments): words as documents, definitions as queries."""
    nouns = [synset for synset in synsets if synset.id.endswith("n")]
    chosen = drawn(nouns, "word")[:DICTIONARY_DOCUMENTS]
    asked = drawn(chosen, "definition")[:queries]
    corpus = [{"_id": synset.id, "title": "", "text": synset.title} for synset in chosen]
    return (corpus, [{"_id": "q" + synset.id, "text": synset.definition} for synset in asked],
            [("q" + synset.id, synset.id, 1) for synset in asked])


KINDS = {"synsets": all_synsets, "reverse-dictionary": reverse_dictionary}


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:  python3 bench/offline/convert_wordnet.py synsets --out sets/wordnet")
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("--wordnet", type=Path, default=wordnet.DEFAULT_FOLDER, metavar="DIR",
                        help="folder of data.noun and the other database files (%(default)s)")
    parser.add_argument("--queries", type=int, metavar="N",
                        help="number of queries (2000 synsets held out; 150 definitions)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR",
                        help="folder to make; must not exist or be empty")
    options = parser.parse_args(arguments)
    queries = DEFAULT_QUERIES[options.kind] if options.queries is None else options.queries
    if queries < 0:
        parser.error(f"--queries is {queries}, less than 0")
    converted = KINDS[options.kind](wordnet.read(options.wordnet), queries)
    with beir.staged_folder(options.out) as folder:
        beir.write(folder, *converted)
    print(f"{options.out}: {len(converted[0])} documents, {len(converted[1])} queries")


if __name__ == "__main__":
    sys.exit(failure.run(main))
