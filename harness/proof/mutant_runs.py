"""Runs the mutants: builds each, boots it, and sees whether it is noticed.

In:  mutants, options.  Out: a Part for each, run folders build/<queue>/runs/mutants/NAME/.
The kernels are built in copies of the lanes' build folders, out/mutants-LANE; each mutant is a
change in the tree for as long as its build lasts.
"""

import filecmp
import json
import re
import time
from dataclasses import replace
from pathlib import Path

from ..core import Exit, HarnessError, Part, Progress, Queue, proc, settings
from ..core.files import check_disk, new_folder
from ..fetch import Options
from ..queue import TreeInfo, tree
from ..build import kernel_build
from ..guest import qemu
from ..judge import judge, runs
from ..lanes import lane_files, lane_run
from . import edits, mutants
from .mutants import Mutant, Table, Watch


class Caught(Exception):
    """Ends a boot as soon as there is nothing more to learn from it."""


def reduced(lane: lane_files.Lane, mutant: Mutant) -> lane_files.Lane:
    """The lane with nothing to run but what the mutant needs.

    That is its cases, at boot only, or the lane's torture test with the mutant's parameters.
    """
    if mutant.caught_by == "torture":
        asked = lane.torture[0]
        return replace(lane, suites=(), torture=(replace(
            asked, params=mutant.params, seconds=mutant.seconds or asked.seconds),))
    return replace(lane, torture=(), suites=tuple(replace(suite, again=False)
                                                  for suite in lane.suites))


def guest_run(lane: lane_files.Lane, info: TreeInfo, mutant: Mutant,
              made: kernel_build.BuildResult, folder: Path, on_line=None) -> qemu.BootResult:
    """Boots with the mutant's cases and parameters; modules are those of the lane's kernel."""
    short = reduced(lane, mutant)
    spec = lane_run.boot_spec(short, made.kernel, mutant.cases or None, lane_run.step_entries(
        short, info, lane_run.out_folder(info.queue, lane)))
    spec = lane_run.accelerated(lane, replace(spec, cmdline=f"{spec.cmdline} {mutant.cmdline}".strip(),
                                              limit_s=settings.scaled(mutant.limit_s)))
    folder.mkdir(parents=True, exist_ok=True)
    runs.save(mutants.asked(lane, mutant, name=folder.name, build_id=made.build_id,
                            queue=info.queue.name,
                            facts=lane_run.facts(lane, info, made, spec) | {"mutant": mutant.breaks}),
              folder)
    return qemu.boot(spec, folder, on_line)


def copied(queue: Queue, lane: lane_files.Lane) -> Path:
    """The folder in which the lane's mutants are built: at first a copy of the lane's."""
    out = lane_run.out_folder(queue, lane)
    own = out.with_name(f"mutants-{lane.kernel.name}")
    if own.exists() and not (own / "unfinished").exists() \
            and filecmp.cmp(own / ".config", out / ".config", shallow=False):
        return own
    check_disk(own, "build")
    with new_folder(own) as new:
        proc.run(["cp", "-a", f"{out}/.", new], step=f"copy of {out}", limit=settings.limit("copy"))
        (new / "built.json").unlink(missing_ok=True)
    return own


def without(lane: lane_files.Lane, info: TreeInfo, made: kernel_build.BuildResult, table: Table,
            chosen: list[Mutant], progress: Progress) -> dict[str, str]:
    """Boots the lane's own kernel with each mutant's cases and parameters.

    Returns what is wrong with the mutant's boot, "" if it passes. Mutants that share
    cases and parameters share a boot.
    """
    ended: dict[tuple[str, str, str, float], qemu.BootResult] = {}
    wrong = {}
    for mutant in chosen:
        key = (mutant.cases, mutant.params, mutant.cmdline, mutant.limit_s)
        progress.tick(f"without a mutant: {mutant.cases or mutant.params}")
        if key not in ended:
            folder = lane_run.run_folder(info.queue, f"mutants/without-{mutant.name}")
            ended[key] = guest_run(lane, info, mutant, made, folder)
        console = ended[key].console.read_text(errors="replace")
        wrong[mutant.name] = judge.wrong_kernel(console, made.build_id) or \
            "; ".join(mutants.baseline(lane, console, ended[key].exit, mutant, table.hang))
    return wrong


def wrong_kernel(console: str, made: kernel_build.BuildResult) -> str:
    """What is wrong if the kernel that booted is not the mutant's, else "".

    Most of these boots end before the guest's init can say the build id. But the mutants of a
    lane are linked in one folder, one after the other, so that their numbers differ.
    """
    booted = re.search(r"Linux version .* #(\d+) ", console)
    if booted and booted[1] != made.number:
        return f"the kernel that booted is #{booted[1]}, the mutant's is #{made.number}"
    return judge.wrong_kernel(console, made.build_id, ended=False)


def one(lane: lane_files.Lane, info: TreeInfo, table: Table, mutant: Mutant,
        progress: Progress) -> tuple[Exit, str]:
    """Builds the mutant and boots it: whether it was caught as it should be, and how."""
    out = copied(info.queue, lane)
    with tree.changed(info, lambda path: edits.apply(mutant.edits, path)):
        made = kernel_build.build(lane.kernel, info.path, out, progress, [lane.arch.target],
                                  configure=False)
    watch = Watch(mutant, table.hang)

    def on_line(line: str) -> None:
        progress.tick(f"{mutant.name}: booted")
        if watch.feed(line):
            raise Caught

    folder = lane_run.run_folder(info.queue, f"mutants/{mutant.name}")
    began = time.monotonic()
    try:
        watch.end(guest_run(lane, info, mutant, made, folder, on_line).timed_out)
    except Caught:
        pass
    record = {"mutant": mutant.name, "boot_s": round(time.monotonic() - began, 1),
              "caught": watch.caught, "others": watch.others}
    (folder / "mutant.json").write_text(json.dumps(record, indent=1) + "\n")
    console = (folder / "console.log").read_text(errors="replace")
    if wrong := wrong_kernel(console, made):
        return Exit.BOOT, wrong
    if watch.caught:
        return Exit.OK, watch.caught
    if watch.others:
        return Exit.TEST, f"not caught by {mutant.caught_by}, but: " \
            + "; ".join(dict.fromkeys(watch.others))
    return Exit.TEST, "SURVIVED: the run passed as if nothing was broken"


def part(mutant: Mutant, code: Exit, text: str, seconds: float = 0) -> Part:
    good = code == Exit.OK
    return Part(f"mutant {mutant.name}", code, int(good), int(not good), 0, seconds,
                f"{' '.join(mutant.invariant)}: {text}")


def of_lane(lane: lane_files.Lane, chosen: list[Mutant], info: TreeInfo, table: Table,
            progress: Progress) -> list[Part]:
    lane_run.need(lane)
    progress.phase(f"lane {lane.name}: its kernel, and the cases without a mutant")
    made = kernel_build.build(lane.kernel, info.path, lane_run.out_folder(info.queue, lane), progress)
    wrong = without(lane, info, made, table, chosen, progress)
    bad = [name for name, text in wrong.items() if text]
    progress.done(f"FAILED: those of {', '.join(bad)}" if bad else "all pass")
    parts = []
    for mutant in chosen:
        progress.phase(f"{mutant.name}: {mutant.breaks}")
        start = time.monotonic()
        try:
            code, text = (Exit.TEST, f"its cases fail without it: {wrong[mutant.name]}") \
                if wrong[mutant.name] else one(lane, info, table, mutant, progress)
        except HarnessError as error:
            code, text = error.code, error.message
        progress.done(text.splitlines()[0] if code == Exit.OK else f"FAILED: {text}")
        parts.append(part(mutant, code, text, time.monotonic() - start))
    return parts


def phases(chosen: list[Mutant]) -> int:
    return len(chosen) + len({mutant.lane for mutant in chosen})


def run(chosen: list[Mutant], table: Table, opts: Options, progress: Progress) -> list[Part]:
    info = tree.ensure_tree(opts, progress)
    parts: list[Part] = []
    for name in dict.fromkeys(mutant.lane for mutant in chosen):
        mine = [mutant for mutant in chosen if mutant.lane == name]
        try:
            parts += of_lane(lane_files.load(name, opts.queue), mine, info, table, progress)
        except HarnessError as error:      # the lane's own kernel cannot be had
            parts += [part(mutant, error.code, error.message) for mutant in mine]
    return parts
