"""records.py: what a table can be made into, and what is said of one that cannot."""

from __future__ import annotations

import unittest
from dataclasses import asdict, dataclass, field

from harness.core import records
from harness.core.errors import Exit, HarnessError


@dataclass(frozen=True)
class Part:
    name: str
    size: records.Count = 1


@dataclass(frozen=True)
class Whole:
    limit: float
    parts: tuple[Part, ...] = ()
    words: list[str] = field(default_factory=list)
    numbers: dict[str, int] | None = None
    kind: str = ""


class Records(unittest.TestCase):
    def refused(self, table: dict) -> str:
        with self.assertRaises(HarnessError) as caught:
            records.make(Whole, table, "x.toml")
        self.assertEqual(caught.exception.code, Exit.USAGE)
        return caught.exception.message

    def test_made(self) -> None:
        whole = records.make(Whole, {"limit": 3, "parts": [{"name": "a"}], "numbers": {"n": 2}}, "x",
                             kind="k")
        self.assertEqual(whole, Whole(3.0, (Part("a"),), [], {"n": 2}, "k"))
        self.assertEqual(records.make(Whole, asdict(whole), "x"), whole)

    def test_refused(self) -> None:
        for table, words in (({}, "'limit' of x.toml is missing"),
                             ({"limit": 1, "lmit": 1}, "'lmit' of x.toml is unknown; known are: limit,"),
                             ({"limit": "1"}, "limit of x.toml must be of type float"),
                             ({"limit": True}, "must be of type float"),
                             ({"limit": 1, "words": "a"}, "words of x.toml must be of type list"),
                             ({"limit": 1, "words": [1]}, "must be of type str"),
                             ({"limit": 1, "parts": [{}]}, "'name' of parts of x.toml is missing"),
                             ({"limit": 1, "parts": [1]}, "must be a table"),
                             ({"limit": 1, "parts": [{"name": "a", "size": 0}]}, "must be 1 or more"),
                             ({"limit": 1, "numbers": {"n": "2"}}, "n in numbers of x.toml")):
            self.assertIn(words, self.refused(table))

    def test_what_is_given_is_no_key(self) -> None:
        with self.assertRaisesRegex(HarnessError, "unknown"):
            records.make(Whole, {"limit": 1, "kind": "a"}, "x", kind="b")


if __name__ == "__main__":
    unittest.main()
