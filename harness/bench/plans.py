"""Reads bench/bench.toml and bench/report.toml (they say what their keys mean).  Out: BenchPlan."""

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, Sequence

from ..core import Queue, look_up, records, require, settings
from .points import FULL, Key, hold

FOLDER = settings.REPO / "bench"
# Keys with names, or a name, of something -> the table that must have it.
REFERENCES = {
    "kernel.before": "kernel", "preset.kernels": "kernel", "guest.kernels": "kernel",
    "target.to_kernel": "kernel", "target.beside": "kernel", "guest.presets": "preset",
    "preset.arches": "config", "guest.arches": "config", "guest.build": "build"}


@dataclass(frozen=True)
class Preset:
    boots: records.Count
    arches: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()


@dataclass(frozen=True)
class BenchKernel:
    name: str
    source: Literal["base", "series", "package"]
    many_pinned: int         # what smp_call_function_many() demands of its caller
    before: str = ""         # name of the kernel that its overhead is over
    queue: str = ""          # of base and series, if it is another one than that of the plan
    version: str = ""        # of a package: "7.3"
    package: str = ""
    suites: tuple[str, ...] = ()
    models: tuple[str, ...] = (FULL,)    # preemption models that it can be booted with
    # What boots.find() adds:
    label: str = ""          # "6.12.117 + series"
    origin: str = ""         # package with version, and checksum
    state: str = ""          # what the tree was made from, if it is no git tree
    tree: Path = Path()

    def __post_init__(self) -> None:
        if self.source == "package" and (self.queue or not (self.package and self.version)):
            raise ValueError(f"{self.name} needs package and version, and is of no queue")


@dataclass(frozen=True)
class Target:
    what: str
    rows: tuple[str, ...]
    limit: float
    case: str = ""
    without: str = ""
    model: str = ""
    x_from: int = 0
    x_to: float = math.inf
    to_kernel: str = ""
    to_case: str = ""
    flat: Literal["", "x", "cpus"] = ""
    beside: tuple[str, ...] = ()
    inverse: bool = False
    statistic: Literal["median", "mean", "least", "greatest"] = "median"     # fields of points.Stat
    why: str = ""            # not the median
    guest: str = ""

    def __post_init__(self) -> None:
        if (self.statistic == "median") == bool(self.why):
            raise ValueError("it must say why, if and only if it is not the median")

    def is_about(self, key: Key) -> bool:
        return key.row in self.rows and self.case in ("", key.case) and self.without != key.case \
            and self.model in ("", key.model) and self.x_from <= key.x <= self.x_to

    def related(self, key: Key) -> Key:
        """The figure that it is put in relation to; itself, if to none."""
        return key._replace(kernel=self.to_kernel or key.kernel, case=self.to_case or key.case)


@dataclass(frozen=True)
class Names:
    functions: dict[str, str]
    models: dict[str, str]
    figures: dict[str, str]

    def figure(self, key: Key) -> str:
        """What a figure is of, for people, without the kernel."""
        text = self.figures.get(key.row, "{0.row} {0.case}, {0.cpus} CPUs")
        return text.format(key, held=hold(key.x)) + (
            "" if key.model == FULL else f", preempt={key.model}")


@dataclass(frozen=True)
class Section:
    title: str
    text: str
    rows: tuple[str, ...]
    columns: dict[str, str]
    differences: bool = False
    noise_floor: bool = False


@dataclass(frozen=True)
class Tools:
    """Programs of packages for the guests with tools."""

    suites: tuple[str, ...]
    packages: tuple[str, ...]
    programs: tuple[str, ...]
    hold: dict[str, dict[str, int]]      # accelerator -> what stands for {...} in steps


@dataclass(frozen=True)
class Guest:
    """One guest, booted with each kernel."""

    name: str
    cpus: int
    memory_mib: int
    arches: tuple[str, ...]
    limit_s: float
    steps: tuple[str, ...]
    presets: tuple[str, ...] = ("full",)
    tools: bool = False      # in real time, with programs of packages
    boots: int = 0           # at most as many, if not 0; in a chosen plan: as many
    cmdline: str = ""
    model: str = FULL        # the preemption model that it is booted with
    build: str = ""          # of BenchPlan.build; "": the plain kernels
    kernels: tuple[str, ...] = ()    # only these; (): all

    def wants(self, arch: str, way: str, kernel: BenchKernel) -> bool:
        """Whether it is booted with a kernel of that build: that must have its model, too."""
        return arch in self.arches and way == self.build and self.model in kernel.models \
            and kernel.name in (self.kernels or [kernel.name])

    def all_steps(self) -> list[tuple[str, str]]:
        """(the architecture that it is only for, or "", the step) of each."""
        return [re.fullmatch(r"(?:(\w+): )?(.+)", step, re.S).groups("") for step in self.steps]

    def steps_on(self, arch: str) -> list[str]:
        return [step for only, step in self.all_steps() if only in ("", arch)]


def needed(steps: Sequence[str]) -> list[tuple[str, str]]:
    """("load" or "run", key of BenchPlan.source) of what the steps load or run, each once."""
    words = dict.fromkeys(tuple(step.split()[:2]) for step in steps)
    return [(verb, name) for verb, name in words if verb in ("load", "run")]


@dataclass(frozen=True)
class BenchPlan:
    jobs: records.Count
    preset: dict[str, Preset]
    cmdline: dict[str, str]      # by architecture
    config: dict[str, Path]      # by architecture: lane file
    build: dict[str, dict[str, str]]      # name -> options that are added
    kernel: tuple[BenchKernel, ...]
    source: dict[str, Path]      # what steps name -> C file
    guest: tuple[Guest, ...]
    target: dict[str, Target]
    names: Names
    section: tuple[Section, ...]
    demo: str                    # text, with {...} for what was measured
    tools: Tools

    @property
    def most_boots(self) -> int:
        return max((guest.boots for guest in self.guest), default=0)

    @property
    def ours(self) -> list[str]:
        """The kernel with the series, if it is among them."""
        return [item.name for item in self.kernel if item.source == "series" and not item.queue]

    def chosen(self, preset: str, guests: Sequence[str] = (), kernels: Sequence[str] = (),
               arches: Sequence[str] = (), boots: int | None = None, jobs: int | None = None) -> Self:
        """What a preset boots; of that, what is named, if anything is; so many boots, and at a time."""
        how = self.preset[preset]
        require(0 not in (boots, jobs), "--boots and --jobs must be 1 or more.")
        boots = boots or how.boots
        there = _picked("guest", [item for item in self.guest if preset in item.presets], guests)
        known = list(dict.fromkeys(arch for item in there for arch in item.arches))
        for arch in arches:
            look_up("architecture to measure", arch, known)
        return replace(
            self, jobs=jobs or self.jobs,
            kernel=_picked("kernel", _picked("kernel", self.kernel, how.kernels), kernels),
            guest=tuple(replace(item, boots=min(boots, item.boots or boots), arches=tuple(
                arch for arch in arches or how.arches or known if arch in item.arches))
                        for item in there))

    @property
    def arches(self) -> list[str]:
        return list(dict.fromkeys(arch for guest in self.guest for arch in guest.arches))

    def builds(self, arch: str) -> list[tuple[str, BenchKernel]]:
        """The builds that an architecture's guests need: (name of the build or "", kernel)."""
        return [(way, kernel) for way in ("", *self.build) for kernel in self.kernel
                if any(guest.wants(arch, way, kernel) for guest in self.guest)]


def read(queue: Queue, folder: Path = FOLDER) -> BenchPlan:
    """The plan in a folder; a wrong entry is a usage error that names it."""
    data = [queue.data(folder / name) for name in ("bench.toml", "report.toml")]
    plan = records.make(BenchPlan, data[0] | data[1], f"the files of {folder}")
    require(len(_named(plan.kernel)) == len(plan.kernel) and len(plan.ours) == 1, f"{folder}: the "
            "kernels must have names of their own, and one of them source = \"series\" and no queue.")
    for place, known in REFERENCES.items():
        table, key = place.split(".")
        for owner, entry in _named(getattr(plan, table)).items():
            named = getattr(entry, key)
            for name in [named] if isinstance(named, str) and named else named:
                look_up(f"{known} for {key} of {owner} in {folder},", name,
                        _named(getattr(plan, known)))
    for guest in plan.guest:
        for arch, step in guest.all_steps():
            look_up(f"architecture of {guest.name} in {folder} for a step,", arch, ["", *guest.arches])
            for _, name in needed([step]):
                look_up(f"[source] for a step of {guest.name} in {folder},", name, plan.source)
    return plan


def _picked(what: str, there: Sequence[Any], names: Sequence[str]) -> tuple[Any, ...]:
    """Those of the names, or all if there are none; a name that there is not is a usage error."""
    for name in names:
        look_up(what, name, _named(there))
    return tuple(item for item in there if item.name in (names or [item.name]))


def _named(table: dict[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """The entries of a table, or of a list, by their names."""
    return table if isinstance(table, dict) else {entry.name: entry for entry in table}
