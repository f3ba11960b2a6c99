"""What everything else stands on: settings, processes, errors, progress, reports."""

from .errors import Exit, HarnessError, look_up
from .progress import Progress
from .queues import Queue
from .report import Part
