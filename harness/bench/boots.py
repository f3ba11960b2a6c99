"""Linux with and without the series, and other versions of it: built, booted, measured.

In:  BenchPlan, where the Linux source comes from; apt for the other versions.
Out: Measurements; consoles and commands that boot again in build/<queue>/bench/ARCH/KERNEL/.
"""

import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Iterator, Sequence

from ..core import Exit, HarnessError, Progress, Queue, parallel, proc, queues, settings
from ..fetch import Options, host_packages, linux_source
from ..queue import TreeInfo, series, tree
from ..build import kernel_build
from ..build.arches import Kernel
from ..guest import initramfs, qemu
from ..judge import judge, runs
from ..judge.runs import Run
from ..lanes import lane_files
from . import cyclictest, plans, points
from .plans import BenchKernel, BenchPlan, Guest
from .points import FULL, Point

# The guest's wall clock follows simulated time, too, so that two boots are alike.
CLOCK = ("-rtc", "base=2000-01-01,clock=vm")


@dataclass(frozen=True)
class Tools:
    """Programs of packages for the guests that want them, and how these guests are run."""

    entries: Sequence[initramfs.Entry] = ()
    accel: str = "tcg"


@dataclass(frozen=True)
class Ready:
    """One kernel, built for one architecture in one way."""

    queue: Queue
    kernel: BenchKernel
    asked: Kernel
    way: str                     # of BenchPlan.build; "": plain
    made: kernel_build.BuildResult
    files: dict[str, Path]       # what steps name -> module or program

    @property
    def arch(self) -> str:
        return self.asked.arch.name

    @property
    def folder(self) -> Path:
        """Of its modules and boots."""
        return work(self.queue) / self.arch / "-".join(filter(None, (self.kernel.name, self.way)))


@dataclass(frozen=True)
class Job:
    """One boot."""

    run: Run
    spec: qemu.BootSpec
    folder: Path
    point: Point                 # says which boot it is


@dataclass(frozen=True)
class Measurements:
    info: TreeInfo
    ready: list[Ready]
    points: list[Point]
    notes: list[str]
    code: Exit                   # of the first boot that failed
    progress: Progress           # one phase is left

    @property
    def kernels(self) -> list[BenchKernel]:
        return list(dict.fromkeys(item.kernel for item in self.ready))


def work(queue: Queue) -> Path:
    return queue.build / "bench"


@contextmanager
def left_out(what: str, notes: list[str]) -> Iterator[None]:
    """What cannot be had in the block becomes a note."""
    try:
        yield
    except HarnessError as error:
        if error.code not in (Exit.FETCH, Exit.TOOL):
            raise
        notes.append(f"{what}: {error.message}")


def find(kernel: BenchKernel, info: TreeInfo, progress: Progress) -> BenchKernel:
    """The kernel with its source tree, what that was made from, and a name for people."""
    if kernel.source == "package":
        peer = linux_source.peer(kernel.version, kernel.package, kernel.suites)
        return replace(kernel, label=peer.kernel_version, origin=f"{peer.source}, {peer.checksum}",
                       state=peer.checksum, tree=peer.path)
    if kernel.queue:
        info = tree.ensure_tree(Options(queues.load(kernel.queue)), progress)
    origin = f"{info.source}, {info.checksum}"
    if kernel.source == "base":
        return replace(kernel, label=info.kernel_version, origin=origin,
                       tree=tree.worktree(info, "base", info.base_commit))
    files = series.patches(info.queue)
    return replace(kernel, label=f"{info.kernel_version} + series", tree=info.path,
                   origin=f"{origin}; {len(files)} patches, series {series.digest(files)[:12]}")


def prepare(info: TreeInfo, plan: BenchPlan, asked: Kernel, kernel: BenchKernel, way: str,
            progress: Progress) -> Ready:
    """Builds a kernel, the modules and the programs that its guests need."""
    asked = replace(asked, name="-".join(filter(None, (asked.name, way, kernel.name))),
                    options=asked.options | (plan.build[way] if way else {}))
    out = info.queue.build / "out" / asked.name
    made = kernel_build.build(asked, kernel.tree, out, progress, state=kernel.state)
    ready = Ready(info.queue, kernel, asked, way, made, {})
    for verb, name in plans.needed([step for guest in plan.guest for step in guest.steps_on(ready.arch)
                                    if guest.wants(ready.arch, way, kernel)]):
        source = plan.source[name]
        ready.files[name] = kernel_build.module(
            asked, kernel.tree, out, source.parent, f"{source.stem}.ko", ready.folder / f"module-{name}"
        ) if verb == "load" else initramfs.compile_static(asked.arch, source)
    progress.done(f"{kernel.label}: " + (f"{made.compiled} files compiled" if made.built
                                         else "nothing had changed"))
    return ready


def memory(ready: Ready) -> list[Point]:
    """Bytes for each possible CPU, by the kernel's symbols: of all static per-CPU data, and of struct
    call_function_data. What is not found is left out."""
    nm = proc.run([f"{ready.asked.arch.cross}nm", "-S", ready.made.out / "vmlinux"]).output
    at = {name: int(value, 16) for value, name in
          re.findall(r"^([0-9a-f]+) \w (__per_cpu_start|__per_cpu_end)$", nm, re.M)}
    found = {"percpu_bytes": at["__per_cpu_end"] - at["__per_cpu_start"]} if len(at) == 2 else {}
    found |= {"call_data_bytes": int(size, 16) for size in
              re.findall(r"^[0-9a-f]+ ([0-9a-f]+) \w cfd_data$", nm, re.M)}
    return [Point(ready.arch, ready.kernel.name, 4, "memory", name, 0, "", 1, 1, float(value))
            for name, value in found.items()]


def find_tools(plan: BenchPlan, ready: list[Ready], notes: list[str]) -> dict[str, Tools]:
    """Architecture -> the programs of packages, with KVM where it works. If they cannot be had, it is a
    note, and the guests that want them are left out."""
    found = {}
    wanted = {arch for guest in plan.guest if guest.tools for arch in guest.arches}
    for name, item in {item.arch: item for item in ready if item.arch in wanted}.items():
        with left_out(f"{name}: nothing is measured with real tools", notes):
            arch = item.asked.arch
            entries, versions = initramfs.debian_programs(arch, plan.tools.packages,
                                                          plan.tools.programs, plan.tools.suites)
            accel = qemu.probe_kvm(qemu.BootSpec(arch, item.made.kernel, initramfs.make(arch),
                                                 "harness.reset=1", 2, 256, 60))
            notes.append(f"{name}: {versions}; guests with them: " + (
                "KVM" if accel == "kvm" else "emulated, on this machine with whatever else it did"))
            found[name] = Tools(entries, accel)
    return found


def make_job(plan: BenchPlan, ready: Ready, guest: Guest, number: int, tools: Tools) -> Job:
    """What is booted, with its initial ramdisk."""
    arch, kernel, made = ready.asked.arch, ready.kernel, ready.made
    values = {"many_pinned": kernel.many_pinned, **plan.tools.hold[tools.accel]}
    steps = [step.format_map(values) for step in guest.steps_on(arch.name)]
    entries = initramfs.with_steps(steps, {
        name + ".ko" * (verb == "load"): ready.files[name].read_bytes()
        for verb, name in plans.needed(steps)})
    model = "" if guest.model == FULL else guest.model
    words = (plan.cmdline.get(arch.name), guest.cmdline, model and f"preempt={model}",
             initramfs.STEPS, "harness.reset=1")
    spec = qemu.BootSpec(
        arch, made.kernel, initramfs.make(arch, (*entries, *tools.entries)),
        " ".join(filter(None, words)), guest.cpus, guest.memory_mib, settings.scaled(guest.limit_s),
        tools.accel if guest.tools else "icount", () if guest.tools else CLOCK)
    # Where CPUs are taken offline beside cyclictest, not all need to be there at the end.
    run = Run(0 if guest.tools else guest.cpus, made.build_id,
              f"{arch.name} {kernel.name} {guest.name} {number}", ready.queue.name,
              limit_s=spec.limit_s, model=model, spoken=cyclictest.SPOKEN if guest.tools else "",
              facts={"kernel": kernel.label, "source": kernel.origin, "arch": arch.name,
                     "accel": spec.accel, "steps": steps})
    point = Point(arch.name, kernel.name, guest.cpus, "", "", 0, guest.name, number, 1, 0, guest.model)
    return Job(run, spec, ready.folder / f"{guest.name}-{number}", point)


def all_jobs(plan: BenchPlan, ready: list[Ready], tools: dict[str, Tools]) -> list[Job]:
    """Every boot: the kernels in turn, so that what changes with time is in all of them."""
    return [make_job(plan, item, guest, number, own)
            for number in range(1, plan.most_boots + 1) for guest in plan.guest
            if number <= guest.boots for item in ready
            if guest.wants(item.arch, item.way, item.kernel)
            for own in [tools.get(item.arch) if guest.tools else Tools()] if own]


def earlier(spec: qemu.BootSpec, folder: Path) -> bool:
    """Whether the same was booted before, with the same kernel and files, and came to its end."""
    try:
        # The names of the files in the command hold hashes, but for the kernel.
        return (folder / "qemu-cmd").read_text() == qemu.script(spec) \
            and (folder / "exit").stat().st_mtime >= spec.kernel.stat().st_mtime \
            and qemu.came_to_its_end(qemu.console(folder))
    except FileNotFoundError:
        return False


def run_job(job: Job, resume: bool, stop: threading.Event) -> tuple[list[Point], list[str]]:
    """Boots and judges; the points, and the tries that were discarded."""
    console = job.folder / "console.log"
    job.folder.mkdir(parents=True, exist_ok=True)
    runs.save(job.run, job.folder)
    if not resume or not earlier(job.spec, job.folder):
        qemu.boot(job.spec, job.folder, stop=stop)
    verdict = judge.judge_folder(job.folder)
    if verdict.code != Exit.OK:
        raise HarnessError(verdict.code, f"{job.run.name}: {verdict.reasons[0]}; see {console}.")
    text = qemu.console(job.folder)
    try:
        found, discards = points.read(text, job.point, job.spec.arch.clocksource)
        found += cyclictest.read(text, job.point, job.run.facts["steps"])
        if not found:
            raise ValueError("it measured nothing")
        return found, discards
    except ValueError as error:
        raise HarnessError(Exit.TEST, f"{job.run.name}: {error}; see {console}.") from None


def run_jobs(jobs: list[Job], workers: int, progress: Progress, notes: list[str],
             resume: bool = False) -> tuple[list[Point], Exit]:
    """All boots, some at a time. A boot that fails becomes a note, and the exit code."""
    codes: list[Exit] = []

    def done(number: int, future) -> list[Point]:
        name = jobs[number].run.name
        try:
            found, discards = future.result()
        except HarnessError as error:
            notes.append(f"{name} failed: {error.message.splitlines()[0]}")
            progress.done(f"{name} FAILED: {error.message}")
            codes.append(error.code)
            return []
        notes.extend(f"{name}: discarded: {text}" for text in discards)
        return found

    results = parallel.run([(job.run.name, partial(run_job, job, resume)) for job in jobs], workers,
                           progress.tick, done)
    return [point for found in results for point in found], codes[0] if codes else Exit.OK


def lacking(plan: BenchPlan) -> list[str]:
    """A note for each guest whose preemption model some of the kernels lack."""
    without = {guest: [kernel.name for kernel in plan.kernel if guest.model not in kernel.models
                       and kernel.name in (guest.kernels or [kernel.name])]
               for guest in plan.guest if guest.arches}
    return [f"the guest {guest.name} was not booted with {', '.join(names)}: no preempt={guest.model} "
            "there" for guest, names in without.items() if names]


def measured(plan: BenchPlan, opts: Options, notes: list[str], resume: bool = False) -> Measurements:
    """Builds and boots all that the plan asks for; what is to be said of it comes to the notes."""
    progress = Progress(3 + sum(len(plan.builds(arch)) for arch in plan.arches))
    progress.phase("tools and kernel trees")
    host_packages.need("tree", "build", "plot", *plan.arches)
    info = tree.ensure_tree(opts, progress)
    kernels: list[BenchKernel] = []
    for kernel in plan.kernel:
        progress.tick(f"source of {kernel.name}")
        with left_out(f"{kernel.name} could not be had and is left out", notes):
            kernels.append(find(kernel, info, progress))
    plan = replace(plan, kernel=tuple(kernels))
    notes += lacking(plan)
    progress.done("; ".join([*(kernel.label for kernel in kernels), *notes]))

    ready = []
    for arch in plan.arches:
        asked = lane_files.read(plan.config[arch], opts.queue).kernel
        for way, kernel in plan.builds(arch):
            progress.phase(f"build of {kernel.name}{f', {way},' if way else ''} for {arch}")
            ready.append(prepare(info, plan, asked, kernel, way, progress))

    progress.phase("boots")
    jobs = all_jobs(plan, ready, find_tools(plan, ready, notes))
    counted, code = run_jobs([job for job in jobs if job.spec.accel == "icount"], plan.jobs, progress,
                             notes, resume)
    real, worse = run_jobs([job for job in jobs if job.spec.accel != "icount"], 1, progress, notes,
                           resume)
    found = [*counted, *real, *(point for item in ready if not item.way for point in memory(item))]
    progress.done(f"{len(found)} points")
    return Measurements(info, ready, found, notes, code or worse, progress)
