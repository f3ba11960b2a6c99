"""Architectures (harness/data/arches.toml), and kernels to build for them."""

import functools
from dataclasses import dataclass
from typing import Any, Callable

from ..core import look_up, records, settings


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
    cmdline: str = ""            # kernel parameters of every boot
    clocksource: str = ""        # the guest's, that shows simulated time exactly
    kunit: str = ""              # file of this repository for kunit.py, instead of its own

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
    base: Callable[[], str] | None = None  # gives a full .config, which `options` change
    rt: bool = False                       # Debian's PREEMPT_RT patches are under the series

    @property
    def modules(self) -> bool:
        """Whether it has modules, or is one that modules are built for."""
        return "m" in dict(self.options).values() or dict(self.options).get("MODULES") == "y"


@functools.cache
def _arches() -> dict[str, Any]:
    return settings.toml(settings.DATA / "arches.toml")


def arch(name: str) -> Arch:
    data = dict(_arches())
    common = data.pop("common")["config"]
    look_up("architecture", name, data)
    entry = dict(data[name])
    config = {**common, **entry.pop("config", {})}
    return records.make(Arch, entry, f"{name} of arches.toml", name=name, config=tuple(config.items()))


def arch_names() -> list[str]:
    return [name for name in _arches() if name != "common"]
