"""The audit of callers: its table, its comparison, what it reads from C; without Coccinelle."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

from harness.core import queues
from harness.core.errors import Exit, HarnessError
from harness.proof import callers
from harness.proof.callers import Hit, Row

HEAD = "| file | function | pinned by | call | verdict | why |\n|---|---|---|---|---|---|\n"
A = Hit("a.c", "f", "get_cpu", "on_each_cpu")
B = Hit("b.c", "g", "preempt_disable", "smp_call_function")


class Table(unittest.TestCase):
    def read(self, rows: str) -> list[Row]:
        return callers.read_table(HEAD + rows, "callers.md", "v6.12")

    def test_rows(self) -> None:
        rows = self.read("| a.c | f | get_cpu | on_each_cpu | kept | it must |\n"
                         "| b.c | g | preempt_disable | smp_call_function | "
                         "converted: b: Do it |  |\n")
        self.assertEqual(rows, [Row(A, "kept", "", "it must"), Row(B, "converted", "b: Do it", "")])

    def test_other_tables_and_text_are_left_alone(self) -> None:
        text = ("Text | with | bars\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n" + HEAD +
                "| `a.c` | `f` | get_cpu | on_each_cpu | kept | so |\n\n| b | c |\n")
        self.assertEqual([row.hit for row in callers.read_table(text, "t", "v6.12")], [A])

    def test_bad_rows(self) -> None:
        for row in ("| a.c | f | get_cpu | kept | why |\n",
                    "| a.c | f | get_cpu | on_each_cpu | kept |  |\n",
                    "| a.c | f | get_cpu | on_each_cpu | kept: a patch | so |\n",
                    "| a.c | f | get_cpu | on_each_cpu | converted |  |\n",
                    "| a.c | f | get_cpu | on_each_cpu | partly: a patch |  |\n",
                    "| a.c | f | get_cpu | on_each_cpu |  |  |\n",
                    "| a.c | f | get_cpu | on_each_cpu | kept | so |\n" * 2):
            with self.subTest(row), self.assertRaises(HarnessError) as caught:
                self.read(row)
            self.assertEqual(caught.exception.code, Exit.CONFIG)

    def test_render_is_what_read_table_reads(self) -> None:
        text = callers.render({B, A}).replace("|  |  |", "| kept | so |")
        self.assertEqual([row.hit for row in self.read(text)], [A, B])

    def test_rows_of_one_queue(self) -> None:
        text = ("# Callers\n\n" + HEAD + "| a.c | f | get_cpu | on_each_cpu | kept | so |\n\n"
                "## v7.3 alone\n\n" + HEAD + "| a.c | g | get_cpu | on_each_cpu | kept | so |\n\n"
                "## v6.12 alone\n\n" + HEAD + "| a.c | h | get_cpu | on_each_cpu | kept | so |\n")
        for queue, found in (("v6.12", "fh"), ("v7.3", "fg")):
            self.assertEqual("".join(row.hit.function for row in callers.read_table(
                text, "t", queue)), found)

    def test_the_table_of_the_repository(self) -> None:
        text = callers.TABLE.read_text("utf-8")
        for queue in queues.names():
            rows = callers.read_table(text, "callers.md", queue)
            self.assertTrue(rows)
            self.assertEqual(callers.miscounted(text, rows, queue), [])
            self.assertEqual(len(callers.miscounted(text, rows[1:], queue)), 1)
            self.assertTrue(all(row.hit.file and row.hit.call for row in rows))


class Compare(unittest.TestCase):
    kept = Row(A, "kept", "", "so")
    converted = Row(B, "converted", "b: Do it", "")

    def compare(self, hits: set[Hit], rows: list[Row], subjects: list[str]) -> list[str]:
        return callers.compare(callers.Found(hits, {B}, 2), rows, subjects)

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
                 [Row(A, "converted", "b: Do it", ""), self.converted], ["b: Do it"])

    def test_converted_and_not_listed(self) -> None:
        self.one("gone with the series", {A}, [self.kept], [])

    def test_patch_that_is_not_in_the_series(self) -> None:
        self.one("no patch of the series", {A}, [self.kept, self.converted], ["c: Do it"])

    def test_partly_stays_a_hit(self) -> None:
        partly = Row(B, "partly", "b: Do it", "one path")
        self.assertEqual(self.compare({B}, [partly], ["b: Do it"]), [])
        self.one("not found any more", set(), [partly], ["b: Do it"])


class Source(unittest.TestCase):
    def test_written_calls(self) -> None:
        text = ('/* on_each_cpu(x)\n * here */\non_each_cpu(f);\n'
                'pr("on_each_cpu(");\n// on_each_cpu(\nmy_on_each_cpu(f); on_each_cpu_mask(m);\n')
        self.assertEqual(callers.written(text, ["on_each_cpu", "on_each_cpu_mask"]),
                         [(3, "on_each_cpu"), (6, "on_each_cpu_mask")])

    def test_static(self) -> None:
        text = ("static inline bool\nkick(int a)\n{\n}\nvoid all(void)\n{\n\tkick(1);\n}\n"
                "static int x = 1;\nint many(void)\n{\n}\n")
        self.assertEqual(callers.static_ones("a.c", text), {"kick"})
        self.assertEqual(callers.static_ones("a.h", text), set())

    def test_blank(self) -> None:
        text = 'a("/*", \'"\', x); /* b\n" */ c("*/"); // d\ne(\'\\\'\');\n'
        plain = callers.blank(text)
        self.assertEqual([len(line) for line in plain.split("\n")],
                         [len(line) for line in text.split("\n")])
        self.assertEqual("".join(plain.split()), "a(,,x);c();e();")

    def slim(self, text: str) -> str:
        """Without what does not matter: where lines are blank."""
        slimmed = callers.slim(text, {"pin"}, {"call"})
        self.assertEqual(slimmed.count("\n"), text.count("\n"))
        return "\n".join(line.rstrip() for line in slimmed.split("\n") if line.strip())

    def test_slim_keeps_what_has_both_words(self) -> None:
        text = 'int f(void)\n{\n\tpin();\n\tsay("}\\n{");\n\tcall(1);\n}\n'
        self.assertEqual(callers.slim(text, {"pin"}, {"call"}),
                         text)
        self.assertEqual(self.slim(text.replace("pin", "pine")), "int f(void)\n{\n}")
        self.assertEqual(self.slim(text.replace("call", "recall")), "int f(void)\n{\n}")

    def test_slim_keeps_directives_but_not_half_a_comment(self) -> None:
        text = ("int f(void)\n{\n#ifdef A\t/* one\n\tand two */\n\tpin();\n#else\n"
                "#define x \\\n\t1\n\tother();\n#endif\n}\nint g;\n")
        self.assertEqual(self.slim(text), "int f(void)\n{\n#ifdef A\n#else\n#define x \\\n\t1\n"
                         "#endif\n}\nint g;")

    def test_slim_leaves_alone_what_it_does_not_understand(self) -> None:
        for text in ("#define f(x) \\\n{ \\\n\tother(x); \\\n}\nint g;",
                     "int f(void) { other(); }",
                     "int f(void)\n{ return other(); }\nint g(void)\n{ return other(); }",
                     "int f(void)\n{\n#ifdef A\n\tif (x) {\n#else\n\tif (y) {\n#endif\n\t}\n}",
                     "#ifdef A\nint f(void)\n{\n#else\nint f(int a)\n{\n#endif\n\tx();\n}"):
            with self.subTest(text):
                self.assertEqual(self.slim(text + "\nint h(void)\n{\n\tother();\n}\n"),
                                 text + "\nint h(void)\n{\n}")

    def test_functions(self) -> None:
        text = ("struct a {\n\tint b;\n};\nstatic int f(int a,\n\t     void (*b)(int))\n"
                "{\n\tg(a);\n}\n"
                "#define m(x) \\\n\tdo { \\\n\t\th(x); \\\n\t} while (0)\n#define N (1)\n"
                "void k(void) __releases(&lock)\n{\n\t/* l() */\n}\n"
                "static struct s t[] = {\n\t{ f() },\n};\nint u[] =\n{\n\tf(),\n};\n")
        found = dict(callers.functions(text))
        self.assertEqual(set(found), {"f", "k", "m"})
        self.assertIn("g(a)", found["f"])
        self.assertIn("h(x)", found["m"])
        self.assertNotIn("l()", found["k"])

    def test_makers(self) -> None:
        texts = {"a.c": "static void s(void)\n{\n}\nvoid g(void)\n{\n}\n",
                 "a.h": "static inline void h(void)\n{\n}\n"}
        known = callers.Makers({("", "on_each_cpu")})
        makers = callers.plus(known, {("a.c", "s"), ("a.c", "g"), ("a.h", "h"), ("a.c", "stop"),
                                     ("a.c", "something else")}, texts, ["stop"])
        self.assertEqual(makers, {("", "g"), ("", "h"), ("", "on_each_cpu"), ("a.c", "s")})
        self.assertEqual(callers.names_of(makers), {"g", "h", "s", "on_each_cpu"})
        self.assertTrue(callers.is_maker(makers, "a.c", "s", {"s"}))
        self.assertFalse(callers.is_maker(makers, "b.c", "s", set()))
        self.assertTrue(callers.is_maker(makers, "b.c", "g", {"s"}))
        self.assertFalse(callers.is_maker(makers, "b.c", "g", {"g"}))

    def test_one_step(self) -> None:
        makers = callers.Makers({("", "g"), ("a.c", "s")})
        texts = {"a.c": "static void s(void)\n{\n}\nvoid by_static(void)\n{\n\ts();\n}\n"
                        "void by_pointer(void)\n{\n\tops->s();\n\tops.g();\n}\n",
                 "b.c": "void other(void)\n{\n\ts();\n}\nvoid f(void)\n{\n\tg();\n}\n"
                        "void g(void)\n{\n\tg();\n}\n#define mac(x) g(x)\n"}
        self.assertEqual(callers.one_step(texts, makers),
                         {("a.c", "by_static"), ("b.c", "f"), ("b.c", "mac")})

    def test_scripts(self) -> None:
        asked, pinning = callers.words(), callers.kinds()
        script = callers.pinned_script(pinning, asked.family, [*asked.family, "mine"])
        for left in ("{ PINS }", "{ UNPINS }", "{ CALLS }", "MATCH", "KIND", "PREFIX"):
            self.assertNotIn(left, script)
        self.assertEqual(script.count("@script:python@"), len(pinning))
        self.assertEqual(script.count("mine"), sum(not kind.family for kind in pinning))
        words = callers.pin_words(pinning)
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
                callers.words(path)
        self.assertEqual(caught.exception.code, Exit.USAGE)
        self.assertIn("wrappers", caught.exception.message)
