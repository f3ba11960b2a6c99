"""The mutants: small edits that each break one thing, and what has to catch each.

In:  proof/mutants/, what a queue has in their place, the console lines of a boot.
Out: Mutant, load(); Watch: whether a mutant was caught, and how. Times are host seconds.
"""

import fnmatch
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..core import Exit, HarnessError, Queue, look_up, records, settings
from ..core.records import Text
from ..judge import judge, ktap, torture
from . import edits
from .edits import Edit

SUBSET_LANE = "x86_64"           # that of all mutants of the subset
# What can catch a mutant -> the keys that go with it.
_KEYS = {"case": {"cases", "fails"}, "torture": {"params", "fails"}, "splat": {"cases", "splat"},
         "hang": {"cases"}}


@dataclass(frozen=True)
class Mutant:
    name: str
    edits: tuple[Edit, ...]
    breaks: Text                 # one sentence
    invariant: tuple[str, ...]   # "I1" to "I12"
    lane: Text                   # whose kernel it is built into
    caught_by: Literal["case", "torture", "splat", "hang"]
    limit_s: float               # of its boot
    hang: tuple[re.Pattern[str], ...]        # what the kernel says of a task or CPU that hangs
    cases: str = ""              # kunit.filter_glob of its boot
    fails: tuple[str, ...] = ()  # globs: with "case" for suite.case or suite.case.parameter, with
                                 # "torture" for verdicts; each must find one that fails
    splat: re.Pattern[str] | None = None     # with "splat"
    subset: bool = False         # part of ./run check
    params: str = ""             # with "torture": of the lane's torture test
    seconds: int = 0             # with "torture": how long it runs, 0 is as in the lane
    cmdline: str = ""            # kernel parameters

    def __post_init__(self) -> None:
        needs = _KEYS[self.caught_by]
        given = {key for keys in _KEYS.values() for key in keys if getattr(self, key)}
        if given != needs:
            raise ValueError(f'with caught_by = "{self.caught_by}" it must have '
                             f"{' and '.join(sorted(needs))}, not {' and '.join(sorted(given))}")
        if self.seconds and self.caught_by != "torture":
            raise ValueError("only a torture test runs for seconds")
        if not self.invariant or not all(re.fullmatch(r"I([1-9]|1[012])", item)
                                         for item in self.invariant):
            raise ValueError(f"it names {', '.join(self.invariant) or 'nothing'}; the invariants are "
                             "I1 to I12")
        if self.subset and self.lane != SUBSET_LANE:
            raise ValueError(f"it is in the subset, so its lane must be {SUBSET_LANE}")


def folder() -> Path:
    return settings.REPO / "proof" / "mutants"


def load(queue: Queue) -> list[Mutant]:
    """Reads mutants.toml for a queue, and checks it against the edits that are there.

    The queue's own mutants.toml has entries that differ, and in [left_out] mutants that make
    no sense for it, each with the reason; its folder mutants/ has edits that differ.
    """
    path = folder() / "mutants.toml"
    data = queue.data(path)
    general, left_out = data.pop("general", {}), data.pop("left_out", {})
    records.value(dict[str, Text], left_out, f"left_out of {path}")
    files = {file.stem: file for file in (folder() / "edits").glob("*.toml")}
    if wrong := sorted(files.keys() ^ data.keys() | left_out.keys() - data.keys()):
        raise HarnessError(Exit.USAGE, f"{path}: each mutant must be in the table and in edits/, and "
                           f"only mutants can be left out; not so: {', '.join(wrong)}.")
    files |= {file.stem: file for file in (queue.dir / "mutants").glob("*.toml")}
    return [records.make(Mutant, {**general, **entry}, f"mutant {name}", name=name,
                         edits=edits.load(files[name]))
            for name, entry in data.items() if name not in left_out]


def choose(mutants: list[Mutant], names: list[str], subset: bool) -> list[Mutant]:
    """The mutants asked for, all if none is named; in the order of the table."""
    for name in names:
        look_up("mutant", name, [item.name for item in mutants], "proof/mutants/mutants.toml")
    return [item for item in mutants
            if (not names or item.name in names) and (not subset or item.subset)]


class Watch:
    """Follows the console of a mutant's boot.

    caught says how the mutant was caught, once it was so in the way that the table names;
    others() what else was seen.
    """

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self.reader = ktap.Reader()
        self.caught = ""
        self.verdicts: list[str] = []    # of a torture test, those that fail
        self.report = ""                 # the first one of the kernel
        self.lines = (mutant.splat,) if mutant.splat else \
            mutant.hang if mutant.caught_by == "hang" else ()

    @property
    def failed(self) -> list[str]:
        return [*self.reader.failed, *dict.fromkeys(self.verdicts)]

    def feed(self, line: str) -> bool:
        """Takes one more line; True once the mutant is caught as it should be."""
        text = ktap.strip(line).strip()
        self.reader.feed(line)
        for test in torture.kinds():
            self.verdicts += [item.name for item in torture.said(test, [text]) if item.status == "fail"]
        found = [fnmatch.filter(self.failed, glob) for glob in self.mutant.fails]
        if any(pattern.search(text) for pattern in self.lines):
            found = [[text]]
        elif judge.splat(line) or any(pattern.search(text) for pattern in self.mutant.hang):
            self.report = self.report or text
        if found and all(found) and not self.caught:
            names = dict.fromkeys(name for names in found for name in names)
            self.caught = f"{self.mutant.caught_by}: {', '.join(names)}"
        return bool(self.caught)

    def others(self) -> list[str]:
        return [*(f"{name} failed" for name in self.failed), *([self.report] if self.report else [])]


def baseline(mutant: Mutant, console: str, verdict: judge.Verdict) -> list[str]:
    """Why the mutant's boot of the kernel without it is no proof that all is well there.

    That boot must pass, and hold each case or verdict that the mutant must make fail. What
    it prints must not be what the mutant would be caught by.
    """
    lines, watch = console.splitlines(), Watch(mutant)
    if any([watch.feed(line) for line in lines]):
        return [f"a kernel without it is caught, too ({watch.caught})"]
    if verdict.code != Exit.OK:
        return verdict.reasons
    passed = [case.name for case in ktap.parse(judge.at_boot(lines)).leaves("ok")]
    passed += [item.name for test in torture.kinds() for item in torture.said(test, lines)
               if item.status == "pass"]
    return [f"{name} was not run" for name in mutant.fails
            if not fnmatch.filter(passed, name) and not fnmatch.filter(passed, f"{name}.*")]
