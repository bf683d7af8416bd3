"""Derives cacm-authors from CACM: find the papers of an author by name.

Words decide here, which makes the set a counterpart of reverse-dictionary. The
authors' names are added to the text of each document; a query is the name of an
author with 2 to 20 papers; those papers are relevant. Of all such authors, the
first 150 by SHA-256 of the name are asked.
"""

import hashlib

QUERIES = 150
MIN_PAPERS, MAX_PAPERS = 2, 20


def names(record):
    """Authors of a record, `Doe, J. K.` written as `J. K. Doe`."""
    found = []
    for line in record.sections.get("A", ()):
        last, _, first = line.partition(",")
        found.append(" ".join(f"{first} {last}".split()))
    return found


def derive(records, documents):
    """(corpus rows, query rows, judgments) from CACM's records and their rows."""
    papers, corpus = {}, []
    for record, row in zip(records, documents):
        authors = names(record)
        for name in authors:
            papers.setdefault(name, {})[row["_id"]] = None
        corpus.append({**row, "text": f"{row['text']} {', '.join(authors)}".strip()})
    able = [name for name, ids in papers.items() if MIN_PAPERS <= len(ids) <= MAX_PAPERS]
    able.sort(key=lambda name: hashlib.sha256(name.encode()).digest())
    asked = able[:QUERIES]
    queries = [{"_id": f"a{at}", "text": name} for at, name in enumerate(asked)]
    judgments = [(f"a{at}", id, 1) for at, name in enumerate(asked) for id in papers[name]]
    return corpus, queries, judgments
