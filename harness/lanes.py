"""Reads lanes: the configurations that are built and booted (lanes/*.toml).

In:  lanes/NAME.toml, harness/data/arches.toml.
Out: Lane, Suite, Arch, Kernel; names() -> lane names, load(name) -> Lane,
     arch(name) -> Arch.  Times are host seconds, memory is MiB.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import settings
from .errors import Exit, HarnessError

LANES = settings.REPO / "lanes"


@dataclass(frozen=True)
class Arch:
    """What building and booting must know of an architecture."""

    name: str                    # as make's ARCH= and kunit.py's --arch= take it
    kernel: str                  # image below the build folder
    target: str                  # make target of that image
    cross: str                   # cross compiler prefix, may be ""
    console: str                 # kernel device of the first serial line
    qemu: str                    # emulator
    machine: tuple[str, ...]     # emulator arguments for machine and CPU under TCG
    kvm: tuple[str, ...]         # the same under KVM
    debian: str                  # Debian's name of the architecture
    init_cc: str                 # compiler for the guest's programs
    config: tuple[tuple[str, str], ...]   # options that every kernel gets

    @property
    def cc(self) -> str:
        """The compiler as make gets it."""
        return f"ccache {self.cross}gcc"


@dataclass(frozen=True)
class Kernel:
    """One kernel to build: its name is that of its folder under out/."""

    name: str
    arch: Arch
    options: tuple[tuple[str, str], ...]   # CONFIG_ name without prefix -> "y", "n", number
    kunitconfig: str = ""                  # file in the kernel tree, may be ""


@dataclass(frozen=True)
class Suite:
    """A KUnit suite and the least number of cases each of its runs must execute."""

    name: str
    min_cases: int


@dataclass(frozen=True)
class Lane:
    name: str
    proves: str
    arch: Arch
    cpus: int
    memory_mib: int
    cmdline: str                 # extra kernel parameters
    boot_limit_s: float          # boot and both runs of every suite
    suites: tuple[Suite, ...]
    kernel: Kernel


def _wrong(path: Path, what: str) -> HarnessError:
    return HarnessError(Exit.USAGE, f"{path}: {what}.")


@functools.cache
def _arches() -> dict[str, Any]:
    return settings.toml(settings.DATA / "arches.toml")


def arch(name: str) -> Arch:
    """The architecture named in arches.toml."""
    data = dict(_arches())
    common = data.pop("common")["config"]
    if name not in data:
        raise HarnessError(Exit.USAGE, f"there is no architecture {name!r}; "
                           f"known are: {', '.join(data)}.")
    entry = dict(data[name])
    config = {**common, **entry.pop("config", {})}
    return Arch(name=name, kernel=entry["kernel"], target=entry["target"], cross=entry["cross"],
                console=entry["console"], qemu=entry["qemu"], machine=tuple(entry["machine"]),
                kvm=tuple(entry["kvm"]), debian=entry["debian"], init_cc=entry["init_cc"],
                config=tuple(config.items()))


def arch_names() -> list[str]:
    """Every architecture that arches.toml knows."""
    return [name for name in _arches() if name != "common"]


def names(folder: Path = LANES) -> list[str]:
    """Every lane's name: x86_64 lanes first, shorter names first."""
    return sorted((path.stem for path in folder.glob("*.toml")),
                  key=lambda name: (not name.startswith("x86_64"), len(name), name))


def load(name: str, folder: Path = LANES) -> Lane:
    """Reads lanes/NAME.toml; an unknown name is a usage error that lists the lanes."""
    known = names(folder)
    if name not in known:
        raise HarnessError(Exit.USAGE, f"there is no lane {name!r}; the lanes are: "
                           f"{', '.join(known)}.")
    return read(folder / f"{name}.toml")


def read(path: Path) -> Lane:
    """Reads one lane file and checks that it says all it must, and nothing unknown."""
    data = settings.toml(path)
    known = {"proves": str, "arch": str, "cpus": int, "memory_mib": int, "cmdline": str,
             "kunitconfig": str, "boot_limit_s": int, "suite": list, "config": dict}
    for key, value in data.items():
        if key not in known:
            raise _wrong(path, f"the key {key!r} is unknown; known are: {', '.join(known)}")
        if not isinstance(value, known[key]):
            raise _wrong(path, f"{key} must be of type {known[key].__name__}")
    for key in ("proves", "arch", "cpus", "memory_mib", "boot_limit_s"):
        if key not in data:
            raise _wrong(path, f"the key {key!r} is missing")
    try:
        suites = tuple(Suite(entry["name"], int(entry["min_cases"]))
                       for entry in data.get("suite", []))
    except KeyError as error:
        raise _wrong(path, f"a [[suite]] has no {error}") from None
    target = arch(data["arch"])
    options = {**dict(target.config), **data.get("config", {})}
    for key, value in options.items():
        if not isinstance(value, str) or key.startswith("CONFIG_"):
            raise _wrong(path, f'write options without CONFIG_ and with a value in quotes, '
                               f'as in {key.removeprefix("CONFIG_")} = "y"')
    return Lane(
        name=path.stem, proves=data["proves"], arch=target, cpus=data["cpus"],
        memory_mib=data["memory_mib"], cmdline=data.get("cmdline", ""),
        boot_limit_s=data["boot_limit_s"], suites=suites,
        kernel=Kernel(path.stem, target, tuple(options.items()), data.get("kunitconfig", "")))
