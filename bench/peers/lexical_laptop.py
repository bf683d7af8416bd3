"""Ten million short documents through the program, in bounded memory: time, peak memory, bytes."""

import json
import os
import pathlib
import shutil
import subprocess
import time

import report

MEMORY = "512MiB"
MOST_MIB = 4096  # half of a small laptop's memory


def write_corpus(path, documents):
    """One JSON object a line; how many there are."""
    count = 0
    with open(path, "w", encoding="utf-8") as file:
        for count, text in enumerate(documents, 1):
            file.write(f'{{"_id": "{count}", "text": {json.dumps(text)}}}\n')
    return count


def own_memory(pid):
    """MiB that the process has beside pages of files, which the system takes back when it wants to."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def index(context, corpus, folder):
    """Seconds, the most memory the program had, and the most without pages of files, in MiB."""
    command = [context.binary(), "index", "--corpus", corpus, "--out", folder, "--memory", MEMORY,
               "--threads", "2", "--json"]  # fmt: skip
    start, own = time.monotonic(), 0
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL) as process:
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            own = max(own, own_memory(process.pid))
            time.sleep(0.1)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - start
    if process.returncode != 0:
        raise report.BenchError(f"{command[0]} index: exit {process.returncode}")
    return seconds, usage.ru_maxrss / 1024, own


def measure(context, result, folder, documents):
    """Indexes the documents, an iterable of texts, and searches once."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        corpus = folder / "corpus.jsonl"
        count = write_corpus(corpus, documents)
        seconds, peak, own = index(context, corpus, folder / "index")
        info = context.equipoise("inspect", folder / "index")
        found = context.equipoise("search", folder / "index", "--text", "a large body of water")
        if len(found["hits"]) != 10:
            raise report.BenchError(f"the index of {count} documents found {len(found['hits'])} of 10")
        size = sum(file.stat().st_size for file in (folder / "index").rglob("*") if file.is_file())
        result.table(
            f"{count:,} short documents, texts stored, --memory {MEMORY} --threads 2",
            ["corpus MiB", "postings", "seconds", "documents/s", "peak memory MiB", "of it its own", "index MiB"],
            [[f"{corpus.stat().st_size / 2**20:,.0f}", f"{info['postings']:,}", f"{seconds:,.0f}",
              f"{count / seconds:,.0f}", f"{peak:,.0f}", f"{own:,.0f}", f"{size / 2**20:,.0f}"]],
        )  # fmt: skip
        result.row("laptop", documents=count, seconds=seconds, peak_mib=peak, own_mib=own, index_bytes=size)
        result.claim("laptop/memory", f"{count:,} documents: peak memory while indexing", peak, "MiB",
                     f"<= {MOST_MIB}", peak <= MOST_MIB)  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)
