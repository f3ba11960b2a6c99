"""The kernel's own selftests: which are run in the guest, and how that is judged.

In:  a list like proof/selftests/selftests.toml; console lines of selftests.c.
Out: the runner's steps; for each program pass, fail, skip or "known" (only cases failed that
     the list says must fail), and what is wrong.
"""

import fnmatch
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Iterable

from ..core import records, settings

_STEPS = ("mount", "write", "swap")
SKIP = 4                         # exit value of a selftest that was skipped

_RAN = re.compile(r": SELFTESTS-RUN,(.*)$")
_ENDED = re.compile(r": SELFTESTS-ENDED,(.*),(\w+) (\d+),(\d+)$")
_SAID = re.compile(r": \| (.*)$")
_CASE = re.compile(r"\s*(not ok|ok) \d+(?: -)?(?: (.*))?$")
_DIRECTIVE = re.compile(r"\s*# (SKIP|XFAIL)\b:? ?", re.I)


def check_skips(patterns: tuple[str, ...], why: str) -> None:
    if bool(patterns) != bool(why):
        raise ValueError("cases that must be skipped or fail, and why, go together")


@dataclass(frozen=True)
class Run:
    """One program with its arguments."""

    program: str                 # target/name arguments
    limit_s: int = 0             # 0: that of the list
    user: int = 0
    before: tuple[str, ...] = ()
    skips: tuple[str, ...] = ()
    why: str = ""
    fails: tuple[str, ...] = ()
    why_fails: str = ""

    def __post_init__(self) -> None:
        check_skips(self.skips, self.why)
        check_skips(self.fails, self.why_fails)
        _check_steps(self.before)

    @property
    def file(self) -> str:
        return self.program.split()[0]


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
        return list(dict.fromkeys(item.file for item in self.run))

    @property
    def not_run(self) -> list[str]:
        return [name for item in self.left_out for name in item.programs]

    @property
    def runs(self) -> tuple[Run, ...]:
        """With their limits."""
        return tuple(replace(item, limit_s=item.limit_s or self.limit_s) for item in self.run)


@dataclass
class Ran:
    """One program as the console shows it."""

    how: str = ""                # exit, signal, limit; "": it did not end
    value: int = 0
    cases: list[tuple[str, str]] = field(default_factory=list)   # name, ok, not ok or skip


def _check_steps(lines: Iterable[str]) -> None:
    for line in lines:
        if line.split(" ")[0] not in _STEPS:
            raise ValueError(f"the step {line!r} must begin with one of {', '.join(_STEPS)}")


def load(path: Path) -> Listed:
    return records.make(Listed, settings.toml(path), str(path))


def steps(listed: Listed) -> str:
    """What the runner does, a step on each line."""
    lines = list(listed.setup)
    for item in listed.runs:
        lines += [*item.before, f"run {item.limit_s} {item.user} {item.program}"]
    return "".join(line + "\n" for line in lines)


def unlisted(listed: Listed, known: Iterable[str]) -> list[str]:
    """What is wrong with the list, if the Makefiles know these programs."""
    names, known = {*listed.built, *listed.not_run}, set(known)
    return [*(f"{name} is not in the list" for name in sorted(known - names)),
            *(f"{name} is in the list, but no Makefile knows it" for name in sorted(names - known))]


def ran(lines: Iterable[str]) -> dict[str, Ran]:
    """What the runner said of each program."""
    found: dict[str, Ran] = {}
    current: Ran | None = None
    for line in lines:
        if match := _RAN.search(line):
            current = found[match[1]] = Ran()
        elif match := _ENDED.search(line):
            found.setdefault(match[1], Ran()).how = match[2]
            found[match[1]].value = int(match[3])
            current = None
        elif current and (match := _SAID.search(line)) and (case := _CASE.match(match[1])):
            name, status = case[2] or "", case[1]
            if directive := _DIRECTIVE.search(name):
                # Some say "ok 1 name # SKIP reason", others "ok 1 # SKIP name".
                name = name[:directive.start()].strip() or name[directive.end():]
                status = "skip" if directive[1].upper() == "SKIP" else "ok"
            current.cases.append((name.strip(), status))
    return found


def _listed_cases(patterns: tuple[str, ...], means: str, cases: list[str]) -> list[str]:
    """What is wrong between the cases with a status and the patterns listed for it."""
    def hit(case: str, pattern: str) -> bool:
        return fnmatch.fnmatchcase(case, pattern)
    return [*(f"case {case!r} {means}" for case in dict.fromkeys(cases)
              if not any(hit(case, pattern) for pattern in patterns)),
            *(f"no case {means} that is named {pattern!r}, which the list says must"
              for pattern in patterns if not any(hit(case, pattern) for case in cases))]


def judge(asked: Iterable[Run], lines: Iterable[str]
          ) -> tuple[dict[str, int], dict[str, int], list[str]]:
    """Programs per verdict, cases per status, and what is wrong."""
    found, verdicts, cases = ran(lines), Counter(), Counter()
    problems: list[str] = []
    for item in asked:
        program, wrong = found.pop(item.program, None), []
        if program is None:
            wrong.append("was not run")
            program = Ran()
        elif program.how != "exit":
            wrong.append({"": "did not end", "signal": f"was ended by signal {program.value}",
                          "limit": f"ran into its limit of {program.value} s"}[program.how])
        cases.update(status for _, status in program.cases)
        failed = [name for name, status in program.cases if status == "not ok"]
        skipped = [name for name, status in program.cases if status == "skip"]
        if program.how == "exit":
            wrong += _listed_cases(item.skips, "was skipped", skipped)
            wrong += _listed_cases(item.fails, "failed", failed)
            if program.value == SKIP:
                wrong.append("was skipped")
            elif program.value and not (item.fails and failed):
                wrong.append(f"ended with exit value {program.value}")
        problems += [f"{item.program}: {text}" for text in wrong]
        if program.how == "exit" and program.value == SKIP:
            verdicts["skip"] += 1
        else:
            verdicts["fail" if wrong else "known" if failed else "pass"] += 1
    problems += [f"{name}: was run, but is not asked for" for name in found]
    return dict(verdicts), dict(cases), problems
