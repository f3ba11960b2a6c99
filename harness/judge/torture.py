"""Long tests that run in a lane: torture modules and programs.

In:  data/torture.toml, what a lane asks for (Wanted), console lines.
Out: the guest's steps; a Result for each test. Its last line, with its totals and its own
     verdict, is what counts: without it the test has failed.
"""

import fnmatch
import functools
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Iterable

from ..core import records, settings
from ..core.report import text_table
from . import ktap, selftests

_SECONDS = re.compile(r"\[ *(\d+\.\d+)\]")


@dataclass(frozen=True)
class Kind:
    """One test of torture.toml."""

    name: str
    begin: re.Pattern[str]
    end: re.Pattern[str]
    progress: re.Pattern[str]
    totals: dict[str, re.Pattern[str]] = field(default_factory=dict)
    module: str = ""
    needs: str = ""
    program: str = ""
    source: str = ""
    good: str = "SUCCESS"
    zero: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    added: dict[str, re.Pattern[str]] = field(default_factory=dict)
    verdicts: re.Pattern[str] | None = None
    tables: tuple[re.Pattern[str], ...] = ()
    programs: str = ""
    kernel: bool = False

    @property
    def numbers(self) -> tuple[str, ...]:
        """The names of all its totals."""
        return (*self.totals, *self.added, *(("lost",) if self.lost else ()))


@dataclass(frozen=True)
class Wanted:
    """One test as a lane asks for it."""

    test: str                    # name in torture.toml
    seconds: int                 # guest seconds that it must run
    params: str = ""             # of its module, or arguments of its program
    minimum: dict[str, int] = field(default_factory=dict)   # total -> least value
    skips: tuple[str, ...] = ()  # globs for the verdicts that must be "skip"
    why: str = ""                # why they must
    programs: tuple[selftests.Run, ...] = ()     # the selftests that it runs, in their order

    def __post_init__(self) -> None:
        selftests.check_skips(self.skips, self.why)


@dataclass(frozen=True)
class Said:
    """One of the verdicts that a test prints."""

    name: str
    status: str                  # pass, fail, skip, info
    reason: str


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
    verdicts: dict[str, int] = field(default_factory=dict)   # status -> how many
    tables: list[list[list[str]]] = field(default_factory=list)   # rows of cells, header first

    def text(self) -> str:
        """A line, and a line for each row of its tables."""
        if not self.totals:
            return f"{self.test}: no totals"
        parts = [f"{name} {value}" for name, value in self.totals.items()]
        parts += [f"{count} verdicts {status}" for status, count in self.verdicts.items()]
        ended = f"ended with {self.ended} after " if self.ended else ""
        lines = [f"{self.test}: {ended}{self.seconds:.0f} s; {', '.join(parts)}"]
        for table in self.tables:
            lines += ["  " + line for line in text_table(table).splitlines()]
        return "\n".join(lines)


@functools.cache
def kinds() -> dict[str, Kind]:
    data = settings.toml(settings.DATA / "torture.toml")
    return {name: records.make(Kind, _as_usual(entry) | entry, f"{name} of torture.toml", name=name)
            for name, entry in data.items()}


def _as_usual(entry: dict[str, Any]) -> dict[str, str]:
    """What follows from `lines`, if it is given."""
    if not (word := entry.pop("lines", "")):
        return {}
    said = f"{PurePosixPath(entry['program']).stem}: {word}-"
    usual = {"begin": said + "BEGIN", "end": said + r"END,(\d+)", "good": "0"}
    return usual if "programs" in entry else \
        usual | {"verdicts": word + r"-VERDICT,(\w+),(\w+),(\w+),(.*)"}


def chosen(wanted: Iterable[Wanted]) -> list[Kind]:
    """The tests that are asked for, each once."""
    return [kinds()[name] for name in dict.fromkeys(item.test for item in wanted)]


def modules(wanted: Iterable[Wanted]) -> list[str]:
    """The module files that the tests need, below the build folder."""
    found = [path for kind in chosen(wanted) if not kind.source
             for path in (kind.needs, kind.module) if path]
    return list(dict.fromkeys(found))


def steps(wanted: Iterable[Wanted]) -> str:
    """What the guest's init does for the tests, a step on each line."""
    lines = []
    for item in wanted:
        kind = kinds()[item.test]
        names = [PurePosixPath(path).stem for path in (kind.needs, kind.module) if path]
        lines += [f"load {name}" for name in names]
        if kind.program:
            lines.append(f"run {PurePosixPath(kind.program).stem}")
        if item.params:
            lines[-1] += " " + item.params
        if not kind.program:
            lines.append(f"sleep {item.seconds}")
        lines += [f"unload {name}" for name in reversed(names)]
    return "".join(line + "\n" for line in lines)


def progress(line: str) -> str | None:
    """What a console line says about how far a test is, if it is such a line."""
    for name, kind in kinds().items():
        if found := kind.progress.search(line):
            return f"{name}: {found[1]}"
    return None


def _sections(kind: Kind, lines: list[str]) -> list[Section]:
    sections: list[Section] = []
    now = 0.0
    for line in lines:
        text = ktap.strip(line)
        if stamp := _SECONDS.match(line):
            now = max(now, float(stamp[1]))      # another kernel begins anew
        if kind.begin.search(text):
            sections.append(Section(now))
        if not sections or sections[-1].ended is not None:
            continue
        sections[-1].lines.append(text)
        if found := kind.end.search(text):
            sections[-1].ended = now
            sections[-1].verdict = found[1]
    return sections


def _count(kind: Kind, sections: list[Section], result: Result) -> None:
    """Adds up the totals of the sections."""
    for name, pattern in kind.totals.items():
        for section in sections:
            found = pattern.findall(" ".join(section.lines))
            if not found:
                result.problems.append(f"the total {name!r} is missing")
                continue
            groups = found[-1] if isinstance(found[-1], tuple) else (found[-1],)
            result.totals[name] = result.totals.get(name, 0) + sum(map(int, groups))
    for name, pattern in kind.added.items():
        found = [int(number) for section in sections
                 for number in pattern.findall("\n".join(section.lines))]
        if found:
            result.totals[name] = sum(found)
    if kind.lost and all(name in result.totals for name in kind.lost):
        sent, run = (result.totals[name] for name in kind.lost)
        result.totals["lost"] = sent - run


def said(test: str, lines: Iterable[str]) -> list[Said]:
    """The verdicts that a test printed in console lines; TEST.end where it has only that one."""
    kind = kinds()[test]
    found = [(kind.verdicts or kind.end).search(line) for line in lines]
    if not kind.verdicts:
        return [Said(f"{test}.end", "pass" if match[1] == kind.good else "fail", match[1])
                for match in found if match]
    return [Said(f"{match[1]}.{match[2]}", match[3], match[4].strip()) for match in found if match]


def _judge_verdicts(asked: Wanted, verdicts: list[Said], result: Result) -> None:
    """A fail is a problem, and so is each skip that the lane does not list, or lists in vain."""
    result.verdicts = dict(Counter(item.status for item in verdicts))
    listed = asked.skips
    for item in verdicts:
        must = [glob for glob in listed if fnmatch.fnmatchcase(item.name, glob)]
        if item.status == "fail":
            result.problems.append(f"{item.name} failed: {item.reason}")
        elif item.status == "skip" and not must:
            result.problems.append(f"{item.name} was skipped ({item.reason})")
        elif item.status != "skip" and must:
            result.problems.append(f"{item.name} must be skipped ({asked.why}), but was not")
    for glob in listed:
        if not any(fnmatch.fnmatchcase(item.name, glob) for item in verdicts):
            result.problems.append(f"it has no verdict {glob}, which the lane lists under skips")


def _tables(kind: Kind, lines: list[str]) -> list[list[list[str]]]:
    """The lines that match a table's pattern; its groups are the columns."""
    tables = []
    for pattern in kind.tables:
        rows = [list(match.groups()) for match in map(pattern.search, lines) if match]
        if rows:
            tables.append([list(pattern.groupindex), *rows])
    return tables


def judge(asked: Wanted, lines: list[str]) -> Result:
    kind, result = kinds()[asked.test], Result(asked.test)
    sections = _sections(kind, lines)
    if not sections:
        result.problems.append("it did not begin")
        return result
    if any(section.ended is None for section in sections):
        result.problems.append("its end line is missing")
        return result       # the totals come with that line
    inside = [line for section in sections for line in section.lines]
    if kind.programs:
        result.verdicts, cases, problems = selftests.judge(asked.programs, inside)
        result.totals |= {f"cases {status}": count for status, count in cases.items()}
        result.problems += problems
    elif kind.verdicts:
        _judge_verdicts(asked, said(kind.name, inside), result)
    result.tables = _tables(kind, inside)
    for section in sections:
        result.ended = section.verdict
        if section.verdict != kind.good:
            result.problems.append(f"it ended with {section.verdict}")
    result.seconds = sum(section.ended - section.began for section in sections)
    if result.seconds < asked.seconds:
        result.problems.append(f"it ran {result.seconds:.0f} s, {asked.seconds} s were asked for")
    _count(kind, sections, result)
    for name in kind.zero:
        if result.totals.get(name):
            result.problems.append(f"{name} is {result.totals[name]}, not 0")
    for name, least in asked.minimum.items():
        if result.totals.get(name, 0) < least:
            result.problems.append(f"{name} is {result.totals.get(name, 0)}, at least {least} "
                                   "are wanted")
    return result
