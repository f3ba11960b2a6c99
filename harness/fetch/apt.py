"""Downloads through apt, which verifies what it fetches.

In:  package names, suites.  Out: Download, or packages unpacked in a folder.
Nothing is installed and the system's lists are not changed: where the machine's own suites lack a
package, apt runs with lists and a cache below build/, from the mirrors that the machine uses.
"""

import hashlib
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from ..core import Exit, HarnessError, proc, settings
from ..core.files import check_disk, new_folder

TRIES = 16          # upstream tarballs to try, newest first: mirrors drop some
FRESH_S = 3600      # lists of our own are fetched again after that many seconds
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True)
class Download:
    path: Path
    version: str    # Debian version
    sha256: str


@dataclass(frozen=True)
class SourceFile:
    """One file of a source package in apt's lists."""

    source: str     # Debian source package
    version: str    # Debian version
    file: str
    sha256: str


# The two files of a source package, by how their names end: what apt-get source calls each.
ORIG, DEBIAN = ".orig.tar.xz", ".debian.tar.xz"
ONLY = {ORIG: "--tar-only", DEBIAN: "--diff-only"}


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def own_sources() -> list[tuple[str, str]]:
    """(address of a Debian mirror, suite) as the machine's apt is configured, each once."""
    with tempfile.TemporaryDirectory() as empty:      # with lists, apt leaves out what it has
        said = proc.run(["apt-get", "-o", f"Dir::State::lists={empty}", "--print-uris", "update"],
                        step="apt-get --print-uris update", limit=settings.limit("tool"),
                        env={"LC_ALL": "C.UTF-8"}, check=False).output
    found = re.findall(r"^'(\S+)/dists/(\S+)/InRelease'", said, re.M)
    return [item for item in dict.fromkeys(found) if "debian" in item[0].split("://")[-1]]


def source_list(suites: tuple[str, ...], known: list[str],
                kinds: tuple[str, ...] = ("deb", "deb-src")) -> str:
    """A one-line source list: security suites on security mirrors, others on others."""
    option = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    lines = [f"{kind} {option}{mirror} {suite} main" for suite in suites for mirror in known
             if ("security" in suite) == ("security" in mirror) for kind in kinds]
    return "".join(line + "\n" for line in lines)


def release(version: str, line: str) -> list[float]:
    """Orders the Debian versions of a kernel line; empty: not of this line.

    A release candidate (7.3~rc7-1~exp1) comes before the first release (7.3-1), and that
    before the stable ones (7.3.4-1).
    """
    match = re.fullmatch(rf"{re.escape(line)}(?:\.(\d+)|~rc(\d+))?(-.*)?", version)
    if not match:
        return []
    return [int(match[1] or 0), float(match[2] or "inf"), *map(int, re.findall(r"\d+", match[3] or ""))]


class Apt:
    """apt with the machine's configuration, or (own=True) with lists under build/.

    The own lists are those of the suites, in the folder NAME of what is fetched; kinds says
    whether source packages are among them.
    """

    def __init__(self, own: bool, suites: tuple[str, ...], name: str = "apt", arch: str = "",
                 kinds: tuple[str, ...] = ("deb", "deb-src")) -> None:
        self.suites, self.kinds = suites, kinds
        self.options: list[str] = ["-q", "-o", "APT::Sandbox::User=root"]
        self.downloads = settings.fetched() / "downloads"
        if own:
            self.folder = settings.fetched() / name
            for name, path in (("Dir::Etc::sourcelist", "sources.list"),
                               ("Dir::State::lists", "lists"), ("Dir::Cache", "cache")):
                self.options += ["-o", f"{name}={self.folder / path}"]
            # Neither what is installed nor the machine's preferences choose the version.
            for name in ("Dir::Etc::sourceparts", "Dir::Etc::preferences",
                         "Dir::Etc::preferencesparts", "Dir::State::status"):
                self.options += ["-o", f"{name}=/dev/null"]
            self.options += ["-o", "Acquire::Languages=none", "-o", "APT::Default-Release="]
            if arch:
                self.options += ["-o", f"APT::Architecture={arch}", "-o",
                                 f"APT::Architectures={arch}"]

    def update(self) -> bool:
        """Fetches the lists of the own source list; False if there is none to be had."""
        text = source_list(self.suites, list(dict.fromkeys(
            mirror for mirror, _ in own_sources())), self.kinds)
        if not text:
            return False
        for name in ("lists/partial", "cache/archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        listing, stamp = self.folder / "sources.list", self.folder / "updated"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < FRESH_S and \
                listing.read_text(encoding="utf-8") == text:
            return True
        listing.write_text(text, encoding="utf-8")
        # A suite that does not exist any more must not spoil the others: what
        # was fetched shows in the next look-up. (Without the option, apt calls it a
        # success when there is no network.)
        if self.run("apt-get", "update", "-o", "APT::Update::Error-Mode=any",
                    check=False).returncode == 0:
            stamp.touch()
        return True

    def run(self, tool: str, *args: str, check: bool = True, cwd: Path | None = None) -> proc.Result:
        return proc.run([tool, *self.options, *args], step=f"{tool} {args[0]}",
                        limit=settings.limit("apt"), cwd=cwd, check=check, code=Exit.FETCH,
                        env={"LC_ALL": "C.UTF-8"})

    def offered(self, package: str) -> list[tuple[str, str]]:
        """(suite, version) of each version of the package in the lists."""
        output = self.run("apt-cache", "madison", package, check=False).output
        return [(suite, version) for version, suite in re.findall(
            rf"^ *{re.escape(package)} \| +(\S+) \| \S+ (\S+)/main \S+ Packages$", output, re.M)]

    def fields(self, package: str, version: str = "") -> dict[str, str] | None:
        """The fields of this version, or of the one that apt would take; None if there is none."""
        output = self.run("apt-cache", "show", "--no-all-versions",
                          package + (f"={version}" if version else ""), check=False).output
        fields = dict(re.findall(r"^([\w-]+): (.*)$", output, re.M))
        return fields if {"Version", "SHA256", "Filename"} <= fields.keys() else None

    def binary(self, package: str, version: str = "") -> Download | None:
        """Downloads a binary package, unless the verified file is there already."""
        fields = self.fields(package, version)
        if fields is None:
            return None
        self.downloads.mkdir(parents=True, exist_ok=True)
        path = self.downloads / Path(fields["Filename"]).name
        if not path.exists() or sha256(path) != fields["SHA256"]:
            path.unlink(missing_ok=True)
            with tempfile.TemporaryDirectory(dir=self.downloads) as name:
                self._get(path.name, Path(name), "download", f"{package}={fields['Version']}")
                fetched = list(Path(name).glob("*.deb"))
                if not fetched or sha256(fetched[0]) != fields["SHA256"]:
                    raise HarnessError(Exit.FETCH, f"apt fetched {package}, but its checksum is not "
                                       "the one in apt's lists; run apt-get update and try again.")
                fetched[0].rename(path)
        return Download(path, fields["Version"], fields["SHA256"])

    def source_files(self, package: str, line: str, ending: str = ORIG) -> list[SourceFile]:
        """The files of that ending behind the package's versions of a kernel line, newest first."""
        shown = self.run("apt-cache", "show", package, check=False).output
        sources = {match[1] for match in re.finditer(r"^Source: (\S+)", shown, re.M)} or {package}
        found = set()
        for source in sources:
            output = self.run("apt-cache", "showsrc", source, check=False).output
            for stanza in re.split(r"\n\n+", output):
                version = re.search(r"^Version: (\S+)$", stanza, re.M)
                file = re.search(rf"^ ([0-9a-f]{{64}}) \d+ (\S+{re.escape(ending)})$", stanza, re.M)
                if version and file and release(version[1], line):
                    found.add(SourceFile(source, version[1], file[2], file[1]))
        return sorted(found, key=lambda item: release(item.version, line), reverse=True)

    def here(self, item: SourceFile) -> Download | None:
        """The file, if it was fetched earlier."""
        path = self.downloads / item.file
        good = path.exists() and sha256(path) == item.sha256
        return Download(path, item.version, item.sha256) if good else None

    def source_file(self, item: SourceFile) -> Download:
        """Downloads the file, unless it is there; FETCH if the mirror does not have it."""
        if found := self.here(item):
            return found
        self.downloads.mkdir(parents=True, exist_ok=True)
        (self.downloads / item.file).unlink(missing_ok=True)
        only = next(option for ending, option in ONLY.items() if item.file.endswith(ending))
        self._get(item.file, self.downloads, "source", "--download-only", only, "--only-source",
                  f"{item.source}={item.version}")
        if found := self.here(item):
            return found
        raise HarnessError(Exit.FETCH, f"apt did not fetch {item.file} as its lists describe it; run "
                           "apt-get update and try again.")

    def _get(self, file: str, cwd: Path, *args: str) -> None:
        """apt-get with these arguments; its reason in one sentence if that fails."""
        result = self.run("apt-get", *args, check=False, cwd=cwd)
        if result.returncode:
            said = re.search(r"^E: (?:Failed to fetch \S+ *)?(.*?)(?: *\[IP.*)?$", result.output, re.M)
            why = " ".join(said[1].split()) if said else f"exit value {result.returncode}"
            raise HarnessError(Exit.FETCH, f"{file} could not be fetched ({why}).")

    def upstream_tarball(self, package: str, line: str) -> Download | None:
        """The newest upstream tarball that the mirrors really have, or one fetched earlier."""
        files = self.source_files(package, line)
        return next(filter(None, map(self.here, files)), None) or self.first_of(files)

    def first_of(self, files: list[SourceFile]) -> Download | None:
        """The first that the mirrors really have; None if there are no files."""
        reason: HarnessError | None = None
        for item in list({item.file: item for item in files}.values())[:TRIES]:
            try:
                return self.source_file(item)
            except HarnessError as error:
                reason = reason or error    # listed, but not on the mirror
        if reason:
            raise reason
        return None


def binary(package: str, suites: tuple[str, ...]) -> Download | None:
    """The package from the machine's suites, else from these; None: nowhere."""
    return _first(package, suites, lambda apt: apt.binary(package))


def unpacked(name: str, packages: list[str], suites: tuple[str, ...] = (), arch: str = "",
             depends: bool = False) -> tuple[Path, dict[str, str]]:
    """The packages in their newest versions in the suites, unpacked: folder, version of each.

    With depends, what they need comes along, as apt resolves it. They are unpacked once, in
    the folder NAME of what is fetched, and not installed. Without suites: the machine's. arch
    is Debian's name of an architecture, if not the machine's.
    """
    where, wanted = settings.fetched() / name, " ".join(packages)
    record = where / "packages"
    if not record.is_file() or record.read_text("utf-8").splitlines()[0] != wanted:
        check_disk(settings.fetched(), "packages")
        suites = suites or tuple(dict.fromkeys(suite for _, suite in own_sources()))
        debs = fetch(packages, suites, f"apt-{name}", arch, depends)
        with new_folder(where) as new:
            for path in debs:
                proc.run(["dpkg-deb", "-x", path, new / "root"], step=f"unpacking {path.name}",
                         limit=settings.limit("unpack"), code=Exit.FETCH)
            (new / "packages").write_text("\n".join([wanted, *(path.name for path in debs)]) + "\n")
    names = [line.split("_") for line in record.read_text("utf-8").splitlines()[1:]]
    return where / "root", {package: unquote(version) for package, version, _ in names}


def fetch(packages: list[str], suites: tuple[str, ...], name: str, arch: str = "",
          depends: bool = False) -> list[Path]:
    """The packages' files from suites that need not be the machine's; FETCH if one is not there.

    Lists and cache are in the folder NAME of what is fetched.
    """
    failure = HarnessError(Exit.FETCH, f"no suite of {', '.join(suites)} that apt can reach offers "
                           f"{', '.join(packages)}{f' for {arch}' if arch else ''}.")
    if not shutil.which("apt-get"):
        raise failure
    apt = Apt(True, suites, name, arch, ("deb",))
    if not apt.update():
        raise failure
    if depends:
        cache = apt.folder / "cache/archives"
        for path in cache.glob("*.deb"):
            path.unlink()
        if apt.run("apt-get", "install", "--download-only", "--no-install-recommends", "-y",
                   "-o", "Debug::NoLocking=1", *packages, check=False).returncode:
            raise failure
        return sorted(cache.glob("*.deb"))
    found = [apt.binary(package) for package in packages]
    if None in found:
        raise failure
    return [item.path for item in found if item]


def upstream_tarball(package: str, suites: tuple[str, ...], line: str) -> Download | None:
    """The unpatched upstream tarball of a kernel line behind the package; None: nowhere."""
    return _first(package, suites, lambda apt: apt.upstream_tarball(package, line))


def _first(package: str, suites: tuple[str, ...], fetch) -> Download | None:
    if not shutil.which("apt-get"):
        return None
    reason: HarnessError | None = None
    for own in (False, True):
        apt = Apt(own, suites, f"apt-{package}")
        try:
            if own and not apt.update():
                continue
            found = fetch(apt)
        except HarnessError as error:
            reason = error       # old lists of the machine: the own ones are fresh
            continue
        if found:
            return found
    if reason:
        raise reason
    return None
