"""Files as docs/formats.md describes them: a reader written from that page alone, on real indexes."""

import json
import math
import random
import sqlite3
import struct
import subprocess
import unittest

from harness import CliTest, example
from samples import npy


class CheckedFile:
    """Header, table, sections."""

    def __init__(self, path):
        self.bytes = path.read_bytes()
        magic, self.version, count, kind, table, size, _, self.checksum = struct.unpack_from("<8sII16sQQQQ", self.bytes)
        assert magic == b"EQPCFILE" and size == len(self.bytes) and table % 64 == 0, path
        assert len(self.bytes) - table == 48 * count, path
        self.kind = kind.rstrip(b"\0").decode()
        self.sections, end = {}, 64
        for i in range(count):
            name, offset, length, _ = struct.unpack_from("<24sQQQ", self.bytes, table + 48 * i)
            assert offset % 64 == 0 and not any(self.bytes[end:offset]), path
            end = offset + length
            self.sections[name.rstrip(b"\0").decode()] = self.bytes[offset:end]
        assert not any(self.bytes[end:table]), path

    def array(self, name, code):
        section, size = self.sections[name], struct.calcsize("<" + code)
        assert len(section) % size == 0, name
        return struct.unpack(f"<{len(section) // size}{code}", section)

    def texts(self, bytes_name, offsets_name):
        at, section = self.array(offsets_name, "Q"), self.sections[bytes_name]
        return [section[begin:end].decode() for begin, end in zip(at, at[1:])]


def unpack(packed, bits, count):
    stream = int.from_bytes(packed[: (count * bits + 7) // 8], "little")
    return [stream >> (i * bits) & ((1 << bits) - 1) for i in range(count)]


def leb128(section, at):
    value = shift = 0
    while True:
        byte = section[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def block(packed, count, doc_bits, tf_bits, before):
    """Documents and occurrences of one block."""
    skip = (count * doc_bits + 7) // 8
    docs = []
    for gap in unpack(packed, doc_bits, count):
        before += gap + 1
        docs.append(before)
    return [(doc, tf + 1) for doc, tf in zip(docs, unpack(packed[skip:], tf_bits, count))]


def postings_of(part, count):
    if count <= 128:
        return block(part[3:], count, part[0], part[1], -1)
    blocks = math.ceil(count / 128)
    heads = part[len(part) - 12 * blocks :]
    out, begin, before = [], 0, -1
    for i in range(blocks):
        last, end, doc_bits, tf_bits, _, zero = struct.unpack_from("<IIBBBB", heads, 12 * i)
        assert zero == 0
        out += block(part[begin:end], min(128, count - 128 * i), doc_bits, tf_bits, before)
        assert out[-1][0] == last
        begin, before = end, last
    return out


def inverted(file):
    """{term: [(document, occurrences)]} of a `lexical` file, in its order."""
    meta = struct.unpack("<QQQQff", file.sections["meta"])
    terms, lists, at, begin, last = file.sections["terms"], file.sections["postings"], 0, 0, b""
    heads = list(struct.iter_unpack("<QQQ", file.sections["term_blocks"]))
    out = {}
    for i in range(meta[1]):
        if i % 16 == 0:
            last = b""
            assert heads[i // 16][1:] == (at, begin)
        shared, at = leb128(terms, at)
        further, at = leb128(terms, at)
        last = last[:shared] + terms[at : at + further]
        at += further
        count, at = leb128(terms, at)
        size, at = leb128(terms, at)
        if i % 16 == 0:
            assert heads[i // 16][0] == int.from_bytes(last[:8].ljust(8, b"\0"), "big")
        out[last.decode()] = postings_of(lists[begin : begin + size], count)
        begin += size
    assert at == len(terms) and lists[begin:] == bytes(32)
    assert meta[2] == sum(map(len, out.values()))
    return meta, out


class Formats(CliTest):
    DOCUMENTS, DIM = 2200, 8

    @classmethod
    def setUpClass(cls):
        rng = random.Random(3)
        words = [f"w{'abcdefgh'[i % 8]}{i}" for i in range(300)]
        cls.documents, cls.rows = [], []
        for i in range(cls.DOCUMENTS):
            text = " ".join(["common", *rng.choices(words, k=rng.randrange(1, 30)), f"rare{i}"])
            document = {"_id": f"id-{rng.randrange(10**9)}-{i}", "title": f"title {i % 7}" if i % 3 else "", "text": text}
            if i % 2:
                document.update(year=1900 + i, score=i / 4, open=i % 4 == 1, tag=f"t{i % 5}ß")
            cls.documents.append(document)
            cls.rows.append([rng.gauss(0, 1) for _ in range(cls.DIM)])

    def setUp(self):
        super().setUp()
        self.write("corpus.jsonl", self.documents)
        self.write("corpus.npy", npy(self.rows))
        self.run_ok("index", "--corpus", "corpus.jsonl", "--embeddings", "corpus.npy", "--out", "idx",
                    "--language", "none", "--stopwords", "none")  # fmt: skip
        manifest = (self.folder / "idx/MANIFEST").read_bytes()
        self.assertRegex(manifest[-22:], rb"^xxh3 [0-9a-f]{16}\n$")
        first, body = manifest[:-22].split(b"\n", 1)
        self.assertEqual(first, b"equipoise-index 1")
        self.manifest = json.loads(body)
        self.generation = self.folder / "idx" / self.manifest["generation"]
        self.info = self.run_ok("inspect", "idx", "--verify", "--json").json()

    def open(self, name, kind, version):
        file = CheckedFile(self.generation / name)
        self.assertEqual((file.kind, file.version), (kind, version))
        return file

    def test_an_index_reads_as_the_page_says(self):
        sizes = {}
        for entry in self.manifest["files"]:
            file = CheckedFile(self.generation / entry["name"])
            self.assertEqual((len(file.bytes), f"{file.checksum:016x}"), (entry["bytes"], entry["checksum"]))
            sizes[entry["name"]] = {name: len(section) for name, section in file.sections.items()}
        told = {}
        for part in self.info["parts"]:
            told.setdefault(part["file"], {})[part["section"]] = part["bytes"]
        for name in ("documents", "lexical"):
            self.assertEqual(told[name], sizes[name])
        # What belongs together is told in one there.
        links = ("starts", "links", "upper_rows", "upper_lists", "upper_starts", "upper_links")
        self.assertEqual(told["graph"]["links"], sum(sizes["graph"][name] for name in links))
        self.assertEqual(told["vectors"]["rows"], sizes["vectors"]["rows"] + sizes["vectors"]["norms"])

        self.check_documents(self.open("documents", "documents", 1))
        self.check_columns(self.open("columns", "columns", 1))
        self.check_lexical(self.open("lexical", "lexical", 2))
        vectors = self.open("vectors", "vectors", 4)
        self.check_vectors(vectors)
        self.check_graph(self.open("graph", "graph", 4), vectors)

    def check_documents(self, file):
        ids = file.texts("ids", "id_offsets")
        self.assertEqual(ids, [d["_id"] for d in self.documents])
        texts = file.texts("texts", "text_offsets")
        self.assertEqual(texts[0::2], [d["title"] for d in self.documents])
        self.assertEqual(texts[1::2], [d["text"] for d in self.documents])
        self.assertEqual([ids[i] for i in file.array("sorted_ids", "I")], sorted(ids))

    def check_columns(self, file):
        schema = json.loads(file.sections["schema"])
        self.assertEqual({c["name"]: c["type"] for c in schema}, self.info["fields"])
        for place, column in enumerate(schema):
            name, present = column["name"], file.array(f"{place}.present", "Q")
            there = [present[i // 64] >> (i % 64) & 1 for i in range(self.DOCUMENTS)]
            self.assertEqual(there, [int(name in d) for d in self.documents])
            code = {"bool": "?", "int64": "q", "double": "d"}.get(column["type"])
            values = file.array(f"{place}.values", code) if code else file.texts(f"{place}.bytes", f"{place}.offsets")
            for i, document in enumerate(self.documents):
                if there[i]:
                    self.assertEqual(values[i], document[name])

    def check_lexical(self, file):
        truth, lengths = {}, []
        for i, document in enumerate(self.documents):
            tokens = [w for w in f"{document['title']} {document['text']}".split() if len(w) > 1]
            lengths.append(len(tokens))
            for token in tokens:
                truth.setdefault(token, {}).setdefault(i, 0)
                truth[token][i] += 1
        (n, terms, postings, tokens, k1, b), found = inverted(file)
        self.assertEqual((n, terms, postings), tuple(self.info[key] for key in ("documents", "terms", "postings")))
        self.assertEqual((tokens, round(k1, 6), round(b, 6)), (sum(lengths), 1.2, 0.75))
        self.assertEqual(list(found), sorted(truth))
        self.assertEqual(found, {term: sorted(docs.items()) for term, docs in truth.items()})
        self.assertGreater(len(found["common"]), 128)
        values = file.array("length_values", "I")
        self.assertEqual([values[code] for code in file.array("length_codes", "B")], lengths)

    def check_vectors(self, file):
        rows, dim, metric, largest, exponent, storage, zero = struct.unpack("<QIIfiII", file.sections["info"])
        self.assertEqual((rows, dim, metric, exponent, storage, zero), (self.DOCUMENTS, self.DIM, 0, 0, 0, 0))
        stored, norms = file.array("rows", "e"), file.array("norms", "f")
        for i, row in enumerate(self.rows):
            norm, mine = math.hypot(*row), stored[i * dim : (i + 1) * dim]
            for value, given in zip(mine, row):
                self.assertAlmostEqual(value, given / norm, delta=1e-3)
            self.assertAlmostEqual(norms[i] * math.hypot(*mine), 1, delta=1e-5)
        self.assertAlmostEqual(largest, 1, delta=1e-5)

    def check_graph(self, file, vectors):
        info = struct.unpack("<QQQQIIIIiiffII20sf", file.sections["info"])
        (of, rows, _, _, dim, metric, storage, has_graph, m, _, scale, center, entry, top, by, target) = info
        self.assertEqual((of, rows, dim, metric, storage, has_graph, center),
                         (vectors.checksum, self.DOCUMENTS, self.DIM, 0, 0, 1, 0))
        self.assertEqual((by.rstrip(b"\0"), round(target, 6)), (b"equipoise", 0.995))
        codes, values = file.sections["codes"], vectors.array("rows", "e")
        for code, value in zip(codes, values, strict=True):
            self.assertLessEqual(abs(code - min(255, max(1, round(scale * value) + 128))), 1)
        starts, links = file.array("starts", "I"), file.array("links", "I")
        self.assertEqual((starts[0], 4 * starts[-1], len(starts)), (0, len(links), rows + 1))
        self.assertLess(max(links), rows)
        for row in range(rows):
            own = set(links[4 * starts[row] : 4 * starts[row + 1]]) - {row}
            self.assertLessEqual(len(own), 2 * m)
        upper, lists = file.array("upper_rows", "I"), file.array("upper_lists", "I")
        at, far = file.array("upper_starts", "I"), file.array("upper_links", "I")
        self.assertEqual(list(upper), sorted(set(upper)))
        self.assertEqual(max(b - a for a, b in zip(lists, lists[1:])), top)
        self.assertEqual((lists[-1], at[-1]), (len(at) - 1, len(far)))
        self.assertLess(max(far), len(upper))
        self.assertIn(entry, upper)
        measured = list(struct.iter_unpack("<ffffII", file.sections["calibration"]))
        self.assertEqual([(round(t, 6), round(r, 6), s) for t, _, r, _, s, _ in measured],
                         [(p["target"], p["recall"], p["sample"]) for p in self.info["recall"]])

    def test_a_log_and_its_snapshot_read_as_the_page_says(self):
        # 30 days of four queries, each with three hits that are rated.
        subprocess.run([example("learn_from_feedback")], cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
        log = sqlite3.connect(self.folder / "workshop/FEEDBACK")
        self.addCleanup(log.close)
        pragmas = [log.execute(f"PRAGMA {name}").fetchone()[0]
                   for name in ("application_id", "user_version", "page_size", "journal_mode")]
        self.assertEqual(pragmas, [0x45514642, 1, 2048, "wal"])
        about = dict(log.execute("SELECT key, value FROM log"))
        self.assertEqual(set(about), {"id", "fingerprint", "removed", "skipped"})
        self.assertEqual((about["removed"], about["skipped"]), (0, 0))
        columns = {row[1]: row[2] for row in log.execute("PRAGMA table_info(feedback)")}
        self.assertEqual(columns, {**dict.fromkeys(("number", "query", "doc", "source", "checksum"), "INTEGER"),
                                   **dict.fromkeys(("rating", "groundedness", "confidence", "dwell", "time", "now",
                                                    "weight"), "REAL")})  # fmt: skip
        rows = log.execute("SELECT number, query, doc, rating, groundedness, time, now, weight FROM feedback "
                           "ORDER BY number").fetchall()
        self.assertEqual([row[0] for row in rows], list(range(1, 361)))
        contexts = dict(log.execute("SELECT id, context FROM query"))
        self.assertEqual(set(contexts), {row[1] for row in rows})
        for query, context in contexts.items():
            magic, _, of, fingerprint, _, size = struct.unpack_from("<IIQQdQ", context)
            self.assertEqual((magic, of, fingerprint), (0x58435145, query, about["fingerprint"] % 2**64))
            self.assertIn(context[40 : 40 + size], (b"parts", b"advice"))
        for _, _, doc, rating, groundedness, time, now, weight in rows:
            self.assertTrue(0 <= doc < 6 and rating in (0, 1) and groundedness is None)
            self.assertTrue(abs(now - time) < 60 and 0 <= weight <= 1)

        file = CheckedFile(self.folder / "workshop/POLICY")
        self.assertEqual((file.kind, file.version, set(file.sections)),
                         ("engine-policy", 3, {"policy", "state", "queries"}))
        decided, _, log_id, number, _, _ = struct.unpack("<QQQQII", file.sections["state"])
        self.assertEqual((decided, log_id, number), (120, about["id"] % 2**64, 360))
        section, at = file.sections["queries"], 0

        def take(code):
            nonlocal at
            at += struct.calcsize("<" + code)
            return struct.unpack_from("<" + code, section, at - struct.calcsize("<" + code))

        (count,) = take("Q")
        self.assertEqual(count, 120)
        for _ in range(count):
            (size,) = take("Q")
            context = section[at : at + size]
            self.assertIn(context, contexts.values())
            at += size
            (size,) = take("Q")
            ratings = [take("ddQfI") for _ in range(size)]
            mine = {doc: rating for _, query, doc, rating, *_ in rows
                    if contexts[query] == context}  # fmt: skip
            self.assertEqual({doc: gain for _, _, _, gain, doc in ratings}, mine)
            groundedness, _ = take("dd")
            self.assertTrue(math.isnan(groundedness))
            (size,) = take("Q")
            self.assertTrue(size == 0 or all(math.isnan(v) or 0 <= v <= 1 for v in take(f"{size}d")))
            self.assertTrue(0 <= take("d")[0] <= 1)
        (count,) = take("Q")
        windows = {}
        for _ in range(count):
            (size,) = take("Q")
            at += size
            name = section[at - size : at].decode()
            (size,) = take("Q")
            windows[name] = [take("dQQfffI")[3] for _ in range(size)]
        self.assertEqual(set(windows), {"parts", "advice"})
        self.assertEqual(sum(map(len, windows.values())), 360)
        self.assertEqual(at, len(section))

    def test_a_detector_reads_as_the_page_says(self):
        labelled = [{**d, "domain": "east" if r[0] > 0 else "west"} for d, r in zip(self.documents, self.rows)]
        self.write("labelled.jsonl", labelled)
        self.run_ok("domains", "fit", "--corpus", "labelled.jsonl", "--embeddings", "corpus.npy", "--label-field",
                    "domain", "--out", "my.domains")  # fmt: skip
        file = CheckedFile(self.folder / "my.domains")
        self.assertEqual((file.kind, file.version), ("domains", 1))
        dim, rows = struct.unpack_from("<QQ", file.sections["settings"])
        self.assertEqual((len(file.sections["settings"]), dim, rows), (72, self.DIM, self.DOCUMENTS))
        self.assertEqual(file.texts("names", "name_offsets"), ["east", "west"])
        first, weights = file.array("first", "I"), file.array("weights", "f")
        self.assertEqual(len(weights), first[-1] * dim)
        self.assertEqual(len(file.array("offsets", "f")), first[-1])
        self.assertAlmostEqual(sum(file.array("priors", "d")), 1, delta=1e-9)
        self.assertEqual(len(file.array("calibration", "d")), 22)
        # A prototype of the east points east.
        self.assertGreater(weights[first[0] * dim], weights[first[1] * dim])


if __name__ == "__main__":
    unittest.main()
