"""A console of a guest, figures of a run that meets all targets, and what says that a step fails."""

import unittest

from harness.core.errors import Exit, HarnessError
from harness.bench import plans, points
from harness.bench.points import Key, Point, Stat
from harness.tests.fixture import QUEUE

PLAN = plans.read(QUEUE)
FULL = PLAN.chosen("full")
# A point that says which boot it is.
BOOT = Point("x86_64", "series", 4, "", "", 0, "main", 2, 1, 0)
CONSOLE = """\
[    3.0] clock: BENCH-CLOCK,tsc
[    3.1] BENCH-INFO,cpus=4,many_pinned=0,task_bytes=4096
[    3.2] BENCH,cost,single,1,1,8000,20
[    3.2] BENCH,cost,many,3,1,30000,20
[    3.3] BENCH-DISCARD,own,wait,the hold was over before the waiter was moved
[    3.3] BENCH-OK,2
[    3.4] forks: BENCH,fork,fork_exit_wait,0,1,900000,20
[    3.4] tlbtest: BENCH,tlb_wakeup,munmap,4000000,1,2100,1
[    3.4] tlbtest: BENCH,tlb_wakeup_locked,cow_fault,4000000,1,4000100,1
[    3.4] flushes: BENCH,tlb_cost,madvise_1,3,1,1700,1
[    3.4] flushes: BENCH,tlb_cost,madvise_1,3,2,1710,1
[    3.4] crowd: BENCH,crowd,munmap,2,1,100000000,20000
[    3.4] preemptoff: BENCH,preemptoff,many,16000000,1,4000,1
[    3.4] preemptoff: ok 1 preemptoff.many # longest 4 us, the limit is 100
[    3.5] BENCH,wakeup,single,100000,1,1810,1
[    3.5] BENCH,wakeup,third,100000,1,2900,1
[    3.6] BENCH-OK,2
[    3.7] harness: success
"""


def error(test: unittest.TestCase, code: Exit, words: str, step, *args) -> None:
    with test.assertRaises(HarnessError) as caught:
        step(*args)
    test.assertEqual(caught.exception.code, code)
    test.assertIn(words, caught.exception.message)


def made(values: dict) -> dict[Key, Stat]:
    """Stats of x86_64: {(kernel, cpus, row, case, x): value}; the model may come behind x."""
    return points.stats(Point("x86_64", *key[:5], "g", 1, 1, float(value), *key[5:])
                        for key, value in values.items())


GOOD = {
    **{("series", cpus, "wakeup", case, x): 1800 + cpus for cpus in (4, 32)
       for case in ("single", "many") for x in (100_000, 64_000_000)},
    **{("7.3", cpus, "wakeup", case, x): 1980 for cpus in (4, 32)
       for case in ("single", "many") for x in (100_000, 64_000_000)},
    **{(kernel, cpus, "tlb_wakeup", "munmap_1", x): 2400 for kernel in ("series", "7.3")
       for cpus in (4, 32) for x in (100_000, 16_000_000)},
    ("series", 4, "wakeup", "third", 100_000): 1900,
    **{("series", 4, "wakeup", "many", 16_000_000, model): 1900 for model in ("voluntary", "none")},
    **{("base", 4, "cost", "many", x): 1000 * x for x in (1, 3)},
    ("series", 4, "cost", "many", 1): 1005, ("series", 4, "cost", "many", 3): 3000,
    **{("7.2", 4, "cost", "many", x): 1000 * x for x in (1, 3)},
    **{("7.3", 4, "cost", "many", x): 1020 * x for x in (1, 3)},
    ("series", 4, "fork", "f", 0): 1001, ("base", 4, "fork", "f", 0): 1000,
    ("series", 4, "memory", "percpu_bytes", 0): 9, ("base", 4, "memory", "percpu_bytes", 0): 8,
    ("series", 4, "memory", "task_bytes", 0): 4096, ("base", 4, "memory", "task_bytes", 0): 4096,
    ("series", 4, "hotplug", "offline", 0): 101, ("base", 4, "hotplug", "offline", 0): 100,
    ("series", 4, "starved", "offline_behind", 1): 119,
    ("series", 4, "starved", "offline_alone", 1): 100,
    ("series", 4, "preemptoff", "many", 16): 5000, ("series", 4, "preemptoff", "alone", 16): 60000,
    ("series", 4, "crowd", "munmap", 2): 100, ("base", 4, "crowd", "munmap", 2): 99.5,
    ("series", 4, "own", "wait", 4_000_000): 1500,
    ("series", 8, "tlb_cost", "munmap", 1): 100, ("base", 8, "tlb_cost", "munmap", 1): 100,
    ("series", 4, "grace", "behind", 1): 15, ("base", 4, "grace", "behind", 1): 15,
}
