"""Debian's own kernel configurations, and what is changed in them (data/debian_config.toml).

In:  a queue, whose package linux-config-VERSION apt finds; a flavour: "none_amd64", "rt_amd64".
Out: the text of a .config.
"""

import functools
import lzma
import re
from dataclasses import dataclass

from ..core import Queue, look_up, records, settings
from ..core.files import new_folder
from ..fetch import apt


@dataclass(frozen=True)
class Rules:
    """debian_config.toml."""

    emptied: tuple[str, ...]
    options: dict[str, str]


@functools.cache
def rules() -> Rules:
    return records.read(Rules, settings.DATA / "debian_config.toml")


def text(queue: Queue, flavour: str) -> str:
    """The configuration as it is in the package, which is fetched once."""
    package = f"linux-config-{queue.version}"
    where = settings.fetched() / package
    if not where.is_dir():
        found = apt.binary(package, queue.suites)
        with new_folder(where) as new:
            apt.extract(found.path, new)
    there = {path.stem.removeprefix("config.amd64_"): path
             for path in where.glob(f"usr/src/{package}/config.amd64_*.xz")}
    look_up(f"configuration in {package}", flavour, there)
    return lzma.open(there[flavour], "rt", encoding="utf-8").read()


def buildable(config: str) -> str:
    """A .config without names of files that are not there."""
    return re.sub(rf'^(CONFIG_\w+)="({"|".join(map(re.escape, rules().emptied))}).*"$', r'\1=""',
                  config, flags=re.M)
