"""Kernels that the series is compared with: fetched, unpacked, never patched.

In:  the version and the Debian package with its source, suites.
Out: Peer: build/fetched/peer-VERSION, a plain source tree, with what it was unpacked from.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ..core import records, settings
from ..core.files import new_folder
from . import linux_source

RECORD = "harness.json"     # beside the tree: a tree without it is not complete


@dataclass(frozen=True)
class Peer:
    """One unpacked kernel source."""

    kernel_version: str     # "7.3.0-rc7"
    source: str             # package with version
    checksum: str           # "sha256:..." of the package


def ensure(version: str, package: str, suites: tuple[str, ...]) -> tuple[Path, Peer]:
    """The peer's tree; fetched and unpacked if it is not there. FETCH if it cannot be had.

    What was unpacked once is used again: a newer release of the package would make
    figures of two runs differ for a reason that is not ours.
    """
    folder = settings.fetched() / f"peer-{version}"
    record = folder / RECORD
    if not record.is_file():
        source = linux_source.package(package, suites)
        with new_folder(folder) as new:
            release = linux_source.unpack(source, new / "linux", version)
            (new / RECORD).write_text(json.dumps(asdict(Peer(release, source.name, source.checksum))))
    return folder / "linux", records.make(Peer, json.loads(record.read_text("utf-8")), str(record))
