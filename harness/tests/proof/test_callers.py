"""The audit of callers: its table, its comparison, what it reads from C; without Coccinelle."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from harness.core import queues, records
from harness.core.errors import Exit, HarnessError
from harness.proof import callers
from harness.proof.callers import Hit, Row

HEAD = "| file | function | pinned by | call | verdict | why |\n|---|---|---|---|---|---|\n"
COUNTS = "{}, {} rows: {} converted, 0 partly, 0 open, {} kept.\n"
A = Hit("a.c", "f", "get_cpu", "on_each_cpu")
B = Hit("b.c", "g", "preempt_disable", "smp_call_function")


class Table(unittest.TestCase):
    def read(self, rows: str, counts: tuple[int, ...] = (1, 0, 1), head: str = HEAD,
             queue: str = "v6.12") -> list[Row]:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name, "callers.md")
            path.write_text(COUNTS.format(queue, *counts) + head + rows)
            return callers.read_table(path, queue)

    def test_rows(self) -> None:
        rows = self.read("| a.c | f | get_cpu | on_each_cpu | kept | it must |\n"
                         "| b.c | g | preempt_disable | smp_call_function | "
                         "converted: b: Do it |  |\n", (2, 1, 1))
        self.assertEqual(rows, [Row(A, "kept"), Row(B, "converted", "b: Do it")])

    def test_other_text_is_left_alone(self) -> None:
        text = "| `a.c` | `f` | get_cpu | on_each_cpu | kept | so |\n\nmore\n" + HEAD
        self.assertEqual([row.hit for row in self.read(text, head="Text | with | bars\n\n" + HEAD)], [A])

    def test_bad_rows(self) -> None:
        for row in ("| a.c | f | get_cpu | kept | why |\n",
                    "| a.c | f | get_cpu | on_each_cpu | kept |  |\n",
                    "| a.c | f | get_cpu | on_each_cpu | kept: a patch | so |\n",
                    "| a.c | f | get_cpu | on_each_cpu | converted |  |\n",
                    "| a.c | f | get_cpu | on_each_cpu | partly: a patch |  |\n",
                    "| a.c | f | get_cpu | on_each_cpu |  |  |\n", "",
                    "| a.c | f | get_cpu | on_each_cpu | kept | so |\n" * 2):
            with self.subTest(row), self.assertRaises(HarnessError) as caught:
                self.read(row)
            self.assertEqual(caught.exception.code, Exit.CONFIG)

    def test_rows_of_one_queue(self) -> None:
        text = ("| a.c | f | get_cpu | on_each_cpu | kept | so |\n\n"
                "## v7.3 alone\n\n" + HEAD + "| a.c | g | get_cpu | on_each_cpu | kept | so |\n\n"
                "## v6.12 alone\n\n" + HEAD + "| a.c | h | get_cpu | on_each_cpu | kept | so |\n")
        for queue, found in (("v6.12", "fh"), ("v7.3", "fg")):
            rows = self.read(text, (2, 0, 2), queue=queue)
            self.assertEqual("".join(row.hit.function for row in rows), found)

    def test_the_table_of_the_repository(self) -> None:
        for queue in queues.names():
            rows = callers.read_table(callers.TABLE, queue)
            self.assertTrue(rows and all(row.hit.file and row.hit.call for row in rows))


class Compare(unittest.TestCase):
    kept = Row(A, "kept")
    converted = Row(B, "converted", "b: Do it")

    def compare(self, hits: set[Hit], rows: list[Row], subjects: list[str]) -> list[str]:
        return callers.compare(hits, {B}, rows, subjects)

    def one(self, text: str, *args) -> None:
        """Just one complaint, with the text."""
        wrong = self.compare(*args)
        self.assertEqual(len(wrong), 1)
        self.assertIn(text, wrong[0])

    def test_agreement(self) -> None:
        self.assertEqual(self.compare({A}, [self.kept, self.converted], ["b: Do it"]), [])

    def test_new_hit(self) -> None:
        self.one(f"no verdict in the table: {A}", {A}, [self.converted], ["b: Do it"])

    def test_hit_is_gone(self) -> None:
        self.one("not found any more", set(), [self.kept, self.converted], ["b: Do it"])

    def test_converted_and_still_there(self) -> None:
        self.one("still there", {B}, [self.converted], ["b: Do it"])

    def test_converted_but_never_there(self) -> None:
        self.one("not found on the base", set(),
                 [Row(A, "converted", "b: Do it"), self.converted], ["b: Do it"])

    def test_converted_and_not_listed(self) -> None:
        self.one("gone with the series", {A}, [self.kept], [])

    def test_patch_that_is_not_in_the_series(self) -> None:
        self.one("no patch of the series", {A}, [self.kept, self.converted], ["c: Do it"])

    def test_partly_stays_a_hit(self) -> None:
        partly = Row(B, "partly", "b: Do it")
        self.assertEqual(self.compare({B}, [partly], ["b: Do it"]), [])
        self.one("not found any more", set(), [partly], ["b: Do it"])


class Source(unittest.TestCase):
    def test_calls(self) -> None:
        text = ('/* on_each_cpu(x)\n * here */\non_each_cpu(f);\n'
                'pr("on_each_cpu(");\n// on_each_cpu(\nmy_on_each_cpu(f); on_each_cpu_mask(m);\n')
        self.assertEqual(callers.Source("a.c", text).calls(["on_each_cpu", "on_each_cpu_mask"]),
                         [(3, "on_each_cpu"), (6, "on_each_cpu_mask")])

    def test_what_a_function_is_known_by(self) -> None:
        text = "static inline bool\nkick(int a)\n{\n}\nvoid all(void)\n{\n\tkick(1);\n}\n"
        source = callers.Source("a.c", text)
        self.assertEqual([source.key(name) for name in ("kick", "all", "elsewhere")],
                         [("a.c", "kick"), ("", "all"), ("", "elsewhere")])
        self.assertEqual(callers.Source("a.h", text).key("kick"), ("", "kick"))

    def test_callers(self) -> None:
        makers = {("", "g"), ("a.c", "s")}
        for file, text, wanted in (
                ("a.c", "static void s(void)\n{\n}\nvoid by_static(void)\n{\n\ts();\n}\n"
                 "void by_pointer(void)\n{\n\tops->s();\n\tops.g();\n}\n", {"by_static"}),
                ("b.c", "void other(void)\n{\n\ts();\n}\nvoid f(void)\n{\n\tg();\n}\n"
                 "void g(void)\n{\n\tg();\n}\n#define mac(x) g(x)\n", {"f", "mac"})):
            self.assertEqual(callers.Source(file, text).callers(makers), wanted)
        self.assertEqual(callers.names_of(makers), {"g", "s"})

    def test_words_must_be_in_one_function(self) -> None:
        both = "int f(void)\n{\n\tpin();\n\tcall(1);\n}\n"
        apart = "int f(void)\n{\n\tpin();\n}\n\nint g(void)\n{\n\tcall(1);\n}\n"
        comment = "int f(void)\n{\n\tpin();\t/* call */\n}\n"
        odd = "int f(void)\n{\n#ifdef A\n\tif (x) {\n#else\n\tif (y) {\n#endif\n\tpin(call);\n\t}\n}\n"
        for text, wanted in ((both, True), (apart, False), (comment, False), (odd, True),
                             (apart + odd, True), (odd + apart, True), ("#define M pin(call)\n", True)):
            self.assertIs(callers.Source("a.c", text).together({"pin"}, {"call"}), wanted, text)

    def test_scripts(self) -> None:
        asked, pinning = records.read(callers.Words, callers.FOLDER / "calls.toml"), callers.kinds()
        script = callers.script(pinning, asked.family, [*asked.family, "mine"])
        for left in ("{ FAMILY }", "{ PINS }", "{ UNPINS }", "{ CALLS }", "{  }", "MATCH", "KIND", "PREFIX"):
            self.assertNotIn(left, script)
        self.assertEqual(script.count("@script:python@"), len(pinning) + 1)
        self.assertEqual(script.count("mine"), sum(not kind.family for kind in pinning))
        words = set().union(*(kind.words for kind in pinning))
        for pin in ("get_cpu", "spin_lock", "guard", "smp_processor_id", "KVM_MMU_LOCK"):
            self.assertIn(pin, words)
        self.assertNotIn("preempt", words)

    def test_each_kind_of_pinning_has_a_sample(self) -> None:
        text = "".join(path.read_text("utf-8") for path in callers.SAMPLE.glob("*.c"))
        for kind in callers.kinds():
            self.assertRegex(text, rf"void hit_{kind.name}\w*\(", kind.name)

    def test_words_with_a_list_missing(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "calls.toml"
            path.write_text('family = ["a"]\nwrappers = "b"\nnot_asked = []\nleft_out = []\n')
            with self.assertRaises(HarnessError) as caught:
                records.read(callers.Words, path)
        self.assertEqual(caught.exception.code, Exit.USAGE)
        self.assertIn("wrappers", caught.exception.message)
