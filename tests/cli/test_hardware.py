"""`equipoise inspect --hardware`, and EQUIPOISE_SIMD: each level that the machine has can be forced,
is then the one that runs, and gives the same answer; any other word is refused with a list."""

import unittest

from harness import CliTest, run
from samples import CORPUS, QUERY_VECTORS, VECTORS, npy

LEVELS = {"scalar", "avx2", "avx512", "avx512_vnni", "neon"}


class Hardware(CliTest):
    def hardware(self, **environment):
        result = run("inspect", "--hardware", "--json", env=environment)
        self.assertEqual(result.code, 0, result)
        return result.json()

    def test_the_object_has_the_documented_keys(self):
        found = self.hardware(EQUIPOISE_SIMD="")
        self.assertGreaterEqual(found["threads"], 1)
        self.assertEqual(found["simd"]["available"][0], "scalar")
        self.assertEqual(found["simd"]["used"], found["simd"]["available"][-1])
        self.assertLessEqual(set(found["simd"]["available"]), LEVELS)
        self.assertIsInstance(found["gpu"]["usable"], bool)
        self.assertTrue(found["gpu"]["reason"])
        self.assertGreater(found["gpu"]["from_multiply_adds"], 0)
        if not found["gpu"]["usable"]:
            self.assertIsInstance(found["gpu"]["devices"], list)

    def test_the_text_says_the_same(self):
        found = self.hardware(EQUIPOISE_SIMD="")
        text = run("inspect", "--hardware", env={"EQUIPOISE_SIMD": ""}).stdout
        self.assertIn(f"kernels     {found['simd']['used']}: the best", text)
        text = run("inspect", "--hardware", env={"EQUIPOISE_SIMD": "scalar"}).stdout
        self.assertIn("kernels     scalar: EQUIPOISE_SIMD names it", text)
        self.assertIn(found["gpu"]["reason"], text)
        self.assertIn(found["processor"], text)

    def test_each_level_can_be_forced_and_is_the_one_that_runs(self):
        for level in self.hardware(EQUIPOISE_SIMD="")["simd"]["available"]:
            simd = self.hardware(EQUIPOISE_SIMD=level)["simd"]
            self.assertEqual((simd["used"], simd["reason"]), (level, "EQUIPOISE_SIMD names it"))

    def test_each_level_finds_the_same(self):
        self.write("c.jsonl", CORPUS)
        self.write("c.npy", npy(VECTORS))
        self.write("q.npy", npy(QUERY_VECTORS))
        self.run_ok("index", "--corpus", "c.jsonl", "--embeddings", "c.npy", "--out", "idx")
        found = {}
        for level in self.hardware(EQUIPOISE_SIMD="")["simd"]["available"]:
            result = run("search", "idx", "--text", "wing", "--embedding", "q.npy", "--json",
                         cwd=self.folder, env={"EQUIPOISE_SIMD": level})
            self.assertEqual(result.code, 0, result)
            found[level] = [(h["id"], round(h["score"], 5)) for h in result.json()["hits"]]
        self.assertEqual(len(set(map(str, found.values()))), 1, found)

    def test_an_unknown_or_absent_level_is_refused_with_those_that_are_there(self):
        available = self.hardware(EQUIPOISE_SIMD="")["simd"]["available"]
        for word in ["sse9", "AVX2", *(LEVELS - set(available))]:
            result = run("inspect", "--hardware", "--json", env={"EQUIPOISE_SIMD": word})
            self.assertEqual(result.code, 2, result)
            error = result.json()["error"]
            self.assertEqual((error["code"], error["field"]), ("invalid_argument", "EQUIPOISE_SIMD"))
            for name in [word, *available]:
                self.assertIn(name, error["message"])

    def test_watching_without_a_gpu_says_why_it_cannot(self):
        found = self.hardware()
        if found["gpu"]["devices"]:
            self.skipTest("there is a GPU here")
        result = run("inspect", "--hardware", "--watch", "0.1", "--json")
        self.assertEqual(result.code, 1, result)
        self.assertEqual(result.json()["error"]["code"], "device")

    def test_an_index_or_the_hardware_is_named(self):
        self.run_fails(2, "inspect")
        self.run_fails(2, "inspect", "idx", "--hardware")
        self.run_fails(2, "inspect", "--watch", "1")


if __name__ == "__main__":
    unittest.main()
