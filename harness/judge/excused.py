"""Finds whole kernel reports that are known, and known not to be the series'.

In:  console lines, [[excused]] of the queue's splats.toml.
Out: found() -> the rule's title and the lines that make it a report: those that the rule names and
     "Call Trace:". Anything else inside of it is judged as elsewhere.
"""

import functools
import re
from dataclasses import dataclass

from ..core import Queue, records, settings
from . import ktap

LONGEST = 120      # lines of one report
_END = re.compile(r"^---\[ end trace ")
_TRACE = re.compile(r"^Call [Tt]race:$")


@dataclass(frozen=True)
class Rule:
    title: str
    first: tuple[re.Pattern[str], ...]
    after: tuple[re.Pattern[str], ...]
    no_more: re.Pattern[str]
    reason: str


@functools.cache
def rules(queue: Queue) -> list[Rule]:
    entries = queue.data(settings.DATA / "splats.toml").get("excused", [])
    return [records.make(Rule, entry, "[[excused]] of splats.toml") for entry in entries]


def _match(patterns: tuple[re.Pattern[str], ...], texts: list[str]) -> bool:
    return len(texts) >= len(patterns) and all(
        pattern.search(text) for pattern, text in zip(patterns, texts))


def found(lines: list[str], queue: Queue) -> list[tuple[str, set[int]]]:
    """Each report that a rule excuses: the rule's title, and the lines that are excused."""
    texts = [ktap.strip(line) for line in lines]
    result = []
    for start in range(len(texts)):
        for rule in rules(queue):
            if not _match(rule.first, texts[start:start + len(rule.first)]):
                continue
            ends = [number for number in range(start, min(start + LONGEST, len(texts)))
                    if _END.match(texts[number])]
            if not ends:
                continue
            rest = texts[ends[0] + 1:ends[0] + 2 + len(rule.after)]
            if not _match(rule.after, rest) or len(rest) <= len(rule.after) \
                    or rule.no_more.search(rest[-1]):
                continue
            result.append((rule.title, {
                number + 1 for number in range(start, ends[0])
                if number < start + len(rule.first) or _TRACE.match(texts[number])}))
    return result
