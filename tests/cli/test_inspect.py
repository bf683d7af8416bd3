"""`equipoise inspect`, and indexes whose files were damaged: found, said, and never a crash."""

import unittest

from harness import CliTest, run
from samples import CORPUS, QUERY_VECTORS, VECTORS, npy


class InspectTest(CliTest):
    def setUp(self):
        super().setUp()
        self.write("c.jsonl", CORPUS)
        self.write("c.npy", npy(VECTORS))
        self.write("q.npy", npy(QUERY_VECTORS))
        self.run_ok("index", "--corpus", "c.jsonl", "--embeddings", "c.npy", "--out", "idx")

    def generation(self):
        (folder,) = (self.folder / "idx").glob("generation-*")
        return folder


class Shown(InspectTest):
    def test_the_object_has_the_documented_keys(self):
        info = self.run_ok("inspect", "idx", "--json").json()
        self.assertEqual((info["documents"], info["dimensions"], info["format_version"]), (3, 4, 1))
        # wing flow slipstream bread bake yeast bird
        self.assertEqual((info["terms"], info["postings"]), (7, 8))
        self.assertEqual(info["settings"]["analyzer"]["language"], "english")
        self.assertEqual(info["settings"]["vector"]["metric"], "cosine")
        self.assertTrue(info["library_version"])
        files = list(self.generation().iterdir())
        self.assertEqual(info["bytes"], sum(path.stat().st_size for path in files))
        self.assertEqual({part["file"] for part in info["parts"]}, {path.name for path in files})
        self.assertNotIn("verified", info)
        sections = {part["section"]: part["bytes"] for part in info["parts"]}
        self.assertEqual(sections["year.values"], 3 * 8)
        self.assertEqual(sections["open.values"], 3)
        self.assertIs(self.run_ok("inspect", "idx", "--verify", "--json").json()["verified"], True)

    def test_the_text_says_the_same(self):
        text = self.run_ok("inspect", "idx", "--verify").stdout
        for words in ("documents   3\n", "dimensions  4\n", "terms       7\n", "year (int64)",
                      "language english", "k1 1.2", "Every byte"):
            self.assertIn(words, text)
        lexical = self.run_ok("index", "--corpus", "c.jsonl", "--out", "lex").stdout
        self.assertIn("lexical only", lexical)
        self.assertIn("lexical only", self.run_ok("inspect", "lex").stdout)
        self.assertNotIn("Every byte", self.run_ok("inspect", "lex").stdout)


class Damaged(InspectTest):
    """Every damage is found by opening or by --verify; a search ends with an answer or an error."""

    def found(self, what):
        with self.subTest(what):
            result = run("inspect", "idx", "--verify", "--json", cwd=self.folder)
            self.assertEqual(result.code, 1, f"{what}\n{result}")
            error = result.json()["error"]
            self.assertEqual(error["code"], "corruption", f"{what}\n{result}")
            self.assertIn("idx", error["file"])
            search = run("search", "idx", "--text", "wing bread", "--embedding", "q.npy",
                         "--explain", "--fields", "year,tags", "--json", cwd=self.folder)
            self.assertIn(search.code, (0, 1, 2), f"{what}\n{search}")
            search.json()

    def each_file(self):
        yield self.folder / "idx/MANIFEST"
        yield from sorted(self.generation().iterdir())

    def test_one_flipped_byte_in_any_file_is_found(self):
        for path in self.each_file():
            content = path.read_bytes()
            size = len(content)
            for at in sorted({*range(0, size, max(1, size // 16)), size - 1}):
                path.write_bytes(content[:at] + bytes([content[at] ^ 0x41]) + content[at + 1:])
                self.found(f"byte {at} of {size} of {path.name}")
            path.write_bytes(content)
        self.run_ok("inspect", "idx", "--verify")

    def test_a_missing_a_cut_and_a_longer_file_are_found(self):
        for path in self.each_file():
            content = path.read_bytes()
            for size in (0, 1, len(content) // 2, len(content) - 1):
                path.write_bytes(content[:size])
                self.found(f"{path.name} cut to {size} bytes")
            path.write_bytes(content + b"\0")
            self.found(f"{path.name} with a byte more")
            if path.name != "MANIFEST":
                path.unlink()
                self.found(f"{path.name} missing")
            path.write_bytes(content)
        self.run_ok("inspect", "idx", "--verify")

    def test_a_file_of_another_index_is_found(self):
        self.write("other.jsonl", CORPUS[::-1])
        self.run_ok("index", "--corpus", "other.jsonl", "--embeddings", "c.npy", "--out", "other")
        (other,) = (self.folder / "other").glob("generation-*")
        for path in sorted(self.generation().iterdir()):
            content = path.read_bytes()
            if content == (other / path.name).read_bytes():
                continue
            path.write_bytes((other / path.name).read_bytes())
            self.found(f"{path.name} of another index")
            path.write_bytes(content)


if __name__ == "__main__":
    unittest.main()
