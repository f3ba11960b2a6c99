"""Where things are, and the data files that say what the harness works on.

In:  patches/<base>/base.toml, harness/data/limits.toml, $BUILD_DIR, $BASE.
Out: REPO, BUILD (folders), base() -> Base, limit(name) -> seconds,
     need_gib(name) -> GiB of free disk space, toml(path) -> dict.
"""

from __future__ import annotations

import functools
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import Exit, HarnessError

REPO = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("BUILD_DIR") or REPO / "build").absolute()
DATA = REPO / "harness" / "data"


@dataclass(frozen=True)
class Tested:
    """One kernel release that the whole check passed on."""

    release: str     # for example "6.12.117"
    source: str      # where its source came from
    date: str        # YYYY-MM-DD


@dataclass(frozen=True)
class Base:
    """One kernel line that a queue is kept for (patches/<name>/base.toml)."""

    name: str                      # "v6.12": folder under patches/ and under build/
    version: str                   # "6.12"
    dir: Path                      # patches/v6.12
    package: str                   # Debian package that holds the source
    subject_prefix: str            # "PATCH 6.12"
    suites: tuple[str, ...]        # Debian suites to try, in this order
    author: str                    # "Name <address>" of the project, also committer
    tested: tuple[Tested, ...]


def toml(path: Path) -> dict[str, Any]:
    """Reads a TOML file; an error in it is a usage error that names the place."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HarnessError(Exit.USAGE, f"{path} is missing; restore it, for example with "
                           "git checkout.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HarnessError(Exit.USAGE, f"{path} is not valid TOML: {error}.") from None


@functools.cache
def base(name: str | None = None) -> Base:
    """The base named, else $BASE, else the only one (or the one with default = true)."""
    known = {path.parent.name: path for path in sorted((REPO / "patches").glob("*/base.toml"))}
    name = name or os.environ.get("BASE")
    if name is None:
        defaults = [key for key, path in known.items()
                    if len(known) == 1 or toml(path).get("default")]
        name = defaults[0] if defaults else None
    if name not in known:
        raise HarnessError(Exit.USAGE, f"there is no base {name or '(none named)'} under patches/; "
                           f"set BASE to one of: {', '.join(known) or 'none'}.")
    return load_base(known[name])


def load_base(path: Path) -> Base:
    """Reads one base.toml."""
    data = toml(path)
    try:
        return Base(
            name=path.parent.name, version=data["version"], dir=path.parent,
            package=data["package"],
            subject_prefix=data["subject_prefix"], suites=tuple(data["suites"]),
            author=data["author"],
            tested=tuple(Tested(**item) for item in data.get("tested", [])))
    except (KeyError, TypeError) as error:
        raise HarnessError(Exit.USAGE, f"{path} has a missing or wrong entry ({error}); restore it, "
                           "for example with git checkout.") from None


def build_dir() -> Path:
    """The folder under build/ for the chosen base."""
    return BUILD / base().name


@functools.cache
def _limits() -> dict[str, Any]:
    return toml(DATA / "limits.toml")


def limit(name: str) -> float:
    """Seconds that the named step may take, times $LIMIT_SCALE for slow machines."""
    seconds = _limits()["seconds"]
    if name not in seconds:
        raise HarnessError(Exit.USAGE, f"harness/data/limits.toml has no limit {name!r} "
                           "under [seconds]; add it.")
    return scaled(float(seconds[name]))


def scaled(seconds: float) -> float:
    """A limit that stands elsewhere (in a lane, say), times $LIMIT_SCALE."""
    try:
        return seconds * float(os.environ.get("LIMIT_SCALE") or 1)
    except ValueError:
        raise HarnessError(Exit.USAGE, "LIMIT_SCALE must be a number, for example "
                           "LIMIT_SCALE=2.") from None


def need_gib(name: str) -> float:
    """GiB that must be free before the named step starts."""
    return float(_limits()["free_gib"][name])
