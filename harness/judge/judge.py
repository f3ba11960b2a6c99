"""Judges one run from the files it left.

In:  a run folder: run.json (Run), console.log, exit.  Out: Verdict, verdict.json.
A run passes only if the guest switched itself off and its init said "success", the kernel is the
one that was built, all suites and torture tests ran as the lane asks for and none failed, and no
line of the console is a splat.
"""

import dataclasses
import fnmatch
import functools
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable

from ..core import Exit, HarnessError, Queue, queues, settings
from ..guest import qemu
from . import excused, kcsan, ktap, runs, torture
from .runs import Run, Suite
from .torture import Result

INIT = "harness: "             # what the guest's init puts before its lines
# What a kernel with CONFIG_PREEMPT_DYNAMIC says of preempt=MODEL on its command line.
_MODEL = re.compile(r"Dynamic Preempt: (\w+)\s*$", re.MULTILINE)
SHOWN = 10                     # problems of one kind that are listed in full


@dataclass(frozen=True)
class Splat:
    line: int                  # in console.log, from 1
    text: str
    means: str


@dataclass
class Verdict:
    code: Exit = Exit.OK
    passed: int = 0            # cases, all runs together, and torture tests
    failed: int = 0
    skipped: int = 0
    runs: dict[str, int] = field(default_factory=dict)      # "at boot" -> executed cases
    reasons: list[str] = field(default_factory=list)        # why it did not pass
    splats: list[Splat] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)   # data races that are not the series'
    excused: list[str] = field(default_factory=list)     # known reports of the base kernel
    torture: list[Result] = field(default_factory=list)

    def fail(self, code: Exit, reason: str) -> None:
        """BOOT hides SPLAT, which hides TEST: the first cause comes out as exit code."""
        rank = [Exit.OK, Exit.TEST, Exit.SPLAT, Exit.BOOT]
        self.code = max(self.code, code, key=rank.index)
        self.reasons.append(reason)

    def text(self) -> str:
        runs = ", ".join(f"{count} {name}" for name, count in self.runs.items())
        # A lane without suites has torture tests only; their own lines follow.
        cases = f"cases executed: {runs or 'none'}; " if runs or not self.torture else ""
        head = f"{'passed' if self.code == Exit.OK else 'FAILED (' + self.code.name + ')'}; " \
               f"{cases}{self.failed} failed, {self.skipped} skipped, " \
               f"{len(self.splats)} splat lines"
        races = [f"  {count} x outside of what the series touches: {title}"
                 for title, count in sorted(Counter(self.elsewhere).items())]
        if races:
            head += f"; {len(self.elsewhere)} data races elsewhere"
        known = [f"  {count} x known report: {title}"
                 for title, count in sorted(Counter(self.excused).items())]
        if known:
            head += f"; {len(self.excused)} known reports"
        tests = ["  " + line for item in self.torture for line in item.text().splitlines()]
        return "\n".join([head, *tests,
                          *("  " + reason for reason in self.reasons), *races, *known])


@functools.cache
def _splat_rules() -> list[tuple[re.Pattern[str], str]]:
    data = settings.toml(settings.DATA / "splats.toml")
    return [(re.compile(item["regex"]), item["means"]) for item in data["pattern"]]


def splat(line: str) -> str | None:
    """What a console line reports, or None if it is an ordinary one."""
    text = ktap.strip(line)
    return next((means for pattern, means in _splat_rules() if pattern.search(text)), None)


def _split(lines: list[str]) -> tuple[list[str], dict[str, list[str]], list[str]]:
    """Console into: the first run of the suites, results per suite, what init said."""
    before: list[str] = []
    results: dict[str, list[str]] = {}
    said: list[str] = []
    suite = ""
    for line in lines:
        text = ktap.strip(line)
        if not text.startswith(INIT):
            if not any(item.startswith(("run ", "unload ")) for item in said):
                before.append(line)
            continue
        text = text.removeprefix(INIT)
        if text.startswith("| "):
            if suite:
                results[suite].append(text[2:])
            continue
        said.append(text)
        begin = re.fullmatch(r"results (\S+) begin", text)
        if text.startswith("results "):
            suite = begin[1] if begin else ""
        if begin:
            results[suite] = []
    return before, results, said


def at_boot(lines: list[str]) -> list[str]:
    """The part of a console in which the suites ran at boot, or when they were loaded."""
    return _split(lines)[0]


def _judge_skips(verdict: Verdict, name: str, report: ktap.Report, asked: Suite,
                 whole: bool) -> list[ktap.Case]:
    """Fails listed cases that were not skipped; returns the skipped ones of the list.

    A pattern must match something if the whole suite ran: it guards nothing otherwise.
    """
    leaves = [case for suite in report.suites if suite.name == asked.name
              for case in suite.leaves]
    listed: list[ktap.Case] = []
    for pattern in asked.skips:
        # A case stands for its parameters: one that was skipped with all of them can be
        # reported as one case, or as one for each parameter.
        whole_case = f"{asked.name}.{pattern}"
        found = [case for case in leaves if fnmatch.fnmatchcase(case.name, whole_case)
                 or fnmatch.fnmatchcase(case.name, whole_case + ".*")]
        listed += [case for case in found if case.status == "skipped"]
        ran = [case for case in found if case.status != "skipped"]
        if ran:
            verdict.fail(Exit.TEST, f"{name}: {ran[0].name} must be skipped ({asked.why}) but "
                         f"was executed, with {len(ran) - 1} more of {pattern}")
        if not found and whole:
            verdict.fail(Exit.TEST, f"{name}: no case is named {asked.name}.{pattern}, which "
                         "the lane lists under skips")
    return listed


def _judge_run(verdict: Verdict, name: str, report: ktap.Report,
               suites: Iterable[Suite], whole: bool) -> None:
    """Adds one run of the suites to the verdict."""
    for problem in report.problems:
        verdict.fail(Exit.TEST, f"{name}: {problem}")
    failed, skipped = report.leaves("failed"), report.leaves("skipped")
    verdict.runs[name] = report.executed
    verdict.passed += len(report.leaves("ok"))
    verdict.failed += len(failed)
    verdict.skipped += len(skipped)
    listed = [case for asked in suites
              for case in _judge_skips(verdict, name, report, asked, whole)]
    unlisted = [case for case in skipped if not any(case is item for item in listed)]
    for kind, cases in (("failed", failed), ("was skipped", unlisted)):
        for case in cases[:SHOWN]:
            verdict.fail(Exit.TEST, f"{name}: {case.name} {kind}"
                         + (f" ({case.reason})" if case.reason else ""))
        if len(cases) > SHOWN:
            verdict.fail(Exit.TEST, f"{name}: {len(cases) - SHOWN} more cases: {kind}")
    for asked in suites:
        found = [suite for suite in report.suites if suite.name == asked.name]
        count = sum(case.status != "skipped" for suite in found for case in suite.leaves)
        if count < asked.min_cases:
            verdict.fail(Exit.TEST, f"{name}: suite {asked.name} executed {count} cases, "
                         f"at least {asked.min_cases} must run")


def _judge_second_opinion(verdict: Verdict, theirs: dict[str, int]) -> None:
    """Compares what kunit.py counts with the verdict, which holds the run at boot so far.

    Its counts of crashed cases and of errors have no like here: they must be 0.
    """
    ours = {"passed": verdict.passed, "failed": verdict.failed, "skipped": verdict.skipped}
    if not theirs:
        verdict.fail(Exit.TEST, "first run: the summary of kunit.py parse was not understood")
    elif any(theirs.get(key, 0) != ours.get(key, 0) for key in theirs | ours):
        verdict.fail(Exit.TEST, f"first run: kunit.py counts {theirs}, this harness {ours}")


def _judge_races(verdict: Verdict, lines: list[str], run: Run, queue: Queue) -> dict[int, str]:
    """What the title of each KCSAN report means, by line; "" where it is none of ours."""
    if run.touched is None:
        return {}
    means = {}
    for race in kcsan.reports(lines, kcsan.rules(queue)):
        ours = sorted(race.functions & set(run.touched))
        if race.problem:
            means[race.line] = f"a data race; {race.problem}, so it may be the series'"
        elif ours:
            means[race.line] = "a data race in what the series touches: " + ", ".join(ours)
        else:
            means[race.line] = ""
            verdict.elsewhere.append(race.title)
    return means


def wrong_kernel(console: str, build_id: str, ended: bool = True) -> str:
    """What is wrong if the kernel that booted is not the one with that build id, else "".

    An image can be older than the kernel that was built, when something between the link
    and the image is taken from a cache, or was not built again. The guest's init says the
    id; ended says whether the guest must have come that far.
    """
    booted = {found for found in re.findall(r"harness: build (\w+)", console)}
    if booted == {build_id} or not booted and not ended:
        return ""
    return (f"the kernel that booted has the build id {', '.join(booted) or '(none said)'}, the "
            f"one that was built {build_id}; remove the kernel's folder below build/*/out and "
            "build it again")


def judge(console: str, exit_value: str, run: Run) -> Verdict:
    verdict = Verdict()
    lines = console.splitlines()
    tail = "\n".join("    " + line for line in lines[-5:])
    if not any("Linux version " in line for line in lines):
        verdict.fail(Exit.BOOT, "the console shows no line of a Linux kernel")
    if exit_value == qemu.TIMEOUT:
        verdict.fail(Exit.BOOT, "the guest did not end within the limit of "
                     f"{run.limit_s:g} s and was killed; its last lines:\n{tail}")
    elif exit_value != "0":
        verdict.fail(Exit.BOOT, f"QEMU ended with exit value {exit_value or '(none)'}; "
                     f"its last lines:\n{tail}")
    if any("Kernel panic" in line for line in lines):
        verdict.fail(Exit.BOOT, "the guest panicked")

    first, results, said = _split(lines)
    if "success" not in said:
        verdict.fail(Exit.BOOT, "the guest's init did not say success"
                     + (f"; the last it said: {said[-1]}" if said else ""))
    if run.build_id and (wrong := wrong_kernel(console, run.build_id, "success" in said)):
        verdict.fail(Exit.BOOT, wrong)
    if run.model and (models := _MODEL.findall(console)) != [run.model]:
        verdict.fail(Exit.BOOT, f"it does not run with preempt={run.model}, but says "
                     f"{', '.join(models) or 'nothing'}")
    if run.suites:
        whole = not run.glob
        _judge_run(verdict, "as modules" if run.modules else "at boot", ktap.parse(first), run.suites,
                   whole)
        if run.kunit_py is not None:
            _judge_second_opinion(verdict, run.kunit_py)
        after, due = ktap.Report(), [suite for suite in run.suites if suite.again]
        for asked in due:
            part = ktap.parse(results.get(asked.name, []))
            after.suites += part.suites
            after.problems += [f"{problem} ({asked.name})" for problem in part.problems]
        if due:
            _judge_run(verdict, "after boot", after, due, whole)
    own = [line for line in lines if not ktap.strip(line).startswith(INIT)]
    for asked in run.torture:
        tested = torture.judge(asked, own)
        verdict.torture.append(tested)
        verdict.passed += not tested.problems
        verdict.failed += bool(tested.problems)
        for problem in tested.problems:
            verdict.fail(Exit.TEST, f"{tested.test}: {problem}")
    counts = [int(found[1]) for text in said if (found := re.fullmatch(r"cpus (\d+) online", text))]
    expected = [run.boot_cpus or run.cpus] + [run.cpus] * (len(counts) - 1)
    for count, asked in zip(counts, expected):
        if run.cpus and count != asked:
            verdict.fail(Exit.TEST, f"{count} CPUs were online, not {asked}")

    queue = queues.load(run.queue)
    races = _judge_races(verdict, lines, run, queue)
    reports = excused.found(lines, queue)
    verdict.excused = [title for title, _ in reports]
    known = {number for _, numbers in reports for number in numbers}
    for number, line in enumerate(lines, 1):
        if number not in known and (means := races.get(number, splat(line))) \
                and not (run.spoken and re.search(run.spoken, line)):
            verdict.splats.append(Splat(number, ktap.strip(line).strip(), means))
    for item in verdict.splats[:SHOWN]:
        verdict.fail(Exit.SPLAT, f"console.log:{item.line}: {item.text} ({item.means})")
    if len(verdict.splats) > SHOWN:
        verdict.fail(Exit.SPLAT, f"{len(verdict.splats) - SHOWN} more splat lines")
    return verdict


def judge_folder(folder: Path) -> Verdict:
    """Judges the run in a folder and writes its verdict.json."""
    run = runs.load(folder)
    console, ended = folder / "console.log", folder / "exit"
    if not console.is_file():
        raise HarnessError(Exit.USAGE, f"{folder} is no run folder: it has no {console.name}.")
    verdict = judge(console.read_text(errors="replace"),
                    ended.read_text().strip() if ended.exists() else "", run)
    record = {**dataclasses.asdict(run), **dataclasses.asdict(verdict), "code": verdict.code.name}
    (folder / "verdict.json").write_text(json.dumps(record, indent=1) + "\n")
    return verdict
