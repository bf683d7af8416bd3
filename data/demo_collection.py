"""Which synsets the demo collection holds, and which queries it asks of them.

The rule is in README.md beside this file. It depends on WordNet alone, so the
stored vectors fit what anybody selects again.
"""

import hashlib
from collections import Counter

from failure import InputError

DOCUMENTS = 9500
QUERIES = 400
MIN_WORDS = 4  # a shorter example ("a fine wine") hardly says anything
MAX_NEAR = 20  # a synset with more neighbours is a heading rather than a meaning
SEED = "equipoise-demo-1:"


def drawing_order(synset):
    """Position in the draw: as good as random, the same everywhere."""
    return hashlib.sha256((SEED + synset.id).encode()).digest()


def first_long_example(synset):
    """The first usage example with enough words, or None."""
    return next((text for text in synset.examples if len(text.split()) >= MIN_WORDS), None)


def select(synsets, documents=DOCUMENTS, queries=QUERIES):
    """(corpus rows, query rows, judgments) of the collection that the rule draws."""
    defined = [synset for synset in synsets if synset.definition]
    by_id = {synset.id: synset for synset in defined}
    drawn = sorted(defined, key=drawing_order)
    asked = _choose_queries(drawn, by_id, queries)
    chosen = _with_rivals(asked, defined, by_id)
    for synset in drawn:
        if len(chosen) >= documents:
            break
        chosen.add(synset.id)
    if len(asked) < queries or len(chosen) != documents:
        raise InputError(f"WordNet gives {len(asked)} queries and {len(chosen)} documents, "
                         f"not {queries} and {documents}: is it complete?")
    corpus = [_document(synset) for synset in defined if synset.id in chosen]
    query_rows = [{"_id": "q" + synset.id, "text": text, "domain": synset.domain,
                   "part": synset.part}
                  for synset, text in asked]
    return corpus, query_rows, _judge(asked, by_id)


def _choose_queries(drawn, by_id, count):
    seen = Counter(text for synset in drawn for text in set(synset.examples))
    asked = []
    for synset in drawn:
        text = first_long_example(synset)
        near = sum(id in by_id for id in synset.near)
        if text and seen[text] == 1 and 1 <= near <= MAX_NEAR:
            asked.append((synset, text))
            if len(asked) == count:
                break
    return asked


def _with_rivals(asked, defined, by_id):
    """Ids of the queries' synsets, their neighbours, and all meanings of their lemmas.

    Without the other meanings of a word, finding the word would be finding the
    answer.
    """
    chosen = {synset.id for synset, _ in asked}
    chosen.update(id for synset, _ in asked for id in synset.near if id in by_id)
    words = {lemma.lower() for synset, _ in asked for lemma in synset.lemmas}
    chosen.update(synset.id for synset in defined
                  if any(lemma.lower() in words for lemma in synset.lemmas))
    return chosen


def _document(synset):
    return {"_id": synset.id, "title": synset.title, "text": synset.definition,
            "domain": synset.domain, "part": synset.part, "lemmas": len(synset.lemmas),
            "instance": synset.is_instance}


def _judge(asked, by_id):
    judgments = []
    for synset, _ in asked:
        judgments.append(("q" + synset.id, synset.id, 2))
        near = {id for id in synset.near if id in by_id and id != synset.id}
        judgments.extend(("q" + synset.id, id, 1) for id in sorted(near))
    return judgments
