"""The file of int8 vectors and its decoding."""

import struct
import unittest
from array import array

from programs import FolderTest
import unit_vectors


class UnitVectors(FolderTest):
    def stored(self, codes=(3, 4, 0, -127, 5, 12)):
        return unit_vectors.Codes(2, 2, 1, 127.0, b"i" * 32, array("b", codes))

    def written(self):
        path = self.folder / "v.i8"
        unit_vectors.write(path, self.stored())
        return path

    def test_reads_what_was_written(self):
        self.assertEqual(unit_vectors.read(self.written()), self.stored())
        self.assertEqual(self.written().stat().st_size, 64 + 6)

    def test_quantize_rounds_to_nearest_and_clamps(self):
        self.assertEqual(list(unit_vectors.quantize([0.014, -0.016, 2.0, -2.0], 100.0)),
                         [1, -2, 127, -127])

    def test_npy_holds_unit_vectors_of_the_rows_asked_for(self):
        path = self.folder / "v.npy"
        unit_vectors.write_npy(path, self.stored(), 0, 2)
        data = path.read_bytes()
        length = struct.unpack_from("<H", data, 8)[0]
        self.assertEqual(data[:8], b"\x93NUMPY\x01\x00")
        self.assertEqual((10 + length) % 64, 0)
        self.assertIn(b"'descr': '<f2', 'fortran_order': False, 'shape': (2, 2)", data)
        values = struct.unpack_from("<4e", data, 10 + length)
        for value, expected in zip(values, (0.6, 0.8, 0.0, -1.0)):
            self.assertAlmostEqual(value, expected, places=3)

    def test_zero_row_is_refused(self):
        self.refused("row 0", unit_vectors.write_npy, self.folder / "v.npy",
                     self.stored((0, 0, 1, 1, 1, 1)), 0, 2)

    def test_identity_depends_on_ids_texts_and_order(self):
        rows = [("a", "x"), ("b", "y")]
        different = [rows[::-1], [("a", "x")], [("a", "x"), ("b", "z")], [("a", "x"), ("c", "y")]]
        for other in different:
            self.assertNotEqual(unit_vectors.identity(rows), unit_vectors.identity(other))

    def test_damage_is_refused(self):
        path = self.written()
        whole = path.read_bytes()
        flipped = whole[:-1] + bytes([whole[-1] ^ 1])
        for name, data in {"truncated": whole[:-1], "header cut": whole[:63], "empty": b"",
                           "other magic": b"X" + whole[1:], "flipped bit": flipped,
                           "other version": whole[:8] + b"\x02" + whole[9:]}.items():
            with self.subTest(name):
                path.write_bytes(data)
                self.refused(f"{path}: ", unit_vectors.read, path)


if __name__ == "__main__":
    unittest.main()
