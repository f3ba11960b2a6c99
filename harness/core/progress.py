"""Shows how far a verb has come, on stderr.

On a terminal one live line is rewritten; elsewhere a line is printed at most every 30 s.
"""

import shutil
import sys
import time
from typing import TextIO

QUIET_S = 30.0      # seconds between two lines where there is no terminal
REDRAW_S = 0.2      # seconds between two redraws on a terminal


def clock(seconds: float) -> str:
    """Minutes and seconds, as 3:07."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


class Progress:
    """Phases 1..total of one verb; `tick` may be called as often as one likes."""

    def __init__(self, total_phases: int, stream: TextIO | None = None) -> None:
        self.total = total_phases
        self.number = 0
        self.title = ""
        self.stream = stream if stream is not None else sys.stderr
        self.live = self.stream.isatty()
        self.phase_start = self.last = time.monotonic()
        self.drawn = False

    def phase(self, title: str) -> None:
        """Begins the next phase and prints "[k/n] title"."""
        self.number += 1
        self.title = title
        self.phase_start = self.last = time.monotonic()
        self._print(f"[{self.number}/{self.total}] {title}\n")

    def tick(self, text: str) -> None:
        """Says what is going on inside the phase, as often as the stream allows."""
        now = time.monotonic()
        if now - self.last < (REDRAW_S if self.live else QUIET_S):
            return
        self.last = now
        line = f"[{self.number}/{self.total}] {self.title}: {text} ({clock(now - self.phase_start)})"
        self._print(line[:shutil.get_terminal_size().columns - 1] if self.live else f"  {line}\n")

    def done(self, text: str) -> None:
        """Prints a result line for the phase, with the time it took."""
        self._print(f"      {text} ({clock(time.monotonic() - self.phase_start)})\n")

    def _print(self, text: str) -> None:
        """Text without an end of line is a live one, which the next takes the place of."""
        self.stream.write("\r\x1b[K" * self.drawn + text)
        self.stream.flush()
        self.drawn = not text.endswith("\n")
