"""Judges one run from the files it left.

In:  a run folder: run.json (Run), console.log, exit.  Out: Verdict, verdict.json.
A run passes only if the guest switched itself off and its init said "success", the kernel is the
one that was built, all suites and torture tests ran as the lane asks for and none failed, and no
line of the console is a splat.
"""

import dataclasses
import itertools
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..core import Exit, queues, require
from ..guest import qemu
from ..guest.qemu import INIT
from . import kcsan, ktap, runs, splats, torture
from .runs import Run, Suite
from .torture import Result

# What a kernel with CONFIG_PREEMPT_DYNAMIC says of preempt=MODEL on its command line.
_MODEL = re.compile(r"Dynamic Preempt: (\w+)\s*$", re.MULTILINE)


@dataclass
class Verdict:
    code: Exit = Exit.OK
    passed: int = 0            # cases, all runs together, and torture tests
    failed: int = 0
    skipped: int = 0
    runs: dict[str, int] = field(default_factory=dict)      # "at boot" -> executed cases
    reasons: list[str] = field(default_factory=list)        # why it did not pass
    splats: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)   # data races that are not the series'
    excused: list[str] = field(default_factory=list)     # known reports of the base kernel
    torture: list[Result] = field(default_factory=list)

    def fail(self, code: Exit, *reasons: str) -> None:
        """BOOT hides SPLAT, which hides TEST: the first cause comes out as exit code."""
        if reasons:
            self.code = max(self.code, code, key=[Exit.OK, Exit.TEST, Exit.SPLAT, Exit.BOOT].index)
        self.reasons += reasons

    def text(self) -> str:
        runs = ", ".join(f"{count} {name}" for name, count in self.runs.items())
        # A lane without suites has torture tests only; their own lines follow.
        cases = f"cases executed: {runs or 'none'}; " if runs or not self.torture else ""
        head = f"{'passed' if self.code == Exit.OK else 'FAILED (' + self.code.name + ')'}; " \
               f"{cases}{self.failed} failed, {self.skipped} skipped, " \
               f"{len(self.splats)} splat lines"
        tests = [line for item in self.torture for line in item.text().splitlines()]
        counted = []
        for what, titles, each in (
                ("data races elsewhere", self.elsewhere, "outside of what the series touches"),
                ("known reports", self.excused, "known report")):
            head += f"; {len(titles)} {what}" if titles else ""
            counted += [f"{count} x {each}: {title}" for title, count in sorted(Counter(titles).items())]
        return "\n  ".join([head, *tests, *self.reasons, *counted])


def at_boot(lines: list[str]) -> list[str]:
    """The part of a console in which the suites ran at boot, or when they were loaded.
    It ends where init runs something, or takes a module away; lines of init are left out."""
    first = itertools.takewhile(lambda line: not ktap.strip(line).startswith(
        (INIT + "run ", INIT + "unload ")), lines)
    return [line for line in first if not ktap.strip(line).startswith(INIT)]


def _judge_suites(verdict: Verdict, name: str, root: ktap.Test, suites: list[Suite],
                  whole: bool) -> None:
    """Adds one run of the suites to the verdict."""
    verdict.fail(Exit.TEST, *(f"{name}: {problem}" for problem in [
        *ktap.incomplete(root, root.tests), *ktap.complaints(root, suites, whole)]))
    counts = Counter(leaf.status for leaf in root.leaves())
    verdict.runs[name] = counts["ok"] + counts["failed"]
    verdict.passed += counts["ok"]
    verdict.failed += counts["failed"]
    verdict.skipped += counts["skipped"]


def _judge_second_opinion(verdict: Verdict, name: str, theirs: dict[str, int]) -> None:
    """Compares what kunit.py counts with the verdict, which holds the first run so far.
    Its counts of crashed cases and of errors have no like here: they must be 0."""
    ours = {"passed": verdict.passed, "failed": verdict.failed, "skipped": verdict.skipped}
    if not theirs:
        verdict.fail(Exit.TEST, f"{name}: the summary of kunit.py parse was not understood")
    elif any(theirs.get(key, 0) != ours.get(key, 0) for key in theirs | ours):
        verdict.fail(Exit.TEST, f"{name}: kunit.py counts {theirs}, this harness {ours}")


def _judge_reports(verdict: Verdict, lines: list[str], run: Run, wanted: set[int]) -> None:
    """Adds what the kernel reported, wherever it did, but for the wanted lines."""
    queue = queues.load(run.queue)
    races = [] if run.touched is None else kcsan.means(lines, run.touched, queue)
    reports = splats.excused(lines, queue)
    verdict.elsewhere = [race.title for race, means in races if not means]
    verdict.excused = [title for title, _ in reports]
    meant = {race.line: means for race, means in races} \
        | {number: "" for _, numbers in [*reports, ("", wanted)] for number in numbers}
    for number, line in enumerate(lines, 1):
        if (means := meant.get(number, splats.splat(line))) \
                and not (run.spoken and re.search(run.spoken, line)):
            verdict.splats.append(f"console.log:{number}: {ktap.strip(line).strip()} ({means})")
    more = len(verdict.splats) - ktap.SHOWN
    verdict.fail(Exit.SPLAT, *verdict.splats[:ktap.SHOWN],
                 *([f"{more} more splat lines"] if more > 0 else []))


def wrong_kernel(console: str, build_id: str, ended: bool = True) -> str:
    """What is wrong if the kernel that booted is not the one with that build id, else "".

    An image can be older than the kernel that was built, if what is between them came from a cache. The
    guest's init says the id; ended says whether the guest must have come that far.
    """
    booted = set(re.findall(rf"{INIT}build (\w+)", console))
    if booted == {build_id} or not booted and not ended:
        return ""
    return (f"the kernel that booted has the build id {', '.join(booted) or '(none said)'}, the "
            f"one that was built {build_id}; remove the kernel's folder below build/*/out and "
            "build it again")


def _panic(lines: list[str], message: str) -> tuple[bool, set[int]]:
    """Whether the guest panicked; the lines of the panic that was asked for: its first and the
    title of its stack. None if it is another one, or not the only one."""
    first = [number for number, line in enumerate(lines, 1) if "Kernel panic" in line]
    if len(first) != 1 or not message \
            or ktap.strip(lines[first[0] - 1]).strip() != f"Kernel panic - not syncing: {message}":
        return bool(first), set()
    traces = [number for number in range(first[0] + 1, min(first[0] + 10, len(lines) + 1))
              if "Call Trace:" in lines[number - 1]]
    return True, {*first, *traces[:1]}


def judge(console: str, exit_value: str, run: Run) -> Verdict:
    verdict = Verdict()
    lines = console.splitlines()
    texts = [ktap.strip(line) for line in lines]
    said = [text.removeprefix(INIT) for text in texts if text.startswith(INIT)]
    tail = "\n".join("    " + line for line in lines[-5:])
    if not any("Linux version " in line for line in lines):
        verdict.fail(Exit.BOOT, "the console shows no line of a Linux kernel")
    if exit_value == qemu.TIMEOUT:
        verdict.fail(Exit.BOOT, "the guest did not end within the limit of "
                     f"{run.limit_s:g} s and was killed; its last lines:\n{tail}")
    elif exit_value != "0":
        verdict.fail(Exit.BOOT, f"QEMU ended with exit value {exit_value or '(none)'}; "
                     f"its last lines:\n{tail}")
    panicked, wanted = _panic(lines, run.panic)
    if panicked and not wanted:
        verdict.fail(Exit.BOOT, "the guest panicked")
    elif run.panic and not wanted:
        verdict.fail(Exit.BOOT, f"the guest did not panic with {run.panic!r} once")
    ended = bool(wanted) and not any("Linux version " in line for line in lines[min(wanted):])
    if "success" not in said and not ended:
        verdict.fail(Exit.BOOT, "the guest's init did not say success"
                     + (f"; the last it said: {said[-1]}" if said else ""))
    if run.build_id and (wrong := wrong_kernel(console, run.build_id, "success" in said)):
        verdict.fail(Exit.BOOT, wrong)
    if run.model and (models := _MODEL.findall(console)) != [run.model]:
        verdict.fail(Exit.BOOT, f"it does not run with preempt={run.model}, but says "
                     f"{', '.join(models) or 'nothing'}")
    if run.suites:
        first = "as modules" if run.modules else "at boot"
        _judge_suites(verdict, first, ktap.read(at_boot(lines)).root, run.suites, not run.glob)
        if run.kunit_py is not None:
            _judge_second_opinion(verdict, first, run.kunit_py)
        if due := [suite for suite in run.suites if suite.again]:
            _judge_suites(verdict, "after boot", ktap.read(lines, INIT + "| ").root, due,
                          not run.glob)
    own = [line for line, text in zip(lines, texts) if not text.startswith(INIT)]
    for asked in run.torture:
        tested = torture.judge(asked, own)
        verdict.torture.append(tested)
        verdict.passed += not tested.problems
        verdict.failed += bool(tested.problems)
        verdict.fail(Exit.TEST, *(f"{tested.test}: {problem}" for problem in tested.problems))
    online = [int(found[1]) for text in said if (found := re.fullmatch(r"cpus (\d+) online", text))]
    for count, asked in zip(online, itertools.chain([run.boot_cpus], itertools.repeat(0))):
        if run.cpus and count != (asked or run.cpus):
            verdict.fail(Exit.TEST, f"{count} CPUs were online, not {asked or run.cpus}")
    _judge_reports(verdict, lines, run, wanted)
    return verdict


def judge_folder(folder: Path) -> Verdict:
    """Judges the run in a folder and writes its verdict.json."""
    run = runs.load(folder)
    ended = folder / "exit"
    require((folder / "console.log").is_file(), f"{folder} is no run folder: it has no console.log.")
    verdict = judge(qemu.console(folder), ended.read_text().strip() if ended.exists() else "", run)
    record = {**dataclasses.asdict(run), **dataclasses.asdict(verdict), "code": verdict.code.name}
    (folder / "verdict.json").write_text(json.dumps(record, indent=1) + "\n")
    return verdict
