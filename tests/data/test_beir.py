"""Writing and reading of BEIR folders."""

import unittest

from programs import FolderTest
import beir
import failure


class Beir(FolderTest):
    def test_writes_the_three_files(self):
        beir.write(self.folder, [{"_id": "1", "title": "t", "text": "é"}],
                   [{"_id": "q", "text": "x"}], [("q", "1", 2)])
        self.assertEqual(beir.read_rows(self.folder / "corpus.jsonl"),
                         [{"_id": "1", "title": "t", "text": "é"}])
        self.assertEqual((self.folder / "qrels/test.tsv").read_text(),
                         "query-id\tcorpus-id\tscore\nq\t1\t2\n")

    def test_full_text_joins_title_and_text(self):
        self.assertEqual(beir.full_text({"title": "t", "text": "x"}), "t x")
        self.assertEqual(beir.full_text({"title": "", "text": "x"}), "x")
        self.assertEqual(beir.full_text({"text": "x"}), "x")

    def test_malformed_rows_are_refused_with_file_and_line(self):
        for name, line in {"no JSON": "{", "no object": "[]", "no text": '{"_id": "1"}',
                           "number as id": '{"_id": 1, "text": ""}'}.items():
            with self.subTest(name):
                path = self.file("c.jsonl", '{"_id": "0", "text": ""}\n' + line + "\n")
                self.refused(f"{path}:2: ", beir.read_rows, path)

    def test_staged_folder_appears_only_when_whole(self):
        out = self.folder / "a" / "out"
        with self.assertRaises(ZeroDivisionError):
            with beir.staged_folder(out) as staged:
                (staged / "half").write_text("x")
                raise ZeroDivisionError
        self.assertEqual(list(out.parent.iterdir()), [])
        with beir.staged_folder(out) as staged:
            (staged / "whole").write_text("x")
        self.assertEqual([path.name for path in out.parent.iterdir()], ["out"])
        self.assertEqual((out / "whole").read_text(), "x")

    def test_folder_in_use_is_not_replaced(self):
        kept = self.file("out/mine", "x")
        with self.assertRaises(failure.InputError):
            with beir.staged_folder(kept.parent):
                pass
        self.assertTrue(kept.exists())


if __name__ == "__main__":
    unittest.main()
