"""kcsan.py and judge.py: which data races are the series', and which cannot be read."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness.core import queues
from harness.core.errors import Exit, HarnessError
from harness.queue import series
from harness.build import arches
from harness.judge import judge, kcsan, runs
from harness.tests.judge.test_judge import RUN, log
from harness.tests.fixture import QUEUE

RULE = "=" * 66
TWO = f"""\
[    1.500000][   T40] {RULE}
[    1.500001][   T40] BUG: KCSAN: data-race in reader / writer.constprop.0
[    1.500002][   T40]
[    1.500003][   T40] write (marked) to 0xffff888001234567 of 8 bytes by task 41 on cpu 2:
[    1.500004][   T40]  writer.constprop.0+0x12/0x30
[    1.500005][    C1] an ordinary line of another CPU
[    1.500006][   T40]  middle+0x1/0x2
[    1.500007][   T40]  third+0x1/0x2 [some_module]
[    1.500008][   T40]  fourth+0x1/0x2
[    1.500009][   T40]
[    1.500010][   T40] read to 0xffff888001234567 of 8 bytes by interrupt on cpu 1:
[    1.500011][   T40]  reader+0x12/0x30
[    1.500012][   T40]  low+0x12/0x30
[    1.500013][   T40]   |
[    1.500014][   T40]   +-> reordered to: after+0x3/0x4
[    1.500015][   T40]
[    1.500016][   T40] value changed: 0x0000000000000000 -> 0x0000000000000001
[    1.500017][   T40]
[    1.500018][   T40] Reported by Kernel Concurrency Sanitizer on:
[    1.500019][   T40] CPU: 1 UID: 0 PID: 40 Comm: x Not tainted 6.0.0 #1
[    1.500020][   T40] {RULE}
"""
ONE = f"""\
[    1.600000] BUG: KCSAN: data-race in lonely+0x71/0xd0
[    1.600001]
[    1.600002] race at unknown origin, with read to 0xffff888001234567 of 4 bytes by task 5 on cpu 2:
[    1.600003]  lonely+0x71/0xd0
[    1.600004]  caller+0x89/0xd0
[    1.600005]
[    1.600006] {RULE}
"""


class Reports(unittest.TestCase):
    rules = kcsan.rules(QUEUE)

    def read(self, text: str) -> list[kcsan.Race]:
        return kcsan.reports(text.splitlines(), self.rules)

    def test_two_accesses(self):
        [race] = self.read(TWO)
        self.assertEqual((race.line, race.title, race.problem),
                         (2, "data-race in reader / writer.constprop.0", ""))
        self.assertEqual(race.functions,
                         {"reader", "writer", "middle", "third", "low", "after"})

    def test_unknown_origin(self):
        [race] = self.read(ONE)
        self.assertEqual((race.functions, race.problem), ({"lonely", "caller"}, ""))

    def test_callers_of_a_known_function_do_not_count(self):
        self.rules = kcsan.Rules(3, frozenset({"reader"}), {}, frozenset())
        [race] = self.read(TWO)
        self.assertEqual(race.functions, {"reader", "writer", "middle", "third", "after"})

    def test_several(self):
        self.assertEqual([race.line for race in self.read(TWO + ONE + TWO)], [2, 22, 30])

    def test_what_cannot_be_read(self):
        for text in (TWO[:TWO.rindex("[")],                            # no end
                     TWO[:TWO.rindex("[")] + ONE,
                     TWO.replace("write (marked) to", "something"),    # an access is lost
                     TWO.replace("  reader+0x12/0x30\n", "\n").replace("  low+0x12/0x30\n", "\n"),
                     TWO.replace("data-race in", "data-race between"),
                     TWO.replace("reader / ", "0xffffffff81000000 / "),
                     ONE.replace("  lonely", "lonely").replace("  caller", "caller")):
            self.assertTrue(self.read(text)[0].problem, text)


class Verdicts(unittest.TestCase):
    def judge(self, console: str, touched: list[str] | None) -> judge.Verdict:
        run = RUN if touched is None else {**RUN, "touched": touched}
        return judge.judge(console, "0", runs.read(run))

    def test_elsewhere_is_counted_and_printed(self):
        verdict = self.judge(log(tail=TWO + ONE + TWO), ["smp_call"])
        self.assertEqual((verdict.code, len(verdict.elsewhere)), (Exit.OK, 3), verdict.text())
        self.assertIn("3 data races elsewhere", verdict.text())
        self.assertIn("2 x outside of what the series touches: data-race in reader",
                      verdict.text())

    def test_touched_code_is_a_splat(self):
        for name in ("reader", "writer", "third", "after"):
            verdict = self.judge(log(tail=TWO), [name])
            self.assertEqual(verdict.code, Exit.SPLAT)
            self.assertIn(f"what the series touches: {name}", verdict.text())

    def test_deep_in_the_stack_is_elsewhere(self):
        self.assertEqual(self.judge(log(tail=TWO), ["fourth"]).code, Exit.OK)

    def test_not_readable_is_a_splat(self):
        verdict = self.judge(log(tail=TWO.replace("read to", "something")), ["none"])
        self.assertEqual(verdict.code, Exit.SPLAT)
        self.assertIn("it shows 1 accesses", verdict.text())

    def test_other_report_inside_of_one_is_a_splat(self):
        inside = TWO.replace("an ordinary line of another CPU", "WARNING: CPU: 1 at x")
        self.assertEqual(self.judge(log(tail=inside), ["none"]).code, Exit.SPLAT)

    def test_without_names_every_report_is_a_splat(self):
        self.assertEqual(self.judge(log(tail=TWO), None).code, Exit.SPLAT)


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
        for where, name, value in ((kcsan.proc, "run", lambda *words, **more: mock.Mock(output=self.NM)),
                                   (kcsan, "rules", lambda queue: kcsan.Rules(
                                       3, frozenset(), self.partly, self.not_built)),
                                   (kcsan.single_objects, "built_as", lambda queue: self.built_as)):
            patched = mock.patch.object(where, name, value)
            patched.start()
            self.addCleanup(patched.stop)
        self.not_built: frozenset[str] = frozenset()
        self.partly: dict[str, list[str]] = {}
        self.built_as: dict[str, str] = {}

    def functions(self, *files: str) -> list[str]:
        return kcsan.functions(QUEUE, self.out, arches.arch("x86_64"), self.src, list(files))

    def test_all_of_an_object(self) -> None:
        self.assertEqual(self.functions("a.c", "a.h", "gone.c", "arch/arm/c.c"),
                         ["__do_sys_three", "one", "two"])

    def test_touched_file_without_an_object(self) -> None:
        with self.assertRaisesRegex(HarnessError, "no data race in b.c would count"):
            self.functions("a.c", "b.c")
        self.not_built = frozenset({"b.c"})
        self.assertIn("two", self.functions("a.c", "b.c"))
        self.not_built = frozenset({"a.c"})
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
            touched = series.touched(series.patches(queue))
            for file in kcsan.rules(queue).not_built:
                self.assertIn(file, touched)

    def test_partly_touched_files_are_the_series(self):
        for queue in self.queues:
            self.assertTrue(kcsan.rules(queue).partly)
            texts = [path.read_text() for path in series.patches(queue)]
            for file, names in kcsan.rules(queue).partly.items():
                diffs = "".join(text[text.index(f"diff --git a/{file} "):] for text in texts
                                if f"diff --git a/{file} " in text)
                for name in names:
                    self.assertRegex(diffs, rf"\b{name}\b", file)


if __name__ == "__main__":
    unittest.main()
