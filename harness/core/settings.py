"""Where things are, and limits.

In:  harness/data/limits.toml, $BUILD_DIR, $LIMIT_SCALE.
"""

import functools
import os
import re
import tomllib
from pathlib import Path
from typing import Any

from .errors import Exit, HarnessError, require

REPO = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("BUILD_DIR") or REPO / "build").absolute()
DATA = REPO / "harness" / "data"


def fetched() -> Path:
    """The folder of what is fetched: all queues share it."""
    return BUILD / "fetched"


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
def limits(table: str) -> dict[str, float]:
    """A table of limits.toml: "seconds", or "free_gib" that must be free before a step starts."""
    return toml(DATA / "limits.toml")[table]


def limit(name: str) -> float:
    """Seconds that the named step may take, times $LIMIT_SCALE for slow machines."""
    return scaled(limits("seconds")[name])


def scaled(seconds: float) -> float:
    """A limit that stands elsewhere (in a lane, say), times $LIMIT_SCALE."""
    scale = os.environ.get("LIMIT_SCALE") or "1"
    require(re.fullmatch(r"\d*\.?\d+", scale) and float(scale), "LIMIT_SCALE must be a number above 0, "
            "for example LIMIT_SCALE=2.")
    return seconds * float(scale)
