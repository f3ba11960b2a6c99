"""What a recording kernel prints, against the table; without a kernel."""

from __future__ import annotations

import unittest

from harness.core import records
from harness.lanes import lane_files
from harness.proof import callers, recorded_calls
from harness.proof.callers import Hit, Row
from harness.tests.fixture import QUEUE

ASKED = recorded_calls.Words(("x86_64",), ("smp_call_function(_\\w+)?", "flush_tlb_\\w+"),
                             ("flush_tlb_range",), ("do_wp_page", "hugetlb_wp"), ("do_wp_page",),
                             {"move_ptes": "move_page_tables"})
LINE = "[    1.5] pinned-call: preempt=1 irqs=on "
COPY = ("smp_call_function_many_cond", "flush_tlb_mm_range", "ptep_clear_flush", "wp_page_copy",
        "do_wp_page")


def row(function: str, call: str, verdict: str = "kept") -> Row:
    return Row(Hit("a.c", function, "spin_lock", call), verdict)


class Chains(unittest.TestCase):
    def test_lines(self) -> None:
        found = recorded_calls.chains("\n".join([
            "[ 1.0] something else",
            LINE + "smp_call_function_single < f.isra.0 < g.part.3 < h [hold]",
            LINE + "smp_call_function_single < f < g < h",
            "selftests: | " + LINE + "smp_call_function_many_cond < k"]))
        self.assertEqual(found, [("smp_call_function_single", "f", "g", "h"),
                                 ("smp_call_function_many_cond", "k")])

    def test_site_is_the_first_function_outside_of_the_layers(self) -> None:
        self.assertEqual(COPY[recorded_calls.site(COPY, ASKED)], "ptep_clear_flush")
        self.assertEqual(recorded_calls.site(("smp_call_function",) * 3, ASKED), 2)


class Known(unittest.TestCase):
    def test_the_call_of_the_row_is_below_its_function(self) -> None:
        self.assertTrue(recorded_calls.known(COPY, [row("wp_page_copy", "ptep_clear_flush")], ASKED))
        self.assertFalse(recorded_calls.known(COPY, [row("wp_page_copy", "tlb_flush")], ASKED))
        self.assertFalse(recorded_calls.known(COPY, [row("ptep_clear_flush", "wp_page_copy")], ASKED))
        self.assertFalse(recorded_calls.known(("smp_call_function_single",), [row("f", "g")], ASKED))
        self.assertFalse(recorded_calls.known(COPY, [row("do_fault", "ptep_clear_flush")], ASKED))

    def test_the_call_must_be_the_next_below(self) -> None:
        self.assertFalse(recorded_calls.known(COPY, [row("do_wp_page", "ptep_clear_flush")], ASKED))

    def test_what_has_no_frame_stands_for_a_layer(self) -> None:
        self.assertTrue(recorded_calls.known(COPY, [row("ptep_clear_flush", "flush_tlb_range")], ASKED))
        self.assertFalse(recorded_calls.known(COPY, [row("wp_page_copy", "flush_tlb_range")], ASKED))

    def test_an_inlined_function_is_found_in_its_caller(self) -> None:
        chain = (*COPY[:2], "move_page_tables", "move_vma")
        self.assertTrue(recorded_calls.known(chain, [row("move_ptes", "flush_tlb_range")], ASKED))
        self.assertFalse(recorded_calls.known(chain, [row("move_pmds", "flush_tlb_range")], ASKED))

    def test_a_call_that_drops_the_lock_explains_nothing(self) -> None:
        chain = (*COPY, "handle_pte_fault")
        self.assertFalse(recorded_calls.known(chain, [row("handle_pte_fault", "do_wp_page")], ASKED))

    def test_unless_it_waits_itself_before_it_drops_the_lock(self) -> None:
        for name, wanted in (("do_wp_page", True), ("hugetlb_wp", False)):
            chain = (*COPY[:2], name, "handle_fault")
            self.assertIs(recorded_calls.known(chain, [row("handle_fault", name)], ASKED), wanted)

    def test_a_converted_caller_is_not_known(self) -> None:
        self.assertFalse(recorded_calls.known(COPY, [row("wp_page_copy", "ptep_clear_flush", "converted")],
                                              ASKED))

    def test_one_unknown_chain_makes_its_site_unknown(self) -> None:
        other = (*COPY[:3], "replace_page")
        good, bad = recorded_calls.sites([COPY, other], [row("wp_page_copy", "ptep_clear_flush")], ASKED)
        self.assertEqual((good, bad), ({}, {"ptep_clear_flush": other}))
        good, bad = recorded_calls.sites([COPY], [row("wp_page_copy", "ptep_clear_flush")], ASKED)
        self.assertEqual((good, bad), ({"ptep_clear_flush": COPY}, {}))


class Data(unittest.TestCase):
    def test_the_file_of_the_repository(self) -> None:
        asked = recorded_calls.words(QUEUE)
        for name in asked.lanes:
            lane_files.load(name, QUEUE)
        words = records.read(callers.Words, callers.FOLDER / "calls.toml")
        known = {*words.family, *words.wrappers}
        self.assertEqual([name for name in asked.frameless if name not in known], [])
