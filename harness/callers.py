"""The audit of callers: who makes a cross-CPU call with preemption disabled, and why.

In:  the patched kernel tree, proof/callers/ (SmPL scripts, calls.toml, the table callers.md).
Out: report Parts. Coccinelle's hits and the table must be the same: a hit without a verdict
     fails, and so does a verdict without a hit. Times are seconds.

A hit is (file, function, what pins, call), without line numbers, so that the table does not
change with every patch. A call that Coccinelle's parser does not see at all is a hit too.
Coccinelle gets only the functions with both something that pins and such a call: the whole
audit takes 40 s of CPU time like that, and many times as long with whole files.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator

from . import proc, provision, report, settings, tree
from .errors import Exit, HarnessError
from .git import git
from .progress import Progress
from .report import Part
from .source import Options

FOLDER = settings.REPO / "proof/callers"
TABLE = FOLDER / "callers.md"
CHUNK = 12              # files for one run of spatch
NOT_SEEN = "?"          # function of a call that the parser does not see
BEFORE = "before/"      # comes before the name of a file of the base
COLUMNS = ["file", "function", "pinned by", "call", "verdict", "why"]
VERDICTS = ("kept", "converted", "partly")


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
    verdict: str        # kept, converted or partly
    subject: str        # of the patch that converts it, else ""
    why: str


@dataclass(frozen=True)
class Found:
    """What Coccinelle finds."""

    hits: set[Hit]
    before: set[Hit]    # those on the base, in the files that the series touches
    calls: int          # that were looked at


@dataclass(frozen=True)
class Words:
    """calls.toml."""

    family: tuple[str, ...]
    wrappers: tuple[str, ...]
    not_asked: tuple[str, ...]
    left_out: tuple[str, ...]


def words(path: Path = FOLDER / "calls.toml") -> Words:
    """What to look for; raises CONFIG if a list is missing or no list of words."""
    data = settings.toml(path)
    lists = {}
    for name in Words.__dataclass_fields__:
        value = data.get(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise HarnessError(Exit.CONFIG, f"{path} needs a list of words named {name}.")
        lists[name] = tuple(value)
    return Words(**lists)


# --- the table


def read_table(text: str, where: str) -> list[Row]:
    """The rows of each table with the right columns; raises CONFIG for a bad row."""
    rows: list[Row] = []
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells == COLUMNS:
            inside = True
        elif inside and not re.fullmatch(r"[-:| ]+", line):
            rows.append(_row(cells, f"{where}, line {number}"))
    twice = [str(hit) for hit, count in Counter(row.hit for row in rows).items() if count > 1]
    if twice:
        raise HarnessError(Exit.CONFIG, f"{where} has two rows for {twice[0]}; keep one.")
    return rows


def _row(cells: list[str], where: str) -> Row:
    if len(cells) != len(COLUMNS):
        raise HarnessError(Exit.CONFIG, f"{where}: {len(cells)} columns, not {len(COLUMNS)} "
                           f"({', '.join(COLUMNS)}).")
    verdict, _, subject = (part.strip() for part in cells[4].partition(":"))
    if verdict not in VERDICTS or bool(subject) != (verdict != "kept"):
        raise HarnessError(Exit.CONFIG, f"{where}: the verdict is \"kept\", \"converted: SUBJECT "
                           "OF THE PATCH\" or \"partly: SUBJECT\".")
    if not cells[5] and verdict != "converted":
        raise HarnessError(Exit.CONFIG, f"{where}: say why the call stays as it is.")
    return Row(Hit(*cells[:4]), verdict, subject, cells[5])


def miscounted(text: str, rows: list[Row]) -> list[str]:
    """What is wrong with the sentence that counts the rows."""
    verdicts = Counter(row.verdict for row in rows)
    sentence = (f"{len(rows)} rows: {verdicts['converted']} converted, "
                f"{verdicts['partly']} partly, {verdicts['kept']} kept.")
    return [] if sentence in text else [f"the table does not say \"{sentence}\""]


def render(hits: Iterable[Hit]) -> str:
    """Rows to start from, for hits that have no verdict yet."""
    return "\n".join(f"| {hit.file} | {hit.function} | {hit.pin} | {hit.call} |  |  |"
                     for hit in sorted(hits))


def compare(found: Found, rows: list[Row], subjects: list[str]) -> list[str]:
    """What is wrong between the hits, the table and the series."""
    listed = {row.hit: row for row in rows}
    wrong = [f"no verdict in the table: {hit}" for hit in sorted(found.hits - set(listed))]
    for hit, row in sorted(listed.items()):
        if row.subject and row.subject not in subjects:
            wrong.append(f"no patch of the series is called \"{row.subject}\" ({hit})")
        if row.verdict != "converted":
            if hit not in found.hits:
                wrong.append(f"has a verdict, but is not found any more: {hit}")
        elif hit in found.hits:
            wrong.append(f"is said to be converted, but still there: {hit}")
        elif hit not in found.before:
            wrong.append(f"is said to be converted, but not found on the base: {hit}")
    gone = found.before - found.hits - set(listed)
    wrong += [f"is gone with the series, but no row says by which patch: {hit}"
              for hit in sorted(gone)]
    return wrong


# --- the source


_NO_CODE = re.compile(r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])+'""",
                      re.S | re.X)


def blank(text: str) -> str:
    """C text without comments, string and character constants, with the same lines."""
    return _NO_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def directives(lines: list[str]) -> list[bool]:
    """Which lines of blanked C text belong to a preprocessor directive."""
    found, goes_on = [], False
    for line in lines:
        found.append(goes_on or line.lstrip().startswith("#"))
        goes_on = found[-1] and line.endswith("\\")
    return found


def bodies(plain: list[str]) -> Iterator[tuple[int, int]]:
    """(first line, line after the last) of each function's body in blanked C text, by the style
    of the kernel: braces in the first column. What is not balanced, as with #ifdef around one of
    the braces, is left out."""
    start, depth = -1, 0
    for number, (line, directive) in enumerate(zip(plain, directives(plain))):
        if directive:
            continue
        if start < 0 and line.startswith("{"):
            start, depth = number, 0
        if start >= 0:
            depth += line.count("{") - line.count("}")
            if line.startswith("}") or (start == number and not depth):
                if not depth:
                    yield start, number + 1
                start = -1


def has_all(text: str, needed: Iterable[set[str]]) -> bool:
    """Whether a word of each set is in the text."""
    there = set(re.findall(r"\w+", text))
    return all(there & names for names in needed)


def slim(text: str, *needed: set[str]) -> str:
    """C text with the same lines, but nothing in the bodies of functions that lack a word of one
    of the sets: there is nothing to be found in them, and to parse them takes most of the time."""
    lines = text.split("\n")
    plain = blank(text).split("\n")
    keep = directives(plain)
    for first, end in bodies(plain):
        if end - first > 2 and not has_all("\n".join(lines[first:end]), needed):
            lines[first] = "{"
            for number in range(first + 1, end - 1):
                lines[number] = plain[number] if keep[number] else ""
    return "\n".join(lines)


def written(text: str, names: Iterable[str]) -> list[tuple[int, str]]:
    """(line, name) of each call in C text, as far as a regular expression can tell."""
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, names))})\s*\(")
    plain = blank(text)
    return [(plain.count("\n", 0, found.start()) + 1, found[1])
            for found in pattern.finditer(plain)]


def static_ones(file: str, text: str) -> set[str]:
    """Functions that a file with C text defines for itself alone."""
    if file.endswith(".h"):
        return set()
    return set(re.findall(r"^static\b[^;{}()=]*\b(\w+)\s*\(", text, re.M))


def pin_words(script: str) -> set[str]:
    """The words of a script's `identifier pin` lists: a file without any has no hit."""
    lists = re.findall(r"identifier pin = \{([^}]*)\}", script)
    return {word for names in lists for word in re.findall(r"\w+", names)}


def fill(script: str, family: Iterable[str], calls: Iterable[str]) -> str:
    """The script with its placeholders filled in."""
    return script.replace("{ FAMILY }", "{ " + ", ".join(sorted(set(family))) + " }").replace(
        "{ CALLS }", "{ " + ", ".join(sorted(set(calls))) + " }")


@dataclass(frozen=True)
class Callers:
    """Functions that make cross-CPU calls."""

    everywhere: frozenset[str]
    in_file: frozenset[tuple[str, str]]     # (file, function) of static ones

    def ours(self, hit: Hit, known: Iterable[str], own: set[str]) -> bool:
        """Whether the called function is one of them, not another one of the same name; own are
        the functions that the file defines for itself."""
        if hit.call in own:
            return (hit.file, hit.call) in self.in_file
        return hit.call in known or hit.call in self.everywhere


def callers(calls: set[tuple[str, str]], texts: dict[str, str],
            ignored: Iterable[str]) -> Callers:
    """The functions of (file, function) calls, as far as their callers are asked for."""
    everywhere, in_file = set(), set()
    static = {file: static_ones(file, texts[file]) for file, _ in calls}
    for file, function in calls:
        if function in ignored or not function.isidentifier():
            continue
        if function in static[file]:
            in_file.add((file, function))
        else:
            everywhere.add(function)
    return Callers(frozenset(everywhere), frozenset(in_file))


# --- running Coccinelle


class Spatch:
    """Runs scripts over C texts, several at a time."""

    def __init__(self, work: Path, progress: Progress) -> None:
        self.work, self.progress = work, progress

    def run(self, name: str, script: str, texts: dict[str, str]) -> list[list[str]]:
        """The tab-separated lines that the script prints; texts are {path: C text}."""
        work = self.work / name
        shutil.rmtree(work, ignore_errors=True)
        for file, text in texts.items():
            (work / file).parent.mkdir(parents=True, exist_ok=True)
            (work / file).write_text(text, "utf-8")
        path = self.work / f"{name}.cocci"
        path.write_text(script)
        # Big and small ones mixed, so that all take about as long.
        files = sorted(texts, key=lambda file: -len(texts[file].encode()))
        count = -(-len(files) // CHUNK)
        chunks = [files[start::count] for start in range(count)]

        def one(numbered: tuple[int, list[str]]) -> str:
            number, chunk = numbered
            done = proc.run(["spatch", "--very-quiet", "--no-includes", "--cocci-file", path,
                             *chunk], cwd=work, step=f"spatch {name}, files {chunk[0]} and on",
                            limit=settings.limit("spatch"), code=Exit.TEST)
            self.progress.tick(f"{name}: {number + 1} of {len(chunks)}")
            return done.output

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            output = "".join(pool.map(one, enumerate(chunks)))
        (self.work / f"{name}.out").write_text(output)
        return [line.split("\t") for line in output.splitlines() if line.count("\t") >= 3]


def left_out(file: str, asked: Words) -> bool:
    return any(re.search(item, file) for item in asked.left_out)


def _grep(src: Path, names: Iterable[str], asked: Words) -> dict[str, str]:
    """{path: text} of those files of the tree that name one of the functions."""
    # Not git grep, which takes minutes for that many names.
    found = proc.run(["grep", "-rlwF", "--include=*.c", "--include=*.h",
                      *(f"--regexp={name}" for name in sorted(set(names))), "."], cwd=src,
                     step="grep", limit=settings.limit("spatch"), env={"LC_ALL": "C"},
                     check=False, code=Exit.TEST)
    if found.returncode > 1:
        raise HarnessError(Exit.TEST, f"grep in {src} failed.\n{proc.tail(found.output)}")
    files = sorted(line.removeprefix("./") for line in found.output.splitlines())
    return {file: (src / file).read_text("utf-8", "replace") for file in files
            if not left_out(file, asked)}


def script_of(name: str) -> str:
    return (FOLDER / f"{name}.cocci").read_text("utf-8")


def calls_in(spatch: Spatch, texts: dict[str, str],
             asked: Words) -> tuple[list[list[str]], set[Hit]]:
    """Coccinelle's lines for the calls in C texts, and a hit for each call it does not see."""
    lines = spatch.run("calls", fill(script_of("calls"), asked.family, ()),
                       {file: slim(text, {*asked.family}) for file, text in texts.items()})
    seen = Counter((line[0], int(line[3]), line[2]) for line in lines)
    return lines, {Hit(file, NOT_SEEN, "not seen by the script", name)
                   for file, text in texts.items() for line, name in written(text, asked.family)
                   if not seen[(file, line, name)]}


def selftest(spatch: Spatch, asked: Words) -> list[str]:
    """What is wrong with the scripts, told by sample.c."""
    sample = (FOLDER / "sample.c").read_text("utf-8")
    script = script_of("pinned")
    slimmed = slim(sample, {*asked.family}, pin_words(script))
    lines = spatch.run("sample", fill(script, asked.family, asked.family), {"sample.c": slimmed})
    found = {line[1] for line in lines}
    functions = re.findall(r"^static void (\w+)\(", sample, re.M)
    wrong = [f"sample.c: {name}() is {'not ' if name.startswith('hit') else ''}found"
             for name in functions if name.startswith("hit") != (name in found)]
    hidden = re.findall(r"^#define hidden_(\w+)", sample, re.M)
    unseen = sorted(hit.call for hit in calls_in(spatch, {"sample.c": sample}, asked)[1])
    if unseen != sorted(hidden):
        wrong.append(f"sample.c: the calls that are not seen are {unseen}, not {sorted(hidden)}")
    return wrong


def audit(src: Path, spatch: Spatch, asked: Words, before: dict[str, str]) -> Found:
    """All hits in a kernel tree, and in other versions of some of its files."""
    texts = {file: text for file, text in _grep(src, asked.family, asked).items()
             if written(text, asked.family)}
    calls, hits = calls_in(spatch, texts, asked)
    made_by = callers({(line[0], line[1]) for line in calls}, texts, asked.not_asked)
    known = {*asked.family, *asked.wrappers}
    names = {*known, *made_by.everywhere, *(function for _, function in made_by.in_file)}
    texts |= _grep(src, {*known, *made_by.everywhere}, asked)
    script = script_of("pinned")
    needed = names, pin_words(script)
    texts |= {BEFORE + file: text for file, text in before.items()}
    texts = {file: slim(text, *needed) for file, text in texts.items() if has_all(text, needed)}
    texts = {file: text for file, text in texts.items() if has_all(text, needed)}
    lines = spatch.run("pinned", fill(script, asked.family, names), texts)

    own = {file: static_ones(file, text) for file, text in texts.items()}

    def pinned(chosen: Iterable[list[str]]) -> set[Hit]:
        found = {(Hit(line[0].removeprefix(BEFORE), *line[1:4]), line[0]) for line in chosen}
        return {hit for hit, file in found
                if made_by.ours(hit, known, own[file]) and hit.function != hit.call}

    old = [line for line in lines if line[0].startswith(BEFORE)]
    hits |= pinned(line for line in lines if line not in old)
    return Found(hits, pinned(old), len(calls))


def parts(opts: Options, progress: Progress) -> list[Part]:
    """The audit on the patched tree, against the table."""
    start = time.monotonic()
    provision.need("spatch")
    asked = words()
    text = TABLE.read_text("utf-8")
    rows = read_table(text, str(TABLE.relative_to(settings.REPO)))
    info = tree.ensure_tree(opts, progress)
    spatch = Spatch(settings.build_dir() / "runs/prove/callers", progress)
    wrong = miscounted(text, rows) + selftest(spatch, asked)
    touched = git(info.path, "diff", "--name-only", info.base_commit, info.tip_commit, "--",
                  "*.c", "*.h").output.split()
    before = {file: git(info.path, "show", f"{info.base_commit}:{file}", check=False).output
              for file in touched if not left_out(file, asked)}
    found = audit(info.path, spatch, asked, before)
    subjects = git(info.path, "log", "--format=%s",
                   f"{info.base_commit}..{info.tip_commit}").output.splitlines()
    listed = {row.hit for row in rows}
    (spatch.work / "no-verdict.md").write_text(render(found.hits - listed) + "\n")
    wrong += compare(found, rows, subjects)
    for line in wrong:
        print(f"  {line}", flush=True)
    verdicts = Counter(row.verdict for row in rows)
    note = (f"{found.calls} calls, {len(found.hits)} pinned: " +
            ", ".join(f"{verdicts[name]} {name}" for name in VERDICTS))
    if wrong:
        note = f"{len(wrong)} complaints, the first: {wrong[0]}"
    return [Part("callers", Exit.TEST if wrong else Exit.OK, len(rows) if not wrong else 0,
                 len(wrong), 0, time.monotonic() - start, note)]
