"""Writes and reads a judged collection in BEIR layout.

    corpus.jsonl    {"_id", "title", "text", ...}     one document a line
    queries.jsonl   {"_id", "text", ...}              one query a line
    qrels/test.tsv  query-id, corpus-id, score        tabs, with a header line

A folder is written beside its place and renamed, so that it is whole or absent.
"""

import contextlib
import json
import os
import shutil
from pathlib import Path

from failure import InputError


@contextlib.contextmanager
def staged_folder(out, may_replace=lambda folder: False):
    """A new folder to write into; takes the place of `out` if the block succeeds.

    A folder with something in it is replaced only if `may_replace(out)` says so:
    it could be somebody's work.
    """
    out = Path(out).absolute()
    taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
    if taken and not may_replace(out):
        raise InputError("exists already and was not made by this program; "
                         "remove it or name another", out)
    out.parent.mkdir(parents=True, exist_ok=True)
    staged = out.with_name(f".{out.name}.{os.getpid()}.new")
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    staged.mkdir()
    try:
        yield staged
        if out.exists():
            out.rename(old)
        staged.rename(out)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def write(folder, corpus, queries, judgments):
    """Writes the three files. `judgments` are triples (query id, corpus id, grade)."""
    folder = Path(folder)
    write_rows(folder / "corpus.jsonl", corpus)
    write_rows(folder / "queries.jsonl", queries)
    (folder / "qrels").mkdir()
    with open(folder / "qrels" / "test.tsv", "w", encoding="utf-8", newline="\n") as file:
        file.write("query-id\tcorpus-id\tscore\n")
        for query, document, grade in judgments:
            file.write(f"{query}\t{document}\t{grade}\n")


def read_rows(path):
    """Rows of a .jsonl file; each is an object with "_id" and "text"."""
    rows = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise InputError(f"no JSON: {error}", path, number) from None
            if not isinstance(row, dict) or not all(
                    isinstance(row.get(key), str) for key in ("_id", "text")):
                raise InputError('no object with the strings "_id" and "text"', path, number)
            rows.append(row)
    return rows


def full_text(row):
    """What is embedded of a document or a query: title and text, joined by a blank."""
    return f"{row.get('title', '')} {row['text']}".strip()


def write_rows(path, rows):
    """One JSON object a line."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
