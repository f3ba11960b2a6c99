"""Makes the guest's initramfs: init, and programs of Debian packages where they are wanted.

In:  an Arch, harness/guest/*.c.  Out: build/guest/: a gzipped cpio archive, reproducible.
"""

import gzip
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Sequence

from ..core import Exit, proc, require, settings
from ..fetch import apt
from ..build.arches import Arch

SOURCES = Path(__file__).resolve().parent
APPLETS = ("sh", "ls", "cat", "echo", "ps", "dmesg", "mount", "grep", "less", "vi", "head", "tail",
           "sleep", "kill", "top", "taskset", "chrt", "poweroff", "free", "uname", "find", "seq",
           "time", "watch", "wc", "nproc", "mkdir", "cp", "rm", "setsid", "cttyhack")
STEPS = "harness.steps=/steps"      # see init.c
LIBRARIES = ("lib*/*.so*", "lib*/*/*.so*", "usr/lib*/*.so*", "usr/lib*/*-linux-*/*.so*")


@dataclass(frozen=True)
class Entry:
    """One member of the archive. mode holds type and permissions, as in struct stat."""

    name: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def directory(name: str) -> Entry:
    return Entry(name, stat.S_IFDIR | 0o755)


def file(name: str, data: bytes, mode: int = 0o644) -> Entry:
    return Entry(name, stat.S_IFREG | mode, data)


def program(name: str, path: Path) -> Entry:
    return file(name, path.read_bytes(), 0o755)


def link(name: str, target: str) -> Entry:
    return Entry(name, stat.S_IFLNK | 0o777, target.encode())


def with_steps(lines: Iterable[str], files: dict[str, bytes]) -> list[Entry]:
    """Steps that init makes (with STEPS on the command line), and the modules and programs in them."""
    return [file("steps", "".join(line + "\n" for line in lines).encode()), directory("modules"),
            *(file(f"modules/{name}" if name.endswith(".ko") else f"bin/{name}", data, 0o755)
              for name, data in files.items())]


def cpio(entries: list[Entry]) -> bytes:
    """The archive in the "newc" format that the kernel unpacks."""
    def member(number: int, entry: Entry) -> bytes:
        name = entry.name.encode() + b"\0"
        links = 2 if stat.S_ISDIR(entry.mode) else 1
        fields = (number, entry.mode, 0, 0, links, 0, len(entry.data), 0, 0,
                  *entry.device, len(name), 0)
        header = b"070701" + b"".join(b"%08X" % value for value in fields) + name
        return _pad(header) + _pad(entry.data)

    members = [member(number, entry) for number, entry in enumerate(entries, 1)]
    return b"".join(members) + member(0, Entry("TRAILER!!!", 0))


def _pad(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def with_headers(source: Path) -> list[Path]:
    """A C file and the headers of this repository that it includes, each once."""
    found = [source.resolve()]
    for path in found:
        found += [header for name in re.findall(r'^#include "(.+)"$', path.read_text("utf-8"), re.M)
                  if (header := (path.parent / name).resolve()) not in found]
    return found


def folder() -> Path:
    """Where programs and archives are made: their names hold hashes, so all guests share it."""
    return settings.BUILD / "guest"


def compile_static(arch: Arch, source: Path) -> Path:
    """Compiles one C file of the guest; nothing is run if it and its headers have not changed."""
    folder().mkdir(parents=True, exist_ok=True)
    text = b"".join(path.read_bytes() for path in with_headers(source))
    target = folder() / f"{source.stem}-{arch.name}-{hashlib.sha256(text).hexdigest()[:12]}"
    if not target.exists():
        partial = target.with_suffix(".partial")
        proc.run([arch.init_cc, "-static", "-pthread", "-O2", "-Wall", "-Wextra", "-Werror", "-o",
                  partial, source], step=f"compiling {source.name} for {arch.name}")
        partial.rename(target)
    return target


def make(arch: Arch, extra: Iterable[Entry] = ()) -> Path:
    """Writes initramfs-ARCH-*.cpio.gz with /init and the extra entries."""
    entries = [*map(directory, ("dev", "proc", "sys", "bin")),
               Entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1)),
               Entry("dev/kmsg", stat.S_IFCHR | 0o600, device=(1, 11)),
               program("init", compile_static(arch, SOURCES / "init.c")), *extra]
    data = gzip.compress(cpio(entries), compresslevel=6, mtime=0)
    path = folder() / f"initramfs-{arch.name}-{hashlib.sha256(data).hexdigest()[:12]}.cpio.gz"
    if not path.exists():
        partial = path.with_suffix(".partial")
        partial.write_bytes(data)
        partial.rename(path)
    return path


def shell(arch: Arch) -> list[Entry]:
    """What a shell in the guest needs: a static busybox of a Debian package."""
    root, _ = apt.unpacked(f"busybox-{arch.name}", ["busybox-static"], arch=arch.debian)
    busybox = next(path for path in root.rglob("bin/busybox") if path.is_file())
    return [program("bin/busybox", busybox), *(link(f"bin/{applet}", "busybox") for applet in APPLETS)]


def debian_programs(arch: Arch, packages: Sequence[str], programs: Sequence[str],
                    suites: tuple[str, ...]) -> tuple[list[Entry], str]:
    """Programs of Debian packages, with all libraries of what these need; the packages' versions.
    They are fetched and unpacked first if need be. FETCH if they cannot be had."""
    root, versions = apt.unpacked(f"tools-{arch.name}", list(packages), suites, arch.debian)
    return unpacked(root, programs), ", ".join(f"{name} {versions[name]}" for name in packages)


def unpacked(root: Path, programs: Sequence[str]) -> list[Entry]:
    """The programs, and every library below root where the loader looks for them."""
    made = {"tmp": directory("tmp")}
    for name in programs:
        path = root / name
        require(path.is_file(), f"{root} holds no {name}; correct [tools] in bench/bench.toml.",
                Exit.FETCH)
        made[f"bin/{path.name}"] = program(f"bin/{path.name}", path)
    for path in sorted({path for pattern in LIBRARIES for path in root.glob(pattern)}):
        name = str(path.relative_to(root))
        for parent in reversed(Path(name).parents[:-1]):
            made.setdefault(str(parent), directory(str(parent)))
        made[name] = link(name, os.readlink(path)) if path.is_symlink() else program(name, path)
    return list(made.values())
