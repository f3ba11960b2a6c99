"""The audit of callers: who makes a cross-CPU call with preemption disabled, and why.

In:  the patched kernel tree, proof/callers/ (SmPL scripts, calls.toml, the table callers.md).
Out: a Part: Coccinelle's hits and the table must be the same.

A hit is (file, function, what pins, call). A call that Coccinelle's parser does not see at all is a
hit too. Which functions make calls, directly or through others, is read with regular expressions,
and Coccinelle gets only the files with a function that has both something that pins and such a call.
That takes 2 minutes of CPU time; chosen by file, as Coccinelle's own pre-selection does, twice as long.
"""

import itertools
import os
import re
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Iterable

from ..core import Exit, Part, Progress, proc, queues, records, report, require, settings
from ..core.git import ask, git
from ..fetch import Options, host_packages
from ..queue import tree
from . import c_text

FOLDER = settings.REPO / "proof/callers"
TABLE = FOLDER / "callers.md"
SAMPLE = FOLDER / "sample"
STEPS = 2               # that the audit goes up from the functions of calls.toml
NOT_SEEN = "?"          # function of a call that the parser does not see
BEFORE = "before/"      # comes before the name of a file of the base
COLUMNS = ["file", "function", "pinned by", "call", "verdict", "why"]
VERDICTS = ("kept", "converted", "partly", "open")
BY_A_PATCH = ("converted", "partly")


@dataclass(frozen=True, order=True)
class Hit:
    """A call that can be reached with the caller pinned."""

    file: str
    function: str
    pin: str
    call: str

    def __str__(self) -> str:
        return f"{self.file}: {self.function}(): {self.call}() after {self.pin}"


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    hit: Hit
    verdict: str        # one of VERDICTS
    subject: str = ""   # of the patch that converts it


# Functions that make cross-CPU calls: (file, function) of static ones, ("", function) of others.
Makers = set[tuple[str, str]]


@dataclass(frozen=True)
class Words:
    """calls.toml."""

    family: tuple[str, ...]
    wrappers: tuple[str, ...]
    not_asked: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of pinning, a table of pins.toml."""

    name: str
    match: str
    pin: tuple[str, ...]
    unpin: tuple[str, ...] = ()
    family: bool = False

    @property
    def guard(self) -> bool:
        """Whether the pins are names of guards."""
        return "guard" in self.match

    @property
    def words(self) -> set[str]:
        return {"guard", "scoped_guard"} if self.guard else set(self.pin)


def kinds(path: Path = FOLDER / "pins.toml") -> list[Kind]:
    return [records.make(Kind, entry, f"{name} of {path}", name=name)
            for name, entry in settings.toml(path).items()]


# --- the table


def read_table(path: Path, queue: str) -> list[Row]:
    """The rows of the tables in a file, but for those under a heading that names other queues.
    Raises CONFIG for a bad row, and if the file does not count them."""
    rows: list[Row] = []
    text, mine = path.read_text("utf-8"), True
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if line.startswith("#"):
            mine = queue in line or not any(name in line for name in queues.names())
        if mine and line.startswith("|") and cells != COLUMNS and not re.fullmatch(r"[-:| ]+", line):
            rows.append(_row(cells, f"{path.name}, line {number}"))
    hits, verdicts = (Counter(getattr(row, name) for row in rows) for name in ("hit", "verdict"))
    for hit, count in hits.items():
        require(count == 1, f"{path.name} has two rows for {hit}; keep one.", Exit.CONFIG)
    sentence = f"{queue}, {len(rows)} rows: " + ", ".join(
        f"{verdicts[name]} {name}" for name in ("converted", "partly", "open", "kept")) + "."
    require(sentence in text, f"{path.name} does not say \"{sentence}\"", Exit.CONFIG)
    return rows


def _row(cells: list[str], where: str) -> Row:
    require(len(cells) == len(COLUMNS), f"{where}: {len(cells)} columns, not {len(COLUMNS)} "
            f"({', '.join(COLUMNS)}).", Exit.CONFIG)
    *hit, said, why = cells
    verdict, _, subject = (part.strip() for part in said.partition(":"))
    require(verdict in VERDICTS and bool(subject) == (verdict in BY_A_PATCH), f"{where}: the verdict is "
            "\"kept\", \"open\", \"converted: SUBJECT OF THE PATCH\" or \"partly: SUBJECT\".", Exit.CONFIG)
    require(why or verdict == "converted", f"{where}: say why the call stays as it is.", Exit.CONFIG)
    return Row(Hit(*hit), verdict, subject)


def compare(hits: set[Hit], before: set[Hit], rows: list[Row], subjects: list[str]) -> list[str]:
    """What is wrong between the hits, those on the base, the table and the series."""
    listed = {row.hit: row for row in rows}
    wrong = [f"no verdict in the table: {hit}" for hit in sorted(hits - set(listed))]
    for hit, row in sorted(listed.items()):
        if row.subject and row.subject not in subjects:
            wrong.append(f"no patch of the series is called \"{row.subject}\" ({hit})")
        if row.verdict != "converted":
            if hit not in hits:
                wrong.append(f"has a verdict, but is not found any more: {hit}")
        elif hit in hits:
            wrong.append(f"is said to be converted, but still there: {hit}")
        elif hit not in before:
            wrong.append(f"is said to be converted, but not found on the base: {hit}")
    return wrong + [f"is gone with the series, but no row says by which patch: {hit}"
                    for hit in sorted(before - hits - set(listed))]


# --- the source


class Source:
    """The text of a C file, and what it shows of the functions in it."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text

    @cached_property
    def plain(self) -> str:
        return c_text.blank(self.text)

    @cached_property
    def own(self) -> set[str]:
        """The functions that it defines for itself alone."""
        return set() if self.file.endswith(".h") else c_text.statics(self.plain)

    def calls(self, names: Iterable[str]) -> list[tuple[int, str]]:
        """(line, name) of each call of one of these, as far as a regular expression can tell."""
        return [(self.plain.count("\n", 0, found.start()) + 1, found[1]) for found in
                re.finditer(rf"\b({'|'.join(map(re.escape, names))})\s*\(", self.plain)]

    def key(self, name: str) -> tuple[str, str]:
        """What a function that is named in this file is known by: (file, function) of a static one,
        ("", function) of others."""
        return self.file if name in self.own else "", name

    def together(self, *needed: set[str]) -> bool:
        """Whether a word of each set is in one function, with what is before it and in none."""
        ends = sorted({0, len(self.plain), *(end for _, _, end in c_text.functions(self.plain))})
        words = (set(_WORD.findall(self.plain, *span)) for span in itertools.pairwise(ends))
        return any(all(there & names for names in needed) for there in words)

    def callers(self, makers: Makers) -> set[str]:
        """The functions in it that call one of the makers."""
        return {name for name, start, end in c_text.functions(self.plain)
                if any(called != name and self.key(called) in makers
                       for called in set(_CALLED.findall(self.plain, start, end)))}


_WORD = re.compile(r"\w+")
_CALLED = re.compile(r"(?<![\w.>])(\w+)\s*\(")


def names_of(makers: Makers) -> set[str]:
    return {name for _, name in makers}


def smpl(names: Iterable[str]) -> str:
    """A list as SmPL has it."""
    return "{ " + ", ".join(sorted(set(names))) + " }"


def script(asked: Iterable[Kind], family: Iterable[str], calls: Iterable[str]) -> str:
    """SmPL: a rule for the calls, and one for each kind of pinning, which may declare what its match
    does not use."""
    rules = [(FOLDER / "calls.cocci").read_text("utf-8").replace("{ FAMILY }", smpl(family))]
    pinned = (FOLDER / "pinned.cocci").read_text("utf-8")
    for kind in asked:
        text = pinned[pinned.index("@in_KIND"):]
        for key, value in (("{ PINS }", smpl(kind.pin)), ("{ UNPINS }", smpl(kind.unpin or kind.pin)),
                           ("{ CALLS }", smpl(family if kind.family else calls)),
                           ("MATCH", kind.match.strip("\n")),
                           ("PREFIX", '"guard "' if kind.guard else '""'), ("KIND", kind.name)):
            text = text.replace(key, value)
        rules.append(text)
    return "\n".join(rules)


def spatch(work: Path, text: str, sources: dict[str, Source]) -> list[list[str]]:
    """The tab-separated lines that a script prints on the sources. Uses all CPUs."""
    shutil.rmtree(work, ignore_errors=True)
    for path, source in sources.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        # The parser does not know __free().
        (work / path).write_text(re.sub(r"\b__free\(\w+\)", "", source.text), "utf-8")
    path = work.with_suffix(".cocci")
    path.write_text(text)
    done = proc.run(["spatch", "--very-quiet", "--no-includes", "--include-headers", "--jobs",
                     str(os.cpu_count() or 1), "--cocci-file", path, "--dir", "."], cwd=work,
                    limit="spatch", code=Exit.TEST, log=work.with_suffix(".out"))
    return [line.removeprefix("./").split("\t") for line in done.output.splitlines()
            if line.count("\t") >= 3]


def left_out(file: str, asked: Words) -> bool:
    return any(re.search(item, file) for item in asked.left_out)


def _grep(src: Path, names: Iterable[str], asked: Words) -> dict[str, Source]:
    """{path: source} of those files of the tree that name one of the functions."""
    # Not git grep, which takes minutes for that many names.
    found = proc.run(["grep", "-rlwF", "--include=*.c", "--include=*.h",
                      *(f"--regexp={name}" for name in sorted(set(names))), "."], cwd=src,
                     limit="spatch", env={"LC_ALL": "C"}, check=False, code=Exit.TEST)
    require(found.returncode < 2, f"grep in {src} failed.\n{proc.tail(found.output)}", Exit.TEST)
    files = sorted(line.removeprefix("./") for line in found.output.splitlines())
    return {file: Source(file, (src / file).read_text("utf-8", "replace")) for file in files
            if not left_out(file, asked)}


def audit(src: Path, work: Path, asked: Words, pinning: list[Kind],
          before: dict[str, str]) -> tuple[set[Hit], set[Hit], int]:
    """All hits in a kernel tree, those in other versions of some of its files, and how many calls were
    looked at; what Coccinelle gets, and what it says, is in work, and beside it."""
    makers = {(file, name) for word in (*asked.family, *asked.wrappers)
              for file, _, name in [word.rpartition(":")]}
    sources: dict[str, Source] = {}
    for _ in range(STEPS):
        sources |= _grep(src, names_of(makers), asked)
        makers |= {source.key(name) for source in sources.values()
                   for name in source.callers(makers) if name not in asked.not_asked}
    sources |= _grep(src, names_of(makers), asked)
    calls = Counter((path, *call) for path, source in sources.items()
                    for call in source.calls(asked.family))
    sources |= {BEFORE + file: Source(file, text) for file, text in before.items()}
    files, pins = {path for path, *_ in calls}, set().union(*(kind.words for kind in pinning))
    lines = spatch(work, script(pinning, asked.family, names_of(makers)),
                   {path: source for path, source in sources.items()
                    if path in files or source.together(names_of(makers), pins)})
    seen = {(line[0], int(line[3]), line[2]) for line in lines if len(line) == 4}
    hits = {Hit(path, NOT_SEEN, "not seen by the script", name)
            for path, number, name in calls if (path, number, name) not in seen}
    old: set[Hit] = set()
    for path, function, pin, call, *_ in (line for line in lines if len(line) > 4):
        if sources[path].key(call) in makers and function != call:
            (old if path.startswith(BEFORE) else hits).add(Hit(sources[path].file, function, pin, call))
    return hits, old, len(calls)


def selftest(work: Path, asked: Words, pinning: list[Kind]) -> list[str]:
    """What is wrong with the audit, told by sample/, a small tree of C files: functions hit_KIND...() are
    found by that kind, functions miss_...() are not, macros hidden_CALL() hide a call from the parser."""
    hits, _, _ = audit(SAMPLE, work, asked, pinning, {})
    found = {hit.function for hit in hits for kind in pinning
             if hit.function.startswith(f"hit_{kind.name}") and hit.pin.removeprefix("guard ") in kind.pin}
    found |= {hit.function for hit in hits if hit.function.startswith("miss_")}
    found |= {f"hidden_{hit.call}" for hit in hits if hit.function == NOT_SEEN}
    wanted = {name for path in SAMPLE.glob("*.c") for name in re.findall(
        r"^(?:(?:static )?void|#define) ((?:hit|hidden)_\w+)", path.read_text("utf-8"), re.M)}
    return [f"samples: {name}() is {'not ' if name in wanted else ''}found"
            for name in sorted(found ^ wanted)]


def parts(opts: Options, progress: Progress) -> list[Part]:
    """The audit on the patched tree, against the table."""
    start = time.monotonic()
    host_packages.need("spatch")
    asked = records.read(Words, opts.queue.file(FOLDER / "calls.toml"))
    pinning = kinds(opts.queue.file(FOLDER / "pins.toml"))
    rows = read_table(TABLE, opts.queue.name)
    info = tree.ensure_tree(opts, progress)
    folder = opts.queue.build / "runs/prove/callers"
    progress.tick("samples")
    wrong = selftest(folder / "samples", asked, pinning)
    touched = ask(info.path, "diff", "--name-only", info.base_commit, info.tip_commit, "--", "*.c", "*.h")
    before = {file: git(info.path, "show", f"{info.base_commit}:{file}", check=False).output
              for file in touched.split() if not left_out(file, asked)}
    progress.tick("the kernel")
    hits, gone, calls = audit(info.path, folder / "kernel", asked, pinning, before)
    subjects = ask(info.path, "log", "--format=%s", f"{info.base_commit}..{info.tip_commit}").splitlines()
    wrong += compare(hits, gone, rows, subjects)
    # Rows to start from, for hits that have no verdict yet.
    (folder / "no-verdict.md").write_text("".join(
        f"| {hit.file} | {hit.function} | {hit.pin} | {hit.call} |  |  |\n"
        for hit in sorted(hits - {row.hit for row in rows})))
    verdicts = Counter(row.verdict for row in rows)
    return [report.judged("callers", wrong, f"{calls} calls, {len(hits)} pinned: " +
                          ", ".join(f"{verdicts[name]} {name}" for name in VERDICTS), start)]
