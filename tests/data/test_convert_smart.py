"""The converter of the classic collections, on small hand-written files of each format."""

import unittest

from programs import FolderTest
import beir
import convert_smart
import smart

CRANFIELD = {
    "cran.all.1400": ".I 1\n.T\nflow over\na wing .\n.A\nsmith,j.\n.B\njas 1, 2.\n.W\n"
                     "flow over\na wing .\n  lift was measured .\n"
                     ".I 2\n.T\nheat .\n.A\n.B\n.W\nheat in plates .\n"
                     ".I 3\n.T\n.A\n.B\n.W\n",
    "cran.qry": ".I 001\n.W\nwhat is\nlift .\n.I 004\n.W\nheat transfer .\n",
    "cranqrel": "1 1 2 \n1 2 -1\n2 2 1\n2 3 4\n2 1 5\n",
}
MED = {
    "MED.ALL": ".I 1\n.W\nthe lens of the eye.\n.I 2\n.W\nblood cells.\n",
    "MED.QRY": ".I 1\n.W\n lenses\n.I 2\n.W\n never judged\n",
    "MED.REL": "1 0 1 1\n",
}
CISI = {
    "CISI.ALL": ".I 1\n.T\nOn Catalogues\n.A\nDoe, J.\n.W\n  How they grew.\n.X\n1\t5\t1\n",
    "CISI.QRY": ".I 1\n.T\nCards\n.A\nRoe, R.\n.W\n    Card\ncatalogues.\n.B\n(A journal)\n",
    "CISI.REL": "     1      1\t0\t0.000000\n",
}
CACM = {
    "cacm.all": ".I 1\n.T\nSorting\n.B\nCACM May, 1960\n.A\nDoe, J. K.\nRoe,R.\n"
                ".N\nCA1\n.X\n1\t5\t1\n"
                ".I 2\n.T\nMerging\n.W\nOf lists.\n.A\nDoe, J.  K.\n.K\nlists\n.C\n3.1\n.N\nCA2\n"
                ".I 3\n.T\nGames\n.N\nCA3\n",
    "query.text": ".I 1\n.W\n Anything on sorting?\n.N\n 1. Somebody\n \n.I 2\n",
    "qrels.text": "01 0002  0 0\n01 0001  0 0\n01 0001  0 0\n",
}
NPL = {
    "doc-text": "1\nsmall  stores\nof data\n   /\n2\naerials\n   /\n",
    "query-text": "1\nSTORES OF DATA\n/\n",
    "rlv-ass": "1\n    1\n    2\n   /\n",
}


class ConvertSmart(FolderTest):
    def convert(self, collection, files):
        """(corpus, queries, judgment lines) of a collection."""
        for name, text in files.items():
            self.file(name, text)
        out = self.folder / "out"
        code, _, err = self.run_program(convert_smart, collection,
                                        "--from", self.folder, "--out", out)
        self.assertEqual((code, err), (0, ""))
        return (beir.read_rows(out / "corpus.jsonl"), beir.read_rows(out / "queries.jsonl"),
                (out / "qrels/test.tsv").read_text().splitlines()[1:])

    def test_cranfield_title_is_not_repeated_and_empty_documents_stay(self):
        corpus, _, _ = self.convert("cranfield", CRANFIELD)
        self.assertEqual(corpus, [
            {"_id": "1", "title": "flow over a wing .", "text": "lift was measured ."},
            {"_id": "2", "title": "heat .", "text": "heat in plates ."},
            {"_id": "3", "title": "", "text": ""}])

    def test_cranfield_queries_count_by_position_and_codes_are_inverted(self):
        _, queries, judgments = self.convert("cranfield", CRANFIELD)
        self.assertEqual(queries, [{"_id": "1", "text": "what is lift ."},
                                   {"_id": "2", "text": "heat transfer ."}])
        self.assertEqual(judgments, ["1\t1\t3", "2\t2\t4", "2\t3\t1"])

    def test_med_keeps_judged_queries_only(self):
        corpus, queries, judgments = self.convert("med", MED)
        self.assertEqual(corpus[0], {"_id": "1", "title": "", "text": "the lens of the eye."})
        self.assertEqual(queries, [{"_id": "1", "text": "lenses"}])
        self.assertEqual(judgments, ["1\t1\t1"])

    def test_cisi_query_joins_title_and_text(self):
        corpus, queries, judgments = self.convert("cisi", CISI)
        self.assertEqual(corpus, [{"_id": "1", "title": "On Catalogues",
                                   "text": "How they grew."}])
        self.assertEqual(queries, [{"_id": "1", "text": "Cards Card catalogues."}])
        self.assertEqual(judgments, ["1\t1\t1"])

    def test_cacm_pads_numbers_and_may_judge_a_pair_twice(self):
        corpus, queries, judgments = self.convert("cacm", CACM)
        self.assertEqual(corpus[1], {"_id": "2", "title": "Merging", "text": "Of lists."})
        self.assertEqual(queries, [{"_id": "1", "text": "Anything on sorting?"}])
        self.assertEqual(judgments, ["1\t2\t1", "1\t1\t1"])

    def test_cacm_authors_asks_for_authors_of_two_papers(self):
        corpus, queries, judgments = self.convert("cacm-authors", CACM)
        self.assertEqual([row["text"] for row in corpus],
                         ["J. K. Doe, R. Roe", "Of lists. J. K. Doe", ""])
        self.assertEqual(queries, [{"_id": "a0", "text": "J. K. Doe"}])
        self.assertEqual(judgments, ["a0\t1\t1", "a0\t2\t1"])

    def test_npl_blocks(self):
        corpus, queries, judgments = self.convert("npl", NPL)
        self.assertEqual([row["text"] for row in corpus], ["small stores of data", "aerials"])
        self.assertEqual(queries, [{"_id": "1", "text": "stores of data"}])
        self.assertEqual(judgments, ["1\t1\t1", "1\t2\t1"])

    def test_windows_line_ends_make_no_difference(self):
        windows = {name: text.replace("\n", "\r\n") for name, text in CRANFIELD.items()}
        self.assertEqual(self.convert("cranfield", windows)[1][0]["text"], "what is lift .")

    def test_section_that_comes_twice_goes_on(self):
        path = self.file("d", ".I 1\n.W\none\n.B\nx\n.W\ntwo\n")
        self.assertEqual(smart.read_records(path)[0].text("W"), "one two")

    def test_malformed_files_end_the_program_with_file_and_line(self):
        cases = {
            "text before a record": ("cran.all.1400", "lost\n", 1),
            "section before a record": ("cran.all.1400", ".T\nx\n", 1),
            "record without number": ("cran.all.1400", ".I 1\n.W\nx\n.I two\n", 4),
            "record twice": ("cran.all.1400", ".I 1\n.W\nx\n.I 1\n", 4),
            "text outside a section": ("cran.all.1400", ".I 1\nx\n", 2),
            "too few columns": ("cranqrel", "1 1 2\n1 2\n", 2),
            "no number": ("cranqrel", "1 one 2\n", 1),
            "unknown code": ("cranqrel", "1 1 2\n1 2 7\n", 2),
            "unknown document": ("cranqrel", "1 99 2\n", 1),
            "unknown query": ("cranqrel", "1 1 2\n9 1 2\n", 2),
            "two grades for a pair": ("cranqrel", "1 1 2\n1 1 3\n", 2),
        }
        for name, (file, text, line) in cases.items():
            with self.subTest(name):
                self.refuses("cranfield", {**CRANFIELD, file: text}, f"{file}:{line}: ")

    def test_malformed_blocks_end_the_program_with_file_and_line(self):
        cases = {
            "block without number": ("doc-text", "1\nx\n/\nwords\n/\n", 4),
            "block without end": ("doc-text", "1\nx\n/\n2\ny\n", 4),
            "block twice": ("doc-text", "1\nx\n/\n1\ny\n/\n", 4),
            "no document number": ("rlv-ass", "1\n 1 x\n/\n", 1),
        }
        for name, (file, text, line) in cases.items():
            with self.subTest(name):
                self.refuses("npl", {**NPL, file: text}, f"{file}:{line}: ")

    def test_empty_and_missing_files_are_refused(self):
        self.refuses("cranfield", {**CRANFIELD, "cran.all.1400": ""}, "cran.all.1400: ")
        self.refuses("cranfield", {**CRANFIELD, "cranqrel": ""}, "cranqrel: ")
        (self.folder / "cran.qry").unlink()
        self.refuses("cranfield", {}, "cran.qry")

    def refuses(self, collection, files, where):
        for name, text in files.items():
            self.file(name, text)
        out = self.folder / "out"
        code, said, err = self.run_program(convert_smart, collection,
                                           "--from", self.folder, "--out", out)
        self.assertEqual((code, said), (1, ""))
        self.assertIn(where, err)
        self.assertFalse(out.exists())


if __name__ == "__main__":
    unittest.main()
