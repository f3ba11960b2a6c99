"""Linux with and without the series, built, booted and measured for `./run demo`.

In:  where the Linux source comes from; demo/demo.toml (configuration and machine),
     demo/wakeup.c (what measures), demo/init.c (runs it in the guest).
Out: in build/<queue>/demo/: points.csv, latency.svg, result.txt (what is printed), a folder
     for each kernel with the module, and one for each boot with console.log, qemu-cmd and exit.

Both are booted with each preemption model, and measured anew, at each run; a kernel is built only if its tree
or its configuration has changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ..core import settings
from ..core.progress import Progress
from ..core.queues import Queue
from ..queue import tree
from ..build import kernel_build, kernel_module
from ..guest import initramfs, qemu
from ..judge import clean_console
from ..lanes.lane_files import Lane
from . import wakeup
from .wakeup import Measurement, Plan


DEMO = settings.REPO / "demo"
MODULE = "wakeup.ko"
INIT = "demo-init"


@dataclass(frozen=True)
class Variant:
    """One of the two kernels."""

    queue: Queue
    name: str            # of its folders
    label: str           # for people
    tree: Path
    many_pinned: int     # parameter of the module: what smp_call_function_many() demands

    @property
    def out(self) -> Path:
        return self.queue.build / "out" / f"demo-{self.name}"

    @property
    def folder(self) -> Path:
        return work(self.queue) / self.name

    def boot_folder(self, model: str) -> Path:
        """Of its boot with a preemption model."""
        return work(self.queue) / f"{self.name}-{model}"


def work(queue: Queue) -> Path:
    """The folder of all that the demo makes, except for the kernels."""
    return queue.build / "demo"


def variants(info: tree.TreeInfo, unpatched: Path) -> tuple[Variant, Variant]:
    """The unpatched kernel, of which the tree is given, and the one with the series."""
    return (Variant(info.queue, "base", f"{info.kernel_version} unpatched", unpatched, 1),
            Variant(info.queue, "series", f"{info.kernel_version} + series", info.path, 0))


def build_variant(lane: Lane, variant: Variant, progress: Progress
                  ) -> tuple[qemu.BootSpec, str]:
    """Builds kernel, module and initial ramdisk; how to boot it, and the kernel's build id."""
    kernel = replace(lane.kernel, name=variant.out.name)
    result = kernel_build.build(kernel, variant.tree, variant.out, progress)
    measuring = kernel_module.make(kernel, variant.tree, variant.out, DEMO, MODULE,
                            variant.folder / "module")
    programs = variant.folder / "guest"
    init = initramfs.compile_static(lane.arch, DEMO / "init.c", programs)
    initrd = initramfs.make(lane.arch, programs,
                             (initramfs.program(INIT, init), initramfs.program(MODULE, measuring)))
    progress.done(f"{result.compiled} files compiled" if result.built else "nothing had changed")
    spec = qemu.BootSpec(
        lane.arch, result.kernel, initrd,
        f"{lane.cmdline} wakeup.many_pinned={variant.many_pinned} rdinit=/{INIT}",
        lane.cpus, lane.memory_mib, lane.boot_limit_s, icount=True, extra=clean_console.CLOCK)
    return spec, result.build_id


def examine(result: qemu.BootResult, asked: Plan, label: str, build_id: str, model: str
            ) -> Measurement:
    """What a boot measured; a guest that did not come through it cleanly is an error."""
    console = clean_console.console_of(result, label, "demo/demo.toml", build_id, model=model)
    return wakeup.read(console, asked, label, result.console, model)


def measure_one(spec: qemu.BootSpec, build_id: str, variant: Variant, model: str, asked: Plan,
                progress: Progress) -> Measurement:
    """Boots one kernel with one preemption model and reads what it measured."""
    count = 0

    def watch(line: str) -> None:
        nonlocal count
        count += "WAKEUP," in line
        progress.tick(f"{count} of {asked.points} points")

    spec = replace(spec, cmdline=f"{spec.cmdline} preempt={model}")
    result = qemu.boot(spec, variant.boot_folder(model), watch)
    measurement = examine(result, asked, variant.label, build_id, model)
    progress.done(f"{len(measurement.points)} points, {len(measurement.discards)} tries discarded")
    return measurement


def relative(path: Path) -> Path:
    """The path as seen from the repository, if it is inside."""
    return path.relative_to(settings.REPO) if path.is_relative_to(settings.REPO) else path


def report(measurements: list[Measurement], asked: Plan, lane: Lane, info: tree.TreeInfo,
           patches: int) -> str:
    """All that the verb prints at its end."""
    discards = [f"  discarded on {boot.label}, preempt={boot.model}: {text}"
                for boot in measurements for text in boot.discards]
    total = sum(len(boot.points) for boot in measurements)
    boots = ",".join(f"{{base,series}}-{model}" for model in asked.models)
    return "\n".join([
        "",
        "How long a SCHED_FIFO task waits to run on a CPU whose current task waits for a",
        "cross-CPU call, while a remote CPU keeps interrupts off:",
        "",
        wakeup.table(measurements, asked),
        "",
        *(f"  {model:<11} {what}" for model, what in wakeup.MODELS.items()
          if model in asked.models),
        f"  figures     medians of {asked.reps} points, and the ratio of the medians; the point "
        "that is farthest",
        "              from its median: "
        + wakeup.farthest(measurements, asked).replace(" (", "\n" + " " * 14 + "(", 1),
        f"  clock       simulated: QEMU counts instructions, 1 instruction = 1 ns; {lane.cpus} CPUs",
        f"  wake-up     {wakeup.show(asked.wake_delay_ns)} after the start of the call, from which "
        "the hold is counted",
        "  csd in use  earlier calls, which nobody waits for, still hold the csds that the call "
        "wants",
        f"  source      Linux {info.kernel_version}, {info.source}",
        f"              {info.checksum}",
        f"  series      {patches} patches of {relative(info.queue.dir)}",
        *discards,
        "",
        f"  {total} points   {relative(work(info.queue) / 'points.csv')}",
        f"  plot         {relative(work(info.queue) / 'latency.svg')}",
        f"  this text    {relative(work(info.queue) / 'result.txt')}",
        f"  consoles     {relative(work(info.queue))}/*/console.log, to boot again: qemu-cmd; * is one of",
        f"               {boots}",
    ])
