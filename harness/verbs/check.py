"""The verb `check`: unit tests, queue checks, lanes; one table and one count.

In:  lane names (those with when = "check" if none), options.  Out: exit code of the first failure.
"""

from __future__ import annotations

import re
import sys

from ..core import proc, report, settings
from ..core.arguments import Parser
from ..core.errors import Exit, HarnessError
from ..core.progress import Progress
from ..core.queues import Queue
from ..core.report import Part, guarded
from ..fetch import host_packages
from ..fetch.linux_source import add_options, options
from ..queue import tree
from ..lanes import lane_files, lane_run
from ..proof import mutant_runs, mutants, proofs, queue_checks, recorded_calls

HELP = """\
./run check [LANE...] [--all | --quick] [--queue NAME] [--linux PATH | --tarball FILE]

The test command. In order: the harness's unit tests; the checks of the patch queue
(series and files agree, it applies, round trip, checkpatch, kernel-doc, objects of every
prefix, and that the patterns for kernel reports are no fewer than the kernel's own); the
proofs that ./run prove makes, less those that take long; then lanes: kernel built, booted,
KUnit suites run at boot and after boot, then torture tests if it has any; with --all, the
calls that running kernels make with preemption disabled (./run help record).
The lanes are the ones whose file in lanes/ says when = "check", or the LANEs given. With
lane x86_64 comes the subset of the mutants (./run help mutants).

  --all     every lane: all preemption models, sanitizers, architectures, torture tests and
            TLB tests
  --quick   only what needs no kernel build

Prints a summary table and the line "N passed, N failed, N skipped", which counts unit
tests, queue checks, litmus tests, the audit of callers (as one), executed KUnit cases (all
runs), torture tests, mutants, and lanes whose calls were recorded. Goes on after a failure; the
exit code is that of the first. Runs leave their files in build/<queue>/runs/.
"""

_RAN = re.compile(r"^Ran (\d+) tests? in", re.M)
_COUNT = re.compile(r"\b(failures|errors|skipped|unexpected successes)=(\d+)")


def count_unit(output: str, returncode: int, seconds: float) -> Part:
    """The Part for the output of `python -m unittest`."""
    ran = _RAN.search(output)
    if not ran or int(ran[1]) == 0:
        return report.died("unit tests", Exit.TEST, seconds, "no test was run")
    summary = output[ran.end():]
    counts = {key: int(value) for key, value in _COUNT.findall(summary)}
    skipped = counts.pop("skipped", 0)
    failed = sum(counts.values()) or (1 if returncode else 0)
    names = re.findall(r"^(?:FAIL|ERROR): (\S+)", output, re.M)
    return Part("unit tests", Exit.TEST if failed else Exit.OK,
                max(0, int(ran[1]) - failed - skipped), failed, skipped, seconds,
                ", ".join(names))


def unit_tests(progress: Progress) -> Part:
    """Runs the harness's own tests in a process of their own."""
    host_packages.need("plot")      # or those that draw would be skipped
    log = settings.BUILD / "unit.log"

    def on_line(line: str) -> None:
        progress.tick(line[:60])

    result = proc.run([sys.executable, "-B", "-m", "unittest", "discover", "-v", "-s",
                       "harness/tests", "-t", "."], step="unit tests", cwd=settings.REPO,
                      limit=settings.limit("unit"), log=log, on_line=on_line, check=False,
                      code=Exit.TEST)
    part = count_unit(result.output, result.returncode, result.seconds)
    if part.code != Exit.OK:
        print(proc.tail(result.output, 40), file=sys.stderr)
    return part


def one_lane(lane: lane_files.Lane, opts, progress: Progress) -> Part:
    """Runs one lane in the patched tree."""
    ran = lane_run.run(lane, tree.ensure_tree(opts, progress), progress)
    verdict = ran.verdict
    failed = verdict.failed or (1 if verdict.code != Exit.OK else 0)
    runs = [f"{count} cases {name}" for name, count in verdict.runs.items()]
    if len(runs) > 2:
        runs = [f"{sum(verdict.runs.values())} cases in {len(runs)} runs"]
    ran_all = ", ".join([*runs, *(item.test for item in verdict.torture)])
    print("\n".join(f"  {line}" for line in verdict.text().splitlines()), flush=True)
    return Part(ran.name, verdict.code, verdict.passed, failed, verdict.skipped,
                ran.build_s + ran.boot_s,
                f"{ran_all}; build {ran.build_s:.0f} s, boot and runs {ran.boot_s:.0f} s"
                + (f"; {len(verdict.elsewhere)} data races elsewhere" if verdict.elsewhere else ""))


def choose(queue: Queue, named: list[str], everything: bool) -> list[lane_files.Lane]:
    """The lanes to run."""
    if named and everything:
        raise HarnessError(Exit.USAGE, "check takes names of lanes or --all, not both.")
    found = [lane_files.load(name, queue) for name in dict.fromkeys(named or lane_files.names(queue))]
    return found if named or everything else [lane for lane in found if lane.when == "check"]


def main(args: list[str]) -> int:
    parser = Parser("check")
    parser.add_argument("lanes", nargs="*")
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--all", action="store_true")
    much.add_argument("--quick", action="store_true")
    add_options(parser)
    parsed = parser.parse_args(args)
    opts = options(parsed)
    chosen = choose(opts.queue, parsed.lanes, parsed.all)
    if parsed.quick:
        chosen = []
    steps = [] if parsed.quick else [step for step in proofs.STEPS if step.quick]
    with_mutants = any(lane.name == mutants.SUBSET_LANE for lane in chosen)
    recorded = recorded_calls.words(opts.queue).lanes if parsed.all else ()
    progress = Progress(2 + len(steps) + len(chosen) + with_mutants + len(recorded))

    progress.phase("unit tests of the harness")
    parts = guarded("unit tests", progress, lambda: unit_tests(progress))
    progress.phase("checks of the patch queue")
    parts += guarded("queue", progress, lambda: queue_checks.checks(parsed.quick, opts, progress))
    parts += proofs.run(steps, opts, progress)
    for lane in chosen:
        progress.phase(f"lane {lane.name}: {lane.proves}")
        parts += guarded(lane.name, progress, lambda: one_lane(lane, opts, progress))
    if with_mutants:
        progress.phase("mutants: broken kernels must be noticed")
        parts += guarded("mutants", progress, lambda: mutant_runs.subset_part(opts, progress))
    parts += recorded_calls.parts(recorded, opts, progress)
    print()
    print(report.table(parts))
    if chosen:
        print(f"Sources and verdicts of the lanes are in {opts.queue.build / 'runs'}.")
    print(report.closing(parts))
    return report.exit_code(parts)
