"""Reads bench/bench.toml (its comments say what the keys mean).  Out: BenchPlan."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, Self

from ..core import Exit, HarnessError, Queue, records, settings
from .points import Stat

FOLDER = settings.REPO / "bench"
PLAN = FOLDER / "bench.toml"
FULL = "full"                # the preemption model of a guest that names none


@dataclass(frozen=True)
class BenchKernel:
    name: str
    source: Literal["base", "series", "package"]
    many_pinned: int         # what smp_call_function_many() demands of its caller
    before: str = ""         # name of the kernel that its overhead is over
    version: str = ""        # of a package: "7.3"
    package: str = ""
    suites: tuple[str, ...] = ()
    quick: bool = False
    models: tuple[str, ...] = (FULL,)    # preemption models that it can be booted with

    def __post_init__(self) -> None:
        if self.source == "package" and not (self.package and self.version):
            raise ValueError(f"{self.name} needs package and version")


@dataclass(frozen=True)
class Limit:
    limit: float
    statistic: Literal["median", "mean", "least", "greatest"] = "median"     # fields of points.Stat
    why: str = ""            # not the median

    def __post_init__(self) -> None:
        if (self.statistic == "median") == bool(self.why):
            raise ValueError("it must say why, if and only if it is not the median")

    def figure(self, stat: Stat) -> float:
        """What of a figure's points is judged."""
        return getattr(stat, self.statistic)

    @property
    def of(self) -> str:
        """The statistic, to be added to the name of a target; nothing for a median."""
        return "" if self.statistic == "median" else f", {self.statistic} of all points"


@dataclass(frozen=True)
class Hold:
    """How a CPU is held beside the real tools: values of {hold_ms} and {gap_ms} in steps."""

    hold_ms: int
    gap_ms: int


@dataclass(frozen=True)
class Tools:
    """Programs of packages for the guests with tools."""

    suites: tuple[str, ...]
    packages: tuple[str, ...]
    programs: tuple[str, ...]
    hold: dict[str, Hold]    # by accelerator


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
        return [step.removeprefix(f"{arch}: ") for step in self.steps if (only(step) or arch) == arch]

    def lines(self, kernel: BenchKernel, arch: str, hold: Hold = Hold(0, 0)) -> list[str]:
        """The steps for one kernel."""
        return [step.format(many_pinned=kernel.many_pinned, **asdict(hold))
                for step in self.steps_on(arch)]

    def files(self) -> list[str]:
        """What the steps load or run: keys of BenchPlan.sources."""
        return list(dict.fromkeys(step.split()[1] for arch in self.arches
                                  for step in self.steps_on(arch)
                                  if step.split()[0] in ("load", "run")))


def only(step: str) -> str:
    """The architecture that a step is only for; "" if it is for all."""
    first = step.split()[0]
    return first[:-1] if first.endswith(":") else ""


@dataclass(frozen=True)
class BenchPlan:
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
    tools: Tools

    def of(self, preset: str) -> Self:
        """What is left of it for a preset: the queue's two kernels, one boot; "": what is of none."""
        guests = tuple(item for item in self.guest if item.preset == preset)
        return replace(self.quick(), boots=1, guest=guests) if preset else replace(self, guest=guests)

    def quick(self) -> Self:
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
    found += [f"{kernel.name} is compared with {kernel.before}, which is no kernel"
              for kernel in plan.kernel if kernel.before and kernel.before not in names]
    if [kernel.source for kernel in plan.kernel].count("series") != 1:
        found.append("one kernel must have source = \"series\"")
    for guest in plan.guest:
        for what, named, known in (
                ("is for {}, which has no cmdline or config", guest.arches,
                 plan.cmdline.keys() & plan.config.keys()),
                ("loads or runs {}, which is not in [source]", guest.files(), plan.source),
                ("has a step for {}, and is not booted there", filter(None, map(only, guest.steps)),
                 guest.arches),
                ("is for the kernel {}, which is none", guest.kernels, names),
                ("wants the build {}, which is not in [build]", [guest.build] if guest.build else [],
                 [] if guest.tools else plan.build)):
            found += [f"the guest {guest.name} {what.format(name)}" for name in named
                      if name not in known]
    if min(plan.boots, plan.quick_boots, plan.jobs) < 1:
        found.append("boots, quick_boots and jobs must be 1 or more")
    return found
