"""Finds the Linux source, checks it, and unpacks it into a folder.

In:  Options (--queue, --linux, --tarball); without the last two, the Debian package of the queue.
Out: Source; unpack() -> kernel version "6.12.117". What the user gave is only read.
"""

import argparse
import hashlib
import json
import re
import tarfile
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

from ..core import Exit, HarnessError, Queue, proc, queues, require, settings
from ..core.files import check_disk, new_folder
from ..core.git import ask, git
from . import apt

BUILD_OUTPUT = (".config", "include/config/auto.conf", "vmlinux")


@dataclass(frozen=True)
class Options:
    """Which queue it is about, and the source that the user gave, if any."""

    queue: Queue
    linux: Path | None = None
    tarball: Path | None = None

    @property
    def given(self) -> bool:
        return bool(self.linux or self.tarball)


@dataclass(frozen=True)
class Source:
    """One place to take Linux from."""

    kind: str          # "package", "tarball", "git" or "folder"
    name: str          # for the user: package with version, file or folder
    path: str          # file or folder
    checksum: str      # "sha256:..." of a file, "git:..." of a commit, "stat:..." of a folder


def arguments(parser: argparse.ArgumentParser, source: bool = True) -> None:
    """Adds what options() reads: --queue, and with `source` --linux and --tarball."""
    parser.add_argument("--queue", metavar="NAME", help="a folder of patches/, if not the default one")
    if source:
        group = parser.add_mutually_exclusive_group()
        group.add_argument("--linux", type=Path, metavar="PATH", help="take Linux from your own clean "
                           "git tree or unpacked source; it is copied, never changed")
        group.add_argument("--tarball", type=Path, metavar="FILE", help="take it from "
                           "linux-VERSION.tar.xz of kernel.org, or Debian's .orig.tar.xz")


def options(parsed: argparse.Namespace) -> Options:
    given = vars(parsed)
    return Options(queues.load(given["queue"]), given.get("linux"), given.get("tarball"))


def ways(version: str) -> str:
    """The three ways to supply the source, for messages."""
    return (f"give the machine's apt a mirror that has linux-source-{version} (and network), or use "
            f"--tarball linux-{version}.y.tar.xz, or --linux PATH of a {version}.y tree")


def kernel_version(folder: Path, name: str, version: str) -> str:
    """"6.12.117" from a source's top Makefile; FETCH, which names it so, if it is not of `version`."""
    makefile = folder / "Makefile"
    text = makefile.read_text(errors="replace") if makefile.is_file() else ""
    fields = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)[ \t]*=[ \t]*(\S*)", text,
                             re.M))
    require({"VERSION", "PATCHLEVEL", "SUBLEVEL"} <= fields.keys(), f"{name} is not a Linux source "
            f"(its top Makefile has no version); {ways(version)}.", Exit.FETCH)
    found = "{VERSION}.{PATCHLEVEL}.{SUBLEVEL}".format(**fields) + fields.get("EXTRAVERSION", "")
    require(found.startswith(version + "."), f"{name} is Linux {found}, but {version}.y is wanted; "
            f"{ways(version)}.", Exit.FETCH)
    return found


def find(opts: Options) -> Source:
    """Locates the source, downloads it if need be, and checks what can be checked at once."""
    version = opts.queue.version
    if opts.linux:
        return _given_folder(opts.linux.expanduser().absolute(), version)
    if opts.tarball:
        path = opts.tarball.expanduser().absolute()
        require(path.is_file() and tarfile.is_tarfile(path), f"--tarball {path} is no tarball, or not "
                f"there; give linux-{version}.y.tar.xz of kernel.org, or Debian's .orig.tar.xz.")
        return Source("tarball", path.name, str(path), f"sha256:{apt.sha256(path)}")
    try:
        return package(opts.queue.package, opts.queue.suites)
    except HarnessError as error:
        if error.code != Exit.FETCH:
            raise
        raise HarnessError(Exit.FETCH, f"{opts.queue.package} could not be had; {ways(version)}.\n"
                           f"    {error.message}") from None


def package(name: str, suites: tuple[str, ...]) -> Source:
    """A Debian package with a source, downloaded if need be."""
    check_disk(settings.fetched(), "source")
    found = apt.binary(name, suites)
    return Source("package", f"{name} {found.version}", str(found.path), f"sha256:{found.sha256}")


def _given_folder(path: Path, version: str) -> Source:
    """Checks --linux PATH without writing to it."""
    name = f"--linux {path}"
    require((path / "Makefile").is_file(), f"{name} is not a Linux source tree (it has no Makefile).")
    kernel_version(path, name, version)
    if (path / ".git").exists():
        dirty = git(path, "status", "--porcelain", code=Exit.FETCH).output.splitlines()
        require(not dirty, f"{name} has changes that are not committed ({', '.join(dirty[:1]).strip()}"
                f"{', ...' * (len(dirty) > 1)}); commit or stash them, or give a clean tree.")
        return Source("git", str(path), str(path), f"git:{ask(path, 'rev-parse', 'HEAD')}")
    built = [item for item in BUILD_OUTPUT if (path / item).exists()]
    require(not built, f"{name} holds build output ({', '.join(built)}); run make mrproper there, or "
            "give a clean tree.")
    # Every file's name, size and time tell whether a folder was changed.
    files = proc.run(["find", path, "!", "-type", "d", "-printf", "%P %s %T@\\n"],
                     step=f"looking at {path}", limit="copy", code=Exit.FETCH).output
    digest = hashlib.sha256("\n".join(sorted(files.splitlines())).encode()).hexdigest()
    return Source("folder", str(path), str(path), f"stat:{digest[:32]}")


def unpack(source: Source, dest: Path, version: str, only: Sequence[str] = ()) -> str:
    """Fills the new folder dest; the kernel version, which must be a release of `version`.
    With only, of a package or tarball: its Makefile, and what it has of these paths."""
    if not only:
        check_disk(dest.parent, "tree")
    dest.mkdir(parents=True, exist_ok=True)
    if source.kind == "folder":
        proc.run(["cp", "-a", "--reflink=auto", f"{source.path}/.", dest],
                 step=f"copying {source.path}", limit="copy", code=Exit.FETCH)
    else:
        words = ["--wildcards", "--no-wildcards-match-slash", "*/Makefile",
                 *(f"*/{name}" for name in only)] if only else []
        with _tarball(source, dest.parent) as tarball:
            # Files that are not in it are what tar calls an error.
            proc.run(["tar", "-xf", tarball, "--strip-components=1", "--no-same-owner", "-C", dest,
                      *words], step=f"unpacking {source.name}", limit="unpack", check=not only,
                     code=Exit.FETCH)
    return kernel_version(dest, source.name, version)


@dataclass(frozen=True)
class Peer:
    """A kernel that the series is compared with: a plain source tree, never patched."""

    path: Path
    kernel_version: str     # "7.3.0-rc7"
    source: str             # package with version
    checksum: str           # "sha256:..." of the package


def peer(version: str, name: str, suites: tuple[str, ...]) -> Peer:
    """build/fetched/peer-VERSION, of a Debian package; FETCH if it cannot be had.
    What was unpacked once is used again: a newer release of the package would make figures of two runs
    differ for a reason that is not ours."""
    folder = settings.fetched() / f"peer-{version}"
    record = folder / "harness.json"
    if not record.is_file():
        source = package(name, suites)
        with new_folder(folder) as new:
            made = {"kernel_version": unpack(source, new / "linux", version), "source": source.name,
                    "checksum": source.checksum}
            (new / record.name).write_text(json.dumps(made))
    return Peer(folder / "linux", **json.loads(record.read_text("utf-8")))


@contextmanager
def _tarball(source: Source, work: Path) -> Iterator[Path]:
    """The source as a tarball of one folder; what has to be made for that is in `work` meanwhile."""
    path = Path(source.path)
    with tempfile.TemporaryDirectory(dir=work) as name:
        if source.kind == "git":
            tarball: Path | None = Path(name) / "linux.tar"
            git(path, "archive", "--prefix=linux/", "-o", tarball,
                source.checksum.removeprefix("git:"), limit="copy", code=Exit.FETCH)
        elif path.suffix == ".deb":
            apt.extract(path, Path(name))
            tarball = next(Path(name).glob("usr/src/*.tar.*"), None)
            require(tarball, f"{path.name} holds no source tarball.", Exit.FETCH)
        else:
            tarball = path
        yield tarball
