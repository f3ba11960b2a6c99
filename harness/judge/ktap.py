"""Reads the KTAP that KUnit prints to the kernel log, between other lines.

In:  console lines.  Out: Report: suites with their cases, and what is incomplete. A case with
     parameters counts as many executed cases as parameters were run.
Unlike kunit.py's parser it tells a run that ended early from one that was never there.
"""

import re
from dataclasses import dataclass, field
from typing import Iterable

_STAMP = re.compile(r"^(?:<\d+>)?\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ")
_RESULT = re.compile(r"^( *)(ok|not ok) (\d+)(?: -)? ?(.*)$")
_PLAN = re.compile(r"^( *)1\.\.(\d+)$")
_SUBTEST = re.compile(r"^( *)# Subtest: (.*)$")
_FAILED_AT = re.compile(r"^(?: *# (\w+): )?.*?(?:EXPECTATION|ASSERTION) FAILED at (\S+)")
_SKIP = re.compile(r"\s*# SKIP\b ?(.*)$", re.I)
_COUNTED = re.compile(r"Testing complete\. Ran \d+ tests: (.*)$", re.M)
INDENT = 4


def kunit_py_counts(output: str) -> dict[str, int]:
    """What the summary that kunit.py prints last counts, by its words; {} if there is none."""
    found = _COUNTED.findall(output)
    return {key: int(value) for key, value in re.findall(r"(\w+): (\d+)", found[-1] if found else "")}


@dataclass
class Case:
    """One leaf that was executed or skipped: a case, or one parameter of a case."""

    name: str
    status: str          # "ok", "failed", "skipped"
    reason: str = ""     # of a skip; of a failure, where the first check failed


@dataclass
class Suite:
    name: str
    plan: int | None = None                  # cases the suite announced
    results: int = 0                         # cases it reported, skipped ones included
    status: str | None = None                # "ok", "failed", "skipped"; None: did not end
    leaves: list[Case] = field(default_factory=list)


@dataclass
class Report:
    plan: int | None = None                  # suites announced
    suites: list[Suite] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def leaves(self, status: str) -> list[Case]:
        return [case for suite in self.suites for case in suite.leaves if case.status == status]

    @property
    def executed(self) -> int:
        return len(self.leaves("ok")) + len(self.leaves("failed"))


def strip(line: str) -> str:
    """A console line without its time stamp and line end; indentation is kept."""
    return _STAMP.sub("", line.rstrip("\r\n"), count=1)


def _result(match: re.Match[str]) -> tuple[str, str, str]:
    """Name, status and skip reason of a result line."""
    skip = _SKIP.search(match[4])
    if skip:
        return match[4][:skip.start()].strip(), "skipped", skip[1].strip()
    name = match[4].split(" # ")[0].strip()
    return name, "ok" if match[2] == "ok" else "failed", ""


def finished(line: str) -> str:
    """The case whose result stands in this console line, "" if it holds none."""
    match = _RESULT.match(strip(line))
    return _result(match)[0] if match and match[1] else ""


class Reader:
    """Reads a run line by line, from its first KTAP line on.

    failed holds "suite.case" from the first check that failed on, and "suite.case.parameter"
    from the result line of that parameter on.
    """

    def __init__(self) -> None:
        self.report = Report()
        self.failed: list[str] = []
        self.suite: Suite | None = None
        self.case = ""                       # the one with parameters that is running
        self.params: list[Case] = []         # of it
        self.failed_at = ""                  # first check that failed since the last result

    def feed(self, raw: str) -> None:
        line = strip(raw)
        if match := _FAILED_AT.match(line):
            self.failed_at = self.failed_at or match[2]
            if match[1] and self.suite:
                self._fail(f"{self.suite.name}.{match[1]}")
        elif match := _PLAN.match(line):
            depth = len(match[1]) // INDENT
            if depth == 0:
                self.report.plan = int(match[2])
            elif depth == 1 and self.suite:
                self.suite.plan = int(match[2])
        elif match := _SUBTEST.match(line):
            depth = len(match[1]) // INDENT
            if depth == 1:
                self._begin(match[2].strip())
            elif depth == 2:
                self.case, self.params = match[2].strip(), []
        elif match := _RESULT.match(line):
            name, status, reason = _result(match)
            reason = self.failed_at if status == "failed" else reason
            self.failed_at = ""
            self._end(len(match[1]) // INDENT, name, status, reason)

    def _begin(self, name: str) -> Suite:
        self.suite, self.params = Suite(name), []
        self.report.suites.append(self.suite)
        return self.suite

    def _end(self, depth: int, name: str, status: str, reason: str) -> None:
        """A result: of a suite (depth 0), a case, or a parameter."""
        suite = self.suite
        if depth == 0:
            if suite is None or suite.name != name:
                suite = self._begin(name)      # skipped as a whole, without a body
            suite.status = status
            if status == "skipped" and not suite.leaves:
                suite.leaves.append(Case(name, status, reason))
            self.suite = None
        elif depth == 1 and suite:
            case = Case(f"{suite.name}.{name}", status, reason)
            suite.results += 1
            suite.leaves += self.params or [case]
            if status == "failed":
                self._fail(case.name)
                if self.params and all(item.status != "failed" for item in self.params):
                    suite.leaves.append(case)   # every parameter passed and the case did not
            self.params, self.case = [], ""
        elif depth == 2 and suite:
            self.params.append(Case(f"{suite.name}.{self.case}.{name}", status, reason))
            if status == "failed":
                self._fail(self.params[-1].name)

    def _fail(self, name: str) -> None:
        if name not in self.failed:
            self.failed.append(name)


def parse(lines: Iterable[str]) -> Report:
    reader = Reader()
    for line in lines:
        reader.feed(line)
    _check(reader.report)
    return reader.report


def _check(report: Report) -> None:
    """Adds what is incomplete or contradictory to report.problems."""
    if not report.suites:
        report.problems.append("no suite was run")
        return
    if report.plan is not None and report.plan != len(report.suites):
        report.problems.append(f"{report.plan} suites were announced, {len(report.suites)} began")
    for suite in report.suites:
        if suite.status is None:
            report.problems.append(f"suite {suite.name} did not end")
        elif suite.plan is None and suite.status != "skipped":
            report.problems.append(f"suite {suite.name} announced no number of cases")
        if suite.plan is not None and suite.plan != suite.results:
            report.problems.append(f"suite {suite.name} announced {suite.plan} cases and "
                                   f"reported {suite.results}")
        if suite.status == "failed" and all(case.status != "failed" for case in suite.leaves):
            report.problems.append(f"suite {suite.name} failed outside of its cases")
