"""The releases of a kernel line that apt can deliver: packages, and the source files behind them.

In:  the Debian package with the source, the suites, the kernel line ("6.12").
Out: Offer, one for each newest version of a suite; their files, downloaded when asked for.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from ..core import Exit, HarnessError, settings
from ..core.files import check_disk
from . import apt


@dataclass(frozen=True)
class Offer:
    """A version of the package that is the newest of these suites."""

    package: str
    version: str                # Debian version
    suites: tuple[str, ...]


class Releases:
    """What the suites offer of one package and kernel line."""

    def __init__(self, package: str, suites: tuple[str, ...], line: str) -> None:
        self.package, self.suites, self.line = package, suites, line
        self.apt = apt.Apt(True, suites, f"apt-{package}")

    def offers(self) -> tuple[list[Offer], list[str]]:
        """The newest version of each suite, newest first, and a sentence for each suite without one."""
        if not shutil.which("apt-get"):
            return [], ["there is no apt-get here to fetch releases with."]
        if not self.apt.update():
            return [], ["apt is configured with no Debian mirror to fetch releases from."]
        versions: dict[str, list[str]] = {}
        for suite, version in self.apt.offered(self.package):
            if apt.release(version, self.line):
                versions.setdefault(suite, []).append(version)
        newest = {suite: max(versions[suite], key=lambda version: apt.release(version, self.line))
                  for suite in self.suites if suite in versions}
        found = [Offer(self.package, version, tuple(suite for suite in newest if newest[suite] == version))
                 for version in dict.fromkeys(newest.values())]
        found.sort(key=lambda offer: apt.release(offer.version, self.line), reverse=True)
        return found, [self._without(suite) for suite in self.suites if suite not in newest]

    def _without(self, suite: str) -> str:
        if any(self.apt.folder.glob(f"lists/*_dists_{suite}_*InRelease")):
            return f"{suite} does not offer {self.package}."
        return f"the lists of {suite} could not be fetched."

    def package_file(self, offer: Offer) -> Path:
        """The package, downloaded."""
        check_disk(settings.fetched(), "source")
        found = self.apt.binary(self.package, offer.version)
        if found is None:
            raise HarnessError(Exit.FETCH, f"apt's lists have no {self.package} {offer.version}.")
        return found.path

    def package_of(self, version: str) -> Offer | None:
        """A version that no suite has as its newest, if the lists have it."""
        return Offer(self.package, version, ()) if self.apt.fields(self.package, version) else None

    def source_files(self, ending: str) -> list[apt.SourceFile]:
        """The files of that ending behind all versions of the package, newest first."""
        return self.apt.source_files(self.package, self.line, ending)

    def first_of(self, files: list[apt.SourceFile]) -> apt.Download:
        """The first of these that the mirrors have: they drop old ones, and may lack new ones."""
        check_disk(settings.fetched(), "source")
        found = self.apt.first_of(files)
        if found is None:
            raise HarnessError(Exit.FETCH, f"apt's lists have no source package of {self.package}.")
        return found
