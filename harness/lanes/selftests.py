"""The kernel's own selftests: which are run in the guest.

In:  a list like proof/selftests/selftests.toml.
Out: the steps of proof/selftests/selftests.c; what each program must execute.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

from ..core import records, settings
from ..judge.ktap import Suite

_STEPS = ("mount", "write", "swap")


def _check_steps(lines: Iterable[str]) -> None:
    for line in lines:
        if line.split(" ")[0] not in _STEPS:
            raise ValueError(f"the step {line!r} must begin with one of {', '.join(_STEPS)}")


@dataclass(frozen=True)
class Run:
    """One program with its arguments."""

    program: str                 # target/name arguments
    limit_s: int = 0             # 0: that of the list
    user: int = 0
    before: tuple[str, ...] = ()
    skips: tuple[str, ...] = ()
    why: str = ""

    def __post_init__(self) -> None:
        self.suite()
        _check_steps(self.before)

    def suite(self) -> Suite:
        """What it must execute: it is a case of its own, if it prints none."""
        return Suite(self.program, 1, self.skips, self.why)


@dataclass(frozen=True)
class LeftOut:
    programs: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Listed:
    targets: tuple[str, ...]
    copied: tuple[str, ...]
    cflags: str
    make: tuple[str, ...]
    setup: tuple[str, ...]
    limit_s: int                 # of a program that has none of its own
    run: tuple[Run, ...]
    left_out: tuple[LeftOut, ...]

    def __post_init__(self) -> None:
        _check_steps(self.setup)
        if not all(item.why for item in self.left_out):
            raise ValueError("a [[left_out]] says why")
        programs = Counter([*(item.program for item in self.run), *self.not_run])
        twice = [name for name, count in programs.items() if count > 1] \
            or sorted({*self.built} & {*self.not_run})
        if twice:
            raise ValueError(f"listed twice: {', '.join(twice)}")

    @property
    def built(self) -> list[str]:
        """The programs to build, target/name."""
        return list(dict.fromkeys(item.program.split()[0] for item in self.run))

    @property
    def not_run(self) -> list[str]:
        return [name for item in self.left_out for name in item.programs]


def load(path: Path) -> Listed:
    return records.make(Listed, settings.toml(path), str(path))


def steps(listed: Listed) -> str:
    """What the runner does, a step on each line."""
    lines = list(listed.setup)
    for item in listed.run:
        lines += [*item.before, f"run {item.limit_s or listed.limit_s} {item.user} {item.program}"]
    return "".join(line + "\n" for line in lines)


def unlisted(listed: Listed, known: Iterable[str]) -> list[str]:
    """What is wrong with the list, if the Makefiles know these programs."""
    names, known = {*listed.built, *listed.not_run}, set(known)
    return [*(f"{name} is not in the list" for name in sorted(known - names)),
            *(f"{name} is in the list, but no Makefile knows it" for name in sorted(names - known))]
