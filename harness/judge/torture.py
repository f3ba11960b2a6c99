"""Long tests that run in a lane: the kernel's torture modules, and programs of this repository.

In:  data/torture.toml, what a lane asks for (Wanted), console lines.
Out: a Result for each test. Its last line is what counts, with the totals and the verdict of a
     torture module, or the plan of a program: without it the test has failed.
"""

import functools
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Iterable

from ..core import records, settings
from ..core.report import text_table
from . import ktap


@dataclass(frozen=True)
class Kind:
    """One test of torture.toml."""

    name: str
    begin: re.Pattern[str]
    end: re.Pattern[str]
    good: str = "SUCCESS"
    totals: dict[str, re.Pattern[str]] = field(default_factory=dict)
    added: dict[str, re.Pattern[str]] = field(default_factory=dict)
    rows: re.Pattern[str] | None = None
    module: str = ""
    needs: str = ""
    program: str = ""
    source: str = ""
    counts: tuple[str, ...] = ()
    zero: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    programs: str = ""
    kernel: bool = False

    @property
    def says(self) -> str:
        """What is in front of each line of its program."""
        return f"{PurePosixPath(self.program).stem}: "


@dataclass(frozen=True)
class Wanted:
    """One test as a lane asks for it."""

    test: str                    # name in torture.toml
    seconds: int                 # guest seconds that it must run
    params: str = ""             # of its module, or arguments of its program
    minimum: dict[str, int] = field(default_factory=dict)   # total -> least value
    suites: tuple[ktap.Suite, ...] = ()          # modes, or programs, that must execute cases

    @property
    def kind(self) -> Kind:
        return kinds()[self.test]


@dataclass
class Result:
    test: str
    ended: str = ""                                        # its own verdict, if it prints one
    seconds: float = 0.0                                   # guest seconds, all sections
    totals: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    cases: dict[str, int] = field(default_factory=dict)    # status -> how many
    tables: list[list[list[str]]] = field(default_factory=list)   # rows of cells, header first

    def text(self) -> str:
        """A line, and a line for each row of its tables."""
        if not (self.totals or self.cases):
            return f"{self.test}: no totals"
        parts = [f"{name} {value}" for name, value in self.totals.items()]
        parts += [f"{count} cases {status}" for status, count in self.cases.items()]
        ended = f"ended with {self.ended} after " if self.ended else ""
        return "\n".join([f"{self.test}: {ended}{self.seconds:.0f} s; {', '.join(parts)}", *(
            "  " + line for table in self.tables for line in text_table(table).splitlines())])


@functools.cache
def kinds() -> dict[str, Kind]:
    def usual(entry: dict[str, Any]) -> dict[str, str]:
        says = f"^{PurePosixPath(entry.get('program', '')).stem}: "
        return {"begin": says + "KTAP version 1$", "end": says + r"1\.\.(\d+)$"}
    data = settings.toml(settings.DATA / "torture.toml")
    return {name: records.make(Kind, usual(entry) | entry, f"{name} of torture.toml", name=name)
            for name, entry in data.items()}


def _sections(kind: Kind, lines: list[str]) -> tuple[list[list[str]], list[str], float]:
    """The lines of each run of a test, the verdicts of those that ended, their guest seconds."""
    sections, verdicts, seconds, now, began = [], [], 0.0, 0.0, None
    for line in lines:
        text = ktap.strip(line)
        if stamp := ktap.STAMP.match(line):
            now = max(now, float(stamp["seconds"]))      # another kernel begins anew
        if kind.begin.search(text):
            sections.append([])
            began = now
        if began is not None:
            sections[-1].append(text)
            if found := kind.end.search(text):
                seconds, began = seconds + now - began, None
                verdicts.append(found[1])
    return sections, verdicts, seconds


def _read_module(kind: Kind, sections: list[list[str]], verdicts: list[str], result: Result) -> None:
    result.ended = verdicts[-1]
    result.problems += [f"it ended with {verdict}" for verdict in verdicts if verdict != kind.good]
    for name, pattern in kind.totals.items():
        for section in sections:
            found = pattern.findall(" ".join(section))
            if not found:
                result.problems.append(f"the total {name!r} is missing")
                continue
            groups = found[-1] if isinstance(found[-1], tuple) else (found[-1],)
            result.totals[name] = result.totals.get(name, 0) + sum(map(int, groups))
    inside = " ".join(line for section in sections for line in section)
    result.totals |= {name: len(pattern.findall(inside)) for name, pattern in kind.added.items()}
    if kind.rows and (found := kind.rows.findall(inside)):
        result.tables.append([list(kind.rows.groupindex), *map(list, found)])
    if kind.lost and all(name in result.totals for name in kind.lost):
        sent, run = (result.totals[name] for name in kind.lost)
        result.totals["lost"] = sent - run


def _read_program(kind: Kind, asked: Wanted, lines: list[str], result: Result) -> None:
    reader = ktap.read(lines, kind.says)
    result.problems += ktap.incomplete(reader.root) + ktap.complaints(reader.root, asked.suites)
    result.cases = dict(Counter(leaf.status for leaf in reader.root.leaves()))
    tables: dict[str, list[list[str]]] = {}
    for name, row in reader.figures:
        table = tables.setdefault(name, [list(row)])
        table.append([row.get(column, "") for column in table[0]])
    result.tables = list(tables.values())
    for name in kind.counts:
        found = [int(row[name]) for _, row in reader.figures if row.get(name, "").isdigit()]
        if found:
            result.totals[name] = sum(found)


def said(test: str, lines: Iterable[str]) -> list[ktap.Test]:
    """The cases of a program in console lines; of a torture module, TEST.end."""
    kind = kinds()[test]
    if kind.program:
        return ktap.read(lines, kind.says).root.leaves()
    return [ktap.Test(f"{test}.end", status="ok" if match[1] == kind.good else "failed")
            for match in map(kind.end.search, map(ktap.strip, lines)) if match]


def judge(asked: Wanted, lines: list[str]) -> Result:
    kind, result = asked.kind, Result(asked.test)
    sections, verdicts, result.seconds = _sections(kind, lines)
    inside = [line for section in sections for line in section]
    if not sections:
        result.problems.append("it did not begin")
    elif len(verdicts) < len(sections):     # the totals come with that line
        result.problems.append("its end line is missing" + "".join(
            f"; it gave up: {line.partition('Bail out! ')[2]}" for line in inside
            if line.startswith(kind.says + "Bail out! ")))
    if result.problems:
        return result
    if kind.program:
        _read_program(kind, asked, inside, result)
    else:
        _read_module(kind, sections, verdicts, result)
    if result.seconds < asked.seconds:
        result.problems.append(f"it ran {result.seconds:.1f} s, {asked.seconds} s were asked for")
    result.problems += [f"{name} is {result.totals[name]}, not 0" for name in kind.zero
                        if result.totals.get(name)]
    result.problems += [f"{name} is {result.totals.get(name, 0)}, at least {least} are wanted"
                        for name, least in asked.minimum.items()
                        if result.totals.get(name, 0) < least]
    return result
