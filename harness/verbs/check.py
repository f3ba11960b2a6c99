"""The verb `check`: unit tests, queue checks, lanes; one table and one count.

In:  lane names (those with when = "check" if none), options.  Out: exit code of the first failure.
"""

from dataclasses import replace

from ..core import Part, Progress, queues, report
from ..core.report import guarded
from ..fetch import Options, options, parser
from ..queue import releases, tree
from ..lanes import debian_package, lane_files, lane_run
from ..proof import kunit_commands, mutant_runs, mutants, proofs, queue_checks, recorded_calls, unit_tests

HELP = """\
./run check [LANE...] [--all | --quick] [--queue NAME] [--linux PATH | --tarball FILE]
./run check --releases [--queue NAME]

The test command. In order: the harness's unit tests; the checks of the patch queue
(series and files agree, it applies, round trip, checkpatch, kernel-doc, objects of every
prefix and more); the proofs that ./run prove makes, less those that take long; then lanes:
kernel built, booted, KUnit suites run at boot and after boot, then torture tests if it has any.
The lanes are the ones whose file in lanes/ says when = "check", or the LANEs given. With
lane x86_64 comes the subset of the mutants (./run help mutants).

Without --queue, lanes or a source of your own, each other queue is checked, too: what of its
patches needs no compiler, and one lane, x86_64.

  --all     every lane; a Debian package of a small configuration (./run help deb); then the calls
            that running kernels make with preemption disabled (./run help record), and the
            kunit.py commands of the series' kunitconfig
  --quick   only what needs no kernel build
  --releases
            nothing of the above: git am of each queue (or the one named) on each release
            that can be had: the newest linux-source package of each suite in base.toml;
            the same with Debian's PREEMPT_RT patches under the series, less those that do
            not apply; the newest unpatched tarball that the mirror has. Writes
            releases.toml of the queue and the table in README.md. What cannot be had
            counts as skipped. Applied is not built or booted

Prints a table and the line "N passed, N failed, N skipped". Goes on after a failure; the
exit code is that of the first. Runs leave their files in build/<queue>/runs/.
"""

def main(args: list[str]) -> int:
    words = parser("check")
    words.add_argument("lanes", nargs="*")
    much = words.add_mutually_exclusive_group()
    much.add_argument("--all", action="store_true")
    much.add_argument("--quick", action="store_true")
    much.add_argument("--releases", action="store_true")
    parsed = words.parse_args(args)
    if parsed.releases:
        if parsed.lanes or parsed.linux or parsed.tarball:
            words.error("--releases takes no lane, and finds the sources itself")
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
    table = mutants.load(opts.queue) \
        if any(lane.name == mutants.SUBSET_LANE for lane in chosen) else None
    broken = mutants.choose(table, [], True) if table else []
    recorded = recorded_calls.words(opts.queue).lanes if parsed.all else ()
    packaged = [lane for lane in chosen if parsed.all and lane.name == debian_package.plan().lane]
    alone = parsed.queue or opts.given or parsed.lanes
    others = [] if alone else [Options(queues.load(name)) for name in queues.names()
                               if name != opts.queue.name]
    progress = Progress(2 + len(steps) + len(chosen) + mutant_runs.phases(broken) + len(recorded)
                        + parsed.all + 2 * len(packaged) + len(others))

    def booted(lane: lane_files.Lane, its: Options) -> list[Part]:
        return guarded(lane.name, progress, lambda: lane_run.part(
            lane, tree.ensure_tree(its, progress), progress))

    progress.phase("unit tests of the harness")
    parts = guarded("unit tests", progress, lambda: unit_tests.part(progress))
    progress.phase("checks of the patch queue")
    parts += guarded("queue", progress, lambda: queue_checks.checks(parsed.quick, opts, progress))
    parts += proofs.run(steps, opts, progress)
    for lane in chosen:
        progress.phase(f"lane {lane.name}: {lane.proves}")
        parts += booted(lane, opts)
    if broken:
        parts += guarded("mutants", progress, lambda: mutant_runs.run(broken, table, opts, progress))
    for lane in packaged:
        parts += guarded("deb", progress, lambda: debian_package.part(
            tree.ensure_tree(opts, progress), lane, progress))
    parts += recorded_calls.parts(recorded, opts, progress)
    if parsed.all:
        parts += kunit_commands.parts(opts, progress)
    for other in others:
        name = other.queue.name
        progress.phase(f"queue {name}")
        found = guarded(f"queue {name}", progress, lambda: queue_checks.checks(
            True, other, progress))
        if not parsed.quick:
            lane = lane_files.load(mutants.SUBSET_LANE, other.queue)
            progress.tick(f"lane {lane.name}")
            found += booted(lane, other)
        parts += [replace(part, name=f"{name}: {part.name}") for part in found]
    where = opts.queue.build / "runs"
    return report.finish(parts, f"Sources and verdicts of the lanes are in {where}."
                         if chosen else "")
