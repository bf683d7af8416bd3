"""What no compiler checks: public headers show no foreign library, the library never speaks."""

import os
import pathlib
import re
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
INTERNAL = os.environ["EQUIPOISE_INTERNAL_HEADERS"].split()  # set by CMakeLists.txt
MODULES = ("core", "kernels", "retrieval", "optimizer", "engine")

# Names that would make a user of the header install the library behind it.
FOREIGN = re.compile(r"\b(faiss|icu|unicode/\w+|nlohmann|omp|omp\.h|omp_\w+|Eigen|fmt|xxhash|XXH\w+|"
                     r"libstemmer|sb_stemmer\w*|roaring\w*|sqlite\w*)\b", re.IGNORECASE)

# A library neither prints nor ends the process, and takes its seeds from its caller.
FORBIDDEN = re.compile(r"\b(v?f?printf|f?puts|putchar|f?putc|perror|cout|cerr|clog|abort|_?exit|"
                       r"quick_exit|_Exit|terminate|rand|srand|random_device)\b")


def without_comments(text):
    return re.sub(r"//[^\n]*|/\*.*?\*/", " ", text, flags=re.DOTALL)


def without_strings(text):
    return re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)


def public_headers():
    """The headers that are installed."""
    for module in MODULES:
        for path in sorted((SOURCE / module / "include").rglob("*.h")):
            if not any(path.match(name) for name in INTERNAL):
                yield path


def lines_with(pattern, path, text):
    for number, line in enumerate(text.splitlines(), start=1):
        for match in pattern.finditer(line):
            yield f"{path.relative_to(SOURCE)}:{number}: {match[0]}"


class SourceRules(unittest.TestCase):
    maxDiff = None

    def test_public_headers_name_no_foreign_library(self):
        found = []
        for path in public_headers():
            code = without_comments(path.read_text(encoding="utf-8"))
            found += lines_with(FOREIGN, path, code)
        self.assertEqual(found, [])

    def test_public_headers_include_only_public_headers(self):
        public = {str(path).split("/include/")[1] for path in public_headers()}
        self.assertTrue(public)
        found = []
        for path in public_headers():
            for name in re.findall(r'#include\s*[<"](equipoise/[^>"]+)', path.read_text()):
                if name not in public:
                    found.append(f"{path.relative_to(SOURCE)} includes {name}")
        self.assertEqual(found, [])

    def test_the_library_never_prints_exits_or_draws_a_seed(self):
        found = []
        for module in MODULES:
            for path in sorted((SOURCE / module).rglob("*")):
                if path.suffix in (".h", ".cc", ".cu", ".cuh"):
                    code = without_strings(without_comments(path.read_text(encoding="utf-8")))
                    found += lines_with(FORBIDDEN, path, code)
        self.assertEqual(found, [])

    def test_the_rules_see_what_they_forbid(self):
        self.assertTrue(FOREIGN.search("#include <faiss/Index.h>"))
        self.assertTrue(FOREIGN.search("nlohmann::json"))
        self.assertFalse(FOREIGN.search("compare"))
        for code in ("std::cout << x", "std::abort();", "exit(1);", "fprintf(stderr, x)"):
            self.assertTrue(FORBIDDEN.search(code), code)
        for code in ("snprintf(buffer, 3, x)", "atexit_", "operand"):
            self.assertFalse(FORBIDDEN.search(code), code)
        self.assertEqual(without_comments("a // printf\nb /* exit\n */ c").split(), ["a", "b", "c"])


if __name__ == "__main__":
    unittest.main()
