"""How ./dev bench peers-vector judges and compares: on contestants that are made up."""

import array
import math
import sys
import textwrap
import unittest

import programs

sys.path.insert(0, str(programs.ROOT / "bench"))

from peers import vector_contest as contest  # noqa: E402


def contestant(points=(), command=None):
    out = contest.Contestant("made up", command, [8, 16, 32])
    out.points = [contest.Point(str(i), recall, one=seconds) for i, (recall, seconds) in enumerate(points)]
    return out


class Recall(programs.FolderTest):
    def recall(self, found, truth):
        path = self.folder / "ids"
        path.write_bytes(array.array("i", [i for ids in found for i in ids]).tobytes())
        return contest.recall_of(path, truth)

    def test_is_the_share_of_the_ten_best(self):
        truth = [set(range(10)), set(range(10))]
        self.assertEqual(self.recall([[*range(10)], [*range(5), *range(20, 25)]], truth), 0.75)

    def test_counts_what_ties_with_the_tenth_but_no_more_than_ten(self):
        self.assertEqual(self.recall([[*range(1, 11)]], [set(range(12))]), 1.0)

    def test_counts_a_row_that_comes_twice_once(self):
        self.assertEqual(self.recall([[3] * 10], [set(range(10))]), 0.1)

    def test_of_an_answer_of_another_length_is_no_recall(self):
        with self.assertRaises(contest.Absent):
            self.recall([[*range(10)]], [set(range(10))] * 2)


class Interpolation(unittest.TestCase):
    def test_is_of_the_logarithm_over_recall(self):
        one = contestant([(0.90, 1.0), (0.98, 4.0)])
        self.assertAlmostEqual(one.at(0.94, lambda p: p.one), 2.0)

    def test_takes_the_first_setting_where_that_reaches_more(self):
        self.assertEqual(contestant([(0.97, 3.0), (0.99, 4.0)]).at(0.95, lambda p: p.one), 3.0)

    def test_gives_nothing_where_the_recall_is_not_reached(self):
        self.assertIsNone(contestant([(0.90, 1.0), (0.98, 4.0)]).at(0.99, lambda p: p.one))


class Turns(programs.FolderTest):
    ANSWERS = """
        import array, json, sys
        for line in sys.stdin:
            verb, *words = line.split()
            if verb == "build":
                answer = {"seconds": 1, "bytes": 2, "version": "1", "note": ""}
            else:
                right = min(10, int(words[0]) // 3 + 3)
                if words[4] != "-":
                    ids = [*range(right), *range(100, 110 - right)] * 4
                    open(words[4], "wb").write(array.array("i", ids).tobytes())
                answer = {"seconds": [0.5, 0.25], "p50_us": 1, "p99_us": 2}
            print(json.dumps(answer), flush=True)
        """

    def started(self, text):
        script = self.file("peer.py", textwrap.dedent(text))
        one = contestant(command=[sys.executable, str(script)])
        self.addCleanup(one.stop)
        was = contest.WORK
        self.addCleanup(setattr, contest, "WORK", was)
        contest.WORK = self.folder
        one.start(self.folder)
        return one

    def test_measure_every_setting_from_the_last_that_is_too_coarse_on(self):
        one = self.started(self.ANSWERS)
        one.find_sweep([set(range(10))] * 4)
        self.assertEqual([p.recall for p in one.points], [0.8, 1.0])
        one.take_turn()
        for point in one.points:
            self.assertEqual((point.one, point.batch, point.two_threads, point.p99_us), (0.25, 0.25, 0.25, 2))

    def test_are_not_given_to_one_that_ends_and_its_last_words_are_the_reason(self):
        with self.assertRaisesRegex(contest.Absent, "not on this processor"):
            self.started("import sys; sys.exit('not on this processor')")

    def test_are_not_given_to_one_that_answers_with_an_error(self):
        with self.assertRaisesRegex(contest.Absent, "no room"):
            self.started("input(); print('{\"error\": \"no room\"}', flush=True)")


class Absence(unittest.TestCase):
    def test_of_a_package_is_its_reason(self):
        one = contestant()
        one.why = "could not be installed"
        with self.assertRaisesRegex(contest.Absent, "could not be installed"):
            one.start(None)
        self.assertEqual(one.points, [])
        self.assertEqual(math.inf, contest.Point("1", 0.5).one)


if __name__ == "__main__":
    unittest.main()
