"""Files compiled for one instruction set leave nothing behind that the linker could take for the same
function of another file: no weak symbol, and one name each that is seen from outside."""

import os
import pathlib
import re
import subprocess
import unittest

OBJECTS = pathlib.Path(os.environ["EQUIPOISE_KERNEL_OBJECTS"])  # set by CMakeLists.txt


class ObjectSymbols(unittest.TestCase):
    def test_each_instruction_set_shows_its_table_alone(self):
        names = ["kernels_*.cc.o", "feedback_*.cc.o", "sketch_*.cc.o", "postings_*.cc.o"]
        objects = sorted(path for name in names for path in OBJECTS.glob(name))
        self.assertGreaterEqual(len(objects), 18)
        for path in objects:
            out = subprocess.run(["nm", "-C", str(path)], capture_output=True, text=True, check=True)
            symbols = re.findall(r"^[0-9a-f]+ ([A-Za-z]) (.*)$", out.stdout, re.M)
            shown = [name for kind, name in symbols if kind.isupper() or kind in "uvw"]
            self.assertEqual(len(shown), 1, f"{path.name}: {shown}")
            self.assertRegex(shown[0], r"^equipoise::(\w+Kernels|(Feedback|Sketch|Postings)\w+)\(\)$")


if __name__ == "__main__":
    unittest.main()
