"""Small collections and matrix files for the tests, written with the standard library alone."""

import struct

# Three documents with a field of every type; document d2 lacks some.
CORPUS = [
    {"_id": "d1", "title": "Wing flow", "text": "the wing in a slipstream", "year": 1963,
     "domain": "aero", "open": True, "rating": 4.5, "tags": ["a", {"b": 1}]},
    {"_id": "d2", "title": "Bread", "text": "baking bread with yeast", "year": 1990,
     "domain": "food", "open": False, "rating": 2},
    {"_id": "d3", "title": "", "text": "wing of a bird", "domain": "bio"},
]
VECTORS = [[1, 0, 0, 0], [0, 1, 0, 0], [0.7, 0, 0.7, 0]]
QUERIES = [{"_id": "q1", "text": "wing"}, {"_id": "q2", "text": "bread"}]
QUERY_VECTORS = [[1, 0, 0, 0], [0, 1, 0, 0]]


def beir(*judgments):
    """The text of a BEIR qrels file with (query, document, grade) in each line."""
    lines = [("query-id", "corpus-id", "score"), *judgments]
    return "".join("\t".join(map(str, line)) + "\n" for line in lines)


QRELS = beir(("q1", "d1", 2), ("q1", "d3", 1), ("q2", "d2", 1))


def npy(rows, code="f", descr="<f4", fortran="False", shape=None):
    """The bytes of an .npy file. `code` is struct's name of the element type, `descr` numpy's."""
    shape = shape or (len(rows), len(rows[0]) if rows else 0)
    header = f"{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}"
    header = header.ljust(-(len(header) + 11) % 64 + len(header)) + "\n"
    data = b"".join(struct.pack(f"<{len(row)}{code}", *row) for row in rows)
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def fvecs(rows):
    """The bytes of an .fvecs file: each row preceded by its length."""
    return b"".join(struct.pack(f"<i{len(row)}f", len(row), *row) for row in rows)
