"""A run: what was built, booted and asked for, as it is saved beside the console.

In:  run.json of a run's folder.  Out: Run. Lanes, mutants and benchmarks make such records; each
     can be judged again from its folder alone.
"""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..core import Exit, HarnessError, records
from . import selftests
from .torture import Wanted

FILE = "run.json"


@dataclass(frozen=True)
class Suite:
    """A KUnit suite and what each of its runs must execute."""

    name: str
    min_cases: int               # least number of executed cases
    skips: tuple[str, ...] = ()  # globs for the cases that must be skipped, without the suite
    why: str = ""                # why they must
    again: bool = True           # after boot, too

    def __post_init__(self) -> None:
        selftests.check_skips(self.skips, self.why)


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
    suites: tuple[Suite, ...] = ()
    modules: bool = False                # of the suites: they run when they are loaded
    torture: tuple[Wanted, ...] = ()
    touched: list[str] | None = None     # functions whose data races count (KCSAN)
    kunit_py: dict[str, int] | None = None   # what kunit.py counts; {}: it gives no summary
    spoken: str = ""                     # regex: lines of programs, which are no reports
    facts: dict[str, Any] = field(default_factory=dict)     # source, commit, times, for people


def save(run: Run, folder: Path) -> None:
    (folder / FILE).write_text(json.dumps(asdict(run), indent=1) + "\n")


def read(data: Any) -> Run:
    """The Run in a JSON object; what an older one said besides is one of its facts."""
    known = {field.name for field in fields(Run)}
    facts = {name: item for name, item in data.items() if name not in known}
    ours = {name: item for name, item in data.items() if name in known and item is not None}
    return records.make(Run, ours | {"facts": data.get("facts", {}) | facts}, FILE)


def load(folder: Path) -> Run:
    try:
        return read(json.loads((folder / FILE).read_text()))
    except (OSError, ValueError, AttributeError, HarnessError) as error:
        raise HarnessError(Exit.USAGE, f"{folder} is no run folder ({error}); give one below "
                           "build/*/runs/ or build/*/bench/.") from None
