"""edits.py: an edit fits once, or not at all."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from harness.core.errors import Exit, HarnessError
from harness.proof import edits
from harness.proof.edits import Edit

TEXT = """\
struct state {
\tint x;
};

static int one(int a,
\t       int b)
{
\tint x;

\tlock();
\tunlock();
}

void two(void)
{
\tone(1, 2);
\tlock();
\tunlock();
\tlock();
}

#ifdef CONFIG_THREE
static void three(void)
{
\tlock();
}
#else
static void three(void) { }
#endif
"""


class Edits(unittest.TestCase):
    def made(self, function: str, old: str, new: str = "") -> str:
        edit = Edit("a.c", function, old, new)
        with tempfile.TemporaryDirectory() as name:
            Path(name, "a.c").write_text(TEXT)
            return edits.made([edit], Path(name))["a.c"]

    def refused(self, function: str, old: str) -> str:
        with self.assertRaises(HarnessError) as caught:
            self.made(function, old)
        self.assertEqual(caught.exception.code, Exit.APPLY)
        return caught.exception.message

    def test_within_the_function(self) -> None:
        self.assertEqual(self.made("one", "\tlock();\n", "\ttrylock();\n"),
                         TEXT.replace("\tlock", "\ttrylock", 1))
        self.assertEqual(self.made("two", "\tunlock();\n").count("unlock"), 1)
        self.assertEqual(self.made("three", "\tlock();\n").count("\tlock"), 3)

    def test_outside_of_all(self) -> None:
        self.assertNotIn("#else", self.made("", "#else\n"))

    def test_the_last_lines_of_a_function(self) -> None:
        self.assertIn("\treturn;\n}\n\n#ifdef", self.made("two", "\tlock();\n}\n", "\treturn;\n}\n"))

    def test_fits_nowhere_or_twice(self) -> None:
        self.assertIn("2 places in two() of a.c fit", self.refused("two", "\tlock();\n"))
        self.assertIn("no place", self.refused("one", "\tone(1, 2);\n"))
        self.assertIn("no place", self.refused("four", "\tlock();\n"))
        self.assertIn("no place", self.refused("one", "lock();\n"))      # not a whole line

    def test_all_or_none(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name, "a.c")
            path.write_text(TEXT)
            good = Edit("a.c", "one", "\tlock();\n", "")
            for bad in (Edit("a.c", "one", "\tgone();\n", ""), Edit("b.c", "one", "\tlock();\n", "")):
                with self.assertRaises(HarnessError):
                    edits.apply([good, bad], Path(name))
                self.assertEqual(path.read_text(), TEXT)
            # Both are edits of what is there: no brace is missing for the second one.
            edits.apply([Edit("a.c", "one", "\tlock();\n", "\t{\n"),
                         Edit("a.c", "one", "\tunlock();\n", "\t}\n")], Path(name))
            self.assertIn("int x;\n\n\t{\n\t}\n}", path.read_text())

    def test_files(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name, "x.toml")
            for text in ("", '[[edit]]\nfile = "a"\nfunction = ""\nold = "x\\n"\n',
                         '[[edit]]\nfile = "a"\nfunction = ""\nold = "x"\nnew = ""\n'):
                path.write_text(text)
                with self.assertRaises(HarnessError, msg=text):
                    edits.load(path)


if __name__ == "__main__":
    unittest.main()
