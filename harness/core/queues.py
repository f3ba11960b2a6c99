"""The queues: each is one series of patches for one kernel line, a folder below patches/.

In:  patches/<queue>/base.toml.  Out: Queue, which is passed on: nothing else says which is meant.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import records, settings
from .errors import require


@dataclass(frozen=True)
class Tested:
    """One kernel release that the whole check passed on."""

    release: str     # for example "6.12.117"
    source: str      # where its source came from
    date: str        # YYYY-MM-DD


@dataclass(frozen=True)
class Queue:
    name: str                      # "v6.12": folder under patches/ and under build/
    version: str                   # "6.12"
    dir: Path                      # patches/v6.12
    package: str                   # Debian package that holds the source
    subject_prefix: str            # "PATCH 6.12"
    suites: tuple[str, ...]        # Debian suites to try, in this order
    author: str                    # "Name <address>" of the project, also committer
    tested: tuple[Tested, ...] = ()
    default: bool = False          # of the verbs, when none is named

    @property
    def build(self) -> Path:
        return settings.BUILD / self.name

    def file(self, common: Path) -> Path:
        """The queue's own file of that name, if it has one, or else the common one."""
        own = self.dir / common.name
        return own if own.is_file() else common

    def own(self, name: str) -> dict[str, Any]:
        """A data file of the queue; {} if it has none of that name."""
        path = self.dir / name
        return settings.toml(path) if path.is_file() else {}

    def data(self, common: Path) -> dict[str, Any]:
        """The common data file, with what the queue's own one of that name says in its place.
        Tables are merged; anything else is replaced."""
        return merged(settings.toml(common), self.own(common.name))


def merged(common: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Two data files as one: own wins, tables are merged."""
    return common | {key: merged(common[key], value)
                     if isinstance(value, dict) and isinstance(common.get(key), dict) else value
                     for key, value in own.items()}


def names() -> list[str]:
    return sorted(path.parent.name for path in (settings.REPO / "patches").glob("*/base.toml"))


def load(name: str | None = None) -> Queue:
    """The queue of that name; without one, the default of them, or the only one."""
    folders = [settings.REPO / "patches" / item for item in names()]
    known = [records.read(Queue, folder / "base.toml", name=folder.name, dir=folder) for folder in folders]
    chosen = [queue for queue in known
              if (queue.name == name if name else queue.default or len(known) == 1)]
    require(len(chosen) == 1, f"there is no queue {name or '(none named)'} under patches/; name one "
            f"with --queue: {', '.join(names()) or 'none'}.")
    return chosen[0]
