"""Every command in README.md and docs/ runs as it stands there, and every link leads somewhere.

Blocks of ```sh are run line by line, each document in a folder of its own that holds a small collection under
the names that the documents use. What calls the checkout itself (./dev, cmake, python3) is looked up: that
verb, benchmark or script must exist.
"""

import os
import pathlib
import random
import re
import subprocess
import sys
import unittest
import xml.etree.ElementTree

from harness import CliTest, example, program
from samples import beir, npy

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = [SOURCE / "README.md", SOURCE / "examples/README.md", *sorted((SOURCE / "docs").glob("*.md"))]

WORDS = {"npl": "slipstream slip stream wing jet lift drag blade",
         "cacm": "compiler loop parser stack memory list queue sort"}


def blocks(path, language):
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def commands(path):
    """The commands of a document's shell blocks, lines that go on joined, comments left out."""
    for block in blocks(path, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"\s+#.*", "", line).strip()
            if line:
                yield line


class Documents(CliTest):
    def collection(self, at, rng):
        """60 documents of two domains and 24 queries, each about one of them."""
        documents, rows, queries, asked, judged = [], [], [], [], []
        for i in range(60):
            domain = "npl" if i % 2 == 0 else "cacm"
            words = [rng.choice(WORDS[domain].split()) for _ in range(8)]
            text = " ".join([*words, f"no{i}", *(["slip stream wing"] if i == 0 else [])])
            row = [(domain == "npl") + rng.uniform(0, 0.3), (domain == "cacm") + rng.uniform(0, 0.3),
                   rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.5)]
            documents.append({"_id": f"d{i}", "title": "", "text": text, "year": 1950 + i, "domain": domain})
            rows.append(row)
            if i < 24:
                queries.append({"_id": f"q{i}", "text": f"{words[0]} no{i}", "domain": domain})
                asked.append([value + rng.uniform(-0.05, 0.05) for value in row])
                judged += [(f"q{i}", f"d{i}", 2), (f"q{i}", f"d{(i + 2) % 60}", 1)]
        for name, content in (("corpus.jsonl", documents), ("corpus.npy", npy(rows)), ("queries.jsonl", queries),
                              ("queries.npy", npy(asked)), ("qrels/test.tsv", beir(*judged))):
            self.write(f"{at}/{name}", content)
        return asked

    def prepare(self):
        rng = random.Random(5)
        asked = self.collection(".", rng)
        for at in ("data", "data/a", "data/b"):
            self.collection(at, rng)
        for name in ("a", "b"):
            self.run_ok("index", "--corpus", f"data/{name}/corpus.jsonl", "--embeddings", f"data/{name}/corpus.npy",
                        "--out", f"idx/{name}")
        for name in ("query.npy", "q.npy"):
            self.write(name, npy(asked[:1]))
        for name in ("a.trec", "b.trec"):
            self.write(name, "".join(f"q{i} Q0 d{(i + rng.randrange(3)) % 60} 1 1 {name}\n" for i in range(24)))
        self.write("stream.jsonl", [{"index": name, "query": f"q{i}", "domain": f"of {name}", "time": i}
                                    for i in range(24) for name in ("a", "b")])
        self.write("feedback.jsonl", [{"value": rng.random(), "time": 1000 + i, "item": f"d{i % 5}",
                                       "source": f"user {i}"} for i in range(40)])
        # What the example of learning leaves, and a query for it.
        subprocess.run([example("learn_from_feedback")], cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
        self.write("part.npy", npy([[0.1, 1, 0.2]]))
        # Somebody's graph: our own, of other documents.
        self.run_ok("convert", "idx/a", "--to", "faiss", "theirs.faiss")

    def look_up(self, line):
        words = line.split()
        if words[0] == "./dev":
            usage = subprocess.run([SOURCE / "dev", "--help"], capture_output=True, text=True, check=True).stdout
            self.assertRegex(usage, rf"(?m)^  (\w+ \| )?{words[1]}\b", line)
            if words[1] == "bench" and not words[2].startswith("-"):
                self.assertIn(f'"{words[2]}":', (SOURCE / "bench/run.py").read_text(encoding="utf-8"), line)
            return True
        if words[0] == "cmake":
            return True
        if words[0] == "python3":
            self.assertTrue((SOURCE / words[1]).exists(), line)
            return True
        return False

    def test_every_command_runs(self):
        folder = pathlib.Path(program()).parent
        environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
        home, ran = self.folder, 0
        for path in DOCUMENTS:
            self.folder = home / path.stem / path.parent.name
            self.folder.mkdir(parents=True)
            lines = list(commands(path))
            if any(line.startswith("equipoise ") for line in lines):
                self.prepare()
            for line in lines:
                with self.subTest(document=path.name, command=line):
                    if self.look_up(line):
                        continue
                    self.assertTrue(line.startswith("equipoise "), "no command that this test knows")
                    if re.match("equipoise (tune|report)", line) and not os.environ.get("EQUIPOISE_PLOTLY"):
                        line = re.sub(r" --(report|front) \S+", "", line)  # which need Plotly's script
                    done = subprocess.run(["bash", "-c", line], cwd=self.folder, env=environment,
                                          capture_output=True, text=True, timeout=300, check=False)
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                    ran += 1
        self.assertGreater(ran, 15)

    def test_the_picture_of_learning_is_drawn(self):
        sys.path.insert(0, str(SOURCE / "bench"))
        from bandit import learning_picture

        self.prepare()
        found = self.run_ok("learn", "idx/a", "idx/b", "--data", "data/a", "data/b", "--orders", "3", "--json").json()
        drawn = xml.etree.ElementTree.fromstring(learning_picture.draw(found))
        names = {"{http://www.w3.org/2000/svg}" + name for name in ("polyline", "polygon")}
        shapes = [shape for shape in drawn.iter() if shape.tag in names]
        self.assertEqual(len(shapes), 3 * len(found["domains"]) + 3)  # three policies
        for shape in shapes:
            for x, y in (point.split(",") for point in shape.get("points").split()):
                self.assertTrue(0 <= float(x) <= learning_picture.WIDTH and 0 <= float(y) <= 470, shape.attrib)

    def test_every_link_leads_somewhere(self):
        for path in DOCUMENTS:
            for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
                if not target.startswith("http"):
                    self.assertTrue((path.parent / target).exists(), f"{path.name}: {target}")

    def test_every_program_is_one_that_a_test_compiles(self):
        for path in DOCUMENTS:
            text = path.read_text(encoding="utf-8")
            marked = re.findall(r"<!-- example: tests/install \S+ -->\n+```cpp\n", text)
            self.assertEqual(len(blocks(path, "cpp")), len(marked), path.name)


if __name__ == "__main__":
    unittest.main()
