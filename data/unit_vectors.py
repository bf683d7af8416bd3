"""Unit vectors in one byte a dimension: the file format of demo_vectors.i8.

Little-endian. A header of 64 bytes, then the codes, row after row: first those
of the corpus, then those of the queries.

    offset size  field
         0    8  magic        EQPVEC8 and a zero byte
         8    4  version      1
        12    4  dimensions
        16    4  corpus rows
        20    4  query rows
        24    4  scale        float32; a code is value * scale, rounded, within -127 to 127
        28    4  checksum     CRC-32 of the codes
        32   32  identity     SHA-256 of the ids and texts that were embedded, in row order

Rounding leaves a row a little longer or shorter than 1. Decoding makes it a unit
vector again, so the scale drops out; it is kept for who wants the raw values.
"""

import hashlib
import math
import struct
import zlib
from array import array
from operator import mul
from pathlib import Path
from typing import NamedTuple

from failure import InputError

_HEADER = struct.Struct("<8sIIIIfI32s")
_MAGIC = b"EQPVEC8\0"
_VERSION = 1


class Codes(NamedTuple):
    dimensions: int
    corpus_rows: int
    query_rows: int
    scale: float
    identity: bytes
    codes: array  # of int8, (corpus_rows + query_rows) * dimensions


def identity(ids_and_texts):
    """Fingerprint of what was embedded: pairs (id, text) in row order."""
    digest = hashlib.sha256()
    for id, text in ids_and_texts:
        digest.update(f"{id}\t{text}\n".encode())
    return digest.digest()


def quantize(values, scale):
    """int8 codes of floats: to the nearest, clamped to -127 to 127."""
    return array("b", (max(-127, min(127, round(value * scale))) for value in values))


def write(path, stored):
    """Writes a file of this format."""
    codes = stored.codes.tobytes()
    header = _HEADER.pack(_MAGIC, _VERSION, stored.dimensions, stored.corpus_rows,
                          stored.query_rows, stored.scale, zlib.crc32(codes), stored.identity)
    Path(path).write_bytes(header + codes)


def read(path):
    """The content of a file of this format; InputError if it is damaged."""
    data = Path(path).read_bytes()
    if len(data) < _HEADER.size:
        raise InputError(f"has {len(data)} bytes, fewer than its header", path)
    magic, version, dimensions, corpus_rows, query_rows, scale, checksum, owner = \
        _HEADER.unpack_from(data)
    if magic != _MAGIC or version != _VERSION:
        raise InputError(f"is no file of unit vectors of version {_VERSION}", path)
    codes = data[_HEADER.size:]
    if len(codes) != dimensions * (corpus_rows + query_rows):
        raise InputError(f"has {len(codes)} codes, not {corpus_rows} + {query_rows} rows "
                         f"of {dimensions}", path)
    if zlib.crc32(codes) != checksum:
        raise InputError("is damaged: its checksum differs", path)
    return Codes(dimensions, corpus_rows, query_rows, scale, owner, array("b", codes))


def write_npy(path, stored, first, rows):
    """Writes rows `first` to `first + rows` as unit vectors: float16 .npy, C order."""
    width = stored.dimensions
    pack = struct.Struct(f"<{width}e").pack
    with open(path, "wb") as file:
        file.write(_npy_header(rows, width))
        for at in range(first * width, (first + rows) * width, width):
            row = stored.codes[at:at + width]
            squares = sum(map(mul, row, row))
            if squares == 0:
                raise InputError(f"row {at // width} of the stored vectors is zero")
            factor = 1.0 / math.sqrt(squares)
            file.write(pack(*[code * factor for code in row]))


def _npy_header(rows, width):
    text = f"{{'descr': '<f2', 'fortran_order': False, 'shape': ({rows}, {width}), }}"
    padding = -(10 + len(text) + 1) % 64
    text += " " * padding + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin-1")
