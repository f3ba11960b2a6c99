"""Sums up what the benchmarks measured: the targets, and tables, in Markdown.

In:  BenchPlan, Stats by Key, the kernels (Measured), notes.  Out: Markdown; targets() -> Target.
"""

from dataclasses import dataclass
from typing import Callable

from . import cyclictest
from .plans import FULL, BenchPlan, Limit
from .points import Key, Stat
from .names import FUNCTIONS, hold_name, show

Stats = dict[Key, Stat]

MORE = 3             # a call to as many targets must cost no more than before
CASES = {
    "single": "smp_call_function_single()",
    "single_nowait": "the same, without wait",
    "async": "smp_call_function_single_async()",
    "any": "smp_call_function_any()",
    "many": "smp_call_function_many()",
    "many_pin": "the same, preemption disabled",
    "many_nowait": "the same, without wait",
    "each_mask": "on_each_cpu_mask()",
    "cond": "on_each_cpu_cond_mask()",
    "function": "smp_call_function()",
    "each": "on_each_cpu()",
}


@dataclass(frozen=True)
class Measured:
    name: str        # in bench.toml
    label: str       # "6.12.117 + 32 patches"
    source: str      # package with version, and checksum


@dataclass(frozen=True)
class Target:
    what: str
    limit: str
    figure: str
    met: bool | None     # None: not measured

    @property
    def verdict(self) -> str:
        return {True: "met", False: "**missed**", None: "not measured"}[self.met]


def shown_as(row: str) -> Callable[[float], str]:
    """How the figures of a row are shown: as times, unless they are numbers or bytes."""
    return "{:.0f}".format if row in ("memory", "rt_late") else show


def _target(what: str, of: Limit, bound: str, rows: list[tuple[float, str]],
            least: bool = False) -> Target:
    """A target that each of the rows (value, how it is shown) must meet: as most, or as least."""
    if not rows:
        return Target(what + of.of, bound, "-", None)
    good = [value for value, _ in rows if (value >= of.limit if least else value <= of.limit)]
    worst = (min if least else max)(rows)
    return Target(what + of.of, bound, f"worst {worst[1]}; {len(good)} of {len(rows)} meet it",
                  len(good) == len(rows))


def of_row(stats: Stats, arch: str, kernel: str, row: str) -> Stats:
    return {key: stat for key, stat in stats.items()
            if (key.arch, key.kernel, key.row) == (arch, kernel, row)}


Pair = tuple[Key, Stat, Stat]       # what the first is of; two figures that are compared


def pairs(stats: Stats, arch: str, over: str, under: str, row: str) -> list[Pair]:
    """The figures of kernel `over`, each beside the same one of kernel `under`."""
    return _beside(stats, of_row(stats, arch, over, row), kernel=under)


def _beside(stats: Stats, chosen: Stats, **other: str) -> list[Pair]:
    """The chosen figures, each beside that whose key differs in what `other` says."""
    return [(key, stat, stats[key._replace(**other)]) for key, stat in chosen.items()
            if key._replace(**other) in stats]


def _extremes(stats: Stats, by: str) -> list[Pair]:
    """Greatest and smallest value of the field `by`, for what is the same otherwise."""
    groups: dict[Key, list[Key]] = {}
    for key in stats:
        groups.setdefault(key._replace(**{by: 0}), []).append(key)
    ends = [(max(group), min(group)) for group in groups.values() if len(group) > 1]
    return [(most, stats[most], stats[least]) for most, least in ends]


_HELD = "{0.case}, held {1}, {0.cpus} CPUs"
NAMES = {"wakeup": _HELD, "tlb_wakeup": _HELD, "tlb_wakeup_locked": _HELD,
         "cost": "{0.case}, {0.x} targets, {0.cpus} CPUs",
         "tlb_cost": "{0.case}, {0.x} other CPUs with the process",
         "crowd": "{0.case}, {0.x} threads for each of {0.cpus} CPUs",
         "preemptoff": "{0.case}, held {1}"}


def name_of(key: Key) -> str:
    """What a figure is of, for people, without the kernel."""
    name = NAMES.get(key.row, "{0.row} {0.case}, {0.cpus} CPUs").format(key, hold_name(key.x))
    return name + ("" if key.model == FULL else f", preempt={key.model}")


def targets(plan: BenchPlan, stats: Stats, arch: str) -> list[Target]:
    """Each target for one architecture; of what its guests do not measure there is none."""
    ours, base, peer = plan.ours.name, plan.ours.before, plan.peer
    guests = [guest for guest in plan.guest if arch in guest.arches]

    def row(name: str, case: str = "") -> Stats:
        """The series' figures of a row, or of one case of it."""
        return {key: stat for key, stat in of_row(stats, arch, ours, name).items()
                if case in ("", key.case)}

    def times(what: str, name: str, chosen: Stats) -> Target:
        of = plan.target[name]
        return _target(what, of, f"at most {show(of.limit)}", [
            (of.figure(stat), f"{show(of.figure(stat))} ({name_of(key)})")
            for key, stat in chosen.items()])

    def ratios(what: str, name: str, chosen: list[Pair], digits: int = 3,
               least: bool = False) -> Target:
        of, rows = plan.target[name], []
        for key, *two in chosen:
            over, under = map(of.figure, two)
            value, as_text = over / under if under else float("inf"), shown_as(key.row)
            rows.append((value, f"{value:.{digits}f} ({name_of(key)}: {as_text(over)} to "
                         f"{as_text(under)})"))
        return _target(what, of, f"at {'least' if least else 'most'} {of.limit:g} times", rows, least)

    def to_base(what: str, name: str, chosen: Stats, digits: int = 3) -> Target:
        return ratios(f"{what}, to the unpatched kernel", name, _beside(stats, chosen, kernel=base),
                      digits)

    wakeups, tlb, costs = row("wakeup"), row("tlb_wakeup"), row("cost")
    plain = {key: stat for key, stat in wakeups.items() if key.case != "third"}
    flushes = "wake-up during TLB flushes and membarrier"
    found = [
        *(times(f"wake-up, preempt={model}", "wakeup_ns",
                {key: stat for key, stat in wakeups.items() if key.model == model})
          for model in dict.fromkeys(guest.model for guest in guests if guest.boots_with(plan.ours))),
        ratios("wake-up: flat in the length of the hold", "flat", _extremes(plain, "x")),
        ratios("wake-up: flat in the number of CPUs", "flat", _extremes(plain, "cpus"))]
    if tlb:
        found += [ratios(f"{flushes}: flat in the hold", "flat", _extremes(tlb, "x")),
                  ratios(f"{flushes}: flat in the number of CPUs", "flat", _extremes(tlb, "cpus"))]
    if peer:
        found += [ratios(f"{what}: at most that of {peer.name}", "peer",
                         _beside(stats, chosen, kernel=peer.name))
                  for what, chosen in (("wake-up", wakeups), *([(flushes, tlb)] if tlb else []))]
    if any(guest.build == "tracer" for guest in guests):
        found.append(times("longest section with preemption off while a call waits", "preemptoff_ns",
                           {key: stat for key, stat in row("preemptoff").items()
                            if key.case != "alone"}))
    found += [to_base(f"cost of a call to {what}", name,
                      {key: stat for key, stat in costs.items() if (key.x >= MORE) == more})
              for what, name, more in (("one or two targets", "cost_one", False),
                                       ("three targets and more", "cost_more", True))]
    if peer:
        found.append(_overheads(stats, plan.target["overhead"], arch, (ours, base),
                                (peer.name, peer.before)))
    if flush_costs := row("tlb_cost"):
        found.append(to_base("cost of a TLB flush", "flush", flush_costs))
    if any(guest.name.startswith("crowd") for guest in guests):
        # Operations in a fixed time: the inverse of the time for each, which is what is kept.
        found.append(ratios("operations of more threads than CPUs, to the unpatched kernel", "crowd",
                            [(key, under, stat) for key, stat, under in
                             pairs(stats, arch, ours, base, "crowd")], least=True))
    return [
        *found,
        to_base("fork + exit, kthread", "fork", row("fork") | row("kthread"), 4),
        ratios("memory of a task, to that of the unpatched kernel", "memory",
               _beside(stats, row("memory", "task_bytes"), kernel=base)),
        to_base("CPU offline without a waiter", "offline", row("hotplug", "offline")),
        ratios("CPU offline with a waiter that cannot run, to the same without one", "starved",
               _beside(stats, row("starved", "offline_behind"), case="offline_alone")),
        ratios("third task (I11): wake-up to the plain one", "third",
               _beside(stats, row("wakeup", "third"), case="many")),
        times("own-request wait (I4), after its own completion", "own_ns", row("own")),
        to_base("grace period behind a preempted waiter", "grace", row("grace", "behind"))]


NO_DIFFERENCE = "no difference can be seen here"
LEAST_BOOTS = 3      # two figures can be apart by chance


def noise_floor(stats: Stats, arch: str, row: str) -> float | None:
    """The greatest figure of any kernel while no CPU was held."""
    found = [stat.greatest for key, stat in stats.items()
             if (key.arch, key.row, key.x) == (arch, row, 0)]
    return max(found, default=None)


def difference(one: Stat, other: Stat, floor: float) -> str:
    """What can be said about two kernels: a quotient, or that nothing can be seen."""
    if min(one.count, other.count) < LEAST_BOOTS:
        return "too few boots"
    apart = one.greatest < other.least or other.greatest < one.least
    if not apart or max(one.median, other.median) <= floor:
        return NO_DIFFERENCE
    return f"{one.median / other.median:.3g} times" if other.median else "only the first"


def real_tools(plan: BenchPlan, stats: Stats, arch: str, kernels: list[Measured]) -> list[str]:
    """What cyclictest saw beside each load."""
    names = [kernel.name for kernel in kernels]
    both = compared(plan, names)
    parts = []
    for row, what in cyclictest.ROWS.items():
        floor = noise_floor(stats, arch, row)
        if floor is None:
            continue
        lines = []
        for key in sorted(dict.fromkeys(key._replace(kernel="") for key in stats
                                        if key.arch == arch and key.row == row),
                          key=lambda key: key.x > 0):
            found = {name: stats.get(key._replace(kernel=name)) for name in names}
            cells = [spread(found[name], shown_as(row)) for name in names]
            words = [difference(one, other, floor) if key.x and one and other else "-"
                     for one, other in [(found[one], found[other]) for one, other in both]]
            lines.append([key.case, hold_name(key.x) if key.x else "-", *cells, *words])
        parts += [f"{what[0].upper()}{what[1:]}. Noise floor: {shown_as(row)(floor)}.", "",
                  table(["load", "held", *(kernel.label for kernel in kernels),
                         *(f"{one} to {other}" for one, other in both)], lines), ""]
    if not parts:
        return []
    return [f"## Real tools, {arch}", "",
            "cyclictest (a wake-up each ms on every CPU) beside a load, in real time, while the",
            "last CPU keeps interrupts off again and again; median (least to greatest) of the boots,",
            "all CPUs but the held one together. A late wake-up stands for those that it overlaps,",
            "too. The noise floor is the greatest figure of any kernel while no CPU was held. Where",
            "the larger of two figures is not above it, or where their ranges overlap: "
            f"\"{NO_DIFFERENCE}\".",
            f"From fewer than {LEAST_BOOTS} boots of each kernel nothing is concluded.", "", *parts]


def _overheads(stats: Stats, limit: Limit, arch: str, ours: tuple[str, str],
               peer: tuple[str, str]) -> Target:
    """Overhead of a call, ours against the peer's: each is (kernel, the one before it)."""
    rows = []
    for key, stat, under in pairs(stats, arch, *ours, "cost"):
        theirs, theirs_before = (stats.get(key._replace(kernel=name)) for name in peer)
        if theirs and theirs_before:
            mine, their = (limit.figure(one) / limit.figure(other) - 1
                           for one, other in ((stat, under), (theirs, theirs_before)))
            rows.append((mine - their, f"{100 * mine:+.1f} % against {100 * their:+.1f} % "
                         f"({name_of(key)})"))
    return _target(f"overhead of a call: at most that of {' over '.join(peer)}", limit,
                   f"at most {100 * limit.limit:g} % more", rows)


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in
                     [head, ["---"] * len(head), *rows])


def spread(stat: Stat | None, shown: Callable[[float], str] = show) -> str:
    """Median (least to greatest), or the median alone if they look the same."""
    if stat is None:
        return "-"
    median, least, greatest = map(shown, (stat.median, stat.least, stat.greatest))
    return median if least == greatest else f"{median} ({least} to {greatest})"


def _figures(plan: BenchPlan, stats: Stats, arch: str, kernels: list[Measured],
             rows: tuple[str, ...], label: Callable[[Key], list[str]], head: list[str]) -> str:
    """One line for each figure of the rows: all kernels, and the two overheads; "" if none."""
    keys = sorted({key._replace(kernel="") for key in stats
                   if key.arch == arch and key.row in rows}, key=_order)
    if not keys:
        return ""
    names = [kernel.name for kernel in kernels]
    both = compared(plan, names)
    lines = []
    for key in keys:
        found = {name: stats.get(key._replace(kernel=name)) for name in names}
        two = [(found[one], found[other]) for one, other in both]
        lines.append([
            *label(key), *(spread(found[name], shown_as(key.row)) for name in names),
            *(f"{one.median / other.median:.3f}" if one and other and other.median else "-"
              for one, other in two),
            # In instructions, for a call: does not depend on what else the figure holds.
            *(f"{one.median - other.median:+.1f} ns" if one and other else "-"
              for one, other in two if "cost" in rows)])
    return table([*head, *(kernel.label for kernel in kernels),
                  *(f"{over} / {under}" for over, under in both),
                  *(f"{over} - {under}" for over, under in both if "cost" in rows)], lines)


def compared(plan: BenchPlan, names: list[str]) -> list[tuple[str, str]]:
    """Which of the kernels named are compared: (kernel, the one before it)."""
    return [(kernel.name, kernel.before) for kernel in plan.kernel
            if kernel.before and {kernel.name, kernel.before} <= set(names)]


def _order(key: Key) -> tuple:
    known = list(dict.fromkeys([*FUNCTIONS, *CASES]))
    return (key.row, key.model, key.cpus, known.index(key.case) if key.case in known else len(known),
            key.case, key.x)


def slopes(stats: Stats, arch: str, kernels: list[Measured]) -> list[list[str]]:
    """ns for each further target, from the fewest targets to the most."""
    found = []
    for case, name in CASES.items():
        cells = []
        for kernel in kernels:
            mine = [(key.cpus, key.x, stat.median)
                    for key, stat in of_row(stats, arch, kernel.name, "cost").items()
                    if key.case == case]
            most_cpus = [(x, value) for cpus, x, value in mine
                         if cpus == max(item[0] for item in mine)]
            if len(most_cpus) > 1:
                (few, low), (many, high) = min(most_cpus), max(most_cpus)
                cells.append(f"{(high - low) / (many - few):.1f}")
        if len(cells) == len(kernels):
            found.append([f"`{case}` {name}", *cells])
    return found


def _call(key: Key) -> str:
    return f"`{key.case}`"


# Title, words, rows, how a row is labelled, the heads of these labels, whether it is never left out.
SECTIONS = (
    ("Wake-up latency", """\
How long a SCHED_FIFO task waits to run on a CPU whose task waits for a CPU that is
held with interrupts off. Median (least to greatest). Where a TLB flush is waited for
with a lock held (tlb_wakeup_locked in points.csv), the latency is only shown.""",
     ("wakeup", "tlb_wakeup", "tlb_wakeup_locked"),
     lambda key: [key.model, str(key.cpus), _call(key), hold_name(key.x)],
     ["preempt=", "CPUs", "call", "held"], True),
    ("Longest section with preemption off", """\
On the CPU of a caller that waits, as the preemptoff tracer has it, in whole
microseconds and with the tracer's own work. In the case `alone`, no call is made.""",
     ("preemptoff",), lambda key: [key.model, _call(key), hold_name(key.x)],
     ["preempt=", "case", "held"], False),
    ("Cost of a call without contention", """\
On all CPUs together, until all are idle again. For system calls with TLB flushes: the
time of the call, targets are the other CPUs that run the process.""",
     ("cost", "tlb_cost"), lambda key: [str(key.cpus), _call(key), str(key.x or "")],
     ["CPUs", "call", "targets"], True),
    ("More threads than CPUs", """\
The time of an operation: that of the measurement, by the operations that all
threads made in it.""",
     ("crowd",), lambda key: [key.model, _call(key), str(key.x)],
     ["preempt=", "operation", "threads for each CPU"], False),
    ("Others", "Times; memory is in bytes.",
     ("fork", "kthread", "own", "grace", "hotplug", "starved", "memory"),
     lambda key: [str(key.cpus), key.row, _call(key)], ["CPUs", "", "what"], True))


def summary(plan: BenchPlan, stats: Stats, arches: list[str], kernels: list[Measured],
            heading: str, how: list[str], notes: list[str]) -> str:
    parts = [f"# {heading}", "", *how, ""]
    parts += [table(["kernel", "what", "source"], [[item.name, item.label, item.source]
                                                   for item in kernels]), ""]
    for arch in arches:
        parts += [f"## Targets, {arch}", "", table(
            ["target", "limit", "", "figure"],
            [[item.what, item.limit, item.verdict, item.figure]
             for item in targets(plan, stats, arch)]), ""]
    parts += ["Figures are medians of all points, but for these targets:", "",
              *(f"- {name}: {limit.statistic}, as {limit.why}"
                for name, limit in plan.target.items() if limit.why), ""]
    for arch in arches:
        for title, words, rows, label, head, always in SECTIONS:
            made = _figures(plan, stats, arch, kernels, rows, label, head)
            if made or always:
                parts += [f"## {title}, {arch}", "", words, "", made, ""]
            if "cost" in rows and (slope := slopes(stats, arch, kernels)):
                parts += ["For each further target, ns:", "",
                          table(["call", *(kernel.label for kernel in kernels)], slope), ""]
        parts += real_tools(plan, stats, arch, kernels)
    parts += ["## Notes", "", *(f"- {note}" for note in notes or ["none"]), ""]
    return "\n".join(parts)


def comparison(found: list[tuple[Key, Stat, Stat]], names: tuple[str, str], both: int) -> str:
    """What `--compare` prints."""
    if not both:
        return "The two results have no figure in common."
    lines = [f"{key.arch} {key.kernel}: {name_of(key)}: {spread(old)} -> {spread(new)} "
             f"({new.median / old.median if old.median else float('inf'):.3f} times)"
             for key, old, new in sorted(found)]
    return "\n".join([*lines, f"{len(found)} of {both} figures got worse by more than the spread, "
                      f"from {names[0]} to {names[1]}."])
