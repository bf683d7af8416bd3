"""The reader of the WordNet database."""

import unittest

from programs import FolderTest
import small_wordnet
import wordnet


class WordNet(FolderTest):
    def read(self, **replaced):
        return {s.id: s for s in wordnet.read(small_wordnet.write(self, **replaced))}

    def test_reads_all_four_files_in_order(self):
        self.assertEqual(list(self.read()), [
            "00000100n", "00000200n", "00000300n", "00000100v", "00000100a", "00000200a",
            "00000100r"])

    def test_underscores_are_blanks_and_markers_are_gone(self):
        synsets = self.read()
        self.assertEqual(synsets["00000200n"].title, "hill, small mountain")
        self.assertEqual(synsets["00000100a"].lemmas, ("high", "tall"))

    def test_domain_is_the_lexicographer_file(self):
        synsets = self.read()
        self.assertEqual(synsets["00000200n"].domain, "noun.object")
        self.assertEqual(synsets["00000100v"].domain, "verb.motion")
        self.assertEqual(len(wordnet.DOMAINS), 45)

    def test_near_holds_hypernyms_hyponyms_and_similar_synsets_only(self):
        synsets = self.read()
        self.assertEqual(synsets["00000100n"].near, ("00000200n", "00000300n"))
        self.assertEqual(synsets["00000200n"].near, ("00000100n",))
        self.assertEqual(synsets["00000100a"].near, ("00000200a",))
        self.assertEqual(synsets["00000100v"].near, ())

    def test_only_an_instance_is_an_instance(self):
        self.assertEqual([s.id for s in self.read().values() if s.is_instance], ["00000300n"])

    def test_examples_are_parted_from_the_definition(self):
        hill = self.read()["00000200n"]
        self.assertEqual(hill.definition, "a raised part; lower than a mountain")
        self.assertEqual(hill.examples, ("they climbed the hill at dawn", "up the hill"))

    def test_source_of_an_example_is_no_definition(self):
        steep = self.read()["00000200a"]
        self.assertEqual(steep.definition, "rising fast; said of slopes")
        self.assertEqual(steep.examples, ("the steep path made us breathe hard",))

    def test_unclosed_example_is_left_out(self):
        high = self.read()["00000100a"]
        self.assertEqual((high.definition, high.examples), ("far up", ()))

    def test_quotation_within_a_definition_stays(self):
        self.assertEqual(wordnet.split_gloss('the word "a; b" in print; "an a and b"'),
                         ('the word "a; b" in print', ("an a and b",)))

    def test_missing_folder_names_the_package(self):
        with self.assertRaisesRegex(Exception, "apt-get install wordnet-base"):
            wordnet.read(self.folder / "nowhere")

    def test_malformed_lines_are_refused_with_file_and_line(self):
        for name, line in {
                "no gloss": "00000100 02 r 01 uphill 0 000\n",
                "short offset": "100 02 r 01 uphill 0 000 | up\n",
                "other part of speech": "00000100 02 n 01 uphill 0 000 | up\n",
                "no words": "00000100 02 r 00 000 | up\n",
                "words missing": "00000100 02 r 09 uphill 0 000 | up\n",
                "pointers missing": "00000100 02 r 01 uphill 0 002 ! 00000200 r 0101 | down\n",
                "unknown file": "00000100 45 r 01 uphill 0 000 | up\n",
                "empty line": "\n"}.items():
            with self.subTest(name):
                folder = small_wordnet.write(self, adv=small_wordnet.LICENCE + line)
                self.refused(f"{folder / 'data.adv'}:2: ", wordnet.read, folder)


if __name__ == "__main__":
    unittest.main()
