"""Linux with and without the series beside other versions: built, booted, measured.

In:  bench/bench.toml, where the Linux source comes from; apt for the other versions.
Out: bench/results/DATE-BASE/: points.csv, summary.md, config-differences.md, *.svg; consoles and
     commands that boot again in build/<queue>/bench/ARCH/KERNEL/. Each run measures anew.
"""

import datetime
import re
import threading
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Sequence

from ..core import Exit, HarnessError, Progress, Queue, look_up, parallel, proc, settings
from ..core.files import new_folder
from ..fetch import Options, host_packages, linux_source
from ..queue import series, tree
from ..build import kconfig, kernel_build
from ..build.arches import Arch, Kernel
from ..guest import initramfs, qemu
from ..judge import judge, runs
from ..judge.runs import Run
from ..lanes import lane_files
from . import cyclictest, plans, plots, points, summary
from .cyclictest import Bucket
from .plans import BenchKernel, BenchPlan, Guest
from .points import Boot, Point
from .summary import Measured


RESULTS = plans.FOLDER / "results"
STEPS = "bench.steps"
# The guest's wall clock follows simulated time, too, so that two boots are alike.
CLOCK = ("-rtc", "base=2000-01-01,clock=vm")


@dataclass(frozen=True, eq=False)      # each is itself: it is a key
class Ready:
    """One kernel, built for one architecture in one way."""

    kernel: BenchKernel
    queue: str
    measured: Measured
    arch: Arch
    image: Path
    config: Path
    folder: Path                 # of its modules and boots
    files: dict[str, Path]       # what steps name -> module or program
    memory: dict[str, int]       # bytes by what it is: see memory()
    build_id: str                # of the kernel
    tools: Sequence[initramfs.Entry] = ()    # for guests with tools
    accel: str = "tcg"           # of these
    build: str = ""              # of BenchPlan.builds; "": plain


@dataclass(frozen=True)
class Job:
    ready: Ready
    guest: Guest
    number: int                  # 1 ...

    @property
    def name(self) -> str:
        return f"{self.ready.arch.name} {self.ready.kernel.name} {self.guest.name} {self.number}"

    def steps(self, plan: BenchPlan) -> list[str]:
        return self.guest.lines(self.ready.kernel, self.ready.arch.name,
                                plan.tools.hold[self.ready.accel])


@dataclass(frozen=True)
class Found:
    """What one boot gave."""

    points: list[Point]
    discards: list[str] = field(default_factory=list)
    buckets: list[Bucket] = field(default_factory=list)


def work(queue: Queue) -> Path:
    return queue.build / "bench"


def relative(path: Path) -> Path:
    """The path as seen from the repository, if it is inside."""
    return path.relative_to(settings.REPO) if path.is_relative_to(settings.REPO) else path


def memory(system_map: str, nm: str) -> dict[str, int]:
    """Bytes for each possible CPU, from the texts of System.map and `nm -S vmlinux`: of all
    static per-CPU data, and of struct call_function_data. What is not found is left out."""
    ends = {name: int(value, 16) for value, name in
            re.findall(r"^([0-9a-f]+) \w (__per_cpu_start|__per_cpu_end)$", system_map, re.M)}
    found = {"percpu_bytes": ends["__per_cpu_end"] - ends["__per_cpu_start"]} if len(ends) == 2 else {}
    if match := re.search(r"^[0-9a-f]+ ([0-9a-f]+) \w cfd_data$", nm, re.M):
        found["call_data_bytes"] = int(match[1], 16)
    return found


def place(kernel: BenchKernel, info: tree.TreeInfo) -> tuple[Path, str, Measured]:
    """The source tree of a kernel, what it was made from if it is no git tree, and its names."""
    state, label, source = "", info.kernel_version, f"{info.source}, {info.checksum}"
    if kernel.source == "package":
        peer = linux_source.peer(kernel.version, kernel.package, kernel.suites)
        path, state, label = peer.path, peer.checksum, peer.kernel_version
        source = f"{peer.source}, {peer.checksum}"
    elif kernel.source == "series":
        files = series.patches(info.queue)
        path, label = info.path, label + " + series"
        source += f"; {len(files)} patches, series {series.digest(files)[:12]}"
    else:
        path = tree.worktree(info, "base", info.base_commit)
    return path, state, Measured(kernel.name, label, source)


def find_kernels(plan: BenchPlan, info: tree.TreeInfo, progress: Progress, notes: list[str],
                 only: list[str]) -> list[tuple[BenchKernel, Path, str, Measured]]:
    """Where each kernel's source is; a peer that cannot be had becomes a note."""
    found = []
    for kernel in plan.kernel:
        if only and kernel.name not in only:
            notes.append(f"{kernel.name} was left out, as the command line said")
            continue
        progress.tick(f"source of {kernel.name}")
        try:
            found.append((kernel, *place(kernel, info)))
        except HarnessError as error:
            if kernel.source != "package" or error.code not in (Exit.FETCH, Exit.TOOL):
                raise
            notes.append(f"{kernel.name} could not be had and is left out: {error.message}")
            progress.done(f"{kernel.name} is left out: {error.message.splitlines()[0]}")
    return found


def as_built(plan: BenchPlan, asked: Kernel, kernel: BenchKernel, way: str) -> Kernel:
    """What is to be built: `asked`, with the options of a build and with a name."""
    name = "-".join(filter(None, (asked.name, way, kernel.name)))
    return replace(asked, name=name, options=asked.options | (plan.build[way] if way else {}))


def prepare(queue: Queue, plan: BenchPlan, arch: Arch, asked: Kernel, kernel: BenchKernel,
            src: Path, state: str, measured: Measured, progress: Progress, way: str = "") -> Ready:
    """Builds a kernel, the modules and the programs that its guests need."""
    named = as_built(plan, asked, kernel, way)
    out = queue.build / "out" / named.name
    result = kernel_build.build(named, src, out, progress, state=state)
    folder = work(queue) / arch.name / "-".join(filter(None, (kernel.name, way)))
    files: dict[str, Path] = {}
    wanted = {tuple(step.split()[:2]) for item in plan.guest
              if arch.name in item.arches and item.build == way and item.boots_with(kernel)
              for step in item.steps_on(arch.name)}
    for verb, name in sorted(wanted):
        if verb not in ("load", "run"):
            continue
        path = settings.REPO / plan.source[name]
        if verb == "load":
            files[name] = kernel_build.module(named, src, out, path.parent, f"{path.stem}.ko",
                                              folder / f"module-{name}")
        else:
            files[name] = initramfs.compile_static(arch, path)
    progress.done(f"{measured.label}: {result.compiled} files compiled" if result.built else
                  f"{measured.label}: nothing had changed")
    nm = proc.run([f"{arch.cross}nm", "-S", str(out / "vmlinux")], step="nm",
                  limit=settings.limit("tool")).output
    return Ready(kernel, queue.name, measured, arch, result.kernel, result.config, folder, files,
                 memory((out / "System.map").read_text(), nm), result.build_id, build=way)


def with_tools(plan: BenchPlan, ready: list[Ready], notes: list[str]) -> list[Ready]:
    """The same with the programs of packages, and with KVM where it works.

    Where the packages cannot be had, it is a note, and the guests that want them are left
    out.
    """
    found = []
    for arch in dict.fromkeys(item.arch for item in ready):
        mine = [item for item in ready if item.arch == arch]
        plain = next((item for item in mine if not item.build), None)
        if plain and any(one.tools and arch.name in one.arches for one in plan.guest):
            try:
                entries, versions = initramfs.debian_programs(
                    arch, plan.tools.packages, plan.tools.programs, plan.tools.suites)
                accel = qemu.probe_kvm(qemu.BootSpec(arch, plain.image, initramfs.make(arch),
                                                     "harness.reset=1", 2, 256, 60))
                notes.append(f"{arch.name}: {versions}; guests with them: "
                             + ("KVM" if accel == "kvm" else "emulated, on this machine "
                                "with whatever else it did"))
                mine = [replace(item, tools=entries, accel=accel) for item in mine]
            except HarnessError as error:
                if error.code not in (Exit.FETCH, Exit.TOOL):
                    raise
                notes.append(f"{arch.name}: nothing is measured with real tools: {error.message}")
        found += mine
    return found


def boot_spec(plan: BenchPlan, job: Job) -> qemu.BootSpec:
    """What the job boots; makes its initial ramdisk."""
    ready, steps = job.ready, job.steps(plan)
    entries = [initramfs.directory("modules"),
               initramfs.file(STEPS, ("\n".join(steps) + "\n").encode())]
    for verb, name in dict.fromkeys(tuple(step.split()[:2]) for step in steps):
        if verb in ("load", "run"):
            where = f"modules/{name}.ko" if verb == "load" else f"bin/{name}"
            entries.append(initramfs.program(where, ready.files[name]))
    if job.guest.tools:
        entries += ready.tools
    initrd = initramfs.make(ready.arch, entries)
    words = (plan.cmdline[ready.arch.name], job.guest.words, f"harness.steps=/{STEPS}",
             "harness.reset=1")
    spec = qemu.BootSpec(
        ready.arch, ready.image, initrd, " ".join(filter(None, words)), job.guest.cpus,
        job.guest.memory_mib, settings.scaled(job.guest.limit_s), accel=ready.accel)
    return spec if job.guest.tools else replace(spec, accel="icount", extra=CLOCK)


def earlier(spec: qemu.BootSpec, folder: Path) -> qemu.BootResult | None:
    """The same boot, done before with the same kernel and files, that came to its end."""
    console = folder / "console.log"
    try:
        # The names of the files in the command hold hashes, but for the kernel.
        if (folder / "qemu-cmd").read_text() != qemu.script(spec) \
                or console.stat().st_mtime < spec.kernel.stat().st_mtime \
                or judge.INIT + "success" not in console.read_text(errors="replace"):
            return None
        value = (folder / "exit").read_text().strip()
    except FileNotFoundError:
        return None
    return qemu.BootResult(value, 0.0, console)


def run_job(job: Job, spec: qemu.BootSpec, steps: list[str], stop: threading.Event,
            resume: bool = False) -> Found:
    ready = job.ready
    folder = ready.folder / f"{job.guest.name}-{job.number}"
    folder.mkdir(parents=True, exist_ok=True)
    model = "" if job.guest.model == plans.FULL else job.guest.model
    # Where CPUs are taken offline beside cyclictest, not all need to be there at the end.
    runs.save(Run(0 if job.guest.tools else job.guest.cpus, ready.build_id, job.name, ready.queue,
                  limit_s=spec.limit_s, model=model,
                  spoken=cyclictest.SPOKEN if job.guest.tools else "",
                  facts={"kernel": ready.measured.label, "source": ready.measured.source,
                         "arch": ready.arch.name, "accel": spec.accel, "steps": steps}), folder)
    result = (earlier(spec, folder) if resume else None) or qemu.boot(spec, folder, stop=stop)
    verdict = judge.judge_folder(folder)
    if verdict.code != Exit.OK:
        raise HarnessError(verdict.code, f"{job.name}: {verdict.reasons[0]}; see {result.console}.")
    console = result.console.read_text(errors="replace")
    where = Boot(ready.arch.name, ready.kernel.name, job.guest.cpus, job.guest.name, job.number,
                 ready.arch.clocksource, job.guest.model)
    if job.guest.tools:
        made, buckets = cyclictest.read(console, where, steps, result.console)
        return Found(made, buckets=buckets)
    return Found(*points.read(console, where, result.console))


def run_jobs(plan: BenchPlan, jobs: list[Job], workers: int, progress: Progress,
             notes: list[str], resume: bool = False) -> tuple[list[Found], Exit]:
    """All boots, some at a time. A boot that fails becomes a note, and the exit code."""
    specs = [boot_spec(plan, job) for job in jobs]      # here: jobs share initial ramdisks
    code = Exit.OK

    def done(number: int, future) -> Found | None:
        nonlocal code
        name = jobs[number].name
        try:
            found = future.result()
        except HarnessError as error:
            notes.append(f"{name} failed: {error.message.splitlines()[0]}")
            progress.done(f"{name} FAILED: {error.message}")
            code = code or error.code
            return None
        notes.extend(f"{name}: discarded: {text}" for text in found.discards)
        return found

    results = parallel.run([(job.name, partial(run_job, job, spec, job.steps(plan), resume=resume))
                            for job, spec in zip(jobs, specs)], workers, progress.tick, done)
    return [found for found in results if found], code


def config_differences(ready: list[Ready]) -> str:
    """Options that the kernels of one architecture and build do not all have in common."""
    parts = ["# Differences between the configurations", "",
             "\"-\": not set, or not known to that version.", ""]
    for arch, way in dict.fromkeys((item.arch.name, item.build) for item in ready):
        mine = [item for item in ready if (item.arch.name, item.build) == (arch, way)]
        configs = [kconfig.parse(item.config.read_text()) for item in mine]
        names = sorted({name for config in configs for name in config})
        rows = [[f"`{name}`", *values] for name in names
                for values in [[config.get(name, "-") for config in configs]]
                if len(set(values)) > 1]
        name = f"{arch}, build {way}" if way else arch
        parts += [f"## {name}: {len(rows)} of {len(names)} options", "",
                  summary.table(["option", *(item.kernel.name for item in mine)], rows), ""]
    return "\n".join(parts)


def result_folder(queue: Queue, parsed) -> Path:
    """bench/results/DATE-BASE, with what the run was limited to."""
    words = [datetime.date.today().isoformat(), queue.name, *parsed.arch]
    if parsed.quick:
        words.append("quick")
    if parsed.kernel or parsed.guest:
        words.append("part")
    return RESULTS / "-".join(words)


def compare(one: Path, other: Path) -> int:
    """What got worse from one result to the other."""
    old, new = (points.stats(points.read_csv(folder / "points.csv")) for folder in (one, other))
    found = points.worse(old, new)
    print(summary.comparison(found, (str(one), str(other)), len(old.keys() & new.keys())))
    return Exit.TEST if found else Exit.OK


def read_rt(paths: list[Path]) -> int:
    """What bench/rt.c printed elsewhere."""
    text = ""
    for path in paths:
        try:
            text += path.read_text(errors="replace") + "\n"
        except OSError as error:
            raise HarnessError(Exit.USAGE, f"{path} cannot be read: {error.strerror}.") from None
    found, wrong = cyclictest.rounds(text)
    if not found:
        raise HarnessError(Exit.USAGE, "there is no output of bench/rt.c in "
                           f"{', '.join(map(str, paths))}.")
    print(cyclictest.rounds_table(found))
    for reason in wrong:
        print(f"not to be used: {reason}")
    return Exit.TEST if wrong else Exit.OK


def limited(plan: BenchPlan, parsed) -> BenchPlan:
    """What the command line leaves of the plan; kernels that it leaves out become a note later."""
    if parsed.quick:
        plan = plan.quick()
    for option in ("boots", "jobs"):
        value = getattr(parsed, option)
        if value is not None and value < 1:
            raise HarnessError(Exit.USAGE, f"--{option} must be 1 or more.")
    for option, known in (("kernel", plan.kernel), ("guest", plan.guest)):
        for name in getattr(parsed, option):
            look_up(option, name, [item.name for item in known])
    return replace(plan, boots=parsed.boots or plan.boots, jobs=parsed.jobs or plan.jobs,
                   guest=tuple(item for item in plan.guest
                                if not parsed.guest or item.name in parsed.guest))


def all_jobs(plan: BenchPlan, ready: list[Ready]) -> list[Job]:
    """Every boot: the kernels in turn, so that what changes with time is in all of them."""
    return [Job(item, one, number) for number in range(1, plan.boots + 1) for one in plan.guest
            if number in one.boots_of(plan.boots)
            for item in ready if item.arch.name in one.arches and item.build == one.build
            and one.boots_with(item.kernel) and (item.tools or not one.tools)]


def lacking(plan: BenchPlan, kernels: list[BenchKernel], arches: list[str]) -> list[str]:
    """A note for each guest whose preemption model some of the kernels lack."""
    notes = []
    for one in plan.guest:
        without = [kernel.name for kernel in kernels
                   if one.takes(kernel) and not one.boots_with(kernel)]
        if without and set(one.arches) & set(arches):
            notes.append(f"the guest {one.name} was not booted with {', '.join(without)}: no "
                         f"preempt={one.model} there")
    return notes


@dataclass(frozen=True)
class Measurements:
    info: tree.TreeInfo
    ready: list[Ready]
    points: list[Point]
    buckets: list[Bucket]
    notes: list[str]
    code: Exit                   # of the first boot that failed

    @property
    def kernels(self) -> list[Measured]:
        return list({item.kernel.name: item.measured for item in self.ready}.values())


def measured(plan: BenchPlan, opts: Options, arches: list[str], progress: Progress,
             only: list[str], resume: bool) -> Measurements:
    """Builds and boots all that the plan asks for, of the kernels `only` (all if none)."""
    notes: list[str] = []
    progress.phase("tools and kernel trees")
    host_packages.need("tree", "build", "plot", *arches)
    info = tree.ensure_tree(opts, progress)
    kernels = find_kernels(plan, info, progress, notes, only)
    progress.done(", ".join(names.label for *_, names in kernels))
    notes += lacking(plan, [kernel for kernel, *_ in kernels], arches)

    ready = []
    for arch in arches:
        asked = lane_files.read(settings.REPO / plan.config[arch], opts.queue).kernel
        wanted = plan.wanted(arch)
        for way in ("", *plan.build):
            for kernel, src, state, names in kernels:
                if (way, kernel) not in wanted:
                    continue
                progress.phase(f"build of {kernel.name}{f', {way},' if way else ''} for {arch}")
                ready.append(prepare(info.queue, plan, asked.arch, asked, kernel, src, state, names,
                                     progress, way))

    progress.phase("boots")
    ready = with_tools(plan, ready, notes)
    jobs = all_jobs(plan, ready)
    counted, code = run_jobs(plan, [job for job in jobs if not job.guest.tools], plan.jobs,
                             progress, notes, resume)
    free, worse = run_jobs(plan, [job for job in jobs if job.guest.tools], 1, progress, notes,
                           resume)
    code = code or worse
    found = [point for one in counted + free for point in one.points]
    buckets = [bucket for one in free for bucket in one.buckets]
    found += [Point(item.arch.name, item.kernel.name, 4, "memory", name, 0, "", 1, 1, float(value))
              for item in ready if not item.build for name, value in item.memory.items()]
    progress.done(f"{len(found)} points")
    return Measurements(info, ready, found, buckets, notes, code)


def phases(plan: BenchPlan, arches: list[str], only: list[str]) -> int:
    """Of measured()."""
    return 2 + sum(not only or kernel.name in only for arch in arches
                   for _, kernel in plan.wanted(arch))


def measure_all(plan: BenchPlan, opts: Options, parsed, arches: list[str]) -> int:
    progress = Progress(1 + phases(plan, arches, parsed.kernel))
    made = measured(plan, opts, arches, progress, parsed.kernel, parsed.resume)
    progress.phase("report")
    folder = result_folder(opts.queue, parsed)
    write_results(plan, folder, made, arches)
    progress.done(str(relative(folder)))
    stats = points.stats(made.points)
    for arch in arches:
        print(f"\n{arch}:")
        for item in summary.targets(plan, stats, arch):
            print(f"  {item.verdict.strip('*'):<12} {item.what}: {item.figure}")
    print(f"\n  {relative(folder / 'summary.md')}")
    return made.code


def write_results(plan: BenchPlan, folder: Path, made: Measurements, arches: list[str]) -> None:
    """Fills the result folder; one of the same day and kind is replaced."""
    queue, ready, buckets = made.info.queue, made.ready, made.buckets
    stats, kernels = points.stats(made.points), made.kernels
    qemu = sorted({item.arch.qemu for item in ready})
    how = ["Clock: simulated, QEMU counts instructions and 1 instruction is 1 ns "
           "(-icount shift=0,sleep=off), all CPUs run in turn. "
           f"{plan.boots} boots of each guest{fewer(plan)}, the kernels in turn; all figures are "
           "medians, with least and greatest where they differ. Raw points: points.csv. "
           f"Emulator: {', '.join(f'{name} {version(name)}' for name in qemu)}. "
           "Same configuration but for what config-differences.md lists."]
    subtitle = "Clock: QEMU counts instructions, 1 instruction = 1 ns. " \
               f"Medians of {plan.boots} boots, bars from least to greatest."
    with new_folder(folder) as new:
        points.write_csv(made.points, new / "points.csv")
        if buckets:
            points.write_csv(buckets, new / "histograms.csv")
        (new / "config-differences.md").write_text(config_differences(ready), encoding="utf-8")
        (new / "summary.md").write_text(
            summary.summary(plan, stats, arches, kernels, f"Benchmarks, {folder.name}", how,
                                [note.replace(f"{settings.REPO}/", "") for note in made.notes]),
            encoding="utf-8")
        for arch in arches:
            plots.draw_all(stats, arch, kernels, subtitle, new, work(queue) / "matplotlib")
            plots.draw_histograms(buckets, arch, kernels, new, work(queue) / "matplotlib")


def fewer(plan: BenchPlan) -> str:
    """Which guests have fewer boots than others, for the summary."""
    return "".join(f" ({one.name}: {len(one.boots_of(plan.boots))})" for one in plan.guest
                   if len(one.boots_of(plan.boots)) != plan.boots)


def version(qemu: str) -> str:
    """The emulator's version: "7.2.22"."""
    output = proc.run([qemu, "--version"], step=f"{qemu} --version",
                      limit=settings.limit("tool")).output
    match = re.search(r"version (\S+)", output)
    return match[1] if match else "?"
