"""Long tests that run in a lane: the kernel's torture modules and the suite's storm.

In:  harness/data/torture.toml (the tests, and how their lines are read), what a lane
     asks for, the lines of a console.
Out: the guest's steps and the modules they need; for each test its totals, its length
     in guest seconds, and what is wrong with it.
A torture module prints its totals and its own verdict when it is unloaded. That line
is what counts: without it the test has failed, whatever else the console shows.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Iterable

from . import ktap, settings

_SECONDS = re.compile(r"\[ *(\d+\.\d+)\]")


@dataclass(frozen=True)
class Kind:
    """One test of torture.toml."""

    name: str
    begin: str
    end: str
    progress: str
    totals: dict[str, str]
    module: str = ""
    needs: str = ""
    zero: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def numbers(self) -> tuple[str, ...]:
        """The names of all its totals."""
        return (*self.totals, *(("lost",) if self.lost else ()))


@dataclass(frozen=True)
class Wanted:
    """One test as a lane asks for it."""

    test: str                    # name in torture.toml
    seconds: int                 # guest seconds that it must run
    params: str = ""             # of its module
    minimum: dict[str, int] = field(default_factory=dict)   # total -> least value


@dataclass
class Section:
    """One run of a test, as far as it was printed."""

    began: float                 # guest seconds
    lines: list[str] = field(default_factory=list)
    ended: float | None = None   # guest seconds
    verdict: str = ""


@dataclass
class Result:
    test: str
    ended: str = ""                                        # its own verdict, if it prints one
    seconds: float = 0.0                                   # guest seconds, all sections
    totals: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def text(self) -> str:
        if not self.totals:
            return f"{self.test}: no totals"
        numbers = ", ".join(f"{name} {value}" for name, value in self.totals.items())
        ended = f"ended with {self.ended} after " if self.ended else ""
        return f"{self.test}: {ended}{self.seconds:.0f} s; {numbers}"


@functools.cache
def kinds() -> dict[str, Kind]:
    """The tests that there are."""
    data = settings.toml(settings.DATA / "torture.toml")
    return {name: Kind(name=name, **{key: tuple(value) if isinstance(value, list) else value
                                     for key, value in entry.items()})
            for name, entry in data.items()}


def modules(wanted: Iterable[Wanted]) -> list[str]:
    """The module files that the tests need, below the build folder."""
    found = [path for item in wanted for kind in [kinds()[item.test]]
             for path in (kind.needs, kind.module) if path]
    return list(dict.fromkeys(found))


def steps(wanted: Iterable[Wanted]) -> str:
    """What the guest's init does for the tests that are modules, a step on each line."""
    lines = []
    for item in wanted:
        kind = kinds()[item.test]
        if not kind.module:
            continue
        names = [PurePosixPath(path).stem for path in (kind.needs, kind.module) if path]
        lines += [f"load {name}" for name in names]
        if item.params:
            lines[-1] += " " + item.params
        lines.append(f"sleep {item.seconds}")
        lines += [f"unload {name}" for name in reversed(names)]
    return "".join(line + "\n" for line in lines)


@functools.cache
def _progress() -> list[tuple[str, re.Pattern[str]]]:
    return [(name, re.compile(kind.progress)) for name, kind in kinds().items()]


def progress(line: str) -> str | None:
    """What a console line says about how far a test is, if it is such a line."""
    for name, pattern in _progress():
        if found := pattern.search(line):
            return f"{name}: {found[1]}"
    return None


def _sections(kind: Kind, lines: list[str]) -> list[Section]:
    begin, end = re.compile(kind.begin), re.compile(kind.end)
    sections: list[Section] = []
    now = 0.0
    for line in lines:
        text = ktap.strip(line)
        if stamp := _SECONDS.match(line):
            now = float(stamp[1])
        if begin.search(text):
            sections.append(Section(now))
        if not sections or sections[-1].ended is not None:
            continue
        sections[-1].lines.append(text)
        if found := end.search(text):
            sections[-1].ended = now
            sections[-1].verdict = found[1] if kind.module else ""
    return sections


def _count(kind: Kind, sections: list[Section], result: Result) -> None:
    """Adds up the totals of the sections."""
    for name, pattern in kind.totals.items():
        for section in sections:
            found = re.findall(pattern, " ".join(section.lines))
            if not found:
                result.problems.append(f"the total {name!r} is missing")
                continue
            groups = found[-1] if isinstance(found[-1], tuple) else (found[-1],)
            result.totals[name] = result.totals.get(name, 0) + sum(map(int, groups))
    if kind.lost and all(name in result.totals for name in kind.lost):
        sent, run = (result.totals[name] for name in kind.lost)
        result.totals["lost"] = sent - run


def judge(asked: dict[str, Any], lines: list[str]) -> Result:
    """Judges one test; asked is a Wanted as a dict, lines are the kernel's own."""
    kind, result = kinds()[asked["test"]], Result(asked["test"])
    sections = _sections(kind, lines)
    if not sections:
        result.problems.append("it did not begin")
        return result
    if any(section.ended is None for section in sections):
        result.problems.append("its end line is missing")
        return result       # the totals come with that line
    for section in sections:
        if kind.module:
            result.ended = section.verdict
            if section.verdict != "SUCCESS":
                result.problems.append(f"it ended with {section.verdict}")
    result.seconds = sum(section.ended - section.began for section in sections)
    if result.seconds < asked["seconds"]:
        result.problems.append(f"it ran {result.seconds:.0f} s, {asked['seconds']} s were asked for")
    _count(kind, sections, result)
    for name in kind.zero:
        if result.totals.get(name):
            result.problems.append(f"{name} is {result.totals[name]}, not 0")
    for name, least in asked["minimum"].items():
        if result.totals.get(name, 0) < least:
            result.problems.append(f"{name} is {result.totals.get(name, 0)}, at least {least} "
                                   "are wanted")
    return result
