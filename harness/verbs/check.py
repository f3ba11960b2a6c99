"""check [LANE...]: the test command: unit tests, queue checks, boots.

In order: the harness's unit tests; the checks of the patch queue (series and files agree, it
applies, round trip, checkpatch, kernel-doc, objects of every prefix and more); the proofs that
./run prove makes, less those that take long; then lanes: kernel built, booted, KUnit suites run
at boot and after boot, then torture tests if it has any. With lane x86_64 comes the subset of the
mutants (./run help mutants).

Without --queue, lanes or a source of your own, each other queue is checked, too: what of its
patches needs no compiler, and one lane, x86_64.

Prints a table and the line "N passed, N failed, N skipped". Goes on after a failure; the
exit code is that of the first. Runs leave their files in build/<queue>/runs/.
"""

from argparse import ArgumentParser, Namespace
from dataclasses import replace

from ..core import Part, Progress, queues, report, require
from ..core.report import guarded
from ..fetch import Options
from ..queue import releases, tree
from ..lanes import debian_package, lane_files, lane_run
from ..proof import kunit_commands, mutants, proofs, queue_checks, recorded_calls, unit_tests


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("lanes", nargs="*", metavar="LANE", help="only these lanes; without, those "
                        'whose file in lanes/ says when = "check"')
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--all", action="store_true", help="every lane that the queue does not "
                      "leave out; Debian packages of a small configuration, with and without the rt "
                      "patches (./run help deb); then the calls that running kernels make with "
                      "preemption disabled (./run help record), and the kunit.py commands of the "
                      "series' kunitconfig")
    much.add_argument("--quick", action="store_true", help="only what needs no kernel build")
    much.add_argument("--releases", action="store_true", help="nothing of the above: git am of each "
                      "queue (or the one named) on each release that can be had: the newest "
                      "linux-source package of each suite in base.toml; the same with Debian's "
                      "PREEMPT_RT patches under the series, less those that do not apply; the newest "
                      "unpatched tarball that the mirror has. Writes releases.toml of the queue and "
                      "the table in README.md. What cannot be had counts as skipped. Applied is not "
                      "built or booted")


def main(parsed: Namespace, opts: Options) -> int:
    if parsed.releases:
        require(not (parsed.lanes or opts.given), "--releases takes no lane, and finds the sources "
                "itself.")
        named = [queues.load(name) for name in ([parsed.queue] if parsed.queue else queues.names())]
        return report.finish(releases.check(named, Progress(len(named))), "Applied is not built or "
                             "booted; README.md has the table, with what passed the whole check.")
    require(not (parsed.quick and parsed.lanes), "--quick builds no kernel, so it takes no lane.")
    chosen = lane_files.choose(opts.queue, parsed.lanes, parsed.all)
    if parsed.quick:
        chosen = []
    steps = [] if parsed.quick else [step for step in proofs.STEPS if step != proofs.LONG]
    broken = mutants.choose(mutants.load(opts.queue), [], True) \
        if any(lane.name == mutants.SUBSET_LANE for lane in chosen) else []
    recorded = recorded_calls.words(opts.queue).lanes if parsed.all else ()
    packaged = [lane for lane in chosen if parsed.all and lane.name in debian_package.plan().lanes]
    alone = parsed.queue or opts.given or parsed.lanes
    others = [] if alone else [Options(queues.load(name)) for name in queues.names()
                               if name != opts.queue.name]
    progress = Progress(2 + len(steps) + len(chosen) + mutants.phases(broken) + len(recorded)
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
        parts += guarded("mutants", progress, lambda: mutants.run(broken, opts, progress))
    for lane in packaged:
        parts += guarded(f"deb for {lane.name}", progress, lambda: debian_package.part(
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
