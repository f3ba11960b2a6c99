"""The mutants: small edits that each break one thing, and what has to catch each.

In:  proof/mutants/, what a queue has in their place.
Out: Mutant, load(), choose(); run() builds each, boots it, and sees whether it is noticed: a Part for
     each, run folders build/<queue>/runs/mutants/NAME/. Times are host seconds.
The kernels are built in copies of the lanes' build folders, out/mutants-LANE; each mutant is a
change in the tree for as long as its build lasts.
"""

import filecmp
import fnmatch
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..core import Exit, Part, Progress, Queue, look_up, proc, records, require, settings
from ..core.files import check_disk, new_folder
from ..core.records import Text
from ..core.report import guarded
from ..fetch import Options
from ..queue import TreeInfo, tree
from ..build import kernel_build
from ..guest import qemu
from ..judge import judge, ktap, runs, splats, torture
from ..lanes import lane_files, lane_run
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


def folder() -> Path:
    return settings.REPO / "proof" / "mutants"


def load(queue: Queue) -> list[Mutant]:
    """Reads mutants.toml for a queue, and checks it against the edits that are there.
    The queue's own mutants.toml has entries that differ, and in [left_out] mutants that make no sense
    for it, each with the reason; its folder mutants/ has edits that differ."""
    path = folder() / "mutants.toml"
    data = queue.data(path)
    general, left_out = data.pop("general", {}), data.pop("left_out", {})
    records.value(dict[str, Text], left_out, f"left_out of {path}")
    files = {file.stem: file for where in (folder() / "edits", queue.dir / "mutants")
             for file in where.glob("*.toml")}
    wrong = files.keys() ^ data.keys() | left_out.keys() - data.keys()
    require(not wrong, f"{path}: each mutant must be in the table and in edits/, and only mutants can be "
            f"left out; not so: {', '.join(sorted(wrong))}.")
    return [records.make(Mutant, {**general, **entry}, f"mutant {name}", name=name,
                         edits=edits.load(files[name]))
            for name, entry in data.items() if name not in left_out]


def choose(mutants: list[Mutant], names: list[str], subset: bool) -> list[Mutant]:
    """The mutants asked for, all if none is named; in the order of the table."""
    for name in names:
        look_up("mutant", name, [item.name for item in mutants], "proof/mutants/mutants.toml")
    return [item for item in mutants
            if (not names or item.name in names) and (not subset or item.subset)]


# --- what a boot shows


class Watch:
    """Follows the console of a mutant's boot.
    caught says how the mutant was caught, once it was so in the way that the table names; others() what
    else was seen."""

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
            self.verdicts += [item.name for item in torture.said(test, [text]) if item.status == "failed"]
        found = [fnmatch.filter(self.failed, glob) for glob in self.mutant.fails]
        if any(pattern.search(text) for pattern in self.lines):
            found = [[text]]
        elif splats.splat(line) or any(pattern.search(text) for pattern in self.mutant.hang):
            self.report = self.report or text
        if found and all(found) and not self.caught:
            names = dict.fromkeys(name for names in found for name in names)
            self.caught = f"{self.mutant.caught_by}: {', '.join(names)}"
        return bool(self.caught)

    def others(self) -> list[str]:
        return [*(f"{name} failed" for name in self.failed), *([self.report] if self.report else [])]


def baseline(mutant: Mutant, console: str, verdict: judge.Verdict) -> list[str]:
    """Why the mutant's boot of the kernel without it is no proof that all is well there.
    That boot must pass, and hold each case or verdict that the mutant must make fail. What it prints
    must not be what the mutant would be caught by."""
    lines, watch = console.splitlines(), Watch(mutant)
    if any([watch.feed(line) for line in lines]):
        return [f"a kernel without it is caught, too ({watch.caught})"]
    if verdict.code != Exit.OK:
        return verdict.reasons
    leaves = ktap.read(judge.at_boot(lines)).root.leaves()
    leaves += [item for test in torture.kinds() for item in torture.said(test, lines)]
    passed = [item.name for item in leaves if item.status == "ok"]
    return [f"{name} was not run" for name in mutant.fails
            if not fnmatch.filter(passed, name) and not fnmatch.filter(passed, f"{name}.*")]


# --- build and boot


class Caught(Exception):
    """Ends a boot as soon as there is nothing more to learn from it."""


def reduced(lane: lane_files.Lane, mutant: Mutant) -> lane_files.Lane:
    """The lane with nothing to run but what the mutant needs.
    That is its cases, at boot only, or the lane's torture test with the mutant's parameters."""
    short = replace(lane, suites=(), torture=(), boot_limit_s=mutant.limit_s,
                    cmdline=f"{lane.cmdline} {mutant.cmdline}".strip())
    if mutant.caught_by == "torture":
        test = lane.torture[0]
        return replace(short, torture=(replace(test, params=mutant.params,
                                               seconds=mutant.seconds or test.seconds),))
    return replace(short, suites=(runs.Suite(mutant.cases.partition(".")[0], 1, again=False),))


def asked(short: lane_files.Lane, mutant: Mutant) -> runs.Run:
    """What the boot of a kernel without the mutant must show."""
    return runs.Run(short.cpus, glob=mutant.cases, suites=short.suites, facts={"mutant": mutant.breaks},
                    torture=tuple(torture.Wanted(item.test, 0) for item in short.torture))


def guest_run(lane: lane_files.Lane, info: TreeInfo, mutant: Mutant,
              made: kernel_build.BuildResult, folder: Path, on_line=None) -> qemu.BootResult:
    """Boots with the mutant's cases and parameters; modules are those of the lane's kernel."""
    short = reduced(lane, mutant)
    entries = lane_run.step_entries(short, info, lane_run.out_folder(info.queue, lane))
    return lane_run.boot_saved(short, info, made, entries, asked(short, mutant), folder, on_line)[1]


def copied(queue: Queue, lane: lane_files.Lane) -> Path:
    """The folder in which the lane's mutants are built: at first a copy of the lane's."""
    out = lane_run.out_folder(queue, lane)
    own = out.with_name(f"mutants-{lane.kernel.name}")
    if not own.exists() or (own / "unfinished").exists() \
            or not filecmp.cmp(own / ".config", out / ".config", shallow=False):
        check_disk(own, "build")
        with new_folder(own) as new:
            proc.run(["cp", "-a", f"{out}/.", new], step=f"copy of {out}", limit="copy")
    return own


def wrong_kernel(console: str, made: kernel_build.BuildResult) -> str:
    """What is wrong if the kernel that booted is not the mutant's, else "".
    Most of these boots end before the guest's init can say the build id. But the mutants of a lane are
    linked in one folder, one after the other, so that their numbers differ."""
    booted = re.search(r"Linux version .* #(\d+) ", console)
    if booted and booted[1] != made.number:
        return f"the kernel that booted is #{booted[1]}, the mutant's is #{made.number}"
    return judge.wrong_kernel(console, made.build_id, ended=False)


def caught(lane: lane_files.Lane, info: TreeInfo, mutant: Mutant, progress: Progress) -> str:
    """Builds the mutant and boots it: how it was caught; raises if it was not as it should be."""
    out = copied(info.queue, lane)
    with tree.changed(info, lambda path: edits.apply(mutant.edits, path)):
        made = kernel_build.build(lane.kernel, info.path, out, progress, [lane.arch.target],
                                  configured=True)
    watch, others = Watch(mutant), []

    def on_line(line: str) -> None:
        progress.tick(f"{mutant.name}: booted")
        if watch.feed(line):
            raise Caught

    folder = lane_run.run_folder(info.queue, f"mutants/{mutant.name}")
    try:
        # On a busy machine, a guest without a mutant reaches its limit, too: that proves nothing.
        if guest_run(lane, info, mutant, made, folder, on_line).timed_out:
            others = [f"no end after {settings.scaled(mutant.limit_s):g} s"]
    except Caught:
        pass
    console = qemu.console(folder)
    wrong = wrong_kernel(console, made)
    require(not wrong, wrong, Exit.BOOT)
    others += watch.others()
    if not others and not qemu.came_to_its_end(console):
        others = ["the guest's steps did not come to their end"]
    require(watch.caught, f"not caught by {mutant.caught_by}, but: {'; '.join(others)}" if others else
            "SURVIVED: the run passed as if nothing was broken", Exit.TEST)
    return watch.caught


def of_lane(lane: lane_files.Lane, chosen: list[Mutant], info: TreeInfo,
            progress: Progress) -> list[Part]:
    """Each mutant's cases must pass with the lane's own kernel; then the mutant is tried.
    Mutants that share cases and parameters share a boot of that kernel."""
    lane_run.need(lane)
    progress.phase(f"lane {lane.name}: its kernel, without a mutant")
    made = kernel_build.build(lane.kernel, info.path, lane_run.out_folder(info.queue, lane), progress)
    progress.done("built")
    booted: dict[tuple[str, str, str, float], Path] = {}

    def one(mutant: Mutant) -> Part:
        start = time.monotonic()
        key = (mutant.cases, mutant.params, mutant.cmdline, mutant.limit_s)
        if key not in booted:
            progress.tick(f"without it: {mutant.cases or mutant.params}")
            folder = lane_run.run_folder(info.queue, f"mutants/without-{mutant.name}")
            guest_run(lane, info, mutant, made, folder)
            booted[key] = folder
        console = qemu.console(booted[key])
        wrong = baseline(mutant, console, judge.judge_folder(booted[key]))
        require(not wrong, f"its cases fail without it: {'; '.join(wrong)}", Exit.TEST)
        text = f"{' '.join(mutant.invariant)}: {caught(lane, info, mutant, progress)}"
        return Part(f"mutant {mutant.name}", Exit.OK, 1, 0, 0, time.monotonic() - start, text)

    parts = []
    for mutant in chosen:
        progress.phase(f"{mutant.name}: {mutant.breaks}")
        parts += guarded(f"mutant {mutant.name}", progress, lambda: one(mutant))
    return parts


def phases(chosen: list[Mutant]) -> int:
    return len(chosen) + len({mutant.lane for mutant in chosen})


def run(chosen: list[Mutant], opts: Options, progress: Progress) -> list[Part]:
    """Runs mutants, lane by lane."""
    info = tree.ensure_tree(opts, progress)
    parts: list[Part] = []
    for name in dict.fromkeys(mutant.lane for mutant in chosen):
        parts += guarded(f"mutants of lane {name}", progress, lambda: of_lane(
            lane_files.load(name, opts.queue), [mutant for mutant in chosen if mutant.lane == name],
            info, progress))
    return parts
