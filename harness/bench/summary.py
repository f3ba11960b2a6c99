"""Sums up what the benchmarks measured: the targets, and tables, in Markdown.

In:  BenchPlan, Stats by Key, what is known of the kernels (Measured), notes.
Out: targets() -> rows that are met, missed or not measured; summary() -> text;
     comparison() -> text; real_tools() -> what cyclictest saw, in Markdown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Iterable

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
    """One kernel as it was measured."""

    name: str        # in bench.toml
    label: str       # "6.12.117 + 32 patches"
    source: str      # package with version, and checksum
    many_pinned: int


@dataclass(frozen=True)
class Target:
    what: str
    limit: str
    figure: str
    met: bool | None     # None: not measured

    @property
    def verdict(self) -> str:
        return {True: "met", False: "**missed**", None: "not measured"}[self.met]


@dataclass(frozen=True)
class Ratio:
    """One quotient of medians (or what the target says) that a target is about."""

    what: str
    over: float
    under: float

    @property
    def value(self) -> float:
        return self.over / self.under if self.under else float("inf")


def _worst(what: str, limit: Limit, ratios: list[Ratio], digits: int = 3,
           shown: Callable[[float], str] = show) -> Target:
    """A target that every one of the ratios must meet."""
    what, text = what + limit.of, f"at most {limit.limit:g} times"
    if not ratios:
        return Target(what, text, "-", None)
    bad = [item for item in ratios if item.value > limit.limit]
    worst = max(ratios, key=lambda item: item.value)
    figure = (f"worst {worst.value:.{digits}f} ({worst.what}: {shown(worst.over)} to "
              f"{shown(worst.under)}); {len(ratios) - len(bad)} of {len(ratios)} meet it")
    return Target(what, text, figure, not bad)


def _least(what: str, limit: Limit, ratios: list[Ratio]) -> Target:
    """A target that none of the ratios must be below."""
    what, text = what + limit.of, f"at least {limit.limit:g} times"
    if not ratios:
        return Target(what, text, "-", None)
    good = [item for item in ratios if item.value >= limit.limit]
    worst = min(ratios, key=lambda item: item.value)
    return Target(what, text, f"worst {worst.value:.3f} ({worst.what}); {len(good)} of "
                  f"{len(ratios)} meet it", len(good) == len(ratios))


def _most(what: str, limit: Limit, stats: Stats) -> Target:
    """A time that none of the figures must be above."""
    what, text = what + limit.of, f"at most {show(limit.limit)}"
    if not stats:
        return Target(what, text, "-", None)
    values = {key: limit.figure(stat) for key, stat in stats.items()}
    good = [value for value in values.values() if value <= limit.limit]
    key = max(values, key=values.__getitem__)
    return Target(what, text, f"worst {show(values[key])} ({name_of(key)}); {len(good)} of "
                  f"{len(values)} meet it", len(good) == len(values))


def of_row(stats: Stats, arch: str, kernel: str, row: str) -> Stats:
    return {key: stat for key, stat in stats.items()
            if (key.arch, key.kernel, key.row) == (arch, kernel, row)}


def pairs(stats: Stats, arch: str, over: str, under: str, row: str) -> list[tuple[Key, Stat, Stat]]:
    """(key of `over`, its stat, that of the same figure with kernel `under`)."""
    return [(key, stat, stats[key._replace(kernel=under)])
            for key, stat in of_row(stats, arch, over, row).items()
            if key._replace(kernel=under) in stats]


def name_of(key: Key) -> str:
    """What a figure is of, for people, without the kernel."""
    return _name_of(key) + ("" if key.model == FULL else f", preempt={key.model}")


def _name_of(key: Key) -> str:
    if key.row in ("wakeup", "tlb_wakeup", "tlb_wakeup_locked"):
        return f"{key.case}, held {hold_name(key.x)}, {key.cpus} CPUs"
    if key.row == "cost":
        return f"{key.case}, {key.x} targets, {key.cpus} CPUs"
    if key.row == "tlb_cost":
        return f"{key.case}, {key.x} other CPUs with the process"
    if key.row == "crowd":
        return f"{key.case}, {key.x} threads for each of {key.cpus} CPUs"
    if key.row == "preemptoff":
        return f"{key.case}, held {hold_name(key.x)}"
    return f"{key.row} {key.case}, {key.cpus} CPUs"


def _extremes(stats: Stats, limit: Limit, by: str, fixed: Callable[[Key], object]) -> list[Ratio]:
    """Greatest to smallest value of the field `by`, for what is the same otherwise."""
    groups: dict[object, dict[int, tuple[Key, Stat]]] = {}
    for key, stat in stats.items():
        groups.setdefault(fixed(key), {})[getattr(key, by)] = (key, stat)
    found = []
    for group in groups.values():
        if len(group) > 1:
            (key, most), (_, least) = group[max(group)], group[min(group)]
            found.append(Ratio(name_of(key), limit.figure(most), limit.figure(least)))
    return found


def targets(plan: BenchPlan, stats: Stats, arch: str) -> list[Target]:
    """Each target for one architecture."""
    ours, base, peer, limit = plan.ours.name, plan.ours.before, plan.peer, plan.target

    def against(row: str, of: Limit, cases: Iterable[str] = (), other: str = base,
                only: Callable[[Key], bool] = lambda key: True) -> list[Ratio]:
        return [Ratio(name_of(key), of.figure(stat), of.figure(under))
                for key, stat, under in pairs(stats, arch, ours, other, row)
                if (not cases or key.case in cases) and only(key)]

    wakeups = of_row(stats, arch, ours, "wakeup")
    plain = {key: stat for key, stat in wakeups.items() if key.case != "third"}
    tlb = of_row(stats, arch, ours, "tlb_wakeup")
    of = limit["third"]
    third = [Ratio(name_of(key), of.figure(stat), of.figure(stats[key._replace(case="many")]))
             for key, stat in wakeups.items()
             if key.case == "third" and key._replace(case="many") in stats]
    of = limit["starved"]
    starved = [Ratio(name_of(key), of.figure(stat),
                     of.figure(stats[key._replace(case="offline_alone")]))
               for key, stat in of_row(stats, arch, ours, "starved").items()
               if key.case == "offline_behind" and key._replace(case="offline_alone") in stats]
    # Operations in a fixed time: the inverse of the time for each, which is what is kept.
    of = limit["crowd"]
    crowd = [Ratio(name_of(key), of.figure(under), of.figure(stat))
             for key, stat, under in pairs(stats, arch, ours, base, "crowd")]
    models = list(dict.fromkeys(guest.model for guest in plan.guest
                                if arch in guest.arches and guest.boots_with(plan.ours)))
    found = [
        *(_most(f"wake-up, preempt={model}", limit["wakeup_ns"],
                {key: stat for key, stat in wakeups.items() if key.model == model})
          for model in models),
        _worst("wake-up: flat in the length of the hold", limit["flat"],
               _extremes(plain, limit["flat"], "x", lambda key: (key.case, key.cpus, key.model))),
        _worst("wake-up: flat in the number of CPUs", limit["flat"],
               _extremes(plain, limit["flat"], "cpus", lambda key: (key.case, key.x, key.model))),
    ]
    if tlb:
        found += [
            _worst("wake-up during TLB flushes and membarrier: flat in the hold", limit["flat"],
                   _extremes(tlb, limit["flat"], "x", lambda key: (key.case, key.cpus))),
            _worst("wake-up during TLB flushes and membarrier: flat in the number of CPUs",
                   limit["flat"], _extremes(tlb, limit["flat"], "cpus", lambda key: (key.case, key.x)))]
    if peer:
        found.append(_worst(f"wake-up: at most that of {peer.name}", limit["peer"],
                            against("wakeup", limit["peer"], other=peer.name)))
        if tlb:
            found.append(_worst(f"wake-up during TLB flushes and membarrier: at most that of "
                                f"{peer.name}", limit["peer"],
                                against("tlb_wakeup", limit["peer"], other=peer.name)))
    if any(arch in guest.arches and guest.build == "tracer" for guest in plan.guest):
        found.append(_most("longest section with preemption off while a call waits",
                           limit["preemptoff_ns"],
                           {key: stat for key, stat in of_row(stats, arch, ours,
                                                              "preemptoff").items()
                            if key.case != "alone"}))
    found += [
        _worst("cost of a call to one or two targets, to the unpatched kernel", limit["cost_one"],
               against("cost", limit["cost_one"], only=lambda key: key.x < MORE)),
        _worst("cost of a call to three targets and more, to the unpatched kernel",
               limit["cost_more"],
               against("cost", limit["cost_more"], only=lambda key: key.x >= MORE))]
    if peer:
        found.append(_overheads(stats, limit["overhead"], arch, (ours, base),
                                (peer.name, peer.before)))
    if of_row(stats, arch, ours, "tlb_cost"):
        found.append(_worst("cost of a TLB flush, to the unpatched kernel", limit["flush"],
                            against("tlb_cost", limit["flush"])))
    if any(arch in guest.arches and guest.name.startswith("crowd") for guest in plan.guest):
        found.append(_least("operations of more threads than CPUs, to the unpatched kernel",
                            limit["crowd"], crowd))
    found += [
        _worst("fork + exit, kthread, to the unpatched kernel", limit["fork"],
               against("fork", limit["fork"]) + against("kthread", limit["fork"]), 4),
        _worst("memory of a task, to that of the unpatched kernel", limit["memory"],
               against("memory", limit["memory"], ("task_bytes",)),
               shown=lambda value: f"{value:.0f} bytes"),
        _worst("CPU offline without a waiter, to the unpatched kernel", limit["offline"],
               against("hotplug", limit["offline"], ("offline",))),
        _worst("CPU offline with a waiter that cannot run, to the same without one",
               limit["starved"], starved),
        _worst("third task (I11): wake-up to the plain one", limit["third"], third),
        _most("own-request wait (I4), after its own completion", limit["own_ns"],
              of_row(stats, arch, ours, "own")),
        _worst("grace period behind a preempted waiter, to the unpatched kernel", limit["grace"],
               against("grace", limit["grace"], ("behind",))),
    ]
    return found


NO_DIFFERENCE = "no difference can be seen here"
LEAST_BOOTS = 3      # two figures can be apart by chance


def _rt_show(row: str, value: float) -> str:
    return f"{value:.0f}" if row == "rt_late" else show(value)


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
    both = [(kernel.name, kernel.before) for kernel in plan.kernel
            if kernel.before and {kernel.name, kernel.before} <= set(names)]
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
            cells = [_rt_spread(row, found[name]) for name in names]
            words = [difference(one, other, floor) if key.x and one and other else "-"
                     for one, other in [(found[one], found[other]) for one, other in both]]
            lines.append([key.case, hold_name(key.x) if key.x else "-", *cells, *words])
        parts += [f"{what[0].upper()}{what[1:]}. Noise floor: {_rt_show(row, floor)}.", "",
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


def _rt_spread(row: str, stat: Stat | None) -> str:
    if stat is None:
        return "-"
    if stat.least == stat.greatest:
        return _rt_show(row, stat.median)
    return f"{_rt_show(row, stat.median)} ({_rt_show(row, stat.least)} to " \
           f"{_rt_show(row, stat.greatest)})"


def _overheads(stats: Stats, limit: Limit, arch: str, ours: tuple[str, str],
               peer: tuple[str, str]) -> Target:
    """Overhead of a call, ours against the peer's: each is (kernel, the one before it)."""
    rows = []
    for key, stat, under in pairs(stats, arch, *ours, "cost"):
        theirs, theirs_before = (stats.get(key._replace(kernel=name)) for name in peer)
        if theirs and theirs_before:
            rows.append((limit.figure(stat) / limit.figure(under) - 1,
                         limit.figure(theirs) / limit.figure(theirs_before) - 1, name_of(key)))
    what = f"overhead of a call: at most that of {' over '.join(peer)}{limit.of}"
    text = f"at most {100 * limit.limit:g} % more"
    if not rows:
        return Target(what, text, "-", None)
    bad = [row for row in rows if row[0] > row[1] + limit.limit]
    mine, theirs, name = max(rows, key=lambda row: row[0] - row[1])
    return Target(what, text, f"worst {100 * mine:+.1f} % against {100 * theirs:+.1f} % ({name}); "
                  f"{len(rows) - len(bad)} of {len(rows)} meet it", not bad)


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in
                     [head, ["---"] * len(head), *rows])


def spread(stat: Stat | None, bytes_: bool = False) -> str:
    if stat is None:
        return "-"
    if bytes_:
        return f"{stat.median:.0f}"
    if show(stat.least) == show(stat.greatest):
        return show(stat.median)
    return f"{show(stat.median)} ({show(stat.least)} to {show(stat.greatest)})"


def _ratio(stats: Stats, key: Key, over: str, under: str) -> str:
    one, other = stats.get(key._replace(kernel=over)), stats.get(key._replace(kernel=under))
    return f"{one.median / other.median:.3f}" if one and other and other.median else "-"


def _difference(stats: Stats, key: Key, over: str, under: str) -> str:
    """In instructions, for a call: does not depend on what else the figure holds."""
    one, other = stats.get(key._replace(kernel=over)), stats.get(key._replace(kernel=under))
    return f"{one.median - other.median:+.1f} ns" if one and other else "-"


def _figures(plan: BenchPlan, stats: Stats, arch: str, kernels: list[Measured],
             rows: tuple[str, ...], label: Callable[[Key], list[str]], head: list[str]) -> str:
    """One line for each figure of the rows: all kernels, and the two overheads; "" if none."""
    keys = sorted({key._replace(kernel="") for key in stats
                   if key.arch == arch and key.row in rows}, key=_order)
    if not keys:
        return ""
    quotients = [(kernel.name, kernel.before) for kernel in plan.kernel if kernel.before]
    names = [kernel.name for kernel in kernels]
    quotients = [pair for pair in quotients if set(pair) <= set(names)]
    differences = quotients if "cost" in rows else []
    lines = []
    for key in keys:
        cells = [spread(stats.get(key._replace(kernel=name)), key.row == "memory")
                 for name in names]
        lines.append([*label(key), *cells, *(_ratio(stats, key, *pair) for pair in quotients),
                      *(_difference(stats, key, *pair) for pair in differences)])
    return table([*head, *(kernel.label for kernel in kernels),
                  *(f"{over} / {under}" for over, under in quotients),
                  *(f"{over} - {under}" for over, under in differences)], lines)


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


def summary(plan: BenchPlan, stats: Stats, arches: list[str], kernels: list[Measured],
            heading: str, how: list[str], notes: list[str]) -> str:
    """The whole of summary.md."""
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
        figures = lambda rows, label, head: _figures(plan, stats, arch, kernels, rows, label, head)
        parts += [
            f"## Wake-up latency, {arch}", "",
            "How long a SCHED_FIFO task waits to run on a CPU whose task waits for a CPU that is",
            "held with interrupts off. Median (least to greatest). Where a TLB flush is waited for",
            "with a lock held (tlb_wakeup_locked in points.csv), the latency is only shown.", "",
            figures(("wakeup", "tlb_wakeup", "tlb_wakeup_locked"),
                    lambda key: [key.model, str(key.cpus), f"`{key.case}`", hold_name(key.x)],
                    ["preempt=", "CPUs", "call", "held"]), ""]
        if longest := figures(("preemptoff",), lambda key: [key.model, f"`{key.case}`",
                                                            hold_name(key.x)],
                              ["preempt=", "case", "held"]):
            parts += [
                f"## Longest section with preemption off, {arch}", "",
                "On the CPU of a caller that waits, as the preemptoff tracer has it, in whole",
                "microseconds and with the tracer's own work. In the case `alone`, no call is made.",
                "", longest, ""]
        parts += [
            f"## Cost of a call without contention, {arch}", "",
            "On all CPUs together, until all are idle again. For system calls with TLB flushes: the",
            "time of the call, targets are the other CPUs that run the process.", "",
            figures(("cost", "tlb_cost"),
                    lambda key: [str(key.cpus), f"`{key.case}`", str(key.x or "")],
                    ["CPUs", "call", "targets"]), ""]
        if crowd := figures(("crowd",), lambda key: [key.model, f"`{key.case}`", str(key.x)],
                            ["preempt=", "operation", "threads for each CPU"]):
            parts += [f"## More threads than CPUs, {arch}", "",
                      "The time of an operation: that of the measurement, by the operations that all",
                      "threads made in it.", "", crowd, ""]
        slope = slopes(stats, arch, kernels)
        if slope:
            parts += ["For each further target, ns:", "",
                      table(["call", *(kernel.label for kernel in kernels)], slope), ""]
        parts += [f"## Others, {arch}", "",
                  "Times; memory is in bytes.", "",
                  figures(("fork", "kthread", "own", "grace", "hotplug", "starved", "memory"),
                          lambda key: [str(key.cpus), key.row, f"`{key.case}`"],
                          ["CPUs", "", "what"]), "", *real_tools(plan, stats, arch, kernels)]
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
