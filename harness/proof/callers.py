"""The audit of callers: who makes a cross-CPU call with preemption disabled, and why.

In:  the patched kernel tree, proof/callers/ (SmPL scripts, calls.toml, the table callers.md).
Out: a Part: Coccinelle's hits and the table must be the same.

A hit is (file, function, what pins, call). A call that Coccinelle's parser does not see at all is a
hit too. Which functions make calls, directly or through others, is read with regular expressions,
and Coccinelle gets only the functions with both something that pins and such a call: 50 s of CPU
time, and many times as long with whole files.
"""

import os
import re
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator

from ..core import Exit, HarnessError, Part, Progress, proc, queues, records, report, settings
from ..core.git import git
from ..fetch import Options, host_packages
from ..queue import tree

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


def words(path: Path = FOLDER / "calls.toml") -> Words:
    return records.make(Words, settings.toml(path), str(path))


# --- the table


def read_table(text: str, where: str, queue: str) -> list[Row]:
    """The rows of each table with the right columns; raises CONFIG for a bad row.

    Those under a heading that names queues are for these only.
    """
    rows: list[Row] = []
    inside, mine = False, True
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if line.startswith("#"):
            mine = queue in line or not any(name in line for name in queues.names())
        if not line.startswith("|"):
            inside = False
        elif cells == COLUMNS:
            inside = mine
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
    if verdict not in VERDICTS or bool(subject) != (verdict in BY_A_PATCH):
        raise HarnessError(Exit.CONFIG, f"{where}: the verdict is \"kept\", \"open\", "
                           "\"converted: SUBJECT OF THE PATCH\" or \"partly: SUBJECT\".")
    if not cells[5] and verdict != "converted":
        raise HarnessError(Exit.CONFIG, f"{where}: say why the call stays as it is.")
    return Row(Hit(*cells[:4]), verdict, subject, cells[5])


def miscounted(text: str, rows: list[Row], queue: str) -> list[str]:
    """What is wrong with the sentence that counts the rows of a queue."""
    verdicts = Counter(row.verdict for row in rows)
    sentence = (f"{queue}, {len(rows)} rows: {verdicts['converted']} converted, "
                f"{verdicts['partly']} partly, {verdicts['open']} open, {verdicts['kept']} kept.")
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


# The body of a function in blanked C text, by the style of the kernel: braces in the first column.
_BODY = re.compile(r"(?<!\\\n)^\{(?:.*\}[ \t]*$|(?s:.*?)^\})", re.M)
# What goes from a body of which nothing is needed: all but preprocessor directives, and the lines.
_EMPTIED = re.compile(r"(^[ \t]*#(?:.*\\\n)*.*$)|.", re.M)


def bodies(plain: str) -> Iterator[re.Match[str]]:
    """Each body; not what is not balanced, as with #ifdef around one of the braces."""
    return (body for body in _BODY.finditer(plain) if body[0].count("{") == body[0].count("}"))


_HEAD = re.compile(r"\b(\w+)\s*\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\s*"
                   r"(?:__\w+(?:\([^()]*\))?\s*)*$")
_MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)\([^)]*\)((?:.*\\\n)*.*)", re.M)


def functions(text: str) -> Iterator[tuple[str, str]]:
    """(name, body) of each function in C text, and of each macro with arguments. What stands
    between braces in the first column and has no parameters, as a struct, is none."""
    whole = blank(text)
    for body in bodies(whole):
        above = whole[whole.rfind("\n\n", 0, body.start()) + 1:body.start()]
        if head := _HEAD.search(above):
            yield head[1], body[0]
    for macro in _MACRO.finditer(whole):
        yield macro[1], macro[2]


def has_all(text: str, needed: Iterable[set[str]]) -> bool:
    """Whether a word of each set is in the text."""
    there = set(re.findall(r"\w+", text))
    return all(there & names for names in needed)


def slim(text: str, *needed: set[str]) -> str:
    """C text with the same lines, but nothing in the bodies of functions that lack a word of one
    of the sets: there is nothing to be found in them, and to parse them takes most of the time."""
    plain, parts, done = blank(text), [], 0
    for body in bodies(plain):
        start, end = body.span()
        if body[0].count("\n") > 1 and not has_all(text[start:end], needed):
            parts += [text[done:start + 1], _EMPTIED.sub(r"\1", plain[start + 1:end - 1])]
            done = end - 1
    return "".join([*parts, text[done:]])


def written(text: str, names: Iterable[str]) -> list[tuple[int, str]]:
    """(line, name) of each call in C text, as far as a regular expression can tell."""
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, names))})\s*\(")
    plain = blank(text)
    return [(plain.count("\n", 0, found.start()) + 1, found[1])
            for found in pattern.finditer(plain)]


def static_ones(file: str, text: str) -> set[str]:
    """Functions and macros that a file with C text defines for itself alone."""
    if file.endswith(".h"):
        return set()
    return {*re.findall(r"^static\b[^;{}()=]*\b(\w+)\s*\(", text, re.M),
            *(macro[1] for macro in _MACRO.finditer(text))}


def pin_words(asked: Iterable[Kind]) -> set[str]:
    """A file without any of these words has no hit."""
    return set().union(*(kind.words for kind in asked))


def names(words_: Iterable[str]) -> str:
    """A list as SmPL has it."""
    return "{ " + ", ".join(sorted(set(words_))) + " }"


def pinned_script(asked: Iterable[Kind], family: Iterable[str], calls: Iterable[str]) -> str:
    """A rule for each kind of pinning."""
    rule = script_of("pinned")
    rule = rule[rule.index("@in_KIND"):]
    rules = []
    for kind in asked:
        text = rule if kind.unpin else re.sub(r"^identifier unpin .*\n", "", rule, flags=re.M)
        if "lock" not in kind.match:
            text = re.sub(r"^expression lock;\n", "", text, flags=re.M)
        for key, value in (("{ PINS }", names(kind.pin)), ("{ UNPINS }", names(kind.unpin)),
                           ("{ CALLS }", names(family if kind.family else calls)),
                           ("MATCH", kind.match.strip("\n")),
                           ("PREFIX", '"guard "' if kind.guard else '""'),
                           ("KIND", kind.name)):
            text = text.replace(key, value)
        rules.append(text)
    return "\n".join(rules)


# Functions that make cross-CPU calls: (file, function) of static ones, ("", function) of others.
Makers = frozenset[tuple[str, str]]


def names_of(makers: Makers) -> set[str]:
    return {function for _, function in makers}


def is_maker(makers: Makers, file: str, name: str, own: set[str]) -> bool:
    """Whether a function that is called in a file is one of them, not another one of the same
    name; own are the functions that the file defines for itself."""
    return (file if name in own else "", name) in makers


def plus(makers: Makers, found: Iterable[tuple[str, str]], texts: dict[str, str],
         ignored: Iterable[str]) -> Makers:
    """With these (file, function), as far as their callers are asked for."""
    return makers | {(file if function in static_ones(file, texts[file]) else "", function)
                     for file, function in found
                     if function not in ignored and function.isidentifier()}


_CALLED = re.compile(r"(?<![\w.>])(\w+)\s*\(")


def one_step(texts: dict[str, str], makers: Makers) -> set[tuple[str, str]]:
    """(file, function) of those that call one of the makers."""
    found = set()
    for file, text in texts.items():
        if not has_all(text, [names_of(makers)]):
            continue
        own = static_ones(file, text)
        found |= {(file, name) for name, body in functions(text)
                  if any(called != name and is_maker(makers, file, called, own)
                         for called in set(_CALLED.findall(body)))}
    return found


# --- running Coccinelle


class Spatch:
    """Runs scripts over C texts; it makes use of all CPUs itself."""

    def __init__(self, work: Path, progress: Progress) -> None:
        self.work, self.progress = work, progress

    def run(self, name: str, script: str, texts: dict[str, str]) -> list[list[str]]:
        """The tab-separated lines that the script prints; texts are {path: C text}."""
        work = self.work / name
        shutil.rmtree(work, ignore_errors=True)
        for file, text in texts.items():
            (work / file).parent.mkdir(parents=True, exist_ok=True)
            # The parser does not know this.
            (work / file).write_text(re.sub(r"\b__free\(\w+\)", "", text), "utf-8")
        path = self.work / f"{name}.cocci"
        path.write_text(script)
        self.progress.tick(f"{name}: {len(texts)} files")
        done = proc.run(["spatch", "--very-quiet", "--no-includes", "--include-headers", "--jobs",
                         str(os.cpu_count() or 1), "--cocci-file", path, "--dir", "."], cwd=work,
                        step=f"spatch {name}", limit=settings.limit("spatch"), code=Exit.TEST)
        (self.work / f"{name}.out").write_text(done.output)
        return [line.removeprefix("./").split("\t") for line in done.output.splitlines()
                if line.count("\t") >= 3]


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
    lines = spatch.run("calls", script_of("calls").replace("{ FAMILY }", names(asked.family)),
                       {file: slim(text, {*asked.family}) for file, text in texts.items()})
    seen = Counter((line[0], int(line[3]), line[2]) for line in lines)
    return lines, {Hit(file, NOT_SEEN, "not seen by the script", name)
                   for file, text in texts.items() for line, name in written(text, asked.family)
                   if not seen[(file, line, name)]}


def audit(src: Path, spatch: Spatch, asked: Words, pinning: list[Kind],
          before: dict[str, str]) -> Found:
    """All hits in a kernel tree, and in other versions of some of its files."""
    texts = {file: text for file, text in _grep(src, asked.family, asked).items()
             if written(text, asked.family)}
    calls, hits = calls_in(spatch, texts, asked)
    makers = Makers((file, name) for word in (*asked.family, *asked.wrappers)
                    for file, _, name in [word.rpartition(":")])
    direct = {(line[0], line[1]) for line in calls}
    for _ in range(STEPS):
        texts |= _grep(src, names_of(makers), asked)
        makers = plus(makers, direct | one_step(texts, makers), texts, asked.not_asked)
    texts |= _grep(src, names_of(makers), asked)
    texts |= {BEFORE + file: text for file, text in before.items()}
    needed = names_of(makers), pin_words(pinning)
    texts = {file: slim(text, *needed) for file, text in texts.items() if has_all(text, needed)}
    texts = {file: text for file, text in texts.items() if has_all(text, needed)}
    lines = spatch.run("pinned", pinned_script(pinning, asked.family, names_of(makers)), texts)

    own = {file: static_ones(file, text) for file, text in texts.items()}

    def pinned(chosen: Iterable[list[str]]) -> set[Hit]:
        found = {(Hit(line[0].removeprefix(BEFORE), *line[1:4]), line[0]) for line in chosen}
        return {hit for hit, file in found
                if is_maker(makers, hit.file, hit.call, own[file]) and hit.function != hit.call}

    old = [line for line in lines if line[0].startswith(BEFORE)]
    hits |= pinned(line for line in lines if line not in old)
    return Found(hits, pinned(old), len(calls))


def selftest(spatch: Spatch, asked: Words, pinning: list[Kind]) -> list[str]:
    """What is wrong with the audit, told by sample/, a small tree of C files."""
    found = audit(SAMPLE, spatch, asked, pinning, {})
    pins = {(hit.function, hit.pin.removeprefix("guard ")) for hit in found.hits}
    wrong = []
    for path in sorted(SAMPLE.glob("*.c")):
        for name in re.findall(r"^(?:static )?void ((?:hit|miss)_\w+)\(",
                               path.read_text("utf-8"), re.M):
            of_kind = [kind for kind in pinning if name.startswith("hit_" + kind.name)]
            # hit_lock_passed is of the kind lock_passed, not lock.
            allowed = max(of_kind, key=lambda kind: len(kind.name)).pin if of_kind else ()
            if name.startswith("hit") and not any((name, pin) in pins for pin in allowed):
                wrong.append(f"{path.name} of the samples: {name}() is not found")
            if name.startswith("miss") and any(function == name for function, _ in pins):
                wrong.append(f"{path.name} of the samples: {name}() is found")
    tested = "\n".join(path.read_text("utf-8") for path in SAMPLE.glob("*.c"))
    wrong += [f"the samples have no function hit_{kind.name}...() for that kind of pins.toml"
              for kind in pinning if f" hit_{kind.name}" not in tested]
    hidden = sorted(re.findall(r"^#define hidden_(\w+)", tested, re.M))
    unseen = sorted(hit.call for hit in found.hits if hit.function == NOT_SEEN)
    if unseen != hidden:
        wrong.append(f"samples: the calls that are not seen are {unseen}, not {hidden}")
    return wrong


def parts(opts: Options, progress: Progress) -> list[Part]:
    """The audit on the patched tree, against the table."""
    start = time.monotonic()
    host_packages.need("spatch")
    asked = words(opts.queue.file(FOLDER / "calls.toml"))
    pinning = kinds(opts.queue.file(FOLDER / "pins.toml"))
    text, queue = TABLE.read_text("utf-8"), opts.queue.name
    rows = read_table(text, TABLE.name, queue)
    info = tree.ensure_tree(opts, progress)
    spatch = Spatch(opts.queue.build / "runs/prove/callers", progress)
    wrong = miscounted(text, rows, queue) + selftest(spatch, asked, pinning)
    touched = git(info.path, "diff", "--name-only", info.base_commit, info.tip_commit, "--",
                  "*.c", "*.h").output.split()
    before = {file: git(info.path, "show", f"{info.base_commit}:{file}", check=False).output
              for file in touched if not left_out(file, asked)}
    found = audit(info.path, spatch, asked, pinning, before)
    subjects = git(info.path, "log", "--format=%s",
                   f"{info.base_commit}..{info.tip_commit}").output.splitlines()
    listed = {row.hit for row in rows}
    (spatch.work / "no-verdict.md").write_text(render(found.hits - listed) + "\n")
    wrong += compare(found, rows, subjects)
    verdicts = Counter(row.verdict for row in rows)
    return [report.judged("callers", wrong, f"{found.calls} calls, {len(found.hits)} pinned: " +
                          ", ".join(f"{verdicts[name]} {name}" for name in VERDICTS), start)]
