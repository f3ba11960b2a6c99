"""Tests of spin.py: what pan says, judging, and the data file. spin is not needed."""

import re
import tempfile
import threading
import unittest
from dataclasses import replace
from pathlib import Path
from unittest import mock

from harness.core import records
from harness.core.errors import Exit, HarnessError
from harness.core.proc import Result
from harness.proof import spin
from harness.proof.spin import Search, Variant

# Shortened output of pan 6.5.2 for this model.
GOOD = """\
Depth=      76 States=    1e+06 Transitions= 3.45e+06 Memory=   97.853\tt=     8.68 R=   1e+05

(Spin Version 6.5.2 -- 6 December 2019)
\t+ Partial Order Reduction
\t+ Compression

Full statespace search for:
\tnever claim         \t- (none specified)
\tassertion violations\t+
\tcycle checks       \t- (disabled by -DSAFETY)
\tinvalid end states\t+

State-vector 184 byte, depth reached 76, errors: 0
  4181267 states, stored
 10306342 states, matched
 14487609 transitions (= stored+matched)
       34 atomic steps
hash conflicts:   5213511 (resolved)

Stats on memory usage (in Megabytes):
  877.312\tequivalent memory usage for states (stored*(State-vector + overhead))
  269.176\ttotal actual memory usage

unreached in proctype task
\t/work/proof/spin/smp.pml:744, state 875, "assert(I2)"
\t/work/proof/spin/smp.pml:809, state 1391, "D_STEP809"
\t(2 of 1475 states)
unreached in proctype hotplug
\t/work/proof/spin/smp.pml:922, state 406, "-end-"
\t(1 of 406 states)

pan: elapsed time 34.4 seconds
"""

STOPPED = """\
{first}
pan: wrote smp.pml.trail

(Spin Version 6.5.2 -- 6 December 2019)
Warning: Search not completed
\t+ Partial Order Reduction

Full statespace search for:
\tassertion violations\t+

State-vector 168 byte, depth reached 53, errors: {errors}
      817 states, stored
     1541 transitions (= stored+matched)
   32.302\ttotal actual memory usage

pan: elapsed time 0.01 seconds
"""


def stopped(first, errors=1):
    return STOPPED.format(first=first, errors=errors)


def variant(expect="ok", name="full"):
    return Variant(name, expect, ("NTASK=3",), 500, 60, 20, "something")


class ReadTest(unittest.TestCase):
    def test_ok(self):
        found = spin.read(GOOD)
        self.assertEqual(found.verdict, "ok")
        self.assertEqual(found.numbers, {"states": 4181267, "transitions": 14487609, "depth": 76,
                                         "memory_mib": 269.176, "seconds": 34.4})
        self.assertEqual(found.unreached,
                         {"744: assert(I2)", "809: D_STEP809", "922: -end-"})

    def test_assertion(self):
        for text, name in (("assertion violated I4", "I4"),
                           ("assertion violated (I3||(pending[t]==0))", "I3"),
                           ("assertion violated ((I5||(after[info[id_]]==0))||"
                            "((after[info[id_]]>>2)!=c))", "I5"),
                           ("assertion violated I11", "I11")):
            with self.subTest(text):
                found = spin.read(stopped(f"pan:1: {text} (at depth 32)"))
                self.assertEqual((found.verdict, found.numbers["states"], found.numbers["depth"]),
                                 (name, 817, 53))

    def test_assertion_without_a_name(self):
        text = stopped("pan:1: assertion violated (x==1) (at depth 3)")
        self.assertEqual(spin.read(text).verdict, "assertion violated (x==1)")

    def test_invalid_end_state(self):
        self.assertEqual(spin.read(stopped("pan:1: invalid end state (at depth 32)")).verdict,
                         "deadlock")

    def test_cycle(self):
        self.assertEqual(spin.read(stopped("pan:1: non-progress cycle (at depth 87)")).verdict,
                         "cycle")

    def test_depth_bound(self):
        text = stopped("error: max search depth too small", errors=0)
        self.assertEqual(spin.read(text).verdict, "the depth bound was reached")

    def test_depth_bound_and_else_fine(self):
        self.assertEqual(spin.read("error: max search depth too small\n" + GOOD).verdict,
                         "the depth bound was reached")

    def test_memory_bound(self):
        for line in ("pan: reached -DMEMLIM bound", "pan: out of memory"):
            with self.subTest(line):
                self.assertEqual(spin.read(stopped(line, errors=0)).verdict,
                                 "the memory bound was reached")

    def test_not_completed(self):
        self.assertEqual(spin.read(stopped("", errors=0)).verdict, "pan did not come to its end")

    def test_nothing(self):
        for text in ("", "Killed", GOOD.partition("State-vector")[0]):
            self.assertEqual(spin.read(text).verdict, "pan did not come to its end")

    def test_other_error(self):
        self.assertEqual(spin.read(stopped("pan:1: VECTORSZ is too small, edit pan.h")).verdict,
                         "VECTORSZ is too small, edit pan.h")


class JudgeTest(unittest.TestCase):
    def part(self, expect, text):
        return spin.judge(variant(expect), spin.read(text), 1.0)

    def test_as_expected(self):
        for expect, text in (("ok", GOOD),
                             ("I4", stopped("pan:1: assertion violated I4 (at depth 3)")),
                             ("deadlock", stopped("pan:1: invalid end state (at depth 3)"))):
            part = self.part(expect, text)
            self.assertEqual((part.code, part.passed, part.failed), (Exit.OK, 1, 0))

    def test_mutant_survives(self):
        part = self.part("I4", GOOD)
        self.assertEqual((part.code, part.failed), (Exit.TEST, 1))
        self.assertIn("expected I4, got ok", part.note)

    def test_other_invariant_does_not_count(self):
        part = self.part("I1", stopped("pan:1: assertion violated I11 (at depth 3)"))
        self.assertEqual(part.code, Exit.TEST)
        self.assertIn("expected I1, got I11", part.note)

    def test_cut_short_is_no_pass(self):
        self.assertEqual(self.part("ok", stopped("pan: reached -DMEMLIM bound", errors=0)).code,
                         Exit.TEST)


class ReachedTest(unittest.TestCase):
    @staticmethod
    def found(verdict, *unreached):
        return Search(verdict, frozenset(unreached))

    def test_ends_and_guarded_assertions_do_not_count(self):
        self.assertEqual(spin.reached([self.found("ok", "7: -end-", "8: assert(I2)")]).code, Exit.OK)

    def test_reached_in_one_is_enough(self):
        self.assertEqual(spin.reached([self.found("ok", "7: D_STEP7"), self.found("ok")]).code, Exit.OK)

    def test_dead(self):
        searches = [self.found("ok", "7: D_STEP7", "9: x = 1"), self.found("ok", "7: D_STEP7"),
                    self.found("I4")]
        part = spin.reached(searches)
        self.assertEqual((part.code, part.note), (
            Exit.TEST, "1 statements of smp.pml never, the first in line 7: D_STEP7"))

    def test_no_search(self):
        self.assertEqual(spin.reached([self.found("I4")]).code, Exit.TEST)


class DataTest(unittest.TestCase):
    GOOD = ('depth = 9\n[[variant]]\nname = "a"\nexpect = "I4"\ndefines = ["NTASK=2", "X_Y"]\n'
            'memory_mib = 5\nseconds = 6\nhash = 7\nwhat = "w"\n')

    def load(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "spin.toml"
            path.write_text(text)
            listed = records.read(spin.List, path)
            return listed.depth, list(listed.variant)

    def test_good(self):
        self.assertEqual(self.load(self.GOOD),
                         (9, [Variant("a", "I4", ("NTASK=2", "X_Y"), 5, 6, 7, "w")]))

    def test_mistakes(self):
        for text in ("", "depth = 9\n", self.GOOD.replace("hash", "hush"),
                     self.GOOD + self.GOOD[10:]):
            with self.subTest(text), self.assertRaises(HarnessError) as caught:
                self.load(text)
            self.assertEqual(caught.exception.code, Exit.USAGE)

    def test_the_file_and_the_model_agree(self):
        variants = records.read(spin.List, spin.DATA).variant
        model = spin.MODEL.read_text()
        known = set(re.findall(r"^#\s*(?:ifn?def|elif !?defined\()\s*(\w+)", model, re.M))
        known -= {"NCPU", "NTASK", "HOTPLUG", "MENU", "STARVED", "TARGET_CSD"}
        used = set()
        for item in variants:
            mutants = {text for text in item.defines if "=" not in text}
            self.assertEqual(len(mutants), 0 if item.expect == "ok" else 1, item.name)
            used |= mutants
        self.assertEqual(used, known)
        wanted = {"I1", "I2", "I3", "I4", "I5", "I6", "I8", "I9", "I10", "I11"}
        self.assertLessEqual(wanted, {item.expect for item in variants})
        self.assertGreaterEqual(sum(item.expect == "ok" for item in variants), 3)


class RunTest(unittest.TestCase):
    def search(self, outputs, stop=None, cycles=False):
        """spin.search() with tools that print this; returns the commands too."""
        commands = []

        def run(words, **more):
            commands.append([str(word) for word in words])
            return Result(0, outputs, 1.0)

        with tempfile.TemporaryDirectory() as folder, mock.patch("harness.core.proc.run", run):
            found = spin.search(replace(variant(), cycles=cycles), 99, Path(folder) / "full",
                                stop or threading.Event())
        return found, commands

    def test_commands(self):
        found, commands = self.search(GOOD)
        self.assertEqual(found.verdict, "ok")
        self.assertEqual([words[0] for words in commands], ["spin", "gcc", "./pan"])
        self.assertIn("-DNTASK=3", commands[0])
        self.assertIn("-DMEMLIM=500", commands[1])
        self.assertFalse([word for word in commands[1] if "BITSTATE" in word or "-DHC" in word])
        self.assertEqual(commands[2], ["./pan", "-m99", "-w20"])

    def test_cycles(self):
        _, commands = self.search(GOOD, cycles=True)
        self.assertIn("-DNP", commands[1])
        self.assertNotIn("-DSAFETY", commands[1])
        self.assertIn("-l", commands[2])

    def test_a_tool_that_fails_is_one_failed_part(self):
        failing = mock.patch("harness.core.proc.run", side_effect=HarnessError(Exit.TEST, "gcc failed."))
        with tempfile.TemporaryDirectory() as folder, failing:
            part, found = spin.one(variant(), 9, Path(folder), threading.Event())
        self.assertEqual((part.code, part.failed), (Exit.TEST, 1))
        self.assertEqual(found.verdict, "gcc failed.")

    def test_without_spin(self):
        lacking = mock.patch("harness.fetch.host_packages.need",
                             side_effect=HarnessError(Exit.TOOL, "spin is missing."))
        with lacking, self.assertRaises(HarnessError) as caught:
            spin.parts(None, None)
        self.assertEqual(caught.exception.code, Exit.TOOL)


if __name__ == "__main__":
    unittest.main()
