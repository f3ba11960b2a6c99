"""The verb `check`: unit tests, queue checks, lanes; one table and one count.

In:  lane names (those with when = "check" if none), options.  Out: exit code of the first failure.
"""

from ..core import Progress, report
from ..core.report import guarded
from ..fetch import options, parser
from ..queue import tree
from ..lanes import lane_files, lane_run
from ..proof import kunit_commands, mutant_runs, mutants, proofs, queue_checks, recorded_calls, unit_tests

HELP = """\
./run check [LANE...] [--all | --quick] [--queue NAME] [--linux PATH | --tarball FILE]

The test command. In order: the harness's unit tests; the checks of the patch queue
(series and files agree, it applies, round trip, checkpatch, kernel-doc, objects of every
prefix and more); the proofs that ./run prove makes, less those that take long; then lanes:
kernel built, booted, KUnit suites run at boot and after boot, then torture tests if it has any.
The lanes are the ones whose file in lanes/ says when = "check", or the LANEs given. With
lane x86_64 comes the subset of the mutants (./run help mutants).

  --all     every lane; then the calls that running kernels make with preemption disabled (./run
            help record), and the kunit.py commands of the series' kunitconfig
  --quick   only what needs no kernel build

Prints a table and the line "N passed, N failed, N skipped". Goes on after a failure; the
exit code is that of the first. Runs leave their files in build/<queue>/runs/.
"""

def main(args: list[str]) -> int:
    words = parser("check")
    words.add_argument("lanes", nargs="*")
    much = words.add_mutually_exclusive_group()
    much.add_argument("--all", action="store_true")
    much.add_argument("--quick", action="store_true")
    parsed = words.parse_args(args)
    opts = options(parsed)
    chosen = lane_files.choose(opts.queue, parsed.lanes, parsed.all)
    if parsed.quick:
        chosen = []
    steps = [] if parsed.quick else [step for step in proofs.STEPS if step.quick]
    table = mutants.load(opts.queue)
    broken = mutants.choose(table, [], True) \
        if any(lane.name == mutants.SUBSET_LANE for lane in chosen) else []
    recorded = recorded_calls.words(opts.queue).lanes if parsed.all else ()
    progress = Progress(2 + len(steps) + len(chosen) + mutant_runs.phases(broken) + len(recorded) + parsed.all)

    progress.phase("unit tests of the harness")
    parts = guarded("unit tests", progress, lambda: unit_tests.part(progress))
    progress.phase("checks of the patch queue")
    parts += guarded("queue", progress, lambda: queue_checks.checks(parsed.quick, opts, progress))
    parts += proofs.run(steps, opts, progress)
    for lane in chosen:
        progress.phase(f"lane {lane.name}: {lane.proves}")
        parts += guarded(lane.name, progress, lambda: lane_run.part(
            lane, tree.ensure_tree(opts, progress), progress))
    if broken:
        parts += guarded("mutants", progress, lambda: mutant_runs.run(broken, table, opts, progress))
    parts += recorded_calls.parts(recorded, opts, progress)
    if parsed.all:
        parts += kunit_commands.parts(opts, progress)
    where = opts.queue.build / "runs"
    return report.finish(parts, f"Sources and verdicts of the lanes are in {where}."
                         if chosen else "")
