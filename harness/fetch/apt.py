"""Downloads through apt, which verifies what it fetches.

In:  package names, suites.  Out: Download, or packages unpacked in a folder; FETCH with apt's reason.
Nothing is installed and the system's lists are not changed: where the machine's own suites lack a
package, apt runs with lists and a cache below build/, from the mirrors that the machine uses.
"""

import functools
import hashlib
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

from ..core import Exit, HarnessError, proc, require, settings
from ..core.files import check_disk, new_folder

TRIES = 16          # upstream tarballs to try, newest first: mirrors drop some
FRESH_S = 3600      # lists of our own are fetched again after that many seconds
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# The two files of a source package: the options of apt-get source that ask for one.
ORIG, DEBIAN = "--tar-only", "--diff-only"


@dataclass(frozen=True)
class Download:
    path: Path
    version: str    # Debian version
    sha256: str


@dataclass(frozen=True)
class Listed:
    """One version of a package in apt's lists."""

    name: str
    version: str    # Debian version
    suite: str


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def extract(package: Path, folder: Path, code: Exit = Exit.FETCH) -> None:
    """Puts the files of a binary package into the folder."""
    proc.run(["dpkg-deb", "-x", package, folder], step=f"unpacking {package.name}", limit="unpack",
             code=code)


def own_sources() -> list[tuple[str, str]]:
    """(address of a Debian mirror, suite) as the machine's apt is configured, each once."""
    with tempfile.TemporaryDirectory() as empty:      # with lists, apt leaves out what it has
        said = proc.run(["apt-get", "-o", f"Dir::State::lists={empty}", "--print-uris", "update"],
                        step="apt-get --print-uris update", env={"LC_ALL": "C.UTF-8"},
                        check=False).output
    found = re.findall(r"^'(\S+)/dists/(\S+)/InRelease'", said, re.M)
    return [item for item in dict.fromkeys(found) if "debian" in item[0].split("://")[-1]]


def source_list(suites: tuple[str, ...], known: list[str], kinds: tuple[str, ...]) -> str:
    """A one-line source list: security suites on security mirrors, others on others."""
    option = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    return "".join(f"{kind} {option}{mirror} {suite} main\n"
                   for suite in suites for mirror in known
                   if ("security" in suite) == ("security" in mirror) for kind in kinds)


def release(version: str, line: str) -> list[float]:
    """Orders the Debian versions of a kernel line; empty: not of this line.
    A release candidate (7.3~rc7-1~exp1) comes before the first release (7.3-1), and that before the
    stable ones (7.3.4-1)."""
    match = re.fullmatch(rf"{re.escape(line)}(?:\.(\d+)|~rc(\d+))?(-.*)?", version)
    if not match:
        return []
    return [int(match[1] or 0), float(match[2] or "inf"), *map(int, re.findall(r"\d+", match[3] or ""))]


class Apt:
    """apt as the machine has it, or (with suites) with lists of these suites below build/.
    arch is Debian's name of an architecture, if not the machine's; with sources, the lists have source
    packages, too. FETCH if there is no apt, or no mirror."""

    def __init__(self, suites: tuple[str, ...] | None = None, arch: str = "",
                 sources: bool = False) -> None:
        require(shutil.which("apt-get"), "there is no apt-get here to fetch with.", Exit.FETCH)
        self.where = "the machine's suites" if suites is None else \
            ", ".join(suites) + (f" for {arch}" if arch else "")
        self.suites = suites or ()
        self.options: list[str] = ["-q", "-o", "APT::Sandbox::User=root"]
        self.downloads = settings.fetched() / "downloads"
        self.downloads.mkdir(parents=True, exist_ok=True)
        if suites is not None:
            self._lists(source_list(suites, list(dict.fromkeys(mirror for mirror, _ in own_sources())),
                                    ("deb", "deb-src") if sources else ("deb",)), arch)

    def _lists(self, text: str, arch: str) -> None:
        """Uses the lists of this source list only, below build/; fetches them unless fresh."""
        require(text, "apt is configured with no Debian mirror to fetch from.", Exit.FETCH)
        name = hashlib.sha256((arch + text).encode()).hexdigest()[:12]
        self.folder = settings.fetched() / f"apt-{name}"
        for name in ("lists/partial", "cache/archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        listing, stamp = self.folder / "sources.list", self.folder / "updated"
        listing.write_text(text, encoding="utf-8")
        values = {"Dir::Etc::sourcelist": listing, "Dir::State::lists": self.folder / "lists",
                  "Dir::Cache": self.folder / "cache", "Acquire::Languages": "none"}
        # Neither what is installed nor the machine's preferences choose the version.
        values |= dict.fromkeys(("Dir::Etc::sourceparts", "Dir::Etc::preferences",
                                 "Dir::Etc::preferencesparts", "Dir::State::status"), "/dev/null")
        values |= {"APT::Default-Release": ""}
        if arch:
            values |= {"APT::Architecture": arch, "APT::Architectures": arch}
        for name, value in values.items():
            self.options += ["-o", f"{name}={value}"]
        if stamp.exists() and time.time() - stamp.stat().st_mtime < FRESH_S:
            return
        # A suite that does not exist any more must not spoil the others: what
        # was fetched shows in the next look-up. (Without the option, apt calls it a
        # success when there is no network.)
        if self.run("apt-get", "update", "-o", "APT::Update::Error-Mode=any").returncode == 0:
            stamp.touch()

    def run(self, tool: str, *args: str | Path, cwd: Path | None = None) -> proc.Result:
        return proc.run([tool, *self.options, *args], step=f"{tool} {args[0]}", code=Exit.FETCH,
                        limit="apt", cwd=cwd, check=False, env={"LC_ALL": "C.UTF-8"})

    def apt_get(self, what: str, *args: str | Path, cwd: Path | None = None) -> str:
        """The output of apt-get; FETCH, which says that `what` could not be had, if it fails."""
        result = self.run("apt-get", *args, cwd=cwd)
        if result.returncode:
            said = re.search(r"^E: (?:Failed to fetch \S+ *)?(.*?)(?: *\[IP.*)?$", result.output, re.M)
            why = " ".join(said[1].split()) if said else f"exit value {result.returncode}"
            raise HarnessError(Exit.FETCH, f"{what} could not be fetched from {self.where} ({why}).")
        return result.output

    def listed(self, package: str, kind: str = "Packages") -> list[Listed]:
        """Each version of the package in the lists; with "Sources", of those that it is built from."""
        return [Listed(*found) for found in re.findall(
            rf"^ *(\S+) \| +(\S+) \| \S+ (\S+)/main .*{kind}$",
            self.run("apt-cache", "madison", package).output, re.M)]

    def newest(self, package: str, line: str) -> tuple[dict[str, tuple[str, ...]], list[str]]:
        """Which releases of a kernel line the suites offer: Debian version -> the suites whose newest it
        is, newest first; a sentence for each suite that has none."""
        order = functools.partial(release, line=line)
        newest_of: dict[str, str] = {}
        for item in self.listed(package):
            if order(item.version) > order(newest_of.get(item.suite, "")):
                newest_of[item.suite] = item.version
        lacking = [f"{suite} does not offer {package}."
                   if any(self.folder.glob(f"lists/*_dists_{suite}_*InRelease"))
                   else f"the lists of {suite} could not be fetched."
                   for suite in self.suites if suite not in newest_of]
        return {version: tuple(suite for suite in self.suites if newest_of.get(suite) == version)
                for version in sorted(set(newest_of.values()), key=order, reverse=True)}, lacking

    def get(self, what: str, *command: str) -> Download:
        """The file that `apt-get COMMAND what` downloads, unless it is there already."""
        self.apt_get(what, *command, what, cwd=self.downloads)
        with tempfile.TemporaryDirectory() as empty:      # it does not name a file that it finds
            said = self.apt_get(what, "--print-uris", *command, what, cwd=Path(empty))
        found = re.search(r"^'\S+' (\S+) \d+ SHA256:([0-9a-f]{64})$", said, re.M)
        require(found, f"apt names no file with a checksum for {what}.", Exit.FETCH)
        path = self.downloads / found[1]
        if not path.exists() or sha256(path) != found[2]:
            path.unlink(missing_ok=True)      # for apt, a file of the right size is the right one
            self.apt_get(what, *command, what, cwd=self.downloads)
        return Download(path, unquote(path.name.partition("_")[2].partition("_")[0]), found[2])

    def binary(self, package: str, version: str = "") -> Download:
        """A binary package: this version of it, or the one that apt would take."""
        return self.get(package + (f"={version}" if version else ""), "download")

    def source(self, package: str, line: str, part: str, fetched: bool = False) -> Download:
        """That part (ORIG, DEBIAN) of the newest source package of a kernel line, behind the package.
        The mirrors may lack some that are listed. With fetched, one that is here comes first."""
        listed = {replace(item, suite="") for item in self.listed(package, "Sources")
                  if release(item.version, line)}
        newest = sorted(listed, key=lambda item: release(item.version, line), reverse=True)
        here = [item for item in newest if any(self.downloads.glob(
            f"{item.name}_{item.version.rpartition('-')[0]}.orig.*"))] if fetched else []
        reasons = []
        for item in (here or newest)[:TRIES]:
            try:
                file = self.get(f"{item.name}={item.version}", "source", "--download-only",
                                "--only-source", part)
                return replace(file, version=item.version)
            except HarnessError as error:
                reasons.append(error)
        raise reasons[0] if reasons else HarnessError(
            Exit.FETCH, f"the lists of {self.where} have no source package behind {package}.")


def binary(package: str, suites: tuple[str, ...]) -> Download:
    """The package from the machine's suites, or else from these."""
    return _first(suites, False, lambda apt: apt.binary(package))


def upstream_tarball(package: str, suites: tuple[str, ...], line: str) -> Download:
    """The newest unpatched tarball of a kernel line behind the package, or one fetched earlier."""
    return _first(suites, True, lambda apt: apt.source(package, line, ORIG, fetched=True))


def _first(suites: tuple[str, ...], sources: bool, get) -> Download:
    """What get(apt) finds with the machine's lists, which may be old, or else with the suites'."""
    reasons = []
    for chosen in (None, suites):
        try:
            return get(Apt(chosen, sources=sources))
        except HarnessError as error:
            reasons.append(error.message)
    raise HarnessError(Exit.FETCH, " ".join(dict.fromkeys(reasons)))


def unpacked(name: str, packages: list[str], suites: tuple[str, ...] = (),
             arch: str = "") -> tuple[Path, dict[str, str]]:
    """The packages and what they need in their newest versions, unpacked: folder, version of each.
    They are unpacked once, in the folder NAME of what is fetched, and not installed. Without suites:
    the machine's. arch is Debian's name of an architecture, if not the machine's."""
    where, wanted = settings.fetched() / name, " ".join(packages)
    record = where / "packages"
    if not record.is_file() or record.read_text("utf-8").splitlines()[0] != wanted:
        check_disk(settings.fetched(), "packages")
        apt = Apt(suites or tuple(dict.fromkeys(suite for _, suite in own_sources())), arch)
        with tempfile.TemporaryDirectory(dir=settings.fetched()) as cache, new_folder(where) as new:
            apt.apt_get(wanted, "install", "--download-only", "--no-install-recommends", "-y",
                        "-o", "Debug::NoLocking=1", "-o", f"Dir::Cache::archives={cache}", *packages)
            debs = sorted(Path(cache).glob("*.deb"))
            for path in debs:
                extract(path, new / "root")
            (new / "packages").write_text("\n".join([wanted, *(path.name for path in debs)]) + "\n")
    names = [line.split("_") for line in record.read_text("utf-8").splitlines()[1:]]
    return where / "root", {package: unquote(version) for package, version, _ in names}
