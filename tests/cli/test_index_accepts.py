"""What is fine: unusual documents, files and options, and how they come back from a search."""

import json
import math
import unittest

from harness import CliTest
from samples import CORPUS, VECTORS, fvecs, npy


class Accepted(CliTest):
    def index(self, corpus, *options, embeddings=None):
        self.write("corpus.jsonl", corpus)
        if embeddings is not None:
            self.write("corpus.npy", embeddings)
            options += ("--embeddings", "corpus.npy")
        return self.run_ok("index", "--corpus", "corpus.jsonl", "--out", "idx", "--json",
                           *options).json()

    def search(self, *options, k=10):
        return self.run_ok("search", "idx", "-k", k, "--json", *options).json()

    def ids(self, *options, k=10):
        return [hit["id"] for hit in self.search(*options, k=k)["hits"]]

    def write_query(self, row):
        self.write("q.npy", npy([row]))
        return "--embedding", "q.npy"


class Documents(Accepted):
    def test_empty_documents_are_kept_and_never_a_lexical_hit(self):
        info = self.index([CORPUS[0], {"_id": "e1"}, {"_id": "e2", "title": "", "text": ""},
                           {"_id": "e3", "title": None, "text": None}, {"_id": "e4", "text": "…"}])
        self.assertEqual(info["documents"], 5)
        self.assertEqual(self.ids("--text", "wing"), ["d1"])

    def test_a_collection_without_documents_opens_and_finds_nothing(self):
        for corpus in ("", "\n \n"):
            self.assertEqual(self.index(corpus)["documents"], 0)
            self.assertEqual(self.ids("--text", "wing"), [])
            self.run_ok("inspect", "idx", "--verify")

    def test_zero_vectors_have_the_score_0(self):
        self.index(CORPUS, embeddings=npy([[0] * 4, [0, 1, 0, 0], [0, -1, 0, 0]]))
        found = self.search(*self.write_query([0, 1, 0, 0]), "--alpha", 0, "--explain")
        scores = {hit["id"]: hit["explain"]["vector"]["score"] for hit in found["hits"]}
        self.assertEqual(scores["d1"], 0)
        for id_, score in (("d2", 1), ("d3", -1)):
            self.assertAlmostEqual(scores[id_], score, places=2)
        # A query of zeros is as near to all: every score is 0, and document order decides.
        found = self.search(*self.write_query([0] * 4), "--alpha", 0, "--explain")
        self.assertEqual([hit["id"] for hit in found["hits"]], ["d1", "d2", "d3"])
        self.assertEqual({hit["explain"]["vector"]["score"] for hit in found["hits"]}, {0})

    def test_a_collection_of_zero_vectors_builds(self):
        self.index(CORPUS, embeddings=npy([[0] * 4] * 3))
        found = self.search("--text", "bread", *self.write_query([1, 0, 0, 0]))
        self.assertEqual(found["hits"][0]["id"], "d2")
        self.assertTrue(all(math.isfinite(hit["score"]) for hit in found["hits"]))

    def test_a_text_of_10_mb_is_fine(self):
        text = "wing flow over the plate " * 400_000
        self.index([{"_id": "big", "text": text}, CORPUS[1], {"_id": "word", "text": "x" * 10**6}])
        self.assertEqual(self.ids("--text", "plate"), ["big"])
        # As a query, where the arguments of a program end: 100 kB.
        self.assertEqual(self.ids("--text", text[:100_000]), ["big"])

    def test_integer_ids_come_back_as_their_digits(self):
        self.index([{"_id": 7, "text": "wing"}, {"_id": -3, "text": "wing wing wing"}])
        self.assertEqual(sorted(self.ids("--text", "wing")), ["-3", "7"])

    def test_unusual_ids_and_texts_come_back_as_they_were(self):
        documents = [{"_id": "a b/ü\t\"\\", "title": "Tïtle", "text": "wing \u0000 \u001b[31m 🛩 end"},
                     {"_id": "🛩", "text": "wing " + "e\u0301" * 3}]
        self.index(documents)
        found = {hit["id"]: hit for hit in self.search("--text", "wing")["hits"]}
        for document in documents:
            self.assertEqual(found[document["_id"]]["text"], document["text"])
        table = self.run_ok("search", "idx", "--text", "wing").stdout
        self.assertFalse(set(table) & {"\x1b", "\0", "\t"}, table)

    def test_a_beir_metadata_object_is_kept(self):
        self.index([{"_id": "a", "text": "wing", "metadata": {}},
                    {"_id": "b", "text": "wing", "metadata": {"url": "x", "n": [1, None]}},
                    {"_id": "c", "text": "wing", "metadata": None}])
        hits = self.search("--text", "wing", "--fields", "metadata")["hits"]
        self.assertEqual({hit["id"]: hit["fields"]["metadata"] for hit in hits},
                         {"a": {}, "b": {"url": "x", "n": [1, None]}, "c": None})

    def test_values_of_every_type_come_back_and_absent_ones_are_null(self):
        self.index(CORPUS)
        found = self.search("--text", "wing bread", "--fields", "year,domain,open,rating,tags")
        fields = {hit["id"]: hit["fields"] for hit in found["hits"]}
        names = ("year", "domain", "open", "rating", "tags")
        for document in CORPUS:
            self.assertEqual(fields[document["_id"]],
                             {name: document.get(name) for name in names})
        self.assertIs(fields["d2"]["open"], False)
        info = self.run_ok("inspect", "idx", "--json").json()
        self.assertEqual(info["fields"], {"year": "int64", "domain": "string", "open": "bool",
                                          "rating": "double", "tags": "json"})

    def test_extreme_numbers_come_back(self):
        values = [2**63 - 1, -2**63, 0, -1]
        self.index([{"_id": i, "text": "wing", "n": n, "x": x} for i, (n, x) in enumerate(
            zip(values, [1e308, -1e308, 5e-324, 0.1]))])
        hits = self.search("--text", "wing", "--fields", "n,x")["hits"]
        by_id = {hit["id"]: hit["fields"] for hit in hits}
        self.assertEqual([by_id[str(i)]["n"] for i in range(4)], values)
        self.assertEqual([by_id[str(i)]["x"] for i in range(4)], [1e308, -1e308, 5e-324, 0.1])

    def test_windows_line_ends_a_byte_order_mark_and_no_last_newline_are_fine(self):
        lines = "\r\n".join(json.dumps(document) for document in CORPUS)
        self.assertEqual(self.index(b"\xef\xbb\xbf" + lines.encode())["documents"], 3)
        self.assertEqual(self.ids("--text", "bread"), ["d2"])


class Embeddings(Accepted):
    def nearest(self):
        return self.ids(*self.write_query([0, 1, 0, 0]), k=1)

    def test_float16_float32_and_fvecs_find_the_same(self):
        self.write("corpus.fvecs", fvecs(VECTORS))
        self.write("half.npy", npy(VECTORS, "e", "<f2"))
        self.write("single.npy", npy(VECTORS))
        for name in ("corpus.fvecs", "half.npy", "single.npy"):
            with self.subTest(name):
                self.index(CORPUS, "--embeddings", name)
                self.assertEqual(self.nearest(), ["d2"])

    def test_a_query_may_be_of_another_format_than_the_collection(self):
        self.index(CORPUS, embeddings=npy(VECTORS))
        self.write("q.fvecs", fvecs([[1, 0, 0, 0], [0, 1, 0, 0]]))
        self.write("half.npy", npy([[0, 1, 0, 0]], "e", "<f2"))
        self.assertEqual(self.ids("--embedding", "q.fvecs:1", k=1), ["d2"])
        self.assertEqual(self.ids("--embedding", "half.npy", k=1), ["d2"])

    def test_one_dimension_and_one_document_are_enough(self):
        self.index(CORPUS[:1], embeddings=npy([[2.0]]))
        self.assertEqual(self.ids(*self.write_query([1])), ["d1"])

    def test_without_embeddings_the_index_is_lexical_and_says_so(self):
        self.write("corpus.jsonl", CORPUS)
        run = self.run_ok("index", "--corpus", "corpus.jsonl", "--out", "idx")
        self.assertIn("lexical only", run.stdout)
        self.assertEqual(self.ids("--text", "bread"), ["d2"])

    def test_without_text_the_index_is_vectors_alone(self):
        self.index([{"_id": d["_id"]} for d in CORPUS], embeddings=npy(VECTORS))
        self.assertEqual(self.nearest(), ["d2"])
        found = self.search("--text", "bread", *self.write_query([0, 1, 0, 0]))
        self.assertEqual(found["hits"][0]["id"], "d2")
        self.assertEqual(found["alpha"], 0)
        self.assertIn("vectors alone", found["note"])
        self.assertIn("vectors only", self.run_ok("inspect", "idx").stdout)

    def test_l2_ranks_by_distance(self):
        self.index(CORPUS, "--metric", "l2", embeddings=npy([[3, 0], [1, 0], [0, 5]]))
        found = self.search(*self.write_query([1.2, 0]), "--explain")["hits"]
        self.assertEqual([hit["id"] for hit in found], ["d2", "d1", "d3"])
        self.assertAlmostEqual(found[0]["explain"]["vector"]["score"], -0.04, places=2)

    def test_the_same_input_gives_the_same_files(self):
        trees = []
        for _ in range(2):
            self.index(CORPUS, embeddings=npy(VECTORS))
            trees.append({name.split("/")[-1]: content for name, content in self.tree("idx").items()
                          if "/" in name})
        self.assertEqual(*trees)


class Text(Accepted):
    def test_stop_words_can_be_ones_own_or_none(self):
        self.index(CORPUS)
        self.assertEqual(self.ids("--text", "the"), [])
        self.index(CORPUS, "--stopwords", "none")
        self.assertEqual(self.ids("--text", "the"), ["d1"])
        self.write("stop.txt", b"\xef\xbb\xbfwing\r\n\r\n  bread \r\n")
        self.index(CORPUS, "--stopwords", "stop.txt")
        self.assertEqual(self.ids("--text", "wing bread"), [])
        self.assertEqual(self.ids("--text", "the"), ["d1"])

    def test_little_memory_and_threads_make_the_same_lexical_index(self):
        def lexical():
            return [c for n, c in self.tree("idx").items() if c and n.endswith("lexical")]

        documents = [{"_id": f"d{i}", "text": f"wing{i} wing{i % 7} heat"} for i in range(300)]
        self.index(documents)
        expected = lexical()
        self.assertEqual(len(expected), 1)
        for memory in ("1", "16KiB", "1 GB", "0"):
            self.index(documents, "--memory", memory, "--threads", "3")
            self.assertEqual(lexical(), expected)

    def test_a_language_stems_its_words(self):
        documents = [{"_id": "h", "text": "Viele Häuser"}, {"_id": "s", "text": "Die Straße"}]
        self.index(documents, "--language", "german")
        self.assertEqual(self.ids("--text", "HAUS"), ["h"])
        self.assertEqual(self.ids("--text", "strasse"), ["s"])
        self.index(documents, "--language", "none")
        self.assertEqual(self.ids("--text", "haus"), [])
        self.assertEqual(self.ids("--text", "HÄUSER"), ["h"])

    def test_store_none_keeps_no_text_but_finds_it(self):
        self.index(CORPUS, "--store", "none")
        hits = self.search("--text", "bread", "--fields", "year")["hits"]
        self.assertEqual(hits[0]["id"], "d2")
        self.assertEqual(hits[0]["fields"], {"year": 1990})
        self.assertFalse({"title", "text"} & set(hits[0]))
        self.assertNotIn(b"yeast", b"".join(c for n, c in self.tree("idx").items()
                                            if c and n.endswith("documents")))
        self.assertIn("d2", self.run_ok("search", "idx", "--text", "bread").stdout)

    def test_k1_and_b_are_used_and_stored(self):
        documents = [{"_id": "long", "text": "wing wing wing " + "filler " * 50},
                     {"_id": "short", "text": "wing"}]
        self.index(documents, "--k1", "0", "--b", "0")
        hits = self.search("--text", "wing", "--explain")["hits"]
        # With k1 = 0 neither repetition nor length counts: equal scores, document order.
        self.assertEqual([hit["id"] for hit in hits], ["long", "short"])
        self.assertEqual(len({hit["explain"]["lexical"]["score"] for hit in hits}), 1)
        bm25 = self.run_ok("inspect", "idx", "--json").json()["settings"]["bm25"]
        self.assertEqual(bm25, {"k1": 0, "b": 0})

    def test_alpha_and_fusion_are_stored_for_searches_that_name_none(self):
        self.index(CORPUS, "--alpha", "0.3", "--fusion", "rrf", embeddings=npy(VECTORS))
        query = self.write_query([1, 0, 0, 0])
        found = self.search("--text", "wing", *query)
        self.assertEqual((found["alpha"], found["fusion"], found["alpha_source"]),
                         (0.3, "rrf", "index"))
        # The stored alpha belongs to its normalization and is not used with another.
        found = self.search("--text", "wing", *query, "--fusion", "minmax")
        self.assertEqual((found["alpha"], found["alpha_source"]), (0.5, "default"))


if __name__ == "__main__":
    unittest.main()
