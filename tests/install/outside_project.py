"""Installs the library and builds the README's example, those of examples/ and the programs of docs/ against
it, as somebody outside would.

One test for each way to get at the library: a static and a shared installation found by CMake, both
found by pkg-config, and add_subdirectory. The example is taken out of README.md: the fenced blocks
below the comments "example: tests/install FILE" are the outside project, the one below "output:
tests/install" is what it has to print.

CTest runs this with the environment that tests/install/CMakeLists.txt sets.
"""

import os
import pathlib
import re
import shlex
import shutil
import subprocess
import unittest

import examples_test

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["EQUIPOISE_BUILD"])
CMAKE = os.environ["EQUIPOISE_CMAKE"]
CXX = os.environ["EQUIPOISE_CXX"]

# A program outside may come to need these only through libequipoise.so, never itself.
PRIVATE_LIBRARIES = ("fmt", "icu", "stemmer", "roaring", "faiss", "blas", "lapack", "gomp", "omp", "xxhash")


def blocks(path, kind):
    """{FILE: text} of a document's fenced blocks below "<!-- kind: tests/install FILE -->"."""
    text = path.read_text(encoding="utf-8")
    pattern = rf"<!-- {kind}: tests/install ?(\S*) -->\n+```\w*\n(.*?)^```$"
    return {name: body for name, body in re.findall(pattern, text, re.DOTALL | re.MULTILINE)}


def readme_blocks(kind):
    return blocks(SOURCE / "README.md", kind)


def run(*command, cwd=None, env=None):
    """The stdout of a command; its whole output is the test's failure message if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env={**os.environ, **(env or {})}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise AssertionError(f"exit code {done.returncode}: {shlex.join(words)}\n"
                             f"{done.stdout}{done.stderr}")
    return done.stdout


class OutsideProject(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.work = BUILD / "tests/install/work" / self._testMethodName
        self.prefix = self.work / "prefix"
        self.project = self.work / "project"
        for folder in (self.prefix, self.project):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        files = readme_blocks("example")
        self.assertEqual(set(files), {"CMakeLists.txt", "main.cc"}, "the examples marked in README.md")
        for name, text in files.items():
            (self.project / name).write_text(text, encoding="utf-8")

    def install(self, kind):
        for component in ("headers", kind):
            run(CMAKE, "--install", BUILD, "--prefix", self.prefix, "--component", component)

    def build(self, *options, target="app"):
        out = self.work / "build"
        run(CMAKE, "-S", self.project, "-B", out, "-G", "Ninja", f"-DCMAKE_CXX_COMPILER={CXX}",
            f"-DCMAKE_PREFIX_PATH={self.prefix}", "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror",
            *options)
        run(CMAKE, "--build", out, "--target", target)
        return out / target

    def check_output(self, app, **environment):
        folder = self.work / "run"  # of its own: the example may write an index
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        printed = run(app, cwd=folder, env=environment)
        self.assertEqual(printed, readme_blocks("output")[""])

    def pkg_config(self):
        """A program compiled by the flags that pkg-config prints."""
        path = os.pathsep.join(str(file.parent) for file in self.prefix.rglob("equipoise.pc"))
        flags = shlex.split(run("pkg-config", "--cflags", "--libs", "equipoise",
                                env={"PKG_CONFIG_PATH": path}))
        app = self.work / "app"
        run(CXX, "-std=c++20", self.project / "main.cc", "-o", app, *flags)
        return app

    def library_folder(self):
        return next(self.prefix.rglob("libequipoise.*")).parent

    def check_needs_nothing_private(self, app):
        needed = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", app))
        self.assertTrue(any(re.fullmatch(r"libequipoise\.so\.\d+\.\d+", name) for name in needed),
                        needed)
        for name in needed:
            self.assertFalse(any(word in name for word in PRIVATE_LIBRARIES), needed)

    def test_static(self):
        self.install("static")
        self.assertEqual(list(self.prefix.rglob("*.so*")), [])
        # The package can be moved to another machine: it names no folder of this build.
        for file in self.prefix.rglob("*.cmake"):
            text = file.read_text(encoding="utf-8")
            for leak in (str(BUILD), str(SOURCE), str(self.prefix), "equipoise_flags", "-Wall"):
                self.assertNotIn(leak, text, file)
        self.check_output(self.build())

    def test_examples(self):
        self.install("static")
        shutil.rmtree(self.project)
        shutil.copytree(SOURCE / "examples", self.project)
        # And the whole programs of docs/.
        programs, outputs = {}, {}
        for path in sorted((SOURCE / "docs").glob("*.md")):
            programs.update(blocks(path, "example"))
            outputs.update(blocks(path, "output"))
        self.assertEqual({pathlib.Path(name).stem for name in programs}, set(outputs))
        with open(self.project / "CMakeLists.txt", "a", encoding="utf-8") as lists:
            for name, text in programs.items():
                (self.project / name).write_text(text, encoding="utf-8")
                stem = pathlib.Path(name).stem
                lists.write(f"add_executable({stem} {name})\n"
                            f"target_link_libraries({stem} PRIVATE equipoise::equipoise)\n")
        launcher = os.environ.get("EQUIPOISE_LAUNCHER")
        self.build(*([f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher}"] if launcher else []), target="all")
        examples_test.check(self, self.work / "build", BUILD)
        for name, expected in outputs.items():
            folder = self.work / "run" / name
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            self.assertEqual(run(self.work / "build" / name, cwd=folder), expected)

    def test_shared(self):
        self.install("shared")
        self.assertEqual(list(self.prefix.rglob("*.a")), [])
        library = self.library_folder() / "libequipoise.so"
        app = self.build()
        self.check_output(app)
        self.check_needs_nothing_private(app)
        # Nothing of FAISS or of our insides is visible, only what EQUIPOISE_API marks (and what
        # the compiler keeps unique over the whole program: type information, inline templates).
        strong = [line.split(maxsplit=2) for line in
                  run("nm", "-DC", "--defined-only", library).splitlines()]
        self.assertTrue(strong)
        for _, kind, name in strong:
            if kind not in "VWuw":
                self.assertRegex(name, r"^((vtable|typeinfo|typeinfo name|guard variable) for )?"
                                       r"equipoise::", "a visible symbol")

    def test_pkg_config_static(self):
        self.install("static")
        self.check_output(self.pkg_config())

    def test_pkg_config_shared(self):
        self.install("shared")
        app = self.pkg_config()
        self.check_output(app, LD_LIBRARY_PATH=str(self.library_folder()))
        self.check_needs_nothing_private(app)

    def test_add_subdirectory(self):
        (self.project / "CMakeLists.txt").write_text(f"""
cmake_minimum_required(VERSION 3.25)
project(app LANGUAGES CXX)
set(before "${{CMAKE_CXX_FLAGS}}|${{CMAKE_RUNTIME_OUTPUT_DIRECTORY}}|${{CMAKE_BUILD_TYPE}}")
add_subdirectory({SOURCE} equipoise EXCLUDE_FROM_ALL)
set(after "${{CMAKE_CXX_FLAGS}}|${{CMAKE_RUNTIME_OUTPUT_DIRECTORY}}|${{CMAKE_BUILD_TYPE}}")
if(NOT before STREQUAL after OR DEFINED BUILD_SHARED_LIBS OR DEFINED CMAKE_CUDA_COMPILER)
  message(FATAL_ERROR "add_subdirectory(equipoise) changed our settings: ${{before}}, ${{after}}")
endif()
if(TARGET equipoise_cli OR TARGET gtest OR TARGET equipoise_other)
  message(FATAL_ERROR "add_subdirectory(equipoise) brought its program or its tests")
endif()
add_executable(app main.cc)
target_link_libraries(app PRIVATE equipoise::equipoise)
""", encoding="utf-8")
        # This compiles the whole library once more: with a compiler cache from the cache, by the
        # same flags as the build around us; else without optimization to be quick.
        options = ["-DCMAKE_BUILD_TYPE=None", "-DCMAKE_CXX_FLAGS=-O0"]
        if launcher := os.environ.get("EQUIPOISE_LAUNCHER"):
            options = [f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher}", "-DCMAKE_CXX_FLAGS=",
                       *os.environ["EQUIPOISE_SAME"].split("|")]
        self.check_output(self.build(*options))


if __name__ == "__main__":
    unittest.main()
