"""The mutants: small edits that each break one thing, and what has to catch each.

In:  proof/mutants/, what a queue has in their place, the console lines of a boot.
Out: Mutant, load(); Watch: whether a mutant was caught, and how. Times are host seconds.
"""

import fnmatch
import re
from dataclasses import dataclass
from pathlib import Path

from ..core import Exit, HarnessError, Queue, look_up, records, settings
from ..judge import judge, ktap, splats, torture
from ..judge.ktap import Suite
from ..judge.runs import Run
from ..lanes import lane_files
from . import edits
from .edits import Edit

SUBSET_LANE = "x86_64"           # that of all mutants of the subset
# What can catch a mutant, and the keys that go with it: all but `seconds` are needed.
_KEYS = {"case": {"cases", "fails"}, "torture": {"params", "fails", "seconds"},
         "splat": {"cases", "splat"}, "hang": {"cases"}}


@dataclass(frozen=True)
class Mutant:
    name: str
    edits: tuple[Edit, ...]
    breaks: str                  # one sentence
    invariant: tuple[str, ...]   # "I1" to "I12"
    caught_by: str               # a key of _KEYS
    limit_s: float               # of its boot
    lane: str = ""               # whose kernel it is built into
    cases: str = ""              # kunit.filter_glob of its boot
    fails: tuple[str, ...] = ()  # with "case": suite.case or suite.case.parameter, all of them;
                                 # with "torture": patterns for verdicts, each must find one
    splat: re.Pattern[str] | None = None     # with "splat"
    subset: bool = False         # part of ./run check
    params: str = ""             # with "torture": of the lane's torture test
    seconds: int = 0             # with "torture": how long it runs, 0 is as in the lane
    cmdline: str = ""            # kernel parameters

    def __post_init__(self) -> None:
        takes = _KEYS.get(self.caught_by)
        if takes is None:
            raise ValueError(f"caught_by must be one of {', '.join(_KEYS)}")
        for key in ("breaks", "invariant", "lane", *sorted(takes - {"seconds"})):
            if not getattr(self, key):
                raise ValueError(f"it has no {key}")
        for key in sorted(set().union(*_KEYS.values()) - takes):
            if getattr(self, key):
                raise ValueError(f"{key} does not go with caught_by = \"{self.caught_by}\"")
        if wrong := [item for item in self.invariant if not re.fullmatch(r"I([1-9]|1[012])", item)]:
            raise ValueError(f"it names {wrong[0]}; the invariants are I1 to I12")
        if self.subset and self.lane != SUBSET_LANE:
            raise ValueError(f"it is in the subset, so its lane must be {SUBSET_LANE}")


@dataclass(frozen=True)
class General:
    limit_s: float
    hang: tuple[re.Pattern[str], ...]      # what the kernel says of a task or CPU that hangs


@dataclass(frozen=True)
class Table:
    mutants: tuple[Mutant, ...]
    hang: tuple[re.Pattern[str], ...]


def folder() -> Path:
    return settings.REPO / "proof" / "mutants"


def _wrong(what: str) -> HarnessError:
    return HarnessError(Exit.USAGE, f"{folder() / 'mutants.toml'}: {what}.")


def edit_file(queue: Queue, name: str) -> Path:
    """The file with a mutant's edits: the queue's own, if it has one."""
    own = queue.dir / "mutants" / f"{name}.toml"
    return own if own.is_file() else folder() / "edits" / f"{name}.toml"


def load(queue: Queue) -> Table:
    """Reads mutants.toml for a queue, and checks it against the edits that are there.

    The queue's own mutants.toml has entries that differ, and in [left_out] mutants that make
    no sense for it, each with the reason.
    """
    data = queue.data(folder() / "mutants.toml")
    general = records.make(General, data.pop("general", {}), "[general] of mutants.toml")
    left_out = data.pop("left_out", {})
    for name in left_out:
        if name not in data or not left_out[name]:
            raise _wrong(f"{name} is left out, but is no mutant, or no reason is given")
    there = {path.stem for path in (folder() / "edits").glob("*.toml")}
    for name in sorted(there ^ data.keys()):
        raise _wrong(f"{name} is in the table, but edits/{name}.toml is missing" if name not in there
                     else f"edits/{name}.toml is there, but not in the table")
    mutants = tuple(records.make(Mutant, {"limit_s": general.limit_s, **entry}, f"mutant {name}",
                                 name=name, edits=tuple(edits.load(edit_file(queue, name))))
                    for name, entry in data.items() if name not in left_out)
    return Table(mutants, general.hang)


def choose(table: Table, names: list[str], subset: bool) -> list[Mutant]:
    """The mutants asked for, all if none is named; in the order of the table."""
    for name in names:
        look_up("mutant", name, [item.name for item in table.mutants])
    return [item for item in table.mutants
            if (not names or item.name in names) and (not subset or item.subset)]


class Watch:
    """Follows the console of a mutant's boot.

    caught says how the mutant was caught, once it was so in the way that the table
    names; others lists what else was seen.
    """

    def __init__(self, mutant: Mutant, hang: tuple[re.Pattern[str], ...]) -> None:
        self.mutant = mutant
        self.hang = hang
        self.reader = ktap.Reader()
        self.caught = ""
        self.others: list[str] = []
        self.began = False           # the suite did
        self.splat = ""              # the first one
        self.verdicts: list[str] = []    # of a torture test, those that fail

    def feed(self, line: str) -> bool:
        """Takes one more line; True once the mutant is caught as it should be."""
        text = ktap.strip(line).strip()
        failed = self.reader.failed
        before = len(failed)
        self.reader.feed(line)
        self.began = self.began or bool(self.reader.root.tests)
        way = self.mutant.caught_by
        if way == "case" and set(self.mutant.fails) <= set(failed):
            self._catch(", ".join(self.mutant.fails))
        elif way == "torture":
            self._feed_verdict(text)
        elif len(failed) > before:
            self.others.append(f"case {failed[-1]}")
        if way == "splat" and re.search(self.mutant.splat, text):
            self._see("splat", text)
        elif any(pattern.search(text) for pattern in self.hang):
            self._see("hang", text)
        elif not self.splat and splats.splat(line):
            self.splat = text
            self._see("splat", text, named=False)
        return bool(self.caught)

    def _feed_verdict(self, text: str) -> None:
        """Takes a line of a torture test, if it is one."""
        for kind in torture.kinds().values():
            if kind.begin.search(text):
                self.began = True
            for item in torture.said(kind.name, [text]):
                if item.status == "failed":
                    self.verdicts.append(item.name)
        if all(fnmatch.filter(self.verdicts, pattern) for pattern in self.mutant.fails):
            self._catch(", ".join(dict.fromkeys(self.verdicts)))

    def end(self, timed_out: bool) -> None:
        """The guest has ended, or was killed at its limit: that proves nothing.

        A guest on a busy machine reaches its limit without a mutant, too.
        """
        if timed_out:
            self.others.append(f"no end after {settings.scaled(self.mutant.limit_s):g} s"
                               + ("" if self.began else ", before the suite began"))
        if not self.caught:
            self.others += [f"torture: {name}" for name in dict.fromkeys(self.verdicts)]

    def _see(self, way: str, text: str, named: bool = True) -> None:
        if named and way == self.mutant.caught_by:
            self._catch(text)
        else:
            self.others.append(f"{way}: {text}")

    def _catch(self, text: str) -> None:
        self.caught = self.caught or f"{self.mutant.caught_by}: {text}"


def asked(lane: lane_files.Lane, mutant: Mutant, **more) -> Run:
    """What the boot of a kernel without the mutant must show."""
    if mutant.caught_by == "torture":
        wanted = {"torture": (torture.Wanted(lane.torture[0].test, 0),)}
    else:
        wanted = {"suites": (Suite(mutant.cases.partition(".")[0], 1, again=False),)}
    return Run(lane.cpus, limit_s=mutant.limit_s, glob=mutant.cases, **wanted, **more)


def baseline(lane: lane_files.Lane, console: str, exit_value: str, mutant: Mutant,
             hang: tuple[re.Pattern[str], ...]) -> list[str]:
    """Why the mutant's boot of the kernel without it is no proof that all is well there.

    That boot must pass, and hold each case or verdict that the mutant must make fail. What
    it prints must not be what the mutant would be caught by.
    """
    watch = Watch(mutant, hang)
    if any([watch.feed(line) for line in console.splitlines()]):
        return [f"a kernel without it is caught, too ({watch.caught})"]
    verdict = judge.judge(console, exit_value, asked(lane, mutant))
    if verdict.code != Exit.OK:
        return verdict.reasons
    lines = console.splitlines()
    if mutant.caught_by == "torture":
        passed = [item.name for item in torture.said(lane.torture[0].test, lines)
                  if item.status == "ok"]
        return [f"{name} was not run" for name in mutant.fails if not fnmatch.filter(passed, name)]
    cases = [case.name for case in ktap.read(judge.at_boot(lines)).root.leaves()
             if case.status == "ok"]
    return [f"{name} was not run" for name in mutant.fails
            if not any(case == name or case.startswith(name + ".") for case in cases)]
