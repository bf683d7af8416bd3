#!/usr/bin/env python3
"""Converts a classic judged collection from its original files to BEIR layout.

The collections: cranfield, med, cisi, cacm, npl (also called Vaswani), in the files
of the SMART / Glasgow distribution, and cacm-authors, which is made from cacm.
README.md beside this file says where they come from. Queries without a judgment are
left out. Cranfield's codes, 1 the best, become grades 4 to 1, 4 the best.
"""

import argparse
import sys
from pathlib import Path
from typing import Callable, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "data"))

import beir
import cacm_authors
import failure
import smart


class Collection(NamedTuple):
    """How one collection differs from the others."""

    files: tuple  # documents, queries, judgments
    read_judgments: Callable
    read: Callable = smart.read_records
    lower_case_queries: bool = False
    queries_by_position: bool = False  # judgments count queries instead of naming them
    title_repeated_in_text: bool = False


def _judgments(columns, document_column, grade_of=None):
    return lambda path: smart.read_judgments(path, columns, document_column, grade_of)


_CACM = Collection(("cacm.all", "query.text", "qrels.text"), _judgments(4, 1))
COLLECTIONS = {
    "cranfield": Collection(("cran.all.1400", "cran.qry", "cranqrel"),
                            _judgments(3, 1, smart.cranfield_grade),
                            queries_by_position=True, title_repeated_in_text=True),
    "med": Collection(("MED.ALL", "MED.QRY", "MED.REL"), _judgments(4, 2)),
    "cisi": Collection(("CISI.ALL", "CISI.QRY", "CISI.REL"), _judgments(4, 1)),
    "cacm": _CACM,
    "cacm-authors": _CACM,
    "npl": Collection(("doc-text", "query-text", "rlv-ass"), smart.read_block_judgments,
                      read=smart.read_blocks, lower_case_queries=True),
}


def document_row(record, collection):
    title, text = record.text("T"), record.text("W")
    if collection.title_repeated_in_text and title and text.startswith(title):
        text = text[len(title):].strip()
    return {"_id": str(record.number), "title": title, "text": text}


def query_rows(path, collection):
    """Rows of the queries that have a text."""
    rows = []
    for position, record in enumerate(collection.read(path), 1):
        text = f"{record.text('T')} {record.text('W')}".strip()
        if text:
            number = position if collection.queries_by_position else record.number
            rows.append({"_id": str(number),
                         "text": text.lower() if collection.lower_case_queries else text})
    return rows


def grades(path, judgments, queries, documents):
    """{query id: {document id: grade}}; InputError for ids that nobody knows."""
    found = {}
    for judgment in judgments:
        query, document = str(judgment.query), str(judgment.document)
        if query not in queries:
            raise failure.InputError(f"there is no query {query}", path, judgment.line)
        if document not in documents:
            raise failure.InputError(f"there is no document {document}", path, judgment.line)
        if found.setdefault(query, {}).setdefault(document, judgment.grade) != judgment.grade:
            raise failure.InputError(f"query {query} and document {document} have a second, "
                                     "different grade", path, judgment.line)
    return found


def convert(name, documents_path, queries_path, judgments_path):
    """(corpus rows, query rows, judgments) of a collection."""
    collection = COLLECTIONS[name]
    records = collection.read(documents_path)
    corpus = [document_row(record, collection) for record in records]
    if name == "cacm-authors":
        return cacm_authors.derive(records, corpus)
    queries = query_rows(queries_path, collection)
    judged = grades(judgments_path, collection.read_judgments(judgments_path),
                    {row["_id"] for row in queries}, {row["_id"] for row in corpus})
    queries = [row for row in queries if row["_id"] in judged]
    triples = [(row["_id"], document, grade) for row in queries
               for document, grade in judged[row["_id"]].items()]
    return corpus, queries, triples


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:  python3 bench/offline/convert_smart.py cranfield "
               "--from downloads/cran --out sets/cranfield")
    parser.add_argument("collection", choices=sorted(COLLECTIONS))
    parser.add_argument("--from", dest="folder", type=Path, default=Path("."), metavar="DIR",
                        help="folder of the original files, under their original names")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR",
                        help="folder to make; must not exist or be empty")
    for what in ("documents", "queries", "judgments"):
        parser.add_argument(f"--{what}", type=Path, metavar="FILE",
                            help=f"the file of the {what}, if its name is another one")
    options = parser.parse_args(arguments)
    paths = [given or options.folder / usual for given, usual in zip(
        (options.documents, options.queries, options.judgments),
        COLLECTIONS[options.collection].files)]
    converted = convert(options.collection, *paths)
    with beir.staged_folder(options.out) as folder:
        beir.write(folder, *converted)
    print(f"{options.out}: {len(converted[0])} documents, {len(converted[1])} queries, "
          f"{len(converted[2])} judgments")


if __name__ == "__main__":
    sys.exit(failure.run(main))
