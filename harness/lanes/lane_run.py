"""Runs one lane: builds its kernel, boots it, judges what came out.

In:  a Lane, a kernel tree (TreeInfo), a Progress.
Out: Verdict; build/<queue>/runs/<lane>[-<variant>]/: config, qemu-cmd, console.log, exit, run.json,
     verdict.json. The folder of the run before is kept as NAME.old.
"""

import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Sequence

from ..core import Exit, Part, Progress, Queue, proc, require, settings
from ..fetch import host_packages
from ..queue import TreeInfo, rt_tree, series
from ..build import kernel_build, touched
from ..guest import initramfs, qemu
from ..judge import judge, ktap, runs
from ..judge.runs import Run
from ..judge.torture import Kind
from . import selftests
from .lane_files import Lane


@dataclass(frozen=True)
class LaneRun:
    name: str                    # lane, with variant
    folder: Path
    verdict: judge.Verdict
    build_s: float               # host seconds
    boot_s: float


def run_folder(queue: Queue, name: str) -> Path:
    """A fresh folder for the run; the one before is kept beside it."""
    folder = queue.build / "runs" / name
    older = folder.with_name(folder.name + ".old")
    if folder.exists():
        shutil.rmtree(older, ignore_errors=True)
        folder.rename(older)
    folder.mkdir(parents=True)
    return folder


def out_folder(queue: Queue, lane: Lane, suffix: str = "") -> Path:
    """Where the lane's kernel is built: lanes that share a kernel share the folder."""
    return queue.build / "out" / (lane.kernel.name + suffix)


def torture_kinds(lane: Lane) -> list[Kind]:
    """The lane's torture tests, each once."""
    return list({item.test: item.kind for item in lane.torture}.values())


def steps(lane: Lane) -> list[str]:
    """What the guest's init does for the lane's torture tests."""
    lines = []
    for item in lane.torture:
        names = [Path(path).stem for path in (item.kind.needs, item.kind.module) if path]
        lines += [f"load {name}" for name in names]
        if item.kind.program:
            lines.append(f"run {Path(item.kind.program).stem}")
        if item.params:
            lines[-1] += " " + item.params
        if not item.kind.program:
            lines.append(f"sleep {item.seconds}")
        lines += [f"unload {name}" for name in reversed(names)]
    return lines


def cmdline(lane: Lane, glob: str | None) -> str:
    """Kernel parameters for a run of the lane's suites and torture tests."""
    words = ["harness.suites=" + ",".join(suite.name for suite in lane.suites if suite.again)]
    if lane.boot_cpus:
        words.append(f"maxcpus={lane.boot_cpus} harness.online=1")
    if lane.modules or lane.torture:
        words.append(initramfs.STEPS)
    words.append(lane.cmdline)
    if glob:
        words.append(f"kunit.filter_glob={glob}")    # the last one counts
    return " ".join(word for word in words if word)


def full_glob(lane: Lane, glob: str | None) -> str | None:
    """A pattern for cases becomes KUnit's pattern for suite and case."""
    if glob is None or "." in glob:
        return glob
    return f"{lane.suites[0].name if len(lane.suites) == 1 else '*'}.{glob}"


def suite_steps(lane: Lane, glob: str | None) -> list[str]:
    """Loads the modules of the suites, which run then, with what the command line has for them."""
    names = [Path(path).stem for path in lane.modules]
    words = cmdline(lane, glob).split()
    lines = [" ".join(["load", name, *(word.removeprefix(name + ".") for word in words
                                       if word.startswith(name + "."))]) for name in names]
    return lines + [f"unload {name}" for name in reversed(names)]


def step_entries(lane: Lane, info: TreeInfo, out: Path,
                 glob: str | None = None) -> list[initramfs.Entry]:
    """What the guest needs for suites in modules and torture tests: steps, modules, programs."""
    if not (lane.modules or lane.torture):
        return []
    entries: list[initramfs.Entry] = []
    files = {Path(name).name: out / name for name in lane.modules}
    for kind in torture_kinds(lane):
        own, folder = out / f"torture-{kind.name}", out
        if kind.source:
            folder = kernel_build.module(lane.kernel, info.path, out, settings.REPO / kind.source,
                                         kind.module, own).parent
        files |= {Path(name).name: folder / name for name in (kind.needs, kind.module) if name}
        if kind.program:
            files[Path(kind.program).stem] = initramfs.compile_static(
                lane.arch, settings.REPO / kind.program)
        if kind.kernel:
            entries.append(initramfs.program("kernel", out / lane.arch.kernel))
        if kind.programs:
            listed = selftests.load(info.queue, kind.programs)
            entries += selftests.entries(
                listed, selftests.make(listed, lane.kernel, info.path, out, own))
    for path in files.values():
        require(path.is_file(), f"the build of {lane.kernel.name} gave no {path}; its lane must set "
                'the option of that module to "m".', Exit.BUILD)
    return initramfs.with_steps([*suite_steps(lane, glob), *steps(lane)], {
        name: path.read_bytes() for name, path in files.items()}) + entries


def qemu_args(lane: Lane) -> tuple[str, ...]:
    """The lane's own arguments for QEMU; its ACPI table is compiled for that."""
    if not lane.acpi:
        return lane.qemu
    table = initramfs.folder() / f"{lane.acpi.stem}.aml"
    table.parent.mkdir(parents=True, exist_ok=True)
    proc.run(["iasl", "-p", table.with_suffix(""), lane.acpi], step=f"compiling {lane.acpi.name}")
    return (*lane.qemu, "-acpitable", f"file={table}")


def boot_spec(lane: Lane, kernel: Path, glob: str | None = None,
              extra: Sequence[initramfs.Entry] = ()) -> qemu.BootSpec:
    spec = qemu.BootSpec(arch=lane.arch, kernel=kernel, initrd=initramfs.make(lane.arch, extra),
                         cmdline=cmdline(lane, glob), smp=lane.cpus, memory_mib=lane.memory_mib,
                         limit_s=settings.scaled(lane.boot_limit_s), extra=qemu_args(lane))
    # KVM only where a trial boot of this kernel shows that it works.
    return replace(spec, accel=qemu.probe_kvm(replace(spec, cmdline="kunit.enable=0"))
                   if lane.accel == "auto" else lane.accel)


def second_opinion(src: Path, console: str) -> dict[str, int]:
    """What the tree's own kunit.py counts in the first run; {}: it gives no summary.
    It is asked besides ktap.py, not instead: it takes no notice of anything outside of the tests, and a
    run that was skipped as a whole is a success to it."""
    parsed = proc.run([sys.executable, "-B", "tools/testing/kunit/kunit.py", "parse"],
                      step="kunit.py parse", cwd=src, check=False,
                      stdin="\n".join(judge.at_boot(console.splitlines())) + "\n")
    return ktap.kunit_py_counts(parsed.output)


def need(lane: Lane) -> None:
    """Sees to it that the tools for building and booting the lane are there."""
    own = ["selftests"] if any(kind.programs for kind in torture_kinds(lane)) else []
    own += ["acpi"] if lane.acpi else []
    host_packages.need("build", lane.arch.name, *own)


def boot_saved(lane: Lane, info: TreeInfo, made: kernel_build.BuildResult,
               entries: Sequence[initramfs.Entry], run: Run, folder: Path,
               on_line: Callable[[str], None] | None = None) -> tuple[Run, qemu.BootResult]:
    """Boots what was made with these members of the guest's archive; the run as it was saved before."""
    spec = boot_spec(lane, made.kernel, run.glob or None, entries)
    # What people want to know: from which source, how it was built and booted.
    facts = {"lane": lane.name, "proves": lane.proves, "arch": lane.arch.name,
             "kernel": made.out.name, "accel": spec.accel,
             "linux": info.kernel_version, "source": info.source, "checksum": info.checksum,
             "commit": made.source, "build_s": round(made.seconds, 1),
             "began": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    run = replace(run, name=folder.name, queue=info.queue.name, build_id=made.build_id,
                  limit_s=spec.limit_s, facts=facts | run.facts)
    runs.save(run, folder)
    return run, qemu.boot(spec, folder, on_line)


def run(lane: Lane, info: TreeInfo, progress: Progress, *, variant: str = "",
        glob: str | None = None, show: Callable[[str], None] | None = None) -> LaneRun:
    """Builds, boots and judges; raises only if there is nothing to judge."""
    need(lane)
    if lane.kernel.rt:
        info = rt_tree.ensure(info, progress)
    out = out_folder(info.queue, lane, f"-{variant}" if variant else "")
    progress.tick("building")
    made = kernel_build.build(lane.kernel, info.path, out, progress)
    return boot(lane, info, made, step_entries(lane, info, out, glob), progress, variant=variant,
                glob=glob, show=show)


def boot(lane: Lane, info: TreeInfo, made: kernel_build.BuildResult,
         entries: Sequence[initramfs.Entry], progress: Progress, *, variant: str = "",
         glob: str | None = None, show: Callable[[str], None] | None = None) -> LaneRun:
    """Boots what was made with these members of the guest's archive, and judges."""
    folder = run_folder(info.queue, lane.name + (f"-{variant}" if variant else ""))
    shutil.copyfile(made.config, folder / "config")
    files = series.patches(info.queue)
    run, ended = boot_saved(lane, info, made, entries, Run(
        cpus=lane.cpus, boot_cpus=lane.boot_cpus, glob=glob or "", torture=lane.torture,
        panic=lane.panic, modules=bool(lane.modules),
        suites=tuple(replace(suite, min_cases=1) if glob else suite for suite in lane.suites),
        touched=touched.functions(info.queue, made.out, lane.arch, info.path, series.touched(files))
        if lane.kernel.options.get("KCSAN") == "y" else None,
        facts={"series": "" if variant else series.digest(files)}),
        folder, show or (lambda line: progress.tick(ktap.strip(line).strip()[:80])))
    run = replace(run, facts=run.facts | {"boot_s": round(ended.seconds, 1)})
    if lane.suites:
        run = replace(run, kunit_py=second_opinion(info.path, qemu.console(folder)))
    runs.save(run, folder)
    return LaneRun(run.name, folder, judge.judge_folder(folder), made.seconds, ended.seconds)


def part(lane: Lane, info: TreeInfo, progress: Progress) -> Part:
    """Runs one lane in the patched tree, as a part of ./run check."""
    ran = run(lane, info, progress)
    verdict = ran.verdict
    failed = verdict.failed or (1 if verdict.code != Exit.OK else 0)
    note = ", ".join([*(f"{count} cases {name}" for name, count in verdict.runs.items()),
                      *(item.test for item in verdict.torture)])
    note += f"; build {ran.build_s:.0f} s, boot and runs {ran.boot_s:.0f} s"
    if verdict.elsewhere:
        note += f"; {len(verdict.elsewhere)} data races elsewhere"
    print("\n".join(f"  {line}" for line in verdict.text().splitlines()), flush=True)
    return Part(ran.name, verdict.code, verdict.passed, failed, verdict.skipped,
                ran.build_s + ran.boot_s, note)
