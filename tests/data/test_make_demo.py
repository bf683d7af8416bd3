"""The demo collection itself, made from the installed WordNet."""

import ast
import json
import os
import struct
import unittest
from collections import Counter
from pathlib import Path

from programs import FolderTest
import beir
import make_demo
import small_wordnet
import wordnet

INSTALLED = Path(wordnet.DEFAULT_FOLDER)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*") if path.is_file()}


def read_npy(path):
    """Rows of a float16 .npy file."""
    data = path.read_bytes()
    begin = 10 + struct.unpack_from("<H", data, 8)[0]
    rows, width = ast.literal_eval(data[10:begin].decode("latin-1").strip())["shape"]
    assert len(data) == begin + 2 * rows * width
    return list(struct.iter_unpack(f"<{width}e", data[begin:]))


class RefusesBadInput(FolderTest):
    def test_missing_wordnet_names_the_package(self):
        out = self.folder / "demo"
        code, _, err = self.run_program(make_demo, "--out", out, "--wordnet", self.folder / "no")
        self.assertEqual(code, 1)
        self.assertIn("apt-get install wordnet-base", err)
        self.assertFalse(out.exists())

    def test_other_wordnet_is_refused_and_nothing_is_left(self):
        folder = small_wordnet.write(self)
        out = self.folder / "there" / "demo"
        code, _, err = self.run_program(make_demo, "--out", out, "--wordnet", folder)
        self.assertEqual((code, err[:7]), (1, "error: "))
        self.assertEqual(list(out.parent.iterdir()), [])


@unittest.skipUnless(all((INSTALLED / name).is_file() for name, _ in wordnet.FILES),
                     f"WordNet is not in {INSTALLED} (Debian: apt-get install wordnet-base)")
class MakeDemo(FolderTest):
    def make(self, name):
        out = self.folder / name
        code, said, err = self.run_program(make_demo, "--out", out)
        self.assertEqual((code, err), (0, ""))
        return out, said

    def test_collection_is_consistent(self):
        out, _ = self.make("demo")
        corpus = beir.read_rows(out / "corpus.jsonl")
        queries = beir.read_rows(out / "queries.jsonl")
        documents = {row["_id"] for row in corpus}
        asked = {row["_id"] for row in queries}
        self.assertEqual((len(documents), len(asked)), (len(corpus), len(queries)))
        sizes = Counter(row["domain"] for row in corpus)
        self.assertGreaterEqual(sum(size >= 100 for size in sizes.values()), 12)

        stream = [json.loads(line) for line in (out / "stream.jsonl").read_text().splitlines()]
        self.assertEqual([(line["query"], line["domain"]) for line in stream],
                         [(row["_id"], row["domain"].split(".")[0]) for row in queries])

        header, *lines = (out / "qrels/test.tsv").read_text().splitlines()
        self.assertEqual(header, "query-id\tcorpus-id\tscore")
        judged = [line.split("\t") for line in lines]
        self.assertEqual({query for query, _, _ in judged}, asked)
        self.assertLessEqual({document for _, document, _ in judged}, documents)
        self.assertEqual(sum(grade == "2" for _, _, grade in judged), len(queries))
        self.assertEqual({grade for _, _, grade in judged}, {"1", "2"})

        for name, rows in (("corpus", corpus), ("queries", queries)):
            vectors = read_npy(out / f"{name}.f16.npy")
            self.assertEqual((len(vectors), len(vectors[0])), (len(rows), 384))
            for vector in vectors:
                self.assertAlmostEqual(sum(value * value for value in vector), 1.0, delta=2e-3)

    def test_two_runs_give_the_same_bytes(self):
        self.assertEqual(contents(self.make("one")[0]), contents(self.make("two")[0]))

    def test_current_output_is_kept_and_touched_output_is_made_again(self):
        out, _ = self.make("demo")
        first = contents(out)
        before = os.stat(out / "corpus.jsonl").st_ino
        self.assertIn("is current", self.make("demo")[1])
        self.assertEqual(os.stat(out / "corpus.jsonl").st_ino, before)
        (out / "corpus.jsonl").write_text("")
        self.assertNotIn("is current", self.make("demo")[1])
        self.assertEqual(contents(out), first)

    def test_folder_of_somebody_else_is_not_replaced(self):
        kept = self.file("mine/work", "x")
        code, _, err = self.run_program(make_demo, "--out", kept.parent)
        self.assertEqual(code, 1)
        self.assertIn("was not made by this program", err)
        self.assertTrue(kept.exists())

    def test_vectors_of_another_wordnet_are_refused(self):
        changed = self.folder / "wn"
        changed.mkdir()
        for name, _ in wordnet.FILES:
            text = (INSTALLED / name).read_text(encoding="utf-8")
            (changed / name).write_text(text.replace(" | the ", " | The "), encoding="utf-8")
        out = self.folder / "demo"
        code, _, err = self.run_program(make_demo, "--out", out, "--wordnet", changed)
        self.assertEqual(code, 1)
        self.assertIn("are not those of the stored vectors", err)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["wn"])


if __name__ == "__main__":
    unittest.main()
