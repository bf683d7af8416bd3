"""`equipoise search`: what it refuses, what it prints, and the properties of the fused list."""

import math
import subprocess
import unittest

from harness import CliTest, example
from samples import CORPUS, QUERY_VECTORS, VECTORS, fvecs, npy

# XXH3-64 of the line before it, as `xxhsum -H3` prints it.
NEWER = "equipoise-index 999999\nxxh3 4214835497c6da01\n"
OLDER = "equipoise-index 0\nxxh3 1ce2568a10f0096f\n"


class SearchTest(CliTest):
    def setUp(self):
        super().setUp()
        self.write("c.jsonl", CORPUS)
        self.write("c.npy", npy(VECTORS))
        self.write("q.npy", npy(QUERY_VECTORS))
        self.run_ok("index", "--corpus", "c.jsonl", "--embeddings", "c.npy", "--out", "idx")

    def lexical_index(self):
        self.run_ok("index", "--corpus", "c.jsonl", "--out", "lex")
        return "lex"

    def search(self, *options, index="idx"):
        return self.run_ok("search", index, "--json", *options).json()


class IndexFolder(SearchTest):
    """Each is the same for every command that opens an index."""

    def opened(self, folder, code="invalid_argument"):
        self.write("queries.jsonl", [{"_id": "q", "text": "wing"}])
        self.write("qrels.tsv", "q\td1\t1\n")
        for command in (("search", folder, "--text", "wing"), ("inspect", folder, "--verify"),
                        ("eval", folder, "--queries", "queries.jsonl", "--qrels", "qrels.tsv")):
            error = self.refused(1, *command)
            self.assertEqual(error["code"], code)
            self.assertIn(folder, error["stderr"])
        return error

    def test_a_missing_folder_is_named_with_the_command_that_makes_one(self):
        self.assertIn("equipoise index", self.opened("absent", "not_found")["message"])

    def test_a_folder_or_file_that_is_no_index_is_named(self):
        self.write("mine/notes.txt", "mine")
        self.assertIn("not an index", self.opened("mine")["message"])
        (self.folder / "empty").mkdir()
        self.opened("empty")
        self.opened("c.jsonl")

    def test_a_newer_format_asks_for_a_newer_program(self):
        self.write("idx/MANIFEST", NEWER)
        self.assertIn("newer equipoise", self.opened("idx", "unsupported")["message"])

    def test_an_older_format_names_the_command_that_rebuilds_it(self):
        self.write("idx/MANIFEST", OLDER)
        message = self.opened("idx", "unsupported")["message"]
        self.assertIn("equipoise index --corpus CORPUS --out idx", message)

    def test_a_version_that_was_changed_by_hand_is_damage(self):
        path = self.folder / "idx/MANIFEST"
        path.write_bytes(path.read_bytes().replace(b"equipoise-index 1", b"equipoise-index 2", 1))
        self.opened("idx", "corruption")

    def test_a_manifest_that_is_no_manifest_is_damage(self):
        for content in (b"", b"\n", b"equipoise-index", b"equipoise-index 1\n", b"\0" * 100,
                        b"equipoise-index 99999999999999999999\nxxh3 0000000000000000\n"):
            with self.subTest(content):
                self.write("idx/MANIFEST", content)
                self.opened("idx", "corruption")


class Refused(SearchTest):
    def refuse(self, code, *options, index="idx"):
        return self.refused(code, "search", index, *options)

    def test_options_out_of_range_are_usage_errors(self):
        for option, *values in (("-k", "0", "-1", "1.5", "many", "nan"),
                                ("--alpha", "1.01", "-0.01", "nan", "inf", "half"),
                                ("--depth", "0", "-5"), ("--min-score", "-0.1", "1.1", "nan"), ("--ef-search", "-1", "x"),
                                ("--fusion", "sum", "MINMAX", "minmax,rrf")):
            for value in values:
                with self.subTest(option=option, value=value):
                    error = self.refuse(2, "--text", "wing", option, value)
                    self.assertIn(option.lstrip("-"), error["stderr"])

    def test_mmr_needs_embeddings_and_a_share(self):
        for value in ("-0.1", "1.5", "nan", "much"):
            self.assertIn("mmr", self.refuse(2, "--text", "wing", "--mmr", value)["stderr"])
        error = self.refuse(1, "--text", "wing", "--mmr", "0.5", index=self.lexical_index())
        self.assertEqual(error["field"], "mmr")
        self.assertIn("embeddings", error["message"])

    def test_a_filter_that_cannot_be_read_says_where(self):
        for text, part in (("", "character 1"), ("year >", "character 7: expected a value (int64)"),
                           ("yaer = 1", "there are domain (string), open (bool)"),
                           ("year = 'x'", "year is of type int64, but 'x' of type string")):
            error = self.refuse(2, "--text", "wing", "--filter", text)
            self.assertIn(part, error["message"])
            self.assertEqual(error["field"], "filter")

    def test_without_a_query_it_asks_for_one(self):
        self.assertIn("--text", self.refuse(2)["message"])

    def test_an_unknown_field_is_named(self):
        error = self.refuse(2, "--text", "wing", "--fields", "year,yaer")
        self.assertIn('"yaer"', error["message"])
        self.assertIn("equipoise inspect idx", error["message"])

    def test_alpha_0_without_an_embedding_is_refused(self):
        self.assertIn("embedding", self.refuse(1, "--text", "wing", "--alpha", "0")["message"])

    def test_a_row_that_the_file_lacks_is_refused(self):
        for row in ("2", "99999999999"):
            error = self.refuse(1, "--embedding", f"q.npy:{row}")
            self.assertEqual(error["file"], "q.npy")
            self.assertIn("2 rows", error["message"])
        self.write("none.npy", npy([], shape=(0, 4)))
        self.refuse(1, "--embedding", "none.npy")

    def test_an_embedding_of_another_dimension_is_refused_with_both(self):
        self.write("short.npy", npy([[1, 0, 0]]))
        error = self.refuse(1, "--text", "wing", "--embedding", "short.npy")
        self.assertEqual(error["file"], "short.npy")
        self.assertIn("3 dimensions", error["message"])
        self.assertIn("4", error["message"])

    def test_an_embedding_that_is_not_finite_is_refused(self):
        for bad in (math.nan, math.inf):
            self.write("bad.npy", npy([QUERY_VECTORS[0], [0, bad, 0, 0]]))
            error = self.refuse(1, "--embedding", "bad.npy:1")
            self.assertEqual((error["file"], error["row"]), ("bad.npy", 1))
            # Another row of the same file is fine.
            self.search("--embedding", "bad.npy:0")

    def test_an_embedding_for_a_lexical_index_is_refused(self):
        error = self.refuse(1, "--text", "wing", "--embedding", "q.npy",
                            index=self.lexical_index())
        self.assertIn("embedding", error["message"])

    def test_a_file_that_cannot_be_read_is_named(self):
        self.write("cut.npy", npy(QUERY_VECTORS)[:-1])
        for name in ("absent.npy", "cut.npy", "c.jsonl", "idx"):
            self.assertEqual(self.refuse(1, "--embedding", name)["file"], name)

    def test_invalid_utf8_in_the_text_is_no_crash(self):
        for text in (b"wing \xff", b"\xff", b"\xf0\x9f\x9b"):
            found = self.search("--text", text)
            self.assertEqual(len(found["hits"]), 2 if b"wing" in text else 0)


class Output(SearchTest):
    def test_explained_for_people_each_layer_has_its_time(self):
        query = ("search", "idx", "--text", "wing", "--embedding", "q.npy", "--mmr", "0.5")
        found = self.run_ok(*query, "--explain").stdout
        self.assertRegex(found, r"\ntime in µs: analysis \d+, BM25 \d+, vectors \d+, fusion \d+, "
                                r"diversity \d+, all \d+\n")
        self.assertNotIn("time in µs", self.run_ok(*query).stdout)

    def test_the_object_has_the_documented_keys(self):
        found = self.search("--text", "wing", "--embedding", "q.npy", "--alpha", "0.4", "-k", "2")
        self.assertEqual((found["alpha"], found["alpha_source"], found["k"], found["text"]),
                         (0.4, "request", 2, "wing"))
        self.assertIsNone(found["note"])
        self.assertEqual(set(found["vector"]),
                         {"plan", "allowed", "expanded", "seen", "distances", "rescored", "bytes"})
        self.assertEqual((found["vector"]["plan"], found["vector"]["allowed"]), ("scan", len(VECTORS)))
        self.assertEqual(set(found["time_us"]),
                         {"analysis", "lexical", "vector", "fusion", "diversity", "domain", "policy",
                          "total"})
        self.assertEqual((found["partial"], found["cut"]), (False, None))
        self.assertEqual([(h["rank"], h["id"]) for h in found["hits"]], [(1, "d1"), (2, "d3")])
        self.assertEqual(found["hits"][0]["title"], "Wing flow")
        self.assertEqual(found["hits"][0]["text"], "the wing in a slipstream")
        self.assertNotIn("explain", found["hits"][0])
        self.assertNotIn("fields", found["hits"][0])

    def test_alpha_is_one_half_unless_set(self):
        self.assertEqual(self.search("--text", "wing", "--embedding", "q.npy")["alpha"], 0.5)

    def test_without_an_embedding_it_is_bm25_alone_and_says_so(self):
        for index in ("idx", self.lexical_index()):
            found = self.search("--text", "wing", index=index)
            self.assertEqual((found["alpha"], found["alpha_source"]), (1, "single_path"))
            self.assertIn("BM25 alone", found["note"])
            self.assertIsNone(found["vector"])
            self.assertIn("BM25 alone",
                          self.run_ok("search", index, "--text", "wing").stdout)

    def test_explain_has_both_paths(self):
        hits = self.search("--text", "wing wing", "--embedding", "q.npy", "--explain")["hits"]
        first, last = hits[0]["explain"], hits[-1]["explain"]
        self.assertEqual(hits[-1]["id"], "d2")
        self.assertEqual((first["lexical"]["rank"], first["vector"]["rank"]), (1, 1))
        term = first["lexical"]["terms"][0]
        self.assertEqual((term["term"], term["df"], term["tf"], term["query_count"]),
                         ("wing", 2, 2, 2))
        self.assertAlmostEqual(term["score"], first["lexical"]["score"], places=5)
        # d2 holds no word of the query: a true score of 0, no rank, no terms that count.
        self.assertEqual((last["lexical"]["score"], last["lexical"]["rank"]), (0, None))
        self.assertEqual(sum(t["score"] for t in last["lexical"]["terms"]), 0)

    def test_explain_has_nulls_for_a_path_that_was_not_asked(self):
        lexical = self.search("--text", "wing", "--explain")["hits"][0]["explain"]
        self.assertEqual(lexical["vector"], {"score": None, "normalized": None, "rank": None})
        vector = self.search("--text", "wing", "--embedding", "q.npy", "--alpha", "0",
                             "--explain")["hits"][0]["explain"]
        self.assertEqual(vector["lexical"],
                         {"score": None, "normalized": None, "rank": None, "terms": None})
        self.assertEqual(vector["vector"]["rank"], 1)

    def test_the_table_has_aligned_columns(self):
        lines = self.run_ok("search", "idx", "--text", "wing", "--embedding", "q.npy", "--explain",
                            "--fields", "year,domain").stdout.split("\n\n")[1].splitlines()
        self.assertEqual(len(lines), 4)
        at = lines[0].index("document")
        for line, text in zip(lines[1:], ("Wing flow: the wing", "wing of a bird", "Bread: ")):
            self.assertTrue(line[at:].startswith(text), line)

    def test_long_texts_are_cut_in_the_table_and_whole_in_json(self):
        text = "wing " * 200 + "end"
        self.write("c.jsonl", [{"_id": "d", "text": text}])
        index = self.lexical_index()
        table = self.run_ok("search", index, "--text", "wing").stdout
        self.assertLess(max(map(len, table.splitlines())), 160)
        self.assertEqual(self.search("--text", "wing", index=index)["hits"][0]["text"], text)


class Learned(CliTest):
    """On the index that examples/learn_from_feedback leaves: 120 queries with three ratings each."""

    def setUp(self):
        super().setUp()
        subprocess.run([example("learn_from_feedback")], cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
        self.write("part.npy", npy([[0.1, 1, 0.2]]))
        self.query = ("--text", "steel M8x40", "--embedding", "part.npy", "--domain", "parts")

    def test_the_log_decides_with_and_without_its_snapshot(self):
        plain = self.run_ok("search", "workshop", *self.query, "--json").json()
        self.assertEqual((plain["alpha_source"], plain["policy_version"]), ("index", None))
        before = self.tree("workshop")["FEEDBACK"]
        learned = self.run_ok("search", "workshop", *self.query, "--learned", "--json").json()
        self.assertEqual(learned["alpha_source"], "learned")
        (self.folder / "workshop/POLICY").unlink()
        replayed = self.run_ok("search", "workshop", *self.query, "--learned", "--json").json()
        self.assertEqual((replayed["alpha_source"], replayed["policy_version"]),
                         ("learned", learned["policy_version"]))
        self.assertEqual(self.tree("workshop")["FEEDBACK"], before)
        self.assertIn("(learned)", self.run_ok("search", "workshop", *self.query, "--learned").stdout)

    def test_what_it_needs_is_said(self):
        self.assertEqual(self.refused(2, "search", "workshop", *self.query, "--learned", "--policy",
                                      "workshop/POLICY")["field"], "--learned")
        for path in self.folder.glob("workshop/FEEDBACK*"):
            path.unlink()
        error = self.refused(1, "search", "workshop", *self.query, "--learned")
        self.assertEqual((error["code"], error["file"]), ("not_found", "workshop/FEEDBACK"))


class Fused(SearchTest):
    def ids(self, *options):
        return [hit["id"] for hit in self.search(*options)["hits"]]

    def test_k_above_n_gives_all_that_match(self):
        self.assertEqual(len(self.ids("--text", "wing", "--embedding", "q.npy", "-k", "1000000")),
                         3)
        self.assertEqual(len(self.ids("--text", "wing", "-k", "1000")), 2)

    def test_an_empty_text_has_no_lexical_hits(self):
        for text in ("", " ", "…", "the of"):
            with self.subTest(text):
                self.assertEqual(self.ids("--text", text), [])
                table = self.run_ok("search", "idx", "--text", text).stdout
                self.assertTrue(table.startswith("0 hits"), table)
        found = self.search("--text", "", "--embedding", "q.npy")
        self.assertEqual((found["alpha"], len(found["hits"])), (0, 3))

    def test_alpha_1_is_the_bm25_list_and_alpha_0_the_vectors(self):
        both = ("--text", "bread", "--embedding", "q.npy")
        self.assertEqual(self.ids(*both, "--alpha", "1"), self.ids("--text", "bread"))
        self.assertEqual(self.ids(*both, "--alpha", "1"), ["d2"])
        self.assertEqual(self.ids(*both, "--alpha", "0"), self.ids("--embedding", "q.npy"))
        self.assertEqual(self.ids(*both, "--alpha", "0"), ["d1", "d3", "d2"])

    def test_every_fusion_gives_finite_scores_and_keeps_its_prefix(self):
        for fusion in ("minmax", "minmax_union", "theoretical", "rrf"):
            for alpha in ("0", "0.3", "1"):
                with self.subTest(fusion=fusion, alpha=alpha):
                    options = ("--text", "wing", "--embedding", "q.npy", "--fusion", fusion,
                               "--alpha", alpha)
                    found = self.search(*options)
                    self.assertEqual(found["fusion"], fusion)
                    scores = [hit["score"] for hit in found["hits"]]
                    self.assertTrue(all(math.isfinite(score) for score in scores))
                    self.assertEqual(scores, sorted(scores, reverse=True))
                    ids = [hit["id"] for hit in found["hits"]]
                    for k in range(1, len(ids) + 1):
                        self.assertEqual(self.ids(*options, "-k", k), ids[:k])

    def test_mmr_prefers_what_is_unlike_the_hits_above(self):
        # Of d1's neighbours d3 is alike (cosine 0.71) and d2 is not (cosine 0).
        query = ("--embedding", "q.npy", "--alpha", "0")
        self.assertEqual(self.ids(*query), ["d1", "d3", "d2"])
        self.assertEqual(self.ids(*query, "--mmr", "1"), ["d1", "d3", "d2"])
        self.assertEqual(self.ids(*query, "--mmr", "0.2"), ["d1", "d2", "d3"])
        found = self.search(*query, "--mmr", "0.2", "--explain")
        self.assertEqual(found["mmr"], 0.2)
        for hit, similarity in zip(found["hits"], (0, 0, math.sqrt(0.5))):
            self.assertAlmostEqual(hit["explain"]["similarity"], similarity, places=2)
        plain = self.search(*query, "--explain")
        self.assertIsNone(plain["mmr"])
        self.assertIsNone(plain["hits"][0]["explain"]["similarity"])
        self.assertIn("similar", self.run_ok("search", "idx", *query, "--mmr", "0.2",
                                             "--explain").stdout)

    def test_parallel_paths_change_no_hit(self):
        both = ("--text", "wing bread", "--embedding", "q.npy", "--explain")
        self.assertEqual(self.search(*both)["hits"], self.search(*both, "--parallel-paths")["hits"])

    def test_min_score_leaves_what_reaches_it(self):
        both = ("--text", "wing", "--embedding", "q.npy")
        hits = self.search(*both)["hits"]
        self.assertEqual(len(hits), 3)
        for least in (0, hits[1]["score"] - 1e-6, 1):
            self.assertEqual(self.ids(*both, "--min-score", least),
                             [hit["id"] for hit in hits if hit["score"] >= least])

    def test_filters_leave_documents_whose_metadata_match(self):
        both = ("--text", "wing", "--embedding", "q.npy")
        for text, ids in (("year >= 1960 and year < 1990", {"d1"}), ("exists tags", {"d1"}),
                          ('domain in ("bio", "food")', {"d2", "d3"}), ("year > 2000", set()),
                          ("not open = true", {"d2", "d3"}), ("rating != 2.0", {"d1"})):
            for alpha in ("0", "0.5"):
                with self.subTest(text=text, alpha=alpha):
                    found = self.search(*both, "--alpha", alpha, "--filter", text)
                    self.assertEqual({hit["id"] for hit in found["hits"]}, ids)
                    self.assertEqual(found["filter"], {"text": text, "documents": len(ids)})
        self.assertEqual(self.ids("--text", "wing", "--filter", "not exists year"), ["d3"])
        self.assertIsNone(self.search(*both)["filter"])
        table = self.run_ok("search", "idx", *both, "--filter", "exists year").stdout
        self.assertIn("2 of 3 documents pass the filter", table)

    def test_exact_and_walking_agree_on_a_small_collection(self):
        options = ("--embedding", "q.npy:1")
        self.assertEqual(self.ids(*options), self.ids(*options, "--exact", "--ef-search", "5"))

    def test_a_row_number_belongs_to_the_file_unless_the_name_ends_so(self):
        self.write("odd:1", npy(QUERY_VECTORS))
        self.assertEqual(self.ids("--embedding", "odd:1:1", "-k", "1"), ["d2"])
        self.write("q.fvecs", fvecs(QUERY_VECTORS))
        self.assertEqual(self.ids("--embedding", "q.fvecs", "-k", "1"), ["d1"])


class Operators(SearchTest):
    """Phrases, required and excluded words; what they mean is tested in the library."""

    def ids(self, text, *options, syntax="operators", index="idx"):
        found = self.search("--text", text, "--syntax", syntax, *options, index=index)
        self.assertEqual((found["text"], found["syntax"]), (text, syntax))
        return [hit["id"] for hit in found["hits"]]

    def refuse(self, code, *options, index="idx"):
        return self.refused(code, "search", index, *options)

    def test_signs_and_quotes_restrict_both_paths(self):
        self.assertEqual(self.ids("wing -bird"), ["d1"])
        self.assertEqual(self.ids("wing bread +baking"), ["d2"])
        self.assertEqual(self.ids('"wing flow"'), ["d1"])
        self.assertEqual(self.ids('"flow wing"'), [])  # the boundary of title and text
        self.assertEqual(sorted(self.ids("wing -bird", "--embedding", "q.npy")), ["d1", "d2"])
        self.assertEqual(self.ids("wing -bird", "--embedding", "q.npy", "--alpha", "0"),
                         ["d1", "d2"])

    def test_without_being_asked_for_signs_and_quotes_are_text(self):
        for text in ("wing -bird", '+wing -"bird', '"bird wing"', "+ - wing bird"):
            self.assertEqual(self.ids(text, syntax="plain"), self.ids("wing bird", syntax="plain"))
            found = self.search("--text", text)
            self.assertEqual((found["syntax"], len(found["hits"])), ("plain", 2))

    def test_errors_point_at_the_character(self):
        for text, at, word in (('wing "in a slip', 6, "not closed"), ("wing + flow", 6, "plus"),
                               ("größe -", 7, "hyphen"), ('wing ""', 6, "no word between"),
                               ("  -wing -flow", 3, "exclusions"), ("+", 1, "plus")):
            with self.subTest(text):
                error = self.refuse(2, "--text", text, "--syntax", "operators")
                self.assertIn(f"character {at}: ", error["message"])
                self.assertIn(word, error["message"])
                _, shown, mark = error["stderr"].splitlines()
                self.assertEqual(shown, "  " + text)
                self.assertEqual(mark, " " * (at + 1) + "^")

    def test_of_a_long_query_the_place_of_the_error_is_shown(self):
        text = "wing " * 1000 + '"flow ' + "heat " * 1000
        error = self.refuse(2, "--text", text, "--syntax", "operators")
        _, shown, mark = error["stderr"].splitlines()
        self.assertLess(len(shown), 90)
        self.assertEqual(shown[mark.index("^")], '"')

    def test_what_is_not_indexed_cannot_be_asked_for(self):
        for text in ("wing +the", 'wing "of the"', "wing -a"):
            error = self.refuse(1, "--text", text, "--syntax", "operators")
            self.assertIn("character 6: no word of", error["message"])

    def test_phrases_need_stored_texts(self):
        self.run_ok("index", "--corpus", "c.jsonl", "--store", "none", "--out", "bare")
        error = self.refuse(1, "--text", '"wing flow"', "--syntax", "operators", index="bare")
        self.assertEqual(error["code"], "unsupported")
        self.assertEqual(self.ids("wing -bird", index="bare"), ["d1"])

    def test_they_hold_beside_a_filter(self):
        options = ("--filter", "year >= 1960")
        self.assertEqual(self.ids("wing bread", *options), ["d2", "d1"])
        self.assertEqual(self.ids("wing bread -bread", *options), ["d1"])
        self.assertEqual(self.ids('"wing bird" bread', *options), [])
        self.assertEqual(self.ids('"baking bread"', *options, "--embedding", "q.npy"), ["d2"])

    def test_an_unknown_syntax_is_a_usage_error(self):
        self.refuse(2, "--text", "wing", "--syntax", "lucene")

    def test_explain_leaves_out_what_is_excluded(self):
        hit = self.search("--text", 'wing -bird "flow"', "--syntax", "operators",
                          "--explain")["hits"][0]
        self.assertEqual([term["term"] for term in hit["explain"]["lexical"]["terms"]],
                         ["wing", "flow"])


class Snippets(SearchTest):
    def marked(self, text, ranges):
        return [text.encode()[begin:end].decode() for begin, end in ranges]

    def test_the_object_has_the_passage_and_the_places_of_words(self):
        text = "Früher. " * 100 + "Die Größe der Flügel ist bekannt. " + "Später. " * 100
        self.write("c.jsonl", [{"_id": "d", "title": "Flügel", "text": text}])
        hit = self.search("--text", "größe flügel", "--snippets",
                          index=self.lexical_index())["hits"][0]
        snippet = hit["snippet"]
        self.assertEqual(set(snippet), {"text", "begin", "ranges", "title_ranges"})
        self.assertLessEqual(len(snippet["text"]), 200)
        self.assertTrue(text.encode()[snippet["begin"]:].decode().startswith(snippet["text"]))
        self.assertIn("Die Größe der Flügel ist bekannt.", snippet["text"])
        self.assertEqual(self.marked(snippet["text"], snippet["ranges"]), ["Größe", "Flügel"])
        self.assertEqual(self.marked("Flügel", snippet["title_ranges"]), ["Flügel"])
        self.assertEqual(hit["text"], text)

    def test_stems_are_found_and_other_words_are_not(self):
        hit = self.search("--text", "wings", "--snippets")["hits"][0]
        self.assertEqual(self.marked(hit["snippet"]["text"], hit["snippet"]["ranges"]), ["wing"])

    def test_a_hit_of_the_vectors_alone_shows_its_beginning(self):
        hit = self.search("--embedding", "q.npy:1", "--snippets", "-k", "1")["hits"][0]
        self.assertEqual(hit["snippet"], {"text": "baking bread with yeast", "begin": 0,
                                          "ranges": [], "title_ranges": []})

    def test_the_table_has_them_below_the_titles_without_escapes(self):
        out = self.run_ok("search", "idx", "--text", "wing", "--snippets").stdout
        lines = out.split("\n\n")[1].splitlines()
        self.assertEqual(lines[1].split()[-2:], ["Wing", "flow"])
        self.assertEqual(lines[2], "    the wing in a slipstream")
        self.assertEqual(lines[4], "    wing of a bird")
        self.assertNotIn("\033", out)

    def test_what_was_cut_is_marked(self):
        self.write("c.jsonl", [{"_id": "d", "text": "a. " * 200 + "One wing here. " + "b. " * 200}])
        out = self.run_ok("search", self.lexical_index(), "--text", "wing", "--snippets").stdout
        line = out.splitlines()[-1]
        self.assertTrue(line.startswith("    … ") and line.endswith(" …"), line)

    def test_control_characters_of_a_document_do_not_reach_the_terminal(self):
        self.write("c.jsonl", [{"_id": "d", "text": "a \x1b[31m wing \u009b and \x07 more"}])
        out = self.run_ok("search", self.lexical_index(), "--text", "wing", "--snippets").stdout
        self.assertNotIn("\x1b", out)
        self.assertNotIn("\u009b", out)

    def test_without_stored_texts_they_are_empty(self):
        self.run_ok("index", "--corpus", "c.jsonl", "--store", "none", "--out", "bare")
        hit = self.search("--text", "wing", "--snippets", index="bare")["hits"][0]
        self.assertEqual(hit["snippet"]["text"], "")
        self.run_ok("search", "bare", "--text", "wing", "--snippets")


class Fields(SearchTest):
    def index(self, *options):
        self.run_ok("index", "--corpus", "c.jsonl", "--out", "fields", *options)
        return "fields"

    def bm25f(self, weight, b):
        """The score of "wing" in d1: title "wing flow", text "wing slipstream" without stop words."""
        titles, texts = [2, 1, 0], [2, 3, 2]
        sums = [w * 1 / (1 - b + b * length / (sum(lengths) / 3))
                for w, length, lengths in ((weight, 2, titles), (1, 2, texts))]
        idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
        return idf * sum(sums) / (sum(sums) + 1.2)

    def test_scores_are_bm25f_and_explain_shows_the_title(self):
        for options, weight, b in ((("--field-weights", "title=3"), 3, 0.75),
                                   (("--field-weights", "title=0.5,text=1", "--b", "0.3"), 0.5,
                                    0.3),
                                   (("--field-weights", "text=1:1,title=2:1"), 2, 1)):
            index = self.index(*options)
            hit = self.search("--text", "wing", "--explain", index=index)["hits"]
            term = [h for h in hit if h["id"] == "d1"][0]["explain"]["lexical"]["terms"][0]
            self.assertAlmostEqual(term["score"], self.bm25f(weight, b), places=5)
            self.assertEqual((term["tf"], term["title_tf"]), (2, 1))
            self.assertIn("in title", self.run_ok("search", index, "--text", "wing",
                                                  "--explain").stdout)

    def test_without_them_title_and_text_are_one(self):
        term = self.search("--text", "wing", "--explain")["hits"][0]["explain"]["lexical"]["terms"][0]
        self.assertNotIn("title_tf", term)
        self.assertNotIn("in title",
                         self.run_ok("search", "idx", "--text", "wing", "--explain").stdout)

    def test_inspect_shows_the_weights(self):
        found = self.run_ok("inspect", self.index("--field-weights", "title=2:0.5"), "--verify",
                            "--json").json()
        self.assertEqual(found["settings"]["bm25"]["fields"],
                         {"title": {"weight": 2, "b": 0.5}, "text": {"weight": 1, "b": 0.75}})

    def test_values_that_are_none_are_usage_errors(self):
        for value in ("", "title", "title=", "title=0", "title=-1", "title=nan", "title=1e7",
                      "title=2:1.5", "title=2:", "title=1:1:1", "title=1,title=2", "body=1",
                      "title=1,,text=1", "title=2 "):
            with self.subTest(value):
                error = self.refused(2, "index", "--corpus", "c.jsonl", "--out", "none",
                                     "--field-weights", value)
                self.assertIn("field-weights", error["stderr"])


if __name__ == "__main__":
    unittest.main()
