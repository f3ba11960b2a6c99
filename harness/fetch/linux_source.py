"""Finds the Linux source, checks it, and unpacks it into a folder.

In:  Options (--queue, --linux, --tarball); without the last two, the Debian package of the queue.
Out: Source; unpack() -> kernel version "6.12.117". What the user gave is only read.
"""

import argparse
import hashlib
import os
import re
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Iterator

from ..core import Exit, HarnessError, Parser, Queue, proc, queues, settings
from ..core.files import check_disk
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

    def record(self) -> dict[str, str]:
        return asdict(self)


def parser(verb: str) -> Parser:
    """A verb's parser, which takes --queue, --linux and --tarball."""
    made = Parser(verb)
    made.add_argument("--queue", metavar="NAME")
    group = made.add_mutually_exclusive_group()
    group.add_argument("--linux", type=Path, metavar="PATH",
                       help="a clean git tree or an unpacked source; it is only read")
    group.add_argument("--tarball", type=Path, metavar="FILE",
                       help="linux-VERSION.tar.xz of kernel.org, or Debian's .orig.tar.xz")
    return made


def options(parsed: argparse.Namespace) -> Options:
    """The Options of a command line parsed with parser()."""
    return Options(queues.load(parsed.queue), parsed.linux, parsed.tarball)


def ways(version: str) -> str:
    """The three ways to supply the source, for messages."""
    return (f"give the machine's apt a mirror that has linux-source-{version} (and network), or use "
            f"--tarball linux-{version}.y.tar.xz, or --linux PATH of a {version}.y tree")


def makefile_version(text: str) -> str:
    """"6.12.117" from the text of the kernel's top Makefile, "" if it is not one."""
    fields = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)[ \t]*=[ \t]*(\S*)", text,
                             re.M))
    if not {"VERSION", "PATCHLEVEL", "SUBLEVEL"} <= fields.keys():
        return ""
    return ("{VERSION}.{PATCHLEVEL}.{SUBLEVEL}".format(**fields)) + fields.get("EXTRAVERSION", "")


def require_version(found: str, name: str, version: str) -> str:
    """Raises FETCH unless `found` is a release of the version."""
    if not found:
        raise HarnessError(Exit.FETCH, f"{name} is not a Linux source (its top Makefile has no "
                           f"version); {ways(version)}.")
    if not found.startswith(version + "."):
        raise HarnessError(Exit.FETCH, f"{name} is Linux {found}, but {version}.y is wanted; "
                           f"{ways(version)}.")
    return found


def find(opts: Options) -> Source:
    """Locates the source, downloads it if need be, and checks what can be checked at once."""
    package, version = opts.queue.package, opts.queue.version
    if opts.linux:
        return _given_folder(opts.linux.expanduser().absolute(), version)
    if opts.tarball:
        path = opts.tarball.expanduser().absolute()
        if not path.is_file():
            raise HarnessError(Exit.USAGE, f"--tarball {path} is no tarball, or not there; give "
                               f"linux-{version}.y.tar.xz of kernel.org, or Debian's .orig.tar.xz.")
        return Source("tarball", path.name, str(path), f"sha256:{apt.sha256(path)}")
    check_disk(settings.fetched(), "source")
    try:
        found = apt.binary(package, opts.queue.suites)
    except HarnessError as error:
        raise HarnessError(Exit.FETCH, f"{package} could not be fetched; {ways(version)}.\n"
                           f"    {error.message}") from None
    if found is None:
        raise HarnessError(Exit.FETCH, f"no suite offers {package}; {ways(version)}.")
    return Source("package", f"{package} {found.version}", str(found.path),
                  f"sha256:{found.sha256}")


def _given_folder(path: Path, version: str) -> Source:
    """Checks --linux PATH without writing to it."""
    makefile = path / "Makefile"
    if not makefile.is_file():
        raise HarnessError(Exit.USAGE, f"--linux {path} is not a Linux source tree (it has no "
                           "Makefile).")
    require_version(makefile_version(makefile.read_text(errors="replace")), f"--linux {path}", version)
    if (path / ".git").exists():
        dirty = git(path, "status", "--porcelain", code=Exit.FETCH).output.splitlines()
        if dirty:
            raise HarnessError(Exit.USAGE, f"--linux {path} has changes that are not committed "
                               f"({dirty[0].strip()}{', ...' if len(dirty) > 1 else ''}); commit or "
                               "stash them, or give a clean tree.")
        return Source("git", str(path), str(path), f"git:{ask(path, 'rev-parse', 'HEAD')}")
    built = [name for name in BUILD_OUTPUT if (path / name).exists()]
    if built:
        raise HarnessError(Exit.USAGE, f"--linux {path} holds build output ({built[0]}); run "
                           "make mrproper there, or give a clean tree.")
    return Source("folder", str(path), str(path), f"stat:{_folder_stat(path)}")


def _folder_stat(path: Path) -> str:
    """A hash of every file's name, size and time: tells whether a folder was changed."""
    digest = hashlib.sha256()
    for top, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files):
            info = os.lstat(os.path.join(top, name))
            digest.update(f"{top}/{name}\0{info.st_size}\0{info.st_mtime_ns}\n".encode(
                errors="surrogateescape"))
    return digest.hexdigest()[:32]


def unpack(source: Source, dest: Path, version: str) -> str:
    """Fills the empty folder dest and returns the kernel version: a release of `version`."""
    check_disk(dest.parent, "tree")
    dest.mkdir(parents=True, exist_ok=True)
    path = Path(source.path)
    if source.kind == "git":
        with tempfile.TemporaryDirectory(dir=dest.parent) as name:
            archive = Path(name) / "linux.tar"
            git(path, "archive", "--format=tar", "-o", archive, source.checksum.removeprefix("git:"),
                limit="copy", code=Exit.FETCH)
            _untar(archive, dest, "--strip-components=0")
    elif source.kind == "folder":
        proc.run(["cp", "-a", "--reflink=auto", f"{path}/.", dest], step=f"copying {path}",
                 limit=settings.limit("copy"), code=Exit.FETCH)
    else:
        with _tarball(path, dest) as tarball:
            _untar(tarball, dest)
    return _version(dest, source.name, version)


def unpack_files(path: Path, dest: Path, paths: list[str], version: str) -> str:
    """As unpack, of a package or tarball: only its Makefile and what it has of `paths`."""
    dest.mkdir(parents=True)
    with _tarball(path, dest) as tarball:
        # Files that are not in it are what tar calls an error.
        _untar(tarball, dest, "--wildcards", "--no-wildcards-match-slash",
               *(f"*/{name}" for name in ["Makefile", *paths]), check=False)
    return _version(dest, path.name, version)


@contextmanager
def _tarball(path: Path, dest: Path) -> Iterator[Path]:
    """The tarball in a Debian package, which is unpacked beside dest meanwhile; or path, if it is one."""
    if path.suffix != ".deb":
        yield path
        return
    with tempfile.TemporaryDirectory(dir=dest.parent) as name:
        proc.run(["dpkg-deb", "-x", path, name], step=f"unpacking {path.name}",
                 limit=settings.limit("unpack"), code=Exit.FETCH)
        tarball = next(Path(name).glob("usr/src/*.tar.*"), None)
        if not tarball:
            raise HarnessError(Exit.FETCH, f"{path.name} holds no source tarball.")
        yield tarball


def _untar(path: Path, dest: Path, *words: str, check: bool = True) -> None:
    proc.run(["tar", "-xf", path, "--strip-components=1", "--no-same-owner", "-C", dest, *words],
             step=f"unpacking {path.name}", limit=settings.limit("unpack"), check=check,
             code=Exit.FETCH)


def _version(dest: Path, name: str, version: str) -> str:
    """The kernel version of what was unpacked; FETCH if it is not one of `version`."""
    makefile = dest / "Makefile"
    text = makefile.read_text(errors="replace") if makefile.is_file() else ""
    return require_version(makefile_version(text), name, version)
