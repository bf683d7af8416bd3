"""Makes bm25s_lucene.json: BM25 scores of a tiny collection by bm25s, method "lucene".

    python3 -m venv VENV && VENV/bin/pip install bm25s==0.3.16
    VENV/bin/python bm25s_lucene.py > bm25s_lucene.json

The tokens are given, not analysed, so that only the scores are compared. bm25s keeps the exact
lengths of documents, as we do (Lucene itself rounds them to a byte).
"""
import json

import bm25s

DOCUMENTS = """
wing flow wing boundary layer
heat transfer in the boundary layer of a slender wing

flow
flow flow flow flow flow flow flow flow
supersonic flow past a slender body with heat transfer and with mass transfer at the wall
the wall
a a a a b b c
heat
transfer of heat by flow of air over the wing the flow being laminar and the wing being slender
body wall body wall body
layer
""".strip("\n").split("\n")

QUERIES = """
flow
boundary layer flow
slender wing heat transfer
flow flow wing
the
a b c
unknown
unknown wall
wing wing wing layer layer body
""".strip("\n").split("\n")

PARAMETERS = [(1.2, 0.75), (0.9, 0.4), (2.0, 1.0), (1.5, 0.0), (0.0, 0.75)]


def main():
    documents = [line.split() for line in DOCUMENTS]
    queries = [line.split() for line in QUERIES]
    cases = []
    for k1, b in PARAMETERS:
        model = bm25s.BM25(method="lucene", k1=k1, b=b, backend="numpy")
        model.index(documents, show_progress=False)
        scores = []
        for query in queries:
            known = [token for token in query if token in model.vocab_dict]
            row = model.get_scores(known).tolist() if known else [0.0] * len(documents)
            scores.append([round(score, 7) for score in row])
        cases.append({"k1": k1, "b": b, "scores": scores})
    out = {"made_by": f"bm25s {bm25s.__version__}, method lucene",
           "documents": documents, "queries": queries, "cases": cases}
    print(json.dumps(out, indent=None, separators=(",", ":")).replace('],"', '],\n"').replace('{"k1"', '\n{"k1"'))


if __name__ == "__main__":
    main()
