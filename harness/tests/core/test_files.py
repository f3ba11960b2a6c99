"""files.py: a folder is complete or not there."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from harness.core import files


class NewFolder(unittest.TestCase):
    def test_complete_or_as_before(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            where = Path(name, "a/folder")
            with files.new_folder(where) as new:
                (new / "one").touch()
                self.assertFalse(where.exists())
            self.assertEqual([path.name for path in where.iterdir()], ["one"])
            with self.assertRaises(KeyboardInterrupt), files.new_folder(where) as new:
                (new / "two").touch()
                raise KeyboardInterrupt
            self.assertEqual([path.name for path in where.parent.rglob("*")], ["folder", "one"])
            with files.new_folder(where) as new:
                (new / "two").touch()
            self.assertEqual([path.name for path in where.iterdir()], ["two"])


if __name__ == "__main__":
    unittest.main()
