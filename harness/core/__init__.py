"""What everything else stands on: settings, processes, errors, progress, reports."""

from .errors import Exit, HarnessError, look_up, require
from .progress import Progress
from .queues import Queue
from .report import Part
