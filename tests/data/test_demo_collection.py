"""The rule that draws the demo collection, on a hand-written WordNet."""

import unittest

from programs import FolderTest
import demo_collection
import failure
import small_wordnet
import wordnet


class DemoCollection(FolderTest):
    def select(self, documents, queries, **replaced):
        synsets = wordnet.read(small_wordnet.write(self, **replaced))
        return demo_collection.select(synsets, documents, queries)

    def test_long_enough_examples_are_queries(self):
        _, queries, _ = self.select(7, 2)
        self.assertEqual({row["_id"]: row["text"] for row in queries},
                         {"q00000200n": "they climbed the hill at dawn",
                          "q00000200a": "the steep path made us breathe hard"})

    def test_source_has_grade_2_and_its_neighbours_1(self):
        _, _, judgments = self.select(7, 2)
        self.assertEqual(sorted(judgments), [
            ("q00000200a", "00000100a", 1), ("q00000200a", "00000200a", 2),
            ("q00000200n", "00000100n", 1), ("q00000200n", "00000200n", 2)])

    def test_documents_have_facts_of_their_synset(self):
        corpus, _, _ = self.select(7, 2)
        self.assertIn({"_id": "00000300n", "title": "Blue Hill", "text": "a hill that is blue",
                       "domain": "noun.location", "part": "noun", "lemmas": 1,
                       "instance": True}, corpus)

    def test_other_meanings_of_an_asked_word_are_in(self):
        adverb = small_wordnet.ADV + '00000200 02 r 01 hill 0 000 | another meaning of it  \n'
        corpus, _, _ = self.select(5, 2, adv=adverb)
        self.assertIn("00000200r", [row["_id"] for row in corpus])

    def test_example_of_two_synsets_is_no_query(self):
        verb = small_wordnet.VERB.replace("climb the ladder to the roof",
                                          "they climbed the hill at dawn")
        _, queries, _ = self.select(7, 1, verb=verb)
        self.assertEqual([row["_id"] for row in queries], ["q00000200a"])

    def test_too_small_a_wordnet_is_refused(self):
        for documents, queries in ((7, 3), (8, 2), (3, 2)):
            with self.assertRaisesRegex(failure.InputError, "is it complete"):
                self.select(documents, queries)


if __name__ == "__main__":
    unittest.main()
