"""Reads KTAP, and figures, between the other lines of a console; says what is missing or wrong.

In:  console lines, and what is in front of those that count: nothing for KUnit, "NAME: " for a
     program of the guest, which prints its plan ("1..N") last, so that one that dies has none.
     Figures are lines FIGURE,<table>,<key>=<value>,...
Out: Reader: the tests as a tree, the figures. incomplete(), complaints(): sentences.
A case with parameters counts as many executed cases as parameters were run. Unlike kunit.py's
parser this tells a run that ended early from one that was never there.
"""

import fnmatch
import re
from dataclasses import dataclass, field
from typing import Iterable

# What printk puts before a line; the task or CPU only with PRINTK_CALLER.
STAMP = re.compile(r"^(?:<\d+>)?\[ *(?P<seconds>\d+\.\d+)\](?P<caller>\[ *[TC]\d+\])? ")
_LINE = re.compile(r"( *)(?:1\.\.(?P<plan>\d+)|# Subtest: (?P<begin>.*?)"
                   r"|(?P<word>ok|not ok) \d+(?: -)?(?P<text>| .*)) *$")
_DIRECTIVE = re.compile(r"(SKIP|XFAIL)\b:? ?", re.I)
_FAILED_AT = re.compile(r"(?: *# (\w+): )?.*?(?:EXPECTATION|ASSERTION) FAILED at (\S+)")
_FIGURE = re.compile(r"FIGURE,(\w+),(.*)$")
_COUNTED = re.compile(r"Testing complete\. Ran \d+ tests: (.*)$", re.M)
INDENT = 4
SHOWN = 10                     # problems of one kind that are listed in full


def kunit_py_counts(output: str) -> dict[str, int]:
    """What the summary that kunit.py prints last counts, by its words; {} if there is none."""
    found = _COUNTED.findall(output)
    return {key: int(value) for key, value in re.findall(r"(\w+): (\d+)", found[-1] if found else "")}


@dataclass(frozen=True)
class Suite:
    """A suite, or a program that runs as one, and what each of its runs must execute."""

    name: str
    min_cases: int               # least number of executed cases
    skips: tuple[str, ...] = ()  # globs for the cases that must be skipped, without the suite
    why: str = ""                # why they must
    again: bool = True           # after boot, too

    def __post_init__(self) -> None:
        if bool(self.skips) != bool(self.why):
            raise ValueError("cases that must be skipped, and why, go together")


@dataclass(eq=False)
class Test:
    """A suite, a case, or a parameter of a case; the root, without a name, has all of a run."""

    name: str                                # with those that it is in: suite.case.parameter
    plan: int | None = None                  # tests that it announced, in itself
    status: str = ""                         # "ok", "failed", "skipped"; "": it did not end
    reason: str = ""                         # of a failure, where the first check failed
    tests: list["Test"] = field(default_factory=list)

    def leaves(self) -> list["Test"]:
        """What was executed or skipped. What fails by itself is one, too."""
        found = [leaf for test in self.tests for leaf in test.leaves()]
        alone = not found or self.status == "failed" and (
            self.reason or all(leaf.status != "failed" for leaf in found))
        return [*found, self] if self.status and alone else found


def strip(line: str) -> str:
    """A console line without its time stamp and line end; indentation is kept."""
    return STAMP.sub("", line.rstrip("\r\n"), count=1)


def _result(match: re.Match[str]) -> tuple[str, str, str]:
    """Name, status and reason of a result line. A case without a name is called by its reason."""
    name, _, reason = match["text"].partition(" # ")
    status = "ok" if match["word"] == "ok" else "failed"
    if directive := _DIRECTIVE.match(reason):
        reason = reason[directive.end():]
        status = "skipped" if directive[1].upper() == "SKIP" else "ok"
    return name.strip() or reason.strip(), status, reason.strip()


class Reader:
    """Reads a run line by line.
    failed holds "suite.case" from the first check that failed on, and "suite.case.parameter" from the
    result line of that parameter on."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.root = Test("")
        self.figures: list[tuple[str, dict[str, str]]] = []      # table, row
        self.failed: list[str] = []
        self._open = [self.root]             # the tests that have begun, each in the one before
        self._failed_at = ""                 # first check that failed since the last result

    def feed(self, raw: str) -> None:
        line = strip(raw)
        if not line.startswith(self.prefix):
            return
        line = line.removeprefix(self.prefix)
        if match := _FIGURE.match(line):
            pairs = (pair.partition("=") for pair in match[2].split(","))
            self.figures.append((match[1], {key: value for key, _, value in pairs}))
        elif match := _FAILED_AT.match(line):
            self._failed_at = self._failed_at or match[2]
            if match[1] and len(self._open) > 1:
                self._fail(f"{self._open[1].name}.{match[1]}")
        elif match := _LINE.match(line):
            # What is deeper than it can be belongs to the last one that has begun.
            depth = min(len(match[1]) // INDENT - bool(match["begin"]), len(self._open) - 1)
            if match["plan"]:
                self._open[depth].plan = (self._open[depth].plan or 0) + int(match["plan"])
            elif match["begin"]:
                self._in(max(depth, 0), match["begin"])
            else:
                self._end(depth, *_result(match))

    def _in(self, depth: int, name: str) -> Test:
        """The test of that name in the one at that depth; it begins, if it has not."""
        parent = self._open[depth]
        name = f"{parent.name}.{name}" if parent.name else name
        if [test.name for test in self._open[depth + 1:depth + 2]] != [name]:
            self._open[depth + 1:] = [Test(name)]
            parent.tests.append(self._open[-1])
        return self._open[depth + 1]

    def _end(self, depth: int, name: str, status: str, reason: str) -> None:
        test = self._in(depth, name)
        del self._open[depth + 1:]
        test.status = status
        test.reason = (self._failed_at if status == "failed" else "") or reason
        self._failed_at = ""
        if status == "failed":
            self._fail(test.name)

    def _fail(self, name: str) -> None:
        if name not in self.failed:
            self.failed.append(name)


def read(lines: Iterable[str], prefix: str = "") -> Reader:
    reader = Reader(prefix)
    for line in lines:
        reader.feed(line)
    return reader


def incomplete(root: Test, planned: Iterable[Test] = ()) -> list[str]:
    """What is missing in a run, and in those of its tests that must announce their number."""
    if not root.tests:
        return ["nothing was run"]
    problems = []
    for test in (root, *planned):
        who = test.name or "the run"
        if not test.plan and test.status != "skipped":
            problems.append(f"{who} announced no number of tests")
        elif test.plan is not None and test.plan != len(test.tests):
            problems.append(f"{who} announced {test.plan} tests and reported {len(test.tests)}")
        problems += [f"{below.name} did not end" for below in test.tests if not below.status]
    return problems


def complaints(root: Test, asked: Iterable[Suite], whole: bool = True) -> list[str]:
    """What is wrong with a run: failures, skips that nobody asked for, too few cases.
    If it is whole, each pattern for skips must match something: it guards nothing otherwise."""
    problems, listed, leaves = [], set(), root.leaves()
    for suite in asked:
        inside = f"{suite.name}." if suite.name else ""
        for pattern in suite.skips:
            # A case stands for its parameters: one that was skipped with all of them can be
            # reported as one case, or as one for each parameter.
            found = [leaf for leaf in leaves if fnmatch.fnmatchcase(leaf.name, inside + pattern)
                     or fnmatch.fnmatchcase(leaf.name, f"{inside}{pattern}.*")]
            listed |= {leaf.name for leaf in found}
            if ran := [leaf.name for leaf in found if leaf.status != "skipped"]:
                problems.append(f"{ran[0]} must be skipped ({suite.why}) but was executed, with "
                                f"{len(ran) - 1} more of {pattern}")
            if not found and whole:
                problems.append(f"no case is named {inside}{pattern}, which is listed under skips")
        count = sum(leaf.status != "skipped" and f"{leaf.name}.".startswith(inside) for leaf in leaves)
        if count < suite.min_cases:
            problems.append(f"{suite.name} executed {count} cases, at least {suite.min_cases} must run")
    for status, kind in (("failed", "failed"), ("skipped", "was skipped")):
        cases = [leaf for leaf in leaves if leaf.status == status
                 and (status == "failed" or leaf.name not in listed)]
        reasons = (leaf.reason or "outside of its cases" * bool(leaf.tests) for leaf in cases)
        problems += [f"{leaf.name} {kind}" + (f" ({reason})" if reason else "")
                     for leaf, reason in zip(cases[:SHOWN], reasons)]
        if len(cases) > SHOWN:
            problems.append(f"{len(cases) - SHOWN} more cases: {kind}")
    return problems
