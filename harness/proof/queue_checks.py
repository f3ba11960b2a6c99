"""Checks of the patch queue, before anything is booted.

In:  the queue, the kernel tree.  Out: Parts; with quick, only of what compiles nothing.
"""

import re
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterable

from ..core import (Exit, HarnessError, Part, Progress, Queue, proc, queues, records, report, require,
                    settings)
from ..core.records import Text
from ..fetch import Options, apt, host_packages
from ..queue import TreeInfo, export, releases, series, siblings, tree
from ..build import kconfig, single_objects
from ..judge import splats
from . import edits, litmus, mutants, recorded_calls

Result = tuple[list[str], str]      # complaints, and what was looked at, if there are none


class Skipped(Exception):
    """Why there is nothing to check."""


# --- without a tree


def check_files(queue: Queue) -> Result:
    """There are patches, and a cover letter that counts them; the round trip says whether they are those
    of the tree. On another release than they were exported on, it does not look at the letter."""
    files, letter = series.patches(queue), queue.dir / series.COVER
    text = letter.read_text("utf-8") if letter.is_file() else ""
    strays = {path.name for path in queue.dir.glob("*.patch")} - {path.name for path in [letter, *files]}
    return [f"{name} is not in series" for name in sorted(strays)] + report.true({
        "series is empty": not files,
        f"{letter.name} is missing": not text,
        f"the cover letter's subject does not say that there are {len(files)} patches; use ./run export":
            text and not re.search(rf"^Subject: \[[^]]* 0+/{len(files)}\]", text, re.M),
        "the cover letter still has a place-holder (***)": "***" in text,
        f"the cover letter has no line {export.BASE_LINE!r}; use ./run export":
            text and not export.exported_on(queue.dir)}), f"{len(files)} patches and the cover letter"


def check_siblings(queue: Queue) -> Result:
    """Patches that another queue has, too, are the same, or their difference has a reason."""
    listed = siblings.load(queue)
    if listed is None:
        raise Skipped("not compared with another queue")
    other = queues.load(listed.other)
    return (siblings.compare(listed, siblings.changes(queue), siblings.changes(other)),
            f"{len(listed.same)} patches as in {listed.other}, {len(listed.adapted)} adapted, "
            f"{len(listed.only)} only here")


def check_releases(queue: Queue) -> Result:
    """What releases.toml says is of the series as it is."""
    listed = releases.load(queue)
    if listed.series != releases.digest(queue):
        raise Skipped("of another state of the series, or not there; ./run check --releases makes it")
    good = sum(item.result == releases.APPLIES for item in listed.release)
    return [], f"git am took the series on {good} of {len(listed.release)} releases"


# --- with a tree


def check_am(info: TreeInfo) -> Result:
    """The tree was made with git am, or is so again here: nothing may depend on its state."""
    applied = series.apply(info.queue, info.path, info.base_commit, series.patches(info.queue))
    require(applied == info.tip_commit, f"git am leads to {applied[:12]}, but the tree is at "
            f"{info.tip_commit[:12]}; use ./run tree", Exit.APPLY)
    return [], f"on Linux {info.kernel_version} ({info.source})"


def check_shared(info: TreeInfo) -> Result:
    """The tip has the files of shared/, byte for byte."""
    complaints, count = siblings.not_shared(info.path)      # which is clean, and at its tip
    if not count:
        raise Skipped("there are none")
    return complaints, f"{count} file{'s' * (count > 1)}, byte for byte"


def without_positions(mail: bytes) -> bytes:
    """A patch without blob ids and line numbers, which differ between 6.12.y releases."""
    return re.sub(rb"^(index [0-9a-f]+\.\.[0-9a-f]+|@@ [-+0-9, ]+ @@)", b"", mail, flags=re.M)


def check_round_trip(info: TreeInfo) -> Result:
    """Exporting the tree gives the files of the queue again."""
    exported = export.exported_on(info.queue.dir)
    new, old = export.render(info), export.written(info.queue.dir)
    how = "the same bytes"
    if exported != info.kernel_version:
        how = f"the same but for line numbers (exported on {exported or 'unknown'})"
        new, old = ({name: without_positions(content) for name, content in files.items()
                     if name != series.COVER} for files in (new, old))
    complaints = [f"{name} would go away" for name in old if name not in new]
    complaints += [f"{name} would {'change' if name in old else 'be new'}"
                   for name in new if new[name] != old.get(name)]
    return complaints + ["use ./run tree, then ./run export"] * bool(complaints), how


def judge_checkpatch(output: str, allowed: Iterable[str]) -> tuple[list[str], int]:
    """Complaints in checkpatch's terse output, and how many were allowed: "TYPE PATCH" is the type of
    a message and a part of the patch's name."""
    said = re.findall(r"^((.*?):\d+: (?:ERROR|WARNING|CHECK):(\w+): .*)$", output, re.M)
    complaints = [line for line, patch, kind in said if not any(
        words[0] == kind and any(part in patch for part in words[1:]) for words in map(str.split, allowed))]
    return complaints, len(said) - len(complaints)


def check_checkpatch(info: TreeInfo) -> Result:
    files, path = series.patches(info.queue), settings.DATA / "checkpatch.toml"
    options, allowed = (records.value(dict[str, Text], info.queue.data(path)[name], f"{name} of {path}")
                        for name in ("option", "message"))
    host_packages.need("perl")
    result = proc.run(["perl", "scripts/checkpatch.pl", "--strict", "--terse", "--show-types",
                       "--color=never", *options, *files], step="checkpatch",
                      limit="checkpatch", cwd=info.path, check=False)
    complaints, spared = judge_checkpatch(result.output, allowed)
    # It ends with 0 for nothing to say and 1 for complaints. Anything else means that
    # it did not work, which must not look like a clean series.
    require(result.returncode == bool(complaints or spared),
            f"checkpatch ended with {result.returncode}\n{proc.tail(result.output)}", Exit.TEST)
    return ([line.removeprefix(f"{info.queue.dir}/") for line in complaints],
            f"nothing to say on {len(files)} patches"
            + (f", but for {spared} reminders listed in checkpatch.toml" if spared else ""))


def kernel_doc(info: TreeInfo, tree_: Path, paths: list[str]) -> Counter[str]:
    """The warnings about those of the sources that a tree has, without line numbers."""
    there = [path for path in paths if path.endswith((".c", ".h")) and (tree_ / path).is_file()]
    output = proc.run(["perl", info.path / "scripts/kernel-doc", "-none", "-Wall", *there], cwd=tree_,
                      step="kernel-doc", limit="checkpatch", check=False).output if there else ""
    return Counter(re.sub(r":\d+(?=[: ])", ":", line) for line in output.splitlines()
                   if re.search(r"(warning|error):", line, re.I))


def not_in_documents(tree_: Path, path: str) -> list[str]:
    """What is wrong with a document: not in its folder's index, or it pulls in what there is not."""
    name, text = Path(path), (tree_ / path).read_text("utf-8")
    index = tree_ / name.parent / "index.rst"
    listed = index.is_file() and re.search(rf"^\s+{re.escape(name.stem)}(\.rst)?$",
                                           index.read_text("utf-8"), re.M)
    return [f"{path} is not in its folder's index.rst"] * (not listed) + [
        f"{path} pulls in {source}, which does not exist"
        for source in re.findall(r"^\.\. kernel-doc:: (\S+)", text, re.M)
        if not (tree_ / source).is_file()]


def check_kernel_doc(info: TreeInfo) -> Result:
    """Touched sources: no kernel-doc warning that the base lacks; documents are in an index."""
    host_packages.need("perl")
    files = series.patches(info.queue)
    touched = series.touched(files)
    with series.sparse(info.queue, info.path, info.base_commit, files) as base:
        before = kernel_doc(info, base, touched)
    complaints = list(kernel_doc(info, info.path, touched) - before)
    for path in touched:
        if path.endswith(".rst") and Path(path).stem != "index" and (info.path / path).is_file():
            complaints += not_in_documents(info.path, path)
    sources = [path for path in touched if path.endswith((".c", ".h"))]
    return complaints, f"nothing new in {len(sources)} sources"


def check_litmus(info: TreeInfo) -> Result:
    """The series has what the litmus tests model."""
    return (litmus.dangling(info.queue, info.path),
            f"{len(litmus.tests(litmus.files(info.queue)))} tests; the series has what they model")


def check_mutants(info: TreeInfo) -> Result:
    """Each mutant's edits fit the tip, and the table lists just the mutants that there are."""
    complaints = []
    listed = mutants.load(info.queue)
    for mutant in listed:
        try:
            edits.made(mutant.edits, info.path)
        except HarnessError as error:
            complaints.append(f"{mutant.name}: {error.message}")
    return complaints, f"the edits of {len(listed)} mutants fit"


def check_record(info: TreeInfo) -> Result:
    """The patch of ./run record fits the tip."""
    recorded_calls.patched_tip(info)
    return [], f"{recorded_calls.PATCH.name} fits"


def check_splats(info: TreeInfo) -> Result:
    """The kernel's own scripts know no report that the splat patterns do not."""
    return (splats.badness(info.path, info.queue),
            f"all of {Path(splats.SCRIPT).name}'s, but for those listed with a reason")


def check_upstream(info: TreeInfo) -> Result:
    """The series on an unpatched upstream release: only the touched files are unpacked."""
    queue = info.queue
    try:
        tarball = apt.upstream_tarball(queue.package, queue.suites, queue.version)
    except HarnessError as error:
        raise Skipped(f"not to be had: {error.message.splitlines()[0]}") from None
    [found] = releases.look(queue, tarball.path, tarball.path.name)
    require(found.result == releases.APPLIES, f"on {found.source}: {found.result}", Exit.APPLY)
    return [], f"on Linux {found.release} ({found.source})"


def check_compiled(info: TreeInfo) -> Result:
    """Each C file that the series touches is compiled by one of the configurations."""
    left = single_objects.not_compiled(single_objects.configs(info.queue), info.path,
                                       series.touched(series.patches(info.queue)))
    return ([f"no configuration of objects.toml compiles {path}" for path in left],
            "each file that the series touches")


# --- compiling


def check_objects(config: single_objects.Config, progress: Progress, info: TreeInfo) -> Result:
    """The objects compile with the series, or after every patch; W=1 and sparse say nothing new."""
    host_packages.need(*config.groups)
    files = series.patches(info.queue)
    touched = series.touched(files)
    steps = [(path.name, commit, series.touched([path])) for path, commit in zip(
        files, series.commits(info.path, info.base_commit, info.tip_commit))] \
        if config.prefixes else [("the series", info.tip_commit, touched)]
    src = tree.worktree(info, "prefix", info.base_commit)

    def objects() -> list[str]:
        return single_objects.relevant(config, src, touched) if config.prefixes else config.objects

    single_objects.configure(config, src)
    for name in objects():
        (config.out / name).unlink(missing_ok=True)     # it is compiled, and says what it has to
    before = single_objects.compile_objects(config, src, objects(), progress.tick)
    complaints, count = [], 0
    for name, commit, paths in steps:
        changed = single_objects.concerned(config.arch, paths)
        if not changed:
            continue
        count += 1
        tree.worktree(info, "prefix", commit)
        progress.tick(name)
        if any(Path(path).name.startswith("Kconfig") for path in changed):
            single_objects.configure(config, src)
        try:
            now = single_objects.compile_objects(config, src, objects(), progress.tick)
        except HarnessError as error:
            raise HarnessError(Exit.BUILD, f"after {name}: {error.message}") from None
        complaints += [f"after {name}: {text}" for text in now - before]
    wrong = kconfig.missing(config.optional, (config.out / ".config").read_text())
    if wrong:
        complaints.append(f"with the whole series on, {', '.join(wrong)}")
    return complaints, (f"{len(objects())} objects; W=1 and sparse say nothing new"
                        + (f" after {count} of {len(steps)} patches" if config.prefixes else ""))


OF_THE_QUEUE = (("series and files", check_files), ("patches of two queues", check_siblings),
                ("table of releases", check_releases))
IN_THE_TREE = (
    ("git am, pristine tree", check_am),
    ("shared files", check_shared),
    ("round trip", check_round_trip),
    ("checkpatch", check_checkpatch),
    ("kernel-doc", check_kernel_doc),
    ("litmus names", check_litmus),
    ("mutants", check_mutants),
    ("patch of record", check_record),
    ("splat patterns", check_splats),
    ("git am, upstream", check_upstream),
    ("compiled files", check_compiled),
)


def one(name: str, check: Callable[[Any], Result], about: Queue | TreeInfo) -> Part:
    """The Part of a check; complaints are printed."""
    start = time.monotonic()
    try:
        complaints, note = check(about)
        return report.judged(name, complaints, note, start)
    except Skipped as why:
        return Part(name, Exit.OK, 0, 0, 1, time.monotonic() - start, str(why))
    except HarnessError as error:
        return report.not_done(name, error, start)


def checks(quick: bool, opts: Options, progress: Progress) -> list[Part]:
    """Runs the checks and returns a Part for each."""
    parts, start = [one(*check, opts.queue) for check in OF_THE_QUEUE], time.monotonic()
    try:
        info = tree.ensure_tree(opts, progress)
    except HarnessError as error:       # all others would say the same again
        return [*parts, report.not_done(IN_THE_TREE[0][0], error, start)]
    builds = [(config.name, partial(check_objects, config, progress))
              for config in ([] if quick else single_objects.configs(opts.queue))]
    for name, check in (*IN_THE_TREE, *builds):
        progress.tick(name)
        parts.append(one(name, check, info))
    return parts
