"""What is shown without booting: the steps of `./run prove`."""

from dataclasses import dataclass
from typing import Callable, Iterable

from ..core import Part, Progress
from ..core.report import guarded
from ..fetch import Options
from . import callers, litmus, spin


@dataclass(frozen=True)
class Step:
    title: str
    parts: Callable[[Options, Progress], list[Part]]
    quick: bool         # takes a minute at most, so that ./run check does it too


STEPS = (
    Step("litmus tests", litmus.parts, True),
    Step("interleavings", spin.parts, False),
    Step("audit of the callers", callers.parts, True),
)


def run(steps: Iterable[Step], opts: Options, progress: Progress) -> list[Part]:
    """Runs the steps; one that cannot be done is a failed part."""
    found: list[Part] = []
    for step in steps:
        progress.phase(step.title)
        found += guarded(step.title, progress, lambda step=step: step.parts(opts, progress))
    return found
