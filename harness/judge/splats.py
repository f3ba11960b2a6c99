"""What the kernel reports on a console, and which of its reports are known not to be the series'.

In:  console lines; splats.toml, common and of the queue.
Out: splat() -> what a line reports. excused() -> for each whole report that is known, its title and
     the lines that make it a report: those that the rule names and "Call Trace:". Anything else
     inside of it is judged as elsewhere.  badness() -> complaints: what the kernel's own
     console-badness.sh takes for a report and no pattern does, unless [[badness]] says why.
"""

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from ..core import Exit, Queue, records, require, settings
from . import ktap

SCRIPT = "tools/testing/selftests/rcutorture/bin/console-badness.sh"
LONGEST = 120      # lines of one report
_END = re.compile(r"^---\[ end trace ")
_TRACE = re.compile(r"^Call [Tt]race:$")


@functools.cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    data = settings.toml(settings.DATA / "splats.toml")
    return [(re.compile(item["regex"]), item["means"]) for item in data["pattern"]]


def splat(line: str) -> str | None:
    """What a console line reports, or None if it is an ordinary one."""
    text = ktap.strip(line)
    return next((means for pattern, means in _patterns() if pattern.search(text)), None)


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


def excused(lines: list[str], queue: Queue) -> list[tuple[str, set[int]]]:
    texts = [ktap.strip(line) for line in lines]
    found = []
    for start in range(len(texts)):
        for rule in rules(queue):
            if not _match(rule.first, texts[start:start + len(rule.first)]):
                continue
            end = next((number for number, text in enumerate(texts[start:start + LONGEST], start)
                        if _END.match(text)), len(texts))
            after, last = texts[end + 1:][:len(rule.after)], texts[end + 1:][len(rule.after):]
            if _match(rule.after, after) and last and not rule.no_more.search(last[0]):
                found.append((rule.title, {
                    number + 1 for number in range(start, end)
                    if number < start + len(rule.first) or _TRACE.match(texts[number])}))
    return found


def badness(tree: Path, queue: Queue) -> list[str]:
    found = re.search(r"^grep -E '(.+?)'", (tree / SCRIPT).read_text("utf-8"), re.M)
    require(found, f"no grep -E was found in {SCRIPT}; harness/judge/splats.py has to learn how it looks "
            "for reports now.", Exit.TEST)
    missed = []
    for item in re.split(r"(?<!\\)\|", found[1]):
        # The shortest line that such a regex, which has no more than .* and \ in it, matches.
        line = re.sub(r"\\(.)", r"\1", item.replace(".*", " "))
        require(re.search(item, line), f"harness/judge/splats.py cannot make a line for {item!r}.",
                Exit.TEST)
        if splat(line) is None:
            missed.append(item)
    listed = {item["text"]: item["reason"]
              for item in queue.data(settings.DATA / "splats.toml").get("badness", [])}
    return [f"{SCRIPT} looks for {item!r}, and no pattern of splats.toml does"
            for item in missed if not listed.get(item)] + \
           [f"[[badness]] of splats.toml has {item!r}, which is no difference"
            for item in listed if item not in missed]
