"""A run: what was built, booted and asked for, as it is saved beside the console.

In:  run.json of a run's folder.  Out: Run. Lanes, mutants and benchmarks make such records; each
     can be judged again from its folder alone.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..core import Exit, HarnessError, records, require
from .ktap import Suite
from .torture import Wanted

FILE = "run.json"


@dataclass(frozen=True)
class Run:
    cpus: int                            # that the guest has at its end; 0: any number
    build_id: str = ""                   # of the kernel that was built
    name: str = ""                       # lane with variant, mutant, boot of a benchmark
    queue: str = ""
    boot_cpus: int = 0                   # online at boot, if not all
    limit_s: float = 0
    glob: str = ""                       # pattern that the cases were chosen by
    model: str = ""                      # preemption model that was asked for
    panic: str = ""                      # message of the panic that must come
    suites: tuple[Suite, ...] = ()
    modules: bool = False                # of the suites: they run when they are loaded
    torture: tuple[Wanted, ...] = ()
    touched: list[str] | None = None     # functions whose data races count (KCSAN)
    kunit_py: dict[str, int] | None = None   # what kunit.py counts; {}: it gives no summary
    spoken: str = ""                     # regex: lines of programs, which are no reports
    facts: dict[str, Any] = field(default_factory=dict)     # source, commit, times, for people


def save(run: Run, folder: Path) -> None:
    (folder / FILE).write_text(json.dumps(asdict(run), indent=1) + "\n")


def load(folder: Path) -> Run:
    path, below = folder / FILE, "give one below build/*/runs/ or build/*/bench/."
    require(path.is_file(), f"{folder} is no run folder (it has no {FILE}); {below}")
    try:
        return records.make(Run, json.loads(path.read_text()), FILE)
    except (ValueError, HarnessError) as error:
        raise HarnessError(Exit.USAGE, f"{folder} is no run folder ({error}); {below}") from None
