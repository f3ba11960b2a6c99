"""On which releases the series applies: ./run check --releases.

In:  the queue; what its suites offer.
Out: releases.toml of the queue, the table in README.md, a Part for each release.
Each release is put into a git tree of its own, with only the files that the patches touch. That a
series applies does not say that it builds or boots: `tested` of base.toml says that.
"""

import datetime
import json
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterable

from ..core import (Exit, HarnessError, Part, Progress, Queue, proc, queues, records, report, require,
                    settings)
from ..core.files import check_disk
from ..fetch import apt, host_packages, linux_source
from . import series, tree

FILE = "releases.toml"
APPLIES = "applies"
RT = "debian/patches-rt"
BEGIN = "<!-- ./run check --releases writes what follows -->\n"
END = "<!-- until here -->\n"
HEADER = """\
# On which releases `git am` takes this series: written by ./run check --releases, not by hand.
# It says nothing about building or booting; base.toml lists what passed the whole check.

"""
COLUMNS = ("queue", "release", "source", "git am", "on", "whole check")


@dataclass(frozen=True)
class Release:
    """What came of one release."""

    release: str                        # "6.12.118"
    source: str                         # package with version, or tarball
    result: str                         # APPLIES, or which patch does not, and where
    date: str
    suites: tuple[str, ...] = ()        # whose newest it is
    rt: int = 0                         # PREEMPT_RT patches that Debian has for it
    rt_left_out: tuple[str, ...] = ()   # those that do not apply there, each with the reason

    @property
    def place(self) -> str:
        """For a table."""
        rt = [f"{self.rt - len(self.rt_left_out)} of {self.rt} rt patches"] if self.rt else []
        more = ", ".join([*self.suites, *rt])
        return f"{self.source} ({more})" if more else self.source


@dataclass(frozen=True)
class Listed:
    """A queue's releases.toml."""

    series: str = ""                    # hash of the patches
    release: tuple[Release, ...] = ()


# --- the data file and the table


def digest(queue: Queue) -> str:
    return series.digest(series.patches(queue))[:16]


def load(queue: Queue) -> Listed:
    """The queue's list; an empty one if it has none."""
    return records.make(Listed, queue.own(FILE), f"{FILE} of {queue.name}")


def save(queue: Queue, found: list[Release]) -> None:
    """Puts what was found into the list; what else is in it stays if it is of the same patches."""
    old, now = load(queue), digest(queue)
    if old.series == now:
        new = {item.source for item in found}
        found = [*found, *(item for item in old.release if item.source not in new)]
    lines = [HEADER + f"series = {json.dumps(now)}\n"]      # strings and numbers are TOML's, too
    found.sort(key=lambda item: [*map(int, re.findall(r"\d+", item.release.split("-")[0]))], reverse=True)
    for item in found:
        lines += ["\n[[release]]\n", *(f"{name} = {json.dumps(value)}\n"
                                       for name, value in vars(item).items() if value not in ((), 0))]
    (queue.dir / FILE).write_text("".join(lines), encoding="utf-8")


def table(listed: Iterable[Queue]) -> str:
    """In Markdown: a row for each release of each queue, then the rt patches that are left out."""
    rows, left_out = [], {}
    for queue in listed:
        whole = {tested.source: tested.date for tested in queue.tested}
        for item in load(queue).release:
            rows.append((queue.name, item.release, item.place, item.result, item.date,
                         whole.get(item.source, "")))
            if item.rt_left_out:
                left_out.setdefault(item.rt_left_out, []).append(item.source)
    notes = [f"\nThe rt patches leave out, on {', '.join(where)}: " + "; ".join(
        "`{}` ({})".format(*entry.split(": ", 1)) for entry in entries) + "."
        for entries, where in left_out.items()]
    return "\n".join([report.markdown(COLUMNS, rows), *notes]) + "\n"


def write_readme() -> None:
    """The table of all queues between its two marks in README.md."""
    path = settings.REPO / "README.md"
    before, begin, rest = path.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    require(begin and end, "README.md has lost the marks between which the table of releases stands; "
            "restore them, for example with git checkout.")
    every = map(queues.load, queues.names())
    path.write_text(f"{before}{BEGIN}\n{table(every)}\n{END}{after}", encoding="utf-8")


# --- a release


def look(queue: Queue, source: Path, name: str, suites: tuple[str, ...] = (), rt: str = "",
         patches: tuple[Path, ...] = ()) -> list[Release]:
    """The series on a release, a package or tarball, and on that with the rt patches, if there are any.
    They are put on a throw-away git tree with what they touch of it. rt is the Debian version of the
    source package that the rt patches come from."""
    host_packages.need("tree")
    queue.build.mkdir(parents=True, exist_ok=True)
    check_disk(queue.build, "release")
    files, today = series.patches(queue), datetime.date.today().isoformat()
    with tempfile.TemporaryDirectory(dir=queue.build, prefix="release-") as scratch:
        folder = Path(scratch) / "linux"
        version = linux_source.unpack(linux_source.Source("package", source.name, str(source), ""), folder,
                                      queue.version, series.touched([*files, *patches]))
        base = tree.commit_base(folder, version, queue.author)

        def result(commit: str) -> str:
            try:
                series.apply(queue, folder, commit, files)
            except series.NotApplied as error:
                return f"{error.patch} does not apply: {error.reason}"
            return APPLIES

        found = [Release(version, name, result(base), today, suites)]
        if patches:
            lost: list[series.NotApplied] = []
            tip = series.apply(queue, folder, base, patches, lost)
            found.append(Release(version, f"{name} + rt {rt}", result(tip), today, suites, len(patches),
                                 tuple(f"{item.patch}: {item.reason}" for item in lost)))
    return found


def unpack_rt(archive: Path, folder: Path) -> tuple[Path, ...]:
    """The rt patches in a .debian.tar.xz, in their order; none if it has none."""
    proc.run(["tar", "-xf", archive, "-C", folder, "--no-same-owner", RT],
             step=f"unpacking {archive.name}", limit="unpack", check=False, code=Exit.FETCH)
    where = folder / RT
    return tuple(where / name for name in series.names(where)) if (where / "series").is_file() else ()


# --- all of a queue


def look_at_all(queue: Queue, progress: Progress) -> tuple[list[Release], list[Part]]:
    """The series on each release that can be had; a Part for each, and for each that cannot."""
    found: list[Release] = []
    parts: list[Part] = []

    def attempt(what: str, step: Callable[[], Any]) -> Any:
        """What the step gives; None if it fails, which does not stop the others."""
        progress.tick(what)
        try:
            check_disk(settings.fetched(), "source")
            return step()
        except HarnessError as error:
            lack(f"{what}: {error.message.splitlines()[0]}")

    def lack(sentence: str) -> None:
        parts.append(Part(queue.name, Exit.OK, 0, 0, 1, 0, sentence))
        progress.done(f"not had: {sentence}")

    def on(file: apt.Download, name: str, *more) -> None:
        for item in look(queue, file.path, name or file.path.name, *more):
            found.append(item)
            good = item.result == APPLIES
            parts.append(Part(f"{queue.name} {item.source}", Exit.OK if good else Exit.APPLY, int(good),
                              int(not good), 0, 0, item.result))
            progress.done(f"{item.release}, {item.place}: {item.result}")

    there = attempt("lists of packages", lambda: apt.Apt(queue.suites, sources=True))
    offers, lacking = there.newest(queue.package, queue.version) if there else ({}, [])
    for sentence in lacking:
        lack(sentence)
    if not offers:
        return found, parts
    with tempfile.TemporaryDirectory() as folder:
        archive = attempt("rt patches", lambda: there.source(
            queue.package, queue.version, apt.DEBIAN))
        rt = (archive.version, unpack_rt(archive.path, Path(folder))) if archive else ("", ())
        # What they were made for, beside what is newest.
        if rt[1] and any(item.version == rt[0] for item in there.listed(queue.package)):
            offers.setdefault(rt[0], ())
        for version, suites in offers.items():
            name = f"{queue.package} {version}"
            attempt(name, lambda: on(there.binary(queue.package, version), name, suites, *rt))
        attempt("unpatched tarball", lambda: on(there.source(
            queue.package, queue.version, apt.ORIG), ""))
    return found, parts


def check(chosen: list[Queue], progress: Progress) -> list[Part]:
    """All releases of the queues: data files and README written, a Part for each release."""
    parts = []
    for queue in chosen:
        progress.phase(f"{queue.name}: git am of {len(series.names(queue.dir))} patches on each release")
        start = time.monotonic()
        found, its = look_at_all(queue, progress)
        if found:
            save(queue, found)
        else:
            its.append(Part(queue.name, Exit.FETCH, 0, 1, 0, time.monotonic() - start,
                            "no release could be had"))
        parts += its
    write_readme()
    return parts
