#!/usr/bin/env python3
"""Runs one of the project's benchmarks, prints its tables and claims, and compares with a stored run.

Every number that the project states comes from here. A benchmark is a module with ABOUT (a line),
MINUTES (about how long it takes) and run(context) -> Report; see report.py.
"""

import argparse
import importlib
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import report  # noqa: E402

# Name on the command line -> module.
BENCHMARKS = {
    "offline": "offline.offline_bench",
    "kernels": "micro.kernels_report",
    "domains": "domains.domains_bench",
    "filter": "micro.filter_report",
    "bandit": "bandit.bandit_report",
    "pareto": "pareto.pareto_report",
    "engine": "engine.engine_report",
    "peers-vector": "peers.vector_report",
    "peers-lexical": "peers.lexical_report",
    "hybrid": "peers.hybrid_report",
}


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="./dev bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="A stored result: ./dev bench offline --save before.json; then, after a change,\n"
        "./dev bench offline --compare before.json exits with 1 and names what fell.",
    )
    parser.add_argument("name", nargs="?", help="the benchmark; --list names them")
    parser.add_argument("--list", action="store_true", help="what there is and how long it takes")
    parser.add_argument("--json", action="store_true", help="one object on stdout, nothing else")
    parser.add_argument("--save", metavar="FILE", help="store the result")
    parser.add_argument("--compare", metavar="FILE", help="compare with a stored result")
    parser.add_argument("--sets", metavar="A,B", help="only these judged sets")
    parser.add_argument("--quality-only", action="store_true", help="no timing claims")
    parser.add_argument(
        "--write-tables",
        metavar="FILE",
        nargs="?",
        const="",
        help="renew the benchmark's tables wherever README.md and docs/ show them, or in this file",
    )
    parser.add_argument("--program", help="the program to measure (default: the release build)")
    return parser, parser.parse_args(arguments)


def list_benchmarks():
    for name, module in BENCHMARKS.items():
        loaded = importlib.import_module(module)
        print(f"{name:12} about {loaded.MINUTES:>4} min  {loaded.ABOUT}")


def main(arguments):
    parser, options = parse(arguments)
    if options.list:
        list_benchmarks()
        return 0
    if options.name not in BENCHMARKS:
        parser.error(f"name one of: {', '.join(BENCHMARKS)}")
    try:
        stored = report.load(options.compare) if options.compare else None
        context = report.Context(
            program=options.program,
            sets=options.sets.split(",") if options.sets else None,
            quality_only=options.quality_only,
            quiet=options.json,
        )
        result = importlib.import_module(BENCHMARKS[options.name]).run(context)
    except report.BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    fallen = report.compare(stored, result) if stored else []
    if options.json:
        print(json.dumps(result.as_object(fallen), indent=2, ensure_ascii=False))
    else:
        print(result.as_text())
        for line in fallen:
            print(f"fell: {line}")
        if stored and not fallen:
            print(f"compared with {options.compare}: nothing fell")
    if options.save:
        report.save(options.save, result)
    if options.write_tables is not None:
        report.write_tables(options.name, result, options.write_tables)
    return 1 if fallen or any(claim["ok"] is False for claim in result.claims) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
