"""Reads bench/bench.toml (its comments say what the keys mean).  Out: BenchPlan."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from ..core import Exit, HarnessError, Queue, records, settings
from .points import Stat

FOLDER = settings.REPO / "bench"
PLAN = FOLDER / "bench.toml"
SOURCES = ("base", "series", "package")
FULL = "full"                # the preemption model of a guest that names none
STATISTICS = ("median", "mean", "least", "greatest")     # fields of points.Stat


@dataclass(frozen=True)
class BenchKernel:
    """One kernel that is measured."""

    name: str
    source: str              # one of SOURCES
    many_pinned: int         # what smp_call_function_many() demands of its caller
    before: str = ""         # name of the kernel that its overhead is over
    version: str = ""        # of a package: "7.3"
    package: str = ""
    suites: tuple[str, ...] = ()
    quick: bool = False
    models: tuple[str, ...] = (FULL,)    # preemption models that it can be booted with


@dataclass(frozen=True)
class Limit:
    """A target."""

    limit: float
    statistic: str = STATISTICS[0]
    why: str = ""            # not the median

    def figure(self, stat: Stat) -> float:
        """What of a figure's points is judged."""
        return getattr(stat, self.statistic)

    @property
    def of(self) -> str:
        """The statistic, to be added to the name of a target; nothing for a median."""
        return "" if self.statistic == STATISTICS[0] else f", {self.statistic} of all points"


@dataclass(frozen=True)
class Guest:
    """One guest, booted with each kernel."""

    name: str
    cpus: int
    memory_mib: int
    arches: tuple[str, ...]
    quick: bool
    limit_s: float
    steps: tuple[str, ...]
    tools: bool = False      # in real time, with programs of packages
    boots: int = 0           # at most as many, if not 0
    cmdline: str = ""
    model: str = FULL        # the preemption model that it is booted with
    build: str = ""          # of BenchPlan.builds; "": the plain kernels
    kernels: tuple[str, ...] = ()    # only these; (): all
    preset: str = ""         # of another verb: ./run bench does not boot it

    @property
    def words(self) -> str:
        """More words of the kernel's command line."""
        preempt = "" if self.model == FULL else f"preempt={self.model}"
        return " ".join(filter(None, (self.cmdline, preempt)))

    def takes(self, kernel: BenchKernel) -> bool:
        """Whether it is meant for a kernel."""
        return not self.kernels or kernel.name in self.kernels

    def boots_with(self, kernel: BenchKernel) -> bool:
        """Whether it is booted with a kernel: that must have its preemption model, too."""
        return self.takes(kernel) and (self.model == FULL or self.model in kernel.models)

    def boots_of(self, boots: int) -> range:
        """The numbers of its boots, where others have `boots` of them."""
        return range(1, min(boots, self.boots or boots) + 1)

    def steps_on(self, arch: str) -> list[str]:
        """The steps that are made on an architecture; some are for one only: "ARCH: ..."."""
        parts = [(_only(step) or arch, step) for step in self.steps]
        return [step.removeprefix(f"{arch}: ") for only, step in parts if only == arch]

    def only_on(self) -> list[str]:
        """Architectures that a step names."""
        return [only for only in map(_only, self.steps) if only]

    def lines(self, kernel: BenchKernel, arch: str,
              hold: dict[str, int] | None = None) -> list[str]:
        """The steps for one kernel; hold: values of {hold_ms} and {gap_ms}."""
        words = {"many_pinned": kernel.many_pinned, **(hold or {})}
        found = []
        for step in self.steps_on(arch):
            for name, value in words.items():
                step = step.replace(f"{{{name}}}", str(value))
            found.append(step)
        return found

    def files(self) -> list[str]:
        """What the steps load or run: keys of BenchPlan.sources."""
        return list(dict.fromkeys(step.split()[1] for arch in self.arches
                                  for step in self.steps_on(arch)
                                  if step.split()[0] in ("load", "run")))


def _only(step: str) -> str:
    """The architecture that a step is only for; "" if it is for all."""
    first = step.split()[0]
    return first[:-1] if first.endswith(":") else ""


@dataclass(frozen=True)
class BenchPlan:
    """bench.toml; see its comments."""

    boots: int
    quick_boots: int
    quick_arches: tuple[str, ...]
    jobs: int
    cmdline: dict[str, str]      # by architecture
    config: dict[str, str]       # by architecture: lane file
    build: dict[str, dict[str, str]]      # name -> options that are added
    kernel: tuple[BenchKernel, ...]
    source: dict[str, str]       # what steps name -> C file
    guest: tuple[Guest, ...]
    target: dict[str, Limit]
    tools: dict[str, Any]

    def of(self, preset: str) -> Self:
        """What is left of it for a preset: the queue's two kernels, one boot; "": what is of none."""
        guests = tuple(item for item in self.guest if item.preset == preset)
        return replace(self.quick(), boots=1, guest=guests) if preset else replace(self, guest=guests)

    def quick(self) -> Self:
        """What is left of it with --quick."""
        return replace(self, boots=self.quick_boots,
                       kernel=tuple(item for item in self.kernel if item.quick),
                       guest=tuple(replace(item, arches=tuple(
                           arch for arch in item.arches if arch in self.quick_arches))
                                   for item in self.guest if item.quick))

    def wanted(self, arch: str) -> list[tuple[str, BenchKernel]]:
        """The builds that an architecture's guests need: (name of the build or "", kernel)."""
        return [(build, kernel) for build in ("", *self.build) for kernel in self.kernel
                if any(arch in guest.arches and guest.build == build and guest.boots_with(kernel)
                       for guest in self.guest)]

    @property
    def ours(self) -> BenchKernel:
        """The kernel with the series."""
        return next(item for item in self.kernel if item.source == "series")

    @property
    def peer(self) -> BenchKernel | None:
        """The other kernel that has a `before`."""
        return next((item for item in self.kernel if item.before and item != self.ours), None)


def read(queue: Queue, path: Path = PLAN) -> BenchPlan:
    """The plan; a wrong entry is a usage error that names it."""
    plan = records.make(BenchPlan, queue.data(path), str(path))
    for wrong in _wrong(plan):
        raise HarnessError(Exit.USAGE, f"{path}: {wrong}.")
    return plan


def _wrong(plan: BenchPlan) -> list[str]:
    """What does not fit together."""
    names = [kernel.name for kernel in plan.kernel]
    found = [f"two kernels are named {name!r}" for name in names if names.count(name) > 1]
    for kernel in plan.kernel:
        if kernel.source not in SOURCES:
            found.append(f"the source of {kernel.name} must be one of {', '.join(SOURCES)}")
        if kernel.before and kernel.before not in names:
            found.append(f"{kernel.name} is compared with {kernel.before}, which is no kernel")
        if kernel.source == "package" and not (kernel.package and kernel.version):
            found.append(f"{kernel.name} needs package and version")
    if [kernel.source for kernel in plan.kernel].count("series") != 1:
        found.append("one kernel must have source = \"series\"")
    for guest in plan.guest:
        found += [f"the guest {guest.name} is for {arch}, which has no cmdline or config"
                  for arch in guest.arches if arch not in plan.cmdline or arch not in plan.config]
        found += [f"the guest {guest.name} loads or runs {name}, which is not in [source]"
                  for name in guest.files() if name not in plan.source]
        found += [f"the guest {guest.name} has a step for {only}, and is not booted there"
                  for only in guest.only_on() if only not in guest.arches]
        found += [f"the guest {guest.name} is for the kernel {name}, which is none"
                  for name in guest.kernels if name not in names]
        if guest.build and guest.build not in plan.build:
            found.append(f"the guest {guest.name} wants the build {guest.build}, which is not in "
                         "[build]")
        if guest.tools and guest.build:
            found.append(f"the guest {guest.name} has both tools and a build")
    for name, limit in plan.target.items():
        if limit.statistic not in STATISTICS:
            found.append(f"[target.{name}] must have one of {', '.join(STATISTICS)} as statistic")
        if (limit.statistic == STATISTICS[0]) == bool(limit.why):
            found.append(f"[target.{name}] must say why, if and only if it is not the median")
    for accel in ("tcg", "kvm"):
        if set(plan.tools.get("hold", {}).get(accel, {})) != {"hold_ms", "gap_ms"}:
            found.append(f"[tools.hold.{accel}] must have hold_ms and gap_ms")
    if missing := {"suites", "packages", "programs"} - plan.tools.keys():
        found.append(f"[tools] lacks {', '.join(sorted(missing))}")
    if min(plan.boots, plan.quick_boots, plan.jobs) < 1:
        found.append("boots, quick_boots and jobs must be 1 or more")
    return found
