"""Reads lanes: the configurations that are built and booted.

In:  a Queue, lanes/NAME.toml (lanes/x86_64.toml says what the keys mean), lanes.toml of the queue.
Out: Lane. Times are host seconds, memory is MiB.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ..core import Exit, HarnessError, Queue, look_up, records, settings
from ..core.queues import merged
from ..build.arches import Arch, Kernel, arch
from ..judge import selftests, torture
from ..judge.runs import Suite
from ..judge.torture import Wanted

LANES = settings.REPO / "lanes"
_OF_A_KERNEL = ("arch", "kunitconfig", "config")     # come with `kernel`, if a lane has that


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
    icount: bool = False         # the guest's clock counts instructions
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
class Differences:
    """lanes.toml of a queue: what is different for its kernel. One without is as lanes/ says."""

    left_out: dict[str, str] = field(default_factory=dict)      # lane -> why it makes no sense
    config: dict[str, str] = field(default_factory=dict)        # options of every kernel
    lane: dict[str, dict[str, Any]] = field(default_factory=dict)    # lane -> keys of its file


def differences(queue: Queue) -> Differences:
    path = queue.dir / "lanes.toml"
    return records.make(Differences, settings.toml(path) if path.is_file() else {}, str(path))


def names(queue: Queue, folder: Path = LANES) -> list[str]:
    """The name of every lane that makes sense for the queue: x86_64 lanes first."""
    left_out = differences(queue).left_out
    return sorted((path.stem for path in folder.glob("*.toml") if path.stem not in left_out),
                  key=lambda name: (not name.startswith("x86_64"), name))


def load(name: str, queue: Queue, folder: Path = LANES) -> Lane:
    """Reads lanes/NAME.toml; an unknown name is a usage error that lists the lanes."""
    if why := differences(queue).left_out.get(name):
        raise HarnessError(Exit.USAGE, f"the lane {name} is not for {queue.name}: {why}.")
    look_up("lane", name, names(queue, folder))
    return read(folder / f"{name}.toml", queue)


def read(path: Path, queue: Queue) -> Lane:
    """Reads one lane file, for the queue, and checks that it says all it must."""
    different = differences(queue)

    def keys(name: str) -> dict[str, Any]:
        """Those of a lane of the same folder, with what the queue says in their place."""
        return merged(settings.toml(path.with_name(f"{name}.toml")), different.lane.get(name, {}))

    data = keys(path.stem)
    lane = data.pop("kernel", "")       # whose kernel it boots
    if lane:
        if own := [key for key in _OF_A_KERNEL if key in data]:
            raise _wrong(path, f"with kernel = {lane!r}, {' and '.join(own)} must go: they are that "
                         "lane's")
        look_up(f"lane for the kernel of {path.name}", lane,
                [item.stem for item in path.parent.glob("*.toml")])
        other = keys(lane)
        if "kernel" in other:
            raise _wrong(path, f"kernel names {lane!r}, which has no kernel of its own")
        data |= {key: other[key] for key in _OF_A_KERNEL if key in other}
    if "arch" not in data:
        raise _wrong(path, "the key 'arch' is missing (or 'kernel', the lane whose kernel it boots)")
    target = arch(data.pop("arch"))
    kernel = records.make(Kernel, {
        "options": target.config | different.config | data.pop("config", {}),
        "kunitconfig": data.pop("kunitconfig", "")}, str(path), name=lane or path.stem, arch=target)
    made = records.make(Lane, data | {"suites": data.pop("suite", ())}, str(path), name=path.stem,
                        kernel=kernel)
    return replace(made, torture=tuple(_torture(path, item, queue) for item in made.torture))


def _wrong(path: Path, what: str) -> HarnessError:
    return HarnessError(Exit.USAGE, f"{path}: {what}.")


def _torture(path: Path, asked: Wanted, queue: Queue) -> Wanted:
    """Checks a [[torture]] against its table of torture.toml; adds the selftests that it runs."""
    look_up(f"torture test for {path.name}", asked.test, torture.kinds())
    kind = torture.kinds()[asked.test]
    for name in asked.minimum:
        if name not in kind.numbers:
            raise _wrong(path, f"minimum of {kind.name} must give a number for one of its totals "
                         f"({', '.join(kind.numbers)}), not {name}")
    if asked.skips and not kind.verdicts:
        raise _wrong(path, f"{kind.name} has no verdicts that could be skipped")
    return replace(asked, programs=selftests.load(queue.file(settings.REPO / kind.programs)).runs
                   if kind.programs else ())


def choose(queue: Queue, named: list[str], everything: bool) -> list[Lane]:
    """The lanes that ./run check runs: those named, all, or those with when = "check"."""
    if named and everything:
        raise HarnessError(Exit.USAGE, "check takes names of lanes or --all, not both.")
    found = [load(name, queue) for name in dict.fromkeys(named or names(queue))]
    return found if named or everything else [lane for lane in found if lane.when == "check"]
