"""Architectures (harness/data/arches.toml), and kernels to build for them."""

import functools
from dataclasses import dataclass, field
from typing import Any, Callable

from ..core import look_up, records, settings


@dataclass(frozen=True)
class Arch:
    """What building and booting must know of an architecture."""

    name: str                    # as make's ARCH= takes it
    kernel: str                  # image below the build folder
    target: str                  # make target of that image
    cross: str                   # cross compiler prefix, may be ""
    console: str                 # kernel device of the first serial line
    qemu: str                    # emulator
    machine: tuple[str, ...]     # emulator arguments for machine and CPU under TCG
    kvm: tuple[str, ...]         # the same under KVM
    debian: str                  # Debian's name of the architecture
    init_cc: str                 # compiler for the guest's programs
    config: dict[str, str] = field(hash=False)    # options that every kernel gets
    cmdline: str = ""            # kernel parameters of every boot
    clocksource: str = ""        # the guest's, that shows simulated time exactly


@dataclass(frozen=True)
class Kernel:
    """One kernel to build: its name is that of its folder under out/."""

    name: str
    arch: Arch
    options: dict[str, str]      # CONFIG_ name without prefix -> "y", "n", number
    kunitconfig: str = ""        # file in the kernel tree, may be ""
    base: Callable[[], str] | None = None    # gives a full .config, which `options` change
    rt: bool = False             # Debian's PREEMPT_RT patches are under the series
    only: tuple[str, ...] = ()   # the modules that are built, below the build folder; (): all

    def __post_init__(self) -> None:
        if any(name.startswith("CONFIG_") for name in self.options):
            raise ValueError('write options without CONFIG_, as in SMP = "y"')

    @property
    def modules(self) -> bool:
        """Whether it has modules, or is one that modules are built for."""
        return "m" in self.options.values() or self.options.get("MODULES") == "y"

    @property
    def make_args(self) -> list[str]:
        return make_args(self.arch.name, self.arch.cross)


def make_args(arch: str, cross: str, llvm: str = "") -> list[str]:
    """What every make for an architecture gets: its gcc, or the clang of that suffix."""
    if llvm:
        return [f"ARCH={arch}", f"LLVM={llvm}", f"CC=ccache clang{llvm}"]
    return [f"ARCH={arch}", f"CROSS_COMPILE={cross}", f"CC=ccache {cross}gcc"]


@functools.cache
def _arches() -> dict[str, Any]:
    return settings.toml(settings.DATA / "arches.toml")


def arch(name: str) -> Arch:
    look_up("architecture", name, arch_names())
    entry, common = _arches()[name], _arches()["common"]["config"]
    return records.make(Arch, entry | {"config": common | entry.get("config", {})},
                        f"{name} of arches.toml", name=name)


def arch_names() -> list[str]:
    return [name for name in _arches() if name != "common"]
