"""The converter of the WordNet database."""

import unittest

from programs import FolderTest
import beir
import convert_wordnet
import small_wordnet


class ConvertWordNet(FolderTest):
    def convert(self, kind, queries):
        out = self.folder / kind
        code, _, err = self.run_program(
            convert_wordnet, kind, "--wordnet", small_wordnet.write(self), "--queries", queries,
            "--out", out)
        self.assertEqual((code, err), (0, ""))
        return (beir.read_rows(out / "corpus.jsonl"), beir.read_rows(out / "queries.jsonl"),
                (out / "qrels/test.tsv").read_text().splitlines()[1:])

    def test_held_out_synsets_are_queries_and_no_documents(self):
        corpus, queries, judgments = self.convert("synsets", 2)
        self.assertEqual((len(corpus), len(queries), judgments), (5, 2, []))
        self.assertFalse({row["_id"] for row in corpus} & {row["_id"] for row in queries})
        self.assertTrue(all(row["domain"] for row in corpus + queries))

    def test_document_has_lemmas_gloss_and_domain(self):
        corpus, _, _ = self.convert("synsets", 0)
        self.assertEqual(corpus[3], {
            "_id": "00000100v", "title": "climb", "domain": "verb.motion",
            "text": 'go upward; "climb the ladder to the roof"'})

    def test_reverse_dictionary_asks_definitions_of_nouns(self):
        corpus, queries, judgments = self.convert("reverse-dictionary", 3)
        self.assertEqual({row["text"] for row in corpus},
                         {"landform", "hill, small mountain", "Blue Hill"})
        self.assertEqual({row["text"] for row in queries}, {
            "a natural shape of the ground", "a raised part; lower than a mountain",
            "a hill that is blue"})
        self.assertEqual(sorted(judgments), [
            f"q{id}\t{id}\t1" for id in ("00000100n", "00000200n", "00000300n")])

    def test_malformed_database_ends_the_program_with_file_and_line(self):
        folder = small_wordnet.write(self, verb=small_wordnet.VERB + "nonsense\n")
        out = self.folder / "out"
        code, _, err = self.run_program(convert_wordnet, "synsets", "--wordnet", folder,
                                        "--out", out)
        self.assertEqual(code, 1)
        self.assertIn("data.verb:3: ", err)
        self.assertFalse(out.exists())


if __name__ == "__main__":
    unittest.main()
