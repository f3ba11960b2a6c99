"""Which calls a running kernel makes pinned, and whether the audit knows them.

In:  lanes (those of proof/callers/record.toml if none), record.mbox, the table callers.md.
Out: Parts: a site that is not in the table fails; sites.txt in build/<queue>/runs/LANE-record/.

The kernel prints, once for each chain of callers, the calls that wait and were made with preemption
or interrupts disabled. A site is known if a function of its chain has a row in the table (not a
converted one), and made the call that the row names.
"""

import re
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Iterable, Sequence

from ..core import Exit, Part, Progress, Queue, records, report, settings
from ..core.report import guarded
from ..fetch import Options
from ..queue import TreeInfo, series, tree
from ..judge import judge
from ..judge.judge import Verdict
from ..lanes import lane_files, lane_run
from . import callers
from .callers import Row


PATCH = callers.FOLDER / "record.mbox"
_LINE = re.compile(r"pinned-call: preempt=[0-9a-f]+ irqs=(?:on|off) (.+)")
_SUFFIX = re.compile(r"\.(?:isra|constprop|part|cold)\b.*")     # of a function that GCC made
_FULL = "record is not complete"


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
    return records.make(Words, settings.toml(path), str(path))


def chains(console: Iterable[str]) -> list[tuple[str, ...]]:
    """The chains of callers that were printed, the innermost function first."""
    found = {}
    for line in console:
        if printed := _LINE.search(line):
            names = (name.split()[0] for name in printed[1].split(" < ") if name.strip())
            found[tuple(_SUFFIX.sub("", name) for name in names)] = None
    return list(found)


def site(chain: tuple[str, ...], asked: Words) -> int:
    """Where in the chain its site is: the first function outside of the layers."""
    layers = re.compile("|".join(asked.layers))
    for number, name in enumerate(chain):
        if not layers.fullmatch(name):
            return number
    return len(chain) - 1


def known(chain: tuple[str, ...], rows: Iterable[Row], asked: Words) -> bool:
    """Whether a row of the table is about this chain."""
    first = site(chain, asked)
    called = dict(zip(chain[first:], chain[first - 1:] if first else ("", *chain)))

    def about(row: Row) -> bool:
        function = row.hit.function
        below = called.get(function) or called.get(asked.inlined.get(function, ""), "")
        return below == row.hit.call or (row.hit.call in asked.frameless and bool(below)
                                         and below in chain[:first])

    def locked(call: str) -> bool:
        return call not in asked.unlocking or (call in asked.before_unlocking
                                               and call == chain[first])

    return any(row.verdict != "converted" and locked(row.hit.call) and about(row)
               for row in rows)


def sites(seen: Iterable[tuple[str, ...]], rows: Iterable[Row],
          asked: Words) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """Known and unknown sites, each with a chain: one of which the table knows nothing, if any."""
    by_site = defaultdict(list)
    for chain in seen:
        by_site[chain[site(chain, asked)]].append(chain)
    good, bad = {}, {}
    for name, of_site in sorted(by_site.items()):
        unknown = [chain for chain in of_site if not known(chain, rows, asked)]
        (bad if unknown else good)[name] = (unknown or of_site)[0]
    return good, bad


def recording_tree(opts: Options, progress: Progress) -> TreeInfo:
    """A work tree with the series and record.mbox."""
    patched = tree.ensure_tree(opts, progress)
    tip = series.apply(opts.queue, patched.path, patched.tip_commit,
                       [opts.queue.file(PATCH)])
    return replace(patched, path=tree.worktree(patched, "record", tip), tip_commit=tip)


def judged(name: str, folder: Path, verdict: Verdict, start: float, rows: list[Row],
           asked: Words) -> Part:
    """What a lane's kernel printed against the table."""
    console = (folder / "console.log").read_text(errors="replace").splitlines()
    seen = chains(console)
    good, bad = sites(seen, rows, asked)
    text = [f"{what} {site_}: {' < '.join(chain)}" for what, found in
            (("not in the table:", bad), ("in the table:", good)) for site_, chain in found.items()]
    (folder / "sites.txt").write_text("".join(line + "\n" for line in text))
    wrong = [line for line in text if line.startswith("not")]
    if any(_FULL in line for line in console):
        wrong.append("the kernel had no room for more chains; make RECORD_CHAINS in "
                     "record.mbox greater")
    if not seen:
        wrong.append("no call was recorded at all")
    if verdict.code != Exit.OK:
        wrong.append(f"the lane failed: {verdict.text().splitlines()[0]}")
    return report.judged(f"record {name}", wrong,
                         f"{len(seen)} chains, sites seen: {len(good)}, all in the table", start,
                         failed=len(wrong), code=verdict.code or Exit.TEST)


def one_lane(name: str, rows: list[Row], asked: Words, opts: Options, again: bool,
             progress: Progress) -> Part:
    """Builds and boots a lane with the patch, or takes its last run, and judges it."""
    start = time.monotonic()
    if again:
        folder = opts.queue.build / "runs" / f"{name}-record"
        return judged(name, folder, judge.judge_folder(folder), start, rows, asked)
    lane = lane_files.load(name, opts.queue)
    lane = replace(lane, suites=(), cmdline=f"{lane.cmdline} kunit.enable=0".strip())
    ran = lane_run.run(lane, recording_tree(opts, progress), progress, variant="record")
    return judged(name, ran.folder, ran.verdict, start, rows, asked)


def parts(names: Sequence[str], opts: Options, progress: Progress,
          again: bool = False) -> list[Part]:
    """All lanes, each a phase of its own."""
    asked = words(opts.queue)
    rows = callers.read_table(callers.TABLE.read_text("utf-8"), callers.TABLE.name,
                              opts.queue.name)
    found: list[Part] = []
    for name in names:
        progress.phase(f"record of lane {name}")
        found += guarded(f"record {name}", progress,
                         lambda: one_lane(name, rows, asked, opts, again, progress))
    return found
