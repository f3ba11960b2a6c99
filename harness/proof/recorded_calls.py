"""Which calls a running kernel makes pinned, and whether the audit knows them.

In:  lanes (those of proof/callers/record.toml if none), record.mbox, the table callers.md.
Out: Parts: a site that is not in the table fails; sites.txt in build/<queue>/runs/LANE-record/.

The kernel prints, once for each chain of callers, the calls that wait and were made with preemption
or interrupts disabled. A site is known if a function of its chain has a row in the table (not a
converted one), and made the call that the row names.
"""

import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Iterable, Sequence

from ..core import Exit, Part, Progress, Queue, records, report, settings
from ..core.report import guarded
from ..fetch import Options
from ..queue import series, tree
from ..build.touched import plain
from ..guest import qemu
from ..judge import judge
from ..lanes import lane_files, lane_run
from . import callers
from .callers import Row

PATCH = callers.FOLDER / "record.mbox"
_LINE = re.compile(r"pinned-call: preempt=[0-9a-f]+ irqs=(?:on|off) (.+)")


@dataclass(frozen=True)
class Words:
    """record.toml."""

    lanes: tuple[str, ...]
    layers: tuple[str, ...]
    frameless: tuple[str, ...]
    unlocking: tuple[str, ...]
    before_unlocking: tuple[str, ...]
    inlined: dict[str, str]


def words(queue: Queue) -> Words:
    path = queue.file(callers.FOLDER / "record.toml")
    data = settings.toml(path)
    left_out = lane_files.left_out(queue)
    return records.make(Words, data | {"lanes": [name for name in data["lanes"]
                                                 if name not in left_out]}, str(path))


def chains(console: str) -> list[tuple[str, ...]]:
    """The chains of callers that were printed, each once, the innermost function first."""
    return list(dict.fromkeys(
        tuple(plain(name.split()[0]) for name in printed.split(" < ") if name.strip())
        for printed in _LINE.findall(console)))


def site(chain: tuple[str, ...], asked: Words) -> int:
    """Where in the chain its site is: the first function outside of the layers."""
    layers = re.compile("|".join(asked.layers))
    return next((number for number, name in enumerate(chain) if not layers.fullmatch(name)),
                len(chain) - 1)


def known(chain: tuple[str, ...], rows: Iterable[Row], asked: Words) -> bool:
    """Whether a row of the table is about this chain."""
    first = site(chain, asked)
    called = dict(zip(chain[first:], chain[first - 1:] if first else ("", *chain)))

    def about(row: Row) -> bool:
        function, call = row.hit.function, row.hit.call
        below = called.get(function) or called.get(asked.inlined.get(function, ""), "")
        return below == call or (call in asked.frameless and bool(below) and below in chain[:first])

    def locked(call: str) -> bool:
        return call not in asked.unlocking or (call in asked.before_unlocking
                                               and call == chain[first])

    return any(row.verdict != "converted" and locked(row.hit.call) and about(row)
               for row in rows)


def sites(seen: Iterable[tuple[str, ...]], rows: Iterable[Row],
          asked: Words) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Known and unknown sites, each with a chain: one of which the table knows nothing, if any."""
    good, bad = {}, {}
    for chain in sorted(seen, key=lambda chain: chain[site(chain, asked)]):
        (good if known(chain, rows, asked) else bad).setdefault(chain[site(chain, asked)], chain)
    return {name: chain for name, chain in good.items() if name not in bad}, bad


def judged(name: str, folder: Path, rows: list[Row], asked: Words, start: float) -> Part:
    """What a lane's kernel printed against the table; sites.txt in the folder of the run."""
    verdict = judge.judge_folder(folder)
    console = qemu.console(folder)
    seen = chains(console)
    good, bad = sites(seen, rows, asked)
    wrong, fine = ([f"{what} {name}: {' < '.join(chain)}" for name, chain in found.items()]
                   for what, found in (("not in the table:", bad), ("in the table:", good)))
    (folder / "sites.txt").write_text("".join(f"{line}\n" for line in wrong + fine))
    if "record is not complete" in console:
        wrong.append("the kernel had no room for more chains; make RECORD_CHAINS in "
                     "record.mbox greater")
    if not seen:
        wrong.append("no call was recorded at all")
    if verdict.code != Exit.OK:
        wrong.append(f"the lane failed: {verdict.text().splitlines()[0]}")
    return report.judged(f"record {name}", wrong,
                         f"{len(seen)} chains, sites seen: {len(good)}, all in the table", start,
                         failed=len(wrong), code=verdict.code or Exit.TEST)


def patched_tip(info: tree.TreeInfo) -> str:
    """The commit with the series and record.mbox."""
    return series.apply(info.queue, info.path, info.tip_commit, [info.queue.file(PATCH)])


def boot(name: str, opts: Options, progress: Progress) -> None:
    """Builds a lane in a work tree with the series and record.mbox, and boots it without its suites."""
    lane = lane_files.load(name, opts.queue)
    patched = tree.ensure_tree(opts, progress)
    tip = patched_tip(patched)
    lane_run.run(replace(lane, suites=(), cmdline=f"{lane.cmdline} kunit.enable=0".strip()),
                 replace(patched, path=tree.worktree(patched, "record", tip), tip_commit=tip),
                 progress, variant="record")


def parts(names: Sequence[str], opts: Options, progress: Progress,
          again: bool = False) -> list[Part]:
    """All lanes, each a phase of its own; again: their last runs are judged once more."""
    asked = words(opts.queue)
    rows = callers.read_table(callers.TABLE, opts.queue.name)

    def one(name: str) -> Part:
        start = time.monotonic()
        if not again:
            boot(name, opts, progress)
        return judged(name, opts.queue.build / "runs" / f"{name}-record", rows, asked, start)

    found: list[Part] = []
    for name in names:
        progress.phase(f"record of lane {name}")
        found += guarded(f"record {name}", progress, lambda: one(name))
    return found
