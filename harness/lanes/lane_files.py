"""Reads lanes: the configurations that are built and booted.

In:  a Queue, lanes/NAME.toml (lanes/x86_64.toml says what the keys mean), lanes.toml of the queue.
Out: Lane. Times are host seconds, memory is MiB.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core import Exit, HarnessError, Queue, look_up, records, settings
from ..core.queues import merged
from ..build import debian_config
from ..build.arches import Arch, Kernel, arch
from ..judge import selftests, torture
from ..judge.runs import Suite
from ..judge.torture import Wanted

LANES = settings.REPO / "lanes"
WHEN = ("check", "all")      # ./run check; ./run check --all only


@dataclass(frozen=True)
class Lane:
    name: str
    kernel: Kernel               # its own, or that of the lane whose kernel it boots
    suites: tuple[Suite, ...]
    torture: tuple[Wanted, ...]
    acpi: Path | None            # source of a table that QEMU adds to its own
    proves: str
    cpus: int                    # that the guest has
    memory_mib: int
    boot_limit_s: float          # boot, all runs of every suite, torture
    boot_cpus: int = 0           # online at boot; the guest's init adds the others after the
                                 # first run. 0: all
    cmdline: str = ""            # extra kernel parameters
    when: str = WHEN[0]
    modules: tuple[str, ...] = ()    # that hold the suites, below the build folder, in this order
    icount: bool = False         # the guest's clock counts instructions
    qemu: tuple[str, ...] = ()   # more arguments for QEMU

    def __post_init__(self) -> None:
        if self.when not in WHEN:
            raise ValueError(f"when must be one of {', '.join(WHEN)}")
        if not 1 <= self.boot_cpus <= self.cpus:
            raise ValueError("boot_cpus must be from 1 to cpus")

    @property
    def arch(self) -> Arch:
        return self.kernel.arch


def _wrong(path: Path, what: str) -> HarnessError:
    return HarnessError(Exit.USAGE, f"{path}: {what}.")


@dataclass(frozen=True)
class Differences:
    """lanes.toml of a queue: what is different for its kernel. One without is as lanes/ says."""

    left_out: dict[str, str]             # lane -> why it makes no sense
    config: dict[str, str]               # options of every kernel
    lane: dict[str, dict[str, Any]]      # lane -> keys of its file; tables are merged


def differences(queue: Queue) -> Differences:
    path = queue.dir / "lanes.toml"
    data = settings.toml(path) if path.is_file() else {}
    found = Differences(data.pop("left_out", {}), data.pop("config", {}), data.pop("lane", {}))
    if data:
        raise _wrong(path, f"{next(iter(data))} is no table that belongs here")
    return found


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


# Come with `kernel`, if a lane has that.
_OF_A_KERNEL = ("arch", "base_config", "rt", "kunitconfig", "config")


def _torture(path: Path, entry: dict[str, Any], queue: Queue) -> Wanted:
    look_up(f"torture test for {path.name}", entry.get("test", ""), torture.kinds())
    kind = torture.kinds()[entry["test"]]
    programs = selftests.load(queue.file(settings.REPO / kind.programs)).runs \
        if kind.programs else ()
    found = records.make(Wanted, entry, f"a [[torture]] in {path}", programs=programs)
    for name in found.minimum:
        if name not in kind.numbers:
            raise _wrong(path, f"minimum of {kind.name} must give a number for one of its totals "
                         f"({', '.join(kind.numbers)}), not {name}")
    if found.skips and not kind.verdicts:
        raise _wrong(path, f"{kind.name} has no verdicts that could be skipped")
    return found


def _own_kernel(path: Path, data: dict[str, Any], queue: Queue) -> Kernel:
    if "arch" not in data:
        raise _wrong(path, "the key 'arch' is missing (or 'kernel', the lane whose kernel it "
                     "boots)")
    target, flavour = arch(data["arch"]), data.get("base_config")
    options = {**(debian_config.rules().options if flavour else dict(target.config)),
               **differences(queue).config, **data.get("config", {})}
    for key, value in options.items():
        if not isinstance(value, str) or key.startswith("CONFIG_"):
            raise _wrong(path, f'write options without CONFIG_ and with a value in quotes, '
                               f'as in {key.removeprefix("CONFIG_")} = "y"')
    base = (lambda: debian_config.for_lane(debian_config.text(queue, flavour))) if flavour else None
    return Kernel(path.stem, target, tuple(options.items()), data.get("kunitconfig", ""), base,
                  data.get("rt", False))


def _other_kernel(path: Path, data: dict[str, Any], queue: Queue) -> Kernel:
    """The kernel of the lane that the lane file names."""
    own = [key for key in _OF_A_KERNEL if key in data]
    if own:
        raise _wrong(path, f"with kernel = {data['kernel']!r}, {' and '.join(own)} must go: they "
                     "are that lane's")
    other = path.with_name(data["kernel"] + ".toml")
    if not other.is_file():
        raise _wrong(path, f"kernel names {data['kernel']!r}, which is no lane")
    if "kernel" in settings.toml(other):
        raise _wrong(path, f"kernel names {data['kernel']!r}, which has no kernel of its own")
    return read(other, queue).kernel


def read(path: Path, queue: Queue) -> Lane:
    """Reads one lane file, for the queue, and checks that it says all it must."""
    data = merged(settings.toml(path), differences(queue).lane.get(path.stem, {}))
    kernel = (_other_kernel if "kernel" in data else _own_kernel)(path, data, queue)
    data = {name: item for name, item in data.items() if name not in (*_OF_A_KERNEL, "kernel")}
    suites, asked, table = data.pop("suite", ()), data.pop("torture", ()), data.pop("acpi", "")
    acpi = settings.REPO / table if table else None
    if acpi and not acpi.is_file():
        raise _wrong(path, f"acpi names {table}, which is no file of this repository")
    return records.make(
        Lane, {"boot_cpus": data.get("cpus"), **data}, str(path), name=path.stem, kernel=kernel,
        acpi=acpi,
        suites=tuple(records.make(Suite, {"again": not data.get("modules")} | entry,
                                  f"a [[suite]] in {path}") for entry in suites),
        torture=tuple(_torture(path, entry, queue) for entry in asked))


def choose(queue: Queue, named: list[str], everything: bool) -> list[Lane]:
    """The lanes that ./run check runs: those named, all, or those with when = "check"."""
    if named and everything:
        raise HarnessError(Exit.USAGE, "check takes names of lanes or --all, not both.")
    found = [load(name, queue) for name in dict.fromkeys(named or names(queue))]
    return found if named or everything else [lane for lane in found if lane.when == "check"]
