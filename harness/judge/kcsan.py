"""Reads KCSAN's reports of data races, and says which ones concern the series.

In:  console lines; [kcsan] of splats.toml; the functions that the series touches.
Out: means() -> what each report means.
A report concerns the series if a function of its title, or among the first ones of either stack, is
one that the series touches, or if it cannot be read. Callers do not count for functions that race
whoever calls them.
"""

import re
from dataclasses import dataclass

from ..core import Queue, records, settings
from ..build.touched import plain
from . import ktap

_REPORT = "BUG: KCSAN: "
_TITLE = re.compile(r"^(?:data-race|assert: race) in (.+)$")
_ACCESS = re.compile(r"^(race at unknown origin, with )?(?:(?:assert no )?[\w-]+)(?: \([\w, ]+\))? "
                     r"to 0x[0-9a-f]+ of \d+ bytes by (?:task \d+|interrupt) on cpu \d+:$")
_FUNCTION = re.compile(r"^ ?([A-Za-z_][\w.]*)(?:\+0x[0-9a-f]+/0x[0-9a-f]+)?(?: \[\w+\])?$")
_REORDERED = re.compile(r"^  \+-> reordered to: (.+)$")
_RULE = re.compile(r"^={40,}$")


@dataclass(frozen=True)
class Rules:
    """[kcsan] of splats.toml."""

    frames: int                   # how many functions of a stack are looked at
    known: dict[str, str]         # functions whose callers do not count -> why


@dataclass(frozen=True)
class Race:
    line: int                     # of the title in the console, from 1
    title: str                    # as the kernel prints it, without _REPORT
    functions: frozenset[str]     # in the title and on top of the stacks
    problem: str = ""             # why the report cannot be read


def rules(queue: Queue) -> Rules:
    return records.make(Rules, queue.data(settings.DATA / "splats.toml")["kcsan"],
                        "[kcsan] of splats.toml")


def _function(text: str) -> str:
    match = _FUNCTION.match(text)
    return plain(match[1]) if match else ""


def _read(number: int, title: str, block: list[str], ended: bool, asked: Rules) -> Race:
    """One report; block holds the lines behind its title."""
    match = _TITLE.match(title)
    named = [_function(part) for part in match[1].split(" / ")] if match else [""]
    stacks: list[list[str]] = []
    wanted, inside = 2, False
    for line in block:
        if access := _ACCESS.match(line):
            stacks.append([])
            wanted, inside = 1 if access[1] else wanted, True
        elif inside and line.startswith(" ") and (name := _function(line)):
            stacks[-1].append(name)
        elif found := _REORDERED.match(line):
            named.append(_function(found[1]))
        elif not line.strip():
            inside = False
    problem = "it has no end" if not ended else \
        "a function in it has no name" if "" in named else \
        f"it shows {len(stacks)} accesses" if len(stacks) != wanted else \
        "one of its stacks is empty" if not all(stacks) else ""
    for stack in stacks:
        named += stack[:1 if asked.known.keys() & stack[:1] else asked.frames]
    return Race(number, title, frozenset(filter(None, named)), problem)


def _caller(line: str) -> str:
    """The task or CPU that a line is from; "" if the kernel does not say."""
    stamp = ktap.STAMP.match(line)
    return stamp["caller"] or "" if stamp else ""


def reports(lines: list[str], asked: Rules) -> list[Race]:
    found = []
    for number, line in enumerate(lines, 1):
        text = ktap.strip(line)
        if not text.startswith(_REPORT):
            continue
        caller, block, ended = _caller(line), [], False
        for later in lines[number:]:
            if caller and _caller(later) not in ("", caller):    # another CPU's, in between
                continue
            stripped = ktap.strip(later)
            ended = bool(_RULE.match(stripped))
            if ended or stripped.startswith(_REPORT):
                break
            block.append(stripped)
        found.append(_read(number, text.removeprefix(_REPORT), block, ended, asked))
    return found


def means(lines: list[str], touched: list[str], queue: Queue) -> list[tuple[Race, str]]:
    """Each report, and what it means; "" if it is none of the series'."""
    found = []
    for race in reports(lines, rules(queue)):
        ours = ", ".join(sorted(race.functions.intersection(touched)))
        found.append((race, f"a data race; {race.problem}, so it may be the series'" if race.problem
                      else f"a data race in what the series touches: {ours}" if ours else ""))
    return found
