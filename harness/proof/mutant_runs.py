"""Runs the mutants: builds each, boots it, and sees whether it is noticed.

In:  mutants, options.  Out: a Part for each, run folders build/<queue>/runs/mutants/NAME/.
The kernels are built in copies of the lanes' build folders, out/mutants-LANE; each mutant is a
change in the tree for as long as its build lasts.
"""

import filecmp
import re
import time
from dataclasses import replace
from pathlib import Path

from ..core import Exit, HarnessError, Part, Progress, Queue, proc, settings
from ..core.files import check_disk, new_folder
from ..core.report import guarded
from ..fetch import Options
from ..queue import TreeInfo, tree
from ..build import kernel_build
from ..guest import qemu
from ..judge import judge, runs, torture
from ..lanes import lane_files, lane_run
from . import edits, mutants
from .mutants import Mutant, Watch


class Caught(Exception):
    """Ends a boot as soon as there is nothing more to learn from it."""


def reduced(lane: lane_files.Lane, mutant: Mutant) -> lane_files.Lane:
    """The lane with nothing to run but what the mutant needs.

    That is its cases, at boot only, or the lane's torture test with the mutant's parameters.
    """
    short = replace(lane, suites=(), torture=(), boot_limit_s=mutant.limit_s,
                    cmdline=f"{lane.cmdline} {mutant.cmdline}".strip())
    if mutant.caught_by == "torture":
        test = lane.torture[0]
        return replace(short, torture=(replace(test, params=mutant.params,
                                               seconds=mutant.seconds or test.seconds),))
    return replace(short, suites=(runs.Suite(mutant.cases.partition(".")[0], 1, again=False),))


def asked(short: lane_files.Lane, mutant: Mutant, **more) -> runs.Run:
    """What the boot of a kernel without the mutant must show."""
    return runs.Run(short.cpus, limit_s=mutant.limit_s, glob=mutant.cases, suites=short.suites,
                    torture=tuple(torture.Wanted(item.test, 0) for item in short.torture), **more)


def guest_run(lane: lane_files.Lane, info: TreeInfo, mutant: Mutant,
              made: kernel_build.BuildResult, folder: Path, on_line=None) -> qemu.BootResult:
    """Boots with the mutant's cases and parameters; modules are those of the lane's kernel."""
    short = reduced(lane, mutant)
    spec = lane_run.accelerated(lane, lane_run.boot_spec(
        short, made.kernel, mutant.cases or None,
        lane_run.torture_entries(short, info, lane_run.out_folder(info.queue, lane))))
    folder.mkdir(parents=True, exist_ok=True)
    runs.save(asked(short, mutant, name=folder.name, build_id=made.build_id, queue=info.queue.name,
                    facts=lane_run.facts(lane, info, made, spec) | {"mutant": mutant.breaks}), folder)
    return qemu.boot(spec, folder, on_line)


def copied(queue: Queue, lane: lane_files.Lane) -> Path:
    """The folder in which the lane's mutants are built: at first a copy of the lane's."""
    out = lane_run.out_folder(queue, lane)
    own = out.with_name(f"mutants-{lane.kernel.name}")
    if not own.exists() or (own / "unfinished").exists() \
            or not filecmp.cmp(own / ".config", out / ".config", shallow=False):
        check_disk(own, "build")
        with new_folder(own) as new:
            proc.run(["cp", "-a", f"{out}/.", new], step=f"copy of {out}", limit=settings.limit("copy"))
    return own


def wrong_kernel(console: str, made: kernel_build.BuildResult) -> str:
    """What is wrong if the kernel that booted is not the mutant's, else "".

    Most of these boots end before the guest's init can say the build id. But the mutants of a
    lane are linked in one folder, one after the other, so that their numbers differ.
    """
    booted = re.search(r"Linux version .* #(\d+) ", console)
    if booted and booted[1] != made.number:
        return f"the kernel that booted is #{booted[1]}, the mutant's is #{made.number}"
    return judge.wrong_kernel(console, made.build_id, ended=False)


def caught(lane: lane_files.Lane, info: TreeInfo, mutant: Mutant, progress: Progress) -> str:
    """Builds the mutant and boots it: how it was caught; raises if it was not as it should be."""
    out = copied(info.queue, lane)
    with tree.changed(info, lambda path: edits.apply(mutant.edits, path)):
        made = kernel_build.build(lane.kernel, info.path, out, progress, [lane.arch.target],
                                  configure=False)
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
    if wrong := wrong_kernel((folder / "console.log").read_text(errors="replace"), made):
        raise HarnessError(Exit.BOOT, wrong)
    if watch.caught:
        return watch.caught
    others += watch.others()
    raise HarnessError(Exit.TEST, f"not caught by {mutant.caught_by}, but: {'; '.join(others)}" if others
                       else "SURVIVED: the run passed as if nothing was broken")


def of_lane(lane: lane_files.Lane, chosen: list[Mutant], info: TreeInfo,
            progress: Progress) -> list[Part]:
    """Each mutant's cases must pass with the lane's own kernel; then the mutant is tried.

    Mutants that share cases and parameters share a boot of that kernel.
    """
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
        console = (booted[key] / "console.log").read_text(errors="replace")
        if wrong := mutants.baseline(mutant, console, judge.judge_folder(booted[key])):
            raise HarnessError(Exit.TEST, f"its cases fail without it: {'; '.join(wrong)}")
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
