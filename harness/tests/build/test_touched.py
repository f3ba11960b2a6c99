"""touched.py: which functions of a built kernel count."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness.core import queues
from harness.core.errors import HarnessError
from harness.queue import series
from harness.build import arches, touched
from harness.tests.fixture import QUEUE


class Functions(unittest.TestCase):
    """Which functions count, with an nm that always says the same."""

    NM = """\
0000000000000010 t one.constprop.0
0000000000000020 T two
0000000000000030 t __do_sys_three
                 U elsewhere
0000000000000000 d data
"""
    SOURCE = """\
static int one(int a)
{
\treturn two(a);
}
SYSCALL_DEFINE1(three, int, a)
"""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.src, self.out = Path(folder.name) / "src", Path(folder.name) / "out"
        for file in ("src/a.c", "src/b.c", "src/a.h", "src/arch/arm/c.c", "out/a.o"):
            path = Path(folder.name) / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.SOURCE)
        for where, name, value in ((touched.proc, "run", lambda *words, **more: mock.Mock(output=self.NM)),
                                   (touched, "data_races", lambda queue: touched.DataRaces(
                                       self.not_built, self.partly)),
                                   (touched.single_objects, "built_as", lambda queue: self.built_as)):
            patched = mock.patch.object(where, name, value)
            patched.start()
            self.addCleanup(patched.stop)
        self.not_built: tuple[str, ...] = ()
        self.partly: dict[str, list[str]] = {}
        self.built_as: dict[str, str] = {}

    def functions(self, *files: str) -> list[str]:
        return touched.functions(QUEUE, self.out, arches.arch("x86_64"), self.src, list(files))

    def test_all_of_an_object(self) -> None:
        self.assertEqual(self.functions("a.c", "a.h", "gone.c", "arch/arm/c.c"),
                         ["__do_sys_three", "one", "two"])

    def test_touched_file_without_an_object(self) -> None:
        with self.assertRaisesRegex(HarnessError, "no data race in b.c would count"):
            self.functions("a.c", "b.c")
        self.not_built = ("b.c",)
        self.assertIn("two", self.functions("a.c", "b.c"))
        self.not_built = ("a.c",)
        with self.assertRaisesRegex(HarnessError, "must go from not_built"):
            self.functions("a.c")

    def test_source_that_is_compiled_with_others(self) -> None:
        self.built_as = {"b.c": "a.o"}
        self.assertEqual(self.functions("b.c"), ["__do_sys_three", "one"])
        (self.src / "b.c").write_text("int other(void);\n")
        with self.assertRaisesRegex(HarnessError, "has no function of b.c"):
            self.functions("b.c")

    def test_file_of_which_some_functions_are_touched(self) -> None:
        self.partly = {"a.c": ["two", "inlined"]}
        self.assertEqual(self.functions("a.c"), ["two"])
        self.partly = {"a.c": ["inlined"]}
        with self.assertRaisesRegex(HarnessError, "has no function of a.c"):
            self.functions("a.c")


class Data(unittest.TestCase):
    def setUp(self) -> None:
        self.queues = [queues.load(name) for name in queues.names()]

    def test_files_that_are_not_built_are_touched(self) -> None:
        for queue in self.queues:
            files = series.touched(series.patches(queue))
            for file in touched.data_races(queue).not_built:
                self.assertIn(file, files)

    def test_partly_touched_files_are_the_series(self):
        for queue in self.queues:
            self.assertTrue(touched.data_races(queue).partly)
            texts = [path.read_text() for path in series.patches(queue)]
            for file, names in touched.data_races(queue).partly.items():
                diffs = "".join(text[text.index(f"diff --git a/{file} "):] for text in texts
                                if f"diff --git a/{file} " in text)
                for name in names:
                    self.assertRegex(diffs, rf"\b{name}\b", file)


if __name__ == "__main__":
    unittest.main()
