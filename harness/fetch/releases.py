"""Which releases of a kernel line the suites offer.

In:  Apt with lists of its own, the Debian package with the source, the kernel line ("6.12").
Out: the newest version of each suite, and a sentence for each suite that has none.
"""

import functools
import shutil

from . import apt


def newest(there: apt.Apt, package: str, line: str) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Debian version -> the suites whose newest it is, newest first; and the sentences."""
    if not shutil.which("apt-get"):
        return {}, ["there is no apt-get here to fetch releases with."]
    if not there.update():
        return {}, ["apt is configured with no Debian mirror to fetch releases from."]
    order = functools.partial(apt.release, line=line)
    newest_of: dict[str, str] = {}
    for suite, version in there.offered(package):
        if order(version) > order(newest_of.get(suite, "")):
            newest_of[suite] = version
    lacking = [f"{suite} does not offer {package}."
               if any(there.folder.glob(f"lists/*_dists_{suite}_*InRelease"))
               else f"the lists of {suite} could not be fetched."
               for suite in there.suites if suite not in newest_of]
    return {version: tuple(suite for suite in there.suites if newest_of.get(suite) == version)
            for version in sorted(set(newest_of.values()), key=order, reverse=True)}, lacking
