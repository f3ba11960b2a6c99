"""On which releases the series applies: ./run check --releases.

In:  the queue; what its suites offer (fetch/releases.py).
Out: releases.toml of the queue, the table in README.md, a Part for each release.
Each release is put into a git tree of its own, with only the files that the patches touch. That a
series applies does not say that it builds or boots: `tested` of base.toml says that.
"""

import datetime
import json
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterator

from ..core import (Exit, HarnessError, Part, Progress, Queue, proc, queues, records, report,
                    settings)
from ..core.files import check_disk
from ..fetch import apt, host_packages, linux_source
from ..fetch.releases import Offer, Releases
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
        more = [*self.suites]
        if self.rt:
            more.append(f"{self.rt - len(self.rt_left_out)} of {self.rt} rt patches")
        return self.source + (f" ({', '.join(more)})" if more else "")


@dataclass(frozen=True)
class Listed:
    """A queue's releases.toml."""

    series: str = ""                    # hash of the patches
    release: tuple[Release, ...] = ()


@dataclass(frozen=True)
class PartOfRelease:
    """A git tree with some files of a release."""

    version: str        # "6.12.118"
    path: Path
    base: str           # its commit
    work: Path          # where a work tree of it can be


@dataclass(frozen=True)
class Rt:
    """Debian's PREEMPT_RT patches."""

    version: str = ""           # Debian version of the source package
    patches: tuple[Path, ...] = ()


@dataclass
class Found:
    """What a look at all releases of a queue found."""

    releases: list[Release] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)     # a sentence for each that could not be had


# --- the data file


def digest(queue: Queue) -> str:
    return series.digest(series.patches(queue))[:16]


def load(queue: Queue) -> Listed:
    """The queue's list; an empty one if it has none."""
    path = queue.dir / FILE
    return records.make(Listed, settings.toml(path), str(path)) if path.is_file() else Listed()


def merged(listed: Listed, found: list[Release], now: str) -> Listed:
    """The list with what was found; the rest of it stays if it is of the same patches."""
    sources = {item.source for item in found}
    kept = [item for item in listed.release if item.source not in sources and listed.series == now]
    order = {item.release: [int(part) if part.isdigit() else 0 for part in item.release.split(".")]
             for item in [*found, *kept]}
    return Listed(now, tuple(sorted([*found, *kept], key=lambda item: order[item.release],
                                    reverse=True)))


def text(listed: Listed) -> str:
    """The file: strings and numbers of JSON are TOML's, too."""
    lines = [HEADER + f"series = {json.dumps(listed.series)}\n"]
    for item in listed.release:
        values = {name: value for name, value in vars(item).items() if value not in ((), 0)}
        lines += ["\n[[release]]\n", *(f"{name} = {json.dumps(value)}\n" for name, value in values.items())]
    return "".join(lines)


# --- tables


def rows(listed: dict[str, Queue]) -> list[tuple[str, ...]]:
    """A row for each release of each queue, with the heading."""
    made: list[tuple[str, ...]] = [("queue", "release", "source", "git am", "on", "whole check")]
    for queue in listed.values():
        whole = {tested.source: tested.date for tested in queue.tested}
        for item in load(queue).release:
            made.append((queue.name, item.release, item.place, item.result, item.date,
                         whole.get(item.source, "") if not item.rt else ""))
    return made


def readme_table(listed: dict[str, Queue]) -> str:
    """The rows in Markdown, and the rt patches that are left out."""
    head, *body = rows(listed)
    lines = ["| " + " | ".join(row) + " |" for row in [head, ("---",) * len(head), *body]]
    lines += [f"\nThe rt patches leave out, on {', '.join(where)}: " + "; ".join(
        "`{}` ({})".format(*entry.split(": ", 1)) for entry in entries) + "."
        for entries, where in left_out(listed).items()]
    return "\n".join(lines) + "\n"


def left_out(listed: dict[str, Queue]) -> dict[tuple[str, ...], list[str]]:
    """The rt patches that are left out -> the releases of which that is true."""
    found: dict[tuple[str, ...], list[str]] = {}
    for queue in listed.values():
        for item in load(queue).release:
            if item.rt_left_out:
                found.setdefault(item.rt_left_out, []).append(item.source)
    return found


def in_readme(readme: str, table: str) -> str:
    """The README's text with the table between its two marks."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise HarnessError(Exit.USAGE, "README.md has lost the marks between which the table of "
                           "releases stands; restore them, for example with git checkout.")
    return before + BEGIN + "\n" + table + "\n" + END + after


# --- a release


@contextmanager
def part_of_release(source: Path, queue: Queue, files: list[Path]) -> Iterator[PartOfRelease]:
    """A throw-away git tree with what the patches touch of a package or tarball."""
    host_packages.need("tree")
    queue.build.mkdir(parents=True, exist_ok=True)
    check_disk(queue.build, "release")
    with tempfile.TemporaryDirectory(dir=queue.build, prefix="release-") as name:
        folder = Path(name) / "linux"
        version = linux_source.unpack_files(source, folder, series.touched(files), queue.version)
        yield PartOfRelease(version, folder, tree.commit_base(folder, version, queue.author),
                            Path(name) / "am")


def result(queue: Queue, there: PartOfRelease, base: str) -> str:
    """What git am says to the series on a commit."""
    try:
        series.apply(queue, there.path, base, series.patches(queue), there.work)
    except series.NotApplied as error:
        return f"{error.patch} does not apply: {error.reason}"
    return APPLIES


def look(source: Path, name: str, suites: tuple[str, ...], queue: Queue, rt: Rt) -> list[Release]:
    """The series on one release, and on that with the rt patches."""
    today = datetime.date.today().isoformat()
    with part_of_release(source, queue, [*series.patches(queue), *rt.patches]) as there:
        found = [Release(there.version, name, result(queue, there, there.base), today, suites)]
        if rt.patches:
            tip, left_out = series.apply_what_fits(queue, there.path, there.base, rt.patches, there.work)
            found.append(Release(there.version, f"{name} + rt {rt.version}",
                                 result(queue, there, tip), today, suites, len(rt.patches),
                                 tuple(f"{item.patch}: {item.reason}" for item in left_out)))
    return found


def unpack_rt(archive: Path, folder: Path) -> tuple[Path, ...]:
    """The rt patches in a .debian.tar.xz, in their order; none if it has none."""
    proc.run(["tar", "-xf", archive, "-C", folder, "--no-same-owner", RT],
             step=f"unpacking {archive.name}", limit=settings.limit("unpack"), check=False,
             code=Exit.FETCH)
    where = folder / RT
    return tuple(where / name for name in series.names(where)) if (where / "series").is_file() else ()


# --- all of a queue


def look_at_all(queue: Queue, progress: Progress) -> Found:
    """The series on each release that can be had; what fails does not stop the others."""
    found = Found()
    there = Releases(queue.package, queue.suites, queue.version)
    offers: list[Offer] = []
    archives: list[apt.SourceFile] = []
    tarballs: list[apt.SourceFile] = []

    @contextmanager
    def step(what: str) -> Iterator[None]:
        progress.tick(what)
        try:
            yield
        except HarnessError as error:
            missing(f"{what}: {error.message.splitlines()[0]}")

    def missing(sentence: str) -> None:
        found.missing.append(sentence)
        progress.done(f"not had: {sentence}")

    def add(releases: list[Release]) -> None:
        found.releases.extend(releases)
        for item in releases:
            progress.done(f"{item.release}, {item.place}: {item.result}")

    with step("lists of packages"):
        made, sentences = there.offers()
        for sentence in sentences:
            missing(sentence)
        offers += made
        if offers:
            archives += there.source_files(apt.DEBIAN)
            tarballs += there.source_files(apt.ORIG)
    with tempfile.TemporaryDirectory() as folder:
        rt = Rt()
        if archives:
            with step("rt patches"):
                archive = there.first_of(archives)
                rt = Rt(archive.version, unpack_rt(archive.path, Path(folder)))
                # What they were made for, beside what is newest.
                if rt.patches and archive.version not in [offer.version for offer in offers]:
                    offers += filter(None, [there.package_of(archive.version)])
        for offer in offers:
            name = f"{offer.package} {offer.version}"
            with step(name):
                add(look(there.package_file(offer), name, offer.suites, queue, rt))
    if tarballs:
        with step("unpatched tarball"):
            path = there.first_of(tarballs).path
            add(look(path, path.name, (), queue, Rt()))
    return found


def check(chosen: list[Queue], progress: Progress) -> list[Part]:
    """All releases of the queues: data files and README written, a Part for each release."""
    parts = []
    for queue in chosen:
        progress.phase(f"{queue.name}: git am of {len(series.names(queue.dir))} patches on each release")
        start = time.monotonic()
        found = look_at_all(queue, progress)
        if found.releases:
            (queue.dir / FILE).write_text(text(merged(load(queue), found.releases, digest(queue))),
                                          encoding="utf-8")
        else:
            parts.append(report.died(queue.name, Exit.FETCH, time.monotonic() - start,
                                     "no release could be had"))
        for item in found.releases:
            good = item.result == APPLIES
            parts.append(Part(f"{queue.name} {item.source}", Exit.OK if good else Exit.APPLY, int(good),
                              int(not good), 0, 0, item.result))
        parts += [Part(queue.name, Exit.OK, 0, 0, 1, 0, sentence) for sentence in found.missing]
    write_readme()
    return parts


def write_readme() -> None:
    """The README's table as the data files have it."""
    path = settings.REPO / "README.md"
    old = path.read_text("utf-8")
    new = in_readme(old, readme_table(every()))
    if new != old:
        path.write_text(new, encoding="utf-8")


def every() -> dict[str, Queue]:
    """Every queue by its name."""
    return {name: queues.load(name) for name in queues.names()}


def table(chosen: list[Queue], parts: list[Part]) -> str:
    """What a terminal shows at the end."""
    listed = {queue.name: queue for queue in chosen}
    lines = [report.text_table(rows(listed), 6)]
    for entries, where in left_out(listed).items():
        lines += [f"rt patches left out on {', '.join(where)}:", *(f"  {entry}" for entry in entries)]
    lines += [f"not had, {part.name}: {part.note}" for part in parts if part.skipped or
              part.code == Exit.FETCH]
    return "\n".join([*lines, 'Applied is not built or booted: only what has a date under "whole '
                      'check" was.'])
