"""What is shown without booting: the steps of `./run prove`."""

from typing import Iterable

from ..core import Part, Progress
from ..core.report import guarded
from ..fetch import Options
from . import callers, litmus, spin

# Title -> what makes its Parts.
STEPS = {"litmus tests": litmus.parts, "interleavings": spin.parts, "audit of the callers": callers.parts}
LONG = "interleavings"      # the one that is no part of ./run check


def run(titles: Iterable[str], opts: Options, progress: Progress) -> list[Part]:
    """Runs the steps; one that cannot be done is a failed part."""
    found: list[Part] = []
    for title in titles:
        progress.phase(title)
        found += guarded(title, progress, lambda: STEPS[title](opts, progress))
    return found
