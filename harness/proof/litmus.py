"""The litmus tests in proof/litmus/: their verdicts, and whether they fit the kernel.

In:  NAME.litmus with its twin NAME-broken.litmus, the kernel tree, herd7.
Out: Parts: the memory model on the kernel's own tests, what is modelled, each test with its twin.

A test's comment says `Result: Never` (`Sometimes` in a twin), and in lines like
`Models: kernel/smp.c: csd_unlock() smp_store_release` what must stand in which function: a
barrier that is dropped or weakened there is found.
"""

import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Sequence

from ..core import Exit, HarnessError, Part, Progress, Queue, report, settings
from ..core.git import git
from ..fetch import Options
from ..queue import TreeInfo, tree
from . import herd7

TWIN = "-broken"
MODEL = "tools/memory-model"            # in the kernel tree
SUFFIX = ".litmus"


@dataclass(frozen=True)
class Header:
    """What the head of a test says."""

    name: str                           # in the first line, "C NAME"
    result: str                         # "Never", "Sometimes", ...; "" if it does not say
    models: tuple[tuple[str, str, str], ...]    # file of the kernel, function, word or ""


def header(text: str) -> Header:
    """Reads the first line and the comment after it."""
    first = re.match(r"C (\S+)", text)
    comment = text.partition("*)")[0]
    result = re.search(r"^ \* Result: (\w+)", comment, re.M)
    models = re.findall(r"^ \* Models: (\S+): (\w+)\(\)(?: (\w+))?$", comment, re.M)
    return Header(first[1] if first else "", result[1] if result else "", tuple(models))


def folder() -> Path:
    return settings.REPO / "proof/litmus"


def found(*folders: Path) -> dict[str, Path]:
    """Every test and twin by name; one in a later folder comes in the place of one before."""
    return {path.stem: path for where in folders for path in sorted(where.glob(f"*{SUFFIX}"))}


def files(queue: Queue) -> dict[str, Path]:
    """Those for a queue: it can have its own in its folder litmus/."""
    return found(folder(), queue.dir / "litmus")


def instead(queue: Queue) -> dict[str, str]:
    """"FILE: FUNCTION() WORD" of the tests -> what comes in its place in the queue's kernel."""
    own = queue.dir / "litmus.toml"
    return settings.toml(own)["models"] if own.is_file() else {}


def tests(known: Iterable[str]) -> list[str]:
    """Names of the tests, without the twins."""
    return sorted(name for name in known if not name.endswith(TWIN))


# --- names


def body(source: str, function: str) -> str | None:
    """The text of a function without comments; None if the source does not define it."""
    code = re.sub(r"/\*.*?\*/|//[^\n]*", " ", source, flags=re.S)
    found = re.findall(rf"^(?![\s#])[^\n;{{}}]*\b{function}\([^;{{}}]*\{{(.*?)^\}}", code, re.M | re.S)
    return "\n".join(found) if found else None


def dangling(files: dict[str, Path], read: Callable[[str], str | None],
             instead: dict[str, str] = {}) -> list[str]:
    """Complaints: twins that do not fit, and what is modelled and not in the kernel.

    read gives the text of any file of the kernel, None if there is no such file.
    """
    texts = {name: path.read_text("utf-8") for name, path in files.items()}
    complaints = [] if files else ["there is no litmus test"]
    for old, new in instead.items():
        if not any(f"Models: {old}\n" in text for text in texts.values()):
            complaints.append(f"litmus.toml has {old}, which no test models")
        texts = {name: text.replace(f"Models: {old}\n", f"Models: {new}\n")
                 for name, text in texts.items()}
    heads = {name: header(text) for name, text in texts.items()}
    for name, path in files.items():
        head = heads[name]
        if head.name != name:
            complaints.append(f"{path.name} calls itself {head.name or 'nothing'}")
        if name.endswith(TWIN):
            test = heads.get(name.removesuffix(TWIN))
            if test is None:
                complaints.append(f"{path.name} is the twin of no test")
            elif test.models != head.models:
                complaints.append(f"{path.name} does not model what the test does")
            wanted = "Sometimes"
        else:
            if name + TWIN not in files:
                complaints.append(f"{path.name} has no twin {name}{TWIN}{SUFFIX}")
            wanted = "Never"
        if head.result != wanted:
            complaints.append(f"{path.name} says Result: {head.result or '(nothing)'} instead of "
                              f"{wanted}")
        if name.endswith(TWIN):
            continue
        if not head.models:
            complaints.append(f"{path.name} does not say what it models")
        for file, function, word in head.models:
            source = read(file)
            text = None if source is None else body(source, function)
            if source is None:
                complaints.append(f"{path.name} models {file}, which the kernel does not have")
            elif text is None:
                complaints.append(f"{path.name} models {function}(), which {file} does not have")
            elif word and not re.search(rf"\b{word}\b", text):
                complaints.append(f"{path.name} relies on {word} in {function}(), which does not "
                                  f"use it")
    return complaints


def names_agree(info: TreeInfo) -> list[str]:
    """`dangling` for the tests of the repository and the tip of the tree."""
    texts: dict[str, str | None] = {}

    def read(path: str) -> str | None:
        if path not in texts:
            shown = git(info.path, "show", f"{info.tip_commit}:{path}", check=False)
            texts[path] = None if shown.returncode else shown.output
        return texts[path]

    return dangling(files(info.queue), read, instead(info.queue))


# --- verdicts


def judge(head: Header, outcome: herd7.Outcome) -> list[str]:
    """Complaints about herd7's verdict on one test."""
    complaints = []
    if outcome.name != head.name:
        complaints.append(f"herd7 judged {outcome.name} instead of {head.name}")
    if outcome.verdict != head.result:
        complaints.append(f"{head.name} is {outcome.text()}, but should be "
                          f"{head.result or 'said to be Never or Sometimes'}")
    elif outcome.verdict == "Never":
        if outcome.negative == 0:
            complaints.append(f"{head.name} has no execution at all, so it shows nothing")
        if outcome.flags:
            complaints.append(f"{head.name} is flagged: {', '.join(outcome.flags)}")
    return complaints


def part(name: str, tests: Sequence[Path], note: Callable[[list[str]], str], tool: herd7.Herd,
         model: Path, logs: Path) -> Part:
    """Runs some tests, and judges each by what its head says; note: what to say of the verdicts."""
    start = time.monotonic()
    code, failed, complaints, said = Exit.TEST, 0, [], []
    for path in tests:
        try:
            outcome = herd7.run(tool, path, model, logs / f"{path.stem}.txt")
            found = judge(header(path.read_text("utf-8")), outcome)
            said.append(outcome.text())
        except HarnessError as error:
            found, code = [error.message], error.code
        failed += bool(found)
        complaints += found
    if not tests:
        complaints.append(f"{model} has no tests")
    return report.judged(name, complaints, note(said), start, len(tests), failed, code)


def names_part(info: TreeInfo) -> Part:
    start = time.monotonic()
    return report.judged("litmus names", names_agree(info), f"{len(tests(files(info.queue)))} tests, each with a "
                         "twin; the kernel has what they model", start)


def parts(opts: Options, progress: Progress) -> list[Part]:
    """Runs everything; raises if there is no herd7 or no kernel tree."""
    info = tree.ensure_tree(opts, progress)
    made = [names_part(info)]
    progress.tick("herd7")
    try:
        tool = herd7.ensure()
    except HarnessError as error:
        print(f"run: {error.message}", file=sys.stderr, flush=True)
        return [*made, Part("memory model", error.code, 0, 1, 0, 0, error.message)]
    model = info.path / MODEL
    if not (model / herd7.CONFIG).is_file():
        raise HarnessError(Exit.TEST, f"{model} is not there, so there is no memory model to judge "
                           "with; give a kernel tree that has it.")
    known = files(opts.queue)
    logs = opts.queue.build / "runs/prove/litmus"
    progress.tick("the kernel's own tests")
    made.append(part("memory model", sorted((model / "litmus-tests").glob(f"*{SUFFIX}")),
                     lambda said: f"herd7 {tool.version} agrees with the kernel's own tests", tool,
                     model, logs / "own"))
    for name in tests(known):
        progress.tick(name)
        two = [known.get(stem, Path(stem + SUFFIX)) for stem in (name, name + TWIN)]
        made.append(part(f"litmus {name}", two, "; twin ".join, tool, model, logs))
    return made
