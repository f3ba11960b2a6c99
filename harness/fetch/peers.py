"""Kernels that the series is compared with: fetched, unpacked, never patched.

In:  the version and the Debian package with its source, the suites to look in.
Out: Peer: build/fetched/peer-VERSION, a plain source tree (no git), with the record of
     what it was unpacked from.
Nothing is installed: apt runs with lists of its own (apt.of_suites).
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..core import settings
from ..core.errors import Exit, HarnessError
from . import apt, linux_source

RECORD = "harness.json"     # beside the tree: a tree without it is not complete


@dataclass(frozen=True)
class Peer:
    """One unpacked kernel source."""

    path: Path
    kernel_version: str     # "7.3.0-rc7"
    source: str             # package with version
    checksum: str           # "sha256:..." of the package


def folder(version: str) -> Path:
    return settings.fetched() / f"peer-{version}"


def ensure(version: str, package: str, suites: tuple[str, ...]) -> Peer:
    """The peer's tree; fetched and unpacked if it is not there. FETCH if it cannot be had.

    What was unpacked once is used again: a newer release of the package would make
    figures of two runs differ for a reason that is not ours.
    """
    where = folder(version)
    known = _read(where)
    if known:
        return known
    linux_source.check_disk(settings.fetched(), "source")
    found = apt.of_suites([package], suites, "apt-peers")
    if not found:
        raise HarnessError(Exit.FETCH, f"no suite of {', '.join(suites)} that apt can reach "
                           f"offers {package}.")
    made = linux_source.Source("package", f"{package} {found[0].version}", str(found[0].path),
                         f"sha256:{found[0].sha256}")
    new = where.with_name(where.name + ".new")
    for left in (new, where):
        shutil.rmtree(left, ignore_errors=True)
    try:
        release = linux_source.unpack(made, new / "linux", version)
        (new / RECORD).write_text(json.dumps({"kernel_version": release, **made.record()},
                                             indent=1) + "\n", encoding="utf-8")
        new.rename(where)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    peer = _read(where)
    assert peer
    return peer


def _read(where: Path) -> Peer | None:
    """The complete tree that is there, or None."""
    try:
        record = json.loads((where / RECORD).read_text(encoding="utf-8"))
        return Peer(where / "linux", record["kernel_version"], record["name"],
                    record["checksum"])
    except (OSError, ValueError, KeyError):
        return None
