"""The verb `check`: unit tests, queue checks, lanes; one table and one count.

In:  lane names (those with when = "check" if none), options.  Out: exit code of the first failure.
"""

from __future__ import annotations

from ..core import queues, report
from ..core.arguments import Parser
from ..core.progress import Progress
from ..core.report import guarded
from ..fetch.linux_source import add_options, options
from ..queue import releases, tree
from ..lanes import lane_files, lane_run
from ..proof import kunit_commands, mutant_runs, mutants, proofs, queue_checks, recorded_calls, unit_tests

HELP = """\
./run check [LANE...] [--all | --quick] [--queue NAME] [--linux PATH | --tarball FILE]
./run check --releases [--queue NAME]

The test command. In order: the harness's unit tests; the checks of the patch queue
(series and files agree, it applies, round trip, checkpatch, kernel-doc, objects of every
prefix, and that the patterns for kernel reports are no fewer than the kernel's own); the
proofs that ./run prove makes, less those that take long; then lanes: kernel built, booted,
KUnit suites run at boot and after boot, then torture tests if it has any; with --all, the
calls that running kernels make with preemption disabled (./run help record), and the
kunit.py commands of the series' kunitconfig, as they stand there.
The lanes are the ones whose file in lanes/ says when = "check", or the LANEs given. With
lane x86_64 comes the subset of the mutants (./run help mutants).

  --all     every lane: all preemption models, sanitizers, architectures, torture tests and
            TLB tests; records, and the kunit.py commands
  --quick   only what needs no kernel build
  --releases
            nothing of the above: git am of each queue (or the one named) on each release
            that can be had: the newest linux-source package of each suite in base.toml;
            the same with Debian's PREEMPT_RT patches under the series, less those that do
            not apply; the newest unpatched tarball that the mirror has. Writes
            releases.toml of the queue and the table in README.md. What cannot be had
            counts as skipped. Applied is not built or booted

Prints a summary table and the line "N passed, N failed, N skipped", which counts unit
tests, queue checks, litmus tests, the audit of callers (as one), executed KUnit cases (all
runs), torture tests, mutants, and lanes whose calls were recorded. Goes on after a failure; the
exit code is that of the first. Runs leave their files in build/<queue>/runs/.
"""

def main(args: list[str]) -> int:
    parser = Parser("check")
    parser.add_argument("lanes", nargs="*")
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--all", action="store_true")
    much.add_argument("--quick", action="store_true")
    much.add_argument("--releases", action="store_true")
    add_options(parser)
    parsed = parser.parse_args(args)
    if parsed.releases:
        if parsed.lanes or parsed.linux or parsed.tarball:
            parser.error("--releases takes no lane, and finds the sources itself")
        named = [queues.load(parsed.queue)] if parsed.queue else list(releases.every().values())
        parts = releases.check(named, Progress(len(named)))
        print("\n" + releases.table(named, parts))
        print(report.closing(parts))
        return report.exit_code(parts)
    opts = options(parsed)
    chosen = lane_files.choose(opts.queue, parsed.lanes, parsed.all)
    if parsed.quick:
        chosen = []
    steps = [] if parsed.quick else [step for step in proofs.STEPS if step.quick]
    with_mutants = any(lane.name == mutants.SUBSET_LANE for lane in chosen)
    recorded = recorded_calls.words(opts.queue).lanes if parsed.all else ()
    progress = Progress(2 + len(steps) + len(chosen) + with_mutants + len(recorded) + parsed.all)

    progress.phase("unit tests of the harness")
    parts = guarded("unit tests", progress, lambda: unit_tests.part(progress))
    progress.phase("checks of the patch queue")
    parts += guarded("queue", progress, lambda: queue_checks.checks(parsed.quick, opts, progress))
    parts += proofs.run(steps, opts, progress)
    for lane in chosen:
        progress.phase(f"lane {lane.name}: {lane.proves}")
        parts += guarded(lane.name, progress, lambda: lane_run.part(
            lane, tree.ensure_tree(opts, progress), progress))
    if with_mutants:
        progress.phase("mutants: broken kernels must be noticed")
        parts += guarded("mutants", progress, lambda: mutant_runs.subset_part(opts, progress))
    parts += recorded_calls.parts(recorded, opts, progress)
    if parsed.all:
        parts += kunit_commands.parts(opts, progress)
    print()
    print(report.table(parts))
    if chosen:
        print(f"Sources and verdicts of the lanes are in {opts.queue.build / 'runs'}.")
    print(report.closing(parts))
    return report.exit_code(parts)
