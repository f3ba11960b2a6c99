"""Programs of Debian packages for a guest: fetched, unpacked, with their libraries.

In:  [tools] of bench/bench.toml: suites, packages, programs; an architecture.
Out: members of the guest's archive (programs in /bin, libraries in /lib), and the versions of
     the packages that matter: "rt-tests 2.4-1, ...".
Nothing is installed: apt runs with lists of its own (apt.of_suites), and no root
file system is needed: what a program needs is read from its ELF headers.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, Callable

from ..core import proc, settings
from ..core.errors import Exit, HarnessError
from ..fetch import apt
from ..fetch.linux_source import check_disk
from ..build.arches import Arch
from . import initramfs

VERSIONS = "packages"           # file beside the unpacked tree: it is complete
_NEEDED = re.compile(r"\(NEEDED\).*\[(.+)\]")
_LOADER = re.compile(r"Requesting program interpreter: (.+?)\]")


def folder(arch: Arch) -> Path:
    return settings.fetched() / f"tools-{arch.name}"


def ensure(data: dict[str, Any], arch: Arch) -> tuple[tuple[initramfs.Entry, ...], str]:
    """Entries and versions; fetched and unpacked first if need be. FETCH if they cannot be had."""
    where = folder(arch)
    wanted = " ".join(data["packages"])
    record = where / VERSIONS
    if not record.is_file() or record.read_text(encoding="utf-8").splitlines()[0] != wanted:
        _fetch(data, arch, where, wanted)
    versions = record.read_text(encoding="utf-8").splitlines()[1:]
    shown = [line for line in versions if line.split()[0] in data["show"]]
    return entries(where / "root", data["programs"], read_elf), ", ".join(shown)


def _fetch(data: dict[str, Any], arch: Arch, where: Path, wanted: str) -> None:
    check_disk(settings.fetched(), "tools")
    found = apt.of_suites(data["packages"], tuple(data["suites"]), f"apt-{where.name}",
                                arch.debian)
    if not found:
        raise HarnessError(Exit.FETCH, f"no suite of {', '.join(data['suites'])} that apt can "
                           f"reach offers all of {', '.join(data['packages'])} for {arch.name}.")
    new = where.with_name(where.name + ".new")
    for left in (new, where):
        shutil.rmtree(left, ignore_errors=True)
    (new / "root").mkdir(parents=True)
    try:
        for item in found:
            proc.run(["dpkg-deb", "-x", item.path, new / "root"], step=f"unpacking {item.path.name}",
                     limit=settings.limit("unpack"), code=Exit.FETCH)
        lines = [wanted, *(f"{name} {item.version}" for name, item in zip(data["packages"], found))]
        (new / VERSIONS).write_text("\n".join(lines) + "\n", encoding="utf-8")
        new.rename(where)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def read_elf(path: Path) -> str:
    """What readelf says of a program's loader and libraries."""
    return proc.run(["readelf", "-W", "-l", "-d", path], step=f"readelf {path.name}",
                    limit=settings.limit("tool"), env={"LC_ALL": "C"}, code=Exit.TOOL).output


def entries(root: Path, programs: list[str],
            elf: Callable[[Path], str]) -> tuple[initramfs.Entry, ...]:
    """The programs, their loader, and all libraries that they and those need."""
    known: dict[str, Path] = {}
    for path in sorted(root.rglob("*.so*")):
        if path.is_file() and not path.parent.name == "gconv":
            known.setdefault(path.name, path)
    made = {"lib": initramfs.directory("lib"), "tmp": initramfs.directory("tmp")}
    todo = []
    for program in programs:
        path = root / program
        if not path.is_file():
            raise HarnessError(Exit.FETCH, f"{root} holds no {program}; correct [tools] in "
                               "bench/bench.toml.")
        made[f"bin/{path.name}"] = initramfs.program(f"bin/{path.name}", path)
        todo.append(path)
    while todo:
        path = todo.pop()
        text = elf(path)
        loader = _LOADER.search(text)
        # The kernel starts the loader by its full name.
        names = [(name, f"lib/{name}") for name in _NEEDED.findall(text)]
        if loader:
            names.append((Path(loader[1]).name, loader[1].lstrip("/")))
        for name, target in names:
            if target in made:
                continue
            if name not in known:
                raise HarnessError(Exit.FETCH, f"{path.name} needs {name}, which no package has; "
                                   "add it to [tools] in bench/bench.toml.")
            parent = str(Path(target).parent)
            made.setdefault(parent, initramfs.directory(parent))
            made[target] = initramfs.program(target, known[name])
            todo.append(known[name])
    return tuple(made.values())
