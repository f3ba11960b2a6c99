"""Reads lanes: the configurations that are built and booted.

In:  a Queue, lanes/NAME.toml (lanes/x86_64.toml says what the keys mean), lanes.toml of the queue.
Out: Lane. Times are host seconds, memory is MiB.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ..core import Queue, look_up, records, require, settings
from ..core.records import Text
from ..build import debian_config
from ..build.arches import Arch, Kernel, arch
from ..judge import torture
from ..judge.ktap import Suite
from ..judge.torture import Wanted
from . import selftests

LANES = settings.REPO / "lanes"
Accel = Literal["auto", "icount", "one_thread"]     # "auto": with KVM, or with a thread for each CPU
# Come with `kernel`, if a lane has that.
_OF_A_KERNEL = ("arch", "base_config", "rt", "kunitconfig", "config")


@dataclass(frozen=True)
class Lane:
    name: str
    kernel: Kernel               # its own, or that of the lane whose kernel it boots
    proves: str
    cpus: int                    # that the guest has
    memory_mib: int
    boot_limit_s: float          # boot, all runs of every suite, torture
    suites: tuple[Suite, ...] = ()
    torture: tuple[Wanted, ...] = ()
    boot_cpus: int = 0           # online at boot; the guest's init adds the others after the
                                 # first run. 0: all
    cmdline: str = ""            # extra kernel parameters
    when: Literal["check", "all"] = "check"    # ./run check; ./run check --all only
    modules: tuple[str, ...] = ()    # that hold the suites, below the build folder, in this order
    accel: Accel = "auto"
    qemu: tuple[str, ...] = ()   # more arguments for QEMU
    acpi: Path | None = None     # source of a table that QEMU adds to its own
    panic: str = ""              # message of the panic that must come

    def __post_init__(self) -> None:
        if not 0 <= self.boot_cpus <= self.cpus:
            raise ValueError("boot_cpus must be from 1 to cpus")

    @property
    def arch(self) -> Arch:
        return self.kernel.arch


@dataclass(frozen=True)
class OfQueue:
    """lanes.toml of a queue; without one, nothing is different."""

    left_out: dict[str, Text] = field(default_factory=dict)
    cmdline: dict[str, Text] = field(default_factory=dict)      # by architecture


def of_queue(queue: Queue) -> OfQueue:
    """What is different for the lanes of a queue."""
    made = records.make(OfQueue, queue.own("lanes.toml"), f"lanes.toml of {queue.name}")
    for name in made.cmdline:
        arch(name)
    return made


def left_out(queue: Queue) -> dict[str, Text]:
    """Each lane that makes no sense for the queue's kernel, and why."""
    return of_queue(queue).left_out


def names(queue: Queue, folder: Path = LANES) -> list[str]:
    """The name of every lane that makes sense for the queue: x86_64 lanes first."""
    return sorted({path.stem for path in folder.glob("*.toml")} - left_out(queue).keys(),
                  key=lambda name: (not name.startswith("x86_64"), name))


def load(name: str, queue: Queue, folder: Path = LANES) -> Lane:
    """Reads lanes/NAME.toml; an unknown name is a usage error that lists the lanes."""
    why = left_out(queue).get(name)
    require(not why, f"the lane {name} is not for {queue.name}: {why}.")
    look_up("lane", name, names(queue, folder))
    return read(folder / f"{name}.toml", queue)


def read(path: Path, queue: Queue) -> Lane:
    """Reads one lane file, for the queue, and checks that it says all it must."""
    data = kernels = settings.toml(path)
    lane = data.pop("kernel", "")       # whose kernel it boots
    if lane:
        own = [key for key in _OF_A_KERNEL if key in data]
        require(not own, f"{path}: with kernel = {lane!r}, {' and '.join(own)} must go: they are that "
                "lane's.")
        look_up(f"lane for the kernel of {path.name}", lane,
                [item.stem for item in path.parent.glob("*.toml")])
        kernels = settings.toml(path.with_name(f"{lane}.toml"))
        require("kernel" not in kernels, f"{path}: kernel names {lane!r}, which has no kernel of its "
                "own.")
        data |= {key: kernels[key] for key in _OF_A_KERNEL if key in kernels}
    require("arch" in data, f"the key 'arch' of {path} is missing (or 'kernel', the lane whose kernel "
            "it boots).")
    target, flavour = arch(data.pop("arch")), data.pop("base_config", "")
    usual = debian_config.rules().options if flavour else target.config
    kernel = records.make(Kernel, {
        "options": usual | data.pop("config", {}), "kunitconfig": data.pop("kunitconfig", ""),
        "rt": data.pop("rt", False)}, str(path), name=lane or path.stem, arch=target,
        base=(lambda: debian_config.buildable(debian_config.text(queue, flavour))) if flavour else None,
        only=tuple(kernels.get("modules", ())) if flavour else ())
    require(not (flavour and kernel.kunitconfig), f"{path}: base_config comes instead of kunitconfig.")
    made = records.make(Lane, data | {"suites": data.pop("suite", ())}, str(path), name=path.stem,
                        kernel=kernel)
    made = replace(made, cmdline=" ".join(filter(None, (
        made.cmdline, of_queue(queue).cmdline.get(target.name)))))
    if made.modules:        # which are loaded once
        made = replace(made, suites=tuple(replace(suite, again=False) for suite in made.suites))
    return replace(made, torture=tuple(_torture(path, item, queue) for item in made.torture))


def _torture(path: Path, asked: Wanted, queue: Queue) -> Wanted:
    """Checks a [[torture]] against its table of torture.toml; adds the selftests that it runs."""
    look_up(f"torture test for {path.name}", asked.test, torture.kinds())
    kind = asked.kind
    totals = (*kind.totals, *kind.counts)
    for name in asked.minimum:
        require(name in totals, f"{path}: minimum of {kind.name} must give a number for one of its "
                f"totals ({', '.join(totals)}), not {name}.")
    require(kind.program or not asked.suites, f"{path}: {kind.name} has no suites.")
    if not kind.programs:
        return asked
    listed = selftests.load(queue, kind.programs)
    return replace(asked, suites=(*asked.suites, *(item.suite() for item in listed.run)))


def choose(queue: Queue, named: list[str], everything: bool) -> list[Lane]:
    """The lanes that ./run check runs: those named, all, or those with when = "check"."""
    require(not (named and everything), "check takes names of lanes or --all, not both.")
    found = [load(name, queue) for name in dict.fromkeys(named or names(queue))]
    return found if named or everything else [lane for lane in found if lane.when == "check"]
