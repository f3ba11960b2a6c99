"""parallel.py: results in order, and an end to all if one fails."""

from __future__ import annotations

import threading
import unittest

from harness.core import parallel


class Parallel(unittest.TestCase):
    def test_results_are_in_order(self) -> None:
        first = threading.Event()

        def slow(stop: threading.Event) -> str:
            first.wait(10)
            return "slow"

        def fast(stop: threading.Event) -> str:
            first.set()
            return "fast"

        said: list[str] = []
        results = parallel.run([("a", slow), ("b", fast)], 2, said.append,
                               lambda number, future: (number, future.result()))
        self.assertEqual(results, [(0, "slow"), (1, "fast")])
        self.assertTrue(said[-1].startswith("2 of 2"))

    def test_one_that_fails_ends_the_others(self) -> None:
        ended = threading.Event()

        def waits(stop: threading.Event) -> None:
            if stop.wait(10):
                ended.set()

        def fails(stop: threading.Event) -> None:
            raise ZeroDivisionError

        with self.assertRaises(ZeroDivisionError):
            parallel.run([("a", waits), ("b", fails)], 2, lambda text: None,
                         lambda number, future: future.result())
        self.assertTrue(ended.wait(10))


if __name__ == "__main__":
    unittest.main()
