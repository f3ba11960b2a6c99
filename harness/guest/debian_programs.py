"""Programs of Debian packages for a guest, with all libraries of what the packages need.

In:  [tools] of bench/bench.toml; an architecture.  Out: members of the guest's archive, versions.
"""

import os
from pathlib import Path
from typing import Sequence

from ..build.arches import Arch
from ..core import Exit, HarnessError
from ..fetch import apt
from . import initramfs

LIBRARIES = ("lib*/*.so*", "lib*/*/*.so*", "usr/lib*/*.so*", "usr/lib*/*-linux-*/*.so*")


def ensure(arch: Arch, packages: Sequence[str], programs: Sequence[str],
           suites: tuple[str, ...]) -> tuple[tuple[initramfs.Entry, ...], str]:
    """Entries and versions; fetched and unpacked first if need be. FETCH if they cannot be had."""
    root, versions = apt.unpacked(f"tools-{arch.name}", list(packages), suites, arch.debian)
    return entries(root, programs), ", ".join(f"{name} {versions[name]}" for name in packages)


def entries(root: Path, programs: Sequence[str]) -> tuple[initramfs.Entry, ...]:
    """The programs, and every library below root where the loader looks for them."""
    made = {"tmp": initramfs.directory("tmp")}
    for program in programs:
        path = root / program
        if not path.is_file():
            raise HarnessError(Exit.FETCH, f"{root} holds no {program}; correct [tools] in "
                               "bench/bench.toml.")
        made[f"bin/{path.name}"] = initramfs.program(f"bin/{path.name}", path)
    for path in sorted({path for pattern in LIBRARIES for path in root.glob(pattern)}):
        name = path.relative_to(root)
        for parent in reversed(name.parents[:-1]):
            made.setdefault(str(parent), initramfs.directory(str(parent)))
        made[str(name)] = initramfs.link(str(name), os.readlink(path)) if path.is_symlink() else \
            initramfs.program(str(name), path)
    return tuple(made.values())
