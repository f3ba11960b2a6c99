"""The litmus tests in proof/litmus/: their verdicts, and whether they fit the kernel.

In:  NAME.litmus with its twin NAME-broken.litmus, the kernel tree, herd7.
Out: Parts: the memory model on the kernel's own tests, what is modelled, each test with its twin.

A test's comment says `Result: Never` (`Sometimes` in a twin), and in lines like
`Models: kernel/smp.c: csd_unlock() smp_store_release` what must stand in which function: a
barrier that is dropped or weakened there is found.
"""

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Sequence

from ..core import Exit, HarnessError, Part, Progress, Queue, report, settings
from ..fetch import Options
from ..queue import tree
from . import c_text, herd7

TWIN = "-broken"
MODEL = "tools/memory-model"            # in the kernel tree
SUFFIX = ".litmus"


@dataclass(frozen=True)
class Header:
    """What the head of a test says."""

    name: str                           # in the first line, "C NAME"
    result: str                         # "Never", "Sometimes", ...; "" if it does not say
    models: tuple[str, ...]             # "FILE: FUNCTION() WORD", of the kernel, or without the word


def header(text: str) -> Header:
    """Reads the first line and the comment after it."""
    first = re.match(r"C (\S+)", text)
    comment = text.partition("*)")[0]
    result = re.search(r"^ \* Result: (\w+)", comment, re.M)
    models = re.findall(r"^ \* Models: (.*)$", comment, re.M)
    return Header(first[1] if first else "", result[1] if result else "", tuple(models))


def files(queue: Queue) -> dict[str, Path]:
    """Every test and twin for a queue by name: its own in litmus/ come in the place of the common ones."""
    return {path.stem: path for folder in (settings.REPO / "proof/litmus", queue.dir / "litmus")
            for path in sorted(folder.glob(f"*{SUFFIX}"))}


def tests(known: Iterable[str]) -> list[str]:
    """Names of the tests, without the twins."""
    return sorted(name for name in known if not name.endswith(TWIN))


def dangling(queue: Queue, tree_: Path) -> list[str]:
    """Complaints: twins that do not fit, and what is modelled and not in the kernel tree."""
    heads = {name: header(path.read_text("utf-8")) for name, path in files(queue).items()}
    known = {model for head in heads.values() for model in head.models}
    own = queue.own("litmus.toml").get("models", {})      # what comes in the place of a common one
    complaints = [] if heads else ["there is no litmus test"]
    complaints += [f"litmus.toml has {old}, which no test models" for old in own if old not in known]
    for name, head in heads.items():
        test = name.removesuffix(TWIN)
        other, wanted = (name + TWIN, "Never") if name == test else (test, "Sometimes")
        faults = {
            f"calls itself {head.name or 'nothing'}": head.name != name,
            f"has no {other}{SUFFIX} beside it": other not in heads,
            f"says Result: {head.result or '(nothing)'} instead of {wanted}": head.result != wanted,
            "does not say what it models": not head.models,
            f"does not model what {other} does": other in heads and heads[other].models != head.models}
        for model in (own.get(model, model) for model in head.models if name == test):
            found = re.fullmatch(r"(\S+): (\w+)\(\)( \w+)?", model)
            code = body(tree_ / found[1], found[2]) if found else None
            faults[f"models {model}, which the kernel does not have"] = \
                code is None or found[3] and not re.search(rf"\b{found[3].strip()}\b", code)
        complaints += [f"{name}{SUFFIX} {fault}" for fault in report.true(faults)]
    return complaints


def body(path: Path, function: str) -> str | None:
    """The text of a function without comments; None if the file does not define it."""
    plain = c_text.blank(path.read_text("utf-8")) if path.is_file() else ""
    found = [plain[start:end] for name, start, end in c_text.functions(plain) if name == function]
    return "\n".join(found) if found else None


def judge(head: Header, said: herd7.Said) -> list[str]:
    """Complaints about herd7's verdict on one test."""
    name, verdict, _, negative, *flags = said
    faults = {
        f"herd7 judged {name} instead of {head.name}": name != head.name,
        f"{head.name} is {' '.join(said[1:])}, but should be "
        f"{head.result or 'said to be Never or Sometimes'}": verdict != head.result}
    if verdict == head.result == "Never":
        faults[f"{head.name} has no execution at all, so it shows nothing"] = negative == "0"
        faults[f"{head.name} is flagged: {', '.join(flags)}"] = bool(flags)
    return report.true(faults)


def part(name: str, tests: Sequence[Path], note: Callable[[list[str]], str], tool: herd7.Herd,
         model: Path, logs: Path) -> Part:
    """Runs some tests, and judges each by what its head says; note: what to say of the verdicts."""
    start = time.monotonic()
    code, failed, complaints, said = Exit.TEST, 0, [], []
    for path in tests:
        try:
            words = herd7.run(tool, path, model, logs / f"{path.stem}.txt")
            found = judge(header(path.read_text("utf-8")), words)
            said.append(" ".join(words[1:]))
        except HarnessError as error:
            found, code = [error.message], error.code
        failed += bool(found)
        complaints += found
    if not tests:
        complaints.append(f"{model} has no tests")
    return report.judged(name, complaints, note(said), start, len(tests), failed, code)


def parts(opts: Options, progress: Progress) -> list[Part]:
    """Runs everything; raises if there is no kernel tree."""
    info, start = tree.ensure_tree(opts, progress), time.monotonic()
    known = files(opts.queue)
    made = [report.judged("litmus names", dangling(opts.queue, info.path), f"{len(tests(known))} tests, "
                          "each with a twin; the kernel has what they model", start)]
    progress.tick("herd7")
    try:
        tool = herd7.ensure()
    except HarnessError as error:
        return [*made, report.not_done("memory model", error, start)]
    model = info.path / MODEL
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
